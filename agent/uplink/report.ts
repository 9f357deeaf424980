// What the fleet's backend is told: a document of its own, made of what has happened since the last one was taken. What a market keeps stays on the vehicle.
import type { ErrorReport } from "../../base/errors.ts";
import { hashLine, parseRecord } from "../audit/segment.ts";
import type { AuditHead } from "../audit/types.ts";
import type { LeavingSample } from "../samples/types.ts";

/** A record of the audit trail that may not leave the market it was made in: its place and its hash, so that the chain can be checked all the same. */
export interface KeptRecord {
  readonly seq: number;
  /** SHA-256, hex, of the line. */
  readonly sha256: string;
  /** ISO 3166-1 alpha-2. */
  readonly keptIn: string;
}

export interface UplinkReport {
  readonly schema: "simward/uplink/1";
  /** 32 digits; absent while the card has not been read. */
  readonly eid?: string;
  readonly imei?: string;
  /** UTC, RFC 3339. */
  readonly time: string;
  readonly timeSource: string;
  readonly version: string;
  readonly stage: string;
  /** An anchor: what the trail was at this moment cannot be altered from then on without being found. */
  readonly auditHead: AuditHead;
  readonly alarms: readonly ErrorReport[];
  /** Lines of the trail behind the last ones that were taken, as they stand there. */
  readonly audit?: readonly (string | KeptRecord)[];
  readonly samples?: readonly LeavingSample[];
}

/** How far the backend has taken things. */
export interface UplinkCursor {
  readonly auditSeq: number;
  /** Where the vehicle was at that record. */
  readonly country: string | undefined;
  /** RFC 3339, of the last sample taken. */
  readonly sampleTime: string;
}

export const firstCursor: UplinkCursor = { auditSeq: 0, country: undefined, sampleTime: "" };

export interface Taken<T> {
  readonly items: readonly T[];
  readonly cursor: UplinkCursor;
  /** There is more. */
  readonly isCut: boolean;
}

/** As many lines as go into `maxBytes`; a single one always does. `mayLeave`: what is recorded in that country. */
export async function takeAudit(
  lines: AsyncIterable<string>,
  from: UplinkCursor,
  maxBytes: number,
  mayLeave: (recordedIn: string | undefined) => boolean,
): Promise<Taken<string | KeptRecord>> {
  const items: (string | KeptRecord)[] = [];
  let cursor = from;
  let bytes = 0;
  for await (const line of lines) {
    const record = parseRecord(line);
    if (record === undefined) continue;
    const country = record.event === "network.changed" && typeof record.data?.country === "string" ? record.data.country : cursor.country;
    const item = mayLeave(country) ? line : { seq: record.seq, sha256: hashLine(line), keptIn: country ?? "" };
    bytes += Buffer.byteLength(JSON.stringify(item)) + 1;
    if (bytes > maxBytes && items.length > 0) return { items, cursor, isCut: true };
    items.push(item);
    cursor = { ...cursor, auditSeq: record.seq, country };
  }
  return { items, cursor, isCut: false };
}

/** What stands behind the last one taken, by its place: a clock that was ahead once must not keep all that come later. */
export async function takeSamples(
  samples: () => AsyncIterable<LeavingSample>,
  from: UplinkCursor,
  maxBytes: number,
): Promise<Taken<LeavingSample>> {
  let toSkip = 0;
  let place = 0;
  for await (const { time } of samples()) {
    place++;
    if (time === from.sampleTime) toSkip = place;
  }
  const items: LeavingSample[] = [];
  let cursor = from;
  let bytes = 0;
  for await (const sample of samples()) {
    if (toSkip-- > 0) continue;
    bytes += Buffer.byteLength(JSON.stringify(sample)) + 1;
    if (bytes > maxBytes && items.length > 0) return { items, cursor, isCut: true };
    items.push(sample);
    cursor = { ...cursor, sampleTime: sample.time };
  }
  return { items, cursor, isCut: false };
}
