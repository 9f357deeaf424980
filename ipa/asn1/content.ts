// The content octets of the primitive ASN.1 types, read and written (X.690 §8, DER on writing). No tags, no lengths.
import { concatBytes, toHex, utf8 } from "../../base/bytes.ts";
import type { ErrorCode } from "../../base/errors.ts";

/** How a reader refuses: ASN1_VALUE and a reason. */
export type RefuseRead = (code: ErrorCode, reason: string) => never;
/** How a writer refuses. */
export type RefuseWrite = (reason: string) => never;

/** INTEGERs are numbers while they are safe as such, else bigint. */
export type Integer = number | bigint;

export interface BitString {
  readonly bytes: Uint8Array;
  readonly unusedBits: number;
}

/** More named bits than any standard gives names to. */
const maxNamedBits = 512;
const maxOidOctets = 512;

export function readInteger(content: Uint8Array, refuse: RefuseRead): Integer {
  const first = content[0];
  if (first === undefined) return refuse("ASN1_VALUE", "an INTEGER without octets");
  const unsigned = BigInt(`0x${toHex(content)}`);
  const value = first < 0x80 ? unsigned : unsigned - (1n << BigInt(content.length * 8));
  return value >= BigInt(Number.MIN_SAFE_INTEGER) && value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : value;
}

/** The shortest two's complement. */
export function integerContent(value: Integer, refuse: RefuseWrite): Uint8Array {
  if (typeof value === "number" && !Number.isSafeInteger(value)) return refuse(`${value} is no INTEGER`);
  const wanted = BigInt(value);
  // As many octets as the value needs with its sign bit: that of -n is that of n - 1.
  const magnitude = wanted < 0n ? -wanted - 1n : wanted;
  const bits = magnitude === 0n ? 1 : magnitude.toString(16).length * 4 + 1;
  const octets = Math.ceil(bits / 8);
  const hex = BigInt.asUintN(octets * 8, wanted)
    .toString(16)
    .padStart(octets * 2, "0");
  const out = new Uint8Array(Buffer.from(hex, "hex"));
  const second = out[1];
  const superfluous = second !== undefined && ((out[0] === 0x00 && second < 0x80) || (out[0] === 0xff && second >= 0x80));
  return superfluous ? out.subarray(1) : out;
}

const strictUtf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

export function readUtf8(content: Uint8Array, refuse: RefuseRead): string {
  try {
    return strictUtf8.decode(content);
  } catch {
    return refuse("ASN1_VALUE", "not UTF-8");
  }
}

export function utf8Content(text: string, refuse: RefuseWrite): Uint8Array {
  // TextEncoder would write U+FFFD for half a surrogate pair.
  return /\p{Surrogate}/u.test(text) ? refuse("half a surrogate pair") : utf8(text);
}

/** Characters as ASN.1 counts them: code points. */
export function charactersOf(text: string): number {
  let count = 0;
  for (const _ of text) count++;
  return count;
}

export function readBitString(content: Uint8Array, refuse: RefuseRead): BitString {
  const unusedBits = content[0];
  if (unusedBits === undefined) return refuse("ASN1_VALUE", "a BIT STRING without octets");
  if (unusedBits > 7) return refuse("ASN1_VALUE", `a BIT STRING with ${unusedBits} unused bits`);
  const bytes = new Uint8Array(content.subarray(1));
  const last = bytes.length - 1;
  if (last < 0) return { bytes, unusedBits: 0 };
  // Unused bits carry no meaning; some cards do not clear them.
  bytes[last] = (bytes[last] ?? 0) & (0xff << unusedBits);
  return { bytes, unusedBits };
}

export function bitStringContent({ bytes, unusedBits }: BitString, refuse: RefuseWrite): Uint8Array {
  if (!Number.isInteger(unusedBits) || unusedBits < 0 || unusedBits > 7 || (bytes.length === 0 && unusedBits !== 0))
    return refuse(`${unusedBits} unused bits in ${bytes.length} octets`);
  const out = concatBytes(Uint8Array.of(unusedBits), bytes);
  const last = out.length - 1;
  if (last > 0) out[last] = (out[last] ?? 0) & (0xff << unusedBits);
  return out;
}

/** The numbers of the bits set, ascending. Trailing zero bits mean nothing, in whatever number they come. */
export function readBits(content: Uint8Array, refuse: RefuseRead): number[] {
  const { bytes } = readBitString(content, refuse);
  if (bytes.length * 8 > maxNamedBits) return refuse("ASN1_VALUE", `${bytes.length * 8} named bits, allowed ${maxNamedBits}`);
  const set: number[] = [];
  for (let bit = 0; bit < bytes.length * 8; bit++) if (((bytes[bit >> 3] ?? 0) & (0x80 >> (bit & 7))) !== 0) set.push(bit);
  return set;
}

export function bitsContent(bits: readonly number[], refuse: RefuseWrite): Uint8Array {
  const bad = bits.find((bit) => !Number.isInteger(bit) || bit < 0 || bit >= maxNamedBits);
  if (bad !== undefined) return refuse(`bit ${bad}, allowed 0 to ${maxNamedBits - 1}`);
  if (bits.length === 0) return Uint8Array.of(0);
  const last = Math.max(...bits);
  const out = new Uint8Array(2 + (last >> 3));
  out[0] = 7 - (last & 7);
  for (const bit of bits) out[1 + (bit >> 3)] = (out[1 + (bit >> 3)] ?? 0) | (0x80 >> (bit & 7));
  return out;
}

export function readOid(content: Uint8Array, refuse: RefuseRead): string {
  if (content.length === 0 || content.length > maxOidOctets)
    return refuse("ASN1_VALUE", `an OBJECT IDENTIFIER of ${content.length} octets`);
  if (((content[content.length - 1] ?? 0) & 0x80) !== 0)
    return refuse("ASN1_VALUE", "an OBJECT IDENTIFIER that ends in the middle of an arc");
  const arcs: bigint[] = [];
  let arc = 0n;
  let begins = true;
  for (const octet of content) {
    if (begins && octet === 0x80) return refuse("ASN1_VALUE", "an OBJECT IDENTIFIER arc with a leading zero");
    arc = (arc << 7n) | BigInt(octet & 0x7f);
    begins = (octet & 0x80) === 0;
    if (!begins) continue;
    if (arcs.length === 0) {
      const first = arc < 40n ? 0n : arc < 80n ? 1n : 2n;
      arcs.push(first, arc - first * 40n);
    } else arcs.push(arc);
    arc = 0n;
  }
  return arcs.join(".");
}

export function oidContent(value: string, refuse: RefuseWrite): Uint8Array {
  if (value.length > 4 * maxOidOctets || !/^[0-2](\.(0|[1-9]\d*))+$/.test(value))
    return refuse(`${JSON.stringify(value.slice(0, 80))} is no OBJECT IDENTIFIER`);
  const [first = 0n, second = 0n, ...rest] = value.split(".").map(BigInt);
  if (first < 2n && second > 39n) return refuse(`${JSON.stringify(value)} is no OBJECT IDENTIFIER`);
  const out: number[] = [];
  for (const arc of [first * 40n + second, ...rest]) {
    const septets: number[] = [];
    let left = arc;
    do {
      septets.unshift(Number(left & 0x7fn) | (septets.length === 0 ? 0 : 0x80));
      left >>= 7n;
    } while (left > 0n);
    out.push(...septets);
  }
  return out.length > maxOidOctets ? refuse(`an OBJECT IDENTIFIER of ${out.length} octets`) : Uint8Array.from(out);
}

/** UTCTime and GeneralizedTime, read and kept as written; some compilers leave out the minutes. */
const timePattern = /^\d{8,14}([.,]\d{1,9})?(Z|[+-]\d{4})?$/;
const maxTimeOctets = 29;

export type TimeTag = 0x17 | 0x18;

export function readTime(content: Uint8Array, refuse: RefuseRead): string {
  const text = String.fromCharCode(...content.subarray(0, maxTimeOctets + 1));
  return timePattern.test(text) ? text : refuse("ASN1_VALUE", "not a time");
}

export function timeContent(text: string, refuse: RefuseWrite): Uint8Array {
  return timePattern.test(text) ? utf8(text) : refuse(`${JSON.stringify(text.slice(0, maxTimeOctets))} is not a time`);
}
