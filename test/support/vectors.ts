// Vectors that others made: golden ones of SGP.32, and what other ASN.1 compilers wrote.
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

function readVectors<T>(file: string): readonly T[] {
  return JSON.parse(readFileSync(new URL(`../vectors/${file}`, import.meta.url), "utf8")) as readonly T[];
}

export const goldenVectors = readVectors<GoldenVector>("sgp32-golden.json");
export const foreignVectors = readVectors<ForeignVector>("foreign-asn1.json");
