// Answers that deserve another try: a SIM that is being read anew, and a line that took the reply's place; and waiting that can be given up.
import type { Clock, Disposer } from "../base/clock.ts";
import { isCode, SimwardError } from "../base/errors.ts";
import { cmeOf, isSimBusy } from "./engine/results.ts";

const simSpacingMs = 1_000;
export const simBusyLimitMs = 30_000;

const simBusy = 14;

/**
 * Repeats while the module says +CME ERROR 10, 13 or 14, which it does for seconds after a change of profile and at its start, whatever was
 * asked. When that does not end, 14 becomes AT_SIM_BUSY; 10 and 13 were meant as they were said.
 */
export async function whileSimBusy<T>(clock: Clock, signal: AbortSignal | undefined, ask: () => Promise<T>): Promise<T> {
  const endMs = clock.monotonicMs() + simBusyLimitMs;
  for (;;) {
    try {
      return await ask();
    } catch (cause) {
      if (!isSimBusy(cause)) throw cause;
      if (clock.monotonicMs() + simSpacingMs > endMs) {
        if (cmeOf(cause) !== simBusy) throw cause;
        throw new SimwardError("AT_SIM_BUSY", { detail: `for ${simBusyLimitMs / 1_000} s`, cause });
      }
    }
    await clock.sleep(simSpacingMs, signal);
  }
}

/** Repeats a read whose reply did not have its shape. */
export async function untilReadable<T>(tries: number, ask: () => Promise<T>): Promise<T> {
  for (let left = tries - 1; ; left--) {
    try {
      return await ask();
    } catch (error) {
      if (left <= 0 || !isCode(error, "AT_REPLY")) throw error;
    }
  }
}

/** Whether the module understood and would not, as opposed to not answering, or being gone. */
export function isRefusal(error: unknown): error is SimwardError {
  return isCode(error, "AT_ERROR", "AT_CME_ERROR", "AT_CMS_ERROR", "AT_NO_CARRIER");
}

/** Gives up waiting when the signal says so; the work itself, which others may share, goes on. */
export async function abortable<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return work;
  signal.throwIfAborted();
  let stop: Disposer = () => undefined;
  const aborted = new Promise<never>((_, reject) => {
    const onAbort = (): void => reject(signal.reason);
    signal.addEventListener("abort", onAbort, { once: true });
    stop = () => signal.removeEventListener("abort", onAbort);
  });
  try {
    return await Promise.race([work, aborted]);
  } finally {
    stop();
  }
}
