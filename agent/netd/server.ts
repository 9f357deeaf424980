// The socket of simward-netd: one JSON request a line, one JSON answer a line, only for the user it was started for.
import { execFile } from "node:child_process";
import { createServer, type Server, type Socket } from "node:net";
import { errorReport, SimwardError } from "../../base/errors.ts";
import { Queue } from "../../base/queue.ts";
import { peerCredentials } from "../api/peer.ts";
import { type Command, commandsFor } from "./verbs.ts";

const maxLineBytes = 4_096;
const commandTimeoutMs = 10_000;
const programs: Record<Command["program"], string> = { ip: "/sbin/ip" };

export interface NetdOptions {
  /** The interfaces that may be touched. */
  readonly interfaces: readonly string[];
  /** Besides root. */
  readonly allowedUid: number;
}

/** Not yet listening: on a path, or on the descriptor that systemd passed. */
export function createNetd(options: NetdOptions): Server {
  const work = new Queue(64);
  const server = createServer((socket) => {
    socket.on("error", () => {});
    const peer = peerCredentials(socket);
    if (peer === undefined || (peer.uid !== 0 && peer.uid !== options.allowedUid)) {
      answer(socket, { error: errorReport(new SimwardError("API_FORBIDDEN", { detail: `uid ${peer?.uid ?? "unknown"}` })) });
      socket.end();
      return;
    }
    let rest = "";
    socket.on("data", (chunk) => {
      rest += chunk.toString("utf8");
      const lines = rest.split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) void work.run(() => serve(socket, line, options)).catch(() => socket.destroy());
      if (rest.length > maxLineBytes) socket.destroy();
    });
  });
  server.maxConnections = 8;
  return server;
}

async function serve(socket: Socket, line: string, options: NetdOptions): Promise<void> {
  try {
    for (const command of commandsFor(parse(line), options.interfaces)) await run(command);
    answer(socket, { ok: true });
  } catch (error) {
    answer(socket, { error: errorReport(error) });
  }
}

function parse(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch (error) {
    throw new SimwardError("NETD_VERB", { detail: "the line is not JSON", cause: error });
  }
}

function run({ program, args }: Command): Promise<void> {
  return new Promise((resolve, reject) => {
    execFile(programs[program], [...args], { timeout: commandTimeoutMs, env: {} }, (error, _stdout, stderr) => {
      if (error === null) resolve();
      else
        reject(
          new SimwardError("NETD_FAILED", { detail: `${program} ${args.join(" ")}: ${stderr.trim() || error.message}`, cause: error }),
        );
    });
  });
}

function answer(socket: Socket, body: object): void {
  if (socket.writable) socket.write(`${JSON.stringify(body)}\n`);
}
