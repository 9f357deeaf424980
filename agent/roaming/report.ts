// Roaming days as the local API shows them. Pure.
import type { RoamingHistory, RoamingReport, RoamingRulesReport, RoamingStanding } from "../api/types.ts";
import { wordsOf } from "../policy/rules/roaming.ts";
import { countDays, dateOf } from "./days.ts";
import { type RuleOverrides, unknownOverrides, withOverrides } from "./overrides.ts";
import type { RuleBook } from "./rule-book.ts";
import type { RoamingNow } from "./service.ts";
import type { Standing } from "./standing.ts";

export function standingReport(standing: Standing): RoamingStanding {
  const { rule, level, used, limit, daysLeft, uncertain } = standing;
  return {
    rule: rule.id,
    kind: rule.kind,
    ...{ level, used, uncertain },
    ...(limit === undefined ? {} : { limit }),
    ...(typeof rule.warn_at === "number" ? { warnAt: rule.warn_at } : {}),
    ...(typeof rule.act_at === "number" ? { actAt: rule.act_at } : {}),
    ...(daysLeft === undefined ? {} : { daysLeft }),
    ...{ key: rule.key, basis: rule.basis, confidence: rule.confidence, action: rule.action },
    ...(rule.source_url === undefined ? {} : { source: rule.source_url }),
    ...(rule.source_date === undefined ? {} : { sourceDate: rule.source_date }),
    words: wordsOf(standing),
  };
}

export function roamingReport({ country, home, counting, standings, today, isCertain }: RoamingNow): RoamingReport {
  return {
    schema: "simward/roaming/1",
    ...(country === undefined ? {} : { country }),
    ...(home === undefined ? {} : { home }),
    local: country !== undefined && country === home,
    ...{ counting, today: dateOf(today), certain: isCertain },
    standings: standings.map(standingReport),
  };
}

export function historyReport({ book }: Pick<RoamingNow, "book">): RoamingHistory {
  const entries = Object.entries(book).flatMap(([identity, countries]) =>
    Object.entries(countries).flatMap(([country, tallies]) =>
      Object.entries(tallies).map(([counted, { days, uncertain }]) => ({
        ...{ identity, country, counted },
        days: countDays(days),
        uncertainDays: countDays(uncertain),
        stays: days.map(([first, last]) => [dateOf(first), dateOf(last)] as const),
      })),
    ),
  );
  return { schema: "simward/roaming-history/1", entries };
}

export function rulesReport(book: RuleBook, overrides: RuleOverrides): RoamingRulesReport {
  const { current, signedBy, sha256 } = book;
  const known = new Set(current.rules.map(({ id }) => id));
  return {
    schema: "simward/roaming-rules-report/1",
    ...{ version: current.version, issued: current.issued },
    ...(signedBy === undefined ? {} : { signedBy }),
    ...(sha256 === undefined ? {} : { sha256 }),
    overridden: Object.keys(overrides).filter((id) => known.has(id)),
    unknownOverrides: unknownOverrides(current, overrides),
    rules: withOverrides(current, overrides).rules,
  };
}

/** The one with the fewest days left, of those that have an end in sight. */
export function tightest(standings: readonly Standing[]): Standing | undefined {
  return standings
    .filter(({ daysLeft }) => daysLeft !== undefined)
    .reduce<Standing | undefined>(
      (best, one) => ((best?.daysLeft ?? Number.POSITIVE_INFINITY) <= (one.daysLeft ?? 0) ? best : one),
      undefined,
    );
}
