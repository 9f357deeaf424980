// The meter against a recount: over kills, power cuts, switches and wrong clocks; midnight, wrapped counters, a clock that comes right.
import { describe, expect, test } from "vitest";
import { dayOf } from "../../../agent/roaming/days.ts";
import { bookings, passedSince } from "../../../agent/usage/ledger.ts";
import { openUsageMeter } from "../../../agent/usage/meter.ts";
import type { TrafficReading } from "../../../agent/usage/reading.ts";
import { VirtualClock } from "../../../base/clock.ts";
import { faultDisk } from "../../../base/fault-disk.ts";
import { silentLog } from "../../../base/log.ts";
import { seededRandom } from "../../../base/random.ts";
import { Kernel, openMeter, UsageStory } from "./story.ts";

const dayMs = 86_400_000;
const noon = Date.UTC(2028, 1, 28, 12);
const none = { sentBytes: 0, receivedBytes: 0 };

describe("a recount of what really passed", () => {
  test("without power cuts the ledger has every byte, under whose it was, however often the daemon is killed", async () => {
    let kills = 0;
    for (let seed = 0; seed < 30; seed++) {
      const story = new UsageStory(seed, false);
      await story.run(80);
      kills += story.kills;
    }
    expect(kills).toBeGreaterThan(50);
  });

  test("a power cut costs at most the larger of 1 MB and a minute's traffic, and nothing is counted twice", async () => {
    let cuts = 0;
    for (let seed = 0; seed < 40; seed++) {
      const story = new UsageStory(seed, true);
      await story.run(80);
      cuts += story.cuts;
    }
    expect(cuts).toBeGreaterThan(80);
  });
});

describe("days", () => {
  const vehicle = async (wall: object = {}) => {
    const [disk, clock, kernel] = [faultDisk(seededRandom(1)), new VirtualClock({ ms: noon, ...wall }), new Kernel()];
    const meter = await openMeter(disk, clock, kernel);
    await meter.look();
    return { disk, clock, kernel, meter };
  };
  const daysOf = (meter: Awaited<ReturnType<typeof vehicle>>["meter"]) =>
    meter.book.rows().map(({ day, certain, sentBytes, receivedBytes }) => [day - dayOf(noon), certain, sentBytes, receivedBytes]);

  test("what passed between two looks around midnight is split by time, and none of it is lost in rounding; the 29th of February is a day", async () => {
    const { clock, kernel, meter } = await vehicle();
    await clock.advance(12 * 3_600_000 - 4_000);
    await meter.look();
    await clock.advance(10_000);
    kernel.pass("fleet", 101, 33);
    await meter.look();
    expect(daysOf(meter)).toEqual([
      [0, true, 40, 13],
      [1, true, 61, 20],
    ]);
    // A look with nothing new says that nothing has passed until then.
    await clock.advance(dayMs);
    await meter.look();
    kernel.pass("fleet", 5, 0);
    await clock.advance(1_000);
    await meter.look();
    expect(daysOf(meter).slice(2)).toEqual([[2, true, 5, 0]]);
  });

  test("a daemon that was dead over midnight splits what the kernel counted meanwhile, and says that it is a guess", async () => {
    const { disk, clock, kernel, meter } = await vehicle();
    kernel.pass("fleet", 1_000, 0);
    await meter.flush();
    await clock.advance(dayMs);
    kernel.pass("fleet", 1_000, 0);
    const next = await openMeter(disk, clock, kernel);
    await next.look();
    expect(daysOf(next)).toEqual([
      [0, true, 1_000, 0],
      [0, false, 500, 0],
      [1, false, 500, 0],
    ]);
  });

  test("booked by a clock that nobody vouches for, and put on its day once one does", async () => {
    const { clock, kernel, meter } = await vehicle({ ms: noon - 300 * dayMs, source: "floor" });
    kernel.pass("fleet", 700, 0);
    await meter.look();
    expect(daysOf(meter)).toEqual([[-300, false, 700, 0]]);
    await clock.advance(2 * dayMs);
    // Two days later the network tells the time: it was the day before yesterday then.
    clock.setWall({ ms: noon + 2 * dayMs, source: "nitz" });
    kernel.pass("fleet", 11, 0);
    await meter.look();
    expect(daysOf(meter)).toEqual([[0, true, 700, 0], ...daysOf(meter).slice(1)]);
    expect(daysOf(meter).reduce((sum, [, , sent]) => sum + Number(sent), 0)).toBe(711);
  });

  test("a clock that was ahead does not hide what was used: found right again, it counts today", async () => {
    const { disk, clock, kernel, meter } = await vehicle();
    kernel.pass("fleet", 5, 0);
    await meter.look();
    clock.setWall({ ms: noon + 400 * dayMs, source: "none" });
    kernel.pass("fleet", 900, 0);
    await meter.look();
    await meter.flush();
    expect(meter.today).toBe(dayOf(noon) + 400);
    clock.setWall({ ms: noon + 2 * dayMs, source: "network" });
    // Another run: nobody remembers when that was.
    const next = await openMeter(disk, clock, kernel);
    await next.look();
    expect(daysOf(next)).toEqual([
      [0, true, 5, 0],
      [2, false, 900, 0],
    ]);
  });

  test("a clock that is behind, and not vouched for, books nothing before what is known", async () => {
    const { clock, kernel, meter } = await vehicle();
    kernel.pass("fleet", 5, 0);
    await meter.look();
    clock.setWall({ ms: Date.UTC(2025, 0, 1), source: "none" });
    kernel.pass("fleet", 6, 0);
    await meter.look();
    expect(daysOf(meter)).toEqual([
      [0, true, 5, 0],
      [0, false, 6, 0],
    ]);
  });
});

describe("counters", () => {
  const at = (epoch: string, sentBytes: number): TrafficReading => ({ epoch, fleet: { sentBytes, receivedBytes: 0 }, management: none });
  const cursor = (epoch: string, sentBytes: number) => ({
    ...at(epoch, sentBytes),
    ...{ whose: { iccid: "", stage: "operational" as const }, atMs: noon, certain: true, monotonicMs: 0 },
  });
  const now = { ms: noon + 10_000, monotonicMs: 10_000, certain: true };

  test.each([
    ["goes on", [cursor("interface:a", 100)], at("interface:a", 150), 50],
    ["wraps at 4 GiB", [cursor("interface:a", 2 ** 32 - 10)], at("interface:a", 90), 100],
    ["falls, and cannot have wrapped: it has begun anew", [cursor("interface:a", 2 ** 31)], at("interface:a", 90), 90],
    [
      "falls after an hour without a look: a driver has set it back",
      [{ ...cursor("interface:a", 1_000_000), monotonicMs: -3_600_000 }],
      at("interface:a", 90),
      90,
    ],
    ["falls from beyond 4 GiB: it has begun anew", [cursor("interface:a", 2 ** 33)], at("interface:a", 90), 90],
    ["is another of its kind: all of it is new", [cursor("interface:a", 100)], at("interface:b", 90), 90],
    [
      "is one that was there before: what it had counted then is not new",
      [cursor("interface:b", 80), cursor("interface:a", 100)],
      at("interface:b", 90),
      10,
    ],
    ["is the first of its kind: it counted beside the other", [cursor("interface:a", 100)], at("firewall:b", 90), undefined],
    [
      "counted on while another kind was looked at, which counted the same",
      [cursor("interface:a", 100), cursor("firewall:b", 50)],
      at("interface:a", 150),
      undefined,
    ],
    [
      "was made while another kind was looked at, which counted the same",
      [cursor("interface:a", 100), cursor("firewall:b", 50)],
      at("interface:c", 50),
      undefined,
    ],
    ["is the first of all", [], at("interface:b", 90), undefined],
  ])("%s", (_what, cursors, reading, passed) => {
    expect(passedSince(cursors, reading, now)?.fleet.sentBytes).toBe(passed);
  });

  test("nothing that passed is booked as nothing", () => {
    expect(bookings(undefined, { fleet: none, management: none }, now, { iccid: "", stage: "operational" }, dayOf(noon))).toEqual([]);
  });
});

describe("the disk", () => {
  const meterOn = async (read: () => Promise<TrafficReading | undefined>, pulse?: () => number) => {
    const [disk, clock] = [faultDisk(seededRandom(1)), new VirtualClock({ ms: noon })];
    const problems: (string | undefined)[] = [];
    const meter = await openUsageMeter({
      ...{ disk, clock, log: silentLog, read, pulse, whose: { iccid: "", stage: "operational" } },
      onLost: () => undefined,
      onProblem: (problem) => problems.push(problem?.code),
    });
    return { disk, clock, meter, problems };
  };

  test("is left alone while nothing passes, and written every 45 s for a trickle", async () => {
    const kernel = new Kernel();
    const { clock, meter } = await meterOn(
      async () => kernel.read(),
      () => kernel.counters.fleet.sentBytes,
    );
    await meter.look();
    const begin = meter.writtenBytes;
    for (let s = 0; s < 3_600; s += 15) {
      await clock.advance(15_000);
      await meter.look();
    }
    expect(meter.writtenBytes).toBe(begin);
    for (let s = 0; s < 3_600; s += 15) {
      kernel.pass("fleet", 100, 0);
      await clock.advance(15_000);
      await meter.look();
    }
    // Three records each 45 s: cursor, day, total.
    expect(meter.writtenBytes - begin).toBeLessThanOrEqual((80 + 1) * 3 * 64);
  });

  test("that is full is told, loses nothing meanwhile, and is written when there is room", async () => {
    const kernel = new Kernel();
    const { disk, clock, meter, problems } = await meterOn(async () => kernel.read());
    await meter.look();
    disk.setFull(true);
    kernel.pass("fleet", 5_000_000, 0);
    await meter.look();
    expect(problems.at(-1)).toBe("DISK_WRITE");
    disk.setFull(false);
    await clock.advance(60_000);
    kernel.pass("fleet", 1, 0);
    await meter.look();
    expect(problems.at(-1)).toBeUndefined();
    const again = await openMeter(disk, clock, kernel, { slots: undefined });
    expect(again.book.ever("fleet").sentBytes).toBe(5_000_001);
  });

  test("a counter that cannot be read changes nothing", async () => {
    const kernel = new Kernel();
    let isThere = true;
    const { meter } = await meterOn(async () => {
      if (!isThere) throw new Error("netd is gone");
      return kernel.read();
    });
    await meter.look();
    kernel.pass("fleet", 10, 0);
    isThere = false;
    expect(await meter.look()).toBe(false);
    isThere = true;
    expect(await meter.look()).toBe(true);
    expect(meter.book.ever("fleet").sentBytes).toBe(10);
  });
});
