// What the daemon remembers across restarts, besides the audit trail and what the eUICC itself keeps.
import { fallback, looseObject, nullable, number, object, optional, parse, picklist, string, unknown } from "valibot";
import type { Disk } from "../../base/disk.ts";
import type { SimwardError } from "../../base/errors.ts";
import type { AuditHead } from "../audit/types.ts";
import type { FallbackRecord } from "../connectivity/fallback.ts";
import type { ToldEmergency } from "../emergency.ts";
import { openState, type StateStore } from "./store.ts";

export interface AgentState {
  /** The IPA's operation under way, opaque here. */
  readonly journal: object | null;
  /** Wall clock of the last poll that reached an eIM. */
  readonly lastPollMs: number | null;
  /** The audit trail must contain this record: a trail that was cut shorter is found. */
  readonly auditHead: AuditHead;
  /** Where fallback stands. */
  readonly fallback: FallbackRecord | null;
  /** What the local API told of an emergency. */
  readonly emergency: ToldEmergency | null;
}

const phases = ["home", "lost", "fallingBack", "away", "returning"] as const;

const schema = object({
  journal: optional(nullable(unknown()), null),
  lastPollMs: nullable(number()),
  auditHead: object({ seq: number(), hash: string() }),
  fallback: fallback(
    nullable(object({ state: looseObject({ phase: picklist(phases), failedReturns: number() }), sinceMs: number() })),
    null,
  ),
  emergency: fallback(nullable(object({ by: string(), reason: nullable(string()), sinceMs: number(), forMs: number() })), null),
});

/** Without `onLost` it throws what makes the state unusable. */
export function openAgentState(disk: Disk, onLost?: (why: SimwardError) => void): Promise<StateStore<AgentState>> {
  return openState<AgentState>({
    disk,
    name: "state",
    version: 1,
    initial: { journal: null, lastPollMs: null, auditHead: { seq: 0, hash: "0".repeat(64) }, fallback: null, emergency: null },
    parse: (value) => {
      const state = parse(schema, value);
      return {
        ...state,
        journal: typeof state.journal === "object" ? (state.journal as object | null) : null,
        fallback: state.fallback as FallbackRecord | null,
      };
    },
    ...(onLost === undefined ? {} : { onLost }),
  });
}
