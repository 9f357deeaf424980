// Retransmission (RFC 7252 §4.2) with a timeout that follows the measured round trip (RFC 6298). Pure.
import type { Step } from "../../base/machine.ts";
import { unreachable } from "../../base/machine.ts";

/** What is known of the round trip to one peer; outlives single messages, and associations too. */
export interface RoundTrip {
  /** Undefined until one was measured. */
  readonly smoothedMs: number | undefined;
  readonly variationMs: number;
  /** The first wait of the next message, before its random factor. */
  readonly timeoutMs: number;
}

const maxTimeoutMs = 32_000;
export const shortestTimeoutMs = 300;
const benchMs = 10;

export function unknownRoundTrip(timeoutMs: number): RoundTrip {
  return { smoothedMs: undefined, variationMs: 0, timeoutMs };
}

/**
 * Takes one answer in. `agesMs` is how long ago each transmission of the message left, oldest first. Only an answer to a single
 * transmission is measured (RFC 6298 §3), since retransmissions share their message id; but one that comes when an answer to the last
 * retransmission was not to be expected tells that the round trip has grown, and the next message waits longer.
 */
export function withAnswer(before: RoundTrip, agesMs: readonly number[]): RoundTrip {
  const oldest = agesMs[0] ?? 0;
  const youngest = agesMs.at(-1) ?? 0;
  const known = before.smoothedMs;
  if (agesMs.length === 1) {
    const smoothedMs = known === undefined ? oldest : (7 * known + oldest) / 8;
    const variationMs = known === undefined ? oldest / 2 : (3 * before.variationMs + Math.abs(known - oldest)) / 4;
    return { smoothedMs, variationMs, timeoutMs: bounded(smoothedMs + 4 * variationMs) };
  }
  const ownMs = known === undefined ? before.timeoutMs : bounded(known + 4 * before.variationMs);
  // Round trips of single milliseconds are those of a bench: half of one is noise there.
  const leastMs = known === undefined || known < benchMs ? 0 : known / 2;
  const wasRetransmissionAnswered =
    known === undefined ? youngest < oldest / 8 : youngest >= leastMs && youngest <= 2 * Math.max(ownMs, shortestTimeoutMs);
  return { ...before, timeoutMs: wasRetransmissionAnswered ? ownMs : bounded(Math.max(before.timeoutMs, 1.25 * oldest)) };
}

/**
 * No wait grows beyond eight times the first, and none beyond eight seconds; but none is held below two, and one that is longer from the start,
 * on a slow path, stays as it is.
 */
export function longestWaitMs(firstMs: number): number {
  return Math.max(firstMs, Math.min(8_000, Math.max(2_000, 8 * firstMs)));
}

/**
 * The wait after the next retransmission: it doubles, and grows slower once it is long. With a quarter of all datagrams lost each way, every
 * sixtieth message needs a fifth retransmission: waits that went on doubling would make a download of minutes out of one of seconds, and eleven
 * transmissions would not fit into any deadline. One small message in two seconds congests nothing (NSTART is 1).
 */
export function backOff(timeoutMs: number, longestMs: number): number {
  return Math.min(timeoutMs * (timeoutMs <= 3_000 ? 2 : 1.25), longestMs);
}

function bounded(ms: number): number {
  return Math.min(ms, maxTimeoutMs);
}

/** One confirmable message on its way. */
export type ReliabilityState =
  | { readonly kind: "idle" }
  | { readonly kind: "sent"; readonly retransmissions: number; readonly timeoutMs: number; readonly longestMs: number }
  /** The peer has it; a request then waits for its separate response. */
  | { readonly kind: "acknowledged" }
  | { readonly kind: "ended" };

export type ReliabilityInput =
  | { readonly kind: "start"; readonly timeoutMs: number }
  | { readonly kind: "timer" }
  | { readonly kind: "acknowledgement" }
  | { readonly kind: "response" }
  | { readonly kind: "reset" }
  /** Given up from outside: aborted, or the link closed. */
  | { readonly kind: "stop" };

export type ReliabilityEffect =
  | { readonly kind: "send"; readonly attempt: number }
  | { readonly kind: "arm"; readonly ms: number }
  | { readonly kind: "disarm" }
  /** The first sign that the message arrived. */
  | { readonly kind: "arrived" }
  | { readonly kind: "end"; readonly outcome: "response" | "reset" | "timeout" | "acknowledged" };

export interface ReliabilityLimits {
  readonly maxRetransmit: number;
  /** How long to wait for the separate response; undefined where the acknowledgement is all that is wanted. */
  readonly responseTimeoutMs: number | undefined;
}

type Outcome = Step<ReliabilityState, ReliabilityEffect>;

const ended: ReliabilityState = { kind: "ended" };

export function reliability(limits: ReliabilityLimits): (state: ReliabilityState, input: ReliabilityInput) => Outcome {
  const end = (outcome: "response" | "reset" | "timeout" | "acknowledged", ...before: readonly ReliabilityEffect[]): Outcome => ({
    state: ended,
    effects: [{ kind: "disarm" }, ...before, { kind: "end", outcome }],
  });
  return (state, input) => {
    const unchanged: Outcome = { state, effects: [] };
    switch (input.kind) {
      case "start":
        if (state.kind !== "idle") return unchanged;
        return {
          state: { kind: "sent", retransmissions: 0, timeoutMs: input.timeoutMs, longestMs: longestWaitMs(input.timeoutMs) },
          effects: [
            { kind: "send", attempt: 0 },
            { kind: "arm", ms: input.timeoutMs },
          ],
        };
      case "timer": {
        if (state.kind === "acknowledged") return end("timeout");
        if (state.kind !== "sent") return unchanged;
        if (state.retransmissions >= limits.maxRetransmit) return end("timeout");
        const attempt = state.retransmissions + 1;
        const timeoutMs = backOff(state.timeoutMs, state.longestMs);
        return {
          state: { ...state, retransmissions: attempt, timeoutMs },
          effects: [
            { kind: "send", attempt },
            { kind: "arm", ms: timeoutMs },
          ],
        };
      }
      case "acknowledgement": {
        if (state.kind !== "sent") return unchanged;
        const arrived: ReliabilityEffect = { kind: "arrived" };
        if (limits.responseTimeoutMs === undefined) return end("acknowledged", arrived);
        return {
          state: { kind: "acknowledged" },
          effects: [{ kind: "disarm" }, arrived, { kind: "arm", ms: limits.responseTimeoutMs }],
        };
      }
      case "response":
        if (state.kind === "sent") return end("response", { kind: "arrived" });
        return state.kind === "acknowledged" ? end("response") : unchanged;
      case "reset":
        return state.kind === "sent" || state.kind === "acknowledged" ? end("reset") : unchanged;
      case "stop":
        return state.kind === "ended" ? unchanged : { state: ended, effects: [{ kind: "disarm" }] };
      default:
        return unreachable(input);
    }
  };
}
