// Keeping the trail signed: the device key is told when it is made, checkpoints follow every hour and every act of a person.

import { utf8 } from "../../base/bytes.ts";
import type { Clock, Disposer } from "../../base/clock.ts";
import type { Disk } from "../../base/disk.ts";
import { asSimwardError } from "../../base/errors.ts";
import type { Log } from "../../base/log.ts";
import { type DeviceKey, publicKeyFile } from "./checkpoint.ts";
import type { AuditEvent, AuditLog } from "./types.ts";

const checkpointMs = 3_600_000;

export interface CheckpointKeeper {
  /** Never rejects; nothing is written where nothing happened since the last one. */
  checkpoint(why: string): Promise<void>;
  /** Signs from now on; tells of a key that was made. Never rejects. */
  start(): Promise<void>;
  /** The trail has its key only now: that is told, and what was so far is signed. Never rejects. */
  keyMade(): Promise<void>;
  stop(): void;
}

export function keepCheckpoints(parts: {
  readonly audit: AuditLog;
  /** The directory of the trail. */
  readonly disk: Disk;
  /** Undefined while there is none. */
  readonly deviceKey: () => DeviceKey | undefined;
  /** Never rejects. */
  readonly record: (event: AuditEvent) => Promise<void>;
  /** The head is worth being remembered elsewhere. Never rejects. */
  readonly onCheckpoint: () => Promise<void>;
  readonly clock: Clock;
  readonly log: Log;
}): CheckpointKeeper {
  const { audit, disk, deviceKey, record, clock, log } = parts;
  const checkpoint = async (why: string): Promise<void> => {
    try {
      if ((await audit.checkpoint(why)) !== undefined) await parts.onCheckpoint();
    } catch (error) {
      log.error("audit checkpoint", { error: asSimwardError(error) });
    }
  };
  const announce = async (key: DeviceKey): Promise<void> => {
    if (key.isNew) {
      const { fingerprint, publicPem, lost = null } = key;
      await record({ event: "audit.deviceKeyMade", cause: "start", data: { key: fingerprint, publicKey: publicPem, lost } });
    }
    const copy = utf8(key.publicPem);
    const there = await disk.read(publicKeyFile);
    if (there === undefined || Buffer.compare(there, copy) !== 0) await disk.replace(publicKeyFile, copy);
  };
  const announceKey = async (): Promise<void> => {
    const key = deviceKey();
    if (key === undefined) return;
    await announce(key).catch((error: unknown) => log.warn("the device's public key", { error: asSimwardError(error) }));
  };
  let stopTimer: Disposer = () => {};
  return {
    checkpoint,
    async start() {
      stopTimer = clock.every(checkpointMs, () => void checkpoint("hourly"));
      await announceKey();
    },
    async keyMade() {
      await announceKey();
      await checkpoint("key");
    },
    stop: () => stopTimer(),
  };
}
