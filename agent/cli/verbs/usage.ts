// simward usage show, export, limit, reset: how much data has passed, what is left of each cap, and what an admin changes until the period's end.
import { isCode, SimwardError } from "../../../base/errors.ts";
import type { CapReport, UsageReport, UsageRowReport } from "../../api/usage-types.ts";
import { bytesText } from "../../usage/words.ts";
import type { ApiClient } from "../client.ts";
import type { Output, Style } from "../output.ts";
import { asTyped, type CliContext, needReason, textOption, type Verb } from "../verb.ts";

const colours: Record<CapReport["state"], Style> = { ok: "green", warn: "yellow", throttle: "yellow", block: "red" };
const columns = ["date", "iccid", "stage", "party", "sentBytes", "receivedBytes", "certain"] as const;

export const usageShow: Verb = {
  name: "usage show",
  summary: "how much has passed in this period, by profile, stage and party, and what is left of each cap",
  example: "simward usage show",
  async run({ api, out }) {
    const report = await asLeastRole(api, (client) => client.call<UsageReport>("GET", "/v1/usage"));
    out.result(report, () => rendered(report, out));
    return undefined;
  },
};

export const usageExport: Verb = {
  name: "usage export",
  summary: "day by day (UTC), profile, stage and party, unmasked, for invoices: JSON lines, or a table (docs/usage.md)",
  example: "simward usage export --from 2026-06-01 --to 2026-06-30 --csv",
  options: [
    { flags: "--from <date>", help: "from this day on, e.g. 2026-06-01" },
    { flags: "--to <date>", help: "up to this day" },
    { flags: "--csv", help: "as a table, RFC 4180" },
  ],
  timeoutSeconds: 120,
  async run({ api, out, signal }, input) {
    const [from, to] = [textOption(input, "from"), textOption(input, "to")];
    for (const [name, value] of Object.entries({ from, to }))
      if (value !== undefined && !/^\d{4}-\d{2}-\d{2}$/.test(value))
        throw new SimwardError("USAGE", { detail: `--${name} ${asTyped(value)}: give a day, e.g. 2026-06-01` });
    const query = new URLSearchParams({ ...(from === undefined ? {} : { from }), ...(to === undefined ? {} : { to }) });
    const asCsv = input.options.csv === true;
    if (asCsv) out.raw(columns.join(","));
    const show = (line: unknown): boolean => {
      // Digits and words of simward's own: nothing that a table would have to quote.
      const row = line as UsageRowReport;
      out.raw(asCsv ? columns.map((name) => String(row[name])).join(",") : JSON.stringify(row));
      return true;
    };
    await asLeastRole(api, (client) => client.lines(`/v1/usage/export?${query}`, show, signal));
    return undefined;
  },
};

/** api.usage_access may leave it to a higher role than most questions need: then that one's socket is asked, as far as the user may open it. */
async function asLeastRole<T>(api: CliContext["api"], ask: (client: ApiClient) => Promise<T>): Promise<T> {
  let refusal: unknown;
  for (const role of ["viewer", "engineer", "admin"] as const) {
    try {
      return await ask(api(role));
    } catch (error) {
      if (refusal === undefined && !isCode(error, "API_FORBIDDEN")) throw error;
      refusal ??= error;
      if (!isCode(error, "API_FORBIDDEN")) break;
    }
  }
  throw refusal;
}

const cap = { flags: "--cap <name>", help: "as usage show names it", default: "all" };

export const usageLimit: Verb = {
  name: "usage limit",
  summary:
    "another limit until the period's end, e.g. when the SIM was topped up; without an amount the configured one holds again; over the admin's socket",
  example: "simward usage limit 600MB --reason 'topped up, ticket 123'",
  args: [{ name: "amount", help: "bytes, or with kB, MB, GB", optional: true }],
  options: [cap],
  async run({ api, out }, input) {
    const [amount] = input.args;
    const order = { cap: textOption(input, "cap") ?? "all", reason: needReason(input) };
    const body = amount === undefined ? order : { ...order, bytes: bytesOf(amount) };
    const report = await api("admin").call<UsageReport>("POST", "/v1/usage/limit", body);
    out.result(report, () => rendered(report, out));
    return undefined;
  },
};

export const usageReset: Verb = {
  name: "usage reset",
  summary:
    "what was used until now does not count against the cap in this period; what was counted for invoices stays; over the admin's socket",
  example: "simward usage reset --reason 'tested by the operator'",
  options: [cap],
  async run({ api, out }, input) {
    const body = { cap: textOption(input, "cap") ?? "all", reason: needReason(input) };
    const report = await api("admin").call<UsageReport>("POST", "/v1/usage/reset", body);
    out.result(report, () => rendered(report, out));
    return undefined;
  },
};

const powers = { "": 1, b: 1, kb: 1e3, mb: 1e6, gb: 1e9 } as const;

/** Throws USAGE. */
export function bytesOf(text: string): number {
  const [, number = "", unit = ""] = /^(\d{1,15}(?:\.\d{1,6})?) ?([kmg]?b)?$/i.exec(text) ?? [];
  const bytes = Math.round(Number(number) * powers[unit.toLowerCase() as keyof typeof powers]);
  if (number === "" || bytes < 1)
    throw new SimwardError("USAGE", { detail: `${asTyped(text)}: give an amount such as 500000000, 500MB or 1.5GB` });
  return bytes;
}

export function rendered(report: UsageReport, out: Output): string {
  const { period, caps, counted, certain, reserveBytes, managementBytes, fleetBytes, amounts } = report;
  const rows: (readonly [string, readonly string[]])[] = [
    [
      out.paint("bold", "Period"),
      [
        period.from === period.to ? period.from : `${period.from} to ${period.to} (UTC)`,
        period.words,
        certain ? "" : out.paint("yellow", "uncertain: nobody vouches for the clock"),
      ].filter(Boolean),
    ],
    [
      out.paint("bold", "Used"),
      [
        `fleet ${bytesText(fleetBytes)}`,
        counted === "firewall"
          ? `management ${bytesText(managementBytes)}${reserveBytes === undefined ? "" : ` of ${bytesText(reserveBytes)} kept back for it`}`
          : counted === "interface"
            ? "management included: there is no firewall to tell it apart"
            : counted === "module"
              ? "management included: the module's own count, read once a minute"
              : out.paint("yellow", "nothing counts what passes: it needs [net], or a module that counts"),
      ],
    ],
  ];
  if (caps.length === 0) rows.push([out.paint("bold", "Cap"), ["none holds for this profile and stage"]]);
  for (const one of caps) rows.push([out.paint("bold", `Cap ${one.cap}`), capParts(one, out)]);
  const head = out.fields(rows);
  if (amounts.length === 0) return head;
  const table = amounts.map(({ iccid, stage, party, sentBytes, receivedBytes, certain: known }) => [
    iccid === "" ? "(unknown)" : iccid,
    stage,
    party,
    bytesText(sentBytes),
    bytesText(receivedBytes),
    known ? "" : "day uncertain",
  ]);
  return `${head}\n\n${out.table([["ICCID", "STAGE", "PARTY", "SENT", "RECEIVED", ""].map((one) => out.paint("bold", one)), ...table])}`;
}

function capParts(one: CapReport, out: Output): readonly string[] {
  const { state, usedBytes, limitBytes, action, ordered, forecastBytes, reachedOn, retryAt } = one;
  return [
    out.paint(colours[state], bar(usedBytes, limitBytes)),
    `${bytesText(usedBytes)} of ${bytesText(limitBytes)}`,
    ordered ? out.paint("yellow", "by an order, until the period's end") : "",
    state === "ok" || state === "warn" ? `then ${action}` : out.paint(colours[state], state),
    forecastBytes === undefined ? "" : `foreseen ${bytesText(forecastBytes)}`,
    reachedOn === undefined ? "" : out.paint("yellow", `used up on ${reachedOn}`),
    retryAt === undefined ? "" : `flows freely again ${retryAt}`,
  ].filter((part) => part !== "");
}

/** "[##########--------------] 41 %" */
function bar(used: number, of: number, width = 24): string {
  const part = of === 0 ? 1 : Math.min(1, used / of);
  const full = Math.floor(part * width);
  return `[${"#".repeat(full)}${"-".repeat(width - full)}] ${Math.floor(part * 100)} %`;
}
