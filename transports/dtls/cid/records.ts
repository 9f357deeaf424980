// Record protection at the level of octets: ordinary AEAD records (RFC 5246 §6.2.3.3, RFC 6347 §4.1.2.1) and tls12_cid ones (RFC 9146 §5). Pure.
// A sealed record keeps the epoch, sequence number and explicit nonce it is given; whoever gives them answers for their being used once.
import { type CipherGCMTypes, createCipheriv, createDecipheriv } from "node:crypto";
import { concatBytes, uintToBytes } from "../../../base/bytes.ts";
import { contentTypes, recordHeaderBytes } from "../records.ts";
import type { RecordKeys } from "./keys.ts";

/** What one protected record says, unprotected. */
export interface OpenRecord {
  /** Of the content; for a tls12_cid record the one inside. */
  readonly type: number;
  /** Version, epoch and sequence number: octets 1 to 10 of the header. */
  readonly numbering: Uint8Array;
  readonly explicitNonce: Uint8Array;
  readonly content: Uint8Array;
}

export const explicitNonceBytes = 8;
const numberingBytes = 10;
/** seq_num_placeholder */
const placeholder = new Uint8Array(8).fill(0xff);

/** As OpenSSL reads and writes it. */
export function sealPlain(keys: RecordKeys, { type, numbering, explicitNonce, content }: OpenRecord): Uint8Array {
  const aad = plainAad(type, numbering, content.length);
  const sealed = encrypt(keys, explicitNonce, aad, content);
  return concatBytes(Uint8Array.of(type), numbering, uint16Bytes(explicitNonceBytes + sealed.length), explicitNonce, sealed);
}

/** Undefined when it is not authentic. */
export function openPlain(keys: RecordKeys, record: Uint8Array): OpenRecord | undefined {
  const type = record[0] ?? 0;
  const numbering = record.slice(1, 1 + numberingBytes);
  const explicitNonce = record.slice(recordHeaderBytes, recordHeaderBytes + explicitNonceBytes);
  const sealed = record.subarray(recordHeaderBytes + explicitNonceBytes);
  const length = sealed.length - keys.aead.tagBytes;
  if (length < 0) return undefined;
  const content = decrypt(keys, explicitNonce, plainAad(type, numbering, length), sealed);
  return content && { type, numbering, explicitNonce, content };
}

/** A tls12_cid record for the peer that chose `cid`, without padding. */
export function sealCid(keys: RecordKeys, cid: Uint8Array, { type, numbering, explicitNonce, content }: OpenRecord): Uint8Array {
  const inner = concatBytes(content, Uint8Array.of(type));
  const sealed = encrypt(keys, explicitNonce, cidAad(numbering, cid, inner.length), inner);
  return concatBytes(
    Uint8Array.of(contentTypes.tls12Cid),
    numbering,
    cid,
    uint16Bytes(explicitNonceBytes + sealed.length),
    explicitNonce,
    sealed,
  );
}

/** A tls12_cid record whose CID is ours. Undefined when it is not authentic, or holds nothing but padding. */
export function openCid(keys: RecordKeys, cid: Uint8Array, record: Uint8Array): OpenRecord | undefined {
  const bodyAt = recordHeaderBytes + cid.length;
  const numbering = record.slice(1, 1 + numberingBytes);
  const explicitNonce = record.slice(bodyAt, bodyAt + explicitNonceBytes);
  const sealed = record.subarray(bodyAt + explicitNonceBytes);
  const length = sealed.length - keys.aead.tagBytes;
  // One octet at least: the type.
  if (length < 1) return undefined;
  const inner = decrypt(keys, explicitNonce, cidAad(numbering, cid, length), sealed);
  if (inner === undefined) return undefined;
  const typeAt = inner.findLastIndex((octet) => octet !== 0);
  return typeAt < 0 ? undefined : { type: inner[typeAt] ?? 0, numbering, explicitNonce, content: inner.subarray(0, typeAt) };
}

function plainAad(type: number, numbering: Uint8Array, length: number): Uint8Array {
  return concatBytes(numbering.subarray(2), Uint8Array.of(type), numbering.subarray(0, 2), uint16Bytes(length));
}

function cidAad(numbering: Uint8Array, cid: Uint8Array, innerLength: number): Uint8Array {
  const type = contentTypes.tls12Cid;
  return concatBytes(placeholder, Uint8Array.of(type, cid.length, type), numbering, cid, uint16Bytes(innerLength));
}

function encrypt({ aead, key, salt }: RecordKeys, explicitNonce: Uint8Array, aad: Uint8Array, plaintext: Uint8Array): Uint8Array {
  const nonce = concatBytes(salt, explicitNonce);
  // CCM must be told the length beforehand; GCM does not mind.
  const cipher = createCipheriv(aead.cipher as CipherGCMTypes, key, nonce, { authTagLength: aead.tagBytes });
  cipher.setAAD(aad, { plaintextLength: plaintext.length });
  return concatBytes(cipher.update(plaintext), cipher.final(), cipher.getAuthTag());
}

function decrypt({ aead, key, salt }: RecordKeys, explicitNonce: Uint8Array, aad: Uint8Array, sealed: Uint8Array): Uint8Array | undefined {
  const length = sealed.length - aead.tagBytes;
  const decipher = createDecipheriv(aead.cipher as CipherGCMTypes, key, concatBytes(salt, explicitNonce), {
    authTagLength: aead.tagBytes,
  });
  decipher.setAuthTag(sealed.subarray(length));
  decipher.setAAD(aad, { plaintextLength: length });
  try {
    const plaintext = decipher.update(sealed.subarray(0, length));
    return new Uint8Array(concatBytes(plaintext, decipher.final()));
  } catch {
    return undefined;
  }
}

function uint16Bytes(value: number): Uint8Array {
  return uintToBytes(value, 2);
}
