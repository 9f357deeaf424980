// The tunnel as a state machine: asked for when there is a path, watched while it is up, asked for again after a loss, with back-off. An emergency begins
// nothing and ends nothing. Pure: times are inputs.
import type { SimwardError } from "../../base/errors.ts";
import { type Step, unreachable } from "../../base/machine.ts";
import type { TunnelPhase } from "./types.ts";

/** idle: not to be had now. moving: another address; charon may follow by itself (MOBIKE). */
export interface TunnelState {
  readonly phase: TunnelPhase | "moving";
  /** Subscription and address of the data path; undefined: there is none. */
  readonly way: string | undefined;
  readonly emergency: boolean;
  /** In a row. */
  readonly failures: number;
  readonly problem: SimwardError | undefined;
}

/** What charon shows of it. */
export type Seen = "up" | "trying" | "gone";

export type TunnelInput =
  | { readonly kind: "path"; readonly way: string | undefined }
  | { readonly kind: "emergency"; readonly active: boolean }
  /** `isLocal`: its own end is an address of this machine. `lasted`: up for so long that earlier failures are over. */
  | {
      readonly kind: "seen";
      readonly seen: Seen;
      readonly isLocal: boolean;
      readonly lasted: boolean;
      readonly problem: SimwardError | undefined;
    }
  /** Could not even be asked for. */
  | { readonly kind: "failed"; readonly problem: SimwardError }
  | { readonly kind: "retry" }
  /** charon has had its time to follow. */
  | { readonly kind: "grace" };

export type TunnelEffect =
  | { readonly do: "ask" }
  | { readonly do: "armRetry"; readonly failures: number; readonly problem: SimwardError }
  | { readonly do: "armGrace" }
  | { readonly do: "disarm" }
  | { readonly do: "up" }
  | { readonly do: "down"; readonly reason: string }
  | { readonly do: "problem"; readonly problem: SimwardError | undefined };

export const noTunnel: TunnelState = { phase: "idle", way: undefined, emergency: false, failures: 0, problem: undefined };

type Stepped = Step<TunnelState, TunnelEffect>;
const stay = (state: TunnelState): Stepped => ({ state, effects: [] });

export function nextTunnel(state: TunnelState, input: TunnelInput): Stepped {
  switch (input.kind) {
    case "path":
      return onPath(state, input.way);
    case "emergency": {
      const next = { ...state, emergency: input.active };
      return !input.active && next.way !== undefined && (next.phase === "idle" || next.phase === "waiting") ? ask(next) : stay(next);
    }
    case "seen":
      return onSeen(state, input);
    case "failed":
      return state.phase === "connecting" ? fail(state, input.problem) : stay(state);
    case "retry":
      if (state.phase !== "waiting") return stay(state);
      return state.way === undefined || state.emergency ? stay({ ...state, phase: "idle" }) : ask(state);
    case "grace":
      return state.phase === "moving" ? orAsk(state) : stay(state);
    default:
      return unreachable(input);
  }
}

function onPath(state: TunnelState, way: string | undefined): Stepped {
  if (way === state.way) return stay(state);
  const next = { ...state, way };
  switch (state.phase) {
    case "up":
    case "moving":
      if (way !== undefined) return { state: { ...next, phase: "moving" }, effects: [{ do: "disarm" }, { do: "armGrace" }] };
      return idle(next, "there is no data path");
    case "connecting":
    case "waiting":
      // Another way may be a better one: what failed on the former does not count against it.
      return way === undefined ? idle(next, undefined) : orAsk({ ...next, failures: 0 });
    case "idle":
      return way === undefined ? stay(next) : orAsk(next);
    default:
      return unreachable(state.phase);
  }
}

function onSeen(state: TunnelState, { seen, isLocal, lasted, problem }: Extract<TunnelInput, { kind: "seen" }>): Stepped {
  switch (state.phase) {
    case "connecting":
      if (seen === "up") return rise(state);
      return seen === "gone" && problem !== undefined ? fail(state, problem) : stay(state);
    case "moving":
      return seen === "up" && isLocal ? rise(state) : stay(state);
    case "up":
      if (seen === "up" && isLocal) return stay(lasted && state.failures > 0 ? { ...state, failures: 0 } : state);
      // A gateway that starts anew is not called by its whole fleet at once: hence a failure, with its back-off.
      if (seen === "up") return { state: { ...state, phase: "moving" }, effects: [{ do: "armGrace" }] };
      return seen === "gone" && problem !== undefined ? fail(state, problem) : stay(state);
    case "idle":
    case "waiting":
      return stay(state);
    default:
      return unreachable(state.phase);
  }
}

function rise(state: TunnelState): Stepped {
  return {
    state: { ...state, phase: "up", problem: undefined },
    effects: [{ do: "disarm" }, { do: "problem", problem: undefined }, { do: "up" }],
  };
}

function orAsk(state: TunnelState): Stepped {
  if (!state.emergency) return ask(state);
  return idle(state, state.phase === "moving" ? "the address is another one, and an emergency is under way" : undefined);
}

function ask(state: TunnelState): Stepped {
  const lost: readonly TunnelEffect[] = state.phase === "moving" ? [{ do: "down", reason: "the address is another one" }] : [];
  return { state: { ...state, phase: "connecting" }, effects: [...lost, { do: "disarm" }, { do: "ask" }] };
}

function fail(state: TunnelState, problem: SimwardError): Stepped {
  const failures = state.failures + 1;
  const lost: readonly TunnelEffect[] = state.phase === "up" ? [{ do: "down", reason: problem.message }] : [];
  const next = { ...state, phase: "waiting", failures, problem } as const;
  return { state: next, effects: [...lost, { do: "problem", problem }, { do: "armRetry", failures, problem }] };
}

function idle(state: TunnelState, lost: string | undefined): Stepped {
  const down: readonly TunnelEffect[] = lost === undefined ? [] : [{ do: "down", reason: lost }];
  return { state: { ...state, phase: "idle" }, effects: [...down, { do: "disarm" }] };
}

/** What only a person can mend is not asked every minute. `unit` is uniform in [0, 1). */
export function retryMs(failures: number, problem: Pick<SimwardError, "retry">, unit: number): number {
  const [baseMs, capMs] = problem.retry === "operator" || problem.retry === "never" ? [60_000, 3_600_000] : [5_000, 300_000];
  return Math.round(Math.min(capMs, baseMs * 2 ** Math.min(failures - 1, 20)) * (0.5 + unit / 2));
}
