// ES10b and ES10c functions that change or show profiles on command of the local assistant, and CRL loading.
import { embedded } from "../asn1/embedded.ts";
import {
  alsoTag,
  boolean as booleanType,
  choice,
  explicit,
  type Infer,
  implicit,
  integer,
  namedInteger,
  octets,
  optional,
  seq,
  seqOf,
  time,
} from "../asn1/schema.ts";
import { CertificateList, Iccid, OctetTo16, RulesAuthorisationTable } from "./common.ts";
import { EuiccPackageResult } from "./package.ts";

/** Whether the eUICC shall issue a REFRESH. */
const refreshFlag = alsoTag(booleanType(0x80), 0x01);

// --- SGP.32 -----------------------------------------------------------------------------------------------------------------

/** SGP.32 §5.9.15 */
export const ImmediateEnableRequest = seq({ refreshFlag }, 0xbf5a);
export type ImmediateEnableRequest = Infer<typeof ImmediateEnableRequest>;
/** SGP.32 §5.9.15 */
export const ImmediateEnableResponse = seq(
  {
    immediateEnableResult: namedInteger(
      { ok: 0, immediateEnableNotAvailable: 1, noSessionContext: 4, catBusy: 5, undefinedError: 127 },
      0x80,
    ),
  },
  0xbf5a,
);
export type ImmediateEnableResponse = Infer<typeof ImmediateEnableResponse>;

/** SGP.32 §5.9.16 */
export const ProfileRollbackRequest = seq({ refreshFlag }, 0xbf58);
export type ProfileRollbackRequest = Infer<typeof ProfileRollbackRequest>;
/** SGP.32 §5.9.16; the result, if there, takes the place of the package's first */
export const ProfileRollbackResponse = seq(
  {
    cmdResult: alsoTag(namedInteger({ ok: 0, rollbackNotAllowed: 1, catBusy: 5, commandError: 7, undefinedError: 127 }), 0x80),
    eUICCPackageResult: optional(EuiccPackageResult),
  },
  0xbf58,
);
export type ProfileRollbackResponse = Infer<typeof ProfileRollbackResponse>;

/** SGP.32 §5.9.20 */
export const ExecuteFallbackMechanismRequest = seq({ refreshFlag }, 0xbf5d);
export type ExecuteFallbackMechanismRequest = Infer<typeof ExecuteFallbackMechanismRequest>;
/** SGP.32 §5.9.20 */
export const ExecuteFallbackMechanismResponse = seq(
  {
    executeFallbackMechanismResult: namedInteger(
      {
        ok: 0,
        profileNotInDisabledState: 2,
        catBusy: 5,
        fallbackNotAvailable: 6,
        commandError: 7,
        ecallActive: 104,
        undefinedError: 127,
      },
      0x80,
    ),
  },
  0xbf5d,
);
export type ExecuteFallbackMechanismResponse = Infer<typeof ExecuteFallbackMechanismResponse>;

/** SGP.32 §5.9.21 */
export const ReturnFromFallbackRequest = seq({ refreshFlag }, 0xbf5e);
export type ReturnFromFallbackRequest = Infer<typeof ReturnFromFallbackRequest>;
/** SGP.32 §5.9.21 */
export const ReturnFromFallbackResponse = seq(
  {
    returnFromFallbackResult: namedInteger({ ok: 0, catBusy: 5, fallbackNotAvailable: 6, commandError: 7, undefinedError: 127 }, 0x80),
  },
  0xbf5e,
);
export type ReturnFromFallbackResponse = Infer<typeof ReturnFromFallbackResponse>;

/** SGP.32 §5.9.22 */
export const EnableEmergencyProfileRequest = seq({ refreshFlag }, 0xbf5b);
export type EnableEmergencyProfileRequest = Infer<typeof EnableEmergencyProfileRequest>;
/** SGP.32 §5.9.22 */
export const EnableEmergencyProfileResponse = seq(
  {
    enableEmergencyProfileResult: namedInteger(
      { ok: 0, profileNotInDisabledState: 2, catBusy: 5, ecallNotAvailable: 8, undefinedError: 127 },
      0x80,
    ),
  },
  0xbf5b,
);
export type EnableEmergencyProfileResponse = Infer<typeof EnableEmergencyProfileResponse>;

/** SGP.32 §5.9.23 */
export const DisableEmergencyProfileRequest = seq({ refreshFlag }, 0xbf5c);
export type DisableEmergencyProfileRequest = Infer<typeof DisableEmergencyProfileRequest>;
/** SGP.32 §5.9.23 */
export const DisableEmergencyProfileResponse = seq(
  {
    disableEmergencyProfileResult: namedInteger({ ok: 0, profileNotInEnabledState: 2, catBusy: 5, undefinedError: 127 }, 0x80),
  },
  0xbf5c,
);
export type DisableEmergencyProfileResponse = Infer<typeof DisableEmergencyProfileResponse>;

/** SGP.32 §5.9.24 */
export const GetConnectivityParametersRequest = seq({}, 0xbf5f);
export type GetConnectivityParametersRequest = Infer<typeof GetConnectivityParametersRequest>;
/** SGP.32 §5.9.24 */
export const ConnectivityParameters = seq({ httpParams: optional(octets(0x81)) });
export type ConnectivityParameters = Infer<typeof ConnectivityParameters>;
/** SGP.32 §5.9.24 */
export const ConnectivityParametersError = namedInteger({ parametersNotAvailable: 1, undefinedError: 127 });
export type ConnectivityParametersError = Infer<typeof ConnectivityParametersError>;
/** SGP.32 §5.9.24 */
export const GetConnectivityParametersResponse = explicit(
  0xbf5f,
  choice({
    connectivityParameters: implicit(0xa0, ConnectivityParameters),
    connectivityParametersError: implicit(0x81, ConnectivityParametersError),
  }),
);
export type GetConnectivityParametersResponse = Infer<typeof GetConnectivityParametersResponse>;

// --- SGP.22: not for an IPA once an eIM is associated -----------------------------------------------------------------------

const profileIdentifier = choice({ isdpAid: implicit(0x4f, OctetTo16), iccid: Iccid });

/** SGP.22 §5.7.16 */
export const EnableProfileRequest = seq({ profileIdentifier: explicit(0xa0, profileIdentifier), refreshFlag: booleanType(0x81) }, 0xbf31);
export type EnableProfileRequest = Infer<typeof EnableProfileRequest>;
/** SGP.22 §5.7.16 */
export const EnableProfileResponse = seq(
  {
    enableResult: namedInteger(
      {
        ok: 0,
        iccidOrAidNotFound: 1,
        profileNotInDisabledState: 2,
        disallowedByPolicy: 3,
        wrongProfileReenabling: 4,
        catBusy: 5,
        undefinedError: 127,
      },
      0x80,
    ),
  },
  0xbf31,
);
export type EnableProfileResponse = Infer<typeof EnableProfileResponse>;

/** SGP.22 §5.7.17 */
export const DisableProfileRequest = seq({ profileIdentifier: explicit(0xa0, profileIdentifier), refreshFlag: booleanType(0x81) }, 0xbf32);
export type DisableProfileRequest = Infer<typeof DisableProfileRequest>;
/** SGP.22 §5.7.17 */
export const DisableProfileResponse = seq(
  {
    disableResult: namedInteger(
      { ok: 0, iccidOrAidNotFound: 1, profileNotInEnabledState: 2, disallowedByPolicy: 3, catBusy: 5, undefinedError: 127 },
      0x80,
    ),
  },
  0xbf32,
);
export type DisableProfileResponse = Infer<typeof DisableProfileResponse>;

/** SGP.22 §5.7.18 */
export const DeleteProfileRequest = explicit(0xbf33, profileIdentifier);
export type DeleteProfileRequest = Infer<typeof DeleteProfileRequest>;
/** SGP.22 §5.7.18 */
export const DeleteProfileResponse = seq(
  {
    deleteResult: namedInteger(
      { ok: 0, iccidOrAidNotFound: 1, profileNotInDisabledState: 2, disallowedByPolicy: 3, undefinedError: 127 },
      0x80,
    ),
  },
  0xbf33,
);
export type DeleteProfileResponse = Infer<typeof DeleteProfileResponse>;

/** SGP.22 §5.7.22 */
export const GetRatRequest = seq({}, 0xbf43);
export type GetRatRequest = Infer<typeof GetRatRequest>;
/** SGP.22 §5.7.22 */
export const GetRatResponse = seq({ rat: implicit(0xa0, RulesAuthorisationTable) }, 0xbf43);
export type GetRatResponse = Infer<typeof GetRatResponse>;

// --- CRL --------------------------------------------------------------------------------------------------------------------

/** SGP.22 §4.6 */
export const SegmentedCrlList = seqOf(CertificateList);
export type SegmentedCrlList = Infer<typeof SegmentedCrlList>;
/** SGP.22 §5.7.12 */
export const LoadCRLRequest = seq({ crl: embedded("CertificateList", 0xa0) }, 0xbf35);
export type LoadCRLRequest = Infer<typeof LoadCRLRequest>;
/** SGP.22 §5.7.12 */
export const LoadCRLResponseOk = seq({ missingParts: optional(seqOf(integer(), 0xa0)) });
export type LoadCRLResponseOk = Infer<typeof LoadCRLResponseOk>;
/** SGP.22 §5.7.12 */
export const LoadCRLResponseError = namedInteger({
  invalidSignature: 1,
  invalidCRLFormat: 2,
  notEnoughMemorySpace: 3,
  verificationKeyNotFound: 4,
  fresherCrlAlreadyLoaded: 5,
  baseCrlMissing: 6,
  undefinedError: 127,
});
export type LoadCRLResponseError = Infer<typeof LoadCRLResponseError>;
/** SGP.22 §5.7.12 */
export const LoadCRLResponse = explicit(
  0xbf35,
  choice({ loadCRLResponseOk: implicit(0xa0, LoadCRLResponseOk), loadCRLResponseError: implicit(0x81, LoadCRLResponseError) }),
);
export type LoadCRLResponse = Infer<typeof LoadCRLResponse>;

/** RFC 5280 §4.1.2.5 */
export const Time = choice({ utcTime: time(0x17), generalTime: time(0x18) });
export type Time = Infer<typeof Time>;
/** SGP.22 §4.5.2: extension of a certificate */
export const ExpirationDate = Time;
export type ExpirationDate = Infer<typeof ExpirationDate>;
/** SGP.22 §4.6: extension of a CRL */
export const TotalPartialCrlNumber = integer();
export type TotalPartialCrlNumber = Infer<typeof TotalPartialCrlNumber>;
/** SGP.22 §4.6: extension of a CRL */
export const PartialCrlNumber = integer();
export type PartialCrlNumber = Infer<typeof PartialCrlNumber>;
