// Key agreement of SGP.22 §2.6.5 (BSI TR-03111 ECKA, cofactor 1) and the key derivation of ANSI X9.63 with SHA-256 that follows it.
// What comes out are the session keys of the Bound Profile Package.
import { createECDH, createHash } from "node:crypto";
import { concatBytes, uintToBytes } from "../../base/bytes.ts";
import { SimwardError } from "../../base/errors.ts";
import type { BspKeys } from "./bsp.ts";
import type { Curve } from "./ecdsa.ts";

/** A one-time key pair. */
export interface EphemeralKey {
  readonly curve: Curve;
  /** Uncompressed point, 65 octets: 04, X, Y. */
  readonly publicPoint: Uint8Array;
  /** 32 octets; a secret. */
  readonly privateValue: Uint8Array;
  /** X coordinate of the shared point, 32 octets. Throws BPP_SECURITY when the other side's octets are no point of the curve. */
  agree(peerPoint: Uint8Array): Uint8Array;
}

export function createEphemeral(curve: Curve): EphemeralKey {
  const ecdh = createECDH(curve);
  ecdh.generateKeys();
  return ephemeralOf(curve, padded(ecdh.getPrivateKey()));
}

export function ephemeralOf(curve: Curve, privateValue: Uint8Array): EphemeralKey {
  const ecdh = createECDH(curve);
  ecdh.setPrivateKey(privateValue);
  return {
    curve,
    publicPoint: new Uint8Array(ecdh.getPublicKey()),
    privateValue,
    agree: (peerPoint) => {
      if (peerPoint.length !== 65 || peerPoint[0] !== 0x04)
        throw new SimwardError("BPP_SECURITY", { detail: `a public point of ${peerPoint.length} octets, expected 65 that begin with 04` });
      try {
        return padded(ecdh.computeSecret(peerPoint));
      } catch (error) {
        throw new SimwardError("BPP_SECURITY", { detail: `the public point is not on ${curve}`, cause: error });
      }
    },
  };
}

/** ANSI X9.63 KDF with SHA-256. */
export function x963Kdf(z: Uint8Array, sharedInfo: Uint8Array, length: number): Uint8Array {
  const blocks: Uint8Array[] = [];
  for (let counter = 1; (counter - 1) * 32 < length; counter++)
    blocks.push(createHash("sha256").update(z).update(uintToBytes(counter, 4)).update(sharedInfo).digest());
  return concatBytes(...blocks).slice(0, length);
}

/** keyType AES, keyLength 16, then hostId and EID each with its length (SGP.22 §2.6.5). */
export function bspSharedInfo(hostId: Uint8Array, eid: Uint8Array): Uint8Array {
  return concatBytes(Uint8Array.of(0x88, 0x10, hostId.length), hostId, Uint8Array.of(eid.length), eid);
}

/** Initial MAC chaining value, S-ENC and S-MAC. */
export function deriveBspKeys(z: Uint8Array, hostId: Uint8Array, eid: Uint8Array): BspKeys {
  const keys = x963Kdf(z, bspSharedInfo(hostId, eid), 48);
  return { macChainingValue: keys.slice(0, 16), encryptionKey: keys.slice(16, 32), macKey: keys.slice(32, 48) };
}

/** Node leaves out leading zeros. */
function padded(value: Uint8Array): Uint8Array {
  return concatBytes(new Uint8Array(32 - value.length), value);
}
