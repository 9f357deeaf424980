// Indirect profile download (SGP.32 §3.2.3.2): ESipa functions in, ES9+ functions out, and back. What is signed goes through as it came.
import { concatBytes, equalBytes, toHex, toHexUpper, utf8 } from "../../base/bytes.ts";
import { asSimwardError, SimwardError } from "../../base/errors.ts";
import { decode, encode } from "../../ipa/asn1/schema.ts";
import { childOf, childrenOf, contentOf, onlyChildOf, rawOf, readOnlyTlv, retag, writeTlv } from "../../ipa/asn1/tlv.ts";
import {
  AuthenticateClientRequestEsipa,
  AuthenticateClientResponseEsipa,
  CancelSessionRequestEsipa,
  CancelSessionResponseEsipa,
  GetBoundProfilePackageRequestEsipa,
  GetBoundProfilePackageResponseEsipa,
  InitiateAuthenticationRequestEsipa,
  InitiateAuthenticationResponseEsipa,
  ProfileDownloadTriggerRequest,
} from "../../ipa/messages/esipa.ts";
import type { CompactProfileInstallationResult } from "../../ipa/messages/notifications.ts";
import { StoreMetadataRequest } from "../../ipa/messages/profile-info.ts";
import { AuthenticateServerResponse, CancelSessionResponse, CtxParams1, SmdpSigned2 } from "../../ipa/messages/rsp.ts";
import { parseCertificate } from "../pki/certificate.ts";
import { fromBase64, isObject, type JsonObject, toBase64, withoutEnvelope } from "../smdp/json.ts";
import { hashOfConfirmationCode, sameAddress } from "../smdp/service.ts";
import { type Es9FunctionName, esipaErrorOf } from "../smdp/status.ts";
import type { Euicc, EuiccRegistry } from "./euiccs.ts";
import type { EventLog } from "./events.ts";
import type { Es9Post } from "./forwarding.ts";
import type { Intake } from "./intake.ts";
import { isOver, type Order, type OrderStore } from "./orders.ts";
import { partOf } from "./parts.ts";
import {
  isNotRestored,
  notRestored,
  type RelayedFacts,
  restoreAuthenticateServerResponse,
  restoreCancelSessionResponse,
  restoreInstallationResult,
  restorePrepareDownloadResponse,
} from "./restore.ts";

export interface RelayOptions {
  readonly euiccs: EuiccRegistry;
  readonly orders: OrderStore;
  readonly events: EventLog;
  readonly intake: Intake;
  readonly post: Es9Post;
  readonly allowedPolicyRules: readonly string[];
  /** Whether this eIM takes part in minimizeEsipaBytes. */
  readonly compactForms: boolean;
}

interface RelaySession {
  readonly address: string;
  order: Order | undefined;
  eid: string | undefined;
  readonly facts: RelayedFacts;
}

/** An activation code's parts (SGP.22 §4.1): address, token, and the OID if it names one. */
export interface ActivationCode {
  readonly address: string;
  readonly matchingId: string;
  readonly oid: string | undefined;
}

/** Undefined when it is none. */
export function readActivationCode(text: string): ActivationCode | undefined {
  const [format, address, matchingId, oid] = text.replace(/^LPA:/i, "").split("$");
  if (format !== "1" || address === undefined || address === "" || matchingId === undefined) return undefined;
  return { address, matchingId, oid: oid === "" ? undefined : oid };
}

/** Ends a function with that ESipa error. */
const refusal = (esipaError: string, detail: string): SimwardError => new SimwardError("SIM_REQUEST", { detail, data: { esipaError } });

const maxSessions = 1_000;

export class Relay {
  readonly #options: RelayOptions;
  readonly #sessions = new Map<string, RelaySession>();

  constructor(options: RelayOptions) {
    this.#options = options;
  }

  /** Which order and eUICC an SM-DP+'s transaction belongs to. */
  sessionOf(transactionId: Uint8Array): { readonly order: Order | undefined; readonly eid: string | undefined } | undefined {
    return this.#sessions.get(toHex(transactionId));
  }

  /** The full BF37 of a compact one. Throws SIM_REQUEST when it cannot be built again. */
  installationResult(compact: CompactProfileInstallationResult): Uint8Array {
    const session = this.#sessions.get(toHex(compact.compactProfileInstallationResultData.transactionId));
    if (session === undefined || !this.#options.compactForms) throw notRestored("no such session");
    return restoreInstallationResult(compact, session.facts, this.#euiccOf(session));
  }

  // --- BF39 -----------------------------------------------------------------------------------------------------------------

  async initiateAuthentication(message: Uint8Array): Promise<Uint8Array> {
    const request = decode(InitiateAuthenticationRequestEsipa, message);
    const order = this.#orderFor(request);
    try {
      if (request.eimTransactionId !== undefined && order === undefined) throw refusal("invalidEimTransactionId", "no such order");
      const code =
        order?.request.kind === "download" && order.request.activationCode !== undefined
          ? readActivationCode(order.request.activationCode)
          : undefined;
      const address = request.smdpAddress ?? code?.address;
      if (address === undefined) throw refusal("invalidDpAddress", "neither the IPA nor the order names an SM-DP+");
      // The SM-DS says where to go: not yet where the order ends.
      const toSmds = order?.request.kind === "download" && order.request.trigger?.kind === "contactSmds";
      if (code !== undefined && !toSmds && !sameAddress(address, code.address))
        throw refusal("smdpAddressMismatch", `${address} is not the order's`);
      const euicc = order === undefined ? undefined : this.#options.euiccs.find(order.eid);
      const euiccInfo1 = request.euiccInfo1 === undefined ? euicc?.info1 : partOf(message, 0xbf20);
      if (euiccInfo1 === undefined) throw notRestored("euiccInfo1 is neither sent nor known");
      const body = { euiccChallenge: toBase64(request.euiccChallenge), euiccInfo1: toBase64(euiccInfo1), smdpAddress: address };
      const answer = await this.#es9("initiateAuthentication", address, body, order);
      const serverCertificate = field(answer, "serverCertificate");
      const oids = parseCertificate(serverCertificate).registeredIds;
      if (!toSmds && code?.oid !== undefined && !oids.includes(code.oid))
        throw refusal("smdpOidMismatch", `the server is ${oids.join(", ")}`);
      const transactionId = transactionIdOf(answer);
      const serverSigned1 = field(answer, "serverSigned1");
      const parameters = contextParameters(euicc, toSmds ? undefined : code?.matchingId);
      this.#remember(transactionId, {
        address,
        order,
        eid: order?.eid,
        facts: { serverSigned1, smdpOid: oids[0], ctxParams1: contextIn(parameters) },
      });
      if (order !== undefined) this.#options.orders.move(order, { kind: "relayed" });
      return writeTlv(
        0xbf39,
        writeTlv(
          0xa0,
          ...this.#transaction(euicc, transactionId),
          serverSigned1,
          tagged(0x5f37, field(answer, "serverSignature1")),
          tagged(0x04, field(answer, "euiccCiPKIdToBeUsed")),
          serverCertificate,
          ...parameters,
        ),
      );
    } catch (error) {
      const { name } = this.#failed("initiateAuthentication", { order, eid: order?.eid }, error);
      return encode(InitiateAuthenticationResponseEsipa, { kind: "initiateAuthenticationErrorEsipa", value: name as "undefinedError" });
    }
  }

  #orderFor({ eimTransactionId, smdpAddress }: InitiateAuthenticationRequestEsipa): Order | undefined {
    const { orders } = this.#options;
    if (eimTransactionId !== undefined) {
      const order = orders.byTransaction(eimTransactionId);
      return order?.request.kind === "download" ? order : undefined;
    }
    // An IPA that leaves the transaction out: the download last given out for that address.
    return orders.all.findLast(({ request, standing }) => {
      if (request.kind !== "download" || standing.deliveries === 0 || request.activationCode === undefined) return false;
      const code = readActivationCode(request.activationCode);
      return (
        standing.state !== "done" &&
        standing.state !== "failed" &&
        (smdpAddress === undefined || (code !== undefined && sameAddress(smdpAddress, code.address)))
      );
    });
  }

  // --- BF3B -----------------------------------------------------------------------------------------------------------------

  async authenticateClient(message: Uint8Array): Promise<Uint8Array> {
    const { transactionId, authenticateServerResponse: response } = decode(AuthenticateClientRequestEsipa, message);
    const session = this.#sessions.get(toHex(transactionId));
    try {
      if (session === undefined) throw refusal("invalidTransactionId", "no such session");
      const full = this.#restored(session, restoreAuthenticateServerResponse, partOf(message, 0xbf38));
      const { kind, value } = decode(AuthenticateServerResponse, full);
      if (kind === "authenticateResponseOk") this.#learn(session, value.euiccCertificate, value.eumCertificate);
      const body = { transactionId: toHexUpper(transactionId), authenticateServerResponse: toBase64(full) };
      const answer = await this.#es9("authenticateClient", session.address, body, session.order);
      if (Array.isArray(answer.eventEntries)) return writeTlv(0xbf3b, this.#redirection(transactionId, answer.eventEntries));
      const smdpSigned2 = field(answer, "smdpSigned2");
      const metadata = field(answer, "profileMetadata");
      const smdpSignature2 = tagged(0x5f37, field(answer, "smdpSignature2"));
      const hashCc = hashedCode(session.order, smdpSigned2);
      Object.assign(session.facts, { metadata, smdpSigned2, smdpSignature2, hashCc });
      if (this.#verifies(session)) this.#checkPolicyRules(metadata);
      return writeTlv(
        0xbf3b,
        writeTlv(
          0xa0,
          ...this.#transaction(this.#euiccOf(session), transactionId),
          metadata,
          smdpSigned2,
          smdpSignature2,
          field(answer, "smdpCertificate"),
          ...(hashCc === undefined ? [] : [writeTlv(0x04, hashCc)]),
        ),
      );
    } catch (error) {
      const reason =
        response.kind === "authenticateResponseError" ? `AuthenticateServer: ${response.value.authenticateErrorCode}` : undefined;
      const { name } = this.#failed("authenticateClient", session, error, reason);
      return encode(AuthenticateClientResponseEsipa, { kind: "authenticateClientErrorEsipa", value: name as "undefinedError" });
    }
  }

  /** A1: the server of the SM-DS's first event (SGP.32 §3.9.2), whose id takes the place of a token. */
  #redirection(transactionId: Uint8Array, [event]: readonly unknown[]): Uint8Array {
    const { eventId, rspServerAddress } = isObject(event) ? event : {};
    const trigger =
      typeof eventId === "string" && typeof rspServerAddress === "string"
        ? [encode(ProfileDownloadTriggerRequest, { profileDownloadData: activationCode(rspServerAddress, eventId) })]
        : [];
    return writeTlv(0xa1, writeTlv(0x80, transactionId), ...trigger);
  }

  /** The IPA leaves it to this eIM to judge what is installed (SGP.32 §3.1.2.3). */
  #verifies(session: RelaySession): boolean {
    return handles(this.#euiccOf(session), "eimProfileMetadataVerification");
  }

  #euiccOf({ eid }: Pick<RelaySession, "eid">): Euicc | undefined {
    return eid === undefined ? undefined : this.#options.euiccs.find(eid);
  }

  /** The transaction, which serverSigned1 and smdpSigned2 say as well: left out for an IPA that minimizes. */
  #transaction(euicc: Euicc | undefined, transactionId: Uint8Array): Uint8Array[] {
    return this.#options.compactForms && handles(euicc, "minimizeEsipaBytes") ? [] : [writeTlv(0x80, transactionId)];
  }

  #restored(
    session: RelaySession,
    restore: (raw: Uint8Array, facts: RelayedFacts, euicc: Euicc | undefined) => Uint8Array,
    raw: Uint8Array,
  ): Uint8Array {
    // The compact alternative of all three is [2].
    if (!this.#options.compactForms && childOf(readOnlyTlv(raw), 0xa2) !== undefined)
      throw refusal("undefinedError", "compact responses are not understood");
    return restore(raw, session.facts, this.#euiccOf(session));
  }

  #checkPolicyRules(metadata: Uint8Array): void {
    const { profilePolicyRules = [] } = decode(StoreMetadataRequest, metadata);
    const rule = profilePolicyRules.find((one) => one !== "pprUpdateControl" && !this.#options.allowedPolicyRules.includes(String(one)));
    if (rule !== undefined) throw refusal("pprNotAllowed", String(rule));
  }

  /** The eUICC's certificates, met here; a chain that fails is the SM-DP+'s to name. */
  #learn(session: RelaySession, euiccCertificate: Uint8Array, eumCertificate: Uint8Array): void {
    const { euiccs, intake } = this.#options;
    let eid: string;
    try {
      ({ eid } = euiccs.verifiedChain(undefined, euiccCertificate, eumCertificate));
    } catch {
      return;
    }
    if (session.order !== undefined && session.order.eid !== eid) throw refusal("eidMismatch", "the order is for another eUICC");
    session.eid = eid;
    const euicc = euiccs.find(eid);
    if (euicc !== undefined) intake.learnChain(euicc, euiccCertificate, eumCertificate);
  }

  // --- BF3A -----------------------------------------------------------------------------------------------------------------

  async getBoundProfilePackage(message: Uint8Array): Promise<Uint8Array> {
    const { transactionId, prepareDownloadResponse: response } = decode(GetBoundProfilePackageRequestEsipa, message);
    const session = this.#sessions.get(toHex(transactionId));
    try {
      if (session === undefined) throw refusal("invalidTransactionId", "no such session");
      const full = this.#restored(session, restorePrepareDownloadResponse, partOf(message, 0xbf21));
      const body = { transactionId: toHexUpper(transactionId), prepareDownloadResponse: toBase64(full) };
      const answer = await this.#es9("getBoundProfilePackage", session.address, body, session.order);
      const bpp = field(answer, "boundProfilePackage");
      const { metadata } = session.facts;
      if (this.#verifies(session) && metadata !== undefined && !equalBytes(storedMetadata(bpp), metadata))
        throw refusal("metadataMismatch", "the package stores other metadata than were shown");
      return writeTlv(0xbf3a, writeTlv(0xa0, ...this.#transaction(this.#euiccOf(session), transactionId), bpp));
    } catch (error) {
      const reason = response.kind === "downloadResponseError" ? `PrepareDownload: ${response.value.downloadErrorCode}` : undefined;
      const { name } = this.#failed("getBoundProfilePackage", session, error, reason);
      return encode(GetBoundProfilePackageResponseEsipa, { kind: "getBoundProfilePackageErrorEsipa", value: name as "undefinedError" });
    }
  }

  // --- BF41 -----------------------------------------------------------------------------------------------------------------

  async cancelSession(message: Uint8Array): Promise<Uint8Array> {
    const { transactionId } = decode(CancelSessionRequestEsipa, message);
    const session = this.#sessions.get(toHex(transactionId));
    try {
      if (session === undefined) throw refusal("invalidTransactionId", "no such session");
      const full = this.#restored(session, restoreCancelSessionResponse, cardsCancelSession(message));
      const response = decode(CancelSessionResponse, full);
      const body = { transactionId: toHexUpper(transactionId), cancelSessionResponse: toBase64(full) };
      await this.#es9("cancelSession", session.address, body, session.order);
      const reason =
        response.kind === "cancelSessionResponseOk" ? String(response.value.euiccCancelSessionSigned.value.reason) : response.kind;
      this.#end(session.order, `cancelled: ${reason}`);
      return encode(CancelSessionResponseEsipa, { kind: "cancelSessionOk", value: {} });
    } catch (error) {
      const { name } = this.#failed("cancelSession", session, error);
      return encode(CancelSessionResponseEsipa, { kind: "cancelSessionError", value: name as "undefinedError" });
    }
  }

  // --- towards the SM-DP+ ---------------------------------------------------------------------------------------------------

  async #es9(functionName: Es9FunctionName, address: string, body: JsonObject, order: Order | undefined): Promise<JsonObject> {
    const { events, post } = this.#options;
    const answer = (await post(address, functionName, body)) ?? {};
    const { status, subjectCode, reasonCode } = statusOf(answer);
    events.tell("es9", { eid: order?.eid, orderId: order?.orderId, functionName, status, subjectCode, reasonCode });
    if (status === "Executed-Success" || status === "Executed-WithWarning") return answer;
    throw refusal(
      esipaErrorOf(functionName, subjectCode ?? "", reasonCode ?? ""),
      `SM-DP+: ${status} ${subjectCode ?? ""}/${reasonCode ?? ""}`,
    );
  }

  #failed(
    functionName: Es9FunctionName,
    session: Pick<RelaySession, "order" | "eid"> | undefined,
    error: unknown,
    reason?: string,
  ): { readonly name: string } {
    const { events, intake } = this.#options;
    const { data, detail, message } = asSimwardError(error);
    const name = typeof data.esipaError === "string" ? data.esipaError : "undefinedError";
    const { order } = session ?? {};
    events.tell("refused", { eid: order?.eid, orderId: order?.orderId, what: functionName, error: name, reason: detail ?? message });
    const euicc = session === undefined ? undefined : this.#euiccOf(session);
    if (!isNotRestored(error)) this.#end(order, reason ?? `${functionName}: ${name}`);
    // Nothing has reached the SM-DP+: the IPA sends the full form, and tells anew what was not known.
    else if (euicc !== undefined) intake.askForIdentity(euicc);
    return { name };
  }

  #end(order: Order | undefined, reason: string): void {
    if (order === undefined || isOver(order)) return;
    order.results.push({ kind: "downloadFailed", reason });
    this.#options.orders.move(order, { kind: "failed", reason });
  }

  #remember(transactionId: Uint8Array, session: RelaySession): void {
    const oldest = this.#sessions.size >= maxSessions ? this.#sessions.keys().next().value : undefined;
    if (oldest !== undefined) this.#sessions.delete(oldest);
    this.#sessions.set(toHex(transactionId), session);
  }
}

/** Whether the IPA of that eUICC has announced to leave it to the eIM. */
export function handles(
  euicc: Euicc | undefined,
  feature: "eimDownloadDataHandling" | "eimCtxParams1Generation" | "eimProfileMetadataVerification" | "minimizeEsipaBytes",
): boolean {
  return euicc?.capabilities?.ipaFeatures.includes(feature) ?? false;
}

/** What StoreMetadata in a BF36 carries: the 88s without their MACs. */
function storedMetadata(bpp: Uint8Array): Uint8Array {
  const parts = childOf(readOnlyTlv(bpp), 0xa1);
  return concatBytes(...(parts === undefined ? [] : childrenOf(parts)).map((part) => contentOf(part).slice(0, -8)));
}

/** matchingId, or the whole ctxParams1 for an IPA that leaves it to the eIM (eimCtxParams1Generation). */
function contextParameters(euicc: Euicc | undefined, matchingId: string | undefined): Uint8Array[] {
  if (matchingId === undefined) return [];
  if (!handles(euicc, "eimCtxParams1Generation") || euicc?.deviceInfo === undefined) return [writeTlv(0x0c, utf8(matchingId))];
  return [
    writeTlv(0xa2, encode(CtxParams1, { kind: "ctxParamsForCommonAuthentication", value: { matchingId, deviceInfo: euicc.deviceInfo } })),
  ];
}

/** hashCc, where the SM-DP+ wants a confirmation code and the order has it. */
function hashedCode(order: Order | undefined, smdpSigned2: Uint8Array): Uint8Array | undefined {
  if (order?.request.kind !== "download" || order.request.confirmationCode === undefined) return undefined;
  const { ccRequiredFlag, transactionId } = decode(SmdpSigned2, smdpSigned2);
  return ccRequiredFlag ? hashOfConfirmationCode(order.request.confirmationCode, transactionId) : undefined;
}

/** ctxParams1, A0, where the eIM writes it. */
function contextIn(parameters: readonly Uint8Array[]): Uint8Array | undefined {
  const [only] = parameters.map((one) => readOnlyTlv(one));
  return only?.tag === 0xa2 ? contentOf(only).slice() : undefined;
}

/** The card's own BF41, out of A1 with its contents or with the whole of it (SGP.32 §5.14.8). */
function cardsCancelSession(message: Uint8Array): Uint8Array {
  const part = partOf(message, 0xa1);
  const inner = onlyChildOf(readOnlyTlv(part));
  return inner?.tag === 0xbf41 ? rawOf(inner) : retag(part, 0xbf41);
}

function activationCode(address: string, matchingId: string): { readonly kind: "activationCode"; readonly value: string } {
  return { kind: "activationCode", value: `1$${address}$${matchingId}` };
}

function field(answer: JsonObject, name: string): Uint8Array {
  const value = answer[name];
  const bytes = typeof value === "string" ? fromBase64(value) : undefined;
  if (bytes === undefined) throw refusal("undefinedError", `the SM-DP+'s answer has no ${name}`);
  return bytes;
}

const tagged = (tag: number, bytes: Uint8Array): Uint8Array => writeTlv(tag, withoutEnvelope(bytes, tag));

function transactionIdOf(answer: JsonObject): Uint8Array {
  const text = answer.transactionId;
  if (typeof text !== "string" || !/^([0-9A-Fa-f]{2}){1,16}$/.test(text))
    throw refusal("undefinedError", "the SM-DP+'s answer has no transactionId");
  return new Uint8Array(Buffer.from(text, "hex"));
}

function statusOf(answer: JsonObject): {
  readonly status: string;
  readonly subjectCode: string | undefined;
  readonly reasonCode: string | undefined;
} {
  const header = isObject(answer.header) ? answer.header : {};
  const execution = isObject(header.functionExecutionStatus) ? header.functionExecutionStatus : {};
  const data = isObject(execution.statusCodeData) ? execution.statusCodeData : {};
  const text = (value: unknown): string | undefined => (typeof value === "string" ? value : undefined);
  return { status: text(execution.status) ?? "no status", subjectCode: text(data.subjectCode), reasonCode: text(data.reasonCode) };
}
