// simward audit tail and audit verify. Verifying needs no daemon: it reads the files.
import { join } from "node:path";
import { realDisk } from "../../../base/disk.ts";
import { asSimwardError, SimwardError } from "../../../base/errors.ts";
import type { ApiEvent, AuditPage, AuditVerificationReport } from "../../api/types.ts";
import { verifyChain } from "../../audit/chain.ts";
import { storedHead } from "../../audit/stored-head.ts";
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
  summary: "check the hash chain of the audit trail, and its end against the state; reads the files, needs no daemon",
  example: "simward audit verify",
  args: [{ name: "dir", help: "the trail's directory, then without the state; that of the state directory by default", optional: true }],
  options: [{ flags: "--anchor <seq:hash>", help: "a head noted earlier, which the trail must contain" }],
  async run({ out, stateDir }, input) {
    const [given] = input.args;
    const anchor = parseAnchor(textOption(input, "anchor"));
    // Before the trail is read: a daemon that runs may write meanwhile, and a trail may be longer than the state says.
    const stored = given === undefined ? await headOfState(stateDir, out) : undefined;
    const dir = given ?? join(stateDir, "audit");
    const byState = await verifyChain(realDisk(dir), stored);
    const verification = byState.ok && anchor !== undefined ? await verifyChain(realDisk(dir), anchor) : byState;
    if (verification.ok && verification.records === 0)
      throw new SimwardError("NOT_FOUND", { detail: `there are no audit records in ${dir}` });
    const report: AuditVerificationReport = {
      schema: "simward/audit-verification/1",
      ...verification,
      ...(stored === undefined ? {} : { storedHead: stored }),
    };
    out.result(report, () => {
      if (report.problem !== undefined) {
        return `${out.paint("red", "BROKEN")}  ${report.problem.segment}, line ${report.problem.line}: ${report.problem.reason}\n${report.records} records before it are whole`;
      }
      const compared = stored === undefined ? "" : `\nit holds seq ${stored.seq}, the last that the state knows of`;
      return `${out.paint("green", "whole")}  ${report.records} records, seq ${report.firstSeq} to ${report.head.seq}, head ${report.head.seq}:${report.head.hash}${compared}`;
    });
    return report.ok ? undefined : exitCodes.failed;
  },
};

/** What keeps it from being read is told: then only the chain itself is checked. */
async function headOfState(stateDir: string, out: Output): Promise<AuditHead | undefined> {
  try {
    return await storedHead(realDisk(stateDir));
  } catch (error) {
    out.hint(`the end of the trail is not compared with the state: ${asSimwardError(error).message}`);
    return undefined;
  }
}

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
