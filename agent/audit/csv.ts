// The audit trail as a table: RFC 4180, one row a record; what belongs to one kind of event only is JSON in the last column.
import { lineOf } from "./segment.ts";
import type { AuditRecord } from "./types.ts";

const columns = ["seq", "time", "timeSource", "event", "cause"] as const;

export function csvHead(): string {
  return [...columns, "data"].join(",");
}

export function csvRow(record: AuditRecord): string {
  return [...columns.map((name) => String(record[name])), record.data === undefined ? "" : lineOf(record.data)].map(field).join(",");
}

/** What a spreadsheet would take for a formula is kept from being one. */
function field(value: string): string {
  const plain = /^[=+\-@\t\r]/.test(value) ? `'${value}` : value;
  return /[",\r\n]/.test(plain) ? `"${plain.replaceAll('"', '""')}"` : plain;
}
