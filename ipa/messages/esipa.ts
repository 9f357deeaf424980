// ESipa: what the IPA and an eIM say to each other (SGP.32 §5.14), and the eIM packages other than eUICC packages (BF52, BF53, BF54).
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
  optional,
  seq,
  seqOf,
  signed,
  utf8String,
} from "../asn1/schema.ts";
import { BoundProfilePackage } from "./bpp.ts";
import { Certificate, DeviceInfo, NotificationEvent, Octet16, Octet32, TransactionId } from "./common.ts";
import { AuthenticateClientRequest, CancelSessionOk, GetBoundProfilePackageRequest } from "./es9.ts";
import { EUICCInfo1, EUICCInfo2 } from "./euicc-info.ts";
import { PendingNotification, PendingNotificationList, ProfileInstallationResult } from "./notifications.ts";
import { EuiccPackageRequest, EuiccPackageResult, EuiccPackageResultList } from "./package.ts";
import { StoreMetadataRequest } from "./profile-info.ts";
import { CancelSessionResponse, CtxParams1, ServerSigned1, SmdpSigned2 } from "./rsp.ts";

// --- eIM packages for the IPA -----------------------------------------------------------------------------------------------

/** SGP.32 §2.11.1.2 */
export const IpaEuiccDataRequest = seq(
  {
    tagList: octets(0x5c),
    euiccCiPKIdentifierToBeUsed: optional(octets()),
    searchCriteriaNotification: optional(
      // 82 is v1.0's way to ask for package results; v1.2 has A2 for them.
      explicit(
        0xa1,
        choice({
          seqNumber: integer(0x80),
          profileManagementOperation: implicit(0x81, NotificationEvent),
          euiccPackageResults: nullType(0x82),
        }),
      ),
    ),
    searchCriteriaEuiccPackageResult: optional(explicit(0xa2, choice({ seqNumber: integer(0x80) }))),
    eimTransactionId: optional(implicit(0x83, TransactionId)),
  },
  0xbf52,
);
export type IpaEuiccDataRequest = Infer<typeof IpaEuiccDataRequest>;

/** SGP.32 §2.11.2.2 */
export const IpaCapabilities = seq({
  ipaFeatures: namedBits(
    {
      directRspServerCommunication: 0,
      indirectRspServerCommunication: 1,
      eimDownloadDataHandling: 2,
      eimCtxParams1Generation: 3,
      eimProfileMetadataVerification: 4,
      minimizeEsipaBytes: 5,
    },
    0x80,
  ),
  ipaSupportedProtocols: optional(
    namedBits({ ipaRetrieveHttps: 0, ipaRetrieveCoaps: 1, ipaInjectHttps: 2, ipaInjectCoaps: 3, ipaProprietary: 4 }, 0x81),
  ),
});
export type IpaCapabilities = Infer<typeof IpaCapabilities>;

/** SGP.32 §2.11.2.2 */
export const IpaEuiccData = seq({
  notificationsList: optional(implicit(0xa0, PendingNotificationList)),
  defaultSmdpAddress: optional(utf8String(0x81)),
  euiccPackageResultList: optional(implicit(0xa2, EuiccPackageResultList)),
  euiccInfo1: optional(EUICCInfo1),
  euiccInfo2: optional(EUICCInfo2),
  rootSmdsAddress: optional(utf8String(0x83)),
  associationToken: optional(integer(0x84)),
  eumCertificate: optional(embedded("Certificate", 0xa5)),
  euiccCertificate: optional(embedded("Certificate", 0xa6)),
  eimTransactionId: optional(implicit(0x87, TransactionId)),
  ipaCapabilities: optional(implicit(0xa8, IpaCapabilities)),
  deviceInfo: optional(implicit(0xa9, DeviceInfo)),
});
export type IpaEuiccData = Infer<typeof IpaEuiccData>;

/** SGP.32 §2.11.2.2 */
export const IpaEuiccDataErrorCode = namedInteger({ incorrectTagList: 1, euiccCiPKIdNotFound: 5, ecallActive: 104, undefinedError: 127 });
export type IpaEuiccDataErrorCode = Infer<typeof IpaEuiccDataErrorCode>;
/** SGP.32 §2.11.2.2 */
export const IpaEuiccDataResponseError = seq({
  eimTransactionId: optional(implicit(0x80, TransactionId)),
  ipaEuiccDataErrorCode: IpaEuiccDataErrorCode,
});
export type IpaEuiccDataResponseError = Infer<typeof IpaEuiccDataResponseError>;
/** SGP.32 §2.11.2.2 */
export const IpaEuiccDataResponse = explicit(
  0xbf52,
  choice({
    ipaEuiccData: implicit(0xa0, IpaEuiccData),
    ipaEuiccDataResponseError: implicit(0xa1, IpaEuiccDataResponseError),
  }),
);
export type IpaEuiccDataResponse = Infer<typeof IpaEuiccDataResponse>;

/** SGP.32 §2.11.1.3 */
export const ProfileDownloadData = choice({
  activationCode: utf8String(0x80, { max: 255 }),
  contactDefaultSmdp: nullType(0x81),
  contactSmds: seq({ smdsAddress: optional(alsoTag(utf8String(0x80), 0x0c)) }, 0xa2),
});
export type ProfileDownloadData = Infer<typeof ProfileDownloadData>;
/** SGP.32 §2.11.1.3 */
export const ProfileDownloadTriggerRequest = seq(
  { profileDownloadData: optional(explicit(0xa0, ProfileDownloadData)), eimTransactionId: optional(implicit(0x82, TransactionId)) },
  0xbf54,
);
export type ProfileDownloadTriggerRequest = Infer<typeof ProfileDownloadTriggerRequest>;
/** SGP.32 §2.11.2.3 */
export const ProfileDownloadTriggerResult = seq(
  {
    eimTransactionId: optional(implicit(0x82, TransactionId)),
    profileDownloadTriggerResultData: choice({
      profileInstallationResult: ProfileInstallationResult,
      profileDownloadError: seq({
        profileDownloadErrorReason: namedInteger({ ecallActive: 104, undefinedError: 127 }, 0x80),
        errorResponse: optional(octets()),
      }),
    }),
  },
  0xbf54,
);
export type ProfileDownloadTriggerResult = Infer<typeof ProfileDownloadTriggerResult>;

/** SGP.32 §2.11.1.4 */
export const SequenceNumber = integer(0x80);
export type SequenceNumber = Infer<typeof SequenceNumber>;
/** SGP.32 §2.11.1.4 */
export const EimAcknowledgements = seqOf(SequenceNumber, 0xbf53);
export type EimAcknowledgements = Infer<typeof EimAcknowledgements>;

// --- retrieval and results --------------------------------------------------------------------------------------------------

/** SGP.32 §5.14.5 */
export const StateChangeCause = namedInteger({
  otherEim: 0,
  fallback: 1,
  emergencyProfile: 2,
  local: 3,
  reset: 4,
  immediateEnableProfile: 5,
  deviceChange: 6,
  undefined: 127,
});
export type StateChangeCause = Infer<typeof StateChangeCause>;

/** SGP.32 §5.14.5; rPLMN as 3GPP TS 24.008 codes it */
export const GetEimPackageRequest = seq(
  {
    eidValue: implicit(0x5a, Octet16),
    notifyStateChange: optional(nullType(0x80)),
    stateChangeCause: optional(implicit(0x81, StateChangeCause)),
    rPLMN: optional(octets(0x82, { min: 3, max: 3 })),
  },
  0xbf4f,
);
export type GetEimPackageRequest = Infer<typeof GetEimPackageRequest>;
/** SGP.32 §5.14.5 */
export const GetEimPackageResponse = explicit(
  0xbf4f,
  choice({
    euiccPackageRequest: EuiccPackageRequest,
    ipaEuiccDataRequest: IpaEuiccDataRequest,
    profileDownloadTriggerRequest: ProfileDownloadTriggerRequest,
    eimPackageError: namedInteger({ noEimPackageAvailable: 1, eidNotFound: 2, invalidEid: 3, missingEid: 4, undefinedError: 127 }),
  }),
);
export type GetEimPackageResponse = Infer<typeof GetEimPackageResponse>;

/** SGP.32 §5.14.6 */
export const EimPackageResultErrorCode = namedInteger({ invalidPackageFormat: 1, unknownPackage: 2, undefinedError: 127 });
export type EimPackageResultErrorCode = Infer<typeof EimPackageResultErrorCode>;
/** SGP.32 §5.14.6 */
export const EimPackageResultResponseError = seq({
  eimTransactionId: optional(implicit(0x80, TransactionId)),
  eimPackageResultErrorCode: EimPackageResultErrorCode,
});
export type EimPackageResultResponseError = Infer<typeof EimPackageResultResponseError>;

const ePRAndNotifications = seq({
  euiccPackageResult: EuiccPackageResult,
  notificationList: implicit(0xa0, PendingNotificationList),
});

/** SGP.32 §5.14.6 */
export const EimPackageResult = choice({
  euiccPackageResult: EuiccPackageResult,
  ePRAndNotifications,
  ipaEuiccDataResponse: IpaEuiccDataResponse,
  profileDownloadTriggerResult: ProfileDownloadTriggerResult,
  eimPackageResultResponseError: implicit(0xa0, EimPackageResultResponseError),
});
export type EimPackageResult = Infer<typeof EimPackageResult>;
/** SGP.32 §5.14.6 */
export const ProvideEimPackageResult = seq({ eidValue: optional(implicit(0x5a, Octet16)), eimPackageResult: EimPackageResult }, 0xbf50);
export type ProvideEimPackageResult = Infer<typeof ProvideEimPackageResult>;
/** SGP.32 §5.14.6 */
export const ProvideEimPackageResultResponse = explicit(
  0xbf50,
  choice({
    eimAcknowledgements: EimAcknowledgements,
    emptyResponse: seq({}),
    provideEimPackageResultError: namedInteger({ eidNotFound: 2, invalidEid: 3, missingEid: 4, undefinedError: 127 }),
  }),
  // v1.0 had EimAcknowledgements OPTIONAL here.
  { whenEmpty: { kind: "emptyResponse", value: {} } },
);
export type ProvideEimPackageResultResponse = Infer<typeof ProvideEimPackageResultResponse>;

/** SGP.32 §5.14.4 */
export const TransferEimPackageRequest = explicit(
  0xbf4e,
  choice({
    euiccPackageRequest: EuiccPackageRequest,
    ipaEuiccDataRequest: IpaEuiccDataRequest,
    eimAcknowledgements: EimAcknowledgements,
    profileDownloadTriggerRequest: ProfileDownloadTriggerRequest,
  }),
);
export type TransferEimPackageRequest = Infer<typeof TransferEimPackageRequest>;
/** SGP.32 §5.14.4 */
export const TransferEimPackageResponse = explicit(
  0xbf4e,
  choice({
    euiccPackageResult: EuiccPackageResult,
    ePRAndNotifications,
    ipaEuiccDataResponse: IpaEuiccDataResponse,
    eimPackageReceived: nullType(),
    eimPackageError: namedInteger({ invalidPackageFormat: 1, unknownPackage: 2, undefinedError: 127 }),
  }),
);
export type TransferEimPackageResponse = Infer<typeof TransferEimPackageResponse>;

// --- indirect download ------------------------------------------------------------------------------------------------------

/** SGP.32 §5.14.1 */
export const InitiateAuthenticationRequestEsipa = seq(
  {
    euiccChallenge: implicit(0x81, Octet16),
    smdpAddress: optional(utf8String(0x83)),
    euiccInfo1: optional(EUICCInfo1),
    eimTransactionId: optional(implicit(0x82, TransactionId)),
  },
  0xbf39,
);
export type InitiateAuthenticationRequestEsipa = Infer<typeof InitiateAuthenticationRequestEsipa>;
/** SGP.32 §5.14.1 */
export const InitiateAuthenticationOkEsipa = seq({
  transactionId: optional(implicit(0x80, TransactionId)),
  serverSigned1: signed(ServerSigned1),
  serverSignature1: octets(0x5f37),
  euiccCiPKIdentifierToBeUsed: octets(),
  serverCertificate: Certificate,
  matchingId: optional(utf8String()),
  ctxParams1: optional(explicit(0xa2, CtxParams1)),
});
export type InitiateAuthenticationOkEsipa = Infer<typeof InitiateAuthenticationOkEsipa>;
/** SGP.32 §5.14.1 */
export const InitiateAuthenticationResponseEsipa = explicit(
  0xbf39,
  choice({
    initiateAuthenticationOkEsipa: implicit(0xa0, InitiateAuthenticationOkEsipa),
    initiateAuthenticationErrorEsipa: namedInteger(
      {
        invalidDpAddress: 1,
        euiccVersionNotSupportedByDp: 2,
        ciPKIdNotSupported: 3,
        smdpAddressMismatch: 50,
        smdpOidMismatch: 51,
        invalidEimTransactionId: 52,
        undefinedError: 127,
      },
      0x81,
    ),
  }),
);
export type InitiateAuthenticationResponseEsipa = Infer<typeof InitiateAuthenticationResponseEsipa>;

/** SGP.32 §5.14.3 */
export const AuthenticateClientRequestEsipa = AuthenticateClientRequest;
export type AuthenticateClientRequestEsipa = Infer<typeof AuthenticateClientRequestEsipa>;
/** SGP.32 §5.14.3: from an SM-DP+ */
export const AuthenticateClientOkDPEsipa = seq({
  transactionId: optional(implicit(0x80, TransactionId)),
  profileMetaData: optional(StoreMetadataRequest),
  smdpSigned2: signed(SmdpSigned2),
  smdpSignature2: octets(0x5f37),
  smdpCertificate: Certificate,
  hashCc: optional(Octet32),
});
export type AuthenticateClientOkDPEsipa = Infer<typeof AuthenticateClientOkDPEsipa>;
/** SGP.32 §5.14.3: from an SM-DS */
export const AuthenticateClientOkDSEsipa = seq({
  transactionId: implicit(0x80, TransactionId),
  profileDownloadTrigger: optional(ProfileDownloadTriggerRequest),
});
export type AuthenticateClientOkDSEsipa = Infer<typeof AuthenticateClientOkDSEsipa>;
/** SGP.32 §5.14.3 */
export const AuthenticateClientResponseEsipa = explicit(
  0xbf3b,
  choice({
    authenticateClientOkDPEsipa: implicit(0xa0, AuthenticateClientOkDPEsipa),
    authenticateClientOkDSEsipa: implicit(0xa1, AuthenticateClientOkDSEsipa),
    authenticateClientErrorEsipa: namedInteger(
      {
        eumCertificateInvalid: 1,
        eumCertificateExpired: 2,
        euiccCertificateInvalid: 3,
        euiccCertificateExpired: 4,
        euiccSignatureInvalid: 5,
        matchingIdRefused: 6,
        eidMismatch: 7,
        noEligibleProfile: 8,
        ciPKUnknown: 9,
        invalidTransactionId: 10,
        insufficientMemory: 11,
        // v1.3, in place of GetBoundProfilePackage's.
        downloadOrderExpired: 18,
        pprNotAllowed: 50,
        eventIdUnknown: 56,
        undefinedError: 127,
      },
      0x82,
    ),
  }),
);
export type AuthenticateClientResponseEsipa = Infer<typeof AuthenticateClientResponseEsipa>;

/** SGP.32 §5.14.2 */
export const GetBoundProfilePackageRequestEsipa = GetBoundProfilePackageRequest;
export type GetBoundProfilePackageRequestEsipa = Infer<typeof GetBoundProfilePackageRequestEsipa>;
/** SGP.32 §5.14.2 */
export const GetBoundProfilePackageOkEsipa = seq({
  transactionId: optional(implicit(0x80, TransactionId)),
  boundProfilePackage: signed(BoundProfilePackage),
});
export type GetBoundProfilePackageOkEsipa = Infer<typeof GetBoundProfilePackageOkEsipa>;
/** SGP.32 §5.14.2 */
export const GetBoundProfilePackageResponseEsipa = explicit(
  0xbf3a,
  choice({
    getBoundProfilePackageOkEsipa: implicit(0xa0, GetBoundProfilePackageOkEsipa),
    getBoundProfilePackageErrorEsipa: namedInteger(
      {
        euiccSignatureInvalid: 1,
        confirmationCodeMissing: 2,
        confirmationCodeRefused: 3,
        confirmationCodeRetriesExceeded: 4,
        bppRebindingRefused: 5,
        downloadOrderExpired: 6,
        metadataMismatch: 50,
        invalidTransactionId: 95,
        undefinedError: 127,
      },
      0x81,
    ),
  }),
);
export type GetBoundProfilePackageResponseEsipa = Infer<typeof GetBoundProfilePackageResponseEsipa>;

/** SGP.32 §5.14.7 */
export const HandleNotificationEsipa = explicit(
  0xbf3d,
  choice({ pendingNotification: explicit(0xa0, PendingNotification), provideEimPackageResult: ProvideEimPackageResult }),
);
export type HandleNotificationEsipa = Infer<typeof HandleNotificationEsipa>;

/** SGP.32 §5.14.8; the contents of the card's BF41 go under A1, the card's whole BF41 there is read as well */
export const CancelSessionRequestEsipa = seq(
  { transactionId: implicit(0x80, TransactionId), cancelSessionResponse: implicit(0xa1, CancelSessionResponse) },
  0xbf41,
);
export type CancelSessionRequestEsipa = Infer<typeof CancelSessionRequestEsipa>;
/** SGP.32 §5.14.8 */
export const CancelSessionResponseEsipa = explicit(
  0xbf41,
  choice({
    cancelSessionOk: implicit(0xa0, CancelSessionOk),
    cancelSessionError: namedInteger({ invalidTransactionId: 1, euiccSignatureInvalid: 2, undefinedError: 127 }, 0x81),
  }),
);
export type CancelSessionResponseEsipa = Infer<typeof CancelSessionResponseEsipa>;

// --- the binding ------------------------------------------------------------------------------------------------------------

/** SGP.32 §6.3 */
export const EsipaMessageFromIpaToEim = choice({
  initiateAuthenticationRequestEsipa: InitiateAuthenticationRequestEsipa,
  authenticateClientRequestEsipa: AuthenticateClientRequestEsipa,
  getBoundProfilePackageRequestEsipa: GetBoundProfilePackageRequestEsipa,
  cancelSessionRequestEsipa: CancelSessionRequestEsipa,
  handleNotificationEsipa: HandleNotificationEsipa,
  transferEimPackageResponse: TransferEimPackageResponse,
  getEimPackageRequest: GetEimPackageRequest,
  provideEimPackageResult: ProvideEimPackageResult,
});
export type EsipaMessageFromIpaToEim = Infer<typeof EsipaMessageFromIpaToEim>;
/** SGP.32 §6.3 */
export const EsipaMessageFromEimToIpa = choice({
  initiateAuthenticationResponseEsipa: InitiateAuthenticationResponseEsipa,
  authenticateClientResponseEsipa: AuthenticateClientResponseEsipa,
  getBoundProfilePackageResponseEsipa: GetBoundProfilePackageResponseEsipa,
  cancelSessionResponseEsipa: CancelSessionResponseEsipa,
  transferEimPackageRequest: TransferEimPackageRequest,
  getEimPackageResponse: GetEimPackageResponse,
  provideEimPackageResultResponse: ProvideEimPackageResultResponse,
});
export type EsipaMessageFromEimToIpa = Infer<typeof EsipaMessageFromEimToIpa>;
