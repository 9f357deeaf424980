// Who is served where: the radio world's decisions.
import { describe, expect, it } from "vitest";
import { VirtualClock } from "../../../base/clock.ts";
import { Faults } from "../../../hw-sim/faults.ts";
import { defaultWorld } from "../../../hw-sim/network/data.ts";
import { World } from "../../../hw-sim/network/world.ts";
import { obeyFaults } from "../../../hw-sim/network/world-faults.ts";

const bootstrap = { imsi: "901980000000001", iccid: "8988211000000000011" };
const local = { imsi: "262990000000007", iccid: "8949990000000000027" };
const stranger = { imsi: "001010123456789", iccid: "8900100000000000001" };
const clock = new VirtualClock({ ms: Date.UTC(2026, 5, 1) });
const world = (country = "DE"): World => new World({ clock, country });

describe("attach", () => {
  it("prefers home, then the strongest that lets the subscriber in", () => {
    expect(world().attach(local, "cat-1bis")).toMatchObject({ kind: "registered", plmn: "26299", roaming: false });
    expect(world().attach(bootstrap, "cat-1bis")).toMatchObject({ kind: "registered", plmn: "26298", roaming: true, operator: "Nordfunk" });
    expect(world("AT").attach(local, "cat-1bis")).toMatchObject({ plmn: "23298", roaming: true });
  });

  it("is refused with the cause of the agreement, or 11 where there is none", () => {
    expect(world("TR").attach(bootstrap, "cat-1bis")).toMatchObject({ kind: "rejected", plmn: "28698", cause: 13 });
    expect(world("TR").attach(local, "cat-1bis")).toMatchObject({ kind: "rejected", plmn: "28698", cause: 15 });
    expect(world("US").attach(local, "cat-1bis")).toMatchObject({ kind: "rejected", plmn: "310998", cause: 11 });
    expect(world().attach(local, "cat-1bis", { only: "26298" })).toMatchObject({ kind: "rejected", plmn: "26298", cause: 11 });
  });

  it("finds only operators of the technology, and of the one asked for by hand", () => {
    expect(world().attach(bootstrap, "nb-iot")).toMatchObject({ plmn: "26299" });
    expect(world("US").attach(bootstrap, "gsm")).toEqual({ kind: "no-coverage" });
    expect(world().attach(bootstrap, "cat-1bis", { only: "23298" })).toEqual({ kind: "no-coverage" });
  });

  it("serves subscriptions that nobody described", () => {
    expect(world("BR").attach(stranger, "cat-1bis")).toMatchObject({ kind: "registered", plmn: "72498", roaming: false });
    expect(world("BR").session(stranger, "72498", "any.name")).toMatchObject({ kind: "up", apn: "any.name" });
  });
});

describe("coverage", () => {
  it.each([{ subscriber: "8949990" }, { subscriber: "26299" }, { plmn: "26299" }, { plmn: "26299", subscriber: "8949" }])(
    "is taken away by %j from whom it names, and given back",
    (rule) => {
      const here = world();
      let changes = 0;
      here.onChange(() => changes++);
      here.setCoverage(rule, false);
      expect(here.attach(local, "cat-1bis", { only: "26299" })).toEqual({ kind: "no-coverage" });
      expect(here.attach(bootstrap, "cat-1bis")).toMatchObject({ plmn: "26298" });
      here.setCoverage(rule, true);
      expect(here.attach(local, "cat-1bis")).toMatchObject({ plmn: "26299" });
      expect(changes).toBe(2);
    },
  );

  it("ends at the border", () => {
    const here = world();
    here.moveTo("PL");
    expect(here.attach(bootstrap, "cat-1bis")).toMatchObject({ plmn: "26098" });
    expect(here.networkTime("26098")).toBeUndefined();
    expect(() => here.moveTo("XX")).toThrow(expect.objectContaining({ code: "SIM_OPTION", detail: expect.stringContaining("DE, AT") }));
  });
});

describe("a session", () => {
  it("is given on the subscription's APNs, the first by default", () => {
    expect(world().session(local, "26299", "")).toMatchObject({ kind: "up", apn: "fleet.rheinfunk" });
    expect(world().session(local, "26299", "INTERNET")).toMatchObject({ kind: "up", apn: "internet" });
    expect(world().session(local, "26299", "bootstrap.iot")).toEqual({ kind: "refused", esmCause: 27 });
  });

  it("is not given while the core network is down", () => {
    const here = world();
    here.setCore({ plmn: "26299" }, false);
    expect(here.session(local, "26299", "")).toEqual({ kind: "refused", esmCause: 38 });
    expect(here.attach(local, "cat-1bis")).toMatchObject({ kind: "registered" });
  });
});

it("obeys the faults that concern it, as they come and go", () => {
  const here = world();
  const faults = new Faults();
  faults.set("outage", "26298");
  const stop = obeyFaults(here, faults);
  expect(here.attach(bootstrap, "cat-1bis")).toMatchObject({ plmn: "26299" });
  faults.set("outage", "26299");
  expect(here.attach(bootstrap, "cat-1bis")).toMatchObject({ plmn: "26298" });
  faults.set("core-down", "26298");
  expect(here.session(bootstrap, "26298", "")).toEqual({ kind: "refused", esmCause: 38 });
  faults.clear("core-down");
  faults.set("no-coverage", "8988");
  expect(here.attach(bootstrap, "cat-1bis")).toEqual({ kind: "no-coverage" });
  faults.clear("no-coverage");
  faults.set("country", "PL");
  expect(here.country).toBe("PL");
  expect(() => faults.set("country", "ZZ")).toThrow(expect.objectContaining({ code: "SIM_OPTION" }));
  expect(faults.get("country")).toBe("PL");
  stop();
  faults.set("country", "AT");
  expect(here.country).toBe("PL");
});

it("the data names each operator once, in a country that exists or in none", () => {
  const codes = defaultWorld.countries.flatMap(({ mcc }) => mcc);
  const plmns = defaultWorld.operators.map(({ plmn }) => plmn);
  expect(new Set(plmns).size).toBe(plmns.length);
  for (const { plmn, rats } of defaultWorld.operators) expect(codes.includes(plmn.slice(0, 3))).toBe(rats.length > 0);
  for (const { home } of defaultWorld.subscriptions) if (home !== undefined) expect(plmns).toContain(home);
});

describe("what a network grants", () => {
  it("is sleep for its own subscribers and not for roamers, unless its data say otherwise", () => {
    const clock = new VirtualClock();
    const usual = new World({ clock });
    expect([usual.letsSleep("26299", false), usual.letsSleep("26299", true)]).toEqual([true, false]);
    for (const [powerSaving, expected] of [
      ["all", [true, true]],
      ["none", [false, false]],
    ] as const) {
      const world = new World({
        clock,
        data: { ...defaultWorld, operators: defaultWorld.operators.map((row) => ({ ...row, powerSaving })) },
      });
      expect([world.letsSleep("26299", false), world.letsSleep("26299", true)]).toEqual(expected);
    }
  });

  it("is a session only with the credentials that the APN asks for (ESM cause 29)", () => {
    const subscriptions = [{ imsiPrefix: "26299", home: "26299", apns: ["fleet"], credentials: { user: "me", password: "secret" } }];
    const world = new World({ clock: new VirtualClock(), data: { ...defaultWorld, subscriptions } });
    const who = { imsi: "262990000000001", iccid: "8949299000000000026" };
    for (const credentials of [undefined, { user: "me", password: "" }, { user: "secret", password: "me" }])
      expect(world.session(who, "26299", "fleet", credentials)).toEqual({ kind: "refused", esmCause: 29 });
    expect(world.session(who, "26299", "fleet", { user: "me", password: "secret" })).toMatchObject({ kind: "up", apn: "fleet" });
  });
});
