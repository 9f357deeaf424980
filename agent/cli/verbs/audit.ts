// simward audit tail and audit verify. Verifying needs no daemon: it reads the files.
import { join } from "node:path";
import { realDisk } from "../../../base/disk.ts";
import { SimwardError } from "../../../base/errors.ts";
import type { ApiEvent, AuditPage, AuditVerificationReport } from "../../api/types.ts";
import { verifyChain } from "../../audit/chain.ts";
import type { AuditHead, AuditRecord } from "../../audit/types.ts";
import { exitCodes } from "../exit.ts";
import type { Output } from "../output.ts";
import { streamEnd } from "../stream.ts";
import { textOption, type Verb, wholeNumberOption } from "../verb.ts";

export const auditTail: Verb = {
  name: "audit tail",
  summary: "the last records of the audit trail",
  example: "simward audit tail -n 20 --follow",
  options: [
    { flags: "-n, --lines <n>", help: "how many", default: "20" },
    { flags: "-f, --follow", help: "go on as records are written, until the daemon ends" },
    { flags: "--event <prefix>", help: "only events that begin with this, e.g. profile." },
  ],
  async run({ api, out, signal }, input) {
    const lines = wholeNumberOption(input, "lines", 1, 10_000) ?? 20;
    const event = textOption(input, "event") ?? "";
    const client = api("viewer");
    const { records } = await client.call<AuditPage>("GET", `/v1/audit?${new URLSearchParams({ last: String(lines), event })}`);
    let lastSeq = 0;
    const show = (record: AuditRecord): void => {
      lastSeq = record.seq;
      out.line({ schema: "simward/audit-record/1", ...record }, () => renderRecord(record, out));
    };
    for (const record of records) show(record);
    if (input.options.follow !== true) return undefined;
    // From the remembered events on, so that what is written between question and listening is not missed.
    const end = await client.lines(
      "/v1/events?after=0",
      (line) => {
        const { kind, record } = line as ApiEvent & { readonly record?: AuditRecord };
        if (kind === "audit" && record !== undefined && record.seq > lastSeq && record.event.startsWith(event)) show(record);
        return true;
      },
      signal,
    );
    return streamEnd(end, out);
  },
};

export const auditVerify: Verb = {
  name: "audit verify",
  summary: "check the hash chain of the audit trail; reads the files, needs no daemon",
  example: "simward audit verify",
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
