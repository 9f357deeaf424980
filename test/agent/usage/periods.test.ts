// Periods: month ends, leap days, weeks over the turn of a year, the last so many days; and what a configuration may not say.

import { parse } from "valibot";
import { describe, expect, test } from "vitest";
import { parseConfig } from "../../../agent/config/load.ts";
import { dateOf } from "../../../agent/roaming/days.ts";
import { usageConfig } from "../../../agent/usage/config.ts";
import { type PeriodPlan, periodOf, periodWords } from "../../../agent/usage/periods.ts";
import { bytesText } from "../../../agent/usage/words.ts";

const dayMs = 86_400_000;
const plan = (more: Partial<PeriodPlan>): PeriodPlan => ({
  period: "month",
  week_start: "monday",
  reset_day: 1,
  rolling_days: 30,
  ...more,
});
const spanOf = (more: Partial<PeriodPlan>, date: string) => {
  const { first, last } = periodOf(plan(more), Date.parse(date) / dayMs);
  return [dateOf(first), dateOf(last)];
};

describe("a period", () => {
  test.each<[Partial<PeriodPlan>, string, string, string]>([
    [{}, "2026-06-01", "2026-06-01", "2026-06-30"],
    [{}, "2026-06-30", "2026-06-01", "2026-06-30"],
    [{}, "2028-02-29", "2028-02-01", "2028-02-29"],
    [{}, "2027-02-28", "2027-02-01", "2027-02-28"],
    [{ reset_day: 28 }, "2028-02-29", "2028-02-28", "2028-03-27"],
    [{ reset_day: 28 }, "2028-02-27", "2028-01-28", "2028-02-27"],
    [{ reset_day: 15 }, "2027-01-14", "2026-12-15", "2027-01-14"],
    [{ reset_day: 15 }, "2027-01-15", "2027-01-15", "2027-02-14"],
    [{ period: "day" }, "2026-06-10", "2026-06-10", "2026-06-10"],
    [{ period: "week" }, "2027-01-01", "2026-12-28", "2027-01-03"],
    [{ period: "week", week_start: "sunday" }, "2027-01-03", "2027-01-03", "2027-01-09"],
    [{ period: "week", week_start: "friday" }, "2026-12-31", "2026-12-25", "2026-12-31"],
    [{ period: "rolling", rolling_days: 1 }, "2026-06-10", "2026-06-10", "2026-06-10"],
    [{ period: "rolling" }, "2028-03-10", "2028-02-10", "2028-03-10"],
  ])("%j on %s is from %s to %s", (more, date, first, last) => {
    expect(spanOf(more, date)).toEqual([first, last]);
  });

  test("three years of days: each is in its own period, the next period begins where one ends, and a month has its own number of days", () => {
    for (const more of [{}, { reset_day: 28 }, { reset_day: 15 }, { period: "week" as const }]) {
      for (let day = Date.UTC(2026, 0, 1) / dayMs; day < Date.UTC(2029, 0, 1) / dayMs; day++) {
        const { first, last } = periodOf(plan(more), day);
        expect(first <= day && day <= last).toBe(true);
        expect(periodOf(plan(more), last + 1).first).toBe(last + 1);
        expect(periodOf(plan(more), first)).toEqual({ first, last });
      }
    }
  });

  test("in words", () => {
    const day = Date.UTC(2026, 5, 10) / dayMs;
    expect(periodWords(plan({}), periodOf(plan({}), day))).toBe("this month (resets 2026-07-01)");
    expect(periodWords(plan({ period: "rolling" }), periodOf(plan({}), day))).toBe("in 30 days");
  });
});

describe("[policy.usage]", () => {
  const minimal = '[modem]\naddress = "pty:/tmp/modem"\n[policy.usage]\n';
  test.each([
    ["reserve_bytes = 20\n[[policy.usage.cap]]\nbytes = 20\n", /policy\.usage has a cap that is not larger than reserve_bytes/],
    [
      "[[policy.usage.cap]]\nbytes = 20\n[[policy.usage.cap]]\nbytes = 30\n",
      /policy\.usage has two caps for the same stage and iccid_prefix/,
    ],
    ["reset_day = 29\n", /policy\.usage\.reset_day must be <=28/],
    ["warn_at_percent = [100]\n", /policy\.usage\.warn_at_percent\.0 must be <=99/],
    ['[[policy.usage.cap]]\nbytes = 20\naction = "kill"\n', /policy\.usage\.cap\.0\.action must be/],
  ])("%j is refused with the reason", (text, words) => {
    expect(() => parseConfig(`${minimal}${text}`)).toThrow(words);
  });

  test("a cap one byte larger than the reserve is one", () => {
    expect(parse(usageConfig, { reserve_bytes: 20, cap: [{ bytes: 21 }] }).cap).toEqual([{ bytes: 21, action: "block" }]);
  });
});

test("amounts are rounded down: 99.99 MB of 100 MB are not 100", () => {
  expect([999, 1_000, 1_555, 99_999_999, 312_400_000, 5e12].map(bytesText)).toEqual([
    ...["999 bytes", "1 kB", "1.55 kB", "99.9 MB", "312 MB", "5 TB"],
  ]);
});
