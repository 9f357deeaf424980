// The rules of permanent roaming in force: those that simward ships with until the fleet signs others. An older file is never taken again, and one that
// cannot be used leaves those before it in force.
import { createHash } from "node:crypto";
import { nullable, number, object, optional, parse, string } from "valibot";
import { fromUtf8, toHex } from "../../base/bytes.ts";
import type { Disk } from "../../base/disk.ts";
import { asSimwardError, reasonOf, SimwardError } from "../../base/errors.ts";
import type { KeyRing, KeyRingStatus } from "../keys/ring.ts";
import { openState } from "../state/store.ts";
import { defaultRoamingRules } from "./default-rules.ts";
import { type RoamingRules, roamingRulesSchema } from "./rules.ts";

export interface RuleBook {
  readonly current: RoamingRules;
  /** Who signed them; undefined: they came with simward. */
  readonly signedBy: string | undefined;
  /** SHA-256, hex, of the file as it was signed. */
  readonly sha256: string | undefined;
  /** The key that signed what is kept has been revoked since: simward's own rules are in force. */
  readonly isRevoked: boolean;
  /** Durable when it resolves. `already` when they are in force. Throws ROAMING_RULES, DISK_WRITE. */
  install(content: Uint8Array, signature: Uint8Array): Promise<"installed" | "already">;
  /** Takes the configured file if it is newer. Rejects like `install`, and with CONFIG_READ; the rules before stay in force. */
  look(): Promise<"installed" | "already">;
}

export type RuleKeys = Pick<KeyRing, "signerOf" | "has"> & { status(): Pick<KeyRingStatus, "keys" | "revoked"> };

export interface RuleBookOptions {
  readonly disk: Disk;
  readonly keys: RuleKeys;
  /** The configured rule file and its signature, as they are now; undefined where none is configured. Throws CONFIG_READ. */
  readonly file: () => Promise<{ readonly content: Uint8Array; readonly signature: Uint8Array } | undefined>;
  /** What was kept cannot be used any more. */
  readonly onLost: (why: SimwardError) => void;
}

interface Kept {
  readonly content: string | null;
  readonly signedBy: string | null;
  /** Of that key. */
  readonly fingerprint: string | null;
}

const keptSchema = object({ content: nullable(string()), signedBy: nullable(string()), fingerprint: optional(nullable(string()), null) });
const floorSchema = object({ version: number() });
/** More than any set of rules of the world's countries. */
export const maxRulesBytes = 48_000;

const refused = (detail: string, cause?: unknown): SimwardError => new SimwardError("ROAMING_RULES", { detail, cause });

/** Throws ROAMING_RULES, naming what is wrong and where. */
export function readRoamingRules(content: Uint8Array): RoamingRules {
  if (content.length > maxRulesBytes) throw refused(`${content.length} octets; at most ${maxRulesBytes}`);
  try {
    return parse(roamingRulesSchema, JSON.parse(fromUtf8(content)));
  } catch (error) {
    const path = (error as { issues?: readonly { path?: readonly { key: unknown }[] }[] }).issues?.[0]?.path;
    const where = path === undefined ? "" : `${path.map(({ key }) => String(key)).join(".")}: `;
    throw refused(`${where}${reasonOf(error)}`, error);
  }
}

export async function openRuleBook({ disk, keys, file, onLost }: RuleBookOptions): Promise<RuleBook> {
  const store = await openState<Kept>({
    ...{ disk, name: "roaming-rules", version: 1, onLost },
    initial: { content: null, signedBy: null, fingerprint: null },
    parse: (value) => parse(keptSchema, value),
  });
  // Apart from the rules: damage to them does not make older ones good again.
  const floor = await openState<{ readonly version: number }>({
    ...{ disk, name: "roaming-rules-floor", version: 1, onLost },
    initial: { version: 0 },
    parse: (value) => parse(floorSchema, value),
  });

  const understood = ({ content }: Kept): RoamingRules | undefined => {
    if (content === null) return undefined;
    try {
      return readRoamingRules(new Uint8Array(Buffer.from(content, "utf8")));
    } catch (error) {
      onLost(asSimwardError(error));
      return undefined;
    }
  };
  let kept = understood(store.get());
  const isRevoked = (): boolean => {
    const { fingerprint } = store.get();
    return kept !== undefined && fingerprint !== null && keys.status().revoked.includes(fingerprint);
  };
  const inForce = (): RoamingRules | undefined => (isRevoked() ? undefined : kept);
  const digest = (content: string): string => toHex(new Uint8Array(createHash("sha256").update(content, "utf8").digest()));

  const install: RuleBook["install"] = async (content, signature) => {
    const current = inForce();
    if (current !== undefined && store.get().content === fromUtf8(content)) return "already";
    if (!keys.has("policy")) throw refused('the key ring has no key for "policy"; simward keys list shows it');
    const signedBy = keys.signerOf("policy", content, signature) ?? keys.signerOf("policy", content, fromBase64(signature));
    if (signedBy === undefined) throw refused("the signature is of no key that the fleet has for policies");
    const rules = readRoamingRules(content);
    const least = Math.max(floor.get().version, current?.version ?? 0);
    // The very one that the floor names is taken where a power cut, damage or a revoked key kept it from being in force.
    if (rules.version < least || rules.version === current?.version)
      throw refused(`version ${rules.version}; ${least} has been in force, and only a greater one may follow`);
    const fingerprint = keys.status().keys.find(({ id }) => id === signedBy)?.fingerprint ?? null;
    await floor.update(() => ({ version: rules.version }));
    await store.update(() => ({ content: fromUtf8(content), signedBy, fingerprint }));
    kept = rules;
    return "installed";
  };

  return {
    get current() {
      return inForce() ?? defaultRoamingRules;
    },
    get signedBy() {
      return inForce() === undefined ? undefined : (store.get().signedBy ?? undefined);
    },
    get sha256() {
      const { content } = store.get();
      return inForce() === undefined || content === null ? undefined : digest(content);
    },
    get isRevoked() {
      return isRevoked();
    },
    install,
    async look() {
      const found = await file();
      return found === undefined ? "already" : install(found.content, found.signature);
    },
  };
}

/** A signature may be kept as text. */
function fromBase64(signature: Uint8Array): Uint8Array {
  return new Uint8Array(Buffer.from(Buffer.from(signature).toString("latin1"), "base64"));
}
