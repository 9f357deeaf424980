// Notification delivery (SGP.32 §3.7): in order for each receiver, each receiver with a back-off of its own, for ever.
import { describe, expect, test } from "vitest";
import { SimwardError } from "../../../base/errors.ts";
import { a, b, c, clock, factoryProfile, Vehicle, type VehicleOptions } from "../support/vehicle.ts";

const day = 24 * 3_600_000;

/** Its events are told to that server. */
const profile = (iccid: string, enabled: boolean, ...receivers: readonly string[]) =>
  factoryProfile(iccid, enabled, {
    notificationConfigurationInfo: receivers.map((notificationAddress) => ({
      profileManagementOperation: ["notificationEnable", "notificationDisable"],
      notificationAddress,
    })),
  });

interface Servers {
  readonly vehicle: Vehicle;
  /** Attempts: server and time. */
  readonly attempts: { readonly host: string; readonly atMs: number }[];
  readonly taken: string[];
  readonly refusing: Set<string>;
}

/** Profiles a and b tell two.example.com of enabling and disabling, b one.example.com too; the eIM acknowledges results only, so notifications stay. */
async function servers(options: VehicleOptions = {}): Promise<Servers> {
  const vehicle = new Vehicle({
    direct: true,
    profiles: [profile(a, true, "two.example.com"), profile(b, false, "one.example.com", "two.example.com")],
    ...options,
  });
  const attempts: Servers["attempts"] = [];
  const taken: string[] = [];
  const refusing = new Set<string>();
  vehicle.interceptEs9 = (host, functionName) => {
    if (functionName !== "handleNotification") return undefined;
    attempts.push({ host, atMs: clock.monotonicMs() });
    if (refusing.has(host)) return Promise.reject(new SimwardError("HTTP_STATUS", { detail: host, data: { status: 500 } }));
    taken.push(host);
    return Promise.resolve(undefined);
  };
  // Not through the eIM, which is tried next.
  if (options.direct !== false)
    vehicle.intercept = (name) => (name === "handleNotification" ? Promise.resolve({ status: 503, body: new Uint8Array(0) }) : undefined);
  await vehicle.eim.applyFaults({ acknowledge: "none" });
  vehicle.enable(b);
  await vehicle.poll();
  return { vehicle, attempts, taken, refusing };
}

const numbers = (vehicle: Vehicle): number[] =>
  vehicle.events.flatMap((event) => (event.kind === "notification.delivered" ? [event.seqNumber] : []));

describe("a round", () => {
  // shows: e8.order, e8.taken
  test("goes to every receiver in the order of its own sequence numbers, and leaves nothing", async () => {
    const { vehicle, taken } = await servers();
    expect(vehicle.euicc.pending().notifications).toHaveLength(3);
    expect(await vehicle.deliver()).toMatchObject({ delivered: 3, remaining: 0, error: undefined });
    expect(taken.sort()).toEqual(["one.example.com", "two.example.com", "two.example.com"]);
    expect(numbers(vehicle)).toEqual([...numbers(vehicle)].sort((x, y) => x - y));
    expect(vehicle.euicc.pending().notifications).toEqual([]);
  });

  // shows: e8.refused
  test("a receiver that refuses keeps its own in their order; the others get theirs", async () => {
    const { vehicle, attempts, taken, refusing } = await servers();
    refusing.add("two.example.com");
    expect(await vehicle.deliver()).toMatchObject({ delivered: 1, remaining: 2, error: { code: "HTTP_STATUS" } });
    expect(taken).toEqual(["one.example.com"]);
    // Its second one does not overtake its first.
    expect(attempts.filter(({ host }) => host === "two.example.com")).toHaveLength(1);
  });

  test("many for one that refuses do not keep the others from their turn", async () => {
    const { vehicle, taken, refusing } = await servers({ ipa: { maxNotificationsPerRound: 2 } });
    refusing.add("two.example.com");
    for (let rounds = 0; rounds < 3; rounds++) await vehicle.deliver();
    expect(taken).toEqual(["one.example.com"]);
  });
});

describe("a receiver that takes nothing", () => {
  test("is left alone for longer and longer, a day at most, never given up; what has failed often hastens nothing", async () => {
    const { vehicle, attempts, taken, refusing } = await servers();
    refusing.add("two.example.com");
    await vehicle.deliver();
    expect(await vehicle.deliver()).toMatchObject({ delivered: 0, remaining: 2, error: { code: "HTTP_STATUS" } });
    expect(attempts.filter(({ host }) => host === "two.example.com")).toHaveLength(1);
    for (let minutes = 0; minutes < 30 * 24 * 60; minutes += 10) {
      await clock.advance(600_000);
      await vehicle.deliver();
    }
    expect(await vehicle.deliver()).toMatchObject({ delivered: 0, remaining: 2, error: undefined });
    const times = attempts.filter(({ host }) => host === "two.example.com").map(({ atMs }) => atMs);
    const pauses = times.slice(1).map((atMs, index) => atMs - (times[index] ?? 0));
    expect(Math.max(...pauses)).toBeLessThanOrEqual(day + 600_000 + 1_000);
    expect(pauses.slice(-20).every((pause) => pause >= day / 2)).toBe(true);
    // Jitter: they are not all alike.
    expect(new Set(pauses.slice(-20).map((pause) => Math.round(pause / 600_000))).size).toBeGreaterThan(5);
    expect(times.length).toBeLessThan(70);

    refusing.clear();
    for (let hours = 0; hours < 26; hours++) {
      await clock.advance(3_600_000);
      await vehicle.deliver();
    }
    expect(taken.filter((host) => host === "two.example.com")).toHaveLength(2);
    expect(vehicle.euicc.pending().notifications).toEqual([]);
  });

  test("has its first chance again at once when it took one", async () => {
    const { vehicle, refusing, taken } = await servers();
    refusing.add("two.example.com");
    await vehicle.deliver();
    refusing.clear();
    await clock.advance(60_000);
    await vehicle.deliver();
    expect(taken).toHaveLength(3);
    vehicle.enable(a);
    await vehicle.poll();
    refusing.add("two.example.com");
    const before = clock.monotonicMs();
    await vehicle.deliver();
    await clock.advance(61_000);
    refusing.clear();
    await vehicle.deliver();
    expect(vehicle.euicc.pending().notifications).toEqual([]);
    expect(clock.monotonicMs() - before).toBeLessThan(120_000);
  });
});

// shows: e8.by-eim
test("what a server does not take goes through the eIM", async () => {
  const { vehicle, refusing, taken } = await servers();
  vehicle.intercept = undefined;
  refusing.add("two.example.com");
  expect(await vehicle.deliver()).toMatchObject({ delivered: 3, remaining: 0, error: undefined });
  expect(taken).toEqual(["one.example.com"]);
  expect(vehicle.esipa.filter((name) => name === "handleNotification")).toHaveLength(2);
});

test("an eIM that cannot be reached says nothing of the servers behind it: once it can, they get theirs", async () => {
  const { vehicle } = await servers({ direct: false });
  vehicle.coverage.clear();
  expect(await vehicle.deliver()).toMatchObject({ delivered: 0, remaining: 3 });
  vehicle.coverage.add(b);
  expect(await vehicle.deliver()).toMatchObject({ delivered: 3, remaining: 0 });
});

// shows: e5.12-result
test("the result of a direct download that no eIM could be told of goes by HandleNotification when it can", async () => {
  const vehicle = new Vehicle({ direct: true, configuration: { indirectProfileDownload: false } });
  const order = vehicle.download(c);
  const away = { status: 503, body: new Uint8Array(0) };
  vehicle.intercept = (functionName) =>
    functionName === "handleNotification" || functionName === "provideEimPackageResult" ? Promise.resolve(away) : undefined;
  await vehicle.poll();
  vehicle.intercept = undefined;
  vehicle.esipa.length = 0;
  vehicle.restart("power");
  await vehicle.poll();
  expect(vehicle.esipa[0]).toBe("handleNotification");
  expect(vehicle.esipa).not.toContain("provideEimPackageResult");
  expect(vehicle.eim.order(order)).toMatchObject({ state: "done" });
});
