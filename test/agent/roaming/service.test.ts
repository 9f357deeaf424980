// Roaming days through the service: events, midnights, restarts, clocks, power cuts; what is told, and what has to be on the medium before it is.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { keptDays, seriesName, tallyOf } from "../../../agent/roaming/day-book.ts";
import { countDays, type Days, dateOf, dayOf, eachDay } from "../../../agent/roaming/days.ts";
import { defaultRoamingRules } from "../../../agent/roaming/default-rules.ts";
import type { Roaming, SeenVehicle } from "../../../agent/roaming/service.ts";
import { faultDisk } from "../../../base/fault-disk.ts";
import { seededRandom } from "../../../base/random.ts";
import { cutAt } from "./power-cut.ts";
import { dayMs, german, hourMs, imei, parked, startRoad, turkish, used } from "./road.ts";

const startMs = Date.parse("2026-01-01T12:00:00Z");
const disk = () => faultDisk(seededRandom(1));
const tally = (roaming: Roaming, country: string, identity = `imei ${imei}`, series = seriesName("data_session", "foreign")) =>
  tallyOf(roaming.now.book, identity, country, series);
const days = (roaming: Roaming, country: string, identity?: string, series?: string): Days =>
  tally(roaming, country, identity, series).days;
const dates = (roaming: Roaming, country: string): string[] => [...eachDay(days(roaming, country))].map(dateOf);
const standing = (roaming: Roaming, id: string) => {
  const found = roaming.now.standings.find(({ rule }) => rule.id === id);
  if (found === undefined) throw new Error(`${id} does not hold`);
  const { level, used: count, daysLeft, uncertain } = found;
  return { level, used: count, daysLeft, uncertain };
};

describe("a vehicle that stays in one country", () => {
  it("is warned, told to act, and in breach on the days that the rule says, without any event from outside", async () => {
    const { clock, roaming, audited } = await startRoad({ disk: disk(), atMs: startMs });
    await roaming.see(used("TR"));
    const seen: [number, string, number | undefined][] = [];
    for (let day = 1; day <= 91; day++) {
      const { level, used: count, daysLeft } = standing(roaming, "tr-90-in-120");
      expect(count).toBe(day);
      if (level !== (seen.at(-1)?.[1] ?? "ok")) seen.push([day, level, daysLeft]);
      await clock.advance(dayMs);
    }
    expect(seen).toEqual([
      [60, "warn", 30],
      [80, "act", 10],
      [91, "breach", 0],
    ]);
    const levels = audited.filter(({ data }) => data?.rule === "tr-90-in-120").map(({ event, data }) => [event, data?.from, data?.to]);
    expect(levels).toEqual([
      ["roaming.level", "ok", "warn"],
      ["roaming.level", "warn", "act"],
      ["roaming.level", "act", "breach"],
    ]);
  });

  it("has its day counted right after midnight, not an hour later", async () => {
    const { clock, roaming } = await startRoad({ disk: disk(), atMs: startMs });
    await roaming.see(used("TR"));
    await clock.advance(12 * hourMs + 2_000);
    expect(dates(roaming, "TR")).toEqual(["2026-01-01", "2026-01-02"]);
  });

  it("writes once a day while nothing else happens", async () => {
    const medium = disk();
    const { clock, roaming } = await startRoad({ disk: medium, atMs: startMs });
    await roaming.see(used("BH"));
    const before = medium.operations;
    await clock.advance(10 * dayMs);
    expect(medium.operations - before).toBe(10);
  });
});

describe("what counts", () => {
  it("is registration for the rules that say so, and a data session for the others", async () => {
    const { clock, roaming } = await startRoad({ disk: disk(), atMs: startMs });
    await roaming.see({ ...used("TR"), dataSession: false });
    await clock.advance(2 * dayMs);
    expect(countDays(days(roaming, "TR"))).toBe(0);
    expect(countDays(days(roaming, "TR", undefined, "registration foreign"))).toBe(3);
  });

  it("is nothing while there is neither, and a day on which it was only minutes", async () => {
    const { clock, roaming } = await startRoad({ disk: disk(), atMs: startMs });
    await roaming.see(used("TR"));
    await clock.advance(60_000);
    await roaming.see(parked);
    await clock.advance(5 * dayMs);
    await roaming.see(used("TR"));
    await roaming.see(parked);
    expect(dates(roaming, "TR")).toEqual(["2026-01-01", "2026-01-06"]);
  });

  it("is local only where the subscription's own country is that of the network", async () => {
    const { clock, roaming } = await startRoad({ disk: disk(), atMs: startMs });
    await roaming.see(used("TR", turkish));
    await clock.advance(2 * dayMs);
    expect(roaming.now).toMatchObject({ country: "TR", home: "TR" });
    expect(countDays(days(roaming, "TR"))).toBe(0);
    expect(countDays(days(roaming, "TR", undefined, "data_session local"))).toBe(3);
    expect(standing(roaming, "tr-90-in-120")).toMatchObject({ level: "ok", used: 0 });
  });

  it("waits for the IMSI for ten minutes, so that a local day is not taken for a foreign one; and not for ever, so that none is lost", async () => {
    const unread: SeenVehicle = { imei, iccid: turkish.iccid, country: "TR", registered: true, dataSession: true };
    const { clock, roaming } = await startRoad({ disk: disk(), atMs: startMs });
    await roaming.see(unread);
    await clock.advance(300_000);
    await roaming.see({ ...unread, ...turkish });
    expect([countDays(days(roaming, "TR")), countDays(days(roaming, "TR", undefined, "data_session local"))]).toEqual([0, 1]);
    const other = await startRoad({ disk: disk(), atMs: startMs });
    await other.roaming.see(unread);
    await other.clock.advance(hourMs);
    expect(countDays(days(other.roaming, "TR"))).toBe(1);
  });

  it("goes on with the IMSI known for that ICCID after a restart", async () => {
    const medium = disk();
    const first = await startRoad({ disk: medium, atMs: startMs });
    await first.roaming.see(used("TR", turkish));
    const second = await startRoad({ disk: medium, atMs: startMs + dayMs });
    await second.roaming.see({ imei, iccid: turkish.iccid, country: "TR", registered: true, dataSession: true });
    expect(countDays(days(second.roaming, "TR", undefined, "data_session local"))).toBe(2);
  });
});

describe("after a restart", () => {
  it("how the vehicle stood is told before module and card have answered, and stands until they say otherwise", async () => {
    const medium = disk();
    const first = await startRoad({ disk: medium, atMs: startMs });
    await first.roaming.see(used("TR"));
    await first.clock.advance(84 * dayMs);
    const second = await startRoad({ disk: medium, atMs: startMs + 85 * dayMs });
    expect(second.told).toMatchObject([{ country: "TR", homeCountry: "DE", standings: [{ level: "act", used: 85, daysLeft: 5 }, {}] }]);
    await second.roaming.see({ registered: false, dataSession: false });
    expect(second.told.at(-1)).toMatchObject({ country: "TR", standings: [{ level: "act" }, {}] });
    await second.roaming.see(used("DE"));
    expect(second.told.at(-1)).toMatchObject({ country: "DE", standings: [{ level: "ok" }] });
    expect(second.audited).toEqual([]);
  });

  it("a network of no country, a ship's, does not count for the country that was left", async () => {
    const medium = disk();
    const first = await startRoad({ disk: medium, atMs: startMs });
    await first.roaming.see(used("TR"));
    const second = await startRoad({ disk: medium, atMs: startMs + dayMs });
    await second.roaming.see({ imei, ...german, registered: true, dataSession: true });
    await second.clock.advance(3 * dayMs);
    expect(countDays(days(second.roaming, "TR"))).toBe(1);
    expect(second.told.at(-1)).toMatchObject({ country: undefined, standings: [] });
  });
});

describe("border and profile", () => {
  it("a day with a border counts in both countries, and once in each however often it is crossed", async () => {
    const { clock, roaming } = await startRoad({ disk: disk(), atMs: startMs });
    for (let i = 0; i < 40; i++) {
      await roaming.see(used(i % 2 ? "GE" : "TR"));
      await clock.advance(600_000);
    }
    expect([dates(roaming, "TR"), dates(roaming, "GE")]).toEqual([["2026-01-01"], ["2026-01-01"]]);
  });

  it("another profile goes on with the count of the device, and begins one of its own", async () => {
    const { clock, roaming } = await startRoad({ disk: disk(), atMs: startMs });
    await roaming.see(used("TR"));
    await clock.advance(50 * dayMs);
    const second = { imsi: "262990000000002", iccid: "8949990000000000002" };
    await roaming.see(used("TR", second));
    await clock.advance(40 * dayMs);
    expect(standing(roaming, "tr-90-in-120")).toMatchObject({ level: "breach", used: 91 });
    expect(countDays(days(roaming, "TR", `imsi ${german.imsi}`))).toBe(51);
    expect(countDays(days(roaming, "TR", `imsi ${second.imsi}`))).toBe(41);
  });

  it("another module begins a count of its own", async () => {
    const { clock, roaming } = await startRoad({ disk: disk(), atMs: startMs });
    await roaming.see(used("TR"));
    await clock.advance(70 * dayMs);
    await roaming.see({ ...used("TR"), imei: "490154203237518" });
    expect(standing(roaming, "tr-90-in-120")).toMatchObject({ level: "ok", used: 1 });
  });
});

describe("clocks", () => {
  it("none: days are counted by how long it was, shown as uncertain, and put right when the time comes", async () => {
    const { clock, roaming } = await startRoad({ disk: disk(), atMs: startMs, source: "none" });
    await roaming.see(used("TR"));
    await clock.advance(80 * dayMs);
    const before = standing(roaming, "tr-90-in-120");
    expect(before).toMatchObject({ level: "act", uncertain: true });
    expect(before.used).toBeGreaterThanOrEqual(80);
    const trueMs = Date.parse("2026-09-01T12:00:00Z");
    clock.setWall({ ms: trueMs, source: "nitz" });
    await roaming.look();
    expect(standing(roaming, "tr-90-in-120")).toEqual({ level: "act", used: 81, daysLeft: 9, uncertain: false });
    expect(days(roaming, "TR")).toEqual([[dayOf(trueMs) - 80, dayOf(trueMs)]]);
  });

  it("one that nobody vouches for: its days are believed as uncertain ones, over restarts, and none of them is doubled when the time comes", async () => {
    const medium = disk();
    for (let day = 0; day < 30; day++) {
      const { clock, roaming } = await startRoad({ disk: medium, atMs: startMs + day * dayMs, source: "floor" });
      await roaming.see(used("TR"));
      await clock.advance(2 * hourMs);
      expect(standing(roaming, "tr-90-in-120")).toMatchObject({ used: day + 1, uncertain: true });
      await roaming.stop();
    }
    const { clock, roaming } = await startRoad({ disk: medium, atMs: startMs + 29 * dayMs + 3 * hourMs, source: "floor" });
    clock.setWall({ source: "nitz" });
    await roaming.see(used("TR"));
    expect(days(roaming, "TR")).toEqual([[dayOf(startMs), dayOf(startMs) + 29]]);
  });

  it("back into days that were counted: they stay, once", async () => {
    const { clock, roaming } = await startRoad({ disk: disk(), atMs: startMs });
    await roaming.see(used("TR"));
    await clock.advance(10 * dayMs);
    clock.setWall({ ms: clock.now() - 5 * dayMs });
    await roaming.look();
    await clock.advance(dayMs);
    expect(countDays(days(roaming, "TR"))).toBeGreaterThanOrEqual(7);
    expect(countDays(days(roaming, "TR"))).toBeLessThanOrEqual(11);
  });

  it("back before days that were counted, without anybody to vouch for it: not one of them is forgotten", async () => {
    const medium = disk();
    const first = await startRoad({ disk: medium, atMs: startMs });
    await first.roaming.see(used("TR"));
    await first.clock.advance(85 * dayMs);
    await first.roaming.stop();
    const second = await startRoad({ disk: medium, atMs: startMs - 300 * dayMs, source: "floor" });
    await second.roaming.see(used("TR"));
    expect(standing(second.roaming, "tr-90-in-120")).toMatchObject({ level: "act", used: 86 });
  });
});

describe("the disk", () => {
  it("that is full: the day counts at once, is an alarm, and is written within a minute of there being room", async () => {
    const medium = disk();
    const first = await startRoad({ disk: medium, atMs: startMs });
    medium.setFull(true);
    await first.roaming.see(used("TR"));
    expect(countDays(days(first.roaming, "TR"))).toBe(1);
    expect(first.problems.at(-1)).toBe("DISK_WRITE");
    await first.clock.advance(hourMs);
    expect(first.problems.at(-1)).toBe("DISK_WRITE");
    medium.setFull(false);
    await first.clock.advance(60_000);
    expect(first.problems.at(-1)).toBeUndefined();
    const second = await startRoad({ disk: medium, atMs: startMs + 2 * hourMs });
    expect(countDays(days(second.roaming, "TR"))).toBe(1);
  });

  it("that is damaged: what was counted is lost, which is said, and counting goes on", async () => {
    const medium = disk();
    const first = await startRoad({ disk: medium, atMs: startMs });
    await first.roaming.see(used("TR"));
    await first.clock.advance(2 * dayMs);
    for (const name of await medium.list("")) await medium.replace(name, new Uint8Array(50));
    const second = await startRoad({ disk: medium, atMs: startMs + 3 * dayMs });
    expect(second.lost).toEqual(["ROAMING_LOST"]);
    await second.roaming.see(used("TR"));
    expect(countDays(days(second.roaming, "TR"))).toBe(1);
  });
});

it("a power cut at any change of the disk loses no day that was told, and doubles none", async () => {
  const random = seededRandom(77);
  for (let n = 0; n < 40; n++) await cutAt(1 + Math.floor(random.unit() * 60), n);
});

describe("three years on the road", () => {
  interface Leg {
    readonly country: string;
    readonly hours: number;
    readonly who: typeof german;
    readonly reboot: boolean;
  }
  const leg: fc.Arbitrary<Leg> = fc.record({
    country: fc.constantFrom("TR", "GE", "BR", "DE"),
    hours: fc.integer({ min: 1, max: 700 }),
    who: fc.constantFrom(german, turkish),
    reboot: fc.boolean(),
  });

  it("every rule stands as a recount of each session by hand says", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(leg, { minLength: 70, maxLength: 80 }), async (legs) => {
        const medium = disk();
        const truth = new Map<string, Set<number>>();
        let road = await startRoad({ disk: medium, atMs: startMs });
        for (const { country, hours, who, reboot } of legs) {
          if (reboot) {
            const atMs = road.clock.now();
            await road.roaming.stop();
            road = await startRoad({ disk: medium, atMs });
          }
          await road.roaming.see(used(country, who));
          const home = who === turkish ? "TR" : "DE";
          for (let hour = 0; hour <= hours; hour++) {
            for (const identity of [`imei ${imei}`, `imsi ${who.imsi}`]) {
              const name = `${identity} ${country} ${home === country ? "local" : "foreign"}`;
              truth.set(name, (truth.get(name) ?? new Set()).add(dayOf(road.clock.now() + hour * hourMs)));
            }
          }
          await road.clock.advance(hours * hourMs);
          const today = dayOf(road.clock.now());
          for (const { rule, used: count } of road.roaming.now.standings) {
            if (rule.kind !== "cumulative_days" || (rule.sim === "local") !== (home === country)) continue;
            const identity = rule.key === "imei" ? imei : who.imsi;
            const set = truth.get(`${rule.key} ${identity} ${country} ${rule.sim}`) ?? new Set();
            expect(count).toBe([...set].filter((day) => day > today - (rule.window_days ?? 0) && day <= today).length);
          }
        }
        const oldest = dayOf(road.clock.now()) - keptDays;
        for (const [name, set] of truth) {
          const [kind, digits, country = "", sim] = name.split(" ");
          const found = days(road.roaming, country, `${kind} ${digits}`, `data_session ${sim}`);
          expect([...eachDay(found)]).toEqual([...set].filter((day) => day >= oldest).sort((a, b) => a - b));
        }
      }),
      { seed: 11, numRuns: 3 },
    );
  }, 300_000);

  it("with restarts and clocks that come and go: certain days are true ones, none known is missing, and each life without a clock adds what it lasted at most", async () => {
    const uncertainLeg = fc.record({
      country: fc.constantFrom("TR", "GE"),
      hours: fc.integer({ min: 1, max: 100 }),
      source: fc.constantFrom("nitz" as const, "nitz" as const, "floor" as const, "none" as const),
      /** How wrong a clock is that nobody vouches for, in days. */
      wrong: fc.constantFrom(0, 0, 0, -40, 3, 200),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(uncertainLeg, { minLength: 20, maxLength: 60 }), async (legs) => {
        const medium = disk();
        const known = new Map<string, Set<number>>();
        const truth = new Map<string, Set<number>>();
        /** For each country the days of each life without a clock, which cannot be told apart from those of another. */
        const most = new Map<string, number>();
        let trueMs = startMs;
        for (const { country, hours, source, wrong } of [...legs, { country: "DE", hours: 1, source: "nitz" as const, wrong: 0 }]) {
          const off = source === "nitz" ? 0 : wrong * dayMs;
          const { clock, roaming } = await startRoad({ disk: medium, atMs: trueMs + off, source });
          const certainBefore = new Map(
            ["TR", "GE"].map((iso) => [iso, countDays(days(roaming, iso)) - countDays(tally(roaming, iso).uncertain)]),
          );
          await roaming.see(used(country));
          await clock.advance(hours * hourMs);
          await roaming.stop();
          // Without anybody to say what time it is, what is known is still counted.
          for (const iso of ["TR", "GE"]) expect(countDays(days(roaming, iso))).toBeGreaterThanOrEqual(certainBefore.get(iso) ?? 0);
          const lived = new Set<number>();
          for (let hour = 0; hour <= hours; hour++) lived.add(dayOf(trueMs + hour * hourMs));
          const all = truth.get(country) ?? new Set();
          for (const day of lived) all.add(day);
          truth.set(country, all);
          if (source === "nitz") known.set(country, new Set([...(known.get(country) ?? []), ...lived]));
          else most.set(country, (most.get(country) ?? 0) + lived.size);
          trueMs += hours * hourMs + hourMs;
        }
        const last = await startRoad({ disk: medium, atMs: trueMs });
        await last.roaming.see(used("DE"));
        for (const country of ["TR", "GE"]) {
          const { days: all, uncertain } = tally(last.roaming, country);
          const certain = [...eachDay(all)].filter((day) => ![...eachDay(uncertain)].includes(day));
          for (const day of certain) expect(truth.get(country)?.has(day)).toBe(true);
          for (const day of known.get(country) ?? []) expect([...eachDay(all)]).toContain(day);
          expect(countDays(all)).toBeLessThanOrEqual((known.get(country)?.size ?? 0) + (most.get(country) ?? 0));
        }
      }),
      { seed: 12, numRuns: 15 },
    );
  }, 300_000);
});

describe("the fleet's own thresholds", () => {
  it("take the place of the rule's; a rule that is off says nothing, and no general one takes its place", async () => {
    const overrides = {
      "tr-90-in-120": { act_at: 3, action: "refuse_data", off: false },
      "br-90-in-365": { off: true },
      "br-90-consecutive": { off: true },
    } as const;
    const { clock, roaming } = await startRoad({ disk: disk(), atMs: startMs, overrides });
    await roaming.see(used("TR"));
    await clock.advance(3 * dayMs);
    expect(standing(roaming, "tr-90-in-120")).toMatchObject({ level: "act", used: 4 });
    await roaming.see(used("BR"));
    await clock.advance(200 * dayMs);
    expect(roaming.now.standings.map(({ rule, level }) => [rule.id, level])).toEqual([
      ["br-90-in-365", "ok"],
      ["br-90-consecutive", "ok"],
    ]);
  });

  it("a rule by local days begins with what was counted by UTC", async () => {
    let rules = defaultRoamingRules;
    const { clock, roaming } = await startRoad({ disk: disk(), atMs: startMs, rules: () => rules });
    await roaming.see(used("BR"));
    await clock.advance(10 * dayMs);
    rules = { ...rules, version: 2, rules: rules.rules.map((rule) => (rule.iso === "BR" ? { ...rule, zone_minutes: -180 } : rule)) };
    await roaming.look();
    expect(standing(roaming, "br-90-in-365").used).toBe(11);
    await clock.advance(dayMs);
    expect(standing(roaming, "br-90-in-365").used).toBe(12);
  });
});
