// simward doctor: what is wrong, why, and what to type next. Where the daemon does not answer, what can be seen without it.
import { deadline, SystemClock } from "../../../base/clock.ts";
import { asSimwardError, errorReport, isCode, SimwardError } from "../../../base/errors.ts";
import type { DoctorMode, DoctorProgress, DoctorReport, Finding, FindingLevel } from "../../api/doctor-types.ts";
import type { ImeiLockReport } from "../../api/types.ts";
import { examineLocally } from "../../doctor/local/run.ts";
import { exitCodes } from "../exit.ts";
import type { Output, Style } from "../output.ts";
import { type CliContext, textOption, type Verb, type VerbInput } from "../verb.ts";

const defaultConfig = "/etc/simward/simward.toml";

export const doctor: Verb = {
  name: "doctor",
  summary: "what is wrong, why, and what to do next; without the daemon too, as far as that can be seen",
  example: "simward doctor --fast",
  options: [
    { flags: "--fast", help: "nothing is sent over the network; under three seconds" },
    { flags: "--factory", help: "the production line's check, with its checklist; under ten seconds" },
    { flags: "--pair", help: "with --factory: pairs device and card first (admin)" },
    { flags: "--all", help: "what is well and what was skipped too" },
    { flags: "--config <file>", help: "the configuration, where the daemon does not answer", default: defaultConfig },
    { flags: "--reason <text>", help: "why, for the audit trail: with --pair" },
  ],
  timeoutSeconds: 120,
  async run(context, input) {
    const mode = modeOf(input);
    if (input.options.pair === true) await pair(context, mode, input);
    const report = await examined(context, mode, input);
    context.out.result(report, () => renderReport(report, context.out, input.options.all === true || mode === "factory"));
    return report.verdict === "fail" ? exitCodes.doctorFailures : report.verdict === "warn" ? exitCodes.doctorWarnings : undefined;
  },
};

function modeOf({ options }: VerbInput): DoctorMode {
  if (options.fast === true && options.factory === true)
    throw new SimwardError("USAGE", { detail: "--fast and --factory exclude each other" });
  return options.fast === true ? "fast" : options.factory === true ? "factory" : "full";
}

async function pair({ api, out }: CliContext, mode: DoctorMode, input: VerbInput): Promise<void> {
  if (mode !== "factory") throw new SimwardError("USAGE", { detail: "--pair goes with --factory" });
  const reason = textOption(input, "reason") ?? "production line";
  try {
    const { state } = await api("admin").call<ImeiLockReport>("POST", "/v1/imei-lock/pair", { reason });
    out.hint(`device and card: ${state}`);
  } catch (error) {
    // Why not is among what the line is told.
    if (!isCode(error, "IMEI_LOCK")) throw error;
    out.hint(`device and card are not paired: ${asSimwardError(error).message}`);
  }
}

/** The daemon tells its first finding at once; one that hangs tells nothing. */
const firstLineMs = 8_000;

/** Who may only look gets what viewers may have. */
async function examined(context: CliContext, mode: DoctorMode, input: VerbInput): Promise<DoctorReport> {
  if (mode === "fast") return examinedAs("viewer", context, mode, input);
  try {
    return await examinedAs("engineer", context, mode, input);
  } catch (error) {
    if (!isCode(error, "API_FORBIDDEN") || mode === "factory") throw error;
    context.out.hint("the network and the card are an engineer's to try (engineer.sock): only what can be seen without is looked at");
    return examinedAs("viewer", context, "fast", input);
  }
}

async function examinedAs(
  role: "viewer" | "engineer",
  { api, out, stateDir, signal }: CliContext,
  mode: DoctorMode,
  input: VerbInput,
): Promise<DoctorReport> {
  const clock = new SystemClock();
  const late = (): SimwardError => new SimwardError("DEADLINE", { detail: `no sign of simwardd within ${firstLineMs / 1_000} s` });
  const first = deadline(clock, firstLineMs, late, signal);
  try {
    let report: DoctorReport | undefined;
    await api(role).lines(
      `/v1/doctor/lines?mode=${mode}`,
      (line) => {
        first.done();
        const said = line as DoctorProgress | DoctorReport;
        if (said.schema === "simward/doctor/1") report = said;
        else tell(said, out);
        return true;
      },
      first.signal,
    );
    if (report !== undefined) return report;
    throw new SimwardError("API_RESPONSE", { detail: "the daemon ended before its report" });
  } catch (thrown) {
    const error = first.signal.aborted ? first.signal.reason : thrown;
    if (role === "engineer" && isCode(error, "API_FORBIDDEN")) throw error;
    if (!isCode(error, "API_NOT_RUNNING", "API_GONE", "API_FORBIDDEN", "API_RESPONSE", "DEADLINE")) throw error;
    out.hint(
      `${asSimwardError(error).message}\nwithout the daemon only these are looked at: its configuration, port, state directory, disk, audit trail and clock`,
    );
    return examineLocally({
      ...{ clock, mode, stateDir, signal, problem: errorReport(error) },
      configPath: textOption(input, "config") ?? defaultConfig,
      onFinding: (finding, done, of) => tell({ schema: "simward/doctor-progress/1", done, of, finding }, out),
    });
  } finally {
    first.done();
  }
}

function tell(progress: DoctorProgress, out: Output): void {
  const { done, of, finding } = progress;
  out.progress({ type: "progress", step: finding.check, n: done, of, level: finding.level }, () =>
    out.width === undefined ? undefined : `[${done}/${of}] ${finding.check} ${finding.level}`,
  );
}

const styles: Readonly<Record<FindingLevel, Style>> = { pass: "green", warn: "yellow", fail: "red", skip: "dim" };
const marks: Readonly<Record<FindingLevel, string>> = { pass: "ok", warn: "WARN", fail: "FAIL", skip: "skip" };

export function renderReport(report: DoctorReport, out: Output, showAll: boolean): string {
  const { findings, causes, counts, verdict, factory } = report;
  const parts = [out.paint(styles[verdict], report.summary)];
  const bad = causes.flatMap((name) => findings.find(({ check }) => check === name) ?? []);
  if (bad.length > 0) parts.push(out.fields(bad.map((finding) => rowOf(finding, out))));
  if (factory !== undefined) {
    const { checklist, imei, eid, iccid, pairing } = factory;
    parts.push(
      out.fields([
        ...checklist.map(({ item, level, words }) => [out.paint(styles[level], `${marks[level].padEnd(4)} ${item}`), [words]] as const),
        ["IMEI", [imei ?? "unknown"]],
        ["EID", [eid ?? "none"]],
        ["ICCID", [iccid ?? "none"]],
        ["Pairing", [pairing]],
      ]),
    );
  }
  if (showAll) {
    const rest = findings.filter(({ check }) => !causes.includes(check));
    for (const section of new Set(rest.map((one) => one.section)))
      parts.push(
        `${out.paint("bold", section)}\n${out.fields(rest.filter((one) => one.section === section).map((finding) => rowOf(finding, out)))}`,
      );
  }
  const down = report.daemon === "down" ? "; the daemon does not answer, so the module, the card and the network were not looked at" : "";
  parts.push(
    `${counts.fail} failed, ${counts.warn} warn, ${counts.pass} well, ${counts.skip} skipped in ${(report.tookMs / 1_000).toFixed(1)} s${down}`,
  );
  return parts.join("\n\n");
}

function rowOf({ check, level, cause, mend, because }: Finding, out: Output): readonly [string, readonly string[]] {
  const reason = because === undefined ? undefined : `(because of ${because})`;
  const words = [cause, reason, mend === undefined ? undefined : `-> ${mend}`];
  return [out.paint(styles[level], `${marks[level].padEnd(4)} ${check}`), words.filter((one) => one !== undefined)];
}
