// What an emergency means for the IPA: what could disturb it is put off until it is over, and while the emergency profile is enabled eIMs are
// answered ecallActive (104), as SGP.32 has it.
import { toHex } from "../../base/bytes.ts";
import { asSimwardError, errorReport, SimwardError } from "../../base/errors.ts";
import { encode } from "../asn1/schema.ts";
import { retag, writeTlv } from "../asn1/tlv.ts";
import type { EimClient, EimPackage } from "../esipa/client.ts";
import { profileDownloadError } from "../esipa/messages.ts";
import type { DownloadEffect } from "../machines/download.ts";
import { IpaEuiccDataErrorCode, IpaEuiccDataResponse } from "../messages/esipa.ts";
import type { EmergencySource, ProfileFacts } from "../ports.ts";
import type { IpaContext } from "./context.ts";
import { toBase64 } from "./journal.ts";

/** What tells of an emergency now. */
export function emergencyOf({ ports }: Pick<IpaContext, "ports">): readonly EmergencySource[] {
  return ports.interlock?.sources ?? [];
}

/** The emergency profile alone does not keep eIMs from being asked: they are told of it, and get 104. */
export function holdsPolls(sources: readonly EmergencySource[]): boolean {
  return sources.some((source) => source !== "profile");
}

export function isEmergencyProfileEnabled(profiles: readonly ProfileFacts[]): boolean {
  return profiles.some(({ enabled, ecallIndication }) => enabled && ecallIndication === true);
}

export function emergencyError(sources: readonly EmergencySource[]): SimwardError {
  return new SimwardError("EMERGENCY_ACTIVE", { detail: sources.join(", "), data: { sources } });
}

/** Tells that something waits, and answers with what. Undefined when nothing has to. */
export async function deferred(context: IpaContext, what: string): Promise<SimwardError | undefined> {
  const sources = emergencyOf(context);
  if (sources.length === 0) return undefined;
  await context.tell({ kind: "emergency.deferred", what, sources });
  return emergencyError(sources);
}

/**
 * Answers for the IPA while the emergency profile is enabled (SGP.32 §3.2.3, §5.14): no download begins, no data are read from the card. An eUICC
 * package goes to the card, which refuses it by signature. Undefined when the package is to be dealt with as ever.
 */
export function ecallAnswer(
  context: IpaContext,
  client: EimClient,
  received: Exclude<EimPackage, { readonly kind: "none" }>,
): Uint8Array | undefined {
  if (!emergencyOf(context).includes("profile")) return undefined;
  const version = client.compat.esipaVersion;
  switch (received.kind) {
    case "profileDownload": {
      const result = profileDownloadError(received.value.eimTransactionId, "ecallActive", undefined, version);
      return client.encodeResult({ kind: "profileDownloadTriggerResult", result });
    }
    case "ipaEuiccData": {
      const { eimTransactionId } = received.value;
      const response =
        version === "1.0"
          ? writeTlv(0xbf52, retag(encode(IpaEuiccDataErrorCode, "ecallActive"), 0x81))
          : encode(IpaEuiccDataResponse, {
              kind: "ipaEuiccDataResponseError",
              value: { eimTransactionId, ipaEuiccDataErrorCode: "ecallActive" },
            });
      return client.encodeResult({ kind: "ipaEuiccDataResponse", response });
    }
    default:
      return undefined;
  }
}

/** Sends it; an eIM that cannot be reached now gets it from the outbox. */
export async function answerEcallActive(
  context: IpaContext,
  client: EimClient,
  received: Exclude<EimPackage, { readonly kind: "none" }>,
  message: Uint8Array,
  signal: AbortSignal | undefined,
): Promise<SimwardError | undefined> {
  const { journal, tell } = context;
  const { eimId } = client;
  const { eimTransactionId: id } = received.kind === "profileDownload" || received.kind === "ipaEuiccData" ? received.value : {};
  const eimTransactionId = id === undefined ? undefined : toHex(id);
  const packageKind = received.kind === "profileDownload" ? "profileDownload" : "ipaEuiccData";
  await tell({ kind: "emergency.deferred", what: `${packageKind}: ecallActive to ${eimId}`, sources: emergencyOf(context) });
  try {
    await client.provideEimPackageResult(message, signal);
  } catch (error) {
    signal?.throwIfAborted();
    const known = asSimwardError(error);
    await tell({ kind: "package.unreported", eimId, seqNumber: undefined, error: errorReport(known) });
    if (known.code === "ESIPA_REFUSED") return undefined;
    await journal.update({ outbox: [...journal.content.outbox, { eimId, message: toBase64(message) }] });
    return known;
  }
  await tell({ kind: "package.reported", eimId, packageKind, eimTransactionId, seqNumber: undefined, acknowledged: [] });
  return undefined;
}

/** Steps of a download that begin nothing: what has been done is told and tidied up also in an emergency, and ImmediateEnable judges for itself. */
const harmless: ReadonlySet<DownloadEffect["do"]> = new Set([
  ...(["enable", "report", "notify", "remove", "search", "cancel", "reportFailure", "finish", "tell"] as const),
]);

/** Why this step of a download must not begin now. */
export async function heldDownload(context: IpaContext, step: DownloadEffect["do"], eimId: string): Promise<SimwardError | undefined> {
  return harmless.has(step) ? undefined : deferred(context, `profileDownload of ${eimId}, ${step}`);
}
