// Rows and cursors as the octets of usage.log's records. Numbers of stages, parties and kinds are for ever: new ones are added at the end.
import { Buffer } from "node:buffer";
import { stages } from "../policy/types.ts";
import { payloadBytes } from "./keyed-ring.ts";
import { type Cursor, keyOfRow, kindOf, parties, type UsageRow } from "./ledger.ts";

const rowKind = 1;
const cursorKind = 2;
const epochKinds: readonly string[] = ["interface", "firewall", "module"];
const iccidBytes = 10;
/** 2^48 - 1: a counter that stands higher is written as this. */
const mostBytes = 2 ** 48 - 1;

/**
 * A row: kind 1, tag (stage, party, certain), ICCID (10 octets, a digit a nibble, F behind the last), day (4), sent (6), received (6).
 * A cursor: kind 2, tag (stage, kind of counter, certain), ICCID, time in ms (6), sent and received of fleet and management (6 each), epoch (8).
 */
export function encodeRow({ day, iccid, stage, party, certain, sentBytes, receivedBytes }: UsageRow): Uint8Array {
  const payload = head(rowKind, stage, parties.indexOf(party), certain, iccid);
  payload.writeUInt32BE(day, 12);
  put(payload, 16, sentBytes);
  put(payload, 22, receivedBytes);
  return payload;
}

export function encodeCursor({ epoch, fleet, management, whose, atMs, certain }: Cursor): Uint8Array {
  const kind = epochKinds.indexOf(kindOf(epoch));
  const payload = head(cursorKind, whose.stage, kind, certain, whose.iccid);
  put(payload, 12, Math.max(0, atMs));
  for (const [i, bytes] of [fleet.sentBytes, fleet.receivedBytes, management.sentBytes, management.receivedBytes].entries())
    put(payload, 18 + 6 * i, bytes);
  payload.write(epoch.slice(epoch.indexOf(":") + 1), 42, 8, "hex");
  return payload;
}

export type UsageRecord = { readonly row: UsageRow } | { readonly cursor: Cursor };

/** Undefined for what a later simward has written. */
export function decodeRecord(bytes: Uint8Array): UsageRecord | undefined {
  const payload = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  const tag = payload.readUInt8(1);
  const stage = stages[tag >> 4];
  if (stage === undefined) return undefined;
  const certain = (tag & 1) === 1;
  const iccid = payload
    .subarray(2, 2 + iccidBytes)
    .toString("hex")
    .replace(/f+$/, "");
  const which = (tag >> 1) & 7;
  const read = (at: number): number => payload.readUIntBE(at, 6);
  if (payload.readUInt8(0) === rowKind) {
    const party = parties[which];
    if (party === undefined) return undefined;
    return { row: { day: payload.readUInt32BE(12), iccid, stage, party, certain, sentBytes: read(16), receivedBytes: read(22) } };
  }
  const kind = epochKinds[which];
  if (payload.readUInt8(0) !== cursorKind || kind === undefined) return undefined;
  return {
    cursor: {
      epoch: `${kind}:${payload.toString("hex", 42, 50)}`,
      fleet: { sentBytes: read(18), receivedBytes: read(24) },
      management: { sentBytes: read(30), receivedBytes: read(36) },
      whose: { iccid, stage },
      atMs: read(12),
      certain,
    },
  };
}

/** What another record takes the place of. */
export function keyOfRecord(payload: Uint8Array): string {
  const record = decodeRecord(payload);
  if (record === undefined) return `? ${Buffer.from(payload).toString("hex")}`;
  return "row" in record ? keyOfRow(record.row) : keyOfCursor(record.cursor);
}

export function keyOfCursor({ epoch }: Cursor): string {
  return `cursor ${epoch}`;
}

function head(kind: number, stage: UsageRow["stage"], which: number, certain: boolean, iccid: string): Buffer {
  const payload = Buffer.alloc(payloadBytes);
  payload.writeUInt8(kind, 0);
  payload.writeUInt8((stages.indexOf(stage) << 4) | (which << 1) | (certain ? 1 : 0), 1);
  payload.write(iccid.padEnd(2 * iccidBytes, "f"), 2, iccidBytes, "hex");
  return payload;
}

function put(payload: Buffer, at: number, number: number): void {
  payload.writeUIntBE(Math.min(Math.round(number), mostBytes), at, 6);
}
