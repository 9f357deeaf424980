// The link to a module: port opened, module probed, ready, lost, and back. Pure; driver.ts carries the effects out.
// It never gives up: a module that goes away is an event, not an end.
import { type Step, unreachable } from "../base/machine.ts";

export type Link =
  | { readonly kind: "closed" }
  | (Trouble & { readonly kind: "opening" | "probing" })
  | { readonly kind: "ready" }
  | (Trouble & { readonly kind: "lost" });

interface Trouble {
  /** Attempts that failed in a row. */
  readonly failures: number;
  /** "gone" has been said, so "back" is to be said when it is ready. */
  readonly gone: boolean;
  /** Why it is not ready. */
  readonly reason: string | undefined;
}

export type LinkInput =
  | { readonly kind: "open" | "opened" | "probed" | "retry" | "close" }
  | { readonly kind: "openFailed" | "probeFailed"; readonly reason: string }
  /** The channel has ended by itself. */
  | { readonly kind: "ended"; readonly reason: string }
  /** The module says that it has started, and the port is still there. */
  | { readonly kind: "rebooted"; readonly reason: string }
  /** It has stopped answering. */
  | { readonly kind: "silent"; readonly reason: string }
  /** We have told it to restart. */
  | { readonly kind: "resetting"; readonly reason: string; readonly bootMs: number };

export type LinkEffect =
  | { readonly kind: "openPort" | "probe" | "closePort" | "cancelRetry" | "announceReady" | "announceBack" }
  | { readonly kind: "announceGone"; readonly reason: string }
  | { readonly kind: "retryAfter"; readonly delayMs: number };

const firstDelayMs = 250;
const longestDelayMs = 30_000;

export function retryDelayMs(failures: number): number {
  return Math.min(longestDelayMs, firstDelayMs * 2 ** Math.min(Math.max(failures - 1, 0), 20));
}

export const closedLink: Link = { kind: "closed" };

export function nextLink(link: Link, input: LinkInput): Step<Link, LinkEffect> {
  if (input.kind === "close")
    return link.kind === "closed" ? stay(link) : { state: closedLink, effects: [{ kind: "cancelRetry" }, { kind: "closePort" }] };
  switch (link.kind) {
    case "closed":
      if (input.kind !== "open") return stay(link);
      return { state: { kind: "opening", failures: 0, gone: false, reason: undefined }, effects: [{ kind: "openPort" }] };
    case "opening":
      if (input.kind === "opened") return { state: { ...link, kind: "probing" }, effects: [{ kind: "probe" }] };
      if (input.kind === "openFailed") return lose(link, input.reason, []);
      return stay(link);
    case "probing":
      switch (input.kind) {
        case "probed":
          return {
            state: { kind: "ready" },
            effects: [{ kind: "announceReady" }, ...(link.gone ? [{ kind: "announceBack" } as const] : [])],
          };
        case "probeFailed":
        case "silent":
          return lose(link, input.reason, [{ kind: "closePort" }]);
        case "ended":
          return lose(link, input.reason, []);
        case "rebooted":
          return { state: { ...link, reason: input.reason }, effects: [{ kind: "probe" }] };
        default:
          return stay(link);
      }
    case "ready":
      switch (input.kind) {
        case "ended":
          return leave(input.reason, 1, [{ kind: "retryAfter", delayMs: retryDelayMs(1) }]);
        case "silent":
          return leave(input.reason, 1, [{ kind: "closePort" }, { kind: "retryAfter", delayMs: retryDelayMs(1) }]);
        case "resetting":
          return leave(input.reason, 0, [{ kind: "closePort" }, { kind: "retryAfter", delayMs: input.bootMs }]);
        case "rebooted":
          return {
            state: { kind: "probing", failures: 0, gone: true, reason: input.reason },
            effects: [{ kind: "announceGone", reason: input.reason }, { kind: "probe" }],
          };
        default:
          return stay(link);
      }
    case "lost":
      if (input.kind !== "retry") return stay(link);
      return { state: { ...link, kind: "opening" }, effects: [{ kind: "openPort" }] };
    default:
      return unreachable(link);
  }
}

function stay(link: Link): Step<Link, LinkEffect> {
  return { state: link, effects: [] };
}

function lose(link: Trouble, reason: string, first: readonly LinkEffect[]): Step<Link, LinkEffect> {
  const failures = link.failures + 1;
  return {
    state: { kind: "lost", failures, gone: link.gone, reason },
    effects: [...first, { kind: "retryAfter", delayMs: retryDelayMs(failures) }],
  };
}

function leave(reason: string, failures: number, then: readonly LinkEffect[]): Step<Link, LinkEffect> {
  return { state: { kind: "lost", failures, gone: true, reason }, effects: [{ kind: "announceGone", reason }, ...then] };
}
