// Caps at their very bytes, what is kept back for management, orders until the period's end, and that it flows again with nobody acting.
import { describe, expect, test } from "vitest";
import { admin, iccid, otherIccid, UsageBench } from "./bench.ts";

const dayMs = 86_400_000;

describe("a cap", () => {
  test("holds at its byte and not before, is told at each step once, and flows again when the month ends", async () => {
    const bench = await new UsageBench({ cap: [{ bytes: 1_000_000 }] }).start();
    await bench.pass(699_999);
    expect([bench.engine.data.kind, bench.raised.get("usage")]).toEqual(["allow", undefined]);
    await bench.pass(1);
    expect([bench.engine.data.kind, bench.raised.get("usage")]).toEqual(["warn", "USAGE_WARNING"]);
    await bench.pass(299_999);
    expect(bench.engine.data.kind).toBe("warn");
    await bench.pass(1);
    expect(bench.engine.data).toMatchObject({ kind: "refuse", rule: "usage", retryAt: Date.UTC(2026, 6, 1) });
    expect(bench.raised.get("usage")).toBe("USAGE_CAP");
    // Step 80 was passed over, not told.
    expect(bench.kinds("usage.warned").map((data) => data?.percent)).toEqual([70, 90]);
    expect(bench.kinds("usage.capReached")).toMatchObject([{ cap: "all", percent: 100, usedBytes: 1_000_000, limitBytes: 1_000_000 }]);
    await bench.until(Date.UTC(2026, 6, 1) - 1);
    expect(bench.engine.data.kind).toBe("refuse");
    await bench.clock.advance(1);
    expect([bench.engine.data.kind, bench.raised.get("usage")]).toEqual(["allow", undefined]);
    await bench.pass(700_000);
    expect(bench.kinds("usage.warned").map((data) => data?.percent)).toEqual([70, 90, 70]);
  });

  test("is judged by whoever looks: somebody who asks between two looks does not hide it from the next one", async () => {
    const bench = await new UsageBench({ cap: [{ bytes: 1_000 }] }).start();
    for (const ask of [bench.usage.acts.usage, bench.usage.totals]) {
      bench.kernel.pass("fleet", 500, 0);
      await ask();
    }
    expect(bench.engine.data.kind).toBe("refuse");
  });

  test("is seen within two seconds of being reached, whatever the link's speed", async () => {
    const bench = await new UsageBench({ cap: [{ bytes: 50_000_000 }] }).start();
    let passed = 0;
    // 12 MB/s
    while (bench.engine.data.kind !== "refuse" && passed < 100_000_000) {
      bench.kernel.pass("fleet", 1_200_000, 0);
      passed += 1_200_000;
      await bench.clock.advance(100);
    }
    expect(passed - 50_000_000).toBeLessThanOrEqual(2 * 12_000_000);
  });

  test("throttles from where it is told to, and with action throttle never blocks", async () => {
    const bench = await new UsageBench({ cap: [{ bytes: 1_000, action: "throttle", throttle_from_percent: 95 }] }).start();
    await bench.pass(949);
    expect(bench.engine.data.kind).toBe("warn");
    await bench.pass(1);
    expect(bench.engine.data.kind).toBe("throttle");
    await bench.pass(5_000);
    expect(bench.engine.data.kind).toBe("throttle");
  });

  test("of a stage counts and holds in that stage; of an ICCID's beginning, for each such profile by itself", async () => {
    const bench = await new UsageBench({
      cap: [
        { bytes: 1_000, stage: "factory_test" },
        { bytes: 2_000, iccid_prefix: "8949" },
      ],
    }).start();
    await bench.pass(1_999);
    expect(bench.engine.data.kind).toBe("warn");
    await bench.profile(otherIccid);
    await bench.pass(1_000);
    expect(bench.engine.data.kind).toBe("allow");
    await bench.stage("factory_test");
    await bench.pass(999);
    expect(bench.engine.data.kind).toBe("warn");
    await bench.pass(1);
    expect(bench.engine.data).toMatchObject({ kind: "refuse", reason: expect.stringContaining("stage factory_test") });
    await bench.stage("operational");
    await bench.profile(iccid);
    expect(bench.engine.data.kind).toBe("warn");
    await bench.pass(1);
    expect(bench.engine.data).toMatchObject({ kind: "refuse", reason: expect.stringContaining("iccid 8949") });
  });

  test("over the last days flows again as soon as enough of them is out of sight", async () => {
    const bench = await new UsageBench({ period: "rolling", rolling_days: 3, cap: [{ bytes: 100 }] }).start();
    await bench.pass(60);
    await bench.until(Date.UTC(2026, 5, 11, 12));
    await bench.pass(40);
    expect(bench.engine.data).toMatchObject({ kind: "refuse", retryAt: Date.UTC(2026, 5, 13) });
    await bench.until(Date.UTC(2026, 5, 13) - 1);
    expect(bench.engine.data.kind).toBe("refuse");
    await bench.clock.advance(1);
    expect(bench.engine.data.kind).toBe("allow");
  });

  test("holds over restarts and power cuts, and is decided before anything passes", async () => {
    const bench = await new UsageBench({ cap: [{ bytes: 2_000_000 }] }).start();
    await bench.pass(2_000_000);
    await bench.start();
    expect(bench.engine.data.kind).toBe("refuse");
    bench.disk.powerOn();
    bench.kernel.boot();
    await bench.start();
    expect(bench.engine.data.kind).toBe("refuse");
    // Told once.
    expect(bench.kinds("usage.capReached").length).toBe(1);
  });

  test("that nothing can keep, for nothing counts, is said", async () => {
    const bench = await new UsageBench({ cap: [{ bytes: 100 }] }).start(false);
    expect(bench.engine.data).toMatchObject({ kind: "warn", reason: expect.stringContaining("nothing here counts") });
    expect((await bench.usage.acts.usage()).counted).toBe("none");
  });
});

describe("management", () => {
  test("has its reserve in each cap: the fleet gets the rest, less what management needs beyond it, and management is never in the way of itself", async () => {
    const bench = await new UsageBench({ reserve_bytes: 200, cap: [{ bytes: 1_000 }] }).start();
    await bench.pass(799, 150);
    expect(bench.engine.data.kind).toBe("warn");
    await bench.pass(1);
    expect(bench.engine.data.kind).toBe("refuse");
    const report = await bench.usage.acts.usage();
    expect(report).toMatchObject({ fleetBytes: 800, managementBytes: 150, reserveBytes: 200, caps: [{ usedBytes: 800, limitBytes: 800 }] });
    const beyond = await new UsageBench({ reserve_bytes: 200, cap: [{ bytes: 1_000 }] }).start();
    await beyond.pass(500, 501);
    expect(beyond.engine.data.kind).toBe("refuse");
    expect(beyond.engine.check("poll", { eimId: "x" }).kind).toBe("allow");
  });

  test("whose reserve is used up raises an alarm; downloads are held back only where the configuration says so", async () => {
    const download = { eimId: "x", sha256: "", smdpAddress: undefined };
    for (const [end, kind] of [
      ["alarm", "warn"],
      ["refuse_downloads", "refuse"],
    ] as const) {
      const bench = await new UsageBench({ reserve_bytes: 1_000, reserve_end: end, download_bytes: 400 }).start();
      await bench.pass(0, 600);
      expect(bench.engine.check("download", download).kind).toBe("allow");
      await bench.pass(0, 1);
      expect(bench.engine.check("download", download)).toMatchObject({ kind, rule: "usage", retryAt: Date.UTC(2026, 6, 1) });
      expect(bench.raised.get("usage")).toBeUndefined();
      await bench.pass(0, 399);
      expect([bench.raised.get("usage"), bench.engine.data.kind]).toEqual(["USAGE_RESERVE", "allow"]);
      expect(bench.engine.check("poll", { eimId: "x" }).kind).toBe("allow");
    }
  });
});

test("a cap that warns does not hide that management has used up its reserve", async () => {
  const bench = await new UsageBench({ reserve_bytes: 100, cap: [{ bytes: 1_000 }] }).start();
  await bench.pass(700, 100);
  const { decision } = bench.engine.explain().rules.find(({ rule }) => rule === "usage") ?? {};
  expect(decision?.actions.map((action) => (action.kind === "alarm" ? action.code : undefined))).toEqual([
    "USAGE_WARNING",
    "USAGE_RESERVE",
  ]);
});

describe("orders", () => {
  test("given while a look tells what it saw: neither is lost, and nothing is told twice", async () => {
    const bench = await new UsageBench({ cap: [{ bytes: 1_000 }] }).start();
    bench.kernel.pass("fleet", 750, 0);
    bench.usage.look();
    await Promise.all([
      bench.usage.acts.usage(),
      bench.usage.acts.limitUsage(admin, { cap: "all", bytes: 2_000, reason: "topped up" }),
      bench.usage.acts.usage(),
    ]);
    expect(bench.kinds("usage.warned").length).toBeLessThanOrEqual(1);
    expect((await bench.usage.acts.usage()).caps).toMatchObject([{ capBytes: 2_000, usedBytes: 750, state: "ok" }]);
    await bench.start();
    expect((await bench.usage.acts.usage()).caps).toMatchObject([{ capBytes: 2_000, ordered: true }]);
  });

  test("a clock that was years ahead for a while ends no order", async () => {
    const bench = await new UsageBench({ cap: [{ bytes: 1_000 }] }).start();
    await bench.usage.acts.limitUsage(admin, { cap: "all", bytes: 2_000, reason: "topped up" });
    bench.clock.setWall({ ms: Date.UTC(2041, 0, 1), source: "none" });
    await bench.pass(1);
    bench.clock.setWall({ ms: Date.UTC(2026, 5, 20), source: "network" });
    await bench.pass(1);
    expect((await bench.usage.acts.usage()).caps).toMatchObject([{ capBytes: 2_000, ordered: true }]);
  });

  test("another limit holds until the period's end, over a restart too; without one the configured holds again", async () => {
    const bench = await new UsageBench({ reserve_bytes: 10, cap: [{ bytes: 1_000 }] }).start();
    await bench.pass(990);
    expect(bench.engine.data.kind).toBe("refuse");
    await bench.usage.acts.limitUsage(admin, { cap: "all", bytes: 2_000, reason: "topped up" });
    expect(bench.engine.data.kind).toBe("allow");
    await bench.start();
    expect(bench.engine.data.kind).toBe("allow");
    expect((await bench.usage.acts.usage()).caps).toMatchObject([{ capBytes: 2_000, ordered: true }]);
    await bench.usage.acts.limitUsage(admin, { cap: "all", reason: "a mistake" });
    expect(bench.engine.data.kind).toBe("refuse");
    expect(bench.kinds("usage.limitOrdered")).toMatchObject([
      { cap: "all", bytes: 2_000, reason: "topped up", role: "admin", uid: 0, until: "2026-06-30" },
      { bytes: null, reason: "a mistake" },
    ]);
    await bench.usage.acts.limitUsage(admin, { cap: "all", bytes: 5_000, reason: "again" });
    await bench.until(Date.UTC(2026, 6, 1));
    expect((await bench.usage.acts.usage()).caps).toMatchObject([{ capBytes: 1_000, ordered: false }]);
    await expect(bench.usage.acts.limitUsage(admin, { cap: "all", bytes: 10, reason: "x" })).rejects.toMatchObject({ code: "API_INPUT" });
    await expect(bench.usage.acts.limitUsage(admin, { cap: "none", bytes: 99, reason: "x" })).rejects.toMatchObject({ code: "NOT_FOUND" });
  });

  test("where there is no cap, a limit for all is one; forgiven is what was used until then, and the ledger keeps it", async () => {
    const bench = await new UsageBench({}).start();
    await bench.pass(500);
    await bench.usage.acts.limitUsage(admin, { cap: "all", bytes: 400, reason: "runaway firmware" });
    expect(bench.engine.data.kind).toBe("refuse");
    await bench.usage.acts.resetUsage(admin, { cap: "all", reason: "mended" });
    expect(bench.engine.data.kind).toBe("allow");
    await bench.pass(399);
    expect(bench.engine.data.kind).toBe("warn");
    await bench.pass(1);
    expect(bench.engine.data.kind).toBe("refuse");
    expect((await bench.usage.acts.usage()).fleetBytes).toBe(900);
    expect(bench.kinds("usage.reset")).toMatchObject([{ forgivenBytes: 500, reason: "mended" }]);
  });
});

describe("what is told", () => {
  test("each day's and each month's use, by profile, stage and party, once", async () => {
    const bench = await new UsageBench({}, { ms: Date.UTC(2028, 1, 28, 23) }).start();
    await bench.pass(100, 7);
    await bench.until(Date.UTC(2028, 1, 29, 1));
    await bench.stage("suspended");
    await bench.pass(50);
    await bench.until(Date.UTC(2028, 2, 1, 1));
    const period = bench.kinds("usage.period");
    expect(period).toMatchObject([
      { period: "day", from: "2028-02-28", iccid, stage: "operational", party: "fleet", sentBytes: 100, certain: true },
      { period: "day", from: "2028-02-28", party: "management", receivedBytes: 7 },
      { period: "day", from: "2028-02-29", stage: "suspended", party: "fleet", sentBytes: 50 },
      { period: "month", from: "2028-02-01", to: "2028-02-29", stage: "operational", party: "fleet", sentBytes: 100 },
      { period: "month", from: "2028-02-01", party: "management", receivedBytes: 7 },
      { period: "month", from: "2028-02-01", stage: "suspended", party: "fleet", sentBytes: 50 },
    ]);
    await bench.start();
    await bench.until(Date.UTC(2028, 2, 2, 1));
    expect(bench.kinds("usage.period").length).toBe(6);
    const rows = [];
    for await (const row of bench.usage.acts.usageRows("2028-02-29", "2028-02-29")) rows.push(row);
    expect(rows).toMatchObject([{ schema: "simward/usage-row/1", date: "2028-02-29", iccid, stage: "suspended", sentBytes: 50 }]);
  });

  test("what is foreseen rests on the last days: at a steady pace it comes true, and says when the cap is used up", async () => {
    const bench = await new UsageBench({ cap: [{ bytes: 25_000_000 }] }, { ms: Date.UTC(2026, 5, 1) }).start();
    for (let hour = 0; hour < 10 * 24; hour++) {
      bench.kernel.pass("fleet", 1_000_000 / 24, 0);
      await bench.until(Date.UTC(2026, 5, 1, hour + 1));
    }
    const [cap] = (await bench.usage.acts.usage()).caps;
    expect(cap?.usedBytes).toBeCloseTo(10_000_000, -3);
    expect(Math.abs((cap?.forecastBytes ?? 0) - 30_000_000)).toBeLessThan(300_000);
    expect(["2026-06-25", "2026-06-26"]).toContain(cap?.reachedOn);
  });

  test("three years: every byte is there, the file does not grow, and the flash is spared", async () => {
    const bench = await new UsageBench({}, { ms: Date.UTC(2026, 5, 1) }).start();
    let passed = 0;
    for (let day = 0; day < 3 * 365; day++) {
      bench.kernel.pass("fleet", 1_000 + day, 10);
      bench.kernel.pass("management", 5, 5);
      passed += 1_020 + day;
      bench.usage.look();
      await bench.clock.advance(5_000);
      if (day % 100 === 99) await bench.start();
      bench.clock.setWall({ ms: Date.UTC(2026, 5, 2) + day * dayMs });
      await bench.clock.advance(dayMs / 1_000);
    }
    const { fleet, management } = await bench.usage.totals();
    expect(fleet.sentBytes + fleet.receivedBytes + management.sentBytes + management.receivedBytes).toBe(passed);
    let exported = 0;
    for await (const { sentBytes, receivedBytes } of bench.usage.acts.usageRows()) exported += sentBytes + receivedBytes;
    expect(exported).toBe(passed);
    expect((await bench.disk.read("usage.log"))?.length).toBe(16_384 * 64);
    expect(((await bench.disk.read("usage.0.json"))?.length ?? 0) < 4_096).toBe(true);
  });
});
