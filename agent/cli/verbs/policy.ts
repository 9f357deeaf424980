// simward policy show, explain, simulate: which rule says what, and why the vehicle is in the state it is in.
import { SimwardError } from "../../../base/errors.ts";
import type { PolicyReplay, PolicyReport, PolicyVerdict } from "../../api/types.ts";
import { textOf } from "../given.ts";
import type { Output } from "../output.ts";
import { textOption, timeOption, type Verb } from "../verb.ts";

export const policyShow: Verb = {
  name: "policy show",
  summary: "the verdict in force on the fleet's traffic, and the rules that have something to say",
  example: "simward policy show",
  async run({ api, out }) {
    const report = await api("viewer").call<PolicyReport>("GET", "/v1/policy");
    out.result(report, () => rendered(report, out, false));
    return undefined;
  },
};

export const policyExplain: Verb = {
  name: "policy explain",
  summary: "why the vehicle is in the state it is in: every rule in words",
  example: "simward policy explain",
  async run({ api, out }) {
    const report = await api("viewer").call<PolicyReport>("GET", "/v1/policy");
    out.result(report, () => rendered(report, out, true));
    return undefined;
  },
};

export const policySimulate: Verb = {
  name: "policy simulate",
  summary:
    "what the rules would say of facts in a file (the facts of policy explain --json), or would have said along the audit trail; nothing is done",
  example: "simward policy simulate --trail --from 2026-01-01T00:00:00Z",
  options: [
    { flags: "--facts <file>", help: "JSON; - for standard input" },
    { flags: "--trail", help: "over the daemon's audit trail" },
    { flags: "--from <time>", help: "of the trail, RFC 3339" },
    { flags: "--to <time>", help: "of the trail, RFC 3339" },
  ],
  timeoutSeconds: 300,
  async run(context, input) {
    const { api, out } = context;
    const file = textOption(input, "facts");
    const isTrail = input.options.trail === true;
    if ((file === undefined) === !isTrail) throw new SimwardError("USAGE", { detail: "give --facts or --trail" });
    if (file !== undefined) {
      const report = await api("viewer").call<PolicyReport>("POST", "/v1/policy/simulate", { facts: factsIn(await textOf(context, file)) });
      out.result(report, () => rendered(report, out, true));
      return undefined;
    }
    const [from, to] = [timeOption(input, "from"), timeOption(input, "to")];
    const body = { ...(from === undefined ? {} : { from }), ...(to === undefined ? {} : { to }) };
    const replay = await api("viewer").call<PolicyReplay>("POST", "/v1/policy/replay", body);
    out.result(replay, () => renderedReplay(replay, out));
    return undefined;
  },
};

/** The facts themselves, or a report that has them. */
function factsIn(content: string): unknown {
  let value: unknown;
  try {
    value = JSON.parse(content);
  } catch (error) {
    throw new SimwardError("USAGE", { detail: "the facts are not JSON", cause: error });
  }
  return typeof value === "object" && value !== null && "facts" in value ? value.facts : value;
}

const colours = { allow: "green", warn: "yellow", throttle: "yellow", refuse: "red" } as const;

function verdictText({ kind, rule, reason, retryAt }: PolicyVerdict, out: Output): string {
  const why = [rule === undefined ? "" : `by ${rule}`, reason ?? "", retryAt === undefined ? "" : `until ${retryAt}`].filter(Boolean);
  return [out.paint(colours[kind], kind), why.join(": ")].filter(Boolean).join("  ");
}

function rendered({ data, held, rules }: PolicyReport, out: Output, all: boolean): string {
  const head = `Fleet traffic  ${verdictText(data, out)}${held ? `  ${out.paint("yellow", "held: an emergency is under way")}` : ""}`;
  const said = rules.filter(({ verdicts, actions }) => all || Object.keys(verdicts).length > 0 || actions.length > 0);
  const rows = said.flatMap(({ rule, verdicts, actions, explain }): (readonly [string, readonly string[]])[] => [
    [rule, [explain]],
    ...Object.entries(verdicts).map(([gate, verdict]) => ["", [`${gate}: ${verdict.kind}`]] as const),
    ...(actions.length === 0 ? [] : [["", [`wants: ${actions.join("; ")}`]] as const]),
  ]);
  if (rows.length === 0) return `${head}\nno rule has anything to say; simward policy explain shows them all`;
  return `${head}\n${out.fields(rows)}`;
}

function renderedReplay({ records, steps }: PolicyReplay, out: Output): string {
  if (steps.length === 0) return `${records} records: no verdict would have changed`;
  const rows = steps.map(({ seq, time, event, data, actions }) => [
    String(seq),
    time,
    event,
    data.kind,
    data.rule ?? "",
    actions.join("; "),
  ]);
  return out.table([["SEQ", "TIME", "EVENT", "DATA", "RULE", "WANTED"], ...rows]);
}
