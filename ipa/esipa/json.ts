// ESipa's JSON binding (SGP.32 §6.4) as tables: each function's members, their ASN.1 tags and how a value is written. Messages stay ASN.1 on our
// side; here they are put into JSON and taken out of it.
import { utf8 } from "../../base/bytes.ts";
import { SimwardError } from "../../base/errors.ts";
import { encode, integer } from "../asn1/schema.ts";
import { childrenOf, readOnlyTlv, writeTlv } from "../asn1/tlv.ts";
import { type Alternative, failureIn, type Member, malformed, member, parsed, readAlternative, written } from "./json-codec.ts";

interface JsonFunction {
  readonly tag: number;
  readonly request: readonly Member[];
  readonly responses: readonly Alternative[];
  /** What success without any member is. */
  readonly empty?: Uint8Array;
  readonly errorTag: number;
  /** Subject and reason code → the error INTEGER of the ASN.1 binding. */
  readonly errors: Readonly<Record<string, number>>;
}

const transactionId = member("transactionId", 0x80, "hex");
const undefinedError = 127;

/** By the last part of the path. Codes: SGP.32 §6.4 and, for what an SM-DP+ said, SGP.22 §5.6. */
const functions: Readonly<Record<string, JsonFunction>> = {
  initiateAuthentication: {
    tag: 0xbf39,
    request: [
      member("euiccChallenge", 0x81, "content"),
      member("smdpAddress", 0x83, "text"),
      member("euiccInfo1", 0xbf20),
      member("eimTransactionId", 0x82, "hex"),
    ],
    responses: [
      {
        when: "serverSigned1",
        holder: 0xa0,
        members: [
          transactionId,
          member("serverSigned1", 0x30),
          member("serverSignature1", 0x5f37, "content", 0x5f37),
          member("euiccCiPKIdentifierToBeUsed", 0x04, "content", 0x04),
          member("serverCertificate", 0x30),
          member("matchingId", 0x0c, "text"),
          member("ctxParams1", 0xa2, "inner"),
        ],
      },
    ],
    errorTag: 0x81,
    errors: {
      "8.8.1/3.8": 1,
      "8.8.3/3.1": 2,
      "8.8.2/3.1": 3,
      "8.8.4/3.7": 3,
      "8.8.1/3.10": 50,
      "8.8/3.10": 51,
      "8.31.2/3.10": 52,
    },
  },
  authenticateClient: {
    tag: 0xbf3b,
    request: [transactionId, member("authenticateServerResponse", 0xbf38)],
    responses: [
      {
        when: "smdpSigned2",
        holder: 0xa0,
        members: [
          transactionId,
          member("profileMetadata", 0xbf25),
          member("smdpSigned2", 0x30),
          member("smdpSignature2", 0x5f37, "content", 0x5f37),
          member("smdpCertificate", 0x30),
          member("hashCc", 0x04, "content", 0x04),
        ],
      },
      { when: "transactionId", holder: 0xa1, members: [transactionId, member("profileDownloadTrigger", 0xbf54)] },
    ],
    errorTag: 0x82,
    errors: {
      "8.1.2/6.1": 1,
      "8.1.2/6.3": 2,
      "8.1.3/6.1": 3,
      "8.1.3/6.3": 4,
      "8.1/6.1": 5,
      "8.2.6/3.8": 6,
      "8.1.1/3.8": 7,
      "8.2.5/4.3": 8,
      "8.11.1/3.9": 9,
      "8.10.1/3.9": 10,
      "8.1/4.8": 11,
      "8.8.5/4.10": 18,
      "8.2.8/1.2": 50,
      "8.9.5/3.9": 56,
    },
  },
  getBoundProfilePackage: {
    tag: 0xbf3a,
    request: [transactionId, member("prepareDownloadResponse", 0xbf21)],
    responses: [{ when: "boundProfilePackage", holder: 0xa0, members: [transactionId, member("boundProfilePackage", 0xbf36)] }],
    errorTag: 0x81,
    errors: {
      "8.1/6.1": 1,
      "8.2.7/2.2": 2,
      "8.2.7/3.8": 3,
      "8.2.7/6.4": 4,
      "8.2/3.7": 5,
      "8.8.5/4.10": 6,
      "8.2.9/3.11": 50,
      "8.10.1/3.9": 95,
    },
  },
  cancelSession: {
    tag: 0xbf41,
    // The ASN.1 request has the contents of the card's BF41 under A1, the JSON one the card's BF41.
    request: [transactionId, member("cancelSessionResponse", 0xa1, "tlv", 0xbf41)],
    responses: [],
    empty: writeTlv(0xa0),
    errorTag: 0x81,
    errors: { "8.10.1/3.9": 1, "8.1/6.1": 2 },
  },
  handleNotification: {
    tag: 0xbf3d,
    request: [member("pendingNotification", 0xa0, "inner"), member("provideEimPackageResult", 0xbf50)],
    responses: [],
    empty: new Uint8Array(0),
    errorTag: 0x81,
    errors: {},
  },
  getEimPackage: {
    tag: 0xbf4f,
    request: [
      member("eidValue", 0x5a, "digits"),
      member("notifyStateChange", 0x80, "true"),
      member("stateChangeCause", 0x81, "integer"),
      member("rPlmn", 0x82, "content"),
    ],
    responses: [
      { when: "euiccPackageRequest", members: [member("euiccPackageRequest", 0xbf51)] },
      { when: "ipaEuiccDataRequest", members: [member("ipaEuiccDataRequest", 0xbf52)] },
      { when: "profileDownloadTriggerRequest", members: [member("profileDownloadTriggerRequest", 0xbf54)] },
      { when: "eimPackageError", members: [member("eimPackageError", 0x02, "integer")] },
    ],
    // Success without a package is said by some in place of noEimPackageAvailable.
    empty: writeTlv(0x02, Uint8Array.of(1)),
    errorTag: 0x02,
    errors: { "8.1.1/3.7": 1, "8.1.1/3.9": 2, "8.1.1/2.1": 3, "8.1.1/2.2": 4 },
  },
  provideEimPackageResult: {
    tag: 0xbf50,
    // Whatever kind of result it is: a CHOICE, whose tag tells.
    request: [member("eidValue", 0x5a, "digits"), member("eimPackageResult", 0)],
    responses: [{ when: "eimAcknowledgements", members: [member("eimAcknowledgements", 0xbf53)] }],
    empty: writeTlv(0x30),
    errorTag: 0x02,
    errors: { "8.1.1/3.9": 2, "8.1.1/2.1": 3, "8.1.1/2.2": 4 },
  },
};

/** A request of the ASN.1 binding as the JSON body. Throws INTERNAL for what the tables do not hold. */
export function jsonRequest(functionName: string, message: Uint8Array): Uint8Array {
  const { tag, request } = functionOf(functionName);
  const tlv = readOnlyTlv(message);
  if (tlv.tag !== tag) throw new SimwardError("INTERNAL", { detail: `ESipa.${functionName}: another function's message` });
  const members = childrenOf(tlv).map((child) => {
    const found = request.find((one) => one.tag === child.tag) ?? request.find((one) => one.tag === 0);
    if (found === undefined)
      throw new SimwardError("INTERNAL", { detail: `ESipa.${functionName}: no JSON member for ${child.tag.toString(16)}` });
    return [found.name, written(found, child)];
  });
  return utf8(JSON.stringify(Object.fromEntries(members)));
}

/** A JSON response as the message of the ASN.1 binding; errors become its error INTEGER. Throws ESIPA_RESPONSE. */
export function jsonResponse(functionName: string, body: Uint8Array): Uint8Array {
  const { tag, responses, empty, errorTag, errors } = functionOf(functionName);
  const where = `ESipa.${functionName}`;
  if (body.length === 0) return functionName === "handleNotification" ? body : malformed(where, "no body");
  const json = parsed(where, body);
  const failure = failureIn(json);
  if (failure !== undefined) return writeTlv(tag, encode(integer(errorTag), errors[failure] ?? undefinedError));
  const parts = readAlternative(where, responses, json);
  if (parts !== undefined) return writeTlv(tag, ...parts);
  if (empty === undefined) return malformed(where, "none of its members is there");
  return functionName === "handleNotification" ? empty : writeTlv(tag, empty);
}

function functionOf(functionName: string): JsonFunction {
  const found = Object.hasOwn(functions, functionName) ? functions[functionName] : undefined;
  if (found === undefined) throw new SimwardError("INTERNAL", { detail: `ESipa.${functionName} has no JSON binding` });
  return found;
}
