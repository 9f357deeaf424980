// What the IPA tells of its doings, one union for audit, progress displays and logs: facts only, no words to be parsed.
// Identifiers are whole here; who writes them to a log masks them. No secret (matching id, confirmation code) is ever in an event.
import type { ErrorCode, ErrorReport } from "../base/errors.ts";
import type { EmergencySource, Gate } from "./ports.ts";
import type { CardKind } from "./procedures/card-class.ts";

export type PackageKind = "euiccPackage" | "ipaEuiccData" | "profileDownload" | "unknown";

/** One operation of an eUICC package by its ASN.1 name, with the code the eUICC answered: "ok", a name of its table, or a number. */
export interface OperationOutcome {
  readonly name: string;
  readonly iccid?: string | undefined;
  readonly code: string | number;
}

export type IpaEvent =
  /** One exchange with the card, an eIM or an SM-DP+, by the interface's name: "ES10b.PrepareDownload", "ESipa.GetEimPackage". */
  | {
      readonly kind: "step";
      readonly name: string;
      readonly sentBytes: number;
      readonly receivedBytes: number;
      readonly durationMs: number;
      readonly error?: ErrorCode | undefined;
    }
  /** One segment of a bound profile package went to the card: number 1 to `of`. */
  | { readonly kind: "segment"; readonly number: number; readonly of: number; readonly sentBytes: number }
  | { readonly kind: "started"; readonly eid: string; readonly eimIds: readonly string[]; readonly enabledIccid: string | undefined }
  /** Something was found under way at the start, and is gone on with. */
  | {
      readonly kind: "recovered";
      readonly operation: "euiccPackage" | "profileDownload" | "ipaEuiccData" | "profileOrder" | "localSwitch";
      readonly phase: string;
    }
  | {
      readonly kind: "package.received";
      readonly eimId: string;
      readonly packageKind: PackageKind;
      readonly bytes: number;
      /** SHA-256 of the package's octets, hex. */
      readonly sha256: string;
      readonly eimTransactionId: string | undefined;
      readonly counterValue: string | undefined;
      /** ASN.1 names of its operations, in order. */
      readonly operations: readonly string[];
    }
  | { readonly kind: "package.malformed"; readonly eimId: string; readonly code: ErrorCode; readonly reason: string }
  | {
      readonly kind: "package.executed";
      readonly eimId: string;
      readonly sha256: string;
      readonly result: "euiccPackageResultSigned" | "euiccPackageErrorSigned" | "euiccPackageErrorUnsigned";
      readonly seqNumber: number | undefined;
      /** Of a signed error. */
      readonly error: string | number | undefined;
      readonly outcomes: readonly OperationOutcome[];
    }
  /** simward carried it out in place of a consumer eUICC: its result carries no card's signature, and only an eIM that knows takes it. */
  | {
      readonly kind: "package.unsigned";
      readonly eimId: string;
      readonly eimTransactionId: string | undefined;
      readonly counterValue: string;
      readonly seqNumber: number;
    }
  | {
      readonly kind: "package.reported";
      readonly eimId: string;
      readonly packageKind: PackageKind;
      readonly eimTransactionId: string | undefined;
      readonly seqNumber: number | undefined;
      readonly acknowledged: readonly number[];
    }
  /** The eIM took neither the result nor refused it for good; it is kept and sent again. */
  | { readonly kind: "package.unreported"; readonly eimId: string; readonly seqNumber: number | undefined; readonly error: ErrorReport }
  /** An eIM brought something by itself (SGP.32 §3.1.1.2). `eimId`: whom its certificate proves it to be, if anybody. */
  | {
      readonly kind: "injection.received";
      readonly scheme: "coaps" | "https" | "local";
      /** "address:port" */
      readonly peer: string;
      readonly eimId: string | undefined;
      readonly packageKind: PackageKind | "acknowledgements";
      readonly bytes: number;
      /** Of the package's octets, hex; as in package.received. */
      readonly sha256: string;
    }
  /** Its member of TransferEimPackageResponse. */
  | {
      readonly kind: "injection.answered";
      readonly scheme: "coaps" | "https" | "local";
      readonly peer: string;
      readonly eimId: string | undefined;
      readonly sha256: string;
      readonly answer: string;
    }
  | {
      readonly kind: "injection.refused";
      readonly scheme: "coaps" | "https" | "local";
      readonly peer: string;
      readonly eimId: string | undefined;
      readonly code: ErrorCode;
      readonly reason: string;
    }
  /** In a message of its own, for what it was given before. */
  | { readonly kind: "acknowledgement.taken"; readonly eimId: string; readonly seqNumbers: readonly number[] }
  /** An eIM acknowledged what is not its own; nothing was removed. */
  | { readonly kind: "acknowledgement.ignored"; readonly eimId: string; readonly seqNumbers: readonly number[] }
  | { readonly kind: "profile.enabled"; readonly iccid: string; readonly fromIccid: string | undefined; readonly eimId: string | undefined }
  | { readonly kind: "profile.disabled"; readonly iccid: string; readonly eimId: string }
  | { readonly kind: "profile.deleted"; readonly iccid: string; readonly eimId: string }
  | { readonly kind: "profile.online"; readonly iccid: string | undefined; readonly durationMs: number }
  | { readonly kind: "profile.offline"; readonly iccid: string | undefined; readonly durationMs: number }
  | { readonly kind: "profile.rolledBack"; readonly fromIccid: string; readonly toIccid: string | undefined; readonly eimId: string }
  | { readonly kind: "profile.rollbackRefused"; readonly iccid: string; readonly code: string | number; readonly eimId: string }
  /** The eUICC changed the enabled profile at our word: fallback and return, emergency profile on and off. */
  | {
      readonly kind: "profile.fellBack" | "profile.returned" | "profile.emergencyEnabled" | "profile.emergencyDisabled";
      readonly fromIccid: string | undefined;
      readonly toIccid: string | undefined;
    }
  /** It would not, or need not. */
  | { readonly kind: "profile.switchRefused"; readonly function: string; readonly code: string | number }
  /** An emergency is under way, and this waits for its end. */
  | { readonly kind: "emergency.deferred"; readonly what: string; readonly sources: readonly EmergencySource[] }
  | {
      readonly kind: "download.started";
      /** With the RSP server itself, or through the eIM. */
      readonly way: "direct" | "indirect";
      readonly eimId: string;
      readonly smdpAddress: string | undefined;
      readonly eimTransactionId: string | undefined;
    }
  | {
      readonly kind: "download.metadata";
      readonly iccid: string;
      readonly serviceProviderName: string;
      readonly profileName: string;
      readonly profileClass: string | number;
      readonly profilePolicyRules: readonly (string | number)[];
    }
  | { readonly kind: "download.cancelled"; readonly transactionId: string; readonly reason: string }
  | {
      readonly kind: "download.finished";
      readonly eimId: string;
      readonly iccid: string | undefined;
      readonly seqNumber: number;
      readonly bytes: number;
    }
  | { readonly kind: "download.failed"; readonly eimId: string; readonly step: string; readonly error: ErrorReport }
  | { readonly kind: "notification.delivered"; readonly seqNumber: number; readonly event: string; readonly receiver: string }
  | { readonly kind: "notification.kept"; readonly seqNumber: number; readonly receiver: string; readonly error: ErrorReport }
  | { readonly kind: "eim.changed"; readonly eimIds: readonly string[] }
  /** What is in the slot, when it is another than before. `acts`: what this assistant does for it. */
  | {
      readonly kind: "card.classified";
      readonly cardClass: CardKind;
      readonly eid: string | undefined;
      readonly why: string;
      readonly acts: string;
      readonly former: CardKind | undefined;
      readonly formerEid: string | undefined;
    }
  /** An eIM of the card's list that cannot be used, and why. */
  | { readonly kind: "eim.unusable"; readonly eimId: string; readonly error: ErrorReport }
  | {
      readonly kind: "policy.refused" | "policy.warned";
      readonly gate: Gate;
      readonly rule: string;
      readonly reason: string;
      readonly retryAt: number | undefined;
    }
  /** It goes on nevertheless. */
  | { readonly kind: "warning"; readonly where: string; readonly error: ErrorReport }
  | { readonly kind: "error"; readonly where: string; readonly error: ErrorReport }
  /** An orderly end came in between, or whoever asked withdrew: no error. What is under way is gone on with later. */
  | {
      readonly kind: "interrupted";
      readonly where: string;
      readonly operation: string | undefined;
      readonly phase: string | undefined;
      readonly reason: string;
    };

export interface IpaEvents {
  /** Awaited before the IPA goes on, so that what was told is safe in the audit trail before its consequence happens. Must not throw. */
  emit(event: IpaEvent): void | Promise<void>;
}
