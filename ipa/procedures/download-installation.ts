// Profile download, from the package to the profile (SGP.22 §3.1.3.3): the segments, the result, ES10b.ImmediateEnable.
import { equalBytes, fromHex, swappedBcdToDigits } from "../../base/bytes.ts";
import { asSimwardError, errorReport, SimwardError } from "../../base/errors.ts";
import { decode } from "../asn1/schema.ts";
import type { DownloadInput, DownloadState, InstallationFacts } from "../machines/download.ts";
import { ProfileInstallationResult } from "../messages/notifications.ts";
import { readNotifications } from "./card.ts";
import { judge } from "./download-authentication.ts";
import { type DownloadRun, given, refusal, sessionOf } from "./download-session.ts";
import { heldDownload } from "./emergency.ts";
import { enableImmediately } from "./immediate.ts";
import { adoptProfile } from "./package.ts";
import { metadataInside, metadataMismatch } from "./rsp-checks.ts";

export async function load(run: DownloadRun, state: DownloadState): Promise<DownloadInput> {
  const { tell } = run.context;
  const { authenticated, bpp: received } = sessionOf(run);
  const bpp = given(received);
  const shown = given(authenticated).profileMetaData;
  const inside = metadataInside(bpp);
  if (shown !== undefined) {
    const mismatch = metadataMismatch(shown, bpp);
    if (mismatch !== undefined)
      return { kind: "metadataRefused", reason: "metadataMismatch", error: refusal(run, "DOWNLOAD_REFUSED", mismatch) };
  } else if (inside !== undefined) {
    const refused = await judge(run, state, inside);
    if (refused !== undefined) return refused;
  }
  const es10 = await run.card.es10();
  try {
    run.result = await es10.loadBoundProfilePackage(bpp, (number, of, sentBytes) => tell({ kind: "segment", number, of, sentBytes }));
  } catch (error) {
    run.signal?.throwIfAborted();
    run.problem = asSimwardError(error);
    return { kind: "noInstallation", error: errorReport(error) };
  }
  if (run.result !== undefined) return { kind: "installation", facts: installationFacts(run.result), bytes: bpp.length };
  const error = new SimwardError("DOWNLOAD_FAILED", { detail: "the eUICC took the whole package and gave no result" });
  run.problem = error;
  return { kind: "noInstallation", error: errorReport(error) };
}

export async function search(run: DownloadRun, { transactionId, failure }: DownloadState): Promise<DownloadInput> {
  const wanted = transactionId === undefined ? undefined : fromHex(transactionId);
  const stored = wanted === undefined ? [] : await readNotifications(await run.card.es10());
  const found = stored.find((one) => one.transactionId !== undefined && wanted !== undefined && equalBytes(one.transactionId, wanted));
  if (found !== undefined) {
    run.result = found.raw;
    return { kind: "installation", facts: installationFacts(found.raw), bytes: 0 };
  }
  return { kind: "noInstallation", error: failure?.error ?? errorReport(new SimwardError("ABORTED", { detail: "profile download" })) };
}

export async function enable(run: DownloadRun, { iccid }: DownloadState): Promise<DownloadInput> {
  const { ok, refreshPending } = await enableImmediately(run.context, await run.card.es10(), iccid, run.signal);
  run.refreshPending = refreshPending;
  return { kind: "immediateEnable", ok };
}

export async function adopt(run: DownloadRun, iccid: string | undefined): Promise<DownloadInput> {
  const { memory, tell } = run.context;
  await run.card.release();
  const fromIccid = memory.profiles.find(({ enabled }) => enabled)?.iccid;
  if (iccid !== undefined) await tell({ kind: "profile.enabled", iccid, fromIccid, eimId: run.client.eimId });
  const online = await adoptProfile(run.context, iccid, run.refreshPending, run.signal);
  const held = online ? undefined : await heldDownload(run.context, "adopt", run.client.eimId);
  if (held === undefined) return { kind: "adopted" };
  // It was not given its time: the emergency came in between.
  run.problem = held;
  return { kind: "held" };
}

/** Reads a BF37. Throws ES10_RESPONSE. */
function installationFacts(raw: Uint8Array): InstallationFacts {
  try {
    const { notificationMetadata, finalResult } = decode(ProfileInstallationResult, raw, { name: "ProfileInstallationResult" })
      .profileInstallationResultData.value;
    const { iccid } = notificationMetadata;
    const failed = finalResult.kind === "errorResult" ? finalResult.value : undefined;
    return {
      seqNumber: Number(notificationMetadata.seqNumber),
      installed: failed === undefined,
      iccid: iccid === undefined ? undefined : swappedBcdToDigits(iccid),
      errorReason: failed === undefined ? undefined : `${failed.bppCommandId}: ${failed.errorReason}`,
    };
  } catch (error) {
    throw new SimwardError("ES10_RESPONSE", { detail: asSimwardError(error).detail ?? "ProfileInstallationResult", cause: error });
  }
}
