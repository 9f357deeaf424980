// The HTTPS server for requests that others make of the vehicle: whole bodies with a limit, client certificates judged by our own Clock and trust.
// Everything a peer could hold on to has a limit: connections, time for the handshake, for a request, for silence, for all of it; and octets.
import { constants } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import { createServer } from "node:https";
import type { AddressInfo, Socket } from "node:net";
import type { TLSSocket } from "node:tls";
import { emptyBytes } from "../../base/bytes.ts";
import type { Clock, Disposer, WallTime } from "../../base/clock.ts";
import { isCode, reasonOf, SimwardError } from "../../base/errors.ts";
import { peerName } from "../udp.ts";
import { presentedChain } from "./connection.ts";
import type { HttpsIdentity } from "./types.ts";

export interface HttpsServerRequest {
  readonly method: string;
  readonly path: string;
  /** Names in lower case; the first where one comes several times. */
  header(name: string): string | undefined;
  readonly body: Uint8Array;
  /** "address:port" */
  readonly peer: string;
  /** DER, leaf first; none where the client presented none. */
  readonly certificates: readonly Uint8Array[];
  /** Aborts when the connection is gone and nobody will read the answer. */
  readonly gone: AbortSignal;
}

export interface HttpsServerResponse {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array;
}

export interface HttpsServerOptions {
  readonly host: string;
  /** 0 lets the system choose. */
  readonly port: number;
  readonly identity: HttpsIdentity;
  readonly clock: Clock;
  /** Throws TLS_… for the chain of a client certificate that is not to be believed; its connection ends before anything is read. */
  readonly judge: (presented: readonly Uint8Array[], time: WallTime) => void;
  /** Whether a connection from that address may begin. */
  readonly admit: (address: string) => boolean;
  readonly handle: (request: HttpsServerRequest) => Promise<HttpsServerResponse>;
  /** Told of each connection that did not come to be, and of each that took too long. */
  readonly onRefused: (peer: string, reason: SimwardError) => void;
  /** When all are in use, the oldest that has no certificate makes room. */
  readonly maxConnections: number;
  readonly maxBodyBytes: number;
  readonly handshakeTimeoutMs: number;
  /** From its first octet to its last. */
  readonly requestTimeoutMs: number;
  readonly idleTimeoutMs: number;
  /** However busy it is. */
  readonly maxAgeMs: number;
}

export interface RunningHttpsServer {
  readonly port: number;
  readonly connections: number;
  close(): Promise<void>;
}

/** One connection, from its first packet on. */
interface Connection {
  readonly peer: string;
  readonly socket: Socket;
  certificates: readonly Uint8Array[];
  isSecure: boolean;
  /** Until the next thing that must happen has happened. */
  wait(ms: number, what: string): void;
  stopWaiting(): void;
}

/** Throws HTTP_LISTEN. */
export async function listenHttps(options: HttpsServerOptions): Promise<RunningHttpsServer> {
  const { clock, identity } = options;
  const connections = new Map<string, Connection>();
  let server: ReturnType<typeof createServer>;
  try {
    server = createServer({
      cert: identity.certificateChainPem,
      key: identity.privateKeyPem,
      minVersion: "TLSv1.2",
      requestCert: true,
      rejectUnauthorized: false,
      ALPNProtocols: ["http/1.1"],
      // A resumed session presents no certificate: each connection shows its own.
      secureOptions: constants.SSL_OP_NO_TICKET | constants.SSL_OP_NO_RENEGOTIATION,
      maxHeaderSize: 8_192,
      // Node's own timers run on another clock than ours.
      handshakeTimeout: 0x7fff_ffff,
      requestTimeout: 0,
      headersTimeout: 0,
      keepAliveTimeout: 0,
    });
  } catch (cause) {
    throw new SimwardError("HTTP_LISTEN", { detail: `the certificate or its key cannot be used: ${reasonOf(cause)}`, cause });
  }

  server.on("connection", (socket: Socket) => {
    const peer = peerName(socket.remoteAddress ?? "", socket.remotePort ?? 0);
    socket.on("error", () => undefined);
    if (socket.remoteAddress === undefined || !options.admit(socket.remoteAddress) || !makeRoom(connections, options.maxConnections)) {
      socket.destroy();
      return;
    }
    const connection = newConnection(socket, peer, options);
    connections.set(peer, connection);
    const stopAge = clock.after(options.maxAgeMs, () => socket.destroy());
    connection.wait(options.handshakeTimeoutMs, "the handshake");
    socket.on("close", () => {
      stopAge();
      connection.stopWaiting();
      connections.delete(peer);
    });
  });
  server.prependListener("secureConnection", (socket: TLSSocket) => {
    socket.on("error", () => undefined);
    const connection = connectionOf(socket, connections);
    if (connection === undefined) {
      socket.destroy();
      return;
    }
    try {
      const leaf = socket.getPeerCertificate(true);
      const certificates = leaf?.raw === undefined ? [] : presentedChain(leaf);
      if (certificates.length > 0) options.judge(certificates, clock.wall());
      connection.certificates = certificates;
      connection.isSecure = true;
      connection.wait(options.idleTimeoutMs, "a request");
    } catch (error) {
      options.onRefused(
        connection.peer,
        isCode(error, "TLS_UNTRUSTED", "TLS_HOST_MISMATCH", "TLS_EXPIRED")
          ? error
          : new SimwardError("TLS_UNTRUSTED", { detail: "the client's certificates could not be judged", cause: error }),
      );
      socket.destroy();
    }
  });
  server.on("tlsClientError", (error: Error, socket: TLSSocket) => {
    const connection = connectionOf(socket, connections);
    if (connection !== undefined && !connection.socket.destroyed)
      options.onRefused(
        connection.peer,
        new SimwardError("HTTP_CONNECT", { detail: `${connection.peer}: ${reasonOf(error)}`, cause: error }),
      );
    socket.destroy();
  });
  server.on("clientError", (_error: Error, socket: Socket) => socket.destroy());
  const onRequest = (request: IncomingMessage, response: ServerResponse): void => {
    const connection = connectionOf(request.socket, connections);
    if (connection === undefined || !connection.isSecure) request.socket.destroy();
    else serve(request, response, connection, options).catch(() => request.socket.destroy());
  };
  server.on("request", onRequest);
  // Nobody is told to go on with a body that is too long: what would be answered is answered at once.
  server.on("checkContinue", (request: IncomingMessage, response: ServerResponse) => {
    if (Number(request.headers["content-length"] ?? 0) <= options.maxBodyBytes) response.writeContinue();
    onRequest(request, response);
  });
  server.on("upgrade", (_request: IncomingMessage, socket: Socket) => socket.destroy());

  await new Promise<void>((resolve, reject) => {
    const failed = (cause: Error): void =>
      reject(new SimwardError("HTTP_LISTEN", { detail: `${peerName(options.host, options.port)}: ${reasonOf(cause)}`, cause }));
    server.once("error", failed);
    server.listen(options.port, options.host, () => {
      server.off("error", failed);
      server.on("error", () => undefined);
      resolve();
    });
  });
  return {
    port: (server.address() as AddressInfo).port,
    get connections() {
      return connections.size;
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const { socket } of connections.values()) socket.destroy();
        server.closeAllConnections();
      }),
  };
}

function newConnection(socket: Socket, peer: string, { clock, onRefused }: HttpsServerOptions): Connection {
  let stop: Disposer = () => undefined;
  return {
    peer,
    socket,
    certificates: [],
    isSecure: false,
    wait(ms, what) {
      stop();
      stop = clock.after(ms, () => {
        if (what !== "a request") onRefused(peer, new SimwardError("HTTP_TIMEOUT", { detail: `${peer}: ${what} took more than ${ms} ms` }));
        socket.destroy();
      });
    },
    stopWaiting: () => stop(),
  };
}

/** A TLS socket and the TCP socket below it have the same peer. */
function connectionOf(socket: Socket, connections: ReadonlyMap<string, Connection>): Connection | undefined {
  return connections.get(peerName(socket.remoteAddress ?? "", socket.remotePort ?? 0));
}

function makeRoom(connections: ReadonlyMap<string, Connection>, max: number): boolean {
  if (connections.size < max) return true;
  // In the order in which they came.
  const oldest = [...connections.values()].find(({ certificates }) => certificates.length === 0);
  oldest?.socket.destroy();
  return oldest !== undefined;
}

async function serve(
  request: IncomingMessage,
  response: ServerResponse,
  connection: Connection,
  options: HttpsServerOptions,
): Promise<void> {
  connection.wait(options.requestTimeoutMs, "a request's body");
  const body = await readBody(request, options.maxBodyBytes);
  // How long an answer takes is the handler's affair.
  connection.stopWaiting();
  const gone = new AbortController();
  const onClose = (): void => gone.abort(new SimwardError("HTTP_CLOSED", { detail: connection.peer }));
  connection.socket.once("close", onClose);
  if (connection.socket.destroyed) onClose();
  try {
    const answer: HttpsServerResponse =
      body === undefined
        ? { status: 413 }
        : await options.handle({
            method: request.method ?? "",
            path: (request.url ?? "").split("?")[0] ?? "",
            header: (name) => {
              const value = request.headers[name];
              return Array.isArray(value) ? value[0] : value;
            },
            body,
            peer: connection.peer,
            certificates: connection.certificates,
            gone: gone.signal,
          });
    if (gone.signal.aborted) return;
    const { status, headers = {}, body: content = emptyBytes } = answer;
    const last = body === undefined;
    response.writeHead(status, {
      ...headers,
      ...(last ? { Connection: "close" } : {}),
      ...(status === 204 ? {} : { "Content-Length": String(content.length) }),
    });
    connection.wait(options.idleTimeoutMs, "a request");
    // The rest of a body that was too long is not waited for.
    response.end(content, () => {
      if (last) connection.socket.destroy();
    });
  } finally {
    connection.socket.off("close", onClose);
  }
}

/** Undefined when it is longer than allowed. */
async function readBody(request: IncomingMessage, maxBytes: number): Promise<Uint8Array | undefined> {
  if (Number(request.headers["content-length"] ?? 0) > maxBytes) return undefined;
  const parts: Buffer[] = [];
  let length = 0;
  for await (const part of request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    length += part.length;
    if (length > maxBytes) return undefined;
    parts.push(part);
  }
  return new Uint8Array(Buffer.concat(parts));
}
