// What the fleet wants otherwise than the rules say, by rule: thresholds and what is done. Limits and sources stay what they are. Pure.
import type { Config } from "../config/schema.ts";
import type { RoamingRule, RoamingRules } from "./rules.ts";

/** By rule id. */
export type RuleOverrides = Config["policy"]["roaming"];

export function withOverrides(rules: RoamingRules, overrides: RuleOverrides): RoamingRules {
  return { ...rules, rules: rules.rules.map((rule) => overridden(rule, overrides[rule.id])) };
}

function overridden(rule: RoamingRule, override: RuleOverrides[string] | undefined): RoamingRule {
  if (override === undefined) return rule;
  // It holds still, so that no general rule takes its place, but nothing is said of it.
  if (override.off) return { ...rule, kind: "unrestricted", profile_swap: undefined };
  const { warn_at, act_at, action } = override;
  return {
    ...rule,
    ...(warn_at === undefined ? {} : { warn_at }),
    ...(act_at === undefined ? {} : { act_at }),
    ...(action === undefined ? {} : { action }),
  };
}

/** Ids that no rule has: a slip, or a rule file that is still to come. */
export function unknownOverrides({ rules }: RoamingRules, overrides: RuleOverrides): readonly string[] {
  const known = new Set(rules.map(({ id }) => id));
  return Object.keys(overrides).filter((id) => !known.has(id));
}
