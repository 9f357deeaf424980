// Makes an input whose end is missing readable up to that end: the lengths of what is cut off are shortened where they stand, so offsets stay true.
import { isConstructed } from "./tlv.ts";

interface Open {
  readonly lengthAt: number;
  readonly lengthOctets: number;
  readonly contentStart: number;
}

/** Undefined where nothing is cut off, or not even the first header is whole. */
export function shortened(bytes: Uint8Array): Uint8Array | undefined {
  const open: Open[] = [];
  let cutAt = bytes.length;
  for (let at = 0; at < bytes.length; ) {
    const header = headerAt(bytes, at);
    if (header === undefined) {
      cutAt = at;
      break;
    }
    if (header.length <= bytes.length - header.contentStart) {
      at = header.contentStart + header.length;
      continue;
    }
    open.push(header);
    if (!isConstructed(header.tag)) break;
    at = header.contentStart;
  }
  if (open.length === 0) return undefined;
  const out = new Uint8Array(bytes.subarray(0, cutAt));
  for (const { lengthAt, lengthOctets, contentStart } of open) {
    let rest = Math.max(0, cutAt - contentStart);
    if (lengthOctets === 1) out[lengthAt] = rest;
    else
      for (let octet = lengthOctets - 1; octet >= 1; octet--) {
        out[lengthAt + octet] = rest % 256;
        rest = Math.floor(rest / 256);
      }
  }
  return out;
}

function headerAt(bytes: Uint8Array, start: number): (Open & { readonly tag: number; readonly length: number }) | undefined {
  let at = start;
  let tag = bytes[at++] ?? 0;
  if ((tag & 0x1f) === 0x1f) {
    for (let more = true; more; ) {
      const octet = bytes[at++];
      if (octet === undefined || at - start > 4) return undefined;
      tag = tag * 256 + octet;
      more = (octet & 0x80) !== 0;
    }
  }
  const lengthAt = at;
  const first = bytes[at++];
  if (first === undefined || first === 0x80 || first > 0x88) return undefined;
  let length = first;
  if (first > 0x80) {
    length = 0;
    for (let i = 0; i < first - 0x80; i++) {
      const octet = bytes[at++];
      if (octet === undefined) return undefined;
      length = length * 256 + octet;
    }
  }
  return { tag, length, lengthAt, lengthOctets: at - lengthAt, contentStart: at };
}
