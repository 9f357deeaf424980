// A profile's metadata: as listed by the eUICC (BF2D, E3), as stored at installation (BF25), as updated later (BF2A).
import {
  boolean,
  choice,
  explicit,
  type Infer,
  implicit,
  namedInteger,
  octets,
  optional,
  seq,
  seqOf,
  utf8String,
  withDefault,
} from "../asn1/schema.ts";
import {
  DpProprietaryData,
  Iccid,
  NotificationConfigurationInformation,
  OctetTo16,
  OperatorId,
  PprIds,
  VendorSpecificExtension,
} from "./common.ts";

/** SGP.22 §2.4a.1 */
export const IconType = namedInteger({ jpg: 0, png: 1 });
export type IconType = Infer<typeof IconType>;
/** SGP.22 §5.7.15 */
export const ProfileState = namedInteger({ disabled: 0, enabled: 1 });
export type ProfileState = Infer<typeof ProfileState>;
/** SGP.22 §2.4a.1 */
export const ProfileClass = namedInteger({ test: 0, provisioning: 1, operational: 2 });
export type ProfileClass = Infer<typeof ProfileClass>;

/** SGP.22 §5.7.15, SGP.32 §5.9.14 */
export const ProfileInfoListRequest = seq(
  {
    searchCriteria: optional(
      explicit(0xa0, choice({ isdpAid: implicit(0x4f, OctetTo16), iccid: Iccid, profileClass: implicit(0x95, ProfileClass) })),
    ),
    tagList: optional(octets(0x5c)),
  },
  0xbf2d,
);
export type ProfileInfoListRequest = Infer<typeof ProfileInfoListRequest>;

/** SGP.32 §4.4 */
export const ProfileInfo = seq(
  {
    iccid: optional(Iccid),
    isdpAid: optional(implicit(0x4f, OctetTo16)),
    profileState: optional(implicit(0x9f70, ProfileState)),
    profileNickname: optional(utf8String(0x90, { max: 64 })),
    serviceProviderName: optional(utf8String(0x91, { max: 32 })),
    profileName: optional(utf8String(0x92, { max: 64 })),
    iconType: optional(implicit(0x93, IconType)),
    icon: optional(octets(0x94, { max: 1024 })),
    profileClass: optional(implicit(0x95, ProfileClass)),
    notificationConfigurationInfo: optional(seqOf(NotificationConfigurationInformation, 0xb6)),
    profileOwner: optional(implicit(0xb7, OperatorId)),
    dpProprietaryData: optional(implicit(0xb8, DpProprietaryData)),
    profilePolicyRules: optional(implicit(0x99, PprIds)),
    serviceSpecificDataStoredInEuicc: optional(implicit(0xbf22, VendorSpecificExtension)),
    ecallIndication: optional(boolean(0x9f7b)),
    fallbackAttribute: withDefault(boolean(0x9f26), false),
    fallbackAllowed: optional(boolean(0x9f67)),
  },
  0xe3,
);
export type ProfileInfo = Infer<typeof ProfileInfo>;

/** SGP.32 §5.9.14 */
export const ProfileInfoListError = namedInteger({ incorrectInputValues: 1, profileChangeOngoing: 11, undefinedError: 127 });
export type ProfileInfoListError = Infer<typeof ProfileInfoListError>;

/** SGP.32 §5.9.14 */
export const ProfileInfoListResponse = explicit(
  0xbf2d,
  choice({ profileInfoListOk: seqOf(ProfileInfo, 0xa0), profileInfoListError: implicit(0x81, ProfileInfoListError) }),
);
export type ProfileInfoListResponse = Infer<typeof ProfileInfoListResponse>;

/** SGP.22 §5.5.3, SGP.32 §5.5 */
export const StoreMetadataRequest = seq(
  {
    iccid: Iccid,
    serviceProviderName: utf8String(0x91, { max: 32 }),
    profileName: utf8String(0x92, { max: 64 }),
    iconType: optional(implicit(0x93, IconType)),
    icon: optional(octets(0x94, { max: 1024 })),
    profileClass: withDefault(implicit(0x95, ProfileClass), "operational"),
    notificationConfigurationInfo: optional(seqOf(NotificationConfigurationInformation, 0xb6)),
    profileOwner: optional(implicit(0xb7, OperatorId)),
    profilePolicyRules: optional(implicit(0x99, PprIds)),
    serviceSpecificDataStoredInEuicc: optional(implicit(0xbf22, VendorSpecificExtension)),
    serviceSpecificDataNotStoredInEuicc: optional(implicit(0xbf23, VendorSpecificExtension)),
    ecallIndication: optional(boolean(0x9f7b)),
    fallbackAllowed: optional(boolean(0x9f67)),
  },
  0xbf25,
);
export type StoreMetadataRequest = Infer<typeof StoreMetadataRequest>;

/** SGP.22 §5.4.1 */
export const UpdateMetadataRequest = seq(
  {
    serviceProviderName: optional(utf8String(0x91, { max: 32 })),
    profileName: optional(utf8String(0x92, { max: 64 })),
    iconType: optional(implicit(0x93, IconType)),
    icon: optional(octets(0x94, { max: 1024 })),
    profilePolicyRules: optional(implicit(0x99, PprIds)),
    serviceSpecificDataStoredInEuicc: optional(implicit(0xbf22, VendorSpecificExtension)),
  },
  0xbf2a,
);
export type UpdateMetadataRequest = Infer<typeof UpdateMetadataRequest>;

/** SGP.22 §5.7.21 */
export const SetNicknameRequest = seq({ iccid: Iccid, profileNickname: utf8String(0x90, { max: 64 }) }, 0xbf29);
export type SetNicknameRequest = Infer<typeof SetNicknameRequest>;
/** SGP.22 §5.7.21 */
export const SetNicknameResponse = seq({ setNicknameResult: namedInteger({ ok: 0, iccidNotFound: 1, undefinedError: 127 }, 0x80) }, 0xbf29);
export type SetNicknameResponse = Infer<typeof SetNicknameResponse>;
