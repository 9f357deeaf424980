// The virtual SM-DP+ without its transport: the five functions of ES9+ (SGP.22 §5.6), each check in the order of its paragraph.
import { createHash } from "node:crypto";
import { concatBytes, digitsToBcd, equalBytes, toHex, utf8 } from "../../base/bytes.ts";
import type { Clock } from "../../base/clock.ts";
import { SimwardError } from "../../base/errors.ts";
import type { Random } from "../../base/random.ts";
import { encode } from "../../ipa/asn1/schema.ts";
import { contentOf, readTlvs, writeTlv } from "../../ipa/asn1/tlv.ts";
import { EUICCInfo1, type EUICCInfo2 } from "../../ipa/messages/euicc-info.ts";
import { StoreMetadataRequest } from "../../ipa/messages/profile-info.ts";
import {
  AuthenticateServerResponse,
  CancelSessionResponse,
  PrepareDownloadResponse,
  ServerSigned1,
  SmdpSigned2,
} from "../../ipa/messages/rsp.ts";
import { curveOf, ecdsaSign } from "../crypto/ecdsa.ts";
import { createEphemeral } from "../crypto/ecka.ts";
import { parseCertificate } from "../pki/certificate.ts";
import { chainFault, type EuiccChain, verifyEuiccChain } from "../pki/chain.ts";
import { createPki, type Identity, newKey, type Pki } from "../pki/pki.ts";
import { verifyTolerantly } from "../pki/signature.ts";
import { boundProfilePackage, protectProfile } from "./bind.ts";
import { type SmdpFaults, spendStatus } from "./faults.ts";
import {
  bytesField,
  failure,
  headerOf,
  type JsonObject,
  success,
  textField,
  tlvField,
  toBase64,
  transactionIdField,
  transactionIdText,
} from "./json.ts";
import { NotificationLog } from "./notifications.ts";
import { type BoundProfile, type DownloadOrder, DownloadOrders } from "./orders.ts";
import { type Es9Codes, type Es9FunctionName, type Es9StatusName, es9Functions, es9StatusOf, refuse, refusedStatus } from "./status.ts";

export interface SmdpServiceOptions {
  readonly clock: Clock;
  readonly random: Random;
  /** One world a CI that the SM-DP+ has certificates of; the first is preferred. */
  readonly pkis: readonly Pki[];
  /** Its own address, as activation codes and notifications carry it; asked when needed, as the port may be known late. */
  readonly address: () => string;
  readonly faults: SmdpFaults;
  readonly onEvent?: (event: SmdpEvent) => void;
}

/** What happened, for logs and live views. */
export type SmdpEvent =
  | { readonly kind: "function"; readonly functionName: Es9FunctionName; readonly status: Es9StatusName | "success" }
  | { readonly kind: "order"; readonly matchingId: string; readonly state: DownloadOrder["state"]; readonly reason: string | undefined };

interface Credentials {
  readonly dpauth: Identity;
  readonly dppb: Identity;
}

interface Session {
  readonly transactionId: Uint8Array;
  readonly startedMs: number;
  readonly serverAddress: string;
  readonly serverChallenge: Uint8Array;
  readonly credentials: Credentials;
  readonly signingCi: Uint8Array;
  /** From AuthenticateClient on. */
  authenticated?: {
    readonly chain: EuiccChain;
    readonly order: DownloadOrder;
    readonly smdpSignature2: Uint8Array;
    readonly metadataDer: Uint8Array;
  };
  /** A request repeated word for word gets the answer it had: the first one may have been lost. */
  readonly answers: Map<string, JsonObject>;
}

const sessionLifetimeMs = 3_600_000;
const maxSessions = 1_000;
const hostId = utf8("simward-smdp");
/** SGP.22 versions 2.x and 3.x talk to this SM-DP+. */
const lowestSvnMajor = 2;

export class SmdpService {
  readonly orders: DownloadOrders;
  readonly notifications: NotificationLog;
  readonly #options: SmdpServiceOptions;
  readonly #sessions = new Map<string, Session>();
  readonly #deviant = new Map<string, Credentials>();

  constructor(options: SmdpServiceOptions) {
    this.#options = options;
    this.orders = new DownloadOrders(options.address);
    this.notifications = new NotificationLog({
      anchors: this.#anchors,
      clock: options.clock,
      keyOf: (transactionId) => this.#sessions.get(toHex(transactionId))?.authenticated?.chain,
    });
  }

  /**
   * One ES9+ function: its JSON body in, the JSON answer out (undefined where HTTP answers 204). Failures of the function are answers with
   * status Failed. Throws SIM_REQUEST for an unknown function, and for a notification that is none.
   */
  async handle(functionName: string, body: JsonObject): Promise<JsonObject | undefined> {
    const name = es9Functions.find((one) => one === functionName);
    if (name === undefined) throw new SimwardError("SIM_REQUEST", { detail: `ES9+ has no function ${JSON.stringify(functionName)}` });
    const forced = spendStatus(this.#options.faults, name);
    const isWarning = forced !== undefined && "subjectCode" in forced && forced.execution === "Executed-WithWarning";
    if (forced !== undefined && "subjectCode" in forced && !isWarning) return this.#refusedWith(name, forced);
    try {
      if (forced !== undefined && "status" in forced) throw refuse(forced.status);
      const answer = this.#functions[name](body);
      this.#options.onEvent?.({ kind: "function", functionName: name, status: "success" });
      return isWarning && answer !== undefined ? { ...answer, ...headerOf(forced) } : answer;
    } catch (error) {
      const status = refusedStatus(error) ?? "executionError";
      this.#options.onEvent?.({ kind: "function", functionName: name, status });
      if (name === "handleNotification") throw error;
      return failure(status, error instanceof SimwardError ? error.detail : undefined);
    }
  }

  readonly #functions: Readonly<Record<Es9FunctionName, (body: JsonObject) => JsonObject | undefined>> = {
    initiateAuthentication: (body) => this.#initiateAuthentication(body),
    authenticateClient: (body) => this.#once("authenticateClient", body, (session) => this.#authenticateClient(session, body)),
    getBoundProfilePackage: (body) => this.#once("getBoundProfilePackage", body, (session) => this.#getBoundProfilePackage(session, body)),
    cancelSession: (body) => this.#once("cancelSession", body, (session) => this.#cancelSession(session, body)),
    handleNotification: (body) => this.#handleNotification(body),
  };

  // --- SGP.22 §5.6.1 --------------------------------------------------------------------------------------------------------

  #initiateAuthentication(body: JsonObject): JsonObject {
    const { random, address } = this.#options;
    const euiccChallenge = bytesField(body, "euiccChallenge");
    if (euiccChallenge.length !== 16) throw refuse("elementInvalid", "euiccChallenge is not of 16 octets");
    const serverAddress = textField(body, "smdpAddress");
    if (!sameAddress(serverAddress, address())) throw refuse("invalidSmdpAddress");
    const info = tlvField(body, "euiccInfo1", EUICCInfo1);
    if ((info.svn[0] ?? 0) < lowestSvnMajor) throw refuse("svnNotSupported");
    const { credentials, signingCi } = this.#choose(info);
    const session: Session = {
      transactionId: random.bytes(16),
      startedMs: this.#options.clock.monotonicMs(),
      serverAddress,
      serverChallenge: random.bytes(16),
      credentials,
      signingCi,
      answers: new Map(),
    };
    this.#remember(session);
    const { transactionId, serverChallenge } = session;
    const serverSigned1 = encode(ServerSigned1, { transactionId, euiccChallenge, serverAddress, serverChallenge });
    return success({
      transactionId: transactionIdText(transactionId),
      serverSigned1: toBase64(serverSigned1),
      serverSignature1: this.#tagged(0x5f37, this.#sign("serverSignature1", credentials.dpauth, serverSigned1)),
      euiccCiPKIdToBeUsed: this.#tagged(0x04, signingCi),
      serverCertificate: toBase64(credentials.dpauth.certificate),
    });
  }

  /** A CI both for us to verify the eUICC and for it to verify us if there is one, else one for each. */
  #choose(info: EUICCInfo1): { readonly credentials: Credentials; readonly signingCi: Uint8Array } {
    const { pkis } = this.#options;
    const listed = (list: readonly Uint8Array[]): Pki[] => {
      const known = list.flatMap((id) => pkis.find((pki) => equalBytes(pki.get("ci").subjectKeyIdentifier, id)) ?? []);
      return [...new Set(known)];
    };
    const signing = listed(info.euiccCiPKIdListForSigning);
    const verifying = listed(info.euiccCiPKIdListForVerification);
    const forSigning = signing.find((pki) => verifying.includes(pki)) ?? signing[0];
    if (forSigning === undefined) throw refuse("noCommonCi");
    const forVerifying = verifying.includes(forSigning) ? forSigning : verifying[0];
    if (forVerifying === undefined) throw refuse("noServerCertificate");
    return { credentials: this.#credentials(forVerifying), signingCi: forSigning.get("ci").subjectKeyIdentifier };
  }

  // --- SGP.22 §5.6.3 --------------------------------------------------------------------------------------------------------

  #authenticateClient(session: Session, body: JsonObject): JsonObject {
    const response = tlvField(body, "authenticateServerResponse", AuthenticateServerResponse);
    if (response.kind === "authenticateResponseError") {
      this.#forget(session);
      throw refuse("euiccRefused", `AuthenticateServer: ${response.value.authenticateErrorCode}`);
    }
    if (response.kind === "compactAuthenticateResponseOk") throw refuse("elementInvalid", "a compact response is for an eIM");
    const { euiccSigned1, euiccSignature1, euiccCertificate, eumCertificate } = response.value;
    const chain = this.#verifyEuicc(euiccCertificate, eumCertificate, session.signingCi);
    if (!verifyTolerantly(chain.euicc.publicKey, euiccSignature1, euiccSigned1.raw)) throw refuse("euiccSignatureInvalid");
    const { transactionId, serverAddress, serverChallenge, euiccInfo2, ctxParams1 } = euiccSigned1.value;
    if (!equalBytes(transactionId, session.transactionId)) throw refuse("unknownTransactionId", "in euiccSigned1");
    if (!equalBytes(serverChallenge, session.serverChallenge) || serverAddress !== session.serverAddress)
      throw refuse("euiccSignatureInvalid", "challenge or address");
    const order = this.#eligibleOrder(ctxParams1.value.matchingId ?? "", chain.eid, euiccInfo2);
    order.eid = chain.eid;

    const { dppb } = session.credentials;
    const signed2 = { transactionId, ccRequiredFlag: order.confirmationCode !== undefined, bppEuiccOtpk: order.bound?.euiccOtpk };
    const smdpSigned2 = encode(SmdpSigned2, signed2);
    const smdpSignature2 = this.#sign("smdpSignature2", dppb, smdpSigned2, writeTlv(0x5f37, euiccSignature1));
    const shown = this.#options.faults.otherMetadata
      ? encode(StoreMetadataRequest, { ...order.metadata, profileName: "another profile" })
      : order.metadataDer;
    session.authenticated = { chain, order, smdpSignature2, metadataDer: shown };
    return success({
      transactionId: transactionIdText(transactionId),
      profileMetadata: toBase64(shown),
      smdpSigned2: toBase64(smdpSigned2),
      smdpSignature2: this.#tagged(0x5f37, smdpSignature2),
      smdpCertificate: toBase64(dppb.certificate),
    });
  }

  #verifyEuicc(euiccCertificate: Uint8Array, eumCertificate: Uint8Array, signingCi: Uint8Array): EuiccChain {
    try {
      const chain = verifyEuiccChain(euiccCertificate, eumCertificate, { anchors: this.#anchors, atMs: this.#options.clock.now() });
      if (!equalBytes(chain.ci.subjectKeyIdentifier ?? new Uint8Array(0), signingCi)) throw refuse("unknownCi", "not the CI asked for");
      return chain;
    } catch (error) {
      const fault = chainFault(error);
      if (fault === undefined) throw error;
      if (fault.reason === "unknownCi") throw refuse("unknownCi");
      const expired = fault.reason === "expired";
      if (fault.role === "euicc") throw refuse(expired ? "euiccCertificateExpired" : "euiccCertificateInvalid", fault.reason);
      throw refuse(expired ? "eumCertificateExpired" : "eumCertificateInvalid", fault.reason);
    }
  }

  #eligibleOrder(matchingId: string, eid: string, info: EUICCInfo2): DownloadOrder {
    const order = this.orders.find(matchingId, eid);
    if (order === undefined) throw refuse(matchingId === "" ? "eidMismatch" : "matchingIdRefused");
    if (order.eid !== undefined && order.eid !== eid) throw refuse("eidMismatch");
    if (order.state === "confirmed") throw refuse("profileNotReleased");
    if (order.expiresAtMs <= this.#options.clock.now()) throw refuse("orderExpired");
    const rules = order.metadata.profilePolicyRules ?? [];
    if (rules.some((rule) => info.forbiddenProfilePolicyRules?.includes(rule)))
      throw refuse("noEligibleProfile", "a rule this eUICC forbids");
    if (order.metadata.profileClass === "test" && !info.rspCapability.includes("testProfileSupport"))
      throw refuse("noEligibleProfile", "a test profile");
    const freeBytes = freeNonVolatileBytes(info.extCardResource);
    if (freeBytes !== undefined && freeBytes < order.profile.length) throw refuse("insufficientMemory");
    return order;
  }

  // --- SGP.22 §5.6.2 --------------------------------------------------------------------------------------------------------

  #getBoundProfilePackage(session: Session, body: JsonObject): JsonObject {
    const { authenticated } = session;
    if (authenticated === undefined) throw refuse("unknownTransactionId", "the client is not authenticated");
    const response = tlvField(body, "prepareDownloadResponse", PrepareDownloadResponse);
    if (response.kind === "downloadResponseError") {
      this.#forget(session);
      throw refuse("euiccRefused", `PrepareDownload: ${response.value.downloadErrorCode}`);
    }
    if (response.kind === "compactDownloadResponseOk") throw refuse("elementInvalid", "a compact response is for an eIM");
    const { euiccSigned2, euiccSignature2 } = response.value;
    const { chain, order, smdpSignature2 } = authenticated;
    if (!verifyTolerantly(chain.euicc.publicKey, euiccSignature2, euiccSigned2.raw, writeTlv(0x5f37, smdpSignature2)))
      throw refuse("euiccSignatureInvalid");
    const { transactionId, euiccOtpk, hashCc } = euiccSigned2.value;
    if (!equalBytes(transactionId, session.transactionId)) throw refuse("unknownTransactionId", "in euiccSigned2");
    this.#checkConfirmationCode(order, transactionId, hashCc);
    if (order.expiresAtMs <= this.#options.clock.now()) throw refuse("orderExpired");
    const bound = this.#bind(order, chain, euiccOtpk, session);
    const binding = { ephemeral: bound.ephemeral, euiccOtpk, hostId };
    const key = this.#signingKey("smdpSign", session.credentials.dppb);
    const bpp = boundProfilePackage(bound.protectedProfile, binding, transactionId, key);
    this.#setState(order, "downloaded");
    return success({ transactionId: transactionIdText(transactionId), boundProfilePackage: toBase64(this.#damage(bpp)) });
  }

  #checkConfirmationCode(order: DownloadOrder, transactionId: Uint8Array, hashCc: Uint8Array | undefined): void {
    if (order.confirmationCode === undefined) return;
    if (hashCc === undefined) throw refuse("confirmationCodeMissing");
    if (equalBytes(hashCc, hashOfConfirmationCode(order.confirmationCode, transactionId))) return;
    order.confirmationAttemptsLeft--;
    if (order.confirmationAttemptsLeft > 0) throw refuse("confirmationCodeRefused");
    this.#setState(order, "error", "confirmationCodeRetriesExceeded");
    throw refuse("confirmationCodeRetriesExceeded");
  }

  #bind(order: DownloadOrder, { eid, euicc }: EuiccChain, euiccOtpk: Uint8Array, session: Session): BoundProfile {
    if (order.bound !== undefined && equalBytes(order.bound.euiccOtpk, euiccOtpk)) return order.bound;
    if (order.bound !== undefined && !order.rebinding) throw refuse("rebindingRefused");
    const curve = curveOf(session.credentials.dppb.privateKey) ?? curveOf(euicc.publicKey) ?? "prime256v1";
    const ephemeral = createEphemeral(curve);
    const { random, faults } = this.#options;
    const newKeys = (): Uint8Array => random.bytes(16);
    const ppk = faults.ppk ? { macChainingValue: newKeys(), encryptionKey: newKeys(), macKey: newKeys() } : undefined;
    try {
      const binding = { ephemeral, euiccOtpk, hostId, eid: digitsToBcd(eid) };
      const protectedProfile = protectProfile({ upp: order.profile, metadata: order.metadataDer, ppk }, binding);
      order.bound = { euiccOtpk, ephemeral, protectedProfile };
      return order.bound;
    } catch (error) {
      throw refuse("elementInvalid", error instanceof Error ? error.message : "euiccOtpk");
    }
  }

  // --- SGP.22 §5.6.5, §5.6.4 ------------------------------------------------------------------------------------------------

  #cancelSession(session: Session, body: JsonObject): JsonObject {
    const response = tlvField(body, "cancelSessionResponse", CancelSessionResponse);
    if (response.kind === "cancelSessionResponseError")
      throw refuse(response.value === "invalidTransactionId" ? "unknownTransactionId" : "euiccRefused", "said the eUICC");
    if (response.kind === "compactCancelSessionResponseOk") throw refuse("elementInvalid", "a compact response is for an eIM");
    const { authenticated, credentials } = session;
    const { euiccCancelSessionSigned, euiccCancelSessionSignature } = response.value;
    const { transactionId, smdpOid, reason } = euiccCancelSessionSigned.value;
    // Before AuthenticateClient the eUICC's key is not known: such a session has nothing to cancel.
    if (authenticated === undefined) throw refuse("unknownTransactionId", "the client is not authenticated");
    if (!verifyTolerantly(authenticated.chain.euicc.publicKey, euiccCancelSessionSignature, euiccCancelSessionSigned.raw))
      throw refuse("euiccSignatureInvalid");
    if (!equalBytes(transactionId, session.transactionId)) throw refuse("unknownTransactionId", "in euiccCancelSessionSigned");
    if (!parseCertificate(credentials.dpauth.certificate).registeredIds.includes(smdpOid)) throw refuse("smdpOidMismatch");
    this.#forget(session);
    const again = reason === "postponed" || reason === "timeout" || reason === "loadBppExecutionError";
    this.#setState(authenticated.order, again ? "released" : "error", String(reason));
    return success({});
  }

  #handleNotification(body: JsonObject): undefined {
    const entry = this.notifications.add(bytesField(body, "pendingNotification"));
    if (entry?.kind !== "profileInstallationResult" || !entry.verified) return undefined;
    const session = this.#sessions.get(entry.transactionId ?? "");
    if (session?.authenticated === undefined) return undefined;
    const { order } = session.authenticated;
    this.#forget(session);
    // A failed installation used up the eUICC's one-time key.
    if (!entry.installed) order.bound = undefined;
    this.#setState(order, entry.installed ? "installed" : "released", entry.errorReason);
    return undefined;
  }

  // --- sessions -------------------------------------------------------------------------------------------------------------

  #remember(session: Session): void {
    const nowMs = this.#options.clock.monotonicMs();
    for (const [id, { startedMs }] of this.#sessions) {
      if (nowMs - startedMs > sessionLifetimeMs || this.#sessions.size >= maxSessions) this.#sessions.delete(id);
    }
    this.#sessions.set(toHex(session.transactionId), session);
  }

  #forget(session: Session): void {
    this.#sessions.delete(toHex(session.transactionId));
  }

  #once(functionName: Es9FunctionName, body: JsonObject, run: (session: Session) => JsonObject): JsonObject {
    const session = this.#sessions.get(toHex(transactionIdField(body)));
    if (session === undefined) throw refuse("unknownTransactionId");
    const digest = createHash("sha256").update(functionName).update(JSON.stringify(body)).digest("hex");
    const answer = session.answers.get(digest) ?? run(session);
    session.answers.set(digest, answer);
    return answer;
  }

  #setState(order: DownloadOrder, state: DownloadOrder["state"], reason?: string): void {
    order.state = state;
    order.reason = reason;
    this.#options.onEvent?.({ kind: "order", matchingId: order.matchingId, state, reason });
  }

  // --- what is ours ---------------------------------------------------------------------------------------------------------

  get #anchors(): readonly Uint8Array[] {
    return this.#options.pkis.map((pki) => pki.get("ci").certificate);
  }

  #credentials(pki: Pki): Credentials {
    const { faults, clock } = this.#options;
    if (faults.certificates === "own") return { dpauth: pki.get("dpauth"), dppb: pki.get("dppb") };
    const key = `${faults.certificates} ${toHex(pki.get("ci").subjectKeyIdentifier)}`;
    const issuer = faults.certificates === "foreign" ? createPki({ clock, curve: pki.curve, ...pki.subjects }) : pki;
    const nowMs = clock.now();
    const validity = faults.certificates === "expired" ? { notBeforeMs: nowMs - 2 * 86_400_000, notAfterMs: nowMs - 86_400_000 } : {};
    const made = this.#deviant.get(key) ?? { dpauth: issuer.issue("dpauth", validity), dppb: issuer.issue("dppb", validity) };
    this.#deviant.set(key, made);
    return made;
  }

  #signingKey(which: SmdpFaults["wrongSignature"], identity: Identity) {
    return this.#options.faults.wrongSignature === which ? newKey("prime256v1") : identity.privateKey;
  }

  #sign(which: SmdpFaults["wrongSignature"], identity: Identity, ...parts: readonly Uint8Array[]): Uint8Array {
    return ecdsaSign(this.#signingKey(which, identity), ...parts);
  }

  #tagged(tag: number, content: Uint8Array): string {
    return toBase64(this.#options.faults.bareValues ? content : writeTlv(tag, content));
  }

  #damage(bpp: Uint8Array): Uint8Array {
    const { truncateBppAt, flipBppOctet, transformBpp } = this.#options.faults;
    let out = transformBpp?.(bpp) ?? bpp;
    if (flipBppOctet !== undefined) out = out.map((octet, at) => (at === flipBppOctet ? octet ^ 0xff : octet));
    return truncateBppAt === undefined ? out : out.slice(0, truncateBppAt);
  }

  #refusedWith(functionName: Es9FunctionName, codes: Es9Codes): JsonObject {
    const status = es9StatusOf(codes) ?? "executionError";
    this.#options.onEvent?.({ kind: "function", functionName, status });
    // A notification has no answer that could carry a status.
    if (functionName === "handleNotification") throw refuse(status);
    return headerOf(codes);
  }
}

/** SHA-256 of the code's own SHA-256 and the TransactionID (SGP.22 §3.1.3). */
export function hashOfConfirmationCode(confirmationCode: string, transactionId: Uint8Array): Uint8Array {
  const inner = createHash("sha256").update(utf8(confirmationCode)).digest();
  return new Uint8Array(createHash("sha256").update(concatBytes(inner, transactionId)).digest());
}

/** Host names compare without case; a port left out is no difference. */
export function sameAddress(one: string, other: string): boolean {
  const split = (address: string): readonly [string, string | undefined] => {
    const match = /^(.*?)(?::(\d+))?$/.exec(address.toLowerCase());
    return [match?.[1] ?? "", match?.[2]];
  };
  const [hostA, portA] = split(one);
  const [hostB, portB] = split(other);
  return hostA === hostB && (portA === undefined || portB === undefined || portA === portB);
}

/** Tag 82 of the Extended Card Resources (ETSI TS 102 226 §8.2.1.7.2). */
function freeNonVolatileBytes(extCardResource: Uint8Array): number | undefined {
  try {
    const free = readTlvs(extCardResource).find((tlv) => tlv.tag === 0x82);
    return free === undefined ? undefined : contentOf(free).reduce((sum, octet) => sum * 256 + octet, 0);
  } catch {
    return undefined;
  }
}
