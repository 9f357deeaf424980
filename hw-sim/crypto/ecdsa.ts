// ECDSA with SHA-256 as SGP.22 §2.6.7 writes it: r and s of 32 octets each, one after the other (BSI TR-03111 §5.2.1).
// Over P-256 and brainpoolP256r1.
import { createPublicKey, type KeyObject, sign, verify } from "node:crypto";
import { concatBytes } from "../../base/bytes.ts";
import { SimwardError } from "../../base/errors.ts";
import { writeTlv } from "../../ipa/asn1/tlv.ts";

export type Curve = "prime256v1" | "brainpoolP256r1";

export const ecdsaSignatureBytes = 64;

/** 64 octets, over the parts one after the other. */
export function ecdsaSign(privateKey: KeyObject, ...parts: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(sign("sha256", concatBytes(...parts), { key: privateKey, dsaEncoding: "ieee-p1363" }));
}

/** Whether those 64 octets sign the parts. False, never an error, for a signature of another length or a key of another kind. */
export function ecdsaVerify(publicKey: KeyObject, signature: Uint8Array, ...parts: readonly Uint8Array[]): boolean {
  if (signature.length !== ecdsaSignatureBytes || curveOf(publicKey) === undefined) return false;
  return verify("sha256", concatBytes(...parts), { key: publicKey, dsaEncoding: "ieee-p1363" }, signature);
}

/** The same signature as Ecdsa-Sig-Value (RFC 3279 §2.2.3), which a few peers send in its place. */
export function inDer(signature: Uint8Array): Uint8Array {
  const half = ecdsaSignatureBytes / 2;
  return writeTlv(0x30, ...[signature.subarray(0, half), signature.subarray(half)].map(positiveInteger));
}

function positiveInteger(octets: Uint8Array): Uint8Array {
  const from = octets.findIndex((octet) => octet !== 0);
  const digits = octets.subarray(from < 0 ? octets.length - 1 : from);
  return writeTlv(0x02, ...((digits[0] ?? 0) >= 0x80 ? [Uint8Array.of(0)] : []), digits);
}

/** The curve of an EC key, where it is one that RSP allows. */
export function curveOf(key: KeyObject): Curve | undefined {
  const name = key.asymmetricKeyType === "ec" ? key.asymmetricKeyDetails?.namedCurve : undefined;
  return name === "prime256v1" || name === "brainpoolP256r1" ? name : undefined;
}

/** The key in a SubjectPublicKeyInfo (RFC 5280 §4.1.2.7). Throws CERTIFICATE. */
export function publicKeyOfSpki(der: Uint8Array): KeyObject {
  try {
    return createPublicKey({ key: Buffer.from(der), format: "der", type: "spki" });
  } catch (error) {
    throw new SimwardError("CERTIFICATE", { detail: "SubjectPublicKeyInfo holds no usable key", cause: error });
  }
}
