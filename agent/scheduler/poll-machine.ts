// The poll machine, pure: when the IPA is started, when an eIM is asked, what a failure leads to. Delays are computed by who performs.
import type { RetryClass } from "../../base/errors.ts";
import { type Step, unreachable } from "../../base/machine.ts";

/** How many polls in a row failed, or were cut off by the card going away: the next is due soon after it is back. None: not there. */
interface CutOff {
  readonly cutOff?: number;
}

export type PollState =
  /** No module, or no card that answers. */
  | ({ readonly phase: "absent" } & CutOff)
  | ({ readonly phase: "starting"; readonly failures: number } & CutOff)
  /** The start failed; a timer runs. */
  | ({ readonly phase: "startFailed"; readonly failures: number; readonly retry: RetryClass } & CutOff)
  /** A timer runs until the next poll. `awaitsPath`: the last one failed for want of a data path. */
  | {
      readonly phase: "idle";
      readonly failures: number;
      readonly awaitsPath: boolean;
      /** No timer runs: an emergency comes first. */
      readonly isHeld?: boolean;
    }
  | { readonly phase: "polling"; readonly failures: number };

export type PollInput =
  | { readonly kind: "cardReady" }
  | { readonly kind: "cardGone" }
  | { readonly kind: "started" }
  | { readonly kind: "startFailed"; readonly retry: RetryClass }
  | { readonly kind: "due"; readonly isHeld?: boolean }
  /** The emergency is over. */
  | { readonly kind: "released" }
  /** The eIMs have something to be told. */
  | { readonly kind: "news" }
  | { readonly kind: "pathUp" }
  /** The machine was suspended, and its timers with it. */
  | { readonly kind: "awake" }
  /** A poll has begun, by timer or because somebody asked. */
  | { readonly kind: "pollBegun" }
  | { readonly kind: "pollEnded"; readonly retry: RetryClass | undefined; readonly unfinished: boolean; readonly isHeld?: boolean };

export type PollEffect =
  | { readonly kind: "start" }
  | { readonly kind: "poll" }
  | { readonly kind: "schedule"; readonly why: "start" }
  | { readonly kind: "schedule"; readonly why: "interval" }
  | { readonly kind: "schedule"; readonly why: "news" }
  | { readonly kind: "schedule"; readonly why: "backOff"; readonly retry: RetryClass; readonly failures: number }
  | { readonly kind: "unschedule" };

export const initialPollState: PollState = { phase: "absent" };

/** It may be the poll that takes the module down: then it has its time. */
const cutOffSoon = 3;

export function nextPoll(state: PollState, input: PollInput): Step<PollState, PollEffect> {
  const stay: Step<PollState, PollEffect> = { state, effects: [] };
  switch (input.kind) {
    case "cardReady":
      return state.phase === "absent" ? { state: { ...state, phase: "starting", failures: 0 }, effects: [{ kind: "start" }] } : stay;
    case "cardGone":
      return state.phase === "absent" ? stay : { state: { phase: "absent", ...cutOffOf(state) }, effects: [{ kind: "unschedule" }] };
    case "started": {
      if (state.phase !== "starting") return stay;
      const { cutOff: failures } = state;
      if (failures === undefined)
        return { state: { phase: "idle", failures: 0, awaitsPath: false }, effects: [{ kind: "schedule", why: "start" }] };
      const retry = failures > cutOffSoon ? "later" : "soon";
      return {
        state: { phase: "idle", failures, awaitsPath: false },
        effects: [{ kind: "schedule", why: "backOff", retry, failures }],
      };
    }
    case "startFailed": {
      if (state.phase !== "starting") return stay;
      const failures = state.failures + 1;
      return {
        state: { phase: "startFailed", failures, retry: input.retry, ...cutOffOf(state) },
        effects: [{ kind: "schedule", why: "backOff", retry: input.retry, failures }],
      };
    }
    case "due":
      if (state.phase === "startFailed")
        return { state: { phase: "starting", failures: state.failures, ...cutOffOf(state) }, effects: [{ kind: "start" }] };
      if (state.phase !== "idle") return stay;
      return input.isHeld === true ? { state: { ...state, isHeld: true }, effects: [] } : { state, effects: [{ kind: "poll" }] };
    case "released": {
      if (state.phase !== "idle" || state.isHeld !== true) return stay;
      const { isHeld: _isHeld, ...idle } = state;
      return { state: idle, effects: [{ kind: "poll" }] };
    }
    case "news":
      return state.phase === "idle" && state.isHeld !== true ? { state, effects: [{ kind: "schedule", why: "news" }] } : stay;
    case "pathUp":
      // The path is what was waited for. The longer it was away, the more vehicles come back with this one: they must not all ask at once.
      return state.phase === "idle" && state.awaitsPath && state.isHeld !== true
        ? {
            state: { ...state, awaitsPath: false },
            effects: [{ kind: "schedule", why: "backOff", retry: "online", failures: state.failures }],
          }
        : stay;
    case "awake":
      // As after a start: by the clock on the wall, and made up for within a window where it is overdue.
      if (state.phase === "startFailed")
        return { state, effects: [{ kind: "schedule", why: "backOff", retry: state.retry, failures: state.failures }] };
      if (state.phase !== "idle" || state.isHeld === true) return stay;
      return state.failures === 0
        ? { state, effects: [{ kind: "schedule", why: "start" }] }
        : { state, effects: [{ kind: "schedule", why: "backOff", retry: "online", failures: state.failures }] };
    case "pollBegun":
      return state.phase === "idle" ? { state: { phase: "polling", failures: state.failures }, effects: [{ kind: "unschedule" }] } : stay;
    case "pollEnded": {
      if (state.phase !== "polling") {
        if (state.phase === "idle") return stay;
        // It was asked for while the card was away, or the card went away under it: if that was its end, it is due when the card is back.
        if (input.retry !== undefined || input.unfinished) return { state: { ...state, cutOff: state.cutOff ?? 1 }, effects: [] };
        const { cutOff: _cutOff, ...whole } = state;
        return { state: whole, effects: [] };
      }
      if (input.retry === undefined && !input.unfinished) {
        return { state: { phase: "idle", failures: 0, awaitsPath: false }, effects: [{ kind: "schedule", why: "interval" }] };
      }
      if (input.isHeld === true)
        return { state: { phase: "idle", failures: state.failures, awaitsPath: false, isHeld: true }, effects: [] };
      const failures = state.failures + 1;
      const retry = input.retry ?? "later";
      return {
        state: { phase: "idle", failures, awaitsPath: retry === "online" },
        effects: [{ kind: "schedule", why: "backOff", retry, failures }],
      };
    }
    default:
      return unreachable(input);
  }
}

function cutOffOf(state: PollState): CutOff {
  switch (state.phase) {
    case "polling":
      return { cutOff: state.failures + 1 };
    case "idle":
      return state.failures === 0 && state.isHeld !== true ? {} : { cutOff: Math.max(1, state.failures) };
    default:
      return state.cutOff === undefined ? {} : { cutOff: state.cutOff };
  }
}
