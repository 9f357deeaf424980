// From findings to what is probably wrong: the order of causes, the sentence at the top, the report. Pure.
import { version } from "../../base/version.ts";
import type { DoctorMode, DoctorReport, FactoryReport, Finding } from "../api/doctor-types.ts";

/**
 * What is at fault first. The table of checks goes from the ground up, so of two that fail the earlier is the likelier cause; what another finding is the
 * reason for comes behind that one; and a warning that is the reason for a failure counts as one.
 */
export function causesOf(findings: readonly Finding[]): readonly Finding[] {
  const bad = findings.filter(({ level }) => level === "fail" || level === "warn");
  const explains = new Set(bad.flatMap(({ because, level }) => (because !== undefined && level === "fail" ? [because] : [])));
  const rank = ({ check, level, because }: Finding): number =>
    (level === "fail" || explains.has(check) ? 0 : 2) + (because === undefined ? 0 : 1);
  return bad
    .map((finding, at) => ({ finding, at }))
    .sort((a, b) => rank(a.finding) - rank(b.finding) || a.at - b.at)
    .map(({ finding }) => finding);
}

export function worstOf(findings: readonly Pick<Finding, "level">[]): "pass" | "warn" | "fail" {
  const has = (level: Finding["level"]): boolean => findings.some((one) => one.level === level);
  return has("fail") ? "fail" : has("warn") ? "warn" : "pass";
}

export interface ReportParts {
  readonly mode: DoctorMode;
  readonly daemon: DoctorReport["daemon"];
  readonly timeMs: number;
  readonly tookMs: number;
  readonly findings: readonly Finding[];
  readonly factory?: FactoryReport | undefined;
}

export function reportOf({ mode, daemon, timeMs, tookMs, findings, factory }: ReportParts): DoctorReport {
  const count = (level: Finding["level"]): number => findings.filter((one) => one.level === level).length;
  const causes = causesOf(findings);
  return {
    schema: "simward/doctor/1",
    version,
    mode,
    time: new Date(timeMs).toISOString(),
    daemon,
    verdict: worstOf(findings),
    summary: summaryOf(causes),
    causes: causes.map(({ check }) => check),
    counts: { pass: count("pass"), warn: count("warn"), fail: count("fail"), skip: count("skip") },
    tookMs: Math.round(tookMs),
    findings,
    ...(factory === undefined ? {} : { factory }),
  };
}

function summaryOf([first, ...others]: readonly Finding[]): string {
  if (first === undefined) return "Nothing is wrong.";
  const rest = others.filter(({ because }) => because === undefined).length;
  const more = rest === 0 ? "" : ` (and ${rest} more)`;
  const what =
    first.level === "fail" || others.some(({ because, level }) => because === first.check && level === "fail")
      ? "What is wrong"
      : "What could be better";
  return `${what}: ${first.cause ?? first.check}; do: ${first.mend ?? "simward doctor"}${more}`;
}
