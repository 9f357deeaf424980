// Mutual authentication, download preparation and cancelling: what the eUICC signs, and each thing it refuses to believe.
import { createHash, generateKeyPairSync } from "node:crypto";
import { describe, expect, it } from "vitest";
import { concatBytes, fromHex, toHexUpper } from "../../../base/bytes.ts";
import { parseCertificate } from "../../../hw-sim/pki/certificate.ts";
import { roles } from "../../../hw-sim/pki/chain.ts";
import { createPki, type Identity } from "../../../hw-sim/pki/pki.ts";
import {
  authorityKeyIdentifier,
  buildCertificate,
  certificatePolicy,
  encodeName,
  keyUsage,
  spkiOf,
  subjectAltName,
} from "../../../hw-sim/pki/x509.ts";
import { encode, octets } from "../../../ipa/asn1/schema.ts";
import {
  CancelSessionRequest,
  CancelSessionResponse,
  GetEuiccChallengeRequest,
  GetEuiccChallengeResponse,
} from "../../../ipa/messages/rsp.ts";
import { authenticate, authenticateOnly, prepare, prepared, type SmdpOptions } from "./small-smdp.ts";
import { bench, clock, identityOf, pki, verifiesWithEuicc } from "./support.ts";

const transactionId = fromHex("AABBCCDD");
const stranger = createPki({ clock });
const dayMs = 86_400_000;

/** An SM-DS' certificate for authentication, of the same CI. */
function smdsIdentity(): Identity {
  const base = pki.get("dpauth");
  const ci = pki.get("ci");
  const certificate = buildCertificate(
    {
      serialNumber: Uint8Array.of(0x51),
      issuer: parseCertificate(ci.certificate).subject,
      subject: encodeName([["CN", "TEST SM-DS"]]),
      notBeforeMs: clock.now() - dayMs,
      notAfterMs: clock.now() + dayMs,
      subjectPublicKeyInfo: spkiOf(base.privateKey),
      extensions: [
        authorityKeyIdentifier(ci.subjectKeyIdentifier),
        certificatePolicy(roles.dsauth.policy, true),
        keyUsage("digitalSignature"),
        subjectAltName([], "2.999.15"),
      ],
    },
    ci.privateKey,
  );
  return { ...base, certificate };
}

describe("AuthenticateServer", () => {
  // shows: es10b.AuthenticateServer
  it("answers with what it knows of itself, signed, and both certificates", () => {
    const { channel } = bench();
    const response = authenticate(channel);
    if (response.kind !== "authenticateResponseOk") throw new Error(JSON.stringify(response));
    const { euiccSigned1, euiccSignature1, euiccCertificate, eumCertificate } = response.value;
    expect(euiccSigned1.value).toMatchObject({ transactionId, serverAddress: "smdp.example.com" });
    expect(verifiesWithEuicc(euiccSignature1, euiccSigned1.raw)).toBe(true);
    expect([euiccCertificate, eumCertificate]).toEqual([pki.get("euicc").certificate, pki.get("eum").certificate]);
  });

  it("believes an SM-DS too, but lets it prepare no download", () => {
    const { channel } = bench();
    const auth = smdsIdentity();
    const response = authenticate(channel, { auth });
    expect(response.kind).toBe("authenticateResponseOk");
    expect(prepare(channel, response)).toMatchObject({ value: { downloadErrorCode: "noSessionContext" } });
  });

  it("takes a key identifier cut to its first octets", () => {
    const ciPKId = pki.get("ci").subjectKeyIdentifier.slice(0, 4);
    expect(authenticate(bench().channel, { ciPKId }).kind).toBe("authenticateResponseOk");
  });

  // shows: b5.card-ci, b5.card-chain, b5.card-signature, b5.card-challenge, code.AuthenticateServer.invalidCertificate
  // shows: code.AuthenticateServer.invalidSignature, code.AuthenticateServer.unsupportedCurve, code.AuthenticateServer.invalidOid
  // shows: code.AuthenticateServer.euiccChallengeMismatch, code.AuthenticateServer.ciPKUnknown
  it.each<[string, string, SmdpOptions]>([
    ["a CI it does not know", "ciPKUnknown", { ciPKId: fromHex("0102030405060708090A0B0C0D0E0F1011121314") }],
    ["a certificate of another CI", "invalidCertificate", { auth: stranger.get("dpauth") }],
    [
      "a certificate that has expired",
      "invalidCertificate",
      { auth: pki.issue("dpauth", { notBeforeMs: clock.now() - 9 * dayMs, notAfterMs: clock.now() - dayMs }) },
    ],
    ["a certificate that is not valid yet", "invalidCertificate", { auth: pki.issue("dpauth", { notBeforeMs: clock.now() + dayMs }) }],
    ["a certificate of another role", "invalidOid", { auth: pki.get("dppb") }],
    ["a TLS certificate", "invalidOid", { auth: pki.get("dptls") }],
    ["a wrong signature", "invalidSignature", { spoilSignature1: true }],
    [
      "a key that is not the certificate's",
      "invalidSignature",
      { auth: { ...pki.get("dpauth"), privateKey: stranger.get("dpauth").privateKey } },
    ],
    ["another challenge", "euiccChallengeMismatch", { challenge: new Uint8Array(16) }],
    [
      "a key on a curve of no RSP",
      "unsupportedCurve",
      { auth: pki.issue("dpauth", { privateKey: generateKeyPairSync("ec", { namedCurve: "secp384r1" }).privateKey }) },
    ],
  ])("refuses %s", (_, authenticateErrorCode, options) => {
    const { channel } = bench();
    expect(authenticate(channel, options)).toEqual({ kind: "authenticateResponseError", value: { transactionId, authenticateErrorCode } });
    // The session is over with it.
    expect(prepare(channel, authenticate(channel, options), options)).toMatchObject({ value: { downloadErrorCode: "noSessionContext" } });
  });

  // shows: b5.card-challenge, b2.challenge-anew, code.AuthenticateServer.noSessionContext
  it("wants a challenge of its own first, and takes each once", () => {
    const { channel } = bench();
    const error = { kind: "authenticateResponseError", value: { transactionId, authenticateErrorCode: "noSessionContext" } };
    expect(authenticateOnly(channel, new Uint8Array(16))).toEqual(error);
    const { euiccChallenge } = channel.call(GetEuiccChallengeRequest, GetEuiccChallengeResponse, {});
    expect(authenticateOnly(channel, euiccChallenge).kind).toBe("authenticateResponseOk");
    expect(authenticateOnly(channel, euiccChallenge)).toEqual(error);
  });

  // shows: b5.card-challenge
  it("forgets the challenge at a reset, and gives another each time", () => {
    const { euicc, channel } = bench();
    const challenge = (): string => toHexUpper(channel.call(GetEuiccChallengeRequest, GetEuiccChallengeResponse, {}).euiccChallenge);
    expect(challenge()).not.toBe(challenge());
    const { euiccChallenge } = channel.call(GetEuiccChallengeRequest, GetEuiccChallengeResponse, {});
    euicc.reset();
    const again = bench({ snapshot: euicc.snapshot() });
    expect(authenticateOnly(again.channel, euiccChallenge)).toMatchObject({ value: { authenticateErrorCode: "noSessionContext" } });
  });

  it("works under a second CI on brainpoolP256r1, with that identity's key", () => {
    const world = createPki({ clock, curve: "brainpoolP256r1" });
    const { channel } = bench({ identities: [identityOf(pki), identityOf(world)] });
    const response = authenticate(channel, { world });
    expect(response).toMatchObject({ kind: "authenticateResponseOk", value: { euiccCertificate: world.get("euicc").certificate } });
    expect(prepare(channel, response, { world }).kind).toBe("downloadResponseOk");
  });
});

describe("PrepareDownload", () => {
  // shows: es10b.PrepareDownload
  it("answers with a new one-time key, signed together with the server's signature", () => {
    const { channel } = bench();
    const response = prepare(channel, authenticate(channel));
    if (response.kind !== "downloadResponseOk") throw new Error(JSON.stringify(response));
    const { euiccSigned2 } = response.value;
    expect(euiccSigned2.value.transactionId).toEqual(transactionId);
    expect(euiccSigned2.value.euiccOtpk).toHaveLength(65);
  });

  // shows: es10b.PrepareDownload
  it("signs over euiccSigned2 and smdpSignature2", () => {
    const { channel } = bench();
    const authenticated = authenticate(channel);
    // The request is made here by hand, so that its signature is known.
    const sent: Uint8Array[] = [];
    const spy = {
      ...channel,
      call: ((request, response, value) => {
        sent.push(encode(request, value));
        return channel.call(request, response, value);
      }) as typeof channel.call,
    };
    const response = prepare(spy, authenticated);
    const request = toHexUpper(sent[0] ?? new Uint8Array(0));
    const smdpSignature2 = fromHex(request.slice(request.indexOf("5F3740") + 6, request.indexOf("5F3740") + 134));
    if (response.kind !== "downloadResponseOk") throw new Error(JSON.stringify(response));
    const { euiccSigned2, euiccSignature2 } = response.value;
    expect(verifiesWithEuicc(euiccSignature2, concatBytes(euiccSigned2.raw, encode(octets(0x5f37), smdpSignature2)))).toBe(true);
  });

  // shows: b5.card-cc
  it("passes the hash of the confirmation code on, and wants it when the server does", () => {
    const hashCc = new Uint8Array(createHash("sha256").update("x").digest());
    const { channel } = bench();
    expect(prepare(channel, authenticate(channel), { ccRequired: true, hashCc })).toMatchObject({
      value: { euiccSigned2: { value: { hashCc } } },
    });
    expect(prepare(channel, authenticate(channel), { ccRequired: true })).toMatchObject({ value: { downloadErrorCode: "undefinedError" } });
  });

  // shows: b5.card-same-server, b5.card-signature2, b5.card-transaction, code.PrepareDownload.invalidCertificate
  // shows: code.PrepareDownload.invalidSignature, code.PrepareDownload.unsupportedCurve, code.PrepareDownload.invalidTransactionId
  it.each<[string, string, SmdpOptions]>([
    ["a certificate of another CI", "invalidCertificate", { binding: stranger.get("dppb") }],
    ["a certificate of another role", "invalidCertificate", { binding: pki.get("dpauth") }],
    ["a certificate of another SM-DP+", "invalidCertificate", { binding: pki.issue("dppb", { smdpOid: "2.999.12" }) }],
    [
      "an expired certificate",
      "invalidCertificate",
      { binding: pki.issue("dppb", { notBeforeMs: clock.now() - 9 * dayMs, notAfterMs: clock.now() - dayMs }) },
    ],
    ["a wrong signature", "invalidSignature", { spoilSignature2: true }],
    ["another transaction", "invalidTransactionId", { transactionId2: fromHex("01") }],
    [
      "a curve of no RSP",
      "unsupportedCurve",
      { binding: pki.issue("dppb", { privateKey: generateKeyPairSync("ec", { namedCurve: "secp384r1" }).privateKey }) },
    ],
  ])("refuses %s", (_, downloadErrorCode, options) => {
    const { channel } = bench();
    expect(prepare(channel, authenticate(channel), options)).toMatchObject({ kind: "downloadResponseError", value: { downloadErrorCode } });
  });

  // shows: code.PrepareDownload.noSessionContext
  it("wants AuthenticateServer first", () => {
    const { channel } = bench();
    expect(
      prepare(channel, { kind: "authenticateResponseError", value: { transactionId, authenticateErrorCode: "undefinedError" } }),
    ).toMatchObject({
      value: { downloadErrorCode: "noSessionContext" },
    });
  });

  // shows: b5.otpk-again
  it("uses the earlier one-time key again when the server asks for it, even after a restart, and no key it does not have", () => {
    const { euicc, channel } = bench();
    const bppEuiccOtpk = prepared(channel);
    expect(prepared(channel)).not.toEqual(bppEuiccOtpk);
    const second = prepared(channel);
    expect(prepared(channel, { bppEuiccOtpk: second })).toEqual(second);
    const again = bench({ snapshot: euicc.snapshot() });
    expect(prepared(again.channel, { bppEuiccOtpk: second })).toEqual(second);
    expect(prepared(again.channel, { bppEuiccOtpk })).not.toEqual(bppEuiccOtpk);
  });
});

describe("CancelSession", () => {
  const cancel = (terminal: ReturnType<typeof bench>["channel"], id = transactionId) =>
    terminal.call(CancelSessionRequest, CancelSessionResponse, { transactionId: id, reason: "pprNotAllowed" });

  // shows: b5.cancel-signed
  it("is signed with the SM-DP+'s OID and the reason, and ends the session", () => {
    const { channel } = bench();
    authenticate(channel);
    const response = cancel(channel);
    if (response.kind !== "cancelSessionResponseOk") throw new Error(JSON.stringify(response));
    const { euiccCancelSessionSigned, euiccCancelSessionSignature } = response.value;
    expect(euiccCancelSessionSigned.value).toEqual({ transactionId, smdpOid: pki.subjects.smdpOid, reason: "pprNotAllowed" });
    expect(verifiesWithEuicc(euiccCancelSessionSignature, euiccCancelSessionSigned.raw)).toBe(true);
    expect(cancel(channel)).toEqual({ kind: "cancelSessionResponseError", value: "invalidTransactionId" });
  });

  // shows: code.CancelSession.invalidTransactionId
  it("refuses another transaction, and one that was never authenticated", () => {
    const { channel } = bench();
    expect(channel.sendHex("BF41098004AABBCCDD810103")).toBe("BF4103810105");
    authenticate(channel);
    expect(cancel(channel, fromHex("01"))).toEqual({ kind: "cancelSessionResponseError", value: "invalidTransactionId" });
    expect(cancel(channel).kind).toBe("cancelSessionResponseOk");
  });
});
