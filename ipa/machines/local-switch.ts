// A change of profile that the device itself orders, as a pure machine: fallback and return from it (SGP.32 §3.4.5), emergency profile on and off.
// Its state is what the journal holds: order it, adopt what the card then shows, have every eIM told.
import type { Step } from "../../base/machine.ts";
import type { IpaEvent } from "../events.ts";
import type { StateChangeCause } from "../messages/esipa.ts";

export type LocalSwitchFunction = "executeFallbackMechanism" | "returnFromFallback" | "enableEmergencyProfile" | "disableEmergencyProfile";

/**
 * switched: the card shows another profile. already: it is as it was to become. busy: a proactive session is in the way, soon over. held: an emergency
 * comes first. unavailable: this card has no such way, until somebody changes its profiles. failed: it may work another time.
 */
export type LocalSwitchOutcome = "switched" | "already" | "busy" | "held" | "unavailable" | "failed";

export interface LocalSwitchState {
  readonly kind: "localSwitch";
  readonly function: LocalSwitchFunction;
  readonly phase: "ordering" | "adopting" | "done";
  /** Enabled before, digits; null when none was. */
  readonly fromIccid: string | null;
  /** Enabled since. */
  readonly toIccid?: string | null | undefined;
  readonly attempts: number;
  readonly outcome?: LocalSwitchOutcome | undefined;
  /** What the card answered, unless it was ok. */
  readonly code?: string | number | undefined;
  /** Whether the profile adopted has a data path; undefined where none was adopted. */
  readonly online?: boolean | undefined;
}

export type LocalSwitchInput =
  | { readonly kind: "ordered" }
  | { readonly kind: "resumed" }
  /** The card's result code by its name, "ok" too; `enabledIccid`: read back. */
  | { readonly kind: "answered"; readonly code: string | number; readonly enabledIccid: string | null | undefined }
  /** What the card made of it is not known. */
  | { readonly kind: "unanswered" }
  /** The card was only looked at; undefined when it did not say. */
  | { readonly kind: "looked"; readonly enabledIccid: string | null | undefined }
  | { readonly kind: "adopted"; readonly online: boolean };

export type LocalSwitchEffect =
  /** `again`: wait, and look whether the card has done it meanwhile. */
  | { readonly do: "order"; readonly again: boolean }
  | { readonly do: "look" }
  | { readonly do: "adopt"; readonly iccid: string | undefined }
  | { readonly do: "finish" }
  | { readonly do: "tell"; readonly event: IpaEvent };

export const maxLocalSwitchAttempts = 3;

interface Row {
  readonly told: "profile.fellBack" | "profile.returned" | "profile.emergencyEnabled" | "profile.emergencyDisabled";
  /** What every eIM is told with its next GetEimPackage (SGP.32 §5.14.5). */
  readonly cause: StateChangeCause;
  /** Every result code of the function but ok; what is not here has failed. */
  readonly codes: Readonly<Record<string, LocalSwitchOutcome>>;
}

/** SGP.32 §5.9.20 to §5.9.23 */
export const localSwitches: Readonly<Record<LocalSwitchFunction, Row>> = {
  executeFallbackMechanism: {
    told: "profile.fellBack",
    cause: "fallback",
    codes: {
      // The fallback profile is the one that has no network.
      profileNotInDisabledState: "already",
      catBusy: "busy",
      fallbackNotAvailable: "unavailable",
      // No profile is enabled: there is nothing to fall back from.
      commandError: "unavailable",
      ecallActive: "held",
      undefinedError: "failed",
    },
  },
  returnFromFallback: {
    told: "profile.returned",
    cause: "fallback",
    codes: {
      catBusy: "busy",
      fallbackNotAvailable: "unavailable",
      // It is not in fallback, or the profile it came from is gone.
      commandError: "unavailable",
      undefinedError: "failed",
    },
  },
  enableEmergencyProfile: {
    told: "profile.emergencyEnabled",
    cause: "emergencyProfile",
    codes: { profileNotInDisabledState: "already", catBusy: "busy", ecallNotAvailable: "unavailable", undefinedError: "failed" },
  },
  disableEmergencyProfile: {
    told: "profile.emergencyDisabled",
    cause: "emergencyProfile",
    codes: { profileNotInEnabledState: "already", catBusy: "busy", undefinedError: "failed" },
  },
};

export function orderedSwitch(fn: LocalSwitchFunction, fromIccid: string | null): LocalSwitchState {
  return { kind: "localSwitch", function: fn, phase: "ordering", fromIccid, attempts: 0 };
}

export function nextLocalSwitch(state: LocalSwitchState, input: LocalSwitchInput): Step<LocalSwitchState, LocalSwitchEffect> {
  switch (input.kind) {
    case "ordered":
      return to(state, { do: "order", again: false });
    case "resumed":
      switch (state.phase) {
        case "ordering":
          // What was reason enough before may be none now: what the card has not done is not ordered any more, whoever decides does so anew.
          return to(state, { do: "look" });
        case "adopting":
          return adopt(state);
        case "done":
          return to(state, { do: "finish" });
      }
      break;
    case "answered": {
      const { enabledIccid, code } = input;
      // Every one of these functions enables another profile: what the card shows decides, whatever became of its answer.
      if (enabledIccid !== undefined && enabledIccid !== state.fromIccid) return switched(state, enabledIccid);
      if (code === "ok" && enabledIccid === undefined) return unknown(state);
      const outcome = outcomeOf(state.function, code);
      if (outcome === "busy" && state.attempts + 1 < maxLocalSwitchAttempts) return again(state);
      return refused(state, outcome, code);
    }
    case "unanswered":
      return unknown(state);
    case "looked":
      // It stays in the journal: only the card knows, and it is asked again when it can be.
      if (input.enabledIccid === undefined) return to({ ...state, outcome: "failed" });
      if (input.enabledIccid !== state.fromIccid) return switched(state, input.enabledIccid);
      return refused(state, "failed", "not carried out");
    case "adopted":
      return to({ ...state, phase: "done", outcome: "switched", online: input.online }, { do: "finish" });
  }
}

/** A card of an earlier version knows none of them. */
function outcomeOf(fn: LocalSwitchFunction, code: string | number): LocalSwitchOutcome {
  if (code === "ES10_UNSUPPORTED") return "unavailable";
  return localSwitches[fn].codes[code] ?? "failed";
}

function again(state: LocalSwitchState): Step<LocalSwitchState, LocalSwitchEffect> {
  return to({ ...state, attempts: state.attempts + 1 }, { do: "order", again: true });
}

function unknown(state: LocalSwitchState): Step<LocalSwitchState, LocalSwitchEffect> {
  return state.attempts + 1 < maxLocalSwitchAttempts ? again(state) : to({ ...state, outcome: "failed" }, { do: "look" });
}

function refused(state: LocalSwitchState, outcome: LocalSwitchOutcome, code: string | number): Step<LocalSwitchState, LocalSwitchEffect> {
  const told: IpaEvent = { kind: "profile.switchRefused", function: state.function, code };
  return to({ ...state, phase: "done", outcome, code }, { do: "tell", event: told }, { do: "finish" });
}

function switched(state: LocalSwitchState, toIccid: string | null): Step<LocalSwitchState, LocalSwitchEffect> {
  const { told } = localSwitches[state.function];
  const event: IpaEvent = { kind: told, fromIccid: state.fromIccid ?? undefined, toIccid: toIccid ?? undefined };
  const { effects, state: next } = adopt({ ...state, toIccid });
  return { state: next, effects: [{ do: "tell", event }, ...effects] };
}

function adopt(state: LocalSwitchState): Step<LocalSwitchState, LocalSwitchEffect> {
  return to({ ...state, phase: "adopting" }, { do: "adopt", iccid: state.toIccid ?? undefined });
}

function to(state: LocalSwitchState, ...effects: readonly LocalSwitchEffect[]): Step<LocalSwitchState, LocalSwitchEffect> {
  return { state, effects };
}
