// Some ASN.1 compilers write a tagged CHOICE that is tagged again twice: BFxx{BFxx{…}}. Where octets are forwarded, the inner one is meant.
import { onlyChildOf, type Tlv } from "../asn1/tlv.ts";

/** The innermost TLV of the same two-octet tag that fills its holder wholly. */
export function collapsed(tlv: Tlv): Tlv {
  let out = tlv;
  for (let child = onlyChildOf(out); child !== undefined && child.tag === out.tag && out.tag > 0xff; child = onlyChildOf(out)) out = child;
  return out;
}
