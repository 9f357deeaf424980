// The audit trail's records and how others use it.
import type { TimeSource } from "../../base/clock.ts";

export type AuditValue = string | number | boolean | null | readonly AuditValue[] | { readonly [key: string]: AuditValue };

export interface AuditEvent {
  /** Subject and what happened to it, e.g. "profile.enabled". */
  readonly event: string;
  /** Who or what brought it about: "eim:<eimId>", "policy:<rule>", "operator:<uid>", "module", "start". */
  readonly cause: string;
  /** Facts; never a secret. */
  readonly data?: Readonly<Record<string, AuditValue>>;
}

export interface AuditRecord extends AuditEvent {
  /** 1, 2, 3 … without a gap. */
  readonly seq: number;
  /** UTC, RFC 3339, milliseconds. */
  readonly time: string;
  /** What the time rests on; with `none` only the order can be relied on. */
  readonly timeSource: TimeSource;
  /** SHA-256, hex, of the line before without its line feed; 64 zeros for the first. */
  readonly prev: string;
}

export interface AuditHead {
  readonly seq: number;
  /** SHA-256, hex, of the last line without its line feed. */
  readonly hash: string;
}

export interface AuditQuery {
  /** Only records after this one. */
  readonly afterSeq?: number | undefined;
  /** The last so many of those that match. */
  readonly last?: number | undefined;
  /** The first so many of those that match; not together with `last`. */
  readonly first?: number | undefined;
  /** Events that begin with this, e.g. "profile.". */
  readonly event?: string | undefined;
  /** Records of this time and later; RFC 3339. */
  readonly from?: string | undefined;
  /** Records before this time; RFC 3339. */
  readonly to?: string | undefined;
  /** Records that name an ICCID which begins so. */
  readonly iccid?: string | undefined;
}

export interface AuditVerification {
  readonly ok: boolean;
  readonly records: number;
  readonly firstSeq: number;
  readonly head: AuditHead;
  /** What is wrong, and where: the first fault found. */
  readonly problem?: { readonly segment: string; readonly line: number; readonly seq?: number | undefined; readonly reason: string };
  /** Signed checkpoints found. */
  readonly checkpoints: number;
  readonly lastCheckpoint?: { readonly seq: number; readonly time: string };
  /** Octets of an unfinished last line, as a power cut leaves it; harmless. */
  readonly tornBytes: number;
}

export interface AuditLog {
  /** Durable when it resolves. Throws AUDIT_WRITE; then it is kept in memory and written, with its own time, before the next one. */
  append(event: AuditEvent): Promise<AuditRecord>;
  /** Resolves when everything appended before is durable. Throws AUDIT_WRITE. */
  settled(): Promise<void>;
  /** Signs what there is so far; undefined where nothing was written since the last one, or there is no device key. Throws AUDIT_WRITE. */
  checkpoint(why: string): Promise<AuditRecord | undefined>;
  query(query: AuditQuery): AsyncIterable<AuditRecord>;
  /** The same as the lines that stand in the trail, without line feeds. */
  lines(query: AuditQuery): AsyncIterable<string>;
  /** The trail must contain every one of these heads. Checkpoints are checked against the device key. */
  verify(anchors?: readonly AuditHead[]): Promise<AuditVerification>;
  readonly head: AuditHead;
  onRecord(fn: (record: AuditRecord) => void): () => void;
  /** Writes no more by itself. */
  close(): Promise<void>;
}
