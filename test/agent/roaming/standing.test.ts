// Every boundary of the rules of permanent roaming, day by day.

import { safeParse } from "valibot";
import { describe, expect, it } from "vitest";
import { type DayBook, mark, seriesName } from "../../../agent/roaming/day-book.ts";
import { type Day, type Days, dayOf } from "../../../agent/roaming/days.ts";
import { defaultRoamingRules } from "../../../agent/roaming/default-rules.ts";
import { type RoamingRule, roamingRulesSchema, rulesFor } from "../../../agent/roaming/rules.ts";
import { standingOf } from "../../../agent/roaming/standing.ts";

const imei = "imei 356938035643809";
const imsi = "imsi 901980000000001";
const day = (text: string): Day => dayOf(Date.parse(text));
const today = day("2026-07-01");

const ruleOf = (id: string): RoamingRule => {
  const rule = defaultRoamingRules.rules.find((one) => one.id === id);
  if (rule === undefined) throw new Error(id);
  return rule;
};

function bookOf(identity: string, country: string, days: Days, series = seriesName("data_session", "foreign")): DayBook {
  return { [identity]: { [country]: { [series]: { days, uncertain: [] } } } };
}

function stand(id: string, days: Days, options: { readonly on?: Day; readonly home?: string; readonly identity?: string } = {}) {
  const rule = ruleOf(id);
  const identity = options.identity ?? (rule.key === "imei" ? imei : imsi);
  const { level, used, daysLeft } = standingOf(rule, {
    book: bookOf(identity, rule.iso, days),
    today: options.on ?? today,
    country: rule.iso,
    home: options.home,
    identity: rule.key === "imei" ? imei : imsi,
  });
  return { level, used, daysLeft };
}

describe("90 days in 120 (TR, by IMEI)", () => {
  it.each([
    [0, "ok", 90],
    [59, "ok", 31],
    [60, "warn", 30],
    [79, "warn", 11],
    [80, "act", 10],
    [90, "act", 0],
    [91, "breach", 0],
  ])("%i days up to today: %s, %i left", (count, level, left) => {
    const days: Days = count === 0 ? [] : [[today - count + 1, today]];
    expect(stand("tr-90-in-120", days)).toEqual({ level, used: count, daysLeft: count === 0 ? left : left });
  });

  it("forgets a day when it is the 121st", () => {
    const days: Days = [[today - 119, today - 30]];
    expect(stand("tr-90-in-120", days).used).toBe(90);
    expect(stand("tr-90-in-120", days, { on: today + 1 }).used).toBe(89);
    expect(stand("tr-90-in-120", days, { on: today + 90 }).used).toBe(0);
  });

  it("adds up short visits, and days that fall out of the window are days more", () => {
    const days: Days = [
      [today - 119, today - 100],
      [today - 20, today],
    ];
    expect(stand("tr-90-in-120", days)).toEqual({ level: "ok", used: 41, daysLeft: 69 });
  });

  it("goes by the device: another IMSI starts no new count, another IMEI does", () => {
    const days: Days = [[today - 90, today]];
    expect(stand("tr-90-in-120", days, { identity: imei }).level).toBe("breach");
    expect(stand("tr-90-in-120", days, { identity: "imei 490154203237518" })).toEqual({ level: "ok", used: 0, daysLeft: 90 });
  });

  it("does not hold for a subscription that is at home there; registration does then", () => {
    expect(stand("tr-90-in-120", [[today - 100, today]], { home: "TR" })).toMatchObject({ level: "ok" });
    const rule = ruleOf("tr-imei-registration");
    const book = bookOf(imei, "TR", [[today - 120, today]], seriesName("data_session", "local"));
    const facts = { book, today, country: "TR", identity: imei };
    expect(standingOf(rule, { ...facts, home: "TR" })).toMatchObject({ level: "act", used: 121, limit: 120 });
    expect(standingOf(rule, { ...facts, home: "DE" })).toMatchObject({ level: "ok", used: 0 });
  });
});

describe("consecutive days (BR)", () => {
  it("count from the last gap, today not yet counted included", () => {
    expect(stand("br-90-consecutive", [[today - 90, today]]).level).toBe("breach");
    expect(stand("br-90-consecutive", [[today - 89, today]])).toEqual({ level: "act", used: 90, daysLeft: 0 });
    expect(stand("br-90-consecutive", [[today - 90, today - 1]])).toEqual({ level: "act", used: 90, daysLeft: 0 });
    const gap: Days = [
      [today - 90, today - 45],
      [today - 43, today],
    ];
    expect(stand("br-90-consecutive", gap)).toEqual({ level: "ok", used: 44, daysLeft: 46 });
    expect(stand("br-90-consecutive", [[today - 90, today - 2]]).used).toBe(0);
  });
});

describe("days of a calendar year (BR and CL)", () => {
  it("begin anew on the first of January", () => {
    const days: Days = [[day("2025-08-01"), day("2026-01-10")]];
    expect(stand("cl-agreement-120-a-year", days, { on: day("2025-12-31") })).toMatchObject({ used: 153, level: "breach" });
    expect(stand("cl-agreement-120-a-year", days, { on: day("2026-01-01") })).toMatchObject({ used: 1, level: "ok" });
  });

  it("are the rule between these two only, and then the only one", () => {
    const ids = (country: string, home: string | undefined) => rulesFor(defaultRoamingRules, country, home).map(({ id }) => id);
    expect(ids("BR", "CL")).toEqual(["br-agreement-120-a-year", "br-agreement-90-consecutive"]);
    expect(ids("BR", "DE")).toEqual(["br-90-in-365", "br-90-consecutive"]);
    expect(ids("CL", "DE")).toEqual(["elsewhere"]);
    expect(ids("CL", undefined)).toEqual(["elsewhere"]);
  });
});

describe("months (AU)", () => {
  it("count when there is a day in them; the sixth of twelve is too much", () => {
    const dayIn = (month: string): readonly [Day, Day] => [day(`${month}-15`), day(`${month}-15`)];
    const months = ["2025-08", "2025-10", "2025-12", "2026-02", "2026-04"].map(dayIn);
    expect(stand("au-5-months-in-12", months)).toMatchObject({ used: 5, level: "warn" });
    expect(stand("au-5-months-in-12", [...months, dayIn("2026-07")], { on: day("2026-07-15") })).toMatchObject({
      used: 6,
      level: "breach",
    });
    expect(stand("au-5-months-in-12", months, { on: day("2026-08-01") }).used).toBe(4);
  });
});

describe("rules without days", () => {
  it("a local profile is required from the first day on; low confidence only warns", () => {
    expect(stand("cn-local-profile", [[today, today]]).level).toBe("breach");
    expect(stand("cn-local-profile", [[today, today]], { home: "CN" }).level).toBe("ok");
    expect(stand("ng-local-profile", [[today, today]]).level).toBe("warn");
    expect(stand("cn-local-profile", []).daysLeft).toBe(0);
  });

  it("commercial and unknown ones warn; free ones never do", () => {
    expect(stand("us-commercial", [[today - 88, today]]).level).toBe("ok");
    expect(stand("us-commercial", [[today - 89, today]])).toEqual({ level: "warn", used: 90, daysLeft: undefined });
    expect(stand("us-commercial", [[today - 364, today]]).level).toBe("warn");
    expect(stand("il-free", [[today - 364, today]])).toEqual({ level: "ok", used: 0, daysLeft: undefined });
    expect(stand("in-180-consecutive", [[today - 200, today]]).level).toBe("warn");
  });
});

describe("the day's end", () => {
  it("is UTC's, or that of the zone the rule names", () => {
    const presence = { country: "BR", sim: "foreign", identities: [imsi], counts: ["data_session"], zonesMinutes: [-180] } as const;
    const lateEvening = Date.parse("2026-07-01T01:30:00Z");
    const book = mark({}, presence, (zone) => dayOf(lateEvening, zone), true);
    expect(book[imsi]?.BR).toEqual({
      "data_session foreign": { days: [[today, today]], uncertain: [] },
      "data_session foreign -180": { days: [[today - 1, today - 1]], uncertain: [] },
    });
  });
});

it("the rules shipped are what a rule file may be", () => {
  expect(safeParse(roamingRulesSchema, defaultRoamingRules).issues).toBeUndefined();
});
