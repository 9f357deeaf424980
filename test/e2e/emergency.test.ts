// An emergency comes first: whatever is under way when it begins, nothing is switched, reset or downloaded until it is over, and then all of it goes on by itself.
import { describe, expect } from "vitest";
import { bootstrap, fleet, scenario, second, type World } from "../support/e2e.ts";
import { stateChangesOf } from "../support/state-changes.ts";

const ecall = { ...second, ecallIndication: true };
const config = `
[radio]
registration_timeout_seconds = 20
[eim]
online_timeout_seconds = 60
exchange_timeout_seconds = 20
`;

const by = "operator:0";
const begin = ({ agent }: World, forSeconds = 3_600) => agent.setEmergency(by, { active: true, forSeconds, reason: "eCall" });
const end = ({ agent }: World) => agent.setEmergency(by, { active: false });

/** Whatever a scenario did, nothing of this happens while an emergency is active. */
async function nothingDisturbed({ audit }: World): Promise<void> {
  const records = await audit.records();
  const from = records.findLastIndex(({ event }) => event === "emergency.begun");
  const to = records.findIndex(({ event }, index) => index > from && event === "emergency.ended");
  const meanwhile = records.slice(from + 1, to < 0 ? undefined : to).map(({ event }) => event);
  const disturbing = /^(profile\.(enabled|rolledBack|fellBack|returned)|module\.cardAdopted|apn\.|download\.started|package\.executed)/;
  expect(meanwhile.filter((event) => disturbing.test(event))).toEqual([]);
}

describe("told by the local API", () => {
  scenario("while the eIM is being asked: its package waits in the journal, and is carried out when it is over", {
    installed: [fleet],
    config,
    speed: 120,
    async run(world) {
      const { enable, poll, enabled, agent, eim, until, status, audit, events } = world;
      const order = enable(fleet);
      const stop = eim.onEvent((event) => {
        if (event.type === "esipa" && event.function === "getEimPackage") void begin(world);
      });
      expect(await poll()).toEqual({ packages: 1, code: "EMERGENCY_ACTIVE" });
      stop();
      expect(enabled()).toBe(bootstrap.iccid);
      expect(events().filter(({ name }) => name === "ES10b.LoadEuiccPackage")).toEqual([]);
      expect(agent.ipa.status().operation).toMatchObject({ kind: "euiccPackage", phase: "loading" });
      expect((await status()).emergency).toMatchObject({ sources: ["api"] });
      expect(await audit.data("emergency.deferred")).toMatchObject({ what: expect.stringContaining("euiccPackage"), sources: ["api"] });
      expect(await poll()).toEqual({ packages: 0, code: "EMERGENCY_ACTIVE" });
      await nothingDisturbed(world);
      await end(world);
      await until(order, ({ state }) => state === "done");
      expect(enabled()).toBe(fleet.iccid);
      expect(events().filter(({ name }) => name === "ES10b.LoadEuiccPackage")).toHaveLength(1);
    },
  });

  scenario("during a download: nothing is loaded; afterwards it is begun anew and done", {
    config,
    speed: 120,
    async run(world) {
      const { download, poll, installed, eim, until, events, audit } = world;
      const order = download(fleet);
      const stop = eim.onEvent((event) => {
        if (event.type === "es9" && event.functionName === "authenticateClient") void begin(world);
      });
      expect(await poll()).toEqual({ packages: 1, code: "EMERGENCY_ACTIVE" });
      stop();
      expect(installed()).toEqual([bootstrap.iccid]);
      expect(events().filter(({ kind }) => kind === "segment")).toEqual([]);
      expect(await audit.events("download.")).toEqual(["download.started"]);
      await nothingDisturbed(world);
      await end(world);
      await until(order, ({ state }) => state === "done");
      expect(installed()).toEqual([bootstrap.iccid, fleet.iccid]);
      await until(
        () => audit.events("download."),
        (told) => told.includes("download.finished"),
      );
    },
  });

  scenario("during a change of profile: the refresh ladder is not climbed; afterwards the module follows, and the eIM hears of it", {
    installed: [fleet],
    config,
    speed: 120,
    // The module sees nothing of the change until it is made to.
    faults: { euicc: { refreshQualifier: "none" } },
    async run(world) {
      const { enable, poll, enabled, audit, modem, until, clock, vehicle } = world;
      const order = enable(fleet, { rollback: true });
      const polling = poll();
      await until(
        () => audit.events("profile.enabled"),
        (told) => told.length > 0,
      );
      await begin(world);
      expect(await polling).toEqual({ packages: 1, code: "EMERGENCY_ACTIVE" });
      expect(enabled()).toBe(fleet.iccid);
      await clock.sleep(200_000);
      expect(await modem.iccid(), "the module goes on with the former profile").toBe(bootstrap.iccid);
      expect(order()).toMatchObject({ state: "fetched" });
      await nothingDisturbed(world);
      await end(world);
      await until(order, ({ state }) => state === "done");
      expect(await modem.iccid()).toBe(fleet.iccid);
      expect(vehicle.eim.results()).toMatchObject([{ commands: [{ kind: "enableResult", value: "ok" }] }]);
    },
  });

  scenario("during the way back: the profile stays, though it has no network; then it is given its time, and is rolled back", {
    installed: [fleet],
    config,
    speed: 120,
    faults: { vehicle: { "no-coverage": fleet.iccid } },
    async run(world) {
      const { enable, poll, enabled, audit, until, clock } = world;
      const order = enable(fleet, { rollback: true });
      const polling = poll();
      await until(
        () => audit.events("profile.enabled"),
        (told) => told.length > 0,
      );
      await begin(world);
      expect(await polling).toMatchObject({ code: "EMERGENCY_ACTIVE" });
      await clock.sleep(300_000);
      expect(enabled()).toBe(fleet.iccid);
      await nothingDisturbed(world);
      await end(world);
      await until(order, ({ state }) => state === "failed");
      expect(order()).toMatchObject({ reason: "rolledBack" });
      expect(enabled()).toBe(bootstrap.iccid);
    },
  });

  scenario("during recovery: no fallback however long the path is away; afterwards it has its time again first", {
    installed: [{ ...second, fallbackAllowed: true }],
    config: `${config}[fallback]\nafter_seconds = 60\n`,
    speed: 250,
    async run(world) {
      const { order, poll, enabled, event, fault, clock, audit } = world;
      order({ kind: "euiccPackage", psmos: [{ setFallbackAttribute: { iccid: second.iccid } }] });
      await poll();
      await begin(world);
      await fault({ vehicle: { "no-coverage": bootstrap.iccid } });
      await event("path.down");
      await clock.sleep(900_000);
      expect(enabled()).toBe(bootstrap.iccid);
      await nothingDisturbed(world);
      await end(world);
      await event("profile.fellBack");
      const at = async (name: string): Promise<number> =>
        Date.parse((await audit.records()).findLast((one) => one.event === name)?.time ?? "");
      expect((await at("profile.fellBack")) - (await at("emergency.ended"))).toBeGreaterThanOrEqual(60_000);
    },
  });

  scenario("traffic is not blocked: a path that is lost comes up again, with the APN as it stands", {
    config,
    speed: 120,
    async run(world) {
      const { event, events, fault, online } = world;
      await begin(world);
      await fault({ vehicle: { "no-coverage": bootstrap.iccid } });
      await event("path.down");
      await fault({ vehicle: { "no-coverage": null } });
      const ups = events().filter(({ kind }) => kind === "path.up").length;
      await world.until(
        () => events().filter(({ kind }) => kind === "path.up").length,
        (count) => count > ups,
      );
      await online();
      await nothingDisturbed(world);
      await end(world);
    },
  });

  scenario("an operator who forgets to end it: it ends by itself", {
    config,
    speed: 120,
    async run(world) {
      const { agent, clock, audit, status } = world;
      await begin(world, 60);
      expect(await agent.emergency()).toMatchObject({ active: true, reason: "eCall" });
      await clock.sleep(61_000);
      expect(await agent.emergency()).toEqual({ schema: "simward/emergency/1", active: false, sources: [] });
      expect((await status()).emergency).toBeUndefined();
      await world.until(
        () => audit.events("emergency."),
        (told) => told.length === 2,
      );
      expect(await audit.data("emergency.ended")).toMatchObject({ source: "api", why: "expired", isLast: true });
    },
  });
});

describe("a voice call of the module", () => {
  for (const kind of ["active", "ringing"] as const)
    scenario(`${kind}: seen by the vehicle itself, the poll waits for its end`, {
      installed: [fleet],
      config,
      speed: 120,
      async run(world) {
        const { enable, poll, fault, until, agent, enabled, event } = world;
        await fault({ vehicle: { "voice-call": kind } });
        await event("emergency", (one) => one.active === true);
        expect(agent.emergency()).toMatchObject({ active: true, sources: ["call"] });
        const order = enable(fleet);
        expect(await poll()).toMatchObject({ code: "EMERGENCY_ACTIVE" });
        expect(order()).toMatchObject({ state: "queued" });
        await fault({ vehicle: { "voice-call": null } });
        await until(order, ({ state }) => state === "done");
        expect(enabled()).toBe(fleet.iccid);
      },
    });

  scenario("where the configuration says that it is none: nothing waits", {
    installed: [fleet],
    config: `${config}[emergency]\nvoice_call = false\n`,
    speed: 120,
    async run({ enable, poll, fault, agent, clock }) {
      await fault({ vehicle: { "voice-call": "ringing" } });
      await clock.sleep(30_000);
      expect(agent.emergency()).toMatchObject({ active: false });
      const order = enable(fleet);
      expect(await poll()).toEqual({ packages: 1, code: undefined });
      expect(order()).toMatchObject({ state: "done" });
    },
  });
});

describe("the emergency profile", () => {
  // shows: e11.enable, e11.disable, e11.told, e11.bars-packages, e11.bars-data, e11.bars-downloads, e7.ecall, e14.emergencyProfile
  scenario("the eIM is told with cause 2 and gets 104 for everything; afterwards the former profile is back, and it is told again", {
    installed: [ecall, fleet],
    config,
    speed: 120,
    async run(world) {
      const { agent, enabled, eim, enable, download, order, poll, until, status, modem } = world;
      const told = stateChangesOf(eim);
      expect(await agent.setEmergencyProfile(true)).toMatchObject({ outcome: "switched", iccid: ecall.iccid, online: true });
      expect(enabled()).toBe(ecall.iccid);
      expect(await modem.imsi()).toBe(ecall.imsi);
      expect((await status()).emergency).toMatchObject({ sources: ["profile"] });
      expect(await agent.setEmergencyProfile(true)).toMatchObject({ outcome: "already" });

      const package_ = enable(fleet);
      const data = order({ kind: "ipaEuiccData", tags: ["BF20"] });
      const trigger = download({ ...fleet, matchingId: "OTHER" });
      for (let polls = 0; polls < 3; polls++) await poll();
      expect(package_()).toMatchObject({ state: "failed", results: [{ errorCode: "ecallActive", verified: true }] });
      expect(data()).toMatchObject({ state: "failed", reason: expect.stringContaining("ecallActive") });
      expect(trigger()).toMatchObject({ state: "failed", reason: "profileDownloadError: ecallActive" });
      expect(enabled()).toBe(ecall.iccid);
      expect(told).toEqual(["emergencyProfile"]);
      await expect(agent.fallback("execute")).rejects.toMatchObject({ code: "EMERGENCY_ACTIVE" });

      // Not while somebody says that it is still going on.
      await begin(world);
      await expect(agent.setEmergencyProfile(false)).rejects.toMatchObject({ code: "EMERGENCY_ACTIVE" });
      await end(world);
      expect(await agent.setEmergencyProfile(false)).toMatchObject({ outcome: "switched", iccid: bootstrap.iccid, online: true });
      expect(await modem.imsi()).toBe(bootstrap.imsi);
      expect((await status()).emergency).toBeUndefined();
      await until(
        () => told,
        (causes) => causes.length === 2,
      );
      expect(told).toEqual(["emergencyProfile", "emergencyProfile"]);
    },
  });

  scenario("it is part of the emergency: enabled while one is told", {
    installed: [ecall],
    config,
    speed: 120,
    async run(world) {
      const { agent, modem } = world;
      await begin(world);
      expect(await agent.setEmergencyProfile(true)).toMatchObject({ outcome: "switched", online: true });
      expect(await modem.imsi()).toBe(ecall.imsi);
      expect(agent.emergency().sources).toEqual(["api", "profile"]);
      await end(world);
      await agent.setEmergencyProfile(false);
    },
  });

  scenario("a card without one says so", {
    config,
    speed: 120,
    async run({ agent, enabled }) {
      await expect(agent.setEmergencyProfile(true)).rejects.toMatchObject({ code: "ES10_REFUSED", data: { error: "ecallNotAvailable" } });
      await expect(agent.setEmergencyProfile(false)).resolves.toMatchObject({ outcome: "already" });
      expect(enabled()).toBe(bootstrap.iccid);
    },
  });
});
