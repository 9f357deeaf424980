// What an IPA checks of an RSP server before it lets the eUICC talk to it, and of a profile before it lets it in (SGP.22 §3.0.1, §3.1.3). Pure.
import { equalBytes, toHex } from "../../base/bytes.ts";
import { SimwardError } from "../../base/errors.ts";
import { decode, encode } from "../asn1/schema.ts";
import { metadataOfBpp } from "../euicc/bpp.ts";
import type { SubjectKeyIdentifier } from "../messages/common.ts";
import type { InitiateAuthenticationOkEsipa, ProfileDownloadTriggerRequest } from "../messages/esipa.ts";
import { EUICCInfo1 } from "../messages/euicc-info.ts";
import { StoreMetadataRequest } from "../messages/profile-info.ts";
import { parseActivationCode } from "./activation-code.ts";
import { authorityKeyIdOf, registeredIdOf } from "./certificate.ts";

export interface DownloadTarget {
  /** Undefined when the eIM keeps it to itself. */
  readonly smdpAddress: string | undefined;
  /** Secret; undefined when the server is to find the order by the EID, or the eIM tells it later. */
  readonly matchingId: string | undefined;
  readonly smdpOid: string | undefined;
  readonly confirmationCodeRequired: boolean;
}

/** Throws ACTIVATION_CODE, DOWNLOAD_FAILED when the eUICC has no such address. */
export function targetOf(
  trigger: ProfileDownloadTriggerRequest,
  addresses: { readonly defaultDpAddress?: string | undefined; readonly rootDsAddress: string } | undefined,
): DownloadTarget {
  const data = trigger.profileDownloadData;
  const at = (smdpAddress: string | undefined): DownloadTarget => ({
    smdpAddress,
    matchingId: undefined,
    smdpOid: undefined,
    confirmationCodeRequired: false,
  });
  const known = (address: string | undefined, what: string): string => {
    if (address === undefined || address === "") throw new SimwardError("DOWNLOAD_FAILED", { detail: `the eUICC has no ${what}` });
    return address;
  };
  switch (data?.kind) {
    case undefined:
      return at(undefined);
    case "activationCode":
      return parseActivationCode(data.value);
    case "contactDefaultSmdp":
      return at(known(addresses?.defaultDpAddress, "default SM-DP+ address"));
    case "contactSmds":
      return at(known(data.value.smdsAddress ?? addresses?.rootDsAddress, "root SM-DS address"));
  }
}

/** EUICCInfo1 in which only that CI is offered, where the eIM's configuration names one (SGP.32 §3.2.3.2). Throws DOWNLOAD_REFUSED. */
export function restrictedInfo1(info: EUICCInfo1, raw: Uint8Array, allowed: SubjectKeyIdentifier | undefined): Uint8Array {
  if (allowed === undefined) return raw;
  const only = (list: readonly Uint8Array[]): Uint8Array[] => list.filter((id) => equalBytes(id, allowed));
  const restricted = {
    ...info,
    euiccCiPKIdListForVerification: only(info.euiccCiPKIdListForVerification),
    euiccCiPKIdListForSigning: only(info.euiccCiPKIdListForSigning),
  };
  if (restricted.euiccCiPKIdListForSigning.length === 0)
    throw new SimwardError("DOWNLOAD_REFUSED", { detail: `the eIM is bound to CI ${toHex(allowed)}, which this eUICC does not sign for` });
  return encode(EUICCInfo1, restricted);
}

/** Throws DOWNLOAD_REFUSED: this is not the server that was meant, or not under the CI that is allowed. Answers the whole CI key identifier. */
export function checkServer(
  answer: InitiateAuthenticationOkEsipa,
  asked: {
    readonly euiccChallenge: Uint8Array;
    readonly target: DownloadTarget;
    readonly info: EUICCInfo1;
    readonly allowedCi: SubjectKeyIdentifier | undefined;
  },
): SubjectKeyIdentifier {
  const refuse = (reason: string): never => {
    throw new SimwardError("DOWNLOAD_REFUSED", { detail: reason });
  };
  const { transactionId, euiccChallenge, serverAddress } = answer.serverSigned1.value;
  if (!equalBytes(euiccChallenge, asked.euiccChallenge)) refuse("serverSigned1 is about another challenge");
  if (answer.transactionId !== undefined && !equalBytes(answer.transactionId, transactionId)) refuse("two transaction ids in one answer");
  const { smdpAddress, smdpOid } = asked.target;
  if (smdpAddress !== undefined && serverAddress.toLowerCase() !== smdpAddress.toLowerCase())
    refuse(`the server signs as ${serverAddress}, asked was ${smdpAddress}`);
  const oid = registeredIdOf(answer.serverCertificate);
  if (smdpOid !== undefined && oid !== smdpOid)
    refuse(`the server's OID is ${oid ?? "not in its certificate"}, the activation code says ${smdpOid}`);
  const named = answer.euiccCiPKIdentifierToBeUsed;
  const lists = [...asked.info.euiccCiPKIdListForSigning, ...asked.info.euiccCiPKIdListForVerification];
  const whole = lists.find((id) => named.length > 0 && equalBytes(id.subarray(0, named.length), named));
  if (whole === undefined) return refuse(`CI ${toHex(named)} is not one of this eUICC's`);
  if (asked.allowedCi !== undefined) {
    if (!equalBytes(whole, asked.allowedCi)) refuse(`CI ${toHex(whole)} is not the one this eIM is bound to`);
    const authority = authorityKeyIdOf(answer.serverCertificate);
    if (authority === undefined || !equalBytes(authority, asked.allowedCi))
      refuse("the server's certificate is not under the CI this eIM is bound to");
  }
  return whole;
}

/** Whether the package stores what was shown before (SGP.22 §3.1.3.3). Undefined when it does, or when the package does not show it. */
export function metadataMismatch(shown: StoreMetadataRequest, bpp: Uint8Array): string | undefined {
  const inside = metadataInside(bpp);
  if (inside === undefined) return undefined;
  const significant = (metadata: StoreMetadataRequest): Uint8Array =>
    encode(StoreMetadataRequest, {
      iccid: metadata.iccid,
      serviceProviderName: metadata.serviceProviderName,
      profileName: metadata.profileName,
      profileClass: metadata.profileClass,
      profileOwner: metadata.profileOwner,
      profilePolicyRules: metadata.profilePolicyRules?.length === 0 ? undefined : metadata.profilePolicyRules,
    });
  return equalBytes(significant(shown), significant(inside)) ? undefined : "the package's metadata is not what was authenticated";
}

export function metadataInside(bpp: Uint8Array): StoreMetadataRequest | undefined {
  try {
    const bytes = metadataOfBpp(bpp);
    return bytes === undefined ? undefined : decode(StoreMetadataRequest, bytes, { name: "StoreMetadataRequest" });
  } catch {
    // The eUICC judges it, and says so in its result.
    return undefined;
  }
}
