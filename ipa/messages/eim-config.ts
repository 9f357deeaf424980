// What an eUICC knows of its eIMs: EimConfigurationData and the ES10b functions that set, read and reset it (BF55, BF57, BF59, BF64, BF65).
import { embedded } from "../asn1/embedded.ts";
import {
  alsoTag,
  choice,
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
import { eimIdComponent, SubjectKeyIdentifier, VendorSpecificExtension } from "./common.ts";

/** SGP.32 §2.11.1.1 */
export const EimIdType = namedInteger({ eimIdTypeOid: 1, eimIdTypeFqdn: 2, eimIdTypeProprietary: 3 });
export type EimIdType = Infer<typeof EimIdType>;

/** SGP.32 §2.11.1.1 */
export const EimSupportedProtocol = namedBits({
  eimRetrieveHttps: 0,
  eimRetrieveCoaps: 1,
  eimInjectHttps: 2,
  eimInjectCoaps: 3,
  eimProprietary: 4,
});
export type EimSupportedProtocol = Infer<typeof EimSupportedProtocol>;

/** SGP.32 §2.11.1.1.1 */
export const EimConfigurationData = seq({
  eimId: eimIdComponent,
  eimFqdn: optional(utf8String(0x81)),
  eimIdType: optional(implicit(0x82, EimIdType)),
  counterValue: optional(integer(0x83)),
  associationToken: optional(integer(0x84)),
  eimPublicKeyData: optional(
    explicit(0xa5, choice({ eimPublicKey: embedded("SubjectPublicKeyInfo", 0xa0), eimCertificate: embedded("Certificate", 0xa1) })),
  ),
  trustedPublicKeyDataTls: optional(
    explicit(
      0xa6,
      choice({ trustedEimPkTls: embedded("SubjectPublicKeyInfo", 0xa0), trustedCertificateTls: embedded("Certificate", 0xa1) }),
    ),
  ),
  eimSupportedProtocol: optional(implicit(0x87, EimSupportedProtocol)),
  euiccCiPKId: optional(implicit(0x88, SubjectKeyIdentifier)),
  indirectProfileDownload: optional(nullType(0x89)),
  // v1.3
  eSipaProprietaryProtocolInformation: optional(implicit(0xaa, VendorSpecificExtension)),
});
export type EimConfigurationData = Infer<typeof EimConfigurationData>;

// --- ES10b ------------------------------------------------------------------------------------------------------------------

/** SGP.32 §5.9.18 */
export const GetEimConfigurationDataRequest = seq({ searchCriteria: optional(explicit(0xa0, choice({ eimId: eimIdComponent }))) }, 0xbf55);
export type GetEimConfigurationDataRequest = Infer<typeof GetEimConfigurationDataRequest>;
/** SGP.32 §5.9.18 */
export const GetEimConfigurationDataResponse = seq({ eimConfigurationDataList: seqOf(EimConfigurationData, 0xa0) }, 0xbf55);
export type GetEimConfigurationDataResponse = Infer<typeof GetEimConfigurationDataResponse>;

/** SGP.32 §5.9.4 */
export const AddInitialEimRequest = seq({ eimConfigurationDataList: seqOf(EimConfigurationData, 0xa0) }, 0xbf57);
export type AddInitialEimRequest = Infer<typeof AddInitialEimRequest>;
/** SGP.32 §5.9.4 */
export const AddInitialEimResponse = explicit(
  0xbf57,
  choice({
    addInitialEimOk: seqOf(choice({ associationToken: integer(0x84), addOk: nullType() }), 0xa0),
    addInitialEimError: namedInteger(
      {
        insufficientMemory: 1,
        associatedEimAlreadyExists: 2,
        ciPKUnknown: 3,
        invalidAssociationToken: 5,
        counterValueOutOfRange: 6,
        commandError: 7,
        undefinedError: 127,
      },
      0x81,
    ),
  }),
);
export type AddInitialEimResponse = Infer<typeof AddInitialEimResponse>;

/** SGP.32 §5.9.10: certificates of the eUICC for a CI key */
export const GetCertsRequest = seq({ euiccCiPKId: optional(alsoTag(octets(0x80), 0x04)) }, 0xbf56);
export type GetCertsRequest = Infer<typeof GetCertsRequest>;
/** SGP.32 §5.9.10 */
export const GetCertsResponse = explicit(
  0xbf56,
  choice({
    certs: seq({ eumCertificate: embedded("Certificate", 0xa5), euiccCertificate: embedded("Certificate", 0xa6) }, 0xa0),
    getCertsError: namedInteger({ invalidCiPKId: 1, undfinedError: 127 }, 0x81),
  }),
);
export type GetCertsResponse = Infer<typeof GetCertsResponse>;

/** SGP.32 §5.9.17 */
export const ConfigureImmediateProfileEnablingRequest = seq(
  {
    immediateEnableFlag: optional(nullType(0x80)),
    defaultSmdpOid: optional(oid(0x81)),
    defaultSmdpAddress: optional(utf8String(0x82)),
  },
  0xbf59,
);
export type ConfigureImmediateProfileEnablingRequest = Infer<typeof ConfigureImmediateProfileEnablingRequest>;
/** SGP.32 §5.9.17 */
export const ConfigureImmediateProfileEnablingResponse = seq(
  {
    configImmediateEnableResult: namedInteger({ ok: 0, insufficientMemory: 1, associatedEimAlreadyExists: 2, undefinedError: 127 }, 0x80),
  },
  0xbf59,
);
export type ConfigureImmediateProfileEnablingResponse = Infer<typeof ConfigureImmediateProfileEnablingResponse>;

// --- memory reset -----------------------------------------------------------------------------------------------------------

/** SGP.32 §5.9.5 (BF64); SGP.22's own is BF34 and another type */
export const Sgp32EuiccMemoryResetRequest = seq(
  {
    resetOptions: namedBits(
      {
        deleteOperationalProfiles: 0,
        deleteFieldLoadedTestProfiles: 1,
        resetDefaultSmdpAddress: 2,
        deletePreLoadedTestProfiles: 3,
        deleteProvisioningProfiles: 4,
        resetEimConfigData: 5,
        resetImmediateEnableConfig: 6,
      },
      0x82,
    ),
  },
  0xbf64,
);
export type Sgp32EuiccMemoryResetRequest = Infer<typeof Sgp32EuiccMemoryResetRequest>;
/** SGP.32 §5.9.5 (BF64) */
export const Sgp32EuiccMemoryResetResponse = seq(
  {
    resetResult: namedInteger({ ok: 0, nothingToDelete: 1, catBusy: 5, ecallActive: 104, undefinedError: 127 }, 0x80),
    resetEimResult: optional(namedInteger({ ok: 0, nothingToDelete: 1, eimResetNotSupported: 2, undefinedError: 127 }, 0x81)),
    resetImmediateEnableConfigResult: optional(namedInteger({ ok: 0, resetIECNotSupported: 1, undefinedError: 127 }, 0x82)),
  },
  0xbf64,
);
export type Sgp32EuiccMemoryResetResponse = Infer<typeof Sgp32EuiccMemoryResetResponse>;

/** SGP.22 §5.7.19 (BF34) */
export const EuiccMemoryResetRequest = seq(
  {
    resetOptions: namedBits({ deleteOperationalProfiles: 0, deleteFieldLoadedTestProfiles: 1, resetDefaultSmdpAddress: 2 }, 0x82),
  },
  0xbf34,
);
export type EuiccMemoryResetRequest = Infer<typeof EuiccMemoryResetRequest>;
/** SGP.22 §5.7.19 (BF34) */
export const EuiccMemoryResetResponse = seq(
  { resetResult: namedInteger({ ok: 0, nothingToDelete: 1, catBusy: 5, undefinedError: 127 }, 0x80) },
  0xbf34,
);
export type EuiccMemoryResetResponse = Infer<typeof EuiccMemoryResetResponse>;

// --- addresses --------------------------------------------------------------------------------------------------------------

/** SGP.32 §5.9.25 (BF65), also a PSMO; SGP.22's own is BF3F and another type */
export const Sgp32SetDefaultDpAddressRequest = seq({ defaultDpAddress: utf8String(0x80) }, 0xbf65);
export type Sgp32SetDefaultDpAddressRequest = Infer<typeof Sgp32SetDefaultDpAddressRequest>;
/** SGP.32 §5.9.25 (BF65) */
export const Sgp32SetDefaultDpAddressResponse = seq(
  { setDefaultDpAddressResult: namedInteger({ ok: 0, undefinedError: 127 }, 0x80) },
  0xbf65,
);
export type Sgp32SetDefaultDpAddressResponse = Infer<typeof Sgp32SetDefaultDpAddressResponse>;

/** SGP.22 §5.7.4 (BF3F) */
export const SetDefaultDpAddressRequest = seq({ defaultDpAddress: utf8String(0x80) }, 0xbf3f);
export type SetDefaultDpAddressRequest = Infer<typeof SetDefaultDpAddressRequest>;
/** SGP.22 §5.7.4 (BF3F) */
export const SetDefaultDpAddressResponse = seq({ setDefaultDpAddressResult: namedInteger({ ok: 0, undefinedError: 127 }, 0x80) }, 0xbf3f);
export type SetDefaultDpAddressResponse = Infer<typeof SetDefaultDpAddressResponse>;

/** SGP.22 §5.7.3 */
export const EuiccConfiguredAddressesRequest = seq({}, 0xbf3c);
export type EuiccConfiguredAddressesRequest = Infer<typeof EuiccConfiguredAddressesRequest>;
/** SGP.22 §5.7.3 */
export const EuiccConfiguredAddressesResponse = seq(
  { defaultDpAddress: optional(utf8String(0x80)), rootDsAddress: utf8String(0x81) },
  0xbf3c,
);
export type EuiccConfiguredAddressesResponse = Infer<typeof EuiccConfiguredAddressesResponse>;
