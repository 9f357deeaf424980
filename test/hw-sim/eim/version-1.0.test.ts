// The virtual eIM as one of SGP.32 v1.0: v1.0's messages are understood, v1.2's own forms refused, its answers are v1.0's.
import { describe, expect, test } from "vitest";
import { fromHex, toHexUpper } from "../../../base/bytes.ts";
import { answerInV10, requestOfV10 } from "../../../hw-sim/eim/version-1.0.ts";
import { bench, eid, tlv } from "./eim-test-bench.ts";

const eid5A = "5A1089049032123451234512345678901235";

describe("requests", () => {
  test.each<readonly [string, string, string]>([
    ["GetEimPackage with a PLMN", `BF4F19${eid5A}8000810362F210`, `BF4F19${eid5A}8000820362F210`],
    ["a package result", "BF5007BF5104A2028000", "BF5007BF5104A2028000"],
    ["a result with notifications", "BF50133011BF5105A203800165BF2B06A00430003000", "BF5010300EBF5105A203800165A00430003000"],
    ["an error of the IPA", "BF5003020101", "BF5005A003020101"],
    ["eUICC data", "BF5015BF5212A0108003612E62BF2200BF2B05A00330010A", "BF5012BF520FA00D8103612E62BF2200A00330010A"],
    ["package results among them", "BF500ABF5207A005BF2B02A200", "BF5007BF5204A002A200"],
    ["an error of the data request", "BF5006BF5203810101", "BF5008BF5205A103020101"],
    ["a download that did not happen", "BF5009BF5406300480020102", "BF500CBF5409300780017F04020102"],
    ["the same without octets", "BF5005BF54023000", "BF5008BF5405300380017F"],
    ["a download result by HandleNotification", "BF3D05A103BF5400", "BF3D06BF5003BF5400"],
    ["a notification", "BF3D06A00430023000", "BF3D06A00430023000"],
    ["what came last later is passed over: rPLMN under 82", `BF4F17${eid5A}820362F210`, `BF4F12${eid5A}`],
    ["and eimTransactionId of InitiateAuthentication", "BF39068101008201AA", "BF3903810100"],
  ])("%s", (_, former, present) => {
    expect(toHexUpper(requestOfV10(fromHex(former)))).toBe(present);
  });

  test.each([
    ["the EID in a result", `BF501A${eid5A}BF5105A203800165`],
    ["a list of notifications without BF2B", "BF5010300EBF5105A203800165A00430003000"],
    ["an error in A0", "BF5005A003020101"],
    ["the cause of a change", `BF4F17${eid5A}8000810101`],
    ["the transaction of a data answer", "BF5008BF5205A003870101"],
    ["an error of data in A1", "BF5008BF5205A103020101"],
    ["the reason of a download error", "BF500CBF5409300780017F04020102"],
    ["the transaction of a download result", "BF5006BF5403820101"],
    ["BF50 in HandleNotification", "BF3D06BF5003BF5400"],
  ])("v1.2's own: %s", (_, hex) => {
    expect(() => requestOfV10(fromHex(hex))).toThrow();
  });
});

describe("answers", () => {
  test.each([
    ["nothing to acknowledge", "BF50023000", "BF5000"],
    ["an error that v1.0 has not", "BF5003020102", "BF5000"],
    ["acknowledgements", "BF5009BF5306800101800102", "BF5009BF5306800101800102"],
    ["no package", "BF4F03020101", "BF4F03020101"],
    ["an error that v1.0 has not", "BF4F03020102", "BF4F0302017F"],
    [
      "a data request: former tags, package results by their criterion, no transaction",
      "BF4F10BF520D5C0381A8A28306AABBCCDDEEFF",
      "BF4F0DBF520A5C048088BF2BA1028200",
    ],
    ["its criterion for notifications", "BF4F0DBF520A5C01A0A1058103020640", "BF4F0EBF520B5C02BF2BA1058103020640"],
  ])("%s", (_, present, former) => {
    expect(toHexUpper(answerInV10(fromHex(present)))).toBe(former);
  });
});

// shows: v10.bf50
test("an eIM of v1.0 carries a package through, and refuses v1.2's forms with 400", async () => {
  const on = bench({ esipaVersion: "1.0" });
  const id = on.eim.addOrder({ eid, kind: "euiccPackage", psmos: [{ listProfileInfo: {} }] });
  const poll = await on.ask(tlv(0xbf4f, tlv(0x5a, on.euicc.eidBytes)));
  const package_ = fromHex(poll).subarray(poll.startsWith("BF4F81") ? 4 : 3);
  const result = on.euicc.packageResult(on.accept(package_), tlv(0xbf2d, tlv(0xa0)));
  expect(await on.provide(result)).toBe("400");
  expect(await on.ask(tlv(0xbf50, result))).toMatch(/^BF50..BF53/);
  expect(on.state(id)).toBe("done");
  expect(await on.ask(tlv(0xbf50, tlv(0x02, Uint8Array.of(2))))).toBe("BF5000");
});
