// What goes over the local API: the shapes that the daemon answers and the command line reads. Each document names its schema.
import type { ErrorReport } from "../../base/errors.ts";
import type { AuditHead, AuditRecord, AuditVerification } from "../audit/types.ts";
import type { LastingFacts } from "../policy/types.ts";
import type { RoamingRule } from "../roaming/rules.ts";
import type { UsageSummary } from "./usage-types.ts";

/** viewer sees, engineer operates, admin provisions; each may do what those before it may. */
export type Role = "viewer" | "engineer" | "admin";
export const roles: readonly Role[] = ["viewer", "engineer", "admin"];

export interface CardStatus {
  /** sgp32-ipad, sgp32-ipae, sgp22 (consumer), sgp02 (M2M), uicc (no eUICC). */
  readonly class?: string;
  /** What it is told by. */
  readonly classReason?: string;
  /** 32 digits; absent where the card has or tells none. */
  readonly eid?: string;
  /** Highest SGP.32 version the eUICC announces, e.g. "1.2.0"; absent on a consumer eUICC. */
  readonly sgp32Version?: string;
  readonly sgp22Version?: string;
  readonly ipaMode?: "ipad" | "ipae";
  /** Of an M2M eUICC: whether the module announces to it what management over the air needs. */
  readonly toolkit?: ToolkitStatus;
  readonly freeNvmBytes?: number;
}

/** ready: all of it is announced. missing: some is not. unknown: the module does not tell. */
export interface ToolkitStatus {
  /** Orders by SMS. */
  readonly sms: "ready" | "missing" | "unknown";
  /** Connections that the card opens (bearer independent protocol). */
  readonly bip: "ready" | "missing" | "unknown";
  /** By the names of ETSI TS 102 223 §5.2. */
  readonly missing: readonly string[];
}

export interface ProfileStatus {
  readonly iccid: string;
  readonly state: "enabled" | "disabled";
  readonly isdpAid?: string;
  readonly name?: string;
  readonly serviceProvider?: string;
  readonly nickname?: string;
  readonly profileClass?: string;
  readonly fallbackAttribute?: boolean;
}

export interface NetworkStatus {
  /** The link to the module: closed, opening, probing, ready, lost. */
  readonly link: string;
  readonly reason?: string;
  readonly module?: { readonly manufacturer: string; readonly model: string; readonly revision: string; readonly family: string };
  readonly imei?: string;
  /** The card in the module's slot, where it is not ready: absent, pin, puk, busy, or failure (no profile of it can be used). */
  readonly sim?: string;
  readonly registration: string;
  readonly rat?: string;
  /** MCC and MNC digits. */
  readonly plmn?: string;
  readonly roaming?: boolean;
  /** Hexadecimal. */
  readonly tac?: string;
  readonly cellId?: string;
  /** Why the network refuses, in words. */
  readonly refused?: string;
  readonly rsrpDbm?: number;
  readonly rsrqDb?: number;
  readonly sinrDb?: number;
  readonly apn?: string;
  readonly address?: string;
  /** The module's port, where it was found. */
  readonly port?: string;
  /** The kernel's interface that simward has put the session on; none where that is the platform's affair. */
  readonly interface?: string;
  /** Whether something passes: unknown, passing, doubtful. */
  readonly probe?: string;
  readonly roundTripMs?: number;
  /** What the module may use, most preferred first. */
  readonly rats?: readonly string[];
  /** Where it is asked for: what the network granted, or "refused". */
  readonly psm?: string;
  readonly edrx?: string;
}

export interface EimStatus {
  readonly eimId: string;
  readonly host: string;
  readonly port: number;
  readonly binding: string;
  /** UTC, RFC 3339. */
  readonly lastContact?: string;
  readonly lastError?: ErrorReport;
  readonly nextPollInMs?: number;
}

/** What becomes of the fleet's own data; management passes all the same. */
export interface DataStatus {
  readonly verdict: "allow" | "warn" | "throttle" | "refuse";
  /** Of the policy; with `simward policy explain` it says more. */
  readonly rule?: string;
  readonly reason?: string;
  /** A command that shows the cause. */
  readonly next?: string;
  /** firewall: the kernel's. module: the data session is kept down. waiting: the firewall is not set yet. nobody: nothing on this vehicle can. */
  readonly carriedOut?: "firewall" | "module" | "waiting" | "nobody";
  /** UTC, RFC 3339: so long the answer stays the same. */
  readonly until?: string;
}

export interface OperationStatus {
  /** What is under way, in the words of the standard: "eUICC Package", "Profile Download" … */
  readonly kind: string;
  readonly step: string;
  readonly eimId?: string;
}

export interface Status {
  readonly schema: "simward/status/1";
  readonly version: string;
  readonly time: string;
  readonly timeSource: string;
  readonly uptimeMs: number;
  readonly card?: CardStatus;
  readonly profiles: readonly ProfileStatus[];
  readonly network: NetworkStatus;
  readonly eims: readonly EimStatus[];
  readonly operation?: OperationStatus;
  /** Of the module, as long as it goes on, whether or not who asked for it still waits. */
  readonly underWay?: WorkStatus;
  /** Of the vehicle's life: factory_test, shipping, operational, suspended, retired. */
  readonly stage?: string;
  /** Of device and card. */
  readonly imeiLock?: "unpaired" | "match" | "mismatch" | "unlocked";
  /** Whether the fleet's own data passes, and why not. */
  readonly data?: DataStatus;
  /** Once something counts it. */
  readonly usage?: UsageSummary;
  /** Where there is a section [tunnel]; more of it in /v1/tunnel. */
  readonly tunnel?: { readonly phase: "idle" | "connecting" | "up" | "waiting"; readonly required: boolean };
  /** While there is one. */
  readonly emergency?: { readonly sources: readonly string[]; readonly remainingMs?: number };
  /** While the vehicle is on its fallback profile, or on trial after it. */
  readonly fallback?: { readonly phase: string; readonly failedReturns: number; readonly nextInMs?: number };
  /** Once the country is known. The rule with the fewest days left, where one has an end in sight. */
  readonly roaming?: { readonly country: string; readonly home?: string; readonly tightest?: RoamingStanding };
  readonly pending: { readonly notifications: number; readonly packageResults: number };
  readonly audit: AuditHead;
  /** What needs a person, newest first. */
  readonly alarms: readonly ErrorReport[];
}

/** Also the fields of an event `phase`; there with `joined` where it is told again for one who asks for the same. */
export interface WorkStatus {
  /** The verb that asks for it, and joins it. */
  readonly work: "net scan" | "modem reset";
  readonly phase: string;
  readonly n: number;
  readonly of: number;
  readonly elapsedMs: number;
  /** When it is given up. */
  readonly limitMs: number;
}

/** One line of GET /v1/events. */
export interface ApiEvent {
  readonly schema: "simward/event/1";
  /** Counts up while the daemon runs; `?after=` resumes from it as far as the daemon remembers. */
  readonly id: number;
  readonly time: string;
  /** "step", "segment", "package.received", "audit", … */
  readonly kind: string;
  readonly [key: string]: unknown;
}

export interface ProfileList {
  readonly schema: "simward/profiles/1";
  readonly eid: string;
  readonly profiles: readonly ProfileStatus[];
}

export interface PollResult {
  readonly schema: "simward/poll/1";
  readonly eims: readonly {
    readonly eimId: string;
    readonly packages: number;
    /** "idle": nothing was waiting; "done": packages were executed and reported; "failed": see error. */
    readonly outcome: "idle" | "done" | "failed";
    readonly error?: ErrorReport;
  }[];
}

export interface EmergencyReport {
  readonly schema: "simward/emergency/1";
  readonly active: boolean;
  /** api: it was told. call: the module has a voice call. profile: the emergency profile is enabled. */
  readonly sources: readonly string[];
  /** Until what was told ends by itself. */
  readonly remainingMs?: number;
  readonly reason?: string;
}

export interface ProfileSwitchReport {
  readonly schema: "simward/profile-switch/1";
  readonly outcome: "switched" | "already";
  /** Enabled now. */
  readonly iccid?: string;
  /** Whether it has a data path. */
  readonly online?: boolean;
}

export interface ProfileChange {
  readonly schema: "simward/profile-change/1";
  readonly iccid: string;
  readonly nickname?: string;
  readonly enabled: boolean;
  /** online, offline: enabled or disabled, and what became of the path. already: it was so before. done: deleted, or named. */
  readonly outcome: "online" | "offline" | "already" | "done";
}

export interface ProfileDownloaded {
  readonly schema: "simward/profile-downloaded/1";
  readonly iccid?: string;
  readonly name?: string;
  readonly serviceProvider?: string;
}

export interface NotificationList {
  readonly schema: "simward/notifications/1";
  readonly notifications: readonly { readonly seqNumber: number; readonly event: string; readonly receiver: string }[];
}

export interface NotificationDelivery {
  readonly schema: "simward/notification-delivery/1";
  readonly delivered: number;
  readonly remaining: number;
  /** Why the first of those that remain was not taken. */
  readonly error?: ErrorReport;
}

export interface ImmediateEnableReport {
  readonly schema: "simward/immediate-enable/1";
  readonly enabled: boolean;
}

export interface MemoryReset {
  readonly schema: "simward/memory-reset/1";
  /** Result codes by their ASN.1 names. */
  readonly results: Readonly<Record<string, string>>;
}

export interface EimsAdded {
  readonly schema: "simward/eims-added/1";
  /** Associated now. */
  readonly eimIds: readonly string[];
}

/** How the vehicle stands with one rule of permanent roaming. */
export interface RoamingStanding {
  readonly rule: string;
  readonly kind: string;
  readonly level: "ok" | "warn" | "act" | "breach";
  /** Days, or months where the kind counts those. */
  readonly used: number;
  readonly limit?: number;
  /** As `used`: from here on it is told, and from here on acted. */
  readonly warnAt?: number;
  readonly actAt?: number;
  /** Whole days of use before the breach. */
  readonly daysLeft?: number;
  /** Some of the days were found by a clock that nobody vouched for. */
  readonly uncertain: boolean;
  /** imei, imsi or iccid: what the days are counted by. */
  readonly key: string;
  readonly basis: string;
  readonly confidence: string;
  readonly source?: string;
  readonly sourceDate?: string;
  /** What is done when it is time to act. */
  readonly action: string;
  readonly words: string;
}

export interface RoamingReport {
  readonly schema: "simward/roaming/1";
  /** ISO 3166-1 alpha-2, of the network registered with last. */
  readonly country?: string;
  /** Of the subscription in use. */
  readonly home?: string;
  /** Whether these two are the same. */
  readonly local: boolean;
  /** What makes a day count at this moment: registration, data_session. */
  readonly counting: readonly string[];
  /** UTC, RFC 3339 full-date. */
  readonly today: string;
  /** The clock is believed. */
  readonly certain: boolean;
  /** Most serious first. */
  readonly standings: readonly RoamingStanding[];
}

export interface RoamingHistory {
  readonly schema: "simward/roaming-history/1";
  readonly entries: readonly {
    /** "imei 35…", "imsi 26…", "iccid 89…" */
    readonly identity: string;
    readonly country: string;
    /** "data_session foreign", "registration local" …, with the minutes of the zone where it is not UTC's days. */
    readonly counted: string;
    readonly days: number;
    readonly uncertainDays: number;
    /** First and last day of each stay. */
    readonly stays: readonly (readonly [string, string])[];
  }[];
}

export interface RoamingRulesReport {
  readonly schema: "simward/roaming-rules-report/1";
  readonly version: number;
  readonly issued: string;
  /** The key of the fleet that has signed them; absent: they came with simward. */
  readonly signedBy?: string;
  /** Of the file, as it was signed. */
  readonly sha256?: string;
  /** Of an installation. */
  readonly outcome?: "installed" | "already";
  /** Overridden by the configuration. */
  readonly overridden: readonly string[];
  /** Overridden, and no rule has that id. */
  readonly unknownOverrides: readonly string[];
  readonly rules: readonly RoamingRule[];
}

export interface MarketReport {
  readonly schema: "simward/market/1";
  /** Where the vehicle is taken to be; absent before the first registration. */
  readonly country?: string;
  /** Registered there now, but the border does not count as crossed yet. */
  readonly beyond?: string;
  /** Whether the profile is of that country. */
  readonly local: boolean;
  /** What came of applying it. */
  readonly outcome?: string;
  /** The profile wanted there, where it is on the eUICC. */
  readonly iccid?: string;
  readonly swap: { readonly policy: string; readonly allow: readonly string[]; readonly from: string };
  readonly operators: readonly string[];
  readonly apns: readonly string[];
  /** Recorded there, and staying on the vehicle. */
  readonly keeps: readonly string[];
  /** Countries that have a market of their own. */
  readonly configured: readonly string[];
}

/** The vehicle's life. */
export interface LifecycleReport {
  readonly schema: "simward/lifecycle/1";
  readonly stage: string;
  /** UTC, RFC 3339; as the clock was then. */
  readonly since: string;
  /** "config", "trigger:…", "operator:<uid>", "token:<key id>" */
  readonly cause: string;
  readonly reason: string;
  /** Of the fleet, in this stage, management included where nothing tells it apart; absent where nothing counts them. */
  readonly usedBytes?: number;
  readonly capBytes?: number;
  /** As `PUT /v1/vehicle` told last. */
  readonly ignition?: "on" | "off";
  readonly odometerKm?: number;
  /** What would bring a following stage about, and how it stands. */
  readonly next: readonly { readonly stage: string; readonly trigger: string; readonly holds: boolean; readonly words: string }[];
  /** For a token; hex. */
  readonly challenge?: string;
  /** The octets that a token of each stage signs, hex. */
  readonly signs?: Readonly<Record<string, string>>;
  /** A retirement or transfer, under way or done. */
  readonly wipe?: {
    readonly kind: "retire" | "transfer";
    readonly by: "memory_reset" | "eim";
    readonly phase: "delivering" | "evidence" | "wiping" | "verifying" | "done";
    /** ICCIDs that were not as they must be, when the card was read last. */
    readonly left: readonly string[];
    readonly undelivered: number;
    /** Readings since it was done; one a day after a retirement. */
    readonly checks: number;
  };
}

/** What would become of the stage. */
export interface LifecycleTest {
  readonly schema: "simward/lifecycle-test/1";
  readonly from: string;
  /** Absent: it would stay. */
  readonly to?: string;
  readonly trigger?: string;
  readonly reason?: string;
  readonly next: LifecycleReport["next"];
}

export interface AuditPage {
  readonly schema: "simward/audit/1";
  readonly records: readonly AuditRecord[];
}

export interface AuditVerificationReport extends AuditVerification {
  readonly schema: "simward/audit-verification/1";
  /** The head that the state remembers, where the trail was compared with it. */
  readonly storedHead?: AuditHead;
}

export interface ApiError {
  readonly schema: "simward/error/1";
  readonly error: ErrorReport;
}

export interface ImeiLockReport {
  readonly schema: "simward/imei-lock/1";
  readonly state: "unpaired" | "match" | "mismatch" | "unlocked";
  /** What differs from the pairing: imei, eid, iccid. */
  readonly differs: readonly string[];
  readonly pairing?: {
    readonly imei: string;
    readonly eid?: string | undefined;
    readonly iccids: readonly string[];
    readonly vin?: string | undefined;
    readonly pairedAt: string;
    readonly by: string;
    readonly reason: string;
  };
  /** In the vehicle now; absent where module or card do not answer. */
  readonly found?: { readonly imei: string; readonly eid?: string | undefined; readonly iccid?: string | undefined };
  /** Of this moment, for a token; hex. */
  readonly challenge?: string;
  /** The octets that a token of each act signs, hex. */
  readonly signs?: { readonly unlock: string; readonly repair: string };
}

export interface KeyRingReport {
  readonly schema: "simward/keys/1";
  /** Fingerprints of the roots configured: SHA-256 of their SubjectPublicKeyInfo. */
  readonly roots: readonly string[];
  /** Of the ring in force. */
  readonly version?: number;
  readonly issued?: string;
  readonly note?: string;
  readonly keys: readonly { readonly id: string; readonly purpose: string; readonly algorithm: string; readonly fingerprint: string }[];
  readonly revoked: readonly string[];
  /** What an install came to. */
  readonly outcome?: "installed" | "already";
}

/** What a policy says of a gate, in the words of its rule. */
export interface PolicyVerdict {
  readonly kind: "allow" | "warn" | "throttle" | "refuse";
  readonly rule?: string;
  readonly reason?: string;
  /** UTC, RFC 3339. */
  readonly retryAt?: string;
}

export interface PolicyReport {
  readonly schema: "simward/policy/1";
  /** The gate of the fleet's own traffic, as it is in force. */
  readonly data: PolicyVerdict;
  /** The rules' verdict waits for the end of an emergency. */
  readonly held: boolean;
  readonly rules: readonly {
    readonly rule: string;
    readonly verdicts: Readonly<Record<string, PolicyVerdict>>;
    /** What it wants done. */
    readonly actions: readonly string[];
    readonly explain: string;
  }[];
  /** What the rules were told; in a simulation also what was given of the gates. */
  readonly facts: LastingFacts;
}

/** What the rules would have said while a trail was recorded: one step for each change of a verdict. */
export interface PolicyReplay {
  readonly schema: "simward/policy-replay/1";
  readonly records: number;
  readonly from?: string;
  readonly to?: string;
  readonly steps: readonly {
    readonly seq: number;
    readonly time: string;
    /** The record that brought the change. */
    readonly event: string;
    readonly data: PolicyVerdict;
    readonly actions: readonly string[];
  }[];
}

export interface AuditKeyReport {
  readonly schema: "simward/audit-key/1";
  readonly head: AuditHead;
  /** SHA-256, hex, of the public key's SubjectPublicKeyInfo; absent where the device has no key. */
  readonly fingerprint?: string;
  /** PEM, Ed25519. */
  readonly publicKey?: string;
}

/** One sample; what is not known, or kept on the vehicle, is absent. */
export interface SampleLine {
  readonly schema: "simward/sample/1";
  /** UTC, RFC 3339. */
  readonly time: string;
  readonly timeSource: string;
  /** ISO 3166-1 alpha-2, of the network. */
  readonly country?: string;
  readonly online: boolean;
  readonly rat?: string;
  readonly signal?: { readonly rsrpDbm?: number; readonly rsrqDb?: number; readonly sinrDb?: number };
  readonly location?: { readonly plmn: string; readonly tac?: string; readonly cellId?: string };
  /** Running totals. */
  readonly usage?: { readonly sentBytes: number; readonly receivedBytes: number };
  /** What was recorded and may not leave the vehicle. */
  readonly kept?: readonly string[];
}

/** What answers, for whoever must know before relying on it. */
export interface VersionReport {
  readonly schema: "simward/version/1";
  readonly version: string;
  /** Of the local API: the first part of each path. */
  readonly api: "v1";
  readonly node: string;
  readonly openssl: string;
  /** Kernel: its name and release, and the machine's architecture. */
  readonly kernel: string;
  readonly arch: string;
}
