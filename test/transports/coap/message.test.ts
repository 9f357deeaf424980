// Reading and writing one CoAP message: vectors of RFC 7252 Appendix A, what must be refused, and that writing undoes reading.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { fromHex, toHex, utf8 } from "../../../base/bytes.ts";
import { SimwardError } from "../../../base/errors.ts";
import {
  type CoapMessage,
  type CoapOptions,
  decodeUint,
  emptyMessage,
  encodeMessage,
  encodeUint,
  type MessageType,
  parseMessage,
  rejectionOf,
} from "../../../transports/coap/message.ts";

const nothing = new Uint8Array(0);

describe("messages of RFC 7252 Appendix A", () => {
  const vectors: readonly { readonly name: string; readonly hex: string; readonly message: CoapMessage }[] = [
    {
      name: "Figure 16, GET /temperature",
      hex: "40017d34bb74656d7065726174757265",
      message: {
        type: "CON",
        code: "0.01",
        messageId: 0x7d34,
        token: nothing,
        options: { uriPath: [utf8("temperature")] },
        payload: nothing,
      },
    },
    {
      name: "Figure 16, 2.05 Content",
      hex: "60457d34ff32322e332043",
      message: { type: "ACK", code: "2.05", messageId: 0x7d34, token: nothing, options: {}, payload: utf8("22.3 C") },
    },
    {
      name: "Figure 17, GET with a token",
      hex: "41017d3520bb74656d7065726174757265",
      message: {
        type: "CON",
        code: "0.01",
        messageId: 0x7d35,
        token: fromHex("20"),
        options: { uriPath: [utf8("temperature")] },
        payload: nothing,
      },
    },
    {
      name: "Figure 21, empty ACK",
      hex: "60007d38",
      message: { type: "ACK", code: "0.00", messageId: 0x7d38, token: nothing, options: {}, payload: nothing },
    },
  ];
  it.each(vectors)("$name", ({ hex, message }) => {
    expect(parseMessage(fromHex(hex))).toEqual({ ...message, refusedOptions: [] });
    expect(toHex(encodeMessage(message))).toBe(hex);
  });
});

describe("what is no CoAP message", () => {
  const malformed: readonly { readonly name: string; readonly hex: string }[] = [
    { name: "nothing", hex: "" },
    { name: "three octets", hex: "40017d" },
    { name: "version 0", hex: "00017d34" },
    { name: "version 2", hex: "80017d34" },
    { name: "a token of 9 octets", hex: "49017d34010203040506070809" },
    { name: "a token length of 13 (RFC 8974)", hex: `4d017d3400${"00".repeat(13)}` },
    { name: "a token length of 15", hex: `4f017d34${"00".repeat(15)}` },
    { name: "a token cut short", hex: "44017d340102" },
    { name: "an empty message with a token", hex: "41007d3401" },
    { name: "an empty message with a payload", hex: "40007d34ff00" },
    { name: "a payload marker without payload", hex: "40017d34ff" },
    { name: "an option cut short", hex: "40017d34b57465" },
    { name: "an option delta of 15", hex: "40017d34f100" },
    { name: "an option length of 15", hex: "40017d341f00" },
    { name: "an extended delta cut short", hex: "40017d34e001" },
    { name: "an extended length cut short", hex: "40017d341d" },
    { name: "an option number above 65535", hex: "40017d34e0fef3e0fef3" },
    { name: "a code of the reserved class 1", hex: "40217d34" },
    { name: "a code of the reserved class 7", hex: "40e17d34" },
  ];
  it.each(malformed)("$name is refused as COAP_MESSAGE", ({ hex }) => {
    expect(() => parseMessage(fromHex(hex))).toThrow(expect.objectContaining({ code: "COAP_MESSAGE" }));
  });

  it.each([
    { name: "a confirmable one gets RST", hex: "44017d340102", rst: "70007d34" },
    { name: "a non-confirmable one nothing", hex: "54017d340102", rst: undefined },
    { name: "an ACK nothing", hex: "64457d340102", rst: undefined },
    { name: "another version nothing", hex: "80017d34", rst: undefined },
    { name: "three octets nothing", hex: "40017d", rst: undefined },
  ])("$name", ({ hex, rst }) => {
    const rejection = rejectionOf(fromHex(hex));
    expect(rejection && toHex(rejection)).toBe(rst);
  });
});

describe("options", () => {
  const withOptions = (hex: string) => parseMessage(fromHex(`40017d34${hex}`));
  it.each([
    { name: "Block1 of no octets is number 0, no more, 16 octets", hex: "d00e", options: { block1: [nothing] }, refused: [] },
    { name: "Block1 of three octets", hex: "d30e010203", options: { block1: [fromHex("010203")] }, refused: [] },
    { name: "Block1 of four octets is refused, being critical", hex: "d40e01020304", options: {}, refused: [27] },
    { name: "Block2 of four octets too", hex: "d40a01020304", options: {}, refused: [23] },
    { name: "Block2 twice: the second is refused", hex: "d10a0e" + "010e", options: { block2: [fromHex("0e")] }, refused: [23] },
    { name: "Size1 of five octets is skipped, being elective", hex: "d52f0102030405", options: {}, refused: [] },
    { name: "an unknown critical option", hex: "d0f4", options: {}, refused: [257] },
    { name: "an unknown elective option", hex: "d0f3", options: {}, refused: [] },
    { name: "an empty ETag is skipped", hex: "40", options: {}, refused: [] },
    { name: "an ETag of nine octets is skipped", hex: "49010203040506070809", options: {}, refused: [] },
    { name: "If-Match is not supported, and critical", hex: "1101", options: {}, refused: [1] },
    { name: "Request-Tag (292)", hex: "e20017" + "abcd", options: { requestTag: [fromHex("abcd")] }, refused: [] },
  ])("$name", ({ hex, options, refused }) => {
    expect(withOptions(hex)).toMatchObject({ options, refusedOptions: refused });
    expect(withOptions(hex).options).toEqual(options);
  });

  it.each([
    [0, ""],
    [1, "01"],
    [255, "ff"],
    [256, "0100"],
    [65_535, "ffff"],
    [16_777_216, "01000000"],
  ])("the number %i is written as %s", (value, hex) => {
    expect(toHex(encodeUint(value))).toBe(hex);
    expect(decodeUint(fromHex(hex))).toBe(value);
    expect(decodeUint(fromHex(`0000${hex}`))).toBe(value);
  });
});

describe("properties", () => {
  const octets = (minLength: number, maxLength: number) => fc.uint8Array({ minLength, maxLength });
  const options: fc.Arbitrary<CoapOptions> = fc.record(
    {
      uriHost: fc.tuple(octets(1, 255)),
      etag: fc.array(octets(1, 8), { minLength: 1, maxLength: 3 }),
      uriPath: fc.array(octets(0, 255), { minLength: 1, maxLength: 4 }),
      block2: fc.tuple(octets(0, 3)),
      block1: fc.tuple(octets(0, 3)),
      size1: fc.tuple(octets(0, 4)),
      requestTag: fc.array(octets(0, 8), { minLength: 1, maxLength: 2 }),
    },
    { requiredKeys: [] },
  );
  const message: fc.Arbitrary<CoapMessage> = fc.record({
    type: fc.constantFrom<MessageType>("CON", "NON", "ACK"),
    code: fc.constantFrom("0.01", "0.02", "0.31", "2.05", "2.31", "4.08", "4.13", "5.00", "5.31"),
    messageId: fc.integer({ min: 0, max: 65_535 }),
    token: octets(0, 8),
    options,
    payload: octets(0, 1_200),
  });

  it("reading undoes writing", () => {
    fc.assert(
      fc.property(message, (original) => {
        expect(parseMessage(encodeMessage(original))).toEqual({ ...original, refusedOptions: [] });
      }),
      { seed: 7252, numRuns: 500 },
    );
  });

  it("whatever is read is written back the same", () => {
    fc.assert(
      fc.property(octets(4, 64), (bytes) => {
        const datagram = Uint8Array.from(bytes);
        datagram[0] = 0x40 | ((datagram[0] ?? 0) & 0x38);
        try {
          const read = parseMessage(datagram);
          // Elective options that nobody knows are not kept.
          const kept = Object.values(read.options).flat().length + read.refusedOptions.length;
          if (kept === 0 && read.payload.length === 0) expect(encodeMessage(read).length).toBeLessThanOrEqual(datagram.length);
          else if (read.refusedOptions.length === 0) expect(parseMessage(encodeMessage(read))).toEqual(read);
        } catch (error) {
          if (!(error instanceof SimwardError && error.code === "COAP_MESSAGE")) throw error;
        }
      }),
      { seed: 7252, numRuns: 2_000 },
    );
  });

  it("empty messages are four octets", () => {
    expect(toHex(emptyMessage("RST", 0x0102))).toBe("70000102");
    expect(toHex(emptyMessage("ACK", 0xffff))).toBe("6000ffff");
  });
});
