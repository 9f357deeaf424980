// Installing a bound profile package: the whole of it, the same cut short at every segment and altered in every segment, and every reason
// that the eUICC has to refuse one. A refusal is reported, signed, and leaves nothing behind.
import { describe, expect, it } from "vitest";
import { concatBytes, digitsToBcd, fromHex, iccidToBytes, toHexUpper, utf8 } from "../../../base/bytes.ts";
import { createEphemeral } from "../../../hw-sim/crypto/ecka.ts";
import { buildProfilePackage } from "../../../hw-sim/euicc/pe/builder.ts";
import { EUICCResponse, ProfileElement } from "../../../hw-sim/euicc/pe/profile-element.ts";
import { createPki } from "../../../hw-sim/pki/pki.ts";
import { decode, encode } from "../../../ipa/asn1/schema.ts";
import { rawOf, readTlvs, writeTlv } from "../../../ipa/asn1/tlv.ts";
import { RulesAuthorisationTable } from "../../../ipa/messages/common.ts";
import { EimConfigurationData } from "../../../ipa/messages/eim-config.ts";
import { PendingNotification, ProfileInstallationResult } from "../../../ipa/messages/notifications.ts";
import {
  CancelSessionRequest,
  CancelSessionResponse,
  GetEuiccChallengeRequest,
  GetEuiccChallengeResponse,
} from "../../../ipa/messages/rsp.ts";
import { type BindOptions, bind, loadSegments, prepared, segmentsOf } from "./small-smdp.ts";
import {
  type Bench,
  bench,
  clock,
  eimConfiguration,
  factoryProfile,
  iccids,
  identityOf,
  imsiOf,
  load,
  metadata,
  pki,
  psmo,
  psmoPackage,
  recipe,
  resultsOf,
  verifiesWithEuicc,
} from "./support.ts";

const upp = buildProfilePackage(recipe("c"));
const isdp = (number: string): Uint8Array => fromHex(`A0000005591010FFFFFFFF8900${number}00`);

/** A card with a session ready for the package, and the package. */
function ready(options: Parameters<typeof bench>[0] = {}, more: Partial<BindOptions> = {}): { card: Bench; segments: Uint8Array[] } {
  const card = bench(options);
  const bpp = bind({ euiccOtpk: prepared(card.channel), metadata: metadata("c"), upp, ...more });
  return { card, segments: segmentsOf(bpp) };
}

/** The result's gist, its signature checked. */
function gistOf(data: Uint8Array): string {
  const { profileInstallationResultData: signedData, euiccSignPIR } = decode(ProfileInstallationResult, data);
  if (!verifiesWithEuicc(euiccSignPIR, signedData.raw)) return "bad signature";
  const { kind, value } = signedData.value.finalResult;
  return kind === "successResult" ? `installed as ${toHexUpper(value.aid)}` : `${value.bppCommandId}: ${value.errorReason}`;
}

function install(card: Bench, segments: readonly Uint8Array[]): string {
  const { data, sw } = loadSegments(card.channel, segments);
  return data.length === 0 ? sw.toString(16) : gistOf(data);
}

const profilesOf = ({ euicc }: Bench): string =>
  euicc
    .profiles()
    .map((one) => `${one.iccid} ${one.state}`)
    .join(", ");
const untouched = `${iccids.a} enabled, ${iccids.b} disabled`;

describe("a bound profile package", () => {
  // shows: es8.InitialiseSecureChannel, es8.ConfigureISDP, es8.StoreMetadata, es8.ReplaceSessionKeys, es8.LoadProfileElements
  // shows: es8.ProfileInstallationResult, b4.signature-install, b4.install-success
  it("is installed, disabled, reported, and can be enabled and used", () => {
    const { card, segments } = ready();
    const { data, sent } = loadSegments(card.channel, segments);
    expect(sent).toBe(segments.length);
    const { value } = decode(ProfileInstallationResult, data).profileInstallationResultData;
    expect(value).toMatchObject({
      transactionId: fromHex("AABBCCDD"),
      smdpOid: pki.subjects.smdpOid,
      notificationMetadata: { seqNumber: 1, profileManagementOperation: ["notificationInstall"], notificationAddress: "smdp.example.com" },
      finalResult: { kind: "successResult", value: { aid: isdp("0012"), simaResponse: fromHex("3007A0053003800100") } },
    });
    expect(gistOf(data)).toBe(`installed as ${toHexUpper(isdp("0012"))}`);
    expect(profilesOf(card)).toBe(`${untouched}, ${iccids.c} disabled`);
    // The result for the SM-DP+, and the notification that the metadata ask for.
    expect(card.euicc.pending().notifications).toEqual([1, 2]);
    expect(card.channel.sendHex("BF2B05A003800101")).toContain(toHexUpper(data));
    expect(resultsOf(load(card.channel, psmoPackage([psmo.enable("c")])))).toEqual(["enableResult ok"]);
    card.euicc.reset();
    expect([card.euicc.iccid, card.euicc.imsi]).toEqual([iccids.c, imsiOf("c")]);
  });

  // shows: es8.ReplaceSessionKeys
  it("may come without keys of its own, and then in the session's", () => {
    const { card, segments } = ready({}, { replaceKeys: "none" });
    expect(install(card, segments)).toContain("installed");
  });

  // shows: es8.ConfigureISDP
  it("may come with the keys as plain OCTET STRINGs, and with proprietary data", () => {
    const replaceKeys = writeTlv(0xbf26, ...[0x22, 0x00, 0x11].map((octet) => writeTlv(0x04, new Uint8Array(16).fill(octet))));
    const { card, segments } = ready({}, { replaceKeys, configure: fromHex("BF2406B80406028837") });
    expect(install(card, segments)).toContain("installed");
    expect(card.channel.sendHex("BF2D035C01B8")).toBe("BF2D0EA00CE300E300E306B80480028837");
  });

  it("may be sent in blocks of any size, and sliced with sections' heads and contents together", () => {
    for (const blockBytes of [1, 16, 120, 254]) {
      const { card, segments } = ready();
      const answers = segments.map((segment) => card.channel.send(segment, segment.length > 256 * blockBytes ? 255 : blockBytes));
      expect(gistOf(answers.at(-1)?.data ?? new Uint8Array(0))).toContain("installed");
    }
    const { card, segments } = ready();
    const [first = new Uint8Array(0), second = new Uint8Array(0), ...rest] = segments;
    expect(install(card, [concatBytes(first, second), ...rest])).toContain("installed");
  });

  it("works on brainpoolP256r1", () => {
    const world = createPki({ clock, curve: "brainpoolP256r1" });
    const card = bench({ identities: [identityOf(world)], eims: [] });
    const bpp = bind({ world, euiccOtpk: prepared(card.channel, { world }), metadata: metadata("c"), upp });
    expect(loadSegments(card.channel, segmentsOf(bpp)).data.length).toBeGreaterThan(0);
    expect(profilesOf(card)).toContain(`${iccids.c} disabled`);
  });

  it("takes the first ISD-P that is free", () => {
    const { card, segments } = ready();
    load(card.channel, psmoPackage([psmo.delete("b")]));
    expect(install(card, segments)).toBe(`installed as ${toHexUpper(isdp("0011"))}`);
  });

  it("can be bound again to the same key after it was refused on the way", () => {
    const { card, segments } = ready();
    card.euicc.faults.refuseSegment = { segment: 4, sw: 0x6a84 };
    const refused = loadSegments(card.channel, segments);
    expect([refused.sent, refused.sw]).toEqual([4, 0x6a84]);
    expect(
      card.channel.call(CancelSessionRequest, CancelSessionResponse, {
        transactionId: fromHex("AABBCCDD"),
        reason: "loadBppExecutionError",
      }).kind,
    ).toBe("cancelSessionResponseOk");
    expect(profilesOf(card)).toBe(untouched);
    expect(card.euicc.pending().notifications).toEqual([]);
    const kept = prepared(card.channel);
    expect(prepared(card.channel, { bppEuiccOtpk: kept })).toEqual(kept);
    expect(install(card, segmentsOf(bind({ euiccOtpk: kept, metadata: metadata("c"), upp })))).toContain("installed");
  });
});

describe("a package cut short", () => {
  it("at every segment leaves nothing, and another session can begin", () => {
    const { segments: all } = ready();
    for (let kept = 0; kept < all.length; kept++) {
      const { card, segments } = ready();
      const { data, sw } = loadSegments(card.channel, segments.slice(0, kept));
      expect([data.length, sw]).toEqual([0, 0x9000]);
      expect(profilesOf(card)).toBe(untouched);
      card.channel.call(GetEuiccChallengeRequest, GetEuiccChallengeResponse, {});
      expect(card.euicc.pending().notifications).toEqual([]);
      expect(card.channel.send(segments[kept] ?? new Uint8Array(0)).sw).toBe(0x6985);
    }
  });

  // shows: code.ErrorReason.installFailedDueToInterruption
  it("by a reset after any segment is reported as interrupted, once the keys were agreed", () => {
    const { segments: all } = ready();
    for (const kept of [0, 1, 2, 5, all.length - 1]) {
      const { card, segments } = ready();
      loadSegments(card.channel, segments.slice(0, kept));
      const again = bench({ snapshot: card.snapshots.at(-1) ?? card.euicc.snapshot() });
      expect(profilesOf(again)).toBe(untouched);
      const pending = again.euicc.pending().notifications;
      expect(pending).toEqual(kept === 0 ? [] : [1]);
      if (kept === 0) continue;
      const [notification] = readTlvs(again.channel.send(fromHex("BF2B05A003800101")).data).flatMap((tlv) => readTlvs(rawOf(tlv).slice(5)));
      const text = notification === undefined ? "" : gistOf(rawOf(notification));
      expect(text).toBe("loadProfileElements: installFailedDueToInterruption");
    }
  });

  // shows: code.ErrorReason.scp03tStructureError
  it("in the middle of a TLV is a fault of structure", () => {
    const { segments: all } = ready();
    const seen = new Set<string>();
    for (let at = 0; at < all.length; at++) {
      const { card, segments } = ready();
      const cut = segments.map((segment, index) => (index === at ? segment.slice(0, -1) : segment));
      const text = install(card, cut);
      seen.add(text.split(": ")[1] ?? text);
      expect(profilesOf(card)).toBe(untouched);
    }
    expect([...seen].sort()).toEqual(["incorrectInputValues", "scp03tStructureError"]);
  });
});

describe("a package altered on its way", () => {
  // What may come of the first, a middle and the last octet of each segment, one bit changed.
  const lawful: Readonly<Record<string, RegExp>> = {
    BF36: /^(6a88|initialiseSecureChannel: (incorrectInputValues|invalidSignature|invalidTransactionId|unsupported\w+)|\w+: scp03tStructureError)$/,
    A0: /^configureISDP: scp03t(Structure|Security)Error$/,
    A1: /^storeMetadata: scp03tStructureError$/,
    88: /^storeMetadata: scp03t(Structure|Security)Error$/,
    // One bit makes A3 of A2.
    A2: /^(replaceSessionKeys: scp03t(Structure|Security)Error|loadProfileElements: scp03tStructureError)$/,
    A3: /^(loadProfileElements|replaceSessionKeys): scp03tStructureError$/,
    86: /^loadProfileElements: scp03t(Structure|Security)Error$/,
  };
  const kindOf = (segment: Uint8Array): string => (segment[0] === 0xbf ? "BF36" : (segment[0] ?? 0).toString(16).toUpperCase());

  it("in any segment, at its first, middle or last octet, is refused with that segment's error, and leaves nothing", () => {
    const { segments: all } = ready();
    expect(new Set(all.map(kindOf))).toEqual(new Set(Object.keys(lawful)));
    for (let at = 0; at < all.length; at++) {
      const length = all[at]?.length ?? 0;
      for (const octet of new Set([0, Math.floor(length / 2), length - 1])) {
        const { card, segments } = ready();
        const altered = segments.map((segment, index) =>
          index === at ? segment.map((one, i) => (i === octet ? one ^ 0x01 : one)) : segment,
        );
        const text = install(card, altered);
        const rule = lawful[kindOf(all[at] ?? new Uint8Array(0))];
        expect(text, `segment ${at} octet ${octet} of ${length}`).toMatch(rule ?? /^$/);
        expect(profilesOf(card)).toBe(untouched);
        // A refusal by the package's own error is a notification for the SM-DP+; a plain status word is none.
        expect(card.euicc.pending().notifications).toEqual(text === "6a88" ? [] : [1]);
        if (text !== "6a88") expect(card.channel.send(segments[at] ?? new Uint8Array(0)).sw).toBe(0x6985);
      }
    }
  });

  it("at any octet of the key agreement is refused before anything else", () => {
    const { segments: all } = ready();
    const length = all[0]?.length ?? 0;
    const seen = new Set<string>();
    for (let octet = 5; octet < length; octet++) {
      const { card, segments } = ready();
      const [first = new Uint8Array(0), ...rest] = segments;
      const text = install(card, [first.map((one, i) => (i === octet ? one ^ 0x02 : one)), ...rest]);
      expect(text.startsWith("initialiseSecureChannel: ") || text.endsWith("scp03tStructureError"), `octet ${octet}: ${text}`).toBe(true);
      expect(profilesOf(card)).toBe(untouched);
      seen.add(text);
    }
    for (const reason of ["invalidSignature", "invalidTransactionId", "unsupportedCrtValues", "unsupportedRemoteOperationType"])
      expect(seen).toContain(`initialiseSecureChannel: ${reason}`);
  });

  it("by a segment left out, repeated or exchanged is refused", () => {
    const { segments: all } = ready();
    for (let at = 1; at < all.length; at++) {
      const { card, segments } = ready();
      expect(
        install(
          card,
          segments.filter((_, index) => index !== at),
        ),
      ).toMatch(/scp03t(Structure|Security)Error|^9000$/);
      expect(profilesOf(card)).toBe(untouched);
    }
    for (let at = 1; at < all.length - 1; at++) {
      const { card, segments } = ready();
      const repeated = segments.flatMap((segment, index) => (index === at ? [segment, segment] : [segment]));
      expect(install(card, repeated)).toMatch(/scp03t(Structure|Security)Error$/);
    }
  });
});

describe("a package that is whole and yet not for this card", () => {
  const point = createEphemeral("prime256v1").publicPoint;
  const offCurve = point.map((octet, i) => (i === 64 ? octet ^ 1 : octet));
  const ppr = (...rules: ("ppr1" | "ppr2")[]) => ({ profilePolicyRules: rules, profileOwner: { mccMnc: fromHex("62F230") } });
  const table = (mccMnc: string, gid1?: string) =>
    encode(RulesAuthorisationTable, [
      {
        pprIds: ["ppr1", "ppr2"],
        allowedOperators: [{ mccMnc: fromHex(mccMnc), gid1: gid1 === undefined ? undefined : fromHex(gid1) }],
        pprFlags: [],
      },
    ]);

  // shows: es8.InitialiseSecureChannel, b4.install-error, code.ErrorReason.incorrectInputValues, code.ErrorReason.invalidSignature
  // shows: code.ErrorReason.invalidTransactionId, code.ErrorReason.unsupportedCrtValues, code.ErrorReason.unsupportedRemoteOperationType
  // shows: code.ErrorReason.unsupportedProfileClass, code.ErrorReason.scp03tSecurityError
  // shows: code.ErrorReason.installFailedDueToIccidAlreadyExistsOnEuicc, code.ErrorReason.installFailedDueToInsufficientMemoryForProfile
  // shows: code.ErrorReason.installFailedDueToDataMismatch, code.ErrorReason.pprNotAllowed, code.BppCommandId.initialiseSecureChannel
  // shows: code.BppCommandId.configureISDP, code.BppCommandId.storeMetadata, code.BppCommandId.replaceSessionKeys
  // shows: code.BppCommandId.loadProfileElements
  it.each<[string, string, Partial<BindOptions>, Parameters<typeof bench>[0]]>([
    ["another operation", "initialiseSecureChannel: unsupportedRemoteOperationType", { remoteOpId: 2 }, {}],
    ["another transaction", "initialiseSecureChannel: invalidTransactionId", { transactionId: fromHex("01") }, {}],
    ["another kind of key", "initialiseSecureChannel: unsupportedCrtValues", { keyType: 0x80 }, {}],
    ["another length of key", "initialiseSecureChannel: unsupportedCrtValues", { keyLength: 0x20 }, {}],
    ["a wrong signature", "initialiseSecureChannel: invalidSignature", { spoilSign: true }, {}],
    ["no point of the curve", "initialiseSecureChannel: incorrectInputValues", { smdpOtpk: offCurve }, {}],
    ["another point than it was bound with", "configureISDP: scp03tSecurityError", { smdpOtpk: point }, {}],
    ["no ConfigureISDP", "configureISDP: incorrectInputValues", { configure: fromHex("BF2500") }, {}],
    ["no metadata", "storeMetadata: incorrectInputValues", { metadata: fromHex("BF2500") }, {}],
    ["a class that is none", "storeMetadata: unsupportedProfileClass", { metadata: spliced(metadata("c"), "950109") }, {}],
    ["keys of another length", "replaceSessionKeys: incorrectInputValues", { replaceKeys: fromHex("BF2606800111810122") }, {}],
    [
      "an ICCID that is here already",
      "storeMetadata: installFailedDueToIccidAlreadyExistsOnEuicc",
      { metadata: metadata("a"), upp: buildProfilePackage(recipe("a")) },
      {},
    ],
    [
      "more profiles than there is room for",
      "storeMetadata: installFailedDueToInsufficientMemoryForProfile",
      {},
      { capabilities: { maxProfiles: 2 } },
    ],
    [
      "more octets than there is room for",
      "loadProfileElements: installFailedDueToInsufficientMemoryForProfile",
      {},
      { capabilities: { nonVolatileMemoryBytes: 14_000 } },
    ],
    [
      "another ICCID in the profile than in the metadata",
      "loadProfileElements: installFailedDueToDataMismatch",
      { upp: buildProfilePackage({ ...recipe("c"), iccid: iccids.b }) },
      {},
    ],
    [
      "an owner that the IMSI is not of",
      "loadProfileElements: installFailedDueToDataMismatch",
      { metadata: metadata("c", { profileOwner: { mccMnc: fromHex("62F210") } }) },
      {},
    ],
    [
      "a group that the profile is not of",
      "loadProfileElements: installFailedDueToDataMismatch",
      { metadata: metadata("c", { profileOwner: { mccMnc: fromHex("62F230"), gid1: fromHex("11") } }) },
      {},
    ],
    ["a rule without an owner", "storeMetadata: pprNotAllowed", { metadata: metadata("c", { profilePolicyRules: ["ppr2"] }) }, {}],
    [
      "a rule that its operator may not use",
      "storeMetadata: pprNotAllowed",
      { metadata: metadata("c", ppr("ppr2")) },
      { rulesAuthorisationTable: table("62F220") },
    ],
    [
      "a rule that its operator's group may not use",
      "storeMetadata: pprNotAllowed",
      { metadata: metadata("c", ppr("ppr2")) },
      { rulesAuthorisationTable: table("62F230", "01") },
    ],
    ["ppr1 beside another operational profile", "storeMetadata: pprNotAllowed", { metadata: metadata("c", ppr("ppr1")) }, {}],
  ])("(%s) is refused: %s", (_, text, more, options) => {
    const { card, segments } = ready(options, more);
    expect(install(card, segments)).toBe(text);
    expect(profilesOf(card)).toBe(untouched);
    expect(card.euicc.pending().notifications).toEqual([1]);
    expect(resultsOf(load(card.channel, psmoPackage([psmo.getRat])))).toEqual(["getRATResult"]);
  });

  it("(of another EID) is refused at the first MAC", () => {
    const eid = `${pki.subjects.eid.slice(0, 30)}99`;
    const card = bench();
    const otherCard = bench({ eid });
    const bpp = bind({ euiccOtpk: prepared(card.channel), metadata: metadata("c"), upp });
    expect(install(card, segmentsOf(bpp))).toContain("installed");
    // The same octets on a card that has agreed on no key with this server.
    expect(install(otherCard, segmentsOf(bpp))).toBe("6985");
    prepared(otherCard.channel);
    expect(install(otherCard, segmentsOf(bpp))).toBe("initialiseSecureChannel: invalidSignature");
    expect(digitsToBcd(eid)).not.toEqual(digitsToBcd(pki.subjects.eid));
  });

  it("brings its rules with it where the table lets it, and they hold", () => {
    const { card, segments } = ready({ rulesAuthorisationTable: table("62FE30") }, { metadata: metadata("c", ppr("ppr2")) });
    expect(install(card, segments)).toContain("installed");
    expect(resultsOf(load(card.channel, psmoPackage([psmo.delete("c")])))).toEqual(["deleteResult disallowedByPolicy"]);
  });
});

describe("profile elements that cannot be installed", () => {
  const elements = readTlvs(upp).map((tlv) => rawOf(tlv));
  const unknownElement = (mandated: boolean): Uint8Array =>
    writeTlv(0xbf22, writeTlv(0xa0, ...(mandated ? [writeTlv(0x80)] : []), writeTlv(0x81, Uint8Array.of(99))));
  const refusedWith = (package_: Uint8Array): { text: string; status: unknown; identification: unknown } => {
    const { card, segments } = ready({}, { upp: package_ });
    const { data } = loadSegments(card.channel, segments);
    const { finalResult } = decode(ProfileInstallationResult, data).profileInstallationResultData.value;
    const sima = finalResult.kind === "errorResult" ? finalResult.value.simaResponse : finalResult.value.simaResponse;
    const response = decode(EUICCResponse, sima ?? new Uint8Array(0));
    expect(profilesOf(card).includes(iccids.c)).toBe(finalResult.kind === "successResult");
    expect(response.profileInstallationAborted).toBe(finalResult.kind === "successResult" ? undefined : true);
    const last = response.peStatus.at(-1);
    return { text: gistOf(data), status: last?.status, identification: last?.identification };
  };

  // shows: code.ErrorReason.installFailedDueToPEProcessingError
  it("name the element and its fault in simaResponse", () => {
    const text = "loadProfileElements: installFailedDueToPEProcessingError";
    const withoutMf = concatBytes(...elements.filter((_, index) => index !== 1));
    expect(refusedWith(withoutMf)).toEqual({ text, status: "invalid-request-format", identification: 3 });
    const mandated = concatBytes(...elements.slice(0, -1), unknownElement(true), ...elements.slice(-1));
    expect(refusedWith(mandated)).toEqual({ text, status: "pe-not-supported", identification: 99 });
    expect(refusedWith(fromHex("A0"))).toEqual({ text, status: "invalid-request-format", identification: undefined });
  });

  it("are passed over, with a warning, where they are not mandated", () => {
    const optional = concatBytes(...elements.slice(0, -1), unknownElement(false), ...elements.slice(-1));
    const { text, status, identification } = refusedWith(optional);
    expect(text).toContain("installed");
    expect([status, identification]).toEqual(["pe-not-supported", 99]);
  });

  it("wrongly told ICCID in the header is a mismatch", () => {
    const [header] = elements;
    const decoded = decode(ProfileElement, header ?? new Uint8Array(0));
    if (decoded.kind !== "header") throw new Error(decoded.kind);
    const changed = encode(ProfileElement, { kind: "header", value: { ...decoded.value, iccid: iccidToBytes(iccids.b) } });
    const { card, segments } = ready({}, { upp: concatBytes(changed, ...elements.slice(1)) });
    expect(install(card, segments)).toBe("loadProfileElements: installFailedDueToDataMismatch");
  });
});

describe("after an installation", () => {
  const address = utf8("smdp.example.com");
  const config = (more: Uint8Array[]): string => toHexUpper(writeTlv(0xbf59, ...more));

  // shows: e10.conditions, code.ImmediateEnable.ok
  it("ImmediateEnable enables the profile of this session, where it was configured for this SM-DP+", () => {
    const cases: readonly [Uint8Array[], string][] = [
      [[writeTlv(0x80)], "00"],
      [[writeTlv(0x80), writeTlv(0x82, address)], "00"],
      [[writeTlv(0x80), writeTlv(0x81, fromHex("88370A")), writeTlv(0x82, address)], "00"],
      [[writeTlv(0x82, address)], "01"],
      [[writeTlv(0x80), writeTlv(0x82, utf8("other.example.com"))], "01"],
      [[writeTlv(0x80), writeTlv(0x81, fromHex("88370C"))], "01"],
    ];
    for (const [configuration, code] of cases) {
      const { card, segments } = ready({ eims: [] });
      expect(card.channel.sendHex(config(configuration))).toBe("BF5903800100");
      expect(card.channel.sendHex("BF5A038001FF")).toBe("BF5A03800104");
      install(card, segments);
      const answer = card.channel.sendHex("BF5A038001FF");
      expect(answer).toBe(`BF5A038001${code}${code === "00" ? "910B" : ""}`);
      card.euicc.reset();
      expect(card.euicc.iccid).toBe(code === "00" ? iccids.c : iccids.a);
    }
  });

  // shows: code.ImmediateEnable.immediateEnableNotAvailable, code.ImmediateEnable.catBusy
  it("ImmediateEnable is not there for who did not configure it, and waits while the terminal is busy", () => {
    const { card, segments } = ready();
    install(card, segments);
    expect(card.channel.sendHex("BF5A038001FF")).toBe("BF5A03800101");
    const busy = ready({ eims: [] });
    busy.card.channel.sendHex(config([writeTlv(0x80)]));
    install(busy.card, busy.segments);
    busy.card.euicc.faults.catBusyTimes = 1;
    expect(busy.card.channel.sendHex("BF5A03800100")).toBe("BF5A03800105");
    expect(busy.card.channel.sendHex("BF5A03800100")).toBe("BF5A03800100");
    expect(busy.card.channel.sendHex("BF5A03800100")).toBe("BF5A03800101");
  });

  it("an eIM of the same card can order on, and its counter knows nothing of downloads", () => {
    const { card, segments } = ready({ eims: [encode(EimConfigurationData, eimConfiguration())] });
    install(card, segments);
    expect(resultsOf(load(card.channel, psmoPackage([psmo.enable("c"), psmo.delete("a")])))).toEqual([
      "enableResult ok",
      "deleteResult ok",
    ]);
  });

  // shows: b4.signature-other
  it("notifications carry the signature and both certificates", () => {
    const { card, segments } = ready({ profiles: [factoryProfile("a", { enabled: true })] });
    install(card, segments);
    const list = card.channel.send(fromHex("BF2B05A003800102")).data;
    const [inner] = readTlvs(list.slice(3 + (list[2] === 0x82 ? 2 : 0)));
    if (inner === undefined) throw new Error("no list");
    const [one] = readTlvs(inner.source, inner.contentStart, inner.end);
    const notification = decode(PendingNotification, one === undefined ? new Uint8Array(0) : rawOf(one));
    if (notification.kind !== "otherSignedNotification") throw new Error(notification.kind);
    const { tbsOtherNotification, euiccNotificationSignature, euiccCertificate } = notification.value;
    expect(verifiesWithEuicc(euiccNotificationSignature, tbsOtherNotification.raw)).toBe(true);
    expect(euiccCertificate).toEqual(pki.get("euicc").certificate);
  });
});

/** The metadata with another class. */
function spliced(tlv: Uint8Array, profileClass: string): Uint8Array {
  const [outer] = readTlvs(tlv);
  if (outer === undefined) throw new Error("no TLV");
  const parts = readTlvs(outer.source, outer.contentStart, outer.end).map((part) => rawOf(part));
  return writeTlv(0xbf25, ...parts.slice(0, 3), fromHex(profileClass), ...parts.slice(3));
}
