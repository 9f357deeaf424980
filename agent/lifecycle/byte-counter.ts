// What has passed an interface of the kernel's, both ways together: management traffic too, which cannot be told apart there.
import { readFileSync } from "node:fs";

export interface CounterReading {
  readonly name: string;
  readonly bytes: number;
}

/** Undefined where there is no such interface. `sysDir` is /sys. */
export function readCounter(name: string | undefined, sysDir = "/sys"): CounterReading | undefined {
  if (name === undefined) return undefined;
  try {
    const read = (which: string): number => Number(readFileSync(`${sysDir}/class/net/${name}/statistics/${which}`, "utf8").trim());
    const bytes = read("rx_bytes") + read("tx_bytes");
    return Number.isSafeInteger(bytes) ? { name, bytes } : undefined;
  } catch {
    return undefined;
  }
}

/** Since the reading before. A counter that stands lower has begun anew: all of it is new then. Another interface's says nothing of this one. */
export function passedSince(before: CounterReading | undefined, now: CounterReading): number {
  if (before === undefined) return 0;
  return before.name === now.name && now.bytes >= before.bytes ? now.bytes - before.bytes : now.bytes;
}
