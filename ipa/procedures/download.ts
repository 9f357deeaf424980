// Profile download (SGP.32 §3.2.3): performs what the download machine decides, on the card and at the SM-DP+, itself or through the eIM.
// One row an effect; the steps are in download-authentication, download-installation and download-report.
import { createHash } from "node:crypto";
import { toHex } from "../../base/bytes.ts";
import { asSimwardError, errorReport, SimwardError } from "../../base/errors.ts";
import { type CancelReason, type DownloadEffect, type DownloadInput, type DownloadState, nextDownload } from "../machines/download.ts";
import type { ProfileDownloadTriggerRequest } from "../messages/esipa.ts";
import { smdpAddressIn } from "./activation-code.ts";
import { ask, borrowCard, type IpaContext } from "./context.ts";
import { wayOf } from "./direct-download.ts";
import { authenticate, authenticateAtServer, cancel, checkMetadata, fetchPackage, initiate, prepare } from "./download-authentication.ts";
import { adopt, enable, load, search } from "./download-installation.ts";
import { finish, notify, relaysOf, remove, reportFailure, reportResult } from "./download-report.ts";
import type { DownloadClient, DownloadRun } from "./download-session.ts";
import { drive, type Telling } from "./drive.ts";
import { heldDownload } from "./emergency.ts";
import { toBase64 } from "./journal.ts";

/** One download from the trigger to its report. Answers why it is unfinished, if it is. */
export async function downloadProfile(
  context: IpaContext,
  client: DownloadClient,
  received: { readonly raw: Uint8Array; readonly value: ProfileDownloadTriggerRequest },
  signal: AbortSignal | undefined,
): Promise<SimwardError | undefined> {
  const sha256 = toHex(createHash("sha256").update(received.raw).digest());
  const { eimId } = client;
  const { eimTransactionId } = received.value;
  const transaction = eimTransactionId === undefined ? undefined : toHex(eimTransactionId);
  await context.tell({
    kind: "package.received",
    eimId,
    packageKind: "profileDownload",
    bytes: received.raw.length,
    sha256,
    eimTransactionId: transaction,
    counterValue: undefined,
    operations: [received.value.profileDownloadData?.kind ?? "profileDownload"],
  });
  const state: DownloadState = {
    kind: "profileDownload",
    phase: "received",
    eimId,
    trigger: toBase64(received.raw),
    sha256,
    eimTransactionId: transaction,
    way: wayOf(context, eimId, received.value),
    attempts: 0,
    sessionOpen: false,
    installed: false,
    notified: false,
    enabled: false,
  };
  const data = received.value.profileDownloadData;
  const smdpAddress = data?.kind === "activationCode" ? smdpAddressIn(data.value) : undefined;
  const verdict = await ask(context, "download", { eimId, sha256, smdpAddress }, sha256);
  const input: DownloadInput =
    verdict.kind === "refuse"
      ? { kind: "failed", error: errorReport(new SimwardError("POLICY_REFUSED", { detail: `${verdict.rule}: ${verdict.reason}` })) }
      : { kind: "allowed" };
  return carryOut(context, client, signal, state, input);
}

/** Goes on with what the journal holds. */
export async function resumeDownload(
  context: IpaContext,
  state: DownloadState,
  afterRestart: boolean,
  signal: AbortSignal | undefined,
  client: DownloadClient = context.eims.client(state.eimId),
): Promise<SimwardError | undefined> {
  return carryOut(context, client, signal, state, { kind: "resumed", afterRestart });
}

type Effect = Exclude<DownloadEffect, Telling>;

async function carryOut(
  context: IpaContext,
  client: DownloadClient,
  signal: AbortSignal | undefined,
  state: DownloadState,
  input: DownloadInput,
): Promise<SimwardError | undefined> {
  const { journal, tell, options } = context;
  const rules = { immediateEnable: options.immediateEnable };
  const run: DownloadRun = {
    context,
    client,
    signal,
    card: borrowCard(context.euicc, "profile download", signal),
    session: undefined,
    result: undefined,
    errorResponse: undefined,
    refreshPending: false,
    problem: undefined,
    unreported: undefined,
  };
  try {
    const last = await drive<DownloadState, DownloadInput, Effect>(
      {
        next: (current, what) => nextDownload(rules, current, what),
        perform: (effect, current) => attempt(run, effect, current),
        // "done" is written by `finish`, together with what follows from it.
        save: (current) =>
          current.phase === "done" ? Promise.resolve() : journal.update({ operation: current, relays: relaysOf(run, current) }),
        tell,
      },
      state,
      input,
    );
    return last.phase === "done" ? run.unreported : (run.problem ?? new SimwardError("DOWNLOAD_FAILED", { detail: last.phase }));
  } finally {
    await run.card.release();
  }
}

async function attempt(run: DownloadRun, effect: Effect, state: DownloadState): Promise<DownloadInput | undefined> {
  const held = await heldDownload(run.context, effect.do, state.eimId);
  if (held !== undefined) {
    run.problem = held;
    return { kind: "held" };
  }
  try {
    return await perform(run, effect, state);
  } catch (error) {
    run.signal?.throwIfAborted();
    // The journal and the audit trail must hold, or nothing does.
    const known = asSimwardError(error);
    if (known.code === "DISK_WRITE" || known.code === "AUDIT_WRITE" || effect.do === "finish") throw error;
    run.problem = known;
    return { kind: "failed", error: errorReport(known), reason: reasonOf(known) };
  }
}

function perform(run: DownloadRun, effect: Effect, state: DownloadState): Promise<DownloadInput | undefined> {
  switch (effect.do) {
    case "initiate":
      return initiate(run, state);
    case "authenticateServer":
      return authenticate(run);
    case "authenticateClient":
      return authenticateAtServer(run);
    case "checkMetadata":
      return checkMetadata(run, state);
    case "prepare":
      return prepare(run);
    case "fetch":
      return fetchPackage(run);
    case "load":
      return load(run, state);
    case "enable":
      return enable(run, state);
    case "adopt":
      return adopt(run, effect.iccid);
    case "report":
      return reportResult(run, state, effect.seqNumber);
    case "notify":
      return notify(run, state, effect.seqNumber);
    case "remove":
      return remove(run, effect.seqNumber);
    case "search":
      return search(run, state);
    case "cancel":
      return cancel(run, state, effect.reason);
    case "reportFailure":
      return reportFailure(run, state);
    case "finish":
      return finish(run, state);
  }
}

/** What the server refused for says why the card's session ends (SGP.32 §6.4: pprNotAllowed and metadataMismatch come from an eIM that verifies). */
function reasonOf({ data }: SimwardError): CancelReason | undefined {
  return data.error === "pprNotAllowed" || data.error === "metadataMismatch" ? data.error : undefined;
}
