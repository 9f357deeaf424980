// Checks of what was ordered last: why the last download failed, and why the eUICC did not carry the last package out. By the audit trail.
import type { AuditRecord } from "../../audit/types.ts";
import { type Check, pass, type Said, skip, warn } from "../check.ts";
import type { DoctorContext } from "../context.ts";
import { downloadMeanings, type Meaning, meaningOf, packageMeanings } from "../refusals.ts";

/** What is older has been lived with. */
const concernsMs = 7 * 86_400_000;

/** lastEimDeleted: it has been, and no other is left (SGP.32 §2.11.2.2). */
const carriedOut: readonly unknown[] = ["ok", "lastEimDeleted"];

const text = (value: unknown): string => (typeof value === "string" || typeof value === "number" ? String(value) : "");
const isOld = ({ time, timeSource }: AuditRecord, nowMs: number): boolean => timeSource !== "none" && nowMs - Date.parse(time) > concernsMs;

interface Failure {
  readonly code: string;
  readonly message: string;
  readonly next: string;
}

export const orderChecks: readonly Check<DoctorContext>[] = [
  {
    name: "last-download",
    section: "eim",
    about: "Why the last download of a profile failed, or does not come to its end: memory, certificates, codes, the SM-DP+ itself.",
    reach: "nothing",
    run: async ({ records, clock, status }) => {
      const [last] = await records({ event: "download.", last: 1 });
      if (last === undefined) return skip("no profile was ever downloaded");
      if (last.event === "download.finished") return pass(`of ${last.time}, installed`);
      if (isOld(last, clock.now())) return pass(`the last one, of ${last.time}, did not succeed`);
      const [start] = await records({ event: "download.started", last: 1 });
      const server = text(start?.data?.smdpAddress);
      const failure = last.event === "download.failed" ? (last.data?.error as unknown as Failure) : stalled(await status());
      if (failure === undefined) return pass(`one is under way since ${start?.time ?? last.time}`);
      const step = text(last.data?.step);
      const said = `${failure.code} ${failure.message}`;
      const known = meaningOf(downloadMeanings, said);
      const way = start?.data?.way === "indirect" ? ", through the eIM" : "";
      const from = server === "" ? "" : ` from ${server}${way}`;
      return warn(`the last download${from}, of ${last.time}, failed: ${wordsOf(known, failure.message)}`, known?.mend ?? failure.next, {
        data: { code: failure.code, step, server },
        becauseOf: ["clock", "data-session", "data-path", "dns", "module-answers", "sim"],
      });
    },
  },
  {
    name: "last-package",
    section: "eim",
    about:
      "Why the eUICC did not carry out the last package of an eIM, or an operation of it: counter, signature, EID, a profile that is not there; or why it was not given to it: a policy of the fleet, no package at all.",
    reach: "nothing",
    run: async ({ records, clock }) => {
      const [done] = await records({ event: "package.executed", last: 1 });
      const before = await neverReached(records, done?.seq ?? 0);
      if (before !== undefined && !isOld(before.record, clock.now())) return before.said;
      if (done === undefined) return skip("no package was ever carried out");
      if (isOld(done, clock.now())) return pass(`the last one was of ${done.time}`);
      const { eimId, result, error, outcomes } = done.data ?? {};
      const [back] = await records({ event: "profile.rolledBack", last: 1 });
      if (back !== undefined && back.seq > done.seq)
        return warn(
          `the profile ${text(back.data?.fromIccid)}, which eIM ${text(eimId)} enabled, found no network, and the former one is enabled again`,
          "simward package last; simward net apn test NAME, with the APN of that profile's operator; then have it ordered again",
          { data: { iccid: text(back.data?.fromIccid) } },
        );
      const refused = (Array.isArray(outcomes) ? outcomes : [])
        .map((one) => one as { readonly name?: string; readonly code?: unknown })
        .find(({ code }) => !carriedOut.includes(code));
      if (result === "euiccPackageResultSigned" && refused === undefined) return pass(`of ${done.time}, carried out`);
      const said = refused === undefined ? `${text(result)} ${text(error)}`.trim() : `${refused.name}: ${text(refused.code)}`;
      const known = meaningOf(packageMeanings, said);
      return warn(
        `the eUICC did not carry out the last package of eIM ${text(eimId)}, of ${done.time}: ${wordsOf(known, said)}`,
        known?.mend ?? "simward package last; have the eIM's operator look into it",
        { data: { result: text(result), code: refused === undefined ? text(error) : text(refused.code) } },
      );
    },
  },
];

/** What came after the last package that the eUICC saw, and was not given to it: refused by a policy of the fleet, or no package at all. */
async function neverReached(
  records: DoctorContext["records"],
  doneSeq: number,
): Promise<{ readonly record: AuditRecord; readonly said: Said } | undefined> {
  const refusals = await records({ event: "policy.refused", last: 8 });
  const refused = refusals.filter(({ data }) => data?.gate === "euiccPackage").at(-1);
  const [malformed] = await records({ event: "package.malformed", last: 1 });
  const [last] = [refused, malformed].filter((one) => one !== undefined && one.seq > doneSeq).sort((a, b) => (b?.seq ?? 0) - (a?.seq ?? 0));
  if (last === undefined) return undefined;
  const { data } = last;
  if (last === malformed)
    return {
      record: last,
      said: warn(
        `what eIM ${text(data?.eimId)} gave out last, at ${last.time}, is no package of SGP.32: ${text(data?.reason)}`,
        "simward trace esipa --last 20; have the eIM's operator look at what it gives out, and at its version of SGP.32 (esipa_version in [[eim.peer]])",
        { data: { result: "malformed", code: text(data?.code) } },
      ),
    };
  const rule = text(data?.rule);
  return {
    record: last,
    said: warn(
      `a policy of the fleet (${rule}) refused the last package, of ${last.time}: ${text(data?.reason)}`,
      rule === "no_way_back"
        ? 'have the eIM\'s operator order it with a rollback flag, or mark a fallback profile first; or set policy.no_way_back = "warn", then systemctl restart simwardd'
        : "simward policy explain; simward audit tail --event policy.",
      { data: { result: "refused", rule } },
    ),
  };
}

function wordsOf(known: Meaning | undefined, said: string): string {
  return known === undefined ? said : `${known.words} (${said})`;
}

/** Of a download that is tried again and again: an error of its server stands at the eIM that ordered it. */
function stalled({ eims }: { readonly eims: readonly { readonly lastError?: Failure }[] }): Failure | undefined {
  return eims.map(({ lastError }) => lastError).find((error) => error !== undefined && isOfServer(error));
}

/** ES9+ and ES11 are spoken with an SM-DP+ or SM-DS, not with an eIM. */
export function isOfServer({ message }: Pick<Failure, "message">): boolean {
  return /\bES(9\+|11)\./.test(message);
}
