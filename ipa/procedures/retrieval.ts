// eIM package retrieval (SGP.32 §3.1.1.1): asks one eIM until it has nothing more, and hands each package to its procedure.
// Every package that came ends in an answer to the eIM, be it that it could not be read.
import { toHex } from "../../base/bytes.ts";
import { asSimwardError, errorReport, SimwardError } from "../../base/errors.ts";
import type { EimClient, EimPackage } from "../esipa/client.ts";
import type { EimPackageResultErrorCode } from "../messages/esipa.ts";
import { begun, type IpaContext } from "./context.ts";
import { rPlmn } from "./device.ts";
import { downloadProfile } from "./download.ts";
import { answerEcallActive, deferred, ecallAnswer, emergencyOf, holdsPolls } from "./emergency.ts";
import { answerDataRequest } from "./ipa-euicc-data.ts";
import { toBase64 } from "./journal.ts";
import { executePackage } from "./package.ts";

export interface Retrieved {
  readonly packages: number;
  readonly error: SimwardError | undefined;
}

/** At most `maxPackagesPerPoll`: an eIM that never ends must not keep the others from their turn. */
export async function retrievePackages(context: IpaContext, eimId: string, signal: AbortSignal | undefined): Promise<Retrieved> {
  let packages = 0;
  try {
    while (packages < context.options.maxPackagesPerPoll) {
      // Asked for anew each time: a package may have changed this eIM's configuration, or removed it.
      if (packages > 0 && context.eims.find(eimId) === undefined) break;
      const client = context.eims.client(eimId);
      const sources = emergencyOf(context);
      if (holdsPolls(sources)) return { packages, error: await deferred(context, `poll of ${eimId}`) };
      const done = await begun(context.ports, "package", () => retrieveOne(context, client, signal));
      if (done === "none") break;
      packages++;
      if (done !== "dealt with") return { packages, error: done };
    }
    return { packages, error: undefined };
  } catch (error) {
    signal?.throwIfAborted();
    return { packages, error: asSimwardError(error) };
  }
}

/** One package, from the asking to its answer; answers why it is not finished. */
async function retrieveOne(
  context: IpaContext,
  client: EimClient,
  signal: AbortSignal | undefined,
): Promise<"none" | "dealt with" | SimwardError> {
  const received = await next(context, client, signal);
  if (received.kind === "none") return "none";
  const refusal = ecallAnswer(context, client, received);
  const error =
    refusal === undefined
      ? await dispatch(context, client, received, signal)
      : await answerEcallActive(context, client, received, refusal, signal);
  return error ?? "dealt with";
}

/** GetEimPackage. What the eIM was to be told of is told once it has answered. */
async function next(context: IpaContext, client: EimClient, signal: AbortSignal | undefined): Promise<EimPackage> {
  const { journal } = context;
  const stateChange = journal.content.stateChanges[client.eimId];
  const received = await client.getEimPackage({ stateChange, rPlmn: rPlmn(context) }, signal);
  if (stateChange !== undefined) {
    const { [client.eimId]: _told, ...stateChanges } = journal.content.stateChanges;
    await journal.update({ stateChanges });
  }
  return received;
}

function dispatch(
  context: IpaContext,
  client: EimClient,
  received: Exclude<EimPackage, { readonly kind: "none" }>,
  signal: AbortSignal | undefined,
): Promise<SimwardError | undefined> {
  switch (received.kind) {
    case "euiccPackage":
      return executePackage(context, client, received, signal);
    case "profileDownload":
      return downloadProfile(context, client, received, signal);
    case "ipaEuiccData":
      return answerDataRequest(context, client, received, signal);
    case "unknown": {
      const error = new SimwardError("PACKAGE_UNKNOWN", { detail: `tag ${received.tag}` });
      return refuse(context, client, "unknownPackage", undefined, error, signal);
    }
    case "malformed": {
      const error = new SimwardError("PACKAGE_FORMAT", { detail: received.error.detail ?? received.error.message, cause: received.error });
      return refuse(context, client, "invalidPackageFormat", received.eimTransactionId, error, signal);
    }
  }
}

/** Tells the eIM that nothing can be made of its package; if it cannot be told now, later. */
async function refuse(
  context: IpaContext,
  client: EimClient,
  code: EimPackageResultErrorCode,
  eimTransactionId: Uint8Array | undefined,
  reason: SimwardError,
  signal: AbortSignal | undefined,
): Promise<SimwardError | undefined> {
  const { journal, tell } = context;
  const { eimId } = client;
  await tell({ kind: "package.malformed", eimId, code: reason.code, reason: reason.message });
  const message = client.encodeResult({ kind: "error", eimTransactionId, code });
  await journal.update({ outbox: [...journal.content.outbox, { eimId, message: toBase64(message) }] });
  const entry = journal.content.outbox.at(-1);
  const transaction = eimTransactionId === undefined ? undefined : toHex(eimTransactionId);
  try {
    await client.provideEimPackageResult(message, signal);
    await tell({
      kind: "package.reported",
      eimId,
      packageKind: "unknown",
      eimTransactionId: transaction,
      seqNumber: undefined,
      acknowledged: [],
    });
  } catch (error) {
    signal?.throwIfAborted();
    const known = asSimwardError(error);
    await tell({ kind: "package.unreported", eimId, seqNumber: undefined, error: errorReport(known) });
    if (known.code !== "ESIPA_REFUSED") return known;
  }
  await journal.update({ outbox: journal.content.outbox.filter((one) => one !== entry) });
  return undefined;
}
