// TransferEimPackage on the wire (SGP.32 §5.14.4): what an eIM brings, and how a report becomes its answer. Octets that others signed are only wrapped.
import { SimwardError } from "../../base/errors.ts";
import { decode, encode, namedInteger } from "../asn1/schema.ts";
import { childrenOf, rawOf, readOnlyTlv, type Tlv, tagName, writeTlv } from "../asn1/tlv.ts";
import { collapsed } from "../euicc/double-tag.ts";
import { EimAcknowledgements, IpaEuiccDataRequest, ProfileDownloadTriggerRequest } from "../messages/esipa.ts";
import { EuiccPackageRequest } from "../messages/package.ts";

/** With the octets as they came. */
export type InjectedPackage =
  | { readonly kind: "euiccPackage"; readonly raw: Uint8Array; readonly value: EuiccPackageRequest }
  | { readonly kind: "ipaEuiccData"; readonly raw: Uint8Array; readonly value: IpaEuiccDataRequest }
  | { readonly kind: "profileDownload"; readonly raw: Uint8Array; readonly value: ProfileDownloadTriggerRequest }
  | { readonly kind: "acknowledgements"; readonly raw: Uint8Array; readonly value: readonly number[] };

/** Throws PACKAGE_FORMAT, PACKAGE_UNKNOWN. */
export function readInjected(message: Uint8Array): InjectedPackage {
  const member = onlyMember(message);
  const raw = rawOf(member);
  try {
    switch (member.tag) {
      case 0xbf51:
        return { kind: "euiccPackage", raw, value: decode(EuiccPackageRequest, raw, { name: "EuiccPackageRequest" }) };
      case 0xbf52:
        return { kind: "ipaEuiccData", raw, value: decode(IpaEuiccDataRequest, raw, { name: "IpaEuiccDataRequest" }) };
      case 0xbf53: {
        const numbers = decode(EimAcknowledgements, raw, { name: "EimAcknowledgements" });
        return { kind: "acknowledgements", raw, value: numbers.map(Number) };
      }
      case 0xbf54: {
        const value = decode(ProfileDownloadTriggerRequest, raw, { name: "ProfileDownloadTriggerRequest" });
        return { kind: "profileDownload", raw, value };
      }
    }
  } catch (cause) {
    throw formatError(cause);
  }
  throw new SimwardError("PACKAGE_UNKNOWN", { detail: `tag ${tagName(member.tag)}` });
}

function onlyMember(message: Uint8Array): Tlv {
  let tlv: Tlv;
  let members: readonly Tlv[];
  try {
    tlv = readOnlyTlv(message);
    members = tlv.tag === 0xbf4e ? childrenOf(collapsed(tlv)) : [];
  } catch (cause) {
    throw formatError(cause);
  }
  if (tlv.tag !== 0xbf4e) throw new SimwardError("PACKAGE_FORMAT", { detail: `${tagName(tlv.tag)} where BF4E belongs` });
  const [member, more] = members;
  if (member === undefined || more !== undefined)
    throw new SimwardError("PACKAGE_FORMAT", { detail: `TransferEimPackageRequest holds ${members.length} packages, not one` });
  return collapsed(member);
}

function formatError(cause: unknown): SimwardError {
  const detail = cause instanceof SimwardError ? (cause.detail ?? cause.message) : undefined;
  return new SimwardError("PACKAGE_FORMAT", { ...(detail === undefined ? {} : { detail }), cause });
}

const EimPackageError = namedInteger({ invalidPackageFormat: 1, unknownPackage: 2, undefinedError: 127 });

export type TransferError = "invalidPackageFormat" | "unknownPackage" | "undefinedError";

/** BF4E{02} */
export function transferError(error: TransferError): Uint8Array {
  return writeTlv(0xbf4e, encode(EimPackageError, error));
}

/** BF4E{05 00}, eimPackageReceived: what comes of it is told later, with ProvideEimPackageResult. */
export const packageReceived: Uint8Array = writeTlv(0xbf4e, writeTlv(0x05));

/** BF4E around an EuiccPackageResult as the card keeps it. */
export function transferResult(euiccPackageResult: Uint8Array): Uint8Array {
  return writeTlv(0xbf4e, euiccPackageResult);
}

/**
 * The BF4E that says what a BF50 says; undefined for what only a BF50 can say. `bare`: without the notifications, for a peer that has not shown that
 * they are its business.
 */
export function transferAnswer(provideEimPackageResult: Uint8Array, bare: boolean): Uint8Array | undefined {
  // EID first, where it is there at all; the result is last.
  const result = childrenOf(collapsed(readOnlyTlv(provideEimPackageResult))).at(-1);
  switch (result?.tag) {
    case 0xbf51:
    case 0xbf52:
    case 0x02:
      return writeTlv(0xbf4e, rawOf(result));
    case 0x30: {
      const [packageResult] = childrenOf(result);
      return writeTlv(0xbf4e, bare && packageResult !== undefined ? rawOf(packageResult) : rawOf(result));
    }
    case 0xa0: {
      const code = childrenOf(result).find(({ tag }) => tag === 0x02);
      return code === undefined ? transferError("undefinedError") : writeTlv(0xbf4e, rawOf(code));
    }
    default:
      return undefined;
  }
}

/** What an answer says, for audit and displays: the member's name in TransferEimPackageResponse, or the error's. */
export function answerName(message: Uint8Array): string {
  const [member] = childrenOf(readOnlyTlv(message));
  switch (member?.tag) {
    case 0xbf51:
      return "euiccPackageResult";
    case 0x30:
      return "ePRAndNotifications";
    case 0xbf52:
      return "ipaEuiccDataResponse";
    case 0x05:
      return "eimPackageReceived";
    default:
      return member === undefined ? "nothing" : String(decode(EimPackageError, rawOf(member), { name: "eimPackageError" }));
  }
}
