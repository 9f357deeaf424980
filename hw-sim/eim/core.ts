// The virtual eIM without its transports: an ESipa message in, its answer out (SGP.32 §5.14), orders and their results in between.
import { bcdToDigits, toHexUpper } from "../../base/bytes.ts";
import type { Clock } from "../../base/clock.ts";
import { asSimwardError, errorReport, SimwardError } from "../../base/errors.ts";
import type { Random } from "../../base/random.ts";
import { decode, encode, integer } from "../../ipa/asn1/schema.ts";
import { childOf, childrenOf, contentOf, rawOf, readOnlyTlv, readTlv, type Tlv, writeTlv } from "../../ipa/asn1/tlv.ts";
import {
  GetEimPackageRequest,
  HandleNotificationEsipa,
  ProvideEimPackageResult,
  ProvideEimPackageResultResponse,
  TransferEimPackageRequest,
  TransferEimPackageResponse,
} from "../../ipa/messages/esipa.ts";
import { PendingNotification } from "../../ipa/messages/notifications.ts";
import { curveOf } from "../crypto/ecdsa.ts";
import { parseCertificate } from "../pki/certificate.ts";
import { type Identity, newKey } from "../pki/pki.ts";
import { type Euicc, EuiccRegistry, type EuiccSettings, isWellFormedEid, type StoredItem } from "./euiccs.ts";
import { EventLog } from "./events.ts";
import { acknowledgedOf, type EimFaults, type EsipaErrorFunction, spend } from "./faults.ts";
import { type Es9Post, Forwarding } from "./forwarding.ts";
import { type InjectionTarget, type Injector, type InjectRequest, splitInjection } from "./inject.ts";
import { Intake } from "./intake.ts";
import { type OrderRequest, parseOrder } from "./order-input.ts";
import { isOver, type Order, OrderStore } from "./orders.ts";
import { dataRequest, downloadTrigger, noPackage, packageResponse, signedPackage } from "./packages.ts";
import { innermost } from "./parts.ts";
import { handles, Relay, readActivationCode } from "./relay.ts";
import { render } from "./render.ts";
import { knowsEnough, notRestored } from "./restore.ts";
import { readPackageResult } from "./results.ts";
import { answerInV10, type EsipaVersion, requestOfV10 } from "./version-1.0.ts";

/** As HTTP counts: 200 with a body, 204 without, 400 for what is no ESipa message. "silence" is no answer at all. */
export type EsipaAnswer = { readonly status: number; readonly body: Uint8Array } | "silence";

export interface EimCoreOptions {
  readonly eimId: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly signing: Identity;
  /** CI certificates that eUICC certificates must lead to, DER. */
  readonly anchors: readonly Uint8Array[];
  readonly faults: EimFaults;
  readonly post: Es9Post;
  /** Policy rules that profiles for this fleet may have, where the IPA leaves that to the eIM; all by default. */
  readonly allowedPolicyRules?: readonly string[];
  /** Answers GetEimPackage of an EID nobody told it of as if it were known. */
  readonly knowsEveryEid?: boolean;
  /** Goes to a vehicle that listens for what is injected. */
  readonly openInjector?: (target: InjectionTarget, request: InjectRequest) => Promise<Injector>;
  /** Of SGP.32, on ESipa; 1.2 by default. */
  readonly esipaVersion?: EsipaVersion;
  /** How the operator makes a profile wait for an eUICC: SM-DS and SM-DP+ are not the eIM's. */
  readonly reserve?: Reserve;
  /** Takes part in minimizeEsipaBytes; it does by default. */
  readonly compactForms?: boolean;
}

/** ES2+.ConfirmOrder with a default SM-DP+ or an SM-DS (SGP.22 §5.3.2). Throws SIM_REQUEST. */
export type Reserve = (what: {
  readonly eid: string;
  readonly matchingId: string;
  readonly at: "contactDefaultSmdp" | "contactSmds";
}) => void;

interface EsipaFunction {
  readonly name: string;
  readonly run: (message: Uint8Array) => Promise<Uint8Array | undefined>;
}

const nothing = new Uint8Array(0);
const maxShownBytes = 4_096;

export class EimCore {
  readonly events: EventLog;
  readonly orders: OrderStore;
  readonly euiccs: EuiccRegistry;
  readonly #options: EimCoreOptions;
  readonly #forwarding: Forwarding;
  readonly #intake: Intake;
  readonly #relay: Relay;
  readonly #askedFor = new Set<string>();
  readonly #functions: Readonly<Record<number, EsipaFunction>>;

  constructor(options: EimCoreOptions) {
    const { clock, random, anchors, eimId, post } = options;
    this.#options = options;
    this.events = new EventLog(clock);
    this.orders = new OrderStore(clock, random, (order) => this.#tellOrder(order));
    this.euiccs = new EuiccRegistry(anchors, () => clock.now());
    this.#forwarding = new Forwarding(clock, post, this.events);
    const shared = { euiccs: this.euiccs, orders: this.orders, events: this.events };
    this.#intake = new Intake({
      ...shared,
      eimId,
      clock,
      forwarding: this.#forwarding,
      takesUnsigned: () => options.faults.takesUnsigned,
    });
    const { allowedPolicyRules = ["ppr1", "ppr2"], compactForms = true } = options;
    this.#relay = new Relay({ ...shared, intake: this.#intake, post, allowedPolicyRules, compactForms });
    this.#functions = {
      48975: { name: "getEimPackage", run: async (message) => this.#getEimPackage(message) },
      48976: { name: "provideEimPackageResult", run: async (message) => this.#provideEimPackageResult(message) },
      48953: { name: "initiateAuthentication", run: (message) => this.#relay.initiateAuthentication(message) },
      48955: { name: "authenticateClient", run: (message) => this.#relay.authenticateClient(message) },
      48954: { name: "getBoundProfilePackage", run: (message) => this.#relay.getBoundProfilePackage(message) },
      48961: { name: "cancelSession", run: (message) => this.#relay.cancelSession(message) },
      48957: { name: "handleNotification", run: async (message) => this.#handleNotification(message) },
      48974: { name: "transferEimPackage", run: async (message) => this.#transferEimPackage(message) },
    };
  }

  /** One ESipa message of the ASN.1 binding. Never throws. */
  async handle(message: Uint8Array): Promise<EsipaAnswer> {
    const started = this.#options.clock.monotonicMs();
    const { name, answer } = await this.#answer(message);
    const ms = Math.round(this.#options.clock.monotonicMs() - started);
    const body = answer === "silence" ? nothing : answer.body;
    this.events.tell("esipa", {
      eid: eidIn(message),
      function: name,
      status: answer === "silence" ? answer : answer.status,
      ms,
      requestBytes: message.length,
      responseBytes: body.length,
      // A Bound Profile Package would fill the log: its length says enough.
      request: message.length <= maxShownBytes ? toHexUpper(message) : undefined,
      response: body.length <= maxShownBytes ? toHexUpper(body) : undefined,
    });
    return answer;
  }

  async #answer(message: Uint8Array): Promise<{ readonly name: string; readonly answer: EsipaAnswer }> {
    const { faults } = this.#options;
    const found = this.#functions[tagOf(message) ?? 0];
    const name = found?.name ?? "unknown";
    const end = (answer: EsipaAnswer) => ({ name, answer });
    if (spend(faults, "silentRequests")) return end("silence");
    if (faults.httpStatus !== undefined && faults.httpStatus.times > 0) {
      const { status, times } = faults.httpStatus;
      faults.httpStatus = { status, times: times - 1 };
      return end({ status, body: nothing });
    }
    if (faults.garbage !== undefined && faults.garbage.times > 0) {
      const { octets, times } = faults.garbage;
      faults.garbage = { octets, times: times - 1 };
      return end({ status: 200, body: octets });
    }
    if (found === undefined) return end({ status: 400, body: nothing });
    const forced = this.#forcedError(found.name);
    if (forced !== undefined) return end({ status: 200, body: forced });
    try {
      const written = await this.#inVersion(found, message);
      const body = written !== undefined && faults.doubleTag ? writeTlv(readTlv(written).tag, written) : written;
      return end(body === undefined ? { status: faults.notificationOk ? 200 : 204, body: nothing } : { status: 200, body });
    } catch (error) {
      this.events.tell("refused", { eid: eidIn(message), what: found.name, reason: errorReport(error).message });
      return end({ status: isAsn1(error) ? 400 : 500, body: nothing });
    }
  }

  async #inVersion({ run }: EsipaFunction, message: Uint8Array): Promise<Uint8Array | undefined> {
    if (this.#options.esipaVersion !== "1.0") return run(message);
    const answer = await run(requestOfV10(message));
    return answer === undefined ? undefined : answerInV10(answer);
  }

  // --- BF4F -----------------------------------------------------------------------------------------------------------------

  #getEimPackage(message: Uint8Array): Uint8Array {
    const eidTlv = childOf(innermost(message), 0x5a);
    if (eidTlv === undefined) return noPackage("missingEid");
    const eid = bcdToDigits(contentOf(eidTlv));
    const euicc =
      this.euiccs.find(eid) ?? (this.#options.knowsEveryEid === true && /^\d{32}$/.test(eid) ? this.euiccs.set({ eid }) : undefined);
    if (euicc === undefined) return noPackage(isWellFormedEid(contentOf(eidTlv)) ? "eidNotFound" : "invalidEid");
    const { notifyStateChange, stateChangeCause, rPLMN } = decode(GetEimPackageRequest, message);
    if (notifyStateChange !== undefined || stateChangeCause !== undefined) {
      this.events.tell("stateChange", { eid, cause: stateChangeCause, rPLMN: render(rPLMN, "rPLMN") });
    }
    const order = this.#nextOrder(eid, euicc);
    if (order === undefined) return noPackage("noEimPackageAvailable");
    order.message ??= this.#write(order, euicc);
    this.orders.move(order, { kind: "delivered" });
    return order.request.kind === "raw" ? order.message : packageResponse(order.message);
  }

  /** Before the first download to an IPA that minimizes, what compact forms leave out is asked for: once, whatever comes of it. */
  #nextOrder(eid: string, euicc: Euicc): Order | undefined {
    const order = this.orders.next(eid);
    const minimizes = this.#options.compactForms !== false && handles(euicc, "minimizeEsipaBytes");
    if (order?.request.kind !== "download" || !minimizes || knowsEnough(euicc) || this.#askedFor.has(eid)) return order;
    this.#askedFor.add(eid);
    this.#intake.askForIdentity(euicc);
    return this.orders.next(eid);
  }

  /** What the IPA gets for an order; made once, so that a package given out again is the same package. */
  #write(order: Order, euicc: Euicc): Uint8Array {
    const { request, eimTransactionId } = order;
    switch (request.kind) {
      case "download":
        return downloadTrigger(this.#left(request, euicc), eimTransactionId, this.#options.faults);
      case "ipaEuiccData":
        return dataRequest(request, eimTransactionId);
      case "raw":
        return request.octets;
      case "euiccPackage":
        return this.#sign(order, euicc, request);
    }
  }

  /** What the IPA leaves to this eIM is not in the trigger: the order has it (eimDownloadDataHandling). */
  #left(request: Extract<OrderRequest, { kind: "download" }>, euicc: Euicc): typeof request {
    return request.activationCode !== undefined && handles(euicc, "eimDownloadDataHandling") ? { ...request, trigger: undefined } : request;
  }

  #sign(order: Order, euicc: Euicc, request: Extract<OrderRequest, { kind: "euiccPackage" }>): Uint8Array {
    const { faults, eimId, signing } = this.#options;
    const replayed = spend(faults, "replayedCounter");
    const counterValue = faults.counterValue ?? (replayed ? euicc.counterValue : euicc.counterValue + 1);
    if (faults.counterValue === undefined) euicc.counterValue = counterValue;
    order.counterValue = counterValue;
    order.associationToken = euicc.associationToken;
    const fields = {
      eimId,
      eid: spend(faults, "wrongEid") ? otherEid(euicc.eid) : euicc.eid,
      counterValue,
      eimTransactionId: order.eimTransactionId,
      euiccPackage: request.euiccPackage,
      associationToken: spend(faults, "wrongToken") ? (euicc.associationToken ?? 0) + 1_000 : euicc.associationToken,
    };
    return signedPackage(
      fields,
      spend(faults, "wrongSigningKey") ? newKey(curveOf(signing.privateKey) ?? "prime256v1") : signing.privateKey,
      faults,
    );
  }

  // --- BF50 -----------------------------------------------------------------------------------------------------------------

  #provideEimPackageResult(message: Uint8Array): Uint8Array {
    const acknowledged = this.#takeResult(message);
    if (typeof acknowledged === "string")
      return encode(ProvideEimPackageResultResponse, { kind: "provideEimPackageResultError", value: acknowledged });
    const told = this.#acknowledge(acknowledged);
    const answer =
      told.length === 0 ? ({ kind: "emptyResponse", value: {} } as const) : ({ kind: "eimAcknowledgements", value: told } as const);
    return encode(ProvideEimPackageResultResponse, answer);
  }

  #acknowledge(sequenceNumbers: readonly number[]): number[] {
    const told = [...acknowledgedOf(this.#options.faults, [...new Set(sequenceNumbers)])];
    if (told.length > 0) this.events.tell("acknowledged", { sequenceNumbers: told });
    return told;
  }

  /** BF50 as it came, whoever carried it; the numbers to acknowledge, or the name of an error. */
  #takeResult(message: Uint8Array): number[] | "missingEid" | "eidNotFound" | "invalidEid" {
    const { eidValue, eimPackageResult: result } = decode(ProvideEimPackageResult, message);
    const raw = childrenOf(innermost(message)).findLast((child) => child.tag !== 0x5a);
    if (raw === undefined) return "missingEid";
    const eid = eidValue === undefined ? this.#eidBehind(result, raw) : bcdToDigits(eidValue);
    if (eid === undefined) return "missingEid";
    const euicc = this.euiccs.find(eid);
    if (euicc === undefined) return eidValue === undefined || isWellFormedEid(eidValue) ? "eidNotFound" : "invalidEid";
    return this.#take(euicc, result, raw);
  }

  #take(euicc: Euicc, result: ProvideEimPackageResult["eimPackageResult"], raw: Tlv): number[] {
    const intake = this.#intake;
    switch (result.kind) {
      case "euiccPackageResult":
        return listOf(intake.packageResult(euicc, rawOf(raw)));
      case "ePRAndNotifications": {
        const [packageResult, notifications] = childrenOf(raw);
        if (packageResult === undefined || notifications === undefined) return [];
        // Notifications first: they carry the certificates that the result may be waiting for.
        const fromList = intake.notificationList(euicc, rawOf(notifications));
        return [...listOf(intake.packageResult(euicc, rawOf(packageResult))), ...fromList];
      }
      case "ipaEuiccDataResponse":
        return intake.euiccData(euicc, rawOf(raw));
      case "profileDownloadTriggerResult":
        intake.downloadResult(euicc, rawOf(raw));
        return [];
      case "eimPackageResultResponseError":
        intake.packageError(euicc, result.value.eimTransactionId, String(result.value.eimPackageResultErrorCode));
        return [];
    }
  }

  /** For IPAs that leave the EID out: the transaction's eUICC, else the certificate's, else the only one that anything is awaited from. */
  #eidBehind(result: ProvideEimPackageResult["eimPackageResult"], raw: Tlv): string | undefined {
    const eimTransactionId = transactionIn(result, raw);
    const order = eimTransactionId === undefined ? undefined : this.orders.byTransaction(eimTransactionId);
    if (order !== undefined) return order.eid;
    const certificate = certificateIn(result);
    if (certificate !== undefined) return parseCertificate(certificate).subjectAttributes.serialNumber;
    const awaited = this.orders.all.filter((one) => one.standing.deliveries > 0 && !isOver(one)).map(({ eid }) => eid);
    return new Set(awaited).size === 1 ? awaited[0] : undefined;
  }

  // --- BF3D, BF4E -----------------------------------------------------------------------------------------------------------

  #handleNotification(message: Uint8Array): undefined {
    const notification = decode(HandleNotificationEsipa, message);
    const [part] = childrenOf(innermost(message));
    if (part === undefined) return;
    if (notification.kind === "provideEimPackageResult") {
      // There is no answer in which an error could be told.
      this.#takeResult(rawOf(part));
      return;
    }
    const [pending] = childrenOf(part);
    if (pending === undefined) return;
    this.#pending(rawOf(pending), notification.value);
  }

  /** Throws SIM_REQUEST for a compact form that cannot be built again: only a refusal makes the IPA send the full one. */
  #pending(raw: Uint8Array, notification: PendingNotification): void {
    if (notification.kind === "compactProfileInstallationResult") {
      const full = this.#relay.installationResult(notification.value);
      this.#pending(full, decode(PendingNotification, full));
      return;
    }
    if (notification.kind === "profileInstallationResult") {
      const session = this.#relay.sessionOf(notification.value.profileInstallationResultData.value.transactionId);
      const euicc = session?.eid === undefined ? undefined : this.euiccs.find(session.eid);
      this.#intake.installed(euicc, session?.order, raw, true);
      return;
    }
    const isCompact = notification.kind === "compactOtherSignedNotification";
    const eid = isCompact && notification.value.eidValue !== undefined ? bcdToDigits(notification.value.eidValue) : undefined;
    const euicc = eid === undefined ? undefined : this.euiccs.find(eid);
    const stored = this.#intake.notification(euicc, raw, true);
    if (!isCompact || stored !== undefined) return;
    if (euicc !== undefined) this.#intake.askForIdentity(euicc);
    throw notRestored("the eUICC's certificates are not known, or not these");
  }

  /** What an IPA sends back for an injected package; the eIM answers with what it acknowledges. */
  #transferEimPackage(message: Uint8Array): Uint8Array | undefined {
    const response = decode(TransferEimPackageResponse, message);
    if (response.kind === "eimPackageReceived" || response.kind === "eimPackageError") return undefined;
    const [raw] = childrenOf(innermost(message));
    const eid = raw === undefined ? undefined : this.#eidBehind(response, raw);
    const euicc = eid === undefined ? undefined : this.euiccs.find(eid);
    if (euicc === undefined || raw === undefined) return undefined;
    return encode(TransferEimPackageRequest, { kind: "eimAcknowledgements", value: this.#acknowledge(this.#take(euicc, response, raw)) });
  }

  /** The package to the vehicle, its answer to the order, and the acknowledgement after it. Never rejects. */
  async #inject(order: Order, inject: InjectRequest): Promise<void> {
    const { eid, orderId } = order;
    let injector: Injector | undefined;
    const exchange = async (message: Uint8Array): Promise<Uint8Array> => {
      const response = (await injector?.transfer(message)) ?? nothing;
      const shown = { request: toHexUpper(message), response: toHexUpper(response) };
      this.events.tell("injection", { eid, orderId, ...inject, ...shown });
      return response;
    };
    try {
      const euicc = this.euiccs.set({ eid });
      const { openInjector } = this.#options;
      if (euicc.injection === undefined || openInjector === undefined)
        throw new SimwardError("SIM_REQUEST", { detail: "where the vehicle listens was not told with POST /v1/euiccs" });
      injector = await openInjector(euicc.injection, inject);
      order.message ??= this.#write(order, euicc);
      this.orders.move(order, { kind: "delivered" });
      const answer = await exchange(order.request.kind === "raw" ? order.message : writeTlv(0xbf4e, order.message));
      const response = decode(TransferEimPackageResponse, answer);
      if (response.kind === "eimPackageError") this.orders.move(order, { kind: "failed", reason: String(response.value) });
      const acknowledgement = this.#transferEimPackage(answer);
      const [list] = acknowledgement === undefined ? [] : childrenOf(innermost(acknowledgement));
      if (acknowledgement !== undefined && list !== undefined && childrenOf(list).length > 0) await exchange(acknowledgement);
    } catch (error) {
      const { code, message, data } = asSimwardError(error);
      this.events.tell("injection", { eid, orderId, ...inject, error: message });
      this.orders.move(order, { kind: "failed", reason: typeof data.status === "number" ? `status ${data.status}` : code });
    } finally {
      injector?.close();
    }
  }

  // --- for the operator -----------------------------------------------------------------------------------------------------

  /** An order as JSON; one to be injected is brought at once. Throws SIM_REQUEST. */
  takeOrder(input: unknown): Order {
    const { order, inject } = splitInjection(input);
    const added = this.addOrder(parseOrder(order), inject !== undefined);
    if (inject !== undefined) void this.#inject(added, inject);
    return added;
  }

  /** An order also makes its eUICC known. */
  addOrder(request: OrderRequest, injected = false): Order {
    this.#reserve(request);
    this.euiccs.set({ eid: request.eid });
    return this.orders.add(request, false, injected);
  }

  #reserve(request: OrderRequest): void {
    if (request.kind !== "download" || request.reserve !== true || request.activationCode === undefined) return;
    const { reserve } = this.#options;
    const refused = (reason: string): SimwardError => new SimwardError("SIM_REQUEST", { detail: `order.reserve: ${reason}` });
    const at = request.trigger?.kind;
    const code = readActivationCode(request.activationCode);
    if (at !== "contactDefaultSmdp" && at !== "contactSmds") throw refused("the trigger is neither contactDefaultSmdp nor contactSmds");
    if (code === undefined) throw refused("the activation code is none");
    if (reserve === undefined) throw refused("this eIM has no SM-DS and no SM-DP+ to tell");
    reserve({ eid: request.eid, matchingId: code.matchingId, at });
  }

  setEuicc(settings: EuiccSettings): Euicc {
    const euicc = this.euiccs.set(settings);
    this.events.tell("euicc", {
      eid: euicc.eid,
      counterValue: euicc.counterValue,
      associationToken: euicc.associationToken,
      certificate: euicc.chain !== undefined,
    });
    return euicc;
  }

  /** Package results that verified, each once, in the order of arrival. */
  results(eid?: string): readonly StoredItem[] {
    return this.#stored(eid, (euicc) => euicc.results);
  }

  notifications(eid?: string): readonly StoredItem[] {
    return this.#stored(eid, (euicc) => euicc.notifications);
  }

  stop(): void {
    this.#forwarding.stop();
  }

  #stored(eid: string | undefined, of: (euicc: Euicc) => ReadonlyMap<string, StoredItem>): readonly StoredItem[] {
    return this.euiccs.all.filter((euicc) => eid === undefined || euicc.eid === eid).flatMap((euicc) => [...of(euicc).values()]);
  }

  #tellOrder(order: Order): void {
    const { orderId, eid, request, standing, internal } = order;
    this.events.tell("order", { orderId, eid, kind: request.kind, internal, ...standing });
  }

  #forcedError(functionName: string): Uint8Array | undefined {
    const { faults } = this.#options;
    const name = functionName as EsipaErrorFunction;
    const forced = faults.errors[name];
    if (forced === undefined || forced.times <= 0) return undefined;
    faults.errors = { ...faults.errors, [name]: { code: forced.code, times: forced.times - 1 } };
    const { tag, errorTag } = errorPlaces[name];
    return writeTlv(tag, encode(integer(errorTag), forced.code));
  }
}

/** Where each function's error INTEGER stands (SGP.32 §5.14). */
const errorPlaces: Readonly<Record<EsipaErrorFunction, { readonly tag: number; readonly errorTag: number }>> = {
  getEimPackage: { tag: 0xbf4f, errorTag: 0x02 },
  provideEimPackageResult: { tag: 0xbf50, errorTag: 0x02 },
  initiateAuthentication: { tag: 0xbf39, errorTag: 0x81 },
  authenticateClient: { tag: 0xbf3b, errorTag: 0x82 },
  getBoundProfilePackage: { tag: 0xbf3a, errorTag: 0x81 },
  cancelSession: { tag: 0xbf41, errorTag: 0x81 },
};

const listOf = (sequenceNumber: number | undefined): number[] => (sequenceNumber === undefined ? [] : [sequenceNumber]);

const isAsn1 = (error: unknown): boolean => error instanceof SimwardError && error.code.startsWith("ASN1_");

/** Another EID of the same maker. */
const otherEid = (eid: string): string => `${eid.slice(0, 31)}${(Number(eid.slice(31)) + 1) % 10}`;

function certificateIn(result: ProvideEimPackageResult["eimPackageResult"]): Uint8Array | undefined {
  if (result.kind === "ipaEuiccDataResponse") return result.value.kind === "ipaEuiccData" ? result.value.value.euiccCertificate : undefined;
  if (result.kind !== "ePRAndNotifications") return undefined;
  const signed = result.value.notificationList.find(({ kind }) => kind === "otherSignedNotification");
  return signed?.kind === "otherSignedNotification" ? signed.value.euiccCertificate : undefined;
}

function tagOf(message: Uint8Array): number | undefined {
  try {
    return readOnlyTlv(message).tag;
  } catch {
    return undefined;
  }
}

/** For events: the EID a message names, if it can be read so far. */
function eidIn(message: Uint8Array): string | undefined {
  try {
    const eid = childOf(innermost(message), 0x5a);
    return eid === undefined ? undefined : bcdToDigits(contentOf(eid));
  } catch {
    return undefined;
  }
}

function transactionIn(result: ProvideEimPackageResult["eimPackageResult"], raw: Tlv): Uint8Array | undefined {
  switch (result.kind) {
    case "euiccPackageResult":
      return readPackageResult(rawOf(raw)).eimTransactionId;
    case "ePRAndNotifications": {
      const [packageResult] = childrenOf(raw);
      return packageResult === undefined ? undefined : readPackageResult(rawOf(packageResult)).eimTransactionId;
    }
    case "ipaEuiccDataResponse":
      return result.value.value.eimTransactionId;
    case "profileDownloadTriggerResult":
    case "eimPackageResultResponseError":
      return result.value.eimTransactionId;
  }
}
