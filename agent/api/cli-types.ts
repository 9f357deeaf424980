// Documents that only the command line prints: put together there from answers of the daemon, or made without it.
import type { ListedInterface, ListedPort } from "../../at-drivers/discovery/list.ts";
import type { ExplainedTlv } from "../../ipa/asn1/explain.ts";
import type { AuditRecord } from "../audit/types.ts";
import type { DryRunReport } from "./dry-run-types.ts";
import type { ModemContext } from "./modem-types.ts";
import type { NetReport, RadioReport } from "./net-types.ts";
import type { EimStatus, ProfileStatus, Role } from "./types.ts";

export interface EimList {
  readonly schema: "simward/eim-list/1";
  readonly eims: readonly EimStatus[];
}

export interface ProfileDocument extends ProfileStatus {
  readonly schema: "simward/profile/1";
}

export interface ApnList {
  readonly schema: "simward/apns/1";
  readonly contexts: readonly ModemContext[];
}

export interface PsmDocument {
  readonly schema: "simward/psm/1";
  /** Absent: the module does not tell. */
  readonly psm?: NonNullable<RadioReport["psm"]>;
}

export interface EdrxDocument {
  readonly schema: "simward/edrx/1";
  readonly edrx?: NonNullable<RadioReport["edrx"]>;
}

export interface PortOwners {
  readonly schema: "simward/port-owner/1";
  /** Absent: no port is known. */
  readonly port?: string;
  readonly holders: readonly PortHolder[];
  /** They run, and are known to take modules' ports. */
  readonly suspects: readonly PortHolder[];
}

export interface PortHolder {
  readonly pid: number;
  readonly name: string;
}

export interface OperatorList {
  readonly schema: "simward/net-operators/1";
  readonly registered?: string | undefined;
  readonly choice: string;
  readonly chosen?: string | undefined;
  readonly operators: NetReport["operators"];
}

/** --dry-run: what the daemon would have been asked, and what it would have sent. */
export interface DryRun {
  readonly schema: "simward/dry-run/1";
  readonly role: Role;
  readonly method: "POST" | "PUT";
  readonly path: string;
  readonly body: object;
  readonly outcome: DryRunReport["outcome"];
  readonly commands: DryRunReport["commands"];
}

export interface CompletionScript {
  readonly schema: "simward/completion/1";
  readonly shell: "bash" | "zsh" | "fish";
  readonly script: string;
}

/** The configuration as the daemon reads it. */
export interface ConfigDocument {
  readonly schema: "simward/config/1";
  readonly file: string;
  readonly config: object;
}

/** One line of the audit trail. */
export interface AuditLine {
  readonly schema: "simward/audit-record/1";
  readonly seq: number;
  readonly time: string;
  readonly event: string;
  readonly cause: string;
  readonly [key: string]: unknown;
}

/** Names for `simward package decode --type`. */
export interface TypeNames {
  readonly schema: "simward/types/1";
  readonly types: readonly string[];
}

export interface ListedModems {
  readonly schema: "simward/modem-list/1";
  readonly wanted: string;
  readonly ports: readonly ListedPort[];
  readonly interfaces: readonly ListedInterface[];
}

/** Line by line. */
export interface Reencoded {
  readonly schema: "simward/reencoded/1";
  readonly type: string;
  readonly der: string;
}

export interface DecodedObject {
  readonly schema: "simward/decoded/1";
  readonly type: string;
  readonly octets: number;
  readonly nodes: readonly ExplainedTlv[];
  /** Where it ends too early, and why. */
  readonly problem?: { readonly code: string; readonly message: string; readonly path?: string; readonly offset?: number };
}

/** What an eIM ordered, and what came of it. */
export interface PackageDocument {
  readonly schema: "simward/package/1";
  readonly traceId: string | null;
  readonly received: AuditRecord;
  readonly result: "done" | "failed" | "under way";
  readonly records: readonly AuditRecord[];
  /** As far as the trace still has them, and this user may read it. */
  readonly steps: readonly PackageStep[];
}

/** One exchange with the card, an eIM or an SM-DP+. */
export interface PackageStep {
  readonly name: string;
  readonly durationMs: number;
  readonly sentBytes: number;
  readonly receivedBytes: number;
  readonly note?: string;
}

/** Where a browser on this machine finds the vehicle's page, once. */
export interface UiAddress {
  readonly schema: "simward/ui/1";
  readonly url: string;
}

/** The archive that was written. */
export interface BugreportArchive {
  readonly schema: "simward/bugreport-file/1";
  readonly id: string;
  readonly file: string;
  readonly bytes: number;
  readonly files: number;
  /** false: the daemon gave nothing to it. */
  readonly complete: boolean;
}

/** Beside a result or a stream, for who reads along. */
export interface Hint {
  readonly schema: "simward/hint/1";
  readonly hint: string;
}
