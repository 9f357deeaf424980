// The primitive types: every value in its shortest form, every form that BER allows, and what is no value at all.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { fromHex, toHexUpper } from "../../../base/bytes.ts";
import { isCode } from "../../../base/errors.ts";
import {
  bitString,
  boolean,
  decode,
  encode,
  integer,
  namedBits,
  namedInteger,
  nullType,
  octets,
  oid,
  type Type,
  time,
  utf8String,
} from "../../../ipa/asn1/schema.ts";
import { anyInteger } from "../../support/arbitrary.ts";

const hexOf = <T>(type: Type<T>, value: T): string => toHexUpper(encode(type, value, "it"));
const read = <T>(type: Type<T>, hex: string): T => decode(type, fromHex(hex), { name: "it" });

function refusalOf(act: () => unknown): string {
  try {
    act();
  } catch (error) {
    if (isCode(error, "ASN1_VALUE", "ASN1_ENCODE", "ASN1_TAG")) return `${error.code} ${error.detail}`;
    throw error;
  }
  throw new Error("nothing was refused");
}

describe("INTEGER", () => {
  test.each([
    [0, "020100"],
    [127, "02017F"],
    [128, "02020080"],
    [255, "020200FF"],
    [256, "02020100"],
    [-1, "0201FF"],
    [-128, "020180"],
    [-129, "0202FF7F"],
    [8_388_607, "02037FFFFF"],
    [Number.MAX_SAFE_INTEGER, "02071FFFFFFFFFFFFF"],
    [2n ** 63n, "0209008000000000000000"],
    [-(2n ** 63n), "02088000000000000000"],
  ])("%s", (value, hex) => {
    expect(hexOf(integer(), value)).toBe(hex);
    expect(read(integer(), hex)).toBe(value);
  });

  test("of any size comes back, in the shortest form", () => {
    fc.assert(
      fc.property(anyInteger, (value) => {
        const octets = encode(integer(), value);
        expect(decode(integer(), octets)).toBe(value);
        const [, , first = 0, second = 0] = octets;
        if (octets.length > 3 && octets.length < 130)
          expect((first === 0 && second < 0x80) || (first === 0xff && second >= 0x80)).toBe(false);
      }),
      { seed: 32, numRuns: 2_000 },
    );
  });

  test("of ten thousand octets too", () => {
    const value = 2n ** 80_000n - 3n;
    expect(read(integer(), hexOf(integer(), value))).toBe(value);
  });

  test("superfluous leading octets are read", () => {
    expect(read(integer(), "020400000001")).toBe(1);
    expect(read(integer(), "0203FFFFFF")).toBe(-1);
  });

  test("no octets, and numbers that are no integers, are refused", () => {
    expect(refusalOf(() => read(integer(), "0200"))).toBe("ASN1_VALUE it at offset 0: an INTEGER without octets");
    expect(refusalOf(() => hexOf(integer(), 1.5))).toBe("ASN1_ENCODE it: 1.5 is no INTEGER");
    expect(refusalOf(() => hexOf(integer(), Number.NaN))).toBe("ASN1_ENCODE it: NaN is no INTEGER");
  });

  test("named numbers go by their names, others by number", () => {
    const result = namedInteger({ ok: 0, undefinedError: 127 });
    expect(read(result, "02017F")).toBe("undefinedError");
    expect(read(result, "020105")).toBe(5);
    expect(hexOf(result, "ok")).toBe("020100");
    expect(hexOf(result, 127)).toBe("02017F");
    expect(hexOf(result, 2n ** 70n)).toBe("0209400000000000000000");
    // @ts-expect-error: no such name; what every object has by inheritance is no name either.
    expect(refusalOf(() => hexOf(result, "constructor"))).toBe('ASN1_ENCODE it: "constructor" is none of ok, undefinedError');
  });
});

describe("BIT STRING", () => {
  const events = namedBits({ install: 0, enable: 1, disable: 2, delete: 3 });

  test.each([
    [[], "030100"],
    [["install"], "03020780"],
    [["enable", "delete"], "03020450"],
    [["install", 9], "0303068040"],
  ] as const)("%j", (value, hex) => {
    expect(hexOf(events, value)).toBe(hex);
    expect(read(events, hex)).toEqual(value);
  });

  test.each([
    ["not shortened", "03020480", ["install"]],
    ["zero octets behind", "030400800000", ["install"]],
    ["unused bits that are set", "030207FF", ["install"]],
    ["an empty set with padding", "03020000", []],
    ["unused bits without an octet", "030107", []],
  ])("cards send it %s", (_, hex, value) => {
    expect(read(events, hex)).toEqual(value);
  });

  test("refused: no octets, eight unused bits, bits beyond all names", () => {
    expect(refusalOf(() => read(events, "0300"))).toContain("without octets");
    expect(refusalOf(() => read(events, "03020880"))).toContain("8 unused bits");
    expect(refusalOf(() => read(events, `0343${"00".repeat(67)}`))).toContain("528 named bits, allowed 512");
    expect(refusalOf(() => hexOf(events, [512]))).toContain("bit 512");
    expect(refusalOf(() => hexOf(events, [-1]))).toContain("bit -1");
  });

  test("without names every bit counts", () => {
    expect(read(bitString(), "03020480")).toEqual({ bytes: Uint8Array.of(0x80), unusedBits: 4 });
    expect(hexOf(bitString(), { bytes: Uint8Array.of(0x8f), unusedBits: 4 })).toBe("03020480");
    expect(hexOf(bitString(), { bytes: new Uint8Array(0), unusedBits: 0 })).toBe("030100");
    expect(refusalOf(() => hexOf(bitString(), { bytes: new Uint8Array(0), unusedBits: 3 }))).toContain("3 unused bits in 0 octets");
  });
});

describe("OBJECT IDENTIFIER", () => {
  test.each([
    ["2.999.10", "060388370A"],
    ["1.3.6.1.4.1.54916.999.100.101", "060C2B0601040183AD0487676465"],
    ["0.0", "060100"],
    ["1.39", "06014F"],
    ["2.0", "060150"],
    ["2.47", "06017F"],
    ["2.340282366920938463463374607431768211456", `061384${"80".repeat(17)}50`],
  ])("%s", (value, hex) => {
    expect(hexOf(oid(), value)).toBe(hex);
    expect(read(oid(), hex)).toBe(value);
  });

  test.each([
    ["no octets", "0600"],
    ["an arc that does not end", "06022A86"],
    ["an arc with a leading zero", "06032A8001"],
  ])("refused: %s", (_, hex) => {
    expect(refusalOf(() => read(oid(), hex))).toMatch(/^ASN1_VALUE it at offset 0: /);
  });

  test.each(["", "1", "3.1", "0.40", "1.2.", "1.02", "a.b"])("refused: %j", (text) => {
    expect(refusalOf(() => hexOf(oid(), text))).toContain("is no OBJECT IDENTIFIER");
  });
});

describe("BOOLEAN, NULL, time", () => {
  test("anything but zero is TRUE, and FF is written", () => {
    expect(["010100", "010101", "01017F", "0101FF"].map((hex) => read(boolean(), hex))).toEqual([false, true, true, true]);
    expect([true, false].map((value) => hexOf(boolean(), value))).toEqual(["0101FF", "010100"]);
    expect(refusalOf(() => read(boolean(), "01020000"))).toContain("a BOOLEAN of 2 octets");
    expect(refusalOf(() => read(boolean(), "0100"))).toContain("a BOOLEAN of 0 octets");
  });

  test("NULL has no content", () => {
    expect(read(nullType(), "0500")).toBe(true);
    expect(refusalOf(() => read(nullType(), "050100"))).toContain("a NULL of 1 octets");
  });

  test("times are kept as written", () => {
    const utc = time(0x17);
    expect(read(utc, "170D3235303133313233353935395A")).toBe("250131235959Z");
    expect(hexOf(time(0x18), "20250131235959Z")).toBe("180F32303235303133313233353935395A");
    expect(refusalOf(() => read(utc, "1703414243"))).toContain("not a time");
    expect(refusalOf(() => hexOf(utc, "tomorrow"))).toContain("not a time");
  });
});

describe("UTF8String and OCTET STRING", () => {
  test("a size counts characters, not octets", () => {
    const short = utf8String(0x0c, { max: 4 });
    expect(hexOf(short, "äöü€")).toBe("0C09C3A4C3B6C3BCE282AC");
    expect(hexOf(short, "🚗🚙🚌🚎")).toHaveLength(36);
    expect(refusalOf(() => hexOf(short, "12345"))).toBe("ASN1_ENCODE it: 5 characters, allowed 0 to 4");
    expect(refusalOf(() => hexOf(utf8String(0x0c, { min: 1, max: 128 }), ""))).toBe("ASN1_ENCODE it: 0 characters, allowed 1 to 128");
  });

  test("a text of others is read whatever its length, noted, and written again only when asked", () => {
    const short = utf8String(0x0c, { max: 4 });
    const notes: (string | undefined)[] = [];
    expect(decode(short, fromHex("0C053132333435"), { visit: ({ note }) => notes.push(note) })).toBe("12345");
    expect(notes).toEqual(["5 characters, allowed 0 to 4"]);
    expect(toHexUpper(encode(short, "12345", "it", { anyTextSize: true }))).toBe("0C053132333435");
  });

  test.each([
    ["a stray continuation octet", "0C0180"],
    ["an overlong form", "0C02C080"],
    ["half a character", "0C02E282"],
    ["a surrogate", "0C03EDA080"],
    ["beyond U+10FFFF", "0C04F4908080"],
  ])("not UTF-8: %s", (_, hex) => {
    expect(refusalOf(() => read(utf8String(), hex))).toBe("ASN1_VALUE it at offset 0: not UTF-8");
  });

  test("half a surrogate pair is not written as something else", () => {
    expect(refusalOf(() => hexOf(utf8String(), "\ud83d"))).toBe("ASN1_ENCODE it: half a surrogate pair");
  });

  test("a byte order mark is a character like any other", () => {
    expect(hexOf(utf8String(), read(utf8String(), "0C04EFBBBF41"))).toBe("0C04EFBBBF41");
  });

  test("octets of a wrong number are refused both ways", () => {
    const eid = octets(0x5a, { min: 16, max: 16 });
    expect(refusalOf(() => read(eid, "5A0101"))).toBe("ASN1_VALUE it at offset 0: 1 octets, allowed 16");
    expect(refusalOf(() => hexOf(eid, new Uint8Array(17)))).toBe("ASN1_ENCODE it: 17 octets, allowed 16");
    expect(refusalOf(() => hexOf(octets(0x04, { min: 2 }), new Uint8Array(1)))).toContain("allowed 2 or more");
  });

  test("what is read does not change with the input", () => {
    const input = fromHex("0402AABB");
    const value = decode(octets(), input);
    input.fill(0);
    expect(toHexUpper(value)).toBe("AABB");
  });
});
