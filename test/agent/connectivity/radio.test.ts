// The radio policy on virtual modules of several makes, in virtual time: brought about once, verified by a data path, undone without one, and never written again.
import { parse } from "valibot";
import { describe, expect, test } from "vitest";
import { configSchema } from "../../../agent/config/schema.ts";
import { wishOf } from "../../../agent/connectivity/connectivity.ts";
import { createRadioKeeper, type RadioKeeper } from "../../../agent/connectivity/radio.ts";
import type { RatChoice } from "../../../agent/connectivity/radio-plan.ts";
import type { SimwardError } from "../../../base/errors.ts";
import { silentLog } from "../../../base/log.ts";
import { personalities } from "../../../hw-sim/modem/personalities/table.ts";
import { bootstrapPlmn, operator, type WorldData } from "../../../hw-sim/network/data.ts";
import { type KeeperBench, keeperBench } from "../keeper-bench.ts";

interface RadioBench extends KeeperBench {
  readonly radio: RadioKeeper;
  problem(): SimwardError | undefined;
  /** Writes of technologies, bands and power saving. */
  writes(): readonly string[];
  again(): RadioBench;
}

type Section = Record<string, unknown>;

const worldWith = (rats: readonly ("lte-m" | "cat-1bis" | "gsm" | "nb-iot")[], powerSaving: "all" | "own" | "none" = "own"): WorldData => ({
  countries: [{ iso: "DE", mcc: ["262"], zoneMinutes: 60 }],
  operators: [
    operator(bootstrapPlmn, "Worldlink", "WLINK", [], -140, ["0000", "00000000"]),
    { ...operator("26298", "Nordfunk", "NORDF", [...rats], -80, ["42A1", "01B2C301"]), powerSaving },
  ],
  subscriptions: [{ imsiPrefix: bootstrapPlmn, home: bootstrapPlmn, apns: ["iot"] }],
  agreements: [{ home: bootstrapPlmn, visited: "", outcome: "roaming" }],
});

async function radioBench(make: string, section: Section, data: WorldData): Promise<RadioBench> {
  const personality = personalities[make];
  if (personality === undefined) throw new Error(make);
  const bench = await keeperBench({ module: { personality }, world: { data, country: "DE" }, apns: [{ name: "iot" }] });
  let failed: string | undefined;
  const { radio: config } = parse(configSchema, { modem: { address: "pty:/virtual" }, radio: section });
  const build = (): RadioBench => {
    let problem: SimwardError | undefined;
    const radio = createRadioKeeper({
      modem: bench.modem,
      keeper: bench.keeper,
      wish: wishOf(config),
      isStationary: config.stationary,
      registrationMs: config.registration_timeout_seconds * 1_000,
      memory: {
        failed: () => failed,
        note: async (text) => {
          failed = text;
        },
      },
      emergency: bench.emergency,
      clock: bench.clock,
      log: silentLog,
      audit: async ({ event }) => void bench.told.push(event),
      onProblem: (error) => {
        problem = error;
      },
    });
    const isWrite = (line: string): boolean =>
      /^AT(\+QCFG="(nwscan|iotop|band)[^"]*",|\+C(NMP|MNB|BANDCFG|PSMS|EDRXS)=|%XSYSTEMMODE=|\+URAT=|#WS46=)/.test(line);
    return { ...bench, radio, problem: () => problem, writes: () => bench.sent.filter(isWrite), again: build };
  };
  return build();
}

async function settled(bench: RadioBench, limitMs = 1_200_000): Promise<void> {
  await bench.until(() => bench.radio.status !== undefined && bench.keeper.path.up, limitMs);
}

describe("a policy of technologies", () => {
  const makes: readonly [string, RatChoice, "lte-m" | "cat-1bis"][] = [
    ["quectel-bg95", "lte-m", "lte-m"],
    ["simcom-sim7080", "lte-m", "lte-m"],
    ["nordic-nrf91", "lte-m", "lte-m"],
    ["telit-me310", "lte-m", "lte-m"],
    ["ublox-sara-r5", "lte-m", "lte-m"],
    ["quectel-eg915u", "cat-1bis", "cat-1bis"],
    ["simcom-a76xx", "cat-1bis", "cat-1bis"],
  ];
  test.each(makes.filter(([make]) => personalities[make] !== undefined))(
    "%s: only %s, written once, with a path behind it, and left alone from then on",
    async (make, rat, world) => {
      const bench = await radioBench(make, { rats: ["lte-m", "cat-1bis"] }, worldWith([world, "gsm"]));
      bench.keeper.start();
      bench.radio.start();
      await settled(bench);
      await bench.pass(30_000);
      expect(bench.problem()).toBeUndefined();
      expect(bench.radio.status?.rats).toEqual([rat]);
      expect(bench.keeper.path.up).toBe(true);
      const writes = bench.writes().length;
      await bench.run(bench.radio.stop());
      // Another life of the daemon, and a restart of the module: nothing to do.
      const next = bench.again();
      next.radio.start();
      await bench.pass(60_000);
      bench.module.reset();
      await bench.pass(60_000);
      await settled(next);
      expect(bench.writes()).toHaveLength(writes);
      await next.run(next.radio.stop());
      await bench.keeper.stop();
    },
  );

  test("one with which there is no network is undone, told, and not tried again until it is changed", async () => {
    const bench = await radioBench("quectel-bg95", { rats: ["lte-m"] }, worldWith(["gsm"]));
    bench.keeper.start();
    bench.radio.start();
    await bench.until(() => bench.told.includes("radio.restored"), 2_400_000);
    await bench.up(600_000);
    await bench.pass(10_000);
    expect(bench.told.filter((event) => event.startsWith("radio."))).toEqual(["radio.applied", "radio.restored"]);
    expect(bench.problem()?.code).toBe("RADIO_FAILED");
    expect(bench.radio.status?.rats).not.toEqual(["lte-m"]);
    const writes = bench.writes().length;
    await bench.run(bench.radio.stop());
    const next = bench.again();
    next.radio.start();
    await bench.pass(900_000);
    expect(next.problem()?.message).toMatch(/not tried again/);
    expect(bench.writes()).toHaveLength(writes);
    await next.run(next.radio.stop());
    await bench.keeper.stop();
  });

  test("NB-IoT is refused for what moves, in the configuration and by hand, with the reason", async () => {
    expect(() => parse(configSchema, { modem: { address: "pty:/m" }, radio: { rats: ["nb-iot"] } })).toThrow(/no handover.*stationary/s);
    expect(() => parse(configSchema, { modem: { address: "pty:/m" }, radio: { rats: ["nb-iot"], stationary: true } })).not.toThrow();
    const bench = await radioBench("quectel-bg95", {}, worldWith(["lte-m", "gsm"]));
    bench.keeper.start();
    bench.radio.start();
    await settled(bench);
    await expect(bench.run(bench.radio.set(["nb-iot"], "operator:0"))).rejects.toMatchObject({ code: "RADIO_REFUSED" });
    await expect(bench.run(bench.radio.set(["cat-1bis"], "operator:0"))).rejects.toMatchObject({ code: "MODEM_UNABLE" });
    await bench.run(bench.radio.stop());
    await bench.keeper.stop();
  });

  test("during an emergency nothing is written; afterwards it is", async () => {
    const bench = await radioBench("quectel-bg95", { rats: ["lte-m"] }, worldWith(["lte-m", "gsm"]));
    await bench.run(bench.emergency.tell("operator:0", 900_000, undefined));
    bench.keeper.start();
    bench.radio.start();
    await bench.pass(600_000);
    expect(bench.writes()).toEqual([]);
    await bench.until(() => bench.radio.status?.rats?.join() === "lte-m", 1_200_000);
    await bench.run(bench.radio.stop());
    await bench.keeper.stop();
  });
});

describe("power saving", () => {
  const asked = { psm: "on", psm_periodic_tau_seconds: 43_200, psm_active_seconds: 60, edrx_seconds: 81 };

  test("granted: shown with the network's timers", async () => {
    const bench = await radioBench("quectel-bg95", asked, worldWith(["lte-m"], "all"));
    bench.keeper.start();
    bench.radio.start();
    await settled(bench);
    await bench.pass(1_300_000);
    expect(bench.radio.status).toMatchObject({ isRefused: false, psm: { enabled: true, granted: { activeSeconds: 60 } } });
    await bench.run(bench.radio.stop());
    await bench.keeper.stop();
  });

  test("refused to a roamer: told once for each network", async () => {
    const bench = await radioBench("quectel-bg95", asked, worldWith(["lte-m"], "own"));
    bench.keeper.start();
    bench.radio.start();
    await settled(bench);
    await bench.pass(3_600_000);
    expect(bench.radio.status?.isRefused).toBe(true);
    expect(bench.told.filter((event) => event === "powerSaving.refused")).toHaveLength(1);
    await bench.run(bench.radio.stop());
    await bench.keeper.stop();
  });
});
