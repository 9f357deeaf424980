// The block option's value and the assembly of a body: tables of RFC 7959, and that cutting and assembling are inverse.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { fromHex, toHex } from "../../../base/bytes.ts";
import { Assembly, type Block, blockBytes, cut, decodeBlock, encodeBlock, szxFor } from "../../../transports/coap/blockwise.ts";

describe("the block option", () => {
  it.each([
    { hex: "", block: { number: 0, more: false, szx: 0 } },
    { hex: "06", block: { number: 0, more: false, szx: 6 } },
    { hex: "0e", block: { number: 0, more: true, szx: 6 } },
    { hex: "1a", block: { number: 1, more: true, szx: 2 } },
    { hex: "0103", block: { number: 16, more: false, szx: 3 } },
    { hex: "fffffe", block: { number: 1_048_575, more: true, szx: 6 } },
  ])("$hex", ({ hex, block }) => {
    expect(decodeBlock(fromHex(hex))).toEqual(block);
    expect(toHex(encodeBlock(block))).toBe(hex);
  });

  it("refuses the reserved size 7 and a number of more than 20 bits", () => {
    expect(() => decodeBlock(fromHex("07"))).toThrow(expect.objectContaining({ code: "COAP_BLOCK" }));
    expect(() => encodeBlock({ number: 1_048_576, more: false, szx: 6 })).toThrow(expect.objectContaining({ code: "COAP_TOO_LARGE" }));
  });

  it.each([
    [1_024, 6],
    [2_000, 6],
    [1_023, 5],
    [64, 2],
    [16, 0],
    [1, 0],
  ])("of at most %i octets has exponent %i", (bytes, szx) => {
    expect(szxFor(bytes)).toBe(szx);
  });
});

describe("assembling", () => {
  const block = (number: number, more: boolean, szx = 0): Block => ({ number, more, szx });
  const full = new Uint8Array(16).fill(1);

  it.each([
    {
      name: "a block that was skipped",
      blocks: [
        [block(0, true), full],
        [block(2, false), full],
      ],
      code: "COAP_BLOCK",
    },
    {
      name: "a block twice",
      blocks: [
        [block(0, true), full],
        [block(0, true), full],
      ],
      code: "COAP_BLOCK",
    },
    { name: "a start in the middle", blocks: [[block(1, false), full]], code: "COAP_BLOCK" },
    { name: "a short block with more to come", blocks: [[block(0, true), full.subarray(1)]], code: "COAP_BLOCK" },
    { name: "an empty block with more to come", blocks: [[block(0, true), full.subarray(16)]], code: "COAP_BLOCK" },
    { name: "a last block that is too long", blocks: [[block(0, false), new Uint8Array(17)]], code: "COAP_BLOCK" },
    {
      name: "another size at the wrong place",
      blocks: [
        [block(0, true), full],
        [block(1, false, 1), full],
      ],
      code: "COAP_BLOCK",
    },
    {
      name: "more than the limit",
      blocks: [
        [block(0, true), full],
        [block(1, true), full],
        [block(2, true), full],
      ],
      code: "COAP_TOO_LARGE",
    },
  ] as const)("refuses $name and takes nothing of it", ({ blocks, code }) => {
    const assembly = new Assembly(40);
    const good = blocks.slice(0, -1);
    for (const [each, payload] of good) assembly.add(each, payload);
    const [last, payload] = blocks[blocks.length - 1] ?? blocks[0];
    expect(() => assembly.add(last, payload)).toThrow(expect.objectContaining({ code }));
    expect(assembly.receivedBytes).toBe(good.length * 16);
  });

  it("follows a change of size in the middle", () => {
    const body = Uint8Array.from({ length: 100 }, (_, i) => i);
    const assembly = new Assembly(1_000);
    assembly.add(block(0, true, 2), body.subarray(0, 64));
    assembly.add(block(4, true, 0), body.subarray(64, 80));
    assembly.add(block(5, true, 0), body.subarray(80, 96));
    assembly.add(block(3, false, 1), body.subarray(96));
    expect(assembly.body()).toEqual(body);
  });

  it("undoes cutting, for every body and size", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 5_000 }), fc.integer({ min: 0, max: 6 }), (bytes, szx) => {
        const body = Uint8Array.from(bytes);
        const assembly = new Assembly(5_000);
        let number = 0;
        for (let part = cut(body, 0, szx); part !== undefined; part = part.block.more ? cut(body, number, szx) : undefined) {
          assembly.add(part.block, part.payload);
          number++;
        }
        expect(Buffer.compare(assembly.body(), body)).toBe(0);
        expect(number).toBe(Math.max(1, Math.ceil(body.length / blockBytes(szx))));
        expect(cut(body, Math.max(1, number), szx)).toBeUndefined();
      }),
      { seed: 7959, numRuns: 200 },
    );
  });
});
