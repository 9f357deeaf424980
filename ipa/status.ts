// What the IPA knows at this moment, put together for whoever asks; nothing is asked of the card for it.
import type { OwnedEuiccSession } from "./euicc/session.ts";
import type { IpaStatus } from "./ipa.ts";
import type { IpaContext } from "./procedures/context.ts";
import type { Slot } from "./procedures/slot.ts";

export function statusOf(used: IpaContext | undefined, slot: Slot, { busyWith: cardBusyWith }: OwnedEuiccSession): IpaStatus {
  const context = used ?? slot.shown;
  const { card } = slot;
  if (context === undefined) {
    const nothing = { cardBusyWith, eims: [], profiles: [], enabledIccid: undefined, operation: undefined };
    return { started: card !== undefined, card, eid: card?.eid, ...nothing, pendingNotifications: 0, pendingResults: 0 };
  }
  const { eims, eid, memory, journal } = context;
  const { operation } = journal.content;
  return {
    started: true,
    card,
    cardBusyWith,
    eid: eid.digits,
    eims: eims.all
      .map((eim) => ({ eim, now: eims.current(eim) }))
      .map(
        ({
          eim: {
            config: { eimId },
            error,
          },
          now,
        }) => ({
          eimId,
          scheme: now?.scheme,
          binding: now?.name,
          host: now?.endpoint.host,
          port: now?.endpoint.port,
          error,
          lastContactMs: eims.lastContactMs(eimId),
        }),
      ),
    enabledIccid: memory.profiles.find(({ enabled }) => enabled)?.iccid,
    profiles: memory.profiles,
    operation:
      operation === undefined
        ? undefined
        : { kind: operation.kind, phase: operation.phase, eimId: operation.kind === "euiccPackage" ? operation.reportTo : operation.eimId },
    pendingNotifications: memory.pendingNotifications,
    pendingResults: memory.results.size,
  };
}
