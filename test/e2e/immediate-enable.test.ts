// Immediate profile enabling: a profile enabled in the session that installed it, because it was configured beforehand by the eIM, or before any eIM by the device.
import { describe, expect } from "vitest";
import { bootstrap, fleet, scenario } from "../support/e2e.ts";
import { stateChangesOf } from "../support/state-changes.ts";

const config = `
[eim]
online_timeout_seconds = 60
exchange_timeout_seconds = 20
`;

describe("configured by the eIM", () => {
  scenario("the profile is enabled with its download, the module follows, and the eIM is told with cause 5", {
    config,
    speed: 120,
    async run({ order, download, poll, enabled, modem, eim, until, audit }) {
      const configured = order({ kind: "euiccPackage", psmos: [{ configureImmediateEnable: { immediateEnable: true } }] });
      await poll();
      expect(configured()).toMatchObject({ state: "done" });
      const told = stateChangesOf(eim);
      const order_ = download(fleet);
      expect(await poll()).toMatchObject({ code: undefined });
      expect(order_()).toMatchObject({ state: "done" });
      expect(enabled()).toBe(fleet.iccid);
      expect(await modem.imsi()).toBe(fleet.imsi);
      await until(
        () => told,
        (causes) => causes.length > 0,
      );
      expect(told).toEqual(["immediateEnableProfile"]);
      expect(await audit.events("profile.")).toEqual(["profile.enabled", "profile.online"]);
      expect(await audit.data("profile.enabled")).toMatchObject({ iccid: fleet.iccid, fromIccid: bootstrap.iccid });
    },
  });

  scenario("for another SM-DP+: asked in vain, which is nothing wrong", {
    config,
    async run({ order, download, poll, enabled, events }) {
      order({
        kind: "euiccPackage",
        psmos: [{ configureImmediateEnable: { immediateEnable: true, defaultSmdpAddress: "other.example.com" } }],
      });
      await poll();
      const order_ = download(fleet);
      expect(await poll()).toMatchObject({ code: undefined });
      expect(order_()).toMatchObject({ state: "done" });
      expect(enabled()).toBe(bootstrap.iccid);
      expect(events().filter(({ name }) => name === "ES10b.ImmediateEnable")).toHaveLength(1);
      expect(events().filter(({ kind }) => kind === "warning")).toEqual([]);
    },
  });

  scenario("switched off in the daemon's configuration: the card is not asked", {
    config: `${config}[rsp]\nimmediate_enable = false\n`,
    async run({ order, download, poll, enabled, events }) {
      order({ kind: "euiccPackage", psmos: [{ configureImmediateEnable: { immediateEnable: true } }] });
      await poll();
      download(fleet);
      await poll();
      expect(enabled()).toBe(bootstrap.iccid);
      expect(events().filter(({ name }) => name === "ES10b.ImmediateEnable")).toEqual([]);
    },
  });

  scenario("an emergency that begins with the installation: installed, left disabled, and reported", {
    config,
    speed: 120,
    async run({ order, download, poll, enabled, installed, agent, event, until }) {
      order({ kind: "euiccPackage", psmos: [{ configureImmediateEnable: { immediateEnable: true } }] });
      await poll();
      const order_ = download(fleet);
      const polling = poll();
      await event("segment");
      await agent.setEmergency("operator:0", { active: true });
      await polling;
      expect(installed()).toContain(fleet.iccid);
      expect(enabled()).toBe(bootstrap.iccid);
      await agent.setEmergency("operator:0", { active: false });
      await until(order_, ({ state }) => state === "done");
      expect(enabled()).toBe(bootstrap.iccid);
    },
  });
});

describe("configured by the device", () => {
  scenario("once an eIM is associated the eUICC lets only that do it", {
    config,
    async run({ agent }) {
      await expect(agent.setImmediateEnable({ enabled: true })).rejects.toMatchObject({
        code: "ES10_REFUSED",
        data: { error: "associatedEimAlreadyExists" },
      });
    },
  });
});
