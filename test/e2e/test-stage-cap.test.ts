// The cap of the factory test without [net]: the module's own counters are asked, what they count shuts the gate, and where a module has none that is said.
import { describe, expect } from "vitest";
import { scenario } from "../support/e2e.ts";

const capBytes = 3_000;
const config = `[lifecycle]\nfirst = "factory_test"\ntest_cap_bytes = ${capBytes}\n[policy]\nenforce_without_netd = "none"\n`;

describe("[lifecycle] test_cap_bytes without [net]", () => {
  scenario("a module that counts: the cap holds, and the vehicle's stage says how much was used", {
    personality: "quectel-eg25",
    config,
    staysBroken: true,
    async run({ agent, poll, until, vehicle }) {
      const data = () => agent.policy.explain().data;
      // At once it is said that nobody counts; the module is seen to as soon as it has answered.
      await until(data, ({ kind }) => kind === "allow");
      const carried = (): number => vehicle.modem.counters.total.sentBytes + vehicle.modem.counters.total.receivedBytes;
      const before = carried();
      while (carried() - before < capBytes / 2) await poll();
      expect(data().kind).toBe("allow");
      while (carried() - before < capBytes) await poll();
      // It is asked once a minute at most.
      await until(data, ({ kind }) => kind === "refuse");
      expect(data()).toMatchObject({ rule: "lifecycle", reason: expect.stringContaining("is used up") });
      expect((await agent.lifecycle.lifecycle()).usedBytes).toBeGreaterThanOrEqual(capBytes);
    },
  });

  scenario("a module that does not count: it is said that the cap cannot be kept", {
    config,
    staysBroken: true,
    async run({ agent, poll }) {
      await poll();
      expect(agent.policy.explain().data).toMatchObject({ kind: "warn", rule: "lifecycle" });
    },
  });
});
