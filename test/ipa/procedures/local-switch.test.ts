// Changes of profile that the device orders, on the virtual card: fallback, return, emergency profile; every write of the journal as the last one of a life;
// and immediate enabling configured by the device.
import { describe, expect, test } from "vitest";
import { toHexUpper } from "../../../base/bytes.ts";
import type { LocalSwitchFunction } from "../../../ipa/machines/local-switch.ts";
import { stateChangesOf } from "../../support/state-changes.ts";
import { a, b, c, factoryProfile, Vehicle, type VehicleOptions } from "../support/vehicle.ts";

const profiles = [
  factoryProfile(a, true),
  factoryProfile(b, false, { fallbackAllowed: true }),
  factoryProfile(c, false, { ecallIndication: true }),
];

async function vehicleWith(options: VehicleOptions = {}): Promise<Vehicle> {
  const vehicle = new Vehicle({ profiles, ...options });
  const made = vehicle.order({ kind: "euiccPackage", psmos: [{ setFallbackAttribute: { iccid: b } }] });
  await vehicle.poll();
  expect(vehicle.eim.order(made)).toMatchObject({ state: "done" });
  return vehicle;
}

const order = (vehicle: Vehicle, fn: LocalSwitchFunction) => vehicle.run(vehicle.ipa.switchLocally(fn));

describe("fallback and return", () => {
  test("card, module and every eIM: cause 1 each time, to both", async () => {
    const vehicle = await vehicleWith({ secondEim: true });
    await vehicle.poll();
    const { eim, eim2 } = vehicle;
    if (eim2 === undefined) throw new Error("it was asked for");
    const told = [stateChangesOf(eim), stateChangesOf(eim2)];
    expect(await order(vehicle, "executeFallbackMechanism")).toMatchObject({ outcome: "switched", iccid: b, online: true });
    expect(vehicle.adopted).toEqual([b]);
    await vehicle.poll();
    expect(await order(vehicle, "returnFromFallback")).toMatchObject({ outcome: "switched", iccid: a, online: true });
    await vehicle.poll();
    await vehicle.poll();
    expect(told).toEqual([
      ["fallback", "fallback"],
      ["fallback", "fallback"],
    ]);
    expect(vehicle.told()).toContain("profile.fellBack");
  });

  test("the notifications of both profiles reach their SM-DP+", async () => {
    const vehicle = await vehicleWith();
    await order(vehicle, "executeFallbackMechanism");
    await vehicle.deliver();
    expect(vehicle.smdp.notifications.map(({ event, iccid }) => `${event} ${iccid}`)).toEqual([`disable ${a}`, `enable ${b}`]);
  });

  test.each([
    ["executeFallbackMechanism", "already", "profileNotInDisabledState", true],
    ["returnFromFallback", "unavailable", "commandError", false],
  ] as const)("%s out of place: %s", async (fn, outcome, code, inFallback) => {
    const vehicle = await vehicleWith();
    if (inFallback) await order(vehicle, "executeFallbackMechanism");
    expect(await order(vehicle, fn)).toMatchObject({ outcome, code });
    expect(vehicle.enabled()).toBe(inFallback ? b : a);
  });

  test("catBusy: asked again after a pause, three times at most", async () => {
    const vehicle = await vehicleWith();
    vehicle.euicc.faults.catBusyTimes = 2;
    expect(await order(vehicle, "executeFallbackMechanism")).toMatchObject({ outcome: "switched" });
    vehicle.euicc.faults.catBusyTimes = 3;
    expect(await order(vehicle, "returnFromFallback")).toMatchObject({ outcome: "busy", code: "catBusy" });
    expect(vehicle.steps().filter((step) => step === "ES10b.ReturnFromFallback")).toHaveLength(3);
  });

  test("a card of an earlier version has no such way", async () => {
    const vehicle = await vehicleWith();
    vehicle.euicc.faults.statusWords = Object.fromEntries([[0xbf5d, 0x6a88]]);
    expect(await order(vehicle, "executeFallbackMechanism")).toMatchObject({ outcome: "unavailable", code: "ES10_UNSUPPORTED" });
  });

  test("the answer is lost on the line: the card is looked at, and not told twice", async () => {
    const vehicle = await vehicleWith();
    let lost = false;
    vehicle.line = (response) => {
      if (lost || !toHexUpper(response).startsWith("BF5D")) return response;
      lost = true;
      return Uint8Array.of(0x6f, 0x00);
    };
    expect(await order(vehicle, "executeFallbackMechanism")).toMatchObject({ outcome: "switched", iccid: b });
    expect(lost).toBe(true);
    expect(vehicle.apdus.filter((apdu) => apdu.includes("BF5D03"))).toHaveLength(1);
  });

  test("an order that was waiting for its turn and is not wanted any more does not reach the card", async () => {
    const vehicle = await vehicleWith();
    const result = vehicle.run(vehicle.ipa.switchLocally("executeFallbackMechanism", { isStillWanted: () => false }));
    expect(await result).toMatchObject({ outcome: "failed" });
    expect(vehicle.enabled()).toBe(a);
  });

  test("a download that waits for a path does not keep the vehicle from falling back, and goes on over it", async () => {
    const vehicle = await vehicleWith();
    const id = vehicle.order({ kind: "download", activationCode: vehicle.offer("89460000000000000046") });
    vehicle.intercept = (functionName) => {
      if (functionName === "initiateAuthentication") vehicle.coverage.delete(a);
      return undefined;
    };
    await vehicle.poll();
    vehicle.intercept = undefined;
    expect(vehicle.ipa.status().operation).toMatchObject({ kind: "profileDownload", phase: "received" });
    expect(await order(vehicle, "executeFallbackMechanism")).toMatchObject({ outcome: "switched", online: true });
    await vehicle.poll();
    expect(vehicle.eim.order(id)).toMatchObject({ state: "done" });
  });
});

describe.each([
  ["executeFallbackMechanism", b, "fallback"],
  ["enableEmergencyProfile", c, "emergencyProfile"],
] as const)("%s, and the life ends at any write of the journal", (fn, iccid, cause) => {
  test.each(["before", "after"] as const)("%s it", async (when) => {
    let crashes = 0;
    for (const how of ["process", "power"] as const)
      for (let at = 1; at < 10; at++) {
        const vehicle = await vehicleWith();
        const told = stateChangesOf(vehicle.eim);
        vehicle.crash = { at: vehicle.saves + at, when };
        if ((await order(vehicle, fn)) !== "crashed") break;
        crashes++;
        vehicle.restart(how);
        await vehicle.poll();
        const where = `${how}, ${when} write ${at}`;
        const switched = vehicle.enabled() === iccid;
        expect(vehicle.enabled(), where).toBe(switched ? iccid : a);
        if (switched) expect(vehicle.adopted.at(-1), where).toBe(iccid);
        await vehicle.poll();
        expect(told, where).toEqual(switched ? [cause] : []);
        expect(vehicle.journal, where).not.toHaveProperty("localSwitch");
        // Whoever wants it still gets it.
        if (!switched) expect(await order(vehicle, fn), where).toMatchObject({ outcome: "switched" });
      }
    expect(crashes).toBeGreaterThan(4);
  });
});

test("immediate enabling is configured by the device while no eIM is associated", async () => {
  const vehicle = new Vehicle({ euicc: { eims: [] } });
  await vehicle.run(vehicle.ipa.configureImmediateEnable({ enabled: true, smdpAddress: "dp.example.com" }));
  expect(vehicle.apdus.some((apdu) => apdu.includes("BF59128000820E64702E6578616D706C652E636F6D"))).toBe(true);
  await vehicle.run(vehicle.ipa.configureImmediateEnable({ enabled: false }));
  expect(vehicle.apdus.some((apdu) => apdu.includes("BF5900"))).toBe(true);
});
