// Whether the fleet's own data passes, why not, who sees to it, and what to look at next: one answer for the status, its line and the page. Pure.
import type { Verdict } from "../ipa/ports.ts";
import type { DataStatus } from "./api/types.ts";
import type { FirewallStatus } from "./firewall/firewall.ts";

export interface DataVerdictParts {
  /** Of the gate `data`, as it is in force. */
  readonly data: Verdict;
  readonly firewall: Pick<FirewallStatus, "state"> | undefined;
  /** `policy.enforce_without_netd`. */
  readonly withoutNetd: "none" | "flight";
}

/** By the rule's id: what shows the cause. */
const nextSteps: Readonly<Record<string, string>> = {
  usage: "simward usage show",
  roaming: "simward roaming status",
  lifecycle: "simward lifecycle status",
  imei_lock: "simward imei-lock show",
  tunnel_required: "simward net tunnel",
  market: "simward policy market show",
};

export function dataStatusOf({ data, firewall, withoutNetd }: DataVerdictParts): DataStatus {
  if (data.kind === "allow") return { verdict: "allow" };
  const { kind, rule, reason, retryAt } = data;
  return {
    ...{ verdict: kind, rule, reason, next: nextSteps[rule] ?? "simward policy explain" },
    ...(kind === "warn" ? {} : { carriedOut: carriedOutBy(kind, firewall, withoutNetd) }),
    ...(retryAt === undefined ? {} : { until: new Date(retryAt).toISOString() }),
  };
}

/** A pace is set by the kernel alone; without it only all or nothing is left. */
function carriedOutBy(
  kind: "throttle" | "refuse",
  firewall: DataVerdictParts["firewall"],
  withoutNetd: "none" | "flight",
): NonNullable<DataStatus["carriedOut"]> {
  if (firewall?.state === "kept") return "firewall";
  if (firewall?.state === "waiting") return "waiting";
  const isFlown = firewall !== undefined || withoutNetd === "flight";
  return kind === "refuse" && isFlown ? "module" : "nobody";
}
