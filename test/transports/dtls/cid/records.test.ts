// Keys and tls12_cid records at the level of octets, against an independent computation: PRF by hand, AAD spelt out, every bit that is changed noticed.
import { createCipheriv, createDecipheriv, createHmac } from "node:crypto";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { concatBytes, fromHex, toHex } from "../../../../base/bytes.ts";
import { seededRandom } from "../../../../base/random.ts";
import { decodeConnectionId, encodeConnectionId } from "../../../../transports/dtls/cid/extension.ts";
import { type AeadFacts, aeadOf, aeadOfSuite, deriveKeys, prf, type RecordKeys } from "../../../../transports/dtls/cid/keys.ts";
import { openCid, openPlain, sealCid, sealPlain } from "../../../../transports/dtls/cid/records.ts";
import { datagramCid, splitRecords } from "../../../../transports/dtls/records.ts";

const suites = Object.entries(aeadOf);
const octets = (seed: number, length: number): Uint8Array => seededRandom(seed).bytes(length);

function keysOf(aead: AeadFacts): RecordKeys {
  return deriveKeys(aead, { masterSecret: octets(1, 48), clientRandom: octets(2, 32), serverRandom: octets(3, 32) }).client;
}

const arbitrary = fc.record({
  suite: fc.constantFrom(...suites.map(([, aead]) => aead)),
  cid: fc.uint8Array({ minLength: 1, maxLength: 255 }),
  content: fc.uint8Array({ maxLength: 400 }),
  type: fc.constantFrom(21, 22, 23, 27),
  number: fc.uint8Array({ minLength: 8, maxLength: 8 }),
  nonce: fc.uint8Array({ minLength: 8, maxLength: 8 }),
});
const numbering = (number: Uint8Array): Uint8Array => concatBytes(Uint8Array.of(0xfe, 0xfd), number);

describe("keys", () => {
  // Published with the TLS working group's test vectors for P_SHA256: 100 octets for label "test label".
  test("the PRF answers the known vector", () => {
    const secret = fromHex("9bbe436ba940f017b17652849a71db35");
    const seed = fromHex("a0ba9f936cda311827a6f796ffd5198c");
    expect(toHex(prf("sha256", secret, "test label", seed, 100)).toLowerCase()).toBe(
      "e3f229ba727be17b8d122620557cd453c2aab21d07c3d495329b52d4e61edb5a6b301791e90d35c9c9a46b4e14baf9af0fa022f7077def17abfd3797c0564bab4fbc91666e9def9b97fce34f796789baa48082d122ee42c5a72e5a5110fff70187347b66",
    );
  });

  test.each(suites)("%s: server random first, client's half first", (_name, aead) => {
    const [masterSecret, clientRandom, serverRandom] = [octets(1, 48), octets(2, 32), octets(3, 32)];
    const seed = Buffer.concat([Buffer.from("key expansion"), serverRandom, clientRandom]);
    const mac = (...parts: Uint8Array[]): Buffer => createHmac(aead.hash, masterSecret).update(Buffer.concat(parts)).digest();
    const a1 = mac(seed);
    const a2 = mac(a1);
    const block = Buffer.concat([mac(a1, seed), mac(a2, seed), mac(mac(a2), seed)]);
    const { client, server } = deriveKeys(aead, { masterSecret, clientRandom, serverRandom });
    const { keyBytes } = aead;
    expect([client.key, server.key, client.salt, server.salt].map(toHex)).toEqual(
      [
        block.subarray(0, keyBytes),
        block.subarray(keyBytes, 2 * keyBytes),
        block.subarray(2 * keyBytes, 2 * keyBytes + 4),
        block.subarray(2 * keyBytes + 4, 2 * keyBytes + 8),
      ].map(toHex),
    );
  });

  test("a suite that is not of ours has none", () => {
    expect(aeadOfSuite("ECDHE-ECDSA-AES128-SHA256")).toBeUndefined();
    expect(aeadOfSuite("toString")).toBeUndefined();
  });
});

describe("a tls12_cid record", () => {
  test.each(suites)("%s: the layout and the additional data are those of RFC 9146 §4 and §5.3", (_name, aead) => {
    const keys = keysOf(aead);
    const cid = fromHex("C1D0C1D0C1D0C1D0");
    const number = fromHex("0001000000000A0B");
    const nonce = fromHex("1122334455667788");
    const content = new TextEncoder().encode("a poll");
    const record = sealCid(keys, cid, { type: 23, numbering: numbering(number), explicitNonce: nonce, content });
    const inner = Buffer.concat([content, Buffer.of(23)]);
    const aad = Buffer.concat([
      Buffer.from("ffffffffffffffff", "hex"),
      Buffer.of(25, 8, 25, 0xfe, 0xfd),
      number,
      cid,
      Buffer.of(0, inner.length),
    ]);
    const cipher = createCipheriv(aead.cipher as "aes-128-ccm", keys.key, Buffer.concat([keys.salt, nonce]), {
      authTagLength: aead.tagBytes,
    });
    cipher.setAAD(aad, { plaintextLength: inner.length });
    const sealed = Buffer.concat([cipher.update(inner), cipher.final(), cipher.getAuthTag()]);
    const header = Buffer.concat([Buffer.of(25, 0xfe, 0xfd), number, cid, Buffer.of(0, 8 + sealed.length), nonce]);
    expect(toHex(record)).toBe(toHex(Buffer.concat([header, sealed])));
    expect(openCid(keys, cid, record)).toMatchObject({ type: 23, content: new Uint8Array(content) });
  });

  test("what was sealed opens again, as either kind, and only with its own CID", () => {
    fc.assert(
      fc.property(arbitrary, ({ suite, cid, content, type, number, nonce }) => {
        const keys = keysOf(suite);
        const record = { type, numbering: numbering(number), explicitNonce: nonce, content };
        expect(openCid(keys, cid, sealCid(keys, cid, record))).toEqual(record);
        expect(openPlain(keys, sealPlain(keys, record))).toEqual(record);
        const other = Uint8Array.from(cid, (octet, i) => (i === 0 ? octet ^ 1 : octet));
        expect(openCid(keys, other, sealCid(keys, cid, record))).toBeUndefined();
        expect(sealCid(keys, cid, record).length).toBe(13 + cid.length + 8 + content.length + 1 + suite.tagBytes);
      }),
      { seed: 9146 },
    );
  });

  test("any bit changed, any octet missing or added: not authentic", () => {
    fc.assert(
      fc.property(arbitrary, fc.nat(), fc.integer({ min: 0, max: 7 }), fc.integer({ min: 1, max: 40 }), (one, at, bit, cut) => {
        const keys = keysOf(one.suite);
        const record = sealCid(keys, one.cid, {
          type: one.type,
          numbering: numbering(one.number),
          explicitNonce: one.nonce,
          content: one.content,
        });
        const flipped = Uint8Array.from(record);
        // The outer type chooses the function, the CID the association, the length the end: openCid is given the outcome of all three.
        const index = 1 + (at % (record.length - 3 - one.cid.length));
        const target = index < 11 ? index : index + one.cid.length + 2;
        flipped[target] = (flipped[target] ?? 0) ^ (1 << bit);
        expect(openCid(keys, one.cid, flipped)).toBeUndefined();
        expect(openCid(keys, one.cid, record.subarray(0, Math.max(0, record.length - cut)))).toBeUndefined();
        expect(openCid(keys, one.cid, concatBytes(record, Uint8Array.of(0)))).toBeUndefined();
      }),
      { seed: 9147 },
    );
  });

  test("padding is taken off; nothing but padding is no record", () => {
    const aead = aeadOf["ECDHE-ECDSA-AES128-GCM-SHA256"];
    const keys = keysOf(aead);
    const cid = octets(4, 8);
    const base = { numbering: numbering(octets(5, 8)), explicitNonce: octets(6, 8) };
    // sealCid appends the type: with type 0 the whole of it is padding after what precedes.
    const padded = sealCid(keys, cid, { ...base, type: 0, content: concatBytes(Uint8Array.of(7, 0, 8, 23), new Uint8Array(30)) });
    expect(openCid(keys, cid, padded)).toMatchObject({ type: 23, content: Uint8Array.of(7, 0, 8) });
    for (const length of [0, 1, 100])
      expect(openCid(keys, cid, sealCid(keys, cid, { ...base, type: 0, content: new Uint8Array(length) }))).toBeUndefined();
  });

  test("an ordinary record is what another AEAD opens", () => {
    const aead = aeadOf["ECDHE-ECDSA-AES128-CCM8"];
    const keys = keysOf(aead);
    const content = octets(7, 33);
    const record = Buffer.from(sealPlain(keys, { type: 23, numbering: numbering(octets(8, 8)), explicitNonce: octets(9, 8), content }));
    const decipher = createDecipheriv("aes-128-ccm", keys.key, Buffer.concat([keys.salt, record.subarray(13, 21)]), { authTagLength: 8 });
    decipher.setAuthTag(record.subarray(-8));
    decipher.setAAD(Buffer.concat([record.subarray(3, 11), record.subarray(0, 3), Buffer.of(0, 33)]), { plaintextLength: 33 });
    expect(Buffer.concat([decipher.update(record.subarray(21, -8)), decipher.final()])).toEqual(Buffer.from(content));
  });
});

describe("a datagram", () => {
  test("is walked record by record, each kind by its own header", () => {
    const keys = keysOf(aeadOf["PSK-AES128-CCM8"]);
    const cid = octets(10, 8);
    const base = { numbering: numbering(octets(11, 8)), explicitNonce: octets(12, 8), content: octets(13, 20) };
    const records = [
      sealPlain(keys, { ...base, type: 22 }),
      sealCid(keys, cid, { ...base, type: 22 }),
      sealCid(keys, cid, { ...base, type: 23 }),
    ];
    expect(splitRecords(concatBytes(...records), 8)).toEqual(records);
    expect(datagramCid(concatBytes(...records), 8)).toEqual(cid);
    expect(datagramCid(records[0] ?? cid, 8)).toBeUndefined();
    fc.assert(
      fc.property(fc.nat(concatBytes(...records).length), (length) => {
        const found = splitRecords(concatBytes(...records).subarray(0, length), 8);
        expect(found).toEqual(records.slice(0, found.length));
      }),
      { seed: 1 },
    );
  });

  test("of any octets at all does no harm", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (noise) => {
        for (const record of splitRecords(noise, 8)) expect(record.length).toBeGreaterThanOrEqual(13);
        datagramCid(concatBytes(Uint8Array.of(25, 0xfe, 0xfd), noise), 8);
      }),
      { seed: 2 },
    );
  });
});

test("the extension's content", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 255 }), (cid) => {
      expect(decodeConnectionId(encodeConnectionId(cid))).toEqual(cid);
    }),
    { seed: 3 },
  );
  for (const bad of ["", "01", "00FF", "0201", "020102FF"]) expect(decodeConnectionId(fromHex(bad))).toBeUndefined();
});
