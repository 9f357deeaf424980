// What the routes of traces and of the log call: who reads octets or identifiers, and who changes what is kept, is in the audit trail.
import type { Disposer } from "../../base/clock.ts";
import { SimwardError } from "../../base/errors.ts";
import type { LogLevel } from "../../base/log.ts";
import { type TraceBus, traceLayers } from "../../base/trace.ts";
import type { PeerCredentials } from "../api/peer.ts";
import type { LogLevelReport, LogLine, TraceGap, TraceLine, TraceStatus } from "../api/trace-types.ts";
import type { Role } from "../api/types.ts";
import type { TraceDisk } from "./config.ts";
import type { LogTail } from "./log-tail.ts";
import { type RenderOptions, renderEntry } from "./render.ts";
import type { TraceQuery, TraceStore } from "./store.ts";

export interface Asker {
  readonly role: Role;
  readonly peer: PeerCredentials | undefined;
}

export interface TraceReading extends TraceQuery {
  readonly after?: number | undefined;
  readonly decode: boolean;
  readonly showIds: boolean;
  readonly octets: boolean;
}

export interface TraceActs {
  /** Runs what somebody asks for under a trace id of its own. */
  begin<T>(kind: string, run: () => T): T;
  status(): TraceStatus;
  /** `fail` where it cannot be audited: nothing is given out then. */
  follow(asker: Asker, reading: TraceReading, write: (line: TraceLine | TraceGap) => void, fail: (error: unknown) => void): Disposer;
  stored(asker: Asker, reading: TraceReading): AsyncIterable<string>;
  set(
    asker: Asker,
    change: { readonly enabled?: boolean | undefined; readonly disk?: TraceDisk | undefined; readonly reason: string },
  ): Promise<TraceStatus>;
  followLog(after: number | undefined, write: (line: LogLine) => void): Disposer;
  storedLog(last: number | undefined): AsyncIterable<string>;
  logLevel(): LogLevelReport;
  setLogLevel(asker: Asker, level: LogLevelReport["level"], reason: string): Promise<LogLevelReport>;
}

export interface TraceActsOptions {
  readonly store: TraceStore;
  readonly bus: Pick<TraceBus, "begin">;
  /** Without it the log is somebody else's. */
  readonly log: { readonly tail: LogTail; level: LogLevel } | undefined;
  readonly audit: (
    act: string,
    role: Role,
    peer: PeerCredentials | undefined,
    data: Readonly<Record<string, string | null>>,
  ) => Promise<void>;
}

export function createTraceActs({ store, bus, log, audit }: TraceActsOptions): TraceActs {
  const status = (): TraceStatus => ({ schema: "simward/trace-status/1", ...store.state });
  const tell = async ({ role, peer }: Asker, reading: TraceReading): Promise<void> => {
    if (!reading.octets && !reading.showIds) return;
    const what = [...(reading.octets ? ["octets"] : []), ...(reading.showIds ? ["identifiers"] : [])].join(", ");
    const layers = reading.layers?.join(", ") ?? "all";
    await audit("trace.read", role, peer, { what, layers, traceId: reading.id ?? null });
  };
  const renderOf = ({ octets, decode, showIds }: TraceReading): RenderOptions => ({ octets, tree: decode, showIds });
  /** CoAP inside DTLS is what the operator and the eIM say to each other: the admin's. */
  const allowed = (reading: TraceReading): TraceReading =>
    reading.octets ? reading : { ...reading, layers: (reading.layers ?? traceLayers).filter((layer) => layer !== "coap") };
  const logOf = (): NonNullable<typeof log> => {
    if (log === undefined) throw new SimwardError("NOT_FOUND", { detail: "the log of this process is kept elsewhere" });
    return log;
  };
  const levelReport = (): LogLevelReport => {
    const { level } = logOf();
    return { schema: "simward/log-level/1", level: level === "silent" ? "error" : level };
  };
  return {
    begin: (kind, run) => bus.begin(kind, run),
    status,
    follow(asker, reading, write, fail) {
      let stop: Disposer = () => undefined;
      let left = false;
      // What is to be audited is audited before the first octet is given out.
      tell(asker, reading)
        .then(() => {
          if (left) return;
          const render = renderOf(reading);
          stop = store.subscribe(allowed(reading), reading.after, {
            entry: (entry) => write(renderEntry(entry, render)),
            gap: () => write({ schema: "simward/trace-gap/1", after: reading.after ?? 0 }),
          });
        })
        .catch((error: unknown) => {
          if (!left) fail(error);
        });
      return () => {
        left = true;
        stop();
      };
    },
    async *stored(asker, reading) {
      await tell(asker, reading);
      const render = renderOf(reading);
      for await (const entry of store.stored(allowed(reading))) yield JSON.stringify(renderEntry(entry, render));
    },
    async set({ role, peer }, { enabled, disk, reason }) {
      await audit("trace.set", role, peer, { enabled: enabled === undefined ? null : String(enabled), disk: disk ?? null, reason });
      store.set({ enabled, disk });
      return status();
    },
    followLog: (after, write) => logOf().tail.subscribe(after, write),
    async *storedLog(last) {
      for (const line of logOf().tail.last(last)) yield JSON.stringify(line);
    },
    logLevel: levelReport,
    async setLogLevel({ role, peer }, level, reason) {
      const target = logOf();
      await audit("log.level", role, peer, { from: target.level, to: level, reason });
      target.level = level;
      return levelReport();
    },
  };
}
