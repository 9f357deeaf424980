// Result codes brought about on the virtual card and heard by the IPA over STORE DATA: those that the tests of either side alone do not bring together.
import { describe, expect, test } from "vitest";
import { fromHex } from "../../base/bytes.ts";
import { isCode } from "../../base/errors.ts";
import { buildProfilePackage } from "../../hw-sim/euicc/pe/builder.ts";
import type { EuiccOptions } from "../../hw-sim/euicc/types.ts";
import { buildCrl, type CrlContent } from "../../hw-sim/pki/crl.ts";
import { createPki } from "../../hw-sim/pki/pki.ts";
import { decode, encode } from "../../ipa/asn1/schema.ts";
import type { Es10 } from "../../ipa/euicc/es10.ts";
import * as rows from "../../ipa/euicc/es10.ts";
import { RulesAuthorisationTable } from "../../ipa/messages/common.ts";
import { EuiccPackageRequest, EuiccPackageResult, type Psmo } from "../../ipa/messages/package.ts";
import { CancelSessionReason } from "../../ipa/messages/rsp.ts";
import { authenticate, bind, loadSegments, prepared, segmentsOf } from "../hw-sim/euicc/small-smdp.ts";
import {
  type Bench,
  bench,
  clock,
  ecoPackage,
  eimConfiguration,
  factoryProfile,
  iccidBytes,
  load,
  metadata,
  pki,
  psmo,
  psmoPackage,
  recipe,
  resultsOf,
  verifiesWithEuicc,
} from "../hw-sim/euicc/support.ts";
import { sessionOn } from "../ipa/support/scripted-card.ts";
import { cardOf } from "../ipa/support/virtual-card.ts";

interface Stage {
  readonly es10: Es10;
  readonly card: Bench;
}

async function on<T>(options: Partial<EuiccOptions>, run: (stage: Stage) => Promise<T>): Promise<T> {
  const card = bench(options);
  return sessionOn(cardOf(card.euicc)).session.withEuicc("test", (es10) => run({ es10, card }));
}

/** The code, or "ok". */
async function codeOf(job: Promise<unknown>): Promise<unknown> {
  try {
    await job;
    return "ok";
  } catch (error) {
    if (isCode(error, "ES10_REFUSED")) return error.data.error;
    throw error;
  }
}

const free: Partial<EuiccOptions> = { eims: [] };
const refresh = { refreshFlag: true } as const;
const quiet = { refreshFlag: false } as const;
const named = (name: "a" | "b" | "c") => ({ kind: "iccid", value: iccidBytes(name) }) as const;
const busy = { faults: { catBusyTimes: 1 } };
const withRule = (rule: "ppr1" | "ppr2") => ({ profilePolicyRules: [rule], profileOwner: { mccMnc: fromHex("62F210") } }) as const;

const enable =
  (name: "a" | "b" | "c") =>
  ({ es10 }: Stage) =>
    es10.carryOut(rows.enableProfile, { profileIdentifier: named(name), ...refresh });
const disable =
  (name: "a" | "b" | "c") =>
  ({ es10 }: Stage) =>
    es10.carryOut(rows.disableProfile, { profileIdentifier: named(name), ...refresh });
const remove =
  (name: "a" | "b" | "c") =>
  ({ es10 }: Stage) =>
    es10.carryOut(rows.deleteProfile, named(name));
const back = ({ es10 }: Stage) => es10.carryOut(rows.returnFromFallback, quiet);
const fallback: Partial<EuiccOptions> = {
  profiles: [factoryProfile("a", { enabled: true }), factoryProfile("b", { fallbackAllowed: true })],
};
const ecall: Partial<EuiccOptions> = {
  profiles: [factoryProfile("a", { enabled: true }), factoryProfile("b", { ecallIndication: true })],
};

async function fallenBack(stage: Stage): Promise<void> {
  load(stage.card.channel, psmoPackage([psmo.setFallback("b")]));
  await stage.es10.carryOut(rows.executeFallbackMechanism, quiet);
}

type Case = readonly [id: string, code: string, options: Partial<EuiccOptions>, run: (stage: Stage) => Promise<unknown>];

const cases: readonly Case[] = [
  ["SetNickname", "ok", {}, ({ es10 }) => es10.carryOut(rows.setNickname, { iccid: iccidBytes("b"), profileNickname: "spare" })],
  ["SetNickname", "iccidNotFound", {}, ({ es10 }) => es10.carryOut(rows.setNickname, { iccid: iccidBytes("c"), profileNickname: "spare" })],
  ["SetDefaultDpAddress", "ok", {}, ({ es10 }) => es10.carryOut(rows.setDefaultDpAddressIot, { defaultDpAddress: "dp.example.com" })],
  ["SetDefaultDpAddress-SGP22", "ok", {}, ({ es10 }) => es10.carryOut(rows.setDefaultDpAddress, { defaultDpAddress: "dp.example.com" })],
  ["EnableProfile", "ok", free, enable("b")],
  ["EnableProfile", "iccidOrAidNotFound", free, enable("c")],
  ["EnableProfile", "profileNotInDisabledState", free, enable("a")],
  [
    "EnableProfile",
    "disallowedByPolicy",
    { ...free, profiles: [factoryProfile("a", { enabled: true, ...withRule("ppr1") }), factoryProfile("b")] },
    enable("b"),
  ],
  ["EnableProfile", "catBusy", { ...free, ...busy }, enable("b")],
  ["EnableProfile", "undefinedError", {}, enable("b")],
  ["DisableProfile", "ok", free, disable("a")],
  ["DisableProfile", "iccidOrAidNotFound", free, disable("c")],
  ["DisableProfile", "profileNotInEnabledState", free, disable("b")],
  [
    "DisableProfile",
    "disallowedByPolicy",
    { ...free, profiles: [factoryProfile("a", { enabled: true, ...withRule("ppr1") })] },
    disable("a"),
  ],
  ["DisableProfile", "catBusy", { ...free, ...busy }, disable("a")],
  ["DisableProfile", "undefinedError", {}, disable("a")],
  ["DeleteProfile", "ok", free, remove("b")],
  ["DeleteProfile", "iccidOrAidNotFound", free, remove("c")],
  ["DeleteProfile", "profileNotInDisabledState", free, remove("a")],
  [
    "DeleteProfile",
    "disallowedByPolicy",
    { ...free, profiles: [factoryProfile("a", { enabled: true }), factoryProfile("b", withRule("ppr2"))] },
    remove("b"),
  ],
  ["DeleteProfile", "undefinedError", {}, remove("b")],
  [
    "eUICCMemoryReset-SGP22",
    "catBusy",
    busy,
    ({ es10 }) => es10.carryOut(rows.euiccMemoryResetConsumer, { resetOptions: ["deleteOperationalProfiles"] }),
  ],
  [
    "eUICCMemoryReset-SGP22",
    "undefinedError",
    ecall,
    async ({ es10 }) => {
      await es10.carryOut(rows.enableEmergencyProfile, quiet);
      return es10.carryOut(rows.euiccMemoryResetConsumer, { resetOptions: ["deleteOperationalProfiles"] });
    },
  ],
  [
    "ExecuteFallbackMechanism",
    "profileNotInDisabledState",
    fallback,
    async (stage) => {
      await fallenBack(stage);
      return stage.es10.carryOut(rows.executeFallbackMechanism, quiet);
    },
  ],
  [
    "ReturnFromFallback",
    "ok",
    fallback,
    async (stage) => {
      await fallenBack(stage);
      return back(stage);
    },
  ],
  [
    "ReturnFromFallback",
    "catBusy",
    fallback,
    async (stage) => {
      await fallenBack(stage);
      stage.card.euicc.faults.catBusyTimes = 1;
      return back(stage);
    },
  ],
  [
    "ReturnFromFallback",
    "commandError",
    fallback,
    async (stage) => {
      load(stage.card.channel, psmoPackage([psmo.setFallback("b")]));
      return back(stage);
    },
  ],
  ["eUICCMemoryReset-eim", "ok", {}, ({ es10 }) => es10.carryOut(rows.euiccMemoryReset, { resetOptions: ["resetEimConfigData"] })],
];

describe("ES10 on the virtual card, heard by the IPA", () => {
  // shows: code.SetNickname.ok, code.SetNickname.iccidNotFound, code.SetDefaultDpAddress.ok, code.SetDefaultDpAddress-SGP22.ok
  // shows: code.EnableProfile.ok, code.EnableProfile.iccidOrAidNotFound, code.EnableProfile.profileNotInDisabledState
  // shows: code.EnableProfile.disallowedByPolicy, code.EnableProfile.catBusy, code.EnableProfile.undefinedError
  // shows: code.DisableProfile.ok, code.DisableProfile.iccidOrAidNotFound, code.DisableProfile.profileNotInEnabledState
  // shows: code.DisableProfile.disallowedByPolicy, code.DisableProfile.catBusy, code.DisableProfile.undefinedError
  // shows: code.DeleteProfile.ok, code.DeleteProfile.iccidOrAidNotFound, code.DeleteProfile.profileNotInDisabledState
  // shows: code.DeleteProfile.disallowedByPolicy, code.DeleteProfile.undefinedError
  // shows: code.eUICCMemoryReset-SGP22.catBusy, code.eUICCMemoryReset-SGP22.undefinedError
  // shows: code.ExecuteFallbackMechanism.profileNotInDisabledState
  // shows: code.ReturnFromFallback.ok, code.ReturnFromFallback.catBusy, code.ReturnFromFallback.commandError
  test.each(cases)("%s: %s", async (_, code, options, run) => {
    expect(await on(options, (stage) => codeOf(run(stage)))).toBe(code);
  });
});

describe("operations in a package", () => {
  const results = (options: Partial<EuiccOptions>, ...list: readonly Psmo[]): readonly string[] =>
    resultsOf(load(bench(options).channel, psmoPackage([...list])));

  // shows: psmo.listProfileInfo, code.listProfileInfo.incorrectInputValues
  test("listProfileInfo with a tag list that is cut off: incorrectInputValues; by class, those of it", () => {
    expect(results({}, { kind: "listProfileInfo", value: { tagList: fromHex("9F") } })).toEqual([
      "listProfileInfoResult profileInfoListError incorrectInputValues",
    ]);
    const provisioning = { searchCriteria: { kind: "profileClass", value: "provisioning" } as const, tagList: fromHex("5A") };
    const profiles = [factoryProfile("a", { enabled: true }), factoryProfile("b", { profileClass: "provisioning" })];
    const result = load(bench({ profiles }).channel, psmoPackage([{ kind: "listProfileInfo", value: provisioning }]));
    expect(result).toMatchObject({
      value: {
        euiccPackageResultDataSigned: {
          value: { euiccResult: [{ value: { kind: "profileInfoListOk", value: [{ iccid: iccidBytes("b") }] } }] },
        },
      },
    });
  });

  // shows: code.configureImmediateEnable.commandError
  test("configureImmediateEnable on a card that has none: commandError", () => {
    expect(results({ capabilities: { immediateEnable: false } }, { kind: "configureImmediateEnable", value: {} })).toEqual([
      "configureImmediateEnableResult commandError",
    ]);
  });

  // shows: code.addEim.ok, eco.addEim
  test("addEim without a token: ok", () => {
    const value = eimConfiguration({ eimId: "second.example.com" });
    expect(resultsOf(load(bench().channel, ecoPackage([{ kind: "addEim", value }])))).toEqual(["addEimResult addEimResultCode ok"]);
  });

  // shows: psmo.getRAT, b2.rat, result.getRATResult
  test("getRAT gives the table that GetRAT gives, with its operators and flags", async () => {
    const table = encode(RulesAuthorisationTable, [
      { pprIds: ["ppr1"], allowedOperators: [{ mccMnc: fromHex("62F210"), gid1: fromHex("01") }], pprFlags: ["consentRequired"] },
      { pprIds: ["ppr2"], allowedOperators: [{ mccMnc: fromHex("EEEEEE") }], pprFlags: [] },
    ]);
    await on({ rulesAuthorisationTable: table }, async ({ es10, card }) => {
      const result = load(card.channel, psmoPackage([psmo.getRat]));
      const { rat } = await es10.call(rows.getRat, {});
      expect(rat).toEqual(decode(RulesAuthorisationTable, table));
      expect(result).toMatchObject({
        value: { euiccPackageResultDataSigned: { value: { euiccResult: [{ kind: "getRATResult", value: rat }] } } },
      });
    });
  });
});

describe("LoadCRL", () => {
  const ci = pki.get("ci");
  const stranger = createPki({ clock });
  const list = (more: Partial<CrlContent> = {}): Uint8Array =>
    buildCrl({
      ciCertificate: ci.certificate,
      ciKey: ci.privateKey,
      crlNumber: 5,
      thisUpdateMs: clock.now(),
      nextUpdateMs: clock.now() + 86_400_000,
      revoked: [],
      ...more,
    });

  // shows: es10b.LoadCRL, code.LoadCRL.invalidSignature, code.LoadCRL.invalidCRLFormat, code.LoadCRL.notEnoughMemorySpace
  // shows: code.LoadCRL.verificationKeyNotFound, code.LoadCRL.fresherCrlAlreadyLoaded
  test.each<readonly [string, readonly Uint8Array[]]>([
    ["ok", [list()]],
    ["invalidSignature", [list({ ciKey: stranger.get("ci").privateKey })]],
    ["invalidCRLFormat", [pki.get("dptls").certificate]],
    ["notEnoughMemorySpace", [list()]],
    ["verificationKeyNotFound", [list({ ciCertificate: stranger.get("ci").certificate, ciKey: stranger.get("ci").privateKey })]],
    ["fresherCrlAlreadyLoaded", [list(), list({ crlNumber: 4 })]],
  ])("%s", async (code, lists) => {
    await on({}, async ({ es10, card }) => {
      card.euicc.faults.memoryFull = code === "notEnoughMemorySpace";
      const heard: unknown[] = [];
      for (const crl of lists) heard.push(await codeOf(es10.carryOut(rows.loadCrl, { crl })));
      expect(heard.at(-1)).toBe(code);
    });
  });
});

describe("CancelSession", () => {
  const reasons = [
    "endUserRejection",
    "postponed",
    "timeout",
    "pprNotAllowed",
    "metadataMismatch",
    "loadBppExecutionError",
    "undefinedReason",
  ] as const;

  // shows: es10b.CancelSession, b5.cancel-signed, code.CancelSessionReason.*
  test.each(reasons)("%s is what the card signs", async (reason) => {
    await on({}, async ({ es10, card }) => {
      authenticate(card.channel);
      const answer = await es10.carryOut(rows.cancelSession, { transactionId: fromHex("AABBCCDD"), reason });
      if (answer.kind !== "cancelSessionResponseOk") throw new Error(answer.kind);
      const { euiccCancelSessionSigned, euiccCancelSessionSignature } = answer.value;
      expect(euiccCancelSessionSigned.value).toMatchObject({ reason, smdpOid: "2.999.10" });
      expect(verifiesWithEuicc(euiccCancelSessionSignature, euiccCancelSessionSigned.raw)).toBe(true);
    });
  });

  test("and there are no other reasons", () => {
    const { shape } = CancelSessionReason;
    expect(shape.kind === "namedInteger" && Object.keys(shape.names)).toEqual(reasons);
  });
});

describe("notifications and stored results", () => {
  // shows: code.RemoveNotificationFromList.ok, code.RemoveNotificationFromList.nothingToDelete
  // shows: b4.numbers-shared, b4.retrieve-results, b4.retrieve-result-number, b4.remove, b4.numbers-once
  test("share one count; results are found by themselves and by number, removed like notifications, and no number comes again", async () => {
    await on({}, async ({ es10, card }) => {
      const first = card.channel.send(psmoPackage([psmo.enable("b")])).data;
      // The disabled and the enabled profile notify, then the result is stored.
      expect(card.euicc.pending()).toEqual({ notifications: [1, 2], packageResults: [3] });
      const results = await es10.carryOut(rows.retrieveNotificationsList, { searchCriteria: { kind: "euiccPackageResults", value: true } });
      expect(results).toEqual({ kind: "euiccPackageResultList", value: [decode(EuiccPackageResult, first)] });
      expect(await es10.carryOut(rows.retrieveNotificationsList, { searchCriteria: { kind: "seqNumber", value: 3 } })).toEqual(results);
      for (const seqNumber of [1, 2, 3])
        expect(await es10.carryOut(rows.removeNotificationFromList, { seqNumber })).toEqual({ deleteNotificationStatus: "ok" });
      expect(await es10.carryOut(rows.removeNotificationFromList, { seqNumber: 3 })).toEqual({
        deleteNotificationStatus: "nothingToDelete",
      });
      await es10.call(rows.loadEuiccPackage, decode(EuiccPackageRequest, psmoPackage([psmo.getRat], { counter: 2 })));
      expect(card.euicc.pending()).toEqual({ notifications: [], packageResults: [4] });
    });
  });
});

describe("eUICCMemoryReset", () => {
  // shows: reset.deleteFieldLoadedTestProfiles, reset.deletePreLoadedTestProfiles
  test("tells test profiles that were downloaded from those that came with the card", async () => {
    await on(
      { profiles: [factoryProfile("a", { enabled: true }), factoryProfile("b", { profileClass: "test" })] },
      async ({ es10, card }) => {
        const euiccOtpk = prepared(card.channel);
        const upp = buildProfilePackage(recipe("c"));
        loadSegments(card.channel, segmentsOf(bind({ euiccOtpk, metadata: metadata("c", { profileClass: "test" }), upp })));
        const installed = () => card.euicc.profiles().map(({ profileName }) => profileName);
        expect(installed()).toEqual(["Profile a", "Profile b", "Profile c"]);
        await es10.carryOut(rows.euiccMemoryReset, { resetOptions: ["deleteFieldLoadedTestProfiles"] });
        expect(installed()).toEqual(["Profile a", "Profile b"]);
        await es10.carryOut(rows.euiccMemoryReset, { resetOptions: ["deletePreLoadedTestProfiles"] });
        expect(installed()).toEqual(["Profile a"]);
      },
    );
  });

  // shows: rollback.ended-by-reset
  test("ends the permission to roll back", async () => {
    await on(
      { profiles: [factoryProfile("a", { enabled: true }), factoryProfile("b"), factoryProfile("c", { profileClass: "test" })] },
      async ({ es10, card }) => {
        load(card.channel, psmoPackage([psmo.enable("b", true)]));
        await es10.carryOut(rows.euiccMemoryReset, { resetOptions: ["deletePreLoadedTestProfiles"] });
        expect(await codeOf(es10.carryOut(rows.profileRollback, quiet))).toBe("rollbackNotAllowed");
      },
    );
  });
});
