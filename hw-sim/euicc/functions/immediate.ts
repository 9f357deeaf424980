// Immediate profile enabling (SGP.32 §5.9.15, §5.9.17): a profile just installed is enabled at once, where the eIM, or before any eIM
// the assistant, has said so beforehand.
import type {
  ConfigureImmediateProfileEnablingRequest,
  ConfigureImmediateProfileEnablingResponse,
} from "../../../ipa/messages/eim-config.ts";
import type { ImmediateEnableRequest, ImmediateEnableResponse } from "../../../ipa/messages/es10.ts";
import type { EuiccCore } from "../core.ts";
import { profileByAid, switched } from "../registry.ts";
import { without } from "../state.ts";
import { commit, isCatBusy, type Outcome } from "./switching.ts";

/** The PSMO configureImmediateEnable. */
export function configureImmediateEnable(
  core: EuiccCore,
  request: ConfigureImmediateProfileEnablingRequest,
): Outcome<"ok" | "insufficientMemory" | "notSupported"> {
  if (!core.capabilities.immediateEnable) return { result: "notSupported" };
  if (core.faults.memoryFull) return { result: "insufficientMemory" };
  const { immediateEnableFlag: flag = false, defaultSmdpOid: smdpOid, defaultSmdpAddress: smdpAddress } = request;
  const immediateEnable = { flag, ...(smdpOid === undefined ? {} : { smdpOid }), ...(smdpAddress === undefined ? {} : { smdpAddress }) };
  return { result: "ok", change: (state) => ({ ...state, immediateEnable }) };
}

/** ES10b.ConfigureImmediateProfileEnabling: the assistant may do it only while no eIM is associated. */
export function configureImmediateProfileEnabling(
  core: EuiccCore,
  request: ConfigureImmediateProfileEnablingRequest,
): ConfigureImmediateProfileEnablingResponse {
  if (core.state.eims.length > 0) return { configImmediateEnableResult: "associatedEimAlreadyExists" };
  const result = commit(core, configureImmediateEnable(core, request), false);
  return { configImmediateEnableResult: result === "notSupported" ? "undefinedError" : result };
}

/** ES10b.ImmediateEnable: for the profile that the present RSP session installed. */
export function immediateEnable(core: EuiccCore, { refreshFlag }: ImmediateEnableRequest): ImmediateEnableResponse {
  return { immediateEnableResult: commit(core, immediateEnableOutcome(core), refreshFlag) };
}

function immediateEnableOutcome(core: EuiccCore): Outcome<"ok" | "immediateEnableNotAvailable" | "noSessionContext" | "catBusy"> {
  const { session, state } = core;
  const aid = session?.installed;
  const server = session?.authenticated;
  const profile = aid === undefined ? undefined : profileByAid(state, aid);
  if (aid === undefined || server === undefined) return { result: "noSessionContext" };
  const { flag = false, smdpOid, smdpAddress } = state.immediateEnable ?? {};
  const isThatServer =
    (smdpOid === undefined || smdpOid === server.oid) &&
    (smdpAddress === undefined || smdpAddress.toLowerCase() === server.serverAddress.toLowerCase());
  if (!flag || !isThatServer || profile?.state !== "disabled" || state.emergency !== undefined)
    return { result: "immediateEnableNotAvailable" };
  if (isCatBusy(core)) return { result: "catBusy" };
  return { result: "ok", switches: true, change: (now) => switched(core, without(now, "rollback", "fallbackFrom"), aid) };
}
