// ESipa.TransferEimPackage in JSON (SGP.32 §6.4): the one function that an eIM calls on the IPA. Members are named as the alternatives of the ASN.1
// messages; what the standard leaves open of the answer is spelt so too.
import { utf8 } from "../../base/bytes.ts";
import { SimwardError } from "../../base/errors.ts";
import { childrenOf, readOnlyTlv, writeTlv } from "../asn1/tlv.ts";
import { malformed, member, parsed, readAlternative, written } from "./json-codec.ts";

const where = "ESipa.TransferEimPackage";

const requests = [
  member("euiccPackageRequest", 0xbf51),
  member("ipaEuiccDataRequest", 0xbf52),
  member("eimAcknowledgements", 0xbf53),
  member("profileDownloadTriggerRequest", 0xbf54),
].map((one) => ({ when: one.name, members: [one] }));

const answers = [
  member("euiccPackageResult", 0xbf51),
  member("ePRAndNotifications", 0x30),
  member("ipaEuiccDataResponse", 0xbf52),
  member("eimPackageReceived", 0x05, "true"),
  member("eimPackageError", 0x02, "integer"),
];

/** The body of a request as the BF4E of the ASN.1 binding. Throws ESIPA_RESPONSE for what is none, or more than one. */
export function transferRequest(body: Uint8Array): Uint8Array {
  const json = parsed(where, body);
  const there = requests.filter(({ when }) => Object.hasOwn(json, when));
  const parts = there.length === 1 ? readAlternative(where, there, json) : undefined;
  return parts === undefined ? malformed(where, `${there.length} packages`) : writeTlv(0xbf4e, ...parts);
}

/** A BF4E of ours as the body of the answer; a function's own error is a member, as in GetEimPackage. */
export function transferResponse(message: Uint8Array): Uint8Array {
  const [answer] = childrenOf(readOnlyTlv(message));
  const found = answers.find(({ tag }) => tag === answer?.tag);
  if (answer === undefined || found === undefined)
    throw new SimwardError("INTERNAL", { detail: `${where}: no JSON member for its answer` });
  const header = { functionExecutionStatus: { status: "Executed-Success" } };
  return utf8(JSON.stringify({ header, [found.name]: written(found, answer) }));
}
