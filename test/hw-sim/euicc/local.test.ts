// What the assistant may order by itself: rollback, fallback, emergency profile, immediate enabling before an eIM, memory reset; and what
// it may not once an eIM is associated.
import { describe, expect, it } from "vitest";
import { fromHex, toHexUpper } from "../../../base/bytes.ts";
import { encode } from "../../../ipa/asn1/schema.ts";
import { EimConfigurationData, Sgp32EuiccMemoryResetRequest, Sgp32EuiccMemoryResetResponse } from "../../../ipa/messages/eim-config.ts";
import { ProfileRollbackRequest, ProfileRollbackResponse } from "../../../ipa/messages/es10.ts";
import {
  type Bench,
  bench,
  eimConfiguration,
  factoryProfile,
  iccidBytes,
  iccids,
  load,
  psmo,
  psmoPackage,
  restarted,
  resultsOf,
  seqNumberOf,
} from "./support.ts";

const enabled = ({ euicc }: Bench): string | undefined => euicc.profiles().find((one) => one.state === "enabled")?.iccid;
const rollBack = ({ channel }: Bench) => channel.call(ProfileRollbackRequest, ProfileRollbackResponse, { refreshFlag: true });

describe("ProfileRollback", () => {
  const rolled = (options: Parameters<typeof bench>[0] = {}) => {
    const card = bench(options);
    const first = load(card.channel, psmoPackage([psmo.enable("b", true)], { eimTransactionId: fromHex("AABB") }));
    return { card, first };
  };

  // shows: rollback.result-replaces, rollback.ended-by-rollback, result.rollbackResult, code.rollback.ok
  it("goes back, and signs the package's result anew with its own at the end, in place of the first", () => {
    const { card, first } = rolled();
    expect(seqNumberOf(first)).toBe(3);
    const { cmdResult, eUICCPackageResult: second } = rollBack(card);
    expect(cmdResult).toBe("ok");
    if (second?.kind !== "euiccPackageResultSigned") throw new Error("no result");
    expect(resultsOf(second)).toEqual(["enableResult ok", "rollbackResult ok"]);
    expect(second.value.euiccPackageResultDataSigned.value).toMatchObject({
      counterValue: 1,
      eimTransactionId: fromHex("AABB"),
      seqNumber: 6,
    });
    expect(enabled(card)).toBe(iccids.a);
    expect(card.euicc.pending()).toEqual({ notifications: [1, 2, 4, 5], packageResults: [6] });
    expect(rollBack(card).cmdResult).toBe("rollbackNotAllowed");
  });

  it("works after a restart", () => {
    const { card } = rolled();
    const again = restarted(card.euicc.snapshot());
    expect(again.euicc.iccid).toBe(iccids.b);
    expect(rollBack(again).cmdResult).toBe("ok");
    again.euicc.reset();
    expect(again.euicc.iccid).toBe(iccids.a);
  });

  // shows: a7.flag-true, a7.flag-false
  it("is announced by a REFRESH only when the assistant wants one", () => {
    for (const [flag, status] of [
      ["FF", ""],
      ["00", "9000"],
    ] as const) {
      const { card } = rolled();
      card.euicc.reset();
      const fresh = restarted(card.euicc.snapshot());
      const { sw } = fresh.channel.send(fromHex(`BF58038001${flag}`));
      expect(sw.toString(16)).toBe(status === "" ? "910b" : status);
      fresh.euicc.reset();
      expect(fresh.euicc.iccid).toBe(iccids.a);
    }
  });

  // shows: rollback.flag, rollback.ended-by-package, code.ProfileRollback.rollbackNotAllowed
  it("is not allowed without the flag, nor after a later package that enables or disables", () => {
    const plain = bench();
    load(plain.channel, psmoPackage([psmo.enable("b")]));
    expect(plain.channel.sendHex("BF58038001FF").slice(0, 12)).toBe("BF5803020101");
    const { card } = rolled();
    load(card.channel, psmoPackage([psmo.getRat], { counter: 2 }));
    load(card.channel, psmoPackage([psmo.disable("c")], { counter: 3 }));
    expect(rollBack(card).cmdResult).toBe("rollbackNotAllowed");
  });

  it("is not allowed after an enable that failed, nor once the profile to go back to was deleted", () => {
    const failed = bench({ faults: { catBusyTimes: 1 } });
    load(failed.channel, psmoPackage([psmo.enable("b", true)]));
    expect(rollBack(failed).cmdResult).toBe("rollbackNotAllowed");
    const { card } = rolled();
    expect(resultsOf(load(card.channel, psmoPackage([psmo.delete("a")], { counter: 2 })))).toEqual(["deleteResult ok"]);
    expect(rollBack(card).cmdResult).toBe("rollbackNotAllowed");
  });

  // shows: es10b.ProfileRollback, code.ProfileRollback.catBusy, code.ProfileRollback.ok
  it("answers catBusy, and can be tried again", () => {
    const { card } = rolled();
    card.euicc.faults.catBusyTimes = 1;
    expect(rollBack(card)).toEqual({ cmdResult: "catBusy" });
    expect(enabled(card)).toBe(iccids.b);
    expect(rollBack(card).cmdResult).toBe("ok");
  });

  // shows: field.refresh-flag
  it("takes the refresh flag with SGP.22's universal tag too", () => {
    const { card } = rolled();
    expect(card.channel.sendHex("BF58030101FF").slice(0, 4)).toBe("BF58");
    expect(enabled(card)).toBe(iccids.a);
  });
});

describe("the fallback mechanism", () => {
  const prepared = (options: Parameters<typeof bench>[0] = {}): Bench => {
    const card = bench({ profiles: [factoryProfile("a", { enabled: true }), factoryProfile("b", { fallbackAllowed: true })], ...options });
    load(card.channel, psmoPackage([psmo.setFallback("b")]));
    return card;
  };

  // shows: e9.effect, e9.return
  it("enables the profile with the attribute, goes back, and notifies both times", () => {
    const card = prepared();
    expect(card.channel.sendHex("BF5D03800100")).toBe("BF5D03800100");
    expect(enabled(card)).toBe(iccids.b);
    expect(card.channel.sendHex("BF5D03800100")).toBe("BF5D03800102");
    expect(card.channel.sendHex("BF5E03800100")).toBe("BF5E03800100");
    expect(enabled(card)).toBe(iccids.a);
    expect(card.channel.sendHex("BF5E03800100")).toBe("BF5E03800107");
    expect(card.euicc.pending().notifications).toHaveLength(4);
  });

  it("survives a restart in between", () => {
    const card = prepared();
    card.channel.sendHex("BF5D038001FF");
    const again = restarted(card.euicc.snapshot());
    expect(again.euicc.iccid).toBe(iccids.b);
    expect(again.channel.sendHex("BF5E03800100")).toBe("BF5E03800100");
    expect(enabled(again)).toBe(iccids.a);
  });

  // shows: code.ExecuteFallbackMechanism.fallbackNotAvailable, code.ExecuteFallbackMechanism.commandError
  // shows: code.ExecuteFallbackMechanism.catBusy, code.ExecuteFallbackMechanism.ok, code.ReturnFromFallback.fallbackNotAvailable
  it("answers why it cannot", () => {
    expect(bench().channel.sendHex("BF5D03800100")).toBe("BF5D03800106");
    expect(bench().channel.sendHex("BF5E03800100")).toBe("BF5E03800106");
    expect(prepared({ capabilities: { fallback: false } }).channel.sendHex("BF5D03800100")).toBe("BF5D03800106");
    const off = prepared();
    load(off.channel, psmoPackage([psmo.disable("a")], { counter: 2 }));
    off.euicc.process(fromHex("801200000B"));
    expect(off.channel.sendHex("BF5D03800100")).toBe("BF5D03800107");
    const busy = prepared();
    busy.euicc.faults.catBusyTimes = 2;
    expect(busy.channel.sendHex("BF5D03800100")).toBe("BF5D03800105");
    expect(busy.channel.sendHex("BF5D03800100")).toBe("BF5D03800105");
    expect(busy.channel.sendHex("BF5D03800100")).toBe("BF5D03800100");
  });

  // shows: e9.not-moved, e9.return-profile-kept, c4.delete-fallback, code.setFallbackAttribute.fallbackProfileEnabled
  // shows: code.unsetFallbackAttribute.fallbackProfileEnabled, code.delete.returnFallbackProfile
  it("keeps the attribute where it is, and the profile to return to, while it is in effect", () => {
    const card = prepared();
    card.channel.sendHex("BF5D03800100");
    const list = [psmo.unsetFallback, psmo.setFallback("b"), psmo.delete("a")];
    expect(resultsOf(load(card.channel, psmoPackage(list, { counter: 2 })))).toEqual([
      "unsetFallbackAttributeResult fallbackProfileEnabled",
      "setFallbackAttributeResult fallbackProfileEnabled",
      "deleteResult returnFallbackProfile",
    ]);
  });

  // shows: rollback.ended-by-others
  it("ends the permission to roll back", () => {
    const profiles = [factoryProfile("a", { enabled: true }), factoryProfile("b"), factoryProfile("c", { fallbackAllowed: true })];
    const card = bench({ profiles });
    load(card.channel, psmoPackage([psmo.setFallback("c"), psmo.enable("b", true)]));
    card.channel.sendHex("BF5D03800100");
    expect(rollBack(card).cmdResult).toBe("rollbackNotAllowed");
  });
});

describe("the emergency profile", () => {
  const prepared = (options: Parameters<typeof bench>[0] = {}): Bench =>
    bench({ profiles: [factoryProfile("a", { enabled: true }), factoryProfile("b", { ecallIndication: true })], ...options });

  // shows: e11.enable, e11.disable, e11.silent, e11.bars-packages, e11.bars-fallback, e11.bars-reset, c5.ecall
  // shows: code.EuiccPackageError.ecallActive, code.ExecuteFallbackMechanism.ecallActive, code.eUICCMemoryReset.ecallActive
  // shows: code.EnableEmergencyProfile.ok, code.EnableEmergencyProfile.profileNotInDisabledState, code.DisableEmergencyProfile.ok
  // shows: code.DisableEmergencyProfile.profileNotInEnabledState
  it("comes and goes without notifications, and bars packages, fallback and reset meanwhile", () => {
    const card = prepared();
    expect(card.channel.sendHex("BF5B03800100")).toBe("BF5B03800100");
    expect(enabled(card)).toBe(iccids.b);
    const refused = load(card.channel, psmoPackage([psmo.getRat]));
    expect(refused.kind === "euiccPackageErrorSigned" && refused.value.euiccPackageErrorDataSigned.value.euiccPackageErrorCode).toBe(
      "ecallActive",
    );
    expect(card.channel.sendHex("BF5D03800100")).toBe("BF5D03800168");
    expect(card.channel.sendHex("BF640482020780")).toBe("BF6403800168");
    expect(card.channel.sendHex("BF5B03800100")).toBe("BF5B03800102");
    const again = restarted(card.euicc.snapshot());
    expect(again.channel.sendHex("BF5C03800100")).toBe("BF5C03800100");
    expect(enabled(again)).toBe(iccids.a);
    expect(again.channel.sendHex("BF5C03800100")).toBe("BF5C03800102");
    expect(again.euicc.pending().notifications).toEqual([]);
    expect(resultsOf(load(again.channel, psmoPackage([psmo.getRat])))).toEqual(["getRATResult"]);
  });

  // shows: code.EnableEmergencyProfile.ecallNotAvailable, code.EnableEmergencyProfile.catBusy, code.DisableEmergencyProfile.catBusy
  it("answers that there is none, and that the terminal is busy", () => {
    expect(bench().channel.sendHex("BF5B03800100")).toBe("BF5B03800108");
    expect(prepared({ capabilities: { ecall: false } }).channel.sendHex("BF5B03800100")).toBe("BF5B03800108");
    const card = prepared({ faults: { catBusyTimes: 1 } });
    expect(card.channel.sendHex("BF5B03800100")).toBe("BF5B03800105");
    card.channel.sendHex("BF5B03800100");
    card.euicc.faults.catBusyTimes = 1;
    expect(card.channel.sendHex("BF5C03800100")).toBe("BF5C03800105");
  });

  it("goes back to nothing where nothing was enabled", () => {
    const card = bench({ profiles: [factoryProfile("b", { ecallIndication: true })] });
    expect(card.channel.sendHex("BF5B038001FF")).toBe("BF5B03800100910B");
    card.euicc.reset();
    expect(card.euicc.iccid).toBe(iccids.b);
    const again = restarted(card.euicc.snapshot());
    expect(again.channel.sendHex("BF5C03800100")).toBe("BF5C03800100");
    expect(enabled(again)).toBeUndefined();
  });
});

describe("immediate enabling", () => {
  // shows: e10.configured-by-ipa, code.ConfigureImmediateProfileEnabling.ok
  // shows: code.ConfigureImmediateProfileEnabling.associatedEimAlreadyExists, code.ConfigureImmediateProfileEnabling.insufficientMemory
  // shows: code.ConfigureImmediateProfileEnabling.undefinedError
  it("is configured by the assistant only while no eIM is associated", () => {
    const request = "BF59198000810388370A8210736D64702E6578616D706C652E636F6D";
    expect(bench().channel.sendHex(request)).toBe("BF5903800102");
    expect(bench({ eims: [] }).channel.sendHex(request)).toBe("BF5903800100");
    expect(bench({ eims: [], faults: { memoryFull: true } }).channel.sendHex(request)).toBe("BF5903800101");
    expect(bench({ eims: [], capabilities: { immediateEnable: false } }).channel.sendHex(request)).toBe("BF590380017F");
  });

  // shows: e10.conditions, code.ImmediateEnable.noSessionContext
  it("has nothing to enable without a download before it", () => {
    expect(bench().channel.sendHex("BF5A038001FF")).toBe("BF5A03800104");
  });
});

describe("SGP.22's management of profiles", () => {
  const bIccid = toHexUpper(iccidBytes("b"));

  // shows: es10c.not-with-eim
  it("is refused once an eIM is associated", () => {
    const card = bench();
    expect(card.channel.sendHex(`BF3111A00C5A0A${bIccid}8101FF`)).toBe("BF310380017F");
    expect(card.channel.sendHex(`BF3211A00C5A0A${toHexUpper(iccidBytes("a"))}8101FF`)).toBe("BF320380017F");
    expect(card.channel.sendHex(`BF330C5A0A${bIccid}`)).toBe("BF330380017F");
    expect(enabled(card)).toBe(iccids.a);
  });

  // shows: es10c.EnableProfile, es10c.DisableProfile, es10c.DeleteProfile
  it("works before that", () => {
    const card = bench({ eims: [] });
    expect(card.channel.sendHex(`BF330C5A0A${toHexUpper(iccidBytes("a"))}`)).toBe("BF3303800102");
    expect(card.channel.sendHex("BF3117A0124F10A0000005591010FFFFFFFF89000011008101FF")).toBe("BF3103800100910B");
    expect(enabled(card)).toBe(iccids.b);
    expect(card.channel.sendHex(`BF3111A00C5A0A${bIccid}810100`)).toBe("BF3103800102910B");
    expect(card.channel.sendHex(`BF3211A00C5A0A${bIccid}810100`)).toBe("BF3203800100910B");
    expect(card.channel.sendHex(`BF330C5A0A${bIccid}`)).toBe("BF3303800100910B");
    expect(card.channel.sendHex(`BF330C5A0A${bIccid}`)).toBe("BF3303800101910B");
    expect(enabled(card)).toBeUndefined();
  });

  // shows: es10c.SetNickname
  it("names a profile", () => {
    const card = bench();
    expect(card.channel.sendHex(`BF290F5A0A${bIccid}900158`)).toBe("BF2903800100");
    expect(card.channel.sendHex(`BF2D11A00C5A0A${bIccid}5C0190`)).toBe("BF2D07A005E303900158");
    expect(card.channel.sendHex("BF290E5A0A000000000000000000009000")).toBe("BF2903800101");
  });
});

describe("eUICCMemoryReset", () => {
  const reset = (card: Bench, ...resetOptions: Parameters<typeof encode<Sgp32EuiccMemoryResetRequest>>[1]["resetOptions"]) =>
    card.channel.call(Sgp32EuiccMemoryResetRequest, Sgp32EuiccMemoryResetResponse, { resetOptions });

  // shows: reset.deleteOperationalProfiles
  it("deletes the profiles of a class, the enabled one too, and notifies", () => {
    const card = bench({ profiles: [factoryProfile("a", { enabled: true }), factoryProfile("b", { profileClass: "provisioning" })] });
    expect(card.channel.sendHex("BF640482020780")).toBe("BF6403800100910B");
    expect(card.euicc.profiles().map((one) => one.iccid)).toEqual([iccids.b]);
    expect(card.euicc.pending().notifications).toEqual([1]);
    card.euicc.reset();
    expect(card.euicc.iccid).toBeUndefined();
  });

  // shows: code.eUICCMemoryReset.nothingToDelete, reset.deletePreLoadedTestProfiles, reset.deleteProvisioningProfiles
  it("keeps profiles of other classes, and says when there was nothing", () => {
    const card = bench({
      profiles: [factoryProfile("a", { profileClass: "test" }), factoryProfile("b", { profileClass: "provisioning" })],
    });
    expect(reset(card, "deleteOperationalProfiles", "deleteFieldLoadedTestProfiles")).toEqual({ resetResult: "nothingToDelete" });
    expect(reset(card, "deletePreLoadedTestProfiles")).toEqual({ resetResult: "ok" });
    expect(reset(card, "deleteProvisioningProfiles")).toEqual({ resetResult: "ok" });
    expect(card.euicc.profiles()).toEqual([]);
  });

  // shows: reset.resetDefaultSmdpAddress, reset.resetEimConfigData, reset.resetImmediateEnableConfig, code.eUICCMemoryReset.ok
  // shows: code.eUICCMemoryReset-eim.ok, code.eUICCMemoryReset-eim.nothingToDelete, code.eUICCMemoryReset-immediateEnable.ok
  // shows: code.eUICCMemoryReset-immediateEnable.resetIECNotSupported
  it("resets address, eIMs and immediate enabling, each with its own result", () => {
    const card = bench({ defaultSmdpAddress: "a.b" });
    expect(reset(card, "resetDefaultSmdpAddress", "resetEimConfigData", "resetImmediateEnableConfig")).toEqual({
      resetResult: "ok",
      resetEimResult: "ok",
      resetImmediateEnableConfigResult: "ok",
    });
    expect(card.euicc.eims()).toEqual([]);
    expect(card.channel.sendHex("BF640482020204")).toBe("BF6406800100810101");
    const without = bench({ capabilities: { immediateEnable: false } });
    expect(reset(without, "resetImmediateEnableConfig")).toMatchObject({ resetImmediateEnableConfigResult: "resetIECNotSupported" });
  });

  // shows: code.eUICCMemoryReset.catBusy
  it("answers catBusy before anything is deleted, and never gives a number or token out again", () => {
    const card = bench({ eims: [encode(EimConfigurationData, eimConfiguration({ associationToken: -1 }))], faults: { catBusyTimes: 1 } });
    expect(reset(card, "deleteOperationalProfiles", "resetEimConfigData")).toEqual({ resetResult: "catBusy" });
    expect(card.euicc.profiles()).toHaveLength(2);
    expect(card.euicc.eims()).toHaveLength(1);
    expect(reset(card, "deleteOperationalProfiles", "resetEimConfigData")).toEqual({ resetResult: "ok", resetEimResult: "ok" });
    expect(card.euicc.pending().notifications).toEqual([1, 2]);
  });

  // shows: es10c.eUICCMemoryReset, code.eUICCMemoryReset-SGP22.ok, code.eUICCMemoryReset-SGP22.nothingToDelete
  it("of SGP.22 knows the options of SGP.22", () => {
    const card = bench({ defaultSmdpAddress: "a.b" });
    expect(card.channel.sendHex("BF340482020520")).toBe("BF3403800100");
    expect(card.channel.sendHex("BF340482020520")).toBe("BF3403800101");
    expect(card.channel.sendHex("BF340482020780")).toBe("BF3403800100910B");
    expect(card.euicc.profiles()).toEqual([]);
  });
});
