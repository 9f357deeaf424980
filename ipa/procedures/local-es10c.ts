// Profiles under local command (ES10c of SGP.22 §5.7.15 to §5.7.21): reading them with names, and enable, disable, delete with their result codes.
// Some cards know a profile by its AID only: what is not found by ICCID is asked for once more by AID.
import { iccidToBytes, swappedBcdToDigits } from "../../base/bytes.ts";
import { deleteProfile, disableProfile, type Es10, enableProfile, getProfilesInfo, type ResultCode } from "../euicc/es10.ts";
import type { DeleteProfileRequest } from "../messages/es10.ts";

export interface LocalProfile {
  /** Digits. */
  readonly iccid: string;
  readonly isdpAid: Uint8Array | undefined;
  readonly enabled: boolean;
  readonly nickname: string | undefined;
  readonly profileName: string | undefined;
  readonly serviceProviderName: string | undefined;
  readonly profileClass: string | undefined;
}

/** 5A 4F 9F70 90 91 92 95: tags that SGP.22 has too. */
const tagList = Uint8Array.of(0x5a, 0x4f, 0x9f, 0x70, 0x90, 0x91, 0x92, 0x95);

/** Throws ES10_REFUSED, ES10_UNSUPPORTED, APDU_… */
export async function readLocalProfiles(es10: Es10): Promise<readonly LocalProfile[]> {
  const response = await es10.carryOut(getProfilesInfo, { tagList });
  if (response.kind !== "profileInfoListOk") return [];
  return response.value.map((info) => ({
    iccid: info.iccid === undefined ? "" : swappedBcdToDigits(info.iccid),
    isdpAid: info.isdpAid,
    enabled: info.profileState === "enabled",
    nickname: info.profileNickname === "" ? undefined : info.profileNickname,
    profileName: info.profileName,
    serviceProviderName: info.serviceProviderName,
    profileClass: info.profileClass === undefined ? undefined : String(info.profileClass),
  }));
}

/** What ES10c needs to know of a profile. */
export type Named = Pick<LocalProfile, "iccid" | "isdpAid">;

/** ES10c.EnableProfile; answers "ok" or the code of SGP.22 §5.7.16. */
export function enableLocally(es10: Es10, profile: Named, refreshFlag: boolean): Promise<ResultCode> {
  return byEitherName(
    profile,
    async (profileIdentifier) => (await es10.call(enableProfile, { profileIdentifier, refreshFlag })).enableResult,
  );
}

/** ES10c.DisableProfile */
export function disableLocally(es10: Es10, profile: Named, refreshFlag: boolean): Promise<ResultCode> {
  return byEitherName(
    profile,
    async (profileIdentifier) => (await es10.call(disableProfile, { profileIdentifier, refreshFlag })).disableResult,
  );
}

/** ES10c.DeleteProfile */
export function deleteLocally(es10: Es10, profile: Named): Promise<ResultCode> {
  return byEitherName(profile, async (profileIdentifier) => (await es10.call(deleteProfile, profileIdentifier)).deleteResult);
}

async function byEitherName(
  { iccid, isdpAid }: Named,
  ask: (identifier: DeleteProfileRequest) => Promise<ResultCode>,
): Promise<ResultCode> {
  const code = await ask({ kind: "iccid", value: iccidToBytes(iccid) });
  return code === "iccidOrAidNotFound" && isdpAid !== undefined ? ask({ kind: "isdpAid", value: isdpAid }) : code;
}
