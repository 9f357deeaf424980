// Enable or disable under local command, as a pure machine (ES10c of SGP.22 §3.2): order it, adopt what the card then shows, and where the new profile
// finds no network bring the former one back. Its state is what the journal holds.
import type { Step } from "../../base/machine.ts";
import type { IpaEvent } from "../events.ts";

/** Nobody's eimId: SGP.32 gives each eIM one of a character at least. Orders of the person beside the vehicle carry it. */
export const localOrder = "";

/**
 * online: done. offline: done, and without a network, as a disable is. returned: the new profile found no network, the former is back. stranded: and it
 * could not be brought back. refused: the card said no. unknown: the card does not say what it did.
 */
export type ProfileOrderOutcome = "online" | "offline" | "returned" | "stranded" | "refused" | "unknown";

export interface ProfileOrderState {
  readonly kind: "profileOrder";
  readonly phase: "switching" | "adopting" | "switchingBack" | "returning" | "done";
  readonly eimId: typeof localOrder;
  /** It is no package. */
  readonly sha256?: undefined;
  /** Enabled before, digits; null when none was. */
  readonly fromIccid: string | null;
  /** To be enabled; null when none is to be. */
  readonly toIccid: string | null;
  readonly attempts: number;
  readonly outcome?: ProfileOrderOutcome | undefined;
  /** What the card answered, unless it was ok. */
  readonly code?: string | undefined;
}

export type ProfileOrderInput =
  | { readonly kind: "ordered" }
  | { readonly kind: "resumed" }
  /** `enabledIccid`: read back; null when none is, undefined when the card does not say. */
  | { readonly kind: "answered"; readonly code: string; readonly enabledIccid: string | null | undefined }
  | { readonly kind: "adopted"; readonly online: boolean };

export type ProfileOrderEffect =
  /** `look`: only if the card does not show it already. */
  | { readonly do: "switch"; readonly iccid: string | null; readonly look: boolean }
  | { readonly do: "look" }
  | { readonly do: "adopt"; readonly iccid: string | undefined }
  | { readonly do: "finish" }
  | { readonly do: "tell"; readonly event: IpaEvent };

export const maxProfileOrderAttempts = 3;

export function profileOrder(fromIccid: string | null, toIccid: string | null): ProfileOrderState {
  return { kind: "profileOrder", phase: "switching", eimId: localOrder, fromIccid, toIccid, attempts: 0 };
}

type Moved = Step<ProfileOrderState, ProfileOrderEffect>;

export function nextProfileOrder(state: ProfileOrderState, input: ProfileOrderInput): Moved {
  switch (input.kind) {
    case "ordered":
      return to(state, { do: "switch", iccid: state.toIccid, look: false });
    case "resumed":
      return resumed(state);
    case "answered":
      return state.phase === "switchingBack" ? answeredBack(state, input) : answered(state, input);
    case "adopted":
      if (state.phase === "returning") return end(state, "returned");
      if (input.online) return end(state, "online");
      // A disable leaves nothing to adopt, and there is nothing to go back to where none was enabled.
      if (state.toIccid === null || state.fromIccid === null) return end(state, "offline");
      return to({ ...state, phase: "switchingBack", attempts: 0 }, { do: "switch", iccid: state.fromIccid, look: false });
  }
}

function resumed(state: ProfileOrderState): Moved {
  switch (state.phase) {
    case "switching":
      // Who asked has left: what the card has not done is not done any more.
      return to(state, { do: "look" });
    case "adopting":
      return to(state, { do: "adopt", iccid: state.toIccid ?? undefined });
    case "switchingBack":
      return to(state, { do: "switch", iccid: state.fromIccid, look: true });
    case "returning":
      return to(state, { do: "adopt", iccid: state.fromIccid ?? undefined });
    case "done":
      return to(state, { do: "finish" });
  }
}

type Answered = Extract<ProfileOrderInput, { kind: "answered" }>;

function answered(state: ProfileOrderState, { code, enabledIccid }: Answered): Moved {
  const { fromIccid, toIccid } = state;
  // What the card shows decides, whatever became of its answer.
  if (enabledIccid === toIccid) {
    const event: IpaEvent =
      toIccid === null
        ? { kind: "profile.disabled", iccid: fromIccid ?? "", eimId: localOrder }
        : { kind: "profile.enabled", iccid: toIccid, fromIccid: fromIccid ?? undefined, eimId: localOrder };
    return to({ ...state, phase: "adopting", attempts: 0 }, { do: "tell", event }, { do: "adopt", iccid: toIccid ?? undefined });
  }
  if (mayTryAgain(state, code, enabledIccid)) return again(state, toIccid);
  if (enabledIccid === undefined) return to({ ...state, outcome: "unknown", code });
  return end({ ...state, code }, "refused");
}

function answeredBack(state: ProfileOrderState, { code, enabledIccid }: Answered): Moved {
  const { fromIccid, toIccid } = state;
  if (enabledIccid !== undefined && enabledIccid === fromIccid) {
    const event: IpaEvent = { kind: "profile.rolledBack", fromIccid: toIccid ?? "", toIccid: fromIccid ?? undefined, eimId: localOrder };
    return to({ ...state, phase: "returning" }, { do: "tell", event }, { do: "adopt", iccid: fromIccid ?? undefined });
  }
  if (mayTryAgain(state, code, enabledIccid)) return again(state, fromIccid);
  if (enabledIccid === undefined) return to({ ...state, outcome: "unknown", code });
  const event: IpaEvent = { kind: "profile.rollbackRefused", iccid: toIccid ?? "", code, eimId: localOrder };
  const ended = end({ ...state, code }, "stranded");
  return { state: ended.state, effects: [{ do: "tell", event }, ...ended.effects] };
}

function mayTryAgain({ attempts }: ProfileOrderState, code: string, enabledIccid: string | null | undefined): boolean {
  return (code === "catBusy" || enabledIccid === undefined) && attempts + 1 < maxProfileOrderAttempts;
}

function again(state: ProfileOrderState, iccid: string | null): Moved {
  return to({ ...state, attempts: state.attempts + 1 }, { do: "switch", iccid, look: true });
}

function end(state: ProfileOrderState, outcome: ProfileOrderOutcome): Moved {
  return to({ ...state, phase: "done", outcome }, { do: "finish" });
}

function to(state: ProfileOrderState, ...effects: readonly ProfileOrderEffect[]): Moved {
  return { state, effects };
}
