// simward package last, package show: what an eIM ordered, what came of it, and each step with its time. From the audit trail, and the trace while it is kept.
import { isCode, SimwardError } from "../../../base/errors.ts";
import type { PackageDocument, PackageStep } from "../../api/cli-types.ts";
import type { TraceLine } from "../../api/trace-types.ts";
import type { AuditPage } from "../../api/types.ts";
import type { AuditRecord } from "../../audit/types.ts";
import { duration } from "../layout.ts";
import type { CliContext, Verb } from "../verb.ts";

const searched = 5_000;
const related = /^(package|download|profile|policy|notification|injection|emergency|error|interrupted)/;

export const packageLast: Verb = {
  name: "package last",
  summary: "the last package of an eIM: what it ordered, what came of it, each step with its time",
  example: "simward package last",
  run: (context) => show(context, undefined),
};

export const packageShow: Verb = {
  name: "package show",
  summary: "one package of an eIM, by its trace id, eimTransactionId or SHA-256 (or the beginning of one)",
  example: "simward package show package-3fa9-12",
  args: [{ name: "id", help: "as `simward audit query --event package.received --json` has them" }],
  run: (context, input) => show(context, input.args[0] ?? ""),
};

async function show({ api, out }: CliContext, id: string | undefined): Promise<number | undefined> {
  const { records } = await api("viewer").call<AuditPage>("GET", `/v1/audit?last=${searched}`);
  const received = records.findLast((record) => record.event === "package.received" && (id === undefined || isNamed(record, id)));
  if (received === undefined)
    throw new SimwardError("NOT_FOUND", { detail: id === undefined ? "no package of an eIM is in the audit trail" : `no package ${id}` });
  const traceId = textOf(received, "traceId");
  const mine = records.filter((record) => related.test(record.event) && belongs(record, received));
  const shown: PackageDocument = {
    schema: "simward/package/1",
    traceId: traceId ?? null,
    received,
    result: resultOf(mine),
    records: mine,
    steps: traceId === undefined ? [] : await stepsOf(traceId),
  };
  out.result(shown, () => text(shown));
  return undefined;

  async function stepsOf(trace: string): Promise<readonly PackageStep[]> {
    const lines: TraceLine[] = [];
    const query = new URLSearchParams({ id: trace, layers: "es10,esipa,es9" });
    try {
      await api("engineer").lines(`/v1/trace/stored?${query}`, (line) => lines.push(line as TraceLine) > 0);
    } catch (error) {
      // The trail is the viewer's, the trace is not.
      if (!isCode(error, "API_FORBIDDEN", "API_NOT_FOUND", "API_NOT_RUNNING", "API_GONE")) throw error;
      out.hint("its steps are in the trace, which the engineer may read");
    }
    return steps(lines.filter((line) => line.traceId === trace));
  }

  function text({ steps: taken, result, records: kept }: PackageDocument): string {
    const data = received?.data ?? {};
    const operations = Array.isArray(data.operations) ? data.operations.join(", ") : "";
    const head = out.fields([
      ["Package", [String(data.packageKind), operations, `${data.bytes} octets`, `of ${data.eimId}`]],
      ["Received", [received?.time ?? ""]],
      ["Transaction", [String(data.eimTransactionId ?? "none"), `SHA-256 ${String(data.sha256).slice(0, 16)}…`]],
      ["Trace", [traceId ?? "none"]],
      ["Result", [out.paint(result === "failed" ? "red" : result === "done" ? "green" : "yellow", result)]],
    ]);
    const trail = kept.map((record) => [record.time.slice(11, 23), record.event, outcomeOf(record)]);
    const rows = taken.map((step) => [
      step.name,
      duration(step.durationMs),
      `${step.sentBytes} B`,
      `${step.receivedBytes} B`,
      step.note ?? "",
    ]);
    return [
      head,
      out.table([["TIME", "EVENT", "OUTCOME"].map((one) => out.paint("bold", one)), ...trail]),
      ...(rows.length === 0 ? [] : [out.table([["STEP", "TOOK", "OUT", "IN", ""].map((one) => out.paint("bold", one)), ...rows])]),
    ].join("\n\n");
  }
}

/** Beginnings that short would name many. */
const shortestId = 4;

function isNamed(record: AuditRecord, id: string): boolean {
  return (
    textOf(record, "traceId") === id ||
    ["eimTransactionId", "sha256"].some((name) => id.length >= shortestId && textOf(record, name)?.startsWith(id.toLowerCase()))
  );
}

function textOf({ data }: AuditRecord, name: string): string | undefined {
  const value = data?.[name];
  return typeof value === "string" ? value : undefined;
}

/** A package that outlived a restart has records of another trace with the same hash or transaction. */
function belongs(record: AuditRecord, received: AuditRecord): boolean {
  if (record.seq < received.seq) return false;
  return (["traceId", "sha256", "eimTransactionId"] as const).some((name) => {
    const value = textOf(received, name);
    return value !== undefined && textOf(record, name) === value;
  });
}

export function resultOf(records: readonly Pick<AuditRecord, "event" | "data">[]): PackageDocument["result"] {
  const last = records.findLast(({ event }) => /^(package\.(reported|unreported|malformed)|download\.(finished|failed))$/.test(event));
  if (last === undefined) return "under way";
  // That a failure was reported does not make it less of one.
  if (records.findLast(({ event }) => /^download\.(finished|failed)$/.test(event))?.event === "download.failed") return "failed";
  if (/(failed|malformed|unreported)$/.test(last.event)) return "failed";
  const executed = records.find(({ event }) => event === "package.executed");
  return executed !== undefined && executed.data?.result !== "euiccPackageResultSigned" ? "failed" : "done";
}

function outcomeOf({ data = {} }: AuditRecord): string {
  const { outcomes, error, reason, iccid, result, eimId } = data;
  if (Array.isArray(outcomes) && outcomes.length > 0)
    return (outcomes as readonly { readonly name: string; readonly code: string | number }[])
      .map(({ name, code }) => `${name} ${code}`)
      .join(", ");
  if (typeof error === "object" && error !== null && "message" in error) return String(error.message);
  return String([error, reason, iccid, result, eimId].find((value) => typeof value === "string") ?? "");
}

/** Each request with the answer that follows it by the same name. */
export function steps(lines: readonly TraceLine[]): readonly PackageStep[] {
  const out: PackageStep[] = [];
  const open = new Map<string, TraceLine>();
  for (const line of lines) {
    const key = `${line.layer} ${line.name}`;
    const request = open.get(key);
    if (line.direction === "tx") open.set(key, line);
    else if (request !== undefined) {
      open.delete(key);
      out.push({
        name: request.name ?? request.text,
        durationMs: Math.max(0, line.monotonicMs - request.monotonicMs),
        sentBytes: request.bytes ?? 0,
        receivedBytes: line.bytes ?? 0,
        ...(line.note === undefined ? {} : { note: line.note }),
      });
    }
  }
  return out;
}
