// Notification delivery (SGP.32 §3.7): what waits on the card, to each receiver in order of sequence numbers, through an eIM; removed once taken.
import { asSimwardError, errorReport, SimwardError } from "../../base/errors.ts";
import { type EimClient, isUnreachable } from "../esipa/client.ts";
import type { DeliveryOutcome } from "../ipa.ts";
import { readNotifications, removeFromList, type StoredNotification } from "./card.ts";
import type { IpaContext } from "./context.ts";

/**
 * One round. Who refuses keeps its own waiting; when an eIM cannot be reached, what goes through it waits. With `relayedBy`, only what that eIM
 * is owed: the results of downloads it relayed.
 */
export async function deliverNotifications(
  context: IpaContext,
  signal: AbortSignal | undefined,
  relayedBy?: string,
): Promise<DeliveryOutcome> {
  const { euicc, options, memory, tell, journal } = context;
  const waiting = await euicc.withEuicc("notifications", (es10) => readNotifications(es10), signal);
  await forgetDelivered(context, waiting);
  const { relays } = journal.content;
  const wanted = relayedBy === undefined ? waiting : waiting.filter(({ seqNumber }) => relays[String(seqNumber)] === relayedBy);
  const blocked = new Set<string>();
  let delivered = 0;
  let problem: SimwardError | undefined;
  for (const notification of wanted.slice(0, options.maxNotificationsPerRound)) {
    const { seqNumber, receiver, event } = notification;
    const via = relayOf(context, notification);
    if (blocked.has(receiver) || (via !== undefined && blocked.has(`via ${via}`))) continue;
    try {
      await clientFor(context, via).handleNotification(notification.raw, signal);
    } catch (error) {
      signal?.throwIfAborted();
      const known = asSimwardError(error);
      problem ??= known;
      blocked.add(receiver);
      if (isUnreachable(known) && via !== undefined) blocked.add(`via ${via}`);
      await tell({ kind: "notification.kept", seqNumber, receiver, error: errorReport(known) });
      continue;
    }
    delivered++;
    await tell({ kind: "notification.delivered", seqNumber, event, receiver });
    await remove(context, seqNumber, signal);
  }
  memory.pendingNotifications = waiting.length - delivered;
  return { delivered, remaining: memory.pendingNotifications, error: problem };
}

/** Results that are no longer on the card have been delivered by someone. */
async function forgetDelivered({ journal }: IpaContext, waiting: readonly StoredNotification[]): Promise<void> {
  const there = new Set(waiting.map(({ seqNumber }) => String(seqNumber)));
  const relays = Object.fromEntries(Object.entries(journal.content.relays).filter(([seqNumber]) => there.has(seqNumber)));
  await journal.update({ relays });
}

/** A result of a download goes through the eIM that relayed it; all else through the first that can be reached at all. */
function relayOf({ journal, eims }: IpaContext, { seqNumber }: StoredNotification): string | undefined {
  const relay = journal.content.relays[String(seqNumber)];
  if (relay !== undefined && eims.find(relay)?.access !== undefined) return relay;
  return eims.all.find(({ access }) => access !== undefined)?.config.eimId;
}

function clientFor(context: IpaContext, via: string | undefined): EimClient {
  if (via !== undefined) return context.eims.client(via);
  throw context.eims.all[0]?.error ?? new SimwardError("EIM_NOT_CONFIGURED", { detail: "no eIM to deliver notifications through" });
}

async function remove(context: IpaContext, seqNumber: number, signal: AbortSignal | undefined): Promise<void> {
  await context.euicc.withEuicc("notification delivered", (es10) => removeFromList(es10, seqNumber), signal);
  const { [String(seqNumber)]: relayed, ...relays } = context.journal.content.relays;
  if (relayed !== undefined) await context.journal.update({ relays });
}
