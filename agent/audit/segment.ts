// A segment of the audit trail: its name, its lines, its records; and its index, by which questions pass over segments that have no answer.
import { createHash } from "node:crypto";
import { fromUtf8, utf8 } from "../../base/bytes.ts";
import type { Disk } from "../../base/disk.ts";
import type { AuditQuery, AuditRecord } from "./types.ts";

const segmentPattern = /^\d{8}\.jsonl$/;

export function segmentName(number: number): string {
  return `${String(number).padStart(8, "0")}.jsonl`;
}

export function isSegment(name: string): boolean {
  return segmentPattern.test(name);
}

/** Oldest first. */
export async function listSegments(disk: Disk): Promise<readonly string[]> {
  return (await disk.list(".")).filter(isSegment);
}

export function hashLine(line: string): string {
  return createHash("sha256").update(line, "utf8").digest("hex");
}

/** What JSON lets stand and a terminal obeys: control characters of C1, and those that turn the direction of writing around. */
const unsafe = /[\u007f-\u009f\u202a-\u202e\u2066-\u2069]/g;

/** A value as one line of JSON that may be shown as it is: an auditor's export is octet for octet what is hashed. */
export function lineOf(value: unknown): string {
  return JSON.stringify(value).replace(unsafe, (one) => `\\u${one.charCodeAt(0).toString(16).padStart(4, "0")}`);
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

export async function readLines(disk: Disk, segment: string): Promise<readonly string[]> {
  return splitLines((await disk.read(segment)) ?? new Uint8Array(0)).lines;
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

// --- the index ---------------------------------------------------------------------------------------------------------------------

/** Of a segment that is full. It is a help for questions only: verifying never looks at it. */
export interface SegmentIndex {
  readonly firstSeq: number;
  readonly lastSeq: number;
  /** Of all its records, the earliest and the latest: clocks are set. */
  readonly firstMs: number;
  readonly lastMs: number;
  /** Kinds of events; undefined when there are too many to list. */
  readonly events?: readonly string[] | undefined;
  /** ICCIDs named; undefined when there are too many to list. */
  readonly iccids?: readonly string[] | undefined;
}

const maxListed = 128;

export function indexName(segment: string): string {
  return segment.replace(/jsonl$/, "idx");
}

export function extended(index: SegmentIndex | undefined, record: AuditRecord): SegmentIndex {
  const ms = Date.parse(record.time);
  const before = index ?? { firstSeq: record.seq, lastSeq: record.seq, firstMs: ms, lastMs: ms, events: [], iccids: [] };
  return {
    firstSeq: before.firstSeq,
    lastSeq: record.seq,
    firstMs: Math.min(before.firstMs, ms),
    lastMs: Math.max(before.lastMs, ms),
    events: listed(before.events, [record.event]),
    iccids: listed(before.iccids, iccidsOf(record)),
  };
}

function listed(list: readonly string[] | undefined, more: readonly string[]): readonly string[] | undefined {
  if (list === undefined || more.every((one) => list.includes(one))) return list;
  const all = [...new Set([...list, ...more])];
  return all.length > maxListed ? undefined : all;
}

export function indexOf(lines: readonly string[]): SegmentIndex | undefined {
  let index: SegmentIndex | undefined;
  for (const line of lines) {
    const record = parseRecord(line);
    // Of a segment that is damaged nothing is claimed: it is read.
    if (record === undefined) return undefined;
    index = extended(index, record);
  }
  return index;
}

/** A damaged one is none: then the segment is read. */
export async function readIndex(disk: Disk, segment: string): Promise<SegmentIndex | undefined> {
  const bytes = await disk.read(indexName(segment));
  if (bytes === undefined) return undefined;
  try {
    const value = JSON.parse(fromUtf8(bytes)) as SegmentIndex;
    const numbers = [value.firstSeq, value.lastSeq, value.firstMs, value.lastMs];
    return numbers.every((one) => Number.isFinite(one)) ? value : undefined;
  } catch {
    return undefined;
  }
}

export function writeIndex(disk: Disk, segment: string, index: SegmentIndex): Promise<void> {
  return disk.replace(indexName(segment), utf8(`${JSON.stringify(index)}\n`));
}

// --- questions ---------------------------------------------------------------------------------------------------------------------

export function mayAnswer(index: SegmentIndex, query: AuditQuery): boolean {
  if (index.lastSeq <= (query.afterSeq ?? 0)) return false;
  if (query.from !== undefined && index.lastMs < Date.parse(query.from)) return false;
  if (query.to !== undefined && index.firstMs >= Date.parse(query.to)) return false;
  const { event, iccid } = query;
  if (event !== undefined && index.events !== undefined && !index.events.some((one) => one.startsWith(event))) return false;
  return iccid === undefined || index.iccids === undefined || index.iccids.some((one) => one.startsWith(iccid));
}

export function answers(record: AuditRecord, { afterSeq = 0, event = "", from, to, iccid }: AuditQuery): boolean {
  if (record.seq <= afterSeq || !record.event.startsWith(event)) return false;
  if (from !== undefined || to !== undefined) {
    const ms = Date.parse(record.time);
    if (from !== undefined && ms < Date.parse(from)) return false;
    if (to !== undefined && ms >= Date.parse(to)) return false;
  }
  return iccid === undefined || iccidsOf(record).some((one) => one.startsWith(iccid));
}

/** Of every field named so, at any depth: iccid, fromIccid, iccids … */
export function iccidsOf({ data }: AuditRecord): readonly string[] {
  const found: string[] = [];
  const walk = (value: unknown, isIccid: boolean): void => {
    if (typeof value === "string") {
      if (isIccid) found.push(value);
    } else if (Array.isArray(value)) for (const item of value) walk(item, isIccid);
    else if (typeof value === "object" && value !== null)
      for (const [key, item] of Object.entries(value)) walk(item, /iccids?$/i.test(key));
  };
  walk(data, false);
  return found;
}
