// A preallocated file of 64-octet records, written round and round: of each key the newest record counts, and is copied on before the round reaches it.
// What is put together is there together or not at all, whatever a power cut leaves; the file never grows and no write needs more room.
import { crc32 } from "node:zlib";
import type { Disk } from "../../base/disk.ts";
import { isCode, SimwardError } from "../../base/errors.ts";
import { Queue } from "../../base/queue.ts";

export const recordBytes = 64;
/** What a record has room for behind CRC-32 (4), sequence number (6), attempt (2), and its place in what was put together (2). */
export const payloadBytes = 50;
const headBytes = recordBytes - payloadBytes;
/** A CRC of nothing is zero, and so is a file of zeros: this keeps them apart, and other layouts out. */
const seed = crc32("simward usage 1");
/** What is put together at once, at most: with what is copied on meanwhile it fits the one octet of its number. */
export const mostTogether = 48;
/** Slots looked at for each record written: more than one, so that what is free grows while the round passes what is not. */
const scannedPerRecord = 4;
const scannedAtLeast = 8;
/** No batch is longer, so that a record whose batch is overwritten in part was copied on before. */
const longestBatch = 255;

export interface RingOptions {
  readonly disk: Disk;
  readonly path: string;
  /** So many records; no more than three of eight may be of keys that are still wanted. */
  readonly slots: number;
  readonly keyOf: (payload: Uint8Array) => string;
  /** The file could not be used: it is begun anew. */
  readonly onLost: (why: SimwardError) => void;
}

export interface KeyedRing {
  /** As found when it was opened, oldest first. */
  readonly found: readonly Uint8Array[];
  readonly liveKeys: number;
  /** Octets written since it was opened. */
  readonly writtenBytes: number;
  /** All of them, or none; durable when it resolves. At most `mostTogether`. Throws DISK_WRITE: what was there before counts then, or all of this. */
  put(payloads: readonly Uint8Array[]): Promise<void>;
  /** Not wanted any more: not copied on. It may be found again once. */
  drop(key: string): void;
}

interface Live {
  readonly seq: number;
  readonly payload: Uint8Array;
}

/** Throws DISK_READ. A disk without room for the file keeps nobody from starting: it is made with the first record that finds room. */
export async function openKeyedRing({ disk, path, slots, keyOf, onLost }: RingOptions): Promise<KeyedRing> {
  const queue = new Queue();
  const live = new Map<string, Live>();
  /** By slot: what counts there. */
  const keyAt: (string | undefined)[] = new Array(slots);
  let nextSeq = 1;
  /** What stands in the file may still count from here on, a round later; looked for when something is put. */
  let freeUntilSeq: number | undefined;
  let attempt = 0;
  let writtenBytes = 0;

  const settle = (key: string, seq: number, payload: Uint8Array): void => {
    const before = live.get(key);
    if (before !== undefined && keyAt[before.seq % slots] === key) keyAt[before.seq % slots] = undefined;
    live.set(key, { seq, payload });
    keyAt[seq % slots] = key;
  };

  const content = await disk.read(path);
  const wholeBytes = slots * recordBytes;
  let isMade = true;
  const make = async (): Promise<void> => {
    await disk.replace(path, new Uint8Array(wholeBytes));
    isMade = true;
  };
  if (content !== undefined && content.length === wholeBytes) {
    const { whole, lastSeq } = recover(content, slots);
    if (whole.length === 0 && content.some((octet) => octet !== 0))
      onLost(new SimwardError("STATE_CORRUPT", { detail: `${path}: none of its records can be read` }));
    for (const { seq, payload } of whole) settle(keyOf(payload), seq, payload);
    nextSeq = lastSeq + 1;
  } else {
    if (content !== undefined)
      onLost(new SimwardError("STATE_CORRUPT", { detail: `${path}: it has ${content.length} octets, not ${wholeBytes}` }));
    isMade = false;
    await make().catch((error: unknown) => {
      if (!isCode(error, "DISK_WRITE")) throw error;
    });
  }
  const found = [...live.values()].sort((a, b) => a.seq - b.seq).map(({ payload }) => payload);

  /** What must be copied on now, so that the round never comes upon anything that counts. */
  const toCopy = (count: number, replaced: ReadonlySet<string>): { readonly keys: readonly string[]; readonly freeUntil: number } => {
    const keys: string[] = [];
    let freeUntil = freeUntilSeq ?? [...live.values()].reduce((oldest, { seq }) => Math.min(oldest, seq), nextSeq) + slots;
    const quota = count * scannedPerRecord + scannedAtLeast;
    const isTight = (): boolean => freeUntil < nextSeq + count + keys.length + longestBatch && keys.length + count < longestBatch;
    for (let scanned = 0; (scanned < quota && freeUntil - nextSeq < slots / 4) || isTight(); scanned++) {
      const key = keyAt[freeUntil % slots];
      if (key !== undefined && !replaced.has(key)) keys.push(key);
      freeUntil++;
    }
    return { keys, freeUntil };
  };

  const putNow = async (payloads: readonly Uint8Array[]): Promise<void> => {
    if (payloads.length === 0) return;
    if (!isMade) await make();
    const keys = payloads.map(keyOf);
    const { keys: copied, freeUntil } = toCopy(payloads.length, new Set(keys));
    const batch = [
      ...copied.flatMap((key) => live.get(key)?.payload ?? []).map((payload, i) => ({ key: copied[i] ?? "", payload })),
      ...payloads.map((payload, i) => ({ key: keys[i] ?? "", payload })),
    ];
    // Another number for each attempt: what a refused one has left must not be taken for a part of this one.
    attempt = (attempt + 1) % 65_536;
    const records = batch.map(({ payload }, index) => encode(nextSeq + index, attempt, index, batch.length, payload));
    const firstSlot = nextSeq % slots;
    const untilEnd = Math.min(records.length, slots - firstSlot);
    await disk.overwrite(path, firstSlot * recordBytes, Buffer.concat(records.slice(0, untilEnd)));
    if (untilEnd < records.length) await disk.overwrite(path, 0, Buffer.concat(records.slice(untilEnd)));
    writtenBytes += records.length * recordBytes;
    for (const [index, { key, payload }] of batch.entries()) settle(key, nextSeq + index, payload);
    nextSeq += batch.length;
    freeUntilSeq = freeUntil;
  };

  return {
    found,
    get liveKeys() {
      return live.size;
    },
    get writtenBytes() {
      return writtenBytes;
    },
    put: (payloads) => queue.run(() => putNow(payloads)),
    drop(key) {
      const one = live.get(key);
      if (one === undefined) return;
      live.delete(key);
      if (keyAt[one.seq % slots] === key) keyAt[one.seq % slots] = undefined;
    },
  };
}

function encode(seq: number, attempt: number, index: number, count: number, payload: Uint8Array): Uint8Array {
  const record = Buffer.alloc(recordBytes);
  record.writeUIntBE(seq, 4, 6);
  record.writeUInt16BE(attempt, 10);
  record.writeUInt8(index, 12);
  record.writeUInt8(count, 13);
  record.set(payload, headBytes);
  record.writeUInt32BE(crc32(record.subarray(4), seed), 0);
  return record;
}

interface Found {
  readonly seq: number;
  readonly attempt: number;
  readonly index: number;
  readonly count: number;
  readonly payload: Uint8Array;
}

/** The records of whole batches, oldest first; and the last number in use, whole or not. */
function recover(content: Uint8Array, slots: number): { readonly whole: readonly Found[]; readonly lastSeq: number } {
  const file = Buffer.from(content.buffer, content.byteOffset, content.length);
  const valid: Found[] = [];
  for (let slot = 0; slot < slots; slot++) {
    const record = file.subarray(slot * recordBytes, (slot + 1) * recordBytes);
    if (record.readUInt32BE(0) !== crc32(record.subarray(4), seed)) continue;
    const seq = record.readUIntBE(4, 6);
    if (seq % slots !== slot) continue;
    const [attempt, index, count] = [record.readUInt16BE(10), record.readUInt8(12), record.readUInt8(13)];
    valid.push({ seq, attempt, index, count, payload: new Uint8Array(record.subarray(headBytes)) });
  }
  const members = new Map<string, number>();
  const batchOf = ({ seq, attempt, index, count }: Found): string => `${seq - index} ${attempt} ${count}`;
  for (const one of valid) members.set(batchOf(one), (members.get(batchOf(one)) ?? 0) + 1);
  return {
    whole: valid.filter((one) => members.get(batchOf(one)) === one.count).sort((a, b) => a.seq - b.seq),
    lastSeq: valid.reduce((last, { seq }) => Math.max(last, seq), 0),
  };
}
