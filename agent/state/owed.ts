// What the disk refused of the vehicle's states: tried again with growing pauses until it takes it; meanwhile, and no longer, that is an alarm.
import type { Clock, Disposer } from "../../base/clock.ts";
import { type Disk, subDisk } from "../../base/disk.ts";
import { asSimwardError, SimwardError } from "../../base/errors.ts";
import type { Log } from "../../base/log.ts";
import { outOfRehearsal } from "../../base/rehearsal.ts";

export interface OwedWrites {
  /** The state `name` could not be written; `again` writes what is in force of it by then, and rejects while that fails. */
  owe(name: string, problem: unknown, again: () => Promise<void>): void;
  /** It is on the disk as it is in force. */
  paid(name: string): void;
  /** Nothing is tried again from now on. */
  stop(): void;
}

/** A disk on which `openState` tries again what was refused. */
export interface StateDisk extends Disk {
  readonly owed: OwedWrites;
}

export function stateDisk(disk: Disk, owed: OwedWrites): StateDisk {
  return { ...subDisk(disk, "."), owed };
}

const firstPauseMs = 5_000;
const longestPauseMs = 30_000;

export function createOwedWrites(parts: {
  readonly clock: Pick<Clock, "after">;
  readonly log: Log;
  /** What is not written now; undefined: all is. */
  readonly onProblem: (problem: SimwardError | undefined) => void;
}): OwedWrites {
  const { clock, log, onProblem } = parts;
  const owed = new Map<string, { readonly problem: SimwardError; readonly again: () => Promise<void> }>();
  let pauseMs = firstPauseMs;
  let cancel: Disposer | undefined;
  let stopped = false;

  const tell = (): void => {
    const newest = [...owed].at(-1);
    if (newest === undefined) {
      onProblem(undefined);
      return;
    }
    const [name, { problem }] = newest;
    const others = [...owed.keys()].filter((other) => other !== name);
    const also = others.length === 0 ? "" : `; nor could: ${others.join(", ")}`;
    onProblem(new SimwardError("DISK_WRITE", { detail: `${name}: ${problem.detail ?? problem.message}${also}`, cause: problem }));
  };
  const tryAll = async (): Promise<void> => {
    // Who fails again owes again.
    for (const { again } of [...owed.values()]) if (!stopped) await again().catch(() => undefined);
    cancel = undefined;
    if (owed.size > 0) plan();
  };
  const plan = (): void => {
    if (stopped || cancel !== undefined) return;
    // Whoever began it, it is no part of what is rehearsed.
    cancel = outOfRehearsal(() => clock.after(pauseMs, () => void tryAll()));
    pauseMs = Math.min(pauseMs * 2, longestPauseMs);
  };

  return {
    owe(name, error, again) {
      const problem = asSimwardError(error);
      if (!owed.has(name)) log.error("a state could not be written", { state: name, error: problem });
      owed.delete(name);
      owed.set(name, { problem, again });
      tell();
      plan();
    },
    paid(name) {
      if (!owed.delete(name)) return;
      log.info("a state is written again", { state: name });
      if (owed.size === 0) pauseMs = firstPauseMs;
      tell();
    },
    stop() {
      stopped = true;
      cancel?.();
    },
  };
}
