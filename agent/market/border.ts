// When a border counts as crossed: after so long, or so many registrations in a row, beyond it. One that is gone to and fro takes longer each time, so that
// a road along a border does not change profiles all day. Pure; days of roaming are counted in both countries whatever this says.
import { type Step, unreachable } from "../../base/machine.ts";

export interface BorderState {
  /** Where the vehicle is taken to be; undefined before the first registration. */
  readonly country: string | undefined;
  /** Beyond the border, for now. */
  readonly beyond: { readonly country: string; readonly sinceMs: number; readonly registrations: number } | undefined;
  /** Borders crossed lately. */
  readonly crossings: number;
  readonly crossedMs: number | undefined;
}

/** Times are of the monotonic clock. */
export type BorderInput =
  /** `isNew`: a registration that the network has just told of; otherwise the same one as before, looked at again. */
  | { readonly kind: "registered"; readonly country: string; readonly isNew: boolean; readonly nowMs: number }
  | { readonly kind: "unregistered"; readonly nowMs: number };

export interface BorderEffect {
  readonly kind: "crossed";
  readonly from: string | undefined;
  readonly to: string;
}

export interface BorderLimits {
  readonly afterMs: number;
  readonly registrations: number;
}

export const initialBorder: BorderState = { country: undefined, beyond: undefined, crossings: 0, crossedMs: undefined };

/** For so long a crossing makes the next one slower. */
const remembersMs = 24 * 3_600_000;
const maxDoublings = 5;

export function nextBorder(state: BorderState, input: BorderInput, limits: BorderLimits): Step<BorderState, BorderEffect> {
  const stay = (next: BorderState): Step<BorderState, BorderEffect> => ({ state: next, effects: [] });
  switch (input.kind) {
    case "unregistered":
      // Without a network nothing is known; time goes on, since a tunnel is no way back.
      return stay(state);
    case "registered": {
      const { country, isNew, nowMs } = input;
      if (country === state.country) return stay(state.beyond === undefined ? state : { ...state, beyond: undefined });
      // Whoever knows nothing believes the first network.
      if (state.country === undefined)
        return { state: { ...state, country }, effects: [{ kind: "crossed", from: undefined, to: country }] };
      const known = state.beyond?.country === country ? state.beyond : { country, sinceMs: nowMs, registrations: 0 };
      const beyond = { ...known, registrations: known.registrations + (isNew || known.registrations === 0 ? 1 : 0) };
      const crossings = state.crossedMs === undefined || nowMs - state.crossedMs >= remembersMs ? 0 : state.crossings;
      const factor = 2 ** Math.min(crossings, maxDoublings);
      const isThere = nowMs - beyond.sinceMs >= limits.afterMs * factor || beyond.registrations >= limits.registrations * factor;
      if (!isThere) return stay({ ...state, beyond, crossings });
      return {
        state: { country, beyond: undefined, crossings: crossings + 1, crossedMs: nowMs },
        effects: [{ kind: "crossed", from: state.country, to: country }],
      };
    }
    default:
      return unreachable(input);
  }
}

/** In how long it is decided, should the vehicle stay beyond the border; undefined where there is nothing to decide. */
export function decidedInMs({ beyond, crossings }: BorderState, limits: BorderLimits, nowMs: number): number | undefined {
  if (beyond === undefined) return undefined;
  return Math.max(0, beyond.sinceMs + limits.afterMs * 2 ** Math.min(crossings, maxDoublings) - nowMs);
}

/** After a restart: monotonic times of an earlier life mean nothing. */
export function restartedBorder({ country }: Pick<BorderState, "country">): BorderState {
  return { ...initialBorder, country };
}
