// simward modem info, probe, capture, reset, apn get and set, psm, edrx: the module, what it answers, and what may be set in it by hand.
import { SimwardError } from "../../../base/errors.ts";
import type { ModemChanged, ModemReport, ModemSurvey } from "../../api/modem-types.ts";
import type { RadioReport } from "../../api/net-types.ts";
import { exitCodes } from "../exit.ts";
import { duration } from "../layout.ts";
import type { Output } from "../output.ts";
import { quietOption, withProgress } from "../progress.ts";
import { asTyped, needReason, textOption, type Verb, wholeNumberOption } from "../verb.ts";

type Row = readonly [string, readonly string[]];

const known = (...parts: readonly (string | undefined | false)[]): readonly string[] =>
  parts.filter((part): part is string => typeof part === "string" && part !== "");

function infoRows(report: ModemReport, out: Output): readonly Row[] {
  const bold = (name: string): string => out.paint("bold", name);
  const state = report.link === "ready" ? out.paint("green", "ready") : out.paint("yellow", report.link);
  return [
    [bold("Module"), known(report.manufacturer, report.model, report.revision, report.family && `family ${report.family}`)],
    [bold("Link"), known(state, report.port, report.reason)],
    [bold("IMEI"), known(report.imei)],
    [bold("Card"), known(report.sim, report.iccid && `ICCID ${report.iccid}`)],
    [
      bold("Radio"),
      known(
        report.functionLevel === undefined ? undefined : `+CFUN ${report.functionLevel}`,
        report.offered.map((one) => one.join("+")).join(" | "),
      ),
    ],
    [bold("APDUs"), [`up to ${report.apduBytes} octets of command data`]],
    ...report.contexts.map(
      ({ cid, type, apn, attach }, i): Row => [
        i === 0 ? bold("Contexts") : "",
        known(`${cid}`, type, apn === "" ? "(network's own)" : apn, attach && "attach"),
      ],
    ),
    ...(report.ownLpa === undefined ? [] : [[out.paint("red", "Own LPA"), [report.ownLpa]] as const]),
  ];
}

export const modemInfo: Verb = {
  name: "modem info",
  summary: "what the module is, its port, card and contexts, and what it can be set to",
  example: "simward modem info",
  async run({ api, out }) {
    const report = await api("viewer").call<ModemReport>("GET", "/v1/modem");
    out.result(report, () => out.fields(infoRows(report, out)));
    return undefined;
  },
};

const surveyTimeoutSeconds = 300;

export const modemProbe: Verb = {
  name: "modem probe",
  summary: "ask the module what it knows: a report for docs/modules.md and for whoever asks which modules work",
  example: "simward modem probe",
  timeoutSeconds: surveyTimeoutSeconds,
  async run({ api, out }) {
    const survey = await api("engineer").call<ModemSurvey>("POST", "/v1/modem/survey", {});
    out.result(survey, () => {
      const rows = survey.exchanges.map(({ line, answer, result, tookMs }) => {
        const text = answer.join(" | ");
        return [
          line,
          result === "OK" ? result : out.paint("yellow", result),
          duration(tookMs),
          text.length > 60 ? `${text.slice(0, 59)}…` : text,
        ];
      });
      return `${out.fields(infoRows(survey.modem, out))}\n\n${out.table([["LINE", "RESULT", "TOOK", "ANSWER"].map((head) => out.paint("bold", head)), ...rows])}`;
    });
    return undefined;
  },
};

export const modemCapture: Verb = {
  name: "modem capture",
  summary: "the same as a transcript that the driver's tests replay (test/transcripts): a line, and its answer; identifiers are masked",
  example: "simward modem capture > eg25.txt",
  timeoutSeconds: surveyTimeoutSeconds,
  async run({ api, out }) {
    const survey = await api("engineer").call<ModemSurvey>("POST", "/v1/modem/survey", {});
    const { manufacturer = "?", model = "?", revision = "?" } = survey.modem;
    out.result(
      survey,
      () => {
        const lines = survey.exchanges.map(({ line, answer, result }) =>
          result === "silent" ? `# ${line} has no answer` : `${line} => ${[...answer, result].join(" | ")} [captured]`,
        );
        return [`# ${manufacturer} ${model} ${revision}`, "# command => reply lines [source]", ...lines].join("\n");
      },
      true,
    );
    return undefined;
  },
};

function shownChange(done: ModemChanged, out: Output): void {
  const { what, changed, needsReset, tookMs, plmn, registered, reason } = done;
  out.result(done, () =>
    known(
      changed ? out.paint("green", what === "reset" ? "restarted" : "set") : "it was so already",
      plmn && `registered with ${plmn}`,
      registered === false && out.paint("yellow", `not registered again: ${reason ?? "nobody knows why"}; simward net status`),
      changed && `in ${duration(tookMs)}`,
      needsReset === true && out.paint("yellow", "holds after simward modem reset"),
    ).join("  "),
  );
}

export const modemReset: Verb = {
  name: "modem reset",
  summary: "restart the module, and wait until it is ready and registered again, where it was; exits with 8 where it is not",
  example: "simward modem reset --yes --reason 'ticket 123'",
  danger: "data and calls end until the module is registered again",
  options: [quietOption],
  timeoutSeconds: 900,
  hasProgress: true,
  async run(context, input) {
    const body = { reason: needReason(input) };
    const ask = (): Promise<ModemChanged> => context.api("engineer").call<ModemChanged>("POST", "/v1/modem/reset", body);
    const done = await withProgress(context, input, ask, [], "simward status shows it, and simward modem reset joins it");
    shownChange(done, context.out);
    return done.registered === false ? exitCodes.offline : undefined;
  },
};

export const modemApnGet: Verb = {
  name: "modem apn get",
  summary: "the APNs that the module holds, by context",
  example: "simward modem apn get",
  async run({ api, out }) {
    const { contexts } = await api("viewer").call<ModemReport>("GET", "/v1/modem");
    out.result({ schema: "simward/apns/1", contexts }, () =>
      contexts.length === 0
        ? "the module holds none"
        : out.table([
            ["CONTEXT", "TYPE", "APN", "USE"].map((head) => out.paint("bold", head)),
            ...contexts.map(({ cid, type, apn, attach }) => [
              String(cid),
              type,
              apn === "" ? "(network's own)" : apn,
              attach ? "attach" : "",
            ]),
          ]),
    );
    return undefined;
  },
};

export const modemApnSet: Verb = {
  name: "modem apn set",
  summary:
    "set an APN in the module, where [[apn]] of the configuration does not decide it; simward net apn test tries one without keeping it",
  example: "simward modem apn set iot.example",
  args: [{ name: "apn", help: "the access point name; '' lets the network choose" }],
  options: [
    { flags: "--type <type>", help: "IP, IPV6 or IPV4V6", default: "IPV4V6" },
    { flags: "--cid <n>", help: "number of the context; that of the attachment by default" },
  ],
  timeoutSeconds: 120,
  async run({ api, out }, input) {
    const type = textOption(input, "type") ?? "IPV4V6";
    if (!["IP", "IPV6", "IPV4V6"].includes(type))
      throw new SimwardError("USAGE", { detail: `--type ${asTyped(type)}: give IP, IPV6 or IPV4V6` });
    const cid = wholeNumberOption(input, "cid", 0, 16);
    const body = { name: input.args[0] ?? "", type, ...(cid === undefined ? {} : { cid }) };
    shownChange(await api("engineer").call<ModemChanged>("PUT", "/v1/modem/apn", body), out);
    return undefined;
  },
};

const onOff = { name: "state", help: "on or off; shows how it is without", optional: true, choices: ["on", "off"] };

function stateOf(text: string): boolean {
  if (text !== "on" && text !== "off") throw new SimwardError("USAGE", { detail: `${asTyped(text)}: give on or off` });
  return text === "on";
}

const secondsText = (seconds: number | undefined): string => (seconds === undefined ? "off" : `${seconds} s`);

export const modemPsm: Verb = {
  name: "modem psm",
  summary: "power saving mode as asked for and as granted; on or off sets it, where radio.psm does not decide it",
  example: "simward modem psm on --tau 3600 --active 60",
  args: [onOff],
  options: [
    { flags: "--tau <seconds>", help: "how often the module is heard at least (periodic TAU)" },
    { flags: "--active <seconds>", help: "how long it listens after that" },
  ],
  timeoutSeconds: 60,
  async run({ api, out }, input) {
    const [state] = input.args;
    const tau = wholeNumberOption(input, "tau", 60, 34_560_000);
    const active = wholeNumberOption(input, "active", 2, 11_160);
    if (state !== "on" && (tau !== undefined || active !== undefined))
      throw new SimwardError("USAGE", { detail: "--tau and --active go with on" });
    if (state !== undefined) {
      const enabled = stateOf(state);
      if (enabled && (tau === undefined || active === undefined))
        throw new SimwardError("USAGE", { detail: "on needs --tau and --active, in seconds" });
      const body = enabled ? { enabled, periodicTauSeconds: tau, activeSeconds: active } : { enabled };
      shownChange(await api("engineer").call<ModemChanged>("PUT", "/v1/modem/psm", body), out);
      return undefined;
    }
    const { psm } = await api("viewer").call<RadioReport>("GET", "/v1/radio");
    out.result({ schema: "simward/psm/1", ...(psm === undefined ? {} : { psm }) }, () => {
      if (psm === undefined) return "the module does not tell";
      const { requested, granted } = psm;
      const asked = `periodic TAU ${secondsText(requested.periodicTauSeconds)}, active ${secondsText(requested.activeSeconds)}`;
      const given =
        granted === undefined
          ? out.paint("yellow", "not granted")
          : `granted ${secondsText(granted.periodicTauSeconds)}, ${secondsText(granted.activeSeconds)}`;
      return out.fields([[out.paint("bold", "PSM"), psm.enabled ? ["on", asked, given] : ["off"]]]);
    });
    return undefined;
  },
};

export const modemEdrx: Verb = {
  name: "modem edrx",
  summary: "eDRX as asked for and as granted; a cycle or off sets it, where radio.edrx_seconds does not decide it",
  example: "simward modem edrx 20",
  args: [{ name: "cycle", help: "seconds, or off; shows how it is without", optional: true }],
  options: [{ flags: "--rat <rat>", help: "lte-m or nb-iot", default: "lte-m" }],
  timeoutSeconds: 60,
  async run({ api, out }, input) {
    const [cycle] = input.args;
    const rat = textOption(input, "rat") ?? "lte-m";
    if (rat !== "lte-m" && rat !== "nb-iot") throw new SimwardError("USAGE", { detail: `--rat ${asTyped(rat)}: give lte-m or nb-iot` });
    if (cycle !== undefined) {
      const seconds = cycle === "off" ? undefined : Number(cycle);
      if (seconds !== undefined && (!/^\d{1,5}(\.\d{1,2})?$/.test(cycle) || seconds <= 0 || seconds > 10_486))
        throw new SimwardError("USAGE", { detail: `${asTyped(cycle)}: give seconds, up to 10486, or off` });
      const body = { rat, ...(seconds === undefined ? {} : { cycleSeconds: seconds }) };
      shownChange(await api("engineer").call<ModemChanged>("PUT", "/v1/modem/edrx", body), out);
      return undefined;
    }
    const { edrx } = await api("viewer").call<RadioReport>("GET", "/v1/radio");
    out.result({ schema: "simward/edrx/1", ...(edrx === undefined ? {} : { edrx }) }, () => {
      if (edrx === undefined) return "the module does not tell";
      const asked = edrx.requested.map((one) => `${one.rat} ${one.cycleSeconds ?? "?"} s`).join(", ");
      const given =
        edrx.granted?.cycleSeconds === undefined ? out.paint("yellow", "not granted") : `granted ${edrx.granted.cycleSeconds} s`;
      return out.fields([[out.paint("bold", "eDRX"), edrx.requested.length === 0 ? ["off"] : [asked, given]]]);
    });
    return undefined;
  },
};
