// The pure parts of the procedures: what is read out of packages and results, activation codes, policy rules, certificates, acknowledgements.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { fromHex, toHex } from "../../../base/bytes.ts";
import { VirtualClock } from "../../../base/clock.ts";
import { createPki } from "../../../hw-sim/pki/pki.ts";
import { decode } from "../../../ipa/asn1/schema.ts";
import { writeTlv } from "../../../ipa/asn1/tlv.ts";
import type { OperatorId, RulesAuthorisationTable } from "../../../ipa/messages/common.ts";
import { EuiccPackageRequest } from "../../../ipa/messages/package.ts";
import type { StoreMetadataRequest } from "../../../ipa/messages/profile-info.ts";
import { sortAcknowledgements } from "../../../ipa/procedures/acknowledgements.ts";
import { parseActivationCode } from "../../../ipa/procedures/activation-code.ts";
import { authorityKeyIdOf, registeredIdOf } from "../../../ipa/procedures/certificate.ts";
import { orderOf, outcomeOf, wayBackOf } from "../../../ipa/procedures/package-facts.ts";
import { checkProfilePolicyRules } from "../../../ipa/procedures/profile-policy-rules.ts";
import { restrictedInfo1, targetOf } from "../../../ipa/procedures/rsp-checks.ts";

const order = (hex: string) => orderOf(decode(EuiccPackageRequest, fromHex(hex)));
const enableWithRollback =
  "BF513A3033800465696D315A108904903212345123451234567890123581012A8204AABBCCDDA010A30E5A0A9800103254769810321405005F37021122";
const otherPsmos =
  "BF5161305A800465696D315A108904903212345123451234567890123581012AA03DA40C5A0A98001032547698103214A50C5A0A98001032547698103214BF2D00A600A7028000A80C5A0A98001032547698103214A900BF65058003612E625F37021122";
const ecos = "BF513B3034800465696D315A108904903212345123451234567890123581012AA117A80780026532830100A90480026532AA0480026532AB005F37021122";
const iccid = "89000123456789012341";

describe("a package, read for policy and audit", () => {
  test("the golden vectors", () => {
    expect(order(enableWithRollback)).toEqual({
      eimId: "eim1",
      eimTransactionId: "aabbccdd",
      counterValue: "42",
      operations: [{ name: "enable", iccid, rollbackFlag: true }],
      isPsmo: true,
      changesProfile: true,
      touchesProfiles: true,
      rollbackGranted: true,
      changesEims: false,
    });
    expect(order(otherPsmos)).toMatchObject({
      operations: [
        { name: "disable", iccid },
        { name: "delete", iccid },
        { name: "listProfileInfo" },
        { name: "getRAT" },
        { name: "configureImmediateEnable" },
        { name: "setFallbackAttribute", iccid },
        { name: "unsetFallbackAttribute" },
        { name: "setDefaultDpAddress" },
      ],
      changesProfile: true,
      rollbackGranted: false,
    });
    expect(order(ecos)).toMatchObject({
      operations: [
        { name: "addEim", eimId: "e2" },
        { name: "deleteEim", eimId: "e2" },
        { name: "updateEim", eimId: "e2" },
        { name: "listEim" },
      ],
      isPsmo: false,
      changesProfile: false,
      changesEims: true,
    });
  });

  // shows: psmo.enable-rollback
  test("a rollback flag in the form of another implementation, 81 00, is seen", () => {
    expect(order(enableWithRollback.replace("0500", "8100")).rollbackGranted).toBe(true);
  });

  test("the way back: rollback, else a fallback profile that this package leaves alone", () => {
    const enable = { ...order(enableWithRollback), rollbackGranted: false };
    const profile = (id: string, fallbackAttribute: boolean) => ({
      iccid: id,
      enabled: false,
      profileClass: "operational",
      fallbackAttribute,
      profileName: undefined,
      serviceProviderName: undefined,
    });
    expect(wayBackOf({ ...enable, rollbackGranted: true }, [])).toBe("rollback");
    expect(wayBackOf(enable, [profile("8946", true)])).toBe("fallback");
    expect(wayBackOf(enable, [profile("8946", false)])).toBe("none");
    expect(wayBackOf(enable, [profile(iccid, true)])).toBe("none");
    const deletes = { ...enable, operations: [...enable.operations, { name: "delete", iccid: "8946" }] };
    expect(wayBackOf(deletes, [profile("8946", true)])).toBe("none");
    const disablesFirst = { ...enable, rollbackGranted: true, operations: [{ name: "disable", iccid: "8946" }, ...enable.operations] };
    expect(wayBackOf(disablesFirst, [])).toBe("none");
    expect(wayBackOf(order(ecos), [])).toBe("not needed");
  });
});

describe("the card's answer, read", () => {
  const everything =
    "BF518185A08182307B800465696D3181012A8204AABBCCDD8301053067830100840100850100BF2D14A012E3105A0A980010325476981032149F700101A613301180020640A10730058003EEEEEE82020780870100A803020100A8038401038901008A0100AB0BA0093007800265328201028C01008D01008E0100020102BF65038001005F37021122";

  // shows: result.signed, result.enableResult, result.disableResult, result.deleteResult, result.listProfileInfoResult
  // shows: result.getRATResult, result.configureImmediateEnableResult, result.addEimResult, result.deleteEimResult
  // shows: result.updateEimResult, result.listEimResult, result.rollbackResult, result.setFallbackAttributeResult
  // shows: result.unsetFallbackAttributeResult, result.processingTerminated, result.setDefaultDpAddressResult
  test("every kind of item of the golden vector, by name and code", () => {
    const outcome = outcomeOf(fromHex(everything), [{ name: "enable", iccid }]);
    expect(outcome).toMatchObject({
      kind: "euiccPackageResultSigned",
      eimId: "eim1",
      eimTransactionId: "aabbccdd",
      counterValue: "42",
      seqNumber: 5,
      // The disable that follows the enable leaves nothing enabled.
      change: { iccid: null },
      rolledBack: true,
    });
    expect(outcome.outcomes.map(({ name, code }) => `${name} ${code}`)).toEqual([
      "enable ok",
      "disable ok",
      "delete ok",
      "listProfileInfo ok",
      "getRAT ok",
      "configureImmediateEnable ok",
      "addEim ok",
      "addEim ok",
      "deleteEim ok",
      "updateEim ok",
      "listEim ok",
      "rollback ok",
      "setFallbackAttribute ok",
      "unsetFallbackAttribute ok",
      "processingTerminated unknownOrDamagedCommand",
      "setDefaultDpAddress ok",
    ]);
    expect(outcome.outcomes[0]).toEqual({ name: "enable", iccid, code: "ok" });
  });

  // shows: result.error-signed, result.error-unsigned
  test("errors, signed and not, and lists that failed", () => {
    expect(outcomeOf(fromHex("BF5115A113300C800465696D3181012A0201045F37021122"), [])).toMatchObject({
      kind: "euiccPackageErrorSigned",
      error: "replayError",
      seqNumber: undefined,
      change: undefined,
    });
    expect(outcomeOf(fromHex("BF5111A20F800465696D318204AABBCCDD840101"), [])).toMatchObject({
      kind: "euiccPackageErrorUnsigned",
      eimTransactionId: "aabbccdd",
      counterValue: undefined,
    });
    expect(outcomeOf(fromHex("BF5128A026301F800465696D3181012A8204AABBCCDD830105300BBF2D0381010BAB0381017F5F37021122"), [])).toMatchObject({
      outcomes: [
        { name: "listProfileInfo", code: "profileChangeOngoing" },
        { name: "listEim", code: "undefinedError" },
      ],
    });
  });

  test("enable then failed disable, disable then enable, failed enable", () => {
    const result = (...items: readonly string[]): Uint8Array =>
      writeTlv(
        0xbf51,
        writeTlv(0xa0, writeTlv(0x30, fromHex("800465696D3181012A830105"), writeTlv(0x30, fromHex(items.join("")))), fromHex("5F37021122")),
      );
    const enable = { name: "enable", iccid };
    const disable = { name: "disable", iccid: "8946" };
    expect(outcomeOf(result("830100", "840102"), [enable, disable]).change).toEqual({ iccid });
    expect(outcomeOf(result("840100", "830100"), [disable, enable]).change).toEqual({ iccid });
    expect(outcomeOf(result("840100", "830102"), [disable, enable]).change).toEqual({ iccid: null });
    expect(outcomeOf(result("830105"), [enable]).change).toBeUndefined();
    // A production card's way to say ok to the only operation.
    expect(outcomeOf(result("020100"), [enable])).toMatchObject({ outcomes: [{ name: "enable", iccid, code: "ok" }], change: { iccid } });
    expect(outcomeOf(result("020102"), [enable])).toMatchObject({ outcomes: [{ name: "processingTerminated" }], change: undefined });
  });
});

describe("activation codes", () => {
  // shows: e5.activation-code
  test("with and without prefix, OID and confirmation code flag", () => {
    expect(parseActivationCode("LPA:1$dp.example.com$ABC-1")).toEqual({
      smdpAddress: "dp.example.com",
      matchingId: "ABC-1",
      smdpOid: undefined,
      confirmationCodeRequired: false,
    });
    expect(parseActivationCode("1$dp.example.com:8443$$2.999.10$1")).toEqual({
      smdpAddress: "dp.example.com:8443",
      matchingId: "",
      smdpOid: "2.999.10",
      confirmationCodeRequired: true,
    });
    expect(parseActivationCode("lpa:1$dp$X$$1")).toMatchObject({ smdpOid: undefined, confirmationCodeRequired: true });
  });

  test("what is none is refused without being repeated", () => {
    for (const bad of ["", "LPA:2$dp$SECRET", "1$$SECRET", "1$https://dp$SECRET", "1$dp$SEC RET", "1$dp$SECRET$x", "1$dp$SECRET$$2"]) {
      const refused = expect(() => parseActivationCode(bad));
      refused.toThrow(expect.objectContaining({ code: "ACTIVATION_CODE" }));
      try {
        parseActivationCode(bad);
      } catch (error) {
        expect(String(error)).not.toContain("SECRET");
      }
    }
  });

  // shows: bf54.activation-code, bf54.default-smdp, bf54.smds
  test("where a trigger leads", () => {
    const addresses = { defaultDpAddress: "dp", rootDsAddress: "ds" };
    expect(targetOf({ profileDownloadData: { kind: "contactDefaultSmdp", value: true } }, addresses).smdpAddress).toBe("dp");
    expect(targetOf({ profileDownloadData: { kind: "contactSmds", value: {} } }, addresses).smdpAddress).toBe("ds");
    expect(targetOf({ profileDownloadData: { kind: "contactSmds", value: { smdsAddress: "own" } } }, addresses).smdpAddress).toBe("own");
    expect(targetOf({}, undefined)).toMatchObject({ smdpAddress: undefined, matchingId: undefined });
    const none = { rootDsAddress: "ds" };
    expect(() => targetOf({ profileDownloadData: { kind: "contactDefaultSmdp", value: true } }, none)).toThrow(
      expect.objectContaining({ code: "DOWNLOAD_FAILED" }),
    );
  });
});

describe("profile policy rules against the Rules Authorisation Table", () => {
  const plmn = (hex: string, gid1?: string): OperatorId => ({
    mccMnc: fromHex(hex),
    ...(gid1 === undefined ? {} : { gid1: fromHex(gid1) }),
  });
  const metadata = (more: Partial<StoreMetadataRequest>): StoreMetadataRequest => ({
    iccid: new Uint8Array(10),
    serviceProviderName: "",
    profileName: "",
    profileClass: "operational",
    ...more,
  });
  const table = (...allowed: readonly OperatorId[]): RulesAuthorisationTable => [
    { pprIds: ["ppr2"], allowedOperators: allowed, pprFlags: [] },
    { pprIds: ["ppr1", "ppr2"], allowedOperators: [plmn("eeeeee")], pprFlags: ["consentRequired"] },
  ];
  const ppr2 = metadata({ profilePolicyRules: ["ppr2"], profileOwner: plmn("62f210") });
  const installed = [{ profileClass: "operational", fallbackAttribute: false }] as const;

  test("no rules, no question", () => {
    expect(checkProfilePolicyRules(metadata({}), [], installed, "deny")).toEqual({ kind: "allowed" });
    expect(checkProfilePolicyRules(metadata({ profilePolicyRules: ["pprUpdateControl"] }), [], installed, "deny")).toEqual({
      kind: "allowed",
    });
  });

  // shows: e12.unknown-rule, e12.no-owner, e12.first-match, e12.operator, e12.consent, e12.ppr1-not-first
  test.each([
    ["the same operator", [plmn("62f210")], ppr2, "allowed"],
    ["E stands for any digit", [plmn("62f2e0")], ppr2, "allowed"],
    ["another operator: the next rule that fits wins, and wants consent", [plmn("62f220")], ppr2, "consent"],
    [
      "a GID the rule does not name",
      [plmn("62f210")],
      metadata({ profilePolicyRules: ["ppr2"], profileOwner: plmn("62f210", "01") }),
      "pprNotAllowed",
    ],
    [
      "an empty GID stands for any",
      [plmn("62f210", "")],
      metadata({ profilePolicyRules: ["ppr2"], profileOwner: plmn("62f210", "01") }),
      "allowed",
    ],
    [
      "another GID",
      [plmn("62f210", "02")],
      metadata({ profilePolicyRules: ["ppr2"], profileOwner: plmn("62f210", "01") }),
      "pprNotAllowed",
    ],
    ["no owner", [plmn("eeeeee")], metadata({ profilePolicyRules: ["ppr2"] }), "pprNotAllowed"],
    ["a rule to come", [plmn("eeeeee")], metadata({ profilePolicyRules: [7], profileOwner: plmn("62f210") }), "pprNotAllowed"],
    [
      "PPR1 beside an operational profile",
      [plmn("eeeeee")],
      metadata({ profilePolicyRules: ["ppr1"], profileOwner: plmn("62f210") }),
      "pprNotAllowed",
    ],
  ] as const)("%s", (_name, allowed, profile, expected) => {
    const verdict = checkProfilePolicyRules(profile, table(...allowed), installed, "deny");
    expect(verdict.kind === "allowed" ? verdict.kind : verdict.why).toBe(expected);
  });

  // shows: e12.ppr1-not-first, e12.consent
  test("the first operational profile may have PPR1; consent given by the fleet is consent", () => {
    const ppr1 = metadata({ profilePolicyRules: ["ppr1"], profileOwner: plmn("62f210") });
    expect(checkProfilePolicyRules(ppr1, table(), [{ profileClass: "provisioning", fallbackAttribute: false }], "allow")).toEqual({
      kind: "allowed",
    });
  });
});

describe("certificates and keys of servers", () => {
  const clock = new VirtualClock();

  test("OID and CI are read; what is no certificate gives nothing", () => {
    const pki = createPki({ clock });
    const { certificate } = pki.get("dpauth");
    expect(registeredIdOf(certificate)).toBe("2.999.10");
    expect(toHex(authorityKeyIdOf(certificate) ?? new Uint8Array(0))).toBe(toHex(pki.get("ci").subjectKeyIdentifier));
    expect(registeredIdOf(pki.get("eimsign").certificate)).toBeUndefined();
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
        expect([registeredIdOf(bytes), authorityKeyIdOf(bytes)]).toEqual([undefined, undefined]);
      }),
      { seed: 32, numRuns: 200 },
    );
  });

  // shows: e6.01-info
  test("EUICCInfo1 offers only the CI that the eIM is bound to, as it came where it is bound to none", () => {
    const raw = fromHex("BF20138203020203A9060401F50401F6AA060401F50401F6");
    const info = {
      svn: fromHex("020203"),
      euiccCiPKIdListForVerification: [fromHex("F5"), fromHex("F6")],
      euiccCiPKIdListForSigning: [fromHex("F5"), fromHex("F6")],
    };
    expect(restrictedInfo1(info, raw, undefined)).toBe(raw);
    expect(toHex(restrictedInfo1(info, raw, fromHex("F6"))).toUpperCase()).toBe("BF200F8203020203A9030401F6AA030401F6");
    expect(() => restrictedInfo1(info, raw, fromHex("F7"))).toThrow(expect.objectContaining({ code: "DOWNLOAD_REFUSED" }));
  });
});

// shows: c6.twice, c6.exactly-acknowledged
test("acknowledgements: each number once, and only what is that eIM's own", () => {
  expect(sortAcknowledgements([3, 1, 3, 9], new Set([1, 3]))).toEqual({ accepted: [3, 1], ignored: [9] });
  expect(sortAcknowledgements([], new Set([1]))).toEqual({ accepted: [], ignored: [] });
});
