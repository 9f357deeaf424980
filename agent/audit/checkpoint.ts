// Checkpoints: records of the trail that carry a signature of the device over all that was before them. Who lacks the key can cut, not rewrite.
import { createHash, createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject, sign, verify } from "node:crypto";
import { fromUtf8, utf8 } from "../../base/bytes.ts";
import type { Disk } from "../../base/disk.ts";
import { reasonOf, SimwardError } from "../../base/errors.ts";
import type { AuditHead, AuditRecord } from "./types.ts";

export const checkpointEvent = "audit.checkpoint";
/** In the state directory. */
export const keyFile = "device-key.pem";
/** Beside the trail, so that it goes along with a copy of it; worth no more than where the copy was got. */
export const publicKeyFile = "device-key.pub.pem";

export interface DeviceKey {
  /** SHA-256, hex, of its SubjectPublicKeyInfo. */
  readonly fingerprint: string;
  readonly publicPem: string;
  /** Made now: there was none. */
  readonly isNew: boolean;
  /** Why the one that was there could not be used. */
  readonly lost: string | undefined;
  sign(octets: Uint8Array): Uint8Array;
}

/** Ed25519, made at the first start and kept in the state directory, which is the daemon's alone. Throws DISK_READ, DISK_WRITE. */
export async function openDeviceKey(stateDisk: Disk): Promise<DeviceKey> {
  const kept = await stateDisk.read(keyFile);
  let lost: string | undefined;
  if (kept !== undefined) {
    try {
      const key = createPrivateKey(fromUtf8(kept));
      if (key.asymmetricKeyType === "ed25519") return deviceKey(key, false, undefined);
      lost = `it is ${key.asymmetricKeyType}, not Ed25519`;
    } catch (error) {
      lost = reasonOf(error);
    }
  }
  const { privateKey } = generateKeyPairSync("ed25519");
  await stateDisk.replace(keyFile, utf8(privateKey.export({ format: "pem", type: "pkcs8" }).toString()));
  return deviceKey(privateKey, true, lost);
}

function deviceKey(key: KeyObject, isNew: boolean, lost: string | undefined): DeviceKey {
  const publicPem = createPublicKey(key).export({ format: "pem", type: "spki" }).toString();
  return { fingerprint: fingerprintOf(publicPem), publicPem, isNew, lost, sign: (octets) => new Uint8Array(sign(null, octets, key)) };
}

export function fingerprintOf(publicPem: string): string {
  const der = createPublicKey(publicPem).export({ format: "der", type: "spki" });
  return createHash("sha256").update(der).digest("hex");
}

/** Throws CONFIG_READ, naming what is wrong. */
export function devicePublicKey(pem: string, what: string): KeyObject {
  try {
    const key = createPublicKey(pem);
    if (key.asymmetricKeyType !== "ed25519") throw new Error(`it is ${key.asymmetricKeyType}, not Ed25519`);
    return key;
  } catch (error) {
    throw new SimwardError("CONFIG_READ", { detail: `${what}: ${reasonOf(error)}`, cause: error });
  }
}

/** Four lines: what it is, the last record before the checkpoint, its hash, the checkpoint's own time. */
export function checkpointOctets(head: AuditHead, time: string): Uint8Array {
  return utf8(`simward-audit-checkpoint-v1\n${head.seq}\n${head.hash}\n${time}\n`);
}

/** Why this checkpoint is not one of that key; undefined when it is. */
export function checkpointFault(record: AuditRecord, key: KeyObject): string | undefined {
  const { signature } = record.data ?? {};
  if (typeof signature !== "string") return "a checkpoint without a signature";
  const octets = checkpointOctets({ seq: record.seq - 1, hash: record.prev }, record.time);
  return verify(null, octets, key, Buffer.from(signature, "base64")) ? undefined : "the checkpoint's signature is not of this device key";
}
