// When to ask again: spread over the fleet by EID, backed off by the cause of failure, with full jitter (GSMA TS.34's spirit).
import { createHash } from "node:crypto";
import type { RetryClass } from "../../base/errors.ts";

interface BackOff {
  readonly baseMs: number;
  readonly capMs: number;
}

/** `operator` and `never` are not here: nothing changes by asking more often than the interval says. */
const backOffs: Partial<Record<RetryClass, BackOff>> = {
  soon: { baseMs: 5_000, capMs: 60_000 },
  online: { baseMs: 30_000, capMs: 15 * 60_000 },
  later: { baseMs: 60_000, capMs: 3_600_000 },
};

const leastMs = 1_000;
/** Within this a poll that is overdue at the start of the daemon is made up for. */
const overdueWindowMs = 300_000;
const newsWindowMs = 30_000;

/** Each vehicle's own moment within the interval: the next time that is `phase(EID)` modulo the interval. */
export function intervalDelayMs(eid: string, intervalMs: number, nowMs: number): number {
  const phaseMs = Number(createHash("sha256").update(eid).digest().readBigUInt64BE(0) % BigInt(intervalMs));
  const delayMs = (((phaseMs - nowMs) % intervalMs) + intervalMs) % intervalMs;
  return delayMs < leastMs ? delayMs + intervalMs : delayMs;
}

/** What an eIM is to be told of, such as a fallback, may have befallen the whole fleet at one moment. */
export function newsDelayMs(unit: number): number {
  return leastMs + unit * newsWindowMs;
}

/** `unit` is uniform in [0, 1). Answers undefined where only the interval helps. */
export function backOffDelayMs(retry: RetryClass, failures: number, intervalMs: number, unit: number): number | undefined {
  const backOff = backOffs[retry];
  if (backOff === undefined) return undefined;
  const ceilingMs = Math.min(backOff.capMs, intervalMs, backOff.baseMs * 2 ** Math.min(failures - 1, 20));
  return Math.max(leastMs, unit * ceilingMs);
}

/** The first poll after a start. A vehicle that drives less than an interval at a time would else never meet its moment. */
export function startDelayMs(eid: string, intervalMs: number, nowMs: number, lastPollMs: number | undefined, unit: number): number {
  const isOverdue = lastPollMs === undefined || lastPollMs > nowMs || nowMs - lastPollMs >= intervalMs;
  return isOverdue ? Math.max(leastMs, unit * Math.min(intervalMs, overdueWindowMs)) : intervalDelayMs(eid, intervalMs, nowMs);
}
