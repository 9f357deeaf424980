// Coverage lost: fallback by the vehicle itself, the eIM told, and the return; and what keeps it from becoming a ping-pong.
import { describe, expect } from "vitest";
import { bootstrap, scenario, second, type World } from "../support/e2e.ts";
import { stateChangesOf } from "../support/state-changes.ts";

const spare = { ...second, fallbackAllowed: true };
const config = `
[radio]
registration_timeout_seconds = 20
[eim]
online_timeout_seconds = 40
exchange_timeout_seconds = 20
[fallback]
after_seconds = 60
return_after_seconds = 300
`;

async function makeFallback({ order, poll }: World): Promise<void> {
  const made = order({ kind: "euiccPackage", psmos: [{ setFallbackAttribute: { iccid: spare.iccid } }] });
  await poll();
  expect(made()).toMatchObject({ state: "done" });
}

describe("a profile that loses its network", () => {
  // shows: e9.trigger, e9.told, e9.return, e14.fallback
  scenario("fallback, the eIM told with cause 1, and the return when there is a network again, told too", {
    installed: [spare],
    config,
    speed: 250,
    async run(world) {
      const { event, events, fault, enabled, until, status, audit, vehicle } = world;
      await makeFallback(world);
      const told = stateChangesOf(vehicle.eim);
      await fault({ vehicle: { "no-coverage": bootstrap.iccid } });
      await event("profile.online", (one) => one.iccid === spare.iccid);
      expect(enabled()).toBe(spare.iccid);
      await until(
        () => told,
        (causes) => causes.includes("fallback"),
      );
      expect((await status()).fallback).toMatchObject({ phase: "away", failedReturns: 0 });
      expect(await audit.data("profile.fellBack")).toMatchObject({ fromIccid: bootstrap.iccid, toIccid: spare.iccid });
      const lostMs = Date.parse((await audit.records()).find((one) => one.event === "path.down")?.time ?? "");
      const fellBackMs = Date.parse((await audit.records()).find((one) => one.event === "profile.fellBack")?.time ?? "");
      expect(fellBackMs - lostMs, "after_seconds").toBeGreaterThanOrEqual(60_000);

      await fault({ vehicle: { "no-coverage": null } });
      await event("profile.returned");
      await until(
        () => told,
        (causes) => causes.length === 2,
      );
      expect(told).toEqual(["fallback", "fallback"]);
      expect(enabled()).toBe(bootstrap.iccid);
      expect((await status()).fallback).toMatchObject({ phase: "home" });
      expect(events().filter(({ kind }) => kind === "profile.fellBack")).toHaveLength(1);
    },
  });

  // shows: e9.return-policy
  scenario("still none at the return: fallback again at once, and the next return in twice the time", {
    installed: [spare],
    config,
    speed: 250,
    async run(world) {
      const { event, events, fault, enabled, until, status } = world;
      await makeFallback(world);
      await fault({ vehicle: { "no-coverage": bootstrap.iccid } });
      await event("profile.returned");
      const { nextInMs: _first, ...away } = await until(
        async () => (await status()).fallback ?? { phase: "" },
        ({ phase, ...rest }) => phase === "away" && "failedReturns" in rest && rest.failedReturns === 1,
      ).then((found) => found as { phase: string; failedReturns: number; nextInMs?: number });
      expect(away).toEqual({ phase: "away", failedReturns: 1 });
      expect(enabled()).toBe(spare.iccid);
      const { fallback } = await status();
      expect(fallback?.nextInMs).toBeGreaterThan(2 * 300_000 - 60_000);
      expect(events().filter(({ kind }) => kind === "profile.fellBack")).toHaveLength(2);
      expect(events().filter(({ kind }) => kind === "profile.returned")).toHaveLength(1);
    },
  });

  scenario("no profile has the attribute: the card says so once, and the vehicle waits for its network", {
    installed: [spare],
    config,
    speed: 250,
    async run({ event, events, fault, enabled, clock, online }) {
      await fault({ vehicle: { "no-coverage": bootstrap.iccid } });
      expect(await event("profile.switchRefused")).toMatchObject({ function: "executeFallbackMechanism", code: "fallbackNotAvailable" });
      await clock.sleep(600_000);
      expect(events().filter(({ kind }) => kind === "profile.switchRefused")).toHaveLength(1);
      expect(enabled()).toBe(bootstrap.iccid);
      await fault({ vehicle: { "no-coverage": null } });
      await online();
    },
  });

  scenario("a gap shorter than after_seconds changes nothing", {
    installed: [spare],
    config,
    speed: 250,
    async run(world) {
      const { event, events, fault, enabled, clock, online } = world;
      await makeFallback(world);
      await fault({ vehicle: { "no-coverage": bootstrap.iccid } });
      await event("path.down");
      await clock.sleep(30_000);
      await fault({ vehicle: { "no-coverage": null } });
      await online();
      await clock.sleep(120_000);
      expect(enabled()).toBe(bootstrap.iccid);
      expect(events().filter(({ kind }) => kind.startsWith("profile."))).toEqual([]);
    },
  });
});

describe("fallback at a word", () => {
  scenario("executed and returned from by command; out of place it is refused", {
    installed: [spare],
    config,
    speed: 250,
    async run(world) {
      const { agent, enabled } = world;
      await expect(agent.fallback("execute")).rejects.toMatchObject({ code: "ES10_REFUSED" });
      await makeFallback(world);
      await expect(agent.fallback("return")).rejects.toMatchObject({ code: "FALLBACK_REFUSED" });
      expect(await agent.fallback("execute")).toMatchObject({ outcome: "switched", iccid: spare.iccid, online: true });
      expect(enabled()).toBe(spare.iccid);
      expect(await agent.fallback("return")).toMatchObject({ outcome: "switched", iccid: bootstrap.iccid, online: true });
      expect(enabled()).toBe(bootstrap.iccid);
    },
  });
});
