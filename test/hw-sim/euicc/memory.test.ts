// What the card remembers without power, and that a power cut at any step leaves a result that tells the truth.
import { describe, expect, it } from "vitest";
import { fromHex, toHexUpper } from "../../../base/bytes.ts";
import { seededRandom } from "../../../base/random.ts";
import { createEuicc } from "../../../hw-sim/euicc/euicc.ts";
import { buildProfilePackage } from "../../../hw-sim/euicc/pe/builder.ts";
import { decode, encode } from "../../../ipa/asn1/schema.ts";
import { EimConfigurationData } from "../../../ipa/messages/eim-config.ts";
import { ListNotificationRequest, ListNotificationResponse } from "../../../ipa/messages/notifications.ts";
import { RetrieveNotificationsListRequest, RetrieveNotificationsListResponse } from "../../../ipa/messages/package.ts";
import { bind, loadSegments, prepared, segmentsOf } from "./small-smdp.ts";
import {
  apdu,
  bench,
  clock,
  eid,
  eimConfiguration,
  factoryProfile,
  iccids,
  identityOf,
  load,
  metadata,
  pki,
  psmo,
  psmoPackage,
  recipe,
  restarted,
  resultsOf,
  type Terminal,
} from "./support.ts";

const last = (snapshots: readonly Uint8Array[]): Uint8Array => snapshots.at(-1) ?? new Uint8Array(0);
const storedResults = (terminal: Terminal): string[][] => {
  const response = terminal.call(RetrieveNotificationsListRequest, RetrieveNotificationsListResponse, {
    searchCriteria: { kind: "euiccPackageResults", value: true },
  });
  return response.kind === "euiccPackageResultList" ? response.value.map((one) => resultsOf(one)) : [];
};

describe("after a restart", () => {
  // shows: c6.results-stored, c5.counter-per-eim
  it("profiles, eIMs, counters, tokens, results, notifications and numbers are what they were", () => {
    const card = bench({ eims: [encode(EimConfigurationData, eimConfiguration({ associationToken: -1 }))] });
    load(card.channel, psmoPackage([psmo.enable("b"), psmo.delete("a")], { counter: 7, token: 1 }));
    const bpp = bind({ euiccOtpk: prepared(card.channel), metadata: metadata("c"), upp: buildProfilePackage(recipe("c")) });
    loadSegments(card.channel, segmentsOf(bpp));
    card.euicc.process(fromHex("801200000B"));
    const again = restarted(last(card.snapshots));
    expect(again.euicc.profiles()).toEqual(card.euicc.profiles());
    expect(again.euicc.pending()).toEqual(card.euicc.pending());
    expect(again.euicc.snapshot()).toEqual(card.euicc.snapshot());
    expect(again.channel.sendHex("BF5500")).toBe(card.channel.sendHex("BF5500"));
    expect(again.channel.sendHex("BF2B00")).toBe(card.channel.sendHex("BF2B00"));
    expect([again.euicc.iccid, card.euicc.iccid]).toEqual([iccids.b, iccids.a]);
    expect(load(again.channel, psmoPackage([psmo.getRat], { counter: 7, token: 1 })).kind).toBe("euiccPackageErrorSigned");
    const numbers = [...card.euicc.pending().notifications, ...card.euicc.pending().packageResults];
    load(again.channel, psmoPackage([psmo.getRat], { counter: 8, token: 1 }));
    expect(again.euicc.pending().packageResults.at(-1)).toBe(Math.max(...numbers) + 1);
  });

  it("the RSP session is gone", () => {
    const card = bench();
    const otpk = prepared(card.channel);
    const segments = segmentsOf(bind({ euiccOtpk: otpk, metadata: metadata("c"), upp: buildProfilePackage(recipe("c")) }));
    const again = restarted(last(card.snapshots));
    expect(again.channel.send(segments[0] ?? new Uint8Array(0)).sw).toBe(0x6985);
  });

  // shows: b4.numbers-once
  it("numbers that were acknowledged are not given out again", () => {
    const card = bench();
    load(card.channel, psmoPackage([psmo.getRat]));
    card.channel.sendHex("BF3003800101");
    const again = restarted(last(card.snapshots));
    load(again.channel, psmoPackage([psmo.getRat], { counter: 2 }));
    expect(again.euicc.pending().packageResults).toEqual([2]);
  });

  it("refuses memory that is not its own", () => {
    const { euicc } = bench();
    const options = { identities: [identityOf(pki)], clock, random: seededRandom(1) };
    const refused = expect.objectContaining({ code: "SIM_OPTION" });
    expect(() => createEuicc({ ...options, eid: `${eid.slice(0, 31)}0`, snapshot: euicc.snapshot() })).toThrow(refused);
    expect(() => createEuicc({ ...options, eid, snapshot: fromHex("7B") })).toThrow(refused);
    expect(() => createEuicc({ ...options, eid, snapshot: new TextEncoder().encode(`{"version":9,"eid":"${eid}"}`) })).toThrow(refused);
    expect(() => createEuicc({ ...options, eid: "12" })).toThrow(refused);
    expect(() => createEuicc({ ...options, eid, identities: [] })).toThrow(refused);
    expect(() => createEuicc({ ...options, eid, eims: [encode(EimConfigurationData, { eimId: "x" })] })).toThrow(refused);
    const twice = [factoryProfile("a", { enabled: true }), factoryProfile("a")];
    expect(() => createEuicc({ ...options, eid, profiles: twice })).toThrow(expect.objectContaining({ code: "PROFILE_PACKAGE" }));
  });
});

describe("a power cut in a package", () => {
  const operations = [psmo.enable("b"), psmo.delete("a"), psmo.getRat];
  const whole = ["enableResult ok", "deleteResult ok", "getRATResult"];

  // shows: c4.interruption, code.processingTerminated.interruption
  it("after any number of operations ends the result with interruption, and what it says is what was done", () => {
    for (let done = 0; done <= operations.length; done++) {
      const card = bench();
      card.euicc.faults.cutPowerAfterOperations = done;
      expect(card.channel.send(psmoPackage(operations)).sw).toBe(0x6f00);
      expect(apdu(card.euicc, "80F2000C00")).toBe("6F00");
      const again = restarted(last(card.snapshots));
      expect(storedResults(again.channel)).toEqual([[...whole.slice(0, done), "processingTerminated interruption"]]);
      expect(again.euicc.iccid).toBe(done === 0 ? iccids.a : iccids.b);
      expect(again.euicc.profiles().length).toBe(done < 2 ? 2 : 1);
      // The package is spent, and the next one is taken.
      expect(load(again.channel, psmoPackage(operations)).kind).toBe("euiccPackageErrorSigned");
      expect(resultsOf(load(again.channel, psmoPackage([psmo.getRat], { counter: 2 })))).toEqual(["getRATResult"]);
    }
  });

  it("is over for the card itself with its reset", () => {
    const card = bench();
    card.euicc.faults.cutPowerAfterOperations = 1;
    card.channel.send(psmoPackage(operations));
    card.euicc.reset();
    expect(card.euicc.iccid).toBe(iccids.b);
    expect(card.euicc.pending().packageResults).toHaveLength(1);
  });

  // shows: b4.numbers-once
  it("between any two writes leaves a card that starts, with no number given twice and no result lost", () => {
    const card = bench();
    load(card.channel, psmoPackage(operations));
    for (const snapshot of card.snapshots) {
      const again = restarted(snapshot);
      const { notifications, packageResults } = again.euicc.pending();
      const numbers = [...notifications, ...packageResults];
      expect(new Set(numbers).size).toBe(numbers.length);
      const [results = []] = storedResults(again.channel);
      const done = results.filter((one) => one !== "processingTerminated interruption");
      expect(whole.slice(0, done.length)).toEqual(done);
      expect(again.euicc.profiles().filter((one) => one.state === "enabled").length).toBe(1);
      expect(again.euicc.iccid).toBe(done.includes("enableResult ok") ? iccids.b : iccids.a);
      const spent = load(again.channel, psmoPackage([psmo.getRat]));
      expect(["euiccPackageErrorSigned", "euiccPackageResultSigned"]).toContain(spent.kind);
    }
  });

  it("keeps the permission to roll back, and the rollback's result tells of the interruption", () => {
    const card = bench();
    card.euicc.faults.cutPowerAfterOperations = 1;
    card.channel.send(psmoPackage([psmo.enable("b", true), psmo.getRat]));
    const again = restarted(last(card.snapshots));
    expect(again.channel.sendHex("BF58038001FF").slice(0, 4)).toBe("BF58");
    expect(storedResults(again.channel)).toEqual([["enableResult ok", "processingTerminated interruption", "rollbackResult ok"]]);
  });
});

describe("notifications", () => {
  const switchedCard = () => {
    const card = bench();
    load(card.channel, psmoPackage([psmo.enable("b"), psmo.delete("a")]));
    return card;
  };

  // shows: b4.list, b4.one-event
  it("are listed with their metadata, all of them or those of an event", () => {
    const { channel } = switchedCard();
    const listed = (request: Parameters<typeof encode<ListNotificationRequest>>[1]): string[] => {
      const response = channel.call(ListNotificationRequest, ListNotificationResponse, request);
      if (response.kind !== "notificationMetadataList") throw new Error(response.kind);
      return response.value.map(({ seqNumber, profileManagementOperation }) => `${seqNumber} ${profileManagementOperation}`);
    };
    expect(listed({})).toEqual(["1 notificationDisable", "2 notificationEnable", "3 notificationDelete"]);
    expect(listed({ profileManagementOperation: ["notificationEnable"] })).toEqual(["2 notificationEnable"]);
    expect(listed({ profileManagementOperation: ["notificationEnable", "notificationDelete"] })).toHaveLength(2);
    expect(listed({ profileManagementOperation: ["notificationInstall"] })).toEqual([]);
  });

  // shows: b4.retrieve-all, b4.retrieve-number, b4.retrieve-event, b4.remove
  it("are retrieved all, by number and by event, and are gone once removed", () => {
    const { channel, euicc } = switchedCard();
    euicc.process(fromHex("801200000B"));
    const all = channel.sendHex("BF2B00");
    const two = channel.sendHex("BF2B05A003800102");
    expect(all).toContain(two.slice(two.indexOf("BF2F"), -6));
    expect(channel.sendHex("BF2B06A00481020640")).toBe(two);
    expect(channel.sendHex("BF2B05A003800109")).toBe("BF2B02A000");
    expect(channel.sendHex("BF3003800102")).toBe("BF3003800100");
    expect(channel.sendHex("BF3003800102")).toBe("BF3003800101");
    expect(euicc.pending().notifications).toEqual([1, 3]);
    expect(channel.sendHex("BF2B05A003800102")).toBe("BF2B02A000");
  });

  // shows: b4.per-address
  it("go to each address that the metadata name, and to none where they name none", () => {
    const two = [
      { profileManagementOperation: ["notificationEnable" as const], notificationAddress: "one.example" },
      { profileManagementOperation: ["notificationEnable" as const, "notificationDelete" as const], notificationAddress: "two.example" },
    ];
    const card = bench({
      profiles: [
        factoryProfile("a", { enabled: true, notificationConfigurationInfo: undefined }),
        factoryProfile("b", { notificationConfigurationInfo: two }),
      ],
    });
    load(card.channel, psmoPackage([psmo.enable("b")]));
    const response = decode(ListNotificationResponse, card.channel.send(fromHex("BF2800")).data);
    expect(response.value).toMatchObject([{ notificationAddress: "one.example" }, { notificationAddress: "two.example" }]);
  });

  it("of the reference's vectors are asked for in these octets", () => {
    const requests = ["BF2B00", "BF2B05A003800103", "BF2B06A00481020640", "BF2B04A0028200", "BF280481020780", "BF3003800103"];
    for (const request of requests)
      expect(bench().channel.sendHex(request).slice(0, 4), request).toBe(toHexUpper(fromHex(request)).slice(0, 4));
  });
});
