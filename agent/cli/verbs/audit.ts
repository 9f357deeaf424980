// simward audit tail and audit verify. Verifying needs no daemon: it reads the files.
import { join } from "node:path";
import { realDisk } from "../../../base/disk.ts";
import { SimwardError } from "../../../base/errors.ts";
import type { ApiEvent, AuditPage, AuditVerificationReport } from "../../api/types.ts";
import { verifyChain } from "../../audit/chain.ts";
import type { AuditHead, AuditRecord } from "../../audit/types.ts";
import { exitCodes } from "../exit.ts";
import type { Output } from "../output.ts";
import { textOption, type Verb } from "../verb.ts";

export const auditTail: Verb = {
  name: "audit tail",
  summary: "the last records of the audit trail",
  example: "simward audit tail -n 20 --follow",
  options: [
    { flags: "-n, --lines <n>", help: "how many", default: "20" },
    { flags: "-f, --follow", help: "go on as records are written" },
    { flags: "--event <prefix>", help: "only events that begin with this, e.g. profile." },
  ],
  async run({ api, out, signal }, input) {
    const lines = textOption(input, "lines") ?? "20";
    const event = textOption(input, "event");
    const query = new URLSearchParams({ last: lines, ...(event === undefined ? {} : { event }) });
    const client = api("viewer");
    const { records } = await client.call<AuditPage>("GET", `/v1/audit?${query}`);
    for (const record of records) out.line(record, () => renderRecord(record, out));
    if (input.options.follow !== true) return undefined;
    await client.lines(
      "/v1/events",
      (line) => {
        const { kind, record } = line as ApiEvent & { readonly record?: AuditRecord };
        if (kind === "audit" && record?.event.startsWith(event ?? "")) out.line(record, () => renderRecord(record, out));
        return true;
      },
      signal,
    );
    return undefined;
  },
};

export const auditVerify: Verb = {
  name: "audit verify",
  summary: "check the hash chain of the audit trail; reads the files, needs no daemon",
  example: "simward audit verify --anchor 120:5f2c…",
  args: [{ name: "dir", help: "the trail's directory; that of the state directory by default", optional: true }],
  options: [{ flags: "--anchor <seq:hash>", help: "a head noted earlier, which the trail must contain" }],
  async run({ out, stateDir }, input) {
    const dir = input.args[0] ?? join(stateDir, "audit");
    const verification = await verifyChain(realDisk(dir), parseAnchor(textOption(input, "anchor")));
    if (verification.ok && verification.records === 0)
      throw new SimwardError("NOT_FOUND", { detail: `there are no audit records in ${dir}` });
    const report: AuditVerificationReport = { schema: "simward/audit-verification/1", ...verification };
    out.result(report, () => {
      if (report.problem !== undefined) {
        return `${out.paint("red", "BROKEN")}  ${report.problem.segment}, line ${report.problem.line}: ${report.problem.reason}\n${report.records} records before it are whole`;
      }
      return `${out.paint("green", "whole")}  ${report.records} records, seq ${report.firstSeq} to ${report.head.seq}, head ${report.head.seq}:${report.head.hash}`;
    });
    return report.ok ? undefined : exitCodes.failed;
  },
};

function parseAnchor(anchor: string | undefined): AuditHead | undefined {
  if (anchor === undefined) return undefined;
  const match = /^(\d+):([0-9a-f]{64})$/.exec(anchor);
  if (match === null) throw new SimwardError("USAGE", { detail: `--anchor ${anchor}: write seq:hash, as audit verify prints the head` });
  return { seq: Number(match[1]), hash: match[2] ?? "" };
}

function renderRecord(record: AuditRecord, out: Output): string {
  const data = Object.entries(record.data ?? {}).map(
    ([key, value]) => `${key}=${typeof value === "string" ? value : JSON.stringify(value)}`,
  );
  return `${out.paint("dim", `${String(record.seq).padStart(6)}  ${record.time}`)}  ${record.event.padEnd(24)} ${record.cause}  ${data.join(" ")}`;
}
