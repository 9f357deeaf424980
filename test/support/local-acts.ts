// The acts ordered on the vehicle itself, for tests of what lies before them: nothing is under way, every change goes well.

import type { ApiServices } from "../../agent/api/route.ts";
import type { RoamingRulesReport } from "../../agent/api/types.ts";
import type { UsageReport } from "../../agent/api/usage-types.ts";
import type { CardActs } from "../../agent/card-acts.ts";
import type { NetActs } from "../../agent/connectivity/net-acts.ts";
import type { DoctorActs } from "../../agent/doctor/service.ts";
import type { DryRunActs } from "../../agent/dry-run.ts";
import type { LifecycleActs } from "../../agent/lifecycle/acts.ts";
import type { LocalActs } from "../../agent/local-acts.ts";
import type { LocalProfileActs } from "../../agent/local-profiles.ts";
import type { ModuleActs } from "../../agent/module/acts.ts";
import type { PolicyActs } from "../../agent/policy/report.ts";
import type { TraceActs } from "../../agent/trace/acts.ts";
import type { TravelActs } from "../../agent/travel.ts";
import type { TrustActs } from "../../agent/trust.ts";
import type { UsageActs } from "../../agent/usage/service.ts";

const lock = async () => ({ schema: "simward/imei-lock/1", state: "unpaired", differs: [] }) as const;
const keys = { schema: "simward/keys/1", roots: [], keys: [], revoked: [] } as const;
const trust: TrustActs = { imeiLock: lock, pairImei: lock, obeyImeiLock: lock, keys: () => keys, installKeys: async () => keys };

const noRules: RoamingRulesReport = {
  schema: "simward/roaming-rules-report/1",
  ...{ version: 1, issued: "2026-06-02", overridden: [], unknownOverrides: [], rules: [] },
};
const travel: TravelActs = {
  roaming: () => ({ schema: "simward/roaming/1", local: false, counting: [], today: "2026-06-02", certain: true, standings: [] }),
  roamingHistory: () => ({ schema: "simward/roaming-history/1", entries: [] }),
  roamingRules: () => noRules,
  installRoamingRules: async () => noRules,
  market: () => ({
    schema: "simward/market/1",
    ...{ local: false, swap: { policy: "free", allow: [], from: "no rule" }, operators: [], apns: [], keeps: [], configured: [] },
  }),
};
const life = async () =>
  ({
    schema: "simward/lifecycle/1",
    ...{ stage: "operational", since: "2026-06-02T00:00:00.000Z", cause: "config", reason: "", next: [] },
  }) as const;
const lifecycle: LifecycleActs = {
  ...{ lifecycle: life, setStage: life, transfer: life, tellVehicle: life },
  testTrigger: () => ({ schema: "simward/lifecycle-test/1", from: "operational", next: [] }),
};
const report = { schema: "simward/policy/1", data: { kind: "allow" }, held: false, rules: [], facts: {} } as const;
const policy: PolicyActs = {
  explain: () => report,
  simulate: () => report,
  replay: async () => ({ schema: "simward/policy-replay/1", records: 0, steps: [] }),
};
const radio = async () =>
  ({ schema: "simward/radio/1", rats: ["lte-m"], offered: [["lte-m"]], powerSavingRefused: false, sunset: [] }) as const;
const net: NetActs = {
  netStatus: async () => ({
    schema: "simward/net/1",
    registration: { status: "home", plmn: "26299", rat: "lte-m", tac: "51C0", cellId: "0203A102" },
    signal: { rsrpDbm: -91, rsrqDb: -9.5, sinrDb: 12 },
    path: { up: true, verdict: "passing", roundTripMs: 310, leastRoundTripMs: 90, apn: "iot", address: "10.50.0.1", dns: ["10.0.0.53"] },
    choice: "chosen",
    chosen: "26299",
    operators: [{ plmn: "26298", failing: true, at: "2026-06-01T12:00:00.000Z", why: "nothing passes" }],
    radio: await radio(),
  }),
  sessions: async () => ({ schema: "simward/sessions/1", records: [] }),
  probe: async () => ({
    schema: "simward/probe/1",
    path: { verdict: "passing" },
    answers: [{ target: "dns 10.0.0.53", answered: true, roundTripMs: 90 }],
  }),
  scan: async () => ({ schema: "simward/operators/1", operators: [{ plmn: "26299", name: "Rheinfunk", status: "current" }] }),
  testApn: async ({ name, type, cid }) => ({
    schema: "simward/apn-test/1",
    name,
    type,
    cid,
    outcome: "works",
    address: "10.50.0.1",
    tookMs: 4_000,
  }),
  radio,
  setRats: radio,
};
const doctor: DoctorActs = {
  examine: async (mode, onProgress) => {
    const finding = { check: "daemon", section: "daemon", level: "pass", tookMs: 0 } as const;
    onProgress?.({ schema: "simward/doctor-progress/1", done: 1, of: 1, finding });
    return {
      schema: "simward/doctor/1",
      ...{ version: "0", mode, time: "2026-06-02T00:00:00.000Z", daemon: "running", verdict: "pass", summary: "Nothing is wrong." },
      ...{ causes: [], counts: { pass: 1, warn: 0, fail: 0, skip: 0 }, tookMs: 1, findings: [finding] },
    };
  },
  testEim: async () => ({ schema: "simward/eim-test/1", eims: [] }),
};
const usageReport = async (): Promise<UsageReport> => ({
  schema: "simward/usage/1",
  ...{ today: "2026-06-02", certain: true, counted: "none", iccid: "", stage: "operational" },
  period: { kind: "month", from: "2026-06-01", to: "2026-06-30", words: "this month (resets 2026-07-01)" },
  ...{ fleetBytes: 0, managementBytes: 0, caps: [], amounts: [] },
});
const usage: UsageActs = {
  usage: usageReport,
  async *usageRows() {
    const amount = { iccid: "", stage: "operational", party: "fleet", sentBytes: 1, receivedBytes: 2, certain: true } as const;
    yield { schema: "simward/usage-row/1", date: "2026-06-01", ...amount };
  },
  limitUsage: usageReport,
  resetUsage: usageReport,
};
const changed = async () => ({ schema: "simward/profile-change/1", iccid: "", enabled: false, outcome: "done" }) as const;

const local: LocalProfileActs = {
  enableProfile: changed,
  disableProfile: changed,
  deleteProfile: changed,
  nameProfile: changed,
  downloadProfile: async () => ({ schema: "simward/profile-downloaded/1" }),
  notifications: async () => ({ schema: "simward/notifications/1", notifications: [] }),
  deliverNotifications: async () => ({ schema: "simward/notification-delivery/1", delivered: 0, remaining: 0 }),
  resetMemory: async () => ({ schema: "simward/memory-reset/1", results: {} }),
  addInitialEim: async () => ({ schema: "simward/eims-added/1", eimIds: [] }),
};

const traceLine = {
  ...({ schema: "simward/trace/1", seq: 1_000_001, time: "2026-06-02T00:00:00.000Z", monotonicMs: 1 } as const),
  ...({ layer: "at", direction: "tx", text: "AT+CSQ" } as const),
};
const logLine = {
  schema: "simward/log/1",
  seq: 1,
  time: "2026-06-02T00:00:00.000Z",
  level: "info",
  event: "modem.ready",
  fields: {},
} as const;
const trace: TraceActs = {
  begin: (_kind, run) => run(),
  status: () => ({
    ...({ schema: "simward/trace-status/1", enabled: true, layers: ["at"], disk: "failures" } as const),
    ...{ memoryBytes: 0, entries: 0, nextSeq: 1_000_000, keptTraces: 0, lostEntries: 0 },
  }),
  follow: (_asker, _reading, write) => {
    write(traceLine);
    return () => undefined;
  },
  async *stored() {
    yield JSON.stringify(traceLine);
  },
  set: async () => trace.status(),
  followLog: (_after, write) => {
    write(logLine);
    return () => undefined;
  },
  async *storedLog() {
    yield JSON.stringify(logLine);
  },
  logLevel: () => ({ schema: "simward/log-level/1", level: "info" }),
  setLogLevel: async (_asker, level) => ({ schema: "simward/log-level/1", level }),
};

const changedModem = async () => ({ schema: "simward/modem-changed/1", what: "apn", changed: true, tookMs: 1 }) as const;
const modemInfo = async () => ({ schema: "simward/modem/1", link: "ready", contexts: [], offered: [], apduBytes: 255 }) as const;
const module: ModuleActs = {
  info: modemInfo,
  survey: async () => ({ schema: "simward/modem-survey/1", modem: await modemInfo(), exchanges: [] }),
  at: async (_by, { line }) => ({ schema: "simward/at/1", line, answer: [], result: "OK", tookMs: 1 }),
  forbidden: async () => ({ schema: "simward/fplmn/1", plmns: [] }),
  ...{
    setApn: changedModem,
    setPsm: changedModem,
    setEdrx: changedModem,
    register: changedModem,
    clearForbidden: changedModem,
    reset: changedModem,
  },
};
const card: CardActs = {
  cardInfo: async () => ({
    schema: "simward/card/1",
    ...{ svn: "2.5.0", iotVersions: ["1.2.0"], ecallSupported: false, fallbackSupported: true, profileVersion: "3.1.0", firmware: "1.0.0" },
    ...{ protectionProfile: "0.0.1", sasAccreditation: "", uiccCapabilities: [], rspCapabilities: [], forbiddenPprs: [] },
    ...{ ciVerification: [], ciSigning: [] },
  }),
  certificates: async () => ({ schema: "simward/card-certs/1", certificates: [] }),
  cardClass: async () => ({ schema: "simward/card-class/1", class: "sgp32-ipad", reason: "", can: [], cannot: [] }),
  eims: async () => ({ schema: "simward/eims/1", eims: [] }),
  dropNotification: async (_by, { seqNumber }) => ({
    schema: "simward/notification-dropped/1",
    ...{ seqNumber, event: "notificationInstall", receiver: "", remaining: 0 },
  }),
  loadPackage: async () => ({ schema: "simward/package-loaded/1", sha256: "", octets: 1, outcome: "eimPackageReceived", answer: "" }),
};

export const quietLocalActs: LocalActs &
  DryRunActs & {
    readonly card: CardActs;
    readonly module: ModuleActs;
    readonly local: LocalProfileActs;
    readonly net: NetActs;
    readonly trust: TrustActs;
    readonly travel: TravelActs;
    readonly lifecycle: LifecycleActs;
    readonly doctor: DoctorActs;
    readonly policy: PolicyActs;
    readonly usage: UsageActs;
    readonly samples: ApiServices["samples"];
    readonly trace: TraceActs;
  } & Pick<ApiServices, "bugreport" | "auditLines" | "auditKey" | "usageAccess" | "tunnel"> = {
  local,
  card,
  module,
  net,
  trust,
  travel,
  lifecycle,
  doctor,
  policy,
  usage,
  usageAccess: "viewer",
  bugreport: { make: async () => ({ schema: "simward/bugreport/1", id: "bug-1", time: "2026-06-02T00:00:00.000Z", files: [] }) },
  samples: { async *leaving() {} },
  trace,
  tunnel: () => ({ schema: "simward/tunnel/1", configured: false, required: false, phase: "idle", certificates: [] }),
  async *auditLines() {},
  auditKey: () => ({ schema: "simward/audit-key/1", head: { seq: 0, hash: "" } }),
  emergency: () => ({ schema: "simward/emergency/1", active: false, sources: [] }),
  dryRun: async () => ({ schema: "simward/rehearsal/1", outcome: "nothing", commands: [] }),
  setEmergency: async (_by, { active, forSeconds = 900 }) => ({
    schema: "simward/emergency/1",
    active,
    sources: active ? ["api"] : [],
    ...(active ? { remainingMs: forSeconds * 1_000 } : {}),
  }),
  setEmergencyProfile: async () => ({ schema: "simward/profile-switch/1", outcome: "switched", online: true }),
  fallback: async () => ({ schema: "simward/profile-switch/1", outcome: "switched", online: true }),
  setImmediateEnable: async ({ enabled }) => ({ schema: "simward/immediate-enable/1", enabled }),
};
