// eUICC packages (BF51): what an eIM orders an eUICC to do, signed, and what the eUICC answers, signed (SGP.32 §2.11).
import {
  alsoTag,
  choice,
  explicit,
  extensibleChoice,
  type Infer,
  implicit,
  integer,
  namedInteger,
  nullType,
  octets,
  oid,
  optional,
  seq,
  seqOf,
  signed,
  utf8String,
} from "../asn1/schema.ts";
import { eimIdComponent, Iccid, NotificationEvent, Octet16, RulesAuthorisationTable, TransactionId } from "./common.ts";
import { EimConfigurationData, EimIdType, Sgp32SetDefaultDpAddressRequest, Sgp32SetDefaultDpAddressResponse } from "./eim-config.ts";
import { PendingNotificationList } from "./notifications.ts";
import { ProfileInfoListRequest, ProfileInfoListResponse } from "./profile-info.ts";

/** SGP.32 §2.11.1.1; an operation of a later version is carried as it is */
export const Psmo = extensibleChoice({
  enable: seq({ iccid: Iccid, rollbackFlag: optional(alsoTag(nullType(), 0x81)) }, 0xa3),
  disable: seq({ iccid: Iccid }, 0xa4),
  delete: seq({ iccid: Iccid }, 0xa5),
  listProfileInfo: ProfileInfoListRequest,
  getRAT: seq({}, 0xa6),
  configureImmediateEnable: seq(
    {
      immediateEnableFlag: optional(nullType(0x80)),
      defaultSmdpOid: optional(oid(0x81)),
      defaultSmdpAddress: optional(utf8String(0x82)),
    },
    0xa7,
  ),
  setFallbackAttribute: seq({ iccid: Iccid }, 0xa8),
  unsetFallbackAttribute: seq({}, 0xa9),
  setDefaultDpAddress: Sgp32SetDefaultDpAddressRequest,
});
export type Psmo = Infer<typeof Psmo>;

/** SGP.32 §2.11.1.1; an operation of a later version is carried as it is */
export const Eco = extensibleChoice({
  addEim: implicit(0xa8, EimConfigurationData),
  deleteEim: seq({ eimId: utf8String(0x80) }, 0xa9),
  updateEim: implicit(0xaa, EimConfigurationData),
  listEim: seq({}, 0xab),
});
export type Eco = Infer<typeof Eco>;

/** SGP.32 §2.11.1.1 */
export const EuiccPackage = choice({ psmoList: seqOf(Psmo, 0xa0), ecoList: seqOf(Eco, 0xa1) });
export type EuiccPackage = Infer<typeof EuiccPackage>;

/** SGP.32 §2.11.1.1 */
export const EuiccPackageSigned = seq({
  eimId: eimIdComponent,
  eidValue: implicit(0x5a, Octet16),
  counterValue: integer(0x81),
  eimTransactionId: optional(implicit(0x82, TransactionId)),
  euiccPackage: EuiccPackage,
});
export type EuiccPackageSigned = Infer<typeof EuiccPackageSigned>;

/** SGP.32 §2.11.1.1; eimSignature covers euiccPackageSigned and the association token's TLV */
export const EuiccPackageRequest = seq({ euiccPackageSigned: signed(EuiccPackageSigned), eimSignature: octets(0x5f37) }, 0xbf51);
export type EuiccPackageRequest = Infer<typeof EuiccPackageRequest>;

// --- result of each operation -----------------------------------------------------------------------------------------------

/** SGP.32 §2.11.2.1 */
export const EnableProfileResult = namedInteger({
  ok: 0,
  iccidOrAidNotFound: 1,
  profileNotInDisabledState: 2,
  disallowedByPolicy: 3,
  catBusy: 5,
  rollbackNotAvailable: 20,
  undefinedError: 127,
});
export type EnableProfileResult = Infer<typeof EnableProfileResult>;
/** SGP.32 §2.11.2.1 */
export const DisableProfileResult = namedInteger({
  ok: 0,
  iccidOrAidNotFound: 1,
  profileNotInEnabledState: 2,
  disallowedByPolicy: 3,
  catBusy: 5,
  undefinedError: 127,
});
export type DisableProfileResult = Infer<typeof DisableProfileResult>;
/** SGP.32 §2.11.2.1 */
export const DeleteProfileResult = namedInteger({
  ok: 0,
  iccidOrAidNotFound: 1,
  profileNotInDisabledState: 2,
  disallowedByPolicy: 3,
  rollbackNotAvailable: 20,
  returnFallbackProfile: 21,
  undefinedError: 127,
});
export type DeleteProfileResult = Infer<typeof DeleteProfileResult>;
/** SGP.32 §2.11.2.1 */
export const ConfigureImmediateEnableResult = namedInteger({ ok: 0, insufficientMemory: 1, commandError: 7, undefinedError: 127 });
export type ConfigureImmediateEnableResult = Infer<typeof ConfigureImmediateEnableResult>;
/** SGP.32 §2.11.2.1 */
export const RollbackProfileResult = namedInteger({ ok: 0, undefinedError: 127 });
export type RollbackProfileResult = Infer<typeof RollbackProfileResult>;
/** SGP.32 §2.11.2.1 */
export const SetFallbackAttributeResult = namedInteger({
  ok: 0,
  iccidOrAidNotFound: 1,
  fallbackNotAllowed: 2,
  fallbackProfileEnabled: 3,
  undefinedError: 127,
});
export type SetFallbackAttributeResult = Infer<typeof SetFallbackAttributeResult>;
/** SGP.32 §2.11.2.1 */
export const UnsetFallbackAttributeResult = namedInteger({
  ok: 0,
  noFallbackAttribute: 2,
  fallbackProfileEnabled: 3,
  commandError: 7,
  undefinedError: 127,
});
export type UnsetFallbackAttributeResult = Infer<typeof UnsetFallbackAttributeResult>;
/** SGP.32 §2.11.2.1 */
export const AddEimResult = choice({
  associationToken: integer(0x84),
  addEimResultCode: namedInteger({
    ok: 0,
    insufficientMemory: 1,
    associatedEimAlreadyExists: 2,
    ciPKUnknown: 3,
    invalidAssociationToken: 5,
    counterValueOutOfRange: 6,
    commandError: 7,
    undefinedError: 127,
  }),
});
export type AddEimResult = Infer<typeof AddEimResult>;
/** SGP.32 §2.11.2.1 */
export const DeleteEimResult = namedInteger({ ok: 0, eimNotFound: 1, lastEimDeleted: 2, commandError: 7, undefinedError: 127 });
export type DeleteEimResult = Infer<typeof DeleteEimResult>;
/** SGP.32 §2.11.2.1 */
export const UpdateEimResult = namedInteger({
  ok: 0,
  eimNotFound: 1,
  ciPKUnknown: 3,
  counterValueOutOfRange: 6,
  commandError: 7,
  undefinedError: 127,
});
export type UpdateEimResult = Infer<typeof UpdateEimResult>;
/** SGP.32 §2.11.2.1 */
export const EimIdInfo = seq({ eimId: eimIdComponent, eimIdType: optional(implicit(0x82, EimIdType)) });
export type EimIdInfo = Infer<typeof EimIdInfo>;
/** SGP.32 §2.11.2.1 */
export const ListEimResult = choice({ eimIdList: seqOf(EimIdInfo, 0xa0), listEimError: namedInteger({ undefinedError: 127 }, 0x81) });
export type ListEimResult = Infer<typeof ListEimResult>;

/** SGP.32 §2.11.2.1; a result of a later version is carried as it is */
export const EuiccResultData = extensibleChoice({
  enableResult: implicit(0x83, EnableProfileResult),
  disableResult: implicit(0x84, DisableProfileResult),
  deleteResult: implicit(0x85, DeleteProfileResult),
  listProfileInfoResult: ProfileInfoListResponse,
  getRATResult: implicit(0xa6, RulesAuthorisationTable),
  configureImmediateEnableResult: implicit(0x87, ConfigureImmediateEnableResult),
  addEimResult: explicit(0xa8, AddEimResult),
  deleteEimResult: implicit(0x89, DeleteEimResult),
  updateEimResult: implicit(0x8a, UpdateEimResult),
  listEimResult: explicit(0xab, ListEimResult),
  rollbackResult: implicit(0x8c, RollbackProfileResult),
  setFallbackAttributeResult: implicit(0x8d, SetFallbackAttributeResult),
  unsetFallbackAttributeResult: implicit(0x8e, UnsetFallbackAttributeResult),
  processingTerminated: namedInteger({ resultSizeOverflow: 1, unknownOrDamagedCommand: 2, interruption: 3, undefinedError: 127 }),
  setDefaultDpAddressResult: Sgp32SetDefaultDpAddressResponse,
});
export type EuiccResultData = Infer<typeof EuiccResultData>;

// --- result of a package ----------------------------------------------------------------------------------------------------

/** SGP.32 §2.11.2.1 */
export const EuiccPackageResultDataSigned = seq({
  eimId: eimIdComponent,
  counterValue: integer(0x81),
  eimTransactionId: optional(implicit(0x82, TransactionId)),
  seqNumber: integer(0x83),
  euiccResult: seqOf(EuiccResultData),
});
export type EuiccPackageResultDataSigned = Infer<typeof EuiccPackageResultDataSigned>;
/** SGP.32 §2.11.2.1; euiccSignEPR covers the data and the association token's TLV */
export const EuiccPackageResultSigned = seq({
  euiccPackageResultDataSigned: signed(EuiccPackageResultDataSigned),
  euiccSignEPR: octets(0x5f37),
});
export type EuiccPackageResultSigned = Infer<typeof EuiccPackageResultSigned>;

/** SGP.32 §2.11.2.1 */
export const EuiccPackageErrorCode = namedInteger({
  invalidEid: 3,
  replayError: 4,
  counterValueOutOfRange: 6,
  sizeOverflow: 15,
  ecallActive: 104,
  undefinedError: 127,
});
export type EuiccPackageErrorCode = Infer<typeof EuiccPackageErrorCode>;
/** SGP.32 §2.11.2.1 */
export const EuiccPackageErrorDataSigned = seq({
  eimId: eimIdComponent,
  counterValue: integer(0x81),
  eimTransactionId: optional(implicit(0x82, TransactionId)),
  euiccPackageErrorCode: EuiccPackageErrorCode,
});
export type EuiccPackageErrorDataSigned = Infer<typeof EuiccPackageErrorDataSigned>;
/** SGP.32 §2.11.2.1; euiccSignEPE covers the data and the association token's TLV */
export const EuiccPackageErrorSigned = seq({
  euiccPackageErrorDataSigned: signed(EuiccPackageErrorDataSigned),
  euiccSignEPE: octets(0x5f37),
});
export type EuiccPackageErrorSigned = Infer<typeof EuiccPackageErrorSigned>;
/** SGP.32 §2.11.2.1 */
export const EuiccPackageErrorUnsigned = seq({
  eimId: eimIdComponent,
  eimTransactionId: optional(implicit(0x82, TransactionId)),
  associationToken: optional(integer(0x84)),
});
export type EuiccPackageErrorUnsigned = Infer<typeof EuiccPackageErrorUnsigned>;

/** SGP.32 §2.11.2.1 */
export const EuiccPackageResult = explicit(
  0xbf51,
  choice({
    euiccPackageResultSigned: implicit(0xa0, EuiccPackageResultSigned),
    euiccPackageErrorSigned: implicit(0xa1, EuiccPackageErrorSigned),
    euiccPackageErrorUnsigned: implicit(0xa2, EuiccPackageErrorUnsigned),
  }),
);
export type EuiccPackageResult = Infer<typeof EuiccPackageResult>;
/** SGP.32 §5.9.11 */
export const EuiccPackageResultList = seqOf(EuiccPackageResult);
export type EuiccPackageResultList = Infer<typeof EuiccPackageResultList>;

// --- retrieval of stored results and notifications (BF2B) -------------------------------------------------------------------

/** SGP.32 §5.9.11 */
export const RetrieveNotificationsListRequest = seq(
  {
    searchCriteria: optional(
      explicit(
        0xa0,
        choice({
          seqNumber: integer(0x80),
          profileManagementOperation: implicit(0x81, NotificationEvent),
          euiccPackageResults: nullType(0x82),
        }),
        { orBare: true },
      ),
    ),
  },
  0xbf2b,
);
export type RetrieveNotificationsListRequest = Infer<typeof RetrieveNotificationsListRequest>;
/** SGP.32 §5.9.11 */
export const RetrieveNotificationsListResponse = explicit(
  0xbf2b,
  choice({
    notificationList: implicit(0xa0, PendingNotificationList),
    notificationsListResultError: namedInteger({ undefinedError: 127 }, 0x81),
    euiccPackageResultList: implicit(0xa2, EuiccPackageResultList),
  }),
);
export type RetrieveNotificationsListResponse = Infer<typeof RetrieveNotificationsListResponse>;
