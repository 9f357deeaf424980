// eUICC packages: the ladder of checks, each operation's good path and every one of its codes, their order, and the signed result.
import { generateKeyPairSync } from "node:crypto";
import { describe, expect, it } from "vitest";
import { fromHex, toHexUpper } from "../../../base/bytes.ts";
import { decode, encode } from "../../../ipa/asn1/schema.ts";
import { EimConfigurationData, GetEimConfigurationDataRequest, GetEimConfigurationDataResponse } from "../../../ipa/messages/eim-config.ts";
import { EuiccPackageResult } from "../../../ipa/messages/package.ts";
import { type ProfileInfo, ProfileInfoListRequest, ProfileInfoListResponse } from "../../../ipa/messages/profile-info.ts";
import {
  bench,
  ecoPackage,
  eidBytes,
  eimConfiguration,
  eimId,
  factoryProfile,
  iccidBytes,
  load,
  type PackageOptions,
  pki,
  psmo,
  psmoPackage,
  resultsOf,
  tokenTlv,
  verifiesWithEuicc,
} from "./support.ts";

const stateOf = (list: readonly { iccid: string; state: string }[]): string =>
  list.map((one) => `${one.iccid.slice(-3)} ${one.state}`).join(", ");

describe("the checks before execution", () => {
  const request = (): Parameters<typeof psmoPackage>[0] => [psmo.getRat];

  // shows: c5.malformed
  it("refuse octets that are no package: unsigned, with the name if it can be read, else 6A80", () => {
    const { channel } = bench();
    expect(channel.sendHex("BF5100")).toBe("6A80");
    const noOperations = fromHex("BF5115300E800465696D315A00810101A000000000005F3700");
    expect(channel.send(noOperations).sw).toBe(0x6a80);
    // No EID, but a name and a transaction.
    expect(channel.sendHex("BF5111300C800465696D318204AABBCCDD5F3700")).toBe("BF510EA20C800465696D318204AABBCCDD");
  });

  // shows: c5.malformed, result.error-unsigned
  it("refuse an eIM that is not associated: unsigned, no token", () => {
    const { channel } = bench();
    const result = load(channel, psmoPackage(request(), { eimId: "other.example.com", eimTransactionId: fromHex("AABB") }));
    expect(result).toEqual({ kind: "euiccPackageErrorUnsigned", value: { eimId: "other.example.com", eimTransactionId: fromHex("AABB") } });
  });

  // shows: c5.signature, result.error-unsigned, c2.request
  it("refuse a signature by another key, over another token, or of other octets: unsigned, with the token", () => {
    const token = [encode(EimConfigurationData, eimConfiguration({ associationToken: -1 }))];
    const { channel } = bench({ eims: token });
    const other = generateKeyPairSync("ec", { namedCurve: "prime256v1" }).privateKey;
    const good = psmoPackage(request(), { token: 1 });
    const altered = good.slice();
    altered[altered.length - 1] = (altered.at(-1) ?? 0) ^ 1;
    const body = good.slice();
    body[20] = (body[20] ?? 0) ^ 1;
    for (const one of [psmoPackage(request(), { key: other, token: 1 }), psmoPackage(request(), { token: 0 }), altered])
      expect(load(channel, one)).toEqual({ kind: "euiccPackageErrorUnsigned", value: { eimId, associationToken: 1 } });
    expect(load(channel, body).kind).toBe("euiccPackageErrorUnsigned");
    expect(resultsOf(load(channel, good), 1)).toEqual(["getRATResult"]);
  });

  it.each<[string, PackageOptions, string]>([
    ["another EID", { eidValue: eidBytes.map((octet, i) => (i === 15 ? octet ^ 1 : octet)) }, "invalidEid"],
    ["a counter beyond the ceiling", { counter: 0x800000 }, "counterValueOutOfRange"],
    ["a counter used before", { counter: 5 }, "replayError"],
    ["a counter older than that", { counter: 4 }, "replayError"],
  ])("refuse %s: signed", (_, options, code) => {
    const { channel } = bench({ eims: [encode(EimConfigurationData, eimConfiguration({ counterValue: 5 }))] });
    const result = load(channel, psmoPackage(request(), { counter: 6, ...options }));
    if (result.kind !== "euiccPackageErrorSigned") throw new Error(result.kind);
    const { euiccPackageErrorDataSigned: data, euiccSignEPE } = result.value;
    expect(data.value).toEqual({ eimId, counterValue: options.counter ?? 6, eimTransactionId: undefined, euiccPackageErrorCode: code });
    expect(verifiesWithEuicc(euiccSignEPE, data.raw, tokenTlv())).toBe(true);
  });

  // shows: c5.order, c5.signature, c5.eid, c5.range, c5.replay, c2.error, code.EuiccPackageError.invalidEid
  // shows: code.EuiccPackageError.counterValueOutOfRange, code.EuiccPackageError.replayError
  it("come in that order: signature, EID, range, replay", () => {
    const { channel } = bench({ eims: [encode(EimConfigurationData, eimConfiguration({ counterValue: 5 }))] });
    const codeOf = (options: Parameters<typeof psmoPackage>[1]): unknown => {
      const result = load(channel, psmoPackage(request(), options));
      return result.kind === "euiccPackageErrorSigned" ? result.value.euiccPackageErrorDataSigned.value.euiccPackageErrorCode : result.kind;
    };
    const wrongEid = new Uint8Array(16);
    expect(codeOf({ eidValue: wrongEid, counter: 1, token: 3 })).toBe("euiccPackageErrorUnsigned");
    expect(codeOf({ eidValue: wrongEid, counter: 0x800000 })).toBe("invalidEid");
    expect(codeOf({ counter: 0x800000 })).toBe("counterValueOutOfRange");
    expect(codeOf({ counter: 1 })).toBe("replayError");
  });

  // shows: code.EuiccPackageError.sizeOverflow
  it("refuse a package larger than the card takes", () => {
    const { channel } = bench({ capabilities: { maxPackageBytes: 300 } });
    const result = load(channel, psmoPackage(Array.from({ length: 100 }, () => psmo.getRat)));
    expect(result.kind === "euiccPackageErrorSigned" && result.value.euiccPackageErrorDataSigned.value.euiccPackageErrorCode).toBe(
      "sizeOverflow",
    );
  });

  // shows: c6.errors-not-stored
  it("store no error, and burn no counter on one", () => {
    const { euicc, channel } = bench();
    load(channel, psmoPackage(request(), { eidValue: new Uint8Array(16), counter: 9 }));
    expect(euicc.pending().packageResults).toEqual([]);
    expect(resultsOf(load(channel, psmoPackage(request(), { counter: 1 })))).toEqual(["getRATResult"]);
    const burnt = load(channel, psmoPackage(request(), { counter: 1 }));
    expect(burnt.kind).toBe("euiccPackageErrorSigned");
    expect(resultsOf(load(channel, psmoPackage(request(), { counter: 100 })))).toEqual(["getRATResult"]);
  });
});

describe("a result", () => {
  // shows: result.signed, c1.fields, c2.result, c2.no-token, c2.p256, c6.results-stored, b4.retrieve-results
  it("echoes eIM, counter and transaction, is numbered, signed by the eUICC's key, stored, and given out again as it was", () => {
    const { euicc, channel } = bench();
    const { data } = channel.send(psmoPackage([psmo.getRat], { eimTransactionId: fromHex("AABBCCDD") }));
    const result = decode(EuiccPackageResult, data);
    if (result.kind !== "euiccPackageResultSigned") throw new Error(result.kind);
    expect(result.value.euiccPackageResultDataSigned.value).toMatchObject({
      eimId,
      counterValue: 1,
      eimTransactionId: fromHex("AABBCCDD"),
      seqNumber: 1,
    });
    expect(resultsOf(result)).toEqual(["getRATResult"]);
    expect(euicc.pending().packageResults).toEqual([1]);
    expect(channel.sendHex("BF2B04A0028200")).toContain(toHexUpper(data));
    expect(channel.sendHex("BF2B05A003800101")).toContain(toHexUpper(data));
    expect(channel.sendHex("BF3003800101")).toBe("BF3003800100");
    expect(channel.sendHex("BF3003800101")).toBe("BF3003800101");
    expect(channel.sendHex("BF2B04A0028200")).toBe("BF2B02A200");
  });

  it("of an empty package is an empty list", () => {
    expect(resultsOf(load(bench().channel, psmoPackage([])))).toEqual([]);
  });

  // shows: c2.result, c2.request
  it("is signed with the association token where the eIM has one", () => {
    const { channel } = bench({ eims: [encode(EimConfigurationData, eimConfiguration({ associationToken: -1 }))] });
    const result = load(channel, psmoPackage([psmo.getRat], { token: 1 }));
    expect(resultsOf(result, 1)).toEqual(["getRATResult"]);
    expect(resultsOf(result, 0)).toEqual(["bad signature"]);
  });
});

describe("enable, disable and delete", () => {
  // shows: psmo.enable, c4.implicit-disable
  it("enable a profile, which disables the other, and notify both", () => {
    const { euicc, channel } = bench();
    expect(resultsOf(load(channel, psmoPackage([psmo.enable("b")])))).toEqual(["enableResult ok"]);
    expect(stateOf(euicc.profiles())).toBe("018 disabled, 026 enabled");
    expect(euicc.pending()).toEqual({ notifications: [1, 2], packageResults: [3] });
  });

  // shows: c4.order, c1.several
  it("carry out their operations in order, and go on after one that failed", () => {
    const { euicc, channel } = bench();
    const list = [psmo.delete("b"), psmo.enable("b"), psmo.disable("a"), psmo.delete("a"), psmo.getRat];
    expect(resultsOf(load(channel, psmoPackage(list)))).toEqual([
      "deleteResult ok",
      "enableResult iccidOrAidNotFound",
      "disableResult ok",
      "deleteResult ok",
      "getRATResult",
    ]);
    expect(euicc.profiles()).toEqual([]);
  });

  const ppr = (rule: "ppr1" | "ppr2") => ({ profilePolicyRules: [rule], profileOwner: { mccMnc: fromHex("62F210") } });
  // shows: c4.ppr1, code.enable.iccidOrAidNotFound, code.enable.profileNotInDisabledState, code.enable.disallowedByPolicy
  // shows: code.disable.iccidOrAidNotFound, code.disable.profileNotInEnabledState, code.disable.disallowedByPolicy
  // shows: code.delete.iccidOrAidNotFound, code.delete.profileNotInDisabledState
  it.each([
    ["enabled already", {}, [psmo.enable("a")], "enableResult profileNotInDisabledState"],
    ["not there", {}, [psmo.enable("c")], "enableResult iccidOrAidNotFound"],
    ["while the enabled one forbids its disabling", ppr("ppr1"), [psmo.enable("b")], "enableResult disallowedByPolicy"],
    ["disabled already", {}, [psmo.disable("b")], "disableResult profileNotInEnabledState"],
    ["not there to disable", {}, [psmo.disable("c")], "disableResult iccidOrAidNotFound"],
    ["forbidding its disabling", ppr("ppr1"), [psmo.disable("a")], "disableResult disallowedByPolicy"],
    ["enabled, to be deleted", {}, [psmo.delete("a")], "deleteResult profileNotInDisabledState"],
    ["not there to delete", {}, [psmo.delete("c")], "deleteResult iccidOrAidNotFound"],
  ] as const)("refuse a profile that is %s", (_, more, list, text) => {
    const { euicc, channel } = bench({ profiles: [factoryProfile("a", { enabled: true, ...more }), factoryProfile("b")] });
    const before = euicc.profiles();
    expect(resultsOf(load(channel, psmoPackage(list)))).toEqual([text]);
    expect(euicc.profiles()).toEqual(before);
    expect(euicc.pending().notifications).toEqual([]);
  });

  // shows: c4.ppr2, code.delete.disallowedByPolicy
  it("refuse to delete a profile whose rule forbids it", () => {
    const { channel } = bench({ profiles: [factoryProfile("a", { enabled: true }), factoryProfile("b", ppr("ppr2"))] });
    expect(resultsOf(load(channel, psmoPackage([psmo.delete("b")])))).toEqual(["deleteResult disallowedByPolicy"]);
  });

  // shows: psmo.enable, psmo.disable, code.enable.catBusy, code.disable.catBusy, code.enable.ok
  it("answer catBusy as often as the terminal is busy, then work", () => {
    const { euicc, channel } = bench({ faults: { catBusyTimes: 2 } });
    expect(resultsOf(load(channel, psmoPackage([psmo.enable("b")])))).toEqual(["enableResult catBusy"]);
    expect(resultsOf(load(channel, psmoPackage([psmo.disable("a")], { counter: 2 })))).toEqual(["disableResult catBusy"]);
    expect(resultsOf(load(channel, psmoPackage([psmo.enable("b")], { counter: 3 })))).toEqual(["enableResult ok"]);
    expect(stateOf(euicc.profiles())).toBe("018 disabled, 026 enabled");
  });

  // shows: c4.one-enable, code.enable.undefinedError, code.disable.undefinedError, code.disable.ok
  it("allow one enable and one disable a package", () => {
    const { channel } = bench({ profiles: [factoryProfile("a", { enabled: true }), factoryProfile("b"), factoryProfile("c")] });
    const list = [psmo.enable("b"), psmo.enable("c"), psmo.disable("b"), psmo.disable("b")];
    expect(resultsOf(load(channel, psmoPackage(list)))).toEqual([
      "enableResult ok",
      "enableResult undefinedError",
      "disableResult ok",
      "disableResult undefinedError",
    ]);
  });

  // shows: c4.rollback-needs-profile, c4.delete-rollback, psmo.enable-rollback, psmo.delete, code.enable.rollbackNotAvailable
  // shows: code.delete.rollbackNotAvailable, code.delete.ok
  it("cannot promise a rollback to nothing, nor delete what was promised in the same package", () => {
    const { channel } = bench({ profiles: [factoryProfile("a"), factoryProfile("b")] });
    expect(resultsOf(load(channel, psmoPackage([psmo.enable("a", true)])))).toEqual(["enableResult rollbackNotAvailable"]);
    const { channel: other } = bench();
    expect(resultsOf(load(other, psmoPackage([psmo.enable("b", true), psmo.delete("a")])))).toEqual([
      "enableResult ok",
      "deleteResult rollbackNotAvailable",
    ]);
    expect(resultsOf(load(other, psmoPackage([psmo.delete("a")], { counter: 2 })))).toEqual(["deleteResult ok"]);
  });
});

describe("listProfileInfo", () => {
  // shows: psmo.listProfileInfo, result.listProfileInfoResult
  it("lists what the card lists to its own terminal", () => {
    const { channel } = bench();
    const result = load(channel, psmoPackage([psmo.list]));
    const own = channel.call(ProfileInfoListRequest, ProfileInfoListResponse, {});
    if (result.kind !== "euiccPackageResultSigned") throw new Error(result.kind);
    expect(result.value.euiccPackageResultDataSigned.value.euiccResult).toEqual([{ kind: "listProfileInfoResult", value: own }]);
  });

  // shows: c4.list-after-change, code.listProfileInfo.profileChangeOngoing
  it("after a change in the same package is answered profileChangeOngoing, and the package ends there", () => {
    const { channel } = bench();
    expect(resultsOf(load(channel, psmoPackage([psmo.enable("b"), psmo.list, psmo.getRat])))).toEqual([
      "enableResult ok",
      "listProfileInfoResult profileInfoListError profileChangeOngoing",
      "processingTerminated unknownOrDamagedCommand",
    ]);
  });

  it("after a change that failed works", () => {
    const { channel } = bench();
    expect(resultsOf(load(channel, psmoPackage([psmo.enable("c"), psmo.list])))).toEqual([
      "enableResult iccidOrAidNotFound",
      "listProfileInfoResult profileInfoListOk",
    ]);
  });
});

describe("an operation that the card does not know or cannot read", () => {
  // shows: c4.unknown, code.processingTerminated.unknownOrDamagedCommand
  it.each([
    ["unknown", "BF7F00"],
    ["damaged", "A30159"],
    ["cut short", "A400"],
  ])("(%s) ends the package, and what was done before stays done", (_, hex) => {
    const { euicc, channel } = bench();
    const list = [psmo.enable("b"), { kind: "unknown" as const, value: fromHex(hex) }, psmo.getRat];
    expect(resultsOf(load(channel, psmoPackage(list)))).toEqual(["enableResult ok", "processingTerminated unknownOrDamagedCommand"]);
    expect(stateOf(euicc.profiles())).toBe("018 disabled, 026 enabled");
  });
});

describe("a result that would be too long", () => {
  // shows: c4.overflow, code.processingTerminated.resultSizeOverflow
  it("ends with resultSizeOverflow in place of the item that does not fit", () => {
    const { channel } = bench({ capabilities: { maxResultBytes: 60 } });
    expect(resultsOf(load(channel, psmoPackage([psmo.getRat, psmo.list, psmo.getRat])))).toEqual([
      "getRATResult",
      "processingTerminated resultSizeOverflow",
    ]);
  });

  it("changes nothing for the item that does not fit", () => {
    const { euicc, channel } = bench({ capabilities: { maxResultBytes: 2 } });
    expect(resultsOf(load(channel, psmoPackage([psmo.enable("b")])))).toEqual(["processingTerminated resultSizeOverflow"]);
    expect(stateOf(euicc.profiles())).toBe("018 enabled, 026 disabled");
    expect(euicc.pending().notifications).toEqual([]);
  });
});

describe("the other operations on profiles", () => {
  // shows: psmo.setFallbackAttribute, psmo.unsetFallbackAttribute, e9.attribute, code.setFallbackAttribute.ok
  // shows: code.setFallbackAttribute.fallbackNotAllowed, code.setFallbackAttribute.iccidOrAidNotFound, code.unsetFallbackAttribute.ok
  // shows: code.unsetFallbackAttribute.noFallbackAttribute
  it("move and remove the fallback attribute", () => {
    const profiles = [
      factoryProfile("a", { enabled: true, fallbackAllowed: true }),
      factoryProfile("b", { fallbackAllowed: true }),
      factoryProfile("c"),
    ];
    const { euicc, channel } = bench({ profiles });
    const list = [psmo.unsetFallback, psmo.setFallback("a"), psmo.setFallback("c"), psmo.setFallback("b")];
    expect(resultsOf(load(channel, psmoPackage(list)))).toEqual([
      "unsetFallbackAttributeResult noFallbackAttribute",
      "setFallbackAttributeResult ok",
      "setFallbackAttributeResult fallbackNotAllowed",
      "setFallbackAttributeResult ok",
    ]);
    expect(euicc.profiles().map((one) => one.fallbackAttribute)).toEqual([false, true, false]);
    expect(resultsOf(load(channel, psmoPackage([psmo.unsetFallback], { counter: 2 })))).toEqual(["unsetFallbackAttributeResult ok"]);
    const absent = bench();
    expect(resultsOf(load(absent.channel, psmoPackage([psmo.setFallback("c")])))).toEqual([
      "setFallbackAttributeResult iccidOrAidNotFound",
    ]);
  });

  // shows: psmo.setDefaultDpAddress, psmo.configureImmediateEnable, e10.configured-by-eim, code.configureImmediateEnable.ok
  // shows: code.configureImmediateEnable.insufficientMemory, code.setDefaultDpAddress.ok
  it("set the default SM-DP+ and configure immediate enabling", () => {
    const { euicc, channel } = bench();
    const list = [
      { kind: "setDefaultDpAddress" as const, value: { defaultDpAddress: "new.example.com" } },
      { kind: "configureImmediateEnable" as const, value: { immediateEnableFlag: true as const } },
    ];
    expect(resultsOf(load(channel, psmoPackage(list)))).toEqual(["setDefaultDpAddressResult", "configureImmediateEnableResult ok"]);
    expect(channel.sendHex("BF3C00")).toContain(toHexUpper(new TextEncoder().encode("new.example.com")));
    euicc.faults.memoryFull = true;
    expect(resultsOf(load(channel, psmoPackage(list.slice(1), { counter: 2 })))).toEqual([
      "configureImmediateEnableResult insufficientMemory",
    ]);
  });
});

describe("operations on eIMs", () => {
  const second = { eimId: "second.example.com", eimFqdn: "second.example.com" };
  const config = (more: Parameters<typeof eimConfiguration>[0] = {}) => eimConfiguration({ ...second, ...more });
  const add = (more: Parameters<typeof eimConfiguration>[0] = {}) => ({ kind: "addEim" as const, value: config(more) });

  // shows: eco.addEim, eco.listEim, eco.updateEim, eco.deleteEim, c5.counter-start, c5.counter-per-eim, result.addEimResult
  // shows: result.listEimResult, result.updateEimResult, code.updateEim.ok, code.deleteEim.ok
  it("add, list, update and delete", () => {
    const { euicc, channel } = bench();
    const list = [
      add({ associationToken: -1 }),
      { kind: "listEim" as const, value: {} },
      { kind: "updateEim" as const, value: { eimId: second.eimId, eimFqdn: "moved.example.com", counterValue: 40 } },
    ];
    const result = load(channel, ecoPackage(list));
    expect(resultsOf(result)).toEqual(["addEimResult associationToken 1", "listEimResult eimIdList", "updateEimResult ok"]);
    if (result.kind !== "euiccPackageResultSigned") throw new Error(result.kind);
    expect(result.value.euiccPackageResultDataSigned.value.euiccResult[1]).toEqual({
      kind: "listEimResult",
      value: {
        kind: "eimIdList",
        value: [
          { eimId, eimIdType: "eimIdTypeFqdn" },
          { eimId: second.eimId, eimIdType: "eimIdTypeFqdn" },
        ],
      },
    });
    const known = channel.call(GetEimConfigurationDataRequest, GetEimConfigurationDataResponse, {
      searchCriteria: { kind: "eimId", value: second.eimId },
    });
    expect(known.eimConfigurationDataList).toMatchObject([{ eimFqdn: "moved.example.com", counterValue: 40, associationToken: 1 }]);
    // The new one orders, with its token, and removes the first one.
    const order = ecoPackage([{ kind: "deleteEim", value: { eimId } }], { eimId: second.eimId, counter: 41, token: 1 });
    expect(resultsOf(load(channel, order), 1)).toEqual(["deleteEimResult ok"]);
    expect(euicc.eims()).toEqual([second.eimId]);
  });

  // shows: eco.deleteEim, result.deleteEimResult, code.deleteEim.lastEimDeleted
  it("sign the result for an eIM that removes itself, the last one, under its old token", () => {
    const { euicc, channel } = bench({ eims: [encode(EimConfigurationData, eimConfiguration({ associationToken: -1 }))] });
    const order = ecoPackage([{ kind: "deleteEim", value: { eimId } }], { token: 1 });
    expect(resultsOf(load(channel, order), 1)).toEqual(["deleteEimResult lastEimDeleted"]);
    expect(euicc.eims()).toEqual([]);
    expect(load(channel, psmoPackage([psmo.getRat], { counter: 2, token: 1 })).kind).toBe("euiccPackageErrorUnsigned");
  });

  // shows: c5.token-global
  it("give out tokens that are never given out again, so that old packages stay void after the eIM was added anew", () => {
    const { channel } = bench();
    const order = (list: Parameters<typeof ecoPackage>[0], counter: number): string[] =>
      resultsOf(load(channel, ecoPackage(list, { counter })));
    expect(order([add({ associationToken: -1 })], 1)).toEqual(["addEimResult associationToken 1"]);
    const replayed = psmoPackage([psmo.getRat], { eimId: second.eimId, counter: 1, token: 1 });
    expect(resultsOf(load(channel, replayed), 1)).toEqual(["getRATResult"]);
    expect(order([{ kind: "deleteEim", value: { eimId: second.eimId } }, add({ associationToken: -1 })], 2)).toEqual([
      "deleteEimResult ok",
      "addEimResult associationToken 2",
    ]);
    expect(load(channel, replayed).kind).toBe("euiccPackageErrorUnsigned");
  });

  const otherCi = fromHex("0102030405060708");
  const withoutKey = { ...eimConfiguration(second), eimPublicKeyData: undefined };
  const withoutCounter = { ...eimConfiguration(second), counterValue: undefined };
  const p384 = new Uint8Array(generateKeyPairSync("ec", { namedCurve: "secp384r1" }).publicKey.export({ format: "der", type: "spki" }));
  // shows: eco.addEim, eco.deleteEim, eco.updateEim, code.addEim.associatedEimAlreadyExists, code.addEim.ciPKUnknown
  // shows: code.addEim.invalidAssociationToken, code.addEim.counterValueOutOfRange, code.addEim.commandError, code.deleteEim.eimNotFound
  // shows: code.updateEim.eimNotFound, code.updateEim.ciPKUnknown, code.updateEim.counterValueOutOfRange, code.updateEim.commandError
  it.each([
    ["addEim associatedEimAlreadyExists", { kind: "addEim" as const, value: eimConfiguration() }],
    ["addEim ciPKUnknown", add({ euiccCiPKId: otherCi })],
    ["addEim invalidAssociationToken", add({ associationToken: 7 })],
    ["addEim counterValueOutOfRange", add({ counterValue: 0x800000 })],
    ["addEim counterValueOutOfRange", add({ counterValue: -1 })],
    ["addEim commandError", { kind: "addEim" as const, value: withoutKey }],
    ["addEim commandError", { kind: "addEim" as const, value: withoutCounter }],
    ["addEim commandError", add({ eimPublicKeyData: { kind: "eimPublicKey", value: p384 } })],
    ["deleteEim eimNotFound", { kind: "deleteEim" as const, value: { eimId: "nobody" } }],
    ["updateEim eimNotFound", { kind: "updateEim" as const, value: { eimId: "nobody" } }],
    ["updateEim ciPKUnknown", { kind: "updateEim" as const, value: { eimId, euiccCiPKId: otherCi } }],
    ["updateEim counterValueOutOfRange", { kind: "updateEim" as const, value: { eimId, counterValue: 0x800000 } }],
    ["updateEim commandError", { kind: "updateEim" as const, value: { eimId, associationToken: 5 } }],
    [
      "updateEim commandError",
      { kind: "updateEim" as const, value: { eimId, eimPublicKeyData: { kind: "eimPublicKey" as const, value: p384 } } },
    ],
  ])("answer %s", (text, eco) => {
    const { euicc, channel } = bench();
    const [kind, code] = text.split(" ");
    const [answer = ""] = resultsOf(load(channel, ecoPackage([eco])));
    expect(answer.startsWith(`${kind}Result`) && answer.endsWith(` ${code}`), answer).toBe(true);
    expect(euicc.eims()).toEqual([eimId]);
  });

  // shows: code.addEim.insufficientMemory
  it("answer insufficientMemory when there is no room", () => {
    const { euicc, channel } = bench({ capabilities: { maxEims: 1 } });
    expect(resultsOf(load(channel, ecoPackage([add()])))).toEqual(["addEimResult addEimResultCode insufficientMemory"]);
    expect(euicc.eims()).toHaveLength(1);
  });

  // shows: c2.key-takes-over
  it("let a new key take over", () => {
    const { channel } = bench();
    const next = pki.issue("eimsign");
    const order = ecoPackage([
      { kind: "updateEim", value: { eimId, eimPublicKeyData: { kind: "eimCertificate", value: next.certificate } } },
    ]);
    expect(resultsOf(load(channel, order))).toEqual(["updateEimResult ok"]);
    expect(load(channel, psmoPackage([psmo.getRat], { counter: 2 })).kind).toBe("euiccPackageErrorUnsigned");
    expect(resultsOf(load(channel, psmoPackage([psmo.getRat], { counter: 2, key: next.privateKey })))).toEqual(["getRATResult"]);
  });
});

describe("an eIM whose key is on brainpoolP256r1", () => {
  // shows: c2.brainpool
  it("orders like any other", () => {
    const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "brainpoolP256r1" });
    const value = new Uint8Array(publicKey.export({ format: "der", type: "spki" }));
    const { channel } = bench({
      eims: [encode(EimConfigurationData, eimConfiguration({ eimPublicKeyData: { kind: "eimPublicKey", value } }))],
    });
    expect(resultsOf(load(channel, psmoPackage([psmo.getRat], { key: privateKey })))).toEqual(["getRATResult"]);
  });
});

describe("GetProfilesInfo", () => {
  const listed = (request: string): string[] => {
    const { channel } = bench({
      profiles: [
        factoryProfile("a", { enabled: true, profileOwner: { mccMnc: fromHex("62F210") } }),
        factoryProfile("b", { profileClass: "provisioning" }),
      ],
    });
    const response = decode(ProfileInfoListResponse, channel.send(fromHex(request)).data);
    return response.kind === "profileInfoListOk" ? response.value.map(fieldsOf) : [String(response.value)];
  };
  const fieldsOf = (info: ProfileInfo): string =>
    Object.entries(info)
      .filter(([name, value]) => value !== undefined && !(name === "fallbackAttribute" && value === false))
      .map(([name]) => name)
      .join(" ");

  // shows: b2.profiles-default
  it("gives the default fields without a list", () => {
    expect(listed("BF2D00")).toEqual(
      Array.from({ length: 2 }, () => "iccid isdpAid profileState serviceProviderName profileName profileClass"),
    );
  });

  // shows: b2.profiles-tags
  it("gives the fields that are asked for, and passes over tags of none", () => {
    expect(listed("BF2D055C035A9F70")).toEqual(["iccid profileState", "iccid profileState"]);
    expect(listed("BF2D055C03B7C6B6")).toEqual(["notificationConfigurationInfo profileOwner", "notificationConfigurationInfo"]);
  });

  // shows: b2.profiles-search
  it("finds by ICCID, AID and class", () => {
    expect(listed(`BF2D0EA00C5A0A${toHexUpper(iccidBytes("b"))}`)).toHaveLength(1);
    expect(listed("BF2D14A0124F10A0000005591010FFFFFFFF8900001100")).toHaveLength(1);
    expect(listed("BF2D05A003950101")).toHaveLength(1);
    expect(listed("BF2D05A003950100")).toHaveLength(0);
    expect(listed("BF2D0AA0039501025C035A9F70")).toEqual(["iccid profileState"]);
  });

  // shows: code.GetProfilesInfo.incorrectInputValues
  it("refuses a list of tags that is cut short", () => {
    expect(listed("BF2D035C019F")).toEqual(["incorrectInputValues"]);
  });
});
