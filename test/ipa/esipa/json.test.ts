// The JSON binding's two directions by themselves: members and codings of every request, every status code, tolerance, refusals of what is none.
import { describe, expect, test } from "vitest";
import { fromHex, fromUtf8, toHexUpper, utf8 } from "../../../base/bytes.ts";
import { jsonRequest, jsonResponse } from "../../../ipa/esipa/json.ts";
import { failureIn, fromBase64 } from "../../../ipa/esipa/json-codec.ts";

const eid = "89049032123451234512345678901235";
const body = (functionName: string, hex: string): unknown => JSON.parse(fromUtf8(jsonRequest(functionName, fromHex(hex))));
const b64 = (hex: string): string => Buffer.from(fromHex(hex)).toString("base64");
const answered = (functionName: string, json: unknown): string => toHexUpper(jsonResponse(functionName, utf8(JSON.stringify(json))));
const ok = { functionExecutionStatus: { status: "Executed-Success" } };
const failed = (subjectCode: string, reasonCode: string) => ({
  header: { functionExecutionStatus: { status: "Failed", statusCodeData: { subjectCode, reasonCode } } },
});

describe("requests", () => {
  // shows: d4.initiateAuthentication, d4.authenticateClient, d4.getBoundProfilePackage, d4.cancelSession, d4.handleNotification
  // shows: d4.getEimPackage, d4.provideEimPackageResult, d4.transaction-hex, d4.eid-digits, d4.base64
  test.each([
    ["getEimPackage", `BF4F125A10${eid}`, { eidValue: eid }],
    [
      "getEimPackage",
      `BF4F1C5A10${eid}8000810101820362F210`,
      { eidValue: eid, notifyStateChange: true, stateChangeCause: 1, rPlmn: b64("62F210") },
    ],
    ["provideEimPackageResult", `BF50175A10${eid}A003020101`, { eidValue: eid, eimPackageResult: b64("A003020101") }],
    [
      "provideEimPackageResult",
      `BF501E5A10${eid}300ABF5105A203800165A000`,
      { eidValue: eid, eimPackageResult: b64("300ABF5105A203800165A000") },
    ],
    [
      "initiateAuthentication",
      "BF39308110000102030405060708090A0B0C0D0E0F830464702E78BF200F8203020203A9030401F5AA030401F58204AABBCCDD",
      {
        euiccChallenge: b64("000102030405060708090A0B0C0D0E0F"),
        smdpAddress: "dp.x",
        euiccInfo1: b64("BF200F8203020203A9030401F5AA030401F5"),
        eimTransactionId: "AABBCCDD",
      },
    ],
    ["authenticateClient", "BF3B098004AABBCCDDBF3800", { transactionId: "AABBCCDD", authenticateServerResponse: b64("BF3800") }],
    ["getBoundProfilePackage", "BF3A098004AABBCCDDBF2100", { transactionId: "AABBCCDD", prepareDownloadResponse: b64("BF2100") }],
    // A1 holds the contents of the card's BF41; JSON carries that BF41.
    ["cancelSession", "BF410B8004AABBCCDDA103810105", { transactionId: "AABBCCDD", cancelSessionResponse: b64("BF4103810105") }],
    ["handleNotification", "BF3D05A003BF3700", { pendingNotification: b64("BF3700") }],
    ["handleNotification", "BF3D03BF5000", { provideEimPackageResult: b64("BF5000") }],
  ])("%s %s", (functionName, hex, json) => {
    expect(body(functionName, hex)).toEqual(json);
  });

  test("what the tables do not hold is an error of ours", () => {
    expect(() => jsonRequest("transferEimPackage", fromHex("BF4E00"))).toThrow(expect.objectContaining({ code: "INTERNAL" }));
    expect(() => jsonRequest("toString", fromHex("BF4E00"))).toThrow(expect.objectContaining({ code: "INTERNAL" }));
    expect(() => jsonRequest("getEimPackage", fromHex("BF5000"))).toThrow(expect.objectContaining({ code: "INTERNAL" }));
  });
});

describe("responses", () => {
  test.each([
    ["getEimPackage", { header: ok, euiccPackageRequest: b64("BF5100") }, "BF4F03BF5100"],
    ["getEimPackage", { header: ok, profileDownloadTriggerRequest: b64("BF5400") }, "BF4F03BF5400"],
    ["getEimPackage", { header: ok, eimPackageError: 1 }, "BF4F03020101"],
    ["getEimPackage", { header: ok, eimPackageError: "0" }, "BF4F03020100"],
    ["getEimPackage", { header: ok }, "BF4F03020101"],
    ["provideEimPackageResult", { header: ok, eimAcknowledgements: b64("BF5303800109") }, "BF5006BF5303800109"],
    ["provideEimPackageResult", { header: ok }, "BF50023000"],
    ["cancelSession", { header: ok }, "BF4102A000"],
    ["handleNotification", { header: ok }, ""],
    ["authenticateClient", { header: ok, transactionId: "AABBCCDD" }, "BF3B08A1068004AABBCCDD"],
    [
      "authenticateClient",
      {
        header: ok,
        transactionId: "aabb",
        smdpSigned2: b64("3000"),
        smdpSignature2: b64("5F370111"),
        smdpCertificate: b64("300130"),
        hashCc: b64("0401AA"),
      },
      "BF3B12A0108002AABB30005F3701113001300401AA",
    ],
  ])("%s %j", (functionName, json, hex) => {
    expect(answered(functionName, json)).toBe(hex);
  });

  // shows: d4.base64
  test("signatures and key identifiers with or without their envelope, white space in base64, a tag written twice", () => {
    const answer = (signature: string, ski: string) => ({
      header: ok,
      serverSigned1: `${b64("3003020101").slice(0, 4)}\r\n ${b64("3003020101").slice(4)}\n`,
      serverSignature1: b64(signature),
      euiccCiPKIdentifierToBeUsed: b64(ski),
      serverCertificate: b64("3000"),
    });
    const whole = "BF3912A010" + "3003020101" + "5F3702ABCD" + "0402F541" + "3000";
    expect(answered("initiateAuthentication", answer("5F3702ABCD", "0402F541"))).toBe(whole);
    expect(answered("initiateAuthentication", answer("ABCD", "F541"))).toBe(whole);
    expect(answered("getEimPackage", { header: ok, euiccPackageRequest: b64("BF5103BF5100") })).toBe("BF4F03BF5100");
    const context = { ...answer("ABCD", "F541"), ctxParams1: b64("A000"), matchingId: "M" };
    expect(answered("initiateAuthentication", context)).toBe(`BF3919A017${whole.slice(10)}0C014DA202A000`);
    expect(answered("initiateAuthentication", { ...context, ctxParams1: b64("A202A000") })).toBe(
      `BF3919A017${whole.slice(10)}0C014DA202A000`,
    );
  });

  // shows: d4.InitiateAuthentication-52, d4.InitiateAuthentication-50, d4.InitiateAuthentication-51, d4.AuthenticateClient-50
  // shows: d4.GetBoundProfilePackage-50, d4.GetEimPackage-1, d4.GetEimPackage-2, d4.GetEimPackage-3, d4.GetEimPackage-4
  // shows: d4.ProvideEimPackageResult-2
  test.each([
    ["getEimPackage", "8.1.1", "3.7", "BF4F03020101"],
    ["getEimPackage", "8.1.1", "3.9", "BF4F03020102"],
    ["getEimPackage", "8.1.1", "2.1", "BF4F03020103"],
    ["getEimPackage", "8.1.1", "2.2", "BF4F03020104"],
    ["getEimPackage", "9.9", "9.9", "BF4F0302017F"],
    ["provideEimPackageResult", "8.1.1", "3.9", "BF5003020102"],
    ["initiateAuthentication", "8.31.2", "3.10", "BF3903810134"],
    ["initiateAuthentication", "8.8.1", "3.10", "BF3903810132"],
    ["initiateAuthentication", "8.8", "3.10", "BF3903810133"],
    ["authenticateClient", "8.2.8", "1.2", "BF3B03820132"],
    ["authenticateClient", "8.2.6", "3.8", "BF3B03820106"],
    ["authenticateClient", "8.9.5", "3.9", "BF3B03820138"],
    ["getBoundProfilePackage", "8.2.9", "3.11", "BF3A03810132"],
    ["getBoundProfilePackage", "8.10.1", "3.9", "BF3A0381015F"],
    ["cancelSession", "8.10.1", "3.9", "BF4103810101"],
  ])("%s: %s/%s", (functionName, subjectCode, reasonCode, hex) => {
    expect(answered(functionName, failed(subjectCode, reasonCode))).toBe(hex);
  });

  test.each([
    ["SECRET-1", "3.8"],
    ["8.2.6", "3.8\n"],
    ["8.2.6", "1".repeat(100_000)],
    ["8..6", "3.8"],
  ])("codes that are none are not repeated: %#", (...codes) => {
    expect(failureIn(failed(...codes))).toBe("");
  });

  test("a failure without a code is an undefined error; a warning is a success", () => {
    expect(answered("cancelSession", { header: { functionExecutionStatus: { status: "Expired" } } })).toBe("BF410381017F");
    expect(answered("cancelSession", { header: { functionExecutionStatus: { status: "Executed-WithWarning" } } })).toBe("BF4102A000");
  });

  test.each([
    ["getEimPackage", "[]"],
    ["getEimPackage", "{"],
    ["getEimPackage", ""],
    ["getEimPackage", '{"euiccPackageRequest":7}'],
    ["getEimPackage", '{"euiccPackageRequest":"@@@@"}'],
    ["getEimPackage", '{"euiccPackageRequest":"AAAA"}'],
    ["getEimPackage", '{"eimPackageError":1.5}'],
    ["getBoundProfilePackage", '{"transactionId":"AA"}'],
    ["getBoundProfilePackage", '{"transactionId":"X","boundProfilePackage":"vzYA"}'],
    ["initiateAuthentication", "{}"],
  ])("%s: %s is refused", (functionName, text) => {
    expect(() => jsonResponse(functionName, utf8(text))).toThrow(expect.objectContaining({ code: "ESIPA_RESPONSE" }));
  });

  // shows: d4.base64
  test("base64 with and without its padding, with white space, and what is none", () => {
    expect(fromBase64(" A Q\nI= ")).toEqual(Uint8Array.of(1, 2));
    expect(fromBase64("AQI")).toEqual(Uint8Array.of(1, 2));
    for (const bad of ["A", "AQI==", "=", "A-_B"]) expect(fromBase64(bad)).toBeUndefined();
  });
});
