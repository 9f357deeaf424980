// Requests of one role's socket: bounds, route, input, answer. Whatever is wrong with a request is answered by an error document where one can still be
// sent, and costs nobody but its sender.
import { once } from "node:events";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import type { Clock, Disposer } from "../../base/clock.ts";
import { asSimwardError, type ErrorCode, errorReport, SimwardError } from "../../base/errors.ts";
import type { Log } from "../../base/log.ts";
import { linesWithoutUsage, textWithoutUsage, withoutUsage } from "../usage/blind.ts";
import { type Connections, createConnections } from "./connections.ts";
import { httpStatusOf } from "./http-status.ts";
import { type ApiLimits, createPlaces, createRateLimiter } from "./limits.ts";
import { type PeerCredentials, peerCredentials } from "./peer.ts";
import type { ApiServices, Route, RouteContext } from "./route.ts";
import { parseInput, routes } from "./routes.ts";
import { statedReason, withReason } from "./stated-reason.ts";
import { type ApiError, type Role, roles } from "./types.ts";

/** A larger body is read to its end, so that its sender hears why it is refused; but not more than this. */
const maxDiscardedBytes = 1024 * 1024;
/** A listener that does not read is let go when this much waits for it: more than all that is remembered. */
const maxBacklogBytes = 4 * 1024 * 1024;
/** Who does not fetch an answer in this time does not get it. */
const fetchLimitMs = 30_000;

export interface Handler {
  readonly connections: Connections;
  readonly connection: (socket: Socket) => void;
  readonly request: (request: IncomingMessage, response: ServerResponse) => void;
  /** What is no HTTP, is too long, or takes too long. */
  readonly malformed: (error: Error & { readonly code?: string }, socket: Socket) => void;
  /** Answers on the bare socket, and ends it. */
  readonly refuse: (socket: Socket, status: number, error: SimwardError) => void;
}

export interface HandlerParts {
  readonly role: Role;
  readonly services: ApiServices;
  readonly log: Log;
  readonly clock: Pick<Clock, "monotonicMs" | "after">;
  readonly limits: ApiLimits;
}

interface Answered {
  readonly peer: PeerCredentials | undefined;
  readonly user: string;
  /** Answers owed, in the order in which they must go. */
  readonly open: Set<ServerResponse>;
}

export function createHandler({ role, services, log, clock, limits }: HandlerParts): Handler {
  const connections = createConnections(limits.connections);
  const requests = createRateLimiter(clock, limits.requests, "requests");
  const writes = createRateLimiter(clock, limits.writes, "requests that change something");
  const running = createPlaces("requests are under way", limits.running, limits.runningOfUser);
  const streams = createPlaces("listen", limits.streams, limits.streamsOfUser);
  const known = new WeakMap<Socket, Answered>();
  /** Whoever may not see usage sees none of it in any answer. */
  const isBlind = roles.indexOf(role) < roles.indexOf(services.usageAccess);

  const clientOf = (socket: Socket): Answered => {
    const client = known.get(socket);
    if (client !== undefined) return client;
    const peer = peerCredentials(socket);
    const found = { peer, user: String(peer?.uid ?? "unknown"), open: new Set<ServerResponse>() };
    known.set(socket, found);
    return found;
  };

  const refuse = (socket: Socket, status: number, error: SimwardError): void => {
    const body = `${JSON.stringify(errorDocument(error))}\n`;
    socket.on("error", () => {});
    socket.end(
      `HTTP/1.1 ${status} ${error.code}\r\ncontent-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\nconnection: close\r\n\r\n${body}`,
      () => socket.destroy(),
    );
  };

  async function serve(request: IncomingMessage, response: ServerResponse, context: RouteContext, user: string): Promise<void> {
    requests.take(user);
    const target = request.url ?? "/";
    const [path = "/"] = target.split("?", 1);
    const method = request.method ?? "GET";
    // A body that nobody reads would keep its sender's leaving from being seen.
    if (["GET", "HEAD", "OPTIONS"].includes(method)) discardRest(request);
    if (method === "OPTIONS") return sendOptions(response, path);
    const route = findRoute(method, path, context.role);
    if (route.method !== "GET") writes.take(user);
    const query = queryOf(target.slice(path.length + 1));
    const stated = route.method === "GET" ? undefined : parseInput(statedReason, query).reason;
    const input = parseInput(route.input, route.method === "GET" ? query : await bodyOf(request, limits));
    if (route.stream !== undefined) {
      const leave = streams.take(user);
      response.on("close", leave);
      response.writeHead(200, { "content-type": "application/x-ndjson", "cache-control": "no-store" });
      if (method === "HEAD") return void response.end();
      response.flushHeaders();
      const write = (line: object): void => {
        if (response.writableLength > maxBacklogBytes) response.destroy();
        else {
          const shown = isBlind ? withoutUsage(line) : line;
          if (shown !== undefined) response.write(`${JSON.stringify(shown)}\n`);
        }
      };
      const stop = route.stream(context, input, write, (error) => {
        toBeFetched(response, clock);
        response.end(`${JSON.stringify(errorDocument(asSimwardError(error)))}\n`);
      });
      response.on("close", stop);
      if (response.destroyed) stop();
      return;
    }
    // The place is held until the work is done, also when the client has left.
    const leave = running.take(user);
    try {
      if (route.lines !== undefined)
        await sendLines(response, clock, isBlind ? linesWithoutUsage(route.lines(context, input)) : route.lines(context, input));
      else if (route.text !== undefined) {
        const text = await route.text.run(context, input);
        sendText(response, clock, 200, route.text.contentType, isBlind ? textWithoutUsage(text) : text);
      } else {
        const answer = await context.services.trace.begin("api", () => withReason(stated, () => route.run?.(context, input)));
        sendJson(response, clock, 200, isBlind ? withoutUsage(answer) : answer);
      }
    } finally {
      leave();
    }
  }

  return {
    connections,
    refuse,
    connection(socket) {
      connections.add(socket, clientOf(socket).user);
    },
    request(request, response) {
      const { peer, user, open } = clientOf(request.socket);
      const done = connections.busy(request.socket);
      open.add(response);
      response.on("error", () => {});
      response.once("close", () => {
        open.delete(response);
        done();
      });
      serve(request, response, { services, role, peer }, user).catch((error: unknown) => {
        const e = asSimwardError(error);
        if (e.code === "INTERNAL") log.error("api", { method: request.method, path: request.url?.split("?")[0], error: e });
        discardRest(request);
        sendError(response, clock, e);
      });
    },
    malformed(error, socket) {
      const open = known.get(socket)?.open ?? new Set();
      const mayAnswer =
        socket.writable && error.code !== "ECONNRESET" && [...open].every((response, at) => at === 0 && !response.headersSent);
      if (!mayAnswer) {
        // What was answered before it still goes out; what is not written to its end by now would never be whole.
        if ([...open].every((response) => response.writableEnded)) socket.destroySoon();
        else socket.destroy();
        return;
      }
      if (error.code === "ERR_HTTP_REQUEST_TIMEOUT")
        refuse(socket, 408, new SimwardError("DEADLINE", { detail: "the request was not whole" }));
      else if (error.code === "HPE_HEADER_OVERFLOW")
        refuse(socket, 431, new SimwardError("API_TOO_LARGE", { detail: `the headers have more than ${limits.headerBytes} octets` }));
      // The parser's own words may quote the request.
      else refuse(socket, 400, new SimwardError("API_INPUT", { detail: `it is no HTTP/1.1 (${error.code ?? "malformed"})` }));
    },
  };
}

/** Throws API_NOT_FOUND, API_METHOD, API_FORBIDDEN. */
export function findRoute(method: string, path: string, role: Role): Route {
  const here = routes.filter((route) => route.path === path);
  if (here.length === 0) throw new SimwardError("API_NOT_FOUND", { detail: shortened(`${method} ${path}`) });
  const route = here.find((one) => one.method === method) ?? (method === "HEAD" ? here.find((one) => one.method === "GET") : undefined);
  if (route === undefined) {
    const allow = methodsOf(here);
    throw new SimwardError("API_METHOD", { detail: `${method} ${path}; it takes ${allow}`, data: { allow } });
  }
  if (roles.indexOf(role) < roles.indexOf(route.access)) {
    throw new SimwardError("API_FORBIDDEN", { detail: `${method} ${path} needs ${route.access}.sock; this is ${role}.sock` });
  }
  return route;
}

const methodsOf = (here: readonly Route[]): string =>
  [...new Set(here.flatMap(({ method }) => (method === "GET" ? ["GET", "HEAD"] : [method]))), "OPTIONS"].join(", ");

const shortened = (text: string): string => (text.length > 200 ? `${text.slice(0, 200)}…` : text);

function sendOptions(response: ServerResponse, path: string): void {
  const here = path === "*" ? routes : routes.filter((route) => route.path === path);
  if (here.length === 0) throw new SimwardError("API_NOT_FOUND", { detail: shortened(`OPTIONS ${path}`) });
  response.writeHead(204, { allow: methodsOf(here) });
  response.end();
}

/** Throws API_INPUT where a name is given twice, since one of the two would be lost. */
function queryOf(text: string): Record<string, string> {
  const pairs = [...new URLSearchParams(text)];
  const twice = pairs.find(([name], at) => pairs.findIndex(([other]) => other === name) !== at);
  if (twice !== undefined) throw new SimwardError("API_INPUT", { detail: `${shortened(twice[0])}: is given twice` });
  return Object.fromEntries(pairs);
}

async function bodyOf(request: IncomingMessage, limits: ApiLimits): Promise<unknown> {
  const octets = await octetsOf(request, limits.bodyBytes);
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(octets);
  } catch {
    throw new SimwardError("API_INPUT", { detail: "the body is not UTF-8" });
  }
  if (text.trim() === "") return {};
  try {
    return JSON.parse(text);
  } catch {
    // The engine's own words quote the body, which may hold a code.
    throw new SimwardError("API_INPUT", { detail: "the body is not JSON" });
  }
}

function octetsOf(request: IncomingMessage, mostBytes: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let bytes = 0;
    request.on("data", (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes <= mostBytes) chunks.push(chunk);
      else if (bytes > maxDiscardedBytes) request.destroy();
      else chunks.length = 0;
    });
    request.on("end", () => {
      if (bytes <= mostBytes) resolve(Buffer.concat(chunks));
      else reject(new SimwardError("API_TOO_LARGE", { detail: `the body has more than ${mostBytes} octets` }));
    });
    request.on("close", () => reject(new SimwardError("ABORTED", { detail: "the client left before its request was whole" })));
  });
}

/** What nobody wants to read. */
function discardRest(request: IncomingMessage): void {
  if (request.readableEnded || request.destroyed) return;
  let bytes = 0;
  request.on("data", (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes > maxDiscardedBytes) request.destroy();
  });
}

/** No faster than the client reads; one that does not read is let go. What fails before the first line is answered as any error. */
async function sendLines(response: ServerResponse, clock: Pick<Clock, "after">, lines: AsyncIterable<string>): Promise<void> {
  const iterator = lines[Symbol.asyncIterator]();
  try {
    let next = await iterator.next();
    response.writeHead(200, { "content-type": "application/x-ndjson", "cache-control": "no-store" });
    while (next.done !== true && !response.destroyed) {
      if (!response.write(`${next.value}\n`) && !response.destroyed) {
        // It is the client that is waited for here, and not in between: a check of doctor may take as long before there is a line to fetch.
        const isFetched = toBeFetched(response, clock);
        await drained(response);
        isFetched();
      }
      next = await iterator.next();
    }
    toBeFetched(response, clock);
    response.end();
  } finally {
    await iterator.return?.();
  }
}

/** Lets a client go that does not take what is written for it in time; answers what ends the wait. */
function toBeFetched(response: ServerResponse, clock: Pick<Clock, "after">): Disposer {
  const stop = clock.after(fetchLimitMs, () => response.destroy());
  response.once("close", stop);
  return () => {
    stop();
    response.off("close", stop);
  };
}

/** Or gone. */
async function drained(response: ServerResponse): Promise<void> {
  const over = new AbortController();
  const { signal } = over;
  await Promise.race([once(response, "drain", { signal }), once(response, "close", { signal })]).finally(() => over.abort());
}

function sendJson(
  response: ServerResponse,
  clock: Pick<Clock, "after">,
  status: number,
  body: unknown,
  headers: Readonly<Record<string, string>> = {},
): void {
  sendText(response, clock, status, "application/json", `${JSON.stringify(body)}\n`, headers);
}

function sendText(
  response: ServerResponse,
  clock: Pick<Clock, "after">,
  status: number,
  contentType: string,
  body: string,
  headers: Readonly<Record<string, string>> = {},
): void {
  // After a part of an answer only its end can tell that it is not whole.
  if (response.headersSent) return void response.destroy();
  toBeFetched(response, clock);
  response.writeHead(status, {
    "content-type": contentType,
    "content-length": Buffer.byteLength(body),
    "cache-control": "no-store",
    ...headers,
  });
  response.end(body);
}

function sendError(response: ServerResponse, clock: Pick<Clock, "after">, error: SimwardError): void {
  const { retryAfterSeconds, allow } = error.data;
  const isShort = new Set<ErrorCode>(["QUEUE_FULL", "BUSY"]).has(error.code);
  sendJson(response, clock, httpStatusOf(error.code), errorDocument(error), {
    ...(typeof retryAfterSeconds === "number" ? { "retry-after": String(retryAfterSeconds) } : isShort ? { "retry-after": "1" } : {}),
    ...(typeof allow === "string" ? { allow } : {}),
  });
}

const errorDocument = (error: SimwardError): ApiError => ({ schema: "simward/error/1", error: errorReport(error) });
