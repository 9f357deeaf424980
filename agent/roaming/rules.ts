// Rules of permanent roaming as data: what a rule may say, checked once when a rule file is read. How they are judged: standing.ts.
import {
  array,
  check,
  type InferOutput,
  integer,
  isoDate,
  maxValue,
  minLength,
  minValue,
  nullable,
  number,
  optional,
  picklist,
  pipe,
  regex,
  strictObject,
  string,
  url,
} from "valibot";

const iso = pipe(string(), regex(/^[A-Z]{2}$/, "is not ISO 3166-1 alpha-2"));
const days = pipe(number(), integer(), minValue(0), maxValue(1_000));

const rule = pipe(
  strictObject({
    /** Unique; what verdicts, audit and people call it. */
    id: pipe(string(), regex(/^[a-z0-9-]{2,40}$/, "is not lower-case letters, digits and hyphens")),
    /** "*": wherever no other rule holds. */
    iso: pipe(string(), regex(/^([A-Z]{2}|\*)$/, 'is not ISO 3166-1 alpha-2, or "*"')),
    /** Only for subscriptions that are at home in one of these. */
    home_iso: optional(pipe(array(iso), minLength(1))),
    kind: picklist([
      "consecutive_days",
      "cumulative_days",
      "calendar_year_days",
      "roaming_months",
      "local_profile_required",
      "registration_required",
      "commercial",
      "unrestricted",
      "unknown",
    ]),
    /** Days, or months, that are allowed: the next one is the breach. */
    limit: optional(days),
    window_days: optional(days),
    window_months: optional(pipe(number(), integer(), minValue(1), maxValue(36))),
    /** Days of use after which the device must be registered. */
    after_days: optional(days),
    /** Whether profiles may be changed while the vehicle is there. */
    profile_swap: optional(picklist(["free", "allow_list", "forbidden"])),
    key: optional(picklist(["imei", "imsi", "iccid"]), "imsi"),
    counts: optional(picklist(["data_session", "registration"]), "data_session"),
    /** With which subscriptions days count: those of other countries, or the country's own. */
    sim: optional(picklist(["foreign", "local"]), "foreign"),
    /** Minutes ahead of UTC of the midnight that ends a day. */
    zone_minutes: optional(pipe(number(), integer(), minValue(-720), maxValue(840)), 0),
    warn_at: optional(nullable(days)),
    act_at: optional(nullable(days)),
    /** What is done from `act_at` on, besides asking the eIM at once. */
    action: optional(picklist(["poll", "market", "refuse_data"]), "poll"),
    basis: optional(picklist(["law", "regulator", "operator", "commercial"]), "commercial"),
    /** Low confidence may warn, never act. */
    confidence: picklist(["high", "medium", "low"]),
    source_url: optional(pipe(string(), url())),
    source_date: optional(pipe(string(), isoDate())),
    note: optional(string()),
  }),
  check(
    (value) => needed[value.kind].every((field) => value[field] !== undefined),
    "lacks a field that its kind needs (limit, window, after_days)",
  ),
);

const needed = {
  consecutive_days: ["limit"],
  cumulative_days: ["limit", "window_days"],
  calendar_year_days: ["limit"],
  roaming_months: ["limit", "window_months"],
  local_profile_required: [],
  registration_required: ["after_days"],
  commercial: [],
  unrestricted: [],
  unknown: [],
} as const satisfies Record<string, readonly ("limit" | "window_days" | "window_months" | "after_days")[]>;

export const roamingRulesSchema = strictObject({
  schema: picklist(["simward/roaming-rules/1"]),
  /** A greater number replaces a smaller one, never the other way round. */
  version: pipe(number(), integer(), minValue(1)),
  issued: pipe(string(), isoDate()),
  rules: pipe(
    array(rule),
    check((list) => new Set(list.map(({ id }) => id)).size === list.length, "has two rules of one id"),
  ),
});

export type RoamingRules = InferOutput<typeof roamingRulesSchema>;
export type RoamingRule = RoamingRules["rules"][number];
export type RuleKind = RoamingRule["kind"];

/** Those that hold for a subscription of that home there: agreements between the two countries, else the country's own, else the "*" rules. */
export function rulesFor({ rules }: RoamingRules, country: string, home: string | undefined): readonly RoamingRule[] {
  const agreed = rules.filter(({ iso, home_iso }) => iso === country && home !== undefined && home_iso?.includes(home));
  if (agreed.length > 0) return agreed;
  const general = rules.filter(({ home_iso }) => home_iso === undefined);
  const own = general.filter(({ iso }) => iso === country);
  return own.length > 0 ? own : general.filter(({ iso }) => iso === "*");
}
