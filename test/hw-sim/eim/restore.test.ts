// Compact forms at the eIM, written TLV by TLV as SGP.32 §5.14 has them: what it builds again is what the eUICC signed; what it cannot build it refuses, without
// ending the order, and asks for what it lacks.
import { randomBytes } from "node:crypto";
import { describe, expect, test } from "vitest";
import { fromHex, toHexUpper, utf8 } from "../../../base/bytes.ts";
import { childOf, childrenOf, contentOf, rawOf, readOnlyTlv, retag, type Tlv } from "../../../ipa/asn1/tlv.ts";
import { type Bench, bench, eid, getEimPackage, iccidABytes, tlv } from "./eim-test-bench.ts";

const upp = new Uint8Array(randomBytes(2_000));
const metadata = { iccid: iccidABytes, serviceProviderName: "S", profileName: "P", profileClass: "operational" } as const;

interface Told extends Bench {
  readonly orderId: string;
  readonly txId: Uint8Array;
}

/** What the eIM is told, then the trigger. `tags`: of the BF52. */
async function told(
  options: Parameters<typeof bench>[0] = {},
  order: object = {},
  parts = ["info1", "info2", "certificates"],
): Promise<Told> {
  const on = bench({ euiccs: [{ eid }], ...options });
  const certificates = [retag(on.euicc.identity.certificate, 0xa6)];
  const eum = retag(on.euicc.pki.get("eum").certificate, 0xa5);
  const data = tlv(
    0xa0,
    ...(parts.includes("info1") ? [on.euicc.info1()] : []),
    ...(parts.includes("info2") ? [on.euicc.info2()] : []),
    ...(parts.includes("certificates") ? [eum, ...certificates] : []),
    // Direct, indirect, minimizeEsipaBytes.
    tlv(0xa8, tlv(0x80, Uint8Array.of(0x02, 0xc4))),
  );
  await on.provide(tlv(0xbf52, data));
  on.smdp.addOrder({ matchingId: "TOKEN", profile: upp, metadata, ...order });
  const orderId = on.eim.addOrder({ eid, kind: "download", activationCode: "LPA:1$dp.example.com$TOKEN" });
  let trigger = await on.poll();
  // What it still lacks it asks for first; nothing comes of that here.
  if (trigger[1] === 0x52) {
    await on.provide(tlv(0xbf52, tlv(0xa1, tlv(0x80, trigger.subarray(-16)), tlv(0x02, Uint8Array.of(127)))));
    trigger = await on.poll();
  }
  return { ...on, orderId, txId: trigger.subarray(trigger.length - 16) };
}

const raw = (parent: Tlv | undefined, tag: number): Uint8Array => {
  const found = parent === undefined ? undefined : childOf(parent, tag);
  if (found === undefined) throw new Error(`no ${tag.toString(16)} in ${parent === undefined ? "nothing" : toHexUpper(rawOf(parent))}`);
  return rawOf(found);
};
const last = (parent: Tlv, tag: number): Uint8Array => {
  const found = childrenOf(parent).findLast((child) => child.tag === tag);
  return found === undefined ? new Uint8Array(0) : rawOf(found);
};
const okOf = (answer: string): Tlv => readOnlyTlv(raw(readOnlyTlv(fromHex(answer)), 0xa0));

/** BF39 without EUICCInfo1 and address. */
const initiate = (on: Told): Promise<string> => on.ask(tlv(0xbf39, tlv(0x81, on.euicc.challenge), tlv(0x82, on.txId)));

/** The eUICC's BF38, and its compact form. */
function authenticateServer(on: Told, initiated: Tlv): { readonly full: Uint8Array; readonly compact: Uint8Array } {
  const server = {
    serverSigned1: raw(initiated, 0x30),
    serverSignature1: raw(initiated, 0x5f37),
    serverCertificate: last(initiated, 0x30),
  };
  const full = on.euicc.authenticateServer(server, "TOKEN");
  const [ok] = childrenOf(readOnlyTlv(full));
  const [signed1, signature] = ok === undefined ? [] : childrenOf(ok);
  if (signed1 === undefined || signature === undefined) throw new Error("BF38");
  const ext = raw(readOnlyTlv(raw(signed1, 0xbf22)), 0x84);
  const compact = tlv(0xbf38, tlv(0xa2, tlv(0xa0, ext, tlv(0xa2, raw(signed1, 0xa0))), rawOf(signature)));
  return { full, compact };
}

const bf3b = (on: Told, bf38: Uint8Array): Promise<string> => on.ask(tlv(0xbf3b, tlv(0x80, on.euicc.transactionId), bf38));

async function authenticated(on: Told): Promise<Tlv> {
  const { compact } = authenticateServer(on, okOf(await initiate(on)));
  return okOf(await bf3b(on, compact));
}

function prepareDownload(on: Told, inside: Tlv): { readonly full: Uint8Array; readonly compact: Uint8Array } {
  const server = { smdpSigned2: raw(inside, 0x30), smdpSignature2: raw(inside, 0x5f37), smdpCertificate: last(inside, 0x30) };
  const full = on.euicc.prepareDownload(server);
  const ok = childOf(readOnlyTlv(full), 0xa0);
  const signed2 = ok === undefined ? undefined : childOf(ok, 0x30);
  return { full, compact: tlv(0xbf21, tlv(0xa2, tlv(0x30, raw(signed2, 0x5f49)), raw(ok, 0x5f37))) };
}

const bf3a = (on: Told, bf21: Uint8Array): Promise<string> => on.ask(tlv(0xbf3a, tlv(0x80, on.euicc.transactionId), bf21));

/** A0: txId, number, AID's octets or the error. */
function compactResult(full: Uint8Array, wrong: { readonly seqNumber?: number } = {}): Uint8Array {
  const [data, signature] = childrenOf(readOnlyTlv(full));
  if (data === undefined || signature === undefined) throw new Error("BF37");
  const [outcome] = childrenOf(readOnlyTlv(raw(data, 0xa2)));
  if (outcome === undefined) throw new Error("A2");
  const seqNumber = wrong.seqNumber ?? contentOf(readOnlyTlv(raw(readOnlyTlv(raw(data, 0xbf2f)), 0x80)))[0] ?? 0;
  const compact = outcome.tag === 0xa1 ? rawOf(outcome) : tlv(0xa0, tlv(0x4f, Uint8Array.of(0x00, 0x10)));
  return tlv(0xa0, tlv(0xa0, raw(data, 0x80), tlv(0x02, Uint8Array.of(seqNumber)), tlv(0xa2, compact)), rawOf(signature));
}

const undefinedError = { bf39: "BF390381017F", bf3b: "BF3B0382017F", bf3a: "BF3A0381017F", bf41: "BF410381017F" };

describe("a download in compact forms", () => {
  // shows: compact.no-transaction, compact.authenticate-client
  test("is the eUICC's own by what reaches the SM-DP+; the eIM leaves the transaction out", async () => {
    const on = await told();
    const initiated = okOf(await initiate(on));
    expect(childrenOf(initiated).map(({ tag }) => tag.toString(16))).toEqual(["30", "5f37", "4", "30", "c"]);
    const inside = okOf(await bf3b(on, authenticateServer(on, initiated).compact));
    expect(childrenOf(inside).map(({ tag }) => tag.toString(16))).toEqual(["bf25", "30", "5f37", "30"]);
    const answer = okOf(await bf3a(on, prepareDownload(on, inside).compact));
    expect(childrenOf(answer).map(({ tag }) => tag.toString(16))).toEqual(["bf36"]);
    expect(on.euicc.openBpp(raw(answer, 0xbf36)).upp).toEqual(upp);
    const result = compactResult(on.euicc.installationResult("dp.example.com", iccidABytes));
    expect(await on.ask(tlv(0xbf3d, tlv(0xa0, result)))).toBe("204");
    expect(on.eim.order(on.orderId)).toMatchObject({
      state: "done",
      results: [{ verified: true, finalResult: { kind: "successResult" } }],
    });
    expect(on.smdp.notifications).toMatchObject([{ verified: true, installed: true }]);
  });

  test("an installation that failed", async () => {
    const on = await told();
    await bf3a(on, prepareDownload(on, await authenticated(on)).compact);
    const full = on.euicc.installationResult("dp.example.com", iccidABytes, { command: 5, reason: 8 });
    expect(await on.ask(tlv(0xbf3d, tlv(0xa0, compactResult(full))))).toBe("204");
    expect([on.state(on.orderId), on.reason(on.orderId)]).toEqual(["failed", "scp03tSecurityError"]);
    expect(on.smdp.notifications).toMatchObject([{ verified: true, installed: false }]);
  });

  test.each([
    ["with its reason", [0x80, 1, 3]],
    ["without: the reason is the one that was signed", []],
  ])("a cancellation %s", async (_, reason) => {
    const on = await told();
    await authenticated(on);
    const [ok] = childrenOf(readOnlyTlv(on.euicc.cancelSession(3)));
    const compact = tlv(0xa2, tlv(0x30, Uint8Array.from(reason)), raw(ok, 0x5f37));
    expect(await on.ask(tlv(0xbf41, tlv(0x80, on.euicc.transactionId), tlv(0xa1, compact)))).toBe("BF4102A000");
    expect([on.state(on.orderId), on.reason(on.orderId)]).toEqual(["failed", "cancelled: pprNotAllowed"]);
  });

  test("certificates that it was not told may be in it", async () => {
    const on = await told({}, {}, ["info1", "info2"]);
    const { full } = authenticateServer(on, okOf(await initiate(on)));
    const [ok] = childrenOf(readOnlyTlv(full));
    const [signed1, signature, euicc, eum] = ok === undefined ? [] : childrenOf(ok).map(rawOf);
    if (signed1 === undefined || signature === undefined || euicc === undefined || eum === undefined) throw new Error("BF38");
    const compact = tlv(0xbf38, tlv(0xa2, signed1, signature, retag(euicc, 0xa1), retag(eum, 0xa2)));
    expect(childOf(readOnlyTlv(fromHex(await bf3b(on, compact))), 0xa0)).toBeDefined();
    expect(on.events.filter(({ type }) => type === "euicc")).toMatchObject([{ eid, learned: "certificate" }]);
  });
});

describe("what cannot be built again", () => {
  test("no EUICCInfo1: refused, the order goes on, the data are asked for, and the full form is taken in the same session", async () => {
    const on = await told({}, {}, ["info2"]);
    expect(await initiate(on)).toBe(undefinedError.bf39);
    expect(on.state(on.orderId)).toBe("fetched");
    const full = tlv(0xbf39, tlv(0x81, on.euicc.challenge), tlv(0x83, utf8("dp.example.com")), on.euicc.info1(), tlv(0x82, on.txId));
    expect(childOf(readOnlyTlv(fromHex(await on.ask(full))), 0xa0)).toBeDefined();
  });

  test.each([
    ["no EUICCInfo2", ["info1", "certificates"]],
    ["no certificates", ["info1", "info2"]],
  ])("AuthenticateClient, %s", async (_, parts) => {
    const on = await told({}, {}, parts);
    const { compact, full } = authenticateServer(on, okOf(await initiate(on)));
    expect(await bf3b(on, compact)).toBe(undefinedError.bf3b);
    expect(on.state(on.orderId)).toBe("inProgress");
    expect(childOf(readOnlyTlv(fromHex(await bf3b(on, full))), 0xa0)).toBeDefined();
  });

  test("another extCardResource than was signed: it does not verify, and is not passed on", async () => {
    const on = await told();
    const { compact } = authenticateServer(on, okOf(await initiate(on)));
    const at = toHexUpper(compact).indexOf(toHexUpper(tlv(0x83, Uint8Array.of(0x40, 0)))) / 2;
    const changed = compact.with(at + 3, 1);
    const before = on.events.filter(({ type }) => type === "es9").length;
    expect(await bf3b(on, changed)).toBe(undefinedError.bf3b);
    expect(on.events.filter(({ type }) => type === "es9").length).toBe(before);
  });

  test("another one-time key than was signed", async () => {
    const on = await told();
    const { compact, full } = prepareDownload(on, await authenticated(on));
    expect(await bf3a(on, compact.with(compact.indexOf(0x49) + 4, (compact[compact.indexOf(0x49) + 4] ?? 0) ^ 1))).toBe(
      undefinedError.bf3a,
    );
    expect(on.state(on.orderId)).toBe("inProgress");
    expect(childOf(readOnlyTlv(fromHex(await bf3a(on, full))), 0xa0)).toBeDefined();
  });

  test("another reason than was signed", async () => {
    const on = await told();
    await authenticated(on);
    const [ok] = childrenOf(readOnlyTlv(on.euicc.cancelSession(3)));
    const compact = tlv(0xa2, tlv(0x30, tlv(0x80, Uint8Array.of(4))), raw(ok, 0x5f37));
    expect(await on.ask(tlv(0xbf41, tlv(0x80, on.euicc.transactionId), tlv(0xa1, compact)))).toBe(undefinedError.bf41);
    expect(on.state(on.orderId)).toBe("inProgress");
  });

  test("an installation result with another number, or of no session: no 204, so the IPA keeps it", async () => {
    const on = await told();
    await bf3a(on, prepareDownload(on, await authenticated(on)).compact);
    const full = on.euicc.installationResult("dp.example.com", iccidABytes);
    expect(await on.ask(tlv(0xbf3d, tlv(0xa0, compactResult(full, { seqNumber: 77 }))))).toBe("500");
    const other = await told();
    expect(await other.ask(tlv(0xbf3d, tlv(0xa0, compactResult(full))))).toBe("500");
    expect(on.smdp.notifications).toEqual([]);
    expect(await on.ask(tlv(0xbf3d, tlv(0xa0, full)))).toBe("204");
    expect(on.state(on.orderId)).toBe("done");
  });

  test("a notification of an eUICC whose certificates are not known: no 204, and they are asked for", async () => {
    const on = bench({ euiccs: [{ eid }] });
    const [tbs, signature] = childrenOf(readOnlyTlv(on.euicc.notification(1, "dp.example.com", iccidABytes))).map(rawOf);
    if (tbs === undefined || signature === undefined) throw new Error("notification");
    const compact = tlv(0xbf3d, tlv(0xa0, tlv(0xa1, tlv(0x5a, on.euicc.eidBytes), tbs, signature)));
    expect(await on.ask(compact)).toBe("500");
    expect((await on.poll())[1]).toBe(0x52);
    await on.provide(tlv(0xbf52, tlv(0xa0, retag(on.euicc.pki.get("eum").certificate, 0xa5), retag(on.euicc.identity.certificate, 0xa6))));
    expect(await on.ask(compact)).toBe("204");
    expect(on.eim.notifications()).toMatchObject([{ kind: "otherSignedNotification", verified: true }]);
  });
});

describe("what the eIM lacks", () => {
  test("is asked for before the first download to an IPA that minimizes, once", async () => {
    const on = bench({ euiccs: [{ eid }] });
    await on.provide(tlv(0xbf52, tlv(0xa0, tlv(0xa8, tlv(0x80, Uint8Array.of(0x02, 0xc4))))));
    on.eim.addOrder({ eid, kind: "download", activationCode: "LPA:1$dp.example.com$TOKEN" });
    const [request] = childrenOf(readOnlyTlv(fromHex(await on.ask(getEimPackage(on.euicc.eidBytes)))));
    expect(request?.tag).toBe(0xbf52);
    expect(toHexUpper(raw(request, 0x5c))).toBe("5C0884A5A6BF20BF22A8");
    await on.provide(tlv(0xbf52, tlv(0xa1, tlv(0x02, Uint8Array.of(127)))));
    expect((await on.poll())[1]).toBe(0x54);
  });

  test("is not asked for where the IPA does not minimize, or this eIM does not", async () => {
    for (const [features, compactForms] of [[0xc0, true] as const, [0xc4, false] as const]) {
      const on = bench({ euiccs: [{ eid }], compactForms });
      await on.provide(tlv(0xbf52, tlv(0xa0, tlv(0xa8, tlv(0x80, Uint8Array.of(0x02, features))))));
      on.eim.addOrder({ eid, kind: "download", activationCode: "LPA:1$dp.example.com$TOKEN" });
      expect((await on.poll())[1]).toBe(0x54);
    }
  });
});
