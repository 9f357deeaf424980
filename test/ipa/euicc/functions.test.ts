// Every function of ES10 that the IPA has a row for, called on the virtual eUICC: what it gives, and each refusal that this card can be brought to.
// The tests are made from the table: a row without an entry here fails.
import { describe, expect, test } from "vitest";
import { fromHex, iccidToBytes } from "../../../base/bytes.ts";
import { isCode } from "../../../base/errors.ts";
import { buildProfilePackage } from "../../../hw-sim/euicc/pe/builder.ts";
import type { EuiccOptions } from "../../../hw-sim/euicc/types.ts";
import { buildCrl } from "../../../hw-sim/pki/crl.ts";
import { decode } from "../../../ipa/asn1/schema.ts";
import * as rows from "../../../ipa/euicc/es10.ts";
import { type Es10, es10Functions } from "../../../ipa/euicc/es10.ts";
import { EuiccPackageRequest, type RetrieveNotificationsListRequest } from "../../../ipa/messages/package.ts";
import { authenticate, authenticateOnly, bind, prepare, prepared } from "../../hw-sim/euicc/small-smdp.ts";
import {
  bench,
  clock,
  eidBytes,
  eimConfiguration,
  factoryProfile,
  iccidBytes,
  load,
  metadata,
  pki,
  psmo,
  psmoPackage,
  recipe,
  type Terminal,
} from "../../hw-sim/euicc/support.ts";
import { sessionOn } from "../support/scripted-card.ts";
import { cardOf } from "../support/virtual-card.ts";

interface Stage {
  readonly es10: Es10;
  readonly card: ReturnType<typeof bench>;
}

interface Case {
  readonly euicc?: Partial<EuiccOptions>;
  readonly run: (stage: Stage) => Promise<void>;
}

const free: Partial<EuiccOptions> = { eims: [] };
const refresh = { refreshFlag: true } as const;
const busy: Partial<EuiccOptions> = { faults: { catBusyTimes: 1 } };
const profileOf = (name: "a" | "b" | "c") => ({ kind: "iccid", value: iccidBytes(name) }) as const;

async function refusalOf(job: Promise<unknown>): Promise<unknown> {
  const error = await job.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  return isCode(error, "ES10_REFUSED") ? error.data.error : error;
}

const enabledOn = ({ card }: Stage): string | undefined => card.euicc.profiles().find(({ state }) => state === "enabled")?.profileName;

/** Its command does what it is to do; then each refusal by name. */
const cases: Readonly<Record<string, readonly Case[]>> = {
  "ES10c.GetEID": [
    { run: async ({ es10 }) => expect((await es10.call(rows.getEid, { tagList: Uint8Array.of(0x5a) })).eidValue).toEqual(eidBytes) },
  ],
  "ES10b.GetEUICCInfo1": [
    {
      run: async ({ es10 }) =>
        expect((await es10.call(rows.getEuiccInfo1, {})).euiccCiPKIdListForSigning).toEqual([pki.get("ci").subjectKeyIdentifier]),
    },
  ],
  "ES10b.GetEUICCInfo2": [
    {
      run: async ({ es10 }) =>
        expect(await es10.call(rows.getEuiccInfo2, {})).toMatchObject({ ipaMode: "ipad", iotSpecificInfo: { ecallSupported: true } }),
    },
  ],
  "ES10b.GetProfilesInfo": [
    {
      run: async ({ es10 }) => {
        const all = await es10.carryOut(rows.getProfilesInfo, {});
        expect(all).toMatchObject({ kind: "profileInfoListOk", value: [{ profileState: "enabled" }, { profileState: "disabled" }] });
        const every = Uint8Array.of(
          0x5a,
          0x4f,
          0x9f,
          0x70,
          0x90,
          0x91,
          0x92,
          0x93,
          0x94,
          0x95,
          0xb6,
          0xb7,
          0xb8,
          0x99,
          0xbf,
          0x22,
          0x9f,
          0x7b,
        );
        const one = await es10.carryOut(rows.getProfilesInfo, { searchCriteria: profileOf("b"), tagList: every });
        expect(one).toMatchObject({ value: [{ iccid: iccidBytes("b"), notificationConfigurationInfo: [{}] }] });
        expect(one.value).toHaveLength(1);
        expect(await es10.carryOut(rows.getProfilesInfo, { searchCriteria: { kind: "profileClass", value: "test" } })).toMatchObject({
          value: [],
        });
      },
    },
    {
      run: async ({ es10 }) =>
        expect(await refusalOf(es10.carryOut(rows.getProfilesInfo, { tagList: Uint8Array.of(0x9f) }))).toBe("incorrectInputValues"),
    },
  ],
  "ES10b.GetCerts": [
    {
      run: async ({ es10 }) =>
        expect(await es10.carryOut(rows.getCerts, {})).toMatchObject({ value: { euiccCertificate: pki.get("euicc").certificate } }),
    },
    {
      run: async ({ es10 }) =>
        expect(await refusalOf(es10.carryOut(rows.getCerts, { euiccCiPKId: fromHex("AABB") }))).toBe("invalidCiPKId"),
    },
  ],
  "ES10b.GetRAT": [{ run: async ({ es10 }) => expect((await es10.call(rows.getRat, {})).rat.length).toBeGreaterThan(0) }],
  "ES10b.GetConnectivityParameters": [
    {
      euicc: { connectivityParameters: fromHex("350103") },
      run: async ({ es10 }) =>
        expect(await es10.carryOut(rows.getConnectivityParameters, {})).toMatchObject({ value: { httpParams: fromHex("350103") } }),
    },
    {
      run: async ({ es10 }) => expect(await refusalOf(es10.carryOut(rows.getConnectivityParameters, {}))).toBe("parametersNotAvailable"),
    },
  ],
  "ES10b.LoadCRL": [
    {
      run: async ({ es10 }) => {
        const { certificate: ciCertificate, privateKey: ciKey } = pki.get("ci");
        const now = clock.now();
        const crl = buildCrl({ ciCertificate, ciKey, crlNumber: 1, thisUpdateMs: now, nextUpdateMs: now + 1_000, revoked: [] });
        expect(await es10.carryOut(rows.loadCrl, { crl })).toMatchObject({ kind: "loadCRLResponseOk" });
        expect(await refusalOf(es10.carryOut(rows.loadCrl, { crl: fromHex("30083000300003020001") }))).toBe("invalidCRLFormat");
      },
    },
  ],
  "ES10b.IpaeActivation": [
    {
      euicc: { capabilities: { ipae: true } },
      run: async ({ es10 }) => {
        await es10.carryOut(rows.ipaeActivation, { ipaeOption: ["activateIpae"] });
        expect((await es10.call(rows.getEuiccInfo2, {})).ipaMode).toBe("ipae");
      },
    },
    {
      run: async ({ es10 }) =>
        expect(await refusalOf(es10.carryOut(rows.ipaeActivation, { ipaeOption: ["activateIpae"] }))).toBe("notSupported"),
    },
  ],
  "ES10a.GetEuiccConfiguredAddresses": [
    {
      euicc: { defaultSmdpAddress: "dp.example.com", rootSmdsAddress: "ds.example.com" },
      run: async ({ es10 }) =>
        expect(await es10.call(rows.getEuiccConfiguredAddresses, {})).toEqual({
          defaultDpAddress: "dp.example.com",
          rootDsAddress: "ds.example.com",
        }),
    },
  ],
  "ES10a.SetDefaultDpAddress": [
    {
      run: async ({ es10 }) => {
        await es10.carryOut(rows.setDefaultDpAddress, { defaultDpAddress: "one.example.com" });
        expect((await es10.call(rows.getEuiccConfiguredAddresses, {})).defaultDpAddress).toBe("one.example.com");
      },
    },
  ],
  "ES10b.SetDefaultDpAddress": [
    {
      run: async ({ es10 }) => {
        await es10.carryOut(rows.setDefaultDpAddressIot, { defaultDpAddress: "two.example.com" });
        expect((await es10.call(rows.getEuiccConfiguredAddresses, {})).defaultDpAddress).toBe("two.example.com");
      },
    },
  ],
  "ES10b.GetEimConfigurationData": [
    {
      run: async ({ es10 }) => {
        const ask = async (eimId?: string): Promise<string[]> => {
          const searchCriteria = eimId === undefined ? undefined : ({ kind: "eimId", value: eimId } as const);
          const { eimConfigurationDataList } = await es10.call(rows.getEimConfigurationData, { searchCriteria });
          return eimConfigurationDataList.map((one) => one.eimId);
        };
        expect(await ask()).toEqual(["eim.example.com"]);
        expect(await ask("eim.example.com")).toEqual(["eim.example.com"]);
        expect(await ask("another")).toEqual([]);
      },
    },
  ],
  "ES10b.AddInitialEim": [
    {
      euicc: free,
      run: async ({ es10 }) => {
        const list = [eimConfiguration({ eimId: "one", associationToken: -1 }), eimConfiguration({ eimId: "two" })];
        expect(await es10.carryOut(rows.addInitialEim, { eimConfigurationDataList: list })).toEqual({
          kind: "addInitialEimOk",
          value: [
            { kind: "associationToken", value: 1 },
            { kind: "addOk", value: true },
          ],
        });
      },
    },
    ...(
      [
        ["associatedEimAlreadyExists", {}, {}],
        ["insufficientMemory", free, {}, { memoryFull: true }],
        ["ciPKUnknown", free, { euiccCiPKId: fromHex("AA") }],
        ["invalidAssociationToken", free, { associationToken: 7 }],
        ["counterValueOutOfRange", free, { counterValue: 0x1000000 }],
        ["commandError", free, { counterValue: undefined }],
      ] as const
    ).map(
      ([code, euicc, more, faults]): Case => ({
        euicc: { ...euicc, ...(faults === undefined ? {} : { faults }) },
        run: async ({ es10 }) =>
          expect(await refusalOf(es10.carryOut(rows.addInitialEim, { eimConfigurationDataList: [eimConfiguration(more)] }))).toBe(code),
      }),
    ),
  ],
  "ES10b.LoadEuiccPackage": [
    {
      run: async ({ es10 }) => {
        const answer = await es10.forward(rows.loadEuiccPackage, psmoPackage([psmo.getRat]));
        expect(rows.es10Value(rows.loadEuiccPackage, answer).kind).toBe("euiccPackageResultSigned");
        const replayed = await es10.call(rows.loadEuiccPackage, decode(EuiccPackageRequest, psmoPackage([psmo.getRat])));
        expect(replayed).toMatchObject({ value: { euiccPackageErrorDataSigned: { value: { euiccPackageErrorCode: "replayError" } } } });
      },
    },
  ],
  "ES10b.ProfileRollback": [
    {
      run: async (stage) => {
        load(stage.card.channel, psmoPackage([psmo.enable("b", true)]));
        const { eUICCPackageResult } = await stage.es10.carryOut(rows.profileRollback, refresh);
        expect(eUICCPackageResult?.kind).toBe("euiccPackageResultSigned");
        expect(enabledOn(stage)).toBe("Profile a");
      },
    },
    { run: async ({ es10 }) => expect(await refusalOf(es10.carryOut(rows.profileRollback, refresh))).toBe("rollbackNotAllowed") },
  ],
  "ES10b.ConfigureImmediateProfileEnabling": [
    {
      euicc: free,
      run: async ({ es10 }) => {
        const wanted = { immediateEnableFlag: true as const, defaultSmdpAddress: "dp.example.com" };
        expect(await es10.carryOut(rows.configureImmediateProfileEnabling, wanted)).toEqual({ configImmediateEnableResult: "ok" });
      },
    },
    {
      run: async ({ es10 }) =>
        expect(await refusalOf(es10.carryOut(rows.configureImmediateProfileEnabling, {}))).toBe("associatedEimAlreadyExists"),
    },
  ],
  "ES10b.ImmediateEnable": [
    {
      euicc: free,
      run: async (stage) => {
        await stage.es10.carryOut(rows.configureImmediateProfileEnabling, {
          immediateEnableFlag: true,
          defaultSmdpAddress: "smdp.example.com",
        });
        const euiccOtpk = prepared(stage.card.channel);
        const bpp = bind({ euiccOtpk, metadata: metadata("c"), upp: buildProfilePackage(recipe("c")) });
        await stage.es10.loadBoundProfilePackage(bpp, () => undefined);
        await stage.es10.carryOut(rows.immediateEnable, refresh);
        expect(enabledOn(stage)).toBe("Profile c");
      },
    },
    { run: async ({ es10 }) => expect(await refusalOf(es10.carryOut(rows.immediateEnable, refresh))).toBe("noSessionContext") },
  ],
  "ES10b.EnableEmergencyProfile": [
    {
      euicc: { profiles: [factoryProfile("a", { enabled: true }), factoryProfile("b", { ecallIndication: true })] },
      run: async (stage) => {
        await stage.es10.carryOut(rows.enableEmergencyProfile, refresh);
        expect(enabledOn(stage)).toBe("Profile b");
        expect(await refusalOf(stage.es10.carryOut(rows.enableEmergencyProfile, refresh))).toBe("profileNotInDisabledState");
        expect(await refusalOf(stage.es10.carryOut(rows.executeFallbackMechanism, refresh))).toBe("ecallActive");
        expect(await refusalOf(stage.es10.carryOut(rows.euiccMemoryReset, { resetOptions: ["deleteOperationalProfiles"] }))).toBe(
          "ecallActive",
        );
        await stage.es10.carryOut(rows.disableEmergencyProfile, refresh);
        expect(enabledOn(stage)).toBe("Profile a");
      },
    },
    { run: async ({ es10 }) => expect(await refusalOf(es10.carryOut(rows.enableEmergencyProfile, refresh))).toBe("ecallNotAvailable") },
    {
      euicc: { ...busy, profiles: [factoryProfile("a", { enabled: true }), factoryProfile("b", { ecallIndication: true })] },
      run: async ({ es10 }) => expect(await refusalOf(es10.carryOut(rows.enableEmergencyProfile, refresh))).toBe("catBusy"),
    },
  ],
  "ES10b.DisableEmergencyProfile": [
    {
      run: async ({ es10 }) =>
        expect(await refusalOf(es10.carryOut(rows.disableEmergencyProfile, refresh))).toBe("profileNotInEnabledState"),
    },
  ],
  "ES10b.ExecuteFallbackMechanism": [
    {
      euicc: { profiles: [factoryProfile("a", { enabled: true }), factoryProfile("b", { fallbackAllowed: true })] },
      run: async (stage) => {
        load(stage.card.channel, psmoPackage([psmo.setFallback("b")]));
        await stage.es10.carryOut(rows.executeFallbackMechanism, refresh);
        expect(enabledOn(stage)).toBe("Profile b");
        expect(await refusalOf(stage.es10.carryOut(rows.executeFallbackMechanism, refresh))).toBe("profileNotInDisabledState");
        await stage.es10.carryOut(rows.returnFromFallback, refresh);
        expect(enabledOn(stage)).toBe("Profile a");
      },
    },
    {
      run: async ({ es10 }) => expect(await refusalOf(es10.carryOut(rows.executeFallbackMechanism, refresh))).toBe("fallbackNotAvailable"),
    },
    {
      euicc: { profiles: [factoryProfile("a"), factoryProfile("b", { fallbackAllowed: true })] },
      run: async ({ es10, card }) => {
        load(card.channel, psmoPackage([psmo.setFallback("b")]));
        expect(await refusalOf(es10.carryOut(rows.executeFallbackMechanism, refresh))).toBe("commandError");
      },
    },
  ],
  "ES10b.ReturnFromFallback": [
    { run: async ({ es10 }) => expect(await refusalOf(es10.carryOut(rows.returnFromFallback, refresh))).toBe("fallbackNotAvailable") },
  ],
  "ES10b.eUICCMemoryReset": [
    {
      run: async ({ es10, card }) => {
        const every = [
          "deleteOperationalProfiles",
          "deleteFieldLoadedTestProfiles",
          "resetDefaultSmdpAddress",
          "deletePreLoadedTestProfiles",
          "deleteProvisioningProfiles",
          "resetEimConfigData",
          "resetImmediateEnableConfig",
        ] as const;
        expect(await es10.carryOut(rows.euiccMemoryReset, { resetOptions: [...every] })).toEqual({
          resetResult: "ok",
          resetEimResult: "ok",
          resetImmediateEnableConfigResult: "ok",
        });
        expect(card.euicc.profiles()).toEqual([]);
        expect(card.euicc.eims()).toEqual([]);
        expect(await es10.carryOut(rows.euiccMemoryReset, { resetOptions: ["deleteOperationalProfiles"] })).toMatchObject({
          resetResult: "nothingToDelete",
        });
      },
    },
    {
      euicc: { capabilities: { immediateEnable: false } },
      run: async ({ es10 }) =>
        expect(await refusalOf(es10.carryOut(rows.euiccMemoryReset, { resetOptions: ["resetImmediateEnableConfig"] }))).toBe(
          "resetIECNotSupported",
        ),
    },
    {
      euicc: busy,
      run: async ({ es10 }) =>
        expect(await refusalOf(es10.carryOut(rows.euiccMemoryReset, { resetOptions: ["deleteOperationalProfiles"] }))).toBe("catBusy"),
    },
  ],
  "ES10c.EnableProfile": [
    {
      euicc: free,
      run: async (stage) => {
        const enable = (name: "a" | "b" | "c") =>
          stage.es10.carryOut(rows.enableProfile, { profileIdentifier: profileOf(name), refreshFlag: true });
        await enable("b");
        expect(enabledOn(stage)).toBe("Profile b");
        expect(await refusalOf(enable("b"))).toBe("profileNotInDisabledState");
        expect(await refusalOf(enable("c"))).toBe("iccidOrAidNotFound");
      },
    },
    {
      run: async ({ es10 }) =>
        expect(await refusalOf(es10.carryOut(rows.enableProfile, { profileIdentifier: profileOf("b"), refreshFlag: true }))).toBe(
          "undefinedError",
        ),
    },
  ],
  "ES10c.DisableProfile": [
    {
      euicc: free,
      run: async (stage) => {
        const disable = () => stage.es10.carryOut(rows.disableProfile, { profileIdentifier: profileOf("a"), refreshFlag: true });
        await disable();
        expect(enabledOn(stage)).toBeUndefined();
        expect(await refusalOf(disable())).toBe("profileNotInEnabledState");
      },
    },
  ],
  "ES10c.DeleteProfile": [
    {
      euicc: free,
      run: async ({ es10, card }) => {
        await es10.carryOut(rows.deleteProfile, profileOf("b"));
        expect(card.euicc.profiles()).toHaveLength(1);
        expect(await refusalOf(es10.carryOut(rows.deleteProfile, profileOf("a")))).toBe("profileNotInDisabledState");
      },
    },
    {
      euicc: { ...free, profiles: [factoryProfile("a"), factoryProfile("b", { profilePolicyRules: ["ppr2"] })] },
      run: async ({ es10 }) => expect(await refusalOf(es10.carryOut(rows.deleteProfile, profileOf("b")))).toBe("disallowedByPolicy"),
    },
  ],
  "ES10c.SetNickname": [
    {
      run: async ({ es10 }) => {
        const name = (iccid: Uint8Array) => es10.carryOut(rows.setNickname, { iccid, profileNickname: "spare" });
        await name(iccidBytes("b"));
        const tagList = Uint8Array.of(0x90);
        expect(await es10.carryOut(rows.getProfilesInfo, { searchCriteria: profileOf("b"), tagList })).toMatchObject({
          value: [{ profileNickname: "spare" }],
        });
        expect(await refusalOf(name(iccidToBytes("8900000000000000001")))).toBe("iccidNotFound");
      },
    },
  ],
  "ES10c.eUICCMemoryReset": [
    {
      run: async ({ es10, card }) => {
        await es10.carryOut(rows.euiccMemoryResetConsumer, { resetOptions: ["deleteOperationalProfiles"] });
        expect(card.euicc.profiles()).toEqual([]);
        expect(card.euicc.eims()).toHaveLength(1);
      },
    },
  ],
  "ES10b.ListNotification": [
    {
      run: async ({ es10, card }) => {
        load(card.channel, psmoPackage([psmo.enable("b")]));
        const list = (operation?: "notificationEnable" | "notificationDelete") =>
          es10.carryOut(rows.listNotification, operation === undefined ? {} : { profileManagementOperation: [operation] });
        expect((await list()).value).toHaveLength(2);
        expect(await list("notificationEnable")).toMatchObject({ value: [{ profileManagementOperation: ["notificationEnable"] }] });
        expect((await list("notificationDelete")).value).toEqual([]);
      },
    },
  ],
  "ES10b.RetrieveNotificationsList": [
    {
      run: async ({ es10, card }) => {
        load(card.channel, psmoPackage([psmo.enable("b")]));
        const count = async (searchCriteria?: RetrieveNotificationsListRequest["searchCriteria"]) => {
          const response = await es10.carryOut(rows.retrieveNotificationsList, { searchCriteria });
          return Array.isArray(response.value) ? [response.kind, response.value.length] : [response.kind];
        };
        expect(await count()).toEqual(["notificationList", 2]);
        expect(await count({ kind: "seqNumber", value: 1 })).toEqual(["notificationList", 1]);
        expect(await count({ kind: "seqNumber", value: 3 })).toEqual(["euiccPackageResultList", 1]);
        expect(await count({ kind: "profileManagementOperation", value: ["notificationDisable"] })).toEqual(["notificationList", 1]);
        expect(await count({ kind: "euiccPackageResults", value: true })).toEqual(["euiccPackageResultList", 1]);
      },
    },
  ],
  "ES10b.RemoveNotificationFromList": [
    {
      run: async ({ es10, card }) => {
        load(card.channel, psmoPackage([psmo.enable("b")]));
        const remove = (seqNumber: number) => es10.carryOut(rows.removeNotificationFromList, { seqNumber });
        expect(await remove(1)).toEqual({ deleteNotificationStatus: "ok" });
        expect(await remove(1)).toEqual({ deleteNotificationStatus: "nothingToDelete" });
        expect(await remove(3)).toEqual({ deleteNotificationStatus: "ok" });
        expect(card.euicc.pending()).toEqual({ notifications: [2], packageResults: [] });
      },
    },
  ],
  "ES10b.GetEUICCChallenge": [
    {
      run: async ({ es10 }) => {
        const one = await es10.call(rows.getEuiccChallenge, {});
        expect(one.euiccChallenge).toHaveLength(16);
        expect(await es10.call(rows.getEuiccChallenge, {})).not.toEqual(one);
      },
    },
  ],
  "ES10b.AuthenticateServer": [
    {
      run: async ({ es10 }) => {
        const authenticateWith = async (more: Parameters<typeof authenticateOnly>[2] = {}) => {
          const { euiccChallenge } = await es10.call(rows.getEuiccChallenge, {});
          return es10.carryOut(
            rows.authenticateServer,
            requestOf((terminal) => authenticateOnly(terminal, euiccChallenge, more)),
          );
        };
        expect((await authenticateWith()).kind).toBe("authenticateResponseOk");
        expect(await refusalOf(authenticateWith({ spoilSignature1: true }))).toBe("invalidSignature");
        expect(await refusalOf(authenticateWith({ challenge: new Uint8Array(16) }))).toBe("euiccChallengeMismatch");
        expect(await refusalOf(authenticateWith({ ciPKId: fromHex("AA") }))).toBe("ciPKUnknown");
        expect(await refusalOf(authenticateWith({ auth: pki.get("dppb") }))).toBe("invalidOid");
      },
    },
  ],
  "ES10b.PrepareDownload": [
    {
      run: async ({ es10, card }) => {
        const prepareWith = (more: Parameters<typeof prepare>[2] = {}) => {
          const authenticated = authenticate(card.channel);
          return es10.carryOut(
            rows.prepareDownload,
            requestOf((terminal) => prepare(terminal, authenticated, more)),
          );
        };
        expect((await prepareWith()).kind).toBe("downloadResponseOk");
        expect(await refusalOf(prepareWith({ spoilSignature2: true }))).toBe("invalidSignature");
        expect(await refusalOf(prepareWith({ transactionId2: fromHex("01") }))).toBe("invalidTransactionId");
      },
    },
  ],
  "ES10b.CancelSession": [
    {
      run: async ({ es10, card }) => {
        const cancel = (transactionId: Uint8Array) => es10.carryOut(rows.cancelSession, { transactionId, reason: "pprNotAllowed" });
        authenticate(card.channel);
        expect(await refusalOf(cancel(fromHex("01")))).toBe("invalidTransactionId");
        expect(await cancel(fromHex("AABBCCDD"))).toMatchObject({
          value: { euiccCancelSessionSigned: { value: { reason: "pprNotAllowed" } } },
        });
      },
    },
  ],
};

class Made extends Error {
  readonly request: unknown;
  constructor(request: unknown) {
    super();
    this.request = request;
  }
}

/** What the small SM-DP+ would send, instead of sending it. */
function requestOf<Q>(make: (terminal: Terminal) => unknown): Q {
  const refuse = (): never => {
    throw new Error("only requests are made here");
  };
  const call: Terminal["call"] = (_request, _response, value) => {
    throw new Made(value);
  };
  try {
    make({ send: refuse, sendHex: refuse, call });
  } catch (error) {
    if (error instanceof Made) return error.request as Q;
    throw error;
  }
  return refuse();
}

// shows: es10a.GetEuiccConfiguredAddresses, es10a.SetDefaultDpAddress, es10b.GetEUICCInfo1, es10b.GetEUICCInfo2, es10b.PrepareDownload
// shows: es10b.ListNotification, es10b.RetrieveNotificationsList, es10b.RemoveNotificationFromList, es10b.GetProfilesInfo
// shows: es10b.GetEUICCChallenge, es10b.LoadCRL, es10b.AuthenticateServer, es10b.CancelSession, es10b.IpaeActivation, es10b.GetRAT
// shows: es10b.LoadEuiccPackage, es10b.GetEimConfigurationData, es10b.GetCerts, es10b.AddInitialEim, es10b.ProfileRollback
// shows: es10b.ConfigureImmediateProfileEnabling, es10b.ImmediateEnable, es10b.EnableEmergencyProfile, es10b.DisableEmergencyProfile
// shows: es10b.ExecuteFallbackMechanism, es10b.ReturnFromFallback, es10b.GetConnectivityParameters, es10b.eUICCMemoryReset
// shows: es10b.SetDefaultDpAddress, es10c.GetEID, es10c.SetNickname, es10c.EnableProfile, es10c.DisableProfile, es10c.DeleteProfile
// shows: es10c.eUICCMemoryReset
describe.each(es10Functions.map((row) => [row.name, row] as const))("%s", (name, row) => {
  const all = cases[name] ?? [];

  test("has a test", () => {
    expect(all.length).toBeGreaterThan(0);
    expect(row.section).toMatch(/^SGP\.(22|32) §\d/);
  });

  test.each(all.map((one, index) => [index + 1, one] as const))("on the virtual eUICC, %i", async (_, { euicc, run }) => {
    const card = bench(euicc);
    const { session } = sessionOn(cardOf(card.euicc));
    await session.withEuicc("test", (es10) => run({ es10, card }));
  });
});
