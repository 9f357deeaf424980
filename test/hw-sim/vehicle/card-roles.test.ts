// The vehicle with each kind of card in its module: what is found at the module's ports, and what the eIM learns of it.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { createCard } from "../../../hw-sim/card.ts";
import { cardRoleNames } from "../../../hw-sim/euicc/roles.ts";
import { parseCommandLine } from "../../../hw-sim/options.ts";
import { createVehicle } from "../../../hw-sim/vehicle.ts";
import { AtClient } from "./at-client.ts";

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

describe("somebody else's card in the module", () => {
  test.each([
    ["sgp32", true, 1],
    ["ipae", true, 0],
    ["sgp22", true, 0],
    ["sgp02", true, 0],
    ["uicc", false, 0],
  ] as const)("%s: the eIM learns its EID where it has one, and is made known where that can be", async (cardRole, hasEid, eims) => {
    const pkiDir = mkdtempSync(join(tmpdir(), "simward-roles-"));
    const card = await createCard({ cardRole, pkiDir, services: [{ kind: "http", host: "127.0.0.1", port: 0 }] });
    const [service = ""] = card.ready.services;
    const vehicle = await createVehicle({ pkiDir, card: { kind: "http", url: service.replace(/^http:/, "") } });
    try {
      expect(card.ready).toMatchObject({ card: cardRole, eid: hasEid ? card.euicc.eid : null });
      expect(vehicle.ready.eid).toBe(card.ready.eid);
      expect(card.euicc.eims()).toHaveLength(eims);
    } finally {
      await vehicle.close();
      await card.close();
      rmSync(pkiDir, { recursive: true, force: true });
    }
  });
});

describe("an M2M card in the module", () => {
  const quick = { bootMs: 0, simBusy: [{ ms: 5, cme: 14 }], lateIccidMs: 5, fetchMs: 5, searchMs: 5, radioMs: 1 };
  const other = "8949299000000000026";

  test("its SM-SR enables another profile over the air once there is service, and the host sees another ICCID and IMSI", async () => {
    const faults = [{ name: "ota-enable", value: other }] as const;
    const vehicle = await createVehicle({ cardRole: "sgp02", timings: quick, faults, modem: [{ kind: "tcp", port: 0 }] });
    const at = new AtClient(vehicle.ready.modem.tcp ?? "");
    try {
      await at.wake();
      const pause = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
      await at.until("AT+CIMI", /\r\n262990000000002\r\n/, pause);
      await at.until("AT+CCID", new RegExp(other), pause);
      expect(vehicle.faults.list()).toEqual([]);
      expect(vehicle.euicc.iccid).toBe(other);
      // +CCHO finds the ISD-R, and the ISD-R nobody to talk to.
      const session = await at.openIsdr();
      expect((await at.apdu(session, "80E2910006BF3E035C015A")).sw).toBe("6982");
    } finally {
      at.close();
      await vehicle.close();
    }
  });

  test("an order that no card can get is refused where it is given", async () => {
    const vehicle = await createVehicle({ timings: quick });
    try {
      expect(() => vehicle.faults.set("ota-enable", other)).toThrow(expect.objectContaining({ code: "SIM_OPTION" }));
      expect(vehicle.faults.list()).toEqual([]);
    } finally {
      await vehicle.close();
    }
  });
});
