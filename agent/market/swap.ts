// Whether profiles may be changed in a country, and to which: what the configuration says, else the strictest rule that holds there. Pure.
import type { MarketConfig } from "../config/schema.ts";
import type { RoamingRule } from "../roaming/rules.ts";

export interface SwapPolicy {
  readonly policy: "free" | "allow_list" | "forbidden";
  /** ICCIDs or their beginnings. */
  readonly allow: readonly string[];
  /** Who says so: a rule of permanent roaming, or the configuration. */
  readonly from: string;
  /** Not of low confidence, which may be said, and nothing done for it. */
  readonly isSure: boolean;
}

const severity = ["free", "allow_list", "forbidden"] as const;

/** `rules`: those that hold there for the subscription in use. */
export function swapPolicyOf(country: string, own: MarketConfig | undefined, rules: readonly RoamingRule[]): SwapPolicy {
  const allow = own?.allow ?? [];
  if (own?.swap !== undefined) return { policy: own.swap, allow, from: `market.${country}`, isSure: true };
  const rank = ({ profile_swap: swap = "free" }: RoamingRule): number => severity.indexOf(swap);
  const [strictest] = [...rules].sort((a, b) => rank(b) - rank(a));
  const { profile_swap: policy = "free", id: from = "no rule", confidence } = strictest ?? {};
  return { policy, allow, from, isSure: confidence !== "low" };
}

export function mayEnable({ policy, allow }: SwapPolicy, iccid: string | undefined): boolean {
  if (policy === "free") return true;
  return policy === "allow_list" && iccid !== undefined && allow.some((beginning) => iccid.startsWith(beginning));
}

/** An allow-list that nobody has written refuses nothing, and says that it is missing: a vehicle is not to be locked in by a default. */
export function refuses({ policy, allow, isSure }: SwapPolicy): boolean {
  return isSure && (policy === "forbidden" || (policy === "allow_list" && allow.length > 0));
}

export function swapWords({ policy, allow, from }: SwapPolicy): string {
  if (policy === "allow_list")
    return `kept to an allow-list${allow.length === 0 ? ", which is not configured (market.*.allow)" : ""} by ${from}`;
  return `${policy} by ${from}`;
}
