// The audit trail in its place: opened from the state directory, signed, told to listeners; what cannot be written is an alarm and not the end.
import type { Clock } from "../../base/clock.ts";
import { subDisk } from "../../base/disk.ts";
import { asSimwardError, SimwardError } from "../../base/errors.ts";
import type { Log } from "../../base/log.ts";
import { rehearsal } from "../../base/rehearsal.ts";
import type { Alarms } from "../alarms.ts";
import type { ApiServices } from "../api/route.ts";
import { reasonStated } from "../api/stated-reason.ts";
import type { StateDisk } from "../state/owed.ts";
import { type DeviceKey, keyFile, openDeviceKey } from "./checkpoint.ts";
import { type CheckpointKeeper, keepCheckpoints } from "./keeping.ts";
import { openAudit } from "./log.ts";
import type { AuditEvent, AuditHead, AuditLog, AuditRecord } from "./types.ts";

export interface TrailParts {
  /** The state directory. */
  readonly disk: StateDisk;
  readonly config: { readonly segment_bytes: number; readonly max_segments: number };
  readonly clock: Clock;
  readonly log: Log;
  readonly alarms: Alarms;
  readonly publish: (kind: string, fields: Readonly<Record<string, unknown>>) => void;
  /** The head that the state knows of. */
  readonly storedHead: () => AuditHead;
  /** The head is worth being remembered by the state. Never rejects. */
  readonly onCheckpoint: () => Promise<void>;
}

/** What the routes call. */
export type TrailActs = Pick<ApiServices, "auditRecords" | "auditLines" | "auditKey" | "verifyAudit" | "auditAdminAct">;

export interface Trail extends Pick<CheckpointKeeper, "checkpoint"> {
  readonly audit: AuditLog;
  /** Never rejects. */
  record(event: AuditEvent): Promise<void>;
  readonly acts: TrailActs;
  /** Whether the trail holds together, up to the head that the state knows of; if not, that is an alarm. */
  verify(): Promise<boolean>;
  /** Begins to sign; tells of a key that was made. */
  startSigning(): Promise<void>;
  stop(): void;
}

/** Throws DISK_READ. */
export async function openTrail(parts: TrailParts): Promise<Trail> {
  const { clock, log, alarms, storedHead } = parts;
  const disk = subDisk(parts.disk, "audit");
  let deviceKey: DeviceKey | undefined;
  const openKey = async (): Promise<void> => {
    deviceKey = await openDeviceKey(parts.disk);
  };
  const { owed } = parts.disk;
  // Without room for a key the trail goes on unsigned until there is.
  await openKey().catch((error: unknown) =>
    owed.owe(keyFile, error, async () => {
      await openKey();
      owed.paid(keyFile);
      await checkpoints.keyMade();
    }),
  );
  const { segment_bytes: segmentBytes, max_segments: maxSegments } = parts.config;
  const audit = await openAudit({
    ...{ disk, clock, segmentBytes, maxSegments },
    get deviceKey() {
      return deviceKey;
    },
  });
  const record = async (event: AuditEvent): Promise<void> => {
    try {
      await audit.append(event);
    } catch (error) {
      alarms.raise("audit", error);
      log.error("audit", { error: asSimwardError(error), waiting: event.event });
    }
  };
  const stopListening = audit.onRecord((one: AuditRecord) => {
    alarms.clear("audit");
    parts.publish("audit", { record: one });
  });
  const checkpoints = keepCheckpoints({ audit, disk, deviceKey: () => deviceKey, record, clock, log, onCheckpoint: parts.onCheckpoint });

  const acts: TrailActs = {
    async auditRecords(query) {
      const records: AuditRecord[] = [];
      for await (const one of audit.query(query)) records.push(one);
      return { schema: "simward/audit/1", records };
    },
    auditLines: (query) => audit.lines(query),
    auditKey: () => ({
      schema: "simward/audit-key/1",
      head: audit.head,
      ...(deviceKey === undefined ? {} : { fingerprint: deviceKey.fingerprint, publicKey: deviceKey.publicPem }),
    }),
    verifyAudit: async () => ({ schema: "simward/audit-verification/1", ...(await audit.verify([storedHead()])) }),
    async auditAdminAct(act, role, peer, data) {
      if (rehearsal() !== undefined) return;
      const { uid = null, pid = null } = peer ?? {};
      await record({
        event: act,
        cause: `operator:${uid ?? "unknown"}`,
        data: { role, uid, pid, ...data, reason: data.reason ?? reasonStated() ?? null },
      });
      await checkpoints.checkpoint(act);
    },
  };

  return {
    audit,
    record,
    acts,
    checkpoint: checkpoints.checkpoint,
    async verify() {
      const { ok, problem } = await audit.verify([storedHead()]);
      if (ok) return true;
      const { segment = "", line = 0, reason = "" } = problem ?? {};
      const error = new SimwardError("AUDIT_BROKEN", { detail: `${segment}, line ${line}: ${reason}` });
      alarms.raise("auditTrail", error);
      log.error("audit trail", { error });
      return false;
    },
    startSigning: checkpoints.start,
    stop() {
      stopListening();
      checkpoints.stop();
    },
  };
}
