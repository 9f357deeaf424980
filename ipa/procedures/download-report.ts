// Profile download, what others hear of it (SGP.32 §3.2.3.1, §3.2.3.2): the result or the failure to the eIM, the installation result to its receiver.
import { fromHex } from "../../base/bytes.ts";
import { asSimwardError, errorReport } from "../../base/errors.ts";
import { profileDownloadError, profileDownloadResult } from "../esipa/messages.ts";
import type { DownloadInput, DownloadState } from "../machines/download.ts";
import { localOrder } from "../machines/profile-order.ts";
import { notificationOf, readNotifications, removeFromList } from "./card.ts";
import { rspClient } from "./direct-download.ts";
import type { DownloadRun } from "./download-session.ts";
import { toBase64 } from "./journal.ts";
import { refreshProfiles } from "./package.ts";

/** BF54 with the ProfileInstallationResult; what cannot be told now is told at the next poll. */
export async function reportResult(run: DownloadRun, state: DownloadState, seqNumber: number): Promise<DownloadInput> {
  const { journal, tell } = run.context;
  const { eimId, eimTransactionId } = state;
  const raw = run.result ?? (await stored(run, seqNumber));
  if (raw === undefined) return { kind: "resultReported" };
  const transaction = eimTransactionId === undefined ? undefined : fromHex(eimTransactionId);
  const result = profileDownloadResult(transaction, raw, run.client.compat.esipaVersion);
  const message = run.client.encodeResult({ kind: "profileDownloadTriggerResult", result });
  try {
    await run.client.handleResult(message, run.signal);
    await tell({ kind: "package.reported", eimId, packageKind: "profileDownload", eimTransactionId, seqNumber, acknowledged: [] });
  } catch (error) {
    run.signal?.throwIfAborted();
    const known = asSimwardError(error);
    await tell({ kind: "package.unreported", eimId, seqNumber, error: errorReport(known) });
    if (known.code !== "ESIPA_REFUSED") {
      await journal.update({ outbox: [...journal.content.outbox, { eimId, message: toBase64(message), direct: true }] });
      run.unreported = known;
    }
  }
  return { kind: "resultReported" };
}

export async function notify(run: DownloadRun, state: DownloadState, seqNumber: number): Promise<DownloadInput> {
  const { tell } = run.context;
  const raw = run.result ?? (await stored(run, seqNumber));
  const facts = raw === undefined ? undefined : notificationOf(raw);
  // Someone has removed it: then it was delivered.
  if (raw === undefined || facts === undefined) return { kind: "notified" };
  const { receiver } = facts;
  try {
    const taker = state.way === "direct" ? rspClient(run.context, receiver) : run.client;
    await taker.handleNotification(raw, run.signal);
  } catch (error) {
    run.signal?.throwIfAborted();
    // The SM-DP+ is waited for by notification delivery, an eIM that relays before it is asked for more.
    if (state.way !== "direct") run.unreported = asSimwardError(error);
    await tell({ kind: "notification.kept", seqNumber, receiver, error: errorReport(error) });
    return { kind: "notNotified" };
  }
  await tell({ kind: "notification.delivered", seqNumber, event: facts.event, receiver });
  return { kind: "notified" };
}

async function stored(run: DownloadRun, seqNumber: number): Promise<Uint8Array | undefined> {
  const es10 = await run.card.es10();
  const list = await readNotifications(es10, { searchCriteria: { kind: "seqNumber", value: seqNumber } });
  return list.find((one) => one.seqNumber === seqNumber)?.raw;
}

export async function remove(run: DownloadRun, seqNumber: number): Promise<DownloadInput> {
  try {
    await removeFromList(await run.card.es10(), seqNumber);
  } catch (error) {
    run.signal?.throwIfAborted();
    await run.context.tell({ kind: "warning", where: "ES10b.RemoveNotificationFromList", error: errorReport(error) });
  }
  return { kind: "removed" };
}

export async function reportFailure(run: DownloadRun, state: DownloadState): Promise<DownloadInput> {
  await run.card.release();
  const { journal, tell } = run.context;
  const { eimId } = state;
  const message = failureMessage(run, state);
  try {
    if (state.way === "direct") await run.client.handleResult(message, run.signal);
    else await run.client.provideEimPackageResult(message, run.signal);
  } catch (error) {
    run.signal?.throwIfAborted();
    const known = asSimwardError(error);
    await tell({ kind: "package.unreported", eimId, seqNumber: undefined, error: errorReport(known) });
    if (known.code === "ESIPA_REFUSED") return { kind: "reported" };
    await journal.update({
      outbox: [...journal.content.outbox, { eimId, message: toBase64(message), ...(state.way === "direct" ? { direct: true } : {}) }],
    });
    // Before it has that it is not asked for more: it would offer the same order, and then be told that it failed.
    run.unreported = known;
    return { kind: "reported" };
  }
  const { eimTransactionId } = state;
  await tell({
    kind: "package.reported",
    eimId,
    packageKind: "profileDownload",
    eimTransactionId,
    seqNumber: undefined,
    acknowledged: [],
  });
  return { kind: "reported" };
}

function failureMessage(run: DownloadRun, { eimTransactionId }: DownloadState): Uint8Array {
  const transaction = eimTransactionId === undefined ? undefined : fromHex(eimTransactionId);
  const result = profileDownloadError(transaction, "undefinedError", run.errorResponse, run.client.compat.esipaVersion);
  return run.client.encodeResult({ kind: "profileDownloadTriggerResult", result });
}

export async function finish(run: DownloadRun, state: DownloadState): Promise<undefined> {
  await run.card.release();
  const { journal, eims } = run.context;
  const others = eims.ids.filter((eimId) => eimId !== state.eimId);
  let { stateChanges } = journal.content;
  if (state.enabled) stateChanges = journal.changesFor(eims.ids, "immediateEnableProfile");
  else if (state.installed) stateChanges = journal.changesFor(others, state.eimId === localOrder ? "local" : "otherEim");
  const enabledIccid = state.enabled && state.iccid !== undefined ? { enabledIccid: state.iccid } : {};
  await journal.update({ operation: undefined, stateChanges, relays: relaysOf(run, state), ...enabledIccid });
  if (state.installed) await refreshProfiles(run.context, run.signal);
  return undefined;
}

export function relaysOf(run: DownloadRun, state: DownloadState): Readonly<Record<string, string>> {
  const { relays } = run.context.journal.content;
  if (state.seqNumber === undefined || state.way === "direct") return relays;
  const { [String(state.seqNumber)]: _own, ...others } = relays;
  return state.notified ? others : { ...others, [state.seqNumber]: state.eimId };
}
