// Profile download as a pure machine, direct and through the eIM (SGP.32 §3.2.3): which step comes next, how each failure ends, what a restart goes on with.
// Its state is what the journal holds. Octets of the session (challenge, certificates, package) live in the procedure and die with it.
import type { ErrorCode, ErrorReport, RetryClass } from "../../base/errors.ts";
import type { Step } from "../../base/machine.ts";
import type { IpaEvent } from "../events.ts";

export type DownloadPhase =
  | "received"
  | "initiating"
  | "authenticatingServer"
  | "authenticatingClient"
  | "checkingMetadata"
  | "preparing"
  | "fetching"
  | "loading"
  | "enabling"
  | "adopting"
  | "reporting"
  | "notifying"
  | "removing"
  | "searching"
  | "cancelling"
  | "failing"
  | "done";

/** SGP.22 §5.7.14 */
export type CancelReason =
  | "endUserRejection"
  | "postponed"
  | "timeout"
  | "pprNotAllowed"
  | "metadataMismatch"
  | "loadBppExecutionError"
  | "undefinedReason";

export interface DownloadFailure {
  readonly step: DownloadPhase;
  readonly error: ErrorReport;
}

export interface DownloadState {
  readonly kind: "profileDownload";
  readonly phase: DownloadPhase;
  readonly eimId: string;
  /** The trigger, BF54, base64. */
  readonly trigger: string;
  readonly sha256: string;
  /** Hex. */
  readonly eimTransactionId?: string | undefined;
  /** Begun, those left out that came to nothing through no fault of the order: `interruptions` and `unbegun`. */
  readonly attempts: number;
  /** Cut short: the daemon ended, the module went away, the disk refused what had to be written. */
  readonly interruptions?: number | undefined;
  /** Neither module nor server was there to begin with. */
  readonly unbegun?: number | undefined;
  /** With the RSP server itself, or with the eIM in between; indirect when absent. */
  readonly way?: "direct" | "indirect" | undefined;
  /** Of a direct download: the RSP server, host or host:port. */
  readonly server?: string | undefined;
  /** The trigger is one that an SM-DS gave. */
  readonly redirected?: boolean | undefined;
  /** Further triggers of that SM-DS, base64: each is followed when the one before has come to its end. */
  readonly events?: readonly string[] | undefined;
  /** Of the RSP session, hex. */
  readonly transactionId?: string | undefined;
  /** The card holds a session that it can cancel (after AuthenticateServer). */
  readonly sessionOpen: boolean;
  readonly iccid?: string | undefined;
  /** Of the ProfileInstallationResult. */
  readonly seqNumber?: number | undefined;
  readonly installed: boolean;
  /** Of a direct download: the eIM has the result, or it is on its way there. */
  readonly reported?: boolean | undefined;
  /** The SM-DP+, or the eIM that relayed, has the ProfileInstallationResult. */
  readonly notified: boolean;
  /** ImmediateEnable worked. */
  readonly enabled: boolean;
  readonly failure?: DownloadFailure | undefined;
  readonly cancelReason?: CancelReason | undefined;
}

/** A BF37 as the card gave it. */
export interface InstallationFacts {
  readonly seqNumber: number;
  readonly installed: boolean;
  readonly iccid: string | undefined;
  /** Why not, by the names of ErrorReason; undefined when installed. */
  readonly errorReason: string | undefined;
}

export type DownloadInput =
  | { readonly kind: "allowed" }
  | { readonly kind: "resumed"; readonly afterRestart: boolean }
  | { readonly kind: "initiated"; readonly transactionId: string; readonly server?: string | undefined }
  /** The card's answer to the server's challenge, its own error included: either goes to the server. */
  | { readonly kind: "serverAuthenticated"; readonly error: ErrorReport | undefined }
  | { readonly kind: "clientAuthenticated" }
  /** An SM-DS named another server, or several: triggers, BF54, base64. */
  | { readonly kind: "redirected"; readonly trigger: string; readonly more?: readonly string[] | undefined }
  | { readonly kind: "metadataAccepted"; readonly iccid: string | undefined }
  | { readonly kind: "metadataRefused"; readonly reason: CancelReason; readonly error: ErrorReport }
  | { readonly kind: "prepared"; readonly error: ErrorReport | undefined }
  | { readonly kind: "fetched" }
  | { readonly kind: "installation"; readonly facts: InstallationFacts; readonly bytes: number }
  | { readonly kind: "noInstallation"; readonly error: ErrorReport }
  | { readonly kind: "immediateEnable"; readonly ok: boolean }
  | { readonly kind: "adopted" }
  | { readonly kind: "resultReported" }
  | { readonly kind: "notified" }
  | { readonly kind: "notNotified" }
  | { readonly kind: "removed" }
  | { readonly kind: "cancelled" }
  | { readonly kind: "reported" }
  /** An emergency comes first: the step was not begun. */
  | { readonly kind: "held" }
  /** The step did not succeed. `reason`: what the card's session is cancelled with, where the step knows better than the machine. */
  | { readonly kind: "failed"; readonly error: ErrorReport; readonly reason?: CancelReason | undefined };

export type DownloadEffect =
  | { readonly do: "initiate" }
  | { readonly do: "authenticateServer" }
  | { readonly do: "authenticateClient" }
  | { readonly do: "checkMetadata" }
  | { readonly do: "prepare" }
  | { readonly do: "fetch" }
  | { readonly do: "load" }
  | { readonly do: "enable" }
  | { readonly do: "adopt"; readonly iccid: string | undefined }
  /** The result of a direct download to the eIM. */
  | { readonly do: "report"; readonly seqNumber: number }
  | { readonly do: "notify"; readonly seqNumber: number }
  | { readonly do: "remove"; readonly seqNumber: number }
  /** Look for a ProfileInstallationResult of this session on the card. */
  | { readonly do: "search" }
  | { readonly do: "cancel"; readonly reason: CancelReason }
  | { readonly do: "reportFailure" }
  | { readonly do: "finish" }
  | { readonly do: "tell"; readonly event: IpaEvent };

export const maxDownloadAttempts = 3;
/** A power cut says nothing about the download that it ended; but none may end the daemon, or crash the module, for ever. */
export const maxInterruptions = 10;
/** They cost neither the card nor the server anything, and the poller spaces them: half an hour without module, half a day without path. */
export const maxUnbegun = 100;

const underWay: ReadonlySet<DownloadPhase> = new Set([
  "initiating",
  "authenticatingServer",
  "authenticatingClient",
  "checkingMetadata",
  "preparing",
  "fetching",
  "loading",
  "searching",
]);

const redirectedTwice: ErrorReport = {
  code: "DOWNLOAD_FAILED",
  message: "an SM-DS led to another SM-DS",
  next: "simward audit tail",
  retry: "operator",
};

export interface DownloadRules {
  readonly immediateEnable: boolean;
}

/** Another attempt may end differently, without anybody doing something about it: a lost channel, a lost path, a server's bad moment. */
const transientClasses: ReadonlySet<RetryClass> = new Set(["soon", "online"]);
const transientCodes: ReadonlySet<ErrorCode> = new Set(["ESIPA_STATUS", "HTTP_STATUS", "COAP_RESPONSE", "COAP_BLOCK"]);
const timeouts: ReadonlySet<ErrorCode> = new Set(["HTTP_TIMEOUT", "COAP_TIMEOUT", "DTLS_TIMEOUT", "ESIPA_UNREACHABLE", "DEADLINE"]);
/** The module is away, for longer than attempts in a row would last: the next poll comes when it is back. */
const awayCodes: ReadonlySet<ErrorCode> = new Set(["PORT_CLOSED", "MODEM_ABSENT"]);
/** No association came about. */
const noPathCodes: ReadonlySet<ErrorCode> = new Set(["DTLS_TIMEOUT", "UDP_UNREACHABLE", "HTTP_CONNECT"]);

export function nextDownload(rules: DownloadRules, state: DownloadState, input: DownloadInput): Step<DownloadState, DownloadEffect> {
  switch (input.kind) {
    case "allowed":
      return to({ ...state, phase: "initiating", attempts: state.attempts + 1 }, { do: "initiate" });
    case "resumed":
      // Within one life only a search waits for its turn; of every other step under way, the disk refused to hold the next.
      return resume(rules, underWay.has(state.phase) && (input.afterRestart || state.phase !== "searching") ? interrupted(state) : state);
    case "initiated":
      return to(
        { ...state, phase: "authenticatingServer", transactionId: input.transactionId, server: input.server },
        { do: "authenticateServer" },
      );
    case "serverAuthenticated":
      if (input.error === undefined)
        return to({ ...state, phase: "authenticatingClient", sessionOpen: true }, { do: "authenticateClient" });
      return to(
        { ...state, phase: "authenticatingClient", failure: { step: state.phase, error: input.error } },
        { do: "authenticateClient" },
      );
    case "clientAuthenticated":
      return state.failure === undefined ? to({ ...state, phase: "checkingMetadata" }, { do: "checkMetadata" }) : report(state);
    case "redirected": {
      if (state.redirected === true) return fail(state, redirectedTwice, undefined);
      return to({ ...fresh(state), phase: "initiating", trigger: input.trigger, redirected: true, events: input.more }, { do: "initiate" });
    }
    case "metadataAccepted":
      return to({ ...state, phase: "preparing", iccid: input.iccid }, { do: "prepare" });
    case "metadataRefused":
      return fail(state, input.error, input.reason);
    case "prepared":
      if (input.error === undefined) return to({ ...state, phase: "fetching" }, { do: "fetch" });
      // The server learns of it by the card's own response, which ends the session.
      return to({ ...state, phase: "fetching", sessionOpen: false, failure: { step: state.phase, error: input.error } }, { do: "fetch" });
    case "fetched":
      return state.failure === undefined ? to({ ...state, phase: "loading" }, { do: "load" }) : report(state);
    case "installation":
      return installation(rules, state, input.facts, input.bytes);
    case "noInstallation":
      return state.phase === "searching"
        ? fail(state, input.error, undefined)
        : to({ ...state, phase: "searching", failure: failureOf(state, input.error) }, { do: "search" });
    case "immediateEnable":
      return input.ok ? to({ ...state, phase: "adopting", enabled: true }, { do: "adopt", iccid: state.iccid }) : notify(state);
    case "adopted":
      return notify(state);
    case "resultReported":
      return notify({ ...state, reported: true });
    case "notified":
      return state.seqNumber === undefined
        ? finish(state)
        : to({ ...state, phase: "removing", notified: true }, { do: "remove", seqNumber: state.seqNumber });
    case "notNotified":
      // The card keeps it, and notification delivery will try again.
      return finish(state);
    case "removed":
    case "reported":
      return finish(state);
    case "cancelled":
      return report({ ...state, sessionOpen: false });
    case "held":
      // Sessions do not wait; the next attempt begins anew, and this one does not count.
      if (!underWay.has(state.phase)) return to(state);
      return to({ ...fresh(state), phase: "received", attempts: Math.max(0, state.attempts - 1) });
    case "failed":
      // Installed or not, the card has said so: what is left undone is done by notification delivery.
      if (state.seqNumber !== undefined) return finish(state);
      // What the card made of the package must be known before anything is begun anew: it is looked for again.
      if (state.phase === "searching" && isTransient(input.error)) return to(state);
      // The server's refusal of what the card refused already adds nothing.
      return state.failure !== undefined && state.phase !== "searching" ? report(state) : fail(state, input.error, input.reason);
  }
}

function resume(rules: DownloadRules, state: DownloadState): Step<DownloadState, DownloadEffect> {
  switch (state.phase) {
    case "received":
    case "initiating":
      return again(state);
    case "authenticatingServer":
    case "authenticatingClient":
    case "checkingMetadata":
    case "preparing":
    case "fetching":
    case "loading":
    case "searching":
      return to({ ...state, phase: "searching", failure: undefined }, { do: "search" });
    case "enabling":
      return rules.immediateEnable ? to(state, { do: "enable" }) : notify(state);
    case "adopting":
      return to(state, { do: "adopt", iccid: state.iccid });
    case "reporting":
    case "notifying":
      return notify(state);
    case "removing":
      return state.seqNumber === undefined ? finish(state) : to(state, { do: "remove", seqNumber: state.seqNumber });
    case "cancelling":
      return to(state, { do: "cancel", reason: state.cancelReason ?? "undefinedReason" });
    case "failing":
      return to(state, { do: "reportFailure" });
    case "done":
      return to(state, { do: "finish" });
  }
}

function interrupted(state: DownloadState): DownloadState {
  return { ...state, attempts: Math.max(0, state.attempts - 1), interruptions: (state.interruptions ?? 0) + 1 };
}

/** The attempt that has just failed, under what it counts as. */
function counted(state: DownloadState, { step, error: { code } }: DownloadFailure): DownloadState {
  const isAway = awayCodes.has(code);
  if (step === "initiating" && (isAway || noPathCodes.has(code)))
    return { ...state, attempts: Math.max(0, state.attempts - 1), unbegun: (state.unbegun ?? 0) + 1 };
  return isAway ? interrupted(state) : state;
}

function installation(
  rules: DownloadRules,
  state: DownloadState,
  facts: InstallationFacts,
  bytes: number,
): Step<DownloadState, DownloadEffect> {
  const known: DownloadState = {
    ...state,
    sessionOpen: false,
    failure: undefined,
    // Of one of an SM-DS's events, if not of this.
    installed: facts.installed || state.installed,
    seqNumber: facts.seqNumber,
    iccid: facts.iccid ?? state.iccid,
  };
  const { eimId } = state;
  if (!facts.installed) {
    const error: ErrorReport = {
      code: "DOWNLOAD_FAILED",
      message: `the eUICC did not install the profile: ${facts.errorReason ?? "no reason given"}`,
      next: "simward audit tail",
      retry: "operator",
    };
    return after([tell({ kind: "download.failed", eimId, step: "ES10b.LoadBoundProfilePackage", error })], notify(known));
  }
  const told = tell({ kind: "download.finished", eimId, iccid: known.iccid, seqNumber: facts.seqNumber, bytes });
  // ImmediateEnable is for the session that installed it; after a restart there is none.
  const enables = rules.immediateEnable && state.phase === "loading";
  return after([told], enables ? to({ ...known, phase: "enabling" }, { do: "enable" }) : notify(known));
}

/** In a direct download the eIM has the result first: it is the one that ordered it. */
function notify(state: DownloadState): Step<DownloadState, DownloadEffect> {
  const { seqNumber } = state;
  if (seqNumber === undefined) return finish(state);
  if (state.way === "direct" && state.reported !== true) return to({ ...state, phase: "reporting" }, { do: "report", seqNumber });
  return to({ ...state, phase: "notifying" }, { do: "notify", seqNumber });
}

function fail(state: DownloadState, error: ErrorReport, reason: CancelReason | undefined): Step<DownloadState, DownloadEffect> {
  const failure = state.failure ?? failureOf(state, error);
  const failed: DownloadState = { ...counted(state, failure), failure };
  if (isTransient(failure.error) && mayBegin(failed)) return retry(failed, failure);
  if (!state.sessionOpen) return report(failed);
  const cancelReason = reason ?? reasonFor(failed);
  return to({ ...failed, phase: "cancelling", cancelReason }, { do: "cancel", reason: cancelReason });
}

/**
 * Nothing is cancelled: to an eIM that would be the end of the order. The eUICC drops its session at the next challenge, and the SM-DP+ takes the
 * same eUICC's next attempt for the same order.
 */
function retry(state: DownloadState, failure: DownloadFailure): Step<DownloadState, DownloadEffect> {
  const told = tell({ kind: "warning", where: `profile download, ${failure.step}`, error: failure.error });
  const { code, retry: when } = failure.error;
  return after([told], when === "soon" && !awayCodes.has(code) ? again(state) : to({ ...fresh(state), phase: "received" }));
}

function again(state: DownloadState): Step<DownloadState, DownloadEffect> {
  const { attempts, interruptions = 0, unbegun = 0 } = state;
  if (mayBegin(state)) return to({ ...fresh(state), phase: "initiating", attempts: attempts + 1 }, { do: "initiate" });
  const error: ErrorReport = {
    code: "DOWNLOAD_FAILED",
    message: `${attempts} attempts failed, ${interruptions} were interrupted, ${unbegun} could not begin`,
    next: "simward audit tail",
    retry: "operator",
  };
  return report({ ...state, failure: { step: state.phase, error } });
}

function report(state: DownloadState): Step<DownloadState, DownloadEffect> {
  const told: DownloadEffect[] =
    state.failure === undefined
      ? []
      : [tell({ kind: "download.failed", eimId: state.eimId, step: state.failure.step, error: state.failure.error })];
  return to({ ...state, phase: "failing" }, ...told, { do: "reportFailure" });
}

function finish(state: DownloadState): Step<DownloadState, DownloadEffect> {
  const [trigger, ...events] = state.events ?? [];
  if (trigger === undefined) return to({ ...state, phase: "done" }, { do: "finish" });
  const { seqNumber: _seqNumber, reported: _reported, ...rest } = fresh(state);
  return to({ ...rest, phase: "initiating", trigger, events, attempts: 1, notified: false }, { do: "initiate" });
}

/** Not too often, whatever ended the attempts before. */
function mayBegin({ attempts, interruptions = 0, unbegun = 0 }: DownloadState): boolean {
  return attempts < maxDownloadAttempts && interruptions <= maxInterruptions && unbegun <= maxUnbegun;
}

/** Worth beginning anew: a matter of the moment. */
function isTransient({ code, retry }: ErrorReport): boolean {
  return transientClasses.has(retry) || transientCodes.has(code) || awayCodes.has(code);
}

function reasonFor({ failure }: DownloadState): CancelReason {
  const step = failure?.step;
  if (failure !== undefined && timeouts.has(failure.error.code)) return "timeout";
  return step === "fetching" || step === "loading" || step === "searching" ? "loadBppExecutionError" : "undefinedReason";
}

function failureOf(state: DownloadState, error: ErrorReport): DownloadFailure {
  return { step: state.phase, error };
}

/** Nothing is left of the attempt before. */
function fresh(state: DownloadState): DownloadState {
  const { transactionId: _transactionId, server: _server, failure: _failure, cancelReason: _cancelReason, iccid: _iccid, ...rest } = state;
  return { ...rest, sessionOpen: false };
}

function to(state: DownloadState, ...effects: readonly DownloadEffect[]): Step<DownloadState, DownloadEffect> {
  return { state, effects };
}

function after(first: readonly DownloadEffect[], step: Step<DownloadState, DownloadEffect>): Step<DownloadState, DownloadEffect> {
  return { state: step.state, effects: [...first, ...step.effects] };
}

function tell(event: IpaEvent): DownloadEffect {
  return { do: "tell", event };
}
