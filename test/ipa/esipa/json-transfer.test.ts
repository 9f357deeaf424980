// TransferEimPackage in JSON: each package in, each answer out, and what is none.
import { describe, expect, test } from "vitest";
import { fromHex, fromUtf8, toHexUpper, utf8 } from "../../../base/bytes.ts";
import { transferRequest, transferResponse } from "../../../ipa/esipa/json-transfer.ts";

const b64 = (hex: string): string => Buffer.from(fromHex(hex)).toString("base64");
const request = (json: unknown): string => toHexUpper(transferRequest(utf8(JSON.stringify(json))));
const response = (hex: string): unknown => JSON.parse(fromUtf8(transferResponse(fromHex(hex))));
const header = { functionExecutionStatus: { status: "Executed-Success" } };

describe("a package", () => {
  // shows: d4.transferEimPackage, bf4e.package, bf4e.data-request, bf4e.trigger, bf4e.acknowledgements
  test.each([
    ["euiccPackageRequest", "BF5100"],
    ["ipaEuiccDataRequest", "BF52045C02BF20"],
    ["eimAcknowledgements", "BF5303800109"],
    ["profileDownloadTriggerRequest", "BF5400"],
  ])("%s", (name, hex) => {
    expect(request({ [name]: b64(hex) })).toBe(`BF4E${(hex.length / 2).toString(16).padStart(2, "0").toUpperCase()}${hex}`);
    // A header does no harm, nor does a member to come.
    expect(request({ header: {}, later: 1, [name]: b64(hex) })).toContain(hex);
  });

  test.each([
    ["none", {}],
    ["two", { euiccPackageRequest: b64("BF5100"), eimAcknowledgements: b64("BF5300") }],
    ["one under another's name", { euiccPackageRequest: b64("BF5200") }],
    ["one that is no base64", { euiccPackageRequest: "@" }],
    ["one that is no text", { euiccPackageRequest: 7 }],
    ["a list", []],
  ])("%s is refused", (_, json) => {
    expect(() => request(json)).toThrow(expect.objectContaining({ code: "ESIPA_RESPONSE" }));
  });
});

describe("an answer", () => {
  // shows: d4.transferEimPackage, bf4e.result, bf4e.received
  test.each([
    ["BF4E08BF5105A203800165", { euiccPackageResult: b64("BF5105A203800165") }],
    ["BF4E0C300ABF5105A203800165A000", { ePRAndNotifications: b64("300ABF5105A203800165A000") }],
    ["BF4E05BF5202A000", { ipaEuiccDataResponse: b64("BF5202A000") }],
    ["BF4E020500", { eimPackageReceived: true }],
    ["BF4E03020101", { eimPackageError: 1 }],
    ["BF4E0302017F", { eimPackageError: 127 }],
  ])("%s", (hex, json) => {
    expect(response(hex)).toEqual({ header, ...json });
  });
});
