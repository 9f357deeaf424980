// Permanent roaming: says how many days are left, asks the eIM when it is time to act, and refuses the fleet's data where the rule says so.
import { parse, undefined_ } from "valibot";
import type { Verdict } from "../../../ipa/ports.ts";
import type { Standing } from "../../roaming/standing.ts";
import { type Action, type PolicyRule, pending, silent } from "../types.ts";

const id = "roaming";

export const roaming: PolicyRule<undefined> = {
  id,
  // Thresholds and actions are in the standings already: agent/roaming/overrides.ts.
  config: { parse: (value) => parse(undefined_(), value) },
  decide({ roaming: facts }) {
    if (facts === undefined) return pending("roaming days have not been looked at yet");
    const { country, standings } = facts;
    const [worst] = standings;
    if (country === undefined || worst === undefined) return silent("where the vehicle is used is not known yet");
    const explain = standings.map(wordsOf).join("; ");
    const told = standings.filter(({ level }) => level !== "ok");
    if (told.length === 0) return silent(explain);
    return { gates: { data: strictestOf(told) }, actions: [alarmOf(worst), ...told.flatMap((one) => actionsOf(one, country))], explain };
  },
};

function isDue({ level }: Standing): boolean {
  return level === "act" || level === "breach";
}

function strictestOf(told: readonly Standing[]): Verdict {
  const refusing = told.find((one) => isDue(one) && one.rule.action === "refuse_data");
  const [worst] = told;
  const counts = refusing ?? worst;
  if (counts === undefined) return { kind: "allow" };
  return { kind: refusing === undefined ? "warn" : "refuse", rule: id, reason: wordsOf(counts), retryAt: undefined };
}

/** One alarm for all rules: the status has the figures of each. */
function alarmOf(worst: Standing): Action {
  return { kind: "alarm", reason: wordsOf(worst), about: `${worst.rule.id} ${worst.level}` };
}

function actionsOf(standing: Standing, country: string): readonly Action[] {
  if (!isDue(standing)) return [];
  const { rule, level } = standing;
  const reason = wordsOf(standing);
  const about = `${rule.id} ${level}`;
  const poll: Action = { kind: "pollEim", reason, about, notifyStateChange: true };
  return rule.action === "market" ? [poll, { kind: "applyMarket", country, reason, about }] : [poll];
}

/** "tr-90-in-120: 80 of 90 days used, 10 left (law, 2019-09-20)" */
export function wordsOf({ rule, level, used, limit, daysLeft, uncertain }: Standing): string {
  const unit = rule.kind === "roaming_months" ? "month" : "day";
  const source = [rule.basis, rule.source_date].filter(Boolean).join(", ");
  return `${rule.id}: ${usedWords()} (${source}${rule.confidence === "low" ? ", low confidence" : ""})`;

  function usedWords(): string {
    if (rule.kind === "unrestricted") return "unrestricted";
    const doubt = uncertain ? ", days uncertain" : "";
    if (rule.kind === "local_profile_required")
      return used > 0 ? `a local profile is required${doubt}` : "a local profile is required; not used here today";
    if (limit === undefined) return `${count(used, unit)} of use${doubt}`;
    if (rule.kind === "registration_required" && used > limit)
      return `the device must be registered: ${count(used, unit)} of use, ${limit} without${doubt}`;
    const left = level === "breach" ? "limit exceeded" : daysLeft === undefined ? "no end in sight" : `${count(daysLeft, "day")} left`;
    return `${used} of ${count(limit, unit)} used, ${left}${doubt}`;
  }
}

function count(number: number, unit: string): string {
  return `${number} ${unit}${number === 1 ? "" : "s"}`;
}
