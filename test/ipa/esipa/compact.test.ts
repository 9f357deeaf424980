// Compact forms as values: whatever a card answers, the eIM's full form of the IPA's compact one is the card's, octet for octet, or there is no compact one.
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { concatBytes, fromHex, toHexUpper, utf8 } from "../../../base/bytes.ts";
import { VirtualClock } from "../../../base/clock.ts";
import { ecdsaSign } from "../../../hw-sim/crypto/ecdsa.ts";
import { Euicc, EuiccRegistry } from "../../../hw-sim/eim/euiccs.ts";
import {
  type RelayedFacts,
  restoreAuthenticateServerResponse,
  restoreCancelSessionResponse,
  restoreInstallationResult,
  restorePrepareDownloadResponse,
} from "../../../hw-sim/eim/restore.ts";
import { createPki } from "../../../hw-sim/pki/pki.ts";
import { decode, encode, oid } from "../../../ipa/asn1/schema.ts";
import { retag, writeTlv as tlv } from "../../../ipa/asn1/tlv.ts";
import {
  compactAuthenticateServerResponse,
  compactCancelSessionResponse,
  compactInstallationResult,
  compactNotification,
  compactPrepareDownloadResponse,
  digestOf,
  info2Digest,
  type RelayedSession,
  type ToldFacts,
} from "../../../ipa/esipa/compact.ts";
import { Minimizer } from "../../../ipa/esipa/minimizer.ts";
import { PendingNotification } from "../../../ipa/messages/notifications.ts";

const clock = new VirtualClock();
const pki = createPki({ clock });
const { certificate, privateKey } = pki.get("euicc");
const eum = pki.get("eum").certificate;
const registry = new EuiccRegistry([pki.get("ci").certificate], () => clock.now());
const sign = (...parts: readonly Uint8Array[]): Uint8Array => tlv(0x5f37, new Uint8Array(ecdsaSign(privateKey, ...parts)));

const octets = (min: number, max: number) => fc.uint8Array({ minLength: min, maxLength: max });
const short = octets(16, 16);
const maybe = <T>(of: fc.Arbitrary<T>) => fc.option(of, { nil: undefined });
/** As DER has lengths, and as some cards have them. */
const written = (isLong: boolean, tag: number, ...contents: readonly Uint8Array[]): Uint8Array => {
  const whole = tlv(tag, ...contents);
  const content = concatBytes(...contents);
  if (!isLong || content.length > 0x7f) return whole;
  return concatBytes(whole.subarray(0, whole.length - content.length - 1), Uint8Array.of(0x81, content.length), content);
};

const session = fc.record({
  transactionId: octets(1, 16),
  serverAddress: fc.constantFrom("dp.example.com", "localhost:4430", "DP.Example.Com"),
  serverChallenge: short,
  smdpOid: fc.constantFrom("2.999.10", "1.3.6.1.4.1.54916.1", undefined),
  ctxParams1: fc.constant<Uint8Array | undefined>(undefined),
  bppEuiccOtpk: maybe(octets(65, 65)),
  hashCc: maybe(octets(32, 32)),
  iccid: maybe(octets(10, 10)),
});

function euiccWith(info2: Uint8Array | undefined): Euicc {
  const euicc = new Euicc({ eid: pki.subjects.eid });
  euicc.chain = registry.verifiedChain(pki.subjects.eid, certificate, eum);
  euicc.info2 = info2;
  return euicc;
}

/** What the eIM remembers of the same session. */
function factsOf(known: RelayedSession, ctxParams1: Uint8Array | undefined): RelayedFacts {
  const { transactionId, serverAddress, serverChallenge, bppEuiccOtpk, hashCc, iccid, smdpOid } = known;
  const fields = [tlv(0x80, transactionId), tlv(0x81, new Uint8Array(16)), tlv(0x83, utf8(serverAddress)), tlv(0x84, serverChallenge)];
  const names = [tlv(0x91, utf8("S")), tlv(0x92, utf8("P"))];
  return {
    serverSigned1: tlv(0x30, ...fields),
    smdpOid,
    ctxParams1,
    smdpSigned2: tlv(
      0x30,
      tlv(0x80, transactionId),
      tlv(0x01, Uint8Array.of(0)),
      ...(bppEuiccOtpk === undefined ? [] : [tlv(0x5f49, bppEuiccOtpk)]),
    ),
    smdpSignature2: tlv(0x5f37, new Uint8Array(64).fill(7)),
    hashCc,
    ...(iccid === undefined ? {} : { metadata: tlv(0xbf25, tlv(0x5a, iccid), ...names) }),
  };
}

const runs = { seed: 32, numRuns: 120 };
const same = (a: Uint8Array, b: Uint8Array): void => expect(toHexUpper(a)).toBe(toHexUpper(b));

describe("built again, octet for octet", () => {
  // shows: compact.authenticate-client, compact.certificates
  test("AuthenticateServer", () => {
    const told = fc.record({ info2: fc.boolean(), euicc: fc.boolean(), eum: fc.boolean(), context: fc.boolean() });
    let compacted = 0;
    fc.assert(
      fc.property(session, told, octets(1, 20), octets(1, 20), octets(0, 40), fc.boolean(), (known, has, before, now, rest, isLong) => {
        const context = tlv(0xa0, tlv(0x80, utf8("M")), tlv(0xa1, tlv(0x80, new Uint8Array(4)), tlv(0xa1)));
        const info2 = (ext: Uint8Array): Uint8Array =>
          written(isLong, 0xbf22, tlv(0x81, Uint8Array.of(2, 3, 1)), tlv(0x84, ext), ...readable, tlv(0x0c, utf8(toHexUpper(rest))));
        const signed1 = tlv(
          0x30,
          tlv(0x80, known.transactionId),
          tlv(0x83, utf8(known.serverAddress)),
          tlv(0x84, known.serverChallenge),
          info2(now),
          context,
        );
        const raw = tlv(0xbf38, tlv(0xa0, signed1, sign(signed1), certificate, eum));
        const facts: ToldFacts = {
          euiccInfo2: has.info2 ? info2Digest(info2(before)) : undefined,
          euiccCertificate: has.euicc ? digestOf(certificate) : undefined,
          eumCertificate: has.eum ? digestOf(eum) : undefined,
        };
        const ctxParams1 = has.context ? context : undefined;
        const compact = compactAuthenticateServerResponse(raw, { ...known, ctxParams1 }, facts);
        if (compact === undefined) return;
        compacted++;
        expect(compact.length).toBeLessThan(raw.length);
        same(restoreAuthenticateServerResponse(compact, factsOf(known, ctxParams1), euiccWith(info2(before))), raw);
      }),
      runs,
    );
    expect(compacted).toBeGreaterThan(40);
  });

  // shows: compact.get-bound-profile-package
  test("PrepareDownload", () => {
    let compacted = 0;
    fc.assert(
      fc.property(
        session,
        octets(65, 65),
        fc.boolean(),
        fc.constantFrom("none", "own", "given"),
        fc.boolean(),
        (known, key, isAgain, code, isLong) => {
          const otpk = isAgain ? (known.bppEuiccOtpk ?? key) : key;
          const hash = code === "none" ? undefined : code === "given" ? known.hashCc : new Uint8Array(32).fill(9);
          const parts = [written(isLong, 0x80, known.transactionId), tlv(0x5f49, otpk), ...(hash === undefined ? [] : [tlv(0x04, hash)])];
          const signed2 = tlv(0x30, ...parts);
          const facts = factsOf(known, undefined);
          const raw = tlv(0xbf21, tlv(0xa0, signed2, sign(signed2, facts.smdpSignature2 ?? new Uint8Array(0))));
          const compact = compactPrepareDownloadResponse(raw, known);
          if (compact === undefined) return;
          compacted++;
          same(restorePrepareDownloadResponse(compact, facts, euiccWith(undefined)), raw);
        },
      ),
      runs,
    );
    expect(compacted).toBeGreaterThan(20);
  });

  // shows: compact.cancel-session
  test("CancelSession", () => {
    fc.assert(
      fc.property(session, fc.constantFrom(0, 1, 2, 3, 4, 5, 127), fc.boolean(), (known, reason, isOther) => {
        const server = encode(oid(0x81), isOther ? "2.999.11" : (known.smdpOid ?? "2.999.10"));
        const signed = tlv(0x30, tlv(0x80, known.transactionId), server, tlv(0x82, Uint8Array.of(reason)));
        const raw = tlv(0xbf41, tlv(0xa0, signed, sign(signed)));
        const compact = compactCancelSessionResponse(raw, known);
        expect(compact === undefined).toBe(isOther || known.smdpOid === undefined);
        if (compact === undefined) return;
        same(restoreCancelSessionResponse(compact, factsOf(known, undefined), euiccWith(undefined)), raw);
      }),
      runs,
    );
  });

  // shows: compact.installation-result
  test("ProfileInstallationResult", () => {
    const outcome = fc.record({
      error: maybe(
        fc.record({ command: fc.integer({ min: 0, max: 5 }), reason: fc.integer({ min: 1, max: 15 }), sima: maybe(octets(1, 30)) }),
      ),
      aid: octets(2, 2),
      sima: fc.oneof(fc.constant(fromHex("3007A0053003800100")), octets(1, 20)),
      otherAid: fc.boolean(),
    });
    let compacted = 0;
    fc.assert(
      fc.property(
        session,
        outcome,
        fc.integer({ min: 1, max: 127 }),
        fc.boolean(),
        fc.boolean(),
        (known, { error, aid, sima, otherAid }, seq, has, isElsewhere) => {
          const whole = concatBytes(fromHex(otherAid ? "A0000005591010FFFFFFFF8901" : "A0000005591010FFFFFFFF8900"), aid, Uint8Array.of(0));
          const result =
            error === undefined
              ? tlv(0xa0, tlv(0x4f, whole), tlv(0x04, sima))
              : tlv(
                  0xa1,
                  tlv(0x80, Uint8Array.of(error.command)),
                  tlv(0x81, Uint8Array.of(error.reason)),
                  ...(error.sima === undefined ? [] : [tlv(0x82, error.sima)]),
                );
          const iccid = has && known.iccid !== undefined ? [tlv(0x5a, known.iccid)] : [];
          const address = tlv(0x0c, utf8(isElsewhere ? "elsewhere.example.com" : known.serverAddress));
          const metadata = tlv(0xbf2f, tlv(0x80, Uint8Array.of(seq)), tlv(0x81, Uint8Array.of(7, 0x80)), address, ...iccid);
          const data = tlv(0xbf27, tlv(0x80, known.transactionId), metadata, encode(oid(), known.smdpOid ?? "2.999.10"), tlv(0xa2, result));
          const raw = tlv(0xbf37, data, sign(data));
          const compact = compactInstallationResult(raw, known);
          expect(compact === undefined).toBe(isElsewhere || known.smdpOid === undefined || (error === undefined && otherAid));
          if (compact === undefined) return;
          compacted++;
          const read = decode(PendingNotification, compact);
          if (read.kind !== "compactProfileInstallationResult") throw new Error(read.kind);
          same(restoreInstallationResult(read.value, factsOf(known, undefined), euiccWith(undefined)), raw);
        },
      ),
      runs,
    );
    expect(compacted).toBeGreaterThan(20);
  });
});

/** What EUICCInfo2 must have for a reader, beside what the test varies. */
const readable = [
  tlv(0x82, Uint8Array.of(2, 5, 1)),
  tlv(0x83, Uint8Array.of(1, 0, 0)),
  tlv(0x85, Uint8Array.of(0)),
  tlv(0x88, Uint8Array.of(0)),
  tlv(0xa9),
  tlv(0xaa),
  tlv(0x04, Uint8Array.of(1, 0, 0)),
];

describe("no compact form", () => {
  const known: RelayedSession = {
    transactionId: Uint8Array.of(1),
    serverAddress: "dp.example.com",
    serverChallenge: new Uint8Array(16),
    smdpOid: "2.999.10",
    ctxParams1: undefined,
  };
  const told: ToldFacts = { euiccCertificate: digestOf(certificate), eumCertificate: digestOf(eum) };

  test("of what is an error", () => {
    const error = tlv(0xa1, tlv(0x80, Uint8Array.of(1)), tlv(0x02, Uint8Array.of(127)));
    expect(compactAuthenticateServerResponse(tlv(0xbf38, error), known, told)).toBeUndefined();
    expect(compactPrepareDownloadResponse(tlv(0xbf21, error), known)).toBeUndefined();
    expect(compactCancelSessionResponse(fromHex("BF4103810105"), known)).toBeUndefined();
  });

  test("of a notification whose certificates the eIM does not have", () => {
    const metadata = tlv(0xbf2f, tlv(0x80, Uint8Array.of(1)), tlv(0x81, Uint8Array.of(6, 0x40)), tlv(0x0c, utf8("dp")));
    const raw = tlv(0x30, metadata, sign(metadata), certificate, eum);
    expect(compactNotification(raw, {}, undefined)).toBeUndefined();
    expect(compactNotification(raw, { euiccCertificate: told.euiccCertificate }, undefined)).toBeUndefined();
    same(
      compactNotification(raw, told, undefined) ?? new Uint8Array(0),
      tlv(0xa1, metadata, raw.subarray(raw.length - certificate.length - eum.length - 67, raw.length - certificate.length - eum.length)),
    );
  });

  test("of a card's answer with more in it than is known here", () => {
    const signed = tlv(0x30, tlv(0x80, known.transactionId), encode(oid(0x81), "2.999.10"), tlv(0x82, Uint8Array.of(3)), tlv(0x83));
    expect(compactCancelSessionResponse(tlv(0xbf41, tlv(0xa0, signed, sign(signed))), known)).toBeUndefined();
  });
});

describe("what an eIM was told", () => {
  test("adds up, and is forgotten when it could not be used; what cannot be read tells nothing and spoils nothing", async () => {
    let known: ToldFacts = {};
    const save = async (_: string, facts: ToldFacts): Promise<void> => {
      known = facts;
    };
    const minimizer = new Minimizer("eim1", { load: () => known, save });
    const info1 = tlv(0xbf20, tlv(0x82, Uint8Array.of(2, 5, 1)), tlv(0xa9), tlv(0xaa));
    await minimizer.told(tlv(0xbf52, tlv(0xa0, info1)));
    await minimizer.told(tlv(0xbf52, tlv(0xa0, retag(eum, 0xa5), retag(certificate, 0xa6))));
    const facts = { euiccInfo1: digestOf(info1), euiccCertificate: digestOf(certificate), eumCertificate: digestOf(eum) };
    expect(known).toEqual(facts);
    for (const unreadable of ["BF5206A50404010101", "BF5205A103020101", "BF52"]) await minimizer.told(fromHex(unreadable));
    expect(known).toEqual(facts);
    expect(minimizer.knowsInfo1(info1)).toBe(true);
    await minimizer.giveUp();
    expect([known, minimizer.knowsInfo1(info1), minimizer.active]).toEqual([{}, false, false]);
  });
});
