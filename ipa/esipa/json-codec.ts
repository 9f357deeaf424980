// Values and envelopes of GSMA's JSON bindings (SGP.22 §6.5, SGP.32 §6.4): members as tables, JSON to ASN.1 and back. Octets that others have
// signed are carried as they came.
import { bcdToDigits, fromHex, fromUtf8, toHexUpper, utf8 } from "../../base/bytes.ts";
import { SimwardError } from "../../base/errors.ts";
import { encode, integer } from "../asn1/schema.ts";
import { contentOf, rawOf, readOnlyTlv, type Tlv, writeTlv } from "../asn1/tlv.ts";
import { collapsed } from "../euicc/double-tag.ts";

/** tlv: base64 of the whole TLV. content: base64 of what is inside. inner: base64 of the one TLV inside. */
export type Coding = "tlv" | "content" | "inner" | "hex" | "digits" | "text" | "true" | "integer";

export interface Member {
  readonly name: string;
  /** Of the ASN.1 message. */
  readonly tag: number;
  readonly coding: Coding;
  /** Its tag in JSON, where that is another one. */
  readonly jsonTag?: number;
}

/** A CHOICE of the ASN.1 response: taken when the JSON has the member `when`. */
export interface Alternative {
  readonly when: string;
  /** The members go into this tag; without one they stand in the response itself. */
  readonly holder?: number;
  readonly members: readonly Member[];
}

export const member = (name: string, tag: number, coding: Coding = "tlv", jsonTag?: number): Member => ({
  name,
  tag,
  coding,
  ...(jsonTag === undefined ? {} : { jsonTag }),
});

/** The response in ASN.1, without the tag around it: the first alternative whose member is there. Undefined when there is none. */
export function readAlternative(where: string, responses: readonly Alternative[], json: Json): Uint8Array[] | undefined {
  const found = responses.find(({ when }) => Object.hasOwn(json, when) && json[when] !== undefined && json[when] !== null);
  if (found === undefined) return undefined;
  const parts = found.members.flatMap((one) => {
    const value = Object.hasOwn(json, one.name) ? json[one.name] : undefined;
    return value === undefined || value === null ? [] : [read(where, one, value)];
  });
  return found.holder === undefined ? parts : [writeTlv(found.holder, ...parts)];
}

// --- one value --------------------------------------------------------------------------------------------------------------

export function written({ coding, jsonTag }: Member, tlv: Tlv): string | number | boolean {
  const content = contentOf(tlv);
  switch (coding) {
    case "tlv":
      return toBase64(jsonTag === undefined ? rawOf(tlv) : writeTlv(jsonTag, content));
    case "content":
      return toBase64(content);
    case "inner":
      return toBase64(content);
    case "hex":
      return toHexUpper(content);
    case "digits":
      return bcdToDigits(content);
    case "text":
      return fromUtf8(content);
    case "true":
      return true;
    case "integer":
      return content.reduce((sum, octet) => sum * 256 + octet, 0);
  }
}

function read(where: string, one: Member, value: unknown): Uint8Array {
  const { name, tag, coding } = one;
  const wrong = (reason: string): never => malformed(where, `${name}: ${reason}`);
  if (coding === "integer") {
    const number = typeof value === "string" && /^\d{1,3}$/.test(value) ? Number(value) : value;
    return typeof number === "number" && Number.isSafeInteger(number) ? encode(integer(tag), number) : wrong("no integer");
  }
  if (typeof value !== "string") return wrong("no string");
  switch (coding) {
    case "hex":
      return /^([0-9A-Fa-f]{2}){1,16}$/.test(value) ? writeTlv(tag, fromHex(value)) : wrong("not hex of 1 to 16 octets");
    case "text":
      return writeTlv(tag, utf8(value));
    case "true":
    case "digits":
      return wrong("not of a response");
    default: {
      const octets = fromBase64(value) ?? wrong("no base64");
      const tlv = readWhole(octets);
      // Signatures and key identifiers come with or without their envelope.
      if (coding === "content") return tlv?.tag === tag ? octets : writeTlv(tag, octets);
      if (tlv === undefined) return wrong("no TLV");
      if (coding === "inner") return tlv.tag === tag ? octets : writeTlv(tag, octets);
      const meant = collapsed(tlv);
      if (meant.tag !== tag) return wrong(`another tag, ${meant.tag.toString(16)}`);
      return rawOf(meant);
    }
  }
}

function readWhole(octets: Uint8Array): Tlv | undefined {
  try {
    return readOnlyTlv(octets);
  } catch {
    return undefined;
  }
}

export function toBase64(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("base64");
}

/** White space inside is passed over. Undefined when it is no base64. */
export function fromBase64(text: string): Uint8Array | undefined {
  const compact = text.replace(/\s+/g, "");
  if (!/^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}(?:==)?|[A-Za-z0-9+/]{3}=?)?$/.test(compact)) return undefined;
  return new Uint8Array(Buffer.from(compact, "base64"));
}

// --- the envelope -----------------------------------------------------------------------------------------------------------

export type Json = Readonly<Record<string, unknown>>;

export const isObject = (value: unknown): value is Json => typeof value === "object" && value !== null && !Array.isArray(value);

export function parsed(where: string, body: Uint8Array): Json {
  let json: unknown;
  try {
    json = JSON.parse(fromUtf8(body));
  } catch {
    // The engine's own words quote the body.
    throw new SimwardError("ESIPA_RESPONSE", { detail: `${where}: the body is not JSON` });
  }
  return isObject(json) ? json : malformed(where, "the body is no JSON object");
}

/** "8.1.1/3.9" of a function that failed; "" when it does not say why. */
export function failureIn({ header }: Json): string | undefined {
  const execution = isObject(header) && isObject(header.functionExecutionStatus) ? header.functionExecutionStatus : undefined;
  const { status } = execution ?? {};
  if (status === undefined || status === "Executed-Success" || status === "Executed-WithWarning") return undefined;
  const data = isObject(execution?.statusCodeData) ? execution.statusCodeData : {};
  return isStatusCode(data.subjectCode) && isStatusCode(data.reasonCode) ? `${data.subjectCode}/${data.reasonCode}` : "";
}

/** SGP.22 §5.2.6: numbers and dots. Whatever else a server writes there would find its way into log and audit trail. */
function isStatusCode(value: unknown): value is string {
  return typeof value === "string" && /^\d{1,3}(\.\d{1,3}){0,4}$/.test(value);
}

export function malformed(where: string, reason: string): never {
  throw new SimwardError("ESIPA_RESPONSE", { detail: `${where}: ${reason}` });
}
