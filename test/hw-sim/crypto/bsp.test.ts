// BSP against the vectors of another implementation, and against itself at every octet.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { digitsToBcd, fromHex, toHexUpper, utf8 } from "../../../base/bytes.ts";
import { SimwardError } from "../../../base/errors.ts";
import { Bsp, type BspKeys, type BspTag, maxPlaintextBytes, maxSegmentBytes } from "../../../hw-sim/crypto/bsp.ts";
import { bspSharedInfo, deriveBspKeys } from "../../../hw-sim/crypto/ecka.ts";

const eid = digitsToBcd("89049032123451234512345678901235");
const z = Uint8Array.from({ length: 32 }, (_, i) => i);
const sessionKeys = (): BspKeys => deriveBspKeys(z, utf8("mahlzeit"), eid);
const profileKeys: BspKeys = {
  macChainingValue: new Uint8Array(16).fill(0x22),
  encryptionKey: new Uint8Array(16),
  macKey: new Uint8Array(16).fill(0x11),
};

const metadata = "BF25155A0A98001032547698103214910353504E92024E31";
const vectors: readonly { tag: BspTag; keys: "session" | "profile"; plain: string; segment: string }[] = [
  { tag: 0x87, keys: "session", plain: "BF2400", segment: "8718CA1671AF2574E27EFC72A3728373FA073351F54FA615A6E9" },
  { tag: 0x88, keys: "session", plain: metadata, segment: "8820BF25155A0A98001032547698103214910353504E92024E3104229C1FCE7D1E15" },
  {
    tag: 0x87,
    keys: "session",
    plain: `BF26368010${"22".repeat(16)}8110${"00".repeat(16)}8210${"11".repeat(16)}`,
    segment:
      "874821672BEAAE188514282587AD562957A432287ADA0C24E23F07351498492C466885CA2F45EC483F4AEF30C2B662CC2AD5E878C115E2D72502828FB54FAE0F123C433BE52930980724",
  },
  { tag: 0x86, keys: "profile", plain: "112233", segment: "8618C49A5BAD5B3091A549652A11D5AE8F8D258391B2CBA1622E" },
  { tag: 0x86, keys: "profile", plain: "445566", segment: "8618FFEC9559687F2DEF290CA6F3FD4857C174B60CF33CAF457C" },
];

function kindOf(fn: () => unknown): unknown {
  try {
    fn();
  } catch (error) {
    if (error instanceof SimwardError && error.code === "BPP_SECURITY") return error.data.kind;
    throw error;
  }
  return "accepted";
}

describe("key derivation", () => {
  it("makes the shared info and the three keys of the vector", () => {
    expect(toHexUpper(bspSharedInfo(utf8("mahlzeit"), eid))).toBe("8810086D61686C7A6569741089049032123451234512345678901235");
    const keys = sessionKeys();
    expect(toHexUpper(keys.macChainingValue)).toBe("DE0A62F5A6731F6212794BD9CA9C25B4");
    expect(toHexUpper(keys.encryptionKey)).toBe("C763143CDA5A5911DC658844896B4F13");
    expect(toHexUpper(keys.macKey)).toBe("3EEDED60B63B4C2D3983D6D50749CD85");
  });
});

describe("BSP beside an SM-DP+ that others logged", () => {
  // A trace of a commercial SM-DP+, as the pySim project's tests hold it: 87, 88, and the 87 that replaces the keys.
  const agreed = fromHex("c9a993dd4879a8f7161f2085410edd4f9652f1df37be097ba96ba2ca6be528fe");
  const loggedEid = digitsToBcd("89049032123451234512345678901235");
  const key = (first: string): string => `${first}0102030405060708090a0b0c0d0e0f`;
  const trace: readonly [BspTag, string, string][] = [
    [0x87, "bf2400", "8718f6fe031e4b9cfe87c8e1e62f3fde85c49412d7722a6a2d89"],
    [
      0x88,
      "bf252d5a0a98001032547698103214910947534d415f54455354921147534d415f544553545f50524f46494c45950100",
      "8838bf252d5a0a98001032547698103214910947534d415f54455354921147534d415f544553545f50524f46494c459501008a62cc9adbb5ccbc",
    ],
    [
      0x87,
      `bf26368010${key("00")}8110${key("01")}8210${key("02")}`,
      "8748a14c800a001992351cd46ad2945654674369701d82b7b46567652bc8fbed234939fc57fba748015525fd6c651e9d3d1330652d42a0cfad950e912122af4ec5362d3c0bc535729c40",
    ],
  ];

  it("derives its keys and protects as it did", () => {
    const keys = deriveBspKeys(agreed, new Uint8Array(8).fill(0x80), loggedEid);
    expect(toHexUpper(keys.encryptionKey)).toBe("472F5BFADD97F21D34F3CE9B51B92751");
    expect(toHexUpper(keys.macKey)).toBe("9EC07F5B36A13E12A991D66E294E6242");
    expect(toHexUpper(keys.macChainingValue)).toBe("406D507B448A699E7A36A38494DEBBDE");
    const sender = new Bsp(keys);
    const receiver = new Bsp(keys);
    for (const [tag, plain, segment] of trace) {
      expect(toHexUpper(sender.protect(tag, fromHex(plain)))).toBe(segment.toUpperCase());
      expect(toHexUpper(receiver.unprotect(fromHex(segment)).plaintext)).toBe(plain.toUpperCase());
    }
  });
});

describe("BSP", () => {
  it("protects the five TLVs of the vector, changing to the profile protection keys after the third", () => {
    const sender = { session: new Bsp(sessionKeys()), profile: new Bsp(profileKeys) };
    for (const { tag, keys, plain, segment } of vectors) expect(toHexUpper(sender[keys].protect(tag, fromHex(plain)))).toBe(segment);
  });

  it("takes the protection of the same five off", () => {
    const receiver = { session: new Bsp(sessionKeys()), profile: new Bsp(profileKeys) };
    for (const { tag, keys, plain, segment } of vectors) {
      const opened = receiver[keys].unprotect(fromHex(segment));
      expect(opened.tag).toBe(tag);
      expect(toHexUpper(opened.plaintext)).toBe(plain);
    }
  });

  it("refuses any altered octet: in the head as structure or security, elsewhere as security", () => {
    const segment = fromHex(vectors[1]?.segment ?? "");
    for (let at = 0; at < segment.length; at++) {
      const receiver = new Bsp(sessionKeys());
      receiver.unprotect(fromHex(vectors[0]?.segment ?? ""));
      const altered = segment.slice();
      altered[at] = (altered[at] ?? 0) ^ 0x01;
      const kind = kindOf(() => receiver.unprotect(altered));
      if (at < 2) expect(["structure", "security"]).toContain(kind);
      else expect(kind).toBe("security");
    }
  });

  it("refuses a segment taken out of its order, repeated or left out", () => {
    const sender = new Bsp(sessionKeys());
    const [one, two, three] = [1, 2, 3].map((n) => sender.protect(0x86, Uint8Array.of(n)));
    if (one === undefined || two === undefined || three === undefined) throw new Error("three segments");
    const received = (...segments: readonly Uint8Array[]): unknown => {
      const receiver = new Bsp(sessionKeys());
      return kindOf(() => segments.forEach((segment) => void receiver.unprotect(segment)));
    };
    expect(received(one, two, three)).toBe("accepted");
    expect(received(two)).toBe("security");
    expect(received(one, one)).toBe("security");
    expect(received(one, three)).toBe("security");
  });

  it.each([
    "",
    "86",
    "8603010203",
    `8610${"00".repeat(16)}`,
    `861900${"00".repeat(24)}`,
    `8418${"00".repeat(24)}`,
    `8617${"00".repeat(24)}`,
  ])("refuses %s as no segment", (hex) => {
    expect(kindOf(() => new Bsp(sessionKeys()).unprotect(fromHex(hex)))).toBe("structure");
  });

  it("fills a segment to the limit and not beyond", () => {
    for (const tag of [0x86, 0x87, 0x88] as const) {
      const bsp = new Bsp(sessionKeys());
      expect(bsp.protect(tag, new Uint8Array(maxPlaintextBytes(tag))).length).toBeLessThanOrEqual(maxSegmentBytes);
      expect(bsp.protect(tag, new Uint8Array(maxPlaintextBytes(tag) + 1)).length).toBeGreaterThan(maxSegmentBytes);
    }
  });

  it("gives back what went in, whatever its length", () => {
    fc.assert(
      fc.property(
        fc.constantFrom<BspTag>(0x86, 0x87, 0x88),
        fc.array(fc.uint8Array({ maxLength: 2500 }), { maxLength: 4 }),
        (tag, parts) => {
          const sender = new Bsp(sessionKeys());
          const receiver = new Bsp(sessionKeys());
          for (const part of parts) {
            const segments = sender.protectAll(tag, part);
            const back = segments.flatMap((segment) => [...receiver.unprotect(segment).plaintext]);
            expect(Uint8Array.from(back)).toEqual(part);
          }
        },
      ),
      { seed: 7, numRuns: 60 },
    );
  });

  it("wants keys of 16 octets", () => {
    expect(() => new Bsp({ ...profileKeys, macKey: new Uint8Array(15) })).toThrow(/macKey has/);
  });
});
