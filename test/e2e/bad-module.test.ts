// A module that refuses, falls silent, talks in between, stammers or goes away: nothing is done twice, nothing is lost, no wrong profile is enabled.
import { describe, expect } from "vitest";
import { bootstrap, type FaultsByTarget, fleet, type Order, scenario, type World } from "../support/e2e.ts";

const times = "[eim]\nexchange_timeout_seconds = 20\nonline_timeout_seconds = 90\n";
type ModuleFaults = NonNullable<FaultsByTarget["vehicle"]>;

/** Polls once; what is left undone the daemon does by itself. */
async function ends(world: World, order: () => Order, what: string): Promise<void> {
  await world.poll();
  await world.until(order, ({ state }) => state === "done" || state === "failed");
  expect(order(), what).toMatchObject({ state: "done", deliveries: 1 });
}

/** Downloads the fleet profile under a fault of the module, and deletes it again without. */
async function installs(world: World, faults: ModuleFaults): Promise<void> {
  const { fault, download, order, enabled, installed, clear, notified, vehicle } = world;
  const what = JSON.stringify(faults);
  const before = vehicle.smdp.notifications.map(({ event }) => event);
  await fault({ vehicle: faults });
  await ends(world, download(fleet), what);
  clear();
  expect([enabled(), installed()], what).toEqual([bootstrap.iccid, [bootstrap.iccid, fleet.iccid]]);
  await world.online();
  await ends(world, order({ kind: "euiccPackage", psmos: [{ delete: { iccid: fleet.iccid } }] }), what);
  await notified(...before, "install", "delete");
}

/** Changes to the other of the two profiles under a fault of the module. */
async function changes(world: World, faults: ModuleFaults): Promise<void> {
  const { fault, enable, enabled, clear, modem, audit, eim } = world;
  const what = JSON.stringify(faults);
  const to = enabled() === fleet.iccid ? bootstrap : fleet;
  const results = eim.results().length;
  await fault({ vehicle: faults });
  await ends(world, enable(to, { rollback: true }), what);
  clear();
  expect(enabled(), what).toBe(to.iccid);
  await world.online();
  expect(await modem.imsi(), what).toBe(to.imsi);
  expect(eim.results(), what).toHaveLength(results + 1);
  expect(await audit.events("profile.rolledBack"), what).toEqual([]);
}

function eachIn(
  title: string,
  faults: readonly ModuleFaults[],
  job: typeof installs,
  more: Pick<Parameters<typeof scenario>[1], "port"> = {},
): void {
  scenario(title, {
    config: times,
    speed: 50,
    ...(job === changes ? { installed: [fleet] } : {}),
    ...more,
    async run(world) {
      for (const one of faults) await job(world, one);
    },
  });
}

/** The nth APDU of a download: challenge, authentication, preparation, and all over the installation. */
const places = [1, 3, 6, 9, 12, 15, 18, 21, 24, 27, 30, 31, 32, 34, 38, 42, 46, 50];
const nth = (name: string, numbers: readonly number[], rest = ""): ModuleFaults[] => numbers.map((n) => ({ [name]: `+CGLA@${n}${rest}` }));

describe("+CME ERROR", () => {
  eachIn("at any APDU of a download", nth("cme", places, ":100"), installs);
  eachIn(
    "at +CCHO and +CCHC of a download",
    ["+CCHO@1:13", "+CCHO@1:14", "+CCHO@1:20", "+CCHO@1:100", "+CCHC@1"].map((cme) => ({ cme })),
    installs,
  );
  eachIn("or plain ERROR, though the APDU was carried out", nth("error-done", [12, 22, 31, 36, 44, 48]), installs);
  eachIn("at any APDU of a change of profile", nth("cme", [1, 2, 3, 4, 5, 6, 7, 8]), changes);
  eachIn("though the package was carried out: it is found on the card, and not loaded again", nth("error-done", [3, 4, 5, 6]), changes);
  eachIn(
    "at any command that follows a change of profile",
    [
      "+CCID@1",
      "+CCID@2",
      "+CFUN@1",
      "+CEREG@1",
      "+CEREG@2",
      "+CGREG@1",
      "+COPS@1",
      "+CGDCONT@1",
      "+CGDCONT@2",
      "+CGATT@1",
      "+CGACT@1",
      "+CGPADDR@1",
      "+CGCONTRDP@1",
    ].map((cme) => ({ cme })),
    changes,
  );
});

describe("silence of the module", () => {
  eachIn("for some commands, and for twenty seconds", [{ "silent-commands": 3 }, { "silent-ms": 20_000 }], installs);
  eachIn(
    "for some commands, and for twenty seconds, while the profile changes",
    [{ "silent-commands": 3 }, { "silent-ms": 20_000 }],
    changes,
  );
  eachIn(
    "and then the answer after all: it is nobody else's",
    [{ late: "+CGLA@14:50000" }, { late: "+CGLA@33:50000" }, { late: "+CGLA@33:3000" }],
    installs,
  );

  scenario("for more than a minute: the download waits for the module, and is gone on with", {
    // An eUICC may take minutes for AuthenticateServer, so that is what its driver waits.
    speed: 100,
    config: times,
    async run(world) {
      const order = world.download(fleet);
      const polling = world.poll();
      await world.event("step", ({ name }) => name === "ESipa.InitiateAuthentication");
      await world.fault({ vehicle: { "silent-ms": 70_000 } });
      await polling;
      await world.until(order, ({ state }) => state === "done" || state === "failed");
      expect(order()).toMatchObject({ state: "done", deliveries: 1 });
    },
  });

  scenario("from the start: the daemon says what it waits for, and begins when the module does", {
    faults: { vehicle: { "silent-ms": 60_000 } },
    offline: true,
    async run({ status, poll, online }) {
      expect(await status()).toMatchObject({ network: { link: expect.stringMatching(/^(opening|probing)$/) }, profiles: [], eims: [] });
      expect(await poll()).toEqual({ packages: 0, code: "MODEM_ABSENT" });
      await online();
      expect(await poll()).toEqual({ packages: 0, code: undefined });
    },
  });
});

describe("lines that nobody asked for", () => {
  const urcs = ["RING", "+CREG: 1", '+CMTI: "SM",3', "+CGEV: NW MODIFY 1,0,0", "^RSSI: 20", "+CGLA: 4", "OK?"].map((urc) => ({
    urc,
  }));
  eachIn("between every command and its reply, in a download", urcs, installs);
  eachIn("between every command and its reply, while the profile changes", urcs.slice(0, 4), changes);
  eachIn(
    "or are none: noise, a line without end, octets one by one",
    [{ garbage: "+CGLA@14" }, { garbage: "+CGLA@33" }, { spew: 100_000 }, { "split-octets": 1 }],
    installs,
  );
});

describe("a module that goes away and comes back", () => {
  for (const port of ["pty", "tcp", "unix"] as const) {
    eachIn(`hang-up in mid download, ${port}`, nth("hang-up", [3, 14, 26, 33, 46]), installs, { port });
    eachIn(`hang-up in mid change of profile, ${port}`, nth("hang-up", [2, 4, 5, 6]), changes, { port });
  }
  eachIn("reset before an installation", nth("reset", [3, 14, 26]), installs);
  eachIn("reset in mid change of profile", [...nth("reset", [2, 4, 5, 6]), { reset: "+CGATT@1" }, { reset: "+CEREG@1" }], changes);
});

describe("a reset that cuts the card's power", () => {
  scenario("in mid installation: the eUICC's own result says so, to eIM and SM-DP+; nothing is installed, and ordered again it is", {
    config: times,
    async run({ fault, download, poll, until, installed, audit, notified, online }) {
      await fault({ vehicle: { reset: "+CGLA@35" } });
      const cut = download(fleet);
      expect(await poll()).toMatchObject({ packages: 1, code: "PORT_CLOSED" });
      await until(cut, ({ state }) => state === "failed");
      expect(cut()).toMatchObject({ reason: "installFailedDueToInterruption", results: [{ verified: true }] });
      expect(installed()).toEqual([bootstrap.iccid]);
      await until(
        () => audit.data("download.failed"),
        ({ error }) => (error as { readonly code?: string } | undefined)?.code === "DOWNLOAD_FAILED",
      );
      await notified("install");
      await online();
      const again = download(fleet);
      await poll();
      expect(again()).toMatchObject({ state: "done" });
    },
  });
});

describe("a SIM that takes its time after a change of profile", () => {
  scenario("busy for half a minute, the former ICCID for ten seconds more: waited for", {
    installed: [fleet],
    config: times,
    timings: {
      simBusy: [
        { ms: 20_000, cme: 13 },
        { ms: 8_000, cme: 14 },
      ],
      lateIccidMs: 10_000,
    },
    async run(world) {
      await changes(world, {});
      expect(await world.audit.events("profile.")).toEqual(["profile.enabled", "profile.online"]);
    },
  });

  scenario("a card that announces no REFRESH: the driver's ladder shows the module the new profile", {
    installed: [fleet],
    config: times,
    faults: { euicc: { refreshQualifier: "none" }, vehicle: { "hang-up-on-reset": true } },
    async run(world) {
      await changes(world, {});
      expect(await world.audit.data("module.cardAdopted")).toMatchObject({
        iccid: fleet.iccid,
        steps: ["wait", "flight-cycle", "cfun-cycle"],
      });
    },
  });

  scenario("a card that is busy with its toolkit session: refused, reported, ordered again", {
    installed: [fleet],
    faults: { euicc: { catBusyTimes: 1 } },
    async run({ enable, poll, enabled, audit }) {
      const refused = enable(fleet, { rollback: true });
      expect(await poll()).toEqual({ packages: 1, code: undefined });
      expect(refused()).toMatchObject({ state: "failed", reason: "enableResult: catBusy" });
      expect(enabled()).toBe(bootstrap.iccid);
      expect(await audit.data("package.executed")).toMatchObject({ outcomes: [{ name: "enable", code: "catBusy" }] });
      const again = enable(fleet, { rollback: true });
      await poll();
      expect(again()).toMatchObject({ state: "done" });
    },
  });
});
