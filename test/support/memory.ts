// What a process holds: for tests that nothing grows.
import { readdirSync } from "node:fs";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

let collect: (() => void) | undefined;

/** After a collection. */
export function heapBytes(): number {
  collectGarbage();
  return process.memoryUsage().heapUsed;
}

/** Resident, after a collection. */
export function residentBytes(): number {
  collectGarbage();
  return process.memoryUsage().rss;
}

/** How many files, sockets and terminals the process has open. */
export function openDescriptors(): number {
  return readdirSync("/proc/self/fd").length;
}

function collectGarbage(): void {
  if (collect === undefined) {
    setFlagsFromString("--expose-gc");
    collect = runInNewContext("gc") as () => void;
  }
  collect();
}
