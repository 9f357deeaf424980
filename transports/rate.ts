// How often something may happen: token buckets on the injected Clock, one or one for each of many names, with a bound on the names remembered.
import type { Clock } from "../base/clock.ts";

export interface Rate {
  readonly perMinute: number;
  /** How many at once after a pause; as many as in a minute by default. */
  readonly burst?: number;
}

/** Answers whether one more may happen now, and counts it if so. */
export function createRateLimit(clock: Clock, { perMinute, burst = perMinute }: Rate): () => boolean {
  let tokens = burst;
  let filledMs = clock.monotonicMs();
  return () => {
    const nowMs = clock.monotonicMs();
    tokens = Math.min(burst, tokens + ((nowMs - filledMs) * perMinute) / 60_000);
    filledMs = nowMs;
    if (tokens < 1) return false;
    tokens--;
    return true;
  };
}

const maxNames = 1_024;

/** The same for each name by itself. Beyond a thousand names the one not heard of for longest is forgotten: its allowance begins anew. */
export function createRateLimits(clock: Clock, rate: Rate): (name: string) => boolean {
  const limits = new Map<string, () => boolean>();
  return (name) => {
    const limit = limits.get(name) ?? createRateLimit(clock, rate);
    limits.delete(name);
    limits.set(name, limit);
    for (const oldest of limits.keys()) {
      if (limits.size <= maxNames) break;
      limits.delete(oldest);
    }
    return limit();
  };
}
