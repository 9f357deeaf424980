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
import type { UiFiles } from "./files.ts";

export interface UiOptions {
  /** Of viewer.sock. */
  readonly api: ApiClient;
  readonly files: UiFiles;
  /** 0 lets the system choose. */
  readonly port: number;
  readonly clock: Clock;
  readonly random: Random;
  readonly signal: AbortSignal;
  /** It ends by itself when nobody has asked for so long. */
  readonly idleMs: number;
}

export interface RunningUi {
  /** Good once: whoever opens it first is the one who may. What lets in is behind the `#`, which no browser sends and no log of requests holds. */
  readonly url: string;
  readonly closed: Promise<void>;
}

const host = "127.0.0.1";
const maxConnections = 32;
const maxStreams = 4;
/** Of rows of usage: a year of two parties, in every stage. */
const maxDayRows = 4_000;
const maxBodyBytes = 1_024;
const maxUnsentBytes = 1_048_576;
const secretBytes = 32;
/** Wrong tokens in that time; more of them are not even compared. */
const maxWrongTokens = 10;
const wrongTokensMs = 60_000;
const lineBytes = 8_192;
const forbidden = (detail: string): SimwardError => new SimwardError("API_FORBIDDEN", { detail });
const notLetIn = (detail: string): SimwardError => new SimwardError("UI_SESSION", { detail });

/** What the page may read, and nothing else. */
const documents: Readonly<Record<string, (api: ApiClient, query: URLSearchParams) => Promise<unknown>>> = {
  "/status": (api) => api.call("GET", "/v1/status"),
  "/roaming": (api) => api.call("GET", "/v1/roaming"),
  "/usage": (api) => api.call("GET", "/v1/usage"),
  "/usage/days": async (api) => {
    const days: unknown[] = [];
    await api.lines("/v1/usage/export", (line) => {
      // Oldest first: the newest are what is looked at.
      if (days.push(line) > maxDayRows) days.shift();
      return true;
    });
    return days;
  },
  "/audit": (api, query) => api.call("GET", `/v1/audit?${auditQuery(query)}`),
};

/** Throws UI_PORT. */
export async function serveUi(options: UiOptions): Promise<RunningUi> {
  const { api, files, clock, random, signal } = options;
  const secret = (): string => Buffer.from(random.bytes(secretBytes)).toString("base64url");
  const session = secret();
  let token: string | undefined = secret();
  const wrongAtMs: number[] = [];
  let streams = 0;
  let lastMs = clock.monotonicMs();

  const server = createServer(
    { keepAliveTimeout: 5_000, requestTimeout: 10_000, headersTimeout: 5_000, maxHeaderSize: lineBytes },
    (request, response) => {
      response.on("error", () => {});
      serve(request, response).catch((error: unknown) => {
        // What is left of a body is passed over.
        request.resume();
        sendError(response, asSimwardError(error));
      });
    },
  );
  server.maxConnections = maxConnections;

  const serve = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const { port } = server.address() as AddressInfo;
    const names = [`${host}:${port}`, `localhost:${port}`];
    const { method, headers } = request;
    // A page elsewhere whose name leads to loopback (DNS rebinding) has another Host; one that asks from elsewhere has another Origin.
    if (!names.includes(headers.host ?? "")) throw forbidden("another host is meant");
    const isOwnOrigin = names.some((name) => headers.origin === `http://${name}`);
    if (headers.origin !== undefined && !isOwnOrigin) throw forbidden(`a page of ${headers.origin} asks`);
    // As it is written: a path that would have to be made simpler is none of ours.
    const [pathname = "/", query = ""] = (request.url ?? "/").split("?", 2);
    if (pathname === "/session") {
      if (method !== "POST") throw notThatMethod(response, method, "POST");
      // Browsers name the origin of every POST.
      if (!isOwnOrigin) throw forbidden("a page's own request names its origin");
      return sendJson(response, 200, { schema: "simward/ui-session/1", key: exchange(await tokenIn(request)) });
    }
    if (method !== "GET" && method !== "HEAD") throw notThatMethod(response, method, "GET, HEAD");
    const file = query === "" ? files.get(pathname) : undefined;
    if (file !== undefined) {
      // The same for everybody, and nothing of the vehicle in it.
      response.writeHead(200, { ...headersOf(true), "content-type": file.contentType }).end(file.text);
      return;
    }
    if (!isSame(bearerOf(request) ?? "", session)) throw notLetIn("the page has no key, or that of another run");
    lastMs = clock.monotonicMs();
    const searchParams = new URLSearchParams(query);
    if (pathname === "/events") return stream(response, searchParams, method === "HEAD");
    const read = Object.hasOwn(documents, pathname) ? documents[pathname] : undefined;
    if (read === undefined) throw new SimwardError("API_NOT_FOUND", { detail: pathname });
    sendJson(response, 200, maskValue((await read(api, searchParams)) as object, false));
  };

  /** The key of the session for the token, once. */
  const exchange = (given: string): string => {
    const nowMs = clock.monotonicMs();
    while (wrongAtMs[0] !== undefined && nowMs - wrongAtMs[0] >= wrongTokensMs) wrongAtMs.shift();
    if (wrongAtMs.length >= maxWrongTokens)
      throw new SimwardError("API_RATE", { detail: `${maxWrongTokens} wrong tokens within ${wrongTokensMs / 1_000} s` });
    if (token === undefined || !isSame(given, token)) {
      wrongAtMs.push(nowMs);
      throw notLetIn("this address was opened already, or was never printed");
    }
    token = undefined;
    lastMs = nowMs;
    return session;
  };

  const stream = async (response: ServerResponse, query: URLSearchParams, isHead: boolean): Promise<void> => {
    const after = query.get("after");
    const path = after === null ? "/v1/events" : `/v1/events?after=${wholeNumber(after, 0, Number.MAX_SAFE_INTEGER)}`;
    if (streams >= maxStreams) throw new SimwardError("QUEUE_FULL", { detail: `${maxStreams} listen already` });
    streams++;
    const left = new AbortController();
    try {
      response.on("close", () => left.abort());
      // What keeps it from beginning is told as for any document; afterwards there is only its end.
      await api.call("GET", "/v1/version");
      response.writeHead(200, { ...headersOf(), "content-type": "application/x-ndjson" });
      response.flushHeaders();
      const tell = (line: unknown): boolean =>
        // A page that does not read is let go; it asks again from where it was.
        response.writableLength < maxUnsentBytes && response.write(`${JSON.stringify(maskValue(line as object, false))}\n`) !== undefined;
      if (!isHead) await api.lines(path, tell, left.signal).catch(() => undefined);
      response.end();
    } finally {
      streams--;
    }
  };

  await new Promise<void>((resolve, reject) => {
    server.once("error", (error) =>
      reject(new SimwardError("UI_PORT", { detail: `${host}:${options.port}: ${error.message}`, cause: error })),
    );
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
  return { url: `http://${host}:${(server.address() as AddressInfo).port}/#${token}`, closed };
}

/** Nothing but files of the page, and no script or style that stands in a document; what answers as a document runs nothing. */
function headersOf(isFile = false): Record<string, string> {
  const own = isFile ? " script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; require-trusted-types-for 'script';" : "";
  return {
    "content-security-policy": `default-src 'none';${own} base-uri 'none'; form-action 'none'; frame-ancestors 'none'`,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cache-control": "no-store",
  };
}

function sendJson(response: ServerResponse, status: number, document: unknown): void {
  if (response.headersSent) return;
  response.writeHead(status, { ...headersOf(), "content-type": "application/json" }).end(`${JSON.stringify(document)}\n`);
}

const statuses: Partial<Record<ErrorCode, number>> = {
  ...{ API_NOT_RUNNING: 502, API_GONE: 502, API_RESPONSE: 502, DEADLINE: 502 },
  ...{
    UI_SESSION: 401,
    API_FORBIDDEN: 403,
    API_NOT_FOUND: 404,
    API_METHOD: 405,
    API_INPUT: 400,
    API_TOO_LARGE: 413,
    API_RATE: 429,
    QUEUE_FULL: 503,
  },
};

function sendError(response: ServerResponse, error: SimwardError): void {
  // What the daemon refused may name what it is about.
  sendJson(response, statuses[error.code] ?? 500, maskValue({ schema: "simward/error/1", error: errorReport(error) }));
}

function isSame(given: string, wanted: string): boolean {
  const [a, b] = [Buffer.from(given), Buffer.from(wanted)];
  return a.length === b.length && timingSafeEqual(a, b);
}

function bearerOf({ headers }: IncomingMessage): string | undefined {
  return /^Bearer ([\w-]{43})$/.exec(headers.authorization ?? "")?.[1];
}

function notThatMethod(response: ServerResponse, method: string | undefined, takes: string): SimwardError {
  response.setHeader("allow", takes);
  return new SimwardError("API_METHOD", { detail: `${method}; it takes ${takes}` });
}

/** The body is the token, as text. */
async function tokenIn(request: IncomingMessage): Promise<string> {
  const tooLarge = (): SimwardError => new SimwardError("API_TOO_LARGE", { detail: `more than ${maxBodyBytes} octets` });
  if (Number(request.headers["content-length"] ?? 0) > maxBodyBytes) throw tooLarge();
  let text = "";
  // Left whole where it is left early: it still has its answer to get.
  for await (const chunk of request.setEncoding("latin1").iterator({ destroyOnReturn: false }) as AsyncIterable<string>) {
    text += chunk;
    if (text.length > maxBodyBytes) throw tooLarge();
  }
  return text;
}

const auditParameters: Readonly<Record<string, (text: string) => string | number>> = {
  last: (text) => wholeNumber(text, 1, 500),
  first: (text) => wholeNumber(text, 1, 500),
  after: (text) => wholeNumber(text, 0, Number.MAX_SAFE_INTEGER),
  event: eventName,
};

function auditQuery(query: URLSearchParams): string {
  const asked = [...query].map(([name, text]) => {
    const read = Object.hasOwn(auditParameters, name) ? auditParameters[name] : undefined;
    if (read === undefined) throw new SimwardError("API_INPUT", { detail: `${JSON.stringify(name.slice(0, 20))} is not asked here` });
    return `${name}=${read(text)}`;
  });
  return asked.length === 0 ? "last=200" : asked.join("&");
}

function eventName(text: string): string {
  if (!/^[a-zA-Z]{1,30}\.[a-zA-Z]{0,30}$/.test(text))
    throw new SimwardError("API_INPUT", { detail: `${JSON.stringify(text.slice(0, 20))}: the name of an event` });
  return text;
}

function wholeNumber(text: string, least: number, most: number): number {
  const value = Number(text);
  if (!/^\d{1,16}$/.test(text) || value < least || value > most)
    throw new SimwardError("API_INPUT", { detail: `${JSON.stringify(text.slice(0, 20))}: a whole number from ${least} to ${most}` });
  return value;
}
