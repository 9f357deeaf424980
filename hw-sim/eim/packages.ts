// What the eIM writes: signed eUICC packages, data requests, download triggers, and its own EimConfigurationData (SGP.32 §2.11.1).
import type { KeyObject } from "node:crypto";
import { digitsToBcd } from "../../base/bytes.ts";
import { encode, integer, sealed, signed } from "../../ipa/asn1/schema.ts";
import { contentOf, rawOf, writeTlv } from "../../ipa/asn1/tlv.ts";
import { EimConfigurationData } from "../../ipa/messages/eim-config.ts";
import { GetEimPackageResponse, IpaEuiccDataRequest, ProfileDownloadTriggerRequest } from "../../ipa/messages/esipa.ts";
import { type EuiccPackage, EuiccPackageRequest, EuiccPackageSigned } from "../../ipa/messages/package.ts";
import { ecdsaSign, inDer } from "../crypto/ecdsa.ts";
import { rebuilt } from "../rewriting.ts";
import type { EimFaults } from "./faults.ts";
import type { OrderRequest } from "./order-input.ts";

export interface PackageFields {
  readonly eimId: string;
  /** 32 digits. */
  readonly eid: string;
  readonly counterValue: number;
  readonly eimTransactionId: Uint8Array;
  readonly euiccPackage: EuiccPackage;
  /** Of this eIM in that eUICC; undefined where none is configured, which signs as 0. */
  readonly associationToken: number | undefined;
}

/** The TLV that eIM and eUICC put behind what they sign: 84 with the token, `84 01 00` where there is none (SGP.32 §2.11.1.1). */
export const tokenTlv = (associationToken: number | undefined): Uint8Array => encode(integer(0x84), associationToken ?? 0);

/** How this eIM's messages differ from the standard's. */
export type MessageForm = Pick<EimFaults, "derSignatures" | "taggedRollbackFlag" | "universalSmdsAddress">;

const standardForm: MessageForm = { derSignatures: false, taggedRollbackFlag: false, universalSmdsAddress: false };

/** BF51. */
export function signedPackage(fields: PackageFields, key: KeyObject, form: MessageForm = standardForm): Uint8Array {
  const { eimId, eid, counterValue, eimTransactionId, euiccPackage, associationToken } = fields;
  const standard = sealed(signed(EuiccPackageSigned), {
    eimId,
    eidValue: digitsToBcd(eid),
    counterValue,
    eimTransactionId,
    euiccPackage,
  });
  const euiccPackageSigned = form.taggedRollbackFlag ? { ...standard, raw: withTaggedRollbackFlag(standard.raw) } : standard;
  const signature = ecdsaSign(key, euiccPackageSigned.raw, tokenTlv(associationToken));
  return encode(EuiccPackageRequest, { euiccPackageSigned, eimSignature: form.derSignatures ? inDer(signature) : signature });
}

/** The enable PSMO's rollbackFlag as 81 in place of NULL. */
function withTaggedRollbackFlag(raw: Uint8Array): Uint8Array {
  return rebuilt(raw, [0x30, 0xa0, 0xa3], (part) => (part.tag === 0x05 ? writeTlv(0x81) : rawOf(part)));
}

/** BF54. */
export function downloadTrigger(
  { trigger }: Extract<OrderRequest, { kind: "download" }>,
  eimTransactionId: Uint8Array,
  form: MessageForm,
): Uint8Array {
  const standard = encode(ProfileDownloadTriggerRequest, { profileDownloadData: trigger, eimTransactionId });
  if (!form.universalSmdsAddress) return standard;
  return rebuilt(standard, [0xbf54, 0xa0, 0xa2], (part) => (part.tag === 0x80 ? writeTlv(0x0c, contentOf(part)) : rawOf(part)));
}

/** BF52. */
export function dataRequest(request: Extract<OrderRequest, { kind: "ipaEuiccData" }>, eimTransactionId: Uint8Array): Uint8Array {
  const { tagList, euiccCiPKId, notifications, packageResult } = request;
  return encode(IpaEuiccDataRequest, {
    tagList,
    euiccCiPKIdentifierToBeUsed: euiccCiPKId,
    searchCriteriaNotification:
      notifications === undefined
        ? undefined
        : "seqNumber" in notifications
          ? { kind: "seqNumber", value: notifications.seqNumber }
          : { kind: "profileManagementOperation", value: [notifications.event] },
    searchCriteriaEuiccPackageResult: packageResult === undefined ? undefined : { kind: "seqNumber", value: packageResult },
    eimTransactionId,
  });
}

/** BF4F with one of the above inside, or any other octets. */
export const packageResponse = (eimPackage: Uint8Array): Uint8Array => writeTlv(0xbf4f, eimPackage);

export const noPackage = (error: "noEimPackageAvailable" | "eidNotFound" | "invalidEid" | "missingEid" | number): Uint8Array =>
  encode(GetEimPackageResponse, { kind: "eimPackageError", value: error });

export interface ConfigurationOptions {
  /** What the eUICC starts from; the eIM's first package has one more. */
  readonly counterValue?: number;
  /** -1 asks the eUICC for a token; none by default. */
  readonly associationToken?: number;
  readonly fqdn?: string;
  /** How the eUICC knows the eIM's signing key. */
  readonly signing?: "certificate" | "publicKey";
  /** How the IPA knows the eIM in TLS: the CA above it by default. */
  readonly tls?: "ca" | "certificate" | "publicKey" | "none";
  readonly protocols?: readonly ("eimRetrieveHttps" | "eimRetrieveCoaps" | "eimInjectHttps" | "eimInjectCoaps")[];
  readonly indirectProfileDownload?: boolean;
}

export interface ConfigurationKeys {
  readonly eimId: string;
  readonly fqdn: string;
  /** DER. */
  readonly signingCertificate: Uint8Array;
  readonly signingKey: Uint8Array;
  readonly tlsCertificate: Uint8Array;
  readonly tlsKey: Uint8Array;
  readonly caCertificate: Uint8Array;
  readonly euiccCiPKId: Uint8Array;
}

/** EimConfigurationData, DER: what an eUICC is told of this eIM. */
export function configurationData(keys: ConfigurationKeys, options: ConfigurationOptions = {}): Uint8Array {
  const {
    signing = "certificate",
    tls = "ca",
    protocols = ["eimRetrieveHttps", "eimRetrieveCoaps"],
    indirectProfileDownload = true,
  } = options;
  const trusted = {
    ca: { kind: "trustedCertificateTls", value: keys.caCertificate },
    certificate: { kind: "trustedCertificateTls", value: keys.tlsCertificate },
    publicKey: { kind: "trustedEimPkTls", value: keys.tlsKey },
    none: undefined,
  } as const;
  return encode(EimConfigurationData, {
    eimId: keys.eimId,
    eimFqdn: options.fqdn ?? keys.fqdn,
    eimIdType: "eimIdTypeProprietary",
    counterValue: options.counterValue ?? 0,
    associationToken: options.associationToken,
    eimPublicKeyData:
      signing === "certificate"
        ? { kind: "eimCertificate", value: keys.signingCertificate }
        : { kind: "eimPublicKey", value: keys.signingKey },
    trustedPublicKeyDataTls: trusted[tls],
    eimSupportedProtocol: protocols,
    euiccCiPKId: keys.euiccCiPKId,
    ...(indirectProfileDownload ? { indirectProfileDownload: true } : {}),
  });
}
