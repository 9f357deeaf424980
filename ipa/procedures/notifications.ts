// Notification delivery (SGP.32 §3.7): what waits on the card, to each receiver in order of sequence numbers, itself or through an eIM; removed once
// taken.
import { asSimwardError, errorReport, SimwardError } from "../../base/errors.ts";
import { type EimClient, isUnreachable } from "../esipa/client.ts";
import type { DeliveryOutcome } from "../ipa.ts";
import { readNotifications, removeFromList, type StoredNotification } from "./card.ts";
import type { IpaContext } from "./context.ts";
import { isDirect, rspClient } from "./direct-download.ts";

/**
 * One round. Who refuses keeps its own waiting, and is left alone for a while; when an eIM cannot be reached, what goes through it waits. With `relayedBy`,
 * only what that eIM is owed, and at once: the results of downloads it relayed.
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
  const wanted =
    relayedBy === undefined
      ? waiting.filter(({ receiver }) => isDue(context, receiver))
      : waiting.filter(({ seqNumber }) => relays[String(seqNumber)] === relayedBy);
  const blocked = new Set<string>();
  let delivered = 0;
  let attempts = 0;
  let problem = relayedBy === undefined ? awaited(context, waiting) : undefined;
  for (const notification of wanted) {
    const { seqNumber, receiver, event } = notification;
    if (blocked.has(receiver)) continue;
    if (++attempts > options.maxNotificationsPerRound) break;
    const failure = await deliver(context, notification, blocked, signal);
    if (failure !== undefined) {
      problem ??= failure;
      blocked.add(receiver);
      await tell({ kind: "notification.kept", seqNumber, receiver, error: errorReport(failure) });
      continue;
    }
    delivered++;
    memory.receivers.delete(receiver);
    await tell({ kind: "notification.delivered", seqNumber, event, receiver });
    await remove(context, seqNumber, signal);
  }
  memory.pendingNotifications = waiting.length - delivered;
  return { delivered, remaining: memory.pendingNotifications, error: problem };
}

const backOff = { baseMs: 60_000, capMs: 24 * 3_600_000 } as const;
/** Of many vehicles that a server refused together, not all come back together. */
const jitterShare = 0.5;
/** About a quarter of an hour. */
const eagerFailures = 4;
const maxReceivers = 64;

function isDue({ memory, ports }: IpaContext, receiver: string): boolean {
  return ports.clock.monotonicMs() >= (memory.receivers.get(receiver)?.untilMs ?? 0);
}

/** What the next round is to come soon for: a failure that may be of the moment. Who has failed often is waited for by the ordinary rounds. */
function awaited(context: IpaContext, waiting: readonly StoredNotification[]): SimwardError | undefined {
  const leftAlone = waiting.filter(({ receiver }) => !isDue(context, receiver));
  const failed = leftAlone.map(({ receiver }) => context.memory.receivers.get(receiver)).filter((one) => one !== undefined);
  return failed.find(({ failures }) => failures <= eagerFailures)?.error;
}

/** It never comes to an end: a server that is away for a year gets its notifications after that. */
function leaveAlone({ memory, ports }: IpaContext, receiver: string, error: SimwardError): void {
  const failures = (memory.receivers.get(receiver)?.failures ?? 0) + 1;
  const ceilingMs = Math.min(backOff.capMs, backOff.baseMs * 2 ** Math.min(failures - 1, 20));
  const delayMs = ceilingMs * (1 - jitterShare * ports.random.unit());
  memory.receivers.delete(receiver);
  memory.receivers.set(receiver, { failures, error, untilMs: ports.clock.monotonicMs() + delayMs });
  for (const oldest of memory.receivers.keys()) {
    if (memory.receivers.size <= maxReceivers) break;
    memory.receivers.delete(oldest);
  }
}

/** Tries the paths in turn until one takes it; answers why none did. A server's refusal is its last word. */
async function deliver(
  context: IpaContext,
  notification: StoredNotification,
  blocked: Set<string>,
  signal: AbortSignal | undefined,
): Promise<SimwardError | undefined> {
  let failure: SimwardError | undefined;
  let isReceivers = false;
  for (const path of pathsOf(context, notification)) {
    if (blocked.has(path.name)) continue;
    try {
      await path.taker().handleNotification(notification.raw, signal);
      return undefined;
    } catch (error) {
      signal?.throwIfAborted();
      const known = asSimwardError(error);
      failure ??= known;
      isReceivers ||= path.isReceivers || !isUnreachable(known);
      if (!isUnreachable(known) || known.code === "RSP_SERVER") break;
      blocked.add(path.name);
    }
  }
  const problem = failure ?? new SimwardError("ESIPA_UNREACHABLE", { detail: "every path failed in this round" });
  // An eIM that cannot be reached says nothing about who is behind it.
  if (isReceivers) leaveAlone(context, notification.receiver, problem);
  return problem;
}

interface Taker {
  handleNotification(pendingNotification: Uint8Array, signal?: AbortSignal): Promise<void>;
}

interface Path {
  readonly name: string;
  /** To the receiver itself. */
  readonly isReceivers: boolean;
  readonly taker: () => Taker;
}

/**
 * The result of a relayed download goes through the eIM that relayed it, that of a direct one to its SM-DP+ (SGP.32 §3.7); all else to its
 * SM-DP+ where this IPA can, or through the first eIM that can be reached at all.
 */
function pathsOf(context: IpaContext, { seqNumber, receiver, transactionId }: StoredNotification): readonly Path[] {
  const { journal, eims } = context;
  const direct: readonly Path[] = isDirect(context)
    ? [{ name: `to ${receiver}`, isReceivers: true, taker: () => rspClient(context, receiver) }]
    : [];
  const relay = journal.content.relays[String(seqNumber)];
  const relayed = relay !== undefined && eims.find(relay)?.access !== undefined;
  const via = relayed ? relay : eims.all.find(({ access }) => access !== undefined)?.config.eimId;
  const through: Path = { name: `via ${via ?? "no eIM"}`, isReceivers: false, taker: () => clientFor(context, via) };
  if (relayed) return [through];
  return transactionId !== undefined && direct.length > 0 ? direct : [...direct, through];
}

/** Results that are no longer on the card have been delivered by someone. */
async function forgetDelivered({ journal }: IpaContext, waiting: readonly StoredNotification[]): Promise<void> {
  const there = new Set(waiting.map(({ seqNumber }) => String(seqNumber)));
  const relays = Object.fromEntries(Object.entries(journal.content.relays).filter(([seqNumber]) => there.has(seqNumber)));
  await journal.update({ relays });
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
