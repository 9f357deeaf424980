// The key ring as a document: which keys of the fleet are good for what, signed by the offline root. docs/policy.md says how one is made.
import {
  array,
  integer,
  isoDate,
  literal,
  maxLength,
  minValue,
  number,
  optional,
  parse,
  picklist,
  pipe,
  regex,
  strictObject,
  string,
} from "valibot";
import { fromUtf8 } from "../../base/bytes.ts";
import { reasonOf, SimwardError } from "../../base/errors.ts";
import { isSignedBy, type VerifyingKey, verifyingKey } from "./signature.ts";

/** unlock: tokens of the IMEI lock. commands: orders to this vehicle. policy: rule files. A key is good for one of them only. */
export const keyPurposes = ["unlock", "commands", "policy"] as const;
export type KeyPurpose = (typeof keyPurposes)[number];

const id = pipe(string(), regex(/^[A-Za-z0-9._-]{1,64}$/, "must be 1 to 64 letters, digits, dots, hyphens"));
const fingerprint = pipe(string(), regex(/^[0-9a-f]{64}$/, "must be the SHA-256 of a SubjectPublicKeyInfo, 64 hex digits"));

const schema = strictObject({
  schema: literal("simward/keyring/1"),
  /** Counts up with each ring that the root signs. */
  version: pipe(number(), integer(), minValue(1)),
  issued: pipe(string(), isoDate()),
  note: optional(pipe(string(), maxLength(500))),
  keys: pipe(
    array(
      strictObject({
        id,
        purpose: picklist(keyPurposes),
        /** SubjectPublicKeyInfo, DER, base64. */
        publicKey: pipe(string(), regex(/^[A-Za-z0-9+/]+={0,2}$/, "must be base64"), maxLength(1_000)),
      }),
    ),
    maxLength(100),
  ),
  /** Fingerprints of keys that must never be believed again, in this ring or a later one. */
  revoked: optional(pipe(array(fingerprint), maxLength(1_000)), []),
});

export interface RingKey extends VerifyingKey {
  readonly id: string;
  readonly purpose: KeyPurpose;
}

export interface KeyRingDocument {
  readonly version: number;
  readonly issued: string;
  readonly note: string | undefined;
  readonly keys: readonly RingKey[];
  readonly revoked: readonly string[];
}

const invalid = (detail: string, cause?: unknown): SimwardError => new SimwardError("KEYRING_INVALID", { detail, cause });

/** Judges the octets as they are; nothing is looked at before the root's signature holds. Throws KEYRING_INVALID. */
export function readKeyRing(content: Uint8Array, signature: Uint8Array, roots: readonly VerifyingKey[]): KeyRingDocument {
  if (!roots.some((root) => isSignedBy(root, content, signature))) throw invalid("it is not signed by the root key");
  let raw: ReturnType<typeof parseRing>;
  try {
    raw = parseRing(content);
  } catch (error) {
    throw invalid(reasonOf(error), error);
  }
  const keys = raw.keys.map(({ id, purpose, publicKey }): RingKey => {
    const known = verifyingKey(new Uint8Array(Buffer.from(publicKey, "base64")), `key ${id}`);
    if (raw.revoked.includes(known.fingerprint)) throw invalid(`key ${id} is both given and revoked`);
    return { ...known, id, purpose };
  });
  if (new Set(keys.map((key) => key.id)).size < keys.length) throw invalid("it names a key twice");
  if (new Set(keys.map((key) => key.fingerprint)).size < keys.length) throw invalid("it gives one key two names, or two purposes");
  return { version: raw.version, issued: raw.issued, note: raw.note, keys, revoked: raw.revoked };
}

function parseRing(content: Uint8Array) {
  return parse(schema, JSON.parse(fromUtf8(content)));
}
