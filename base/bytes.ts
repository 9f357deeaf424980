// Octets: hex, comparison, concatenation and the BCD codings of ICCID, EID, IMEI and PLMN.
import { SimwardError } from "./errors.ts";

export const emptyBytes: Uint8Array = new Uint8Array(0);

/** Lower-case hex. */
export function toHex(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("hex");
}

/** Upper-case hex, as AT commands and GSMA documents print it. */
export function toHexUpper(bytes: Uint8Array): string {
  return toHex(bytes).toUpperCase();
}

/** Reads hex in either case; white space between octets is allowed. Throws BYTES_NOT_HEX. */
export function fromHex(text: string): Uint8Array {
  const compact = text.replace(/\s+/g, "");
  if (compact.length % 2 !== 0) throw new SimwardError("BYTES_NOT_HEX", { detail: `an odd number of hex digits (${compact.length})` });
  const bad = compact.search(/[^0-9a-fA-F]/);
  if (bad >= 0) throw new SimwardError("BYTES_NOT_HEX", { detail: `${JSON.stringify(compact[bad])} at position ${bad}` });
  return new Uint8Array(Buffer.from(compact, "hex"));
}

export function concatBytes(...parts: readonly Uint8Array[]): Uint8Array {
  let length = 0;
  for (const part of parts) length += part.length;
  const out = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

export function utf8(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

export function fromUtf8(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}

/** Big-endian, `size` octets. */
export function uintToBytes(value: number, size: number): Uint8Array {
  const out = new Uint8Array(size);
  let rest = value;
  for (let i = size - 1; i >= 0; i--) {
    out[i] = rest % 256;
    rest = Math.floor(rest / 256);
  }
  return out;
}

/** Decimal digits two to an octet, first digit in the high nibble, padded with F: EID (SGP.22 §4.3.1). */
export function digitsToBcd(digits: string): Uint8Array {
  return fromHex(digits.length % 2 === 0 ? digits : `${digits}F`);
}

/** The digits of straight BCD; trailing F nibbles are padding. */
export function bcdToDigits(bytes: Uint8Array): string {
  return toHex(bytes).replace(/f+$/i, "");
}

/** Decimal digits with swapped nibbles, padded with F to `size` octets: ICCID as in EF.ICCID (ETSI TS 102 221 §13.2). */
export function digitsToSwappedBcd(digits: string, size: number): Uint8Array {
  return swapNibbles(fromHex(digits.padEnd(size * 2, "F")));
}

/** The digits of nibble-swapped BCD; trailing F nibbles are padding. */
export function swappedBcdToDigits(bytes: Uint8Array): string {
  return toHex(swapNibbles(bytes)).replace(/f+$/i, "");
}

/** ICCID digits (18 to 20) to the 10 octets of EF.ICCID. Throws BYTES_NOT_ICCID. */
export function iccidToBytes(digits: string): Uint8Array {
  if (!/^\d{18,20}$/.test(digits)) throw new SimwardError("BYTES_NOT_ICCID", { detail: `${digits.length} characters` });
  return digitsToSwappedBcd(digits, 10);
}

/** PLMN digits (MCC + MNC, 5 or 6) to the 3 octets of 3GPP TS 24.008 §10.5.1.3, e.g. 26201 → 62F210. */
export function plmnToBytes(plmn: string): Uint8Array {
  if (!/^\d{5,6}$/.test(plmn)) throw new SimwardError("BYTES_NOT_PLMN", { detail: JSON.stringify(plmn) });
  const [m1, m2, m3, n1, n2, n3 = "F"] = plmn;
  return fromHex(`${m2}${m1}${n3}${m3}${n2}${n1}`);
}

/** The 3 octets of 3GPP TS 24.008 §10.5.1.3 to MCC + MNC digits. */
export function bytesToPlmn(bytes: Uint8Array): string {
  const h = toHex(bytes).toUpperCase();
  return `${h[1]}${h[0]}${h[3]}${h[5]}${h[4]}${h[2] === "F" ? "" : h[2]}`;
}

export function swapNibbles(bytes: Uint8Array): Uint8Array {
  return bytes.map((b) => ((b & 0x0f) << 4) | (b >> 4));
}
