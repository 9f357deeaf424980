// doctor without the daemon: what can be seen of a vehicle whose simwardd does not answer, by whoever looks.
import { join } from "node:path";
import type { Clock } from "../../../base/clock.ts";
import { realDisk } from "../../../base/disk.ts";
import type { ErrorReport } from "../../../base/errors.ts";
import type { DoctorMode, DoctorReport, Finding } from "../../api/doctor-types.ts";
import { verifyChain } from "../../audit/chain.ts";
import { queryChain } from "../../audit/query.ts";
import { storedHead } from "../../audit/stored-head.ts";
import { loadConfig } from "../../config/load.ts";
import { startFailure } from "../../state/start-failure.ts";
import { runChecks } from "../check.ts";
import { reportOf } from "../report.ts";
import type { LocalContext } from "./context.ts";
import { localChecks } from "./table.ts";

export interface LocalOrder {
  readonly clock: Clock;
  readonly mode: DoctorMode;
  readonly configPath: string;
  readonly stateDir: string;
  /** Why the daemon could not be asked. */
  readonly problem: ErrorReport;
  readonly onFinding?: (finding: Finding, done: number, of: number) => void;
  readonly signal?: AbortSignal;
}

const limitMs = 10_000;

export async function examineLocally(order: LocalOrder): Promise<DoctorReport> {
  const { clock, mode, configPath, problem, signal } = order;
  const startMs = clock.monotonicMs();
  const dir = async (): Promise<string> => (await loadConfig(configPath).catch(() => undefined))?.paths.state ?? order.stateDir;
  const context: LocalContext = {
    ...{ clock, configPath, stateDir: order.stateDir, daemonProblem: problem, running: undefined },
    readConfig: () => loadConfig(configPath),
    async lastWords() {
      for await (const { event, time, data } of queryChain(realDisk(join(await dir(), "audit")), { last: 1 })) {
        const reason = data?.reason;
        return `the last record of the audit trail is ${event} of ${time}${typeof reason === "string" ? ` (${reason})` : ""}`;
      }
      return undefined;
    },
    startFailure: async () => startFailure(realDisk(await dir())),
    async verifyAudit() {
      const state = await dir();
      const head = await storedHead(realDisk(state)).catch(() => undefined);
      const { ok, records, problem: broken } = await verifyChain(realDisk(join(state, "audit")), head === undefined ? [] : [head]);
      return { ok, records, words: broken === undefined ? "" : `${broken.segment}, line ${broken.line}: ${broken.reason}` };
    },
  };
  let done = 0;
  const onFinding = (finding: Finding): void => order.onFinding?.(finding, ++done, localChecks.length);
  const findings = await runChecks(localChecks, context, { clock, limitMs, signal, onFinding });
  return reportOf({ mode, daemon: "down", timeMs: clock.now(), tookMs: clock.monotonicMs() - startMs, findings });
}
