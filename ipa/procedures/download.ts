// Profile download (SGP.32 §3.2.3): performs what the download machine decides, on the card and at the SM-DP+, itself or through the eIM.
// One logical channel is held from the challenge to the installation result; what was signed is passed on as it came.
import { createHash } from "node:crypto";
import { bytesToPlmn, equalBytes, fromHex, swappedBcdToDigits, toHex } from "../../base/bytes.ts";
import { asSimwardError, errorReport, SimwardError } from "../../base/errors.ts";
import { decode, encode } from "../asn1/schema.ts";
import { rawOf, readOnlyTlv } from "../asn1/tlv.ts";
import type { EimClient } from "../esipa/client.ts";
import { profileDownloadError, profileDownloadResult } from "../esipa/messages.ts";
import { collapsed } from "../euicc/double-tag.ts";
import {
  authenticateServer,
  cancelSession,
  getEuiccChallenge,
  getEuiccConfiguredAddresses,
  getEuiccInfo1,
  getRat,
  immediateEnable,
  prepareDownload,
} from "../euicc/es10.ts";
import {
  type CancelReason,
  type DownloadEffect,
  type DownloadInput,
  type DownloadState,
  type InstallationFacts,
  nextDownload,
} from "../machines/download.ts";
import type { SubjectKeyIdentifier } from "../messages/common.ts";
import { type AuthenticateClientOkDPEsipa, type InitiateAuthenticationOkEsipa, ProfileDownloadTriggerRequest } from "../messages/esipa.ts";
import { ProfileInstallationResult } from "../messages/notifications.ts";
import type { StoreMetadataRequest } from "../messages/profile-info.ts";
import { notificationOf, readNotifications, readProfiles, removeFromList } from "./card.ts";
import { ask, type BorrowedCard, borrowCard, type IpaContext, within } from "./context.ts";
import { deviceInfoOrNone } from "./device.ts";
import { hashOfConfirmationCode, type RspPath, rspClient, wayOf } from "./direct-download.ts";
import { drive, type Telling } from "./drive.ts";
import { fromBase64, toBase64 } from "./journal.ts";
import { adoptProfile, refreshProfiles } from "./package.ts";
import { checkProfilePolicyRules } from "./profile-policy-rules.ts";
import { checkServer, type DownloadTarget, metadataInside, metadataMismatch, restrictedInfo1, targetOf } from "./rsp-checks.ts";

/** A server that does not answer must not keep the card's session from being closed. */
const cancelTimeoutMs = 30_000;

/** One download from the trigger to its report. Answers why it is unfinished, if it is. */
export async function downloadProfile(
  context: IpaContext,
  client: EimClient,
  received: { readonly raw: Uint8Array; readonly value: ProfileDownloadTriggerRequest },
  signal: AbortSignal | undefined,
): Promise<SimwardError | undefined> {
  const sha256 = toHex(createHash("sha256").update(received.raw).digest());
  const { eimId } = client;
  const { eimTransactionId } = received.value;
  const transaction = eimTransactionId === undefined ? undefined : toHex(eimTransactionId);
  await context.tell({
    kind: "package.received",
    eimId,
    packageKind: "profileDownload",
    bytes: received.raw.length,
    sha256,
    eimTransactionId: transaction,
    counterValue: undefined,
    operations: [received.value.profileDownloadData?.kind ?? "profileDownload"],
  });
  const state: DownloadState = {
    kind: "profileDownload",
    phase: "received",
    eimId,
    trigger: toBase64(received.raw),
    sha256,
    eimTransactionId: transaction,
    way: wayOf(context, eimId, received.value),
    attempts: 0,
    sessionOpen: false,
    installed: false,
    notified: false,
    enabled: false,
  };
  const data = received.value.profileDownloadData;
  const smdpAddress = data?.kind === "activationCode" ? data.value.split("$")[1] : undefined;
  const verdict = await ask(context, "download", { eimId, sha256, smdpAddress }, sha256);
  const input: DownloadInput =
    verdict.kind === "refuse"
      ? { kind: "failed", error: errorReport(new SimwardError("POLICY_REFUSED", { detail: `${verdict.rule}: ${verdict.reason}` })) }
      : { kind: "allowed" };
  return new DownloadRun(context, client, signal).run(state, input);
}

/** Goes on with what the journal holds. */
export async function resumeDownload(
  context: IpaContext,
  state: DownloadState,
  afterRestart: boolean,
  signal: AbortSignal | undefined,
): Promise<SimwardError | undefined> {
  return new DownloadRun(context, context.eims.client(state.eimId), signal).run(state, { kind: "resumed", afterRestart });
}

/** What is in memory while one download is under way: all of it belongs to one RSP session. */
interface Session {
  readonly target: DownloadTarget;
  readonly answer: InitiateAuthenticationOkEsipa;
  readonly ciPkId: SubjectKeyIdentifier;
  readonly transactionId: Uint8Array;
  /** Who is spoken to: the eIM, or the server itself. */
  readonly path: RspPath;
  authenticateServerResponse?: Uint8Array;
  authenticated?: AuthenticateClientOkDPEsipa;
  prepareDownloadResponse?: Uint8Array;
  bpp?: Uint8Array;
}

class DownloadRun {
  readonly #context: IpaContext;
  readonly #client: EimClient;
  readonly #signal: AbortSignal | undefined;
  readonly #card: BorrowedCard;
  #session: Session | undefined;
  /** BF37 */
  #result: Uint8Array | undefined;
  /** The function error that ended it, for the report. */
  #errorResponse: Uint8Array | undefined;
  #refreshPending = false;
  #problem: SimwardError | undefined;
  /** Why the eIM does not have the end of it yet. */
  #unreported: SimwardError | undefined;

  constructor(context: IpaContext, client: EimClient, signal: AbortSignal | undefined) {
    this.#context = context;
    this.#client = client;
    this.#signal = signal;
    this.#card = borrowCard(context.euicc, "profile download", signal);
  }

  async run(state: DownloadState, input: DownloadInput): Promise<SimwardError | undefined> {
    const { journal, tell, options } = this.#context;
    const rules = { immediateEnable: options.immediateEnable };
    try {
      const last = await drive<DownloadState, DownloadInput, Exclude<DownloadEffect, Telling>>(
        {
          next: (current, what) => nextDownload(rules, current, what),
          perform: (effect, current) => this.#attempt(effect, current),
          // "done" is written by `finish`, together with what follows from it.
          save: (current) =>
            current.phase === "done" ? Promise.resolve() : journal.update({ operation: current, relays: this.#relays(current) }),
          tell,
        },
        state,
        input,
      );
      return last.phase === "done" ? this.#unreported : (this.#problem ?? new SimwardError("DOWNLOAD_FAILED", { detail: last.phase }));
    } finally {
      await this.#card.release();
    }
  }

  #relays(state: DownloadState): Readonly<Record<string, string>> {
    const { relays } = this.#context.journal.content;
    if (state.seqNumber === undefined || state.way === "direct") return relays;
    const { [String(state.seqNumber)]: _own, ...others } = relays;
    return state.notified ? others : { ...others, [state.seqNumber]: state.eimId };
  }

  async #attempt(effect: Exclude<DownloadEffect, Telling>, state: DownloadState): Promise<DownloadInput | undefined> {
    try {
      return await this.#perform(effect, state);
    } catch (error) {
      this.#signal?.throwIfAborted();
      // The journal and the audit trail must hold, or nothing does.
      const known = asSimwardError(error);
      if (known.code === "DISK_WRITE" || known.code === "AUDIT_WRITE" || effect.do === "finish") throw error;
      this.#problem = known;
      return { kind: "failed", error: errorReport(known), reason: reasonOf(known) };
    }
  }

  #perform(effect: Exclude<DownloadEffect, Telling>, state: DownloadState): Promise<DownloadInput | undefined> {
    switch (effect.do) {
      case "initiate":
        return this.#initiate(state);
      case "authenticateServer":
        return this.#authenticateServer();
      case "authenticateClient":
        return this.#authenticateClient();
      case "checkMetadata":
        return this.#checkMetadata(state);
      case "prepare":
        return this.#prepare();
      case "fetch":
        return this.#fetch();
      case "load":
        return this.#load(state);
      case "enable":
        return this.#enable();
      case "adopt":
        return this.#adopt(effect.iccid);
      case "report":
        return this.#report(state, effect.seqNumber);
      case "notify":
        return this.#notify(state, effect.seqNumber);
      case "remove":
        return this.#remove(effect.seqNumber);
      case "search":
        return this.#search(state);
      case "cancel":
        return this.#cancel(state, effect.reason);
      case "reportFailure":
        return this.#reportFailure(state);
      case "finish":
        return this.#finish(state);
    }
  }

  // --- mutual authentication ------------------------------------------------------------------------------------------------

  async #initiate(state: DownloadState): Promise<DownloadInput> {
    const { eims, tell, options } = this.#context;
    const trigger = decode(ProfileDownloadTriggerRequest, fromBase64(state.trigger), { name: "ProfileDownloadTriggerRequest" });
    const es10 = await this.#card.es10();
    const contacts = trigger.profileDownloadData?.kind;
    const addresses =
      contacts === "contactDefaultSmdp" || contacts === "contactSmds" ? await es10.call(getEuiccConfiguredAddresses, {}) : undefined;
    const target = targetOf(trigger, addresses);
    await tell({ kind: "download.started", eimId: state.eimId, smdpAddress: target.smdpAddress, eimTransactionId: state.eimTransactionId });
    await eims.read(es10);
    const allowedCi = eims.find(state.eimId)?.config.euiccCiPKId;
    const info = await es10.ask(getEuiccInfo1, {});
    const euiccInfo1 = restrictedInfo1(info.value, info.raw, allowedCi);
    const { euiccChallenge } = await es10.call(getEuiccChallenge, {});
    const isDirect = state.way === "direct";
    const path = isDirect ? await this.#server(target, info.value.euiccCiPKIdListForVerification) : this.#client;
    // What the eIM handles it knows by its own transaction (SGP.32 §3.2.3.2).
    const smdpAddress = !isDirect && options.eimFeatures.includes("eimDownloadDataHandling") ? undefined : target.smdpAddress;
    const ordered = state.eimTransactionId === undefined ? undefined : fromHex(state.eimTransactionId);
    const eimTransactionId = trigger.eimTransactionId ?? ordered;
    const answer = await path.initiateAuthentication({ euiccChallenge, smdpAddress, euiccInfo1, eimTransactionId }, this.#signal);
    const ciPkId = checkServer(answer, { euiccChallenge, target, info: info.value, allowedCi });
    const { transactionId } = answer.serverSigned1.value;
    this.#session = { target, answer, ciPkId, transactionId, path };
    return { kind: "initiated", transactionId: toHex(transactionId), server: isDirect ? target.smdpAddress : undefined };
  }

  async #server({ smdpAddress, confirmationCodeRequired }: DownloadTarget, trustedCis: readonly Uint8Array[]): Promise<RspPath> {
    if (smdpAddress === undefined) throw new SimwardError("DOWNLOAD_FAILED", { detail: "the trigger names no RSP server" });
    if (confirmationCodeRequired && (await this.#confirmationCode()) === undefined)
      throw new SimwardError("DOWNLOAD_REFUSED", { detail: "a confirmation code is required, and none is configured" });
    return rspClient(this.#context, smdpAddress, trustedCis);
  }

  async #confirmationCode(): Promise<string | undefined> {
    return this.#context.ports.rsp?.confirmationCode?.();
  }

  async #authenticateServer(): Promise<DownloadInput> {
    const session = this.#open();
    const { answer, target } = session;
    const matchingId = target.matchingId ?? answer.matchingId;
    const es10 = await this.#card.es10();
    const { raw, value } = await es10.ask(authenticateServer, {
      serverSigned1: answer.serverSigned1,
      serverSignature1: answer.serverSignature1,
      euiccCiPKIdToBeUsed: session.ciPkId,
      serverCertificate: answer.serverCertificate,
      ctxParams1: answer.ctxParams1 ?? {
        kind: "ctxParamsForCommonAuthentication",
        value: { matchingId, deviceInfo: deviceInfoOrNone(this.#context) },
      },
    });
    session.authenticateServerResponse = rawOf(collapsed(readOnlyTlv(raw)));
    if (value.kind !== "authenticateResponseError") return { kind: "serverAuthenticated", error: undefined };
    return { kind: "serverAuthenticated", error: this.#cardError(authenticateServer.name, value.value.authenticateErrorCode, raw) };
  }

  async #authenticateClient(): Promise<DownloadInput> {
    const session = this.#open();
    const response = given(session.authenticateServerResponse);
    const authenticated = await session.path.authenticateClient(session.transactionId, response, this.#signal);
    if (authenticated.kind === "smdp") {
      session.authenticated = authenticated.value;
      return { kind: "clientAuthenticated" };
    }
    const { trigger, more = [] } = authenticated;
    if (trigger === undefined) throw new SimwardError("DOWNLOAD_FAILED", { detail: "the SM-DS has no event for this eUICC" });
    const encoded = (one: ProfileDownloadTriggerRequest): string => toBase64(encode(ProfileDownloadTriggerRequest, one));
    return { kind: "redirected", trigger: encoded(trigger), more: more.map(encoded) };
  }

  // --- what is to be installed ----------------------------------------------------------------------------------------------

  async #checkMetadata(state: DownloadState): Promise<DownloadInput> {
    const session = this.#open();
    const { transactionId, target } = session;
    const { smdpSigned2, profileMetaData } = given(session.authenticated);
    if (!equalBytes(smdpSigned2.value.transactionId, transactionId))
      throw new SimwardError("DOWNLOAD_REFUSED", { detail: "smdpSigned2 is about another transaction" });
    if (smdpSigned2.value.ccRequiredFlag || target.confirmationCodeRequired) {
      const hashCc = given(session.authenticated).hashCc ?? (await this.#hashCc(state, transactionId));
      if (hashCc === undefined)
        throw new SimwardError("DOWNLOAD_REFUSED", { detail: "a confirmation code is required, and there is none" });
      session.authenticated = { ...given(session.authenticated), hashCc };
    }
    if (profileMetaData === undefined) return { kind: "metadataAccepted", iccid: undefined };
    return (await this.#judge(state, profileMetaData)) ?? { kind: "metadataAccepted", iccid: swappedBcdToDigits(profileMetaData.iccid) };
  }

  /** In an indirect download the eIM gives it. */
  async #hashCc({ way }: DownloadState, transactionId: Uint8Array): Promise<Uint8Array | undefined> {
    const code = way === "direct" ? await this.#confirmationCode() : undefined;
    return code === undefined ? undefined : hashOfConfirmationCode(code, transactionId);
  }

  /** Policy rules against the Rules Authorisation Table, and our own policy. Undefined when nothing speaks against it. */
  async #judge(state: DownloadState, metadata: StoreMetadataRequest): Promise<DownloadInput | undefined> {
    const { tell, options } = this.#context;
    const { serviceProviderName, profileName, profileOwner } = metadata;
    const iccid = swappedBcdToDigits(metadata.iccid);
    const profileClass = typeof metadata.profileClass === "bigint" ? "unknown" : metadata.profileClass;
    const profilePolicyRules = metadata.profilePolicyRules ?? [];
    const facts = { iccid, serviceProviderName, profileName, profileClass, profilePolicyRules };
    await tell({ kind: "download.metadata", ...facts });
    const isEims = state.way !== "direct" && options.eimFeatures.includes("eimProfileMetadataVerification");
    if (profilePolicyRules.length > 0 && !isEims) {
      const es10 = await this.#card.es10();
      const { rat } = await es10.call(getRat, {});
      const verdict = checkProfilePolicyRules(metadata, rat, await readProfiles(es10), options.pprConsent);
      if (verdict.kind === "refused") {
        const error = this.#refusal("DOWNLOAD_REFUSED", verdict.reason);
        return { kind: "metadataRefused", reason: verdict.why === "consent" ? "endUserRejection" : "pprNotAllowed", error };
      }
    }
    const ownerPlmn = profileOwner === undefined ? undefined : bytesToPlmn(profileOwner.mccMnc);
    const verdict = await ask(this.#context, "profileMetadata", { eimId: state.eimId, ...facts, ownerPlmn });
    if (verdict.kind !== "refuse") return undefined;
    const error = this.#refusal("POLICY_REFUSED", `${verdict.rule}: ${verdict.reason}`);
    // What is refused for now only leaves the order at the SM-DP+ as it was.
    return { kind: "metadataRefused", reason: verdict.retryAt === undefined ? "endUserRejection" : "postponed", error };
  }

  #refusal(code: "DOWNLOAD_REFUSED" | "POLICY_REFUSED", detail: string): ReturnType<typeof errorReport> {
    this.#problem = new SimwardError(code, { detail });
    return errorReport(this.#problem);
  }

  async #prepare(): Promise<DownloadInput> {
    const session = this.#open();
    const { smdpSigned2, smdpSignature2, hashCc, smdpCertificate } = given(session.authenticated);
    const es10 = await this.#card.es10();
    const { raw, value } = await es10.ask(prepareDownload, { smdpSigned2, smdpSignature2, hashCc, smdpCertificate });
    session.prepareDownloadResponse = rawOf(collapsed(readOnlyTlv(raw)));
    if (value.kind !== "downloadResponseError") return { kind: "prepared", error: undefined };
    return { kind: "prepared", error: this.#cardError(prepareDownload.name, value.value.downloadErrorCode, raw) };
  }

  async #fetch(): Promise<DownloadInput> {
    const session = this.#open();
    const response = given(session.prepareDownloadResponse);
    session.bpp = await session.path.getBoundProfilePackage(session.transactionId, response, this.#signal);
    return { kind: "fetched" };
  }

  // --- installation ---------------------------------------------------------------------------------------------------------

  async #load(state: DownloadState): Promise<DownloadInput> {
    const { tell } = this.#context;
    const { authenticated, bpp: received } = this.#open();
    const bpp = given(received);
    const shown = given(authenticated).profileMetaData;
    const inside = metadataInside(bpp);
    if (shown !== undefined) {
      const mismatch = metadataMismatch(shown, bpp);
      if (mismatch !== undefined)
        return { kind: "metadataRefused", reason: "metadataMismatch", error: this.#refusal("DOWNLOAD_REFUSED", mismatch) };
    } else if (inside !== undefined) {
      const refused = await this.#judge(state, inside);
      if (refused !== undefined) return refused;
    }
    const es10 = await this.#card.es10();
    try {
      this.#result = await es10.loadBoundProfilePackage(bpp, (number, of, sentBytes) => tell({ kind: "segment", number, of, sentBytes }));
    } catch (error) {
      this.#signal?.throwIfAborted();
      this.#problem = asSimwardError(error);
      return { kind: "noInstallation", error: errorReport(error) };
    }
    if (this.#result !== undefined) return { kind: "installation", facts: installationFacts(this.#result), bytes: bpp.length };
    const error = new SimwardError("DOWNLOAD_FAILED", { detail: "the eUICC took the whole package and gave no result" });
    this.#problem = error;
    return { kind: "noInstallation", error: errorReport(error) };
  }

  async #search({ transactionId, failure }: DownloadState): Promise<DownloadInput> {
    const wanted = transactionId === undefined ? undefined : fromHex(transactionId);
    const stored = wanted === undefined ? [] : await readNotifications(await this.#card.es10());
    const found = stored.find((one) => one.transactionId !== undefined && wanted !== undefined && equalBytes(one.transactionId, wanted));
    if (found !== undefined) {
      this.#result = found.raw;
      return { kind: "installation", facts: installationFacts(found.raw), bytes: 0 };
    }
    return { kind: "noInstallation", error: failure?.error ?? errorReport(new SimwardError("ABORTED", { detail: "profile download" })) };
  }

  async #enable(): Promise<DownloadInput> {
    const es10 = await this.#card.es10();
    try {
      const { immediateEnableResult } = await es10.call(immediateEnable, { refreshFlag: this.#context.options.refreshFlag });
      this.#refreshPending = es10.refreshPending;
      return { kind: "immediateEnable", ok: immediateEnableResult === "ok" };
    } catch (error) {
      this.#signal?.throwIfAborted();
      await this.#context.tell({ kind: "warning", where: immediateEnable.name, error: errorReport(error) });
      return { kind: "immediateEnable", ok: false };
    }
  }

  async #adopt(iccid: string | undefined): Promise<DownloadInput> {
    const { memory, tell } = this.#context;
    await this.#card.release();
    const fromIccid = memory.profiles.find(({ enabled }) => enabled)?.iccid;
    if (iccid !== undefined) await tell({ kind: "profile.enabled", iccid, fromIccid, eimId: this.#client.eimId });
    await adoptProfile(this.#context, iccid, this.#refreshPending, this.#signal);
    return { kind: "adopted" };
  }

  // --- reports --------------------------------------------------------------------------------------------------------------

  /** BF54 with the ProfileInstallationResult; what cannot be told now is told at the next poll. */
  async #report(state: DownloadState, seqNumber: number): Promise<DownloadInput> {
    const { journal, tell } = this.#context;
    const { eimId, eimTransactionId } = state;
    const raw = this.#result ?? (await this.#stored(seqNumber));
    if (raw === undefined) return { kind: "resultReported" };
    const transaction = eimTransactionId === undefined ? undefined : fromHex(eimTransactionId);
    const result = profileDownloadResult(transaction, raw, this.#client.compat.esipaVersion);
    const message = this.#client.encodeResult({ kind: "profileDownloadTriggerResult", result });
    try {
      await this.#client.handleResult(message, this.#signal);
      await tell({ kind: "package.reported", eimId, packageKind: "profileDownload", eimTransactionId, seqNumber, acknowledged: [] });
    } catch (error) {
      this.#signal?.throwIfAborted();
      const known = asSimwardError(error);
      await tell({ kind: "package.unreported", eimId, seqNumber, error: errorReport(known) });
      if (known.code !== "ESIPA_REFUSED") {
        await journal.update({ outbox: [...journal.content.outbox, { eimId, message: toBase64(message) }] });
        this.#unreported = known;
      }
    }
    return { kind: "resultReported" };
  }

  async #notify(state: DownloadState, seqNumber: number): Promise<DownloadInput> {
    const { tell } = this.#context;
    const raw = this.#result ?? (await this.#stored(seqNumber));
    const facts = raw === undefined ? undefined : notificationOf(raw);
    // Someone has removed it: then it was delivered.
    if (raw === undefined || facts === undefined) return { kind: "notified" };
    const { receiver } = facts;
    try {
      const taker = state.way === "direct" ? rspClient(this.#context, receiver) : this.#client;
      await taker.handleNotification(raw, this.#signal);
    } catch (error) {
      this.#signal?.throwIfAborted();
      // The SM-DP+ is waited for by notification delivery, an eIM that relays before it is asked for more.
      if (state.way !== "direct") this.#unreported = asSimwardError(error);
      await tell({ kind: "notification.kept", seqNumber, receiver, error: errorReport(error) });
      return { kind: "notNotified" };
    }
    await tell({ kind: "notification.delivered", seqNumber, event: facts.event, receiver });
    return { kind: "notified" };
  }

  async #stored(seqNumber: number): Promise<Uint8Array | undefined> {
    const es10 = await this.#card.es10();
    const list = await readNotifications(es10, { searchCriteria: { kind: "seqNumber", value: seqNumber } });
    return list.find((one) => one.seqNumber === seqNumber)?.raw;
  }

  async #remove(seqNumber: number): Promise<DownloadInput> {
    try {
      await removeFromList(await this.#card.es10(), seqNumber);
    } catch (error) {
      this.#signal?.throwIfAborted();
      await this.#context.tell({ kind: "warning", where: "ES10b.RemoveNotificationFromList", error: errorReport(error) });
    }
    return { kind: "removed" };
  }

  /** Closes the session on both sides as far as they will: the card first, since only it can sign. */
  async #cancel(state: DownloadState, reason: CancelReason): Promise<DownloadInput> {
    const { ports, options, tell } = this.#context;
    const transactionId = fromHex(state.transactionId ?? "");
    try {
      const es10 = await this.#card.es10();
      const { raw } = await es10.ask(cancelSession, { transactionId, reason });
      const response = rawOf(collapsed(readOnlyTlv(raw)));
      const limitMs = Math.min(cancelTimeoutMs, options.esipaTimeoutMs);
      const path = state.server === undefined ? this.#client : rspClient(this.#context, state.server);
      const send = (signal: AbortSignal): Promise<void> => path.cancelSession(transactionId, response, signal);
      await within(ports.clock, limitMs, "CancelSession", send, this.#signal);
      await tell({ kind: "download.cancelled", transactionId: toHex(transactionId), reason });
    } catch (error) {
      this.#signal?.throwIfAborted();
      await tell({ kind: "warning", where: "CancelSession", error: errorReport(error) });
    }
    return { kind: "cancelled" };
  }

  async #reportFailure(state: DownloadState): Promise<DownloadInput> {
    await this.#card.release();
    const { journal, tell } = this.#context;
    const { eimId } = state;
    const message = this.#failureMessage(state);
    try {
      if (state.way === "direct") await this.#client.handleResult(message, this.#signal);
      else await this.#client.provideEimPackageResult(message, this.#signal);
    } catch (error) {
      this.#signal?.throwIfAborted();
      const known = asSimwardError(error);
      await tell({ kind: "package.unreported", eimId, seqNumber: undefined, error: errorReport(known) });
      if (known.code === "ESIPA_REFUSED") return { kind: "reported" };
      await journal.update({ outbox: [...journal.content.outbox, { eimId, message: toBase64(message) }] });
      // Before it has that it is not asked for more: it would offer the same order, and then be told that it failed.
      this.#unreported = known;
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

  #failureMessage({ eimTransactionId }: DownloadState): Uint8Array {
    const transaction = eimTransactionId === undefined ? undefined : fromHex(eimTransactionId);
    const result = profileDownloadError(transaction, "undefinedError", this.#errorResponse, this.#client.compat.esipaVersion);
    return this.#client.encodeResult({ kind: "profileDownloadTriggerResult", result });
  }

  async #finish(state: DownloadState): Promise<undefined> {
    await this.#card.release();
    const { journal, eims } = this.#context;
    const others = eims.ids.filter((eimId) => eimId !== state.eimId);
    let { stateChanges } = journal.content;
    if (state.enabled) stateChanges = journal.changesFor(eims.ids, "immediateEnableProfile");
    else if (state.installed) stateChanges = journal.changesFor(others, "otherEim");
    const enabledIccid = state.enabled && state.iccid !== undefined ? { enabledIccid: state.iccid } : {};
    await journal.update({ operation: undefined, stateChanges, relays: this.#relays(state), ...enabledIccid });
    if (state.installed) await refreshProfiles(this.#context, this.#signal);
    return undefined;
  }

  #open(): Session {
    return given(this.#session);
  }

  #cardError(name: string, code: string | number | bigint, response: Uint8Array): ReturnType<typeof errorReport> {
    this.#errorResponse = response;
    this.#problem = new SimwardError("ES10_REFUSED", { detail: `${name}: ${code}`, data: { function: name, error: String(code) } });
    return errorReport(this.#problem);
  }
}

/** What the server refused for says why the card's session ends (SGP.32 §6.4: pprNotAllowed and metadataMismatch come from an eIM that verifies). */
function reasonOf({ data }: SimwardError): CancelReason | undefined {
  return data.error === "pprNotAllowed" || data.error === "metadataMismatch" ? data.error : undefined;
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

function given<T>(value: T | undefined): T {
  if (value === undefined) throw new SimwardError("INTERNAL", { detail: "a step of the download ran without the one before it" });
  return value;
}
