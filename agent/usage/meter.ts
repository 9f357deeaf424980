// Looks at the counters, books what has passed, and keeps it: written when enough has passed, read back after any crash, nothing twice.
import type { Clock } from "../../base/clock.ts";
import type { Disk } from "../../base/disk.ts";
import { asSimwardError, type SimwardError } from "../../base/errors.ts";
import type { Log } from "../../base/log.ts";
import { Queue } from "../../base/queue.ts";
import { type Day, dayOf } from "../roaming/days.ts";
import { mostTogether, openKeyedRing } from "./keyed-ring.ts";
import { bookings, type Cursor, keyOfRow, type Moment, type Party, passedSince, UsageBook, type UsageRow, type Whose } from "./ledger.ts";
import type { PartyBytes, TrafficReading } from "./reading.ts";
import { decodeRecord, encodeCursor, encodeRow, keyOfCursor, keyOfRecord } from "./records.ts";

export const usageLog = "usage.log";
/** 1 MiB. */
export const usageSlots = 16_384;

export interface MeterOptions {
  readonly disk: Disk;
  readonly clock: Clock;
  readonly log: Log;
  /** Undefined while nothing counts. */
  readonly read: () => Promise<TrafficReading | undefined>;
  /** Changes whenever anything passes, and costs next to nothing; undefined: nobody knows. */
  readonly pulse?: (() => number | undefined) | undefined;
  /** Before anything else is told. */
  readonly whose: Whose;
  readonly onLost: (why: SimwardError) => void;
  /** Undefined: it is well again. */
  readonly onProblem: (problem: SimwardError | undefined) => void;
  readonly slots?: number;
}

export interface UsageMeter {
  readonly book: UsageBook;
  readonly today: Day;
  /** The day is known. */
  readonly isCertain: boolean;
  readonly whose: Whose;
  /** Of what counts; undefined before it could be read in this run. */
  readonly epoch: string | undefined;
  readonly writtenBytes: number;
  /** Answers whether anything was booked. Never rejects. */
  look(): Promise<boolean>;
  /** What passes from now on is theirs. Never rejects. */
  attribute(whose: Whose): Promise<void>;
  /** What is booked is on the disk when it resolves, if that takes it. Never rejects. */
  flush(): Promise<void>;
}

/** What a power cut may cost at most is the larger of 1 MB and a minute's traffic: a look is never longer ago than 15 s. */
const flushAtBytes = 1_000_000;
const flushAfterMs = 45_000;
/** PPP has another interface with each session; what comes back later than this is counted anew. */
const mostCursors = 32;
/** Two rows each, and what else is to be written: together at most `mostTogether`. */
const movesTogether = 16;
const mostUndated = 1_000;
const hourMs = 3_600_000;

interface Undated {
  row: UsageRow;
  readonly monotonicMs: number;
}

/** Throws DISK_READ. */
export async function openUsageMeter(options: MeterOptions): Promise<UsageMeter> {
  const { disk, clock, log, onProblem } = options;
  const { slots = usageSlots, onLost } = options;
  const ring = await openKeyedRing({ disk, path: usageLog, slots, keyOf: keyOfRecord, onLost });
  const records = ring.found.flatMap((payload) => decodeRecord(payload) ?? []);
  const book = new UsageBook(records.flatMap((record) => ("row" in record ? record.row : [])));
  /** Oldest first; the last one is what was looked at last. */
  let cursors: readonly Cursor[] = records.flatMap((record) => ("cursor" in record ? record.cursor : []));
  let whose = cursors.at(-1)?.whose ?? options.whose;
  let epoch: string | undefined;
  const dirty = new Map<string, UsageRow>();
  /** Counters whose bookings are not written yet. */
  const dirtyCursors = new Map<string, Cursor>();
  /** Since the last write; undefined: nothing. */
  let unwritten: { readonly sinceMs: number; bytes: number } | undefined;
  let mustWrite = false;
  let lastPulse: number | undefined;
  /** Booked in this run on days that nobody vouches for. */
  let undated: Undated[] = [];
  let tidiedDay: Day | undefined;
  const work = new Queue();

  const momentNow = (): Moment => {
    const { ms, source } = clock.wall();
    return { ms, monotonicMs: clock.monotonicMs(), certain: source === "nitz" || source === "network" };
  };
  const dayAt = ({ ms, certain }: Moment): Day => (certain ? dayOf(ms) : Math.max(dayOf(ms), book.newestDay));

  const note = (rows: readonly UsageRow[]): void => {
    for (const row of rows) dirty.set(keyOfRow(row), row);
  };

  const write = async (): Promise<void> => {
    const newest = cursors.at(-1);
    if (newest !== undefined) {
      // Behind the others, so that it is found as the newest one.
      dirtyCursors.delete(newest.epoch);
      dirtyCursors.set(newest.epoch, newest);
    }
    const payloads = [...[...dirtyCursors.values()].map(encodeCursor), ...[...dirty.values()].map(encodeRow)];
    try {
      // Where a disk that took nothing for long has left more than fits together, the cursor goes first: then a cut costs some, and counts none twice.
      for (let at = 0; at < payloads.length; at += mostTogether) await ring.put(payloads.slice(at, at + mostTogether));
      dirty.clear();
      dirtyCursors.clear();
      unwritten = undefined;
      mustWrite = false;
      onProblem(undefined);
    } catch (error) {
      const problem = asSimwardError(error);
      log.error("usage could not be written", { error: problem });
      // With every look until it is, also where nothing passes any more.
      mustWrite = true;
      onProblem(problem);
    }
  };
  const isDue = (): boolean => {
    if (mustWrite || dirty.size > mostTogether / 2) return true;
    if (unwritten === undefined) return false;
    return unwritten.bytes >= flushAtBytes || clock.monotonicMs() - unwritten.sinceMs >= flushAfterMs;
  };

  /** What was booked while nobody knew the day is put where it belongs. */
  const reconcile = async (now: Moment, today: Day): Promise<void> => {
    const moves: { readonly row: UsageRow; readonly day: Day; readonly certain: boolean }[] = [];
    for (const { row, monotonicMs } of undated) moves.push({ row, day: dayOf(now.ms - (now.monotonicMs - monotonicMs)), certain: true });
    undated = [];
    if (tidiedDay !== today) {
      tidiedDay = today;
      // The clock was ahead then: it was earlier, and a cap must not be escaped by that.
      for (const row of book.rows(today + 1)) if (!row.certain) moves.push({ row, day: today, certain: false });
    }
    if (moves.length === 0) return;
    if (dirty.size > 0) await write();
    for (let at = 0; at < moves.length; at += movesTogether) {
      for (const { row, ...to } of moves.slice(at, at + movesTogether)) note(book.move(row, to));
      await write();
    }
  };

  const remember = (row: UsageRow, monotonicMs: number): void => {
    const same = undated.find((one) => keyOfRow(one.row) === keyOfRow(row) && monotonicMs - one.monotonicMs < hourMs);
    if (same !== undefined) {
      const { sentBytes, receivedBytes } = same.row;
      same.row = { ...row, sentBytes: sentBytes + row.sentBytes, receivedBytes: receivedBytes + row.receivedBytes };
    } else if (undated.length < mostUndated) undated.push({ row, monotonicMs });
  };

  const take = (reading: TrafficReading, now: Moment, today: Day): boolean => {
    const newest = cursors.at(-1);
    const passed = passedSince(cursors, reading, now);
    // Of a counter that is new to the book it is not known whose it was before, but that it is theirs from now on.
    mustWrite ||= !cursors.some((one) => one.epoch === reading.epoch);
    const rows = passed === undefined ? [] : bookings(newest, passed, now, whose, today);
    note(book.add(rows));
    for (const row of rows) if (!row.certain && !now.certain) remember(row, now.monotonicMs);
    moveOn({ ...reading, whose, atMs: now.ms, certain: now.certain, monotonicMs: now.monotonicMs });
    const bytes = rows.reduce((sum, { sentBytes, receivedBytes }) => sum + sentBytes + receivedBytes, 0);
    if (bytes === 0) return false;
    unwritten ??= { sinceMs: now.monotonicMs, bytes: 0 };
    unwritten.bytes += bytes;
    for (const key of book.forget()) {
      ring.drop(key);
      dirty.delete(key);
    }
    return true;
  };

  const moveOn = (cursor: Cursor): void => {
    const others = cursors.filter((one) => one.epoch !== cursor.epoch);
    for (const old of others.slice(0, Math.max(0, others.length + 1 - mostCursors))) ring.drop(keyOfCursor(old));
    cursors = [...others.slice(-(mostCursors - 1)), cursor];
    dirtyCursors.set(cursor.epoch, cursor);
  };

  const lookNow = async (force: boolean): Promise<boolean> => {
    const before = momentNow();
    if (before.certain) await reconcile(before, dayAt(before));
    const pulse = options.pulse?.();
    const newest = cursors.at(-1);
    const isStill = pulse !== undefined && pulse === lastPulse && newest?.epoch === epoch;
    if (!force && isStill && newest !== undefined) {
      // Nothing has passed until now.
      moveOn({ ...newest, atMs: before.ms, certain: before.certain, monotonicMs: before.monotonicMs });
      if (isDue()) await write();
      return false;
    }
    const reading = await options.read();
    if (reading === undefined) {
      if (isDue()) await write();
      return false;
    }
    epoch = reading.epoch;
    lastPulse = pulse;
    const now = momentNow();
    const booked = take(reading, now, dayAt(now));
    if (isDue()) await write();
    return booked;
  };
  const quietly = <T>(job: () => Promise<T>, otherwise: T): Promise<T> =>
    work.run(job).catch((error: unknown) => {
      log.warn("usage could not be counted", { error: asSimwardError(error) });
      return otherwise;
    });

  for (const key of book.forget()) ring.drop(key);

  return {
    book,
    get today() {
      return dayAt(momentNow());
    },
    get isCertain() {
      return momentNow().certain;
    },
    get whose() {
      return whose;
    },
    get epoch() {
      return epoch;
    },
    get writtenBytes() {
      return ring.writtenBytes;
    },
    look: () => quietly(() => lookNow(false), false),
    attribute: (next) =>
      quietly(async () => {
        if (next.iccid === whose.iccid && next.stage === whose.stage) return;
        await lookNow(true);
        whose = next;
        const newest = cursors.at(-1);
        if (newest === undefined) return;
        moveOn({ ...newest, whose });
        await write();
      }, undefined),
    flush: () =>
      quietly(async () => {
        await lookNow(true);
        if (unwritten !== undefined || dirty.size > 0) await write();
      }, undefined),
  };
}

export function bothWays({ sentBytes, receivedBytes }: PartyBytes): number {
  return sentBytes + receivedBytes;
}

export type PartyTotals = Readonly<Record<Party, PartyBytes>>;
