// Verifying the audit trail, in one pass and with one segment in memory. Needs no daemon; `simward audit verify` works on copied files.
import type { KeyObject } from "node:crypto";
import type { Disk } from "../../base/disk.ts";
import { checkpointEvent, checkpointFault } from "./checkpoint.ts";
import { hashLine, listSegments, parseRecord, readLines, splitLines } from "./segment.ts";
import type { AuditHead, AuditRecord, AuditVerification } from "./types.ts";

export const emptyHead: AuditHead = { seq: 0, hash: "0".repeat(64) };
export const trimmedEvent = "audit.trimmed";

interface Place {
  readonly segment: string;
  readonly line: number;
}

interface Fault extends Place {
  /** Of the first record that is not what was written. */
  readonly seq?: number | undefined;
  readonly reason: string;
}

/**
 * Walks the whole chain. What trimming removed is vouched for by the record `audit.trimmed`, which names the last hash removed. The chain must contain
 * every one of `anchors`: an end that was cut off, or all of it written anew, is then found too. With `publicKey` checkpoints are checked against it.
 */
export async function verifyChain(disk: Disk, anchors: readonly AuditHead[] = [], publicKey?: KeyObject): Promise<AuditVerification> {
  const walk = new Walk(anchors, publicKey);
  const segments = await listSegments(disk);
  let tornBytes = 0;
  for (const [index, segment] of segments.entries()) {
    const content = await disk.read(segment);
    if (content === undefined) return walk.broken({ segment, line: 0, reason: "the segment vanished while it was read" }, tornBytes);
    const split = splitLines(content);
    for (const [at, line] of split.lines.entries()) {
      const fault = walk.take(line, { segment, line: at + 1 });
      if (fault !== undefined) return walk.broken(fault, tornBytes);
    }
    tornBytes = split.tornBytes;
    if (tornBytes > 0 && index < segments.length - 1)
      return walk.broken({ segment, line: split.lines.length + 1, reason: "an unfinished line in the middle of the trail" }, 0);
  }
  const fault = walk.end();
  return fault === undefined ? walk.whole(tornBytes) : walk.broken(fault, tornBytes);
}

class Walk {
  readonly #anchors: ReadonlyMap<number, AuditHead>;
  readonly #publicKey: KeyObject | undefined;
  /** What the first record here says of those before it. */
  #start: AuditHead | undefined;
  #first: Place = { segment: "", line: 0 };
  #firstSeq = 0;
  #records = 0;
  /** The last record, and the one before it. */
  #head = emptyHead;
  #before = emptyHead;
  #place: Place = { segment: "", line: 0 };
  /** Two records of which one was altered: the next one says which. */
  #suspects: { readonly former: Fault; readonly latter: Fault; readonly latterHash: string } | undefined;
  #vouched: AuditHead | undefined;
  readonly #seen = new Set<number>();
  #checkpoints = 0;
  #lastCheckpoint: { readonly seq: number; readonly time: string } | undefined;

  constructor(anchors: readonly AuditHead[], publicKey: KeyObject | undefined) {
    this.#anchors = new Map(anchors.filter(({ seq }) => seq > 0).map((anchor) => [anchor.seq, anchor]));
    this.#publicKey = publicKey;
  }

  take(line: string, place: Place): Fault | undefined {
    const record = parseRecord(line);
    if (this.#suspects !== undefined) {
      const { former, latter, latterHash } = this.#suspects;
      return record?.prev === latterHash ? former : latter;
    }
    if (record === undefined)
      return { ...place, seq: this.#records === 0 ? undefined : this.#head.seq + 1, reason: "this line is no audit record" };
    const hash = hashLine(line);
    const { seq, prev } = record;
    if (this.#records === 0) {
      if ((seq === 1) !== (prev === emptyHead.hash)) return { ...place, seq, reason: "the first record does not begin the chain" };
      this.#start = { seq: seq - 1, hash: prev };
      this.#first = place;
      this.#firstSeq = seq;
      this.#head = this.#start;
    } else if (seq !== this.#head.seq + 1 || prev !== this.#head.hash) {
      const fault = this.#breach(record, hash, place);
      if (fault !== undefined) return fault;
    }
    this.#before = this.#head;
    this.#head = { seq, hash };
    this.#place = place;
    this.#records++;
    return this.#note(record, place);
  }

  /** Which record is not what was written? Undefined where only the next one can say. */
  #breach({ seq, prev }: AuditRecord, hash: string, place: Place): Fault | undefined {
    const { segment, line } = this.#place;
    const former = { segment, line, seq: this.#head.seq };
    if (prev === this.#before.hash && seq === this.#head.seq)
      return { ...former, reason: `it was put in: seq ${seq} behind it follows the record before it` };
    // Of a trail that does not begin with seq 1 the first record is believed until what follows it lies before it.
    if (this.#records === 1 && this.#firstSeq > 1 && seq <= this.#firstSeq)
      return { ...former, reason: `seq ${this.#firstSeq} stands before seq ${seq}` };
    if (seq !== this.#head.seq + 1) return { ...place, seq, reason: `seq ${seq} stands where seq ${this.#head.seq + 1} belongs` };
    this.#suspects = {
      former: { ...former, reason: `it was altered: seq ${seq} carries the hash of another seq ${this.#head.seq}` },
      latter: { ...place, seq, reason: "it was altered: it does not carry the hash of the record before it" },
      latterHash: hash,
    };
    return undefined;
  }

  #note(record: AuditRecord, place: Place): Fault | undefined {
    const { event, data, seq, time } = record;
    if (event === trimmedEvent && typeof data?.lastHash === "string" && typeof data.lastSeq === "number")
      this.#vouched = { seq: data.lastSeq, hash: data.lastHash };
    if (event === checkpointEvent) {
      const fault = this.#publicKey === undefined ? undefined : checkpointFault(record, this.#publicKey);
      if (fault !== undefined) return { ...place, seq, reason: fault };
      this.#checkpoints++;
      this.#lastCheckpoint = { seq, time };
    }
    const anchor = this.#anchors.get(seq);
    if (anchor === undefined) return undefined;
    this.#seen.add(seq);
    // What is broken already is named by what follows it.
    if (anchor.hash === this.#head.hash || this.#suspects !== undefined) return undefined;
    return { ...place, seq, reason: `seq ${seq} is not the record that was here before` };
  }

  end(): Fault | undefined {
    if (this.#suspects !== undefined) {
      const { former, latter, latterHash } = this.#suspects;
      const anchor = this.#anchors.get(this.#head.seq);
      const known = this.#anchors.get(this.#head.seq - 1);
      const isLatter = known?.hash === this.#before.hash || (anchor !== undefined && anchor.hash !== latterHash);
      return isLatter ? latter : former;
    }
    const start = this.#start;
    if (start !== undefined && start.seq > 0 && !this.#isVouched(start))
      return {
        ...this.#first,
        reason: `the records before seq ${this.#firstSeq} are missing, and no ${trimmedEvent} record vouches for them`,
      };
    for (const { seq } of this.#anchors.values()) {
      const wasTrimmed = seq < this.#firstSeq && seq <= (this.#vouched?.seq ?? 0);
      if (this.#seen.has(seq) || wasTrimmed) continue;
      return {
        ...this.#place,
        line: 0,
        seq: this.#head.seq + 1,
        reason: `the trail ends at seq ${this.#head.seq}, but seq ${seq} was recorded`,
      };
    }
    return undefined;
  }

  /** A cut in the middle of trimming leaves more than was vouched for, never less. */
  #isVouched(start: AuditHead): boolean {
    const vouched = this.#vouched;
    return vouched !== undefined && (start.seq < vouched.seq || (start.seq === vouched.seq && start.hash === vouched.hash));
  }

  whole(tornBytes: number): AuditVerification {
    return { ok: true, ...this.#counted(), tornBytes };
  }

  broken({ segment, line, seq, reason }: Fault, tornBytes: number): AuditVerification {
    return { ok: false, ...this.#counted(), problem: { segment, line, ...(seq === undefined ? {} : { seq }), reason }, tornBytes };
  }

  #counted(): Omit<AuditVerification, "ok" | "problem" | "tornBytes"> {
    const last = this.#lastCheckpoint;
    return {
      records: this.#records,
      firstSeq: this.#firstSeq,
      head: this.#records === 0 ? emptyHead : this.#head,
      checkpoints: this.#checkpoints,
      ...(last === undefined ? {} : { lastCheckpoint: last }),
    };
  }
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
    const lines = await readLines(disk, segment);
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
