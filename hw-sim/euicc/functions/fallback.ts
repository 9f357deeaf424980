// The fallback mechanism (SGP.32 §3.4.5): one profile carries the attribute, the assistant enables it when it has lost connectivity, and
// goes back when that is restored.

import { equalBytes } from "../../../base/bytes.ts";
import type {
  ExecuteFallbackMechanismRequest,
  ExecuteFallbackMechanismResponse,
  ReturnFromFallbackRequest,
  ReturnFromFallbackResponse,
} from "../../../ipa/messages/es10.ts";
import { type EuiccCore, metadataOf } from "../core.ts";
import { enabledProfile, profileByAid, profileByIccid, switched } from "../registry.ts";
import { type StoredProfile, without } from "../state.ts";
import { commit, isCatBusy, type Outcome } from "./switching.ts";

function fallbackProfile(core: EuiccCore): StoredProfile | undefined {
  return core.capabilities.fallback ? core.state.profiles.find((profile) => profile.fallbackAttribute) : undefined;
}

/** The PSMO of that name; the attribute moves, so that one profile at most has it. */
export function setFallbackAttribute(
  core: EuiccCore,
  iccid: Uint8Array,
): Outcome<"ok" | "iccidOrAidNotFound" | "fallbackNotAllowed" | "fallbackProfileEnabled"> {
  const profile = profileByIccid(core.state, iccid);
  if (profile === undefined) return { result: "iccidOrAidNotFound" };
  if (!core.capabilities.fallback || metadataOf(profile).fallbackAllowed !== true) return { result: "fallbackNotAllowed" };
  if (core.state.fallbackFrom !== undefined) return { result: "fallbackProfileEnabled" };
  return {
    result: "ok",
    change: (state) => ({
      ...state,
      profiles: state.profiles.map((one) => ({ ...one, fallbackAttribute: equalBytes(one.aid, profile.aid) })),
    }),
  };
}

/** The PSMO of that name. */
export function unsetFallbackAttribute(core: EuiccCore): Outcome<"ok" | "noFallbackAttribute" | "fallbackProfileEnabled"> {
  if (fallbackProfile(core) === undefined) return { result: "noFallbackAttribute" };
  if (core.state.fallbackFrom !== undefined) return { result: "fallbackProfileEnabled" };
  return {
    result: "ok",
    change: (state) => ({ ...state, profiles: state.profiles.map((one) => ({ ...one, fallbackAttribute: false })) }),
  };
}

/** ES10b.ExecuteFallbackMechanism */
export function executeFallbackMechanism(core: EuiccCore, request: ExecuteFallbackMechanismRequest): ExecuteFallbackMechanismResponse {
  return { executeFallbackMechanismResult: commit(core, executeOutcome(core), request.refreshFlag) };
}

function executeOutcome(
  core: EuiccCore,
): Outcome<"ok" | "profileNotInDisabledState" | "catBusy" | "fallbackNotAvailable" | "commandError" | "ecallActive"> {
  const before = enabledProfile(core.state);
  const fallback = fallbackProfile(core);
  if (core.state.emergency !== undefined) return { result: "ecallActive" };
  if (fallback === undefined) return { result: "fallbackNotAvailable" };
  if (before === undefined) return { result: "commandError" };
  if (fallback.state !== "disabled") return { result: "profileNotInDisabledState" };
  if (isCatBusy(core)) return { result: "catBusy" };
  return {
    result: "ok",
    switches: true,
    change: (state) => ({ ...switched(core, without(state, "rollback"), fallback.aid), fallbackFrom: before.aid }),
  };
}

/** ES10b.ReturnFromFallback */
export function returnFromFallback(core: EuiccCore, request: ReturnFromFallbackRequest): ReturnFromFallbackResponse {
  return { returnFromFallbackResult: commit(core, returnOutcome(core), request.refreshFlag) };
}

function returnOutcome(core: EuiccCore): Outcome<"ok" | "catBusy" | "fallbackNotAvailable" | "commandError"> {
  const { fallbackFrom, emergency } = core.state;
  if (fallbackProfile(core) === undefined) return { result: "fallbackNotAvailable" };
  if (fallbackFrom === undefined || emergency !== undefined || profileByAid(core.state, fallbackFrom) === undefined)
    return { result: "commandError" };
  if (isCatBusy(core)) return { result: "catBusy" };
  return { result: "ok", switches: true, change: (state) => switched(core, without(state, "rollback", "fallbackFrom"), fallbackFrom) };
}
