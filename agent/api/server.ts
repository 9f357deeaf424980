// HTTP/JSON over UNIX sockets, one socket a role. Requests are bounded in size, time and number; a slow or silent client harms nobody else.
import { once } from "node:events";
import { chown, readFile, unlink } from "node:fs/promises";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { connect } from "node:net";
import { join } from "node:path";
import { makeDirectory } from "../../base/directory.ts";
import { asSimwardError, type ErrorCode, errorReport, reasonOf, SimwardError } from "../../base/errors.ts";
import type { Log } from "../../base/log.ts";
import type { Config } from "../config/schema.ts";
import { peerCredentials } from "./peer.ts";
import { type ApiServices, parseInput, type Route, type RouteContext, routes } from "./routes.ts";
import { type ApiError, type Role, roles } from "./types.ts";

const maxBodyBytes = 64 * 1024;
/** A larger body is read to its end, so that its sender hears why it is refused; but not more than this. */
const maxDiscardedBytes = 1024 * 1024;
const maxConnections = 64;
const maxStreams = 16;
/** A listener that does not read is let go when this much waits for it: more than all that is remembered. */
const maxBacklogBytes = 4 * 1024 * 1024;
/** Who does not fetch an answer in this time does not get it. */
const fetchLimitMs = 30_000;
const socketUmask = 0o117;

const httpStatus: Partial<Record<ErrorCode, number>> = {
  API_NOT_FOUND: 404,
  NOT_FOUND: 404,
  EIM_UNKNOWN: 404,
  API_FORBIDDEN: 403,
  API_INPUT: 400,
  ACTIVATION_CODE: 400,
  BUSY: 409,
  CARD_EIM_MANAGED: 409,
  POLICY_GOES_DARK: 403,
  EMERGENCY_ACTIVE: 409,
  FALLBACK_REFUSED: 409,
  QUEUE_FULL: 503,
  POLICY_REFUSED: 403,
  TOKEN_REFUSED: 403,
  IMEI_LOCK: 409,
  KEYS_NO_ROOT: 409,
  KEYRING_INVALID: 400,
};

export interface ApiServer {
  close(): Promise<void>;
}

/** Listens on `<dir>/<role>.sock` for each role. Throws API_BUSY when another daemon answers there, CONFIG_INVALID, PORT_OPEN. */
export async function serveApi(config: Config["api"], services: ApiServices, log: Log): Promise<ApiServer> {
  await makeDirectory(config.dir, 0o755).catch((error: unknown) => {
    throw new SimwardError("CONFIG_INVALID", { detail: `api.dir ${config.dir}: ${reasonOf(error)}`, cause: error });
  });
  const groups: Record<Role, string | undefined> = {
    viewer: config.viewer_group,
    engineer: config.engineer_group,
    admin: config.admin_group,
  };
  const servers: Server[] = [];
  const paths: string[] = [];
  try {
    for (const role of roles) {
      const path = join(config.dir, `${role}.sock`);
      await removeStale(path);
      const server = createServer(
        { keepAliveTimeout: 5_000, requestTimeout: 30_000, headersTimeout: 10_000, connectionsCheckingInterval: 5_000 },
        handler(role, services, log),
      );
      server.maxConnections = maxConnections;
      await listen(server, path);
      servers.push(server);
      paths.push(path);
      const gid = await groupId(groups[role]);
      if (gid !== undefined) await chown(path, process.getuid?.() ?? 0, gid);
    }
  } catch (error) {
    for (const server of servers) server.close();
    throw error;
  }
  return {
    async close() {
      await Promise.all(
        servers.map((server) => {
          server.closeAllConnections();
          return new Promise<void>((resolve) => server.close(() => resolve()));
        }),
      );
      for (const path of paths) await unlink(path).catch(() => {});
    },
  };
}

function handler(role: Role, services: ApiServices, log: Log): (request: IncomingMessage, response: ServerResponse) => void {
  let streams = 0;
  return (request, response) => {
    const peer = peerCredentials(request.socket);
    response.on("error", () => {});
    serve(request, response, { services, role, peer }).catch((error: unknown) => {
      const e = asSimwardError(error);
      if (e.code === "INTERNAL") log.error("api", { path: request.url, error: e });
      sendError(response, e);
    });
  };

  async function serve(request: IncomingMessage, response: ServerResponse, context: RouteContext): Promise<void> {
    const [path = "/", query = ""] = (request.url ?? "/").split("?", 2);
    const route = findRoute(request.method ?? "GET", path, context.role);
    const input = parseInput(
      route.input,
      request.method === "GET" ? Object.fromEntries(new URLSearchParams(query)) : await readBody(request),
    );
    if (route.stream !== undefined) {
      if (streams >= maxStreams) throw new SimwardError("QUEUE_FULL", { detail: `${maxStreams} listen already` });
      streams++;
      response.writeHead(200, { "content-type": "application/x-ndjson", "cache-control": "no-store" });
      response.flushHeaders();
      const stop = route.stream(context, input, (line) => {
        if (response.writableLength > maxBacklogBytes) response.destroy();
        else response.write(`${JSON.stringify(line)}\n`);
      });
      response.on("close", () => {
        streams--;
        stop();
      });
      return;
    }
    if (route.lines !== undefined) await sendLines(response, route.lines(context, input));
    else sendJson(response, 200, await route.run?.(context, input));
  }
}

/** No faster than the client reads; one that does not read is let go. */
async function sendLines(response: ServerResponse, lines: AsyncIterable<string>): Promise<void> {
  response.setTimeout(fetchLimitMs, () => response.destroy());
  response.writeHead(200, { "content-type": "application/x-ndjson", "cache-control": "no-store" });
  for await (const line of lines) {
    if (response.destroyed) return;
    if (!response.write(`${line}\n`)) await Promise.race([once(response, "drain"), once(response, "close")]);
  }
  response.end();
}

function findRoute(method: string, path: string, role: Role): Route {
  const here = routes.filter((route) => route.path === path);
  const route = here.find((one) => one.method === method);
  if (route === undefined) {
    const detail = here.length > 0 ? `${method} ${path}; it takes ${here.map((one) => one.method).join(", ")}` : `${method} ${path}`;
    throw new SimwardError("API_NOT_FOUND", { detail });
  }
  if (roles.indexOf(role) < roles.indexOf(route.access)) {
    throw new SimwardError("API_FORBIDDEN", { detail: `${method} ${path} needs ${route.access}.sock; this is ${role}.sock` });
  }
  return route;
}

async function readBody(request: IncomingMessage): Promise<unknown> {
  const text = (await octetsOf(request)).toString("utf8");
  if (text.trim() === "") return {};
  try {
    return JSON.parse(text);
  } catch {
    // The engine's own words quote the body, which may hold a code.
    throw new SimwardError("API_INPUT", { detail: "the body is not JSON" });
  }
}

function octetsOf(request: IncomingMessage): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let bytes = 0;
    request.on("data", (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes <= maxBodyBytes) chunks.push(chunk);
      else if (bytes > maxDiscardedBytes) request.destroy();
    });
    request.on("end", () => {
      if (bytes <= maxBodyBytes) resolve(Buffer.concat(chunks));
      else reject(new SimwardError("API_INPUT", { detail: `the body is larger than ${maxBodyBytes} octets` }));
    });
    request.on("close", () => reject(new SimwardError("ABORTED", { detail: "the client left before its request was whole" })));
  });
}

function sendJson(response: ServerResponse, status: number, body: unknown): void {
  if (response.headersSent) return;
  response.setTimeout(fetchLimitMs, () => response.destroy());
  response.writeHead(status, { "content-type": "application/json", "cache-control": "no-store" });
  response.end(`${JSON.stringify(body)}\n`);
}

function sendError(response: ServerResponse, error: SimwardError): void {
  const body: ApiError = { schema: "simward/error/1", error: errorReport(error) };
  sendJson(response, httpStatus[error.code] ?? 500, body);
}

function listen(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", (error) => reject(new SimwardError("PORT_OPEN", { detail: path, cause: error })));
    // The socket is made within `listen`: at no moment can those open it who may not.
    const before = process.umask(socketUmask);
    try {
      server.listen(path, resolve);
    } finally {
      process.umask(before);
    }
  });
}

/** A socket file that nobody answers on is left from a daemon that died. Whatever else keeps it from answering does not mean that. */
async function removeStale(path: string): Promise<void> {
  const refusal = await new Promise<string | undefined>((resolve) => {
    const socket = connect(path);
    socket.once("connect", () => {
      socket.destroy();
      resolve(undefined);
    });
    socket.once("error", (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
  });
  if (refusal === "ENOENT") return;
  if (refusal !== "ECONNREFUSED" && refusal !== "ENOTSOCK")
    throw new SimwardError("API_BUSY", { detail: `${path} (${refusal ?? "it answers"})` });
  await unlink(path).catch((error: unknown) => {
    throw new SimwardError("PORT_OPEN", { detail: path, cause: error });
  });
}

/** Throws CONFIG_INVALID when there is no such group. */
async function groupId(name: string | undefined): Promise<number | undefined> {
  if (name === undefined) return undefined;
  const groups = await readFile("/etc/group", "utf8").catch(() => "");
  const line = groups.split("\n").find((one) => one.startsWith(`${name}:`));
  const gid = Number(line?.split(":")[2]);
  if (line === undefined || !Number.isSafeInteger(gid))
    throw new SimwardError("CONFIG_INVALID", { detail: `api: there is no group ${name}` });
  return gid;
}
