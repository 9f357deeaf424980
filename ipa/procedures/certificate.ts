// The two things an IPA looks at in a server's certificate: its OID and which CI key it leads to. The eUICC verifies it; this only saves the way.
import { X509Certificate } from "node:crypto";
import { fromHex } from "../../base/bytes.ts";
import { childrenOf, contentOf, isConstructed, readTlv, type Tlv } from "../asn1/tlv.ts";

/** registeredID of the subjectAltName: the SM-DP+ OID (SGP.22 §4.5.2). Undefined when there is none or the certificate cannot be read. */
export function registeredIdOf(certificate: Uint8Array): string | undefined {
  try {
    const names = new X509Certificate(certificate).subjectAltName ?? "";
    return /Registered ID:([0-9.]+)/.exec(names)?.[1];
  } catch {
    return undefined;
  }
}

/** 2.5.29.35 */
const authorityKeyIdentifier = fromHex("551D23");

/** keyIdentifier of the authorityKeyIdentifier extension (RFC 5280 §4.2.1.1). */
export function authorityKeyIdOf(certificate: Uint8Array): Uint8Array | undefined {
  try {
    return search(readTlv(certificate));
  } catch {
    return undefined;
  }
}

function search(tlv: Tlv): Uint8Array | undefined {
  if (!isConstructed(tlv.tag)) return undefined;
  const children = childrenOf(tlv);
  const [first] = children;
  if (first?.tag === 0x06 && Buffer.compare(contentOf(first), authorityKeyIdentifier) === 0) {
    const value = children.find((child) => child.tag === 0x04);
    const keyId = value === undefined ? undefined : childrenOf(readTlv(contentOf(value))).find((child) => child.tag === 0x80);
    return keyId === undefined ? undefined : contentOf(keyId).slice();
  }
  for (const child of children) {
    const found = search(child);
    if (found !== undefined) return found;
  }
  return undefined;
}
