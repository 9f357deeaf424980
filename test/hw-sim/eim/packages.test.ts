// eUICC packages of the eIM: their octets against the golden vectors, their signatures, counters and tokens, as an eUICC checks them.
import { createPublicKey, X509Certificate } from "node:crypto";
import { describe, expect, test } from "vitest";
import { digitsToBcd, fromHex, toHexUpper } from "../../../base/bytes.ts";
import { VirtualClock } from "../../../base/clock.ts";
import { ecdsaVerify } from "../../../hw-sim/crypto/ecdsa.ts";
import { createEim } from "../../../hw-sim/eim/eim.ts";
import { parseOrder } from "../../../hw-sim/eim/order-input.ts";
import { signedPackage } from "../../../hw-sim/eim/packages.ts";
import { createPki } from "../../../hw-sim/pki/pki.ts";
import { decode } from "../../../ipa/asn1/schema.ts";
import { childOf, childrenOf, contentOf, onlyChildOf, rawOf, readOnlyTlv } from "../../../ipa/asn1/tlv.ts";
import { EimConfigurationData } from "../../../ipa/messages/eim-config.ts";
import { TestEuicc } from "../smdp/test-euicc.ts";
import { bench, eid, enableOrder, getEimPackage, iccidA, operationsOf, pki, tlv } from "./eim-test-bench.ts";

const key = pki.get("eimsign").privateKey;
const publicKey = createPublicKey(key);

/** The golden vectors' fields, and their octets without the dummy signature. */
function signedPartOf(order: unknown): string {
  const request = parseOrder(order);
  if (request.kind !== "euiccPackage") throw new Error(request.kind);
  const { euiccPackage } = request;
  const bf51 = signedPackage(
    { eimId: "eim1", eid, counterValue: 42, eimTransactionId: fromHex("AABBCCDD"), euiccPackage, associationToken: undefined },
    key,
  );
  const [signed] = childrenOf(readOnlyTlv(bf51));
  return signed === undefined ? "" : toHexUpper(rawOf(signed));
}

describe("golden vectors", () => {
  // The vectors' ICCID octets, 98001032547698103214, are these digits.
  const iccid = "89000123456789012341";

  test("enable with rollback", () => {
    expect(signedPartOf({ eid, kind: "euiccPackage", psmos: [{ enable: { iccid, rollback: true } }] })).toBe(
      "3033800465696D315A108904903212345123451234567890123581012A8204AABBCCDDA010A30E5A0A980010325476981032140500",
    );
  });

  test("every other PSMO", () => {
    const psmos = [
      { disable: { iccid } },
      { delete: { iccid } },
      { listProfileInfo: {} },
      { getRAT: {} },
      { configureImmediateEnable: { immediateEnable: true } },
      { setFallbackAttribute: { iccid } },
      { unsetFallbackAttribute: {} },
      { setDefaultDpAddress: { defaultDpAddress: "a.b" } },
    ];
    const golden =
      "305A800465696D315A108904903212345123451234567890123581012AA03DA40C5A0A98001032547698103214A50C5A0A98001032547698103214BF2D00A600A7028000A80C5A0A98001032547698103214A900BF65058003612E62";
    // The vector has no eimTransactionId.
    expect(signedPartOf({ eid, kind: "euiccPackage", psmos }).replace("8204AABBCCDD", "").replace("3060", "305A")).toBe(golden);
  });

  test("every eCO", () => {
    const ecos = [
      { addEim: { eimId: "e2", eimSupportedProtocol: [] } },
      { deleteEim: { eimId: "e2" } },
      { updateEim: { eimId: "e2" } },
      { listEim: {} },
    ];
    expect(signedPartOf({ eid, kind: "euiccPackage", ecos })).toContain("A80780026532870100A90480026532AA0480026532AB00");
  });
});

describe("orders become operations", () => {
  test.each([
    [{ listProfileInfo: { iccid: iccidA, tagList: "5A9F70" } }, "BF2D13A00C5A0A989400000000000010F25C035A9F70"],
    [{ listProfileInfo: { profileClass: "operational" } }, "BF2D05A003950102"],
    [{ listProfileInfo: { isdpAid: "A000000559" } }, "BF2D09A0074F05A000000559"],
    [
      { configureImmediateEnable: { defaultSmdpOid: "2.999.10", defaultSmdpAddress: "smdp.example.com" } },
      "A717810388370A8210736D64702E6578616D706C652E636F6D",
    ],
    [{ unknown: "BF7F00" }, "BF7F00"],
  ])("%j", async (psmo, hex) => {
    const { eim, euicc, poll } = bench();
    eim.addOrder({ eid, kind: "euiccPackage", psmos: [psmo] });
    expect(operationsOf(euicc, await poll())).toEqual([hex]);
  });

  test("keys and certificates are taken as PEM and travel under context tags", async () => {
    const { eim, euicc, poll } = bench();
    const certificate = pki.get("eimsign").certificatePem;
    const trusted = String(createPublicKey(pki.get("eimtls").privateKey).export({ format: "pem", type: "spki" }));
    const addEim = {
      eimId: "second",
      eimFqdn: "eim2.example",
      counterValue: 0,
      eimPublicKeyData: { certificate },
      trustedPublicKeyDataTls: { publicKey: trusted },
      indirectProfileDownload: true,
    };
    eim.addOrder({ eid, kind: "euiccPackage", ecos: [{ addEim }] });
    const [operation = ""] = operationsOf(euicc, await poll());
    const value = decode(EimConfigurationData, Uint8Array.from([0x30, ...fromHex(operation).subarray(1)]));
    expect(value).toMatchObject({
      eimId: "second",
      indirectProfileDownload: true,
      eimPublicKeyData: { kind: "eimCertificate", value: pki.get("eimsign").certificate },
    });
    expect(value.trustedPublicKeyDataTls?.kind).toBe("trustedEimPkTls");
  });

  test.each([
    ["no object", 5, /order: /],
    ["an unknown kind", { eid, kind: "enable" }, /order\.kind/],
    ["an EID of letters", { eid: "x", kind: "raw", hex: "00" }, /order\.eid: not 32 digits/],
    ["an unknown operation", { eid, kind: "euiccPackage", psmos: [{ enabel: {} }] }, /order psmos\.0: one key of enable, disable/],
    ["two operations in one", { eid, kind: "euiccPackage", psmos: [{ getRAT: {}, disable: { iccid: iccidA } }] }, /order psmos\.0/],
    ["an ICCID too short", { eid, kind: "euiccPackage", psmos: [{ enable: { iccid: "123" } }] }, /order psmos\.0\.enable\.iccid/],
    ["both lists", { eid, kind: "euiccPackage", psmos: [], ecos: [] }, /either psmos or ecos/],
    ["neither list", { eid, kind: "euiccPackage" }, /either psmos or ecos/],
    ["a field too many", { eid, kind: "raw", hex: "00", more: 1 }, /order\.more/],
    ["no activation code", { eid, kind: "download" }, /activationCode is missing/],
    ["tags of no octet", { eid, kind: "ipaEuiccData", tags: [] }, /order\.tags/],
    ["odd hex", { eid, kind: "raw", hex: "0" }, /order\.hex: not hex/],
    ["a prototype's name", { eid, kind: "euiccPackage", psmos: [{ constructor: {} }] }, /order psmos\.0/],
  ])("%s is refused by name", (_, order, message) => {
    expect(() => bench().eim.addOrder(order)).toThrow(message);
  });
});

describe("signature, counter, token", () => {
  test("the signature covers the signed part and the token's TLV, 84 01 00 where there is none", async () => {
    const { eim, poll } = bench();
    eim.addOrder(enableOrder);
    const [signed, signature] = childrenOf(readOnlyTlv(await poll()));
    if (signed === undefined || signature === undefined) throw new Error("BF51");
    const bytes = contentOf(signature);
    expect(ecdsaVerify(publicKey, bytes, rawOf(signed), fromHex("840100"))).toBe(true);
    expect(ecdsaVerify(publicKey, bytes, rawOf(signed))).toBe(false);
    expect(ecdsaVerify(publicKey, bytes, contentOf(signed), fromHex("840100"))).toBe(false);
  });

  test("a configured association token is signed over", async () => {
    const { eim, euicc, poll } = bench();
    eim.setEuicc({ eid, associationToken: 300 });
    eim.addOrder(enableOrder);
    const bf51 = await poll();
    expect(() => euicc.readPackage(bf51, publicKey)).toThrow("eimSignature");
    expect(euicc.readPackage(bf51, publicKey, 300).counter).toBe(1);
    const [signed, signature] = childrenOf(readOnlyTlv(bf51));
    if (signed === undefined || signature === undefined) throw new Error("BF51");
    expect(ecdsaVerify(publicKey, contentOf(signature), rawOf(signed), fromHex("8402012C"))).toBe(true);
  });

  test("counters go up by one for each eUICC on its own, from where they were set", async () => {
    const other = "89049032000000000000000000000007";
    const { eim, euicc, poll, provide, accept, ask } = bench();
    eim.setEuicc({ eid, counterValue: 127 });
    const counters = [];
    for (let i = 0; i < 3; i++) {
      eim.addOrder(enableOrder);
      const fields = accept(await poll());
      counters.push(fields.counter);
      await provide(euicc.packageResult(fields, tlv(0x83, Uint8Array.of(0))));
    }
    expect(counters).toEqual([128, 129, 130]);
    eim.addOrder({ ...enableOrder, eid: other });
    const bf51 = contentOf(readOnlyTlv(fromHex(await ask(getEimPackage(digitsToBcd(other))))));
    expect(euicc.readPackage(bf51, publicKey).counter).toBe(1);
  });

  test("several eIMs in one process have ids, keys and counters of their own", async () => {
    const clock = new VirtualClock();
    const world = createPki({ clock });
    const [first, second] = [createEim({ clock, pki: world }), createEim({ clock, pki: world, eimId: "second-eim" })];
    const euicc = new TestEuicc({ pki: world });
    const configurations = [first, second].map((eim) => decode(EimConfigurationData, eim.configurationData()));
    expect(configurations.map(({ eimId }) => eimId)).toEqual(["eim.example.com", "second-eim"]);
    for (const [eim, configuration] of [
      [first, configurations[0]],
      [second, configurations[1]],
      [second, configurations[1]],
    ] as const) {
      eim.addOrder({ ...enableOrder });
      const answer = await eim.handle(getEimPackage(euicc.eidBytes));
      const bf51 = answer === "silence" ? new Uint8Array(0) : contentOf(readOnlyTlv(answer.body));
      const certificate = configuration?.eimPublicKeyData?.value;
      const own = new X509Certificate(Buffer.from(certificate ?? new Uint8Array(0))).publicKey;
      expect(euicc.readPackage(bf51, own)).toMatchObject({ eimId: configuration?.eimId, counter: 1 });
    }
  });

  test("a package given out again is the same to the octet", async () => {
    const { eim, poll } = bench();
    const orderId = eim.addOrder(enableOrder);
    const first = await poll();
    expect(await poll()).toEqual(first);
    expect(eim.order(orderId)).toMatchObject({ state: "fetched", deliveries: 2 });
  });
});

describe("faults in packages", () => {
  test("wrong key, wrong token, wrong EID, replayed and forced counter, each for so many packages", async () => {
    const { eim, euicc, poll, provide } = bench();
    eim.setEuicc({ eid, counterValue: 10 });
    const next = async (): Promise<Uint8Array> => {
      const orderId = eim.addOrder(enableOrder);
      const bf51 = await poll();
      const txId = fromHex(String(eim.order(orderId)?.eimTransactionId));
      await provide(tlv(0xbf51, tlv(0xa2, tlv(0x80, Buffer.from("eim.example.com")), tlv(0x82, txId))));
      return bf51;
    };
    await eim.applyFaults({ wrongSigningKey: 1 });
    const forged = await next();
    expect(() => euicc.readPackage(forged, publicKey)).toThrow("eimSignature");
    await eim.applyFaults({ wrongToken: 1 });
    expect(euicc.readPackage(await next(), publicKey, 1_000).counter).toBe(12);
    await eim.applyFaults({ wrongEid: 1 });
    expect(euicc.readPackage(await next(), publicKey).eid).not.toEqual(euicc.eidBytes);
    await eim.applyFaults({ replayedCounter: 1 });
    expect(euicc.readPackage(await next(), publicKey).counter).toBe(13);
    await eim.applyFaults({ counterValue: 0x800000 });
    expect(euicc.readPackage(await next(), publicKey).counter).toBe(0x800000);
    await eim.applyFaults({ counterValue: null });
    const sound = euicc.readPackage(await next(), publicKey);
    expect([sound.counter, sound.eid]).toEqual([14, euicc.eidBytes]);
  });

  test("settings that do not exist are refused by name", async () => {
    await expect(bench().eim.applyFaults({ wrongKey: 1 })).rejects.toThrow(/eim faults: wrongKey/);
    await expect(bench().eim.applyFaults({ acknowledge: "some" })).rejects.toThrow(/eim faults: acknowledge/);
  });
});

describe("configuration data", () => {
  test.each([
    ["ca", "trustedCertificateTls", "ci"],
    ["certificate", "trustedCertificateTls", "eimtls"],
  ] as const)("trust by %s", (tls, kind, name) => {
    const value = decode(EimConfigurationData, bench().eim.configurationData({ tls, associationToken: -1, counterValue: 5 }));
    expect(value).toMatchObject({
      counterValue: 5,
      associationToken: -1,
      trustedPublicKeyDataTls: { kind, value: pki.get(name).certificate },
      indirectProfileDownload: true,
    });
  });

  test("trust by key, or none", () => {
    const der = bench().eim.configurationData({
      tls: "publicKey",
      signing: "publicKey",
      indirectProfileDownload: false,
      protocols: ["eimRetrieveCoaps"],
    });
    const value = decode(EimConfigurationData, der);
    expect([value.eimPublicKeyData?.kind, value.trustedPublicKeyDataTls?.kind, value.eimSupportedProtocol]).toEqual([
      "eimPublicKey",
      "trustedEimPkTls",
      ["eimRetrieveCoaps"],
    ]);
    // The key's own 30 is replaced by A0.
    expect(onlyChildOf(childOf(readOnlyTlv(der), 0xa5) ?? readOnlyTlv(der))?.tag).toBe(0xa0);
    expect(decode(EimConfigurationData, bench().eim.configurationData({ tls: "none" })).trustedPublicKeyDataTls).toBeUndefined();
  });
});
