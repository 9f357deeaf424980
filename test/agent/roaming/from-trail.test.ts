// A day book that is lost is begun with what the audit trail proves: never fewer days than that, of the profiles and countries that its records name.
import { describe, expect, it } from "vitest";
import type { AuditEvent, AuditRecord } from "../../../agent/audit/types.ts";
import { seriesName, tallyOf } from "../../../agent/roaming/day-book.ts";
import { countDays, dayOf, eachDay } from "../../../agent/roaming/days.ts";
import { daysFromTrail } from "../../../agent/roaming/from-trail.ts";
import type { Roaming } from "../../../agent/roaming/service.ts";
import type { TimeSource } from "../../../base/clock.ts";
import { faultDisk } from "../../../base/fault-disk.ts";
import { seededRandom } from "../../../base/random.ts";
import { dayMs, german, hourMs, imei, startRoad, turkish, used } from "./road.ts";

const startMs = Date.parse("2026-03-01T12:00:00Z");
type Said = readonly [atDays: number, event: string, data: AuditEvent["data"], source?: TimeSource];

async function* trailOf(...said: readonly Said[]): AsyncGenerator<AuditRecord> {
  for (const [seq, [atDays, event, data, timeSource = "nitz"]] of said.entries())
    yield { seq, time: new Date(startMs + atDays * dayMs).toISOString(), timeSource, event, cause: "module", data: data ?? {}, prev: "" };
}
const network = (plmn: string, { iccid }: { readonly iccid: string } = german, roaming = true) => ({ plmn, iccid, roaming, rat: "lte" });
const session = (plmn: string, days: number) => ({ plmn, iccid: german.iccid, seconds: days * 86_400, end: "x" });
const counted = (roaming: Roaming, identity: string, country: string, series = seriesName("data_session", "foreign")): number =>
  countDays(tallyOf(roaming.now.book, identity, country, series).days);

describe("what a trail proves", () => {
  it("a session counts from its beginning to its end, each country for as long as the network was of it", async () => {
    const found = await daysFromTrail(
      trailOf(
        [0, "network.changed", network("28601")],
        [4, "network.changed", network("28201")],
        [6, "session.ended", session("28601", 5.9)],
      ),
    );
    const days = Object.fromEntries(
      found.map((one) => [`${one.country} ${one.counts}`, [...eachDay(one.days)].map((day) => day - dayOf(startMs))]),
    );
    expect(days).toEqual({
      "TR registration": [0, 1, 2, 3, 4],
      "TR data_session": [0, 1, 2, 3, 4],
      "GE registration": [4, 5, 6],
      "GE data_session": [4, 5, 6],
    });
    expect(found.every(({ iccid, sim, uncertain }) => iccid === german.iccid && sim === "foreign" && uncertain.length === 0)).toBe(true);
  });

  it("a session that had not ended proves the day of its beginning; whose, the change of profile before it says", async () => {
    const found = await daysFromTrail(
      trailOf([0, "profile.enabled", { iccid: turkish.iccid }], [1, "path.up", { plmn: "28601" }], [2, "daemon.started", {}]),
    );
    expect(found.map(({ iccid, counts, days }) => [iccid, counts, countDays(days)])).toEqual([
      [turkish.iccid, "registration", 1],
      [turkish.iccid, "data_session", 1],
    ]);
  });

  it("by a clock that nobody vouches for a day is uncertain, until another record is sure of it; without any it proves none", async () => {
    const [tally, ...others] = await daysFromTrail(
      trailOf(
        [0, "network.changed", network("28601"), "floor"],
        [1, "network.changed", network("28601"), "floor"],
        [1.1, "rat.changed", network("28601"), "network"],
        [1.2, "rat.changed", network("28601"), "floor"],
        [9, "network.changed", network("28601"), "none"],
      ),
    );
    expect(others).toEqual([]);
    const first = dayOf(startMs);
    expect([tally?.days, tally?.uncertain]).toEqual([[[first, first + 1]], [[first, first]]]);
  });
});

describe("a day book that is lost", () => {
  const trail = () =>
    trailOf(
      [0, "network.changed", network("28601")],
      [40, "session.ended", session("28601", 40)],
      [41, "network.changed", network("28201")],
    );

  async function lostBook(): Promise<ReturnType<typeof faultDisk>> {
    const medium = faultDisk(seededRandom(1));
    await medium.replace("roaming.0.json", new Uint8Array(50));
    return medium;
  }

  it("has the days of the trail as soon as it is known whose they are: device, profile, and subscription", async () => {
    const medium = await lostBook();
    const road = await startRoad({ disk: medium, atMs: startMs + 45 * dayMs, trail });
    expect(road.lost).toEqual(["ROAMING_LOST"]);
    await road.roaming.see({ registered: false, dataSession: false, imei });
    expect(counted(road.roaming, `imei ${imei}`, "TR")).toBe(0);
    await road.roaming.see(used("TR"));
    // 41 days of the trail and today.
    for (const identity of [`imei ${imei}`, `imsi ${german.imsi}`, `iccid ${german.iccid}`]) {
      expect([identity, counted(road.roaming, identity, "TR")]).toEqual([identity, 42]);
      expect([identity, counted(road.roaming, identity, "GE", seriesName("registration", "foreign"))]).toEqual([identity, 1]);
    }
    expect(road.audited.filter(({ event }) => event === "roaming.recovered")).toMatchObject([{ data: { days: 42 } }]);
    const next = await startRoad({ disk: medium, atMs: startMs + 46 * dayMs, trail });
    expect([next.lost, counted(next.roaming, `imei ${imei}`, "TR")]).toEqual([[], 42]);
  });

  it("a restart before it is known whose they are loses none of them", async () => {
    const medium = await lostBook();
    const first = await startRoad({ disk: medium, atMs: startMs + 45 * dayMs, trail });
    await first.roaming.stop();
    const second = await startRoad({ disk: medium, atMs: startMs + 45 * dayMs, trail: async function* () {} });
    expect(second.lost).toEqual([]);
    await second.roaming.see(used("TR"));
    expect(counted(second.roaming, `imei ${imei}`, "TR")).toBe(42);
  });

  it("where the IMSI cannot be read they count for device and profile after ten minutes, as the network said of them", async () => {
    const medium = await lostBook();
    const road = await startRoad({ disk: medium, atMs: startMs + 45 * dayMs, trail });
    await road.roaming.see({ ...used("TR"), imsi: undefined });
    expect(counted(road.roaming, `imei ${imei}`, "TR")).toBe(0);
    await road.clock.advance(hourMs);
    expect(counted(road.roaming, `imei ${imei}`, "TR")).toBeGreaterThanOrEqual(41);
    expect(counted(road.roaming, `iccid ${german.iccid}`, "TR")).toBeGreaterThanOrEqual(41);
  });

  it("days with a profile of that country are local whatever the network called them", async () => {
    const medium = await lostBook();
    const local = () => trailOf([0, "network.changed", network("28602", turkish, true)], [1, "path.up", { plmn: "28602" }]);
    const road = await startRoad({ disk: medium, atMs: startMs + 5 * dayMs, trail: local });
    await road.roaming.see(used("TR", turkish));
    expect(counted(road.roaming, `imei ${imei}`, "TR")).toBe(0);
    expect(counted(road.roaming, `imei ${imei}`, "TR", seriesName("data_session", "local"))).toBe(2);
  });

  it("a trail that cannot be read is said in the log, and counting begins anew", async () => {
    const medium = await lostBook();
    // biome-ignore lint/correctness/useYield: it fails before it has one.
    const broken = async function* (): AsyncGenerator<AuditRecord> {
      throw new Error("EIO");
    };
    const road = await startRoad({ disk: medium, atMs: startMs, trail: broken });
    await road.roaming.see(used("TR"));
    expect(counted(road.roaming, `imei ${imei}`, "TR")).toBe(1);
  });
});
