// Direct download through the whole agent (SGP.32 §3.2.3.1): by activation code, from the default SM-DP+, by way of the SM-DS, whatever the eIM is reached by.
import { describe, expect } from "vitest";
import { bootstrap, fleet, scenario, second, type World } from "../support/e2e.ts";

const bindings = ["coaps", "https", "https-json"] as const;
/** What the eIM sees of a direct download: the trigger fetched, the result. */
const atEim = ["getEimPackage", "handleNotification", "getEimPackage"];

/** A download by one kind of trigger, with the profile waiting where it leads. */
const by = ({ order, vehicle }: World, trigger: string, matchingId: string) =>
  order({ kind: "download", trigger, activationCode: vehicle.activationCode(matchingId), reserve: trigger !== "activationCode" });

describe.each(bindings)("direct download, eIM over %s", (binding) => {
  scenario("activation code", {
    binding,
    direct: true,
    async run(world) {
      const { poll, installed, esipa, notified, audit, vehicle } = world;
      const order = by(world, "activationCode", fleet.matchingId);
      expect(await poll()).toEqual({ packages: 1, code: undefined });
      expect(order()).toMatchObject({ state: "done", deliveries: 1, results: [{ kind: "profileInstallationResult", verified: true }] });
      expect(installed()).toEqual([bootstrap.iccid, fleet.iccid]);
      expect(esipa()).toEqual(atEim);
      await notified("install");
      expect(vehicle.smdp.orders.find(({ matchingId }) => matchingId === fleet.matchingId)?.state).toBe("installed");
      expect(await audit.events("download", "notification")).toEqual([
        "download.started",
        "download.metadata",
        "download.finished",
        "notification.delivered",
      ]);
    },
  });

  scenario("default SM-DP+", {
    binding,
    direct: true,
    async run(world) {
      const { poll, installed, esipa, notified } = world;
      const order = by(world, "contactDefaultSmdp", fleet.matchingId);
      expect(await poll()).toEqual({ packages: 1, code: undefined });
      expect(order()).toMatchObject({ state: "done", results: [{ verified: true }] });
      expect(installed()).toContain(fleet.iccid);
      expect(esipa()).toEqual(atEim);
      await notified("install");
    },
  });

  scenario("SM-DS: every event is followed, and is gone when its profile is there", {
    binding,
    direct: true,
    async run(world) {
      const { poll, installed, notified, vehicle } = world;
      vehicle.smds.registerEvent({ eid: vehicle.euicc.eid, eventId: second.matchingId, rspServerAddress: vehicle.smdp.address });
      const order = by(world, "contactSmds", fleet.matchingId);
      expect(vehicle.smds.events).toHaveLength(2);
      expect(await poll()).toEqual({ packages: 1, code: undefined });
      expect(order()).toMatchObject({ state: "done" });
      expect([...installed()].sort()).toEqual([bootstrap.iccid, second.iccid, fleet.iccid].sort());
      await notified("install", "install");
      expect(vehicle.smds.events).toEqual([]);
    },
  });
});

describe("an eIM that relays", () => {
  scenario("is gone through for the SM-DS as well: it answers with the event's server, where the IPA goes through it again", {
    async run(world) {
      const { poll, installed, esipa, notified } = world;
      const order = by(world, "contactSmds", fleet.matchingId);
      expect(await poll()).toEqual({ packages: 1, code: undefined });
      expect(order()).toMatchObject({ state: "done", results: [{ verified: true }] });
      expect(installed()).toContain(fleet.iccid);
      expect(esipa()).toEqual([
        ...["getEimPackage", "initiateAuthentication", "authenticateClient", "initiateAuthentication", "authenticateClient"],
        ...["getBoundProfilePackage", "handleNotification", "getEimPackage"],
      ]);
      await notified("install");
    },
  });

  scenario("is gone through for the default SM-DP+ as well", {
    async run(world) {
      const { poll, installed } = world;
      const order = by(world, "contactDefaultSmdp", fleet.matchingId);
      expect(await poll()).toEqual({ packages: 1, code: undefined });
      expect(order()).toMatchObject({ state: "done" });
      expect(installed()).toContain(fleet.iccid);
    },
  });
});
