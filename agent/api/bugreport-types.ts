// Answers of the local API to whoever wants to report a fault.

export interface BugreportFile {
  /** Within the report, e.g. "audit.jsonl". */
  readonly name: string;
  /** Redacted. */
  readonly text: string;
}

export interface Bugreport {
  readonly schema: "simward/bugreport/1";
  /** To be quoted: it is in the audit trail of the vehicle too. */
  readonly id: string;
  /** UTC, RFC 3339. */
  readonly time: string;
  readonly files: readonly BugreportFile[];
}
