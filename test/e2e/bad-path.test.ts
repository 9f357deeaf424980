// A path that loses, repeats, delays and forgets: whatever is lost, everything arrives once and whole.
import { describe, expect } from "vitest";
import { bootstrap, fleet, scenario, type World } from "../support/e2e.ts";

/** The main job, whatever the path does; its BPP was MAC'ed octet by octet, its result signed. */
async function mainJob({ download, enable, poll, until, enabled, eim, audit, notified }: World): Promise<void> {
  const downloaded = download(fleet);
  await poll();
  await until(downloaded, ({ state }) => state === "done" || state === "failed");
  expect(downloaded()).toMatchObject({ state: "done" });
  const changed = enable(fleet, { rollback: true });
  await poll();
  await until(changed, ({ state }) => state === "done" || state === "failed");
  expect(changed()).toMatchObject({ state: "done" });
  expect(enabled()).toBe(fleet.iccid);
  expect(eim.results()).toHaveLength(1);
  await notified("install", "enable");
  expect(await audit.events("profile.rolledBack", "download.failed")).toEqual([]);
}

describe("a quarter of all datagrams lost, both ways", () => {
  for (const seed of [1, 2, 3, 4])
    scenario(`seed ${seed}: the main job, with every octet in its place`, {
      seed,
      faults: { vehicle: { loss: 0.25, "rtt-ms": 300 } },
      async run(world) {
        await mainJob(world);
        const { lost } = world.vehicle.gate.counters;
        expect(lost.up + lost.down).toBeGreaterThan(4);
      },
    });
});

describe("one datagram lost", () => {
  for (const direction of ["up", "down"])
    for (const n of [1, 2, 3, 4, 5])
      scenario(`of the handshake: ${direction}, number ${n}`, {
        async run({ fault, order, poll }) {
          await fault({ vehicle: { drop: `${direction}:${n}` } });
          const sent = order({ kind: "euiccPackage", psmos: [{ listProfileInfo: {} }] });
          expect(await poll()).toEqual({ packages: 1, code: undefined });
          expect(sent()).toMatchObject({ state: "done", deliveries: 1 });
        },
      });

  scenario("of the transfer: each in turn, both ways; everything arrives once", {
    speed: 50,
    async run({ fault, download, order, poll, vehicle, installed }) {
      const remove = () => order({ kind: "euiccPackage", psmos: [{ delete: { iccid: fleet.iccid } }] });
      await poll();
      const { up, down } = { ...vehicle.gate.counters.datagrams };
      const first = download(fleet);
      await poll();
      expect(first()).toMatchObject({ state: "done" });
      const length = { up: vehicle.gate.counters.datagrams.up - up, down: vehicle.gate.counters.datagrams.down - down };
      expect(Math.min(length.up, length.down)).toBeGreaterThan(8);
      for (const direction of ["up", "down"] as const)
        for (let n = 1; n <= length[direction]; n += 2) {
          const deleted = remove();
          await poll();
          expect(deleted()).toMatchObject({ state: "done" });
          await fault({ vehicle: { drop: `${direction}:${n}` } });
          const sent = download(fleet);
          expect(await poll(), `${direction}:${n}`).toEqual({ packages: 1, code: undefined });
          expect(sent(), `${direction}:${n}`).toMatchObject({ state: "done", deliveries: 1 });
          expect(installed()).toEqual([bootstrap.iccid, fleet.iccid]);
        }
    },
  });
});

describe("a path that", () => {
  const paths = [
    { what: "repeats and reorders", faults: { duplicate: 0.3, reorder: 0.3, "rtt-ms": 100 } },
    { what: "takes three seconds there and back", faults: { "rtt-ms": 3_000 } },
    { what: "carries 9,600 bit/s", faults: { "rate-bps": 9_600, "rtt-ms": 400 } },
  ];
  for (const { what, faults } of paths)
    for (const binding of ["coaps", "https"] as const)
      scenario(`${what}: the main job, ${binding}`, { binding, speed: 50, faults: { vehicle: faults }, run: mainJob });

  scenario("gives the vehicle another port in mid download: the package arrives", {
    config: "[eim]\nexchange_timeout_seconds = 20\n",
    async run(world) {
      const authenticated = world.event("step", ({ name }) => name === "ESipa.AuthenticateClient");
      const job = mainJob(world);
      await authenticated;
      await world.fault({ vehicle: { "nat-rebind": true } });
      await job;
    },
  });

  for (const binding of ["coaps", "https"] as const)
    scenario(`ends in mid download and comes back: begun anew by itself, installed once, ${binding}`, {
      binding,
      config: "[eim]\nexchange_timeout_seconds = 30\n",
      async run({ download, poll, event, fault, until, audit, notified }) {
        const order = download(fleet);
        const polling = poll();
        await event("step", ({ name }) => name === "ESipa.InitiateAuthentication");
        await fault({ vehicle: { "no-coverage": bootstrap.iccid } });
        expect(await polling).toMatchObject({
          packages: 1,
          code: expect.stringMatching(/^(NO_DATA_PATH|ESIPA_UNREACHABLE|HTTP_|COAP_|DTLS_)/),
        });
        expect(await audit.events("path.")).toEqual(["path.up", "path.down"]);
        await fault({ vehicle: { "no-coverage": null } });
        await until(order, ({ state }) => state === "done");
        const told = await until(
          () => audit.events("download.f"),
          (events) => events.length > 0,
        );
        expect(told).toEqual(["download.finished"]);
        await notified("install");
      },
    });
});
