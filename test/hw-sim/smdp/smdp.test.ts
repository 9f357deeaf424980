// The virtual SM-DP+ against an eUICC that verifies everything, in process: downloads, every refusal, retries, notifications, faults.
import { randomBytes } from "node:crypto";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { equalBytes, iccidToBytes, toHex, toHexUpper } from "../../../base/bytes.ts";
import { VirtualClock } from "../../../base/clock.ts";
import { systemRandom } from "../../../base/random.ts";
import { maxSegmentBytes } from "../../../hw-sim/crypto/bsp.ts";
import { ecdsaSign } from "../../../hw-sim/crypto/ecdsa.ts";
import { createPki, newKey, type Pki } from "../../../hw-sim/pki/pki.ts";
import type { JsonObject } from "../../../hw-sim/smdp/json.ts";
import type { DownloadOrderInput } from "../../../hw-sim/smdp/orders.ts";
import { createSmdp, type Smdp, type SmdpOptions } from "../../../hw-sim/smdp/smdp.ts";
import { esipaErrorOf } from "../../../hw-sim/smdp/status.ts";
import { decode } from "../../../ipa/asn1/schema.ts";
import { childrenOf, contentOf, readOnlyTlv } from "../../../ipa/asn1/tlv.ts";
import { BoundProfilePackage } from "../../../ipa/messages/bpp.ts";
import { StoreMetadataRequest } from "../../../ipa/messages/profile-info.ts";
import { authenticate, b64, type Call, download, getBpp, initiate, statusOf, unb64 } from "./es9-client.ts";
import { TestEuicc, type TestEuiccOptions, testTlv } from "./test-euicc.ts";

const { tlv, int } = testTlv;
const clock = new VirtualClock();
const pki = createPki({ clock });
const iccid = iccidToBytes("8949000000000000012");
const metadata = { iccid, serviceProviderName: "SPN", profileName: "Profile A", profileClass: "operational" } as const;
const upp = new Uint8Array(randomBytes(5_000));
const order: DownloadOrderInput = { matchingId: "TOKEN-1", profile: upp, metadata };

function setUp(
  orders: readonly DownloadOrderInput[] = [order],
  options: Partial<SmdpOptions> = {},
): { smdp: Smdp; call: Call; euicc: TestEuicc } {
  const smdp = createSmdp({ clock, pkis: [pki], address: "dp.example.com", orders, ...options });
  return { smdp, call: (name, body) => smdp.handle(name, body), euicc: new TestEuicc({ pki }) };
}

const reach = (call: Call, euicc: TestEuicc, matchingId = "TOKEN-1", confirmationCode?: string): Promise<Uint8Array> =>
  download(call, euicc, "dp.example.com", matchingId, confirmationCode);

describe("a download", () => {
  test.each([
    ["with the session's keys", false, 5_000],
    ["with keys of the profile's own", true, 5_000],
    ["of a profile that fits one segment", false, 40],
    ["of exactly one full segment", false, 1_007],
    ["of one octet more", true, 1_008],
  ])("%s is opened by the eUICC it was bound to", async (_, ppk, size) => {
    const profile = upp.slice(0, size);
    const { smdp, call, euicc } = setUp([{ ...order, profile }]);
    smdp.faults.ppk = ppk;
    const bpp = await reach(call, euicc);
    const opened = euicc.openBpp(bpp);
    expect(equalBytes(opened.upp, profile)).toBe(true);
    expect(opened.usedPpk).toBe(ppk);
    expect(decode(StoreMetadataRequest, opened.metadata)).toMatchObject({ profileName: "Profile A" });
    expect(Math.max(...opened.segments.map((segment) => segment.length))).toBeLessThanOrEqual(maxSegmentBytes);
    expect(smdp.orders[0]?.state).toBe("downloaded");
    // And our own message table reads it.
    expect(decode(BoundProfilePackage, bpp).initialiseSecureChannelRequest.value.remoteOpId).toBe("installBoundProfilePackage");
  });

  test("on brainpoolP256r1", async () => {
    const brainpool = createPki({ clock, curve: "brainpoolP256r1" });
    const { call } = setUp([order], { pkis: [pki, brainpool] });
    const euicc = new TestEuicc({ pki: brainpool });
    expect(euicc.openBpp(await reach(call, euicc)).upp).toEqual(upp);
  });

  test("is opened by no other eUICC", async () => {
    const { call, euicc } = setUp();
    const bpp = await reach(call, euicc);
    const other = new TestEuicc({ pki, eid: "89049032000000000000000000000001" });
    Object.assign(other, { transactionId: euicc.transactionId, oneTimeKey: euicc.oneTimeKey, dppb: euicc.dppb });
    expect(() => other.openBpp(bpp)).toThrow(/MAC of TLV 1/);
  });

  test("shows the metadata it delivers, with notifications to itself and the policy rules ordered", async () => {
    const { call, euicc } = setUp([{ ...order, ppr: ["ppr1"] }]);
    const initiated = await initiate(call, euicc, "dp.example.com");
    const authenticated = await authenticate(call, euicc, initiated, "TOKEN-1");
    const bpp = unb64((await getBpp(call, euicc, authenticated)).boundProfilePackage);
    expect(toHex(euicc.openBpp(bpp).metadata)).toBe(toHex(unb64(authenticated.profileMetadata)));
    expect(decode(StoreMetadataRequest, unb64(authenticated.profileMetadata))).toMatchObject({
      profilePolicyRules: ["ppr1"],
      notificationConfigurationInfo: ["notificationEnable", "notificationDisable", "notificationDelete"].map((event) => ({
        profileManagementOperation: [event],
        notificationAddress: "dp.example.com",
      })),
    });
  });

  test("needs no MatchingID where the order names the EID", async () => {
    const { call, euicc } = setUp([{ ...order, matchingId: "", eid: pki.subjects.eid }]);
    expect(euicc.openBpp(await reach(call, euicc, "")).upp).toEqual(upp);
    await expect(reach(setUp([]).call, new TestEuicc({ pki }), "")).rejects.toThrow("authenticateClient: 8.1.1/3.8");
  });

  test("prefers a CI that both sides can use for both directions", async () => {
    const second = createPki({ clock });
    const { call } = setUp([order], { pkis: [pki, second] });
    const ids = [pki, second].map((world) => world.get("ci").subjectKeyIdentifier);
    const euicc = new TestEuicc({ pki: second, signing: ids, verification: ids.slice(1) });
    const initiated = await initiate(call, euicc, "dp.example.com");
    expect(toHexUpper(unb64(initiated.euiccCiPKIdToBeUsed))).toBe(`0414${toHexUpper(second.get("ci").subjectKeyIdentifier)}`);
    expect(statusOf(await authenticate(call, euicc, initiated, "TOKEN-1"))).toBe("Executed-Success");
  });
});

describe("initiateAuthentication is refused", () => {
  const cases: readonly (readonly [string, string, string, TestEuiccOptions])[] = [
    ["for another address", "8.8.1/3.8", "other.example.com", { pki }],
    ["for an SVN too old", "8.8.3/3.1", "dp.example.com", { pki, svn: [1, 9, 0] }],
    ["when the eUICC signs under no CI known", "8.8.2/3.1", "dp.example.com", { pki, signing: [Uint8Array.of(1)] }],
    ["when the eUICC verifies under no CI we have", "8.8.4/3.7", "dp.example.com", { pki, verification: [Uint8Array.of(1)] }],
  ];
  test.each(cases)("%s", async (_, status, address, options) => {
    expect(statusOf(await initiate(setUp().call, new TestEuicc(options), address))).toBe(status);
  });

  test("not for the same address in capitals and with its port", async () => {
    expect(statusOf(await initiate(setUp().call, new TestEuicc({ pki }), "DP.example.com:8443"))).toBe("Executed-Success");
  });

  test.each([
    ["an element is missing", {}, "1.6/2.2"],
    ["an element is no string", { euiccChallenge: 5 }, "1.6/2.1"],
    ["an element is not base64", { euiccChallenge: "!" }, "1.6/2.1"],
    ["the challenge is short", { euiccChallenge: "AAAA" }, "1.6/2.1"],
    [
      "a TLV is another",
      { euiccChallenge: b64(new Uint8Array(16)), smdpAddress: "dp.example.com", euiccInfo1: b64(Uint8Array.of(0x30, 0)) },
      "1.6/2.1",
    ],
  ])("when %s", async (_, body, status) => {
    expect(statusOf(await setUp().call("initiateAuthentication", body))).toBe(status);
  });
});

describe("authenticateClient is refused", () => {
  const dayMs = 86_400_000;
  const old = { notBeforeMs: clock.now() - 2 * dayMs, notAfterMs: clock.now() - dayMs };
  /** This world, except for one of its certificates. */
  const worldWith = (name: "eum" | "euicc", identity: ReturnType<Pki["issue"]>): Pki => ({
    ...pki,
    get: (one) => (one === name ? identity : pki.get(one)),
  });

  async function status(
    euicc: TestEuicc,
    orders: readonly DownloadOrderInput[] = [order],
    matchingId: string | undefined = "TOKEN-1",
  ): Promise<string> {
    const { call } = setUp(orders);
    return statusOf(await authenticate(call, euicc, await initiate(call, euicc, "dp.example.com"), matchingId));
  }

  test("for an EUM or eUICC certificate that is invalid or has expired", async () => {
    const foreignEum = createPki({ clock }).get("eum");
    expect(
      await status(new TestEuicc({ pki: worldWith("eum", pki.issue("eum", { ...old, privateKey: pki.get("eum").privateKey })) })),
    ).toBe("8.1.2/6.3");
    expect(await status(new TestEuicc({ pki: worldWith("eum", pki.get("dpauth")) }))).toBe("8.1.2/6.1");
    expect(await status(new TestEuicc({ pki: worldWith("eum", foreignEum) }))).toBe("8.11.1/3.9");
    expect(await status(new TestEuicc({ pki, identity: pki.issue("euicc", old) }))).toBe("8.1.3/6.3");
    expect(await status(new TestEuicc({ pki, identity: pki.get("dpauth") }))).toBe("8.1.3/6.1");
    expect(await status(new TestEuicc({ pki, identity: pki.issue("euicc", { eid: "12345678901234567890123456789012" }) }))).toBe(
      "8.1.3/6.1",
    );
  });

  test("for a signature of another key", async () => {
    const identity = { ...pki.get("euicc"), privateKey: newKey("prime256v1") };
    expect(await status(new TestEuicc({ pki, identity }))).toBe("8.1/6.1");
  });

  test("for the signed answer to another session's challenge", async () => {
    const { call, euicc } = setUp();
    const [first, second] = [await initiate(call, euicc, "dp.example.com"), await initiate(call, euicc, "dp.example.com")];
    const response = await authenticate(
      (_, body) => call("authenticateClient", { ...body, transactionId: second.transactionId }),
      euicc,
      first,
      "TOKEN-1",
    );
    expect(statusOf(response)).toBe("8.10.1/3.9");
  });

  test("for a MatchingID unknown, used up, of another EID, unreleased or expired", async () => {
    expect(await status(new TestEuicc({ pki }), [order], "TOKEN-2")).toBe("8.2.6/3.8");
    expect(await status(new TestEuicc({ pki }), [{ ...order, eid: "89049032000000000000000000000001" }])).toBe("8.1.1/3.8");
    expect(await status(new TestEuicc({ pki }), [{ ...order, released: false }])).toBe("8.2/1.2");
    expect(await status(new TestEuicc({ pki }), [{ ...order, expiresAtMs: clock.now() }])).toBe("8.8.5/4.10");
  });

  test("for an eUICC without the memory, or that forbids a rule, or for a test profile", async () => {
    expect(await status(new TestEuicc({ pki, freeBytes: 4_999 }))).toBe("8.1/4.8");
    expect(await status(new TestEuicc({ pki, freeBytes: 5_000 }))).toBe("Executed-Success");
    expect(await status(new TestEuicc({ pki, forbiddenRules: Uint8Array.of(6, 0x40) }), [{ ...order, ppr: ["ppr1"] }])).toBe("8.2.5/4.3");
    expect(await status(new TestEuicc({ pki }), [{ ...order, metadata: { ...metadata, profileClass: "test" } }])).toBe("8.2.5/4.3");
  });

  test("for an unknown transactionId, and for the eUICC's own error, which ends the session", async () => {
    const { call, euicc } = setUp();
    expect(statusOf(await call("authenticateClient", { transactionId: "00" }))).toBe("8.10.1/3.9");
    const initiated = await initiate(call, euicc, "dp.example.com");
    const error = b64(tlv(0xbf38, tlv(0xa1, tlv(0x80, Uint8Array.of(1)), int(0x02, 2))));
    const answer = await call("authenticateClient", { transactionId: initiated.transactionId, authenticateServerResponse: error });
    expect([statusOf(answer), JSON.stringify(answer)]).toEqual(["8.1/4.2", expect.stringContaining("invalidSignature")]);
    expect(statusOf(await authenticate(call, euicc, initiated, "TOKEN-1"))).toBe("8.10.1/3.9");
  });

  test("a profile released later is delivered", async () => {
    const { smdp, call, euicc } = setUp([{ ...order, released: false }]);
    smdp.release("TOKEN-1");
    expect(euicc.openBpp(await reach(call, euicc)).upp).toEqual(upp);
  });
});

describe("getBoundProfilePackage", () => {
  test("is refused before authentication, for a wrong signature, and for the eUICC's own error", async () => {
    const { call, euicc } = setUp();
    const initiated = await initiate(call, euicc, "dp.example.com");
    const { transactionId } = initiated;
    expect(statusOf(await call("getBoundProfilePackage", { transactionId, prepareDownloadResponse: "" }))).toBe("8.10.1/3.9");
    const authenticated = await authenticate(call, euicc, initiated, "TOKEN-1");
    const forged = new TestEuicc({ pki, identity: { ...pki.get("euicc"), privateKey: newKey("prime256v1") } });
    Object.assign(forged, { transactionId: euicc.transactionId, signature1: euicc.signature1 });
    expect(statusOf(await getBpp(call, forged, authenticated))).toBe("8.1/6.1");
    const error = b64(tlv(0xbf21, tlv(0xa1, tlv(0x80, euicc.transactionId), int(0x02, 1))));
    expect(statusOf(await call("getBoundProfilePackage", { transactionId, prepareDownloadResponse: error }))).toBe("8.1/4.2");
    expect(statusOf(await getBpp(call, euicc, authenticated))).toBe("8.10.1/3.9");
  });

  test("asks for the confirmation code, and gives up after its attempts", async () => {
    const { smdp, call, euicc } = setUp([{ ...order, confirmationCode: "1234", maxConfirmationAttempts: 2 }]);
    expect(smdp.activationCode("TOKEN-1")).toBe("LPA:1$dp.example.com$TOKEN-1$$1");
    await expect(reach(call, euicc)).rejects.toThrow("8.2.7/2.2");
    await expect(reach(call, euicc, "TOKEN-1", "9999")).rejects.toThrow("8.2.7/3.8");
    expect(euicc.openBpp(await reach(call, euicc, "TOKEN-1", "1234")).upp).toEqual(upp);
    await expect(reach(call, euicc, "TOKEN-1", "0000")).rejects.toThrow("8.2.7/6.4");
    expect(smdp.orders[0]).toMatchObject({ state: "error", reason: "confirmationCodeRetriesExceeded" });
    await expect(reach(call, euicc, "TOKEN-1", "1234")).rejects.toThrow("8.2.6/3.8");
  });

  test("is refused when the order has expired meanwhile", async () => {
    const late = new VirtualClock();
    const { call, euicc } = setUp([{ ...order, expiresAtMs: late.now() + 60_000 }], { clock: late });
    const authenticated = await authenticate(call, euicc, await initiate(call, euicc, "dp.example.com"), "TOKEN-1");
    await late.advance(60_000);
    expect(statusOf(await getBpp(call, euicc, authenticated))).toBe("8.8.5/4.10");
  });

  test("binds again to the same one-time key without new keys, and to another only where that is allowed", async () => {
    for (const rebinding of [true, false]) {
      const { call, euicc } = setUp([{ ...order, rebinding }]);
      const segments = (bpp: Uint8Array): string[] => euicc.openBpp(bpp).segments.map(toHex);
      const first = segments(await reach(call, euicc));
      // The same eUICC in a new session still holds its key, and is offered it (bppEuiccOtpk).
      expect(segments(await reach(call, euicc))).toEqual(first);
      euicc.oneTimeKey = undefined;
      if (rebinding) expect(segments(await reach(call, euicc))).not.toEqual(first);
      else await expect(reach(call, euicc)).rejects.toThrow("8.2/3.7");
    }
  });

  test("answers a request repeated word for word as it did before", async () => {
    const { call, euicc } = setUp();
    const authenticated = await authenticate(call, euicc, await initiate(call, euicc, "dp.example.com"), "TOKEN-1");
    const bodies: JsonObject[] = [];
    const first = await getBpp((name, body) => call(name, bodies.push(body) ? body : body), euicc, authenticated);
    expect(await call("getBoundProfilePackage", bodies[0] ?? {})).toEqual(first);
  });

  test("refuses a one-time key that is no point of the curve", async () => {
    const { call, euicc } = setUp();
    const authenticated = await authenticate(call, euicc, await initiate(call, euicc, "dp.example.com"), "TOKEN-1");
    const signed2 = tlv(0x30, tlv(0x80, euicc.transactionId), tlv(0x5f49, new Uint8Array(65).fill(4)));
    const sign = ecdsaSign(euicc.identity.privateKey, signed2, unb64(authenticated.smdpSignature2));
    const prepareDownloadResponse = b64(tlv(0xbf21, tlv(0xa0, signed2, tlv(0x5f37, sign))));
    expect(statusOf(await call("getBoundProfilePackage", { transactionId: authenticated.transactionId, prepareDownloadResponse }))).toBe(
      "1.6/2.1",
    );
  });
});

describe("cancelSession", () => {
  async function begun() {
    const all = setUp();
    const authenticated = await authenticate(all.call, all.euicc, await initiate(all.call, all.euicc, "dp.example.com"), "TOKEN-1");
    const cancel = async (response: Uint8Array): Promise<string> =>
      statusOf(await all.call("cancelSession", { transactionId: authenticated.transactionId, cancelSessionResponse: b64(response) }));
    return { ...all, cancel };
  }

  test("keeps the order for another try, or ends it, as the reason says", async () => {
    for (const [reason, state] of [
      [0, "error"],
      [1, "released"],
      [2, "released"],
      [3, "error"],
      [4, "error"],
      [5, "released"],
      [127, "error"],
    ] as const) {
      const { smdp, euicc, cancel } = await begun();
      expect(await cancel(euicc.cancelSession(reason))).toBe("Executed-Success");
      expect([reason, smdp.orders[0]?.state]).toEqual([reason, state]);
      expect(await cancel(euicc.cancelSession(1))).toBe("8.10.1/3.9");
    }
  });

  test("is refused for a wrong signature, another OID, another transaction, and for the eUICC's own error", async () => {
    const { smdp, euicc, cancel } = await begun();
    const stranger = new TestEuicc({ pki, identity: { ...pki.get("euicc"), privateKey: newKey("prime256v1") } });
    stranger.transactionId = euicc.transactionId;
    expect(await cancel(stranger.cancelSession(0))).toBe("8.1/6.1");
    expect(await cancel(euicc.cancelSession(0, Uint8Array.of(0x88, 0x37, 0x0b)))).toBe("8.8/3.10");
    const elsewhere = Object.assign(new TestEuicc({ pki }), { transactionId: Uint8Array.of(1) });
    expect(await cancel(elsewhere.cancelSession(0))).toBe("8.10.1/3.9");
    expect(await cancel(tlv(0xbf41, int(0x81, 5)))).toBe("8.10.1/3.9");
    expect(await cancel(tlv(0xbf41, int(0x81, 127)))).toBe("8.1/4.2");
    expect(smdp.orders[0]?.state).toBe("released");
    expect(await cancel(euicc.cancelSession(0))).toBe("Executed-Success");
  });
});

describe("notifications", () => {
  const deliver = (call: Call, notification: Uint8Array): Promise<unknown> =>
    call("handleNotification", { pendingNotification: b64(notification) });

  test("an installation result ends the order, and is logged once however often it comes", async () => {
    const { smdp, call, euicc } = setUp();
    euicc.openBpp(await reach(call, euicc));
    const result = euicc.installationResult("dp.example.com", iccid);
    for (let i = 0; i < 3; i++) expect(await deliver(call, result)).toBeUndefined();
    expect(smdp.notifications).toMatchObject([
      {
        kind: "profileInstallationResult",
        eid: pki.subjects.eid,
        verified: true,
        installed: true,
        event: "install",
        iccid: "8949000000000000012",
        seqNumber: 1,
        times: 3,
      },
    ]);
    expect(smdp.orders[0]?.state).toBe("installed");
    await expect(reach(call, euicc)).rejects.toThrow("8.2.6/3.8");
  });

  test("a failed installation leaves the order to be tried again, newly bound", async () => {
    const { smdp, call, euicc } = setUp();
    euicc.openBpp(await reach(call, euicc));
    await deliver(call, euicc.installationResult("dp.example.com", iccid, { command: 5, reason: 8 }));
    expect(smdp.notifications).toMatchObject([{ installed: false, errorReason: "scp03tSecurityError" }]);
    expect(smdp.orders[0]).toMatchObject({ state: "released", reason: "scp03tSecurityError", bound: undefined });
    expect(euicc.openBpp(await reach(call, euicc)).upp).toEqual(upp);
  });

  test("forged ones are kept apart and change nothing", async () => {
    const { smdp, call, euicc } = setUp();
    euicc.openBpp(await reach(call, euicc));
    const forger = new TestEuicc({ pki, identity: { ...pki.get("euicc"), privateKey: newKey("prime256v1") } });
    forger.transactionId = euicc.transactionId;
    await deliver(call, forger.installationResult("dp.example.com", iccid));
    await deliver(call, forger.notification(1, "dp.example.com", iccid));
    expect(smdp.notifications.map(({ verified }) => verified)).toEqual([false, false]);
    expect(smdp.orders[0]?.state).toBe("downloaded");
  });

  test("enable, disable and delete are told apart", async () => {
    const { smdp, call, euicc } = setUp();
    for (const event of [1, 2, 3]) await deliver(call, euicc.notification(event, "dp.example.com", iccid));
    expect(smdp.notifications.map(({ event, verified, seqNumber }) => [event, verified, seqNumber])).toEqual([
      ["enable", true, 1],
      ["disable", true, 2],
      ["delete", true, 3],
    ]);
  });

  test("what is none is refused", async () => {
    await expect(deliver(setUp().call, Uint8Array.of(0x30, 0))).rejects.toMatchObject({ code: "SIM_REQUEST" });
  });
});

describe("faults", () => {
  test("wrong signatures are found by the eUICC, each where it is", async () => {
    for (const [fault, found] of [
      ["serverSignature1", /serverSignature1/],
      ["smdpSignature2", /smdpSignature2/],
      ["smdpSign", /smdpSign/],
    ] as const) {
      const { smdp, call, euicc } = setUp();
      smdp.faults.wrongSignature = fault;
      await expect(reach(call, euicc).then((bpp) => euicc.openBpp(bpp))).rejects.toThrow(found);
      smdp.faults.wrongSignature = "none";
      expect(euicc.openBpp(await reach(call, euicc)).upp).toEqual(upp);
    }
  });

  test("expired and foreign certificates are presented when asked for, and well signed otherwise", async () => {
    const { smdp, call, euicc } = setUp();
    smdp.faults.certificates = "foreign";
    await expect(reach(call, euicc)).rejects.toThrow(/unknownCi/);
    smdp.faults.certificates = "expired";
    // An eUICC has no clock: it takes them.
    expect(euicc.openBpp(await reach(call, euicc)).upp).toEqual(upp);
  });

  test("a package cut or altered at any octet is refused by the eUICC", async () => {
    const { smdp, call, euicc } = setUp([{ ...order, profile: upp.slice(0, 1_200) }]);
    const whole = await reach(call, euicc);
    const damaged = async (settings: unknown): Promise<unknown> => {
      smdp.applyFaults(settings);
      const bpp = await reach(call, euicc);
      try {
        return euicc.openBpp(bpp);
      } catch {
        return "refused";
      }
    };
    for (let at = 0; at < whole.length; at += 37) {
      expect([at, await damaged({ truncateBppAt: at, flipBppOctet: null })]).toEqual([at, "refused"]);
      expect([at, await damaged({ truncateBppAt: null, flipBppOctet: at })]).toEqual([at, "refused"]);
    }
    expect(await damaged({ truncateBppAt: null, flipBppOctet: null })).not.toBe("refused");
    smdp.faults.transformBpp = (bpp) => bpp.slice().reverse();
    expect(await damaged({})).toBe("refused");
  });

  test("statuses are forced for so many calls", async () => {
    const { smdp, call, euicc } = setUp();
    smdp.applyFaults({ status: { authenticateClient: { status: "insufficientMemory", times: 2 } } });
    for (let i = 0; i < 2; i++) await expect(reach(call, euicc)).rejects.toThrow("authenticateClient: 8.1/4.8");
    expect(euicc.openBpp(await reach(call, euicc)).upp).toEqual(upp);
  });

  test("values without their tags are sent when asked for", async () => {
    const { smdp, call, euicc } = setUp();
    smdp.faults.bareValues = true;
    const initiated = await initiate(call, euicc, "dp.example.com");
    expect(unb64(initiated.serverSignature1)).toHaveLength(64);
    expect(unb64(initiated.euiccCiPKIdToBeUsed)).toEqual(pki.get("ci").subjectKeyIdentifier);
  });

  test("metadata that differ from the package's are shown when asked for", async () => {
    const { smdp, call, euicc } = setUp();
    smdp.faults.otherMetadata = true;
    const authenticated = await authenticate(call, euicc, await initiate(call, euicc, "dp.example.com"), "TOKEN-1");
    const bpp = unb64((await getBpp(call, euicc, authenticated)).boundProfilePackage);
    expect(toHex(unb64(authenticated.profileMetadata))).not.toBe(toHex(euicc.openBpp(bpp).metadata));
  });

  test("unknown settings are refused by name", () => {
    const { smdp } = setUp();
    expect(() => smdp.applyFaults({ wrongSignatur: "none" })).toThrow(/smdp faults: wrongSignatur/);
    expect(() => smdp.applyFaults({ truncateBppAt: -1 })).toThrow(/truncateBppAt/);
  });
});

describe("orders", () => {
  test("a MatchingID is open once, and free again when its order is over", async () => {
    const { smdp, call, euicc } = setUp();
    expect(() => smdp.addOrder(order)).toThrow(/open order with the MatchingID/);
    expect(() => smdp.addOrder({ ...order, matchingId: "" })).toThrow(/needs a MatchingID or an EID/);
    euicc.openBpp(await reach(call, euicc));
    await call("handleNotification", { pendingNotification: b64(euicc.installationResult("dp.example.com", iccid)) });
    smdp.addOrder(order);
    expect(euicc.openBpp(await reach(call, euicc)).upp).toEqual(upp);
  });

  test("two orders do not mix", async () => {
    const second = { ...order, matchingId: "TOKEN-2", profile: upp.slice(0, 100) };
    const { call, euicc } = setUp([order, second]);
    expect(euicc.openBpp(await reach(call, euicc, "TOKEN-2")).upp).toEqual(second.profile);
    expect(euicc.openBpp(await reach(call, euicc, "TOKEN-1")).upp).toEqual(upp);
  });

  test("sessions are forgotten after an hour", async () => {
    const own = new VirtualClock();
    const { call, euicc } = setUp([order], { clock: own });
    const initiated = await initiate(call, euicc, "dp.example.com");
    await own.advance(3_600_001);
    await initiate(call, euicc, "dp.example.com");
    expect(statusOf(await authenticate(call, euicc, initiated, "TOKEN-1"))).toBe("8.10.1/3.9");
  });
});

test("an unknown function is refused", async () => {
  for (const name of ["", "constructor", "getEimPackage"]) {
    await expect(setUp().smdp.handle(name, {})).rejects.toMatchObject({ code: "SIM_REQUEST" });
  }
});

test("whatever JSON arrives, a status answers it", async () => {
  const { call, euicc } = setUp();
  const { transactionId } = await initiate(call, euicc, "dp.example.com");
  const names = [
    "euiccChallenge",
    "euiccInfo1",
    "smdpAddress",
    "authenticateServerResponse",
    "prepareDownloadResponse",
    "cancelSessionResponse",
  ];
  const value = fc.oneof(fc.base64String({ maxLength: 60 }), fc.string({ maxLength: 10 }), fc.integer(), fc.constant(null));
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom("initiateAuthentication", "authenticateClient", "getBoundProfilePackage", "cancelSession"),
      fc.dictionary(fc.constantFrom(...names), value),
      async (functionName, body) => {
        expect(statusOf(await call(functionName, { transactionId, ...body }))).toMatch(/^\d/);
      },
    ),
    { seed: 5, numRuns: 1_000 },
  );
});

test("each status becomes the ESipa error of its meaning, by function", () => {
  expect(esipaErrorOf("authenticateClient", "8.1", "6.1")).toBe("euiccSignatureInvalid");
  expect(esipaErrorOf("getBoundProfilePackage", "8.1", "6.1")).toBe("euiccSignatureInvalid");
  expect(esipaErrorOf("initiateAuthentication", "8.8.4", "3.7")).toBe("ciPKIdNotSupported");
  expect(esipaErrorOf("getBoundProfilePackage", "8.10.1", "3.9")).toBe("invalidTransactionId");
  expect(esipaErrorOf("authenticateClient", "8.2", "1.2")).toBe("undefinedError");
  expect(esipaErrorOf("cancelSession", "8.8", "3.10")).toBe("undefinedError");
  expect(esipaErrorOf("authenticateClient", "9.9", "9.9")).toBe("undefinedError");
});

test("random bytes are not shared between sessions", async () => {
  const { call, euicc } = setUp([order], { random: systemRandom });
  const [first, second] = [await initiate(call, euicc, "dp.example.com"), await initiate(call, euicc, "dp.example.com")];
  const challenge = (one: JsonObject): string =>
    toHex(contentOf(childrenOf(readOnlyTlv(unb64(one.serverSigned1)))[3] ?? readOnlyTlv(unb64(one.serverSigned1))));
  expect(first.transactionId).not.toBe(second.transactionId);
  expect(challenge(first)).not.toBe(challenge(second));
});
