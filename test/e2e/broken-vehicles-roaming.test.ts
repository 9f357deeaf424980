// Vehicles that stay too long where they may only roam: the day before the limit, at it and over it, as doctor says it, and what it says to do done.
// The days behind them are noted by the writer that notes all days; the last ones pass on the whole vehicle.
import { expect } from "vitest";
import type { DoctorReport, Finding } from "../../agent/api/doctor-types.ts";
import { VirtualClock } from "../../base/clock.ts";
import type { Disk } from "../../base/disk.ts";
import { defaultWorld, type WorldData } from "../../hw-sim/network/data.ts";
import type { ProfilePlan } from "../../hw-sim/scenarios/scenario.ts";
import { dayMs, startRoad } from "../agent/roaming/road.ts";
import { bootstrap, scenario, type World } from "../support/e2e.ts";
import { isRealMend } from "../support/mends.ts";

/** Bosfor lets the bootstrap subscription in, as long as the law does. */
const turkey: WorldData = {
  ...defaultWorld,
  agreements: [{ home: "90198", visited: "286", outcome: "roaming" }, ...defaultWorld.agreements],
};
const local: ProfilePlan = { iccid: "8990298000000000047", imsi: "286980000000004", serviceProvider: "Bosfor", profileName: "Bosfor araç" };
const apns = '[[apn]]\nname = "bootstrap.iot"\n[[apn]]\nname = "arac.bosfor"\niccid_prefix = "8990298"\n';
const imei = "356938035643809";

/** Drives there every day, until the evening before the vehicle's own first day. */
const driven =
  (days: number) =>
  async (disk: Disk): Promise<void> => {
    const firstMs = new VirtualClock().now() - days * dayMs;
    const { clock, roaming } = await startRoad({ disk, atMs: firstMs, source: "network" });
    for (let day = 0; day < days; day++) {
      clock.setWall({ ms: firstMs + day * dayMs });
      await roaming.see({ imei, iccid: bootstrap.iccid, imsi: bootstrap.imsi, country: "TR", registered: true, dataSession: true });
    }
    await roaming.stop();
  };

const about = ({ findings }: DoctorReport): Finding | undefined => findings.find(({ check }) => check === "roaming-days");

async function says({ agent, until }: World, cause: RegExp): Promise<DoctorReport> {
  const report = await until(
    () => agent.doctor.examine("full"),
    (one) => cause.test(about(one)?.cause ?? ""),
  );
  const { mend } = about(report) ?? {};
  if (mend !== undefined) expect(isRealMend(mend), mend).toBe(true);
  return report;
}

/** The vehicle stands through midnight, and its module starts in the morning: the network tells the time anew. */
async function midnight({ clock, modem, status, until, online }: World): Promise<void> {
  const { ms } = clock.wall();
  clock.setWall({ ms: ms - (ms % dayMs) + dayMs + 60_000 });
  await modem.reset();
  await until(status, ({ network }) => network.address === undefined);
  await online();
}

scenario("90 days in 120 in Turkey: the 89th, the 90th and the 91st day; a local profile mends it", {
  ...{ world: turkey, country: "TR", apns, installed: [local], before: driven(88), staysBroken: true },
  async run(world) {
    const { order, poll, until, enabled, agent } = world;
    for (const [used, level] of [
      [89, "warn"],
      [90, "warn"],
      [91, "fail"],
    ] as const) {
      const report = await says(world, new RegExp(`: ${used} of 90 days used`));
      expect(about(report)).toMatchObject({ level, data: { country: "TR", rule: "tr-90-in-120", used } });
      expect(report.causes[0], report.summary).toBe("roaming-days");
      if (used < 91) await midnight(world);
    }
    order({ kind: "euiccPackage", psmos: [{ enable: { iccid: local.iccid } }] });
    await poll();
    expect(enabled()).toBe(local.iccid);
    await until(
      () => agent.doctor.examine("full"),
      ({ verdict }) => verdict === "pass",
    );
  },
});
