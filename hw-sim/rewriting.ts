// Messages written as some peers in the field write them: parts of a TLV made anew, the rest octet for octet as it was.
import { childrenOf, rawOf, readTlv, type Tlv, writeTlv } from "../ipa/asn1/tlv.ts";

/** The TLV with each part at the end of that path of tags, its own first, made anew. */
export function rebuilt(tlv: Uint8Array, path: readonly number[], remake: (child: Tlv) => Uint8Array): Uint8Array {
  const [, ...rest] = path;
  const read = readTlv(tlv);
  return writeTlv(
    read.tag,
    ...childrenOf(read).map((child) => {
      if (rest.length === 0) return remake(child);
      return child.tag === rest[0] ? rebuilt(rawOf(child), rest, remake) : rawOf(child);
    }),
  );
}
