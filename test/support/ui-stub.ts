// What the page of `simward ui` is served from in its own test: its real server, and behind it a daemon that answers documents of the API's types.
import type { AuditPage, RoamingReport, Status } from "../../agent/api/types.ts";
import type { UsageReport, UsageRowReport } from "../../agent/api/usage-types.ts";
import type { AuditRecord, AuditValue } from "../../agent/audit/types.ts";
import type { ApiClient } from "../../agent/cli/client.ts";
import { readUiFiles } from "../../agent/ui/files.ts";
import { type RunningUi, serveUi } from "../../agent/ui/server.ts";
import { SystemClock } from "../../base/clock.ts";
import { SimwardError } from "../../base/errors.ts";
import { systemRandom } from "../../base/random.ts";

export interface Documents {
  status: Status;
  roaming: RoamingReport;
  /** undefined: a viewer may not see it. */
  usage: UsageReport | undefined;
  days: readonly UsageRowReport[];
  audit: AuditPage;
}

export interface UiStub {
  /** Good once. */
  readonly url: string;
  readonly documents: Documents;
  /** The ids after which listeners have asked. */
  readonly askedAfter: readonly number[];
  /** Questions to the audit trail, as they came. */
  readonly auditQueries: readonly string[];
  /** How often the status was read. */
  readonly statusReads: () => number;
  publish(kind: string, facts: Readonly<Record<string, unknown>>): void;
  /** The daemon behind it goes, and listeners are let go. */
  setDaemon(runs: boolean): void;
  /** Of the server: what `simward ui` does at Ctrl-C. */
  stop(): Promise<void>;
}

/** 0: any port that is free. */
export async function startUiStub(documents: Documents, port = 0): Promise<UiStub> {
  const listeners = new Set<{ tell(line: unknown): void; end(): void }>();
  const remembered: { readonly id: number }[] = [];
  const askedAfter: number[] = [];
  const auditQueries: string[] = [];
  let isRunning = true;
  let reads = 0;
  const answers: Readonly<Record<string, (query: URLSearchParams) => unknown>> = {
    "/v1/version": () => ({}),
    "/v1/status": () => {
      reads++;
      return documents.status;
    },
    "/v1/roaming": () => documents.roaming,
    "/v1/usage": () => documents.usage,
    "/v1/audit": (query) => {
      auditQueries.push(String(query));
      return { ...documents.audit, records: asked(documents.audit.records, query) };
    },
  };
  const see = (path: string): void => {
    if (!isRunning) throw new SimwardError("API_NOT_RUNNING");
    if (path.startsWith("/v1/usage") && documents.usage === undefined)
      throw new SimwardError("API_FORBIDDEN", { detail: "needs the role engineer" });
  };
  const api: ApiClient = {
    call: async <T>(_method: string, path: string): Promise<T> => {
      see(path);
      const [pathname = "", query] = path.split("?");
      return answers[pathname]?.(new URLSearchParams(query)) as T;
    },
    lines: async (path, onLine, signal) => {
      see(path);
      if (!path.startsWith("/v1/events")) {
        for (const row of documents.days) onLine(row);
        return "ended";
      }
      const after = Number(new URLSearchParams(path.split("?")[1]).get("after"));
      askedAfter.push(after);
      for (const event of remembered) if (event.id > after) onLine(event);
      return new Promise((resolve) => {
        const listener = { tell: onLine, end: () => resolve("ended") };
        listeners.add(listener);
        signal?.addEventListener("abort", () => listeners.delete(listener) && listener.end(), { once: true });
      });
    },
    textLines: async () => "ended",
  };
  const end = new AbortController();
  const files = await readUiFiles(new URL("../../agent/ui/page/", import.meta.url));
  const ui: RunningUi = await serveUi({
    ...{ api, files, port, clock: new SystemClock(), random: systemRandom, signal: end.signal, idleMs: 600_000 },
  });
  return {
    ...{ url: ui.url, documents, askedAfter, auditQueries, statusReads: () => reads },
    publish(kind, facts) {
      const event = { ...facts, schema: "simward/event/1", id: 100 + remembered.length, time: facts.time ?? documents.status.time, kind };
      remembered.push(event);
      for (const listener of listeners) listener.tell(event);
    },
    setDaemon(runs) {
      isRunning = runs;
      if (runs) return;
      for (const listener of [...listeners]) listener.end();
      listeners.clear();
    },
    async stop() {
      end.abort();
      await ui.closed;
    },
  };
}

/** As the daemon answers (docs/api.md, /v1/audit). */
function asked(records: readonly AuditRecord[], query: URLSearchParams): readonly AuditRecord[] {
  const [last, first, after] = ["last", "first", "after"].map((name) => (query.has(name) ? Number(query.get(name)) : undefined));
  const fitting = records.filter(({ seq, event }) => seq > (after ?? -1) && event.startsWith(query.get("event") ?? ""));
  return last === undefined ? fitting.slice(0, first) : fitting.slice(-last);
}

/** A vehicle in Brazil with something of everything. */
export function sampleDocuments(): Documents {
  const standing = { kind: "cumulative_days", uncertain: false, key: "imsi", basis: "law", confidence: "high", action: "poll" } as const;
  const status: Status = {
    ...{ schema: "simward/status/1", version: "0.9.0", time: "2026-06-01T10:00:00.000Z", timeSource: "nitz", uptimeMs: 4_000_000 },
    card: {
      class: "sgp32-ipad",
      classReason: "ISD-R answers GetEimConfigurationData",
      eid: "89044000000000000000000000000123",
      sgp32Version: "1.2.0",
      freeNvmBytes: 385_024,
    },
    profiles: [
      {
        iccid: "89490000000000001234",
        state: "enabled",
        nickname: "Fleet Brazil",
        serviceProvider: "Operadora",
        profileClass: "operational",
      },
      {
        iccid: "89880000000000005678",
        state: "disabled",
        name: "Bootstrap",
        serviceProvider: "Global",
        profileClass: "operational",
        fallbackAttribute: true,
      },
    ],
    network: {
      ...{ link: "ready", registration: "roaming", rat: "lte", plmn: "72411", roaming: true, tac: "1A2B", cellId: "01F2C3D4" },
      module: { manufacturer: "Quectel", model: "EG91-EX", revision: "EG91EXGAR08A05M1G", family: "quectel" },
      ...{
        imei: "356938035643809",
        rsrpDbm: -97,
        rsrqDb: -11,
        sinrDb: 9,
        apn: "iot.fleet.example",
        address: "10.20.30.40",
        port: "/dev/ttyUSB2",
      },
      ...{ interface: "wwan0", probe: "passing", roundTripMs: 84, rats: ["lte", "umts"] },
    },
    eims: [
      {
        ...{ eimId: "eim.fleet.example", host: "eim.fleet.example", port: 5684, binding: "coaps" },
        ...{ lastContact: "2026-06-01T09:48:00.000Z", nextPollInMs: 2_880_000 },
      },
    ],
    ...{ stage: "operational", imeiLock: "match", tunnel: { phase: "up", required: true } },
    usage: { usedBytes: 741_000_000, limitBytes: 950_000_000, state: "warn", words: "this month (resets 2026-07-01)" },
    pending: { notifications: 1, packageResults: 0 },
    audit: { seq: 42, hash: "ab".repeat(32) },
    alarms: [
      { code: "ROAMING_LIMIT", message: "br-90-in-365: 82 of 90 days", next: "simward roaming status", retry: "never", ref: "api-1" },
    ] as unknown as Status["alarms"],
  };
  const roaming: RoamingReport = {
    ...{
      schema: "simward/roaming/1",
      country: "BR",
      home: "DE",
      local: false,
      counting: ["data_session"],
      today: "2026-06-01",
      certain: true,
    },
    standings: [
      {
        ...standing,
        rule: "br-90-in-365",
        level: "act",
        used: 82,
        limit: 90,
        ...{ warnAt: 60, actAt: 80 },
        daysLeft: 8,
        words: "82 of 90 days in 365: a local profile is due",
      },
      {
        ...standing,
        rule: "br-90-consecutive",
        level: "ok",
        used: 21,
        limit: 90,
        warnAt: 60,
        actAt: 80,
        daysLeft: 69,
        words: "21 of 90 days without a break",
      },
    ],
  };
  const days = Array.from({ length: 24 }, (_, i): UsageRowReport[] => {
    const row = {
      schema: "simward/usage-row/1",
      date: `2026-05-${String(i + 8).padStart(2, "0")}`,
      iccid: "89490000000000001234",
      stage: "operational",
    } as const;
    const sentBytes = 4_000_000 + ((i * 7_919) % 13) * 1_500_000;
    return [
      { ...row, party: "fleet", sentBytes, receivedBytes: sentBytes * 2, certain: i !== 5 },
      { ...row, party: "management", sentBytes: 900_000, receivedBytes: 1_400_000, certain: i !== 5 },
    ];
  }).flat();
  const usage: UsageReport = {
    ...{
      schema: "simward/usage/1",
      today: "2026-06-01",
      certain: true,
      counted: "firewall",
      iccid: "89490000000000001234",
      stage: "operational",
    },
    period: { kind: "month", from: "2026-06-01", to: "2026-06-30", words: "this month (resets 2026-07-01)" },
    ...{ fleetBytes: 741_000_000, managementBytes: 12_000_000, amounts: [] },
    caps: [
      {
        ...{
          cap: "stage operational",
          state: "warn",
          stepPercent: 70,
          usedBytes: 741_000_000,
          limitBytes: 950_000_000,
          capBytes: 1_000_000_000,
        },
        ...{ action: "throttle", ordered: false, forecastBytes: 1_200_000_000, reachedOn: "2026-06-21" },
      },
    ],
  };
  const traceId = "package-3fa9-12";
  const eimId = "eim.fleet.example";
  const audit: AuditPage = {
    schema: "simward/audit/1",
    records: [
      record(36, "daemon.started", "start", { version: "0.9.0", auditWhole: true }, "09:00:00.000"),
      record(
        37,
        "package.received",
        `eim:${eimId}`,
        { eimId, packageKind: "euiccPackage", traceId, operations: ["enable"] },
        "09:47:58.000",
      ),
      record(38, "package.executed", `eim:${eimId}`, { eimId, traceId, outcomes: [{ name: "enable", code: "ok" }] }, "09:47:59.300"),
      record(
        39,
        "profile.enabled",
        `eim:${eimId}`,
        { iccid: "89490000000000001234", fromIccid: "89880000000000005678", eimId, traceId },
        "09:47:59.301",
      ),
      record(40, "profile.online", "ipa", { iccid: "89490000000000001234", durationMs: 11_200, traceId }, "09:48:10.500"),
      record(41, "package.reported", "ipa", { eimId, seqNumber: 7, traceId }, "09:48:11.000"),
      record(42, "notification.delivered", "ipa", { seqNumber: 3, event: "enable", receiver: "dp.example", traceId }, "09:48:12.000"),
    ],
  };
  return { status, roaming, usage, days, audit };
}

export function record(seq: number, event: string, cause: string, data: Readonly<Record<string, AuditValue>>, clock: string): AuditRecord {
  return { seq, time: `2026-06-01T${clock}Z`, timeSource: "nitz", event, cause, data, prev: "0".repeat(64) };
}

/** The steps of the sample's package, as the IPA tells them. */
export const sampleSteps: readonly Readonly<Record<string, unknown>>[] = [
  { name: "ESipa.GetEimPackage", sentBytes: 24, receivedBytes: 212, durationMs: 310, time: "2026-06-01T09:47:57.900Z" },
  { name: "ES10b.LoadEuiccPackage", sentBytes: 205, receivedBytes: 164, durationMs: 1280, time: "2026-06-01T09:47:59.290Z" },
  { name: "ESipa.ProvideEimPackageResult", sentBytes: 188, receivedBytes: 9, durationMs: 420, time: "2026-06-01T09:48:10.990Z" },
  { name: "ES10b.RetrieveNotificationsList", sentBytes: 8, receivedBytes: 310, durationMs: 95, time: "2026-06-01T09:48:11.200Z" },
  { name: "ES9+.HandleNotification", sentBytes: 410, receivedBytes: 0, durationMs: 640, time: "2026-06-01T09:48:11.990Z" },
].map((step) => ({ ...step, traceId: "package-3fa9-12" }));
