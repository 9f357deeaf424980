// How a vehicle stands with one rule of permanent roaming on one day: used, left, and how serious that is. Pure.
import { type DayBook, seriesName, tallyOf } from "./day-book.ts";
import { countDays, type Day, type Days, daysWithin, firstOfYear, hasDay, monthOf, monthsOf, runUpTo, withDay } from "./days.ts";
import type { RoamingRule, RuleKind } from "./rules.ts";

/** ok, then what needs to be told, what needs to be done, what must not have happened. */
export type Level = "ok" | "warn" | "act" | "breach";

export interface Standing {
  readonly rule: RoamingRule;
  readonly level: Level;
  /** Days, or months with `roaming_months`, that count today. */
  readonly used: number;
  /** What the rule allows; undefined where it has no limit. */
  readonly limit: number | undefined;
  /** Whole days that the vehicle may go on being used there before the breach; undefined where none is in sight. */
  readonly daysLeft: number | undefined;
  /** Some of the days were found by a clock that nobody vouched for. */
  readonly uncertain: boolean;
}

export interface StandingFacts {
  readonly book: DayBook;
  /** In the rule's zone. */
  readonly today: Day;
  readonly country: string;
  /** Of the subscription in use. */
  readonly home: string | undefined;
  /** "imei 35…", as the rule's key asks. */
  readonly identity: string | undefined;
}

interface Kind {
  /** First day that counts; undefined: all. */
  readonly since?: (rule: RoamingRule, today: Day) => Day;
  readonly used: (rule: RoamingRule, days: Days, today: Day) => number;
  readonly limit: (rule: RoamingRule) => number | undefined;
}

const yearDays = 365;
const none = (): undefined => undefined;
const inWindow = (windowDays: number) => (_rule: RoamingRule, days: Days, today: Day) => countDays(days, today - windowDays + 1, today);
const sinceWindow = (windowDays: number) => (_rule: RoamingRule, today: Day) => today - windowDays + 1;

const kinds: Readonly<Record<RuleKind, Kind>> = {
  consecutive_days: {
    since: (_rule, today) => today - yearDays * 3,
    used: (_rule, days, today) => stay(days, today),
    limit: ({ limit }) => limit,
  },
  cumulative_days: {
    since: ({ window_days = yearDays }, today) => today - window_days + 1,
    used: ({ window_days = yearDays }, days, today) => countDays(days, today - window_days + 1, today),
    limit: ({ limit }) => limit,
  },
  calendar_year_days: {
    since: (_rule, today) => firstOfYear(today),
    used: (_rule, days, today) => countDays(days, firstOfYear(today), today),
    limit: ({ limit }) => limit,
  },
  roaming_months: {
    since: ({ window_months = 12 }, today) => today - window_months * 31,
    used: ({ window_months = 12 }, days, today) =>
      monthsOf(days).filter((month) => month > monthOf(today) - window_months && month <= monthOf(today)).length,
    limit: ({ limit }) => limit,
  },
  // One day is one too many.
  local_profile_required: { used: (_rule, days, today) => (hasDay(days, today) ? 1 : 0), limit: () => 0 },
  registration_required: { used: (_rule, days, today) => countDays(days, undefined, today), limit: ({ after_days }) => after_days },
  commercial: { since: sinceWindow(yearDays), used: inWindow(yearDays), limit: none },
  unrestricted: { used: () => 0, limit: none },
  unknown: { since: sinceWindow(yearDays), used: inWindow(yearDays), limit: none },
};

/** How far ahead a breach is looked for. */
const horizonDays = 400;
const severity: readonly Level[] = ["ok", "warn", "act", "breach"];

export function standingOf(rule: RoamingRule, { book, today, country, home, identity }: StandingFacts): Standing {
  const kind = kinds[rule.kind];
  const isLocal = home === country;
  const applies = identity !== undefined && (rule.sim === "local") === isLocal;
  const tally = applies ? tallyOf(book, identity, country, seriesName(rule.counts, rule.sim, rule.zone_minutes)) : undefined;
  const days = tally?.days ?? [];
  const used = kind.used(rule, days, today);
  const limit = kind.limit(rule);
  const since = kind.since?.(rule, today) ?? Number.NEGATIVE_INFINITY;
  return {
    rule,
    level: tally === undefined ? "ok" : levelOf(rule, used, limit),
    used,
    limit,
    daysLeft: tally === undefined || limit === undefined ? undefined : daysLeft(rule, kind, days, today, limit),
    uncertain: tally !== undefined && used > 0 && daysWithin(tally.uncertain, since, today).length > 0,
  };
}

/** The most serious first; among equals the one with fewest days left. */
export function bySeverity(a: Standing, b: Standing): number {
  return severity.indexOf(b.level) - severity.indexOf(a.level) || (a.daysLeft ?? horizonDays) - (b.daysLeft ?? horizonDays);
}

function levelOf(rule: RoamingRule, used: number, limit: number | undefined): Level {
  const { warn_at: warnAt, act_at: actAt } = rule;
  const level = ((): Level => {
    if (limit !== undefined && used > limit) return rule.kind === "registration_required" ? "act" : "breach";
    if (typeof actAt === "number" && used >= actAt) return "act";
    if (typeof warnAt === "number" && used >= warnAt) return "warn";
    return "ok";
  })();
  // What is not certain to be so may be said, but nothing is done for it.
  return rule.confidence === "low" && level !== "ok" ? "warn" : level;
}

/** Days in a row that reach to today, or to yesterday while today has none yet. */
function stay(days: Days, today: Day): number {
  return runUpTo(days, today) || runUpTo(days, today - 1);
}

/** The vehicle goes on being used there every day: on which of them is it too much? */
function daysLeft(rule: RoamingRule, kind: Kind, days: Days, today: Day, limit: number): number | undefined {
  if (kind.used(rule, days, today) > limit) return 0;
  let ahead = days;
  // A today that does not count yet is one of those that are left.
  const first = hasDay(days, today) ? today + 1 : today;
  for (let left = 0; left < horizonDays; left++) {
    const day = first + left;
    ahead = withDay(ahead, day);
    if (kind.used(rule, ahead, day) > limit) return left;
  }
  return undefined;
}
