// The emergency profile (SGP.32 §5.9.19, §5.9.20): enabled for an eCall and disabled after it, without notifications; while it is
// enabled the eUICC takes no packages.
import type {
  DisableEmergencyProfileRequest,
  DisableEmergencyProfileResponse,
  EnableEmergencyProfileRequest,
  EnableEmergencyProfileResponse,
} from "../../../ipa/messages/es10.ts";
import { type EuiccCore, metadataOf } from "../core.ts";
import { enabledProfile, profileByAid, withEnabled } from "../registry.ts";
import { without } from "../state.ts";
import { commit, isCatBusy, type Outcome } from "./switching.ts";

/** ES10b.EnableEmergencyProfile */
export function enableEmergencyProfile(core: EuiccCore, { refreshFlag }: EnableEmergencyProfileRequest): EnableEmergencyProfileResponse {
  return { enableEmergencyProfileResult: commit(core, enableOutcome(core), refreshFlag) };
}

function enableOutcome(core: EuiccCore): Outcome<"ok" | "profileNotInDisabledState" | "catBusy" | "ecallNotAvailable"> {
  const profile = core.capabilities.ecall ? core.state.profiles.find((one) => metadataOf(one).ecallIndication === true) : undefined;
  if (profile === undefined) return { result: "ecallNotAvailable" };
  if (profile.state !== "disabled") return { result: "profileNotInDisabledState" };
  if (isCatBusy(core)) return { result: "catBusy" };
  const previous = enabledProfile(core.state)?.aid;
  return {
    result: "ok",
    switches: true,
    change: (state) => ({
      ...withEnabled(without(state, "rollback"), profile.aid),
      emergency: previous === undefined ? {} : { previous },
    }),
  };
}

/** ES10b.DisableEmergencyProfile: the profile enabled before comes back. */
export function disableEmergencyProfile(core: EuiccCore, { refreshFlag }: DisableEmergencyProfileRequest): DisableEmergencyProfileResponse {
  return { disableEmergencyProfileResult: commit(core, disableOutcome(core), refreshFlag) };
}

function disableOutcome(core: EuiccCore): Outcome<"ok" | "profileNotInEnabledState" | "catBusy"> {
  const { emergency } = core.state;
  if (emergency === undefined) return { result: "profileNotInEnabledState" };
  if (isCatBusy(core)) return { result: "catBusy" };
  const { previous } = emergency;
  const aid = previous !== undefined && profileByAid(core.state, previous) !== undefined ? previous : undefined;
  return { result: "ok", switches: true, change: (state) => withEnabled(without(state, "emergency"), aid) };
}
