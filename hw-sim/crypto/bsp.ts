// BPP Security Protocol (SGP.22 §2.6.4, after GlobalPlatform SCP03t): protects the TLVs of a Bound Profile Package, and takes the
// protection off again. One object is one direction with one key set; both sides count every TLV.
import { createCipheriv, createDecipheriv, timingSafeEqual } from "node:crypto";
import { concatBytes, uintToBytes } from "../../base/bytes.ts";
import { SimwardError } from "../../base/errors.ts";
import { contentOf, lengthOctets, readOnlyTlv, tagName, tagOctets } from "../../ipa/asn1/tlv.ts";
import { aesCmac } from "./cmac.ts";

export interface BspKeys {
  /** 16 octets each. */
  readonly macChainingValue: Uint8Array;
  readonly encryptionKey: Uint8Array;
  readonly macKey: Uint8Array;
}

/** 86 and 87 are encrypted and MACed, 88 is MACed only. */
export type BspTag = 0x86 | 0x87 | 0x88;

/** A whole protected TLV is at most this long (SGP.22 §2.5.5). */
export const maxSegmentBytes = 1020;
const macBytes = 8;
const blockBytes = 16;

/** How much plaintext a segment of that tag can carry. */
export function maxPlaintextBytes(tag: BspTag): number {
  const data = maxSegmentBytes - 1 - 3 - macBytes;
  // Padding takes at least one octet of the last block.
  return tag === 0x88 ? data : Math.floor(data / blockBytes) * blockBytes - 1;
}

export class Bsp {
  readonly #encryptionKey: Uint8Array;
  readonly #macKey: Uint8Array;
  #macChainingValue: Uint8Array;
  #counter = 0;

  constructor(keys: BspKeys) {
    for (const [name, key] of Object.entries(keys))
      if (key.length !== blockBytes) throw new SimwardError("BPP_SECURITY", { detail: `${name} has ${key.length} octets, expected 16` });
    this.#encryptionKey = keys.encryptionKey;
    this.#macKey = keys.macKey;
    this.#macChainingValue = keys.macChainingValue;
  }

  /** The protected TLV. */
  protect(tag: BspTag, plaintext: Uint8Array): Uint8Array {
    this.#counter++;
    const data = tag === 0x88 ? plaintext : this.#encrypt(plaintext);
    const headed = concatBytes(tagOctets(tag), lengthOctets(data.length + macBytes), data);
    return concatBytes(headed, this.#mac(headed));
  }

  /** As many protected TLVs as the plaintext needs. */
  protectAll(tag: BspTag, plaintext: Uint8Array): Uint8Array[] {
    const out: Uint8Array[] = [];
    const size = maxPlaintextBytes(tag);
    for (let at = 0; at < plaintext.length || at === 0; at += size) out.push(this.protect(tag, plaintext.subarray(at, at + size)));
    return out;
  }

  /**
   * The plaintext of a protected TLV; the MAC is checked before anything is decrypted.
   * Throws BPP_SECURITY with `data.kind` "structure" or "security". After that the key set is of no more use.
   */
  unprotect(segment: Uint8Array): { readonly tag: BspTag; readonly plaintext: Uint8Array } {
    const tlv = readSegment(segment);
    const { tag } = tlv;
    if (tag !== 0x86 && tag !== 0x87 && tag !== 0x88) throw refused("structure", `${tagName(tag)} is no tag of a segment`);
    const content = contentOf(tlv);
    const dataBytes = content.length - macBytes;
    if (dataBytes < 0 || (tag !== 0x88 && (dataBytes === 0 || dataBytes % blockBytes !== 0)))
      throw refused("structure", `${tagName(tag)} carries ${content.length} octets`);
    this.#counter++;
    const mac = this.#mac(segment.subarray(0, segment.length - macBytes));
    if (!timingSafeEqual(mac, content.subarray(dataBytes))) throw refused("security", `MAC of TLV ${this.#counter} (${tagName(tag)})`);
    const data = content.slice(0, dataBytes);
    return { tag, plaintext: tag === 0x88 ? data : this.#decrypt(data) };
  }

  /** Over chaining value, tag, length and data; the whole MAC is the next chaining value, its first 8 octets are sent. */
  #mac(headed: Uint8Array): Uint8Array {
    this.#macChainingValue = aesCmac(this.#macKey, concatBytes(this.#macChainingValue, headed));
    return this.#macChainingValue.slice(0, macBytes);
  }

  /** The initial chaining vector is the counter, encrypted. */
  #icv(): Uint8Array {
    const cipher = createCipheriv("aes-128-ecb", this.#encryptionKey, null);
    cipher.setAutoPadding(false);
    return new Uint8Array(cipher.update(uintToBytes(this.#counter, blockBytes)));
  }

  #encrypt(plaintext: Uint8Array): Uint8Array {
    const padded = new Uint8Array((Math.floor(plaintext.length / blockBytes) + 1) * blockBytes);
    padded.set(plaintext);
    padded[plaintext.length] = 0x80;
    const cipher = createCipheriv("aes-128-cbc", this.#encryptionKey, this.#icv());
    cipher.setAutoPadding(false);
    return new Uint8Array(cipher.update(padded));
  }

  #decrypt(data: Uint8Array): Uint8Array {
    const decipher = createDecipheriv("aes-128-cbc", this.#encryptionKey, this.#icv());
    decipher.setAutoPadding(false);
    const padded = new Uint8Array(decipher.update(data));
    let end = padded.length - 1;
    while (end >= 0 && padded[end] === 0) end--;
    if (end < padded.length - blockBytes || padded[end] !== 0x80) throw refused("security", `padding of TLV ${this.#counter}`);
    return padded.slice(0, end);
  }
}

function readSegment(segment: Uint8Array) {
  try {
    return readOnlyTlv(segment);
  } catch (error) {
    throw new SimwardError("BPP_SECURITY", { detail: "not one TLV", cause: error, data: { kind: "structure" } });
  }
}

function refused(kind: "structure" | "security", detail: string): SimwardError {
  return new SimwardError("BPP_SECURITY", { detail, data: { kind } });
}
