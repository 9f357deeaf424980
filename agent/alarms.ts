// What needs a person, as the status shows it: one alarm for each place it comes from, until that place is well again.
import { type ErrorReport, errorReport } from "../base/errors.ts";

/** Where alarms come from. */
export type AlarmSource =
  | "config"
  | "start"
  | "poll"
  | "audit"
  | "auditTrail"
  | "state"
  | "stateLost"
  | "apn"
  | "radio"
  | "path"
  | "injection"
  | "net"
  | "firewall"
  | "firewallAltered"
  | "trust"
  | "tunnel"
  | "tunnelCertificate"
  | "uplink"
  | "lifecycle"
  | "lifecycleLost"
  | "roamingRules"
  | "roamingLost"
  | "usage"
  | "usageLost"
  | "usageMismatch"
  | `policy:${string}`;

export interface Alarms {
  raise(source: AlarmSource, error: unknown): void;
  clear(source: AlarmSource): void;
  /** Newest first. */
  list(): readonly ErrorReport[];
}

export function createAlarms(): Alarms {
  const raised = new Map<AlarmSource, ErrorReport>();
  return {
    raise(source, error) {
      raised.delete(source);
      raised.set(source, errorReport(error));
    },
    clear: (source) => void raised.delete(source),
    list: () => [...raised.values()].reverse(),
  };
}
