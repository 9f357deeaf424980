// The gate `data` where there is no simward-netd to tell traffic apart: the module's radio is switched off, and on for a while at each poll, so that the eIM
// can always be reached. Only as configured.
import type { Clock, Disposer } from "../../base/clock.ts";
import type { PolicyEngine } from "./engine.ts";

export interface EnforcerOptions {
  readonly engine: Pick<PolicyEngine, "data" | "onData">;
  /** Takes the path down and keeps it down; undefined lets it come up. */
  readonly hold: (reason: string | undefined) => void;
  /** Soon. */
  readonly poll: () => void;
  /** Between the windows. */
  readonly intervalMs: number;
  readonly clock: Clock;
}

export interface Enforcer {
  /** eIMs have been asked, with whatever outcome. */
  polled(): void;
  stop(): void;
}

/** For an eIM that orders much, or a network that is slow. */
const longestWindowMs = 15 * 60_000;
/** Behind a poll notifications are delivered. */
const lingerMs = 30_000;

export function enforceOnModule({ engine, hold, poll, intervalMs, clock }: EnforcerOptions): Enforcer {
  /** none: nothing is refused. open: refused, but management is under way. shut: there is no path. */
  let window: "none" | "open" | "shut" = "none";
  let cancel: Disposer = () => {};
  const then = (ms: number, next: () => void): void => {
    cancel();
    cancel = clock.after(ms, next);
  };
  const open = (): void => {
    window = "open";
    hold(undefined);
    then(longestWindowMs, shut);
    poll();
  };
  const shut = (): void => {
    const { data } = engine;
    if (data.kind !== "refuse") return;
    window = "shut";
    hold(`the policy ${data.rule} refuses data`);
    then(intervalMs, open);
  };
  const judge = (): void => {
    const isRefused = engine.data.kind === "refuse";
    // The first thing is that the eIM hears of it.
    if (isRefused && window === "none") open();
    else if (!isRefused && window !== "none") {
      cancel();
      window = "none";
      hold(undefined);
    }
  };
  const stopListening = engine.onData(judge);
  judge();
  return {
    polled() {
      if (window === "open") then(lingerMs, shut);
    },
    stop() {
      stopListening();
      cancel();
    },
  };
}
