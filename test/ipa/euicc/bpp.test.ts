// The order in which a bound profile package goes to the card (SGP.22 §2.5.5): cases others are known to test with, and any shape of package.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { concatBytes, fromHex, toHexUpper } from "../../../base/bytes.ts";
import { writeTlv } from "../../../ipa/asn1/tlv.ts";
import { bppSegments, metadataOfBpp } from "../../../ipa/euicc/bpp.ts";
import { isdr, scriptedCard, sessionOn } from "../support/scripted-card.ts";

const bf23 = fromHex("BF231D8201018004AABBCCDDA6098001888101108401685F4901045F37021122");
const parts = (tag: number, count: number, bytes = 20): Uint8Array[] =>
  Array.from({ length: count }, (_, i) => writeTlv(tag, new Uint8Array(bytes).fill(i + 1)));

function bpp(shape: {
  readonly first87: number;
  readonly n88: number;
  readonly second87?: number;
  readonly n86: number;
  readonly bytes?: number;
}): Uint8Array {
  return writeTlv(
    0xbf36,
    bf23,
    writeTlv(0xa0, ...parts(0x87, shape.first87, shape.bytes)),
    writeTlv(0xa1, ...parts(0x88, shape.n88, shape.bytes)),
    ...(shape.second87 === undefined ? [] : [writeTlv(0xa2, ...parts(0x87, shape.second87, shape.bytes))]),
    writeTlv(0xa3, ...parts(0x86, shape.n86, shape.bytes)),
  );
}

describe("segments", () => {
  // shows: b6.1-bf36-bf23, b6.2-a0, b6.3-a1, b6.4-88, b6.6-a3, b6.7-86
  test("three 87, three 88, five 86: twelve exchanges, the 87s in one", () => {
    const segments = bppSegments(bpp({ first87: 3, n88: 3, n86: 5 })).map((segment) => toHexUpper(segment).slice(0, 8));
    expect(segments).toEqual([
      expect.stringMatching(/^BF36/),
      "A0428714",
      "A142",
      "88140101",
      "88140202",
      "88140303",
      "A36E",
      "86140101",
      "86140202",
      "86140303",
      "86140404",
      "86140505",
    ]);
  });

  // shows: b6.5-a2
  test("with a second sequence of 87s it goes between, in one as well", () => {
    const segments = bppSegments(bpp({ first87: 1, n88: 1, second87: 1, n86: 1 }));
    expect(segments.map((segment) => segment[0])).toEqual([0xbf, 0xa0, 0xa1, 0x88, 0xa2, 0xa3, 0x86]);
  });

  // shows: b6.slices
  test("lengths in long form stay as they came: slices, not encodings", () => {
    const long86 = fromHex("A38200068604DEADBEEF");
    const inner = concatBytes(bf23, fromHex("A081048702AAAA"), fromHex("A1038801BB"), long86);
    const whole = concatBytes(fromHex("BF3682"), Uint8Array.of(inner.length >> 8, inner.length & 0xff), inner);
    const segments = bppSegments(whole);
    expect(toHexUpper(concatBytes(...segments))).toBe(toHexUpper(whole));
    expect(segments.map(toHexUpper).slice(1)).toEqual(["A081048702AAAA", "A103", "8801BB", "A3820006", "8604DEADBEEF"]);
  });

  // shows: b6.slices
  test("whatever its shape, the segments one after the other are the package", () => {
    const shapes = fc.record({
      first87: fc.integer({ min: 1, max: 3 }),
      n88: fc.integer({ min: 1, max: 4 }),
      second87: fc.option(fc.integer({ min: 1, max: 2 }), { nil: undefined }),
      n86: fc.integer({ min: 1, max: 12 }),
      bytes: fc.integer({ min: 9, max: 1_020 }),
    });
    fc.assert(
      fc.property(shapes, ({ second87, ...shape }) => {
        const whole = bpp(second87 === undefined ? shape : { ...shape, second87 });
        const segments = bppSegments(whole);
        expect(toHexUpper(concatBytes(...segments))).toBe(toHexUpper(whole));
        expect(segments).toHaveLength(4 + shape.n88 + (second87 === undefined ? 0 : 1) + shape.n86);
      }),
      { seed: 32, numRuns: 100 },
    );
  });

  test("what is no bound profile package is refused before the card sees any of it", () => {
    const whole = bpp({ first87: 1, n88: 1, n86: 1 });
    const bad = [
      whole.subarray(0, -1),
      concatBytes(whole, Uint8Array.of(0)),
      writeTlv(0xbf37, bf23),
      writeTlv(0xbf36, writeTlv(0xa0)),
      writeTlv(0xbf36, bf23),
      writeTlv(0xbf36, bf23, writeTlv(0xa1), writeTlv(0xa0), writeTlv(0xa3)),
      writeTlv(0xbf36, bf23, writeTlv(0xa0), writeTlv(0xa1), writeTlv(0x84), writeTlv(0xa3)),
    ];
    for (const one of bad) expect(() => bppSegments(one)).toThrow(expect.objectContaining({ code: "PACKAGE_FORMAT" }));
    expect(() => bppSegments(whole.subarray(0, -1))).toThrow(/bound profile package: .*offset 0/);
  });

  // shows: e5.09-compare
  test("the metadata inside is what the 88s hold without their MACs", () => {
    const metadata = fromHex("BF25155A0A98001032547698103214910353504E92024E31");
    const mac = new Uint8Array(8).fill(0xee);
    const cut = [metadata.subarray(0, 10), metadata.subarray(10)].map((part) => writeTlv(0x88, part, mac));
    const whole = writeTlv(0xbf36, bf23, writeTlv(0xa0), writeTlv(0xa1, ...cut), writeTlv(0xa3));
    expect(toHexUpper(metadataOfBpp(whole) ?? new Uint8Array(0))).toBe(toHexUpper(metadata));
  });
});

describe("LoadBoundProfilePackage", () => {
  const small = bpp({ first87: 1, n88: 1, n86: 2, bytes: 9 });
  const [head, a0, a1, p88, a3, p86, second86] = bppSegments(small).map(toHexUpper);
  const store = (segment: string | undefined): string =>
    `> 80E29100${((segment?.length ?? 0) / 2).toString(16).padStart(2, "0").toUpperCase()} ${segment}`;
  const pir = "BF37148002AABBBF2F0C800101810207800C03612E62";

  // shows: es10b.LoadBoundProfilePackage, a2.empty-answer, a2.no-data, b6.one-channel
  test("segment after segment over one channel, until the card answers with data", async () => {
    const { card, rest } = scriptedCard(
      [
        isdr,
        store(head),
        "< 9000",
        store(a0),
        "< 9000",
        store(a1),
        "< 9000",
        store(p88),
        "< 9000",
        store(a3),
        "< 9000",
        store(p86),
        "< 9000",
      ]
        .concat([store(second86), `< 61${(pir.length / 2).toString(16).toUpperCase().padStart(2, "0")}`])
        .concat([`> 00C00000${(pir.length / 2).toString(16).toUpperCase().padStart(2, "0")}`, `< ${pir} 9000`, "close"])
        .join("\n"),
    );
    const { session, events } = sessionOn(card);
    const progress: string[] = [];
    const result = await session.withEuicc("test", (es10) =>
      es10.loadBoundProfilePackage(small, (number, of, bytes) => void progress.push(`${number}/${of} ${bytes}`)),
    );
    expect(result === undefined ? "" : toHexUpper(result)).toBe(pir);
    expect(rest()).toEqual([]);
    expect(progress).toEqual([head, a0, a1, p88, a3, p86, second86].map((segment, i) => `${i + 1}/7 ${(segment?.length ?? 0) / 2}`));
    expect(events).toMatchObject([
      { kind: "step", name: "ES10b.LoadBoundProfilePackage", sentBytes: small.length, receivedBytes: pir.length / 2 },
    ]);
  });

  // shows: b6.result-ends
  test("a result in the middle ends it: nothing more is sent", async () => {
    const { card, rest } = scriptedCard([isdr, store(head), "< 9000", store(a0), `< ${pir} 9000`, "close"].join("\n"));
    const result = await sessionOn(card).session.withEuicc("test", (es10) => es10.loadBoundProfilePackage(small, () => undefined));
    expect(result === undefined ? "" : toHexUpper(result)).toBe(pir);
    expect(rest()).toEqual([]);
  });

  // shows: b6.no-result
  test("a package that ends without a result has none", async () => {
    const all = [head, a0, a1, p88, a3, p86, second86].flatMap((segment) => [store(segment), "< 9000"]);
    const { card } = scriptedCard([isdr, ...all, "close"].join("\n"));
    const result = await sessionOn(card).session.withEuicc("test", (es10) => es10.loadBoundProfilePackage(small, () => undefined));
    expect(result).toBeUndefined();
  });

  // shows: b6.one-channel
  test("a channel lost between segments is not opened again for the next one", async () => {
    const { card, rest } = scriptedCard([isdr, store(head), "< 9000", store(a0), "! APDU_CHANNEL_LOST", "close"].join("\n"));
    const load = sessionOn(card).session.withEuicc("test", (es10) => es10.loadBoundProfilePackage(small, () => undefined));
    await expect(load).rejects.toMatchObject({ code: "APDU_CHANNEL_LOST" });
    expect(rest()).toEqual([]);
  });
});
