// Reading the audit trail: segments, lines, the hash chain. Needs no daemon; `simward audit verify` works on copied files.
import { createHash } from "node:crypto";
import { fromUtf8 } from "../../base/bytes.ts";
import type { Disk } from "../../base/disk.ts";
import type { AuditHead, AuditQuery, AuditRecord, AuditVerification } from "./types.ts";

export const emptyHead: AuditHead = { seq: 0, hash: "0".repeat(64) };
export const trimmedEvent = "audit.trimmed";

const segmentPattern = /^\d{8}\.jsonl$/;

export function segmentName(number: number): string {
  return `${String(number).padStart(8, "0")}.jsonl`;
}

export async function listSegments(disk: Disk): Promise<readonly string[]> {
  return (await disk.list(".")).filter((name) => segmentPattern.test(name));
}

export function hashLine(line: string): string {
  return createHash("sha256").update(line, "utf8").digest("hex");
}

export interface SegmentLines {
  /** Finished lines, without their line feeds. */
  readonly lines: readonly string[];
  /** Octets up to and including the last line feed. */
  readonly wholeBytes: number;
  readonly tornBytes: number;
}

export function splitLines(content: Uint8Array): SegmentLines {
  const wholeBytes = content.lastIndexOf(0x0a) + 1;
  const text = fromUtf8(content.subarray(0, wholeBytes));
  return { lines: text === "" ? [] : text.slice(0, -1).split("\n"), wholeBytes, tornBytes: content.length - wholeBytes };
}

export function parseRecord(line: string): AuditRecord | undefined {
  try {
    const value: unknown = JSON.parse(line);
    return isRecord(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

function isRecord(value: unknown): value is AuditRecord {
  if (typeof value !== "object" || value === null) return false;
  const r = value as Record<string, unknown>;
  return (
    Number.isSafeInteger(r.seq) &&
    typeof r.time === "string" &&
    typeof r.timeSource === "string" &&
    typeof r.prev === "string" &&
    typeof r.event === "string" &&
    typeof r.cause === "string"
  );
}

/**
 * Walks the whole chain. What trimming removed is vouched for by the record `audit.trimmed`, which names the last hash removed.
 * With `expected`, the chain must contain that head: an end that was cut off is then found too.
 */
export async function verifyChain(disk: Disk, expected?: AuditHead): Promise<AuditVerification> {
  const segments = await listSegments(disk);
  let head = emptyHead;
  let records = 0;
  let firstSeq = 0;
  let start: AuditHead | undefined;
  let vouched: AuditHead | undefined;
  let seen = expected === undefined || expected.seq === 0;
  let tornBytes = 0;
  const bad = (segment: string, line: number, reason: string): AuditVerification => ({
    ok: false,
    records,
    firstSeq,
    head,
    problem: { segment, line, reason },
    tornBytes,
  });

  for (const [index, segment] of segments.entries()) {
    const content = await disk.read(segment);
    if (content === undefined) return bad(segment, 0, "the segment vanished while it was read");
    const split = splitLines(content);
    if (split.tornBytes > 0 && index < segments.length - 1)
      return bad(segment, split.lines.length + 1, "an unfinished line in the middle of the trail");
    tornBytes = split.tornBytes;
    for (const [at, line] of split.lines.entries()) {
      const record = parseRecord(line);
      if (record === undefined) return bad(segment, at + 1, "this line is no audit record");
      if (records === 0) {
        start = { seq: record.seq - 1, hash: record.prev };
        firstSeq = record.seq;
      } else {
        if (record.prev !== head.hash) return bad(segment, at + 1, `the record does not follow the one before it (seq ${record.seq})`);
        if (record.seq !== head.seq + 1) return bad(segment, at + 1, `seq ${record.seq} follows seq ${head.seq}`);
      }
      if (record.event === trimmedEvent && typeof record.data?.lastHash === "string" && typeof record.data.lastSeq === "number") {
        vouched = { seq: record.data.lastSeq, hash: record.data.lastHash };
      }
      records++;
      head = { seq: record.seq, hash: hashLine(line) };
      if (expected !== undefined && head.seq === expected.seq) {
        if (head.hash !== expected.hash) return bad(segment, at + 1, `seq ${head.seq} is not the record that was here before`);
        seen = true;
      }
    }
  }
  const first = segments[0] ?? "";
  // A cut in the middle of trimming leaves more than was vouched for, never less.
  const isVouched =
    vouched !== undefined && start !== undefined && (start.seq < vouched.seq || (start.seq === vouched.seq && start.hash === vouched.hash));
  if (start !== undefined && start.seq > 0 && !isVouched) {
    return bad(first, 1, `the records before seq ${firstSeq} are missing, and no ${trimmedEvent} record vouches for them`);
  }
  if (start !== undefined && start.seq === 0 && start.hash !== emptyHead.hash)
    return bad(first, 1, "the first record does not begin the chain");
  if (!seen && (expected?.seq ?? 0) <= (vouched?.seq ?? 0)) seen = true; // trimmed since, and vouched for
  if (!seen) return bad(segments.at(-1) ?? "", 0, `the trail ends at seq ${head.seq}, but seq ${expected?.seq} was recorded`);
  return { ok: true, records, firstSeq, head, tornBytes };
}

/** Where the trail ends: a last line that is no record still counts, and its place is told. */
export async function endOf(
  disk: Disk,
  segments: readonly string[],
): Promise<{ readonly head: AuditHead; readonly damaged: { readonly segment: string; readonly line: number } | undefined }> {
  let damaged: { readonly segment: string; readonly line: number } | undefined;
  let hash: string | undefined;
  let unreadable = 0;
  for (const segment of [...segments].reverse()) {
    const { lines } = splitLines((await disk.read(segment)) ?? new Uint8Array(0));
    for (let at = lines.length; at > 0; at--) {
      const line = lines[at - 1] ?? "";
      hash ??= hashLine(line);
      const record = parseRecord(line);
      if (record !== undefined) return { head: { seq: record.seq + unreadable, hash }, damaged };
      damaged ??= { segment, line: at };
      unreadable++;
    }
  }
  return { head: hash === undefined ? emptyHead : { seq: unreadable, hash }, damaged };
}

/** Reads no more segments than the answer needs, one at a time. */
export async function* queryChain(disk: Disk, query: AuditQuery): AsyncIterable<AuditRecord> {
  const segments = await listSegments(disk);
  if (query.last !== undefined) {
    yield* await lastRecords(disk, segments, query, query.last);
    return;
  }
  let left = query.first ?? Number.POSITIVE_INFINITY;
  for (const segment of segments.slice(await firstAfter(disk, segments, query.afterSeq ?? 0))) {
    for (const record of await recordsOf(disk, segment)) {
      if (!matches(record, query)) continue;
      if (left-- <= 0) return;
      yield record;
    }
  }
}

async function lastRecords(disk: Disk, segments: readonly string[], query: AuditQuery, count: number): Promise<readonly AuditRecord[]> {
  const found: AuditRecord[] = [];
  for (const segment of [...segments].reverse()) {
    const records = await recordsOf(disk, segment);
    for (const record of records.reverse()) {
      if (found.length >= count || record.seq <= (query.afterSeq ?? 0)) return found.reverse();
      if (matches(record, query)) found.push(record);
    }
  }
  return found.reverse();
}

/** Index of the segment that holds the record after this one. Mostly the end is asked for, so that is where the search begins. */
async function firstAfter(disk: Disk, segments: readonly string[], afterSeq: number): Promise<number> {
  if (afterSeq === 0) return 0;
  for (let at = segments.length - 1; at > 0; at--) {
    const [first] = await recordsOf(disk, segments[at] ?? "");
    if (first !== undefined && first.seq <= afterSeq + 1) return at;
  }
  return 0;
}

/** A segment that was trimmed meanwhile has none. */
async function recordsOf(disk: Disk, segment: string): Promise<AuditRecord[]> {
  const { lines } = splitLines((await disk.read(segment)) ?? new Uint8Array(0));
  return lines.map(parseRecord).filter((record) => record !== undefined);
}

function matches(record: AuditRecord, query: AuditQuery): boolean {
  return record.seq > (query.afterSeq ?? 0) && record.event.startsWith(query.event ?? "");
}
