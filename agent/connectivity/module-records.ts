// What befalls the module, as the audit trail has it: what was done when it did not answer, and profiles that it would not take up.
import type { ModemEvent } from "../../at-drivers/types.ts";
import type { AuditEvent } from "../audit/types.ts";

/** undefined: nothing that is recorded; most events are, by those whom they concern. */
export function recordOf(event: ModemEvent): AuditEvent | undefined {
  switch (event.kind) {
    case "recovery": {
      const { step, outcome, round, reason } = event;
      const data = { step, outcome, round, tookMs: Math.round(event.tookMs), downMs: Math.round(event.downMs) };
      return { event: "module.recovery", cause: "module", data: { ...data, ...(reason === undefined ? {} : { reason }) } };
    }
    case "cardSwitch": {
      // Adopted, it is recorded by the change of profile that it is part of.
      if (event.isSeen) return undefined;
      const steps = event.steps.map(({ step, tookMs }) => ({ step, tookMs: Math.round(tookMs) }));
      return { event: "module.cardNotAdopted", cause: "module", data: { iccid: event.iccid, steps, tookMs: Math.round(event.tookMs) } };
    }
    default:
      return undefined;
  }
}
