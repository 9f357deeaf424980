// An eIM of SGP.32 v1.0 (reference of the differences: the tests of ipa/esipa/messages): every procedure with it, and what becomes of an IPA that was not told.
import { describe, expect, test } from "vitest";
import { a, b, c, factoryProfile, Vehicle, type VehicleOptions } from "../support/vehicle.ts";

const eimId = "eim.example.com";
const former = (options: VehicleOptions = {}): Vehicle =>
  new Vehicle({
    profiles: [factoryProfile(a, true), factoryProfile(b, false)],
    ...options,
    eim: { esipaVersion: "1.0", ...options.eim },
    ipa: { peers: [{ eimId, compat: { esipaVersion: "1.0" } }], ...options.ipa },
  });
const state = (vehicle: Vehicle, order: string): unknown => vehicle.eim.order(order)?.state;

describe("with an eIM of v1.0", () => {
  // shows: v10.bf50
  test("a change of profile, reported with its notifications and acknowledged", async () => {
    const vehicle = former();
    const order = vehicle.enable(b, true);
    expect(await vehicle.poll()).toMatchObject({ kind: "done", packages: 1, error: undefined, unfinished: false });
    expect([state(vehicle, order), vehicle.enabled()]).toEqual(["done", b]);
    expect(vehicle.smdp.notifications).toHaveLength(2);
    expect(vehicle.euicc.pending()).toEqual({ notifications: [], packageResults: [] });
  });

  test("an indirect download: its order is found without a transaction in InitiateAuthentication", async () => {
    const vehicle = former();
    const order = vehicle.download(c);
    await vehicle.poll();
    expect([state(vehicle, order), vehicle.installed().includes(c)]).toEqual(["done", true]);
  });

  test("an indirect download that is refused is told as v1.0 can", async () => {
    const vehicle = former();
    const order = vehicle.order({ kind: "download", activationCode: "LPA:1$dp.example.com$NOBODY" });
    expect(await vehicle.poll()).toMatchObject({ error: undefined, unfinished: false });
    expect(state(vehicle, order)).toBe("failed");
    expect(vehicle.eim.order(order)?.results).toMatchObject([{ kind: "downloadFailed" }]);
  });

  // shows: v10.bf3d
  test("a direct download: the result by HandleNotification, under A1", async () => {
    const vehicle = former({ direct: true, configuration: { indirectProfileDownload: false } });
    const order = vehicle.download(c);
    await vehicle.poll();
    expect(vehicle.esipa).toEqual(["getEimPackage", "handleNotification", "getEimPackage"]);
    expect([state(vehicle, order), vehicle.installed().includes(c)]).toEqual(["done", true]);
  });

  test("a direct download that fails: its report has the octets of the error alone", async () => {
    const vehicle = former({ direct: true, configuration: { indirectProfileDownload: false } });
    const order = vehicle.order({ kind: "download", activationCode: "LPA:1$dp.example.com$NOBODY" });
    await vehicle.poll();
    expect(vehicle.eim.order(order)).toMatchObject({ state: "failed", results: [{ kind: "profileDownloadError" }] });
  });

  test.each([
    ["81 83 A8", ["81", "83", "A8"]],
    ["notifications", ["A0"]],
    ["package results", ["A2"]],
    ["infos and certificates", ["BF20", "BF22", "84", "A5", "A6", "A9"]],
  ])("data: %s", async (_, tags) => {
    const vehicle = former();
    const order = vehicle.order({ kind: "ipaEuiccData", tags });
    await vehicle.poll();
    expect(vehicle.eim.order(order)).toMatchObject({ state: "done", results: [{ kind: "ipaEuiccData" }] });
  });

  // shows: v10.bf52-data
  test("data that no IPA has: the bare error", async () => {
    const vehicle = former();
    const order = vehicle.order({ kind: "ipaEuiccData", tags: ["77"] });
    await vehicle.poll();
    expect(vehicle.eim.order(order)).toMatchObject({ state: "failed", reason: "incorrectTagList" });
  });

  test("a package nobody can read: the bare code, and the change is told without a cause", async () => {
    const vehicle = former();
    const order = vehicle.order({ kind: "raw", hex: "BF4F04BF510101" });
    await vehicle.poll();
    expect(vehicle.eim.order(order)).toMatchObject({ state: "failed", reason: "invalidPackageFormat" });
  });

  test("not over JSON, which it does not have", async () => {
    const vehicle = former({
      schemes: ["https"],
      ipa: { peers: [{ eimId, compat: { esipaVersion: "1.0" } }], preferBinding: "https-json" },
    });
    vehicle.enable(b);
    await vehicle.poll();
    expect(new Set(vehicle.esipaBindings)).toEqual(new Set(["https asn1"]));
    expect(vehicle.enabled()).toBe(b);
  });
});

test("an IPA that was not told of the version: the eIM takes no result, which stays on the card", async () => {
  const vehicle = former({ ipa: { peers: [] } });
  const order = vehicle.order({ kind: "euiccPackage", psmos: [{ listProfileInfo: {} }] });
  expect(await vehicle.poll()).toMatchObject({ kind: "failed", error: { code: "ESIPA_STATUS" }, unfinished: true });
  expect(state(vehicle, order)).toBe("fetched");
  expect(vehicle.euicc.pending().packageResults).toHaveLength(1);
});

test("v1.0's tags in a request of an eIM of v1.2 are unknown ones", async () => {
  const vehicle = new Vehicle();
  for (const tags of ["80", "88", "BF2B"]) {
    const order = vehicle.order({ kind: "ipaEuiccData", tags: [tags] });
    await vehicle.poll();
    expect(vehicle.eim.order(order), tags).toMatchObject({ state: "failed", reason: "incorrectTagList" });
  }
});
