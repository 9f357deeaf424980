// Days counted over years, reboots and clocks that cannot be believed: never one lost, never one twice.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type DayBook, keptDays, type Presence, tallyOf } from "../../../agent/roaming/day-book.ts";
import { countDays, type Days, dateOf, dayOf, eachDay, hasDay, withDay } from "../../../agent/roaming/days.ts";
import { emptyTracker, note, restarted, type TrackerState } from "../../../agent/roaming/tracker.ts";

const hourMs = 3_600_000;
const dayMs = 24 * hourMs;
const startMs = Date.parse("2026-01-01T00:00:00Z");
const imei = "imei 356938035643809";
const series = "data_session foreign";

const at = (country: string, imsi = "imsi 901980000000001"): Presence => ({
  ...{ country, sim: "foreign", counts: ["data_session", "registration"], zonesMinutes: [] },
  identities: [imei, imsi],
});
const days = (book: DayBook, country: string, identity = imei): Days => tallyOf(book, identity, country, series).days;
const dates = (book: DayBook, country: string): string[] => [...eachDay(days(book, country))].map(dateOf);
const uncertain = (book: DayBook, country: string): number => countDays(tallyOf(book, imei, country, series).uncertain);

interface Use {
  readonly country: string;
  readonly hours: number;
  readonly source: "network" | "none";
  /** How wrong the wall clock is. */
  readonly offMs?: number;
  readonly rebootBefore?: boolean;
}

/** Drives from `startMs` on, noting every hour, as the daemon does. */
function live(uses: readonly Use[], first: TrackerState = emptyTracker): { state: TrackerState; nowMs: number } {
  let state = first;
  let trueMs = startMs;
  let bootMs = startMs;
  let since: number | undefined;
  for (const use of uses) {
    if (use.rebootBefore) {
      state = restarted(JSON.parse(JSON.stringify(state)));
      bootMs = trueMs;
      since = undefined;
    }
    for (let hour = 0; hour < use.hours; hour++) {
      const moment = { wallMs: trueMs + (use.offMs ?? 0), source: use.source, monotonicMs: trueMs - bootMs };
      state = note(state, at(use.country), moment, since);
      since = moment.monotonicMs;
      trueMs += hourMs;
    }
  }
  return { state, nowMs: trueMs };
}

describe("with a clock that can be believed", () => {
  it("counts every day on which there was use, in both countries on a day with a border", () => {
    const { state } = live([
      { country: "TR", hours: 30, source: "network" },
      { country: "GE", hours: 30, source: "network" },
    ]);
    expect(dates(state.book, "TR")).toEqual(["2026-01-01", "2026-01-02"]);
    expect(dates(state.book, "GE")).toEqual(["2026-01-02", "2026-01-03"]);
  });

  it("a border ping-pong counts a day once a country", () => {
    const { state } = live(
      Array.from({ length: 24 }, (_, hour) => ({ country: hour % 2 ? "TR" : "GE", hours: 1, source: "network" as const })),
    );
    expect([countDays(days(state.book, "TR")), countDays(days(state.book, "GE"))]).toEqual([1, 1]);
  });

  it("another profile starts no new count for the device, and one of its own for itself", () => {
    const moment = (day: number) => ({ wallMs: startMs + day * dayMs, source: "network", monotonicMs: day * dayMs }) as const;
    let state = note(emptyTracker, at("TR"), moment(0), undefined);
    state = note(state, at("TR", "imsi 262990000000002"), moment(1), 0);
    expect([imei, "imsi 901980000000001", "imsi 262990000000002"].map((key) => countDays(days(state.book, "TR", key)))).toEqual([2, 1, 1]);
  });

  it("says that nothing is new when nothing is, so that nothing is written", () => {
    const { state, nowMs } = live([{ country: "TR", hours: 5, source: "network" }]);
    expect(note(state, at("TR"), { wallMs: nowMs, source: "network", monotonicMs: nowMs - startMs }, undefined)).toBe(state);
  });
});

describe("without", () => {
  it("days of this life are put where they were as soon as a clock comes", () => {
    const { state } = live([
      { country: "TR", hours: 60, source: "none" },
      { country: "TR", hours: 1, source: "network" },
    ]);
    expect(dates(state.book, "TR")).toEqual(["2026-01-01", "2026-01-02", "2026-01-03"]);
    expect(uncertain(state.book, "TR")).toBe(0);
    expect(state.undated).toEqual([]);
  });

  it("of earlier lives only the number is known: the latest days, marked uncertain", () => {
    const { state } = live([
      { country: "TR", hours: 50, source: "none" },
      { country: "TR", hours: 30, source: "none", rebootBefore: true },
      { country: "GE", hours: 1, source: "network", rebootBefore: true },
    ]);
    // 78 hours between first and last note of each life are four days.
    expect(dates(state.book, "TR")).toHaveLength(4);
    expect(uncertain(state.book, "TR")).toBe(4);
    expect(uncertain(state.book, "GE")).toBe(0);
  });

  it("what waits for a clock does not grow with every start", () => {
    const uses = Array.from({ length: 200 }, () => ({ country: "TR", hours: 3, source: "none" as const, rebootBefore: true }));
    expect(live(uses).state.undated.length).toBeLessThanOrEqual(2);
  });
});

describe("a clock that jumps", () => {
  it("back to the truth: the days of the wrong time happened, only earlier", () => {
    const { state } = live([
      { country: "TR", hours: 72, source: "network", offMs: 400 * dayMs },
      { country: "TR", hours: 1, source: "network" },
    ]);
    const found = days(state.book, "TR");
    expect(countDays(found)).toBe(4);
    expect(countDays(found, undefined, dayOf(startMs + 3 * dayMs))).toBe(4);
    expect(uncertain(state.book, "TR")).toBe(3);
  });

  it("back into days that were counted: they stay counted, once", () => {
    const { state } = live([
      { country: "TR", hours: 24 * 10, source: "network" },
      { country: "TR", hours: 1, source: "network", offMs: -5 * dayMs },
    ]);
    expect(countDays(days(state.book, "TR"))).toBe(10);
  });
});

describe("three years of routes", () => {
  it("counts equal a recount of every session", () => {
    const use = fc.record({
      country: fc.constantFrom("TR", "GE", "BR", "DE"),
      hours: fc.integer({ min: 1, max: 400 }),
      source: fc.constant("network" as const),
      rebootBefore: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(use, { minLength: 50, maxLength: 130 }), (uses) => {
        const { state } = live(uses);
        const expected = new Map<string, Set<number>>();
        let trueMs = startMs;
        for (const { country, hours } of uses) {
          const set = expected.get(country) ?? new Set();
          expected.set(country, set);
          for (let hour = 0; hour < hours; hour++, trueMs += hourMs) set.add(dayOf(trueMs));
        }
        const oldest = dayOf(trueMs - hourMs) - keptDays;
        for (const [country, set] of expected)
          expect([...eachDay(days(state.book, country))]).toEqual([...set].filter((day) => day >= oldest).sort((a, b) => a - b));
      }),
      { seed: 5, numRuns: 15 },
    );
  }, 60_000);
});

it("runs of days are what a set of days is", () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 60 })), (list) => {
      const runs = list.reduce<Days>((all, day) => withDay(all, day), []);
      expect([...eachDay(runs)]).toEqual([...new Set(list)].sort((a, b) => a - b));
      expect(countDays(runs, 10, 20)).toBe(new Set(list.filter((day) => day >= 10 && day <= 20)).size);
      for (let day = 0; day <= 60; day++) expect(hasDay(runs, day)).toBe(list.includes(day));
      expect(runs.every(([first], at) => at === 0 || first > (runs[at - 1]?.[1] ?? 0) + 1)).toBe(true);
    }),
    { seed: 6 },
  );
});
