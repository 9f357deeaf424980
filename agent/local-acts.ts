// What is ordered on the vehicle itself: an emergency told and ended, the emergency profile, fallback and return, immediate enabling.
import { isCode, SimwardError } from "../base/errors.ts";
import { inTrace } from "../base/trace.ts";
import type { Ipa } from "../ipa/ipa.ts";
import type { ImmediateEnableOrder } from "../ipa/procedures/immediate.ts";
import type { LocalSwitchResult } from "../ipa/procedures/local-switch.ts";
import type { EmergencyReport, ImmediateEnableReport, ProfileSwitchReport } from "./api/types.ts";
import type { FallbackKeeper } from "./connectivity/fallback.ts";
import type { Emergency } from "./emergency.ts";

export interface EmergencyOrder {
  readonly active: boolean;
  readonly forSeconds?: number | undefined;
  readonly reason?: string | undefined;
}

export interface LocalActs {
  emergency(): EmergencyReport;
  /** `by`: "operator:<uid>". */
  setEmergency(by: string, order: EmergencyOrder): Promise<EmergencyReport>;
  /** Throws ES10_REFUSED, EMERGENCY_ACTIVE, BUSY. */
  setEmergencyProfile(enabled: boolean): Promise<ProfileSwitchReport>;
  /** Throws FALLBACK_REFUSED, ES10_REFUSED, EMERGENCY_ACTIVE, BUSY. */
  fallback(action: "execute" | "return"): Promise<ProfileSwitchReport>;
  /** Throws ES10_REFUSED. */
  setImmediateEnable(order: ImmediateEnableOrder): Promise<ImmediateEnableReport>;
}

/** An operator who forgets to end it does not keep the vehicle from its duties for longer than this; who needs longer tells it again. */
export const defaultEmergencySeconds = 900;
export const maxEmergencySeconds = 7_200;

export function createLocalActs(parts: {
  readonly ipa: Ipa;
  readonly emergency: Emergency;
  readonly fallback: FallbackKeeper;
  /** After a change: the eIMs have something to be told. */
  readonly news: () => void;
  readonly signal: AbortSignal;
}): LocalActs {
  const { ipa, emergency, fallback, news, signal } = parts;
  const report = (): EmergencyReport => {
    const { active, sources, remainingMs, reason } = emergency.status();
    return {
      schema: "simward/emergency/1",
      active,
      sources,
      ...(remainingMs === undefined ? {} : { remainingMs }),
      ...(reason === undefined ? {} : { reason }),
    };
  };
  return {
    emergency: report,
    async setEmergency(by, { active, forSeconds = defaultEmergencySeconds, reason }) {
      await (active ? emergency.tell(by, forSeconds * 1_000, reason) : emergency.revoke(by));
      return report();
    },
    async setEmergencyProfile(enabled) {
      const result = await ipa.switchLocally(enabled ? "enableEmergencyProfile" : "disableEmergencyProfile", { signal });
      if (result.outcome === "switched") news();
      return switchReport(result, advice.emergency);
    },
    fallback: async (action) => switchReport(await fallback.ask(action), advice.fallback),
    async setImmediateEnable(order) {
      await ipa.configureImmediateEnable(order, signal).catch((error: unknown) => {
        throw advised(error, advice.immediateEnable);
      });
      return { schema: "simward/immediate-enable/1", enabled: order.enabled };
    },
  };
}

/** What helps where the eUICC refuses. */
const advice = {
  emergency: "simward profile list says whether an emergency profile is installed; simward card info whether the eUICC knows such profiles",
  fallback: "simward profile list shows which profile is enabled and which has the fallback attribute; an eIM's order sets it",
  immediateEnable: "simward eim list: once an eIM is associated, only its own order configures this",
} as const;

function advised(error: unknown, next: string): unknown {
  if (!isCode(error, "ES10_REFUSED")) return error;
  const { code, data, ref } = error;
  const detail = error.detail === undefined ? {} : { detail: error.detail };
  return inTrace(ref, () => new SimwardError(code, { ...detail, data, next, cause: error }));
}

function switchReport({ outcome, code, iccid, online, error }: LocalSwitchResult, next: string): ProfileSwitchReport {
  if (outcome !== "switched" && outcome !== "already") throw advised(error ?? refused(outcome, code), next);
  return {
    schema: "simward/profile-switch/1",
    outcome,
    ...(iccid === undefined ? {} : { iccid }),
    ...(online === undefined ? {} : { online }),
  };
}

function refused(outcome: string, code: string | number | undefined): SimwardError {
  if (code === "not wanted any more") return new SimwardError("FALLBACK_REFUSED", { detail: code });
  return new SimwardError("ES10_REFUSED", { detail: `${outcome}: ${code ?? "no answer"}`, data: { error: code ?? null } });
}
