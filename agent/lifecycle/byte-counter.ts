// What has passed an interface of the kernel's, both ways together: management traffic too, which cannot be told apart there.
import { countersOf } from "../data-path/kernel.ts";

export interface CounterReading {
  readonly name: string;
  readonly bytes: number;
}

/** Undefined where there is no such interface. */
export function readCounter(name: string | undefined): CounterReading | undefined {
  const counted = name === undefined ? undefined : countersOf(name);
  return name === undefined || counted === undefined ? undefined : { name, bytes: counted.receivedBytes + counted.sentBytes };
}

/** Since the reading before. A counter that stands lower, or another interface's, has begun anew: all of it is new then, as a cap must not be escaped. */
export function passedSince(before: CounterReading | undefined, now: CounterReading): number {
  if (before === undefined) return 0;
  return before.name === now.name && now.bytes >= before.bytes ? now.bytes - before.bytes : now.bytes;
}
