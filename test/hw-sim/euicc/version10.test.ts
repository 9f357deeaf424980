// An IoT eUICC of SGP.32 v1.0: each form on the wire that changed until v1.2, and nothing else changed.
import { describe, expect, it } from "vitest";
import { fromHex, toHexUpper } from "../../../base/bytes.ts";
import { newKey } from "../../../hw-sim/pki/pki.ts";
import { decode, encode } from "../../../ipa/asn1/schema.ts";
import { EimConfigurationData } from "../../../ipa/messages/eim-config.ts";
import { EUICCInfo2, GetEuiccInfo2Request } from "../../../ipa/messages/euicc-info.ts";
import { EuiccPackageResult } from "../../../ipa/messages/package.ts";
import { apdu, bench, ecoPackage, eimConfiguration, factoryProfile, iccids, load, psmo, psmoPackage, resultsOf } from "./support.ts";

const old = (more: Parameters<typeof bench>[0] = {}) => bench({ ...more, faults: { version10: true } });

// shows: v10.card
describe("a card of SGP.32 v1.0", () => {
  it("names its version, and no template of the IoT eUICC", () => {
    const { channel, euicc } = old();
    const info = channel.call(GetEuiccInfo2Request, EUICCInfo2, {});
    expect(info.iotSpecificInfo).toEqual({ iotVersion: [fromHex("010000")], ecallSupported: undefined, fallbackSupported: undefined });
    expect(apdu(euicc, "01A4040010A0000005591010FFFFFFFF890000010000")).toMatch(/E00582030205009000$/);
  });

  it.each(["42", "5B", "5C", "5D", "5E", "5F", "64", "65"])("has no BF%s", (tag) => {
    expect(old().channel.sendHex(`BF${tag}038001FF`)).toBe("6A88");
  });

  it("ends a package at a PSMO that came later", () => {
    for (const later of [psmo.setFallback("a"), psmo.unsetFallback]) {
      const { channel } = old();
      expect(resultsOf(load(channel, psmoPackage([psmo.enable("b"), later, psmo.getRat])))).toEqual([
        "enableResult ok",
        "processingTerminated unknownOrDamagedCommand",
      ]);
    }
  });

  it("refuses without signature and without the eIM's transaction", () => {
    const request = psmoPackage([psmo.getRat], { key: newKey("prime256v1"), eimTransactionId: fromHex("AABB") });
    const eimId = "800F65696D2E6578616D706C652E636F6D";
    expect(old().channel.sendHex(toHexUpper(request))).toBe(`BF5113A211${eimId}`);
    expect(bench().channel.sendHex(toHexUpper(request))).toBe(`BF5117A215${eimId}8202AABB`);
  });

  it("lists eIMs with their type under 84, and that is what it signs", () => {
    const { channel } = old();
    const { data } = channel.send(ecoPackage([{ kind: "listEim", value: {} }]));
    const result = decode(EuiccPackageResult, data);
    expect(resultsOf(result)).toEqual(["listEimResult eimIdList"]);
    expect(toHexUpper(data)).toContain("800F65696D2E6578616D706C652E636F6D840102");
    const now = bench().channel.send(ecoPackage([{ kind: "listEim", value: {} }]));
    expect(toHexUpper(now.data)).toContain("800F65696D2E6578616D706C652E636F6D820102");
  });

  it("gives configurations without indirectProfileDownload, all of them whatever is asked for", () => {
    const eims = [encode(EimConfigurationData, eimConfiguration({ indirectProfileDownload: true }))];
    expect(bench({ eims }).channel.sendHex("BF5500")).toContain("8900");
    const { channel } = old({ eims });
    const all = channel.sendHex("BF5500");
    expect(all).not.toContain("8900");
    expect(all).toContain("65696D2E6578616D706C652E636F6D");
    expect(channel.sendHex("BF5505A003800178")).toBe(all);
  });

  it("resets its memory by BF34, eIMs by bit 3, its result under 02", () => {
    const card = old();
    expect(card.channel.sendHex("BF340482020410")).toBe("BF3406020100810100");
    expect(card.euicc.eims()).toEqual([]);
    expect(card.channel.sendHex("BF340482020308")).toBe("BF3406020100820100");
    expect(card.channel.sendHex("BF340482020780")).toMatch(/^BF3403020100/);
    expect(card.euicc.profiles()).toEqual([]);
  });

  it("enables what was just downloaded by a bare BF5A", () => {
    const { channel } = old({ profiles: [factoryProfile("a", { enabled: true })] });
    expect(channel.sendHex("BF5A00")).toBe("BF5A03800104");
    expect(bench().channel.sendHex("BF5A00")).toBe("6A80");
  });

  it("switches profiles and reports as ever", () => {
    const card = old();
    expect(resultsOf(load(card.channel, psmoPackage([psmo.enable("b", true)])))).toEqual(["enableResult ok"]);
    expect(card.euicc.profiles().find(({ state }) => state === "enabled")?.iccid).toBe(iccids.b);
    expect(card.channel.sendHex("BF58038001FF")).toMatch(/^BF58.{2,6}020100BF51/);
  });
});
