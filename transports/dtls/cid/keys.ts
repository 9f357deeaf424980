// The record protection keys of a TLS 1.2 session (RFC 5246 §6.3), derived again beside OpenSSL, which does not give them out.
// Only AEAD suites are here; RFC 9146 knows the others too, but none of them is ever offered.
import { createHmac } from "node:crypto";
import { concatBytes, utf8 } from "../../../base/bytes.ts";
import type { DtlsCipherSuite } from "../types.ts";

export interface AeadFacts {
  readonly cipher: "aes-128-gcm" | "aes-256-gcm" | "aes-128-ccm";
  readonly keyBytes: number;
  readonly tagBytes: number;
  readonly hash: "sha256" | "sha384";
}

const aes128Gcm: AeadFacts = { cipher: "aes-128-gcm", keyBytes: 16, tagBytes: 16, hash: "sha256" };
const aes128Ccm8: AeadFacts = { cipher: "aes-128-ccm", keyBytes: 16, tagBytes: 8, hash: "sha256" };

/** By OpenSSL's name (RFC 5288, RFC 5289, RFC 5487, RFC 6655, RFC 7251). */
export const aeadOf: Readonly<Record<DtlsCipherSuite, AeadFacts>> = {
  "ECDHE-ECDSA-AES128-GCM-SHA256": aes128Gcm,
  "ECDHE-ECDSA-AES256-GCM-SHA384": { cipher: "aes-256-gcm", keyBytes: 32, tagBytes: 16, hash: "sha384" },
  "ECDHE-ECDSA-AES128-CCM8": aes128Ccm8,
  "PSK-AES128-GCM-SHA256": aes128Gcm,
  "PSK-AES128-CCM8": aes128Ccm8,
};

/** Undefined for a suite that is not of ours. */
export function aeadOfSuite(name: string): AeadFacts | undefined {
  return Object.hasOwn(aeadOf, name) ? aeadOf[name as DtlsCipherSuite] : undefined;
}

/** One direction of an association. */
export interface RecordKeys {
  readonly aead: AeadFacts;
  readonly key: Uint8Array;
  /** The implicit part of the nonce, 4 octets (RFC 5288 §3). */
  readonly salt: Uint8Array;
}

export interface SessionSecrets {
  readonly masterSecret: Uint8Array;
  readonly clientRandom: Uint8Array;
  readonly serverRandom: Uint8Array;
}

export const saltBytes = 4;

/** AEAD suites take no MAC keys from the key block. */
export function deriveKeys(aead: AeadFacts, secrets: SessionSecrets): { readonly client: RecordKeys; readonly server: RecordKeys } {
  const seed = concatBytes(secrets.serverRandom, secrets.clientRandom);
  const block = prf(aead.hash, secrets.masterSecret, "key expansion", seed, 2 * (aead.keyBytes + saltBytes));
  const side = (index: 0 | 1): RecordKeys => {
    const keyAt = index * aead.keyBytes;
    const saltAt = 2 * aead.keyBytes + index * saltBytes;
    return { aead, key: block.slice(keyAt, keyAt + aead.keyBytes), salt: block.slice(saltAt, saltAt + saltBytes) };
  };
  const keys = { client: side(0), server: side(1) };
  block.fill(0);
  return keys;
}

/** The pseudorandom function of TLS 1.2 (RFC 5246 §5). */
export function prf(hash: AeadFacts["hash"], secret: Uint8Array, label: string, seed: Uint8Array, length: number): Uint8Array {
  const hmac = (data: Uint8Array): Uint8Array => createHmac(hash, secret).update(data).digest();
  const labelled = concatBytes(utf8(label), seed);
  const out = new Uint8Array(length);
  let a: Uint8Array = labelled;
  for (let at = 0; at < length; ) {
    a = hmac(a);
    const part = hmac(concatBytes(a, labelled)).subarray(0, length - at);
    out.set(part, at);
    at += part.length;
  }
  return out;
}
