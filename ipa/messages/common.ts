// Types that the messages of SGP.22 and SGP.32 share: octet strings of fixed size, identifiers, versions, X.509 structures, rules.
// Paragraphs are those of SGP.22 v2.5 and SGP.32 v1.2; where both define a name, the type here is SGP.32's, which reads both.
import { embedded } from "../asn1/embedded.ts";
import {
  alsoTag,
  anyType,
  bitString,
  explicit,
  type Infer,
  implicit,
  integer,
  namedBits,
  namedInteger,
  nullType,
  octets,
  oid,
  optional,
  seq,
  seqOf,
  utf8String,
} from "../asn1/schema.ts";

/** SGP.32 Annex C: NULL under a name. */
export const AsnNull = nullType();
export type AsnNull = Infer<typeof AsnNull>;

/** SGP.22 Annex H */
export const Octet1 = octets(0x04, { min: 1, max: 1 });
export type Octet1 = Infer<typeof Octet1>;
/** SGP.22 Annex H */
export const Octet2 = octets(0x04, { min: 2, max: 2 });
export type Octet2 = Infer<typeof Octet2>;
/** SGP.22 Annex H */
export const Octet4 = octets(0x04, { min: 4, max: 4 });
export type Octet4 = Infer<typeof Octet4>;
/** SGP.22 Annex H */
export const Octet8 = octets(0x04, { min: 8, max: 8 });
export type Octet8 = Infer<typeof Octet8>;
/** SGP.22 Annex H */
export const Octet16 = octets(0x04, { min: 16, max: 16 });
export type Octet16 = Infer<typeof Octet16>;
/** SGP.22 Annex H */
export const OctetTo16 = octets(0x04, { min: 1, max: 16 });
export type OctetTo16 = Infer<typeof OctetTo16>;
/** SGP.22 Annex H */
export const Octet32 = octets(0x04, { min: 32, max: 32 });
export type Octet32 = Infer<typeof Octet32>;

/** SGP.22 Annex H: major, minor, revision, an octet each. */
export const VersionType = octets(0x04, { min: 3, max: 3 });
export type VersionType = Infer<typeof VersionType>;

/** SGP.22 Annex H: as in EF.ICCID, nibbles swapped, padded with F. */
export const Iccid = octets(0x5a, { min: 10, max: 10 });
export type Iccid = Infer<typeof Iccid>;

/** SGP.22 Annex H */
export const TransactionId = octets(0x04, { min: 1, max: 16 });
export type TransactionId = Infer<typeof TransactionId>;

/** SGP.22 §5.5.1 */
export const RemoteOpId = namedInteger({ installBoundProfilePackage: 1 }, 0x82);
export type RemoteOpId = Infer<typeof RemoteOpId>;

/** eimId where it is a component [0] of its own (SGP.32 §2.11.1.1). */
export const eimIdComponent = utf8String(0x80, { min: 1, max: 128 });

// --- X.509 (RFC 5280) -------------------------------------------------------------------------------------------------------

/** RFC 5280 §4.1, as its own DER */
export const Certificate = embedded("Certificate");
export type Certificate = Infer<typeof Certificate>;
/** RFC 5280 §4.1.2.7, as its own DER */
export const SubjectPublicKeyInfo = embedded("SubjectPublicKeyInfo");
export type SubjectPublicKeyInfo = Infer<typeof SubjectPublicKeyInfo>;
/** RFC 5280 §5.1, as its own DER */
export const CertificateList = embedded("CertificateList");
export type CertificateList = Infer<typeof CertificateList>;
/** RFC 5280 §4.2.1.2 */
export const SubjectKeyIdentifier = octets();
export type SubjectKeyIdentifier = Infer<typeof SubjectKeyIdentifier>;

// --- notifications and rules ------------------------------------------------------------------------------------------------

/** SGP.22 §2.4a.1 */
export const NotificationEvent = namedBits({
  notificationInstall: 0,
  notificationEnable: 1,
  notificationDisable: 2,
  notificationDelete: 3,
});
export type NotificationEvent = Infer<typeof NotificationEvent>;

/** SGP.22 §2.4a.1 */
export const NotificationConfigurationInformation = seq({
  profileManagementOperation: implicit(0x80, NotificationEvent),
  notificationAddress: utf8String(0x81),
});
export type NotificationConfigurationInformation = Infer<typeof NotificationConfigurationInformation>;

/** SGP.22 §2.9.2.1 */
export const PprIds = namedBits({ pprUpdateControl: 0, ppr1: 1, ppr2: 2 });
export type PprIds = Infer<typeof PprIds>;

/** SGP.22 §2.4a.1: mccMnc as 3GPP TS 24.008 codes it */
export const OperatorId = seq({
  mccMnc: octets(0x80, { min: 3, max: 3 }),
  gid1: optional(octets(0x81)),
  gid2: optional(octets(0x82)),
});
export type OperatorId = Infer<typeof OperatorId>;

/** SGP.22 §2.4a.1 */
export const DpProprietaryData = seq({ dpOid: alsoTag(oid(0x80), 0x06) });
export type DpProprietaryData = Infer<typeof DpProprietaryData>;

/** SGP.22 §2.4a.1: whatever a vendor puts under its OID, kept whole */
export const VendorSpecificExtension = seqOf(seq({ vendorOid: oid(0x80), vendorSpecificData: explicit(0xa1, anyType()) }));
export type VendorSpecificExtension = Infer<typeof VendorSpecificExtension>;

/** SGP.22 §2.9.2.4 */
export const ProfilePolicyAuthorisationRule = seq({
  pprIds: implicit(0x80, PprIds),
  allowedOperators: seqOf(OperatorId, 0xa1),
  pprFlags: namedBits({ consentRequired: 0 }, 0x82),
});
export type ProfilePolicyAuthorisationRule = Infer<typeof ProfilePolicyAuthorisationRule>;
/** SGP.22 §2.9.2.4 */
export const RulesAuthorisationTable = seqOf(ProfilePolicyAuthorisationRule);
export type RulesAuthorisationTable = Infer<typeof RulesAuthorisationTable>;

// --- the device -------------------------------------------------------------------------------------------------------------

/** SGP.22 §4.2: reserved there */
export const CatSupportedClasses = bitString();
export type CatSupportedClasses = Infer<typeof CatSupportedClasses>;
/** SGP.22 §4.2: reserved there */
export const EuiccFormFactorType = integer();
export type EuiccFormFactorType = Infer<typeof EuiccFormFactorType>;
/** SGP.22 §4.2 */
export const DeviceAdditionalFeatureSupport = seq({ naiSupport: optional(implicit(0x80, VersionType)) });
export type DeviceAdditionalFeatureSupport = Infer<typeof DeviceAdditionalFeatureSupport>;

/** SGP.22 §4.2: the highest release supported of each */
export const DeviceCapabilities = seq({
  gsmSupportedRelease: optional(implicit(0x80, VersionType)),
  utranSupportedRelease: optional(implicit(0x81, VersionType)),
  cdma2000onexSupportedRelease: optional(implicit(0x82, VersionType)),
  cdma2000hrpdSupportedRelease: optional(implicit(0x83, VersionType)),
  cdma2000ehrpdSupportedRelease: optional(implicit(0x84, VersionType)),
  eutranEpcSupportedRelease: optional(implicit(0x85, VersionType)),
  contactlessSupportedRelease: optional(implicit(0x86, VersionType)),
  rspCrlSupportedVersion: optional(implicit(0x87, VersionType)),
  nrEpcSupportedRelease: optional(implicit(0x88, VersionType)),
  nr5gcSupportedRelease: optional(implicit(0x89, VersionType)),
  eutran5gcSupportedRelease: optional(implicit(0x8a, VersionType)),
  lpaSvn: optional(implicit(0x8b, VersionType)),
  catSupportedClasses: optional(implicit(0x8c, CatSupportedClasses)),
  euiccFormFactorType: optional(implicit(0x8d, EuiccFormFactorType)),
  deviceAdditionalFeatureSupport: optional(implicit(0xae, DeviceAdditionalFeatureSupport)),
});
export type DeviceCapabilities = Infer<typeof DeviceCapabilities>;

/** SGP.22 §4.2: TAC and IMEI in TBCD */
export const DeviceInfo = seq({
  tac: implicit(0x80, Octet4),
  deviceCapabilities: implicit(0xa1, DeviceCapabilities),
  imei: optional(implicit(0x82, Octet8)),
});
export type DeviceInfo = Infer<typeof DeviceInfo>;
