// How answers reach an eIM: sent once, acknowledgements taken for what is that eIM's own, results that nobody acknowledged sent again (SGP.32 §3.3.1).
import { asSimwardError, errorReport, isCode, type SimwardError } from "../../base/errors.ts";
import type { EimClient } from "../esipa/client.ts";
import type { Es10 } from "../euicc/es10.ts";
import { sortAcknowledgements } from "./acknowledgements.ts";
import { readPackageResults, removeFromList, type StoredResult } from "./card.ts";
import type { IpaContext, KeptResult } from "./context.ts";
import { fromBase64 } from "./journal.ts";

/** Sends a BF50 and answers which of the acknowledged numbers are that eIM's own. `reported`: what the message itself carried. */
export async function sendResult(
  context: IpaContext,
  client: EimClient,
  message: Uint8Array,
  reported: readonly number[],
  signal: AbortSignal | undefined,
): Promise<readonly number[]> {
  const seqNumbers = await client.provideEimPackageResult(message, signal);
  noteGiven(context, client.eimId, reported);
  const own = new Set(reported);
  if (seqNumbers.some((one) => !own.has(one))) {
    // It may acknowledge an older result of its own as well; the card knows whose they are.
    const stored = await context.euicc.withEuicc("results of an eIM", readPackageResults, signal).catch(() => []);
    for (const { seqNumber, outcome } of stored) if (outcome.eimId === client.eimId) own.add(seqNumber);
  }
  const { accepted, ignored } = sortAcknowledgements(seqNumbers, own);
  if (ignored.length > 0) await context.tell({ kind: "acknowledgement.ignored", eimId: client.eimId, seqNumbers: ignored });
  return accepted;
}

const maxGiven = 256;

/** An eIM that injects acknowledges in a message of its own (SGP.32 §3.1.1.2). */
function noteGiven({ memory }: IpaContext, eimId: string, seqNumbers: readonly number[]): void {
  memory.given.set(eimId, new Set([...(memory.given.get(eimId) ?? []), ...seqNumbers].slice(-maxGiven)));
}

/** Removes what was acknowledged. One that cannot be removed is left: it is delivered, and acknowledged, again at the next poll. */
export async function removeAcknowledged(
  context: IpaContext,
  seqNumbers: readonly number[],
  signal: AbortSignal | undefined,
): Promise<void> {
  if (seqNumbers.length === 0) return;
  try {
    await context.euicc.withEuicc("acknowledgements", (es10) => removeAll(context, es10, seqNumbers), signal);
  } catch (error) {
    signal?.throwIfAborted();
    for (const seqNumber of seqNumbers) {
      const kept = context.memory.results.get(seqNumber);
      if (kept !== undefined) keepResult(context, seqNumber, kept.eimId, false);
    }
    await context.tell({ kind: "warning", where: "ES10b.RemoveNotificationFromList", error: errorReport(error) });
  }
}

async function removeAll(context: IpaContext, es10: Es10, seqNumbers: readonly number[]): Promise<void> {
  for (const seqNumber of seqNumbers) {
    await removeFromList(es10, seqNumber);
    context.memory.results.delete(seqNumber);
  }
}

/** What only the journal holds. Answers the first error; what could not be sent stays. */
export async function flushOutbox(context: IpaContext, signal: AbortSignal | undefined): Promise<SimwardError | undefined> {
  let problem: SimwardError | undefined;
  const silent = new Set<string>();
  for (const entry of context.journal.content.outbox) {
    if (silent.has(entry.eimId)) continue;
    try {
      const { eimId } = entry;
      const client = context.eims.client(eimId);
      if (entry.direct === true) await client.handleResult(fromBase64(entry.message), signal);
      else await client.provideEimPackageResult(fromBase64(entry.message), signal);
      await context.tell({
        kind: "package.reported",
        eimId,
        packageKind: "unknown",
        eimTransactionId: undefined,
        seqNumber: undefined,
        acknowledged: [],
      });
    } catch (error) {
      signal?.throwIfAborted();
      const known = asSimwardError(error);
      if (known.code !== "ESIPA_REFUSED" && known.code !== "EIM_UNKNOWN") {
        problem ??= known;
        silent.add(entry.eimId);
        continue;
      }
    }
    await context.journal.update({ outbox: context.journal.content.outbox.filter((one) => one !== entry) });
  }
  return problem;
}

/** Package results that the card still holds, each to the eIM it names. Answers the first error. */
export async function deliverStoredResults(context: IpaContext, signal: AbortSignal | undefined): Promise<SimwardError | undefined> {
  const { memory, ports, options } = context;
  const isDue = (kept: KeptResult | undefined): boolean =>
    kept?.deliveredMs === undefined || ports.clock.monotonicMs() - kept.deliveredMs >= options.resultRetryMs;
  if (![...memory.results.values()].some(isDue)) return undefined;
  const stored = await context.euicc.withEuicc("stored package results", readPackageResults, signal);
  rememberResults(context, stored);
  let problem: SimwardError | undefined;
  const silent = new Set<string>();
  for (const result of stored) {
    const { eimId } = result.outcome;
    if (silent.has(eimId) || !isDue(memory.results.get(result.seqNumber))) continue;
    try {
      await deliverResult(context, context.eims.client(eimId), result, signal);
    } catch (error) {
      signal?.throwIfAborted();
      const known = asSimwardError(error);
      // An eIM that is gone from the card will not come for its results; one that refuses has said so. The others are tried again soon.
      if (isCode(known, "EIM_UNKNOWN", "ESIPA_REFUSED")) keepResult(context, result.seqNumber, eimId, true);
      else {
        problem ??= known;
        silent.add(eimId);
      }
      await context.tell({ kind: "package.unreported", eimId, seqNumber: result.seqNumber, error: errorReport(known) });
    }
  }
  return problem;
}

async function deliverResult(
  context: IpaContext,
  client: EimClient,
  { raw, outcome, seqNumber }: StoredResult,
  signal: AbortSignal | undefined,
): Promise<void> {
  const message = client.encodeResult({ kind: "euiccPackageResult", result: raw, notifications: [] });
  const accepted = await sendResult(context, client, message, [seqNumber], signal);
  keepResult(context, seqNumber, outcome.eimId, true);
  const acknowledged = client.compat.removeOwnResult ? [...new Set([...accepted, seqNumber])] : accepted;
  const { eimId, eimTransactionId } = outcome;
  // Before it is gone from the card: at a power cut between the two it is sent and told twice rather than never told.
  await context.tell({ kind: "package.reported", eimId, packageKind: "euiccPackage", eimTransactionId, seqNumber, acknowledged });
  await removeAcknowledged(context, acknowledged, signal);
}

/** What the card holds now; when each was delivered is known of those known before. */
export function rememberResults(context: IpaContext, stored: readonly StoredResult[]): void {
  const { results } = context.memory;
  const numbers = new Set(stored.map(({ seqNumber }) => seqNumber));
  for (const seqNumber of results.keys()) if (!numbers.has(seqNumber)) results.delete(seqNumber);
  for (const { seqNumber, outcome } of stored) if (!results.has(seqNumber)) keepResult(context, seqNumber, outcome.eimId, false);
}

/** Notes a result that stays on the card, and whether its eIM has it. */
export function keepResult(context: IpaContext, seqNumber: number, eimId: string, delivered: boolean): void {
  context.memory.results.set(seqNumber, { eimId, deliveredMs: delivered ? context.ports.clock.monotonicMs() : undefined });
}
