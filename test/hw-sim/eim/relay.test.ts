// Indirect download through the eIM: ESipa in, ES9+ out, the eUICC opening what arrives; and each error where the standard puts it.
import { randomBytes } from "node:crypto";
import { describe, expect, test } from "vitest";
import { equalBytes, fromHex, toHexUpper, utf8 } from "../../../base/bytes.ts";
import { readActivationCode } from "../../../hw-sim/eim/relay.ts";
import { createPki, newKey } from "../../../hw-sim/pki/pki.ts";
import { es9Statuses } from "../../../hw-sim/smdp/status.ts";
import { childOf, childrenOf, contentOf, rawOf, readOnlyTlv, retag, type Tlv } from "../../../ipa/asn1/tlv.ts";
import { TestEuicc } from "../smdp/test-euicc.ts";
import { type Bench, bench, clock, eid, iccidABytes, int, noPackage, pki, tlv } from "./eim-test-bench.ts";

const upp = new Uint8Array(randomBytes(4_000));
const smdpOrder = {
  matchingId: "TOKEN",
  profile: upp,
  metadata: { iccid: iccidABytes, serviceProviderName: "S", profileName: "P", profileClass: "operational" },
} as const;
const activationCode = "LPA:1$dp.example.com$TOKEN";

interface Ordered extends Bench {
  readonly orderId: string;
  readonly txId: Uint8Array;
}

async function ordered(
  fields: object = { activationCode },
  options: Parameters<typeof bench>[0] = {},
  order: object = {},
): Promise<Ordered> {
  const on = bench(options);
  on.smdp.addOrder({ ...smdpOrder, ...order });
  const orderId = on.eim.addOrder({ eid, kind: "download", ...fields });
  const trigger = await on.poll();
  return { ...on, orderId, txId: trigger.subarray(trigger.length - 16) };
}

const part = (parent: Tlv, tag: number): Uint8Array => {
  const found = childOf(parent, tag);
  if (found === undefined) throw new Error(`no ${tag.toString(16)} in ${toHexUpper(rawOf(parent))}`);
  return rawOf(found);
};

/** BF39; what is null is not sent. */
async function initiate(on: Ordered, fields: { address?: string | null; info1?: boolean; txId?: Uint8Array | null } = {}): Promise<Tlv> {
  const { address = "dp.example.com", info1 = true, txId = on.txId } = fields;
  const message = tlv(
    0xbf39,
    tlv(0x81, on.euicc.challenge),
    ...(address === null ? [] : [tlv(0x83, utf8(address))]),
    ...(info1 ? [on.euicc.info1()] : []),
    ...(txId === null ? [] : [tlv(0x82, txId)]),
  );
  return readOnlyTlv(fromHex(await on.ask(message)));
}

/** The A0 of an answer; throws with its hex when it is an error. */
function ok(answer: Tlv): Tlv {
  return readOnlyTlv(part(answer, 0xa0));
}

async function authenticate(on: Ordered, initiated: Tlv, matchingId = "TOKEN", euicc = on.euicc): Promise<Tlv> {
  const inside = ok(initiated);
  const children = { serverSigned1: part(inside, 0x30), serverSignature1: part(inside, 0x5f37), serverCertificate: lastPart(inside, 0x30) };
  const bf38 = euicc.authenticateServer(children, matchingId);
  return readOnlyTlv(fromHex(await on.ask(tlv(0xbf3b, part(inside, 0x80), bf38))));
}

function lastPart(parent: Tlv, tag: number): Uint8Array {
  const last = childrenOf(parent).findLast((child) => child.tag === tag);
  if (last === undefined) throw new Error(`no ${tag.toString(16)}`);
  return rawOf(last);
}

/** BF3A. */
async function getBpp(on: Ordered, authenticated: Tlv, confirmationCode?: string, euicc = on.euicc): Promise<Tlv> {
  const inside = ok(authenticated);
  const server = { smdpSigned2: part(inside, 0x30), smdpSignature2: part(inside, 0x5f37), smdpCertificate: lastPart(inside, 0x30) };
  const bf21 = euicc.prepareDownload(server, confirmationCode);
  return readOnlyTlv(fromHex(await on.ask(tlv(0xbf3a, part(inside, 0x80), bf21))));
}

const hexOf = (answer: Tlv): string => toHexUpper(rawOf(answer));

describe("an indirect download", () => {
  test("passes what is signed unchanged, is opened by the eUICC, and ends with its installation result", async () => {
    const on = await ordered();
    const initiated = await initiate(on);
    expect(on.state(on.orderId)).toBe("inProgress");
    const authenticated = await authenticate(on, initiated);
    const inside = ok(authenticated);
    expect(childrenOf(inside).map(({ tag }) => tag.toString(16))).toEqual(["80", "bf25", "30", "5f37", "30"]);
    const answer = ok(await getBpp(on, authenticated));
    const opened = on.euicc.openBpp(part(answer, 0xbf36));
    expect(equalBytes(opened.upp, upp)).toBe(true);
    expect(opened.metadata).toEqual(part(inside, 0xbf25));
    expect(await on.ask(tlv(0xbf3d, tlv(0xa0, on.euicc.installationResult("dp.example.com", iccidABytes))))).toBe("204");
    expect(on.eim.order(on.orderId)).toMatchObject({
      state: "done",
      results: [{ kind: "profileInstallationResult", verified: true, finalResult: { kind: "successResult" } }],
    });
    expect(on.smdp.orders[0]?.state).toBe("installed");
    expect(on.smdp.notifications).toMatchObject([{ event: "install", verified: true, times: 1 }]);
  });

  test("teaches the eIM the eUICC's certificate", async () => {
    const on = await ordered(undefined, { euiccs: [] });
    await authenticate(on, await initiate(on));
    expect(on.events.filter(({ type }) => type === "euicc")).toMatchObject([{ eid, learned: "certificate" }]);
  });

  test("a failed installation fails the order with the eUICC's reason", async () => {
    const on = await ordered();
    await getBpp(on, await authenticate(on, await initiate(on)));
    await on.ask(tlv(0xbf3d, tlv(0xa0, on.euicc.installationResult("dp.example.com", iccidABytes, { command: 5, reason: 8 }))));
    expect([on.state(on.orderId), on.reason(on.orderId)]).toEqual(["failed", "scp03tSecurityError"]);
    expect(on.smdp.orders[0]?.state).toBe("released");
  });

  test("the result delivered twice is sent on once", async () => {
    const on = await ordered();
    await getBpp(on, await authenticate(on, await initiate(on)));
    const result = tlv(0xbf3d, tlv(0xa0, on.euicc.installationResult("dp.example.com", iccidABytes)));
    for (let i = 0; i < 3; i++) expect(await on.ask(result)).toBe("204");
    expect(on.smdp.notifications.map(({ times }) => times)).toEqual([1]);
    expect(await on.ask(tlv(0xbf4f, tlv(0x5a, on.euicc.eidBytes)))).toBe(noPackage);
  });

  test("values without their tags from the SM-DP+ are put into them", async () => {
    const on = await ordered();
    on.smdp.faults.bareValues = true;
    const opened = on.euicc.openBpp(part(ok(await getBpp(on, await authenticate(on, await initiate(on)))), 0xbf36));
    expect(opened.upp).toEqual(upp);
  });

  test("a package that the SM-DP+ damaged is passed on as it is", async () => {
    const on = await ordered();
    on.smdp.faults.flipBppOctet = 900;
    const damaged = part(ok(await getBpp(on, await authenticate(on, await initiate(on)))), 0xbf36);
    expect(() => on.euicc.openBpp(damaged)).toThrow();
  });

  test("the trigger is given out again while nothing came of it", async () => {
    const on = await ordered();
    await initiate(on);
    expect((await on.poll()).subarray(-16)).toEqual(on.txId);
  });

  test("a message with its tag written twice is read", async () => {
    const on = await ordered();
    const message = tlv(
      0xbf39,
      tlv(0xbf39, tlv(0x81, on.euicc.challenge), tlv(0x83, utf8("dp.example.com")), on.euicc.info1(), tlv(0x82, on.txId)),
    );
    const answer = readOnlyTlv(fromHex(await on.ask(message)));
    ok(await authenticate(on, answer));
    expect(on.state(on.orderId)).toBe("inProgress");
  });
});

describe("what the IPA leaves out, the eIM fills in", () => {
  // shows: e6.02-initiate
  test("the address, the transaction and the MatchingID", async () => {
    const on = await ordered();
    for (const fields of [{ address: null }, { txId: null }, { address: null, txId: null }]) {
      const inside = ok(await initiate(on, fields));
      expect(toHexUpper(part(inside, 0x0c))).toBe(`0C05${toHexUpper(utf8("TOKEN"))}`);
    }
  });

  test("the download data altogether, where the trigger carried none", async () => {
    const on = await ordered({ activationCode, trigger: "none" });
    expect(on.euicc.openBpp(part(ok(await getBpp(on, await authenticate(on, await initiate(on, { address: null })))), 0xbf36)).upp).toEqual(
      upp,
    );
  });

  test("euiccInfo1, once it was told", async () => {
    const on = await ordered();
    expect(hexOf(await initiate(on, { info1: false }))).toBe("BF390381017F");
    const again = await ordered();
    await again.provide(tlv(0xbf52, tlv(0xa0, again.euicc.info1())));
    ok(await initiate(again, { info1: false }));
  });

  test("ctxParams1, for an IPA that asks for it", async () => {
    const on = await ordered();
    const deviceInfo = tlv(0xa9, tlv(0x80, fromHex("35290611")), tlv(0xa1));
    await on.provide(tlv(0xbf52, tlv(0xa0, tlv(0xa8, tlv(0x80, fromHex("0450"))), deviceInfo)));
    const inside = ok(await initiate(on));
    expect(childOf(inside, 0x0c)).toBeUndefined();
    expect(toHexUpper(part(inside, 0xa2))).toBe(toHexUpper(tlv(0xa2, tlv(0xa0, tlv(0x80, utf8("TOKEN")), retag(deviceInfo, 0xa1)))));
  });

  test("the hash of the confirmation code, where the SM-DP+ wants one", async () => {
    const on = await ordered({ activationCode, confirmationCode: "1234" }, {}, { confirmationCode: "1234" });
    const authenticated = await authenticate(on, await initiate(on));
    const hashCc = childOf(ok(authenticated), 0x04);
    expect(hashCc === undefined ? 0 : contentOf(hashCc).length).toBe(32);
    expect(on.euicc.openBpp(part(ok(await getBpp(on, authenticated, "1234")), 0xbf36)).upp).toEqual(upp);
    const without = await ordered({ activationCode, confirmationCode: "1234" });
    expect(childOf(ok(await authenticate(without, await initiate(without))), 0x04)).toBeUndefined();
  });
});

describe("initiateAuthentication fails", () => {
  // shows: code.esipa-InitiateAuthentication.smdpAddressMismatch, code.esipa-InitiateAuthentication.smdpOidMismatch
  // shows: code.esipa-InitiateAuthentication.invalidEimTransactionId
  test.each([
    ["for an unknown transaction", { txId: Uint8Array.of(9) }, {}, "BF3903810134", undefined],
    [
      "for another address than the order's",
      { address: "other.example" },
      {},
      "BF3903810132",
      "initiateAuthentication: smdpAddressMismatch",
    ],
    [
      "with no address at all",
      { address: null },
      { trigger: "contactDefaultSmdp", activationCode: undefined },
      "BF3903810101",
      "initiateAuthentication: invalidDpAddress",
    ],
    [
      "for an OID that is not the server's",
      {},
      { activationCode: "1$dp.example.com$TOKEN$2.999.11" },
      "BF3903810133",
      "initiateAuthentication: smdpOidMismatch",
    ],
  ])("%s", async (_, fields, order, answer, reason) => {
    const on = await ordered({ activationCode, ...order });
    expect(hexOf(await initiate(on, fields))).toBe(answer);
    expect(on.reason(on.orderId)).toBe(reason);
  });

  test("not for the OID that is the server's", async () => {
    ok(await initiate(await ordered({ activationCode: "1$dp.example.com$TOKEN$2.999.10" })));
  });

  // shows: code.esipa-InitiateAuthentication.undefinedError
  test("when the SM-DP+ cannot be had, or answers nonsense, with undefinedError", async () => {
    for (const post of [
      () => Promise.reject(new Error("away")),
      () => Promise.resolve(undefined),
      () => Promise.resolve({ header: { functionExecutionStatus: { status: "Executed-Success" } } }),
      () => Promise.resolve({ header: 5 }),
    ]) {
      const on = await ordered({ activationCode }, { post });
      expect(hexOf(await initiate(on))).toBe("BF390381017F");
      expect(on.state(on.orderId)).toBe("failed");
    }
  });
});

describe("statuses of the SM-DP+ become ESipa errors, and end the order", () => {
  const cases = [
    ["initiateAuthentication", "invalidSmdpAddress", "BF3903810101"],
    ["initiateAuthentication", "svnNotSupported", "BF3903810102"],
    ["initiateAuthentication", "noCommonCi", "BF3903810103"],
    ["initiateAuthentication", "noServerCertificate", "BF3903810103"],
    ["authenticateClient", "eumCertificateInvalid", "BF3B03820101"],
    ["authenticateClient", "eumCertificateExpired", "BF3B03820102"],
    ["authenticateClient", "euiccCertificateInvalid", "BF3B03820103"],
    ["authenticateClient", "euiccCertificateExpired", "BF3B03820104"],
    ["authenticateClient", "euiccSignatureInvalid", "BF3B03820105"],
    ["authenticateClient", "matchingIdRefused", "BF3B03820106"],
    ["authenticateClient", "eidMismatch", "BF3B03820107"],
    ["authenticateClient", "noEligibleProfile", "BF3B03820108"],
    ["authenticateClient", "unknownCi", "BF3B03820109"],
    ["authenticateClient", "unknownTransactionId", "BF3B0382010A"],
    ["authenticateClient", "insufficientMemory", "BF3B0382010B"],
    ["authenticateClient", "pprNotAllowed", "BF3B03820132"],
    ["authenticateClient", "eventIdUnknown", "BF3B03820138"],
    ["authenticateClient", "profileNotReleased", "BF3B0382017F"],
    ["getBoundProfilePackage", "euiccSignatureInvalid", "BF3A03810101"],
    ["getBoundProfilePackage", "confirmationCodeMissing", "BF3A03810102"],
    ["getBoundProfilePackage", "confirmationCodeRefused", "BF3A03810103"],
    ["getBoundProfilePackage", "confirmationCodeRetriesExceeded", "BF3A03810104"],
    ["getBoundProfilePackage", "rebindingRefused", "BF3A03810105"],
    ["getBoundProfilePackage", "orderExpired", "BF3A03810106"],
    ["getBoundProfilePackage", "metadataMismatch", "BF3A03810132"],
    ["getBoundProfilePackage", "unknownTransactionId", "BF3A0381015F"],
    ["getBoundProfilePackage", "insufficientMemory", "BF3A0381017F"],
  ] as const;
  // shows: code.esipa-InitiateAuthentication.invalidDpAddress, code.esipa-InitiateAuthentication.euiccVersionNotSupportedByDp
  // shows: code.esipa-InitiateAuthentication.ciPKIdNotSupported, code.esipa-AuthenticateClient.eumCertificateInvalid
  // shows: code.esipa-AuthenticateClient.eumCertificateExpired, code.esipa-AuthenticateClient.euiccCertificateInvalid
  // shows: code.esipa-AuthenticateClient.euiccCertificateExpired, code.esipa-AuthenticateClient.euiccSignatureInvalid
  // shows: code.esipa-AuthenticateClient.matchingIdRefused, code.esipa-AuthenticateClient.eidMismatch
  // shows: code.esipa-AuthenticateClient.noEligibleProfile, code.esipa-AuthenticateClient.ciPKUnknown
  // shows: code.esipa-AuthenticateClient.invalidTransactionId, code.esipa-AuthenticateClient.insufficientMemory
  // shows: code.esipa-AuthenticateClient.pprNotAllowed, code.esipa-AuthenticateClient.eventIdUnknown
  // shows: code.esipa-AuthenticateClient.undefinedError, code.esipa-GetBoundProfilePackage.euiccSignatureInvalid
  // shows: code.esipa-GetBoundProfilePackage.confirmationCodeMissing, code.esipa-GetBoundProfilePackage.confirmationCodeRefused
  // shows: code.esipa-GetBoundProfilePackage.confirmationCodeRetriesExceeded, code.esipa-GetBoundProfilePackage.bppRebindingRefused
  // shows: code.esipa-GetBoundProfilePackage.downloadOrderExpired, code.esipa-GetBoundProfilePackage.metadataMismatch
  // shows: code.esipa-GetBoundProfilePackage.invalidTransactionId, code.esipa-GetBoundProfilePackage.undefinedError
  test.each(cases)("%s: %s", async (functionName, status, answer) => {
    const on = await ordered();
    on.smdp.faults.status = { [functionName]: { status, times: 1 } };
    const initiated = await initiate(on);
    const steps = [initiated];
    if (functionName !== "initiateAuthentication") steps.push(await authenticate(on, initiated));
    if (functionName === "getBoundProfilePackage") steps.push(await getBpp(on, steps[1] ?? initiated));
    expect(hexOf(steps.at(-1) ?? initiated)).toBe(answer);
    expect([on.state(on.orderId), on.reason(on.orderId)]).toEqual(["failed", expect.stringContaining(functionName)]);
    const { subjectCode, reasonCode } = es9Statuses[status];
    expect(on.events.findLast(({ type }) => type === "es9")).toMatchObject({ functionName, status: "Failed", subjectCode, reasonCode });
  });
});

describe("authenticateClient and getBoundProfilePackage fail", () => {
  test("for an unknown transaction", async () => {
    const on = await ordered();
    const error38 = tlv(0xbf38, tlv(0xa1, tlv(0x80, Uint8Array.of(1)), int(0x02, 2)));
    expect(await on.ask(tlv(0xbf3b, tlv(0x80, Uint8Array.of(1)), error38))).toBe("BF3B0382010A");
    const error21 = tlv(0xbf21, tlv(0xa1, tlv(0x80, Uint8Array.of(1)), int(0x02, 2)));
    expect(await on.ask(tlv(0xbf3a, tlv(0x80, Uint8Array.of(1)), error21))).toBe("BF3A0381015F");
  });

  test("with the eUICC's own error, which reaches the SM-DP+ and names the order's end", async () => {
    const on = await ordered();
    const transactionId = part(ok(await initiate(on)), 0x80);
    const error = tlv(0xbf38, tlv(0xa1, transactionId, int(0x02, 2)));
    expect(await on.ask(tlv(0xbf3b, transactionId, error))).toBe("BF3B0382017F");
    expect(on.reason(on.orderId)).toBe("AuthenticateServer: invalidSignature");
    const later = await ordered();
    const authenticated = await authenticate(later, await initiate(later));
    const txId = part(ok(authenticated), 0x80);
    expect(await later.ask(tlv(0xbf3a, txId, tlv(0xbf21, tlv(0xa1, txId, int(0x02, 1)))))).toBe("BF3A0381017F");
    expect(later.reason(later.orderId)).toBe("PrepareDownload: invalidCertificate");
  });

  test("for another eUICC than the order's", async () => {
    const on = await ordered();
    const other = "89049032000000000000000000000007";
    const stranger = Object.assign(new TestEuicc({ pki, eid: other, identity: pki.issue("euicc", { eid: other }) }), {
      challenge: on.euicc.challenge,
    });
    expect(hexOf(await authenticate(on, await initiate(on), "TOKEN", stranger))).toBe("BF3B03820107");
  });

  test("for a chain the SM-DP+ refuses, in its words", async () => {
    const on = await ordered();
    const foreign = createPki({ clock });
    const world = { ...pki, get: (name: Parameters<typeof pki.get>[0]) => (name === "eum" ? foreign.get("eum") : pki.get(name)) };
    const stranger = Object.assign(new TestEuicc({ pki: world }), { challenge: on.euicc.challenge });
    expect(hexOf(await authenticate(on, await initiate(on), "TOKEN", stranger))).toBe("BF3B03820109");
  });

  test("for a wrong signature of the eUICC", async () => {
    const on = await ordered();
    const authenticated = await authenticate(on, await initiate(on));
    const forger = Object.assign(new TestEuicc({ pki, identity: { ...pki.get("euicc"), privateKey: newKey("prime256v1") } }), {
      transactionId: on.euicc.transactionId,
      signature1: on.euicc.signature1,
    });
    expect(hexOf(await getBpp(on, authenticated, undefined, forger))).toBe("BF3A03810101");
  });

  test("for compact forms, which this eIM does not read", async () => {
    const on = await ordered();
    const transactionId = part(ok(await initiate(on)), 0x80);
    const compact = tlv(0xbf38, tlv(0xa2, tlv(0xa0, tlv(0x84, Uint8Array.of(1))), tlv(0x5f37, new Uint8Array(64))));
    expect(await on.ask(tlv(0xbf3b, transactionId, compact))).toBe("BF3B0382017F");
  });
});

describe("cancelSession", () => {
  test("reaches the SM-DP+ in either form of the card's response", async () => {
    for (const wrap of [(bf41: Uint8Array) => retag(bf41, 0xa1), (bf41: Uint8Array) => tlv(0xa1, bf41)]) {
      const on = await ordered();
      const authenticated = await authenticate(on, await initiate(on));
      expect(await on.ask(tlv(0xbf41, part(ok(authenticated), 0x80), wrap(on.euicc.cancelSession(5))))).toBe("BF4102A000");
      expect([on.reason(on.orderId), on.smdp.orders[0]?.state]).toEqual(["cancelled: loadBppExecutionError", "released"]);
    }
  });

  // shows: code.esipa-CancelSession.invalidTransactionId, code.esipa-CancelSession.euiccSignatureInvalid, e13.card-refuses
  test("fails for an unknown transaction, a wrong signature, the card's own error", async () => {
    const on = await ordered();
    expect(await on.ask(tlv(0xbf41, tlv(0x80, Uint8Array.of(1)), tlv(0xa1, int(0x81, 5))))).toBe("BF4103810101");
    const txId = part(ok(await authenticate(on, await initiate(on))), 0x80);
    const forger = Object.assign(new TestEuicc({ pki, identity: { ...pki.get("euicc"), privateKey: newKey("prime256v1") } }), {
      transactionId: on.euicc.transactionId,
    });
    expect(await on.ask(tlv(0xbf41, txId, retag(forger.cancelSession(0), 0xa1)))).toBe("BF4103810102");
    expect(await on.ask(tlv(0xbf41, txId, tlv(0xa1, int(0x81, 5))))).toBe("BF4103810101");
    expect(await on.ask(tlv(0xbf41, txId, tlv(0xa1, int(0x81, 127))))).toBe("BF410381017F");
  });
});

test.each([
  ["LPA:1$a.b$T", { address: "a.b", matchingId: "T", oid: undefined }],
  ["1$a.b$T$2.999.10$1", { address: "a.b", matchingId: "T", oid: "2.999.10" }],
  ["1$a.b:8443$$$", { address: "a.b:8443", matchingId: "", oid: undefined }],
  ["2$a.b$T", undefined],
  ["1$$T", undefined],
  ["1$a.b", undefined],
])("activation code %s", (code, expected) => {
  expect(readActivationCode(code)).toEqual(expected);
});
