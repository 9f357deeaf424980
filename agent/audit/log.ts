// Writing the audit trail: JSON lines, each with the hash of the line before, durable one by one, in segments that only go as a whole.
import { utf8 } from "../../base/bytes.ts";
import type { Clock, Disposer, WallTime } from "../../base/clock.ts";
import type { Disk } from "../../base/disk.ts";
import { SimwardError } from "../../base/errors.ts";
import { Queue } from "../../base/queue.ts";
import { emptyHead, hashLine, listSegments, parseRecord, queryChain, segmentName, splitLines, trimmedEvent, verifyChain } from "./chain.ts";
import type { AuditEvent, AuditHead, AuditLog, AuditRecord } from "./types.ts";

export interface AuditOptions {
  /** The directory of the trail. */
  readonly disk: Disk;
  readonly clock: Clock;
  /** A segment is closed when it has reached this size; 256 KiB by default. */
  readonly segmentBytes?: number;
  /** The oldest segments go when there are more than this; 64 by default. */
  readonly maxSegments?: number;
}

/** What a full disk may keep waiting; beyond it the oldest are lost, and the trail says how many. */
const maxOwed = 1_000;
const writeAgainMs = 30_000;

interface Happened {
  readonly event: AuditEvent;
  readonly wall: WallTime;
}

/** Opens the trail, cuts a torn tail and records that. Throws AUDIT_BROKEN when the last record cannot be read. */
export async function openAudit(options: AuditOptions): Promise<AuditLog> {
  const { disk, clock } = options;
  const segmentBytes = options.segmentBytes ?? 256 * 1024;
  const maxSegments = options.maxSegments ?? 64;
  const queue = new Queue(10_000);
  const listeners = new Set<(record: AuditRecord) => void>();

  let head = emptyHead;
  let segment = 1;
  /** Octets of whole lines in the present segment; what lies beyond is torn. */
  let wholeBytes = 0;
  let torn = false;
  /** What could not be written when it happened, in order: it goes before whatever comes next. */
  const owed: Happened[] = [];
  let lost = 0;
  let cancelRetry: Disposer = () => {};

  const now = (event: AuditEvent): Happened => ({ event, wall: clock.wall() });

  const writeLine = async ({ event, wall }: Happened): Promise<AuditRecord> => {
    if (wholeBytes >= segmentBytes) {
      segment++;
      wholeBytes = 0;
    }
    const record: AuditRecord = {
      seq: head.seq + 1,
      time: new Date(wall.ms).toISOString(),
      timeSource: wall.source,
      ...event,
      prev: head.hash,
    };
    const line = JSON.stringify(record);
    const bytes = utf8(`${line}\n`);
    try {
      if (torn) await disk.truncate(segmentName(segment), wholeBytes);
      torn = true;
      await disk.append(segmentName(segment), bytes, true);
      torn = false;
    } catch (error) {
      // Nobody knows how much of the line is on the medium: the next write begins by cutting it off.
      throw new SimwardError("AUDIT_WRITE", { detail: event.event, cause: error });
    }
    wholeBytes += bytes.length;
    head = { seq: record.seq, hash: hashLine(line) };
    for (const listener of listeners) listener(record);
    return record;
  };

  const owe = (happened: Happened): void => {
    owed.push(happened);
    if (owed.length <= maxOwed) return;
    owed.shift();
    lost++;
  };

  /** Answers the record of the last of them. */
  const writeOwed = async (): Promise<AuditRecord | undefined> => {
    cancelRetry();
    let record: AuditRecord | undefined;
    try {
      if (lost > 0) await writeLine(now({ event: "audit.lost", cause: "audit", data: { records: lost } }));
      lost = 0;
      for (let next = owed[0]; next !== undefined; next = owed[0]) {
        record = await writeLine(next);
        owed.shift();
      }
    } catch (error) {
      cancelRetry = clock.after(writeAgainMs, () => void queue.run(writeOwed).catch(() => undefined));
      throw error;
    }
    if (wholeBytes >= segmentBytes) await trim();
    return record;
  };

  const trim = async (): Promise<void> => {
    const segments = await listSegments(disk);
    const surplus = segments.slice(0, Math.max(0, segments.length - maxSegments));
    if (surplus.length === 0) return;
    const last = await lastOf(disk, surplus);
    // Recorded before it is done: a cut in between leaves too much, never too little.
    const data = { segments: surplus.length, lastSeq: last.seq, lastHash: last.hash };
    await writeLine(now({ event: trimmedEvent, cause: "audit", data }));
    for (const name of surplus) await disk.remove(name);
  };

  const segments = await listSegments(disk);
  const newest = segments.at(-1);
  if (newest !== undefined) {
    segment = Number.parseInt(newest, 10);
    const split = splitLines((await disk.read(newest)) ?? new Uint8Array(0));
    wholeBytes = split.wholeBytes;
    head = await lastOf(disk, segments);
    if (split.tornBytes > 0) {
      torn = true;
      await writeLine(now({ event: "audit.tornTail", cause: "start", data: { bytes: split.tornBytes } }));
    }
  }

  return {
    get head() {
      return head;
    },
    append: (event) => {
      const happened = now(event);
      return queue.run(async () => {
        owe(happened);
        const record = await writeOwed();
        if (record === undefined) throw new SimwardError("AUDIT_WRITE", { detail: event.event });
        return record;
      });
    },
    query: (query) => queryChain(disk, query),
    verify: () => queue.run(() => verifyChain(disk)),
    onRecord(fn) {
      listeners.add(fn);
      return () => listeners.delete(fn);
    },
  };
}

/** The head after the last whole line of these segments. */
async function lastOf(disk: Disk, segments: readonly string[]): Promise<AuditHead> {
  for (const name of [...segments].reverse()) {
    const { lines } = splitLines((await disk.read(name)) ?? new Uint8Array(0));
    const line = lines.at(-1);
    if (line === undefined) continue;
    const record = parseRecord(line);
    if (record === undefined) throw new SimwardError("AUDIT_BROKEN", { detail: `${name}, line ${lines.length}: no audit record` });
    return { seq: record.seq, hash: hashLine(line) };
  }
  return emptyHead;
}
