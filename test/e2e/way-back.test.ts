// A new profile that finds no network: the way back, and what policy makes of a package that leaves none.
import { describe, expect } from "vitest";
import { bootstrap, fleet, scenario } from "../support/e2e.ts";

const times = `
[eim]
online_timeout_seconds = 40
exchange_timeout_seconds = 20
`;

describe("no coverage for the new profile", () => {
  scenario("with the rollback flag: rolled back, online again with the former profile, and the eIM told", {
    installed: [fleet],
    faults: { vehicle: { "no-coverage": fleet.iccid } },
    config: times,
    async run({ enable, poll, enabled, modem, eim, status, audit, vehicle }) {
      const order = enable(fleet, { rollback: true });
      expect(await poll()).toEqual({ packages: 1, code: undefined });
      expect(order()).toMatchObject({ state: "failed", reason: "rolledBack" });
      expect(eim.results()).toMatchObject([
        {
          verified: true,
          commands: [
            { kind: "enableResult", value: "ok" },
            { kind: "rollbackResult", value: "ok" },
          ],
        },
      ]);
      expect(enabled()).toBe(bootstrap.iccid);
      expect(await modem.imsi()).toBe(bootstrap.imsi);
      expect(await status()).toMatchObject({ network: { registration: "roaming", apn: "bootstrap.iot" } });
      expect(vehicle.euicc.pending().packageResults).toEqual([]);
      expect(await audit.events("profile.", "policy.", "package.")).toEqual([
        "package.received",
        "package.executed",
        "profile.enabled",
        "profile.offline",
        "profile.rolledBack",
        "profile.online",
        "package.reported",
      ]);
      expect(await audit.data("profile.rolledBack")).toMatchObject({ fromIccid: fleet.iccid, toIccid: bootstrap.iccid });
    },
  });

  scenario("without it, policy warns: the vehicle is dark until there is coverage, then reports by itself", {
    installed: [fleet],
    faults: { vehicle: { "no-coverage": fleet.iccid } },
    config: times,
    async run({ enable, poll, enabled, fault, online, until, audit }) {
      const order = enable(fleet);
      expect(await poll()).toMatchObject({ packages: 1, code: "ESIPA_UNREACHABLE" });
      expect(enabled()).toBe(fleet.iccid);
      expect(await audit.data("policy.warned")).toMatchObject({ gate: "euiccPackage", rule: "no_way_back" });
      expect(await audit.events("profile.")).toEqual(["profile.enabled", "profile.offline"]);
      await fault({ vehicle: { "no-coverage": null } });
      await online();
      await until(order, ({ state }) => state === "done");
      // The eIM is done a moment before the vehicle has written that down.
      const told = await until(
        () => audit.events("package."),
        (events) => events.includes("package.reported"),
      );
      expect(told).toEqual(["package.received", "package.executed", "package.unreported", "package.reported"]);
    },
  });

  scenario("without it, policy refuses: the card never sees the package, the eIM gets undefinedError with its transaction", {
    installed: [fleet],
    config: `[policy]\nno_way_back = "refuse"\n`,
    async run({ enable, poll, enabled, events, audit }) {
      const order = enable(fleet);
      expect(await poll()).toEqual({ packages: 1, code: undefined });
      expect(order()).toMatchObject({
        state: "failed",
        results: [{ kind: "eimPackageResultResponseError", eimTransactionId: order().eimTransactionId, code: "undefinedError" }],
      });
      expect(enabled()).toBe(bootstrap.iccid);
      expect(events().filter(({ name }) => name === "ES10b.LoadEuiccPackage")).toEqual([]);
      expect(await audit.events("policy.", "package.", "profile.")).toEqual(["package.received", "policy.refused", "package.reported"]);
      expect(await audit.data("policy.refused")).toMatchObject({ rule: "no_way_back", reason: expect.stringContaining("rollback") });

      // The same order with a way back passes the same policy.
      const better = enable(fleet, { rollback: true });
      expect(await poll()).toEqual({ packages: 1, code: undefined });
      expect(better()).toMatchObject({ state: "done" });
    },
  });
});

describe("a new profile that is online, but not with this eIM", () => {
  scenario("silence after execution: rolled back when the eIM has not answered in time", {
    installed: [fleet],
    config: times,
    async run({ enable, poll, enabled, event, fault, audit }) {
      const order = enable(fleet, { rollback: true });
      const polling = poll();
      await event("package.executed");
      await fault({ eim: { silentRequests: 1_000 } });
      await event("profile.rolledBack");
      await fault({ eim: { silentRequests: 0 } });
      expect(await polling).toEqual({ packages: 1, code: undefined });
      expect(order()).toMatchObject({ state: "failed", reason: "rolledBack" });
      expect(enabled()).toBe(bootstrap.iccid);
      expect(await audit.events("profile.", "package.re")).toEqual([
        ...["package.received", "profile.enabled", "profile.online", "profile.rolledBack", "profile.online", "package.reported"],
      ]);
    },
  });

  scenario("silence for a while: patience, and no way back", {
    installed: [fleet],
    config: "[eim]\nonline_timeout_seconds = 300\nexchange_timeout_seconds = 20\n",
    async run({ enable, poll, enabled, event, fault, audit }) {
      const order = enable(fleet, { rollback: true });
      const polling = poll();
      await event("package.executed");
      await fault({ eim: { silentRequests: 2 } });
      expect(await polling).toEqual({ packages: 1, code: undefined });
      expect(order()).toMatchObject({ state: "done" });
      expect(enabled()).toBe(fleet.iccid);
      expect(await audit.events("profile.")).toEqual(["profile.enabled", "profile.online"]);
    },
  });
});
