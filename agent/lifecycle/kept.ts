// What is kept of a vehicle's life over restarts. A file that is lost does not bring a retired vehicle back: the audit trail knows its stage.
import { array, boolean, fallback, looseObject, nullable, number, object, parse, picklist, string } from "valibot";
import type { Disk } from "../../base/disk.ts";
import type { SimwardError } from "../../base/errors.ts";
import type { AuditEvent } from "../audit/types.ts";
import { type Stage, stages } from "../policy/types.ts";
import { openState, type StateStore } from "../state/store.ts";
import { beginning, type LifecycleState } from "./machine.ts";
import type { WipeState } from "./retirement.ts";

export interface KeptLife {
  readonly life: LifecycleState;
  /** Under way, or the last one. */
  readonly wipe: WipeState | null;
  /** Of the interface's counter, as it stood when `life.usedBytes` was last brought up to date. */
  readonly counter: { readonly name: string; readonly bytes: number } | null;
  /** A change of stage that may not be in the audit trail yet. */
  readonly untold: AuditEvent | null;
  /** It is the configuration's first stage, and nothing has happened yet. */
  readonly isFresh: boolean;
}

const life = object({
  stage: picklist(stages),
  sinceMs: number(),
  cause: string(),
  reason: string(),
  usedBytes: number(),
  ignitions: number(),
  ignition: nullable(picklist(["on", "off"])),
  odometerKm: nullable(number()),
  spent: array(string()),
});
const wipe = object({
  kind: picklist(["retire", "transfer"]),
  how: picklist(["memory_reset", "eim"]),
  phase: picklist(["delivering", "evidence", "wiping", "verifying", "done"]),
  cause: string(),
  reason: string(),
  attempts: number(),
  undelivered: number(),
  left: array(string()),
  checks: number(),
});
const schema = object({
  life,
  wipe: nullable(wipe),
  counter: fallback(nullable(object({ name: string(), bytes: number() })), null),
  untold: fallback(nullable(looseObject({ event: string(), cause: string() })), null),
  isFresh: fallback(boolean(), false),
});

export function openKeptLife(disk: Disk, first: Stage, nowMs: number, onLost: (why: SimwardError) => void): Promise<StateStore<KeptLife>> {
  return openState<KeptLife>({
    ...{ disk, name: "lifecycle", version: 1, onLost },
    initial: { life: beginning(first, nowMs), wipe: null, counter: null, untold: null, isFresh: true },
    // What was written as an event is one.
    parse: (value) => parse(schema, value) as KeptLife,
  });
}
