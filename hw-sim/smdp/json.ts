// The JSON of ES9+ (SGP.22 §6.5): values are base64 of whole TLVs, identifiers upper-case hex, and each answer has a header with its status.
import { fromHex, toHexUpper } from "../../base/bytes.ts";
import { decode, type Type } from "../../ipa/asn1/schema.ts";
import { readTlv } from "../../ipa/asn1/tlv.ts";
import { type Es9Codes, type Es9StatusName, es9Statuses, es9StatusOf, refuse } from "./status.ts";

export type JsonObject = Readonly<Record<string, unknown>>;

export const isObject = (value: unknown): value is JsonObject => typeof value === "object" && value !== null && !Array.isArray(value);

/** White space, even line breaks, is allowed inside. Undefined when it is no base64. */
export function fromBase64(text: string): Uint8Array | undefined {
  const compact = text.replace(/\s+/g, "");
  if (compact.length % 4 !== 0 || !/^[A-Za-z0-9+/]*={0,2}$/.test(compact)) return undefined;
  return new Uint8Array(Buffer.from(compact, "base64"));
}

export const toBase64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString("base64");

/** A value with or without its envelope: some peers send the content of 5F37 or 04 alone. */
export function withoutEnvelope(bytes: Uint8Array, tag: number): Uint8Array {
  try {
    const tlv = readTlv(bytes);
    if (tlv.tag === tag && tlv.end === bytes.length) return bytes.slice(tlv.contentStart);
  } catch {
    // Not a TLV at all: the content itself.
  }
  return bytes;
}

// --- reading a request ------------------------------------------------------------------------------------------------------

export function textField(body: JsonObject, name: string): string {
  const value = body[name];
  if (value === undefined) throw refuse("elementMissing", name);
  if (typeof value !== "string") throw refuse("elementInvalid", `${name} is no string`);
  return value;
}

export function bytesField(body: JsonObject, name: string): Uint8Array {
  const bytes = fromBase64(textField(body, name));
  if (bytes === undefined) throw refuse("elementInvalid", `${name} is not base64`);
  return bytes;
}

export function tlvField<T>(body: JsonObject, name: string, type: Type<T>): T {
  const bytes = bytesField(body, name);
  try {
    return decode(type, bytes, { name });
  } catch (error) {
    throw refuse("elementInvalid", error instanceof Error ? error.message : name);
  }
}

/** 1 to 16 octets in hex, either case. */
export function transactionIdField(body: JsonObject): Uint8Array {
  const text = textField(body, "transactionId");
  if (!/^([0-9A-Fa-f]{2}){1,16}$/.test(text)) throw refuse("elementInvalid", "transactionId is not hex of 1 to 16 octets");
  return fromHex(text);
}

// --- writing an answer ------------------------------------------------------------------------------------------------------

export function success(fields: JsonObject): JsonObject {
  return { header: { functionExecutionStatus: { status: "Executed-Success" } }, ...fields };
}

export function failure(status: Es9StatusName, message?: string): JsonObject {
  const { subjectCode, reasonCode, message: text } = es9Statuses[status];
  const statusCodeData = { subjectCode, reasonCode, message: message ?? text };
  return { header: { functionExecutionStatus: { status: "Failed", statusCodeData } } };
}

/** The header of a status given by its codes. */
export function headerOf(codes: Es9Codes): JsonObject {
  const { subjectCode, reasonCode, execution = "Failed" } = codes;
  const known = es9StatusOf(codes);
  const message = known === undefined ? undefined : es9Statuses[known].message;
  const statusCodeData = { subjectCode, reasonCode, ...(message === undefined ? {} : { message }) };
  return { header: { functionExecutionStatus: { status: execution, statusCodeData } } };
}

export const transactionIdText = (transactionId: Uint8Array): string => toHexUpper(transactionId);
