// BER-TLV at the level of octets: definite lengths only, tags as GSMA prints them (0xbf51, 0x5f37), raw slices of the input.
// Reads any definite form of length, writes DER. Refusals name the byte offset in the input.
import { concatBytes, toHexUpper } from "../../base/bytes.ts";
import { SimwardError } from "../../base/errors.ts";

/** One TLV inside `source`; nothing is copied. */
export interface Tlv {
  /** All octets of the tag as one number, e.g. 0xbf51. */
  readonly tag: number;
  readonly source: Uint8Array;
  readonly start: number;
  readonly contentStart: number;
  readonly end: number;
}

const maxTagOctets = 4;

/** "BF51", as printed in the standards. */
export function tagName(tag: number): string {
  const hex = tag.toString(16).toUpperCase();
  return hex.length % 2 === 0 ? hex : `0${hex}`;
}

export function tagOctets(tag: number): Uint8Array {
  const out: number[] = [];
  for (let rest = tag; rest > 0 || out.length === 0; rest = Math.floor(rest / 256)) out.unshift(rest % 256);
  return Uint8Array.from(out);
}

/** Whether the encoding is constructed (bit 6 of the first tag octet). */
export function isConstructed(tag: number): boolean {
  let first = tag;
  while (first > 0xff) first = Math.floor(first / 256);
  return (first & 0x20) !== 0;
}

/** The whole TLV as in the input. */
export function rawOf(tlv: Tlv): Uint8Array {
  return tlv.source.subarray(tlv.start, tlv.end);
}

export function contentOf(tlv: Tlv): Uint8Array {
  return tlv.source.subarray(tlv.contentStart, tlv.end);
}

/** Reads the TLV at `offset`, which must end at or before `end`. Throws ASN1_TRUNCATED, ASN1_TAG, ASN1_LENGTH. */
export function readTlv(source: Uint8Array, offset = 0, end = source.length): Tlv {
  const octetAt = (at: number, what: string): number => {
    const octet = at < end ? source[at] : undefined;
    if (octet === undefined) throw new SimwardError("ASN1_TRUNCATED", { detail: `offset ${at}: ${what}`, data: { offset: at } });
    return octet;
  };
  let at = offset;
  let tag = octetAt(at++, "a tag");
  if ((tag & 0x1f) === 0x1f) {
    for (let more = true; more; ) {
      if (at - offset >= maxTagOctets)
        throw new SimwardError("ASN1_TAG", { detail: `offset ${offset}: a tag of more than ${maxTagOctets} octets`, data: { offset } });
      const octet = octetAt(at++, "the rest of a tag");
      if (at - offset === 2 && octet === 0x80)
        throw new SimwardError("ASN1_TAG", { detail: `offset ${offset}: a tag number with a leading zero`, data: { offset } });
      tag = tag * 256 + octet;
      more = (octet & 0x80) !== 0;
    }
  }
  const lengthAt = at;
  const first = octetAt(at++, `the length of ${tagName(tag)}`);
  let length = first;
  if (first === 0x80)
    throw new SimwardError("ASN1_LENGTH", {
      detail: `offset ${lengthAt}: indefinite length of ${tagName(tag)}`,
      data: { offset: lengthAt },
    });
  if (first > 0x80) {
    const count = first & 0x7f;
    if (count > 8)
      throw new SimwardError("ASN1_LENGTH", {
        detail: `offset ${lengthAt}: ${count} length octets of ${tagName(tag)}`,
        data: { offset: lengthAt },
      });
    length = 0;
    for (let i = 0; i < count; i++) length = length * 256 + octetAt(at++, `the length of ${tagName(tag)}`);
  }
  if (length > end - at) {
    throw new SimwardError("ASN1_TRUNCATED", {
      detail: `offset ${offset}: ${tagName(tag)} has length ${length} but ${end - at} octets follow`,
      data: { offset },
    });
  }
  return { tag, source, start: offset, contentStart: at, end: at + length };
}

/** Reads the one TLV that `source` consists of. Throws ASN1_TRAILING when something follows it. */
export function readOnlyTlv(source: Uint8Array): Tlv {
  const tlv = readTlv(source);
  if (tlv.end !== source.length) {
    throw new SimwardError("ASN1_TRAILING", {
      detail: `offset ${tlv.end}: ${source.length - tlv.end} octets after ${tagName(tlv.tag)}`,
      data: { offset: tlv.end },
    });
  }
  return tlv;
}

/** The TLVs that a range of the input consists of, in order. */
export function readTlvs(source: Uint8Array, start = 0, end = source.length): Tlv[] {
  const out: Tlv[] = [];
  for (let at = start; at < end; ) {
    const tlv = readTlv(source, at, end);
    out.push(tlv);
    at = tlv.end;
  }
  return out;
}

export function childrenOf(tlv: Tlv): Tlv[] {
  return readTlvs(tlv.source, tlv.contentStart, tlv.end);
}

/** The first child with that tag. */
export function childOf(tlv: Tlv, tag: number): Tlv | undefined {
  return childrenOf(tlv).find((child) => child.tag === tag);
}

/** The single TLV that fills the content, if it does so exactly. */
export function onlyChildOf(tlv: Tlv): Tlv | undefined {
  if (!isConstructed(tlv.tag) || tlv.contentStart === tlv.end) return undefined;
  try {
    const child = readTlv(tlv.source, tlv.contentStart, tlv.end);
    return child.end === tlv.end ? child : undefined;
  } catch {
    return undefined;
  }
}

/** DER length octets. */
export function lengthOctets(length: number): Uint8Array {
  if (length < 0x80) return Uint8Array.of(length);
  const octets: number[] = [];
  for (let rest = length; rest > 0; rest = Math.floor(rest / 256)) octets.unshift(rest % 256);
  return Uint8Array.of(0x80 | octets.length, ...octets);
}

/** Tag, DER length, and the contents one after the other. */
export function writeTlv(tag: number, ...contents: readonly Uint8Array[]): Uint8Array {
  return writeTlvOf(tag, contents);
}

/** The same for contents in any number: a spread of a hundred thousand arguments is more than the stack holds. */
export function writeTlvOf(tag: number, contents: readonly Uint8Array[]): Uint8Array {
  let length = 0;
  for (const content of contents) length += content.length;
  const head = concatBytes(tagOctets(tag), lengthOctets(length));
  const out = new Uint8Array(head.length + length);
  out.set(head);
  let at = head.length;
  for (const content of contents) {
    out.set(content, at);
    at += content.length;
  }
  return out;
}

/** The same content under another tag, DER length. */
export function retag(raw: Uint8Array, tag: number): Uint8Array {
  return writeTlv(tag, contentOf(readTlv(raw)));
}

/** For messages to people: the first octets in hex. */
export function excerpt(bytes: Uint8Array, octets = 16): string {
  return bytes.length <= octets ? toHexUpper(bytes) : `${toHexUpper(bytes.subarray(0, octets))}… (${bytes.length} octets)`;
}
