// A profile download by activation code that a person beside the vehicle gives (SGP.22 §3.1.3): the steps are those of every direct download; its end is
// told to that person instead of an eIM. The activation code stands in the journal only while it is under way, the confirmation code never.

import { emptyBytes } from "../../base/bytes.ts";
import { type ErrorReport, errorReport, errorTable, SimwardError } from "../../base/errors.ts";
import { encode } from "../asn1/schema.ts";
import type { IpaEvent } from "../events.ts";
import type { DownloadState } from "../machines/download.ts";
import { localOrder } from "../machines/profile-order.ts";
import { ProfileDownloadTriggerRequest } from "../messages/esipa.ts";
import { defaultCompat } from "../options.ts";
import { parseActivationCode } from "./activation-code.ts";
import type { IpaContext } from "./context.ts";
import { downloadProfile, resumeDownload } from "./download.ts";
import type { DownloadClient } from "./download-session.ts";

export interface LocalDownload {
  /** Digits. */
  readonly iccid: string | undefined;
  readonly profileName: string | undefined;
  readonly serviceProviderName: string | undefined;
}

/** Throws ACTIVATION_CODE, DOWNLOAD_REFUSED, DOWNLOAD_FAILED, RSP_SERVER, POLICY_REFUSED and whatever else ended it. */
export async function downloadLocally(
  context: IpaContext,
  codes: { readonly activationCode: string; readonly confirmationCode?: string | undefined },
  signal: AbortSignal | undefined,
): Promise<LocalDownload> {
  const { confirmationCodeRequired } = parseActivationCode(codes.activationCode);
  const { rsp } = context.ports;
  if (rsp === undefined)
    throw new SimwardError("DOWNLOAD_REFUSED", { detail: "simward reaches no SM-DP+ by itself: rsp.ci_dir names no GSMA CI certificates" });
  const confirmationCode = async (): Promise<string | undefined> => codes.confirmationCode ?? rsp.confirmationCode?.();
  if (confirmationCodeRequired && (await confirmationCode()) === undefined)
    throw new SimwardError("DOWNLOAD_REFUSED", { detail: "the activation code asks for a confirmation code, and none was given" });
  const seen = new Outcome();
  const local = localContext({ ...context, ports: { ...context.ports, rsp: { ...rsp, confirmationCode } } }, seen);
  const value: ProfileDownloadTriggerRequest = {
    profileDownloadData: { kind: "activationCode", value: codes.activationCode.trim().replace(/^LPA:/i, "") },
  };
  const problem = await downloadProfile(local, localClient, { raw: encode(ProfileDownloadTriggerRequest, value), value }, signal);
  const { operation } = context.journal.content;
  // Nothing is installed and nothing under way on the card: the one who asked hears it, and may ask again.
  if (operation?.kind === "profileDownload" && operation.phase === "received") await context.journal.update({ operation: undefined });
  const { failure, installed } = seen;
  if (installed !== undefined && failure === undefined) return { ...installed };
  throw failure ?? problem ?? new SimwardError("DOWNLOAD_FAILED", { detail: "it ended without a result" });
}

/** After a restart: who asked has left, so it is only brought to an end. */
export async function resumeLocalDownload(
  context: IpaContext,
  state: DownloadState,
  afterRestart: boolean,
  signal: AbortSignal | undefined,
): Promise<SimwardError | undefined> {
  const problem = await resumeDownload(localContext(context, new Outcome()), state, afterRestart, signal, localClient);
  const { operation } = context.journal.content;
  if (operation?.kind === "profileDownload" && operation.phase === "received") await context.journal.update({ operation: undefined });
  return problem;
}

/** There is no eIM to be told, and no profile is enabled by itself. */
function localContext(context: IpaContext, outcome: Outcome): IpaContext {
  return {
    ...context,
    options: { ...context.options, directDownload: true, immediateEnable: false },
    tell: (event) => {
      outcome.note(event);
      return told.has(event.kind) ? undefined : context.tell(event);
    },
  };
}

/** Events about packages and reports that there are none of here. */
const told: ReadonlySet<IpaEvent["kind"]> = new Set(["package.received", "package.reported", "package.unreported"]);

class Outcome {
  failure: SimwardError | undefined;
  installed: LocalDownload | undefined;
  #names: Pick<LocalDownload, "profileName" | "serviceProviderName"> = { profileName: undefined, serviceProviderName: undefined };

  note(event: IpaEvent): void {
    if (event.kind === "download.metadata")
      this.#names = { profileName: event.profileName, serviceProviderName: event.serviceProviderName };
    if (event.kind === "download.finished") this.installed = { iccid: event.iccid, ...this.#names };
    if (event.kind === "download.failed") this.failure = errorOf(event.error);
  }
}

function errorOf({ code, message }: ErrorReport): SimwardError {
  const { text } = errorTable[code];
  return new SimwardError(code, message.startsWith(`${text}: `) ? { detail: message.slice(text.length + 2) } : {});
}

const noEim = (): Promise<never> =>
  Promise.reject(new SimwardError("DOWNLOAD_REFUSED", { detail: errorReport(new SimwardError("EIM_NOT_CONFIGURED")).message }));
const nobody = (): Promise<void> => Promise.resolve();

const localClient: DownloadClient = {
  eimId: localOrder,
  compat: defaultCompat,
  encodeResult: () => emptyBytes,
  handleResult: nobody,
  provideEimPackageResult: () => Promise.resolve([]),
  initiateAuthentication: noEim,
  authenticateClient: noEim,
  getBoundProfilePackage: noEim,
  cancelSession: noEim,
  handleNotification: noEim,
};
