// Checks a signature as a server in the field must: r and s one after the other, or the DER form that few cards send.
import { type KeyObject, verify } from "node:crypto";
import { concatBytes } from "../../base/bytes.ts";
import { ecdsaSignatureBytes, ecdsaVerify } from "../crypto/ecdsa.ts";

/** Whether it signs the parts, one after the other. False, never an error, for octets that are no signature. */
export function verifyTolerantly(publicKey: KeyObject, signature: Uint8Array, ...parts: readonly Uint8Array[]): boolean {
  if (signature.length === ecdsaSignatureBytes) return ecdsaVerify(publicKey, signature, ...parts);
  return verify("sha256", concatBytes(...parts), { key: publicKey, dsaEncoding: "der" }, signature);
}
