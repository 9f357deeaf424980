// Holds the kernel's count against the module's, since the same moment. Who is right is not decided here, and what is counted stays as it is:
// a difference beyond what headers and the module's own traffic explain is told, once for as long as it lasts.
import type { ModuleCounters } from "../../at-drivers/data-interface.ts";
import type { Clock, Disposer } from "../../base/clock.ts";
import { asSimwardError, SimwardError } from "../../base/errors.ts";
import type { Log } from "../../base/log.ts";
import { Queue } from "../../base/queue.ts";
import type { Alarms } from "../alarms.ts";
import type { AuditEvent } from "../audit/types.ts";
import { countedSince } from "./module-count.ts";
import { bytesText } from "./words.ts";

/** Of the interface that carries the session. */
export interface KernelCount {
  /** Another one when the kernel has made the interface anew. */
  readonly index: number;
  readonly bytes: number;
  readonly packets?: number | undefined;
}

/** The kernel's count is taken before and behind the module's: at its moment it stood between the two. */
export interface Pair {
  readonly before: KernelCount;
  readonly module: ModuleCounters;
  readonly after: KernelCount;
  /** Monotonic. */
  readonly atMs: number;
}

export interface Comparison {
  readonly kernelBytes: number;
  readonly moduleBytes: number;
  /** By how much the two differ, whatever was on the way while they were read. */
  readonly gapBytes: number;
  readonly boundBytes: number;
  readonly elapsedMs: number;
}

/** Ethernet, which makes count or leave out (14), IPv6 (40), TCP with its time stamps (32): what one count may have of a packet that the other has not. */
const headBytes = 86;
/** Where packets are not counted they are taken to be as small as those of telemetry. */
const smallPacketBytes = 500;
/** Of the module's own: a name or a time asked for, and what is under way at either end. */
const ownBytes = 65_536;
/** A keep-alive of 100 octets each way every 30 s, which the module sends by itself and the kernel does not see. */
const ownBytesPerDay = 576_000;
/** 1,024 to 1,000. */
const kilobyteDoubt = 0.024;
const dayMs = 86_400_000;

/** undefined: nothing can be said, since one of the two has begun anew. Pure. */
export function compare(from: Pair, to: Pair): Comparison | undefined {
  const elapsedMs = to.atMs - from.atMs;
  const counted = countedSince(from.module, to.module, elapsedMs);
  const indexes = new Set([from.before, from.after, to.before, to.after].map(({ index }) => index));
  const [low, high] = [to.before.bytes - from.after.bytes, to.after.bytes - from.before.bytes];
  if (counted === undefined || from.module.life !== to.module.life || indexes.size !== 1 || low < 0) return undefined;
  const moduleBytes = counted.sentBytes + counted.receivedBytes;
  const gapBytes = Math.max(0, low - moduleBytes, moduleBytes - high);
  return { kernelBytes: high, moduleBytes, gapBytes, elapsedMs, boundBytes: boundOf(from, to, high, elapsedMs) };
}

function boundOf(from: Pair, to: Pair, bytes: number, elapsedMs: number): number {
  const [first, last] = [from.before.packets, to.after.packets];
  const packets = first === undefined || last === undefined ? bytes / smallPacketBytes : Math.max(0, last - first);
  const { stepBytes } = to.module;
  // Two figures, each cut off at both ends.
  const steps = stepBytes === 1 ? 0 : 4 * stepBytes + bytes * kilobyteDoubt;
  return Math.round(packets * headBytes + ownBytes + (ownBytesPerDay * elapsedMs) / dayMs + steps);
}

export interface CrossCheckOptions {
  readonly clock: Clock;
  readonly log: Log;
  readonly alarms: Pick<Alarms, "raise" | "clear">;
  /** Never rejects. */
  readonly audit: (event: AuditEvent) => Promise<void>;
  /** Undefined while no interface carries a session. */
  readonly kernel: () => Promise<KernelCount | undefined>;
  /** Undefined where the module has no counters, or is not free. */
  readonly module: () => Promise<ModuleCounters | undefined>;
  /** Nobody else needs the module now, and there is no emergency. */
  readonly mayAsk: () => boolean;
}

export interface CrossCheck {
  start(): void;
  /** A session has come up, or gone: what was counted of it is held together, and the next one is looked at by itself. */
  session(isUp: boolean): void;
  stop(): Promise<void>;
}

const everyMs = 900_000;
/** A session is told before its interface is up: from when on the two are held together. */
const soonMs = 10_000;
/** Behind so much that agrees, what differed is over; and so long at most is anything held together. */
const agreedBytes = 1_000_000;
const longestMs = dayMs;

export function createCrossCheck(options: CrossCheckOptions): CrossCheck {
  const { clock, log, alarms, audit, kernel, module, mayAsk } = options;
  let from: Pair | undefined;
  /** As it stood when the module was asked last. */
  let last: KernelCount | undefined;
  let differs = false;
  let isUp = false;
  /** There is a session, and no interface of it yet. */
  let isAwaited = false;
  let stopped = false;
  let cancel: Disposer = () => {};
  const work = new Queue();

  const read = async (): Promise<Pair | undefined> => {
    isAwaited = false;
    if (stopped || !mayAsk()) return undefined;
    const before = await kernel();
    isAwaited = isUp && before === undefined;
    // Where nothing passed there is nothing to hold together, and a module that sleeps is left asleep.
    if (before === undefined || (from !== undefined && last?.bytes === before.bytes && last.index === before.index)) return undefined;
    const counters = await module();
    const after = await kernel();
    if (counters === undefined || after === undefined) return undefined;
    last = after;
    return { before, module: counters, after, atMs: clock.monotonicMs() };
  };

  const look = async (): Promise<void> => {
    const now = await read();
    if (now === undefined) return;
    const found = from === undefined ? undefined : compare(from, now);
    if (found === undefined) {
      from = now;
      return;
    }
    const isOver = found.gapBytes > found.boundBytes;
    if (isOver || found.elapsedMs >= longestMs) from = now;
    if (isOver && !differs) await tell(found);
    if (!isOver && differs && (found.kernelBytes >= agreedBytes || found.elapsedMs >= longestMs)) {
      differs = false;
      alarms.clear("usageMismatch");
      await audit({ event: "usage.mismatchEnded", cause: "usage", data: dataOf(found) });
    }
  };

  const tell = async (found: Comparison): Promise<void> => {
    differs = true;
    const { kernelBytes, moduleBytes, elapsedMs } = found;
    const minutes = Math.max(1, Math.round(elapsedMs / 60_000));
    alarms.raise(
      "usageMismatch",
      new SimwardError("USAGE_MISMATCH", {
        detail: `within ${minutes} min the kernel counted ${bytesText(kernelBytes)}, the module ${bytesText(moduleBytes)}; what is counted stays the kernel's`,
      }),
    );
    await audit({ event: "usage.mismatch", cause: "usage", data: dataOf(found) });
  };

  const quietly = (job: () => Promise<void>): Promise<void> =>
    work.run(job).catch((error: unknown) => log.debug("the module's counters could not be compared", { error: asSimwardError(error) }));
  const again = (): void => {
    if (stopped) return;
    cancel();
    cancel = clock.after(isAwaited ? soonMs : everyMs, () => void quietly(look).finally(again));
  };

  return {
    start() {
      again();
    },
    session(up) {
      void quietly(async () => {
        isUp = up;
        await look();
        if (!up) from = undefined;
        else if (isAwaited) again();
      });
    },
    async stop() {
      stopped = true;
      cancel();
      await work.run(async () => undefined).catch(() => undefined);
    },
  };
}

function dataOf({ kernelBytes, moduleBytes, boundBytes, elapsedMs }: Comparison): Readonly<Record<string, number>> {
  return { kernelBytes, moduleBytes, boundBytes, seconds: Math.round(elapsedMs / 1_000) };
}
