// The card's dialects and faults: lengths, tags and fields as other makes write them, signatures that hold in every one of them, and what
// it can be told to refuse.
import { describe, expect, it } from "vitest";
import { fromHex, toHexUpper } from "../../../base/bytes.ts";
import { longLengths } from "../../../hw-sim/euicc/dialect.ts";
import { buildProfilePackage } from "../../../hw-sim/euicc/pe/builder.ts";
import { decode, encode } from "../../../ipa/asn1/schema.ts";
import { AddInitialEimRequest, AddInitialEimResponse, GetCertsRequest, GetCertsResponse } from "../../../ipa/messages/eim-config.ts";
import { EUICCInfo2, GetEuiccInfo2Request } from "../../../ipa/messages/euicc-info.ts";
import { type PendingNotification, ProfileInstallationResult } from "../../../ipa/messages/notifications.ts";
import { RetrieveNotificationsListRequest, RetrieveNotificationsListResponse } from "../../../ipa/messages/package.ts";
import { ProfileInfoListRequest, ProfileInfoListResponse } from "../../../ipa/messages/profile-info.ts";
import { authenticate, bind, loadSegments, prepared, segmentsOf } from "./small-smdp.ts";
import { bench, eid, eimConfiguration, load, metadata, pki, psmo, psmoPackage, recipe, resultsOf, verifiesWithEuicc } from "./support.ts";

const dialects = [
  { berLengths: true },
  { doubleTag: true },
  { unknownFields: true },
  { berLengths: true, doubleTag: true, unknownFields: true },
];

describe.each(dialects)("a card that speaks %o", (faults) => {
  it("is understood, and its signatures hold", () => {
    const { channel, euicc } = bench({ faults });
    expect(resultsOf(load(channel, psmoPackage([psmo.list, psmo.enable("b")])))).toEqual([
      "listProfileInfoResult profileInfoListOk",
      "enableResult ok",
    ]);
    expect(channel.call(GetEuiccInfo2Request, EUICCInfo2, {}).ipaMode).toBe("ipad");
    expect(channel.call(ProfileInfoListRequest, ProfileInfoListResponse, {}).kind).toBe("profileInfoListOk");
    expect(channel.call(GetCertsRequest, GetCertsResponse, {})).toMatchObject({
      value: { euiccCertificate: pki.get("euicc").certificate },
    });
    const list = channel.call(RetrieveNotificationsListRequest, RetrieveNotificationsListResponse, {});
    if (list.kind !== "notificationList") throw new Error(list.kind);
    expect(list.value.map(isVerified)).toEqual([true, true]);
    euicc.reset();
    const response = authenticate(bench({ faults }).channel);
    if (response.kind !== "authenticateResponseOk") throw new Error(response.kind);
    expect(verifiesWithEuicc(response.value.euiccSignature1, response.value.euiccSigned1.raw)).toBe(true);
  });

  it("installs a package, and its result verifies", () => {
    const { channel } = bench({ faults });
    const bpp = bind({ euiccOtpk: prepared(channel), metadata: metadata("c"), upp: buildProfilePackage(recipe("c")) });
    const { profileInstallationResultData, euiccSignPIR } = decode(ProfileInstallationResult, loadSegments(channel, segmentsOf(bpp)).data);
    expect(profileInstallationResultData.value.finalResult.kind).toBe("successResult");
    expect(verifiesWithEuicc(euiccSignPIR, profileInstallationResultData.raw)).toBe(true);
  });
});

function isVerified(notification: PendingNotification): boolean {
  if (notification.kind !== "otherSignedNotification") return false;
  const { tbsOtherNotification, euiccNotificationSignature } = notification.value;
  return verifiesWithEuicc(euiccNotificationSignature, tbsOtherNotification.raw);
}

describe("the octets of a dialect", () => {
  it("are long lengths, all the way down where it is asked", () => {
    expect(toHexUpper(longLengths(fromHex("BF2D07A005E303950102")))).toBe("BF2D83000010A08300000BE383000006958300000102");
  });

  it("are the same tag twice, and a field that nobody knows", () => {
    const { euicc, channel } = bench({ profiles: [] });
    euicc.faults.doubleTag = true;
    expect(channel.sendHex("BF2D00")).toBe("BF2D05BF2D02A000");
    euicc.faults.doubleTag = false;
    euicc.faults.unknownFields = true;
    expect(channel.sendHex("BF3003800101")).toBe("BF3007800101DF7F0100");
    euicc.faults.unknownFields = false;
    euicc.faults.berLengths = true;
    expect(channel.sendHex("BF2D00")).toBe("BF2D83000005A083000000");
  });
});

describe("commands as some clients write them", () => {
  it("are understood: a flag as 01, a key identifier as 04, search criteria without their wrapper", () => {
    const ski = toHexUpper(pki.get("ci").subjectKeyIdentifier);
    for (const [written, standard] of [
      ["BF580301" + "01FF", "BF58038001FF"],
      [`BF561604${"14"}${ski}`, `BF56168014${ski}`],
      ["BF2B028200", "BF2B04A0028200"],
      ["BF2B03800101", "BF2B05A003800101"],
    ] as const) {
      const { channel } = bench();
      load(channel, psmoPackage([psmo.disable("b")]));
      const answer = channel.sendHex(standard);
      expect(answer).toMatch(/^BF/);
      expect([written, channel.sendHex(written)]).toEqual([written, answer]);
    }
  });
});

describe("faults", () => {
  it("make GetEID answer without EID", () => {
    expect(bench({ faults: { omitEid: true } }).channel.sendHex("BF3E035C015A")).toBe("BF3E00");
    expect(bench().channel.sendHex("BF3E035C015A")).toContain(eid);
  });

  it("make signatures wrong, of results and of notifications", () => {
    const { channel } = bench({ faults: { wrongSignature: true } });
    expect(resultsOf(load(channel, psmoPackage([psmo.enable("b")])))).toEqual(["bad signature"]);
    const list = channel.call(RetrieveNotificationsListRequest, RetrieveNotificationsListResponse, {});
    expect(list.kind === "notificationList" && list.value.map(isVerified)).toEqual([false, false]);
  });

  it("give a single result as a plain INTEGER, several as they should be", () => {
    const { channel } = bench({ faults: { untaggedSingleResult: true } });
    expect(channel.sendHex(toHexUpper(psmoPackage([psmo.disable("b")])))).toContain("3003020102");
    expect(channel.sendHex(toHexUpper(psmoPackage([psmo.disable("b"), psmo.enable("a")], { counter: 2 })))).toContain("3006840102830102");
  });

  it("answer a function with a status word", () => {
    const { channel, euicc } = bench({ faults: { statusWords: { 48977: 0x6985 } } });
    expect(channel.send(psmoPackage([psmo.getRat])).sw).toBe(0x6985);
    euicc.faults.statusWords = {};
    expect(resultsOf(load(channel, psmoPackage([psmo.getRat])))).toEqual(["getRATResult"]);
  });

  it("fill the memory", () => {
    const { channel } = bench({ eims: [] });
    const full = bench({ eims: [], faults: { memoryFull: true } });
    const list = { eimConfigurationDataList: [eimConfiguration()] };
    expect(channel.call(AddInitialEimRequest, AddInitialEimResponse, list).kind).toBe("addInitialEimOk");
    expect(full.channel.sendHex(toHexUpper(encode(AddInitialEimRequest, list)))).toBe("BF5703810101");
    const bpp = bind({ euiccOtpk: prepared(full.channel), metadata: metadata("c"), upp: buildProfilePackage(recipe("c")) });
    const { finalResult } = decode(ProfileInstallationResult, loadSegments(full.channel, segmentsOf(bpp)).data)
      .profileInstallationResultData.value;
    expect(finalResult).toMatchObject({ value: { errorReason: "installFailedDueToInsufficientMemoryForProfile" } });
  });
});
