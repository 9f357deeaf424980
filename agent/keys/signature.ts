// Signatures of the fleet: Ed25519, or ECDSA with P-256 and SHA-256 (DER); and the octets that are signed, which no two contents share.
import { createHash, createPublicKey, type KeyObject, verify } from "node:crypto";
import { concatBytes, toHex, uintToBytes, utf8 } from "../../base/bytes.ts";
import { reasonOf, SimwardError } from "../../base/errors.ts";

/** A key that simward takes signatures of. */
export interface VerifyingKey {
  readonly key: KeyObject;
  /** SHA-256, hex, of its SubjectPublicKeyInfo in DER. */
  readonly fingerprint: string;
}

/** From SubjectPublicKeyInfo: PEM text, or DER. Throws KEYRING_INVALID, naming `what`. */
export function verifyingKey(spki: string | Uint8Array, what: string): VerifyingKey {
  let key: KeyObject;
  try {
    // A private key would be taken too, and its public half used; whoever gives one has made a mistake.
    if (typeof spki === "string" && !spki.includes("-----BEGIN PUBLIC KEY-----")) throw new Error("it is no PEM of a public key");
    key = createPublicKey(typeof spki === "string" ? spki : { key: Buffer.from(spki), format: "der", type: "spki" });
  } catch (error) {
    throw new SimwardError("KEYRING_INVALID", { detail: `${what}: ${reasonOf(error)}`, cause: error });
  }
  const { asymmetricKeyType: type, asymmetricKeyDetails: details } = key;
  if (type !== "ed25519" && !(type === "ec" && details?.namedCurve === "prime256v1"))
    throw new SimwardError("KEYRING_INVALID", { detail: `${what}: ${details?.namedCurve ?? type} is neither Ed25519 nor P-256` });
  const der = key.export({ format: "der", type: "spki" });
  return { key, fingerprint: toHex(new Uint8Array(createHash("sha256").update(der).digest())) };
}

/** Every public key of a PEM file. Throws KEYRING_INVALID; when there is none, too. */
export function verifyingKeys(pem: string, what: string): readonly VerifyingKey[] {
  const found = pem.match(/-----BEGIN PUBLIC KEY-----[\s\S]*?-----END PUBLIC KEY-----/g) ?? [];
  if (found.length === 0) throw new SimwardError("KEYRING_INVALID", { detail: `${what}: there is no PEM of a public key in it` });
  return found.map((one, at) => verifyingKey(one, `${what}, key ${at + 1}`));
}

/** A signature that is none of this key's kind is not valid; nothing is thrown. */
export function isSignedBy({ key }: VerifyingKey, message: Uint8Array, signature: Uint8Array): boolean {
  try {
    return verify(key.asymmetricKeyType === "ed25519" ? null : "sha256", message, key, signature);
  } catch {
    return false;
  }
}

/** Each field behind its length in two octets, big-endian: fields that run into each other are told apart. Text is UTF-8. */
export function lengthPrefixed(fields: readonly (string | Uint8Array)[]): Uint8Array {
  const parts = fields.map((field) => (typeof field === "string" ? utf8(field) : field));
  return concatBytes(...parts.flatMap((part) => [uintToBytes(part.length, 2), part]));
}
