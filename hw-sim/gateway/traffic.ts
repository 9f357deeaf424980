// The fleet's traffic: a server that counts by tag what arrives, and senders that keep a flow going over UDP or HTTP, IPv4 or IPv6.
import { createSocket } from "node:dgram";
import { Agent, createServer, type IncomingMessage, request } from "node:http";
import { isIPv6 } from "node:net";
import type { Clock, Disposer } from "../../base/clock.ts";
import { SimwardError } from "../../base/errors.ts";
import { systemRandom } from "../../base/random.ts";
import { Faults } from "../faults.ts";
import { Impairment } from "../network/impairment.ts";
import { ports } from "./plan.ts";

/** What has arrived of one flow. */
export interface Arrived {
  readonly count: number;
  readonly bytes: number;
  /** Wall time of this machine; 0: nothing yet. */
  readonly lastAtMs: number;
}

export interface FleetServer {
  arrived(): Readonly<Record<string, Arrived>>;
  /** Faults of the path for what comes by UDP, as of the virtual vehicle (loss, rtt-ms, duplicate …). Throws SIM_OPTION. */
  fault(name: string, value: string | undefined): void;
}

const mostTags = 1_000;
/** Of one answer. */
const mostOctets = 100_000_000;
const chunk = Buffer.alloc(16_384, "simward ");

export async function serveFleet(clock: Clock, hosts: readonly string[]): Promise<FleetServer> {
  const counted = new Map<string, Arrived>();
  const count = (tag: string, bytes: number): void => {
    if (!counted.has(tag) && counted.size >= mostTags) return;
    const before = counted.get(tag) ?? { count: 0, bytes: 0 };
    counted.set(tag, { count: before.count + 1, bytes: before.bytes + bytes, lastAtMs: clock.now() });
  };
  const faults = new Faults();
  const impairment = new Impairment({ clock, random: systemRandom, faults });
  for (const host of hosts) {
    const socket = createSocket(isIPv6(host) ? "udp6" : "udp4");
    socket.on("message", (datagram, from) => {
      impairment.datagram("up", datagram.length, () => {
        count(/^[\w.-]{1,64}/.exec(datagram.toString("latin1", 0, 64))?.[0] ?? "", datagram.length);
        impairment.datagram("down", datagram.length, () => socket.send(datagram, from.port, from.address));
      });
    });
    await new Promise<void>((resolve, reject) => {
      socket.once("error", reject);
      socket.bind(ports.udp, host, resolve);
    });
    socket.on("error", () => {});
    // GET /octets/N answers N octets; what is sent to any other path is counted under that path.
    const http = createServer((call, answer) => {
      const [, octets] = /^\/octets\/(\d{1,9})$/.exec(call.url ?? "") ?? [];
      call.on("error", () => {});
      if (octets === undefined) {
        const tag = (call.url ?? "/").slice(1, 65);
        call.on("data", (piece: Buffer) => count(tag, piece.length));
        call.on("end", () => answer.end("counted\n"));
        return;
      }
      call.resume();
      let left = Math.min(Number(octets), mostOctets);
      answer.setHeader("content-length", left);
      const more = (): void => {
        while (left > 0) {
          const piece = chunk.subarray(0, left);
          left -= piece.length;
          if (!answer.write(piece)) {
            answer.once("drain", more);
            return;
          }
        }
        answer.end();
      };
      more();
    });
    await new Promise<void>((resolve, reject) => {
      http.once("error", reject);
      http.listen(ports.http, host, resolve);
    });
  }
  return {
    arrived: () => Object.fromEntries(counted),
    fault: (name, value) => {
      if (value === undefined) faults.clear(name);
      else faults.set(name, value);
    },
  };
}

export interface FlowOptions {
  readonly tag: string;
  readonly protocol: "udp" | "http";
  readonly host: string;
  readonly everyMs: number;
  readonly bytes: number;
}

export interface Flow {
  /** Sends so far, and echoes (UDP) or answers (HTTP) that came back. */
  readonly sent: () => { readonly count: number; readonly answered: number };
  readonly stop: Disposer;
}

/** An HTTP request without an answer is given up after this, and its connection with it. */
const giveUpMs = 700;

export function startFlow(clock: Clock, { tag, protocol, host, everyMs, bytes }: FlowOptions): Flow {
  const sent = { count: 0, answered: 0 };
  const payload = Buffer.concat([Buffer.from(`${tag} `), Buffer.alloc(Math.max(0, bytes - tag.length - 1), "x")]);
  if (protocol === "udp") {
    const socket = createSocket(isIPv6(host) ? "udp6" : "udp4");
    socket.on("error", () => {});
    socket.on("message", () => sent.answered++);
    const stop = clock.every(everyMs, () => {
      sent.count++;
      // Refused by the kernel (EPERM) is not sent, and tried again like any other.
      socket.send(payload, ports.udp, host, () => {});
    });
    return {
      sent: () => ({ ...sent }),
      stop: () => {
        stop();
        socket.close();
      },
    };
  }
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  let busy = false;
  const stop = clock.every(everyMs, () => {
    if (busy) return;
    busy = true;
    sent.count++;
    const free = (): void => {
      busy = false;
    };
    const call = request({ host, port: ports.http, path: `/${tag}`, method: "POST", agent }, (answer: IncomingMessage) => {
      answer.resume();
      answer.on("end", () => sent.answered++);
      answer.on("error", () => {});
    });
    const late = clock.after(giveUpMs, () => call.destroy());
    call.on("error", () => {});
    call.on("close", () => {
      late();
      free();
    });
    call.end(payload);
  });
  return {
    sent: () => ({ ...sent }),
    stop: () => {
      stop();
      agent.destroy();
    },
  };
}

/** What a flow is asked for. Throws SIM_OPTION. */
export function flowOptions(raw: Readonly<Record<string, unknown>>): FlowOptions {
  const { tag, protocol, host, everyMs = 100, bytes = 100 } = raw;
  const isWhole = (value: unknown): value is number => typeof value === "number" && Number.isInteger(value) && value > 0 && value <= 60_000;
  if (typeof tag === "string" && /^[\w.-]{1,64}$/.test(tag) && typeof host === "string" && isWhole(everyMs) && isWhole(bytes))
    if (protocol === "udp" || protocol === "http") return { tag, protocol, host, everyMs, bytes };
  throw new SimwardError("SIM_OPTION", { detail: `flow: ${JSON.stringify(raw)}` });
}
