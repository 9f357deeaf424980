// A cap with real packets: the ledger fed by the kernel's firewall, the policy engine between, simward-netd behind it; from the gateway and from behind it,
// IPv4 and IPv6. The fleet stops within two seconds, management goes on, and with the next period it flows again with nobody acting.
import { parse } from "valibot";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createAlarms } from "../../../agent/alarms.ts";
import { parseConfig } from "../../../agent/config/load.ts";
import type { NetdClient } from "../../../agent/data-path/netd-client.ts";
import { createPolicyEngine, type PolicyEngine } from "../../../agent/policy/engine.ts";
import { bindRules } from "../../../agent/policy/rules/table.ts";
import { usageConfig } from "../../../agent/usage/config.ts";
import { createUsage, type Usage } from "../../../agent/usage/service.ts";
import { createUsageSource } from "../../../agent/usage/source.ts";
import { type Disposer, SystemClock, type WallTime } from "../../../base/clock.ts";
import { faultDisk } from "../../../base/fault-disk.ts";
import { silentLog } from "../../../base/log.ts";
import { seededRandom } from "../../../base/random.ts";
import { PolicyStub } from "../firewall/policy-stub.ts";
import { canFilter, far, leftOut, managementUid, type Peer, port, VehicleBench } from "../firewall/vehicle.ts";
import { iccid } from "./bench.ts";

/** Real time, and a date that the test turns. */
class DatedClock extends SystemClock {
  aheadMs = 0;
  /** The regular look is hastened. */
  override after(ms: number, fn: () => void): Disposer {
    return super.after(Math.min(ms, 4_000), fn);
  }
  override now(): number {
    return this.wall().ms;
  }
  override wall(): WallTime {
    return { ms: super.wall().ms + this.aheadMs, source: "network" };
  }
}

/** Of the fleet. */
const limitBytes = 60_000;
const reserveBytes = 40_000;
const refused = /^refused E(HOSTUNREACH|ACCES|PERM|CONNREFUSED)$/;
const hosts = [far.v4, far.v6];

describe.skipIf(!canFilter)(`a cap in network namespaces${leftOut}`, () => {
  const clock = new DatedClock();
  const disk = faultDisk(seededRandom(1));
  let vehicle: VehicleBench;
  let netd: NetdClient;
  let policy: PolicyStub;
  let engine: PolicyEngine;
  let usage: Usage;
  let fleet: Peer;
  let management: Peer;
  let ecu: Peer;

  const startUsage = async (): Promise<void> => {
    engine = createPolicyEngine({
      rules: bindRules(parseConfig('[modem]\naddress = "pty:/tmp/modem"\n')),
      memory: { load: () => ({}), save: async () => undefined },
      audit: async () => undefined,
      perform: () => undefined,
      withdraw: () => undefined,
      isHeld: () => false,
    });
    await engine.update({ lifecycle: { stage: "operational" }, vehicle: { iccid, clockTrusted: true, todayDay: 0 } });
    usage = await createUsage({
      ...{
        config: parse(usageConfig, { period: "day", reserve_bytes: reserveBytes, cap: [{ bytes: limitBytes + reserveBytes }] }),
        disk,
        clock,
        log: silentLog,
        alarms: createAlarms(),
        engine,
      },
      audit: async () => undefined,
      publish: () => undefined,
    });
    engine.onData((verdict) => void policy.decide(verdict));
    usage.start(
      createUsageSource({
        ...{ clock, interfaceName: () => "wwan0" },
        firewall: () => policy.firewall.read(),
        // This process is not in the vehicle's namespace: every look asks the firewall.
        kernel: { index: async () => undefined, counters: () => undefined },
      }),
    );
  };
  const within = async (ms: number, what: () => boolean): Promise<number> => {
    const begin = clock.monotonicMs();
    while (!what() && clock.monotonicMs() - begin < ms) await new Promise((done) => clock.after(20, () => done(undefined)));
    return clock.monotonicMs() - begin;
  };

  beforeAll(async () => {
    vehicle = await VehicleBench.make();
    await vehicle.startNetd();
    netd = vehicle.client();
    const core = await vehicle.peer("core");
    [fleet, management, ecu] = await Promise.all([
      vehicle.peer("gateway", 54_321),
      vehicle.peer("gateway", managementUid),
      vehicle.peer("ecu"),
    ]);
    await core.do("serve", { port });
    await ecu.do("serve", { port });
    await vehicle.warm(fleet, ecu);
    policy = new PolicyStub(netd, clock);
    policy.firewall.start();
    await policy.firewall.changed();
    await startUsage();
    await usage.totals();
  }, 30_000);
  afterAll(async () => {
    await usage?.stop();
    await policy?.firewall.stop();
    netd?.close();
    await vehicle?.close();
  });

  test("at the cap the fleet stops, on both families and from behind the gateway too; management goes on; the next day it flows again", async () => {
    for (let round = 0; round < 20; round++) {
      const host = hosts[round % 2] ?? far.v4;
      expect(await fleet.ask(host, "fleet", { bytes: 700 })).toBe("answered");
      expect(await ecu.ask(host, "fleet", { bytes: 700 })).toBe("answered");
      expect(await management.ask(host, "management", { bytes: 700 })).toBe("answered");
    }
    const before = await usage.acts.usage();
    expect(before.counted).toBe("firewall");
    expect(before.fleetBytes).toBeGreaterThan(56_000);
    expect(before.fleetBytes).toBeLessThan(limitBytes);
    expect(before.managementBytes).toBeGreaterThan(28_000);
    expect(engine.data.kind).toBe("warn");

    for (let n = 0; n < 3; n++) expect(await ecu.ask(far.v6, "fleet", { bytes: 700 })).toBe("answered");
    expect(await within(10_000, () => engine.data.kind === "refuse")).toBeLessThanOrEqual(2_000);
    await policy.firewall.changed();
    for (const host of hosts) {
      expect(await fleet.ask(host, "fleet")).toMatch(refused);
      expect(await ecu.ask(host, "fleet")).toMatch(refused);
      expect(await management.ask(host, "management")).toBe("answered");
    }

    // The daemon dies and comes back: refused still, and nothing is counted twice.
    const { fleetBytes } = await usage.acts.usage();
    await usage.stop();
    await startUsage();
    await within(5_000, () => engine.data.kind === "refuse");
    expect(engine.data.kind).toBe("refuse");
    expect((await usage.acts.usage()).fleetBytes).toBe(fleetBytes);

    clock.aheadMs += 86_400_000;
    await within(20_000, () => engine.data.kind === "allow");
    await policy.firewall.changed();
    for (const host of hosts) {
      expect(await fleet.ask(host, "fleet")).toBe("answered");
      expect(await ecu.ask(host, "fleet")).toBe("answered");
    }
  });
});
