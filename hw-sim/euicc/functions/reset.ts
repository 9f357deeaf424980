// eUICCMemoryReset, as SGP.32 (§5.9.5) and SGP.22 (§5.7.19) have it: profiles of the classes named, default address, eIMs, immediate enabling.
// Policy rules do not protect a profile from it; deletion is notified as ever.
import type {
  EuiccMemoryResetRequest,
  EuiccMemoryResetResponse,
  Sgp32EuiccMemoryResetRequest,
  Sgp32EuiccMemoryResetResponse,
} from "../../../ipa/messages/eim-config.ts";
import { type EuiccCore, metadataOf } from "../core.ts";
import { enabledProfile } from "../registry.ts";
import { type CardState, type StoredProfile, without } from "../state.ts";
import { deleted, isCatBusy } from "./switching.ts";

type Option = Sgp32EuiccMemoryResetRequest["resetOptions"][number];

/** ES10b.eUICCMemoryReset */
export function memoryReset(core: EuiccCore, { resetOptions }: Sgp32EuiccMemoryResetRequest): Sgp32EuiccMemoryResetResponse {
  if (core.state.emergency !== undefined) return { resetResult: "ecallActive" };
  const resetResult = resetProfiles(core, resetOptions);
  if (resetResult === "catBusy") return { resetResult };
  const hadEims = core.state.eims.length > 0;
  const eim = resetOptions.includes("resetEimConfigData");
  const immediate = resetOptions.includes("resetImmediateEnableConfig");
  if (eim || immediate) {
    core.update((state) => {
      const kept = eim ? { ...without(state, "rollback"), eims: [] } : state;
      return immediate ? without(kept, "immediateEnable") : kept;
    });
  }
  return {
    resetResult,
    resetEimResult: eim ? (hadEims ? "ok" : "nothingToDelete") : undefined,
    resetImmediateEnableConfigResult: immediate ? (core.capabilities.immediateEnable ? "ok" : "resetIECNotSupported") : undefined,
  };
}

/** ES10c.eUICCMemoryReset of SGP.22. */
export function memoryResetSgp22(core: EuiccCore, { resetOptions }: EuiccMemoryResetRequest): EuiccMemoryResetResponse {
  if (core.state.emergency !== undefined) return { resetResult: "undefinedError" };
  return { resetResult: resetProfiles(core, resetOptions) };
}

function resetProfiles(core: EuiccCore, options: readonly Option[]): "ok" | "nothingToDelete" | "catBusy" {
  const doomed = core.state.profiles.filter((profile) => isNamed(profile, options));
  const address = options.includes("resetDefaultSmdpAddress") && core.state.defaultSmdpAddress !== undefined;
  const asked = options.some((option) => option !== "resetEimConfigData" && option !== "resetImmediateEnableConfig");
  if (doomed.length === 0 && !address) return asked ? "nothingToDelete" : "ok";
  const before = enabledProfile(core.state);
  const losesEnabled = before !== undefined && doomed.includes(before);
  if (losesEnabled && isCatBusy(core)) return "catBusy";
  core.update((state) => {
    const emptied = doomed.reduce((out: CardState, profile) => deleted(core, out, profile), state);
    const released = doomed.length > 0 ? without(emptied, "rollback", "fallbackFrom") : emptied;
    return address ? without(released, "defaultSmdpAddress") : released;
  });
  if (losesEnabled) core.wantRefresh();
  return "ok";
}

function isNamed(profile: StoredProfile, options: readonly Option[]): boolean {
  const { profileClass } = metadataOf(profile);
  switch (profileClass) {
    case "operational":
      return options.includes("deleteOperationalProfiles");
    case "provisioning":
      return options.includes("deleteProvisioningProfiles");
    case "test":
      return options.includes(profile.preloaded ? "deletePreLoadedTestProfiles" : "deleteFieldLoadedTestProfiles");
    default:
      return false;
  }
}
