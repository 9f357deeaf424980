// The end of a vehicle's life, or of one owner's time with it, as a pure machine: deliver what is pending, write the evidence, wipe, read back, and look
// again every day. Its state is what is kept; whatever the power cut interrupted is done again, for every step may be.
import { type Step, unreachable } from "../../base/machine.ts";

/** retire: nothing may be enabled afterwards. transfer: the provisioning profile stays, all other profiles go. */
export type WipeKind = "retire" | "transfer";
/** memory_reset: simward resets the eUICC's memory. eim: the eIM orders what is to be done, and simward waits for it. */
export type WipeHow = "memory_reset" | "eim";

export interface WipeState {
  readonly kind: WipeKind;
  readonly how: WipeHow;
  readonly phase: "delivering" | "evidence" | "wiping" | "verifying" | "done";
  readonly cause: string;
  readonly reason: string;
  /** In this phase. */
  readonly attempts: number;
  /** What was not delivered when its time was over. */
  readonly undelivered: number;
  /** ICCIDs that should not be as they are, at the last reading. */
  readonly left: readonly string[];
  /** Readings since it was done. */
  readonly checks: number;
}

export interface CardReading {
  readonly iccid: string;
  readonly enabled: boolean;
  readonly profileClass: string | undefined;
}

export type WipeInput =
  /** After a start, when a wait is over, once a day when it is done, and whenever the eIM was heard. */
  | { readonly kind: "go" }
  | { readonly kind: "delivered"; readonly remaining: number }
  | { readonly kind: "evidenceWritten" }
  | { readonly kind: "wiped" }
  | { readonly kind: "read"; readonly profiles: readonly CardReading[] }
  /** Card, eIM or emergency do not let it happen now. */
  | { readonly kind: "failed"; readonly reason: string };

export type WipeEffect =
  /** Durable before whatever follows it. */
  | { readonly do: "keep" }
  | { readonly do: "deliver" | "writeEvidence" | "wipe" | "pollEim" | "read" }
  /** `go` then. */
  | { readonly do: "wait"; readonly forMs: number }
  | { readonly do: "confirmed"; readonly isFirst: boolean }
  | { readonly do: "problem"; readonly reason: string };

const minuteMs = 60_000;
const dayMs = 24 * 60 * minuteMs;
/** Five minutes apart: what has not gone out within an hour does not keep a scrapped vehicle's profile alive. */
const maxDeliveries = 12;
const deliveryGapMs = 5 * minuteMs;

export function beginWipe(order: Pick<WipeState, "kind" | "how" | "cause" | "reason">): WipeState {
  return { ...order, phase: "delivering", attempts: 0, undelivered: 0, left: [], checks: 0 };
}

/** What there should not be. */
export function leftOver(kind: WipeKind, profiles: readonly CardReading[]): readonly string[] {
  const isLeft = ({ enabled, profileClass }: CardReading): boolean =>
    kind === "retire" ? enabled : profileClass !== "provisioning" && profileClass !== "test";
  return profiles.filter(isLeft).map(({ iccid }) => iccid);
}

export function nextWipe(state: WipeState, input: WipeInput): Step<WipeState, WipeEffect> {
  switch (input.kind) {
    case "go":
      return begin(state);
    case "delivered": {
      if (state.phase !== "delivering") return nothing(state);
      if (input.remaining === 0 || state.attempts >= maxDeliveries) return enter({ ...state, undelivered: input.remaining }, "evidence");
      return { state, effects: [{ do: "wait", forMs: deliveryGapMs }] };
    }
    case "evidenceWritten":
      return state.phase === "evidence" ? enter(state, state.how === "eim" ? "verifying" : "wiping") : nothing(state);
    case "wiped":
      // Counted on: each time that it did not help the next one waits longer.
      return state.phase === "wiping" ? enter(state, "verifying", state.attempts) : nothing(state);
    case "read":
      return judge(state, leftOver(state.kind, input.profiles));
    case "failed":
      return failed(state, input.reason);
    default:
      return unreachable(input);
  }
}

function nothing(state: WipeState): Step<WipeState, WipeEffect> {
  return { state, effects: [] };
}

/** The attempt is counted before it is made, so that a vehicle that starts over and over does not try for ever. */
function begin(state: WipeState): Step<WipeState, WipeEffect> {
  switch (state.phase) {
    case "delivering": {
      // Cut off in the middle of the last one.
      if (state.attempts >= maxDeliveries) return enter(state, "evidence");
      return { state: { ...state, attempts: state.attempts + 1 }, effects: [{ do: "keep" }, { do: "deliver" }] };
    }
    case "evidence":
      return { state, effects: [{ do: "writeEvidence" }] };
    case "wiping":
      return { state, effects: [{ do: "wipe" }] };
    case "verifying":
    case "done":
      return { state, effects: [{ do: "read" }] };
    default:
      return unreachable(state.phase);
  }
}

function enter(state: WipeState, phase: WipeState["phase"], attempts = 0): Step<WipeState, WipeEffect> {
  const entered = { ...state, phase, attempts };
  const { state: begun, effects } = begin(entered);
  return { state: begun, effects: effects[0]?.do === "keep" ? effects : [{ do: "keep" }, ...effects] };
}

function judge(state: WipeState, left: readonly string[]): Step<WipeState, WipeEffect> {
  if (state.phase !== "verifying" && state.phase !== "done") return nothing(state);
  if (left.length === 0) {
    const isFirst = state.phase === "verifying";
    const done: WipeState = { ...state, phase: "done", attempts: 0, left, checks: isFirst ? 0 : state.checks + 1 };
    const again: readonly WipeEffect[] = state.kind === "retire" ? [{ do: "wait", forMs: dayMs }] : [];
    return { state: done, effects: [{ do: "keep" }, { do: "confirmed", isFirst }, ...again] };
  }
  const what = state.kind === "retire" ? "still enabled" : "still on the eUICC";
  const problem: WipeEffect = { do: "problem", reason: `${left.join(", ")} ${what}` };
  const attempts = state.attempts + 1;
  if (state.how === "eim") {
    const waiting: WipeState = { ...state, phase: "verifying", attempts, left };
    return { state: waiting, effects: [{ do: "keep" }, problem, { do: "pollEim" }, { do: "wait", forMs: waitMs(attempts) }] };
  }
  const again: WipeState = { ...state, phase: "wiping", attempts, left };
  return { state: again, effects: [{ do: "keep" }, problem, { do: "wait", forMs: waitMs(attempts) }] };
}

function failed(state: WipeState, reason: string): Step<WipeState, WipeEffect> {
  // A vehicle without network cannot deliver; that was counted already.
  if (state.phase === "delivering") {
    if (state.attempts >= maxDeliveries) return enter(state, "evidence");
    return { state, effects: [{ do: "wait", forMs: deliveryGapMs }] };
  }
  const attempts = state.attempts + 1;
  return {
    state: { ...state, attempts },
    effects: [
      { do: "problem", reason },
      { do: "wait", forMs: waitMs(attempts) },
    ],
  };
}

/** A minute, doubled each time, a day at most. */
function waitMs(attempts: number): number {
  return Math.min(dayMs, minuteMs * 2 ** Math.min(attempts - 1, 11));
}
