// Every verb of the command line, in the order of its help. A row is its name and where it is; only what is asked for is loaded.
import type { Verb } from "../verb.ts";

export interface VerbRow {
  readonly name: string;
  /** Other names, which mean the same. */
  readonly also: readonly string[];
  load(): Promise<Verb>;
}

function row<K extends string>(
  name: string,
  load: () => Promise<Readonly<Record<K, Verb>>>,
  key: K,
  also: readonly string[] = [],
): VerbRow {
  return { name, also, load: async () => (await load())[key] };
}

export const verbRows: readonly VerbRow[] = [
  row("status", () => import("./status.ts"), "status"),
  row("doctor", () => import("./doctor.ts"), "doctor"),
  row("profile list", () => import("./profile-list.ts"), "profileList"),
  row("profile download", () => import("./profile-local.ts"), "profileDownload"),
  row("profile enable", () => import("./profile-local.ts"), "profileEnable"),
  row("profile disable", () => import("./profile-local.ts"), "profileDisable"),
  row("profile delete", () => import("./profile-local.ts"), "profileDelete"),
  row("profile nickname", () => import("./profile-local.ts"), "profileNickname"),
  row("profile fallback exec", () => import("./profile-switch.ts"), "profileFallbackExec"),
  row("profile fallback return", () => import("./profile-switch.ts"), "profileFallbackReturn"),
  row("profile emergency on", () => import("./profile-switch.ts"), "profileEmergencyOn"),
  row("profile emergency off", () => import("./profile-switch.ts"), "profileEmergencyOff"),
  row("profile immediate on", () => import("./profile-switch.ts"), "profileImmediateOn"),
  row("profile immediate off", () => import("./profile-switch.ts"), "profileImmediateOff"),
  row("emergency status", () => import("./emergency.ts"), "emergencyStatus"),
  row("emergency on", () => import("./emergency.ts"), "emergencyOn"),
  row("emergency off", () => import("./emergency.ts"), "emergencyOff"),
  row("net status", () => import("./net.ts"), "netStatus"),
  row("net sessions", () => import("./net.ts"), "netSessions"),
  row("net probe", () => import("./net.ts"), "netProbe"),
  row("net tunnel", () => import("./net-tunnel.ts"), "netTunnel"),
  row("net scan", () => import("./net.ts"), "netScan"),
  row("net apn test", () => import("./net.ts"), "netApnTest"),
  row("modem rat show", () => import("./modem-rat.ts"), "modemRatShow", ["modem rat get"]),
  row("modem rat set", () => import("./modem-rat.ts"), "modemRatSet"),
  row("notif list", () => import("./notif.ts"), "notifList"),
  row("notif deliver", () => import("./notif.ts"), "notifDeliver"),
  row("card memory-reset", () => import("./card-memory-reset.ts"), "cardMemoryReset"),
  row("eim poll", () => import("./eim-poll.ts"), "eimPoll"),
  row("eim test", () => import("./eim-test.ts"), "eimTest"),
  row("eim add-initial", () => import("./eim-add-initial.ts"), "eimAddInitial"),
  row("modem list", () => import("./modem-list.ts"), "modemList"),
  row("policy show", () => import("./policy.ts"), "policyShow"),
  row("policy explain", () => import("./policy.ts"), "policyExplain"),
  row("policy simulate", () => import("./policy.ts"), "policySimulate"),
  row("policy market show", () => import("./policy-market.ts"), "policyMarketShow"),
  row("roaming status", () => import("./roaming.ts"), "roamingStatus"),
  row("roaming history", () => import("./roaming.ts"), "roamingHistory"),
  row("roaming rules show", () => import("./roaming.ts"), "roamingRulesShow"),
  row("roaming rules install", () => import("./roaming.ts"), "roamingRulesInstall"),
  row("imei-lock show", () => import("./imei-lock.ts"), "imeiLockShow"),
  row("imei-lock pair", () => import("./imei-lock.ts"), "imeiLockPair"),
  row("imei-lock unlock", () => import("./imei-lock.ts"), "imeiLockUnlock"),
  row("imei-lock repair", () => import("./imei-lock.ts"), "imeiLockRepair"),
  row("lifecycle status", () => import("./lifecycle.ts"), "lifecycleStatus", ["lifecycle show"]),
  row("lifecycle set", () => import("./lifecycle.ts"), "lifecycleSet", ["lifecycle advance"]),
  row("lifecycle retire", () => import("./lifecycle.ts"), "lifecycleRetire"),
  row("lifecycle transfer", () => import("./lifecycle.ts"), "lifecycleTransfer"),
  row("lifecycle test-trigger", () => import("./lifecycle.ts"), "lifecycleTestTrigger", ["lifecycle trigger"]),
  row("keys list", () => import("./keys.ts"), "keysList"),
  row("keys install", () => import("./keys.ts"), "keysInstall"),
  row("package decode", () => import("./package-decode.ts"), "packageDecode"),
  row("package last", () => import("./package-show.ts"), "packageLast"),
  row("package show", () => import("./package-show.ts"), "packageShow"),
  row("trace at", () => import("./trace.ts"), "traceAt"),
  row("trace apdu", () => import("./trace.ts"), "traceApdu"),
  row("trace es10", () => import("./trace.ts"), "traceEs10"),
  row("trace esipa", () => import("./trace.ts"), "traceEsipa"),
  row("trace coap", () => import("./trace.ts"), "traceCoap"),
  row("trace dtls", () => import("./trace.ts"), "traceDtls"),
  row("trace all", () => import("./trace.ts"), "traceAll"),
  row("trace status", () => import("./trace.ts"), "traceStatus"),
  row("trace keep", () => import("./trace.ts"), "traceKeep"),
  row("log tail", () => import("./log.ts"), "logTail"),
  row("log level", () => import("./log.ts"), "logLevel"),
  row("audit tail", () => import("./audit.ts"), "auditTail"),
  row("audit query", () => import("./audit.ts"), "auditQuery"),
  row("audit export", () => import("./audit.ts"), "auditExport"),
  row("audit key", () => import("./audit.ts"), "auditKey"),
  row("audit verify", () => import("./audit.ts"), "auditVerify"),
  row("events", () => import("./events.ts"), "events"),
  row("config validate", () => import("./config-validate.ts"), "configValidate"),
];

export function loadVerbs(rows: readonly VerbRow[] = verbRows): Promise<readonly Verb[]> {
  return Promise.all(rows.map((one) => one.load()));
}
