// The rules of permanent roaming that simward ships with: what was published, where and when. No legal advice; a fleet replaces them by a signed file.
import type { RoamingRule, RoamingRules } from "./rules.ts";

const defaults = { key: "imsi", counts: "data_session", sim: "foreign", zone_minutes: 0, action: "poll", basis: "regulator" } as const;
const rule = (row: Partial<RoamingRule> & Pick<RoamingRule, "id" | "iso" | "kind" | "confidence">): RoamingRule => ({
  ...defaults,
  ...row,
});

export const defaultRoamingRules: RoamingRules = {
  schema: "simward/roaming-rules/1",
  version: 1,
  issued: "2026-06-02",
  rules: [
    rule({
      ...{ id: "tr-90-in-120", iso: "TR", kind: "cumulative_days", limit: 90, window_days: 120, key: "imei", warn_at: 60, act_at: 80 },
      ...{ basis: "law", confidence: "high", source_date: "2019-09-20" },
      source_url: "https://gide.com/en/news-insights/remission-option-must-be-completed-before-19-july-2020",
      note: "Law 5809, decision 2019/DK-BTD/183: the IMEI is blacklisted, and cut off 30 days later",
    }),
    rule({
      ...{ id: "tr-imei-registration", iso: "TR", kind: "registration_required", after_days: 120, key: "imei", sim: "local", warn_at: 90 },
      ...{ confidence: "medium", source_date: "2026-01-02" },
      source_url: "https://en.haberler.com/attention-if-you-received-this-message-on-january-19417610",
      note: "Use with a Turkish subscription; the IMEI must be registered",
    }),
    rule({
      ...{ id: "br-90-in-365", iso: "BR", kind: "cumulative_days", limit: 90, window_days: 365, warn_at: 60, act_at: 80 },
      ...{ confidence: "medium", source_date: "2024-03-22" },
      source_url: "https://www.archyde.com/anatel-authorizes-operators-to-block-cell-phones-in-permanent-roaming-in-brazil/",
    }),
    rule({
      ...{ id: "br-90-consecutive", iso: "BR", kind: "consecutive_days", limit: 90, warn_at: 60, act_at: 80 },
      ...{ confidence: "medium", source_date: "2025-01-01" },
      source_url:
        "https://www.cullen-international.com/news/2025/01/Brazil-applies-tougher-rules-for-IoT-than-other-countries-in-the-Americas.html",
    }),
    ...["CL", "BR"].flatMap((iso) => {
      const lower = iso.toLowerCase();
      const of = {
        home_iso: [iso === "CL" ? "BR" : "CL"],
        warn_at: 60,
        act_at: 80,
        confidence: "high",
        source_date: "2023-07-25",
      } satisfies Partial<RoamingRule>;
      const from = "https://dplnews.com/entra-em-vigor-roaming-livre-entre-brasil-e-chile/";
      return [
        rule({ ...of, id: `${lower}-agreement-120-a-year`, iso, kind: "calendar_year_days", limit: 120, source_url: from }),
        rule({ ...of, id: `${lower}-agreement-90-consecutive`, iso, kind: "consecutive_days", limit: 90, source_url: from }),
      ];
    }),
    rule({
      ...{ id: "sa-120-consecutive", iso: "SA", kind: "consecutive_days", limit: 120, warn_at: 75, act_at: 90 },
      ...{ confidence: "medium", source_date: "2026-06-02" },
      source_url: "https://www.globallot.net/insights/middle-east-africa-iot-sim-deployment-guide",
    }),
    rule({
      id: "cn-local-profile",
      iso: "CN",
      kind: "local_profile_required",
      profile_swap: "allow_list",
      action: "market",
      confidence: "medium",
    }),
    rule({
      ...{ id: "in-180-consecutive", iso: "IN", kind: "consecutive_days", limit: 180, warn_at: 30, act_at: 150 },
      ...{ confidence: "low", source_date: "2025-12-30" },
    }),
    rule({
      ...{ id: "ng-local-profile", iso: "NG", kind: "local_profile_required", action: "market" },
      ...{ confidence: "low", source_date: "2026-06-02" },
    }),
    ...(["CU", "IR"] as const).map((iso) =>
      rule({
        ...{ id: `${iso.toLowerCase()}-30-consecutive`, iso, kind: "consecutive_days", limit: 30, warn_at: 7, confidence: "low" },
        note: "7 to 30 days, as the operator likes",
      }),
    ),
    ...(["AE", "CR", "KE", "QA", "ZA"] as const).map((iso) =>
      rule({
        id: `${iso.toLowerCase()}-approval`,
        iso,
        kind: "unknown",
        warn_at: 30,
        confidence: "low",
        note: "Needs an approval or a licence",
      }),
    ),
    rule({ id: "eg-restricted", iso: "EG", kind: "unknown", warn_at: 30, confidence: "low", source_date: "2020-10-29" }),
    rule({
      ...{ id: "au-5-months-in-12", iso: "AU", kind: "roaming_months", limit: 5, window_months: 12, warn_at: 4 },
      ...{ basis: "operator", confidence: "medium", source_date: "2016-04-06" },
    }),
    ...(["US", "CA"] as const).map((iso) =>
      rule({
        ...{ id: `${iso.toLowerCase()}-commercial`, iso, kind: "commercial", warn_at: 90, basis: "commercial" },
        ...{ confidence: "medium", source_date: "2026-04-23" },
        source_url: "https://nuvolinq.com/insights/permanent-roaming-failure/",
      }),
    ),
    ...(["BH", "IL"] as const).map((iso) =>
      rule({ id: `${iso.toLowerCase()}-free`, iso, kind: "unrestricted", confidence: "medium", source_date: "2025-03-01" }),
    ),
    rule({ id: "elsewhere", iso: "*", kind: "unknown", warn_at: 60, basis: "commercial", confidence: "low" }),
  ],
};
