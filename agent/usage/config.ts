// [policy.usage]: periods, caps, and what is kept back for management.
import {
  array,
  check,
  type InferOutput,
  integer,
  maxLength,
  maxValue,
  minLength,
  minValue,
  number,
  optional,
  picklist,
  pipe,
  regex,
  strictObject,
  string,
} from "valibot";
import { stages } from "../policy/types.ts";
import { weekdays } from "./periods.ts";

const bytes = (least: number) => pipe(number(), integer("must be a whole number of bytes"), minValue(least), maxValue(2 ** 47));
const percent = pipe(number(), integer(), minValue(1), maxValue(99));
const actions = picklist(["warn", "throttle", "block"]);

const cap = strictObject({
  /** Of all traffic in a period; what is kept back for management is a part of it. */
  bytes: bytes(1),
  /** Counts and holds in that stage only. */
  stage: optional(picklist(stages)),
  /** Counts and holds for each profile whose ICCID begins so, by itself. */
  iccid_prefix: optional(pipe(string(), regex(/^\d{1,20}$/, "must be decimal digits"))),
  /** When it is used up. */
  action: optional(actions, "block"),
  /** From this part of it on the fleet's traffic is throttled. */
  throttle_from_percent: optional(percent),
});

export type CapConfig = InferOutput<typeof cap>;

/** "all", "stage operational", "iccid 8949", "stage operational iccid 8949" */
export function capId({ stage, iccid_prefix }: Pick<CapConfig, "stage" | "iccid_prefix">): string {
  const parts = [stage === undefined ? "" : `stage ${stage}`, iccid_prefix === undefined ? "" : `iccid ${iccid_prefix}`];
  return parts.filter(Boolean).join(" ") || "all";
}

export const usageConfig = pipe(
  strictObject({
    period: optional(picklist(["day", "week", "month", "rolling"]), "month"),
    week_start: optional(picklist(weekdays), "monday"),
    reset_day: optional(pipe(number(), integer(), minValue(1), maxValue(28)), 1),
    rolling_days: optional(pipe(number(), integer(), minValue(1), maxValue(366)), 30),
    warn_at_percent: optional(pipe(array(percent), minLength(1), maxLength(16)), [70, 80, 90]),
    throttle_kbps: optional(pipe(number(), integer(), minValue(8), maxValue(1_000_000)), 64),
    /** Of each cap, for management alone. */
    reserve_bytes: optional(bytes(0), 0),
    /** When management has used it up: told only, or no download is begun any more. Nothing else of management is ever held back. */
    reserve_end: optional(picklist(["alarm", "refuse_downloads"]), "alarm"),
    /** What a download is expected to need. */
    download_bytes: optional(bytes(0), 200_000),
    cap: optional(pipe(array(cap), maxLength(32, "must be at most 32")), []),
  }),
  check(
    ({ cap, reserve_bytes }) => cap.every((one) => one.bytes > reserve_bytes),
    "has a cap that is not larger than reserve_bytes: nothing would be left for the fleet",
  ),
  check(({ cap }) => new Set(cap.map(capId)).size === cap.length, "has two caps for the same stage and iccid_prefix"),
);
export type UsageConfig = InferOutput<typeof usageConfig>;
