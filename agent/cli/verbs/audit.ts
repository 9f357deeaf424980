// simward audit tail, query, export, key, verify. Verifying needs no daemon: it reads the files; query and export can do so too.
import type { KeyObject } from "node:crypto";
import { join } from "node:path";
import { fromUtf8 } from "../../../base/bytes.ts";
import { type Disk, realDisk } from "../../../base/disk.ts";
import { asSimwardError, SimwardError } from "../../../base/errors.ts";
import type { ApiEvent, AuditKeyReport, AuditPage, AuditVerificationReport } from "../../api/types.ts";
import { verifyChain } from "../../audit/chain.ts";
import { devicePublicKey, publicKeyFile } from "../../audit/checkpoint.ts";
import { csvHead, csvRow } from "../../audit/csv.ts";
import { queryChain, queryLines } from "../../audit/query.ts";
import { isSegment, parseRecord } from "../../audit/segment.ts";
import { storedHead } from "../../audit/stored-head.ts";
import type { AuditHead, AuditQuery, AuditRecord } from "../../audit/types.ts";
import { exitCodes } from "../exit.ts";
import { checkPath, textOf } from "../given.ts";
import type { Output } from "../output.ts";
import { streamEnd } from "../stream.ts";
import { asTyped, type CliContext, textOption, timeOption, type Verb, type VerbInput, wholeNumberOption } from "../verb.ts";

type AuditQueryFilter = Omit<AuditQuery, "first" | "last">;

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

const filters = [
  { flags: "--from <time>", help: "of this time and later, RFC 3339" },
  { flags: "--to <time>", help: "before this time, RFC 3339" },
  { flags: "--event <prefix>", help: "only events that begin with this, e.g. profile." },
  { flags: "--iccid <digits>", help: "only records that name an ICCID which begins so" },
  { flags: "--after <seq>", help: "only records behind this sequence number" },
];
const csv = { flags: "--csv", help: "as a table, RFC 4180" };
const dirArg = { name: "dir", help: "a trail's directory, which is read instead of asking the daemon", optional: true };

export const auditQuery: Verb = {
  name: "audit query",
  summary: "records of the audit trail by time, kind and ICCID; identifiers are masked",
  example: "simward audit query --from 2026-06-01T00:00:00Z --event profile. --csv",
  args: [dirArg],
  options: [...filters, { flags: "--first <n>", help: "the first so many" }, { flags: "--last <n>", help: "the last so many" }, csv],
  timeoutSeconds: 300,
  async run(context, input) {
    const { out } = context;
    const query = {
      ...filterOf(input),
      first: wholeNumberOption(input, "first", 1, 10_000_000),
      last: wholeNumberOption(input, "last", 1, 10_000),
    };
    if (query.first !== undefined && query.last !== undefined)
      throw new SimwardError("USAGE", { detail: "--first and --last exclude each other" });
    const asCsv = input.options.csv === true;
    if (asCsv) out.raw(csvHead());
    const show = (record: AuditRecord): void => {
      if (asCsv) out.raw(csvRow(out.masked(record) as AuditRecord));
      else out.line({ schema: "simward/audit-record/1", ...record }, () => renderRecord(record, out));
    };
    const [dir] = input.args;
    if (dir !== undefined) {
      for await (const record of queryChain(await trailIn(dir), query)) show(record);
      return undefined;
    }
    if (query.last !== undefined) {
      const { records } = await context.api("viewer").call<AuditPage>("GET", `/v1/audit?${parameters({ ...query, first: undefined })}`);
      for (const record of records) show(record);
      return undefined;
    }
    let left = query.first ?? Number.POSITIVE_INFINITY;
    await eachLine(context, query, (line) => {
      const record = parseRecord(line);
      if (record !== undefined) show(record);
      return --left > 0;
    });
    return undefined;
  },
};

export const auditExport: Verb = {
  name: "audit export",
  summary: "the audit trail itself, octet for octet and unmasked, for an auditor (docs/audit.md); with filters it is no whole chain",
  example: "simward audit export > trail.jsonl",
  args: [dirArg],
  options: [...filters, csv],
  timeoutSeconds: 300,
  async run(context, input) {
    const { out } = context;
    const query = filterOf(input);
    const asCsv = input.options.csv === true;
    if (asCsv) out.raw(csvHead());
    const show = (line: string): boolean => {
      const record = asCsv ? parseRecord(line) : undefined;
      if (record !== undefined) out.raw(csvRow(record));
      else if (!asCsv) out.raw(line);
      return true;
    };
    const [dir] = input.args;
    if (dir !== undefined) for await (const line of queryLines(await trailIn(dir), query)) show(line);
    else {
      const key = await eachLine(context, query, show);
      out.hint(`head ${key.head.seq}:${key.head.hash}${key.fingerprint === undefined ? "" : `, device key ${key.fingerprint}`}`);
    }
    return undefined;
  },
};

export const auditKey: Verb = {
  name: "audit key",
  summary: "the public key of this device, which signs the trail's checkpoints; note it in production",
  example: "simward audit key",
  async run({ api, out }) {
    const key = await api("viewer").call<AuditKeyReport>("GET", "/v1/audit/key");
    if (key.publicKey === undefined)
      throw new SimwardError("NOT_FOUND", { detail: "the device has no key yet: its state directory takes none" });
    out.result(key, () => `${key.publicKey?.trimEnd()}\n`.trimEnd());
    return undefined;
  },
};

export const auditVerify: Verb = {
  name: "audit verify",
  summary: "check the hash chain, its checkpoints, and its end against the state; reads the files, needs no daemon",
  example: "simward audit verify",
  args: [{ name: "dir", help: "the trail's directory, then without the state; that of the state directory by default", optional: true }],
  options: [
    { flags: "--anchor <seq:hash>", help: "a head noted earlier, which the trail must contain" },
    { flags: "--key <file>", help: "the device's public key, PEM, noted earlier; that beside the trail by default" },
  ],
  async run(context, input) {
    const { out, stateDir } = context;
    const [given] = input.args;
    const anchor = parseAnchor(textOption(input, "anchor"));
    // Before the trail is read: a daemon that runs may write meanwhile, and a trail may be longer than the state says.
    const stored = given === undefined ? await headOfState(stateDir, out) : undefined;
    const dir = given ?? join(stateDir, "audit");
    const disk = realDisk(dir);
    const key = await keyFor(context, disk, textOption(input, "key"));
    const anchors = [stored, anchor].filter((one) => one !== undefined);
    const verification = await verifyChain(disk, anchors, key);
    if (verification.ok && verification.records === 0)
      throw new SimwardError("NOT_FOUND", { detail: `there are no audit records in ${asTyped(dir)}`, next: checkPath });
    const report: AuditVerificationReport = {
      schema: "simward/audit-verification/1",
      ...verification,
      ...(stored === undefined ? {} : { storedHead: stored }),
    };
    out.result(report, () => renderVerification(report, key !== undefined, stored, out));
    return report.ok ? undefined : exitCodes.failed;
  },
};

function renderVerification(report: AuditVerificationReport, hasKey: boolean, stored: AuditHead | undefined, out: Output): string {
  const { problem, records, firstSeq, head, checkpoints, lastCheckpoint } = report;
  if (problem !== undefined) {
    const where = `${problem.segment}, line ${problem.line}${problem.seq === undefined ? "" : ` (seq ${problem.seq})`}`;
    return `${out.paint("red", "BROKEN")}  ${where}: ${problem.reason}`;
  }
  const signed =
    lastCheckpoint === undefined
      ? "it has no signed checkpoint"
      : `${checkpoints} checkpoints, the last at seq ${lastCheckpoint.seq} of ${lastCheckpoint.time}, ${hasKey ? "signed by the device key" : "not checked: no device key was given"}`;
  const compared = stored === undefined ? "" : `\nit holds seq ${stored.seq}, the last that the state knows of`;
  return `${out.paint("green", "whole")}  ${records} records, seq ${firstSeq} to ${head.seq}, head ${head.seq}:${head.hash}\n${signed}${compared}`;
}

/** Throws NOT_FOUND where a file was named, CONFIG_READ. */
async function keyFor(context: CliContext, trail: Disk, file: string | undefined): Promise<KeyObject | undefined> {
  if (file !== undefined) return devicePublicKey(await textOf(context, file), file);
  const beside = await trail.read(publicKeyFile);
  return beside === undefined ? undefined : devicePublicKey(fromUtf8(beside), publicKeyFile);
}

/** Throws NOT_FOUND where nothing of a trail is, which is not the same as a trail in which nothing fits. */
async function trailIn(dir: string): Promise<Disk> {
  const disk = realDisk(dir);
  if (!(await disk.list(".")).some(isSegment))
    throw new SimwardError("NOT_FOUND", { detail: `there is no audit trail in ${asTyped(dir)}`, next: checkPath });
  return disk;
}

function filterOf(input: VerbInput): AuditQueryFilter {
  const iccid = textOption(input, "iccid");
  if (iccid !== undefined && !/^\d{1,20}$/.test(iccid))
    throw new SimwardError("USAGE", { detail: `--iccid ${asTyped(iccid)}: give its first digits` });
  const afterSeq = wholeNumberOption(input, "after", 0, Number.MAX_SAFE_INTEGER);
  return { from: timeOption(input, "from"), to: timeOption(input, "to"), event: textOption(input, "event"), iccid, afterSeq };
}

function parameters({ afterSeq, ...others }: AuditQuery): URLSearchParams {
  const found = new URLSearchParams();
  for (const [key, value] of Object.entries({ ...others, after: afterSeq })) if (value !== undefined) found.set(key, String(value));
  return found;
}

/** Behind the first line, which is answered. */
async function eachLine({ api, signal }: CliContext, query: AuditQueryFilter, onLine: (line: string) => boolean): Promise<AuditKeyReport> {
  let key: AuditKeyReport | undefined;
  const { from, to, event, iccid, afterSeq } = query;
  await api("viewer").textLines(
    `/v1/audit/lines?${parameters({ from, to, event, iccid, afterSeq })}`,
    (line) => {
      if (key !== undefined) return onLine(line);
      key = JSON.parse(line) as AuditKeyReport;
      return true;
    },
    signal,
  );
  if (key === undefined) throw new SimwardError("API_RESPONSE", { detail: "/v1/audit/lines is empty" });
  return key;
}

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
    // A record is one line, whatever its text: a PEM has many.
    ([key, value]) => `${key}=${typeof value === "string" && !/[\n\r]/.test(value) ? value : JSON.stringify(value)}`,
  );
  return `${out.paint("dim", `${String(record.seq).padStart(6)}  ${record.time}`)}  ${record.event.padEnd(24)} ${record.cause}  ${data.join(" ")}`;
}
