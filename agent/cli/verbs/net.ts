// simward net …: where connectivity stands, its sessions, whether anything passes, who is in reach, and an APN on trial.

import { SimwardError } from "../../../base/errors.ts";
import type { ApnTestReport, NetReport, OperatorsReport, PathHealth, ProbeReport, SessionsReport } from "../../api/net-types.ts";
import { exitCodes } from "../exit.ts";
import { duration } from "../layout.ts";
import type { Output } from "../output.ts";
import { quietOption, withProgress } from "../progress.ts";
import { asTyped, textOption, type Verb, wholeNumberOption } from "../verb.ts";

type Row = readonly [string, readonly string[]];

export const netStatus: Verb = {
  name: "net status",
  summary: "registration with causes in words, cell, signal, path, operators known, radio",
  example: "simward net status",
  async run({ api, out }) {
    const report = await api("viewer").call<NetReport>("GET", "/v1/net");
    out.result(report, () => out.fields(rowsOf(report, out)));
    return undefined;
  },
};

function rowsOf(report: NetReport, out: Output): readonly Row[] {
  const { registration: at, signal, path, choice, chosen, operators, radio } = report;
  const row = (name: string, ...parts: readonly (string | undefined)[]): Row => [
    out.paint("bold", name),
    parts.filter((part): part is string => part !== undefined && part !== ""),
  ];
  const known = (value: number | undefined, what: string, unit: string): string | undefined =>
    value === undefined ? undefined : `${what} ${value} ${unit}`;
  return [
    row(
      "Registration",
      at.status,
      at.plmn,
      at.rat?.toUpperCase(),
      at.tac && `TAC ${at.tac}`,
      at.cellId && `cell ${at.cellId}`,
      at.refused && out.paint("yellow", at.refused),
    ),
    row(
      "Signal",
      known(signal.rsrpDbm, "RSRP", "dBm"),
      known(signal.rsrqDb, "RSRQ", "dB"),
      known(signal.sinrDb, "SINR", "dB"),
      known(signal.rssiDbm, "RSSI", "dBm"),
    ),
    row(
      "Path",
      path.up ? out.paint("green", "up") : out.paint("yellow", "none"),
      path.address,
      path.apn === undefined ? undefined : `APN ${path.apn === "" ? "(network's own)" : path.apn}`,
      path.dns && `DNS ${path.dns.join(" ")}`,
      known(path.mtuBytes, "MTU", "octets"),
      path.up ? undefined : path.reason,
    ),
    row("Probe", ...healthParts(path, out)),
    row("Operator", choice === "automatic" ? "the module chooses" : `${choice}: automatic gave no data`, chosen),
    ...operators.map((one, at) =>
      row(
        at === 0 ? "Known" : "",
        one.plmn,
        one.failing ? out.paint("yellow", "failing") : "good",
        one.at,
        known(one.rsrpDbm, "RSRP", "dBm"),
        one.why,
      ),
    ),
    row(
      "Radio",
      (radio.rats ?? ["the module does not tell"]).join(", "),
      radio.policy && `policy ${radio.policy.join(", ")}`,
      radio.powerSavingRefused ? out.paint("yellow", "power saving refused by the network") : undefined,
    ),
  ];
}

function healthParts(path: PathHealth, out: Output): readonly string[] {
  const { verdict, roundTripMs, leastRoundTripMs, everyOperatorTried, bitsPerSecond, bestBitsPerSecond, throttled } = path;
  const kilobits = (rate: number): string => `${(rate / 1_000).toFixed(1)} kbit/s`;
  const colour = verdict === "passing" ? "green" : "yellow";
  return [
    verdict === "unknown" ? "nobody asked yet" : out.paint(colour, verdict),
    roundTripMs === undefined ? "" : `${roundTripMs} ms`,
    leastRoundTripMs === undefined ? "" : `least ${leastRoundTripMs} ms`,
    bitsPerSecond === undefined ? "" : kilobits(bitsPerSecond),
    bestBitsPerSecond === undefined ? "" : `best ${kilobits(bestBitsPerSecond)}`,
    throttled === true ? out.paint("yellow", "throttled") : "",
    everyOperatorTried === true ? "every operator was tried" : "",
  ].filter((part) => part !== "");
}

export const netSessions: Verb = {
  name: "net sessions",
  summary: "data sessions and the gaps between them, with why they ended",
  example: "simward net sessions --last 50",
  options: [{ flags: "--last <n>", help: "how many of the audit trail", default: "20" }],
  async run({ api, out }, input) {
    const last = wholeNumberOption(input, "last", 1, 1_000) ?? 20;
    const report = await api("viewer").call<SessionsReport>("GET", `/v1/sessions?last=${last}`);
    out.result(report, () => out.fields(sessionRows(report, out)));
    return undefined;
  },
};

function sessionRows({ records, current, gap }: SessionsReport, out: Output): readonly Row[] {
  const text = (value: unknown): string => (typeof value === "string" ? value : "");
  const octets = (value: unknown, what: string): string => (typeof value === "number" ? `${value} octets ${what}` : "");
  const filled = (parts: readonly string[]): readonly string[] => parts.filter((part) => part !== "");
  return [
    ...records.map((one): Row => {
      const { start, from, seconds, plmn, rat, apn, address, end, reason } = one;
      const took = typeof seconds === "number" ? duration(seconds * 1_000) : "";
      if (one.event === "session.gap") return [out.paint("yellow", "gap"), filled([text(from), took, text(reason)])];
      const counted = [octets(one.receivedBytes, "received"), octets(one.sentBytes, "sent")];
      return ["session", filled([text(start), took, text(plmn), text(rat), text(apn), text(address), ...counted, text(end)])];
    }),
    ...(current === undefined
      ? []
      : [
          [
            out.paint("green", "now"),
            filled([
              current.start,
              duration(current.seconds * 1_000),
              current.plmn ?? "",
              current.rat ?? "",
              current.apn ?? "",
              current.address,
            ]),
          ] as const,
        ]),
    ...(gap === undefined ? [] : [[out.paint("yellow", "now"), ["no session", `since ${gap.start}`, gap.reason]] as const]),
  ];
}

export const netProbe: Verb = {
  name: "net probe",
  summary: "ask resolvers, hosts and eIMs now whether anything passes",
  example: "simward net probe",
  timeoutSeconds: 60,
  async run({ api, out }) {
    const report = await api("engineer").call<ProbeReport>("POST", "/v1/net/probe", {});
    out.result(report, () =>
      out.fields([
        ...report.answers.map((one): Row => [one.target, [one.answered ? `${one.roundTripMs ?? 0} ms` : out.paint("yellow", "no answer")]]),
        ["Path", healthParts(report.path, out)],
      ]),
    );
    return report.answers.some(({ answered }) => answered) ? undefined : exitCodes.offline;
  },
};

export const netScan: Verb = {
  name: "net scan",
  summary: "look for operators: it takes minutes, and data stands still meanwhile",
  example: "simward net scan",
  options: [quietOption],
  timeoutSeconds: 720,
  hasProgress: true,
  async run(context, input) {
    const { api, out } = context;
    const ask = (): Promise<OperatorsReport> => api("engineer").call<OperatorsReport>("POST", "/v1/net/scan", {});
    const report = await withProgress(context, input, ask, [], "simward status shows it, and simward net scan joins it");
    out.result(report, () => out.fields(report.operators.map(({ plmn, name, status }): Row => [plmn, [name, status]])));
    return undefined;
  },
};

export const netApnTest: Verb = {
  name: "net apn test",
  summary: "take an APN on trial: session and probe; what was in use before is restored, whatever comes of it",
  example: "simward net apn test iot.example",
  args: [{ name: "apn", help: "the access point name; '' lets the network choose" }],
  options: [
    { flags: "--type <type>", help: "IP, IPV6 or IPV4V6", default: "IPV4V6" },
    { flags: "--cid <n>", help: "number of the context", default: "1" },
  ],
  timeoutSeconds: 300,
  async run({ api, out }, input) {
    const type = textOption(input, "type") ?? "IPV4V6";
    if (!["IP", "IPV6", "IPV4V6"].includes(type))
      throw new SimwardError("USAGE", { detail: `--type ${asTyped(type)}: give IP, IPV6 or IPV4V6` });
    const body = { name: input.args[0] ?? "", type, cid: wholeNumberOption(input, "cid", 0, 16) ?? 1 };
    const report = await api("engineer").call<ApnTestReport>("POST", "/v1/net/apn-test", body);
    const { outcome, address, error, tookMs } = report;
    out.result(report, () =>
      out.fields([
        [
          out.paint("bold", report.name === "" ? "(network's own)" : report.name),
          [
            out.paint(outcome === "works" ? "green" : "red", outcome === "nothing-passes" ? "a session, but nothing passes" : outcome),
            address ?? "",
            error?.message ?? "",
            `in ${duration(tookMs)}`,
          ].filter((part) => part !== ""),
        ],
      ]),
    );
    return outcome === "works" ? undefined : exitCodes.offline;
  },
};
