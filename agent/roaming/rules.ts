// Rules of permanent roaming as data: what a rule may say, checked once when a rule file is read. How they are judged: standing.ts.
import {
  array,
  check,
  type GenericSchema,
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

const kinds = [
  "consecutive_days",
  "cumulative_days",
  "calendar_year_days",
  "roaming_months",
  "local_profile_required",
  "registration_required",
  "commercial",
  "unrestricted",
  "unknown",
] as const;
export type RuleKind = (typeof kinds)[number];

/** As it stands in the rule file, with what is left out there filled in. Spelt out for the documents of the local API. */
export interface RoamingRule {
  readonly id: string;
  readonly iso: string;
  readonly home_iso?: readonly string[] | undefined;
  readonly kind: RuleKind;
  readonly limit?: number | undefined;
  readonly window_days?: number | undefined;
  readonly window_months?: number | undefined;
  readonly after_days?: number | undefined;
  readonly profile_swap?: "free" | "allow_list" | "forbidden" | undefined;
  readonly key: "imei" | "imsi" | "iccid";
  readonly counts: "data_session" | "registration";
  readonly sim: "foreign" | "local";
  readonly zone_minutes: number;
  readonly warn_at?: number | null | undefined;
  readonly act_at?: number | null | undefined;
  readonly action: "poll" | "market" | "refuse_data";
  readonly basis: "law" | "regulator" | "operator" | "commercial";
  readonly confidence: "high" | "medium" | "low";
  readonly source_url?: string | undefined;
  readonly source_date?: string | undefined;
  readonly note?: string | undefined;
}

const rule: GenericSchema<unknown, RoamingRule> = pipe(
  strictObject({
    /** Unique; what verdicts, audit and people call it. */
    id: pipe(string(), regex(/^[a-z0-9-]{2,40}$/, "is not lower-case letters, digits and hyphens")),
    /** "*": wherever no other rule holds. */
    iso: pipe(string(), regex(/^([A-Z]{2}|\*)$/, 'is not ISO 3166-1 alpha-2, or "*"')),
    /** Only for subscriptions that are at home in one of these. */
    home_iso: optional(pipe(array(iso), minLength(1))),
    kind: picklist(kinds),
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

/** Those that hold for a subscription of that home there: agreements between the two countries, else the country's own, else the "*" rules. */
export function rulesFor({ rules }: RoamingRules, country: string, home: string | undefined): readonly RoamingRule[] {
  const agreed = rules.filter(({ iso, home_iso }) => iso === country && home !== undefined && home_iso?.includes(home));
  if (agreed.length > 0) return agreed;
  const general = rules.filter(({ home_iso }) => home_iso === undefined);
  const own = general.filter(({ iso }) => iso === country);
  return own.length > 0 ? own : general.filter(({ iso }) => iso === "*");
}
