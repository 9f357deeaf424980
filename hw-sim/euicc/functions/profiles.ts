// GetProfilesInfo, and what SGP.22 lets a local assistant do with profiles as long as no eIM is associated: enable, disable, delete,
// name (SGP.32 §5.9.14, SGP.22 §5.7.15 to §5.7.21).
import { equalBytes } from "../../../base/bytes.ts";
import { decode } from "../../../ipa/asn1/schema.ts";
import { DpProprietaryData } from "../../../ipa/messages/common.ts";
import type {
  DeleteProfileRequest,
  DeleteProfileResponse,
  DisableProfileRequest,
  DisableProfileResponse,
  EnableProfileRequest,
  EnableProfileResponse,
} from "../../../ipa/messages/es10.ts";
import {
  type ProfileInfo,
  type ProfileInfoListRequest,
  type ProfileInfoListResponse,
  ProfileInfo as ProfileInfoType,
  type SetNicknameRequest,
  type SetNicknameResponse,
} from "../../../ipa/messages/profile-info.ts";
import { type EuiccCore, metadataOf } from "../core.ts";
import { profileByAid, profileByIccid, withProfile } from "../registry.ts";
import type { StoredProfile } from "../state.ts";
import { commit, deleteOutcome, disableOutcome, enableOutcome } from "./switching.ts";

/** When the request has no tagList (SGP.32 §5.9.14). */
const defaultTags = [0x5a, 0x4f, 0x9f70, 0x91, 0x92, 0x95, 0x9f7b, 0x9f26, 0x9f67];
/** The same in SGP.22 (§5.7.15). */
const sgp22DefaultTags = [0x5a, 0x4f, 0x9f70, 0x90, 0x91, 0x92, 0x93, 0x94, 0x95];
/** Fields that a consumer eUICC has not. */
const iotTags: ReadonlySet<number> = new Set([0x9f7b, 0x9f26, 0x9f67]);

/** ES10b.GetProfilesInfo, and the PSMO listProfileInfo. */
export function getProfilesInfo(core: EuiccCore, { searchCriteria, tagList }: ProfileInfoListRequest): ProfileInfoListResponse {
  const isIot = core.role.es10 === "sgp32";
  const asked = tagList === undefined ? (isIot ? defaultTags : sgp22DefaultTags) : readTagList(tagList);
  const tags = isIot ? asked : asked?.filter((tag) => !iotTags.has(tag));
  if (tags === undefined) return { kind: "profileInfoListError", value: "incorrectInputValues" };
  const matches = (profile: StoredProfile): boolean => {
    switch (searchCriteria?.kind) {
      case undefined:
        return true;
      case "isdpAid":
        return equalBytes(profile.aid, searchCriteria.value);
      case "iccid":
        return equalBytes(profile.iccid, searchCriteria.value);
      case "profileClass":
        return metadataOf(profile).profileClass === searchCriteria.value;
    }
  };
  return { kind: "profileInfoListOk", value: core.state.profiles.filter(matches).map((profile) => selected(infoOf(profile), tags)) };
}

/** Everything that is known of a profile, as ProfileInfo names it. */
function infoOf(profile: StoredProfile): ProfileInfo {
  const metadata = metadataOf(profile);
  return {
    iccid: profile.iccid,
    isdpAid: profile.aid,
    profileState: profile.state,
    profileNickname: profile.nickname,
    serviceProviderName: metadata.serviceProviderName,
    profileName: metadata.profileName,
    iconType: metadata.iconType,
    icon: metadata.icon,
    profileClass: metadata.profileClass,
    notificationConfigurationInfo: metadata.notificationConfigurationInfo,
    profileOwner: metadata.profileOwner,
    dpProprietaryData: profile.dpProprietaryData === undefined ? undefined : decode(DpProprietaryData, profile.dpProprietaryData),
    profilePolicyRules: metadata.profilePolicyRules,
    serviceSpecificDataStoredInEuicc: metadata.serviceSpecificDataStoredInEuicc,
    ecallIndication: metadata.ecallIndication,
    fallbackAttribute: profile.fallbackAttribute,
    fallbackAllowed: metadata.fallbackAllowed,
  };
}

/** Only the fields whose tags were asked for; tags of no field are passed over. */
function selected(info: ProfileInfo, tags: readonly number[]): ProfileInfo {
  const { shape } = ProfileInfoType;
  if (shape.kind !== "seq") return info;
  const kept = Object.entries(shape.fields).filter(([, field]) => {
    const type = "optional" in field ? field.optional : "default" in field ? field.type : field;
    return type.tags.some((tag: number) => tags.includes(tag));
  });
  const values = info as Readonly<Record<string, unknown>>;
  const out = Object.fromEntries(kept.map(([name]) => [name, values[name]]));
  return { fallbackAttribute: false, ...out } as ProfileInfo;
}

/** Tags one after the other; undefined when the last one is cut off. */
function readTagList(list: Uint8Array): readonly number[] | undefined {
  const tags: number[] = [];
  for (let at = 0; at < list.length; ) {
    let tag = list[at++] ?? 0;
    if ((tag & 0x1f) === 0x1f) {
      let octet: number | undefined;
      do {
        octet = list[at++];
        if (octet === undefined) return undefined;
        tag = tag * 256 + octet;
      } while ((octet & 0x80) !== 0);
    }
    tags.push(tag);
  }
  return tags;
}

type Identifier = DeleteProfileRequest;

function identified(core: EuiccCore, identifier: Identifier): StoredProfile | undefined {
  return identifier.kind === "iccid" ? profileByIccid(core.state, identifier.value) : profileByAid(core.state, identifier.value);
}

/** Once an eIM is associated it alone manages profiles (SGP.32 §3.4). */
function isManaged(core: EuiccCore): boolean {
  return core.state.eims.length > 0;
}

/** ES10c.EnableProfile */
export function localEnable(core: EuiccCore, { profileIdentifier, refreshFlag }: EnableProfileRequest): EnableProfileResponse {
  if (isManaged(core)) return { enableResult: "undefinedError" };
  const result = commit(core, enableOutcome(core, identified(core, profileIdentifier)), refreshFlag);
  return { enableResult: result === "rollbackNotAvailable" ? "undefinedError" : result };
}

/** ES10c.DisableProfile */
export function localDisable(core: EuiccCore, { profileIdentifier, refreshFlag }: DisableProfileRequest): DisableProfileResponse {
  if (isManaged(core)) return { disableResult: "undefinedError" };
  return { disableResult: commit(core, disableOutcome(core, identified(core, profileIdentifier)), refreshFlag) };
}

/** ES10c.DeleteProfile */
export function localDelete(core: EuiccCore, identifier: DeleteProfileRequest): DeleteProfileResponse {
  if (isManaged(core)) return { deleteResult: "undefinedError" };
  const result = commit(core, deleteOutcome(core, identified(core, identifier)), false);
  return { deleteResult: result === "rollbackNotAvailable" || result === "returnFallbackProfile" ? "undefinedError" : result };
}

/** ES10c.SetNickname */
export function setNickname(core: EuiccCore, { iccid, profileNickname }: SetNicknameRequest): SetNicknameResponse {
  const profile = profileByIccid(core.state, iccid);
  if (profile === undefined) return { setNicknameResult: "iccidNotFound" };
  core.update((state) => withProfile(state, profile.aid, { nickname: profileNickname }));
  return { setNicknameResult: "ok" };
}
