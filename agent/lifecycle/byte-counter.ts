// What the ledger of usage (agent/usage/) has counted of the fleet's traffic, both ways together: of all traffic where parties cannot be told apart.

/** A total that only rises, over restarts too. */
export interface CounterReading {
  readonly name: string;
  readonly bytes: number;
}

/** Since the reading before. One that stands lower has lost some at a power cut: nothing of that passes twice. */
export function passedSince(before: CounterReading | undefined, now: CounterReading): number {
  if (before === undefined || before.name !== now.name) return 0;
  return Math.max(0, now.bytes - before.bytes);
}
