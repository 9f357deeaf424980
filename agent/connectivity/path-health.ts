// Whether anything passes over the path, pure: what probes and polls say, weighed. Who has never answered is no witness, and an eIM alone is a slow one.
import type { Step } from "../../base/machine.ts";

/** dns: a resolver that the session named. eim: an eIM. host: what the configuration names, which counts from the first time. */
export type TargetKind = "dns" | "eim" | "host";

export interface Answered {
  /** Kind and address, as shown. */
  readonly target: string;
  readonly kind: TargetKind;
  /** undefined: silence. */
  readonly roundTripMs: number | undefined;
}

/** unknown: nobody there to ask. passing: somebody answered. doubtful: asked again soon. dead: nothing passes. */
export type Verdict = "unknown" | "passing" | "doubtful" | "dead";

export interface HealthState {
  readonly verdict: Verdict;
  /** Rounds in a row in which nobody answered who should have. */
  readonly silent: number;
  /** Targets that have answered, ever. */
  readonly witnesses: readonly string[];
  /** Every operator was tried and nobody answers: no path is given up for it until somebody has answered. */
  readonly isSuspended: boolean;
  readonly roundTripMs?: number | undefined;
  /** The least of the last ones: what the path gives when it has nothing else to carry. */
  readonly leastMs?: number | undefined;
}

export type HealthInput =
  | { readonly kind: "probed"; readonly answers: readonly Answered[] }
  /** An eIM has answered a poll. */
  | { readonly kind: "heard"; readonly target: string }
  /** Another session: what the former one did is no longer doubted. */
  | { readonly kind: "session" }
  /** All was tried. */
  | { readonly kind: "triedAll" };

export const initialHealth: HealthState = { verdict: "unknown", silent: 0, witnesses: [], isSuspended: false };

/** Rounds of silence after which a path is dead; where only eIMs can tell, one that is down must not have a fleet change operators. */
export const deadAfter = { several: 3, eimOnly: 6 } as const;
const maxWitnesses = 16;

export function nextHealth(state: HealthState, input: HealthInput): Step<HealthState, never> {
  const { witnesses } = state;
  switch (input.kind) {
    case "heard":
      return to({ ...state, verdict: "passing", silent: 0, isSuspended: false, witnesses: add(witnesses, [input.target]) });
    case "session":
      return to({ ...state, verdict: "unknown", silent: 0, roundTripMs: undefined, leastMs: undefined });
    case "triedAll":
      return to({ ...state, silent: 0, isSuspended: true });
    case "probed": {
      const heard = input.answers.filter(({ roundTripMs }) => roundTripMs !== undefined);
      if (heard.length > 0) {
        const roundTripMs = Math.min(...heard.map((one) => one.roundTripMs ?? Number.POSITIVE_INFINITY));
        const seen = add(
          witnesses,
          heard.map(({ target }) => target),
        );
        const leastMs = Math.min(state.leastMs ?? roundTripMs, roundTripMs);
        return to({ verdict: "passing", silent: 0, isSuspended: false, witnesses: seen, roundTripMs, leastMs });
      }
      const evidence = input.answers.filter(({ kind, target }) => kind === "host" || witnesses.includes(target));
      if (evidence.length === 0) return to({ ...state, verdict: "unknown", silent: 0 });
      const silent = state.silent + 1;
      const enough = evidence.every(({ kind }) => kind === "eim") ? deadAfter.eimOnly : deadAfter.several;
      return to({ ...state, silent, verdict: silent >= enough && !state.isSuspended ? "dead" : "doubtful" });
    }
  }
}

function to(state: HealthState): Step<HealthState, never> {
  return { state, effects: [] };
}

/** The one heard of last stands at the end. */
function add(witnesses: readonly string[], heard: readonly string[]): readonly string[] {
  return [...witnesses.filter((one) => !heard.includes(one)), ...heard].slice(-maxWitnesses);
}
