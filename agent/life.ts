// The vehicle's life in its place: opened from the state directory, told to policy, to alarms and to listeners, served to the local API.
import type { Clock } from "../base/clock.ts";
import type { Disk } from "../base/disk.ts";
import { SimwardError } from "../base/errors.ts";
import type { Log } from "../base/log.ts";
import type { Alarms } from "./alarms.ts";
import type { Trail } from "./audit/service.ts";
import type { ApnConfig, Config } from "./config/schema.ts";
import type { EmergencyWatch } from "./emergency.ts";
import { createLifecycleActs, type LifecycleActs } from "./lifecycle/acts.ts";
import { planOf } from "./lifecycle/config.ts";
import { type Lifecycle, openLifecycle } from "./lifecycle/service.ts";
import type { PolicyEngine } from "./policy/engine.ts";
import { type Stage, stages } from "./policy/types.ts";
import type { Trust } from "./trust.ts";

export interface LifeParts {
  readonly config: Config["lifecycle"];
  readonly disk: Disk;
  readonly clock: Clock;
  readonly log: Log;
  readonly alarms: Alarms;
  readonly trail: Pick<Trail, "audit" | "record" | "checkpoint">;
  readonly engine: PolicyEngine;
  readonly emergency: EmergencyWatch;
  readonly trust: Pick<Trust, "ring" | "challenges">;
  readonly identity: () => { readonly imei: string | undefined; readonly eid: string | undefined };
  /** Of the fleet, ever; of all traffic where parties cannot be told apart. */
  readonly fleetBytes: () => Promise<number>;
  /** Whether anybody counts; nobody without [net], until the module has been seen to. */
  readonly countsBytes: () => boolean;
  readonly onStage: (stage: Stage) => void;
}

export interface Life {
  readonly lifecycle: Lifecycle;
  readonly acts: LifecycleActs;
}

/** Throws DISK_READ. What is damaged is an alarm; the stage is then taken from the audit trail. */
export async function createLife(parts: LifeParts): Promise<Life> {
  const { config, disk, clock, log, alarms, trail, engine, emergency, fleetBytes } = parts;
  const audit = trail.record;
  const lifecycle = await openLifecycle({
    ...{ disk, clock, log, audit, engine, acted: trail.checkpoint, onStage: parts.onStage },
    plan: planOf(config),
    first: config.first,
    capBytes: config.test_cap_bytes,
    retireBy: config.retire_by,
    isHeld: () => emergency.sources.length > 0,
    countsBytes: parts.countsBytes,
    counter: async () => (parts.countsBytes() ? { name: "usage", bytes: await fleetBytes() } : undefined),
    recordedStage: async () => {
      for await (const { data } of trail.audit.query({ event: "lifecycle.stage", last: 1 })) return stages.find((one) => one === data?.to);
      return undefined;
    },
    onLost: (why) => {
      alarms.raise("lifecycleLost", new SimwardError("LIFECYCLE_LOST", { detail: why.message, cause: why }));
      void audit({ event: "lifecycle.lost", cause: "start", data: { code: why.code, reason: why.message } });
    },
    onProblem: (problem) => (problem === undefined ? alarms.clear("lifecycle") : alarms.raise("lifecycle", problem)),
  });
  const { ring: keys, challenges } = parts.trust;
  return { lifecycle, acts: createLifecycleActs({ life: lifecycle, keys, challenges, audit, identity: parts.identity }) };
}

/** A vehicle that is tested has an APN of its own, whatever the profile and the market. */
export function apnsInStage(stage: Stage | undefined, { test_apn }: Config["lifecycle"], apns: readonly ApnConfig[]): readonly ApnConfig[] {
  if (stage !== "factory_test" || test_apn === undefined) return apns;
  const [first] = apns.filter(({ iccid_prefix, mcc }) => iccid_prefix === undefined && mcc === undefined);
  return [{ name: test_apn, type: first?.type ?? "IPV4V6", cid: first?.cid, auth: "none" }];
}
