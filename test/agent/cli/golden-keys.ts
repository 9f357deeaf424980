// A fleet's keys for the golden runs, made at run time: the offline root, its ring, and what the keys of the ring sign.
import { generateKeyPairSync, type KeyObject, sign } from "node:crypto";
import { defaultRoamingRules } from "../../../agent/roaming/default-rules.ts";
import { fromHex } from "../../../base/bytes.ts";

const root = generateKeyPairSync("ed25519");
const keys = {
  unlock: generateKeyPairSync("ed25519"),
  commands: generateKeyPairSync("ed25519"),
  policy: generateKeyPairSync("ed25519"),
} as const;

export const rootKeys = root.publicKey.export({ format: "pem", type: "spki" }).toString();

const signed = (text: string, key: KeyObject): Buffer => sign(null, Buffer.from(text), key);

export interface Signed {
  readonly text: string;
  readonly signature: Buffer;
}

export function keyRing(): Signed {
  const text = JSON.stringify({
    schema: "simward/keyring/1",
    version: 1,
    issued: "2026-05-01",
    note: "first ring",
    keys: Object.entries(keys).map(([purpose, { publicKey }]) => ({
      id: `fleet-${purpose}`,
      purpose,
      publicKey: publicKey.export({ format: "der", type: "spki" }).toString("base64"),
    })),
  });
  return { text, signature: signed(text, root.privateKey) };
}

export function roamingRules(): Signed {
  const text = JSON.stringify({ ...defaultRoamingRules, version: defaultRoamingRules.version + 1, issued: "2026-05-15" });
  return { text, signature: signed(text, keys.policy.privateKey) };
}

/** What the daemon shows as what a token signs, signed. */
export function token(purpose: "unlock" | "commands", octets: string): string {
  return `${sign(null, fromHex(octets), keys[purpose].privateKey).toString("base64")}\n`;
}
