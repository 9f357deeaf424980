// Life ends at every write of the journal, before and after it reached the disk, as a process and with the power; then it goes on.
// Whatever happened: the eIM holds exactly one verified result, the right profile is enabled, no notification is lost, nothing is stuck.
import { describe, expect, test } from "vitest";
import { a, b, c, factoryProfile, Vehicle, type VehicleOptions } from "../support/vehicle.ts";

interface Story {
  readonly name: string;
  readonly options: VehicleOptions;
  readonly prepare?: (vehicle: Vehicle) => void;
  /** Orders, each polled for by itself. */
  readonly orders: readonly ((vehicle: Vehicle) => string)[];
  readonly expected: {
    readonly enabled: string;
    readonly installed: readonly string[];
    readonly results: number;
    readonly state: readonly string[];
  };
  /** Events that the SM-DP+ is to hear of, each at least once. */
  readonly heard: readonly string[];
}

const two = { profiles: [factoryProfile(a, true), factoryProfile(b, false)] };

const stories: readonly Story[] = [
  {
    name: "enable with the rollback flag",
    options: two,
    orders: [(vehicle) => vehicle.enable(b, true)],
    expected: { enabled: b, installed: [a, b], results: 1, state: ["done"] },
    heard: [],
  },
  {
    name: "enable, no network, rollback",
    options: { ...two, ipa: { onlineTimeoutMs: 60_000 } },
    prepare: (vehicle) => vehicle.coverage.delete(b),
    orders: [(vehicle) => vehicle.enable(b, true)],
    expected: { enabled: a, installed: [a, b], results: 1, state: ["failed"] },
    heard: [],
  },
  {
    name: "download, then enable",
    options: {},
    orders: [(vehicle) => vehicle.download(c), (vehicle) => vehicle.enable(c, true)],
    expected: { enabled: c, installed: [a, c], results: 1, state: ["done", "done"] },
    heard: ["profileInstallationResult"],
  },
  {
    name: "a replayed package: an error that the card does not keep",
    options: two,
    prepare: ({ eim }) => {
      eim.faults.wrongEid = 1;
    },
    orders: [(vehicle) => vehicle.enable(b)],
    expected: { enabled: a, installed: [a, b], results: 0, state: ["failed"] },
    heard: [],
  },
  {
    name: "data asked for",
    options: two,
    orders: [(vehicle) => vehicle.order({ kind: "ipaEuiccData", tags: ["BF20", "BF22", "A5", "A6"] })],
    expected: { enabled: a, installed: [a, b], results: 0, state: ["done"] },
    heard: [],
  },
];

/** Plays a story, with the end of life at that write if it is reached; answers how many writes there were. */
async function play(story: Story, crash: Vehicle["crash"], how: "process" | "power"): Promise<{ vehicle: Vehicle; crashed: boolean }> {
  const vehicle = new Vehicle(story.options);
  story.prepare?.(vehicle);
  vehicle.crash = crash;
  let crashed = false;
  const ids: string[] = [];
  for (const order of story.orders) {
    ids.push(order(vehicle));
    for (let polls = 0; polls < 8; polls++) {
      const outcome = await vehicle.run(vehicle.ipa.pollOnce());
      if (outcome === "crashed") {
        crashed = true;
        vehicle.restart(how);
        continue;
      }
      if (!outcome.unfinished && outcome.error === undefined) break;
    }
  }
  await vehicle.deliver();
  const { expected } = story;
  const where = `${crash?.when ?? "never"} write ${crash?.at ?? ""}`;
  const states = ids.map((id) => vehicle.eim.order(id)?.state);
  expect([where, vehicle.enabled(), vehicle.installed(), states]).toEqual([where, expected.enabled, expected.installed, expected.state]);
  expect([where, vehicle.eim.results().length]).toEqual([where, expected.results]);
  expect([where, vehicle.euicc.pending()]).toEqual([where, { notifications: [], packageResults: [] }]);
  expect([where, vehicle.ipa.status()]).toMatchObject([where, { operation: undefined, pendingResults: 0, pendingNotifications: 0 }]);
  const heard = new Set(vehicle.smdp.notifications.filter(({ verified }) => verified).map(({ kind }) => kind as string));
  for (const kind of story.heard) expect([where, heard]).toEqual([where, new Set([...heard, kind])]);
  return { vehicle, crashed };
}

describe.each(stories)("$name", (story) => {
  test("without any interruption", async () => {
    const { vehicle } = await play(story, undefined, "process");
    expect(vehicle.saves).toBeGreaterThan(1);
  });

  // shows: e1.unfinished, e4.01-received, c6.not-acknowledged
  test.each(["process", "power"] as const)("interrupted by the end of the %s at every write", async (how) => {
    let points = 0;
    for (const when of ["before", "after"] as const) {
      for (let at = 1; ; at++) {
        const { crashed } = await play(story, { at, when }, how);
        if (!crashed) break;
        points++;
      }
    }
    expect(points).toBeGreaterThan(2);
  });
});

describe("what a restart finds", () => {
  // shows: e14.undefined
  test("a profile changed behind our back: every eIM is told, once", async () => {
    const vehicle = new Vehicle({ ...two, secondEim: true });
    await vehicle.poll();
    // Another IPA, a service tool, a fallback: we were not there.
    const other = new Vehicle({ ...two, secondEim: true });
    other.enable(b);
    await other.poll();
    vehicle.euicc = other.euicc;
    vehicle.euicc.reset();
    vehicle.restart("process");
    const changes: unknown[] = [];
    for (const eim of [vehicle.eim, vehicle.eim2]) eim?.onEvent((event) => event.type === "stateChange" && changes.push(event.cause));
    await vehicle.poll();
    await vehicle.poll();
    expect(changes).toEqual(["undefined", "undefined"]);
  });

  test("a journal that is none, or of another make, is no obstacle: the card is asked", async () => {
    for (const journal of [
      null,
      7,
      "x",
      {},
      { version: 2 },
      { version: 1, operation: { kind: "other" }, outbox: "no" },
      { version: 1, operation: {} },
      { version: 1, operation: { kind: "euiccPackage", phase: "loading" } },
      { version: 1, operation: { kind: "profileDownload", phase: "loading" } },
    ]) {
      const vehicle = new Vehicle(two);
      vehicle.journal = journal;
      const id = vehicle.enable(b, true);
      expect(await vehicle.poll()).toMatchObject({ kind: "done", unfinished: false });
      expect(vehicle.eim.order(id)).toMatchObject({ state: "done" });
    }
  });

  // shows: c6.found-at-start
  test("results of a life before, journal lost: the card has them, and each goes to its eIM", async () => {
    const vehicle = new Vehicle(two);
    vehicle.eim.faults.acknowledge = "none";
    vehicle.order({ kind: "euiccPackage", psmos: [{ listProfileInfo: {} }] });
    await vehicle.poll();
    expect(vehicle.euicc.pending().packageResults).toHaveLength(1);
    vehicle.eim.faults.acknowledge = "all";
    vehicle.journal = undefined;
    vehicle.restart("power");
    await vehicle.poll();
    expect(vehicle.euicc.pending().packageResults).toEqual([]);
    expect(vehicle.eim.results()).toHaveLength(1);
  });

  test("a journal that cannot be written ends the poll with its code; nothing is done that was not written; later it goes on", async () => {
    const vehicle = new Vehicle(two);
    await vehicle.run(vehicle.ipa.start());
    const id = vehicle.enable(b, true);
    vehicle.saveError = new Error("no space left");
    expect(await vehicle.poll()).toMatchObject({ kind: "failed", error: { code: "DISK_WRITE" } });
    expect(vehicle.enabled()).toBe(a);
    expect(vehicle.steps()).not.toContain("ES10b.LoadEuiccPackage");
    vehicle.saveError = undefined;
    expect(await vehicle.poll()).toMatchObject({ kind: "done", unfinished: false });
    expect(vehicle.eim.order(id)).toMatchObject({ state: "done" });
  });
});
