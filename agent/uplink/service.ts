// Tells the fleet's backend, at its moment within the interval and soon after an alarm; what was not taken is told again. One report is under way at a time.
import { nullable, number, object, parse, string } from "valibot";
import { type Clock, type Disposer, deadline } from "../../base/clock.ts";
import type { Disk } from "../../base/disk.ts";
import { asSimwardError, type ErrorReport, SimwardError } from "../../base/errors.ts";
import type { Log } from "../../base/log.ts";
import type { Random } from "../../base/random.ts";
import { version } from "../../base/version.ts";
import type { Alarms } from "../alarms.ts";
import type { AuditLog } from "../audit/types.ts";
import type { Config } from "../config/schema.ts";
import { mayLeave } from "../market/markets.ts";
import type { Samples } from "../samples/service.ts";
import { backOffDelayMs, intervalDelayMs } from "../scheduler/delays.ts";
import { openState } from "../state/store.ts";
import { firstCursor, takeAudit, takeSamples, type UplinkCursor, type UplinkReport } from "./report.ts";

/** POSTs a report. Throws HTTP_…, TLS_…, UPLINK_REFUSED for a status other than 2xx. */
export type UplinkPost = (report: UplinkReport, signal: AbortSignal) => Promise<void>;

export interface UplinkOptions {
  readonly config: Pick<Config, "uplink" | "market">;
  readonly post: UplinkPost;
  readonly disk: Disk;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly alarms: Alarms;
  readonly audit: Pick<AuditLog, "lines" | "head">;
  readonly samples: Pick<Samples, "leaving">;
  readonly identity: () => { readonly eid: string | undefined; readonly imei: string | undefined };
  readonly stage: () => string;
  readonly hasPath: () => boolean;
  readonly onPath: (fn: (path: { readonly up: boolean }) => void) => Disposer;
}

export interface Uplink {
  start(): void;
  stop(): Promise<void>;
}

/** Several alarms of one cause go in one report. */
const newsMs = 15_000;
/** An alarm that comes and goes must not cost a report each time: the first is told at once, what follows together. */
const newsApartMs = 300_000;
const exchangeLimitMs = 120_000;
/** A backend that cannot be reached for so many attempts, with a path, is worth a technician's look. */
const alarmAfter = 3;
/** The same for one that does not answer at all, as the path itself may be at fault. */
const unreachableAlarmAfter = 12;
const cursorSchema = object({ auditSeq: number(), country: nullable(string()), sampleTime: string() });

/** Throws DISK_READ. */
export async function openUplink(options: UplinkOptions): Promise<Uplink> {
  const { clock, random, log, alarms, audit, identity } = options;
  const { interval_seconds, sends, max_report_bytes: maxBytes } = options.config.uplink;
  const { market } = options.config;
  const store = await openState<Omit<UplinkCursor, "country"> & { readonly country: string | null }>({
    ...{ disk: options.disk, name: "uplink", version: 1 },
    initial: { ...firstCursor, country: null },
    parse: (value) => parse(cursorSchema, value),
    // The backend gets twice what it had already; that it can tell by the numbers.
    onLost: (error) => log.warn("uplink", { error }),
  });
  const stopping = new AbortController();
  const disposers: Disposer[] = [];
  let cancel: Disposer = () => {};
  let running: Promise<void> | undefined;
  let failures = 0;
  let isWaitingForPath = false;
  let toldAlarms = "";
  let newsSentMs: number | undefined;

  const gather = async (): Promise<{ readonly report: UplinkReport; readonly cursor: UplinkCursor; readonly isCut: boolean }> => {
    const kept = store.get();
    const from: UplinkCursor = { ...kept, country: kept.country ?? undefined };
    const { ms, source } = clock.wall();
    const { eid, imei } = identity();
    const none = { items: [], cursor: from, isCut: false };
    const lines = sends.includes("audit")
      ? await takeAudit(audit.lines({ afterSeq: from.auditSeq }), from, maxBytes, (country) => mayLeave(market, "audit", country))
      : none;
    const samples = sends.includes("samples")
      ? await takeSamples(options.samples.leaving, lines.cursor, maxBytes)
      : { ...none, cursor: lines.cursor };
    return {
      report: {
        schema: "simward/uplink/1",
        ...(eid === undefined ? {} : { eid }),
        ...(imei === undefined ? {} : { imei }),
        ...{ time: new Date(ms).toISOString(), timeSource: source, version, stage: options.stage(), auditHead: audit.head },
        alarms: alarms.list(),
        ...(sends.includes("audit") ? { audit: lines.items } : {}),
        ...(sends.includes("samples") ? { samples: samples.items } : {}),
      },
      cursor: samples.cursor,
      isCut: lines.isCut || samples.isCut,
    };
  };

  const tell = async (): Promise<void> => {
    for (;;) {
      const { report, cursor, isCut } = await gather();
      const late = (): SimwardError => new SimwardError("HTTP_TIMEOUT", { detail: `uplink: ${exchangeLimitMs / 1_000} s` });
      const limit = deadline(clock, exchangeLimitMs, late, stopping.signal);
      await options.post(report, limit.signal).finally(limit.done);
      await store.hold(() => ({ ...cursor, country: cursor.country ?? null }));
      toldAlarms = codesOf(report.alarms);
      if (!isCut) return;
    }
  };

  const plan = (ms: number): void => {
    cancel();
    if (!stopping.signal.aborted) cancel = clock.after(ms, run);
  };
  const run = (): void => {
    if (running !== undefined) return;
    isWaitingForPath = !options.hasPath();
    if (isWaitingForPath) return;
    running = tell()
      .then(
        () => {
          failures = 0;
          alarms.clear("uplink");
          plan(intervalDelayMs(identity().eid ?? "", interval_seconds * 1_000, clock.now()));
        },
        (error: unknown) => {
          if (stopping.signal.aborted) return;
          const known = asSimwardError(error);
          failures++;
          log.warn("uplink", { error: known, failures });
          if (failures >= (known.retry === "online" ? unreachableAlarmAfter : alarmAfter))
            alarms.raise("uplink", new SimwardError("UPLINK_FAILED", { detail: known.message }));
          plan(backOffDelayMs(known.retry, failures, interval_seconds * 1_000, random.unit()) ?? interval_seconds * 1_000);
        },
      )
      .finally(() => {
        running = undefined;
      });
  };

  return {
    start() {
      disposers.push(
        options.onPath(({ up }) => {
          if (up && isWaitingForPath) plan(random.unit() * newsMs);
        }),
        clock.every(newsMs, () => {
          const codes = codesOf(alarms.list());
          if (codes === toldAlarms || failures > 0 || toldAlarms === "") return;
          if (newsSentMs !== undefined && clock.monotonicMs() - newsSentMs < newsApartMs) return;
          newsSentMs = clock.monotonicMs();
          run();
        }),
      );
      plan(random.unit() * Math.min(interval_seconds * 1_000, 60_000));
    },
    async stop() {
      stopping.abort(new SimwardError("ABORTED", { detail: "simward stops" }));
      cancel();
      for (const dispose of disposers) dispose();
      await running;
    },
  };
}

/** The uplink's own alarm is of no use to a backend that cannot be reached. */
function codesOf(alarms: readonly ErrorReport[]): string {
  return JSON.stringify(alarms.flatMap(({ code }) => (code === "UPLINK_FAILED" ? [] : [code])));
}
