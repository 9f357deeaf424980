// The keeper on a virtual module in virtual time: a change of profile does not wait for what was begun with the former one,
// and outlasts a module that resets in the middle.

import { parse } from "valibot";
import { describe, expect, test } from "vitest";
import { configSchema } from "../../agent/config/schema.ts";
import { createKeeper, type Keeper } from "../../agent/connectivity/keeper.ts";
import { silentLog } from "../../base/log.ts";
import { seededRandom } from "../../base/random.ts";
import { type ModuleBench, moduleBench } from "../at-drivers/module-bench.ts";
import { applicationAid } from "../hw-sim/modem/stub-card.ts";

const former = { iccid: "8988211000000000011", imsi: "901980000000001" };
const next = { iccid: "8949020000000000022", imsi: "262990000000002" };

function keeperOn(bench: ModuleBench, told: string[]): Keeper {
  const { apn, radio } = parse(configSchema, {
    modem: { address: "pty:/virtual" },
    apn: [{ name: "bootstrap.iot" }, { name: "fleet.rheinfunk", iccid_prefix: "894902" }],
  });
  return createKeeper({
    modem: bench.modem,
    apns: apn,
    radio,
    clock: bench.clock,
    random: seededRandom(1),
    log: silentLog,
    audit: async ({ event }) => void told.push(event),
    credential: async () => "",
  });
}

/** The card is told to enable the other profile; it takes effect with the module's next reset of the card. */
async function enableNext({ card, modem, run }: ModuleBench): Promise<void> {
  card.switchTo = next;
  const channel = await run(modem.apdu.open(applicationAid));
  await run(channel.transmit(Uint8Array.of(0x80, 0xe2, 0x91, 0x00, 0x00)));
  await run(channel.close());
}

describe("a change of profile", () => {
  test("while a path is sought with the former profile: that ends, and the new one has all of its own time", async () => {
    const bench = moduleBench();
    bench.world.setCoverage({ subscriber: former.iccid }, false);
    const told: string[] = [];
    const keeper = keeperOn(bench, told);
    keeper.start();
    await bench.until(({ link }) => link === "ready");
    await bench.clock.advance(10_000);
    expect(keeper.path.up).toBe(false);
    await enableNext(bench);
    const startMs = bench.clock.monotonicMs();
    expect(await bench.run(keeper.adopt({ iccid: next.iccid, refreshPending: true, deadlineMs: 30_000 }))).toBe("online");
    expect(bench.clock.monotonicMs() - startMs).toBeLessThan(30_000);
    expect(keeper.path).toMatchObject({ up: true, apn: "fleet.rheinfunk" });
    await keeper.stop();
  });

  test("and the module resets by itself, at any command of it: tried again within the deadline", async () => {
    let n = 1;
    for (; n < 100; n++) {
      const bench = moduleBench();
      const keeper = keeperOn(bench, []);
      keeper.start();
      await bench.until(() => keeper.path.up);
      await enableNext(bench);
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
    const bench = moduleBench();
    const told: string[] = [];
    const keeper = keeperOn(bench, told);
    keeper.start();
    await bench.until(() => keeper.path.up);
    bench.world.setCoverage({ subscriber: next.iccid }, false);
    await enableNext(bench);
    const startMs = bench.clock.monotonicMs();
    expect(await bench.run(keeper.adopt({ iccid: next.iccid, refreshPending: true, deadlineMs: 60_000 }))).toBe("offline");
    const tookMs = bench.clock.monotonicMs() - startMs;
    expect(tookMs).toBeGreaterThan(50_000);
    expect(tookMs).toBeLessThanOrEqual(61_000);
    bench.world.setCoverage({ subscriber: next.iccid }, true);
    await bench.until(() => keeper.path.up);
    expect(told.filter((event) => event === "path.up")).toHaveLength(2);
    await keeper.stop();
  });

  test("given up by who asked for it: the former attempt's place is taken by a new one", async () => {
    const bench = moduleBench();
    bench.world.setCoverage({ subscriber: former.iccid }, false);
    const keeper = keeperOn(bench, []);
    keeper.start();
    await bench.until(({ link }) => link === "ready");
    const giveUp = new AbortController();
    const adopted = keeper.adopt({ iccid: next.iccid, refreshPending: false, deadlineMs: 60_000, signal: giveUp.signal });
    await bench.clock.advance(1_000);
    giveUp.abort(new Error("given up"));
    await expect(bench.run(adopted)).rejects.toThrow("given up");
    bench.world.setCoverage({ subscriber: former.iccid }, true);
    await bench.until(() => keeper.path.up);
    expect(keeper.path).toMatchObject({ apn: "bootstrap.iot" });
    await keeper.stop();
  });
});
