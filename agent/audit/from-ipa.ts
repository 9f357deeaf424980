// Which of the IPA's doings go to the audit trail, and who is named as their cause.
import type { IpaEvent } from "../../ipa/events.ts";
import { localOrder } from "../../ipa/machines/profile-order.ts";
import type { AuditEvent, AuditValue } from "./types.ts";

type Cause = "eim" | "ipa" | "policy" | "start";

/** Kinds that are not here are for displays and logs only. */
const audited: Partial<Record<IpaEvent["kind"], Cause>> = {
  recovered: "start",
  "package.received": "eim",
  "package.malformed": "eim",
  "package.executed": "eim",
  "package.unsigned": "ipa",
  "package.reported": "ipa",
  "package.unreported": "ipa",
  "injection.received": "eim",
  "injection.answered": "ipa",
  "injection.refused": "ipa",
  "acknowledgement.taken": "eim",
  "acknowledgement.ignored": "eim",
  "profile.enabled": "eim",
  "profile.disabled": "eim",
  "profile.deleted": "eim",
  "profile.online": "ipa",
  "profile.offline": "ipa",
  "profile.rolledBack": "ipa",
  "profile.rollbackRefused": "ipa",
  "profile.fellBack": "ipa",
  "profile.returned": "ipa",
  "profile.emergencyEnabled": "ipa",
  "profile.emergencyDisabled": "ipa",
  "profile.switchRefused": "ipa",
  "emergency.deferred": "ipa",
  "download.started": "eim",
  "download.metadata": "ipa",
  "download.cancelled": "ipa",
  "download.finished": "eim",
  "download.failed": "ipa",
  "notification.delivered": "ipa",
  "eim.changed": "eim",
  "eim.unusable": "ipa",
  "card.classified": "ipa",
  "policy.refused": "policy",
  "policy.warned": "policy",
  error: "ipa",
  interrupted: "ipa",
};

export function auditEventOf(event: IpaEvent): AuditEvent | undefined {
  const cause = audited[event.kind];
  if (cause === undefined) return undefined;
  const { kind, ...fields } = event;
  // Of what a person ordered there is no eIM.
  const known = Object.entries(fields).filter(([key, value]) => key !== "eimId" || value !== localOrder);
  const data = Object.fromEntries(known.map(([key, value]) => [key, value === undefined ? null : (value as AuditValue)]));
  return { event: kind, cause: causeText(cause, event), data };
}

function causeText(cause: Cause, event: IpaEvent): string {
  if ("eimId" in event && event.eimId === localOrder) return "operator";
  if (cause === "eim" && "eimId" in event && event.eimId !== undefined) return `eim:${event.eimId}`;
  if (cause === "policy" && "rule" in event) return `policy:${event.rule}`;
  return cause;
}
