// The vehicle with each kind of card in its module: what is found at the module's ports, and what the eIM learns of it.
import { describe, expect, test } from "vitest";
import { cardRoleNames } from "../../../hw-sim/euicc/roles.ts";
import { parseCommandLine } from "../../../hw-sim/options.ts";
import { createVehicle } from "../../../hw-sim/vehicle.ts";

describe("--card", () => {
  test.each(cardRoleNames)("%s is a built-in card, of the vehicle and alone", (name) => {
    const run = parseCommandLine(["run", "--card", name]);
    expect(run).toMatchObject({ kind: "run", options: { card: undefined, cardRole: name } });
    const alone = parseCommandLine(["card", "--card", name, "--tcp", "0"]);
    expect(alone).toMatchObject({ kind: "card", options: { cardRole: name } });
  });

  test("builtin leaves it at the default; a word that is none is refused with what there is", () => {
    expect(parseCommandLine(["run", "--card", "builtin"])).toMatchObject({ options: { card: undefined, cardRole: undefined } });
    expect(() => parseCommandLine(["run", "--card", "sgp99"])).toThrow(/builtin, sgp32, ipae, sgp22, sgp02, uicc, vpcd/);
  });
});

describe("a vehicle with a built-in card", () => {
  test.each([
    ["sgp32", true, ["eim.example.com"]],
    ["ipae", true, ["eim.example.com"]],
    ["sgp22", true, []],
    ["sgp02", true, []],
    ["uicc", false, []],
  ] as const)("%s: EID and eIMs are what that card has", async (cardRole, hasEid, eims) => {
    const vehicle = await createVehicle({ cardRole });
    try {
      expect(vehicle.euicc.role).toBe(cardRole);
      expect(vehicle.ready.eid).toBe(hasEid ? vehicle.euicc.eid : null);
      expect(vehicle.euicc.eims()).toEqual(eims);
      expect(vehicle.euicc.iccid).toBe("8988298000000000017");
    } finally {
      await vehicle.close();
    }
  });
});
