// The profile elements of security domains, remote file management and applications (TCA §8.6 to §8.8), with GlobalPlatform's tags.
// A context tag may come twice in one element here: order tells the parts apart.
import { type Infer, implicit, integer, octets, oid, optional, seq, seqOf, withDefault } from "../../../ipa/asn1/schema.ts";
import { ApplicationIdentifier, PEHeader } from "./common.ts";

const header = implicit(0xa0, PEHeader);
const memoryQuota = { min: 2, max: 4 };

/** GlobalPlatform Card Specification, INSTALL [for install] system parameters. */
export const ApplicationSystemParameters = seq({
  volatileMemoryQuotaC7: optional(octets(0xc7, memoryQuota)),
  nonVolatileMemoryQuotaC8: optional(octets(0xc8, memoryQuota)),
  globalServiceParameters: optional(octets(0xcb)),
  implicitSelectionParameter: optional(octets(0xcf)),
  volatileReservedMemory: optional(octets(0xd7, memoryQuota)),
  nonVolatileReservedMemory: optional(octets(0xd8, memoryQuota)),
  ts102226SIMFileAccessToolkitParameter: optional(octets(0xca)),
  ts102226AdditionalContactlessParameters: optional(seq({ protocolParameterData: octets(0x80) }, 0xa0)),
  contactlessProtocolParameters: optional(octets(0xd9)),
  userInteractionContactlessParameters: optional(octets(0xda)),
  cumulativeGrantedVolatileMemory: optional(octets(0x82, memoryQuota)),
  cumulativeGrantedNonVolatileMemory: optional(octets(0x83, memoryQuota)),
});

export const UICCApplicationParameters = seq({
  uiccToolkitApplicationSpecificParametersField: optional(octets(0x80)),
  uiccAccessApplicationSpecificParametersField: optional(octets(0x81)),
  uiccAdministrativeAccessApplicationSpecificParametersField: optional(octets(0x82)),
});

/** TCA §8.7.3 */
export const ApplicationInstance = seq({
  applicationLoadPackageAID: ApplicationIdentifier,
  classAID: ApplicationIdentifier,
  instanceAID: ApplicationIdentifier,
  extraditeSecurityDomainAID: optional(ApplicationIdentifier),
  applicationPrivileges: octets(0x82),
  lifeCycleState: withDefault(octets(0x83, { min: 1, max: 1 }), Uint8Array.of(0x07)),
  applicationSpecificParametersC9: octets(0xc9),
  systemSpecificParameters: optional(implicit(0xef, ApplicationSystemParameters)),
  applicationParameters: optional(implicit(0xea, UICCApplicationParameters)),
  processData: optional(seqOf(octets())),
  controlReferenceTemplate: optional(seq({ applicationProviderIdentifier: octets(0x5f20) }, 0xb0)),
});
export type ApplicationInstance = Infer<typeof ApplicationInstance>;

/** TCA §8.6.3 */
export const KeyObject = seq({
  keyUsageQualifier: octets(0x95, { min: 1, max: 2 }),
  keyAccess: withDefault(octets(0x96, { min: 1, max: 1 }), Uint8Array.of(0x00)),
  keyIdentifier: octets(0x82, { min: 1, max: 1 }),
  keyVersionNumber: octets(0x83, { min: 1, max: 1 }),
  keyCounterValue: optional(octets(0x85)),
  keyCompontents: seqOf(seq({ keyType: octets(0x80), keyData: octets(0x86), macLength: withDefault(integer(0x87), 8) })),
});

/** TCA §8.6 */
export const PE_SecurityDomain = seq({
  "sd-Header": header,
  instance: implicit(0xa1, ApplicationInstance),
  keyList: optional(seqOf(KeyObject, 0xa2)),
  sdPersoData: optional(seqOf(octets(), 0xa3)),
  openPersoData: optional(
    seq({ restrictParameter: optional(octets(0xd9, { min: 1, max: 1 })), contactlessProtocolParameters: optional(octets()) }, 0xa4),
  ),
  catTpParameters: optional(seq({ catTpMaxSduSize: integer(0x80), catTpMaxPduSize: integer(0x81) }, 0xa5)),
});
export type PE_SecurityDomain = Infer<typeof PE_SecurityDomain>;

/** TCA §8.7.2 */
export const ApplicationLoadPackage = seq({
  loadPackageAID: ApplicationIdentifier,
  securityDomainAID: optional(ApplicationIdentifier),
  nonVolatileCodeLimitC6: optional(octets(0xc6)),
  volatileDataLimitC7: optional(octets(0xc7)),
  nonVolatileDataLimitC8: optional(octets(0xc8)),
  hashValue: optional(octets(0xc1)),
  loadBlockObject: octets(0xc4),
});

/** TCA §8.7 */
export const PE_Application = seq({
  "app-Header": header,
  loadBlock: optional(implicit(0xa1, ApplicationLoadPackage)),
  instanceList: optional(seqOf(ApplicationInstance, 0xa2)),
});
export type PE_Application = Infer<typeof PE_Application>;

/** TCA §8.8 */
export const PE_RFM = seq({
  "rfm-header": header,
  instanceAID: ApplicationIdentifier,
  securityDomainAID: optional(ApplicationIdentifier),
  tarList: optional(seqOf(octets(0x04, { min: 3, max: 3 }), 0xa0)),
  minimumSecurityLevel: octets(0x81, { min: 1, max: 1 }),
  uiccAccessDomain: octets(),
  uiccAdminAccessDomain: octets(),
  adfRFMAccess: optional(
    seq({ adfAID: octets(0x80, { min: 5, max: 16 }), adfAccessDomain: octets(0x81), adfAdminAccessDomain: octets(0x82) }),
  ),
});
export type PE_RFM = Infer<typeof PE_RFM>;

/** TCA §8.10 */
export const PE_NonStandard = seq({ "nonStandard-header": header, issuerID: oid(0x81), content: octets(0x82) });
