// The socket of simward-netd: one JSON request a line, one JSON answer a line, only for the user it was started for.
import { createServer, type Server, type Socket } from "node:net";
import { dirname, join } from "node:path";
import type { Clock } from "../../base/clock.ts";
import { asSimwardError, errorReport, SimwardError } from "../../base/errors.ts";
import { Queue } from "../../base/queue.ts";
import { type PeerCredentials, peerCredentials } from "../api/peer.ts";
import { Guard } from "./guard.ts";
import { Ipsec } from "./ipsec.ts";
import { type Lane, laneOf } from "./lanes.ts";
import { runPowerHook } from "./power.ts";
import { PppLines } from "./ppp.ts";
import { runProgram, spentMs } from "./program.ts";
import { ResolvFile, tunnelServers } from "./resolv.ts";
import type { Action, Hands } from "./verb.ts";
import { actionsFor, type Grounds } from "./verbs.ts";

/** A tunnel's certificates go in one. */
const maxLineBytes = 65_536;
/** Of one connection. */
const maxWaiting = 64;
const mostRefused = 4;

/** Fixed places; whoever starts simward-netd, which is root, may name others. */
export const usualPlaces = {
  ip: "/sbin/ip",
  nft: "/usr/sbin/nft",
  tc: "/sbin/tc",
  vici: "/run/simward-charon/charon.vici",
  pppd: "/usr/sbin/pppd",
  resolv: "/run/simward-netd/resolv.conf",
  powerHook: "/etc/simward/modem-power",
} as const;

export interface NetdOptions extends Grounds {
  /** Besides root. */
  readonly allowedUid: number;
  readonly places?: Readonly<Partial<Record<keyof typeof usualPlaces, string>>>;
  readonly clock: Clock;
  /** One line for each request, as the journal keeps it. */
  readonly log?: (line: string) => void;
}

export interface Netd {
  /** Not yet listening: on a path, or on the descriptor that systemd passed. */
  readonly server: Server;
  /** Ends what it has started. */
  close(): Promise<void>;
}

export function createNetd({ allowedUid, places = {}, clock, log = () => {}, ...grounds }: NetdOptions): Netd {
  const at = { ...usualPlaces, ...places };
  const lanes: Readonly<Record<Lane, Queue>> = { kernel: new Queue(), charon: new Queue(), module: new Queue() };
  const resolv = new ResolvFile(at.resolv);
  const ppp = new PppLines({ pppd: at.pppd, clock });

  const ipsec = new Ipsec({
    vici: at.vici,
    // charon's own, beside its socket.
    tunnelResolv: join(dirname(at.vici), "resolv.conf"),
    uid: allowedUid,
    ip: (args) => runProgram(at.ip, args, clock),
    clock,
    log,
  });
  const tell = (owner: object, restored: object): void => answer(owner as Socket, { event: "firewall.altered", ...restored });
  const guards = {
    table: new Guard({ monitors: [[at.nft, "-n", "monitor"]], clock, spentMs, log, tell }),
    // An interface that comes has a queue of which tc tells nothing.
    pace: new Guard({
      monitors: [
        [at.tc, "monitor"],
        [at.ip, "-o", "monitor", "link"],
      ],
      clock,
      spentMs,
      log,
      tell,
    }),
  };
  const handsFor = (owner: Socket): Hands => ({
    run: (program, args, input) => runProgram(at[program], args, clock, input),
    uid: allowedUid,
    ipsec,
    clock,
    table: guards.table.change(owner),
    pace: guards.pace.change(owner),
  });

  /** Answers data, or undefined where there is none to tell. */
  const perform = async (action: Action, socket: Socket): Promise<unknown> => {
    switch (action.kind) {
      case "run":
        await handsFor(socket).run(action.program, action.args, action.input);
        return undefined;
      case "act":
        return action.act(handsFor(socket));
      case "resolv":
        return resolv.set(action.isTunnel ? tunnelServers : action.interface, action.servers);
      case "pppUp": {
        const { interface: name } = action;
        return ppp.up(name, action.device, action.args, socket, ({ how }) => {
          log(`pppd on ${name} has ended: ${how}`);
          answer(socket, { event: "ppp.ended", interface: name, how });
        });
      }
      case "pppDown":
        return ppp.down(action.interface);
      case "power":
        return runPowerHook(at.powerHook, action.action);
    }
  };

  const serve = async (socket: Socket, line: string, who: string): Promise<void> => {
    let verb = "a request";
    try {
      const request = parse(line);
      const actions = actionsFor(request, grounds);
      verb = String((request as { readonly verb: unknown }).verb);
      const data = await lanes[laneOf(verb)].run(async () => {
        let last: unknown;
        for (const action of actions) last = (await perform(action, socket)) ?? last;
        return last;
      });
      // What is read every few seconds would fill the journal.
      if (!verb.endsWith("-read")) log(`${who}: ${verb}: ok`);
      answer(socket, data === undefined ? { ok: true } : { ok: true, data });
    } catch (error) {
      log(`${who}: ${verb}: ${asSimwardError(error).message.replaceAll("\n", "; ")}`);
      answer(socket, { error: errorReport(error) });
    }
  };

  const refused = new Set<Socket>();
  const server = createServer((socket) => {
    socket.on("error", () => {});
    const peer = peerCredentials(socket);
    if (peer === undefined || !isAllowed(peer, allowedUid)) {
      log(`uid ${peer?.uid ?? "unknown"}: refused`);
      answer(socket, { error: errorReport(new SimwardError("API_FORBIDDEN", { detail: `uid ${peer?.uid ?? "unknown"}` })) });
      // It has a moment to read why. Whoever does not close takes no place of those who may ask.
      refused.add(socket);
      socket.once("close", () => refused.delete(socket));
      socket.resume().end();
      const [oldest] = refused;
      if (refused.size > mostRefused) oldest?.destroy();
      return;
    }
    // What it asked for in processes ends with it: nobody is left to take them down.
    socket.once("close", () => {
      for (const guard of Object.values(guards)) guard.release(socket);
      void ppp.downOf(socket);
    });
    // Answers in the order of the requests: whoever wants one before another is done has a second connection.
    const work = new Queue(maxWaiting);
    let rest = "";
    socket.on("data", (chunk) => {
      rest += chunk.toString("utf8");
      const lines = rest.split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) void work.run(() => serve(socket, line, `uid ${peer.uid} pid ${peer.pid}`)).catch(() => socket.destroy());
      if (rest.length > maxLineBytes) socket.destroy();
    });
  });
  server.maxConnections = 8 + mostRefused;
  return {
    server,
    async close() {
      server.close();
      for (const guard of Object.values(guards)) guard.close();
      ipsec.close();
      await ppp.close();
    },
  };
}

function isAllowed({ uid }: PeerCredentials, allowedUid: number): boolean {
  return uid === 0 || uid === allowedUid;
}

function parse(line: string): unknown {
  try {
    if (line.length > maxLineBytes) throw new Error("too long");
    return JSON.parse(line);
  } catch (error) {
    throw new SimwardError("NETD_VERB", { detail: "the line is not JSON", cause: error });
  }
}

function answer(socket: Socket, body: object): void {
  if (socket.writable) socket.write(`${JSON.stringify(body)}\n`);
}
