// What the IPA tells, to whom it concerns: listeners of the API, the log, the audit trail.
import type { Log, LogLevel } from "../base/log.ts";
import { traceId } from "../base/trace.ts";
import type { IpaEvent, IpaEvents } from "../ipa/events.ts";
import type { EventHub } from "./api/events.ts";
import { auditEventOf } from "./audit/from-ipa.ts";
import type { AuditEvent } from "./audit/types.ts";

/** `info` for kinds that are not here. */
const levels: Partial<Record<IpaEvent["kind"], Exclude<LogLevel, "silent">>> = {
  step: "debug",
  segment: "debug",
  warning: "warn",
  error: "error",
};

/** What of a trace is worth being kept on flash for. */
const failures: ReadonlySet<IpaEvent["kind"]> = new Set(["download.failed", "package.unreported", "package.malformed", "error"]);

export function createIpaEvents(parts: {
  readonly hub: EventHub;
  readonly log: Log;
  /** Never rejects. */
  readonly record: (event: AuditEvent) => Promise<void>;
  /** An exchange that has succeeded. */
  /** Something of this trace did not succeed. */
  readonly failed?: ((traceId: string) => void) | undefined;
  readonly transferred?: ((step: Extract<IpaEvent, { readonly kind: "step" }>) => void) | undefined;
}): IpaEvents {
  const { hub, log, record, transferred, failed } = parts;
  return {
    async emit(told) {
      const event = wholeMilliseconds(told);
      if (event.kind === "step" && event.error === undefined) transferred?.(event);
      const id = traceId();
      if (id !== undefined && failures.has(event.kind)) failed?.(id);
      const { kind, ...facts } = event;
      const fields = id === undefined ? facts : { ...facts, traceId: id };
      hub.publish(kind, fields);
      log[levels[kind] ?? "info"](kind, fields);
      const auditEvent = auditEventOf(event);
      if (auditEvent === undefined) return;
      await record(id === undefined ? auditEvent : { ...auditEvent, data: { ...auditEvent.data, traceId: id } });
    },
  };
}

/** Clocks answer fractions; nobody reads them. */
function wholeMilliseconds<E extends object>(event: E): E {
  return "durationMs" in event && typeof event.durationMs === "number" ? { ...event, durationMs: Math.round(event.durationMs) } : event;
}
