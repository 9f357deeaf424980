// What is in the slot: the table of evidence, each kind of virtual card in the IPA's hands, and what is told when it is another.
import { describe, expect, test } from "vitest";
import { decode } from "../../../ipa/asn1/schema.ts";
import { EimConfigurationData } from "../../../ipa/messages/eim-config.ts";
import type { EUICCInfo2 } from "../../../ipa/messages/euicc-info.ts";
import { type CardEvidence, classify } from "../../../ipa/procedures/card-class.ts";
import { a, b, c, eid, factoryProfile, Vehicle, type VehicleOptions } from "../support/vehicle.ts";

const iot = { iotSpecificInfo: { iotVersion: [] } } as unknown as EUICCInfo2;
const none: CardEvidence = { isdr: false, es10: false, eims: false, info2: undefined, ecasd: false, eid: undefined };

// shows: a5.consumer, a5.m2m, a5.none, a5.ipae-active
test.each([
  ["SGP.32 v1.2", { isdr: true, es10: true, eims: true, info2: iot }, "sgp32-ipad"],
  ["SGP.32 v1.0, without iotSpecificInfo", { isdr: true, es10: true, eims: true }, "sgp32-ipad"],
  [
    "SGP.32 with its own assistant active",
    { isdr: true, es10: true, eims: true, info2: { ...iot, ipaMode: "ipae" } as EUICCInfo2 },
    "sgp32-ipae",
  ],
  ["SGP.32 whose GetEimConfigurationData is refused", { isdr: true, es10: true, info2: iot }, "sgp32-ipad"],
  ["SGP.22", { isdr: true, es10: true, info2: {} as EUICCInfo2 }, "sgp22"],
  ["SGP.22 whose EUICCInfo2 cannot be read", { isdr: true, es10: true }, "sgp22"],
  ["SGP.02", { isdr: true, ecasd: true }, "sgp02"],
  ["SGP.02 whose ECASD is hidden", { isdr: true }, "sgp02"],
  ["an ECASD without ISD-R", { ecasd: true }, "sgp02"],
  ["a plain UICC", {}, "uicc"],
] as const)("%s", (_, found, kind) => {
  expect(classify({ ...none, ...found }).kind).toBe(kind);
});

const cardOf = (role: "sgp32" | "ipae" | "sgp22" | "sgp02" | "uicc", more: VehicleOptions = {}): Vehicle =>
  new Vehicle({ ...more, euicc: { role, ...(role === "sgp32" || role === "ipae" ? {} : { eims: [] }), ...more.euicc } });
const classified = (vehicle: Vehicle): unknown[] => vehicle.events.filter(({ kind }) => kind === "card.classified");

describe("the IPA with each card", () => {
  test("an IoT eUICC is used, and the first one is no news", async () => {
    const vehicle = cardOf("sgp32");
    expect(await vehicle.run(vehicle.ipa.start())).toMatchObject({ started: true, card: { kind: "sgp32-ipad", eid } });
    expect(classified(vehicle)).toEqual([]);
  });

  // shows: a5.ipae-active, a5.m2m, a5.none
  test.each([
    ["ipae", "sgp32-ipae", eid, true],
    ["sgp02", "sgp02", eid, false],
    ["uicc", "uicc", undefined, false],
  ] as const)("%s: nothing is asked of an eIM, nothing fails, it is told once", async (role, kind, expectedEid, isShown) => {
    const vehicle = cardOf(role);
    const id = vehicle.order({ kind: "euiccPackage", psmos: [{ listProfileInfo: {} }] });
    expect(await vehicle.run(vehicle.ipa.start())).toMatchObject({ started: true, card: { kind }, eid: expectedEid });
    for (let polls = 0; polls < 3; polls++) {
      expect(await vehicle.poll()).toMatchObject({ kind: "nothing", error: undefined, unfinished: false });
      expect(await vehicle.deliver()).toEqual({ delivered: 0, remaining: 0, error: undefined });
    }
    expect(vehicle.esipa).toEqual([]);
    expect(vehicle.eim.order(id)).not.toMatchObject({ state: "done" });
    expect(classified(vehicle)).toMatchObject([{ cardClass: kind, acts: "none", former: undefined }]);
    expect(vehicle.ipa.status().profiles.length).toBe(isShown ? 1 : 0);
    expect(vehicle.told()).toEqual(["card.classified"]);
    // After a restart it is the same one.
    vehicle.restart();
    await vehicle.run(vehicle.ipa.start());
    expect(classified(vehicle)).toHaveLength(1);
    await expect(vehicle.run(vehicle.ipa.local.enable(b))).rejects.toMatchObject({
      code: { ipae: "CARD_IPAE_ACTIVE", sgp02: "CARD_NOT_SGP32", uicc: "CARD_NOT_EUICC" }[role],
    });
  });

  test("a card's bad moment is no other class", async () => {
    const vehicle = cardOf("sgp32", { euicc: { faults: { statusWords: { 48958: 0x6f00 } } } });
    await expect(vehicle.run(vehicle.ipa.start())).rejects.toMatchObject({ code: "APDU_STATUS" });
    expect(classified(vehicle)).toEqual([]);
    vehicle.euicc.faults.statusWords = {};
    expect(await vehicle.run(vehicle.ipa.start())).toMatchObject({ card: { kind: "sgp32-ipad" } });
  });

  // shows: a5.consumer
  test("a consumer eUICC: no eIM is asked, notifications go out by themselves", async () => {
    const vehicle = cardOf("sgp22", { direct: true });
    expect(await vehicle.run(vehicle.ipa.start())).toMatchObject({ card: { kind: "sgp22", eid }, profiles: [{ iccid: a }], eims: [] });
    expect(await vehicle.poll()).toMatchObject({ kind: "nothing", error: undefined });
    expect(vehicle.esipa).toEqual([]);
    expect(classified(vehicle)).toMatchObject([{ cardClass: "sgp22", acts: "lpa" }]);
    await vehicle.run(vehicle.ipa.local.download({ activationCode: vehicle.offer(c) }));
    await vehicle.deliver();
    expect(vehicle.euicc.pending().notifications).toEqual([]);
  });
});

describe("an eIM obeyed on a consumer eUICC", () => {
  function obeying(more: VehicleOptions = {}): Vehicle {
    let kept: unknown;
    const made: Vehicle = cardOf("sgp22", {
      profiles: [factoryProfile(a, true), factoryProfile(b, false)],
      direct: true,
      consumer: {
        memory: {
          load: async () => structuredClone(kept),
          save: async (content) => {
            kept = structuredClone(content);
          },
        },
        initialEims: async () => ({
          eimConfigurationDataList: [
            decode(EimConfigurationData, made.eim.configurationData({ fqdn: "eim.example", indirectProfileDownload: false })),
          ],
        }),
      },
      ...more,
    });
    made.eim.faults.takesUnsigned = true;
    return made;
  }
  const results = (vehicle: Vehicle): string => JSON.stringify(vehicle.eim.results());

  test("its packages are carried out as on an IoT eUICC, and the result has no signature", async () => {
    const vehicle = obeying();
    expect(await vehicle.run(vehicle.ipa.start())).toMatchObject({ card: { kind: "sgp22" }, eims: [{ eimId: vehicle.eim.eimId }] });
    expect(classified(vehicle)).toMatchObject([{ acts: "lpa and package executor" }]);
    vehicle.enable(b, true);
    expect(await vehicle.poll()).toMatchObject({ kind: "done", packages: 1 });
    expect(vehicle.enabled()).toBe(b);
    expect(vehicle.adopted).toEqual([b]);
    expect(results(vehicle)).toContain('"verified":false');
    expect(vehicle.events.filter(({ kind }) => kind === "package.unsigned")).toMatchObject([
      { eimId: vehicle.eim.eimId, counterValue: "1" },
    ]);
  });

  test("an eIM that does not know takes no result of it, and nothing is carried out twice", async () => {
    const vehicle = obeying();
    vehicle.eim.faults.takesUnsigned = false;
    await vehicle.run(vehicle.ipa.start());
    vehicle.enable(b);
    for (let polls = 0; polls < 3; polls++) await vehicle.poll();
    expect(vehicle.eim.results()).toEqual([]);
    expect(vehicle.enabled()).toBe(b);
    expect(vehicle.adopted).toEqual([b]);
  });

  test("a profile that finds no network is rolled back, and said so", async () => {
    const vehicle = obeying();
    vehicle.coverage.delete(b);
    await vehicle.run(vehicle.ipa.start());
    vehicle.enable(b, true);
    await vehicle.poll();
    expect(vehicle.enabled()).toBe(a);
    expect(vehicle.adopted).toEqual([b, a]);
    expect(vehicle.told()).toContain("profile.rolledBack");
    expect(results(vehicle)).toContain("rollback");
  });

  test("the order survives a restart at any write of the journal, and the profile is enabled once", async () => {
    for (let at = 1; at < 40; at++) {
      const vehicle = obeying();
      await vehicle.run(vehicle.ipa.start());
      vehicle.enable(b);
      vehicle.crash = { at: vehicle.saves + at, when: "after" };
      await vehicle.run(vehicle.ipa.pollOnce());
      const { crashed } = vehicle;
      vehicle.restart("power");
      await vehicle.run(vehicle.ipa.start());
      await vehicle.poll();
      await vehicle.poll();
      expect(vehicle.enabled(), `write ${at}`).toBe(b);
      expect(vehicle.ipa.status().operation, `write ${at}`).toBeUndefined();
      expect(vehicle.eim.results().length, `write ${at}`).toBeGreaterThan(0);
      if (!crashed) return expect(at).toBeGreaterThan(3);
    }
    throw new Error("it never ended");
  });

  test("memory that cannot be read: no eIM is obeyed, the local assistant works", async () => {
    const vehicle = obeying({
      consumer: {
        memory: { load: async () => ({ version: 7 }), save: async () => undefined },
        initialEims: async () => undefined,
      },
    });
    await vehicle.run(vehicle.ipa.start());
    expect(vehicle.told()).toContain("error");
    expect(vehicle.ipa.status().eims).toEqual([]);
    expect(await vehicle.run(vehicle.ipa.local.enable(b))).toMatchObject({ outcome: "online" });
  });
});
