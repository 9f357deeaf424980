// Notifications and profile installation results (BF2F, BF37, BF27), full and compact, and the ES10b functions that list and remove them.
import {
  alsoTag,
  boolean,
  choice,
  explicit,
  type Infer,
  implicit,
  integer,
  namedInteger,
  octets,
  oid,
  optional,
  seq,
  seqOf,
  signed,
  utf8String,
  withDefault,
} from "../asn1/schema.ts";
import { Certificate, Iccid, NotificationEvent, Octet16, TransactionId } from "./common.ts";

/** SGP.22 §5.7.9: exactly one event */
export const NotificationMetadata = seq(
  {
    seqNumber: integer(0x80),
    profileManagementOperation: implicit(0x81, NotificationEvent),
    notificationAddress: utf8String(0x0c),
    iccid: optional(Iccid),
  },
  0xbf2f,
);
export type NotificationMetadata = Infer<typeof NotificationMetadata>;

// --- profile installation results -------------------------------------------------------------------------------------------

/** SGP.22 §2.5.6 */
export const EuiccSignPIR = octets(0x5f37);
export type EuiccSignPIR = Infer<typeof EuiccSignPIR>;

/** SGP.22 §2.5.6 */
export const BppCommandId = namedInteger({
  initialiseSecureChannel: 0,
  configureISDP: 1,
  storeMetadata: 2,
  storeMetadata2: 3,
  replaceSessionKeys: 4,
  loadProfileElements: 5,
});
export type BppCommandId = Infer<typeof BppCommandId>;

/** SGP.22 §2.5.6 */
export const ErrorReason = namedInteger({
  incorrectInputValues: 1,
  invalidSignature: 2,
  invalidTransactionId: 3,
  unsupportedCrtValues: 4,
  unsupportedRemoteOperationType: 5,
  unsupportedProfileClass: 6,
  scp03tStructureError: 7,
  scp03tSecurityError: 8,
  installFailedDueToIccidAlreadyExistsOnEuicc: 9,
  installFailedDueToInsufficientMemoryForProfile: 10,
  installFailedDueToInterruption: 11,
  installFailedDueToPEProcessingError: 12,
  installFailedDueToDataMismatch: 13,
  testProfileInstallFailedDueToInvalidNaaKey: 14,
  pprNotAllowed: 15,
  installFailedDueToUnknownError: 127,
});
export type ErrorReason = Infer<typeof ErrorReason>;

/** SGP.22 §2.5.6 */
export const SuccessResult = seq({ aid: octets(0x4f, { min: 5, max: 16 }), simaResponse: octets() });
export type SuccessResult = Infer<typeof SuccessResult>;
/** SGP.22 §2.5.6 */
export const ErrorResult = seq({
  bppCommandId: implicit(0x80, BppCommandId),
  errorReason: implicit(0x81, ErrorReason),
  simaResponse: optional(alsoTag(octets(0x82), 0x04)),
});
export type ErrorResult = Infer<typeof ErrorResult>;

/** SGP.22 §2.5.6 */
export const ProfileInstallationResultData = seq(
  {
    transactionId: implicit(0x80, TransactionId),
    notificationMetadata: NotificationMetadata,
    smdpOid: oid(),
    finalResult: explicit(0xa2, choice({ successResult: implicit(0xa0, SuccessResult), errorResult: implicit(0xa1, ErrorResult) })),
  },
  0xbf27,
);
export type ProfileInstallationResultData = Infer<typeof ProfileInstallationResultData>;

/** SGP.22 §2.5.6; euiccSignPIR covers the whole TLV BF27 */
export const ProfileInstallationResult = seq(
  { profileInstallationResultData: signed(ProfileInstallationResultData), euiccSignPIR: EuiccSignPIR },
  0xbf37,
);
export type ProfileInstallationResult = Infer<typeof ProfileInstallationResult>;

/** SGP.22 §5.7.10; the signature covers the whole TLV BF2F */
export const OtherSignedNotification = seq({
  tbsOtherNotification: signed(NotificationMetadata),
  euiccNotificationSignature: octets(0x5f37),
  euiccCertificate: Certificate,
  eumCertificate: Certificate,
});
export type OtherSignedNotification = Infer<typeof OtherSignedNotification>;

// --- compact forms ----------------------------------------------------------------------------------------------------------

/** SGP.32 §5.14.7: octets 14 and 15 of the ISD-P's AID */
export const CompactSuccessResult = seq({ compactAid: octets(0x4f, { min: 2, max: 2 }), simaResponse: optional(octets()) });
export type CompactSuccessResult = Infer<typeof CompactSuccessResult>;

/** SGP.32 §5.14.7 */
export const CompactProfileInstallationResultData = seq({
  transactionId: implicit(0x80, TransactionId),
  seqNumber: integer(),
  iccidPresent: withDefault(boolean(), true),
  compactFinalResult: explicit(
    0xa2,
    choice({ compactSuccessResult: implicit(0xa0, CompactSuccessResult), errorResult: implicit(0xa1, ErrorResult) }),
  ),
});
export type CompactProfileInstallationResultData = Infer<typeof CompactProfileInstallationResultData>;

/** SGP.32 §5.14.7; the signature is that of the full BF27, which the eIM builds again */
export const CompactProfileInstallationResult = seq({
  compactProfileInstallationResultData: implicit(0xa0, CompactProfileInstallationResultData),
  euiccSignPIR: EuiccSignPIR,
});
export type CompactProfileInstallationResult = Infer<typeof CompactProfileInstallationResult>;

/** SGP.32 §5.14.7 */
export const CompactOtherSignedNotification = seq({
  eidValue: optional(implicit(0x5a, Octet16)),
  tbsOtherNotification: signed(NotificationMetadata),
  euiccNotificationSignature: octets(0x5f37),
});
export type CompactOtherSignedNotification = Infer<typeof CompactOtherSignedNotification>;

/** SGP.22 §5.7.10, SGP.32 §5.9.11 */
export const PendingNotification = choice({
  profileInstallationResult: ProfileInstallationResult,
  otherSignedNotification: OtherSignedNotification,
  compactProfileInstallationResult: implicit(0xa0, CompactProfileInstallationResult),
  compactOtherSignedNotification: implicit(0xa1, CompactOtherSignedNotification),
});
export type PendingNotification = Infer<typeof PendingNotification>;

/** SGP.32 §5.9.11 */
export const PendingNotificationList = seqOf(PendingNotification);
export type PendingNotificationList = Infer<typeof PendingNotificationList>;

// --- ES10b ------------------------------------------------------------------------------------------------------------------

/** SGP.22 §5.7.9 */
export const ListNotificationRequest = seq({ profileManagementOperation: optional(implicit(0x81, NotificationEvent)) }, 0xbf28);
export type ListNotificationRequest = Infer<typeof ListNotificationRequest>;
/** SGP.22 §5.7.9 */
export const ListNotificationResponse = explicit(
  0xbf28,
  choice({
    notificationMetadataList: seqOf(NotificationMetadata, 0xa0),
    listNotificationsResultError: namedInteger({ undefinedError: 127 }, 0x81),
  }),
);
export type ListNotificationResponse = Infer<typeof ListNotificationResponse>;

/** SGP.22 §5.7.11: RemoveNotificationFromList */
export const NotificationSentRequest = seq({ seqNumber: integer(0x80) }, 0xbf30);
export type NotificationSentRequest = Infer<typeof NotificationSentRequest>;
/** SGP.22 §5.7.11 */
export const NotificationSentResponse = seq(
  { deleteNotificationStatus: namedInteger({ ok: 0, nothingToDelete: 1, undefinedError: 127 }, 0x80) },
  0xbf30,
);
export type NotificationSentResponse = Infer<typeof NotificationSentResponse>;
