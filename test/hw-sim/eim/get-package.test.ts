import { describe, expect, test } from "vitest";
import { fromHex, toHexUpper } from "../../../base/bytes.ts";
import { contentOf, readOnlyTlv } from "../../../ipa/asn1/tlv.ts";
import { bench, eid, enableOk, enableOrder, getEimPackage, int, noPackage, tlv } from "./eim-test-bench.ts";

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
