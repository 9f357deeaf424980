// The page of simward ui: one document and what it reads, on loopback, for whoever has the address that was printed. It has a viewer's rights and masks
// identifiers as the command line does.
import { timingSafeEqual } from "node:crypto";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { Clock } from "../../base/clock.ts";
import { asSimwardError, type ErrorCode, errorReport, SimwardError } from "../../base/errors.ts";
import { maskValue } from "../../base/mask.ts";
import type { Random } from "../../base/random.ts";
import type { ApiClient } from "../cli/client.ts";

export interface UiOptions {
  /** Of viewer.sock. */
  readonly api: ApiClient;
  /** `__NONCE__` in it is replaced. */
  readonly page: string;
  /** 0 lets the system choose. */
  readonly port: number;
  readonly clock: Clock;
  readonly random: Random;
  readonly signal: AbortSignal;
  /** It ends by itself when nobody has asked for so long. */
  readonly idleMs: number;
}

export interface RunningUi {
  /** Good once: whoever opens it first is the one who may. */
  readonly url: string;
  readonly closed: Promise<void>;
}

const host = "127.0.0.1";
const cookieName = "simward";
const maxConnections = 32;
const maxStreams = 4;
const secretBytes = 32;
const forbidden = (detail: string): SimwardError => new SimwardError("API_FORBIDDEN", { detail });

/** What the page may read, and nothing else. */
const documents: Readonly<Record<string, (api: ApiClient, query: URLSearchParams) => Promise<unknown>>> = {
  "/status": (api) => api.call("GET", "/v1/status"),
  "/roaming": (api) => api.call("GET", "/v1/roaming"),
  "/usage": (api) => api.call("GET", "/v1/usage"),
  "/usage/days": async (api) => {
    const days: unknown[] = [];
    await api.lines("/v1/usage/export", (line) => days.push(line) > 0);
    return days;
  },
  "/audit": (api, query) => api.call("GET", `/v1/audit?last=${wholeNumber(query.get("last") ?? "200", 1, 500)}`),
};

/** Throws PORT_OPEN. */
export async function serveUi(options: UiOptions): Promise<RunningUi> {
  const { api, page, clock, random, signal } = options;
  const secret = (): string => Buffer.from(random.bytes(secretBytes)).toString("base64url");
  const session = secret();
  let token: string | undefined = secret();
  let streams = 0;
  let lastMs = clock.monotonicMs();

  const server = createServer(
    { keepAliveTimeout: 5_000, requestTimeout: 10_000, headersTimeout: 5_000, maxHeaderSize: 8_192 },
    (request, response) => {
      response.on("error", () => {});
      serve(request, response).catch((error: unknown) => sendError(response, asSimwardError(error)));
    },
  );
  server.maxConnections = maxConnections;

  const serve = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const { port } = server.address() as AddressInfo;
    const names = [`${host}:${port}`, `localhost:${port}`];
    // A page elsewhere whose name leads to loopback (DNS rebinding) has another Host; one that asks from elsewhere has another Origin.
    if (!names.includes(request.headers.host ?? "")) throw forbidden("another host is meant");
    const { origin } = request.headers;
    if (origin !== undefined && !names.some((name) => origin === `http://${name}`)) throw forbidden(`a page of ${origin} asks`);
    if (request.method !== "GET") throw new SimwardError("API_METHOD", { detail: `${request.method}; it takes GET` });
    // As it is written: a path that would have to be made simpler is none of ours.
    const [pathname = "/", query = ""] = (request.url ?? "/").split("?", 2);
    const searchParams = new URLSearchParams(query);
    const given = searchParams.get("token");
    if (pathname === "/" && given !== null) {
      if (token === undefined || !isSame(given, token))
        throw forbidden("this address was opened already, or was never printed; simward ui prints a new one");
      token = undefined;
      response
        .writeHead(303, { ...headersOf(), location: "/", "set-cookie": `${cookieName}=${session}; HttpOnly; SameSite=Strict; Path=/` })
        .end();
      return;
    }
    if (!isSame(cookieOf(request) ?? "", session)) throw forbidden("open the address that simward ui has printed");
    lastMs = clock.monotonicMs();
    if (pathname === "/") {
      const nonce = secret();
      response.writeHead(200, { ...headersOf(nonce), "content-type": "text/html; charset=utf-8" }).end(page.replaceAll("__NONCE__", nonce));
    } else if (pathname === "/events") await stream(response, searchParams);
    else {
      const read = Object.hasOwn(documents, pathname) ? documents[pathname] : undefined;
      if (read === undefined) throw new SimwardError("API_NOT_FOUND", { detail: pathname });
      sendJson(response, 200, await read(api, searchParams));
    }
  };

  const stream = async (response: ServerResponse, query: URLSearchParams): Promise<void> => {
    if (streams >= maxStreams) throw new SimwardError("QUEUE_FULL", { detail: `${maxStreams} listen already` });
    const after = query.get("after");
    const path = after === null ? "/v1/events" : `/v1/events?after=${wholeNumber(after, 0, Number.MAX_SAFE_INTEGER)}`;
    // What keeps it from beginning is told as for any document; afterwards there is only its end.
    await api.call("GET", "/v1/version");
    streams++;
    const left = new AbortController();
    response.on("close", () => left.abort());
    response.writeHead(200, { ...headersOf(), "content-type": "application/x-ndjson" });
    response.flushHeaders();
    const tell = (line: unknown): boolean => {
      // A page that does not read is let go; it asks again from where it was.
      return response.writableLength < 1_048_576 && response.write(`${JSON.stringify(maskValue(line as object, false))}\n`) !== undefined;
    };
    api
      .lines(path, tell, left.signal)
      .catch(() => undefined)
      .finally(() => {
        streams--;
        response.end();
      });
  };

  await new Promise<void>((resolve, reject) => {
    server.once("error", (error) => reject(new SimwardError("PORT_OPEN", { detail: `${host}:${options.port}`, cause: error })));
    server.listen(options.port, host, resolve);
  });
  const closed = new Promise<void>((resolve) => {
    const end = (): void => {
      stopLooking();
      server.close(() => resolve());
      server.closeAllConnections();
    };
    const stopLooking = clock.every(1_000, () => {
      if (clock.monotonicMs() - lastMs >= options.idleMs) end();
    });
    if (signal.aborted) end();
    else signal.addEventListener("abort", end, { once: true });
  });
  return { url: `http://${host}:${(server.address() as AddressInfo).port}/?token=${token}`, closed };
}

/** Nothing but what the page brings itself, and its own server. */
function headersOf(nonce?: string): Record<string, string> {
  const own = nonce === undefined ? "" : ` script-src 'nonce-${nonce}'; style-src 'nonce-${nonce}'; connect-src 'self'; img-src data:;`;
  return {
    "content-security-policy": `default-src 'none';${own} base-uri 'none'; form-action 'none'; frame-ancestors 'none'`,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "no-store",
  };
}

function sendJson(response: ServerResponse, status: number, document: unknown): void {
  if (response.headersSent) return;
  const text = JSON.stringify(maskValue(document as object, false));
  response.writeHead(status, { ...headersOf(), "content-type": "application/json" }).end(`${text}\n`);
}

const statuses: Partial<Record<ErrorCode, number>> = {
  ...{ API_NOT_RUNNING: 502, API_RESPONSE: 502, DEADLINE: 502 },
  ...{ API_FORBIDDEN: 403, API_NOT_FOUND: 404, API_METHOD: 405, API_INPUT: 400, QUEUE_FULL: 503 },
};

function sendError(response: ServerResponse, error: SimwardError): void {
  sendJson(response, statuses[error.code] ?? 500, { schema: "simward/error/1", error: errorReport(error) });
}

function isSame(given: string, wanted: string): boolean {
  const [a, b] = [Buffer.from(given), Buffer.from(wanted)];
  return a.length === b.length && timingSafeEqual(a, b);
}

function cookieOf({ headers }: IncomingMessage): string | undefined {
  return headers.cookie
    ?.split(/; */)
    .find((one) => one.startsWith(`${cookieName}=`))
    ?.slice(cookieName.length + 1);
}

function wholeNumber(text: string, least: number, most: number): number {
  const value = Number(text);
  if (!/^\d{1,16}$/.test(text) || value < least || value > most)
    throw new SimwardError("API_INPUT", { detail: `${JSON.stringify(text.slice(0, 20))}: a whole number from ${least} to ${most}` });
  return value;
}
