// Vectors that others made: golden ones of SGP.32, what other ASN.1 compilers wrote, a profile that another implementation encoded and protected.
import { readFileSync } from "node:fs";

export interface GoldenVector {
  readonly name: string;
  /** ASN.1 name, as the registry has it. */
  readonly type: string;
  readonly hex: string;
}

export interface ForeignVector {
  readonly type: string;
  readonly hex: string;
  /** Given where `hex` repeats a tag: the same with each tag once. */
  readonly single?: string;
  /** The compilers that wrote exactly this: asn1ct (Erlang/OTP 25), asn1c 0.9.28. With `single`, asn1c wrote that one. */
  readonly from: string;
}

/** Hex, but `eid`, `iccid` and `imsi`: digits. Sequences as in a BoundProfilePackage, with ReplaceSessionKeys. */
export interface ForeignBpp {
  readonly z: string;
  readonly hostId: string;
  readonly eid: string;
  readonly iccid: string;
  readonly imsi: string;
  readonly firstSequenceOf87: readonly string[];
  readonly sequenceOf88: readonly string[];
  readonly secondSequenceOf87: readonly string[];
  readonly sequenceOf86: readonly string[];
  readonly metadata: string;
  readonly upp: string;
}

function readVectors<T>(file: string): T {
  return JSON.parse(readFileSync(new URL(`../vectors/${file}`, import.meta.url), "utf8")) as T;
}

export const goldenVectors = readVectors<readonly GoldenVector[]>("sgp32-golden.json");
export const foreignVectors = readVectors<readonly ForeignVector[]>("foreign-asn1.json");
export const foreignBpp = readVectors<ForeignBpp>("foreign-bpp.json");
