// A vehicle on the road for tests of roaming days: a clock that may be wrong, restarts, a disk that may be cut off; and who counts by hand what was driven.

import type { AuditEvent, AuditRecord } from "../../../agent/audit/types.ts";
import type { RoamingFacts } from "../../../agent/policy/types.ts";
import { defaultRoamingRules } from "../../../agent/roaming/default-rules.ts";
import { daysFromTrail } from "../../../agent/roaming/from-trail.ts";
import type { RuleOverrides } from "../../../agent/roaming/overrides.ts";
import type { RoamingRules } from "../../../agent/roaming/rules.ts";
import { openRoaming, type Roaming, type SeenVehicle } from "../../../agent/roaming/service.ts";
import { createOwedWrites, stateDisk } from "../../../agent/state/owed.ts";
import { type TimeSource, VirtualClock } from "../../../base/clock.ts";
import type { Disk } from "../../../base/disk.ts";
import { silentLog } from "../../../base/log.ts";

export const hourMs = 3_600_000;
export const dayMs = 24 * hourMs;
export const imei = "356938035643809";
export const german = { imsi: "262019876543210", iccid: "8949010000000000001" };
export const turkish = { imsi: "286011234567890", iccid: "8990530000000000002" };

export interface Road {
  readonly clock: VirtualClock;
  readonly roaming: Roaming;
  readonly told: RoamingFacts[];
  readonly audited: AuditEvent[];
  readonly problems: (string | undefined)[];
  readonly lost: string[];
}

export interface RoadOptions {
  readonly disk: Disk;
  readonly atMs: number;
  readonly source?: TimeSource;
  readonly overrides?: RuleOverrides;
  readonly rules?: () => RoamingRules;
  /** Of the audit trail. */
  readonly trail?: () => AsyncIterable<AuditRecord>;
}

/** One life of the daemon. */
export async function startRoad({
  disk,
  atMs,
  source = "nitz",
  overrides = {},
  rules = () => defaultRoamingRules,
  trail = async function* () {},
}: RoadOptions): Promise<Road> {
  const clock = new VirtualClock({ ms: atMs, source });
  const told: RoamingFacts[] = [];
  const audited: AuditEvent[] = [];
  const problems: (string | undefined)[] = [];
  const lost: string[] = [];
  const roaming = await openRoaming({
    ...{ clock, log: silentLog, rules, overrides },
    disk: stateDisk(disk, createOwedWrites({ clock, log: silentLog, onProblem: (problem) => void problems.push(problem?.code) })),
    audit: async (event) => void audited.push(event),
    tell: (facts) => void told.push(facts),
    recordedDays: async () => daysFromTrail(trail()),
    onLost: (why) => void lost.push(why.code),
  });
  return { clock, roaming, told, audited, problems, lost };
}

export const used = (country: string, who: Partial<SeenVehicle> = german): SeenVehicle => ({
  ...{ imei, country, registered: true, dataSession: true },
  ...who,
});
export const parked: SeenVehicle = { imei, ...german, registered: false, dataSession: false };
