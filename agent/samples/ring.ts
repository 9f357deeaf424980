// Samples on the disk: a bounded ring of segments, each line sealed with the key of the vehicle's present owner. When an owner leaves, his key is replaced by
// the next one's in one step that a power cut cannot halve; what he left behind cannot be read from then on, and is removed.
import { createCipheriv, createDecipheriv } from "node:crypto";
import { integer, minValue, number, object, parse, pipe, regex, string } from "valibot";
import { concatBytes, fromUtf8, utf8 } from "../../base/bytes.ts";
import type { Disk } from "../../base/disk.ts";
import { asSimwardError, type SimwardError } from "../../base/errors.ts";
import type { Random } from "../../base/random.ts";
import type { Sample } from "./types.ts";

export interface SampleRing {
  /** 1, 2, 3 …: how many have had the vehicle. */
  readonly owner: number;
  /** Not synced: a power cut may take the last minutes. Throws DISK_WRITE. */
  add(sample: Sample): Promise<void>;
  /** The present owner's, oldest first; lines that are torn, damaged or not his are passed over. */
  read(): AsyncIterable<Sample>;
  /** The former owner's samples are unreadable when it resolves. Throws DISK_WRITE. */
  changeOwner(): Promise<void>;
}

export interface SampleRingOptions {
  /** Of the directory of samples. */
  readonly disk: Disk;
  readonly random: Random;
  readonly segmentBytes: number;
  readonly maxSegments: number;
  /** The owner's key was damaged: what was sealed with it is lost, and a new one is in its place. */
  readonly onLost: (why: SimwardError) => void;
}

const ownerFile = "owner.json";
const keyBytes = 32;
const nonceBytes = 12;
const tagBytes = 16;
const ownerSchema = object({ owner: pipe(number(), integer(), minValue(1)), key: pipe(string(), regex(/^[A-Za-z0-9_-]{43}$/)) });
/** "<owner>-<number>.seg": both are counted up. */
const segmentPattern = /^(\d{6})-(\d{8})\.seg$/;

interface OwnerKey {
  readonly owner: number;
  readonly key: Uint8Array;
}

interface Segment {
  readonly name: string;
  readonly owner: number;
  readonly number: number;
}

/** Throws DISK_READ, DISK_WRITE. */
export async function openSampleRing(options: SampleRingOptions): Promise<SampleRing> {
  const { disk, random, segmentBytes, maxSegments } = options;

  const segments = async (): Promise<readonly Segment[]> =>
    (await disk.list(".")).flatMap((name) => {
      const [, owner, number] = segmentPattern.exec(name) ?? [];
      return owner === undefined || number === undefined ? [] : [{ name, owner: Number(owner), number: Number(number) }];
    });
  const begin = async (owner: number): Promise<OwnerKey> => {
    const key = random.bytes(keyBytes);
    await disk.replace(ownerFile, utf8(`${JSON.stringify({ owner, key: Buffer.from(key).toString("base64url") })}\n`));
    return { owner, key };
  };
  const removeOthers = async (owner: number): Promise<void> => {
    for (const one of await segments()) if (one.owner !== owner) await disk.remove(one.name);
  };

  const found = await disk.read(ownerFile);
  const kept = found === undefined ? undefined : keptOwner(found, options.onLost);
  let present: OwnerKey = kept ?? (await begin(1 + Math.max(0, ...(await segments()).map(({ owner }) => owner))));
  // A cut between a new key and the removal of what the former one sealed.
  await removeOthers(present.owner);
  const { number = 1, name } = (await segments()).at(-1) ?? {};
  let current = { number, bytes: name === undefined ? 0 : ((await disk.read(name))?.length ?? 0) };

  return {
    get owner() {
      return present.owner;
    },
    async add(sample) {
      const line = utf8(`${seal(present, sample, random)}\n`);
      if (current.bytes > 0 && current.bytes + line.length > segmentBytes) {
        current = { number: current.number + 1, bytes: 0 };
        const all = await segments();
        for (const one of all.slice(0, Math.max(0, all.length + 1 - maxSegments))) await disk.remove(one.name);
      }
      await disk.append(segmentName(present.owner, current.number), line, false);
      current = { ...current, bytes: current.bytes + line.length };
    },
    async *read() {
      for (const { name: file, owner } of await segments()) {
        if (owner !== present.owner) continue;
        for (const line of fromUtf8((await disk.read(file)) ?? new Uint8Array(0)).split("\n")) {
          const sample = line === "" ? undefined : open(present, line);
          if (sample !== undefined) yield sample;
        }
      }
    },
    async changeOwner() {
      present = await begin(present.owner + 1);
      current = { number: 1, bytes: 0 };
      await removeOthers(present.owner);
    },
  };
}

function segmentName(owner: number, number: number): string {
  return `${String(owner).padStart(6, "0")}-${String(number).padStart(8, "0")}.seg`;
}

function keptOwner(content: Uint8Array, onLost: SampleRingOptions["onLost"]): OwnerKey | undefined {
  try {
    const { owner, key } = parse(ownerSchema, JSON.parse(fromUtf8(content)));
    return { owner, key: new Uint8Array(Buffer.from(key, "base64url")) };
  } catch (error) {
    onLost(asSimwardError(error));
    return undefined;
  }
}

/** AES-256-GCM: base64url of nonce, ciphertext and tag; the owner's number is authenticated with it. */
function seal({ owner, key }: OwnerKey, sample: Sample, random: Random): string {
  const nonce = random.bytes(nonceBytes);
  const cipher = createCipheriv("aes-256-gcm", key, nonce).setAAD(utf8(`simward-sample ${owner}`));
  const sealed = concatBytes(nonce, cipher.update(JSON.stringify(sample), "utf8"), cipher.final(), cipher.getAuthTag());
  return Buffer.from(sealed).toString("base64url");
}

function open({ owner, key }: OwnerKey, line: string): Sample | undefined {
  const sealed = Buffer.from(line, "base64url");
  if (sealed.length < nonceBytes + tagBytes) return undefined;
  try {
    const decipher = createDecipheriv("aes-256-gcm", key, sealed.subarray(0, nonceBytes)).setAAD(utf8(`simward-sample ${owner}`));
    decipher.setAuthTag(sealed.subarray(-tagBytes));
    return JSON.parse(`${decipher.update(sealed.subarray(nonceBytes, -tagBytes), undefined, "utf8")}${decipher.final("utf8")}`) as Sample;
  } catch {
    return undefined;
  }
}
