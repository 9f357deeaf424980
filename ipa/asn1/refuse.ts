// How the codec refuses: an ASN1_ error that names the path of the field and the byte offset in the input.
import { type ErrorCode, SimwardError } from "../../base/errors.ts";
import { childrenOf, rawOf, readOnlyTlv, type Tlv } from "./tlv.ts";

type Path = readonly string[];

export function show(path: Path): string {
  return path.length === 0 ? "value" : path.join(".");
}

export function range(min: number, max: number): string {
  if (min === max) return String(min);
  return max === Number.POSITIVE_INFINITY ? `${min} or more` : `${min} to ${max}`;
}

export function fail(code: ErrorCode, path: Path, offset: number, reason: string): never {
  throw new SimwardError(code, { detail: `${show(path)} at offset ${offset}: ${reason}`, data: { path: path.join("."), offset } });
}

export function failToWrite(path: Path, reason: string, cause?: unknown): never {
  throw new SimwardError("ASN1_ENCODE", { detail: `${show(path)}: ${reason}`, data: { path: path.join(".") }, cause });
}

/** Adds the path to what the TLV reader refuses. */
export function located<T>(path: Path, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof SimwardError)) throw error;
    throw new SimwardError(error.code, { detail: `${show(path)} at ${error.detail ?? ""}`, data: { ...error.data, path: path.join(".") } });
  }
}

export function childrenAt(tlv: Tlv, path: Path): Tlv[] {
  return located(path, () => childrenOf(tlv));
}

/** For writers that take octets as they are: they must be exactly one TLV. */
export function wholeTlv(bytes: Uint8Array, path: Path): Uint8Array {
  try {
    return rawOf(readOnlyTlv(bytes));
  } catch (error) {
    return failToWrite(path, "not one TLV", error);
  }
}
