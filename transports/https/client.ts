// The HTTPS client: keep-alive connections by peer and trust, sessions resumed, one deadline a request, a cap on what is read.
import type { ClientRequest, IncomingMessage } from "node:http";
import { Agent, request as httpsRequest } from "node:https";
import { isIPv6 } from "node:net";
import type { Duplex } from "node:stream";
import { emptyBytes } from "../../base/bytes.ts";
import { type Clock, type Disposer, deadline } from "../../base/clock.ts";
import { SimwardError } from "../../base/errors.ts";
import { type CertificateTrust, trustFingerprint } from "../certificates.ts";
import type { Resolve } from "../resolve.ts";
import { connectError, type KeptSession, type OpenedConnection, openConnection } from "./connection.ts";
import type { HttpsClient, HttpsPeer, HttpsRequest, HttpsResponse } from "./types.ts";

export interface HttpsClientOptions {
  readonly clock: Clock;
  /** From the first packet to the last octet of the answer; 60,000 by default. */
  readonly timeoutMs?: number;
  /** 2 MiB by default. */
  readonly maxBodyBytes?: number;
  /** A connection without traffic for this long is closed; 30,000 by default. */
  readonly idleCloseMs?: number;
  /** How hosts' addresses are found; as the system does by default. */
  readonly resolve?: Resolve | undefined;
}

type CertificatePeer = HttpsPeer & { readonly trust: CertificateTrust };

/** Whoever asks many servers keeps only the latest of them. */
const maxEndpoints = 16;

export function createHttpsClient(options: HttpsClientOptions): HttpsClient {
  const { clock, timeoutMs = 60_000, maxBodyBytes = 2_097_152, idleCloseMs = 30_000, resolve } = options;
  const endpoints = new Map<string, Endpoint>();
  const counters = { full: 0, resumed: 0, requests: 0 };
  const closing = new AbortController();

  const onOpen = ({ resumed }: OpenedConnection): void => {
    counters[resumed ? "resumed" : "full"]++;
  };

  const endpointOf = (peer: CertificatePeer): Endpoint => {
    const key = [peer.host, peer.port, peer.serverName, trustFingerprint(peer.trust), peer.identity?.certificateChainPem].join(" ");
    const endpoint = endpoints.get(key) ?? new Endpoint({ peer, clock, timeoutMs, idleCloseMs, resolve, onOpen });
    endpoints.delete(key);
    endpoints.set(key, endpoint);
    for (const [oldest, unused] of endpoints) {
      if (endpoints.size <= maxEndpoints) break;
      endpoints.delete(oldest);
      unused.close();
    }
    return endpoint;
  };

  return {
    counters,
    request: async (peer, request, signal) => {
      const { trust } = peer;
      if (trust.kind === "psk")
        throw new SimwardError("TRANSPORT_SCHEME", { detail: `${peer.host}: a pre-shared key is for coaps, not https` });
      const parent = signal === undefined ? closing.signal : AbortSignal.any([signal, closing.signal]);
      const where = `${peer.host}:${peer.port}`;
      const late = (): SimwardError => new SimwardError("HTTP_TIMEOUT", { detail: `${where} took more than ${timeoutMs} ms` });
      const limit = deadline(clock, timeoutMs, late, parent);
      counters.requests++;
      try {
        return await endpointOf({ ...peer, trust }).send(request, maxBodyBytes, limit.signal);
      } finally {
        limit.done();
      }
    },
    close: () => {
      closing.abort(new SimwardError("ABORTED", { detail: "the HTTPS client was closed" }));
      for (const endpoint of endpoints.values()) endpoint.close();
      endpoints.clear();
    },
  };
}

interface EndpointOptions {
  readonly peer: CertificatePeer;
  readonly clock: Clock;
  readonly timeoutMs: number;
  readonly idleCloseMs: number;
  readonly resolve: Resolve | undefined;
  readonly onOpen: (opened: OpenedConnection) => void;
}

/** One peer under one trust: its connections and its session. */
class Endpoint {
  readonly #peer: CertificatePeer;
  readonly #clock: Clock;
  readonly #idleCloseMs: number;
  readonly #agent: CheckedAgent;
  #stopIdle: Disposer = () => undefined;
  #active = 0;

  constructor(options: EndpointOptions) {
    this.#peer = options.peer;
    this.#clock = options.clock;
    this.#idleCloseMs = options.idleCloseMs;
    this.#agent = new CheckedAgent(options);
  }

  async send(request: HttpsRequest, maxBodyBytes: number, signal: AbortSignal): Promise<HttpsResponse> {
    this.#stopIdle();
    this.#active++;
    try {
      const first = await this.#try(request, maxBodyBytes, signal);
      if (first.kind === "answer") return first.response;
      // A kept connection broke as it was used again: servers close idle ones without asking, and most likely have not seen the request.
      const second = await this.#try(request, maxBodyBytes, signal);
      if (second.kind === "answer") return second.response;
      throw second.error;
    } finally {
      this.#active--;
      if (this.#active === 0) this.#stopIdle = this.#clock.after(this.#idleCloseMs, () => this.#agent.destroy());
    }
  }

  close(): void {
    this.#stopIdle();
    this.#agent.destroy();
  }

  #try(
    request: HttpsRequest,
    maxBodyBytes: number,
    signal: AbortSignal,
  ): Promise<{ readonly kind: "answer"; readonly response: HttpsResponse } | { readonly kind: "stale"; readonly error: Error }> {
    const { host, port, serverName } = this.#peer;
    const where = `${host}:${port}`;
    const body = request.body ?? emptyBytes;
    return new Promise((resolve, reject) => {
      if (signal.aborted) {
        reject(signal.reason);
        return;
      }
      const outgoing: ClientRequest = httpsRequest({
        agent: this.#agent,
        host,
        port,
        method: request.method,
        path: request.path,
        headers: {
          Host: authority(serverName, port),
          ...request.headers,
          ...(request.method === "POST" && { "Content-Length": String(body.length) }),
        },
      });
      const leave = (): void => signal.removeEventListener("abort", onAbort);
      const fail = (reason: unknown): void => {
        leave();
        reject(reason);
        outgoing.destroy();
      };
      const onAbort = (): void => fail(signal.reason);
      signal.addEventListener("abort", onAbort, { once: true });
      outgoing.on("error", (error) => {
        if (outgoing.reusedSocket && !signal.aborted && !(error instanceof SimwardError)) {
          leave();
          resolve({ kind: "stale", error: closedError(where, error) });
        } else fail(messageOrConnectError(where, error));
      });
      outgoing.on("response", (incoming) => {
        outgoing.removeAllListeners("error").on("error", () => undefined);
        readBody(incoming, maxBodyBytes, where).then(
          (read) => {
            leave();
            resolve({ kind: "answer", response: { status: incoming.statusCode ?? 0, headers: plainHeaders(incoming), body: read } });
          },
          (error) => fail(signal.aborted ? signal.reason : error),
        );
      });
      outgoing.end(body);
    });
  }
}

/** Hands a connection to node:https only once it was judged. */
class CheckedAgent extends Agent {
  readonly #peer: CertificatePeer;
  readonly #clock: Clock;
  readonly #timeoutMs: number;
  readonly #resolve: Resolve | undefined;
  readonly #onOpen: (opened: OpenedConnection) => void;
  readonly #connecting = new Set<(reason: Error) => void>();
  #kept: KeptSession | undefined;

  constructor({ peer, clock, timeoutMs, resolve, onOpen }: EndpointOptions) {
    super({ keepAlive: true, maxSockets: 2, maxFreeSockets: 1 });
    this.#peer = peer;
    this.#clock = clock;
    this.#timeoutMs = timeoutMs;
    this.#resolve = resolve;
    this.#onOpen = onOpen;
  }

  override createConnection(_options: object, callback?: (error: Error | null, stream: Duplex) => void): Duplex | null | undefined {
    const resume = this.#kept;
    const onSession = (kept: KeptSession): void => {
      this.#kept = kept;
    };
    const giveUp = openConnection({ peer: this.#peer, clock: this.#clock, resolve: this.#resolve, resume, onSession }, (error, opened) => {
      stopTimer();
      this.#connecting.delete(giveUp);
      if (opened !== undefined) this.#onOpen(opened);
      // A session that did not serve must not stand in the way of a full handshake.
      if (opened?.resumed !== true && this.#kept === resume) this.#kept = undefined;
      // Node takes an error without a stream, whatever the declaration says.
      callback?.(error, opened?.socket as Duplex);
    });
    this.#connecting.add(giveUp);
    // The request that wanted it may be gone by then; the connection must end all the same.
    const stopTimer = this.#clock.after(this.#timeoutMs, () =>
      giveUp(new SimwardError("HTTP_TIMEOUT", { detail: `${this.#peer.host}:${this.#peer.port}` })),
    );
    return undefined;
  }

  override destroy(): void {
    for (const giveUp of this.#connecting) giveUp(new SimwardError("ABORTED", { detail: `${this.#peer.host}:${this.#peer.port}` }));
    super.destroy();
  }
}

function authority(name: string, port: number): string {
  const host = isIPv6(name) ? `[${name}]` : name;
  return port === 443 ? host : `${host}:${port}`;
}

async function readBody(incoming: IncomingMessage, maxBodyBytes: number, where: string): Promise<Uint8Array> {
  const tooLarge = (): SimwardError => new SimwardError("HTTP_TOO_LARGE", { detail: `${where}: more than ${maxBodyBytes} octets` });
  if (Number(incoming.headers["content-length"] ?? 0) > maxBodyBytes) throw tooLarge();
  const parts: Buffer[] = [];
  let length = 0;
  try {
    for await (const part of incoming as AsyncIterable<Buffer>) {
      length += part.length;
      if (length > maxBodyBytes) throw tooLarge();
      parts.push(part);
    }
  } catch (error) {
    throw error instanceof SimwardError ? error : closedError(where, error);
  }
  return new Uint8Array(Buffer.concat(parts));
}

function plainHeaders(incoming: IncomingMessage): Record<string, string> {
  const out: Record<string, string> = {};
  for (const [name, value] of Object.entries(incoming.headers))
    if (value !== undefined) out[name] = Array.isArray(value) ? value.join(", ") : value;
  return out;
}

function closedError(where: string, error: unknown): SimwardError {
  if (error instanceof SimwardError) return error;
  return new SimwardError("HTTP_CLOSED", { detail: `${where}: ${error instanceof Error ? error.message : String(error)}`, cause: error });
}

/** Node's HTTP parser names its errors HPE_…. */
function messageOrConnectError(where: string, error: Error & { readonly code?: string }): SimwardError {
  if (error.code?.startsWith("HPE_") === true) return new SimwardError("HTTP_MESSAGE", { detail: `${where}: ${error.code}`, cause: error });
  return error.code === "ECONNRESET" ? closedError(where, error) : connectError(where, error);
}
