import { describe, expect, test } from "vitest";
import { fromHex, iccidToBytes } from "../../../base/bytes.ts";
import { VirtualClock } from "../../../base/clock.ts";
import { createPki } from "../../../hw-sim/pki/pki.ts";
import { childrenOf, rawOf, readOnlyTlv } from "../../../ipa/asn1/tlv.ts";
import { TestEuicc } from "../smdp/test-euicc.ts";
import {
  acknowledged,
  bench,
  certificates,
  eid,
  empty,
  enableOk,
  enableOrder,
  ePRAndNotifications,
  euiccData,
  executed,
  forger,
  iccidABytes,
  int,
  text,
  tlv,
  unknownCertificate,
} from "./eim-test-bench.ts";

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
