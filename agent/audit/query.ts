// Questions to the audit trail. No more segments are read than the answer needs, one at a time; where an index says that a segment has none, not even that.
import type { Disk } from "../../base/disk.ts";
import { answers, indexName, isSegment, mayAnswer, parseRecord, readIndex, readLines, type SegmentIndex } from "./segment.ts";
import type { AuditQuery, AuditRecord } from "./types.ts";

interface Found {
  readonly record: AuditRecord;
  /** As it stands in the trail, without its line feed. */
  readonly line: string;
}

export async function* queryChain(disk: Disk, query: AuditQuery): AsyncIterable<AuditRecord> {
  for await (const { record } of search(disk, query)) yield record;
}

/** The lines themselves: what is exported is what was written, octet for octet. */
export async function* queryLines(disk: Disk, query: AuditQuery): AsyncIterable<string> {
  for await (const { line } of search(disk, query)) yield line;
}

async function* search(disk: Disk, query: AuditQuery): AsyncIterable<Found> {
  if (query.last !== undefined) {
    yield* await lastOnes(disk, query, query.last);
    return;
  }
  let left = query.first ?? Number.POSITIVE_INFINITY;
  for await (const segment of candidates(disk, query)) {
    for (const found of await foundIn(disk, segment, query)) {
      yield found;
      if (--left <= 0) return;
    }
  }
}

async function lastOnes(disk: Disk, query: AuditQuery, count: number): Promise<readonly Found[]> {
  const found: Found[] = [];
  for await (const segment of candidatesFromEnd(disk, query)) {
    for (const one of [...(await foundIn(disk, segment, query))].reverse()) {
      found.push(one);
      if (found.length >= count) return found.reverse();
    }
  }
  return found.reverse();
}

type Indices = (segment: string) => Promise<SegmentIndex | undefined>;

/** Segments, oldest first, and what is known of each. The newest never has an index. */
async function segmentsOf(disk: Disk): Promise<{ readonly segments: readonly string[]; readonly indexOf: Indices }> {
  const names = new Set(await disk.list("."));
  const indexOf: Indices = async (segment) => (names.has(indexName(segment)) ? readIndex(disk, segment) : undefined);
  return { segments: [...names].filter(isSegment), indexOf };
}

async function* candidates(disk: Disk, query: AuditQuery): AsyncGenerator<string> {
  const { segments, indexOf } = await segmentsOf(disk);
  for (const segment of segments.slice(await startOf(disk, segments, indexOf, query.afterSeq ?? 0))) {
    const index = await indexOf(segment);
    if (index === undefined || mayAnswer(index, query)) yield segment;
  }
}

/** Mostly the end is asked for, so that is where the search for the beginning begins. */
async function startOf(disk: Disk, segments: readonly string[], indexOf: Indices, afterSeq: number): Promise<number> {
  if (afterSeq === 0) return 0;
  for (let at = segments.length - 1; at > 0; at--) {
    const segment = segments[at] ?? "";
    const first = (await indexOf(segment))?.firstSeq ?? (await firstSeq(disk, segment));
    if (first !== undefined && first <= afterSeq + 1) return at;
  }
  return 0;
}

async function* candidatesFromEnd(disk: Disk, query: AuditQuery): AsyncGenerator<string> {
  const { segments, indexOf } = await segmentsOf(disk);
  for (const segment of [...segments].reverse()) {
    const index = await indexOf(segment);
    if (index !== undefined && index.lastSeq <= (query.afterSeq ?? 0)) return;
    if (index === undefined || mayAnswer(index, query)) yield segment;
  }
}

async function firstSeq(disk: Disk, segment: string): Promise<number | undefined> {
  const [line] = await readLines(disk, segment);
  return line === undefined ? undefined : parseRecord(line)?.seq;
}

/** A segment that was trimmed meanwhile has none. */
async function foundIn(disk: Disk, segment: string, query: AuditQuery): Promise<readonly Found[]> {
  return (await readLines(disk, segment)).flatMap((line) => {
    const record = parseRecord(line);
    return record !== undefined && answers(record, query) ? [{ record, line }] : [];
  });
}
