// Records and datagrams at the level of octets: nothing is lost, nothing exceeds the MTU, nothing odd gets through.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { concatBytes, fromHex } from "../../../base/bytes.ts";
import {
  clientHelloRandom,
  isAdmissible,
  looksLikeDtls,
  packRecords,
  recordHeaderBytes,
  splitRecords,
} from "../../../transports/dtls/records.ts";

const record = fc
  .record({ type: fc.integer({ min: 20, max: 23 }), body: fc.uint8Array({ maxLength: 300 }) })
  .map(({ type, body }) =>
    concatBytes(Uint8Array.of(type, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0, body.length >> 8, body.length & 0xff), body),
  );

describe("packing", () => {
  test("keeps every record, whole and in order, and closes a datagram only when the next record would exceed the MTU", () => {
    fc.assert(
      fc.property(fc.array(record, { maxLength: 30 }), fc.integer({ min: 256, max: 1500 }), (records, mtuBytes) => {
        const datagrams = packRecords(splitRecords(concatBytes(...records)), mtuBytes);
        expect(concatBytes(...datagrams)).toEqual(concatBytes(...records));
        for (const [i, datagram] of datagrams.entries()) {
          const inside = splitRecords(datagram);
          expect(concatBytes(...inside)).toEqual(datagram);
          if (inside.length > 1) expect(datagram.length).toBeLessThanOrEqual(mtuBytes);
          const next = splitRecords(datagrams[i + 1] ?? new Uint8Array(0))[0];
          if (next !== undefined) expect(datagram.length + next.length).toBeGreaterThan(mtuBytes);
        }
      }),
      { seed: 1 },
    );
  });

  test("a run that breaks off gives its whole records", () => {
    fc.assert(
      fc.property(fc.array(record, { minLength: 1, maxLength: 5 }), fc.nat(400), (records, cut) => {
        const whole = concatBytes(...records);
        const found = splitRecords(whole.subarray(0, Math.max(0, whole.length - cut)));
        expect(records.slice(0, found.length)).toEqual(found);
      }),
      { seed: 2 },
    );
  });
});

describe("what is shown to OpenSSL", () => {
  test.each([
    ["nothing", ""],
    ["a header without content", "16fefd00000000000000000000"],
    ["TLS over UDP", "1603010005000000000000000000"],
    ["a type below those of TLS", "13fefd0000000000000000000100"],
    ["heartbeat", "18fefd0000000000000000000100"],
    ["a record longer than its datagram", "16fefd0000000000000000000200"],
    ["CoAP", "40010001b3666f6f03626172ff0011223344"],
  ])("%s is not", (_what, hex) => {
    expect(looksLikeDtls(fromHex(hex))).toBe(false);
  });

  test("DTLS 1.2 and, for the first ClientHello, DTLS 1.0", () => {
    expect(looksLikeDtls(fromHex("17fefd0001000000000001000100"))).toBe(true);
    expect(looksLikeDtls(fromHex("16feff0000000000000000000100"))).toBe(true);
  });

  const before = { isOpen: false, overheadBytes: 24 };
  const after = { isOpen: true, overheadBytes: 24 };
  const encrypted = (type: string, length: number, epoch = "0001"): Uint8Array =>
    fromHex(`${type}fefd${epoch}000000000001${length.toString(16).padStart(4, "0")}${"00".repeat(length)}`);

  test.each<[string, Uint8Array, boolean, boolean]>([
    ["an encrypted record", encrypted("17", 24), true, true],
    ["an encrypted record shorter than nonce and tag", encrypted("17", 23), false, false],
    ["an encrypted record of an epoch that never comes", encrypted("17", 40, "0002"), false, false],
    ["a fatal alert in the clear", fromHex("15fefd000000000000000100020228"), true, false],
    ["a warning in the clear", fromHex("15fefd000000000000000100020164"), false, false],
    ["an alert of another length", fromHex("15fefd0000000000000001000402280000"), false, false],
    ["ChangeCipherSpec", fromHex("14fefd0000000000000001000101"), true, false],
    ["a malformed ChangeCipherSpec", fromHex("14fefd0000000000000001000107"), false, false],
    ["data in the clear", fromHex("17fefd0000000000000001000101"), false, false],
    ["ServerHelloDone", fromHex("16fefd0000000000000001000c0e0000000003000000000000"), true, false],
    ["two messages in one record", fromHex(`16fefd00000000000000010018${"0e0000000003000000000000".repeat(2)}`), true, false],
    ["a handshake record without its header", fromHex("16fefd000000000000000100050e00000000"), false, false],
    ["a fragment beyond its message", fromHex("16fefd0000000000000001000d0e000000000300000000000100"), false, false],
    ["a fragment beyond its record", fromHex("16fefd0000000000000001000c0e0000010003000000000001"), false, false],
  ])("%s", (_what, octets, whileHandshaking, whenOpen) => {
    expect([isAdmissible(octets, before), isAdmissible(octets, after)]).toEqual([whileHandshaking, whenOpen]);
  });

  test("octets at random hardly ever do, and no input is too strange to be asked about", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), (octets) => {
        if (looksLikeDtls(octets)) expect(octets.length).toBeGreaterThan(recordHeaderBytes);
        expect([undefined, 32]).toContain(clientHelloRandom(octets)?.length);
      }),
      { seed: 3, numRuns: 2_000 },
    );
  });
});

describe("ClientHello.random", () => {
  const random = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
  const hello = (change: (hex: string) => string = (hex) => hex): Uint8Array => {
    // handshake header: type 1, length 0x2b, sequence 0, fragment 0 to 0x2b; then version, random, empty session id and cookie, one suite
    const body = `fefd${random}0000000200c02b0100`.replace("000200c02b", "0002c02b");
    const length = (body.length / 2).toString(16).padStart(6, "0");
    const message = `01${length}0000000000${length}${body}`;
    const header = `16fefd0000000000000000${(message.length / 2).toString(16).padStart(4, "0")}`;
    return fromHex(change(header + message));
  };

  test("is found in a whole ClientHello of epoch 0", () => {
    expect(clientHelloRandom(hello())).toEqual(fromHex(random));
  });

  test.each([
    ["another handshake message", (hex: string) => `${hex.slice(0, 26)}02${hex.slice(28)}`],
    ["epoch 1", (hex: string) => `${hex.slice(0, 6)}0001${hex.slice(10)}`],
    ["a later fragment", (hex: string) => `${hex.slice(0, 38)}000001${hex.slice(44)}`],
    ["a first fragment", (hex: string) => `${hex.slice(0, 44)}000010${hex.slice(50)}`],
    ["an alert", (hex: string) => `15${hex.slice(2)}`],
  ])("not in %s", (_what, change) => {
    expect(clientHelloRandom(hello(change))).toBeUndefined();
  });
});
