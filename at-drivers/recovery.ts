// The ladder for a module that no longer answers: what is tried, in which order, how long each is given, and when it begins anew.
// Pure; link-keeper.ts carries the steps out. It never gives up, and takes no step that disturbs while somebody forbids it.
import { type Step, unreachable } from "../base/machine.ts";
import type { RecoveryOutcome, RecoveryStep, RecoveryTrouble } from "./types.ts";

interface Rung {
  readonly step: RecoveryStep;
  /** What it may help against. */
  readonly against: readonly RecoveryTrouble[];
  /** How long it is waited for an answer behind it, before the next is taken; attempts to open and ask go on meanwhile. */
  readonly patienceMs: number;
  /** It may end a call or a data session that still works although the port does not. */
  readonly disturbs: boolean;
}

/** A module that enumerates anew is away for up to a minute; one whose supply was cut starts from nothing. */
export const ladder: readonly Rung[] = [
  { step: "reopen", against: ["absent"], patienceMs: 90_000, disturbs: false },
  { step: "marker", against: ["silent", "unfit"], patienceMs: 45_000, disturbs: false },
  { step: "escape", against: ["silent"], patienceMs: 0, disturbs: true },
  { step: "baud-hunt", against: ["silent"], patienceMs: 0, disturbs: true },
  { step: "cfun-reset", against: ["silent", "unfit"], patienceMs: 60_000, disturbs: true },
  { step: "module-reset", against: ["silent", "unfit"], patienceMs: 60_000, disturbs: true },
  { step: "power", against: ["silent", "absent", "unfit"], patienceMs: 90_000, disturbs: true },
];

const firstRestMs = 60_000;
const longestRestMs = 3_600_000;

/** After the ladder's top: doubled from a minute up to an hour, and so for ever. `round` counts from 1. */
export function restMs(round: number): number {
  return Math.min(longestRestMs, firstRestMs * 2 ** Math.min(Math.max(round - 1, 0), 20));
}

export type Recovery =
  | { readonly kind: "well" }
  | (InTrouble & {
      readonly kind: "climbing";
      /** Where in `ladder`. */
      readonly rung: number;
      readonly takenMs: number;
      /** The next step was forbidden, and that has been said. */
      readonly held: boolean;
    })
  | (InTrouble & { readonly kind: "resting"; readonly untilMs: number });

interface InTrouble {
  readonly beganMs: number;
  /** How many times the ladder was begun. */
  readonly round: number;
}

export type RecoveryInput =
  /** An attempt to open the port and to bring the module into the state wanted has failed, or a module that was ready has fallen silent. */
  | {
      readonly kind: "failed";
      readonly trouble: RecoveryTrouble;
      readonly nowMs: number;
      /** What can be done to this module at all. */
      readonly can: ReadonlySet<RecoveryStep>;
      /** Why nothing may be done now that disturbs; undefined: it may. */
      readonly held: string | undefined;
      /** Why the last step could not be carried out; undefined: it was, or there was none. */
      readonly undone?: string | undefined;
    }
  | { readonly kind: "answered"; readonly nowMs: number };

export type RecoveryEffect =
  /** With the next attempt. */
  | { readonly do: "take"; readonly step: RecoveryStep }
  | {
      readonly do: "report";
      readonly step: RecoveryStep;
      readonly outcome: RecoveryOutcome;
      readonly tookMs: number;
      readonly downMs: number;
      readonly round: number;
      readonly reason?: string;
    };

export const well: Recovery = { kind: "well" };

export function nextRecovery(state: Recovery, input: RecoveryInput): Step<Recovery, RecoveryEffect> {
  switch (input.kind) {
    case "answered":
      return answered(state, input.nowMs);
    case "failed":
      return failed(state, input);
    default:
      return unreachable(input);
  }
}

type Failed = Extract<RecoveryInput, { kind: "failed" }>;

function failed(state: Recovery, input: Failed): Step<Recovery, RecoveryEffect> {
  switch (state.kind) {
    case "well":
      return climb({ beganMs: input.nowMs, round: 1 }, -1, input, []);
    case "resting":
      if (input.nowMs < state.untilMs) return { state, effects: [] };
      // Asking has gone on all the time.
      return climb({ beganMs: state.beganMs, round: state.round + 1 }, lastAsking, input, []);
    case "climbing": {
      const rung = ladder[state.rung];
      if (rung === undefined) return climb(state, state.rung, input, []);
      if (state.held) return climb(state, state.rung, input, []);
      // What could not be done is not waited for.
      if (input.undone === undefined && input.nowMs - state.takenMs < rung.patienceMs) return { state, effects: [] };
      const outcome: RecoveryOutcome = input.undone === undefined ? "no-answer" : "failed";
      return climb(state, state.rung, input, [report(state, rung.step, outcome, state.takenMs, input.nowMs, input.undone)]);
    }
    default:
      return unreachable(state);
  }
}

/** The first step above `below` that is of any use; when there is none, a rest. */
function climb(trouble: InTrouble, below: number, input: Failed, said: readonly RecoveryEffect[]): Step<Recovery, RecoveryEffect> {
  const { beganMs, round } = trouble;
  const { nowMs } = input;
  const at = ladder.findIndex(({ step, against }, index) => index > below && against.includes(input.trouble) && input.can.has(step));
  const rung = ladder[at];
  if (rung === undefined) return { state: { kind: "resting", beganMs, round, untilMs: nowMs + restMs(round) }, effects: said };
  if (rung.disturbs && input.held !== undefined) {
    const isHeld = "held" in trouble && trouble.held === true;
    const effects = isHeld ? said : [...said, report(trouble, rung.step, "held", nowMs, nowMs, input.held)];
    return { state: { kind: "climbing", beganMs, round, rung: below, takenMs: nowMs, held: true }, effects };
  }
  return {
    state: { kind: "climbing", beganMs, round, rung: at, takenMs: nowMs, held: false },
    effects: [...said, { do: "take", step: rung.step }],
  };
}

function answered(state: Recovery, nowMs: number): Step<Recovery, RecoveryEffect> {
  if (state.kind === "well") return { state, effects: [] };
  const rung = state.kind === "climbing" && !state.held ? ladder[state.rung] : undefined;
  // That a port came back within its time is not worth a word.
  if (rung?.step === "reopen") return { state: well, effects: [] };
  const effect =
    rung === undefined || state.kind !== "climbing"
      ? report(state, "marker", "answered", state.beganMs, nowMs, undefined)
      : report(state, rung.step, "answered", state.takenMs, nowMs, undefined);
  return { state: well, effects: [effect] };
}

function report(
  { beganMs, round }: InTrouble,
  step: RecoveryStep,
  outcome: RecoveryOutcome,
  fromMs: number,
  nowMs: number,
  reason: string | undefined,
): RecoveryEffect {
  return {
    do: "report",
    step,
    outcome,
    tookMs: Math.round(nowMs - fromMs),
    downMs: Math.round(nowMs - beganMs),
    round,
    ...(reason === undefined ? {} : { reason }),
  };
}

const lastAsking = ladder.findLastIndex(({ disturbs }) => !disturbs);
