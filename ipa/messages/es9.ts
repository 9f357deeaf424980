// ES9+ and ES11 in their ASN.1 binding: what the assistant and an SM-DP+ or SM-DS say to each other (SGP.22 §5.6, §5.8, §6.6).
import { choice, explicit, type Infer, implicit, namedInteger, octets, seq, seqOf, signed, utf8String } from "../asn1/schema.ts";
import { BoundProfilePackage } from "./bpp.ts";
import { Certificate, Octet16, SubjectKeyIdentifier, TransactionId } from "./common.ts";
import { EUICCInfo1 } from "./euicc-info.ts";
import { PendingNotification } from "./notifications.ts";
import { StoreMetadataRequest } from "./profile-info.ts";
import { AuthenticateServerResponse, CancelSessionResponse, PrepareDownloadResponse, ServerSigned1, SmdpSigned2 } from "./rsp.ts";

/** SGP.22 §5.6.1 */
export const InitiateAuthenticationRequest = seq(
  { euiccChallenge: implicit(0x81, Octet16), smdpAddress: utf8String(0x83), euiccInfo1: EUICCInfo1 },
  0xbf39,
);
export type InitiateAuthenticationRequest = Infer<typeof InitiateAuthenticationRequest>;
/** SGP.22 §5.6.1 */
export const InitiateAuthenticationOkEs9 = seq({
  transactionId: implicit(0x80, TransactionId),
  serverSigned1: signed(ServerSigned1),
  serverSignature1: octets(0x5f37),
  euiccCiPKIdToBeUsed: SubjectKeyIdentifier,
  serverCertificate: Certificate,
});
export type InitiateAuthenticationOkEs9 = Infer<typeof InitiateAuthenticationOkEs9>;
/** SGP.22 §5.6.1 */
export const InitiateAuthenticationResponse = explicit(
  0xbf39,
  choice({
    initiateAuthenticationOk: implicit(0xa0, InitiateAuthenticationOkEs9),
    initiateAuthenticationError: namedInteger({ invalidDpAddress: 1, euiccVersionNotSupportedByDp: 2, ciPKNotSupported: 3 }, 0x81),
  }),
);
export type InitiateAuthenticationResponse = Infer<typeof InitiateAuthenticationResponse>;

/** SGP.22 §5.6.3; SGP.32's AuthenticateClientRequestEsipa has the same form */
export const AuthenticateClientRequest = seq(
  { transactionId: implicit(0x80, TransactionId), authenticateServerResponse: AuthenticateServerResponse },
  0xbf3b,
);
export type AuthenticateClientRequest = Infer<typeof AuthenticateClientRequest>;
/** SGP.22 §5.6.3 */
export const AuthenticateClientOk = seq({
  transactionId: implicit(0x80, TransactionId),
  profileMetaData: StoreMetadataRequest,
  smdpSigned2: signed(SmdpSigned2),
  smdpSignature2: octets(0x5f37),
  smdpCertificate: Certificate,
});
export type AuthenticateClientOk = Infer<typeof AuthenticateClientOk>;
/** SGP.22 §5.6.3 */
export const AuthenticateClientResponseEs9 = explicit(
  0xbf3b,
  choice({
    authenticateClientOk: implicit(0xa0, AuthenticateClientOk),
    authenticateClientError: namedInteger(
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
        undefinedError: 127,
      },
      0x81,
    ),
  }),
);
export type AuthenticateClientResponseEs9 = Infer<typeof AuthenticateClientResponseEs9>;

/** SGP.22 §5.6.2; SGP.32's GetBoundProfilePackageRequestEsipa has the same form */
export const GetBoundProfilePackageRequest = seq(
  { transactionId: implicit(0x80, TransactionId), prepareDownloadResponse: PrepareDownloadResponse },
  0xbf3a,
);
export type GetBoundProfilePackageRequest = Infer<typeof GetBoundProfilePackageRequest>;
/** SGP.22 §5.6.2 */
export const GetBoundProfilePackageOk = seq({
  transactionId: implicit(0x80, TransactionId),
  boundProfilePackage: signed(BoundProfilePackage),
});
export type GetBoundProfilePackageOk = Infer<typeof GetBoundProfilePackageOk>;
/** SGP.22 §5.6.2 */
export const GetBoundProfilePackageResponse = explicit(
  0xbf3a,
  choice({
    getBoundProfilePackageOk: implicit(0xa0, GetBoundProfilePackageOk),
    getBoundProfilePackageError: namedInteger(
      {
        euiccSignatureInvalid: 1,
        confirmationCodeMissing: 2,
        confirmationCodeRefused: 3,
        confirmationCodeRetriesExceeded: 4,
        bppRebindingRefused: 5,
        downloadOrderExpired: 6,
        invalidTransactionId: 95,
        undefinedError: 127,
      },
      0x81,
    ),
  }),
);
export type GetBoundProfilePackageResponse = Infer<typeof GetBoundProfilePackageResponse>;

/** SGP.22 §5.6.4 */
export const HandleNotification = seq({ pendingNotification: explicit(0xa0, PendingNotification) }, 0xbf3d);
export type HandleNotification = Infer<typeof HandleNotification>;

/** SGP.22 §5.6.5; the contents of the card's BF41 go under A1, the card's whole BF41 there is read as well */
export const CancelSessionRequestEs9 = seq(
  { transactionId: implicit(0x80, TransactionId), cancelSessionResponse: implicit(0xa1, CancelSessionResponse) },
  0xbf41,
);
export type CancelSessionRequestEs9 = Infer<typeof CancelSessionRequestEs9>;
/** SGP.22 §5.6.5 */
export const CancelSessionOk = seq({});
export type CancelSessionOk = Infer<typeof CancelSessionOk>;
/** SGP.22 §5.6.5 */
export const CancelSessionResponseEs9 = explicit(
  0xbf41,
  choice({
    cancelSessionOk: implicit(0xa0, CancelSessionOk),
    cancelSessionError: namedInteger({ invalidTransactionId: 1, euiccSignatureInvalid: 2, undefinedError: 127 }, 0x81),
  }),
);
export type CancelSessionResponseEs9 = Infer<typeof CancelSessionResponseEs9>;

/** SGP.22 §5.8.2 */
export const EventEntries = seq({ eventId: utf8String(0x80), rspServerAddress: utf8String(0x81) });
export type EventEntries = Infer<typeof EventEntries>;
/** SGP.22 §5.8.2 */
export const AuthenticateClientOkEs11 = seq({
  transactionId: implicit(0x80, TransactionId),
  eventEntries: seqOf(EventEntries, 0xa1),
});
export type AuthenticateClientOkEs11 = Infer<typeof AuthenticateClientOkEs11>;
/** SGP.22 §5.8.2 */
export const AuthenticateClientResponseEs11 = explicit(
  0xbf40,
  choice({
    authenticateClientOk: implicit(0xa0, AuthenticateClientOkEs11),
    authenticateClientError: namedInteger(
      {
        eumCertificateInvalid: 1,
        eumCertificateExpired: 2,
        euiccCertificateInvalid: 3,
        euiccCertificateExpired: 4,
        euiccSignatureInvalid: 5,
        eventIdUnknown: 6,
        invalidTransactionId: 7,
        undefinedError: 127,
      },
      0x81,
    ),
  }),
);
export type AuthenticateClientResponseEs11 = Infer<typeof AuthenticateClientResponseEs11>;

/** SGP.22 §6.6 */
export const RemoteProfileProvisioningRequest = explicit(
  0xa2,
  choice({
    initiateAuthenticationRequest: InitiateAuthenticationRequest,
    authenticateClientRequest: AuthenticateClientRequest,
    getBoundProfilePackageRequest: GetBoundProfilePackageRequest,
    cancelSessionRequestEs9: CancelSessionRequestEs9,
    handleNotification: HandleNotification,
  }),
);
export type RemoteProfileProvisioningRequest = Infer<typeof RemoteProfileProvisioningRequest>;
/** SGP.22 §6.6 */
export const RemoteProfileProvisioningResponse = explicit(
  0xa2,
  choice({
    initiateAuthenticationResponse: InitiateAuthenticationResponse,
    authenticateClientResponseEs9: AuthenticateClientResponseEs9,
    getBoundProfilePackageResponse: GetBoundProfilePackageResponse,
    cancelSessionResponseEs9: CancelSessionResponseEs9,
    authenticateClientResponseEs11: AuthenticateClientResponseEs11,
  }),
);
export type RemoteProfileProvisioningResponse = Infer<typeof RemoteProfileProvisioningResponse>;
