// What befalls the machine's clocks: a gateway that was suspended to memory, whose timers stood still while addresses, eIMs and the world went on, and a
// wall clock that somebody set. Told apart by the kernel's clock that counts the time asleep and that nobody sets.
import type { Clock, Disposer } from "../base/clock.ts";

export interface ClockWatchParts {
  readonly clock: Clock;
  /** Milliseconds since the kernel started, time asleep included (CLOCK_BOOTTIME). */
  readonly bootMs: () => number;
  /** The machine was asleep for so long, and is awake for lookMs at most. */
  readonly onAwake: (asleepMs: number) => void;
  /** The wall clock was set; `byMs` is negative where it was set back. */
  readonly onSet: (byMs: number) => void;
}

const lookMs = 10_000;
/** Below that neither a session nor an address is lost; the two clocks are read one after the other, to 10 ms. */
const leastAsleepMs = 2_000;
/** What is kept by the hour or the day does not mind less; a clock that is slewed stays below it. */
const leastSetMs = 60_000;

export function watchClocks({ clock, bootMs, onAwake, onSet }: ClockWatchParts): Disposer {
  let asleepMs = bootMs() - clock.monotonicMs();
  let wallAheadMs = clock.now() - bootMs();
  return clock.every(lookMs, () => {
    const nowMs = bootMs();
    const sleptMs = nowMs - clock.monotonicMs() - asleepMs;
    if (Math.abs(sleptMs) >= leastAsleepMs) {
      asleepMs += sleptMs;
      if (sleptMs > 0) onAwake(Math.round(sleptMs));
    }
    const byMs = clock.now() - nowMs - wallAheadMs;
    wallAheadMs += byMs;
    if (Math.abs(byMs) >= leastSetMs) onSet(Math.round(byMs));
  });
}
