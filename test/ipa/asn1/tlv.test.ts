// BER-TLV at the level of octets: what is read, what is refused and where, and that DER is written.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { fromHex, toHexUpper } from "../../../base/bytes.ts";
import { SimwardError } from "../../../base/errors.ts";
import {
  childOf,
  childrenOf,
  contentOf,
  excerpt,
  isConstructed,
  lengthOctets,
  onlyChildOf,
  rawOf,
  readOnlyTlv,
  readTlv,
  readTlvs,
  retag,
  tagName,
  tagOctets,
  writeTlv,
  writeTlvOf,
} from "../../../ipa/asn1/tlv.ts";

function refusal(read: () => unknown): { code: string; detail: string | undefined; offset: unknown } {
  try {
    read();
  } catch (error) {
    if (error instanceof SimwardError) return { code: error.code, detail: error.detail, offset: error.data.offset };
    throw error;
  }
  throw new Error("nothing was refused");
}

describe("reading", () => {
  test.each([
    ["one octet of tag and length", "0401AA", 0x04, "AA"],
    ["a tag of two octets", "5F3702AABB", 0x5f37, "AABB"],
    ["a tag of three octets", "9F812301AA", 0x9f8123, "AA"],
    ["a tag of four octets", "BF81FF7F00", 0xbf81ff7f, ""],
    ["a length in two octets", "048101AA", 0x04, "AA"],
    ["a length with leading zeros", "0484000000" + "01AA", 0x04, "AA"],
    ["a length in eight octets", "04880000000000000001AA", 0x04, "AA"],
  ])("%s", (_, hex, tag, content) => {
    const tlv = readOnlyTlv(fromHex(hex));
    expect(tlv.tag).toBe(tag);
    expect(toHexUpper(contentOf(tlv))).toBe(content);
    expect(toHexUpper(rawOf(tlv))).toBe(hex);
  });

  test("nothing is copied: content and raw are slices of the input", () => {
    const source = fromHex("30060401AA0401BB");
    const [first, second] = childrenOf(readOnlyTlv(source));
    expect(first && contentOf(first).buffer).toBe(source.buffer);
    expect(second && rawOf(second).byteOffset).toBe(source.byteOffset + 5);
  });

  test("children, the one child, a child by its tag", () => {
    const tlv = readOnlyTlv(fromHex("BF5108BF5105A203800165"));
    const only = onlyChildOf(tlv);
    expect(only?.tag).toBe(0xbf51);
    expect(only && childOf(only, 0xa2)?.end).toBe(11);
    expect(only && childOf(only, 0xa3)).toBeUndefined();
    expect(onlyChildOf(readOnlyTlv(fromHex("A0060401AA0401BB")))).toBeUndefined();
    expect(onlyChildOf(readOnlyTlv(fromHex("A003040201")))).toBeUndefined();
    expect(onlyChildOf(readOnlyTlv(fromHex("A000")))).toBeUndefined();
    expect(onlyChildOf(readOnlyTlv(fromHex("80030401AA")))).toBeUndefined();
  });
});

describe("refusing", () => {
  test.each([
    ["nothing at all", "", "ASN1_TRUNCATED", 0],
    ["a tag without a length", "30", "ASN1_TRUNCATED", 1],
    ["half a tag", "BF", "ASN1_TRUNCATED", 1],
    ["half a length", "048201", "ASN1_TRUNCATED", 3],
    ["less content than announced", "0405AABB", "ASN1_TRUNCATED", 0],
    ["a length beyond any memory", "0488FFFFFFFFFFFFFFFF", "ASN1_TRUNCATED", 0],
    ["an indefinite length", "30800401AA0000", "ASN1_LENGTH", 1],
    ["a reserved length", "04FF", "ASN1_LENGTH", 1],
    ["nine length octets", "0489000000000000000001AA", "ASN1_LENGTH", 1],
    ["a tag of five octets", "BF8181818101", "ASN1_TAG", 0],
    ["a tag number with a leading zero", "BF800100", "ASN1_TAG", 0],
    ["something behind the end", "0401AA00", "ASN1_TRAILING", 3],
  ])("%s", (_, hex, code, offset) => {
    expect(refusal(() => readOnlyTlv(fromHex(hex)))).toMatchObject({ code, offset, detail: expect.stringContaining(`offset ${offset}`) });
  });

  test("a child may not reach beyond its parent, even where the input goes on", () => {
    const source = fromHex("3003040500AABBCCDDEE");
    expect(refusal(() => childrenOf(readTlv(source)))).toMatchObject({ code: "ASN1_TRUNCATED", offset: 2 });
  });
});

describe("writing", () => {
  test.each([
    [0, "00"],
    [127, "7F"],
    [128, "8180"],
    [255, "81FF"],
    [256, "820100"],
    [65_536, "83010000"],
  ])("the length %i", (length, hex) => {
    expect(toHexUpper(lengthOctets(length))).toBe(hex);
  });

  test("tags as printed", () => {
    expect([0x02, 0x5f37, 0xbf8123, 0xbf81ff7f].map(tagName)).toEqual(["02", "5F37", "BF8123", "BF81FF7F"]);
    expect([0x30, 0xbf51, 0xbf81ff7f, 0x5f37, 0x80, 0x9f8123].map(isConstructed)).toEqual([true, true, true, false, false, false]);
  });

  test("contents in any number", () => {
    const contents = Array.from({ length: 300_000 }, () => Uint8Array.of(0x80, 0x01, 0x01));
    const tlv = readOnlyTlv(writeTlvOf(0xbf53, contents));
    expect(tlv.end - tlv.contentStart).toBe(900_000);
    expect(readTlvs(tlv.source, tlv.contentStart, tlv.end)).toHaveLength(300_000);
  });

  test("the same content under another tag", () => {
    expect(toHexUpper(retag(fromHex("30810401020304"), 0xbf20))).toBe("BF200401020304");
  });

  test("an excerpt names the length of what it cuts", () => {
    expect(excerpt(new Uint8Array(4))).toBe("00000000");
    expect(excerpt(new Uint8Array(40), 2)).toBe("0000… (40 octets)");
  });

  test("what is written is read back, whatever tag and content", () => {
    const tags = fc.constantFrom(0x02, 0x30, 0x80, 0x5a, 0xe3, 0x5f37, 0x9f70, 0xbf51, 0xbf8123, 0x9f81ff7f);
    fc.assert(
      fc.property(tags, fc.array(fc.uint8Array({ maxLength: 400 }), { maxLength: 4 }), (tag, contents) => {
        const octets = writeTlv(tag, ...contents);
        const tlv = readOnlyTlv(octets);
        expect(tlv.tag).toBe(tag);
        expect(contentOf(tlv)).toEqual(Uint8Array.from(contents.flatMap((content) => [...content])));
        expect(tagOctets(tag)).toEqual(octets.subarray(0, tagOctets(tag).length));
      }),
      { seed: 32 },
    );
  });
});
