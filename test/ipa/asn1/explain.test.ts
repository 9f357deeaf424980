// What `simward package decode` prints: names, offsets, readable values, what is unknown and what deviates.
import { describe, expect, test } from "vitest";
import { fromHex, toHexUpper } from "../../../base/bytes.ts";
import { explain, guessTypes, reencode, renderTree } from "../../../ipa/asn1/explain.ts";
import { readTlv, writeTlv } from "../../../ipa/asn1/tlv.ts";
import { goldenVectors } from "../../support/vectors.ts";

const enable = "BF513A3033800465696D315A108904903212345123451234567890123581012A8204AABBCCDDA010A30E5A0A9800103254769810321405005F37021122";

describe("a tree", () => {
  test("names each TLV as the standard does", () => {
    expect(renderTree(explain("EuiccPackageRequest", fromHex(enable)))).toBe(
      [
        " 0  BF51 EuiccPackageRequest: SEQUENCE, 58 octets",
        " 3    30 euiccPackageSigned: SEQUENCE, 51 octets",
        ' 5      80 eimId: "eim1"',
        "11      5A eidValue: 89049032123451234512345678901235 (EID)",
        "29      81 counterValue: 42",
        "32      82 eimTransactionId: AABBCCDD",
        "38      A0 psmoList: SEQUENCE OF, 16 octets",
        "40        A3 enable: SEQUENCE, 14 octets",
        "42          5A iccid: 98001032547698103214 (ICCID 89000123456789012341)",
        "54          05 rollbackFlag: NULL",
        "56    5F37 eimSignature: 1122",
      ].join("\n"),
    );
  });

  test("has the facts of each TLV for programs", () => {
    const node = explain("EuiccPackageRequest", fromHex(enable)).find(({ name }) => name === "iccid");
    expect(node).toEqual({
      path: "EuiccPackageRequest.euiccPackageSigned.euiccPackage.psmoList.0.enable.iccid",
      name: "iccid",
      depth: 4,
      tag: 0x5a,
      tagName: "5A",
      offset: 42,
      headerLength: 2,
      length: 10,
      kind: "OCTET STRING",
      value: "98001032547698103214 (ICCID 89000123456789012341)",
      unknown: false,
      note: undefined,
    });
  });

  test.each([
    ["a named number", "DeleteEimResult", "020102", "lastEimDeleted(2)"],
    ["a number without a name", "DeleteEimResult", "020163", "99"],
    ["named bits", "PprIds", "030205E0", "{pprUpdateControl(0), ppr1(1), ppr2(2)}"],
    ["no bits", "PprIds", "030100", "{}"],
    ["a bit without a name", "PprIds", "03020308", "{4}"],
    ["bits without names", "CatSupportedClasses", "03020480", "80 (4 bits)"],
    ["a version", "ProfileDownloadTriggerRequest", "BF5400", ""],
    ["a text that would steer a terminal", "CertificationDataObject", "300A80031B5B4A8103E280AE", '"\\u001b[J"'],
    ["a time", "Time", "170D3235303133313233353935395A", "250131235959Z"],
    ["a big number", "TotalPartialCrlNumber", "0209010000000000000000", "18446744073709551616"],
  ])("shows %s", (_, type, hex, value) => {
    const nodes = explain(type, fromHex(hex));
    expect(nodes.find((node) => node.value !== "")?.value ?? "").toBe(value);
  });

  test("shows versions, operators, object identifiers and booleans in words", () => {
    const values = (type: string, hex: string): string[] => explain(type, fromHex(hex)).map(({ name, value }) => `${name} ${value}`);
    expect(values("EUICCInfo1", "BF20098203020501A900AA00")).toContain("svn 020501 (2.5.1)");
    expect(values("OperatorId", "3005800362F210")).toContain("mccMnc 62F210 (PLMN 26201)");
    expect(values("DpProprietaryData", "3005800388370A")).toContain("dpOid 2.999.10");
    expect(values("SmdpSigned2", "30098004AABBCCDD010100")).toContain("ccRequiredFlag FALSE");
  });

  test("escapes what no one should see unescaped", () => {
    const [, , second] = explain("CertificationDataObject", fromHex("300A80031B5B4A8103E280AE"));
    expect(second?.value).toBe('"\\u{202e}"');
  });

  test("keeps long values whole for programs and shortens them for people", () => {
    const icon = new Uint8Array(1_000).fill(0xab);
    const nodes = explain("ProfileInfo", writeTlv(0xe3, writeTlv(0x94, icon)));
    expect(nodes[1]?.value).toBe("AB".repeat(1_000));
    expect(renderTree(nodes)).toContain(`icon: ${"AB".repeat(64)}… (2000 characters)`);
  });
});

describe("what departs from the standard", () => {
  test("fields of a later version are shown with what is inside them", () => {
    const nodes = explain("EimAcknowledgements", fromHex("BF5303800101"));
    expect(nodes.every(({ unknown }) => !unknown)).toBe(true);
    const later = explain("EimIdInfo", fromHex("3012" + "800465696D31" + "AA0A" + "3003020105" + "0C03" + "414243"));
    expect(later.filter(({ unknown }) => unknown).map(({ tagName, depth, value }) => [tagName, depth, value])).toEqual([
      ["AA", 1, ""],
      ["30", 2, ""],
      ["02", 3, "05"],
      ["0C", 2, "414243"],
    ]);
    expect(renderTree(later)).toContain("02 02: 05 (not known to this version)");
  });

  test("a command of a later version is shown as unknown", () => {
    const nodes = explain("Psmo", fromHex("BF997F0400112233"));
    expect(nodes).toMatchObject([{ tagName: "BF997F", unknown: true, value: "00112233" }]);
  });

  test("a vendor's data is shown with what is inside it, under a known name", () => {
    const nodes = explain("VendorSpecificExtension", fromHex("300F300D800388370AA106300404024142"));
    expect(nodes.map(({ tagName, name, unknown }) => [tagName, name, unknown])).toEqual([
      ["30", "VendorSpecificExtension", false],
      ["30", "0", false],
      ["80", "vendorOid", false],
      ["A1", "vendorSpecificData", false],
      ["30", "vendorSpecificData", false],
      ["04", "04", false],
    ]);
  });

  test("repeated tags, long lengths, other tags, long texts are noted", () => {
    const notes = (type: string, hex: string): unknown[] => explain(type, fromHex(hex)).map(({ note }) => note);
    expect(notes("EuiccPackageResult", "BF5108BF5105A203800165")).toEqual(["repeated tag", undefined, undefined, undefined]);
    expect(notes("CancelSessionRequestEsipa", "BF410B800101A106BF4103810105")).toEqual([
      undefined,
      undefined,
      "nested BF41",
      undefined,
      undefined,
    ]);
    expect(notes("ProfileRollbackRequest", "BF588103010101")).toEqual(["length longer than needed", "01 for 80"]);
    expect(notes("SGP32-ProfileInfo", `E3239121${"41".repeat(33)}`)).toEqual([undefined, "33 characters, allowed 0 to 32"]);
  });
});

describe("guessing a type", () => {
  test.each([
    [enable, ["EuiccPackageRequest"]],
    ["BF5111A20F800465696D318204AABBCCDD840101", ["EuiccPackageResult", "EimPackageResult"]],
    ["BF2000", ["GetEuiccInfo1Request"]],
    ["BF58038001FF", ["ProfileRollbackRequest", "ProfileRollbackResponse"]],
    ["BF640482020780", ["SGP32-EuiccMemoryResetRequest"]],
  ])("%s", (hex, names) => {
    expect(guessTypes(fromHex(hex))).toEqual(names);
  });

  test("where nothing can be read, what begins with the tag is named", () => {
    expect(guessTypes(fromHex("BF5800"))).toEqual(["ProfileRollbackRequest", "ProfileRollbackResponse"]);
  });

  test("finds the type of every golden vector", () => {
    for (const { type, hex } of goldenVectors) {
      const octets = fromHex(hex);
      const guessed = guessTypes(octets);
      expect(guessed.length, `${type} ${hex}`).toBeGreaterThan(0);
      expect(toHexUpper(reencode(guessed[0] ?? "", octets))).toBe(hex);
    }
  });

  test("a tag that no type begins with gives no guess", () => {
    expect(guessTypes(fromHex("DF2100"))).toEqual([]);
  });
});

describe("encoding again", () => {
  test("gives DER, with what is signed as it was", () => {
    const long = `BF51813B308133${enable.slice(10)}`;
    expect(toHexUpper(reencode("EuiccPackageRequest", fromHex(long)))).toBe(`BF513B308133${enable.slice(10)}`);
  });

  test("keeps texts longer than allowed", () => {
    const hex = `E3239121${"41".repeat(33)}`;
    expect(toHexUpper(reencode("ProfileInfo", fromHex(hex)))).toBe(hex);
  });

  test("of an unknown type, or a damaged input, is refused", () => {
    expect(() => reencode("Nothing", fromHex("3000"))).toThrow(expect.objectContaining({ code: "ASN1_UNKNOWN_TYPE" }));
    expect(() => reencode("EuiccPackageRequest", fromHex("BF51023000"))).toThrow(
      expect.objectContaining({ code: "ASN1_MISSING", detail: "EuiccPackageRequest.euiccPackageSigned.eimId at offset 3: expected 80" }),
    );
  });
});

test("a hostile depth is shown without being followed by the stack, and without growing beyond measure", () => {
  let inner = fromHex("0500");
  for (let depth = 0; depth < 3_000; depth++) inner = writeTlv(0xff22, inner);
  const nodes = explain("EimIdInfo", writeTlv(0x30, fromHex("800141"), inner));
  expect(nodes).toHaveLength(3_003);
  expect(renderTree(nodes).length).toBeLessThan(1_000_000);
  expect(readTlv(inner).tag).toBe(0xff22);
});
