// AES-CMAC (RFC 4493, NIST SP 800-38B) with a key of 128 bits.
// Node has no CMAC of its own: this is CBC over the message with its last block masked by a subkey.
import { createCipheriv } from "node:crypto";

const blockBytes = 16;

/** 16 octets. */
export function aesCmac(key: Uint8Array, message: Uint8Array): Uint8Array {
  const complete = message.length > 0 && message.length % blockBytes === 0;
  const k1 = doubled(cbc(key, new Uint8Array(blockBytes)));
  const subkey = complete ? k1 : doubled(k1);
  const padded = new Uint8Array(complete ? message.length : (Math.floor(message.length / blockBytes) + 1) * blockBytes);
  padded.set(message);
  if (!complete) padded[message.length] = 0x80;
  const last = padded.length - blockBytes;
  for (let i = 0; i < blockBytes; i++) padded[last + i] = (padded[last + i] ?? 0) ^ (subkey[i] ?? 0);
  return cbc(key, padded).slice(-blockBytes);
}

function cbc(key: Uint8Array, blocks: Uint8Array): Uint8Array {
  const cipher = createCipheriv("aes-128-cbc", key, new Uint8Array(blockBytes));
  cipher.setAutoPadding(false);
  return new Uint8Array(cipher.update(blocks));
}

/** Multiplication by x in GF(2^128). */
function doubled(block: Uint8Array): Uint8Array {
  const out = block.map((octet, i) => ((octet << 1) | ((block[i + 1] ?? 0) >> 7)) & 0xff);
  if ((block[0] ?? 0) & 0x80) out[blockBytes - 1] = (out[blockBytes - 1] ?? 0) ^ 0x87;
  return out;
}
