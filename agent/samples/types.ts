// A sample: how the vehicle stood at one moment. Where somebody drives is personal, so samples belong to an owner and are kept under a key of his.
import type { TimeSource } from "../../base/clock.ts";
import type { DataKind } from "../config/schema.ts";

export interface Sample {
  /** UTC, RFC 3339, seconds. */
  readonly time: string;
  readonly timeSource: TimeSource;
  /** ISO 3166-1 alpha-2, of the network; what a market keeps goes by it. */
  readonly country?: string | undefined;
  readonly online: boolean;
  readonly rat?: string | undefined;
  readonly signal?: { readonly rsrpDbm?: number | undefined; readonly rsrqDb?: number | undefined; readonly sinrDb?: number | undefined };
  readonly location?: { readonly plmn: string; readonly tac?: string | undefined; readonly cellId?: string | undefined };
  /** Running totals of the data path. */
  readonly usage?: { readonly sentBytes: number; readonly receivedBytes: number };
}

/** The parts of a sample that a market may keep on the vehicle. */
export const sampleKinds = ["signal", "location", "usage"] as const satisfies readonly DataKind[];

export interface LeavingSample extends Sample {
  /** What was recorded and may not leave the vehicle. */
  readonly kept?: readonly DataKind[];
}

/** `mayLeave`: of what was recorded in that country. */
export function leaving(sample: Sample, mayLeave: (kind: DataKind, recordedIn: string | undefined) => boolean): LeavingSample {
  const kept = sampleKinds.filter((kind) => sample[kind] !== undefined && !mayLeave(kind, sample.country));
  if (kept.length === 0) return sample;
  const { signal, location, usage, ...others } = sample;
  const parts = { signal, location, usage };
  const left = Object.fromEntries(
    sampleKinds.flatMap((kind) => (parts[kind] === undefined || kept.includes(kind) ? [] : [[kind, parts[kind]]])),
  );
  return { ...others, ...left, kept };
}
