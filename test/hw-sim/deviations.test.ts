// What peers in the field write otherwise than the standard, switched on one by one at the card and at the eIM: our IPA and our eIM do their
// work all the same, and what must stay strict, the card's check of signatures and shapes, stays strict.
import { describe, expect, test } from "vitest";
import { fromHex, toHexUpper } from "../../base/bytes.ts";
import { ecdsaSign, ecdsaVerify, inDer } from "../../hw-sim/crypto/ecdsa.ts";
import { choiceTags, inDialect } from "../../hw-sim/euicc/dialect.ts";
import { defaultFaults, type EuiccFaults } from "../../hw-sim/euicc/types.ts";
import { newKey } from "../../hw-sim/pki/pki.ts";
import { verifyTolerantly } from "../../hw-sim/pki/signature.ts";
import { decode, encode, type Type } from "../../ipa/asn1/schema.ts";
import { writeTlv } from "../../ipa/asn1/tlv.ts";
import * as eimConfig from "../../ipa/messages/eim-config.ts";
import * as es10 from "../../ipa/messages/es10.ts";
import * as euiccInfo from "../../ipa/messages/euicc-info.ts";
import * as notifications from "../../ipa/messages/notifications.ts";
import * as packages from "../../ipa/messages/package.ts";
import * as profileInfo from "../../ipa/messages/profile-info.ts";
import * as rsp from "../../ipa/messages/rsp.ts";
import { a, b, c, factoryProfile, Vehicle } from "../ipa/support/vehicle.ts";

const twoProfiles = [factoryProfile(a, true), factoryProfile(b, false)];

describe("a card that", () => {
  const cards: readonly (readonly [string, Partial<EuiccFaults>])[] = [
    ["signs in DER", { derSignatures: true }],
    ["nests certificates inside A5 and A6", { nestedCertificates: true }],
    ["tags the result of a rollback", { taggedCmdResult: true }],
    ["writes defaults out", { writtenDefaults: true }],
    ["repeats the tags of CHOICEs", { doubleTag: true }],
    ["knows fields of later versions", { unknownFields: true }],
    ["writes long lengths", { berLengths: true }],
    ["gives a single result without its tag", { untaggedSingleResult: true }],
    [
      "does all of it",
      {
        derSignatures: true,
        nestedCertificates: true,
        taggedCmdResult: true,
        writtenDefaults: true,
        doubleTag: true,
        unknownFields: true,
        berLengths: true,
      },
    ],
  ];
  // shows: field.double-tag, field.ber-lengths, field.unknown-fields, field.cmd-result, field.nested-certificate, field.single-result
  // shows: field.der-signature
  test.each(cards)("%s: download, enable, rollback and data are done, verified and reported", async (_, faults) => {
    const vehicle = new Vehicle({ profiles: twoProfiles, euicc: { faults } });
    const download = vehicle.eim.addOrder({ eid: vehicle.euicc.eid, kind: "download", activationCode: vehicle.offer(c) });
    expect(await vehicle.poll()).toMatchObject({ packages: 1 });
    expect(vehicle.eim.order(download)).toMatchObject({ state: "done", results: [{ kind: "profileInstallationResult", verified: true }] });
    expect(vehicle.installed()).toContain(c);

    const data = vehicle.eim.addOrder({ eid: vehicle.euicc.eid, kind: "ipaEuiccData", tags: ["BF20", "A5", "A6"] });
    await vehicle.poll();
    expect(vehicle.eim.order(data)).toMatchObject({ state: "done" });

    vehicle.coverage.delete(b);
    const enable = vehicle.enable(b, true);
    await vehicle.poll();
    expect(vehicle.enabled()).toBe(a);
    expect(vehicle.eim.order(enable)).toMatchObject({ state: "failed", reason: "rolledBack" });
    const results = vehicle.eim.results();
    expect(results.length).toBeGreaterThan(0);
    expect(results.every(({ verified }) => verified)).toBe(true);
  });
});

describe("an eIM that", () => {
  // shows: field.rollback-flag
  test("writes rollbackFlag as 81: the card takes it and the IPA sees it, so that a profile without network is left again", async () => {
    const vehicle = new Vehicle({ profiles: twoProfiles });
    await vehicle.eim.applyFaults({ taggedRollbackFlag: true });
    vehicle.coverage.delete(b);
    const order = vehicle.enable(b, true);
    await vehicle.poll();
    expect(vehicle.enabled()).toBe(a);
    expect(vehicle.eim.order(order)).toMatchObject({ state: "failed", reason: "rolledBack" });
  });

  test.each([
    ["of others", "others"],
    ["never given out", [4_711]],
  ])("acknowledges numbers %s: the eUICC loses nothing, and delivers it again until its own are acknowledged", async (_, acknowledge) => {
    const vehicle = new Vehicle({ profiles: twoProfiles });
    await vehicle.eim.applyFaults({ acknowledge });
    const order = vehicle.enable(b);
    await vehicle.poll();
    expect(vehicle.enabled()).toBe(b);
    expect(vehicle.eim.order(order)).toMatchObject({ state: "done" });
    const { notifications, packageResults } = vehicle.euicc.pending();
    expect(packageResults).toHaveLength(1);
    await vehicle.eim.applyFaults({ acknowledge: "all" });
    vehicle.restart();
    await vehicle.poll();
    expect(vehicle.euicc.pending().packageResults).toEqual([]);
    expect(vehicle.euicc.pending().notifications.length).toBeLessThanOrEqual(notifications.length);
    expect(vehicle.eim.results()).toHaveLength(1);
  });

  // shows: field.double-tag
  test("repeats the tags of its answers is understood", async () => {
    const vehicle = new Vehicle({ profiles: twoProfiles });
    await vehicle.eim.applyFaults({ doubleTag: true });
    const order = vehicle.enable(b, true);
    await vehicle.poll();
    expect(vehicle.enabled()).toBe(b);
    expect(vehicle.eim.order(order)).toMatchObject({ state: "done" });
  });

  // shows: field.smds-address
  test("writes smdsAddress as 0C: the IPA asks that SM-DS", async () => {
    const asked: string[] = [];
    for (const universalSmdsAddress of [false, true]) {
      const vehicle = new Vehicle({ direct: true, configuration: { indirectProfileDownload: false } });
      await vehicle.eim.applyFaults({ universalSmdsAddress });
      vehicle.eim.addOrder({ eid: vehicle.euicc.eid, kind: "download", trigger: "contactSmds", smdsAddress: "ds2.example.com" });
      await vehicle.poll();
      asked.push(vehicle.es9[0] ?? "");
    }
    expect(asked).toEqual(["ds2.example.com initiateAuthentication", "ds2.example.com initiateAuthentication"]);
  });

  // shows: field.der-signature
  test("signs in DER is refused by a strict card, changes nothing, and is told so", async () => {
    const vehicle = new Vehicle({ profiles: twoProfiles });
    await vehicle.eim.applyFaults({ derSignatures: true });
    const order = vehicle.enable(b, true);
    await vehicle.poll();
    expect(vehicle.enabled()).toBe(a);
    expect(vehicle.eim.order(order)).toMatchObject({ state: "failed" });
    await vehicle.eim.applyFaults({ derSignatures: false });
    const again = vehicle.enable(b, true);
    await vehicle.poll();
    expect(vehicle.eim.order(again)).toMatchObject({ state: "done" });
  });
});

describe("on the wire", () => {
  const faults = (some: Partial<EuiccFaults>): EuiccFaults => ({ ...defaultFaults(), ...some });
  const wire = (hex: string, some: Partial<EuiccFaults>): string => toHexUpper(inDialect(fromHex(hex), faults(some)));

  test("each deviation is what its name says, and touches nothing else", () => {
    expect(wire("BF560AA008A5020101A6020102", { nestedCertificates: true })).toBe("BF560EA00CA50430020101A60430020102");
    expect(wire("BF5603810101", { nestedCertificates: true })).toBe("BF5603810101");
    expect(wire("BF5803020105", { taggedCmdResult: true })).toBe("BF5803800105");
    expect(wire("BF2D08A006E3049F670100", { writtenDefaults: true })).toBe("BF2D0CA00AE3089F2601009F670100");
    expect(wire("BF2D08A006E3049F2601FF", { writtenDefaults: true })).toBe("BF2D08A006E3049F2601FF");
  });

  // shows: field.bare-key
  test("bare keys are refused by a strict reader and read by one that is asked to", () => {
    const vehicle = new Vehicle({});
    const list = [decode(eimConfig.EimConfigurationData, vehicle.eim.configurationData({ fqdn: "eim.example" }))];
    const standard = encode(eimConfig.GetEimConfigurationDataResponse, { eimConfigurationDataList: list });
    const bare = inDialect(standard, faults({ bareKeys: true }));
    const read = (lenient: object): unknown => decode(eimConfig.GetEimConfigurationDataResponse, bare, { lenient });
    expect(() => read({})).toThrow(expect.objectContaining({ code: "ASN1_TAG" }));
    expect(read({ bareKeyOrCertificate: true })).toMatchObject({ eimConfigurationDataList: [{ eimFqdn: "eim.example" }] });
  });

  test("later fields stand in SEQUENCEs only: in a CHOICE no legal encoder has room for one", () => {
    const modules = { ...eimConfig, ...es10, ...euiccInfo, ...notifications, ...packages, ...profileInfo, ...rsp };
    const responses = Object.entries(modules).filter(([name]) => /Response$|^EUICCInfo\d$|^EuiccPackageResult$/.test(name));
    let [choices, sequences] = [0, 0];
    for (const [name, type] of responses as [string, Type<unknown>][]) {
      const [tag] = type.tags;
      if (tag === undefined || tag < 0xbf00) continue;
      const { shape } = type;
      const isChoice = shape.kind === "choice" || (shape.kind === "tagged" && shape.inner.shape.kind === "choice");
      const plain = writeTlv(tag, fromHex("800100"));
      const shown = toHexUpper(inDialect(plain, faults({ unknownFields: true })));
      expect([name, shown !== toHexUpper(plain)]).toEqual([name, !isChoice]);
      if (isChoice) choices++;
      else sequences++;
    }
    expect(choices).toBeGreaterThanOrEqual(choiceTags.size);
    expect(sequences).toBeGreaterThan(10);
  });

  test("a signature in DER is the same signature; only who is tolerant takes it", () => {
    for (const curve of ["prime256v1", "brainpoolP256r1"] as const) {
      const key = newKey(curve);
      for (let i = 0; i < 20; i++) {
        const message = Uint8Array.of(i);
        const der = inDer(ecdsaSign(key, message));
        expect(verifyTolerantly(key, der, message)).toBe(true);
        expect(ecdsaVerify(key, der, message)).toBe(false);
      }
    }
    expect(toHexUpper(inDer(fromHex(`${"00".repeat(31)}80${"00".repeat(32)}`)))).toBe("3007020200800201" + "00");
  });
});
