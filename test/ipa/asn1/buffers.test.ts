// Node's Buffer is an Uint8Array whose `slice` is a view: what is decoded from one must neither change it nor change with it, since what was signed is
// forwarded octet for octet.
import { describe, expect, test } from "vitest";
import { concatBytes, fromHex, toHexUpper } from "../../../base/bytes.ts";
import { embedded } from "../../../ipa/asn1/embedded.ts";
import { anyType, bitString, decode, encode, octets, seq, signed } from "../../../ipa/asn1/schema.ts";
import { writeTlv } from "../../../ipa/asn1/tlv.ts";

const parts = concatBytes(writeTlv(0x30, fromHex("0403616263")), writeTlv(0x30, new Uint8Array(0)), writeTlv(0x03, fromHex("00AA")));
const Message = seq({
  certificate: embedded("Certificate", 0xa5),
  said: octets(0x80),
  bits: bitString(0x81),
  whole: signed(seq({ inner: octets(0x80) }, 0xa2)),
  rest: anyType(),
});
const message = writeTlv(
  0x30,
  concatBytes(writeTlv(0xa5, parts), fromHex("80020102"), fromHex("810200FF"), fromHex("A203800107"), fromHex("04020304")),
);

describe("a message in a Buffer", () => {
  test("is not changed by being read: a certificate's tag stays the one it travelled under", () => {
    const given = Buffer.from(message);
    const { certificate } = decode(Message, given);
    expect(toHexUpper(given)).toBe(toHexUpper(message));
    expect(certificate[0]).toBe(0x30);
  });

  test("does not take along what was read from it", () => {
    const given = Buffer.from(message);
    const read = decode(Message, given);
    const before = toHexUpper(encode(Message, read));
    given.fill(0);
    expect(toHexUpper(encode(Message, read))).toBe(before);
    expect(before).toBe(toHexUpper(message));
  });

  test("a certificate in a Buffer is not changed by being written", () => {
    const certificate = Buffer.from(writeTlv(0x30, parts));
    const before = toHexUpper(certificate);
    encode(embedded("Certificate", 0xa5), certificate);
    expect(toHexUpper(certificate)).toBe(before);
  });
});
