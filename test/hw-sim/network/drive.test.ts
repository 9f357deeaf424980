// Drives: borders, cells and troubles at their time, chance by its seed.
import { describe, expect, it } from "vitest";
import { VirtualClock } from "../../../base/clock.ts";
import { seededRandom } from "../../../base/random.ts";
import { Faults } from "../../../hw-sim/faults.ts";
import { type Route, startDrive } from "../../../hw-sim/network/drive.ts";
import { World } from "../../../hw-sim/network/world.ts";
import { obeyFaults } from "../../../hw-sim/network/world-faults.ts";
import { fiveCountries, fiveCountriesRoute } from "../../../hw-sim/scenarios/five-countries.ts";

const bootstrap = { imsi: "901980000000001", iccid: "8988298000000000017" };
const minuteMs = 60_000;

function drive(route: Route, options: { readonly seed?: number; readonly speed?: number } = {}) {
  const clock = new VirtualClock({ ms: Date.UTC(2026, 5, 1) });
  const world = new World({ clock, data: fiveCountries, country: "NL" });
  const faults = new Faults();
  obeyFaults(world, faults);
  const seen: string[] = [];
  faults.onChange(({ name, value }) => seen.push(`${clock.monotonicMs()} ${name} ${value}`));
  const stop = startDrive({ route, clock, world, faults, random: seededRandom(options.seed ?? 1), speed: options.speed ?? 1 });
  const registeredOn = (): string => {
    const attach = world.attach(bootstrap, "cat-1bis");
    return attach.kind === "no-coverage" ? "nobody" : `${attach.kind} ${attach.plmn}`;
  };
  return { clock, world, faults, seen, stop, registeredOn, minutes: (n: number) => clock.advance(n * minuteMs) };
}

describe("a drive", () => {
  it("passes borders, hears operators come and go, and meets the troubles of its way at their time", async () => {
    const { registeredOn, minutes, world, faults } = drive(fiveCountriesRoute);
    expect(registeredOn()).toBe("registered 20498");
    await minutes(20);
    expect(registeredOn()).toBe("registered 20497");
    await minutes(8);
    expect(registeredOn()).toBe("nobody");
    await minutes(27);
    expect([world.country, registeredOn()]).toEqual(["DE", "registered 26298"]);
    await minutes(45);
    expect(faults.list()).toEqual([{ name: "black-hole", value: "26299" }]);
    expect([world.path("26299"), world.path("26298"), world.path(undefined)]).toEqual([{ loss: 1 }, {}, {}]);
    await minutes(200);
    expect([world.country, faults.list()]).toEqual(["IT", []]);
  });

  it("is as fast as it is asked to be, and over when it is stopped", async () => {
    const { clock, world, stop } = drive(fiveCountriesRoute, { speed: 60 });
    await clock.advance(55_000);
    expect(world.country).toBe("DE");
    stop();
    await clock.advance(300_000);
    expect(world.country).toBe("DE");
    expect(clock.nextTimerInMs()).toBeUndefined();
  });

  it("has the same chance with the same seed", async () => {
    const route: Route = {
      waypoints: [],
      outages: { kinds: ["outage", "core-down", "black-hole"], plmns: ["20498", "20497"], everyMinutes: 20, lastingMinutes: [1, 10] },
    };
    const run = async (seed: number): Promise<readonly string[]> => {
      const { minutes, seen } = drive(route, { seed });
      await minutes(24 * 60);
      return seen;
    };
    const first = await run(7);
    expect(first.length).toBeGreaterThan(40);
    expect(await run(7)).toEqual(first);
    expect(await run(8)).not.toEqual(first);
  });
});

describe("steering", () => {
  it("refuses the first attaches of a stay, on one operator only, and again in the next stay", () => {
    const { world } = drive({ waypoints: [] });
    const attach = () => world.attach(bootstrap, "cat-1bis");
    world.moveTo("CZ");
    for (let i = 0; i < 3; i++) expect(attach()).toMatchObject({ plmn: "23097", refusals: [{ plmn: "23098", cause: 17 }] });
    expect(attach()).toMatchObject({ plmn: "23098", roaming: true, refusals: [] });
    expect(world.serves(bootstrap, "cat-1bis", "23098")).toBe(true);
    world.moveTo("AT");
    world.moveTo("CZ");
    expect(attach()).toMatchObject({ plmn: "23097" });
  });

  it("is not counted by those who only ask whether they are served", () => {
    const { world } = drive({ waypoints: [] });
    world.moveTo("CZ");
    for (let i = 0; i < 5; i++) expect(world.serves(bootstrap, "cat-1bis", "23098")).toBe(true);
    expect(world.attach(bootstrap, "cat-1bis", { only: "23098" })).toMatchObject({ kind: "rejected", cause: 17 });
  });
});

describe("an operator in trouble", () => {
  it("refuses whoever comes, not whom it has", () => {
    const { world, faults } = drive({ waypoints: [] });
    faults.set("refuse", "20498:22");
    expect(world.attach(bootstrap, "cat-1bis")).toMatchObject({ plmn: "20497", refusals: [{ plmn: "20498", cause: 22 }] });
    expect(world.serves(bootstrap, "cat-1bis", "20498")).toBe(true);
    faults.clear("refuse");
    expect(world.attach(bootstrap, "cat-1bis")).toMatchObject({ plmn: "20498" });
  });
});
