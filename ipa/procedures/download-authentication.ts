// Profile download up to the package (SGP.22 §3.0.1, §3.1.3; SGP.32 §3.2.3): mutual authentication, what is to be installed, and the end of a session
// that leads to nothing. What was signed is passed on as it came.
import { bytesToPlmn, equalBytes, fromHex, swappedBcdToDigits, toHex } from "../../base/bytes.ts";
import { errorReport, SimwardError } from "../../base/errors.ts";
import { decode, encode } from "../asn1/schema.ts";
import { rawOf, readOnlyTlv } from "../asn1/tlv.ts";
import { collapsed } from "../euicc/double-tag.ts";
import {
  authenticateServer,
  cancelSession,
  getEuiccChallenge,
  getEuiccConfiguredAddresses,
  getEuiccInfo1,
  getRat,
  prepareDownload,
} from "../euicc/es10.ts";
import type { CancelReason, DownloadInput, DownloadState } from "../machines/download.ts";
import { ProfileDownloadTriggerRequest } from "../messages/esipa.ts";
import type { StoreMetadataRequest } from "../messages/profile-info.ts";
import { readProfiles } from "./card.ts";
import { ask, within } from "./context.ts";
import { deviceInfoOrNone } from "./device.ts";
import { hashOfConfirmationCode, type RspPath, rspClient } from "./direct-download.ts";
import { cardError, type DownloadRun, given, refusal, sessionOf } from "./download-session.ts";
import { fromBase64, toBase64 } from "./journal.ts";
import { checkProfilePolicyRules } from "./profile-policy-rules.ts";
import { checkServer, type DownloadTarget, restrictedInfo1, targetOf } from "./rsp-checks.ts";

/** A server that does not answer must not keep the card's session from being closed. */
const cancelTimeoutMs = 30_000;

export async function initiate(run: DownloadRun, state: DownloadState): Promise<DownloadInput> {
  const { eims, tell, options } = run.context;
  const trigger = decode(ProfileDownloadTriggerRequest, fromBase64(state.trigger), { name: "ProfileDownloadTriggerRequest" });
  const es10 = await run.card.es10();
  const contacts = trigger.profileDownloadData?.kind;
  const addresses =
    contacts === "contactDefaultSmdp" || contacts === "contactSmds" ? await es10.call(getEuiccConfiguredAddresses, {}) : undefined;
  const target = targetOf(trigger, addresses);
  const { eimId, eimTransactionId: transaction, way = "indirect" } = state;
  await tell({ kind: "download.started", way, eimId, smdpAddress: target.smdpAddress, eimTransactionId: transaction });
  await eims.read(es10);
  const allowedCi = eims.find(state.eimId)?.config.euiccCiPKId;
  const info = await es10.ask(getEuiccInfo1, {});
  const euiccInfo1 = restrictedInfo1(info.value, info.raw, allowedCi);
  const { euiccChallenge } = await es10.call(getEuiccChallenge, {});
  const isDirect = state.way === "direct";
  const path = isDirect ? await serverPath(run, target, info.value.euiccCiPKIdListForVerification) : run.client;
  // What the eIM handles it knows by its own transaction (SGP.32 §3.2.3.2).
  const smdpAddress = !isDirect && options.eimFeatures.includes("eimDownloadDataHandling") ? undefined : target.smdpAddress;
  const ordered = state.eimTransactionId === undefined ? undefined : fromHex(state.eimTransactionId);
  const eimTransactionId = trigger.eimTransactionId ?? ordered;
  const addressOrdered = contacts === "activationCode" && state.redirected !== true;
  const asked = { euiccChallenge, smdpAddress, euiccInfo1, eimTransactionId, addressOrdered };
  const answer = await path.initiateAuthentication(asked, run.signal);
  const ciPkId = checkServer(answer, { euiccChallenge, target, info: info.value, allowedCi });
  const { transactionId } = answer.serverSigned1.value;
  run.session = { target, answer, ciPkId, transactionId, path };
  return { kind: "initiated", transactionId: toHex(transactionId), server: isDirect ? target.smdpAddress : undefined };
}

async function serverPath(
  run: DownloadRun,
  { smdpAddress, confirmationCodeRequired }: DownloadTarget,
  trustedCis: readonly Uint8Array[],
): Promise<RspPath> {
  if (smdpAddress === undefined) throw new SimwardError("DOWNLOAD_FAILED", { detail: "the trigger names no RSP server" });
  if (confirmationCodeRequired && (await confirmationCode(run)) === undefined)
    throw new SimwardError("DOWNLOAD_REFUSED", { detail: "a confirmation code is required, and none is configured" });
  return rspClient(run.context, smdpAddress, trustedCis);
}

async function confirmationCode(run: DownloadRun): Promise<string | undefined> {
  return run.context.ports.rsp?.confirmationCode?.();
}

export async function authenticate(run: DownloadRun): Promise<DownloadInput> {
  const session = sessionOf(run);
  const { answer, target } = session;
  const matchingId = target.matchingId ?? answer.matchingId;
  const es10 = await run.card.es10();
  const { raw, value } = await es10.ask(authenticateServer, {
    serverSigned1: answer.serverSigned1,
    serverSignature1: answer.serverSignature1,
    euiccCiPKIdToBeUsed: session.ciPkId,
    serverCertificate: answer.serverCertificate,
    ctxParams1: answer.ctxParams1 ?? {
      kind: "ctxParamsForCommonAuthentication",
      value: { matchingId, deviceInfo: deviceInfoOrNone(run.context) },
    },
  });
  session.authenticateServerResponse = rawOf(collapsed(readOnlyTlv(raw)));
  if (value.kind !== "authenticateResponseError") return { kind: "serverAuthenticated", error: undefined };
  return { kind: "serverAuthenticated", error: cardError(run, authenticateServer.name, value.value.authenticateErrorCode, raw) };
}

export async function authenticateAtServer(run: DownloadRun): Promise<DownloadInput> {
  const session = sessionOf(run);
  const response = given(session.authenticateServerResponse);
  const authenticated = await session.path.authenticateClient(session.transactionId, response, run.signal);
  if (authenticated.kind === "smdp") {
    session.authenticated = authenticated.value;
    return { kind: "clientAuthenticated" };
  }
  const { trigger, more = [] } = authenticated;
  if (trigger === undefined) throw new SimwardError("DOWNLOAD_FAILED", { detail: "the SM-DS has no event for this eUICC" });
  const encoded = (one: ProfileDownloadTriggerRequest): string => toBase64(encode(ProfileDownloadTriggerRequest, one));
  return { kind: "redirected", trigger: encoded(trigger), more: more.map(encoded) };
}

export async function checkMetadata(run: DownloadRun, state: DownloadState): Promise<DownloadInput> {
  const session = sessionOf(run);
  const { transactionId, target } = session;
  const { smdpSigned2, profileMetaData } = given(session.authenticated);
  if (!equalBytes(smdpSigned2.value.transactionId, transactionId))
    throw new SimwardError("DOWNLOAD_REFUSED", { detail: "smdpSigned2 is about another transaction" });
  if (smdpSigned2.value.ccRequiredFlag || target.confirmationCodeRequired) {
    const hashCc = given(session.authenticated).hashCc ?? (await computedHashCc(run, state, transactionId));
    if (hashCc === undefined) throw new SimwardError("DOWNLOAD_REFUSED", { detail: "a confirmation code is required, and there is none" });
    session.authenticated = { ...given(session.authenticated), hashCc };
  }
  if (profileMetaData === undefined) return { kind: "metadataAccepted", iccid: undefined };
  return (await judge(run, state, profileMetaData)) ?? { kind: "metadataAccepted", iccid: swappedBcdToDigits(profileMetaData.iccid) };
}

/** In an indirect download the eIM gives it. */
async function computedHashCc(run: DownloadRun, { way }: DownloadState, transactionId: Uint8Array): Promise<Uint8Array | undefined> {
  const code = way === "direct" ? await confirmationCode(run) : undefined;
  return code === undefined ? undefined : hashOfConfirmationCode(code, transactionId);
}

/** Policy rules against the Rules Authorisation Table, and our own policy. Undefined when nothing speaks against it. */
export async function judge(run: DownloadRun, state: DownloadState, metadata: StoreMetadataRequest): Promise<DownloadInput | undefined> {
  const { tell, options } = run.context;
  const { serviceProviderName, profileName, profileOwner } = metadata;
  const iccid = swappedBcdToDigits(metadata.iccid);
  const profileClass = typeof metadata.profileClass === "bigint" ? "unknown" : metadata.profileClass;
  const profilePolicyRules = metadata.profilePolicyRules ?? [];
  const facts = { iccid, serviceProviderName, profileName, profileClass, profilePolicyRules };
  await tell({ kind: "download.metadata", ...facts });
  const isEims = state.way !== "direct" && options.eimFeatures.includes("eimProfileMetadataVerification");
  if (profilePolicyRules.length > 0 && !isEims) {
    const es10 = await run.card.es10();
    const { rat } = await es10.call(getRat, {});
    const verdict = checkProfilePolicyRules(metadata, rat, await readProfiles(es10), options.pprConsent);
    if (verdict.kind === "refused") {
      const error = refusal(run, "DOWNLOAD_REFUSED", verdict.reason);
      return { kind: "metadataRefused", reason: verdict.why === "consent" ? "endUserRejection" : "pprNotAllowed", error };
    }
  }
  const ownerPlmn = profileOwner === undefined ? undefined : bytesToPlmn(profileOwner.mccMnc);
  const verdict = await ask(run.context, "profileMetadata", { eimId: state.eimId, ...facts, ownerPlmn });
  if (verdict.kind !== "refuse") return undefined;
  const error = refusal(run, "POLICY_REFUSED", `${verdict.rule}: ${verdict.reason}`);
  // What is refused for now only leaves the order at the SM-DP+ as it was.
  return { kind: "metadataRefused", reason: verdict.retryAt === undefined ? "endUserRejection" : "postponed", error };
}

export async function prepare(run: DownloadRun): Promise<DownloadInput> {
  const session = sessionOf(run);
  const { smdpSigned2, smdpSignature2, hashCc, smdpCertificate } = given(session.authenticated);
  const es10 = await run.card.es10();
  const { raw, value } = await es10.ask(prepareDownload, { smdpSigned2, smdpSignature2, hashCc, smdpCertificate });
  session.prepareDownloadResponse = rawOf(collapsed(readOnlyTlv(raw)));
  if (value.kind !== "downloadResponseError") return { kind: "prepared", error: undefined };
  return { kind: "prepared", error: cardError(run, prepareDownload.name, value.value.downloadErrorCode, raw) };
}

export async function fetchPackage(run: DownloadRun): Promise<DownloadInput> {
  const session = sessionOf(run);
  const response = given(session.prepareDownloadResponse);
  session.bpp = await session.path.getBoundProfilePackage(session.transactionId, response, run.signal);
  return { kind: "fetched" };
}

/** Closes the session on both sides as far as they will: the card first, since only it can sign. */
export async function cancel(run: DownloadRun, state: DownloadState, reason: CancelReason): Promise<DownloadInput> {
  const { ports, options, tell } = run.context;
  const transactionId = fromHex(state.transactionId ?? "");
  try {
    const es10 = await run.card.es10();
    const { raw } = await es10.ask(cancelSession, { transactionId, reason });
    const response = rawOf(collapsed(readOnlyTlv(raw)));
    const limitMs = Math.min(cancelTimeoutMs, options.esipaTimeoutMs);
    const path = state.server === undefined ? run.client : rspClient(run.context, state.server);
    const send = (signal: AbortSignal): Promise<void> => path.cancelSession(transactionId, response, signal);
    await within(ports.clock, limitMs, "CancelSession", send, run.signal);
    await tell({ kind: "download.cancelled", transactionId: toHex(transactionId), reason });
  } catch (error) {
    run.signal?.throwIfAborted();
    await tell({ kind: "warning", where: "CancelSession", error: errorReport(error) });
  }
  return { kind: "cancelled" };
}
