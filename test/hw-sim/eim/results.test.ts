// What comes back to the eIM: results are verified, stored once, acknowledged, and told to their orders.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { fromHex, toHexUpper } from "../../../base/bytes.ts";
import { VirtualClock } from "../../../base/clock.ts";
import { nextStanding, type OrderInput, type OrderStanding, type OrderState } from "../../../hw-sim/eim/orders.ts";
import { createPki } from "../../../hw-sim/pki/pki.ts";
import { contentOf, readOnlyTlv } from "../../../ipa/asn1/tlv.ts";
import {
  acknowledged,
  bench,
  certificates,
  clock,
  eid,
  empty,
  enableOk,
  enableOrder,
  ePRAndNotifications,
  euiccData,
  executed,
  forger,
  getEimPackage,
  iccidABytes,
  int,
  noPackage,
  pki,
  text,
  tlv,
  unknownCertificate,
} from "./eim-test-bench.ts";

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
