// What an eUICC says of itself: EUICCInfo1 and 2, its capabilities, the ISD-R's FCI templates, EID.
import { type Infer, implicit, namedBits, namedInteger, nullType, octets, optional, seq, seqOf, utf8String } from "../asn1/schema.ts";
import { Octet1, Octet16, PprIds, SubjectKeyIdentifier, VersionType } from "./common.ts";

/** SGP.22 §5.7.8, bits as the TCA eUICC Profile Package names them */
export const UICCCapability = namedBits({
  contactlessSupport: 0,
  usimSupport: 1,
  isimSupport: 2,
  csimSupport: 3,
  akaMilenage: 4,
  akaCave: 5,
  akaTuak128: 6,
  akaTuak256: 7,
  usimTestAlgorithm: 8,
  rfu2: 9,
  gbaAuthenUsim: 10,
  gbaAuthenISim: 11,
  mbmsAuthenUsim: 12,
  eapClient: 13,
  javacard: 14,
  multos: 15,
  multipleUsimSupport: 16,
  multipleIsimSupport: 17,
  multipleCsimSupport: 18,
  berTlvFileSupport: 19,
  dfLinkSupport: 20,
  catTp: 21,
  getIdentity: 22,
  "profile-a-x25519": 23,
  "profile-b-p256": 24,
  suciCalculatorApi: 25,
  "dns-resolution": 26,
  scp11ac: 27,
  "scp11c-authorization-mechanism": 28,
  s16mode: 29,
  eaka: 30,
  iotminimal: 31,
});
export type UICCCapability = Infer<typeof UICCCapability>;

/** SGP.22 §4.3 */
export const RspCapability = namedBits({
  additionalProfile: 0,
  crlSupport: 1,
  rpmSupport: 2,
  testProfileSupport: 3,
  deviceInfoExtensibilitySupport: 4,
  serviceSpecificDataSupport: 5,
});
export type RspCapability = Infer<typeof RspCapability>;

/** SGP.22 §4.3 */
export const CertificateInfo = namedBits({
  reserved: 0,
  certSigningX509: 1,
  rfu2: 2,
  rfu3: 3,
  reserved2: 4,
  certVerificationX509: 5,
});
export type CertificateInfo = Infer<typeof CertificateInfo>;

/** SGP.22 §4.3: where the eUICC's DLOA is */
export const CertificationDataObject = seq({ platformLabel: utf8String(0x80), discoveryBaseURL: utf8String(0x81) });
export type CertificationDataObject = Infer<typeof CertificationDataObject>;

/** SGP.32 §5.9.2 */
export const IpaMode = namedInteger({ ipad: 0, ipae: 1 });
export type IpaMode = Infer<typeof IpaMode>;

/** SGP.32 §5.9.2 */
export const IoTSpecificInfo = seq({
  iotVersion: seqOf(VersionType, 0xa0),
  ecallSupported: optional(nullType(0x81)),
  fallbackSupported: optional(nullType(0x82)),
});
export type IoTSpecificInfo = Infer<typeof IoTSpecificInfo>;

/** SGP.22 §5.7.8 */
export const GetEuiccInfo1Request = seq({}, 0xbf20);
export type GetEuiccInfo1Request = Infer<typeof GetEuiccInfo1Request>;

/** SGP.22 §5.7.8 */
export const EUICCInfo1 = seq(
  {
    svn: implicit(0x82, VersionType),
    euiccCiPKIdListForVerification: seqOf(SubjectKeyIdentifier, 0xa9),
    euiccCiPKIdListForSigning: seqOf(SubjectKeyIdentifier, 0xaa),
  },
  0xbf20,
);
export type EUICCInfo1 = Infer<typeof EUICCInfo1>;

/** SGP.22 §5.7.8 */
export const GetEuiccInfo2Request = seq({}, 0xbf22);
export type GetEuiccInfo2Request = Infer<typeof GetEuiccInfo2Request>;

/** SGP.32 §5.9.2 */
export const EUICCInfo2 = seq(
  {
    profileVersion: implicit(0x81, VersionType),
    svn: implicit(0x82, VersionType),
    euiccFirmwareVer: implicit(0x83, VersionType),
    extCardResource: octets(0x84),
    uiccCapability: implicit(0x85, UICCCapability),
    ts102241Version: optional(implicit(0x86, VersionType)),
    globalplatformVersion: optional(implicit(0x87, VersionType)),
    rspCapability: implicit(0x88, RspCapability),
    euiccCiPKIdListForVerification: seqOf(SubjectKeyIdentifier, 0xa9),
    euiccCiPKIdListForSigning: seqOf(SubjectKeyIdentifier, 0xaa),
    euiccCategory: optional(namedInteger({ other: 0, basicEuicc: 1, mediumEuicc: 2, contactlessEuicc: 3 }, 0x8b)),
    forbiddenProfilePolicyRules: optional(implicit(0x99, PprIds)),
    ppVersion: VersionType,
    sasAcreditationNumber: utf8String(0x0c, { max: 64 }),
    certificationDataObject: optional(implicit(0xac, CertificationDataObject)),
    treProperties: optional(namedBits({ isDiscrete: 0, isIntegrated: 1, usesRemoteMemory: 2 }, 0x8d)),
    treProductReference: optional(utf8String(0x8e)),
    additionalEuiccProfilePackageVersions: optional(seqOf(VersionType, 0xaf)),
    ipaMode: optional(implicit(0x90, IpaMode)),
    euiccCiPKIdListForSigningV3: optional(seqOf(SubjectKeyIdentifier, 0xb1)),
    additionalEuiccInfo: optional(octets(0x92, { max: 32 })),
    highestSvn: optional(implicit(0x93, VersionType)),
    iotSpecificInfo: optional(implicit(0xb4, IoTSpecificInfo)),
  },
  0xbf22,
);
export type EUICCInfo2 = Infer<typeof EUICCInfo2>;

/** SGP.22 §5.7.20 */
export const GetEuiccDataRequest = seq({ tagList: implicit(0x5c, Octet1) }, 0xbf3e);
export type GetEuiccDataRequest = Infer<typeof GetEuiccDataRequest>;
/** SGP.22 §5.7.20: the EID */
export const GetEuiccDataResponse = seq({ eidValue: implicit(0x5a, Octet16) }, 0xbf3e);
export type GetEuiccDataResponse = Infer<typeof GetEuiccDataResponse>;

// --- FCI of the ISD-R -------------------------------------------------------------------------------------------------------

/** SGP.22 §5.7.1 */
export const ISDRProprietaryApplicationTemplate = seq(
  {
    svn: implicit(0x82, VersionType),
    lpaeSupport: optional(namedBits({ lpaeUsingCat: 0, lpaeUsingScws: 1 })),
  },
  0xe0,
);
export type ISDRProprietaryApplicationTemplate = Infer<typeof ISDRProprietaryApplicationTemplate>;

/** SGP.32 §3.8.4 */
export const ISDRProprietaryApplicationTemplateIoT = seq(
  { euiccConfiguration: namedBits({ ipaeSupported: 0, enabledProfile: 1 }, 0x80) },
  0xe1,
);
export type ISDRProprietaryApplicationTemplateIoT = Infer<typeof ISDRProprietaryApplicationTemplateIoT>;

/** SGP.22 §5.7.1 */
export const LpaeActivationRequest = seq({ lpaeOption: namedBits({ activateCatBasedLpae: 0, activateScwsBasedLpae: 1 }, 0x80) }, 0xbf42);
export type LpaeActivationRequest = Infer<typeof LpaeActivationRequest>;
/** SGP.22 §5.7.1 */
export const LpaeActivationResponse = seq({ lpaeActivationResult: namedInteger({ ok: 0, notSupported: 1 }, 0x80) }, 0xbf42);
export type LpaeActivationResponse = Infer<typeof LpaeActivationResponse>;

/** SGP.32 §3.8.4 */
export const IpaeActivationRequest = seq({ ipaeOption: namedBits({ activateIpae: 0 }, 0x80) }, 0xbf42);
export type IpaeActivationRequest = Infer<typeof IpaeActivationRequest>;
/** SGP.32 §3.8.4 */
export const IpaeActivationResponse = seq({ ipaeActivationResult: namedInteger({ ok: 0, notSupported: 1 }, 0x80) }, 0xbf42);
export type IpaeActivationResponse = Infer<typeof IpaeActivationResponse>;
