// Writing the audit trail: JSON lines, each with the hash of the line before, durable one by one, in segments that only go as a whole.
import { utf8 } from "../../base/bytes.ts";
import type { Clock, Disposer, WallTime } from "../../base/clock.ts";
import type { Disk } from "../../base/disk.ts";
import { SimwardError } from "../../base/errors.ts";
import { Queue } from "../../base/queue.ts";
import { emptyHead, endOf, trimmedEvent, verifyChain } from "./chain.ts";
import { checkpointEvent, checkpointOctets, type DeviceKey, devicePublicKey } from "./checkpoint.ts";
import { queryChain, queryLines } from "./query.ts";
import {
  extended,
  hashLine,
  indexName,
  indexOf,
  lineOf,
  listSegments,
  readLines,
  type SegmentIndex,
  segmentName,
  splitLines,
  writeIndex,
} from "./segment.ts";
import type { AuditEvent, AuditLog, AuditRecord } from "./types.ts";

export interface AuditOptions {
  /** The directory of the trail. */
  readonly disk: Disk;
  readonly clock: Clock;
  /** A segment is closed when it has reached this size; 256 KiB by default. */
  readonly segmentBytes?: number;
  /** The oldest segments go when there are more than this; 64 by default. */
  readonly maxSegments?: number;
  /** Signs checkpoints. */
  readonly deviceKey?: DeviceKey | undefined;
}

/** What a full disk may keep waiting; beyond it the oldest are lost, and the trail says how many. */
const maxOwed = 1_000;
const writeAgainMs = 30_000;

interface Happened {
  readonly event: AuditEvent;
  readonly wall: WallTime;
}

/**
 * Opens the trail; a torn tail is cut, and that and a damaged end are recorded. A trail that does not hold together is gone on with all the same,
 * as it is: verifying tells. Throws DISK_READ.
 */
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
  /** Of the present segment; undefined when it has no record, or damaged ones. */
  let index: SegmentIndex | undefined;
  let lastCheckpointSeq = 0;
  /** What could not be written when it happened, in order: it goes before whatever comes next. */
  const owed: Happened[] = [];
  let lost = 0;
  let cancelRetry: Disposer = () => {};
  let closed = false;

  const now = (event: AuditEvent): Happened => ({ event, wall: clock.wall() });

  const writeLine = async ({ event, wall }: Happened): Promise<AuditRecord> => {
    try {
      // Nobody knows how much of a line that could not be written is on the medium.
      if (torn) await disk.truncate(segmentName(segment), wholeBytes);
    } catch (error) {
      throw new SimwardError("AUDIT_WRITE", { detail: event.event, cause: error });
    }
    torn = false;
    if (wholeBytes >= segmentBytes) {
      // An index that cannot be written is made at the next start; until then the segment is read.
      if (index !== undefined) await writeIndex(disk, segmentName(segment), index).catch(() => undefined);
      segment++;
      wholeBytes = 0;
      index = undefined;
    }
    const time = new Date(wall.ms).toISOString();
    const record: AuditRecord = {
      seq: head.seq + 1,
      time,
      timeSource: wall.source,
      ...(event.event === checkpointEvent ? signed(event, time) : event),
      prev: head.hash,
    };
    const line = lineOf(record);
    const bytes = utf8(`${line}\n`);
    try {
      await disk.append(segmentName(segment), bytes, true);
    } catch (error) {
      torn = true;
      throw new SimwardError("AUDIT_WRITE", { detail: event.event, cause: error });
    }
    index = wholeBytes === 0 || index !== undefined ? extended(index, record) : undefined;
    wholeBytes += bytes.length;
    if (record.event === checkpointEvent) lastCheckpointSeq = record.seq;
    head = { seq: record.seq, hash: hashLine(line) };
    for (const listener of listeners) listener(record);
    return record;
  };

  /** Over whatever stands before it at the moment it is written. */
  const signed = (event: AuditEvent, time: string): AuditEvent => {
    const signature = options.deviceKey?.sign(checkpointOctets(head, time)) ?? new Uint8Array(0);
    return { ...event, data: { ...event.data, signature: Buffer.from(signature).toString("base64") } };
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
      if (!closed) cancelRetry = clock.after(writeAgainMs, () => void queue.run(writeOwed).catch(() => undefined));
      throw error;
    }
    // What could not be trimmed is, when the next segment is full.
    if (wholeBytes >= segmentBytes) await trim().catch(() => undefined);
    return record;
  };

  const trim = async (): Promise<void> => {
    const segments = await listSegments(disk);
    const surplus = segments.slice(0, Math.max(0, segments.length - maxSegments));
    if (surplus.length === 0) return;
    const { head: last } = await endOf(disk, surplus);
    // Recorded before it is done: a cut in between leaves too much, never too little.
    const data = { segments: surplus.length, lastSeq: last.seq, lastHash: last.hash };
    await writeLine(now({ event: trimmedEvent, cause: "audit", data }));
    for (const name of surplus) {
      await disk.remove(name);
      await disk.remove(indexName(name));
    }
  };

  const segments = await listSegments(disk);
  const newest = segments.at(-1);
  await indexMissing(disk, segments.slice(0, -1));
  if (newest !== undefined) {
    segment = Number.parseInt(newest, 10);
    const split = splitLines((await disk.read(newest)) ?? new Uint8Array(0));
    wholeBytes = split.wholeBytes;
    torn = split.tornBytes > 0;
    index = indexOf(split.lines);
    const end = await endOf(disk, segments);
    head = end.head;
    if (torn) owe(now({ event: "audit.tornTail", cause: "start", data: { bytes: split.tornBytes } }));
    if (end.damaged !== undefined) owe(now({ event: "audit.damaged", cause: "start", data: { ...end.damaged } }));
    await writeOwed().catch(() => undefined);
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
    settled: () =>
      queue.run(async () => {
        if (owed.length > 0) await writeOwed();
      }),
    checkpoint: (why) =>
      queue.run(async () => {
        const { deviceKey } = options;
        if (deviceKey === undefined || (head.seq === lastCheckpointSeq && owed.length === 0)) return undefined;
        owe(now({ event: checkpointEvent, cause: why, data: { key: deviceKey.fingerprint } }));
        return writeOwed();
      }),
    query: (query) => queryChain(disk, query),
    lines: (query) => queryLines(disk, query),
    verify: (anchors) => {
      const { deviceKey } = options;
      const key = deviceKey === undefined ? undefined : devicePublicKey(deviceKey.publicPem, "device key");
      return queue.run(() => verifyChain(disk, anchors, key));
    },
    onRecord(fn) {
      listeners.add(fn);
      return () => listeners.delete(fn);
    },
    async close() {
      closed = true;
      cancelRetry();
      await queue.idle();
    },
  };
}

/** Of an earlier simward, or where there was no room. */
async function indexMissing(disk: Disk, full: readonly string[]): Promise<void> {
  const names = new Set(await disk.list("."));
  for (const segment of full) {
    if (names.has(indexName(segment))) continue;
    const index = indexOf(await readLines(disk, segment));
    if (index !== undefined) await writeIndex(disk, segment, index).catch(() => undefined);
  }
}
