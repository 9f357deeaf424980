// HTTP and HTTPS for the virtual servers: whole bodies with a limit, answers as values, streams of lines, certificates changed while it runs.
// Stopping closes every connection.
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { createServer as createTlsServer, Server as TlsServer } from "node:https";
import type { AddressInfo } from "node:net";
import { concatBytes, emptyBytes } from "../../base/bytes.ts";
import type { Disposer } from "../../base/clock.ts";
import { errorReport, isCode, SimwardError } from "../../base/errors.ts";

/** PEM; the chain goes leaf first. */
export interface TlsIdentity {
  readonly certificatePem: string;
  readonly privateKeyPem: string;
}

export interface HttpRequest {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  /** Lower-case names; undefined when absent. */
  header(name: string): string | undefined;
  readonly body: Uint8Array;
}

export interface HttpAnswer {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array | string;
  /** Lines sent as they come, until the peer leaves or the server stops; the function given back ends them. */
  readonly lines?: (send: (line: string) => void) => Disposer;
}

export interface HttpServerOptions {
  /** Whose it is, for who asked for it: "order API (--api-port)". */
  readonly what?: string;
  readonly host: string;
  /** 0 lets the system choose. */
  readonly port: number;
  readonly tls?: TlsIdentity;
  readonly maxBodyBytes?: number;
  /** "silence" leaves the request without an answer. What it throws becomes 400 for SIM_REQUEST and CERTIFICATE, else 500. */
  readonly handle: (request: HttpRequest) => Promise<HttpAnswer | "silence">;
}

export interface HttpServer {
  readonly port: number;
  /** For connections from now on; those open are closed. */
  setIdentity(tls: TlsIdentity): void;
  stop(): Promise<void>;
}

/** Throws SIM_OPTION when it cannot listen there. */
export async function startHttpServer(options: HttpServerOptions): Promise<HttpServer> {
  const streams = new Set<Disposer>();
  const onRequest = (request: IncomingMessage, response: ServerResponse): void => {
    serve(request, response, options, streams).catch(() => response.destroy());
  };
  const server: Server =
    options.tls === undefined
      ? createServer(onRequest)
      : createTlsServer({ ...secureContext(options.tls), minVersion: "TLSv1.2" }, onRequest);
  await listen(server, options);
  return {
    port: (server.address() as AddressInfo).port,
    setIdentity: (tls) => {
      if (!(server instanceof TlsServer)) throw new SimwardError("SIM_OPTION", { detail: "a server without TLS has no certificate" });
      server.setSecureContext(secureContext(tls));
      server.closeAllConnections();
    },
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const end of streams) end();
        server.closeAllConnections();
      }),
  };
}

const secureContext = (tls: TlsIdentity): { readonly cert: string; readonly key: string } => ({
  cert: tls.certificatePem,
  key: tls.privateKeyPem,
});

function listen(server: Server, { what, host, port }: HttpServerOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    const failed = (cause: Error): void =>
      reject(
        new SimwardError("SIM_OPTION", {
          detail: `${what === undefined ? "" : `${what}: `}cannot listen on ${host}:${port}: ${cause.message}`,
          cause,
        }),
      );
    server.once("error", failed);
    server.listen(port, host, () => {
      server.off("error", failed);
      resolve();
    });
  });
}

async function serve(
  request: IncomingMessage,
  response: ServerResponse,
  options: HttpServerOptions,
  streams: Set<Disposer>,
): Promise<void> {
  const body = await readBody(request, options.maxBodyBytes ?? 1 << 20);
  const answer = body === undefined ? errorAnswer(413, "the body is too long") : await answerTo(request, body, options);
  if (answer === "silence" || response.destroyed) return;
  const { status, headers = {}, body: content = emptyBytes, lines } = answer;
  if (lines === undefined) {
    response.writeHead(status, { ...headers, ...(status === 204 ? {} : { "Content-Length": Buffer.byteLength(content) }) });
    response.end(content);
    // The rest of a body that was too long is not waited for.
    if (body === undefined) response.once("finish", () => request.destroy());
    return;
  }
  response.writeHead(status, headers);
  response.flushHeaders();
  const stop = lines((line) => response.write(`${line}\n`));
  const end = (): void => {
    if (!streams.delete(end)) return;
    stop();
    response.end();
  };
  streams.add(end);
  response.once("close", end);
}

async function answerTo(request: IncomingMessage, body: Uint8Array, options: HttpServerOptions): Promise<HttpAnswer | "silence"> {
  const url = new URL(request.url ?? "/", "http://localhost");
  const header = (name: string): string | undefined => {
    const value = request.headers[name];
    return Array.isArray(value) ? value[0] : value;
  };
  try {
    return await options.handle({ method: request.method ?? "GET", path: url.pathname, query: url.searchParams, header, body });
  } catch (error) {
    const isRequest = isCode(error, "SIM_REQUEST", "CERTIFICATE");
    return jsonAnswer(isRequest ? 400 : 500, { error: errorReport(error) });
  }
}

/** Undefined when it is longer than allowed. */
async function readBody(request: IncomingMessage, maxBytes: number): Promise<Uint8Array | undefined> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of request.iterator({ destroyOnReturn: false })) {
    const octets = chunk as Uint8Array;
    bytes += octets.length;
    if (bytes > maxBytes) return undefined;
    chunks.push(octets);
  }
  return concatBytes(...chunks);
}

export function jsonAnswer(status: number, value: unknown, headers: Readonly<Record<string, string>> = {}): HttpAnswer {
  return { status, headers: { "Content-Type": "application/json;charset=UTF-8", ...headers }, body: JSON.stringify(value) };
}

/** A refusal as every other: code, message, next. */
export function errorAnswer(status: 404 | 405 | 413, detail: string, headers: Readonly<Record<string, string>> = {}): HttpAnswer {
  return jsonAnswer(status, { error: errorReport(new SimwardError("SIM_REQUEST", { detail })) }, headers);
}

/** The body as JSON. Throws SIM_REQUEST. */
export function jsonBody(request: HttpRequest): unknown {
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(request.body));
  } catch (cause) {
    throw new SimwardError("SIM_REQUEST", { detail: "the body is not JSON", cause });
  }
}
