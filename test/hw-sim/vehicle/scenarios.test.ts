// Every scenario can be driven: its subscriptions exist in its world and can be made into profiles, its faults can be set.
import { describe, expect, it } from "vitest";
import { VirtualClock } from "../../../base/clock.ts";
import { iccidOf, imsiOf, readProfile } from "../../../hw-sim/euicc/pe/reader.ts";
import { Faults } from "../../../hw-sim/faults.ts";
import { defaultWorld } from "../../../hw-sim/network/data.ts";
import { World } from "../../../hw-sim/network/world.ts";
import { obeyFaults } from "../../../hw-sim/network/world-faults.ts";
import { makeProfile } from "../../../hw-sim/profiles.ts";
import { scenarios } from "../../../hw-sim/scenarios/table.ts";

/** ITU-T E.118: the last digit of an ICCID is Luhn's. */
function luhnHolds(digits: string): boolean {
  const sum = [...digits].reverse().reduce((total, digit, index) => {
    const value = Number(digit) * (index % 2 === 0 ? 1 : 2);
    return total + (value > 9 ? value - 9 : value);
  }, 0);
  return sum % 10 === 0;
}

describe.each(Object.values(scenarios))("scenario $name", (scenario) => {
  const plans = [scenario.bootstrap, ...scenario.offers];

  it("has subscriptions of its own, each a profile with its numbers", () => {
    for (const plan of plans) {
      const { files } = readProfile(makeProfile(plan).upp);
      expect([iccidOf(files), imsiOf(files)]).toEqual([plan.iccid, plan.imsi]);
      expect(luhnHolds(plan.iccid)).toBe(true);
    }
    expect(new Set(plans.flatMap(({ iccid, imsi }) => [iccid, imsi])).size).toBe(plans.length * 2);
    expect(new Set(scenario.offers.map(({ matchingId }) => matchingId)).size).toBe(scenario.offers.length);
  });

  it("starts with a bootstrap profile that is served where the vehicle stands", () => {
    const world = new World({ clock: new VirtualClock(), country: scenario.country, data: scenario.world ?? defaultWorld });
    const faults = new Faults();
    for (const { name, value } of scenario.faults) faults.set(name, value);
    obeyFaults(world, faults);
    const attach = world.attach(scenario.bootstrap, "cat-1bis");
    expect(attach).toMatchObject({ kind: "registered", roaming: true });
    if (attach.kind === "registered") expect(world.session(scenario.bootstrap, attach.plmn, "")).toMatchObject({ kind: "up" });
  });
});

it("no-coverage differs from the demo in what its name says", () => {
  const outcome = (name: string): string | undefined => {
    const scenario = scenarios[name];
    const [first] = scenario?.offers ?? [];
    if (scenario === undefined || first === undefined) return undefined;
    const world = new World({ clock: new VirtualClock(), country: scenario.country, data: scenario.world ?? defaultWorld });
    const faults = new Faults();
    for (const fault of scenario.faults) faults.set(fault.name, fault.value);
    obeyFaults(world, faults);
    return world.attach(first, "cat-1bis").kind;
  };
  expect([outcome("demo"), outcome("no-coverage")]).toEqual(["registered", "no-coverage"]);
});
