// Listens for the local API: one UNIX socket a role, each with bounds of its own; a slow, silent or wild client harms nobody else.
import { chown, lstat, readFile, unlink } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import { connect, type Socket } from "node:net";
import { join } from "node:path";
import { type Clock, SystemClock } from "../../base/clock.ts";
import { makeDirectory } from "../../base/directory.ts";
import { asSimwardError, reasonOf, SimwardError } from "../../base/errors.ts";
import type { Log } from "../../base/log.ts";
import type { Config } from "../config/schema.ts";
import { createHandler, type Handler } from "./handler.ts";
import { type ApiLimits, apiLimits } from "./limits.ts";
import type { ApiServices } from "./route.ts";
import { type Role, roles } from "./types.ts";

const socketUmask = 0o117;
/** How long the daemon may be deaf because its sockets have been removed. */
const lookAfterMs = 10_000;

export interface ApiServer {
  /** Connections that are open, all roles together. */
  readonly connections: number;
  close(): Promise<void>;
}

export interface ApiServerOptions {
  /** Of the rates, of answers that nobody fetches, and of looking whether the sockets are still there. */
  readonly clock?: Pick<Clock, "monotonicMs" | "every" | "after">;
  readonly limits?: ApiLimits;
  /** As group(5) says. */
  readonly groupFile?: string;
}

/** Listens on `<dir>/<role>.sock` for each role. Throws API_BUSY when another daemon answers there, CONFIG_INVALID, PORT_OPEN. */
export async function serveApi(
  config: Partial<Config["api"]> & Pick<Config["api"], "dir">,
  services: ApiServices,
  log: Log,
  { clock = new SystemClock(), limits = apiLimits, groupFile = "/etc/group" }: ApiServerOptions = {},
): Promise<ApiServer> {
  const groups: Record<Role, string | undefined> = {
    viewer: config.viewer_group,
    engineer: config.engineer_group,
    admin: config.admin_group,
  };
  /** All that may have connections, also those whose socket is gone. */
  const servers = new Set<Server>();
  const doors: Door[] = [];

  const open = async (path: string, role: Role, handler: Handler, former?: Server): Promise<Door> => {
    await makeDirectory(config.dir, 0o755).catch((error: unknown) => {
      throw new SimwardError("CONFIG_INVALID", { detail: `api.dir ${config.dir}: ${reasonOf(error)}`, cause: error });
    });
    // Asked again each time, and before anything answers: a socket of another group is none.
    const gid = await groupId(groupFile, groups[role]);
    await removeStale(path);
    // Before the new one is there: closing a server removes the file of its name, whose ever it is. Who is connected stays.
    former?.close();
    const server = serverOf(handler, limits);
    await listen(server, path);
    servers.add(server);
    server.once("close", () => servers.delete(server));
    try {
      if (gid !== undefined) await chown(path, process.getuid?.() ?? 0, gid);
    } catch (error) {
      // Its file goes with it, so that the next look finds none rather than one that answers.
      server.close();
      server.closeAllConnections();
      throw new SimwardError("CONFIG_INVALID", { detail: `api: ${path} for the group ${groups[role]}: ${reasonOf(error)}`, cause: error });
    }
    return { path, role, handler, server, file: await fileAt(path) };
  };

  try {
    for (const role of roles)
      doors.push(await open(join(config.dir, `${role}.sock`), role, createHandler({ role, services, log, clock, limits })));
  } catch (error) {
    for (const server of servers) server.close();
    throw error;
  }

  /** Why a socket is not there, as it was said last: it is looked for often, and told once. */
  const told = new Map<string, string>();
  /** Whoever tidied /run, or put something in the socket's place, does not make the daemon deaf. */
  const look = async (): Promise<void> => {
    for (const [i, door] of doors.entries()) {
      if ((await fileAt(door.path)) === door.file) continue;
      try {
        doors[i] = await open(door.path, door.role, door.handler, door.server);
        told.delete(door.path);
        log.warn("a socket was gone and is there again", { path: door.path });
      } catch (error) {
        const known = asSimwardError(error);
        if (told.get(door.path) !== known.message) log.error("a socket is gone", { path: door.path, error: known });
        told.set(door.path, known.message);
      }
    }
  };
  let looking: Promise<void> | undefined;
  const stopLooking = clock.every(lookAfterMs, () => {
    looking ??= look().finally(() => {
      looking = undefined;
    });
  });

  return {
    get connections() {
      return doors.reduce((all, { handler }) => all + handler.connections.size, 0);
    },
    async close() {
      stopLooking();
      await looking;
      await Promise.all(
        [...servers].map((server) => {
          const closed = new Promise<void>((resolve) => server.close(() => resolve()));
          server.closeAllConnections();
          return closed;
        }),
      );
      for (const { path } of doors) await unlink(path).catch(() => {});
    },
  };
}

/** A role's socket. */
interface Door {
  readonly path: string;
  readonly role: Role;
  readonly handler: Handler;
  readonly server: Server;
  /** Its file, as told from another under the same name; undefined: there is none. */
  readonly file: string | undefined;
}

async function fileAt(path: string): Promise<string | undefined> {
  const found = await lstat(path).catch(() => undefined);
  return found === undefined ? undefined : `${found.dev} ${found.ino} ${found.birthtimeMs}`;
}

function serverOf(handler: Handler, limits: ApiLimits): Server {
  const server = createServer({
    keepAliveTimeout: limits.keepAliveMs,
    requestTimeout: limits.requestMs,
    headersTimeout: limits.headersMs,
    connectionsCheckingInterval: Math.min(5_000, limits.headersMs / 2),
    maxHeaderSize: limits.headerBytes,
    // There is one host.
    requireHostHeader: false,
  });
  server.on("connection", handler.connection);
  server.on("request", handler.request);
  server.on("checkExpectation", handler.request);
  server.on("clientError", handler.malformed);
  server.on("connect", (_request, socket: Socket) => handler.refuse(socket, 405, new SimwardError("API_METHOD", { detail: "CONNECT" })));
  return server;
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
async function groupId(file: string, name: string | undefined): Promise<number | undefined> {
  if (name === undefined) return undefined;
  const groups = await readFile(file, "utf8").catch(() => "");
  const line = groups.split("\n").find((one) => one.startsWith(`${name}:`));
  const gid = Number(line?.split(":")[2]);
  if (line === undefined || !Number.isSafeInteger(gid))
    throw new SimwardError("CONFIG_INVALID", { detail: `api: there is no group ${name}` });
  return gid;
}
