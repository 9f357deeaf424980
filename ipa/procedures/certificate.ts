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

/** 2.5.29.14 */
const subjectKeyIdentifier = fromHex("551D0E");

/** The subjectKeyIdentifier extension (RFC 5280 §4.2.1.2). */
export function subjectKeyIdOf(certificate: Uint8Array): Uint8Array | undefined {
  try {
    const value = extensionIn(readTlv(certificate), subjectKeyIdentifier);
    return value === undefined ? undefined : contentOf(readTlv(value)).slice();
  } catch {
    return undefined;
  }
}

/** 2.5.29.35 */
const authorityKeyIdentifier = fromHex("551D23");

/** keyIdentifier of the authorityKeyIdentifier extension (RFC 5280 §4.2.1.1). */
export function authorityKeyIdOf(certificate: Uint8Array): Uint8Array | undefined {
  try {
    const value = extensionIn(readTlv(certificate), authorityKeyIdentifier);
    const keyId = value === undefined ? undefined : childrenOf(readTlv(value)).find((child) => child.tag === 0x80);
    return keyId === undefined ? undefined : contentOf(keyId).slice();
  } catch {
    return undefined;
  }
}

/** extnValue of an extension: the octets inside its OCTET STRING. */
function extensionIn(tlv: Tlv, oid: Uint8Array): Uint8Array | undefined {
  if (!isConstructed(tlv.tag)) return undefined;
  const children = childrenOf(tlv);
  const [first] = children;
  if (first?.tag === 0x06 && Buffer.compare(contentOf(first), oid) === 0) {
    const value = children.find((child) => child.tag === 0x04);
    return value === undefined ? undefined : contentOf(value);
  }
  for (const child of children) {
    const found = extensionIn(child, oid);
    if (found !== undefined) return found;
  }
  return undefined;
}
