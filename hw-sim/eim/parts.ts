// Parts of messages as the octets they came in: what was signed is stored and forwarded unchanged (SGP.32 §2.11).
import { childrenOf, onlyChildOf, rawOf, readOnlyTlv, type Tlv } from "../../ipa/asn1/tlv.ts";

/** The message's TLV, the inner one where a compiler wrote its tag twice: BFxx{BFxx{…}}. */
export function innermost(message: Uint8Array): Tlv {
  let tlv = readOnlyTlv(message);
  for (let child = onlyChildOf(tlv); child !== undefined && child.tag === tlv.tag; child = onlyChildOf(tlv)) tlv = child;
  return tlv;
}

/** The first part with that tag, whole; nothing when there is none. */
export function partOf(message: Uint8Array, tag: number): Uint8Array {
  const found = childrenOf(innermost(message)).find((child) => child.tag === tag);
  return found === undefined ? new Uint8Array(0) : rawOf(found);
}
