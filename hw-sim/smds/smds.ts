// The virtual SM-DS (ES11, SGP.22 §5.8): authenticates an eUICC and tells it which servers hold something for it. Events are registered by hand, as
// ES12 is between servers.
import { equalBytes, toHex } from "../../base/bytes.ts";
import type { Clock } from "../../base/clock.ts";
import { SimwardError } from "../../base/errors.ts";
import { type Random, systemRandom } from "../../base/random.ts";
import { encode } from "../../ipa/asn1/schema.ts";
import { writeTlv } from "../../ipa/asn1/tlv.ts";
import { EUICCInfo1 } from "../../ipa/messages/euicc-info.ts";
import { AuthenticateServerResponse, ServerSigned1 } from "../../ipa/messages/rsp.ts";
import { ecdsaSign } from "../crypto/ecdsa.ts";
import { type HttpAnswer, type HttpRequest, type HttpServer, jsonAnswer, jsonBody, startHttpServer } from "../http/server.ts";
import { parseCertificate } from "../pki/certificate.ts";
import { roles, verifyEuiccChain } from "../pki/chain.ts";
import { newKey, type Pki } from "../pki/pki.ts";
import { verifyTolerantly } from "../pki/signature.ts";
import {
  authorityKeyIdentifier,
  buildCertificate,
  certificatePolicy,
  encodeName,
  keyIdentifierOf,
  keyUsage,
  spkiOf,
  subjectAltName,
  subjectKeyIdentifier,
} from "../pki/x509.ts";
import {
  bytesField,
  failure,
  isObject,
  type JsonObject,
  success,
  textField,
  tlvField,
  toBase64,
  transactionIdField,
  transactionIdText,
} from "../smdp/json.ts";
import { sameAddress } from "../smdp/service.ts";
import { refuse, refusedStatus } from "../smdp/status.ts";

export interface SmdsOptions {
  readonly clock: Clock;
  readonly random?: Random;
  /** The world whose CI issues its certificates. */
  readonly pki: Pki;
  readonly host?: string;
  readonly port?: number;
  /** As eUICCs have it; localhost and its port by default. */
  readonly address?: string;
}

/** Something waits at a server for an eUICC (SGP.22 §5.9.1). */
export interface RspEvent {
  readonly eid: string;
  readonly eventId: string;
  readonly rspServerAddress: string;
}

export interface Smds {
  start(): Promise<{ readonly address: string; readonly port: number }>;
  stop(): Promise<void>;
  readonly address: string;
  readonly events: readonly RspEvent[];
  registerEvent(event: RspEvent): void;
  deleteEvent(eid: string, eventId: string): void;
  /** Whosever they are. */
  deleteEvents(eventId: string): void;
  /** One function in process. Throws SIM_REQUEST for one that an SM-DS has not. */
  handle(functionName: string, body: JsonObject): Promise<JsonObject | undefined>;
}

interface Session {
  readonly transactionId: Uint8Array;
  readonly serverChallenge: Uint8Array;
  readonly serverAddress: string;
}

const basePath = "/gsma/rsp2/es9plus/";
const maxSessions = 1_000;

export function createSmds(options: SmdsOptions): Smds {
  const { clock, pki, random = systemRandom, host = "127.0.0.1" } = options;
  const dsauth = issueDsAuth(pki, clock, random);
  const sessions = new Map<string, Session>();
  let events: readonly RspEvent[] = [];
  let address = options.address ?? `localhost:${options.port ?? 0}`;
  let server: HttpServer | undefined;

  /** SGP.22 §5.8.1 */
  const initiateAuthentication = (body: JsonObject): JsonObject => {
    const euiccChallenge = bytesField(body, "euiccChallenge");
    const serverAddress = textField(body, "smdpAddress");
    if (!sameAddress(serverAddress, address)) throw refuse("invalidSmdpAddress");
    const { euiccCiPKIdListForSigning } = tlvField(body, "euiccInfo1", EUICCInfo1);
    const ciPKId = pki.get("ci").subjectKeyIdentifier;
    if (!euiccCiPKIdListForSigning.some((id) => equalBytes(id, ciPKId))) throw refuse("noCommonCi");
    const session: Session = { transactionId: random.bytes(16), serverChallenge: random.bytes(16), serverAddress };
    const oldest = sessions.size >= maxSessions ? sessions.keys().next().value : undefined;
    if (oldest !== undefined) sessions.delete(oldest);
    sessions.set(toHex(session.transactionId), session);
    const serverSigned1 = encode(ServerSigned1, { ...session, euiccChallenge });
    return success({
      transactionId: transactionIdText(session.transactionId),
      serverSigned1: toBase64(serverSigned1),
      serverSignature1: toBase64(writeTlv(0x5f37, ecdsaSign(dsauth.privateKey, serverSigned1))),
      euiccCiPKIdToBeUsed: toBase64(writeTlv(0x04, ciPKId)),
      serverCertificate: toBase64(dsauth.certificate),
    });
  };

  /** SGP.22 §5.8.2: with an event id that event's server, without one all that wait for the eUICC. */
  const authenticateClient = (body: JsonObject): JsonObject => {
    const key = toHex(transactionIdField(body));
    const session = sessions.get(key);
    if (session === undefined) throw refuse("unknownTransactionId");
    sessions.delete(key);
    const response = tlvField(body, "authenticateServerResponse", AuthenticateServerResponse);
    if (response.kind !== "authenticateResponseOk") throw refuse("euiccRefused");
    const { euiccSigned1, euiccSignature1, euiccCertificate, eumCertificate } = response.value;
    const chain = verifyEuiccChain(euiccCertificate, eumCertificate, { anchors: [pki.get("ci").certificate], atMs: clock.now() });
    if (!verifyTolerantly(chain.euicc.publicKey, euiccSignature1, euiccSigned1.raw)) throw refuse("euiccSignatureInvalid");
    const { serverChallenge, ctxParams1 } = euiccSigned1.value;
    if (!equalBytes(serverChallenge, session.serverChallenge)) throw refuse("euiccSignatureInvalid", "challenge");
    const wanted = ctxParams1.value.matchingId ?? "";
    const found = events.filter(({ eid, eventId }) => eid === chain.eid && (wanted === "" || eventId === wanted));
    if (wanted !== "" && found.length === 0) throw refuse("eventIdUnknown");
    return success({
      transactionId: transactionIdText(session.transactionId),
      eventEntries: found.map(({ eventId, rspServerAddress }) => ({ eventId, rspServerAddress })),
    });
  };

  const handle = async (functionName: string, body: JsonObject): Promise<JsonObject> => {
    const run = { initiateAuthentication, authenticateClient }[functionName];
    if (run === undefined) throw new SimwardError("SIM_REQUEST", { detail: `ES11 has no function ${JSON.stringify(functionName)}` });
    try {
      return run(body);
    } catch (error) {
      return failure(refusedStatus(error) ?? "executionError", error instanceof SimwardError ? error.detail : undefined);
    }
  };

  const answer = async ({ method, path, ...request }: HttpRequest): Promise<HttpAnswer> => {
    const functionName = path.startsWith(basePath) ? path.slice(basePath.length) : "";
    if (functionName !== "initiateAuthentication" && functionName !== "authenticateClient") return { status: 404 };
    if (method !== "POST") return { status: 405, headers: { Allow: "POST" } };
    const body = jsonBody({ method, path, ...request });
    if (!isObject(body)) throw refuse("elementInvalid", "the body is no JSON object");
    return jsonAnswer(200, await handle(functionName, body), { "X-Admin-Protocol": "gsma/rsp/v2.5.0" });
  };

  return {
    start: async () => {
      server = await startHttpServer({ host, port: options.port ?? 0, tls: pki.issue("dptls"), handle: answer });
      address = options.address ?? `localhost:${server.port}`;
      return { address, port: server.port };
    },
    stop: async () => {
      await server?.stop();
      server = undefined;
    },
    get address() {
      return address;
    },
    get events() {
      return events;
    },
    registerEvent: (event) => {
      events = [...events, event];
    },
    deleteEvent: (eid, eventId) => {
      events = events.filter((event) => event.eid !== eid || event.eventId !== eventId);
    },
    deleteEvents: (eventId) => {
      events = events.filter((event) => event.eventId !== eventId);
    },
    handle,
  };
}

const yearMs = 365 * 86_400_000;

/** CERT.DSauth (SGP.22 §4.5.2.1). Throws SIM_PKI where the CI's key is not at hand. */
function issueDsAuth(
  pki: Pki,
  clock: Clock,
  random: Random,
): { readonly certificate: Uint8Array; readonly privateKey: ReturnType<typeof newKey> } {
  const ci = pki.get("ci");
  const privateKey = newKey(pki.curve);
  const subjectPublicKeyInfo = spkiOf(privateKey);
  const serialNumber = random.bytes(16);
  serialNumber[0] = ((serialNumber[0] ?? 0) & 0x3f) | 0x40;
  const certificate = buildCertificate(
    {
      serialNumber,
      issuer: parseCertificate(ci.certificate).subject,
      subject: encodeName([
        ["O", "ACME"],
        ["CN", "TEST SM-DS"],
      ]),
      notBeforeMs: clock.now() - 86_400_000,
      notAfterMs: clock.now() + 10 * yearMs,
      subjectPublicKeyInfo,
      extensions: [
        authorityKeyIdentifier(ci.subjectKeyIdentifier),
        subjectKeyIdentifier(keyIdentifierOf(subjectPublicKeyInfo)),
        certificatePolicy(roles.dsauth.policy, true),
        keyUsage("digitalSignature"),
        subjectAltName([], "2.999.15"),
      ],
    },
    ci.privateKey,
  );
  return { certificate, privateKey };
}
