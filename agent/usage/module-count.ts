// The module's own count of the traffic: what passed between two of its readings, and a source for the ledger where the kernel sees nothing of it.
import type { ModuleCounters } from "../../at-drivers/data-interface.ts";
import type { Clock } from "../../base/clock.ts";
import { asSimwardError } from "../../base/errors.ts";
import type { Log } from "../../base/log.ts";
import { Queue } from "../../base/queue.ts";
import type { PartyBytes } from "./reading.ts";
import type { UsageSource } from "./source.ts";

/** How many bits the figures have is documented of no make: 32 is taken for a wrap where all else speaks for it. */
const wrapBytes = 2 ** 32;
const fastestBytesPerMs = 12_500;

/** undefined: it has begun anew in between, as far as that can be seen. Pure. */
export function countedSince(before: ModuleCounters, now: ModuleCounters, elapsedMs: number): PartyBytes | undefined {
  const step = (of: keyof PartyBytes): number | undefined => {
    if (now[of] >= before[of]) return now[of] - before[of];
    const wrapped = now[of] + wrapBytes - before[of];
    const isWrap = before[of] < wrapBytes && before[of] >= wrapBytes / 2 && wrapped <= elapsedMs * fastestBytesPerMs;
    // A counter that a start of the module took away is no wrap, however near the end it stood.
    return isWrap && before.life === now.life ? wrapped : undefined;
  };
  const [sentBytes, receivedBytes] = [step("sentBytes"), step("receivedBytes")];
  return sentBytes === undefined || receivedBytes === undefined ? undefined : { sentBytes, receivedBytes };
}

export interface ModuleCountOptions {
  readonly clock: Clock;
  readonly log: Log;
  /** Undefined while it cannot be read. */
  readonly read: () => Promise<ModuleCounters | undefined>;
  /** Nobody else needs the module now. */
  readonly mayAsk: () => boolean;
  /** 16 hexadecimal digits, others in each run: what passed while nobody looked is not known. */
  readonly run: string;
}

export interface ModuleCount extends UsageSource {
  /** Since the start, as last read; undefined before the first reading. */
  total(): PartyBytes | undefined;
  /** Reads now, if it may. Never rejects. */
  refresh(): Promise<void>;
}

/** Asked no more often: the ledger looks four times as often, and the port has other work. */
const spacingMs = 60_000;
const nothing: PartyBytes = { sentBytes: 0, receivedBytes: 0 };

/** Counts nothing twice; what passed between the last reading and a start of the module, or while simward did not run, is left out. */
export function createModuleCount({ clock, log, read, mayAsk, run }: ModuleCountOptions): ModuleCount {
  let last: { readonly counters: ModuleCounters; readonly atMs: number } | undefined;
  let total: PartyBytes | undefined;
  const work = new Queue();

  const take = (counters: ModuleCounters): void => {
    const atMs = clock.monotonicMs();
    const passed = last === undefined ? nothing : (countedSince(last.counters, counters, atMs - last.atMs) ?? begunAnew(counters));
    total = {
      sentBytes: (total?.sentBytes ?? 0) + passed.sentBytes,
      receivedBytes: (total?.receivedBytes ?? 0) + passed.receivedBytes,
    };
    last = { counters, atMs };
  };
  const refresh = (leastMs: number): Promise<void> =>
    work
      .run(async () => {
        if (!mayAsk() || (last !== undefined && clock.monotonicMs() - last.atMs < leastMs)) return;
        const counters = await read();
        if (counters !== undefined) take(counters);
      })
      .catch((error: unknown) => log.debug("the module's counters could not be read", { error: asSimwardError(error) }));

  return {
    async read() {
      await refresh(spacingMs);
      return total === undefined ? undefined : { epoch: `module:${run}`, fleet: total, management: nothing };
    },
    pulse: () => undefined,
    total: () => total,
    refresh: () => refresh(0),
  };
}

/** What it shows is new only where a make is known to begin with nothing. */
function begunAnew({ afterStart, sentBytes, receivedBytes }: ModuleCounters): PartyBytes {
  return afterStart === "zero" ? { sentBytes, receivedBytes } : nothing;
}
