// The eIM's side of ESipa in JSON (SGP.32 §6.4): a function's JSON body becomes the message of the ASN.1 binding, and its answer JSON again, with
// the header and status codes that the JSON binding has. Written from the tables of §6.4 by itself: the IPA has its own.
import { digitsToBcd, fromHex, toHexUpper, utf8 } from "../../base/bytes.ts";
import { SimwardError } from "../../base/errors.ts";
import { encode, integer } from "../../ipa/asn1/schema.ts";
import { childrenOf, contentOf, rawOf, readOnlyTlv, type Tlv, writeTlv } from "../../ipa/asn1/tlv.ts";
import { fromBase64, isObject, type JsonObject, success, toBase64 } from "../smdp/json.ts";
import type { EsipaAnswer } from "./core.ts";

type Handle = (message: Uint8Array) => Promise<EsipaAnswer>;
export type JsonAnswer = { readonly status: number; readonly json?: JsonObject } | "silence";

/** How this eIM writes what the standard leaves open; for tests of peers. */
export interface JsonDialect {
  /** Signatures and key identifiers without their tags. */
  readonly bareValues: boolean;
  /** Base64 in lines. */
  readonly lineBreaks: boolean;
}

const functions: Readonly<
  Record<string, { readonly request: (body: JsonObject) => Uint8Array; readonly answer: (tlv: Tlv) => JsonObject }>
> = {
  getEimPackage: {
    request: (body) =>
      writeTlv(
        0xbf4f,
        ...optional(body, "eidValue", (text) => writeTlv(0x5a, eidOf(text))),
        ...(body.notifyStateChange === true ? [writeTlv(0x80)] : []),
        ...(typeof body.stateChangeCause === "number" ? [encode(integer(0x81), body.stateChangeCause)] : []),
        ...optional(body, "rPlmn", (text) => writeTlv(0x82, octets("rPlmn", text))),
      ),
    answer: (tlv) => {
      const [part] = childrenOf(tlv);
      const names: Readonly<Record<number, string>> = {
        48977: "euiccPackageRequest",
        48978: "ipaEuiccDataRequest",
        48980: "profileDownloadTriggerRequest",
      };
      if (part?.tag === 0x02) {
        const code = numberIn(part);
        return code === 1 ? success({ eimPackageError: code }) : failed("getEimPackage", code);
      }
      const name = part === undefined ? undefined : names[part.tag];
      return part === undefined || name === undefined ? success({}) : success({ [name]: toBase64(rawOf(part)) });
    },
  },
  provideEimPackageResult: {
    request: (body) =>
      writeTlv(
        0xbf50,
        ...optional(body, "eidValue", (text) => writeTlv(0x5a, eidOf(text))),
        octets("eimPackageResult", required(body, "eimPackageResult")),
      ),
    answer: (tlv) => {
      const [part] = childrenOf(tlv);
      if (part?.tag === 0x02) return failed("provideEimPackageResult", numberIn(part));
      return success(part?.tag === 0xbf53 ? { eimAcknowledgements: toBase64(rawOf(part)) } : {});
    },
  },
  initiateAuthentication: {
    request: (body) =>
      writeTlv(
        0xbf39,
        writeTlv(0x81, octets("euiccChallenge", required(body, "euiccChallenge"))),
        ...optional(body, "smdpAddress", (text) => writeTlv(0x83, utf8(text))),
        ...optional(body, "euiccInfo1", (text) => octets("euiccInfo1", text)),
        ...optional(body, "eimTransactionId", (text) => writeTlv(0x82, fromHex(text))),
      ),
    answer: (tlv) => {
      const [part] = childrenOf(tlv);
      if (part?.tag === 0x81) return failed("initiateAuthentication", numberIn(part));
      const fields = part === undefined ? [] : childrenOf(part);
      const [serverSigned1, serverCertificate] = fields.filter(({ tag }) => tag === 0x30);
      const matchingId = fields.find(({ tag }) => tag === 0x0c);
      const ctxParams1 = fields.find(({ tag }) => tag === 0xa2);
      return success({
        ...transactionOf(fields),
        ...whole("serverSigned1", serverSigned1),
        ...whole(
          "serverSignature1",
          fields.find(({ tag }) => tag === 0x5f37),
        ),
        ...whole(
          "euiccCiPKIdentifierToBeUsed",
          fields.find(({ tag }) => tag === 0x04),
        ),
        ...whole("serverCertificate", serverCertificate),
        ...(matchingId === undefined ? {} : { matchingId: new TextDecoder().decode(contentOf(matchingId)) }),
        ...(ctxParams1 === undefined ? {} : { ctxParams1: toBase64(contentOf(ctxParams1)) }),
      });
    },
  },
  authenticateClient: {
    request: (body) =>
      writeTlv(0xbf3b, transactionTlv(body), octets("authenticateServerResponse", required(body, "authenticateServerResponse"))),
    answer: (tlv) => {
      const [part] = childrenOf(tlv);
      if (part?.tag === 0x82) return failed("authenticateClient", numberIn(part));
      const fields = part === undefined ? [] : childrenOf(part);
      const find = (wanted: number): Tlv | undefined => fields.find(({ tag }) => tag === wanted);
      if (part?.tag === 0xa1) return success({ ...transactionOf(fields), ...whole("profileDownloadTrigger", find(0xbf54)) });
      const [smdpSigned2, smdpCertificate] = fields.filter(({ tag }) => tag === 0x30);
      return success({
        ...transactionOf(fields),
        ...whole("profileMetadata", find(0xbf25)),
        ...whole("smdpSigned2", smdpSigned2),
        ...whole("smdpSignature2", find(0x5f37)),
        ...whole("smdpCertificate", smdpCertificate),
        ...whole("hashCc", find(0x04)),
      });
    },
  },
  getBoundProfilePackage: {
    request: (body) => writeTlv(0xbf3a, transactionTlv(body), octets("prepareDownloadResponse", required(body, "prepareDownloadResponse"))),
    answer: (tlv) => {
      const [part] = childrenOf(tlv);
      if (part?.tag === 0x81) return failed("getBoundProfilePackage", numberIn(part));
      const fields = part === undefined ? [] : childrenOf(part);
      return success({
        ...transactionOf(fields),
        ...whole(
          "boundProfilePackage",
          fields.find(({ tag }) => tag === 0xbf36),
        ),
      });
    },
  },
  cancelSession: {
    request: (body) =>
      writeTlv(
        0xbf41,
        transactionTlv(body),
        writeTlv(0xa1, contentOf(readOnlyTlv(octets("cancelSessionResponse", required(body, "cancelSessionResponse"))))),
      ),
    answer: (tlv) => {
      const [part] = childrenOf(tlv);
      return part?.tag === 0x81 ? failed("cancelSession", numberIn(part)) : success({});
    },
  },
  handleNotification: {
    request: (body) =>
      writeTlv(
        0xbf3d,
        typeof body.pendingNotification === "string"
          ? writeTlv(0xa0, octets("pendingNotification", body.pendingNotification))
          : octets("provideEimPackageResult", required(body, "provideEimPackageResult")),
      ),
    answer: () => success({}),
  },
};

/** The status codes of each function's errors: SGP.32 §6.4 and, for what an SM-DP+ said, SGP.22 §5.6. */
const statusCodes: Readonly<Record<string, Readonly<Record<number, readonly [subjectCode: string, reasonCode: string]>>>> = {
  getEimPackage: { 1: ["8.1.1", "3.7"], 2: ["8.1.1", "3.9"], 3: ["8.1.1", "2.1"], 4: ["8.1.1", "2.2"] },
  provideEimPackageResult: { 2: ["8.1.1", "3.9"], 3: ["8.1.1", "2.1"], 4: ["8.1.1", "2.2"] },
  initiateAuthentication: {
    1: ["8.8.1", "3.8"],
    2: ["8.8.3", "3.1"],
    3: ["8.8.2", "3.1"],
    50: ["8.8.1", "3.10"],
    51: ["8.8", "3.10"],
    52: ["8.31.2", "3.10"],
  },
  authenticateClient: {
    1: ["8.1.2", "6.1"],
    2: ["8.1.2", "6.3"],
    3: ["8.1.3", "6.1"],
    4: ["8.1.3", "6.3"],
    5: ["8.1", "6.1"],
    6: ["8.2.6", "3.8"],
    7: ["8.1.1", "3.8"],
    8: ["8.2.5", "4.3"],
    9: ["8.11.1", "3.9"],
    10: ["8.10.1", "3.9"],
    11: ["8.1", "4.8"],
    18: ["8.8.5", "4.10"],
    50: ["8.2.8", "1.2"],
    56: ["8.9.5", "3.9"],
  },
  getBoundProfilePackage: {
    1: ["8.1", "6.1"],
    2: ["8.2.7", "2.2"],
    3: ["8.2.7", "3.8"],
    4: ["8.2.7", "6.4"],
    5: ["8.2", "3.7"],
    6: ["8.8.5", "4.10"],
    50: ["8.2.9", "3.11"],
    95: ["8.10.1", "3.9"],
  },
  cancelSession: { 1: ["8.10.1", "3.9"], 2: ["8.1", "6.1"] },
};
const executionError = ["8.8", "4.2"] as const;

/** One function of the JSON binding. 404 for a function there is none of, 400 for a body that is none of its. */
export async function answerJson(functionName: string, body: Uint8Array, handle: Handle, dialect: JsonDialect): Promise<JsonAnswer> {
  const found = Object.hasOwn(functions, functionName) ? functions[functionName] : undefined;
  if (found === undefined) return { status: 404 };
  let message: Uint8Array;
  try {
    const json: unknown = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(body));
    if (!isObject(json)) return { status: 400 };
    message = found.request(json);
  } catch {
    return { status: 400 };
  }
  const answer = await handle(message);
  if (answer === "silence") return answer;
  if (answer.status !== 200 || answer.body.length === 0) return { status: answer.status };
  return { status: 200, json: inDialect(found.answer(readOnlyTlv(answer.body)), dialect) };
}

function failed(functionName: string, code: number): JsonObject {
  const [subjectCode, reasonCode] = statusCodes[functionName]?.[code] ?? executionError;
  return { header: { functionExecutionStatus: { status: "Failed", statusCodeData: { subjectCode, reasonCode } } } };
}

const bareTags: Readonly<Record<string, number>> = {
  serverSignature1: 0x5f37,
  smdpSignature2: 0x5f37,
  euiccCiPKIdentifierToBeUsed: 0x04,
  hashCc: 0x04,
};

function inDialect(json: JsonObject, { bareValues, lineBreaks }: JsonDialect): JsonObject {
  const entries = Object.entries(json).map(([name, value]): [string, unknown] => {
    if (typeof value !== "string" || name === "transactionId" || name === "matchingId") return [name, value];
    const bare = bareValues && bareTags[name] !== undefined ? toBase64(contentOf(readOnlyTlv(octets(name, value)))) : value;
    return [name, lineBreaks ? bare.replace(/.{64}/g, "$&\r\n") : bare];
  });
  return Object.fromEntries(entries);
}

// --- values -----------------------------------------------------------------------------------------------------------------

function required(body: JsonObject, name: string): string {
  const value = body[name];
  if (typeof value !== "string") throw new SimwardError("SIM_REQUEST", { detail: `${name} is missing` });
  return value;
}

function optional(body: JsonObject, name: string, write: (text: string) => Uint8Array): Uint8Array[] {
  return body[name] === undefined ? [] : [write(required(body, name))];
}

function octets(name: string, text: string): Uint8Array {
  const bytes = fromBase64(text);
  if (bytes === undefined) throw new SimwardError("SIM_REQUEST", { detail: `${name} is no base64` });
  return bytes;
}

/** What is no EID is for the eIM to refuse by its code. */
function eidOf(text: string): Uint8Array {
  return /^\d{32}$/.test(text) ? digitsToBcd(text) : utf8(text);
}

const transactionTlv = (body: JsonObject): Uint8Array => writeTlv(0x80, fromHex(required(body, "transactionId")));

function transactionOf(fields: readonly Tlv[]): JsonObject {
  const found = fields.find(({ tag }) => tag === 0x80);
  return found === undefined ? {} : { transactionId: toHexUpper(contentOf(found)) };
}

const whole = (name: string, tlv: Tlv | undefined): JsonObject => (tlv === undefined ? {} : { [name]: toBase64(rawOf(tlv)) });

const numberIn = (tlv: Tlv): number => contentOf(tlv).reduce((sum, octet) => sum * 256 + octet, 0);
