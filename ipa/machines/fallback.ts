// When to fall back and when to return (SGP.32 §3.4.5), as a pure machine: lost for long enough with everything else tried, then fallback; back after
// a while, on trial; and where the former profile has no network still, fallback again with waits that double, so that it never becomes a ping-pong.
import { type Step, unreachable } from "../../base/machine.ts";
import type { LocalSwitchOutcome } from "./local-switch.ts";

/** What a restart goes on with. */
export type FallbackState =
  /** On the profile it should be on. `onTrial`: it has just returned to it; `failedReturns` came to nothing before that. */
  | { readonly phase: "home"; readonly failedReturns: number; readonly onTrial: boolean }
  /** Without a data path. `isDue`: it has lasted; what else there is to try comes first, or an emergency. `isBlocked`: the card has no such way. */
  | {
      readonly phase: "lost";
      readonly failedReturns: number;
      readonly onTrial: boolean;
      readonly isDue: boolean;
      readonly isBlocked: boolean;
    }
  | { readonly phase: "fallingBack"; readonly failedReturns: number; readonly fromIccid: string | undefined }
  /** On the fallback profile. `isDue`: to return as soon as the emergency is over. */
  | {
      readonly phase: "away";
      readonly failedReturns: number;
      readonly fromIccid: string | undefined;
      readonly toIccid: string | undefined;
      readonly isUp: boolean;
      readonly isDue: boolean;
    }
  | {
      readonly phase: "returning";
      readonly failedReturns: number;
      readonly fromIccid: string | undefined;
      readonly toIccid: string | undefined;
    };

export type FallbackInput =
  /** `isExhausted`: every other way to a path (APN, operator) has had its turn since it was lost. */
  | { readonly kind: "path"; readonly isUp: boolean; readonly isExhausted: boolean }
  /** The timer of this machine. The rest as it is now. */
  | { readonly kind: "due"; readonly isExhausted: boolean; readonly isEmergency: boolean; readonly iccid: string | undefined }
  | { readonly kind: "emergencyOver" }
  /** The card was read: what is enabled. */
  | { readonly kind: "card"; readonly iccid: string | undefined }
  /** The card has carried out an order whose end nobody waited for: what was interrupted has been gone on with. */
  | {
      readonly kind: "resumed";
      readonly what: "fellBack" | "returned";
      readonly fromIccid: string | undefined;
      readonly toIccid: string | undefined;
    }
  /** What became of an order to the card. */
  | {
      readonly kind: "ended";
      readonly outcome: LocalSwitchOutcome;
      readonly iccid: string | undefined;
      readonly online: boolean | undefined;
    }
  /** What was kept, as `afterRestart` reads it. */
  | { readonly kind: "restart"; readonly state: FallbackState }
  /** Somebody wants it now. */
  | { readonly kind: "asked"; readonly what: "execute" | "return"; readonly iccid: string | undefined };

export type FallbackEffect =
  /** ES10b.ExecuteFallbackMechanism */
  | { readonly do: "execute" }
  /** ES10b.ReturnFromFallback */
  | { readonly do: "return" }
  /** lost: from now until fallback. return: doubled as often as returns failed; so is dark, for a fallback profile without a path. trial: of a return. */
  | { readonly do: "schedule"; readonly why: "lost" | "return" | "dark" | "trial" | "soon"; readonly doublings: number }
  | { readonly do: "unschedule" }
  /** The eIMs are to be told soon. */
  | { readonly do: "poll" };

export interface FallbackTimes {
  readonly afterMs: number;
  readonly returnAfterMs: number;
  readonly returnMaxMs: number;
}

export const initialFallbackState: FallbackState = { phase: "home", failedReturns: 0, onTrial: false };
const home = initialFallbackState;
const soonMs = 30_000;
const maxFailedReturns = 30;

/** How long; `unit` in [0, 1) spreads a fleet that lost its network at one moment. */
export function fallbackDelayMs(
  times: FallbackTimes,
  why: "lost" | "return" | "dark" | "trial" | "soon",
  doublings: number,
  unit: number,
): number {
  const grown = (ms: number): number => Math.min(Math.max(times.returnMaxMs, ms), ms * 2 ** doublings) * (1 + unit / 4);
  switch (why) {
    case "lost":
      return times.afterMs;
    case "return":
      return grown(times.returnAfterMs);
    case "dark":
      return Math.min(grown(times.afterMs), grown(times.returnAfterMs));
    case "trial":
      return times.returnAfterMs;
    case "soon":
      return soonMs * (1 + unit);
  }
}

export function nextFallback(state: FallbackState, input: FallbackInput): Step<FallbackState, FallbackEffect> {
  const stay: Step<FallbackState, FallbackEffect> = { state, effects: [] };
  switch (input.kind) {
    case "path":
      return path(state, input.isUp, input.isExhausted);
    case "due":
      return due(state, input);
    case "emergencyOver":
      // The connectivity that comes back with the end of an emergency has its chance first.
      if (state.phase === "lost" && !state.isBlocked) return to({ ...state, isDue: false }, schedule("lost", 0));
      if (state.phase === "away" && state.isDue) return to({ ...state, isDue: false }, schedule("soon", 0));
      return stay;
    case "card":
      return card(state, input.iccid);
    case "resumed": {
      const isWaitedFor = state.phase === "fallingBack" || state.phase === "returning";
      if (isWaitedFor) return stay;
      const { what, fromIccid, toIccid } = input;
      if (what === "fellBack") return goAway(state.failedReturns, fromIccid, toIccid, false);
      return state.phase === "away" ? comeHome(state.failedReturns) : stay;
    }
    case "ended":
      return ended(state, input);
    case "restart":
      return to(input.state);
    case "asked":
      return asked(state, input.what, input.iccid);
    default:
      return unreachable(input);
  }
}

function path(state: FallbackState, isUp: boolean, isExhausted: boolean): Step<FallbackState, FallbackEffect> {
  const { failedReturns } = state;
  switch (state.phase) {
    case "home":
      if (isUp) return { state, effects: [] };
      return to({ phase: "lost", failedReturns, onTrial: state.onTrial, isDue: false, isBlocked: false }, schedule("lost", 0));
    case "lost": {
      const { onTrial } = state;
      if (isUp) return to({ phase: "home", failedReturns, onTrial }, onTrial ? schedule("trial", 0) : { do: "unschedule" });
      // It was only waiting for that; an emergency is asked for when the time comes.
      return state.isDue && isExhausted ? to({ ...state, isDue: false }, schedule("soon", 0)) : { state, effects: [] };
    }
    case "away":
      if (state.isUp === isUp) return { state, effects: [] };
      return to({ ...state, isUp }, schedule(isUp ? "return" : "dark", failedReturns));
    case "fallingBack":
    case "returning":
      return { state, effects: [] };
  }
}

function due(state: FallbackState, now: Extract<FallbackInput, { kind: "due" }>): Step<FallbackState, FallbackEffect> {
  switch (state.phase) {
    case "home":
      // The trial is over.
      return to(home);
    case "lost":
      if (state.isBlocked) return { state, effects: [] };
      if (!now.isExhausted || now.isEmergency) return to({ ...state, isDue: true });
      return execute(state.onTrial ? grown(state.failedReturns) : 0, now.iccid);
    case "away":
      if (now.iccid !== undefined && now.iccid !== state.toIccid) return card(state, now.iccid);
      return now.isEmergency ? to({ ...state, isDue: true }) : giveBack(state);
    case "fallingBack":
    case "returning":
      return { state, effects: [] };
  }
}

/** Another profile than fallback has left: an eIM, or somebody else, has decided. And what a restart interrupted is seen here. */
function card(state: FallbackState, iccid: string | undefined): Step<FallbackState, FallbackEffect> {
  const isAnother = state.phase === "away" && iccid !== undefined && iccid !== state.toIccid;
  return isAnother ? to(home, { do: "unschedule" }) : { state, effects: [] };
}

/** After a restart nobody hears how an order ended: what the card shows tells it. */
export function afterRestart(state: FallbackState, iccid: string | undefined): FallbackState {
  const { failedReturns } = state;
  switch (state.phase) {
    case "home":
      return state;
    case "lost":
      // It is counted anew, from the start.
      return { phase: "home", failedReturns, onTrial: state.onTrial };
    case "fallingBack":
      if (iccid === undefined || iccid === state.fromIccid) return home;
      return { phase: "away", failedReturns, fromIccid: state.fromIccid, toIccid: iccid, isUp: true, isDue: false };
    case "returning":
      if (iccid !== undefined && iccid !== state.toIccid) return { phase: "home", failedReturns, onTrial: true };
      return { ...state, phase: "away", isUp: true, isDue: false };
    case "away":
      return iccid === undefined || iccid === state.toIccid ? { ...state, isUp: true, isDue: false } : home;
  }
}

function ended(state: FallbackState, end: Extract<FallbackInput, { kind: "ended" }>): Step<FallbackState, FallbackEffect> {
  const { failedReturns } = state;
  const { outcome, iccid, online } = end;
  if (state.phase === "fallingBack") {
    const lost: FallbackState = { phase: "lost", failedReturns, onTrial: false, isDue: false, isBlocked: false };
    // Whatever came after it, the card has done it.
    if (iccid !== undefined && iccid !== state.fromIccid) return goAway(failedReturns, state.fromIccid, iccid, online === true);
    switch (outcome) {
      case "switched":
        return goAway(failedReturns, state.fromIccid, iccid, online === true);
      case "already":
      case "unavailable":
        return to({ ...lost, isBlocked: true }, { do: "unschedule" });
      case "held":
        return to({ ...lost, isDue: true }, { do: "unschedule" });
      case "busy":
      case "failed":
        return to(lost, schedule("lost", 0));
    }
  }
  if (state.phase !== "returning") return { state, effects: [] };
  const away: FallbackState = { ...state, phase: "away", isUp: true, isDue: false };
  const hasReturned = outcome === "switched" || (iccid !== undefined && iccid !== state.toIccid);
  // No network still. It is known to be so: fallback does not wait again.
  if (hasReturned) return online === false ? execute(grown(failedReturns), iccid) : comeHome(failedReturns);
  switch (outcome) {
    case "already":
    case "unavailable":
      // There is nothing to return to: the profile that is enabled is the one to stay with.
      return to(home, { do: "unschedule" });
    case "held":
      return to({ ...away, isDue: true }, { do: "unschedule" });
    case "busy":
    case "failed":
      return to({ ...away, failedReturns: grown(failedReturns) }, schedule("return", grown(failedReturns)));
  }
}

function goAway(
  failedReturns: number,
  fromIccid: string | undefined,
  toIccid: string | undefined,
  isUp: boolean,
): Step<FallbackState, FallbackEffect> {
  const state: FallbackState = { phase: "away", failedReturns, fromIccid, toIccid, isUp, isDue: false };
  return to(state, schedule(isUp ? "return" : "dark", failedReturns), { do: "poll" });
}

function comeHome(failedReturns: number): Step<FallbackState, FallbackEffect> {
  return to({ phase: "home", failedReturns, onTrial: true }, schedule("trial", 0), { do: "poll" });
}

function asked(state: FallbackState, what: "execute" | "return", iccid: string | undefined): Step<FallbackState, FallbackEffect> {
  const { phase } = state;
  if (what === "execute" && (phase === "home" || phase === "lost")) return execute(0, iccid);
  if (what === "return" && phase === "away") return giveBack(state);
  return { state, effects: [] };
}

function execute(failedReturns: number, fromIccid: string | undefined): Step<FallbackState, FallbackEffect> {
  return to({ phase: "fallingBack", failedReturns, fromIccid }, { do: "unschedule" }, { do: "execute" });
}

function giveBack(state: Extract<FallbackState, { phase: "away" }>): Step<FallbackState, FallbackEffect> {
  const { failedReturns, fromIccid, toIccid } = state;
  return to({ phase: "returning", failedReturns, fromIccid, toIccid }, { do: "unschedule" }, { do: "return" });
}

function grown(failedReturns: number): number {
  return Math.min(failedReturns + 1, maxFailedReturns);
}

function schedule(why: "lost" | "return" | "dark" | "trial" | "soon", doublings: number): FallbackEffect {
  return { do: "schedule", why, doublings };
}

function to(state: FallbackState, ...effects: readonly FallbackEffect[]): Step<FallbackState, FallbackEffect> {
  return { state, effects };
}
