// The keeper on a virtual module in virtual time: it is online again after every loss, does not ask more often than it helps, goes back to the APN
// that worked, and a change of profile neither waits for what was begun with the former one nor gives up because the module resets.

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { pathRetryDelayMs } from "../../agent/connectivity/keeper.ts";
import { SimwardError } from "../../base/errors.ts";
import { former, type KeeperBench, keeperBench, next } from "./keeper-bench.ts";

const anyone = {};
const wrongApn = [{ name: "wrong.example" }];

describe("the data path", () => {
  test("comes up, goes with the coverage, and is back as soon as there is some", async () => {
    const { keeper, world, told, pass, up, until } = await keeperBench();
    keeper.start();
    await up();
    expect(keeper.path).toMatchObject({ up: true, iccid: former.iccid, apn: "bootstrap.iot", session: { address: expect.any(String) } });
    await pass(120_000);
    world.setCoverage(anyone, false);
    await until(() => !keeper.path.up);
    expect(keeper.path).toMatchObject({ session: undefined, reason: "the network or the module ended the data session" });
    await pass(30_000);
    world.setCoverage(anyone, true);
    await up(60_000);
    expect(told).toEqual(["apn.applied", "path.up", "path.down", "path.up"]);
    await keeper.stop();
  });

  test("that the network ended is brought up again, at first at once, then ever more seldom", async () => {
    const { keeper, world, pass, up, until, failedAtMs } = await keeperBench();
    keeper.start();
    await up();
    await pass(120_000);
    world.setCore(anyone, false);
    await until(() => !keeper.path.up);
    await pass(6 * 3_600_000);
    // Registered or not: what the network refuses is asked for a few times a quarter of an hour, not a few times a minute.
    expect(failedAtMs.length).toBeGreaterThan(30);
    expect(failedAtMs.length).toBeLessThan(200);
    expect(keeper.path.reason).toMatch(
      /^no data path came up in time: registration: searching, reject cause 19 \(the network gives no data session\), after 180 s; the network has failed \(ESM cause 38\)$/,
    );
    world.setCore(anyone, true);
    await up(600_000);
    await keeper.stop();
  });

  test("whose end nobody told of is found to have ended", async () => {
    const { keeper, module, pass, up, until, told } = await keeperBench();
    keeper.start();
    await up();
    module.settings = { ...module.settings, cgerep: 0 };
    await pass(70_000);
    const before = keeper.path.session?.address;
    module.packet.deactivate(1, "NW");
    await until(() => told.includes("path.down"), 61_000);
    await up();
    expect(keeper.path.session?.address).not.toBe(before);
    expect(told.slice(-2)).toEqual(["path.down", "path.up"]);
    await keeper.stop();
  });

  test("that flaps is left to the timer, so that the trail and the network are spared", async () => {
    const { keeper, world, pass, up, told } = await keeperBench();
    keeper.start();
    await up();
    for (let n = 0; n < 360; n++) {
      world.setCoverage(anyone, n % 2 === 1);
      await pass(10_000);
    }
    expect(told.filter((event) => event === "path.down").length).toBeLessThan(40);
    world.setCoverage(anyone, true);
    await up(600_000);
    await keeper.stop();
  });

  test("a module that goes away every few seconds is left to the timer too, and the path is back when it stays", async () => {
    const { keeper, module, pass, up, told } = await keeperBench();
    keeper.start();
    await up();
    for (let n = 0; n < 180; n++) {
      module.reset();
      await pass(20_000);
    }
    expect(told.filter((event) => event === "path.down").length).toBeLessThan(40);
    await up(600_000);
    await keeper.stop();
  });

  test("a module that goes away at any command of the way up: the path comes up all the same", async () => {
    let n = 1;
    for (; n < 100; n++) {
      const { keeper, faults, up } = await keeperBench();
      faults.set("hang-up", String(n));
      keeper.start();
      await up();
      await keeper.stop();
      if (faults.get("hang-up") !== undefined) break;
    }
    expect(n).toBeGreaterThan(20);
    expect(n).toBeLessThan(100);
  });

  test("stop ends what runs, at whatever moment, and nothing is told afterwards", async () => {
    for (const afterMs of [0, 10, 1_000, 3_000, 5_000, 7_000, 60_000, 200_000]) {
      const { keeper, world, clock, run, pass, told } = await keeperBench();
      if (afterMs % 1_000 !== 0) world.setCoverage(anyone, false);
      keeper.start();
      await pass(afterMs);
      const startMs = clock.monotonicMs();
      await run(keeper.stop());
      expect(clock.monotonicMs() - startMs).toBeLessThanOrEqual(5_000);
      const then = told.length;
      world.setCoverage(anyone, false);
      await pass(600_000);
      expect(told).toHaveLength(then);
    }
  });

  test("whatever happened, in whatever order: when all is well again it comes up by itself", async () => {
    const happenings = {
      "coverage off": ({ world }) => world.setCoverage(anyone, false),
      "coverage on": ({ world }) => world.setCoverage(anyone, true),
      "core off": ({ world }) => world.setCore(anyone, false),
      "core on": ({ world }) => world.setCore(anyone, true),
      "module resets": ({ module }) => module.reset(),
      "port goes": ({ unplug }) => unplug(),
      "port is away": ({ refuseOpening }) => {
        refuseOpening.times = 3;
      },
      "profile adopted": ({ keeper }) => {
        void keeper.adopt({ iccid: former.iccid, refreshPending: false, deadlineMs: 20_000 });
      },
      "profile adopted, given up": ({ keeper, clock }) => {
        const giveUp = new AbortController();
        clock.after(700, () => giveUp.abort(new Error("given up")));
        keeper.adopt({ iccid: former.iccid, refreshPending: false, deadlineMs: 20_000, signal: giveUp.signal }).catch(() => undefined);
      },
      "no profile": ({ keeper }) => {
        void keeper.adopt({ iccid: undefined, refreshPending: false, deadlineMs: 20_000 });
      },
    } satisfies Record<string, (bench: KeeperBench) => void>;
    const step = fc.record({
      what: fc.constantFrom(...Object.values<(bench: KeeperBench) => void>(happenings)),
      thenMs: fc.constantFrom(0, 50, 700, 4_000, 61_000),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 12 }), async (steps) => {
        const bench = await keeperBench();
        bench.keeper.start();
        for (const { what, thenMs } of steps) {
          what(bench);
          await bench.pass(thenMs);
        }
        bench.world.setCoverage(anyone, true);
        bench.world.setCore(anyone, true);
        await bench.up(900_000);
        await bench.pass(1_000);
        await bench.run(bench.keeper.stop());
        await bench.run(bench.modem.close());
      }),
      { seed: 1, numRuns: 60 },
    );
  });

  test("retries are spread, from seconds to minutes", () => {
    fc.assert(
      fc.property(fc.nat({ max: 10_000 }), fc.double({ min: 0, max: 0.999_999, noNaN: true }), (failures, unit) => {
        const delayMs = pathRetryDelayMs(failures, unit);
        expect(delayMs).toBeGreaterThanOrEqual(1_000);
        expect(delayMs).toBeLessThanOrEqual(301_000);
      }),
      { seed: 1 },
    );
    expect([1, 2, 3, 7, 9].map((failures) => pathRetryDelayMs(failures, 0.5))).toEqual([3_500, 6_000, 11_000, 151_000, 151_000]);
  });
});

describe("the way back after a change of APN", () => {
  test("one that never worked: what the module held before is restored by itself, and stays", async () => {
    const bench = await keeperBench({ apns: wrongApn });
    const { keeper, pass, told, modem, run, apnAlarm } = bench;
    await run(modem.ready());
    keeper.start();
    await bench.up(900_000);
    expect(keeper.path).toMatchObject({ apn: "bootstrap.iot" });
    expect(told).toEqual(["apn.applied", "apn.restored", "path.up"]);
    expect(apnAlarm()).toBe("APN_FAILED");
    // It is not tried again with every loss of the path.
    bench.world.setCoverage(anyone, false);
    await pass(60_000);
    bench.world.setCoverage(anyone, true);
    await bench.up(60_000);
    expect(told).toEqual(["apn.applied", "apn.restored", "path.up", "path.down", "path.up"]);
    await keeper.stop();
  });

  test("one that worked is gone back to from one that does not, and known across restarts; a corrected one is taken at once", async () => {
    const good = await keeperBench({ apns: [{ name: "iot" }] });
    good.keeper.start();
    await good.up();
    await good.keeper.stop();

    const bad = await good.restart(wrongApn);
    bad.keeper.start();
    await bad.until(() => !bad.modem.status.registration.plmn);
    await bad.up(900_000);
    expect(bad.keeper.path.apn).toBe("iot");
    expect(bad.told).toEqual(["apn.applied", "apn.restored", "path.up"]);
    await bad.keeper.stop();

    const again = await bad.restart(wrongApn);
    again.keeper.start();
    await again.up(10_000);
    expect([again.keeper.path.apn, again.told, again.apnAlarm()]).toEqual(["iot", ["path.up"], "APN_FAILED"]);
    await again.keeper.stop();

    const mended = await again.restart([{ name: "bootstrap.iot" }]);
    mended.keeper.start();
    await mended.until(() => mended.keeper.path.apn === "bootstrap.iot" && mended.keeper.path.up);
    expect([mended.told, mended.apnAlarm()]).toEqual([["apn.applied", "path.up"], undefined]);
    await mended.keeper.stop();
  });

  test("a credential that cannot be read is no end either", async () => {
    const bench = await keeperBench({
      apns: [{ name: "private.example", auth: "chap", user: "vehicle", password_credential: "apn" }],
      credential: async () => {
        throw new SimwardError("CONFIG_READ", { detail: "the credential apn" });
      },
    });
    bench.keeper.start();
    await bench.until(() => (bench.keeper.path.reason ?? "").includes("the credential apn"));
    await bench.up(900_000);
    expect(bench.apnAlarm()).toBe("APN_FAILED");
    await bench.keeper.stop();
  });

  test("where there is no network at all, the module's memory is spared: APNs take turns ever more seldom", async () => {
    const bench = await keeperBench({ apns: wrongApn });
    bench.world.setCoverage(anyone, false);
    bench.keeper.start();
    await bench.pass(24 * 3_600_000);
    expect(bench.told.length).toBeGreaterThan(3);
    expect(bench.told.length).toBeLessThan(12);
    await bench.keeper.stop();
  });

  test("a profile without an [[apn]] of its own gets what the module held, not what the profile before was given", async () => {
    const bench = await keeperBench({ apns: [{ name: "iot", iccid_prefix: "8988" }] });
    const { keeper, module } = bench;
    keeper.start();
    await bench.up();
    expect(module.packet.context(1)).toMatchObject({ apn: "iot" });
    await bench.enableNext();
    expect(await bench.run(keeper.adopt({ iccid: next.iccid, refreshPending: true, deadlineMs: 60_000 }))).toBe("online");
    expect(module.packet.context(1)).toMatchObject({ apn: "" });
    await keeper.stop();
  });
});

describe("a change of profile", () => {
  test("while a path is sought with the former profile: that ends, and the new one has all of its own time", async () => {
    const bench = await keeperBench();
    bench.world.setCoverage({ subscriber: former.iccid }, false);
    const { keeper } = bench;
    keeper.start();
    await bench.until(({ link }) => link === "ready");
    await bench.pass(10_000);
    expect(keeper.path.up).toBe(false);
    await bench.enableNext();
    const startMs = bench.clock.monotonicMs();
    expect(await bench.run(keeper.adopt({ iccid: next.iccid, refreshPending: true, deadlineMs: 30_000 }))).toBe("online");
    expect(bench.clock.monotonicMs() - startMs).toBeLessThan(30_000);
    expect(keeper.path).toMatchObject({ up: true, apn: "fleet.rheinfunk" });
    await keeper.stop();
  });

  test("and the module resets by itself, at any command of it: tried again within the deadline", async () => {
    let n = 1;
    for (; n < 100; n++) {
      const bench = await keeperBench();
      const { keeper } = bench;
      keeper.start();
      await bench.up();
      await bench.enableNext();
      bench.faults.set("reset", String(n));
      const outcome = await bench.run(keeper.adopt({ iccid: next.iccid, refreshPending: true, deadlineMs: 60_000 }));
      expect([n, outcome, keeper.path]).toMatchObject([n, "online", { up: true, apn: "fleet.rheinfunk" }]);
      await keeper.stop();
      if (bench.faults.get("reset") !== undefined) break;
    }
    expect(n).toBeGreaterThan(10);
    expect(n).toBeLessThan(100);
  });

  test("that finds no network is offline at its deadline, not before and not after; the keeper goes on trying", async () => {
    const bench = await keeperBench();
    const { keeper, told } = bench;
    keeper.start();
    await bench.up();
    bench.world.setCoverage({ subscriber: next.iccid }, false);
    await bench.enableNext();
    const startMs = bench.clock.monotonicMs();
    expect(await bench.run(keeper.adopt({ iccid: next.iccid, refreshPending: true, deadlineMs: 60_000 }))).toBe("offline");
    const tookMs = bench.clock.monotonicMs() - startMs;
    expect(tookMs).toBeGreaterThan(50_000);
    expect(tookMs).toBeLessThanOrEqual(61_000);
    bench.world.setCoverage({ subscriber: next.iccid }, true);
    await bench.up();
    expect(told.filter((event) => event === "path.up")).toHaveLength(2);
    await keeper.stop();
  });

  test("given up by who asked for it: the former attempt's place is taken by a new one", async () => {
    const bench = await keeperBench();
    bench.world.setCoverage({ subscriber: former.iccid }, false);
    const { keeper } = bench;
    keeper.start();
    await bench.until(({ link }) => link === "ready");
    const giveUp = new AbortController();
    const adopted = keeper.adopt({ iccid: next.iccid, refreshPending: false, deadlineMs: 60_000, signal: giveUp.signal });
    await bench.pass(1_000);
    giveUp.abort(new Error("given up"));
    await expect(bench.run(adopted)).rejects.toThrow("given up");
    bench.world.setCoverage({ subscriber: former.iccid }, true);
    await bench.up();
    expect(keeper.path).toMatchObject({ apn: "bootstrap.iot" });
    await keeper.stop();
  });
});
