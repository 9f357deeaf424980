// The ESipa client against a scripted transport: every function's octets, every shape an answer can have, endpoints from EimConfigurationData.
import { describe, expect, test } from "vitest";
import { fromHex, toHexUpper } from "../../../base/bytes.ts";
import { VirtualClock } from "../../../base/clock.ts";
import { SimwardError } from "../../../base/errors.ts";
import { EimClient, isUnreachable } from "../../../ipa/esipa/client.ts";
import { endpointOf, parseAddress } from "../../../ipa/esipa/endpoint.ts";
import { profileDownloadError } from "../../../ipa/esipa/messages.ts";
import type { IpaEvent } from "../../../ipa/events.ts";
import type { EimConfigurationData } from "../../../ipa/messages/eim-config.ts";
import { defaultCompat, type EsipaCompat } from "../../../ipa/options.ts";
import type { EsipaRequest, EsipaResponse } from "../../../ipa/ports.ts";

const eid = fromHex("89049032123451234512345678901235");
const txId = fromHex("AABBCCDD");

const endpoint = {
  eimId: "eim1",
  host: "eim.example",
  port: 443,
  serverName: "eim.example",
  trust: { kind: "roots", certificates: [] },
} as const;

type Reply = string | { readonly status: number; readonly body?: string } | SimwardError | "silence";

function client(replies: readonly Reply[], compat: Partial<EsipaCompat> = {}) {
  const requests: EsipaRequest[] = [];
  const events: IpaEvent[] = [];
  const clock = new VirtualClock();
  const waiting = [...replies];
  const eim = new EimClient({
    eimId: "eim1",
    bindings: [
      {
        name: "https",
        endpoint,
        transport: {
          scheme: "https",
          async exchange(_eim, request): Promise<EsipaResponse> {
            requests.push(request);
            const reply = waiting.shift();
            if (reply === undefined) throw new Error("no reply is left");
            if (reply instanceof SimwardError) throw reply;
            if (reply === "silence") return new Promise(() => undefined);
            if (typeof reply === "string") return { status: 200, body: fromHex(reply) };
            return { status: reply.status, body: fromHex(reply.body ?? "") };
          },
        },
      },
    ],
    compat: { ...defaultCompat, ...compat },
    eid,
    clock,
    events: { emit: (event) => void events.push(event) },
    timeoutMs: 60_000,
  });
  return {
    eim,
    clock,
    events,
    sent: () => requests.map(({ body }) => toHexUpper(body)),
    functions: () => requests.map((one) => one.functionName),
  };
}

const nothingToTell = { stateChange: undefined, rPlmn: undefined };

describe("GetEimPackage", () => {
  // shows: esipa.GetEimPackage, bf4f.eid, bf4f.state-change, bf4f.rplmn, e2.13-rplmn
  test("asks with the EID alone, or with what changed and where the vehicle is", async () => {
    const { eim, sent, functions, events } = client(["BF4F03020101", "BF4F03020101"]);
    await eim.getEimPackage(nothingToTell);
    await eim.getEimPackage({ stateChange: "fallback", rPlmn: fromHex("62F210") });
    expect(sent()).toEqual([
      "BF4F125A1089049032123451234512345678901235",
      "BF4F1C5A10890490321234512345123456789012358000810101820362F210",
    ]);
    expect(functions()).toEqual(["getEimPackage", "getEimPackage"]);
    expect(events).toMatchObject([
      { kind: "step", name: "ESipa.GetEimPackage", sentBytes: 21, receivedBytes: 6 },
      { kind: "step", name: "ESipa.GetEimPackage", sentBytes: 31, receivedBytes: 6 },
    ]);
  });

  // shows: bf4f.package, c1.untouched
  test("an eUICC package keeps its octets, whatever lengths its maker wrote, and once where it came twice", async () => {
    const single =
      "BF513B308133800465696D315A108904903212345123451234567890123581012A8204AABBCCDDA010A30E5A0A9800103254769810321405005F37021122";
    const twice = `BF513E${single}`;
    const { eim } = client([`BF4F3E${single}`, `BF4F41${twice}`]);
    for (let i = 0; i < 2; i++) {
      const received = await eim.getEimPackage(nothingToTell);
      expect(received.kind).toBe("euiccPackage");
      expect(received.kind === "none" ? "" : toHexUpper(received.raw)).toBe(single);
    }
  });

  // shows: bf4f.data-request, bf4f.trigger, bf54.empty
  test("each other kind is recognised", async () => {
    const { eim } = client(["BF4F03BF5400", "BF4F19BF52165C04BF20BF22A103800101A2038001028304AABBCCDD", "BF4F03020101", "BF4F03020100"]);
    expect(await eim.getEimPackage(nothingToTell)).toMatchObject({ kind: "profileDownload", value: {} });
    expect(await eim.getEimPackage(nothingToTell)).toMatchObject({ kind: "ipaEuiccData", value: { eimTransactionId: txId } });
    expect(await eim.getEimPackage(nothingToTell)).toEqual({ kind: "none" });
    expect(await eim.getEimPackage(nothingToTell)).toEqual({ kind: "none" });
  });

  // shows: e2.07-unknown, e2.08-malformed
  test("a package of a kind to come is unknown; one that does not decode is malformed, with its transaction where it can be found", async () => {
    const { eim } = client([
      "BF4F05BF7F028000",
      "BF5400",
      // counterValue 81 is missing.
      "BF4F23BF5120301E800465696D315A10890490321234512345123456789012358204AABBCCDD",
      "BF4F11BF510E300C800465696D318204AABBCCDD",
      "BF4F00",
      "DEADBEEF",
      "3C68746D6C3E",
    ]);
    expect(await eim.getEimPackage(nothingToTell)).toMatchObject({ kind: "unknown", tag: "BF7F" });
    expect(await eim.getEimPackage(nothingToTell)).toMatchObject({ kind: "unknown", tag: "BF54" });
    expect(await eim.getEimPackage(nothingToTell)).toMatchObject({ kind: "malformed" });
    expect(await eim.getEimPackage(nothingToTell)).toMatchObject({
      kind: "malformed",
      eimTransactionId: txId,
      error: { code: "ASN1_MISSING" },
    });
    for (let i = 0; i < 3; i++)
      expect(await eim.getEimPackage(nothingToTell)).toMatchObject({ kind: "malformed", eimTransactionId: undefined });
  });

  // shows: d3.other
  test("what the eIM refuses, what is no answer and what never comes each have their own code", async () => {
    const { eim, clock, events } = client(["BF4F03020102", "", { status: 503 }, new SimwardError("COAP_TIMEOUT"), "silence"]);
    const codes: unknown[] = [];
    for (let i = 0; i < 4; i++) await eim.getEimPackage(nothingToTell).catch((error) => codes.push([error.code, isUnreachable(error)]));
    const silent = eim.getEimPackage(nothingToTell).catch((error) => codes.push([error.code, isUnreachable(error)]));
    await clock.advance(60_000);
    await silent;
    expect(codes).toEqual([
      ["ESIPA_REFUSED", false],
      ["ESIPA_RESPONSE", false],
      ["ESIPA_STATUS", false],
      ["COAP_TIMEOUT", true],
      ["ESIPA_UNREACHABLE", true],
    ]);
    expect(events.map((event) => event.kind === "step" && event.error)).toEqual([
      undefined,
      undefined,
      "ESIPA_STATUS",
      "COAP_TIMEOUT",
      "ESIPA_UNREACHABLE",
    ]);
  });

  test("aborted: the caller's reason, at once, though the transport does not mind", async () => {
    const { eim } = client(["silence"]);
    const abort = new AbortController();
    const asked = eim.getEimPackage(nothingToTell, abort.signal);
    abort.abort(new SimwardError("ABORTED", { detail: "enough" }));
    await expect(asked).rejects.toMatchObject({ code: "ABORTED", detail: "enough" });
  });
});

describe("ProvideEimPackageResult", () => {
  const result = fromHex("BF5105A203800165");

  // shows: esipa.ProvideEimPackageResult, bf50.result, bf50.with-notifications, bf50.error, bf50.acknowledgements, bf50.empty
  test("a result alone, with notifications, an error of ours; acknowledgements, none of them, and a refusal", async () => {
    const { eim, sent } = client(["BF5009BF5306800101800102", "BF50023000", "BF5000", { status: 204 }, "BF5003020102"]);
    const message = eim.encodeResult({ kind: "euiccPackageResult", result, notifications: [] });
    expect(await eim.provideEimPackageResult(message)).toEqual([1, 2]);
    const notification = fromHex("BF3700");
    expect(
      await eim.provideEimPackageResult(eim.encodeResult({ kind: "euiccPackageResult", result, notifications: [notification] })),
    ).toEqual([]);
    const error = eim.encodeResult({ kind: "error", eimTransactionId: undefined, code: "invalidPackageFormat" });
    expect(await eim.provideEimPackageResult(error)).toEqual([]);
    expect(await eim.provideEimPackageResult(eim.encodeResult({ kind: "error", eimTransactionId: txId, code: "unknownPackage" }))).toEqual(
      [],
    );
    await expect(eim.provideEimPackageResult(message)).rejects.toMatchObject({ code: "ESIPA_REFUSED", data: { error: "eidNotFound" } });
    expect(sent()).toEqual([
      "BF501A5A1089049032123451234512345678901235BF5105A203800165",
      "BF50215A1089049032123451234512345678901235300DBF5105A203800165A003BF3700",
      "BF50175A1089049032123451234512345678901235A003020101",
      "BF501D5A1089049032123451234512345678901235A0098004AABBCCDD020102",
      "BF501A5A1089049032123451234512345678901235BF5105A203800165",
    ]);
  });

  test("to an eIM of v1.0: no EID, a bare error, notifications in a BF2B, no cause, rPLMN as 81", async () => {
    const { eim, sent } = client(["BF4F03020101", "BF5000", "BF5000"], { esipaVersion: "1.0" });
    await eim.getEimPackage({ stateChange: "otherEim", rPlmn: fromHex("62F210") });
    await eim.provideEimPackageResult(eim.encodeResult({ kind: "euiccPackageResult", result, notifications: [fromHex("BF3700")] }));
    await eim.provideEimPackageResult(eim.encodeResult({ kind: "error", eimTransactionId: txId, code: "unknownPackage" }));
    expect(sent()).toEqual([
      "BF4F195A10890490321234512345123456789012358000810362F210",
      "BF50123010BF5105A203800165BF2B05A003BF3700",
      "BF5003020102",
    ]);
    expect(toHexUpper(profileDownloadError(txId, "undefinedError", undefined, "1.0"))).toBe("BF54023000");
    expect(toHexUpper(profileDownloadError(txId, "undefinedError", undefined, "1.2"))).toBe("BF540B8204AABBCCDD300380017F");
  });
});

describe("the functions of a download", () => {
  const info1 = fromHex("BF200F8203020203A9030401F5AA030401F5");
  const challenge = fromHex("000102030405060708090A0B0C0D0E0F");

  // shows: esipa.InitiateAuthentication, esipa.AuthenticateClient, esipa.GetBoundProfilePackage, esipa.CancelSession
  // shows: esipa.HandleNotification, d2.bf39-request, d2.bf3b-request, d2.bf41-form, d2.bf3d-notification, d3.204
  test("the card's answers are wrapped, not encoded again", async () => {
    const { eim, sent, functions } = client([
      "BF3903810134",
      "BF3B03820132",
      "BF3A03810132",
      "BF4102A000",
      { status: 204 },
      { status: 200 },
    ]);
    const ask = { euiccChallenge: challenge, smdpAddress: "dp.x", euiccInfo1: info1, eimTransactionId: txId };
    await expect(eim.initiateAuthentication(ask)).rejects.toMatchObject({
      code: "ESIPA_REFUSED",
      data: { error: "invalidEimTransactionId" },
    });
    // A length in long form inside the card's answer.
    const authenticated = fromHex("BF3881 0A A108 8004AABBCCDD 0200".replace(/ /g, ""));
    await expect(eim.authenticateClient(txId, authenticated)).rejects.toMatchObject({ data: { error: "pprNotAllowed" } });
    await expect(eim.getBoundProfilePackage(txId, fromHex("BF2100"))).rejects.toMatchObject({ data: { error: "metadataMismatch" } });
    await eim.cancelSession(txId, fromHex("BF4103810105"));
    await eim.handleNotification(fromHex("BF3700"));
    await eim.handleNotification(fromHex("BF3700"));
    expect(sent()).toEqual([
      "BF39308110000102030405060708090A0B0C0D0E0F830464702E78BF200F8203020203A9030401F5AA030401F58204AABBCCDD",
      "BF3B148004AABBCCDDBF38810AA1088004AABBCCDD0200",
      "BF3A098004AABBCCDDBF2100",
      "BF410B8004AABBCCDDA103810105",
      "BF3D05A003BF3700",
      "BF3D05A003BF3700",
    ]);
    expect(functions()).toEqual([
      "initiateAuthentication",
      "authenticateClient",
      "getBoundProfilePackage",
      "cancelSession",
      "handleNotification",
      "handleNotification",
    ]);
  });

  // shows: esipa.GetBoundProfilePackage, d2.bf3a
  test("a bound profile package comes out octet for octet, even one that does not decode", async () => {
    const bpp = "BF3681 05 BF2300 A000".replace(/ /g, "");
    const cut = ["BF3A04A0028000", "BF3A06A004BF360500", "BF3A05A0038005AA"];
    const { eim } = client([`BF3A0BA009${bpp}`, `BF3A11A00F8004AABBCCDD${bpp}`, ...cut]);
    expect(toHexUpper(await eim.getBoundProfilePackage(txId, fromHex("BF2100")))).toBe(bpp);
    expect(toHexUpper(await eim.getBoundProfilePackage(txId, fromHex("BF2100")))).toBe(bpp);
    for (const _ of cut)
      await expect(eim.getBoundProfilePackage(txId, fromHex("BF2100"))).rejects.toMatchObject({ code: "ESIPA_RESPONSE" });
  });

  // shows: d2.bf3b-ds
  test("an SM-DS without an event, and answers that are none", async () => {
    const { eim } = client(["BF3B08A1068004AABBCCDD", "BF3B00", "BF3A00", "BF4103810101"]);
    expect(await eim.authenticateClient(txId, fromHex("BF3800"))).toEqual({ kind: "smds", trigger: undefined });
    await expect(eim.authenticateClient(txId, fromHex("BF3800"))).rejects.toMatchObject({ code: "ESIPA_RESPONSE" });
    await expect(eim.getBoundProfilePackage(txId, fromHex("BF2100"))).rejects.toMatchObject({ code: "ESIPA_RESPONSE" });
    await expect(eim.cancelSession(txId, fromHex("BF4103810105"))).rejects.toMatchObject({ data: { error: "invalidTransactionId" } });
  });
});

describe("where an eIM is", () => {
  const both = { available: ["coaps", "https"], prefer: "coaps" } as const;
  const ca = Uint8Array.of(0x30, 0x01);
  const spki = Uint8Array.of(0x30, 0x02);
  const full: EimConfigurationData = {
    eimId: "eim1",
    eimFqdn: "eim.example",
    eimSupportedProtocol: ["eimRetrieveHttps", "eimRetrieveCoaps"],
    trustedPublicKeyDataTls: { kind: "trustedCertificateTls", value: ca },
  };

  // shows: d8.fqdn, d8.fqdn-port, d7.certificate
  test("address, port, trust and binding come from the card", () => {
    expect(endpointOf(full, undefined, both)).toMatchObject({
      scheme: "coaps",
      endpoint: { eimId: "eim1", host: "eim.example", port: 5684, serverName: "eim.example", trust: { kind: "certificate", der: ca } },
      compat: defaultCompat,
    });
    expect(endpointOf(full, undefined, { ...both, prefer: "https" })).toMatchObject({ scheme: "https", endpoint: { port: 443 } });
    const withKey: EimConfigurationData = {
      ...full,
      eimFqdn: "eim.example:4430",
      trustedPublicKeyDataTls: { kind: "trustedEimPkTls", value: spki },
    };
    expect(endpointOf(withKey, undefined, both).endpoint).toMatchObject({ port: 4430, trust: { kind: "publicKey", spki } });
  });

  // shows: d8.id-as-fqdn, d8.oid
  test("an eimId that is an FQDN serves as one; an OID does not", () => {
    const { eimFqdn: _eimFqdn, ...rest } = full;
    expect(endpointOf({ ...rest, eimId: "eim.example", eimIdType: "eimIdTypeFqdn" }, undefined, both).endpoint.host).toBe("eim.example");
    expect(() => endpointOf({ ...rest, eimId: "1.3.6.1", eimIdType: "eimIdTypeOid" }, undefined, both)).toThrow(
      expect.objectContaining({ code: "EIM_NO_ADDRESS" }),
    );
    expect(() => endpointOf({ ...full, eimFqdn: "https://eim.example/x" }, undefined, both)).toThrow(
      expect.objectContaining({ code: "EIM_NO_ADDRESS" }),
    );
  });

  // shows: d7.absent
  test("the configuration completes what the card leaves out, and never weakens what it says", () => {
    const { trustedPublicKeyDataTls: _trust, eimSupportedProtocol: _protocol, ...bare } = full;
    expect(() => endpointOf(bare, undefined, both)).toThrow(expect.objectContaining({ code: "EIM_NO_TRUST" }));
    const peer = {
      eimId: "eim1",
      address: "10.0.0.1:7000",
      serverName: "eim.example",
      trust: { kind: "roots", certificates: [spki] },
    } as const;
    expect(endpointOf(bare, { ...peer, compat: { removeOwnResult: true } }, both)).toMatchObject({
      scheme: "coaps",
      endpoint: { host: "10.0.0.1", port: 7_000, serverName: "eim.example", trust: { kind: "roots" } },
      compat: { removeOwnResult: true, ackOnDataResponse: true },
    });
    expect(endpointOf(full, peer, both).endpoint.trust).toEqual({ kind: "certificate", der: ca });
    const psk = { kind: "psk", identity: "bench", key: ca } as const;
    expect(endpointOf(full, { eimId: "eim1", trust: psk }, both).endpoint.trust).toEqual(psk);
  });

  // shows: d6.common-protocol
  test("no protocol in common is said so", () => {
    const inject: EimConfigurationData = { ...full, eimSupportedProtocol: ["eimInjectCoaps"] };
    expect(() => endpointOf(inject, undefined, both)).toThrow(expect.objectContaining({ code: "EIM_NO_PROTOCOL" }));
    expect(() => endpointOf(full, undefined, { available: [], prefer: "coaps" })).toThrow(
      expect.objectContaining({ code: "EIM_NO_PROTOCOL" }),
    );
    // Proprietary is the default of a card that was told nothing: then the configuration's word counts.
    const proprietary: EimConfigurationData = { ...full, eimSupportedProtocol: ["eimProprietary"] };
    expect(endpointOf(proprietary, { eimId: "eim1", binding: "https" }, both).scheme).toBe("https");
  });

  // shows: d8.fqdn-port, field.fqdn-port
  test("addresses", () => {
    expect([parseAddress("a.b"), parseAddress("a.b:1"), parseAddress("[::1]:5684"), parseAddress("127.0.0.1:4430")]).toEqual([
      { host: "a.b", port: undefined },
      { host: "a.b", port: 1 },
      { host: "::1", port: 5_684 },
      { host: "127.0.0.1", port: 4_430 },
    ]);
    for (const bad of ["", "a b", "a:0", "a:65536", "a/b", "coaps://a", ":1", "-a"]) expect(parseAddress(bad)).toBeUndefined();
  });
});
