// CMAC, the X9.63 key derivation, key agreement and raw ECDSA, against published vectors and node:crypto.
import { createECDH, generateKeyPairSync, verify } from "node:crypto";
import { describe, expect, it } from "vitest";
import { fromHex, toHex, utf8 } from "../../../base/bytes.ts";
import { aesCmac } from "../../../hw-sim/crypto/cmac.ts";
import { curveOf, ecdsaSign, ecdsaVerify, publicKeyOfSpki } from "../../../hw-sim/crypto/ecdsa.ts";
import { createEphemeral, ephemeralOf, x963Kdf } from "../../../hw-sim/crypto/ecka.ts";

const curves = ["prime256v1", "brainpoolP256r1"] as const;

describe("AES-CMAC", () => {
  const key = fromHex("2b7e151628aed2a6abf7158809cf4f3c");
  const message =
    "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e5130c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710";
  it.each([
    [0, "bb1d6929e95937287fa37d129b756746"],
    [16, "070a16b46b4d4144f79bdd9dd04a287c"],
    [40, "dfa66747de9ae63030ca32611497c827"],
    [64, "51f0bebf7e3b9d92fc49741779363cfe"],
  ])("of %i octets is that of RFC 4493 §4", (length, mac) => {
    expect(toHex(aesCmac(key, fromHex(message.slice(0, length * 2))))).toBe(mac);
  });
});

describe("the X9.63 key derivation", () => {
  it("makes the key of NIST CAVP ANSX963 2001, SHA-256, no shared info", () => {
    const z = fromHex("96c05619d56c328ab95fe84b18264b08725b85e33fd34f08");
    expect(toHex(x963Kdf(z, new Uint8Array(0), 16))).toBe("443024c3dae66b95e6f5670601558f71");
  });

  it("makes the key of NIST CAVP ANSX963 2001, SHA-256, with shared info, several blocks", () => {
    const z = fromHex("22518b10e70f2a3f243810ae3254139efbee04aa57c7af7d");
    const key = x963Kdf(z, fromHex("75eef81aa3041e33b80971203d2c0c52"), 128);
    expect(toHex(key)).toBe(
      "c498af77161cc59f2962b9a713e2b215152d139766ce34a776df11866a69bf2e52a13d9c7c6fc878c50c5ea0bc7b00e0da2447cfd874f6cf92f30d0097111485500c90c3af8b487872d04685d14c8d1dc8d7fa08beb0ce0ababc11f0bd496269142d43525a78e5bc79a17f59676a5706dc54d54d4d1f0bd7e386128ec26afc21",
    );
  });
});

describe.each(curves)("key agreement on %s", (curve) => {
  it("gives both sides the same 32 octets, which are Node's own", () => {
    const own = createEphemeral(curve);
    const peer = createECDH(curve);
    peer.generateKeys();
    const z = own.agree(new Uint8Array(peer.getPublicKey()));
    expect(z).toHaveLength(32);
    expect(toHex(z).replace(/^(00)+/, "")).toBe(
      peer
        .computeSecret(own.publicPoint)
        .toString("hex")
        .replace(/^(00)+/, ""),
    );
  });

  it("gives the key pair back from its private value", () => {
    const own = createEphemeral(curve);
    expect(ephemeralOf(curve, own.privateValue).publicPoint).toEqual(own.publicPoint);
  });

  it("refuses a point that is not on the curve, compressed, or cut short", () => {
    const own = createEphemeral(curve);
    const offCurve = own.publicPoint.slice();
    offCurve[64] = (offCurve[64] ?? 0) ^ 1;
    for (const point of [offCurve, own.publicPoint.slice(0, 33), own.publicPoint.slice(0, 64), new Uint8Array(65)])
      expect(() => own.agree(point)).toThrow(expect.objectContaining({ code: "BPP_SECURITY" }));
  });
});

describe.each(curves)("ECDSA on %s", (curve) => {
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: curve });

  it("signs the parts as one message, in 64 octets that Node verifies", () => {
    const signature = ecdsaSign(privateKey, utf8("a"), utf8("bc"));
    expect(signature).toHaveLength(64);
    expect(verify("sha256", utf8("abc"), { key: publicKey, dsaEncoding: "ieee-p1363" }, signature)).toBe(true);
    expect(ecdsaVerify(publicKey, signature, utf8("ab"), utf8("c"))).toBe(true);
  });

  it("refuses another message, an altered signature, one in DER, and a key of another kind", () => {
    const signature = ecdsaSign(privateKey, utf8("abc"));
    const altered = signature.slice();
    altered[0] = (altered[0] ?? 0) ^ 1;
    expect(ecdsaVerify(publicKey, signature, utf8("abd"))).toBe(false);
    expect(ecdsaVerify(publicKey, altered, utf8("abc"))).toBe(false);
    expect(ecdsaVerify(publicKey, signature.slice(0, 63), utf8("abc"))).toBe(false);
    expect(ecdsaVerify(publicKey, new Uint8Array(64), utf8("abc"))).toBe(false);
    expect(ecdsaVerify(generateKeyPairSync("ed25519").publicKey, signature, utf8("abc"))).toBe(false);
  });

  it("names the curve, and reads the key back from its SubjectPublicKeyInfo", () => {
    expect(curveOf(publicKey)).toBe(curve);
    const spki = new Uint8Array(publicKey.export({ format: "der", type: "spki" }));
    expect(publicKeyOfSpki(spki).equals(publicKey)).toBe(true);
  });
});

describe("a key that RSP does not allow", () => {
  it("has no curve of ours, and no octets make none", () => {
    expect(curveOf(generateKeyPairSync("ec", { namedCurve: "secp384r1" }).publicKey)).toBeUndefined();
    expect(() => publicKeyOfSpki(fromHex("3000"))).toThrow(expect.objectContaining({ code: "CERTIFICATE" }));
  });
});
