// The fleet's keys on this vehicle: the newest ring that the root has signed. An older one is never taken again, and a revoked key never believed again.
import { array, nullable, number, object, parse, string } from "valibot";
import { utf8 } from "../../base/bytes.ts";
import type { Disk } from "../../base/disk.ts";
import { asSimwardError, SimwardError } from "../../base/errors.ts";
import { openState } from "../state/store.ts";
import { type KeyPurpose, type KeyRingDocument, readKeyRing } from "./document.ts";
import { isSignedBy, type VerifyingKey } from "./signature.ts";

export interface InstalledKey {
  readonly id: string;
  readonly purpose: KeyPurpose;
  /** ed25519 or P-256. */
  readonly algorithm: string;
  readonly fingerprint: string;
}

export interface KeyRingStatus {
  /** Of the roots configured. */
  readonly roots: readonly string[];
  /** Of the ring in force; undefined while there is none. */
  readonly version: number | undefined;
  readonly issued: string | undefined;
  readonly note: string | undefined;
  readonly keys: readonly InstalledKey[];
  /** Fingerprints, of all rings there ever were. */
  readonly revoked: readonly string[];
}

export interface KeyRing {
  status(): KeyRingStatus;
  /** Durable when it resolves. `already` when it is the one in force. Throws KEYS_NO_ROOT, KEYRING_INVALID, DISK_WRITE. */
  install(ring: string, signature: Uint8Array): Promise<"installed" | "already">;
  /** The id of the key of that purpose that has signed this; undefined when none has. */
  signerOf(purpose: KeyPurpose, message: Uint8Array, signature: Uint8Array): string | undefined;
  /** Whether there is a key of that purpose at all. */
  has(purpose: KeyPurpose): boolean;
}

interface Kept {
  readonly ring: string | null;
  /** Base64. */
  readonly signature: string;
  readonly revoked: readonly string[];
}

const keptSchema = object({ ring: nullable(string()), signature: string(), revoked: array(string()) });
const floorSchema = object({ version: number(), revoked: array(string()) });

/** `roots`: none where no root is configured. What is kept and not valid any more is told to `onLost`; its version counts all the same. */
export async function openKeyRing(
  disk: Disk,
  roots: readonly VerifyingKey[],
  onLost: (why: SimwardError) => void = () => undefined,
): Promise<KeyRing> {
  const store = await openState<Kept>({
    ...{ disk, name: "keyring", version: 1, onLost },
    initial: { ring: null, signature: "", revoked: [] },
    parse: (value) => parse(keptSchema, value),
  });
  // Kept apart from the ring, so that damage to one does not make an older ring, or a revoked key, good again.
  const floor = await openState<{ readonly version: number; readonly revoked: readonly string[] }>({
    ...{ disk, name: "keyring-floor", version: 1, onLost },
    initial: { version: 0, revoked: [] },
    parse: (value) => parse(floorSchema, value),
  });
  let current: KeyRingDocument | undefined;

  const revokedNow = (): readonly string[] => [...new Set([...store.get().revoked, ...floor.get().revoked])];
  const understood = (kept: Kept): KeyRingDocument | undefined => {
    if (kept.ring === null) return undefined;
    try {
      return readKeyRing(utf8(kept.ring), new Uint8Array(Buffer.from(kept.signature, "base64")), roots);
    } catch (error) {
      onLost(asSimwardError(error));
      return undefined;
    }
  };
  current = understood(store.get());

  const usable = (): KeyRingDocument["keys"] => {
    const revoked = revokedNow();
    return (current?.keys ?? []).filter(({ fingerprint }) => !revoked.includes(fingerprint));
  };

  return {
    status: () => ({
      roots: roots.map(({ fingerprint }) => fingerprint),
      version: current?.version,
      issued: current?.issued,
      note: current?.note,
      keys: usable().map(({ id, purpose, key, fingerprint }) => ({
        ...{ id, purpose, fingerprint },
        algorithm: key.asymmetricKeyType === "ed25519" ? "ed25519" : "P-256",
      })),
      revoked: revokedNow(),
    }),
    async install(ring, signature) {
      if (roots.length === 0) throw new SimwardError("KEYS_NO_ROOT");
      const document = readKeyRing(utf8(ring), signature, roots);
      const least = Math.max(floor.get().version, current?.version ?? 0);
      if (document.version === current?.version && ring === store.get().ring) return "already";
      if (document.version <= least)
        throw new SimwardError("KEYRING_INVALID", { detail: `its version is ${document.version}, and ${least} was installed already` });
      const before = revokedNow();
      const forbidden = document.keys.find(({ fingerprint }) => before.includes(fingerprint));
      if (forbidden !== undefined)
        throw new SimwardError("KEYRING_INVALID", { detail: `key ${forbidden.id} was revoked by an earlier ring` });
      const revoked = [...new Set([...before, ...document.revoked])];
      // The floor first: a cut in between leaves the former ring without what is revoked, and lets this very ring be installed again.
      await floor.update(({ version }) => ({ version: Math.max(version, document.version - 1), revoked }));
      await store.update(() => ({ ring, signature: Buffer.from(signature).toString("base64"), revoked }));
      current = document;
      await floor.update(() => ({ version: document.version, revoked })).catch(() => undefined);
      return "installed";
    },
    signerOf: (purpose, message, signature) => usable().find((key) => key.purpose === purpose && isSignedBy(key, message, signature))?.id,
    has: (purpose) => usable().some((key) => key.purpose === purpose),
  };
}
