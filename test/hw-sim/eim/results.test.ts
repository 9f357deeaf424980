// What comes back to the eIM: results, notifications and eUICC data are verified, stored once, acknowledged, and told to their orders.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { fromHex, iccidToBytes, toHexUpper } from "../../../base/bytes.ts";
import { VirtualClock } from "../../../base/clock.ts";
import { nextStanding, type OrderInput, type OrderStanding, type OrderState } from "../../../hw-sim/eim/orders.ts";
import { createPki, newKey } from "../../../hw-sim/pki/pki.ts";
import { childrenOf, contentOf, rawOf, readOnlyTlv } from "../../../ipa/asn1/tlv.ts";
import { TestEuicc } from "../smdp/test-euicc.ts";
import {
  acknowledged,
  type Bench,
  bench,
  clock,
  eid,
  empty,
  enableOk,
  enableOrder,
  ePRAndNotifications,
  getEimPackage,
  iccidABytes,
  int,
  noPackage,
  pki,
  text,
  tlv,
} from "./eim-test-bench.ts";

const forger = (): TestEuicc => new TestEuicc({ pki, identity: { ...pki.get("euicc"), privateKey: newKey("prime256v1") } });
const unknownCertificate = { euiccs: [{ eid }] };
const certificates = [
  tlv(0xa5, contentOf(readOnlyTlv(pki.get("eum").certificate))),
  tlv(0xa6, contentOf(readOnlyTlv(pki.get("euicc").certificate))),
];
const euiccData = (...fields: readonly Uint8Array[]): Uint8Array => tlv(0xbf52, tlv(0xa0, ...fields));

/** A package given out, and what the eUICC needs to answer it. */
async function executed(on: Bench = bench(), order: unknown = enableOrder) {
  const orderId = on.eim.addOrder(order);
  const bf51 = await on.poll();
  return { ...on, orderId, bf51, fields: on.accept(bf51) };
}

describe("GetEimPackage", () => {
  // shows: code.esipa-GetEimPackage.noEimPackageAvailable, code.esipa-GetEimPackage.eidNotFound, code.esipa-GetEimPackage.invalidEid
  // shows: code.esipa-GetEimPackage.missingEid
  test("answers nothing, an unknown EID, a wrong EID, and a missing one", async () => {
    const { ask, euicc } = bench();
    expect(await ask(getEimPackage(euicc.eidBytes))).toBe(noPackage);
    expect(await ask(getEimPackage(fromHex("89044000000000000000000000000039")))).toBe("BF4F03020102");
    expect(await ask(getEimPackage(fromHex("89044000000000000000000000000000")))).toBe("BF4F03020103");
    expect(await ask(getEimPackage(fromHex("8904")))).toBe("BF4F03020103");
    expect(await ask(tlv(0xbf4f))).toBe("BF4F03020104");
    expect(await bench({ knowsEveryEid: true }).ask(getEimPackage(fromHex("89044000000000000000000000000039")))).toBe(noPackage);
  });

  test("a state change is told, with its cause and network", async () => {
    const { ask, euicc, events } = bench();
    await ask(tlv(0xbf4f, tlv(0x5a, euicc.eidBytes), tlv(0x80), int(0x81, 1), tlv(0x82, fromHex("62F210"))));
    expect(events.find(({ type }) => type === "stateChange")).toMatchObject({ eid, cause: "fallback", rPLMN: "26201" });
  });

  test("orders come in the order they were given, one at a time", async () => {
    const { eim, ask, euicc, poll, provide, accept, state } = bench();
    const ids = [enableOrder, { eid, kind: "raw", hex: "0102" }, { eid, kind: "ipaEuiccData", tags: ["BF20", "A5"] }].map((order) =>
      eim.addOrder(order),
    );
    const fields = accept(await poll());
    expect(ids.map(state)).toEqual(["fetched", "queued", "queued"]);
    await provide(euicc.packageResult(fields, enableOk));
    expect(ids.map(state)).toEqual(["done", "queued", "queued"]);
    expect(await ask(getEimPackage(euicc.eidBytes))).toBe("0102");
    expect(readOnlyTlv(await poll()).tag).toBe(0xbf52);
    expect(ids.map(state)).toEqual(["done", "fetched", "fetched"]);
  });

  test("raw octets go out once and as they are", async () => {
    const { eim, ask, euicc, state } = bench();
    const orderId = eim.addOrder({ eid, kind: "raw", hex: "DEAD BEEF" });
    expect(await ask(getEimPackage(euicc.eidBytes))).toBe("DEADBEEF");
    expect(await ask(getEimPackage(euicc.eidBytes))).toBe(noPackage);
    expect(state(orderId)).toBe("fetched");
  });

  test("a data request carries its tags, criteria and transaction", async () => {
    const { eim, poll } = bench();
    const orderId = eim.addOrder({
      eid,
      kind: "ipaEuiccData",
      tags: ["BF20", "BF22"],
      notificationSeqNumber: 1,
      packageResultSeqNumber: 2,
    });
    const txId = String(eim.order(orderId)?.eimTransactionId);
    expect(toHexUpper(await poll())).toBe(`BF52225C04BF20BF22A103800101A2038001028310${txId}`);
  });

  test.each([
    [{ activationCode: "1$a$b" }, "A007800531246124628210"],
    [{ trigger: "contactDefaultSmdp" }, "A00281008210"],
    [{ trigger: "contactSmds", smdsAddress: "ds.x" }, "A008A206800464732E788210"],
    [{ trigger: "none" }, "8210"],
  ])("a download trigger %j", async (fields, expected) => {
    const { eim, poll } = bench();
    const orderId = eim.addOrder({ eid, kind: "download", ...fields });
    expect(toHexUpper(contentOf(readOnlyTlv(await poll())))).toBe(`${expected}${String(eim.order(orderId)?.eimTransactionId)}`);
  });

  test("a trigger that leads to nothing is given out five times", async () => {
    const { eim, ask, euicc, state, reason } = bench();
    const orderId = eim.addOrder({ eid, kind: "download", activationCode: "1$a$b" });
    for (let i = 0; i < 5; i++) expect(await ask(getEimPackage(euicc.eidBytes))).not.toBe(noPackage);
    expect(await ask(getEimPackage(euicc.eidBytes))).toBe(noPackage);
    expect([state(orderId), reason(orderId)]).toEqual(["failed", "noResult"]);
  });
});

describe("a package result", () => {
  test("is verified, stored, acknowledged, and ends its order", async () => {
    const { eim, euicc, provide, fields, orderId } = await executed();
    expect(await provide(euicc.packageResult(fields, enableOk))).toBe(acknowledged(1));
    expect(eim.order(orderId)).toMatchObject({
      state: "done",
      counterValue: 1,
      results: [
        { kind: "euiccPackageResult", seqNumber: 1, counterValue: 1, verified: true, commands: [{ kind: "enableResult", value: "ok" }] },
      ],
    });
    expect(eim.results()).toMatchObject([{ kind: "euiccPackageResult", commands: [{ kind: "enableResult", value: "ok" }] }]);
  });

  test("delivered again is acknowledged again and stored once", async () => {
    const { eim, euicc, provide, fields, events } = await executed();
    const result = euicc.packageResult(fields, enableOk);
    for (let i = 0; i < 4; i++) expect(await provide(result)).toBe(acknowledged(1));
    expect(eim.results()).toHaveLength(1);
    expect(eim.euiccs[0]?.results.values().next().value?.deliveries).toBe(4);
    expect(events.filter(({ type }) => type === "result")).toHaveLength(1);
  });

  test("of several commands is decoded in full", async () => {
    const on = bench();
    const { eim, euicc, provide, fields, orderId } = await executed(on, {
      eid,
      kind: "euiccPackage",
      psmos: [{ listProfileInfo: {} }, { getRAT: {} }],
    });
    const profile = tlv(0xe3, tlv(0x5a, iccidABytes), tlv(0x9f70, Uint8Array.of(1)), tlv(0x92, text("Profile A")));
    const rule = fromHex("301180020640A10730058003EEEEEE82020780");
    await provide(euicc.packageResult(fields, tlv(0xbf2d, tlv(0xa0, profile)), tlv(0xa6, rule)));
    expect(eim.order(orderId)?.results).toMatchObject([
      {
        commands: [
          {
            kind: "listProfileInfoResult",
            value: {
              kind: "profileInfoListOk",
              value: [{ iccid: "8949000000000000012", profileState: "enabled", profileName: "Profile A" }],
            },
          },
          { kind: "getRATResult", value: [{ pprIds: ["ppr1"], allowedOperators: [{ mccMnc: "EEEEEE" }], pprFlags: ["consentRequired"] }] },
        ],
      },
    ]);
  });

  test.each([
    ["enable: profileNotInDisabledState", tlv(0x83, Uint8Array.of(2)), "enableResult: profileNotInDisabledState"],
    ["delete refused", tlv(0x85, Uint8Array.of(3)), "deleteResult: disallowedByPolicy"],
    ["list error", tlv(0xbf2d, int(0x81, 11)), "listProfileInfoResult: profileChangeOngoing"],
    ["addEim refused", tlv(0xa8, int(0x02, 2)), "addEimResult: associatedEimAlreadyExists"],
    ["default address", tlv(0xbf65, int(0x80, 127)), "setDefaultDpAddressResult: undefinedError"],
    ["terminated", int(0x02, 2), "processingTerminated: unknownOrDamagedCommand"],
    ["a code without a name", tlv(0x84, Uint8Array.of(99)), "disableResult: 99"],
  ])("with a command that failed (%s) fails its order and is acknowledged all the same", async (_, command, reason) => {
    const on = await executed();
    expect(await on.provide(on.euicc.packageResult(on.fields, command))).toBe(acknowledged(1));
    expect([on.state(on.orderId), on.reason(on.orderId)]).toEqual(["failed", reason]);
  });

  test.each([
    ["a token for the new eIM", tlv(0xa8, int(0x84, 7))],
    ["the last eIM deleted", tlv(0x89, Uint8Array.of(2))],
    ["a list of eIMs", fromHex("AB0BA0093007800265328201 02".replace(" ", ""))],
    ["ok under 02 from a card that tags it so", int(0x02, 0)],
  ])("that is no failure though no plain ok: %s", async (_, command) => {
    const on = await executed();
    await on.provide(on.euicc.packageResult(on.fields, command));
    expect(on.state(on.orderId)).toBe("done");
  });

  test("signed in DER by a card of the field is taken", async () => {
    const { eim, euicc, provide, fields } = await executed();
    const raw = euicc.packageResult(fields, enableOk);
    const signature = raw.subarray(raw.length - 64);
    const integer = (half: Uint8Array): Uint8Array => {
      let value = half;
      while (value.length > 1 && value[0] === 0) value = value.subarray(1);
      return tlv(0x02, (value[0] ?? 0) >= 0x80 ? Uint8Array.of(0, ...value) : value);
    };
    const der = tlv(0x30, integer(signature.subarray(0, 32)), integer(signature.subarray(32)));
    const inner = contentOf(readOnlyTlv(contentOf(readOnlyTlv(raw))));
    const data = inner.subarray(0, inner.length - 67);
    expect(await provide(tlv(0xbf51, tlv(0xa0, data, tlv(0x5f37, der))))).toBe(acknowledged(1));
    expect(eim.results()).toHaveLength(1);
  });

  test("with its tag written twice is taken", async () => {
    const { eim, euicc, provide, fields } = await executed();
    expect(await provide(tlv(0xbf51, euicc.packageResult(fields, enableOk)))).toBe(acknowledged(1));
    expect(eim.results()).toHaveLength(1);
  });

  test("signed over a token is verified over it", async () => {
    const on = bench();
    on.eim.setEuicc({ eid, associationToken: 9 });
    const orderId = on.eim.addOrder(enableOrder);
    const fields = on.accept(await on.poll(), 9);
    expect(await on.provide(on.euicc.packageResult({ ...fields, token: 0, seq: 1 }, enableOk))).toBe(empty);
    expect(await on.provide(on.euicc.packageResult({ ...fields, seq: 2 }, enableOk))).toBe(acknowledged(2));
    expect(on.state(orderId)).toBe("done");
  });
});

describe("a result that does not hold is neither stored nor acknowledged", () => {
  test("when another key signed it", async () => {
    const { eim, provide, fields, orderId, events } = await executed();
    expect(await provide(forger().packageResult(fields, enableOk))).toBe(empty);
    expect(eim.results()).toEqual([]);
    expect(eim.order(orderId)).toMatchObject({ state: "fetched", results: [{ verified: false }] });
    expect(events.some(({ type, what }) => type === "refused" && what === "result")).toBe(true);
  });

  test("when any octet of it has changed", async () => {
    const { eim, euicc, provide, fields } = await executed();
    const good = euicc.packageResult(fields, enableOk);
    for (let at = 4; at < good.length; at++) {
      const bad = good.slice();
      bad[at] = (bad[at] ?? 0) ^ 0x01;
      const answer = await provide(bad);
      expect([at, answer, [empty, "400", "BF5003020104"].includes(answer)]).toEqual([at, answer, true]);
    }
    expect(eim.results()).toEqual([]);
    expect(await provide(good)).toBe(acknowledged(1));
  });

  test("when it is addressed to another eIM", async () => {
    const { eim, euicc, provide, fields } = await executed();
    expect(await provide(euicc.packageResult({ ...fields, eimId: "other" }, enableOk))).toBe(empty);
    expect(eim.results()).toEqual([]);
  });

  test("when it is no TLV, or no message at all", async () => {
    const { ask } = bench();
    expect(await ask(new Uint8Array(0))).toBe("400");
    expect(await ask(fromHex("BF50"))).toBe("400");
    expect(await ask(fromHex("BF7F00"))).toBe("400");
    expect(await ask(fromHex("BF5003020101"))).toBe("400");
  });

  test("when its EID is not known", async () => {
    const { ask, euicc, fields } = await executed();
    const other = fromHex("89044000000000000000000000000039");
    expect(await ask(tlv(0xbf50, tlv(0x5a, other), euicc.packageResult(fields, enableOk)))).toBe("BF5003020102");
  });
});

describe("without the EID", () => {
  // shows: field.no-eid, bf50.no-eid
  test("its eUICC is found by the transaction, by the certificate, or as the only one awaited", async () => {
    const on = await executed();
    on.eim.setEuicc({ eid: "89049032000000000000000000000007" });
    expect(await on.ask(tlv(0xbf50, on.euicc.packageResult(on.fields, enableOk)))).toBe(acknowledged(1));

    const second = await executed();
    const { txId: _, ...withoutTransaction } = second.fields;
    expect(await second.ask(tlv(0xbf50, second.euicc.packageResult(withoutTransaction, enableOk)))).toBe(acknowledged(1));
    expect(second.state(second.orderId)).toBe("done");

    const third = await executed();
    third.eim.addOrder({ ...enableOrder, eid: "89049032000000000000000000000007" });
    await third.ask(getEimPackage(fromHex("89049032000000000000000000000007")));
    const { txId: __, ...bare } = third.fields;
    const result = third.euicc.packageResult(bare, enableOk);
    const notification = third.euicc.notification(1, "dp.example.com", iccidABytes);
    expect(await third.ask(tlv(0xbf50, result))).toBe("BF5003020104");
    expect(await third.ask(tlv(0xbf50, ePRAndNotifications(result, notification)))).toBe(acknowledged(1, 2));
  });
});

describe("errors of a package", () => {
  test("signed ones are verified and fail the order", async () => {
    for (const [code, name] of [
      [3, "invalidEid"],
      [4, "replayError"],
      [6, "counterValueOutOfRange"],
      [15, "sizeOverflow"],
      [104, "ecallActive"],
    ] as const) {
      const on = await executed();
      expect(await on.provide(on.euicc.packageError(on.fields, code))).toBe(empty);
      expect(on.eim.order(on.orderId)).toMatchObject({
        state: "failed",
        reason: name,
        results: [{ kind: "euiccPackageError", errorCode: name, verified: true }],
      });
    }
  });

  test("forged ones change nothing", async () => {
    const { provide, fields, orderId, state } = await executed();
    await provide(forger().packageError(fields, 4));
    expect(state(orderId)).toBe("fetched");
  });

  test("unsigned ones fail the order, and teach the token", async () => {
    const on = await executed();
    const unsigned = tlv(
      0xbf51,
      tlv(0xa2, tlv(0x80, text("eim.example.com")), tlv(0x82, on.fields.txId ?? new Uint8Array(0)), int(0x84, 77)),
    );
    expect(await on.provide(unsigned)).toBe(empty);
    expect([on.state(on.orderId), on.reason(on.orderId)]).toEqual(["failed", "euiccPackageErrorUnsigned"]);
    on.eim.addOrder(enableOrder);
    expect(on.accept(await on.poll(), 77).counter).toBe(2);
  });

  test("replayError after a package was given out twice means that its result is on the card", async () => {
    const on = await executed();
    const stored = on.euicc.packageResult(on.fields, enableOk);
    await on.poll();
    await on.provide(on.euicc.packageError(on.fields, 4));
    expect(on.eim.order(on.orderId)).toMatchObject({ state: "executed", results: [] });
    // It is not given out a third time, and what waits behind it is.
    expect(await on.ask(getEimPackage(on.euicc.eidBytes))).toBe(noPackage);
    const next = on.eim.addOrder(enableOrder);
    on.accept(await on.poll());
    expect(await on.provide(stored)).toBe(acknowledged(1));
    expect([on.state(on.orderId), on.state(next)]).toEqual(["done", "fetched"]);
  });

  test("the IPA's own error ends the order it names, or the last given out", async () => {
    const on = await executed();
    await on.provide(tlv(0xa0, tlv(0x80, on.fields.txId ?? new Uint8Array(0)), int(0x02, 127)));
    expect([on.state(on.orderId), on.reason(on.orderId)]).toEqual(["failed", "undefinedError"]);
    expect(on.eim.order(on.orderId)).toMatchObject({
      results: [{ code: "undefinedError", eimTransactionId: toHexUpper(on.fields.txId ?? fromHex("")) }],
    });
    const raw = on.eim.addOrder({ eid, kind: "raw", hex: "BF4F0430020101" });
    await on.ask(getEimPackage(on.euicc.eidBytes));
    expect(await on.provide(tlv(0xa0, int(0x02, 1)))).toBe(empty);
    expect(on.eim.order(raw)).toMatchObject({
      state: "failed",
      reason: "invalidPackageFormat",
      results: [{ kind: "eimPackageResultResponseError", code: "invalidPackageFormat" }],
    });
  });
});

describe("a rollback", () => {
  test("replaces the result: same counter, new number, rollbackResult", async () => {
    const { eim, euicc, provide, fields, orderId } = await executed();
    expect(await provide(euicc.packageResult(fields, enableOk))).toBe(acknowledged(1));
    expect(await provide(euicc.packageResult(fields, enableOk, tlv(0x8c, Uint8Array.of(0))))).toBe(acknowledged(2));
    expect(eim.order(orderId)).toMatchObject({ state: "failed", reason: "rolledBack" });
    expect(eim.results().map(({ commands }) => commands)).toEqual([
      [{ kind: "enableResult", value: "ok" }],
      [
        { kind: "enableResult", value: "ok" },
        { kind: "rollbackResult", value: "ok" },
      ],
    ]);
  });

  test("also when only the second result ever arrives, and under the same number", async () => {
    const { eim, euicc, provide, fields, reason, orderId } = await executed();
    const first = euicc.packageResult({ ...fields, seq: 5 }, enableOk);
    const second = euicc.packageResult({ ...fields, seq: 5 }, enableOk, tlv(0x8c, Uint8Array.of(0)));
    expect(await provide(second)).toBe(acknowledged(5));
    expect(reason(orderId)).toBe("rolledBack");
    await provide(first);
    expect(reason(orderId)).toBe("rolledBack");
    expect(eim.results()).toHaveLength(2);
  });
});

describe("when the eUICC's certificate is not known", () => {
  test("the result is held, the certificate asked for, and the result then counts once", async () => {
    const on = await executed(bench(unknownCertificate));
    const result = on.euicc.packageResult(on.fields, enableOk);
    expect(await on.provide(result)).toBe(empty);
    expect([on.state(on.orderId), on.eim.results()]).toEqual(["held", []]);
    const request = await on.poll();
    expect(toHexUpper(request)).toMatch(/^BF521C5C0884A5A6BF20BF22A88310/);
    const txId = request.subarray(request.length - 16);
    expect(await on.provide(euiccData(on.euicc.info1(), ...certificates, tlv(0x87, txId)))).toBe(acknowledged(1));
    expect([on.state(on.orderId), on.eim.results().length]).toEqual(["done", 1]);
    // Delivered again from the card: acknowledged, not counted.
    expect(await on.provide(result)).toBe(acknowledged(1));
    expect(on.eim.results()).toHaveLength(1);
    expect(await on.ask(getEimPackage(on.euicc.eidBytes))).toBe(noPackage);
  });

  test("a held result that then does not verify is refused", async () => {
    const on = await executed(bench(unknownCertificate));
    await on.provide(forger().packageResult(on.fields, enableOk));
    await on.poll();
    expect(await on.provide(euiccData(...certificates))).toBe(empty);
    expect(on.eim.results()).toEqual([]);
  });

  test("certificates of a stranger are not learned", async () => {
    const stranger = createPki({ clock: new VirtualClock() });
    const on = await executed(bench(unknownCertificate));
    await on.provide(on.euicc.packageResult(on.fields, enableOk));
    await on.poll();
    const foreign = [
      tlv(0xa5, contentOf(readOnlyTlv(stranger.get("eum").certificate))),
      tlv(0xa6, contentOf(readOnlyTlv(stranger.get("euicc").certificate))),
    ];
    expect(await on.provide(euiccData(...foreign))).toBe(empty);
    expect(on.state(on.orderId)).toBe("held");
    // Nor those of another eUICC of the same maker.
    const sister = pki.issue("euicc", { eid: "89049032000000000000000000000007" });
    await on.provide(
      euiccData(tlv(0xa5, contentOf(readOnlyTlv(pki.get("eum").certificate))), tlv(0xa6, contentOf(readOnlyTlv(sister.certificate)))),
    );
    expect(on.state(on.orderId)).toBe("held");
  });

  test("notifications beside the result bring it", async () => {
    const on = await executed(bench(unknownCertificate));
    const result = on.euicc.packageResult(on.fields, enableOk);
    const answer = await on.provide(ePRAndNotifications(result, on.euicc.notification(1, "dp.example.com", iccidABytes)));
    expect(answer).toBe(acknowledged(1, 2));
    expect(on.state(on.orderId)).toBe("done");
  });
});

describe("eUICC data", () => {
  test("is decoded for its order, and its results and notifications are taken", async () => {
    const on = await executed();
    const result = on.euicc.packageResult(on.fields, enableOk);
    const notification = on.euicc.notification(1, "dp.example.com", iccidABytes);
    await on.provide(tlv(0xa0, int(0x02, 127)));
    const orderId = on.eim.addOrder({ eid, kind: "ipaEuiccData", tags: ["A0", "81", "A2", "84", "A8"] });
    const request = await on.poll();
    const txId = request.subarray(request.length - 16);
    const answer = await on.provide(
      euiccData(
        tlv(0xa0, notification),
        tlv(0x81, text("dp.example.com")),
        tlv(0xa2, result),
        int(0x84, 3),
        tlv(0x87, txId),
        fromHex("A808800206C081020780"),
      ),
    );
    expect(answer).toBe(acknowledged(2, 1));
    expect(on.eim.order(orderId)).toMatchObject({
      state: "done",
      results: [
        {
          kind: "ipaEuiccData",
          data: {
            defaultSmdpAddress: "dp.example.com",
            associationToken: 3,
            ipaCapabilities: { ipaFeatures: ["directRspServerCommunication", "indirectRspServerCommunication"] },
          },
        },
      ],
    });
    on.eim.addOrder(enableOrder);
    expect(on.accept(await on.poll(), 3).counter).toBe(2);
  });

  test("an error names itself", async () => {
    const on = bench();
    const orderId = on.eim.addOrder({ eid, kind: "ipaEuiccData", tags: ["FF"] });
    await on.poll();
    expect(await on.provide(tlv(0xbf52, tlv(0xa1, int(0x02, 1))))).toBe(empty);
    expect([on.state(orderId), on.reason(orderId)]).toEqual(["failed", "incorrectTagList"]);
  });
});

describe("notifications beside a result", () => {
  test("are verified, stored once, acknowledged and sent on to their SM-DP+", async () => {
    const on = await executed();
    const message = ePRAndNotifications(
      on.euicc.packageResult(on.fields, enableOk),
      on.euicc.notification(2, "dp.example.com", iccidToBytes("8949000000000000020")),
      on.euicc.notification(1, "dp.example.com", iccidABytes),
    );
    for (let i = 0; i < 3; i++) expect(await on.provide(message)).toBe(acknowledged(1, 2, 3));
    expect(on.eim.notifications()).toMatchObject([
      { seqNumber: 2, event: ["notificationDisable"], verified: true, iccid: "8949000000000000020" },
      { seqNumber: 3, event: ["notificationEnable"], verified: true, iccid: "8949000000000000012" },
    ]);
    expect(on.smdp.notifications.map(({ event, verified, times }) => [event, verified, times])).toEqual([
      ["disable", true, 1],
      ["enable", true, 1],
    ]);
  });

  test("forged ones are left out of the acknowledgement", async () => {
    const on = await executed();
    const result = on.euicc.packageResult(on.fields, enableOk);
    const stranger = Object.assign(forger(), { nextSeq: 9 });
    expect(await on.provide(ePRAndNotifications(result, stranger.notification(1, "dp.example.com", iccidABytes)))).toBe(acknowledged(1));
    expect([on.eim.notifications(), on.smdp.notifications]).toEqual([[], []]);
  });

  test("an empty list is no hindrance", async () => {
    const on = await executed();
    expect(await on.provide(ePRAndNotifications(on.euicc.packageResult(on.fields, enableOk)))).toBe(acknowledged(1));
  });

  test("an SM-DP+ that is away gets them later, eight times at most", async () => {
    const own = new VirtualClock();
    const world = createPki({ clock: own });
    let failures = 3;
    const calls: string[] = [];
    const on = bench({
      clock: own,
      pki: world,
      euiccs: [{ eid, euiccCertificate: world.get("euicc").certificate, eumCertificate: world.get("eum").certificate }],
      post: async (address, functionName) => {
        calls.push(`${address} ${functionName}`);
        if (failures-- > 0) throw new Error("away");
        return undefined;
      },
    });
    const euicc = new TestEuicc({ pki: world });
    expect(await on.ask(tlv(0xbf3d, tlv(0xa0, euicc.notification(1, "dp.example.com", iccidABytes))))).toBe("204");
    await own.advance(1_000 + 2_000);
    expect(calls).toHaveLength(3);
    await own.advance(4_000);
    expect(calls).toEqual(Array.from({ length: 4 }, () => "dp.example.com handleNotification"));
    failures = Number.POSITIVE_INFINITY;
    await on.ask(tlv(0xbf3d, tlv(0xa0, euicc.notification(3, "dp.example.com", iccidABytes))));
    await own.advance(3_600_000);
    expect(calls).toHaveLength(4 + 8);
    on.eim.stop();
  });
});

describe("HandleNotification", () => {
  test("takes a notification in its full and in its compact form, and sends the full one on", async () => {
    const { ask, smdp, euicc } = bench();
    expect(await ask(tlv(0xbf3d, tlv(0xa0, euicc.notification(1, "dp.example.com", iccidABytes))))).toBe("204");
    const full = euicc.notification(3, "dp.example.com", iccidABytes);
    const [metadata, signature] = childrenOf(readOnlyTlv(full)).map(rawOf);
    if (metadata === undefined || signature === undefined) throw new Error("notification");
    expect(await ask(tlv(0xbf3d, tlv(0xa0, tlv(0xa1, tlv(0x5a, euicc.eidBytes), metadata, signature))))).toBe("204");
    expect(smdp.notifications.map(({ event, verified }) => [event, verified])).toEqual([
      ["enable", true],
      ["delete", true],
    ]);
  });

  test("carries results too, and answers nothing", async () => {
    const { eim, ask, euicc, fields, orderId, state } = await executed();
    expect(await ask(tlv(0xbf3d, tlv(0xbf50, tlv(0x5a, euicc.eidBytes), euicc.packageResult(fields, enableOk))))).toBe("204");
    expect([state(orderId), eim.results().length]).toEqual(["done", 1]);
    await eim.applyFaults({ notificationOk: true });
    expect(await ask(tlv(0xbf3d, tlv(0xa0, euicc.notification(1, "dp.example.com", iccidABytes))))).toBe("");
  });

  test("is refused when it is none", async () => {
    expect(await bench().ask(fromHex("BF3D00"))).toBe("400");
  });
});

describe("a direct download", () => {
  async function triggered(options: Parameters<typeof bench>[0] = {}) {
    const on = bench(options);
    const orderId = on.eim.addOrder({ eid, kind: "download", activationCode: "1$dp.example.com$TOKEN" });
    const trigger = await on.poll();
    on.euicc.transactionId = Uint8Array.of(1, 2, 3, 4);
    return { ...on, orderId, txId: trigger.subarray(trigger.length - 16) };
  }

  test("ends with the installation result, by either function; the SM-DP+ is not told by the eIM", async () => {
    for (const wrap of [(bf50: Uint8Array) => bf50, (bf50: Uint8Array) => tlv(0xbf3d, bf50)]) {
      const on = await triggered();
      const result = tlv(0xbf54, tlv(0x82, on.txId), on.euicc.installationResult("dp.example.com", iccidABytes));
      expect(await on.ask(wrap(tlv(0xbf50, tlv(0x5a, on.euicc.eidBytes), result)))).toMatch(/^(BF50023000|204)$/);
      expect(on.eim.order(on.orderId)).toMatchObject({
        state: "done",
        results: [{ kind: "profileInstallationResult", verified: true, finalResult: { kind: "successResult" } }],
      });
      expect(on.smdp.notifications).toEqual([]);
    }
  });

  test("fails with the eUICC's reason, or the IPA's", async () => {
    const on = await triggered();
    await on.provide(
      tlv(0xbf54, tlv(0x82, on.txId), on.euicc.installationResult("dp.example.com", iccidABytes, { command: 5, reason: 8 })),
    );
    expect(on.reason(on.orderId)).toBe("scp03tSecurityError");
    const other = await triggered();
    await other.provide(tlv(0xbf54, tlv(0x82, other.txId), tlv(0x30, int(0x80, 127), tlv(0x04, Uint8Array.of(2, 1, 2)))));
    expect(other.eim.order(other.orderId)).toMatchObject({
      state: "failed",
      reason: "profileDownloadError: undefinedError",
      results: [{ errorResponse: "020102" }],
    });
  });

  test("is held until the certificate is known, and a forged result ends nothing", async () => {
    const on = await triggered(unknownCertificate);
    await on.provide(tlv(0xbf54, tlv(0x82, on.txId), on.euicc.installationResult("dp.example.com", iccidABytes)));
    expect(on.state(on.orderId)).toBe("held");
    await on.poll();
    await on.provide(euiccData(...certificates));
    expect(on.state(on.orderId)).toBe("done");
    const forged = await triggered();
    const stranger = Object.assign(forger(), { transactionId: Uint8Array.of(1) });
    await forged.provide(tlv(0xbf54, tlv(0x82, forged.txId), stranger.installationResult("dp.example.com", iccidABytes)));
    expect(forged.state(forged.orderId)).toBe("fetched");
  });
});

describe("injection's answers", () => {
  // shows: bf4e.result
  test("a result in TransferEimPackage is taken and acknowledged in one", async () => {
    const { ask, euicc, fields, state, orderId } = await executed();
    expect(await ask(tlv(0xbf4e, euicc.packageResult(fields, enableOk)))).toBe(toHexUpper(tlv(0xbf4e, tlv(0xbf53, int(0x80, 1)))));
    expect(state(orderId)).toBe("done");
    expect(await ask(fromHex("BF4E020500"))).toBe("204");
    expect(await ask(fromHex("BF4E03020101"))).toBe("204");
  });
});

describe("faults of answers", () => {
  test("acknowledgements are left out, all or the last", async () => {
    const on = await executed();
    const message = ePRAndNotifications(
      on.euicc.packageResult(on.fields, enableOk),
      on.euicc.notification(1, "dp.example.com", iccidABytes),
    );
    for (const [acknowledge, answer] of [
      ["none", empty],
      ["partial", acknowledged(1)],
      ["all", acknowledged(1, 2)],
    ] as const) {
      await on.eim.applyFaults({ acknowledge });
      expect(await on.provide(message)).toBe(answer);
    }
    expect(on.eim.results()).toHaveLength(1);
  });

  test("silence, statuses and garbage last so many requests; orders wait", async () => {
    const on = bench();
    const orderId = on.eim.addOrder(enableOrder);
    await on.eim.applyFaults({ silentRequests: 2, httpStatus: { status: 503, times: 1 }, garbage: { octets: "00FF", times: 1 } });
    const answers = [];
    for (let i = 0; i < 4; i++) answers.push(await on.ask(getEimPackage(on.euicc.eidBytes)));
    expect(answers).toEqual(["silence", "silence", "503", "00FF"]);
    expect(on.state(orderId)).toBe("queued");
    on.accept(await on.poll());
  });

  // shows: code.esipa-GetEimPackage.undefinedError, code.esipa-ProvideEimPackageResult.undefinedError
  // shows: code.esipa-CancelSession.undefinedError
  test("each function ends with the error asked for, where the standard puts it", async () => {
    const on = bench();
    const { euicc } = on;
    const requests = {
      getEimPackage: [getEimPackage(euicc.eidBytes), "BF4F0302017F"],
      provideEimPackageResult: [tlv(0xbf50, tlv(0x5a, euicc.eidBytes), fromHex("BF5105A203800165")), "BF500302017F"],
      initiateAuthentication: [tlv(0xbf39, tlv(0x81, new Uint8Array(16))), "BF390381017F"],
      authenticateClient: [tlv(0xbf3b), "BF3B0382017F"],
      getBoundProfilePackage: [tlv(0xbf3a), "BF3A0381017F"],
      cancelSession: [tlv(0xbf41), "BF410381017F"],
    } as const;
    for (const [name, [request, answer]] of Object.entries(requests)) {
      await on.eim.applyFaults({ errors: { [name]: { code: 127, times: 1 } } });
      expect([name, await on.ask(request)]).toEqual([name, answer]);
      expect([name, await on.ask(request)]).not.toEqual([name, answer]);
    }
  });
});

describe("the order's states, as a table", () => {
  const standing = (state: OrderState, deliveries = 1): OrderStanding => ({ state, reason: undefined, deliveries });
  const inputs: readonly OrderInput[] = [
    { kind: "delivered" },
    { kind: "relayed" },
    { kind: "replayed" },
    { kind: "resultHeld" },
    { kind: "succeeded" },
    { kind: "installed" },
    { kind: "failed", reason: "x" },
    { kind: "rolledBack" },
  ];
  const table: Readonly<Record<OrderState, readonly OrderState[]>> = {
    //          delivered     relayed       replayed  resultHeld succeeded installed failed rolledBack
    queued: ["fetched", "inProgress", "failed", "held", "done", "done", "failed", "failed"],
    fetched: ["fetched", "inProgress", "failed", "held", "done", "done", "failed", "failed"],
    inProgress: ["inProgress", "inProgress", "failed", "held", "done", "done", "failed", "failed"],
    executed: ["executed", "inProgress", "failed", "held", "done", "done", "failed", "failed"],
    held: ["held", "inProgress", "failed", "held", "done", "done", "failed", "failed"],
    done: ["done", "done", "done", "done", "done", "done", "done", "failed"],
    failed: ["failed", "failed", "failed", "failed", "failed", "done", "failed", "failed"],
  };
  test.each(Object.entries(table))("from %s", (state, expected) => {
    expect(inputs.map((input) => nextStanding(standing(state as OrderState), input).state)).toEqual(expected);
  });

  test("replayed after a second delivery is executed", () => {
    expect(nextStanding(standing("fetched", 2), { kind: "replayed" }).state).toBe("executed");
  });
});

test("whatever arrives, it answers, and no mutation ends an order well", async () => {
  const on = await executed();
  const message = tlv(
    0xbf50,
    tlv(0x5a, on.euicc.eidBytes),
    ePRAndNotifications(on.euicc.packageResult(on.fields, enableOk), on.euicc.notification(1, "dp.example.com", iccidABytes)),
  );
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.tuple(fc.nat(message.length - 1), fc.integer({ min: 1, max: 255 })), { minLength: 1, maxLength: 3 }),
      async (changes) => {
        const bytes = message.slice();
        for (const [at, value] of changes) bytes[at] = (bytes[at] ?? 0) ^ value;
        expect(["silence", "200", "204", "400"]).toContain((await on.ask(bytes)).replace(/^BF.*$/, "200"));
      },
    ),
    { seed: 3, numRuns: 1_500 },
  );
  // Changes in the notification leave the result sound; none makes another result of it.
  for (const { commands } of on.eim.results()) expect(commands).toEqual([{ kind: "enableResult", value: "ok" }]);
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(0x4f, 0x50, 0x39, 0x3b, 0x3a, 0x41, 0x3d, 0x4e),
      fc.uint8Array({ maxLength: 40 }),
      async (tag, content) => {
        expect(["200", "204", "400"]).toContain((await on.ask(tlv(0xbf00 + tag, content))).replace(/^BF.*$/, "200"));
      },
    ),
    { seed: 4, numRuns: 1_500 },
  );
});

test("events are numbered, and kept for who comes late", async () => {
  const { eim, poll, events } = bench();
  eim.addOrder(enableOrder);
  await poll();
  const numbers = events.map(({ n }) => Number(n));
  expect(numbers).toEqual(numbers.map((_, at) => (numbers[0] ?? 0) + at));
  expect(events.map(({ type }) => type)).toEqual(["order", "order", "esipa"]);
  expect(events[2]).toMatchObject({ function: "getEimPackage", status: 200, eid, atMs: clock.now() });
});
