// ESipa with the roles turned round (SGP.32 §3.1.1.2, §6.1 to §6.3): CoAPs and HTTPS servers to which eIMs bring their packages,
// in ASN.1 or JSON, as the path says.
// Who may bring what is decided behind `handle`; here a peer is only known by what it presented, and kept within limits.
import type { Clock, Disposer, WallTime } from "../base/clock.ts";
import { asSimwardError, type SimwardError } from "../base/errors.ts";
import type { Random } from "../base/random.ts";
import { createCoapServer } from "./coap/server.ts";
import type { CoapServerRequest, CoapServerResponse } from "./coap/types.ts";
import type { Dtls, DtlsIdentity, DtlsServerAssociation } from "./dtls/types.ts";
import { type HttpsServerRequest, type HttpsServerResponse, listenHttps } from "./https/server.ts";
import { createRateLimits } from "./rate.ts";

export type InjectionScheme = "coaps" | "https";

export type InjectionEncoding = "asn1" | "json";

export interface InjectionPeer {
  readonly scheme: InjectionScheme;
  /** "address:port" */
  readonly address: string;
  /** DER, leaf first; none where it presented none. */
  readonly certificates: readonly Uint8Array[];
  /** Aborts when nobody will read the answer. */
  readonly gone: AbortSignal;
}

/** status as HTTP counts; a body with 200 only. */
export interface InjectionReply {
  readonly status: 200 | 429 | 500 | 503;
  readonly body?: Uint8Array;
}

export interface InjectionLimits {
  /** Connections and associations of one server at a time; the oldest without a certificate makes room. */
  readonly maxPeers: number;
  /** One message. */
  readonly maxBodyBytes: number;
  /** Connections and associations begun from one address. */
  readonly connectionsPerMinute: number;
  readonly handshakeTimeoutMs: number;
  readonly requestTimeoutMs: number;
  readonly idleTimeoutMs: number;
  /** However busy it is. */
  readonly maxAgeMs: number;
}

export const defaultInjectionLimits: InjectionLimits = {
  maxPeers: 16,
  maxBodyBytes: 16_384,
  connectionsPerMinute: 20,
  handshakeTimeoutMs: 20_000,
  requestTimeoutMs: 60_000,
  idleTimeoutMs: 120_000,
  maxAgeMs: 3_600_000,
};

export interface InjectionServerOptions {
  readonly scheme: InjectionScheme;
  readonly host: string;
  /** 0 lets the system choose. */
  readonly port: number;
  readonly identity: DtlsIdentity;
  readonly dtls: Dtls;
  readonly clock: Clock;
  readonly random: Random;
  readonly limits?: Partial<InjectionLimits>;
  /** Throws TLS_… for the chain of a client certificate that is nobody's. */
  readonly judge: (presented: readonly Uint8Array[], time: WallTime) => void;
  /** One BF4E, or what should be one; in JSON the body of TransferEimPackage. The answer is of the same kind. */
  readonly handle: (peer: InjectionPeer, message: Uint8Array, encoding: InjectionEncoding) => Promise<InjectionReply>;
  /** Told of what did not come as far as `handle`. */
  readonly onRefused: (peer: { readonly scheme: InjectionScheme; readonly address: string }, reason: SimwardError) => void;
}

export interface InjectionServer {
  readonly scheme: InjectionScheme;
  readonly port: number;
  /** Connections or associations under way or open. */
  readonly peers: number;
  close(): Promise<void>;
}

/** SGP.32 §6.1: both sides of an exchange have one type, and the path tells which. */
const bindings: readonly {
  readonly path: string;
  readonly encoding: InjectionEncoding;
  readonly contentType: string;
  readonly accepted: string;
}[] = [
  { path: "gsma/rsp2/asn1", encoding: "asn1", contentType: "application/x-gsma-rsp-asn1", accepted: "application/x-gsma-rsp-asn1" },
  {
    path: "gsma/rsp2/esipa/transferEimPackage",
    encoding: "json",
    contentType: "application/json;charset=UTF-8",
    accepted: "application/json",
  },
];
const adminProtocol = "gsma/rsp/v2.1.0";

/** Throws UDP_UNREACHABLE, DTLS_CONFIG, OPENSSL_MISSING, HTTP_LISTEN. */
export function listenForInjection(options: InjectionServerOptions): Promise<InjectionServer> {
  const limits = { ...defaultInjectionLimits, ...options.limits };
  return options.scheme === "coaps" ? listenCoaps(options, limits) : listenOverHttps(options, limits);
}

// --- CoAP over DTLS ---------------------------------------------------------------------------------------------------------

async function listenCoaps(options: InjectionServerOptions, limits: InjectionLimits): Promise<InjectionServer> {
  const { clock, random, judge, onRefused } = options;
  const open = new Map<DtlsServerAssociation, { readonly gone: AbortController; readonly stopAge: Disposer }>();
  const coap = createCoapServer({
    clock,
    random,
    maxBodyBytes: limits.maxBodyBytes,
    // Unfinished bodies of all peers together.
    maxStateBytes: 2 * limits.maxBodyBytes * limits.maxPeers,
    handle: (request) => answerCoap(request),
    onError: (error, { link }) => onRefused({ scheme: "coaps", address: link.peer }, asSimwardError(error)),
  });
  const answerCoap = async (request: CoapServerRequest): Promise<CoapServerResponse> => {
    const association = request.link as DtlsServerAssociation;
    const binding = bindings.find(({ path }) => path === request.path);
    if (binding === undefined) return { code: "4.04" };
    if (request.method !== "POST") return { code: "4.05" };
    const gone = open.get(association)?.gone.signal;
    if (gone === undefined) return { code: "5.03" };
    const peer = { scheme: "coaps", address: association.peer, certificates: association.peerCertificates, gone } as const;
    const { status, body } = await options.handle(peer, request.payload ?? new Uint8Array(0), binding.encoding);
    return status === 200 ? { code: "2.04", ...(body === undefined ? {} : { payload: body }) } : { code: coapCodes[status] };
  };
  const server = await options.dtls
    .listen({
      host: options.host,
      port: options.port,
      identity: options.identity,
      clientCertificates: { mode: "request", anchors: [], judge },
      admit: createRateLimits(clock, { perMinute: limits.connectionsPerMinute }),
      associationsMax: limits.maxPeers,
      handshakeTimeoutMs: limits.handshakeTimeoutMs,
      idleTimeoutMs: limits.idleTimeoutMs,
      connectionId: true,
      onRefused: (address, reason) => onRefused({ scheme: "coaps", address }, asSimwardError(reason)),
      clock,
    })
    .catch((error: unknown) => {
      coap.close();
      throw error;
    });
  server.onLink((association) => {
    const gone = new AbortController();
    const stopAge = clock.after(limits.maxAgeMs, () => association.close());
    open.set(association, { gone, stopAge });
    coap.serve(association);
    association.onClosed((reason) => {
      stopAge();
      open.delete(association);
      gone.abort(reason);
    });
    // One place is always kept for whoever has a certificate to show.
    const unproven = [...open.keys()].filter(({ peerCertificates }) => peerCertificates.length === 0);
    if (unproven.length >= limits.maxPeers) unproven[0]?.close();
  });
  return {
    scheme: "coaps",
    port: server.port,
    get peers() {
      return server.size;
    },
    close: async () => {
      coap.close();
      await server.close();
    },
  };
}

/** 4.29: RFC 8516. */
const coapCodes: Readonly<Record<Exclude<InjectionReply["status"], 200>, string>> = { 429: "4.29", 500: "5.00", 503: "5.03" };

// --- HTTPS ------------------------------------------------------------------------------------------------------------------

async function listenOverHttps(options: InjectionServerOptions, limits: InjectionLimits): Promise<InjectionServer> {
  const { clock, host, port, identity, judge, onRefused } = options;
  const server = await listenHttps({
    host,
    port,
    identity,
    clock,
    judge,
    admit: createRateLimits(clock, { perMinute: limits.connectionsPerMinute }),
    handle: (request) => answerHttp(request, options),
    onRefused: (address, reason) => onRefused({ scheme: "https", address }, reason),
    maxConnections: limits.maxPeers,
    maxBodyBytes: limits.maxBodyBytes,
    handshakeTimeoutMs: limits.handshakeTimeoutMs,
    requestTimeoutMs: limits.requestTimeoutMs,
    idleTimeoutMs: limits.idleTimeoutMs,
    maxAgeMs: limits.maxAgeMs,
  });
  return {
    scheme: "https",
    port: server.port,
    get peers() {
      return server.connections;
    },
    close: () => server.close(),
  };
}

async function answerHttp(request: HttpsServerRequest, options: InjectionServerOptions): Promise<HttpsServerResponse> {
  const binding = bindings.find(({ path }) => `/${path}` === request.path);
  if (binding === undefined) return { status: 404 };
  if (request.method !== "POST") return { status: 405, headers: { Allow: "POST" } };
  if (request.header("content-type")?.split(";")[0]?.trim().toLowerCase() !== binding.accepted) return { status: 415 };
  const asked = request.header("x-admin-protocol");
  const headers = { "X-Admin-Protocol": asked !== undefined && /^gsma\/rsp\/v[\d.]+$/.test(asked) ? asked : adminProtocol };
  const { peer, certificates, gone } = request;
  const from = { scheme: "https", address: peer, certificates, gone } as const;
  const reply = await options.handle(from, request.body, binding.encoding).catch((error: unknown) => {
    options.onRefused({ scheme: "https", address: peer }, asSimwardError(error));
    return { status: 500 } as const;
  });
  const { status, body }: InjectionReply = reply;
  if (body === undefined) return { status, headers: status === 200 ? headers : { ...headers, "Retry-After": "60" } };
  return { status, headers: { ...headers, "Content-Type": binding.contentType }, body };
}
