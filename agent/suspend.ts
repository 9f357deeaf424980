// A gateway that was suspended to memory: its timers stood still, while addresses, eIMs and the world went on. Noticed by the kernel's two clocks, of
// which only one counts the time asleep.
import type { Clock, Disposer } from "../base/clock.ts";

export interface SuspendParts {
  readonly clock: Clock;
  /** Milliseconds since the kernel started, time asleep included (CLOCK_BOOTTIME); the machine's clock need not be right for it. */
  readonly bootMs: () => number;
  /** The machine was asleep for so long, and is awake for lookMs at most. */
  readonly onAwake: (asleepMs: number) => void;
}

const lookMs = 10_000;
/** Below that neither a session nor an address is lost; the two clocks are read one after the other, to 10 ms. */
const leastMs = 2_000;

export function watchSuspend({ clock, bootMs, onAwake }: SuspendParts): Disposer {
  const asleep = (): number => bootMs() - clock.monotonicMs();
  let before = asleep();
  return clock.every(lookMs, () => {
    const asleepMs = asleep() - before;
    if (Math.abs(asleepMs) < leastMs) return;
    before += asleepMs;
    if (asleepMs > 0) onAwake(Math.round(asleepMs));
  });
}
