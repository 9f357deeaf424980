// TransferEimPackage in JSON (SGP.32 §6.4) from the eIM's side: BF4E out as members, the vehicle's members back as BF4E.
import { fromUtf8, utf8 } from "../../base/bytes.ts";
import { SimwardError } from "../../base/errors.ts";
import { childrenOf, rawOf, readOnlyTlv, writeTlv } from "../../ipa/asn1/tlv.ts";

const packages: Readonly<Record<number, string>> = {
  48977: "euiccPackageRequest",
  48978: "ipaEuiccDataRequest",
  48979: "eimAcknowledgements",
  48980: "profileDownloadTriggerRequest",
};
const results = ["euiccPackageResult", "ePRAndNotifications", "ipaEuiccDataResponse"];

/** Octets that are no message go as they are: the vehicle has to stand that. */
export function transferToJson(message: Uint8Array): Uint8Array {
  try {
    const members = childrenOf(readOnlyTlv(message)).map((part) => [
      packages[part.tag] ?? part.tag.toString(16),
      Buffer.from(rawOf(part)).toString("base64"),
    ]);
    return utf8(JSON.stringify(Object.fromEntries(members)));
  } catch {
    return message;
  }
}

/** Throws SIM_REQUEST for what is no answer. */
export function transferFromJson(body: Uint8Array): Uint8Array {
  const none = (reason: string): never => {
    throw new SimwardError("SIM_REQUEST", { detail: `TransferEimPackage in JSON: ${reason}` });
  };
  let json: unknown;
  try {
    json = JSON.parse(fromUtf8(body));
  } catch {
    return none("the answer is not JSON");
  }
  if (typeof json !== "object" || json === null) return none("the answer is no object");
  const answer = json as Readonly<Record<string, unknown>>;
  const { header, eimPackageReceived, eimPackageError } = answer;
  if (JSON.stringify(header) !== '{"functionExecutionStatus":{"status":"Executed-Success"}}')
    return none(`its header is ${JSON.stringify(header)}`);
  if (eimPackageReceived === true) return writeTlv(0xbf4e, writeTlv(0x05));
  if (typeof eimPackageError === "number") return writeTlv(0xbf4e, writeTlv(0x02, Uint8Array.of(eimPackageError)));
  const result = results.map((name) => answer[name]).find((value) => typeof value === "string");
  return typeof result === "string" ? writeTlv(0xbf4e, new Uint8Array(Buffer.from(result, "base64"))) : none("it has none of the members");
}
