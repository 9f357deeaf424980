// Structures of X.509 inside messages: certificates, keys and revocation lists are carried as their own DER, never taken apart.
import { childrenAt, fail, failToWrite, wholeTlv } from "./refuse.ts";
import type { Shape, Type } from "./schema.ts";
import { onlyChildOf, rawOf, readOnlyTlv, type Tlv } from "./tlv.ts";

export type EmbeddedKind = "Certificate" | "SubjectPublicKeyInfo" | "CertificateList";

/** The tags of their parts, which tell one from the other. */
const embeddedParts: Readonly<Record<EmbeddedKind, readonly number[]>> = {
  Certificate: [0x30, 0x30, 0x03],
  SubjectPublicKeyInfo: [0x30, 0x03],
  CertificateList: [0x30, 0x30, 0x03],
};

/**
 * A structure of X.509 (RFC 5280), carried as the octets of its ordinary DER, which begin with 30, whatever tag it travels under.
 * Under a context tag some peers nest the 30 inside instead of replacing it; both are read.
 */
export function embedded(what: EmbeddedKind, tag = 0x30): Type<Uint8Array> {
  const shape: Shape = { kind: "embedded", what };
  return {
    tags: [tag],
    shape,
    read: (tlv, context) => {
      const inner = tlv.tag === 0x30 ? undefined : onlyChildOf(tlv);
      const nested = inner?.tag === 0x30;
      const structure = nested ? inner : tlv;
      if (!isStructure(what, structure, context.path)) fail("ASN1_VALUE", context.path, tlv.start, `this is no ${what}`);
      const value = swapTag(rawOf(structure), 0x30);
      context.visit?.({ path: context.path, tlv, shape, value, ...(nested ? { note: "nested 30" } : {}) });
      return value;
    },
    write: (value, { path }) => {
      const tlv = readOnlyTlv(wholeTlv(value, path));
      if (tlv.tag !== 0x30 || !isStructure(what, tlv, path)) failToWrite(path, `this is no ${what}`);
      return swapTag(value, tag);
    },
  };
}

/** Whether the parts are those of that structure, whatever the tag around them. */
export function isStructure(what: EmbeddedKind, tlv: Tlv, path: readonly string[]): boolean {
  const wanted = embeddedParts[what];
  const parts = childrenAt(tlv, path);
  return parts.length === wanted.length && parts.every(({ tag }, index) => tag === wanted[index]);
}

function swapTag(raw: Uint8Array, tag: number): Uint8Array {
  // A copy: `slice` of a Buffer is a view, and the octets of the caller would change.
  const out = new Uint8Array(raw);
  out[0] = tag;
  return out;
}
