// Mutual authentication and download preparation between eUICC and RSP server (SGP.22 §5.7.5, §5.7.13, §5.7.14; compact forms of SGP.32).
import { embedded } from "../asn1/embedded.ts";
import {
  boolean,
  choice,
  explicit,
  type Infer,
  implicit,
  namedInteger,
  octets,
  oid,
  optional,
  seq,
  signed,
  utf8String,
} from "../asn1/schema.ts";
import { Certificate, DeviceInfo, Octet16, Octet32, SubjectKeyIdentifier, TransactionId } from "./common.ts";
import { EUICCInfo2 } from "./euicc-info.ts";

/** SGP.22 §5.7.7 */
export const GetEuiccChallengeRequest = seq({}, 0xbf2e);
export type GetEuiccChallengeRequest = Infer<typeof GetEuiccChallengeRequest>;
/** SGP.22 §5.7.7 */
export const GetEuiccChallengeResponse = seq({ euiccChallenge: implicit(0x80, Octet16) }, 0xbf2e);
export type GetEuiccChallengeResponse = Infer<typeof GetEuiccChallengeResponse>;

// --- AuthenticateServer (BF38) ----------------------------------------------------------------------------------------------

/** SGP.22 §5.7.13 */
export const ServerSigned1 = seq({
  transactionId: implicit(0x80, TransactionId),
  euiccChallenge: implicit(0x81, Octet16),
  serverAddress: utf8String(0x83),
  serverChallenge: implicit(0x84, Octet16),
});
export type ServerSigned1 = Infer<typeof ServerSigned1>;

/** SGP.22 §5.7.13 */
export const CtxParamsForCommonAuthentication = seq({
  matchingId: optional(utf8String(0x80)),
  deviceInfo: implicit(0xa1, DeviceInfo),
});
export type CtxParamsForCommonAuthentication = Infer<typeof CtxParamsForCommonAuthentication>;
/** SGP.22 §5.7.13 */
export const CtxParams1 = choice({ ctxParamsForCommonAuthentication: implicit(0xa0, CtxParamsForCommonAuthentication) });
export type CtxParams1 = Infer<typeof CtxParams1>;

/** SGP.22 §5.7.13 */
export const AuthenticateServerRequest = seq(
  {
    serverSigned1: signed(ServerSigned1),
    serverSignature1: octets(0x5f37),
    euiccCiPKIdToBeUsed: SubjectKeyIdentifier,
    serverCertificate: Certificate,
    ctxParams1: CtxParams1,
  },
  0xbf38,
);
export type AuthenticateServerRequest = Infer<typeof AuthenticateServerRequest>;

/** SGP.22 §5.7.13 with SGP.32's EUICCInfo2 */
export const EuiccSigned1 = seq({
  transactionId: implicit(0x80, TransactionId),
  serverAddress: utf8String(0x83),
  serverChallenge: implicit(0x84, Octet16),
  euiccInfo2: EUICCInfo2,
  ctxParams1: CtxParams1,
});
export type EuiccSigned1 = Infer<typeof EuiccSigned1>;
/** SGP.22 §5.7.13 */
export const AuthenticateResponseOk = seq({
  euiccSigned1: signed(EuiccSigned1),
  euiccSignature1: octets(0x5f37),
  euiccCertificate: Certificate,
  eumCertificate: Certificate,
});
export type AuthenticateResponseOk = Infer<typeof AuthenticateResponseOk>;

/** SGP.22 §5.7.13 */
export const AuthenticateErrorCode = namedInteger({
  invalidCertificate: 1,
  invalidSignature: 2,
  unsupportedCurve: 3,
  noSessionContext: 4,
  invalidOid: 5,
  euiccChallengeMismatch: 6,
  ciPKUnknown: 7,
  undefinedError: 127,
});
export type AuthenticateErrorCode = Infer<typeof AuthenticateErrorCode>;
/** SGP.22 §5.7.13 */
export const AuthenticateResponseError = seq({
  transactionId: implicit(0x80, TransactionId),
  authenticateErrorCode: AuthenticateErrorCode,
});
export type AuthenticateResponseError = Infer<typeof AuthenticateResponseError>;

/** SGP.32 §5.14.3: the eIM fills in what it knows */
export const CompactEuiccSigned1 = seq({ extCardResource: octets(0x84), ctxParams1: optional(explicit(0xa2, CtxParams1)) });
export type CompactEuiccSigned1 = Infer<typeof CompactEuiccSigned1>;
/** SGP.32 §5.14.3 */
export const CompactAuthenticateResponseOk = seq({
  signedData: choice({ euiccSigned1: signed(EuiccSigned1), compactEuiccSigned1: implicit(0xa0, CompactEuiccSigned1) }),
  euiccSignature1: octets(0x5f37),
  euiccCertificate: optional(embedded("Certificate", 0xa1)),
  eumCertificate: optional(embedded("Certificate", 0xa2)),
});
export type CompactAuthenticateResponseOk = Infer<typeof CompactAuthenticateResponseOk>;

/** SGP.22 §5.7.13, SGP.32 §5.14.3 */
export const AuthenticateServerResponse = explicit(
  0xbf38,
  choice({
    authenticateResponseOk: implicit(0xa0, AuthenticateResponseOk),
    authenticateResponseError: implicit(0xa1, AuthenticateResponseError),
    compactAuthenticateResponseOk: implicit(0xa2, CompactAuthenticateResponseOk),
  }),
);
export type AuthenticateServerResponse = Infer<typeof AuthenticateServerResponse>;

// --- PrepareDownload (BF21) -------------------------------------------------------------------------------------------------

/** SGP.22 §5.7.5 */
export const SmdpSigned2 = seq({
  transactionId: implicit(0x80, TransactionId),
  ccRequiredFlag: boolean(),
  bppEuiccOtpk: optional(octets(0x5f49)),
});
export type SmdpSigned2 = Infer<typeof SmdpSigned2>;
/** SGP.22 §5.7.5 */
export const PrepareDownloadRequest = seq(
  {
    smdpSigned2: signed(SmdpSigned2),
    smdpSignature2: octets(0x5f37),
    hashCc: optional(Octet32),
    smdpCertificate: Certificate,
  },
  0xbf21,
);
export type PrepareDownloadRequest = Infer<typeof PrepareDownloadRequest>;

/** SGP.22 §5.7.5 */
export const EUICCSigned2 = seq({
  transactionId: implicit(0x80, TransactionId),
  euiccOtpk: octets(0x5f49),
  hashCc: optional(Octet32),
});
export type EUICCSigned2 = Infer<typeof EUICCSigned2>;
/** SGP.22 §5.7.5 */
export const PrepareDownloadResponseOk = seq({ euiccSigned2: signed(EUICCSigned2), euiccSignature2: octets(0x5f37) });
export type PrepareDownloadResponseOk = Infer<typeof PrepareDownloadResponseOk>;
/** SGP.22 §5.7.5 */
export const DownloadErrorCode = namedInteger({
  invalidCertificate: 1,
  invalidSignature: 2,
  unsupportedCurve: 3,
  noSessionContext: 4,
  invalidTransactionId: 5,
  undefinedError: 127,
});
export type DownloadErrorCode = Infer<typeof DownloadErrorCode>;
/** SGP.22 §5.7.5 */
export const PrepareDownloadResponseError = seq({
  transactionId: implicit(0x80, TransactionId),
  downloadErrorCode: DownloadErrorCode,
});
export type PrepareDownloadResponseError = Infer<typeof PrepareDownloadResponseError>;

/** SGP.32 §5.14.2 */
export const CompactEuiccSigned2 = seq({ euiccOtpk: optional(octets(0x5f49)), hashCc: optional(Octet32) });
export type CompactEuiccSigned2 = Infer<typeof CompactEuiccSigned2>;
/** SGP.32 §5.14.2 */
export const CompactPrepareDownloadResponseOk = seq({ compactEuiccSigned2: CompactEuiccSigned2, euiccSignature2: octets(0x5f37) });
export type CompactPrepareDownloadResponseOk = Infer<typeof CompactPrepareDownloadResponseOk>;

/** SGP.22 §5.7.5, SGP.32 §5.14.2 */
export const PrepareDownloadResponse = explicit(
  0xbf21,
  choice({
    downloadResponseOk: implicit(0xa0, PrepareDownloadResponseOk),
    downloadResponseError: implicit(0xa1, PrepareDownloadResponseError),
    compactDownloadResponseOk: implicit(0xa2, CompactPrepareDownloadResponseOk),
  }),
);
export type PrepareDownloadResponse = Infer<typeof PrepareDownloadResponse>;

// --- CancelSession (BF41) ---------------------------------------------------------------------------------------------------

/** SGP.22 §5.7.14 */
export const CancelSessionReason = namedInteger({
  endUserRejection: 0,
  postponed: 1,
  timeout: 2,
  pprNotAllowed: 3,
  metadataMismatch: 4,
  loadBppExecutionError: 5,
  undefinedReason: 127,
});
export type CancelSessionReason = Infer<typeof CancelSessionReason>;
/** SGP.22 §5.7.14 */
export const CancelSessionRequest = seq(
  { transactionId: implicit(0x80, TransactionId), reason: implicit(0x81, CancelSessionReason) },
  0xbf41,
);
export type CancelSessionRequest = Infer<typeof CancelSessionRequest>;
/** SGP.22 §5.7.14 */
export const EuiccCancelSessionSigned = seq({
  transactionId: implicit(0x80, TransactionId),
  smdpOid: oid(0x81),
  reason: implicit(0x82, CancelSessionReason),
});
export type EuiccCancelSessionSigned = Infer<typeof EuiccCancelSessionSigned>;
/** SGP.22 §5.7.14 */
export const CancelSessionResponseOk = seq({
  euiccCancelSessionSigned: signed(EuiccCancelSessionSigned),
  euiccCancelSessionSignature: octets(0x5f37),
});
export type CancelSessionResponseOk = Infer<typeof CancelSessionResponseOk>;

/** SGP.32 §5.14.8 */
export const CompactEuiccCancelSessionSigned = seq({ reason: optional(implicit(0x80, CancelSessionReason)) });
export type CompactEuiccCancelSessionSigned = Infer<typeof CompactEuiccCancelSessionSigned>;
/** SGP.32 §5.14.8 */
export const CompactCancelSessionResponseOk = seq({
  compactEuiccCancelSessionSigned: CompactEuiccCancelSessionSigned,
  euiccCancelSessionSignature: octets(0x5f37),
});
export type CompactCancelSessionResponseOk = Infer<typeof CompactCancelSessionResponseOk>;

/** SGP.22 §5.7.14, SGP.32 §5.14.8 */
export const CancelSessionResponse = explicit(
  0xbf41,
  choice({
    cancelSessionResponseOk: implicit(0xa0, CancelSessionResponseOk),
    cancelSessionResponseError: namedInteger({ invalidTransactionId: 5, undefinedError: 127 }, 0x81),
    compactCancelSessionResponseOk: implicit(0xa2, CompactCancelSessionResponseOk),
  }),
);
export type CancelSessionResponse = Infer<typeof CancelSessionResponse>;
