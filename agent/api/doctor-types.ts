// Answers of the local API about what is wrong: doctor's findings, and the test of a way to an eIM.
import type { ErrorReport } from "../../base/errors.ts";

/** skip: it says nothing here, or what it stands on has failed. */
export type FindingLevel = "pass" | "warn" | "fail" | "skip";

/** fast: nothing is sent over the network. full: all. factory: what the production line must know, with its checklist. */
export type DoctorMode = "fast" | "full" | "factory";

export type DoctorSection = "daemon" | "storage" | "module" | "card" | "network" | "path" | "eim" | "policy";

export interface Finding {
  /** In kebab-case; docs/doctor.md has them all. */
  readonly check: string;
  readonly section: DoctorSection;
  readonly level: FindingLevel;
  /** What was found, in words, with the facts it is told by. */
  readonly cause?: string;
  /** What to do next: a command, or an act of a person. */
  readonly mend?: string;
  /** The check whose finding is the reason for this one. */
  readonly because?: string;
  readonly data?: Readonly<Record<string, string | number | boolean | readonly string[]>>;
  readonly tookMs: number;
}

/** One line of the seed's list for the production line. */
export interface FactoryItem {
  readonly item: "rat" | "bip" | "imei-pairing" | "test-state-plan" | "apn-per-market" | "eim-reachable";
  /** The worst of its checks. */
  readonly level: FindingLevel;
  readonly checks: readonly string[];
  readonly words: string;
}

export interface FactoryReport {
  readonly imei?: string;
  readonly eid?: string;
  readonly iccid?: string;
  readonly pairing: "unpaired" | "match" | "mismatch" | "unlocked";
  readonly checklist: readonly FactoryItem[];
}

export interface DoctorReport {
  readonly schema: "simward/doctor/1";
  readonly version: string;
  readonly mode: DoctorMode;
  /** UTC, RFC 3339, as the vehicle's clock is. */
  readonly time: string;
  /** down: only what can be seen without the daemon was looked at. */
  readonly daemon: "running" | "down";
  /** The worst level; what was skipped does not count. */
  readonly verdict: "pass" | "warn" | "fail";
  /** "What is wrong: …; do: …" */
  readonly summary: string;
  /** Checks that warn or fail, the most probable cause first. */
  readonly causes: readonly string[];
  readonly counts: { readonly pass: number; readonly warn: number; readonly fail: number; readonly skip: number };
  readonly tookMs: number;
  /** In the order of docs/doctor.md. */
  readonly findings: readonly Finding[];
  readonly factory?: FactoryReport;
}

/** One line of GET /v1/doctor/lines before the report. */
export interface DoctorProgress {
  readonly schema: "simward/doctor-progress/1";
  readonly done: number;
  readonly of: number;
  readonly finding: Finding;
}

export interface EimBindingTest {
  readonly binding: string;
  readonly host: string;
  readonly port: number;
  /** The name that the certificate must carry. */
  readonly serverName: string;
  /** What is believed there: "certificate <fingerprint>", "public key <fingerprint>", "roots <n>", "pre-shared key". */
  readonly trust: string;
  /** Absent where the name was not found. */
  readonly addresses?: readonly string[];
  readonly outcome: "trusted" | "failed";
  /** DTLSv1.2 or TLSv1.x with its cipher suite. */
  readonly protocol?: string;
  readonly tookMs: number;
  readonly error?: ErrorReport;
}

export interface EimTestReport {
  readonly schema: "simward/eim-test/1";
  readonly eims: readonly {
    readonly eimId: string;
    /** Why it cannot be reached as it is configured. */
    readonly error?: ErrorReport;
    readonly bindings: readonly EimBindingTest[];
  }[];
}
