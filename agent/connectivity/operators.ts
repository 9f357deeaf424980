// The choice of operator, pure: automatic as long as that gives a data path; where it does not, the others that are in reach, one after the other, and
// then automatic again. What failed is remembered, and forgotten with time. No operator is preferred for anything but what was seen of it.
import { type Step, unreachable } from "../../base/machine.ts";

/** What is remembered of one operator. */
export interface OperatorRecord {
  readonly plmn: string;
  /** Failures in a row. 0: it gave a path when it was last tried. */
  readonly failures: number;
  /** Wall clock, ms: of the last failure or success. */
  readonly atMs: number;
  readonly why?: string | undefined;
  /** As last received from it. */
  readonly rsrpDbm?: number | undefined;
}

export interface OperatorState {
  /** automatic: the module chooses. trying: one after the other. chosen: one of them gives a path. settling: the list of forbidden ones was emptied. */
  readonly phase: "automatic" | "trying" | "chosen" | "settling";
  /** The one told to the module; none in the phases automatic and settling. */
  readonly plmn?: string | undefined;
  /** Still to be tried in this round. */
  readonly left: readonly string[];
  /** In this round's scan there were forbidden ones, or the scan did not come about. */
  readonly mayBeForbidden: boolean;
  /** Wall clock, ms: when the list of forbidden ones was emptied last. */
  readonly clearedAtMs?: number | undefined;
  readonly known: readonly OperatorRecord[];
}

export interface Visible {
  readonly plmn: string;
  readonly status: "unknown" | "available" | "current" | "forbidden";
}

export type OperatorInput =
  /** An attempt at a path ended without one. `plmn`: who it failed with, where it was somebody. */
  | { readonly kind: "failed"; readonly plmn: string | undefined; readonly why: string; readonly nowMs: number }
  | { readonly kind: "scanned"; readonly found: readonly Visible[]; readonly nowMs: number }
  | { readonly kind: "scanFailed"; readonly nowMs: number }
  /** `something`: operators stood in the list. */
  | { readonly kind: "cleared"; readonly something: boolean; readonly nowMs: number }
  | { readonly kind: "up"; readonly plmn: string | undefined; readonly nowMs: number }
  /** Measured while it serves. */
  | { readonly kind: "signal"; readonly plmn: string; readonly rsrpDbm: number }
  /** There is no scan now: somebody else needs the module. */
  | { readonly kind: "putOff" }
  /** The path that was there is gone, for what is not the operator's fault, such as the end of its coverage. */
  | { readonly kind: "lost" }
  /** Another subscription: what one network did to the former says nothing of this one. */
  | { readonly kind: "subscription" };

/** What comes next. None: whatever the module does by itself, after the keeper's back-off. */
export type OperatorEffect =
  | { readonly kind: "scan" }
  | { readonly kind: "select"; readonly plmn: string }
  | { readonly kind: "automatic" }
  | { readonly kind: "clearForbidden" };

export const initialOperatorState: OperatorState = { phase: "automatic", left: [], mayBeForbidden: false, known: [] };

/** In one round. */
export const maxCandidates = 5;
const maxKnown = 32;
const decayBaseMs = 15 * 60_000;
const decayCapMs = 6 * 3_600_000;
/** A network that forbids means it: it is not asked again and again. */
export const clearAgainMs = 3_600_000;
/** Who failed so shortly ago does not have another turn in the round that this began. */
const justNowMs = 120_000;

/** A failure counts for a quarter of an hour, doubled with each in a row, six hours at most. A clock that went back forgives nothing. */
export function isFailing({ failures, atMs }: OperatorRecord, nowMs: number): boolean {
  return failures > 0 && nowMs - atMs < Math.min(decayCapMs, decayBaseMs * 2 ** Math.min(failures - 1, 10));
}

export function nextOperator(state: OperatorState, input: OperatorInput): Step<OperatorState, OperatorEffect> {
  switch (input.kind) {
    case "failed": {
      const plmn = input.plmn ?? (state.phase === "trying" || state.phase === "chosen" ? state.plmn : undefined);
      const noted = plmn === undefined ? state : { ...state, known: noteFailure(state.known, plmn, input.why, input.nowMs) };
      if (state.phase === "trying") return goOn(noted, input.nowMs);
      // Automatic again: the round is over, and nobody was found.
      if (state.phase === "settling") return endRound(noted);
      return { state: { ...noted, phase: "trying", plmn: undefined, left: [], mayBeForbidden: false }, effects: [{ kind: "scan" }] };
    }
    case "scanned": {
      if (state.phase !== "trying") return { state, effects: [] };
      const left = candidates(input.found, state.known, input.nowMs);
      const mayBeForbidden = input.found.some(({ status }) => status === "forbidden");
      return goOn({ ...state, left, mayBeForbidden }, input.nowMs);
    }
    case "scanFailed":
      return state.phase === "trying" ? goOn({ ...state, left: [], mayBeForbidden: true }, input.nowMs) : { state, effects: [] };
    case "cleared": {
      if (state.phase !== "settling") return { state, effects: [] };
      const noted = { ...state, clearedAtMs: input.nowMs };
      return input.something ? { state: noted, effects: [{ kind: "automatic" }] } : endRound(noted);
    }
    case "up": {
      const { plmn, nowMs } = input;
      const known = plmn === undefined ? state.known : noteSuccess(state.known, plmn, nowMs);
      const isChosen = state.phase === "trying" || state.phase === "chosen";
      const phase = isChosen && state.plmn !== undefined ? "chosen" : "automatic";
      return { state: { ...state, phase, plmn: phase === "chosen" ? state.plmn : undefined, left: [], known }, effects: [] };
    }
    case "signal": {
      const { plmn, rsrpDbm } = input;
      const known = state.known.map((one) => (one.plmn === plmn ? { ...one, rsrpDbm } : one));
      return { state: { ...state, known }, effects: [] };
    }
    case "putOff":
      return { state: { ...state, phase: "automatic", plmn: undefined, left: [] }, effects: [] };
    case "lost":
      return state.phase === "chosen" ? endRound(state) : { state, effects: [] };
    case "subscription":
      return {
        state: { ...initialOperatorState, known: [] },
        effects: state.phase === "automatic" ? [] : [{ kind: "automatic" }],
      };
    default:
      return unreachable(input);
  }
}

/** The next candidate; behind the last of them the forbidden ones, if that was not tried lately; behind that automatic. */
function goOn(state: OperatorState, nowMs: number): Step<OperatorState, OperatorEffect> {
  const [plmn, ...left] = state.left;
  if (plmn !== undefined) return { state: { ...state, phase: "trying", plmn, left }, effects: [{ kind: "select", plmn }] };
  const { clearedAtMs } = state;
  const mayClear = clearedAtMs === undefined || nowMs < clearedAtMs || nowMs - clearedAtMs >= clearAgainMs;
  if (!state.mayBeForbidden || !mayClear) return endRound(state);
  return { state: { ...state, phase: "settling", plmn: undefined }, effects: [{ kind: "clearForbidden" }] };
}

function endRound(state: OperatorState): Step<OperatorState, OperatorEffect> {
  return { state: { ...state, phase: "automatic", plmn: undefined, left: [], mayBeForbidden: false }, effects: [{ kind: "automatic" }] };
}

/**
 * Those that may be tried: who is not known to fail first, by signal as last received, then as the module lists them; then those whose failure is
 * longest ago. One that has just failed waits for another round.
 */
export function candidates(found: readonly Visible[], known: readonly OperatorRecord[], nowMs: number): readonly string[] {
  const plmns = [...new Set(found.filter(({ status }) => status !== "forbidden").map(({ plmn }) => plmn))];
  const of = (plmn: string): OperatorRecord => known.find((one) => one.plmn === plmn) ?? { plmn, failures: 0, atMs: 0 };
  const isJustNow = ({ failures, atMs }: OperatorRecord): boolean => failures > 0 && Math.abs(nowMs - atMs) < justNowMs;
  const records = plmns.map(of).filter((one) => !isJustNow(one));
  const good = records.filter((one) => !isFailing(one, nowMs)).sort((a, b) => (b.rsrpDbm ?? -120) - (a.rsrpDbm ?? -120));
  const bad = records.filter((one) => isFailing(one, nowMs)).sort((a, b) => a.atMs - b.atMs);
  return [...good, ...bad].slice(0, maxCandidates).map(({ plmn }) => plmn);
}

function noteFailure(known: readonly OperatorRecord[], plmn: string, why: string, nowMs: number): readonly OperatorRecord[] {
  const before = known.find((one) => one.plmn === plmn);
  const failures = before !== undefined && isFailing(before, nowMs) ? before.failures + 1 : 1;
  return note(known, { plmn, failures, atMs: nowMs, why, rsrpDbm: before?.rsrpDbm });
}

function noteSuccess(known: readonly OperatorRecord[], plmn: string, nowMs: number): readonly OperatorRecord[] {
  return note(known, { plmn, failures: 0, atMs: nowMs, rsrpDbm: known.find((one) => one.plmn === plmn)?.rsrpDbm });
}

/** The one heard of last stands at the end. */
function note(known: readonly OperatorRecord[], record: OperatorRecord): readonly OperatorRecord[] {
  return [...known.filter(({ plmn }) => plmn !== record.plmn), record].slice(-maxKnown);
}
