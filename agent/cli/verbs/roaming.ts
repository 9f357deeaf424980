// simward roaming status, history, rules show, rules install: days of permanent roaming, and the rules they are judged by. docs/policy.md.
import { SimwardError } from "../../../base/errors.ts";
import type { RoamingHistory, RoamingReport, RoamingRulesReport, RoamingStanding } from "../../api/types.ts";
import { contentOf, signatureFile, textOf } from "../given.ts";
import { progressBar } from "../layout.ts";
import type { Output, Style } from "../output.ts";
import { needReason, textOption, type Verb } from "../verb.ts";

const colours: Record<RoamingStanding["level"], Style> = { ok: "green", warn: "yellow", act: "red", breach: "red" };

export const roamingStatus: Verb = {
  name: "roaming status",
  summary: "how the vehicle stands with the rules of permanent roaming where it is: days used, days left, and where the rule is from",
  example: "simward roaming status",
  async run({ api, out }) {
    const report = await api("viewer").call<RoamingReport>("GET", "/v1/roaming");
    out.result(report, () => renderRoaming(report, out));
    return undefined;
  },
};

export const roamingHistory: Verb = {
  name: "roaming history",
  summary: "the days on which the vehicle was used, by country; --all: also by subscription and profile, and by registration",
  example: "simward roaming history --all",
  options: [{ flags: "--all", help: "every count that is kept, not only that of the device's data sessions" }],
  async run({ api, out }, { options }) {
    const history = await api("viewer").call<RoamingHistory>("GET", "/v1/roaming/history");
    const shown = history.entries.filter(
      ({ identity, counted }) => options.all === true || (identity.startsWith("imei ") && counted.startsWith("data_session ")),
    );
    out.result({ ...history, entries: shown }, () => (shown.length === 0 ? "no day counted yet" : historyTable(shown, out)));
    return undefined;
  },
};

export const roamingDays: Verb = {
  name: "roaming days",
  summary: "days used and left by each rule of permanent roaming, where the vehicle is; --country: the days counted there",
  example: "simward roaming days --country TR",
  options: [{ flags: "--country <ISO>", help: "ISO 3166-1 alpha-2" }],
  async run({ api, out }, input) {
    const country = textOption(input, "country")?.toUpperCase();
    if (country !== undefined && !/^[A-Z]{2}$/.test(country))
      throw new SimwardError("USAGE", { detail: `--country ${country}: give ISO 3166-1 alpha-2, such as TR` });
    if (country === undefined) {
      const report = await api("viewer").call<RoamingReport>("GET", "/v1/roaming");
      out.result(report, () => renderRoaming(report, out));
      return undefined;
    }
    const history = await api("viewer").call<RoamingHistory>("GET", "/v1/roaming/history");
    const entries = history.entries.filter((entry) => entry.country === country);
    out.result({ ...history, entries }, () => (entries.length === 0 ? `no day counted in ${country}` : historyTable(entries, out)));
    return undefined;
  },
};

export const roamingExport: Verb = {
  name: "roaming export",
  summary: "every stay that is kept, as a table (RFC 4180): who is counted by, country, what counted, first and last day",
  example: "simward roaming export > stays.csv",
  async run({ api, out }) {
    const history = await api("viewer").call<RoamingHistory>("GET", "/v1/roaming/history");
    const shown = out.masked(history) as RoamingHistory;
    const rows = shown.entries.flatMap(({ identity, country, counted, stays }) =>
      stays.map(([first, last]) => [identity, country, counted, first, last].join(",")),
    );
    out.result(history, () => ["identity,country,counted,first_day,last_day", ...rows].join("\r\n"), true);
    return undefined;
  },
};

function historyTable(entries: RoamingHistory["entries"], out: Output): string {
  const rows = entries.map(({ identity, country, counted, days, uncertainDays, stays }) => [
    identity,
    country,
    counted,
    `${days}${uncertainDays > 0 ? ` (${uncertainDays} uncertain)` : ""}`,
    stays.map(([first, last]) => (first === last ? first : `${first}…${last}`)).join(" "),
  ]);
  return out.table([["BY", "COUNTRY", "COUNTED", "DAYS", "STAYS (UTC)"].map((head) => out.paint("bold", head)), ...rows]);
}

export const roamingRulesShow: Verb = {
  name: "roaming rules show",
  summary: "the rules of permanent roaming in force, who has signed them, and where each is from",
  example: "simward roaming rules show",
  async run({ api, out }) {
    const report = await api("viewer").call<RoamingRulesReport>("GET", "/v1/roaming/rules");
    out.result(report, () => renderRules(report, out));
    return undefined;
  },
};

export const roamingRulesInstall: Verb = {
  name: "roaming rules install",
  summary: "install rules that a policy key of the key ring has signed (docs/policy.md); over the admin's socket",
  example: "simward roaming rules install roaming-rules.json --reason 'rules of 2027'",
  args: [{ name: "rules", help: "the file" }],
  options: [{ flags: "--signature <file>", help: "over the file's octets, as openssl writes it; <rules>.sig by default" }],
  async run(context, input) {
    const { api, out } = context;
    const [file = ""] = input.args;
    const reason = needReason(input);
    const beside = signatureFile(input, file);
    const rules = await textOf(context, file);
    const signature = (await contentOf(context, beside)).toString("base64");
    const report = await api("admin").call<RoamingRulesReport>("POST", "/v1/roaming/rules", { rules, signature, reason });
    out.result(report, () => `${out.paint("green", report.outcome ?? "installed")}\n${head(report, out).join("\n")}`);
    return undefined;
  },
};

export function renderRoaming({ country, home, local, counting, today, certain, standings }: RoamingReport, out: Output): string {
  if (country === undefined) return "where the vehicle is is not known yet";
  const where = `${country}, ${local ? out.paint("green", "local") : `roaming with a profile of ${home ?? "no known country"}`}`;
  const rows: (readonly [string, readonly string[]])[] = [
    [out.paint("bold", "Country"), [where]],
    [
      out.paint("bold", "Today"),
      [
        `${today} (UTC)`,
        certain ? "" : out.paint("yellow", "uncertain: nobody vouches for the clock"),
        counting.length === 0 ? "not counting: no registration and no data session" : `counting: ${counting.join(", ")}`,
      ].filter((part) => part !== ""),
    ],
  ];
  for (const standing of standings) rows.push(["", []], [out.paint("bold", standing.rule), standingParts(standing, out)]);
  return out.fields(rows.filter(([label, parts]) => label !== "" || parts.length > 0));
}

function standingParts(standing: RoamingStanding, out: Output): readonly string[] {
  const { level, used, limit, warnAt, actAt, daysLeft, uncertain, kind, key, basis, confidence, source, sourceDate, action } = standing;
  const marks = [warnAt === undefined ? "" : `warns at ${warnAt}`, actAt === undefined ? "" : `acts at ${actAt}`];
  const isCounted = limit !== undefined && limit > 0;
  return [
    out.paint(colours[level], level),
    isCounted
      ? progressBar(Math.min(used, limit), limit).replace(/\d+\/\d+$/, `${used}/${limit}`)
      : `${kind.replaceAll("_", " ")}, ${used} used`,
    isCounted && kind === "roaming_months" ? "months" : "",
    daysLeft === undefined ? "" : `${daysLeft} days left`,
    marks.filter((mark) => mark !== "").join(", "),
    uncertain ? out.paint("yellow", "days uncertain") : "",
    `by ${key.toUpperCase()}`,
    `${basis}, ${confidence} confidence${sourceDate === undefined ? "" : `, ${sourceDate}`}`,
    action === "poll" ? "" : `then ${action}`,
    source ?? "",
  ].filter((part) => part !== "");
}

function head({ version, issued, signedBy, sha256, overridden, unknownOverrides }: RoamingRulesReport, out: Output): readonly string[] {
  const from = signedBy === undefined ? "they came with simward" : `signed by ${signedBy}, SHA-256 ${sha256 ?? "?"}`;
  return [
    `rules ${version} of ${issued}: ${from}`,
    ...(overridden.length === 0 ? [] : [`overridden by policy.roaming: ${overridden.join(", ")}`]),
    ...(unknownOverrides.length === 0 ? [] : [out.paint("yellow", `policy.roaming names no rule: ${unknownOverrides.join(", ")}`)]),
  ];
}

function renderRules(report: RoamingRulesReport, out: Output): string {
  const text = (value: unknown): string => (value === undefined || value === null ? "" : String(value));
  const rows = report.rules.map((rule) => [
    text(rule.id),
    text(rule.iso),
    text(rule.kind),
    text(rule.limit ?? rule.after_days),
    text(rule.window_days ?? rule.window_months),
    text(rule.warn_at),
    text(rule.act_at),
    text(rule.key),
    text(rule.action),
    text(rule.confidence),
    [text(rule.source_date), text(rule.source_url)].filter((part) => part !== "").join(" "),
  ]);
  const heads = ["RULE", "WHERE", "KIND", "LIMIT", "WINDOW", "WARN", "ACT", "BY", "ACTION", "CONFIDENCE", "SOURCE"];
  return `${head(report, out).join("\n")}\n${out.table([heads.map((one) => out.paint("bold", one)), ...rows])}`;
}
