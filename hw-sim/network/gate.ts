// The only way from the vehicle to the servers: forwards UDP and TCP on loopback while the bearer is up, with the path's faults,
// behind a NAT whose ports change whenever the vehicle gets a new session.
import { createSocket, type RemoteInfo, type Socket as UdpSocket } from "node:dgram";
import { connect, createServer, type Socket as TcpSocket } from "node:net";
import type { Clock, Disposer } from "../../base/clock.ts";
import { SimwardError } from "../../base/errors.ts";
import type { Random } from "../../base/random.ts";
import type { Bearer } from "../contracts.ts";
import type { Faults } from "../faults.ts";
import type { PathQuality } from "./data.ts";
import { type Direction, Impairment } from "./impairment.ts";

export interface GateOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly bearer: Bearer;
  readonly faults: Faults;
  /** Of the network that the vehicle is in. */
  readonly quality?: () => PathQuality;
  /** One more address of this host where vehicles come from. */
  readonly address?: string | undefined;
}

export interface GateCounters {
  /** Datagrams and octets that came to the gate, and those of them that did not pass. */
  readonly datagrams: { readonly up: number; readonly down: number };
  readonly bytes: { readonly up: number; readonly down: number };
  readonly lost: { readonly up: number; readonly down: number };
}

interface Listener {
  readonly port: number;
  readonly close: () => Promise<void>;
}

/** What the NAT remembers of one of the vehicle's sockets. */
interface Mapping {
  readonly upstream: UdpSocket;
}

const maxMappings = 256;
/** Both, since "localhost" may lead clients to either; hosts without IPv6 do without the second. */
const loopbacks = ["127.0.0.1", "::1"] as const;
/** Where the servers listen. */
const serverHost = "127.0.0.1";
const portAttempts = 20;
/** TCP that meets no answer tries again. */
const blockedAgainMs = 1_000;

export class Gate {
  readonly #bearer: Bearer;
  readonly #hosts: readonly string[];
  readonly #faults: Faults;
  readonly #impairment: Impairment;
  readonly #disposers: Disposer[] = [];
  readonly #closers: (() => Promise<void>)[] = [];
  readonly #mappings = new Map<string, Mapping>();
  readonly #connections = new Set<TcpSocket>();
  readonly #counters = { datagrams: { up: 0, down: 0 }, bytes: { up: 0, down: 0 }, lost: { up: 0, down: 0 } };

  constructor(options: GateOptions) {
    this.#bearer = options.bearer;
    this.#hosts = options.address === undefined ? loopbacks : [...loopbacks, options.address];
    this.#faults = options.faults;
    this.#impairment = new Impairment(options);
    this.#disposers.push(
      options.bearer.onChange((up) => {
        if (!up) this.#lostSession();
      }),
      options.faults.onChange(({ name, value }) => {
        if (name !== "nat-rebind" || value === undefined) return;
        this.rebind();
        this.#faults.clear("nat-rebind");
      }),
    );
  }

  get counters(): GateCounters {
    return this.#counters;
  }

  /** Forgets the NAT's mappings: the servers see the vehicle's next datagrams come from other ports. */
  rebind(): void {
    for (const { upstream } of this.#mappings.values()) upstream.close();
    this.#mappings.clear();
  }

  /**
   * Forwards datagrams to a server on this host, whose port is asked for when the first comes: gates are opened before their servers.
   * 0 lets the system choose the gate's own. Throws SIM_OPTION when that is taken.
   */
  openUdp(targetPort: () => number, port = 0): Promise<number> {
    return this.#open(port, [(at, host) => this.#listenUdp(targetPort, at, host)]);
  }

  /** Forwards connections likewise. */
  openTcp(targetPort: () => number, port = 0): Promise<number> {
    return this.#open(port, [(at, host) => this.#listenTcp(targetPort, at, host)]);
  }

  /** One number for both, as an eIM has one address for coaps and https. */
  openBoth(udpTarget: () => number, tcpTarget: () => number, port = 0): Promise<number> {
    return this.#open(port, [(at, host) => this.#listenUdp(udpTarget, at, host), (at, host) => this.#listenTcp(tcpTarget, at, host)]);
  }

  async close(): Promise<void> {
    for (const dispose of this.#disposers.splice(0)) dispose();
    this.#impairment.close();
    this.#lostSession();
    await Promise.all(this.#closers.splice(0).map((close) => close()));
  }

  /** Every listener on every loopback address, all with the number that the first of them got. */
  async #open(port: number, listen: readonly ((port: number, host: string) => Promise<Listener>)[]): Promise<number> {
    for (let attempt = 1; ; attempt++) {
      const opened: Listener[] = [];
      try {
        for (const host of this.#hosts) {
          for (const each of listen) {
            try {
              opened.push(await each(opened[0]?.port ?? port, host));
            } catch (error) {
              if (host !== "::1" || !isNoAddress(error)) throw error;
            }
          }
        }
        this.#closers.push(...opened.map(({ close }) => close));
        return opened[0]?.port ?? port;
      } catch (error) {
        await Promise.all(opened.map(({ close }) => close()));
        // A number that the system gave for one may be another's for the next.
        if (port !== 0 || attempt >= portAttempts) {
          const reason = error instanceof Error ? error.message : String(error);
          throw new SimwardError("SIM_OPTION", { detail: `port ${port}: ${reason}`, cause: error });
        }
      }
    }
  }

  async #listenUdp(targetPort: () => number, port: number, host: string): Promise<Listener> {
    const socket = createSocket(host.includes(":") ? "udp6" : "udp4");
    socket.on("message", (datagram, from) => this.#uplink(socket, datagram, from, targetPort()));
    await new Promise<void>((resolve, reject) => {
      socket.once("error", reject);
      socket.bind(port, host, resolve);
    });
    // Refusals by the host's own network stack are losses like any other.
    socket.on("error", () => {});
    return { port: socket.address().port, close: () => new Promise((resolve) => socket.close(resolve)) };
  }

  async #listenTcp(targetPort: () => number, port: number, host: string): Promise<Listener> {
    const server = createServer((vehicle) => this.#connection(vehicle, targetPort()));
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen(port, host, resolve);
    });
    const address = server.address();
    return {
      port: typeof address === "object" && address !== null ? address.port : port,
      close: () => new Promise((resolve) => server.close(() => resolve())),
    };
  }

  /** The address is gone, and with it whatever the network knew of the vehicle. */
  #lostSession(): void {
    this.rebind();
    for (const socket of this.#connections) socket.resetAndDestroy();
    this.#connections.clear();
  }

  #uplink(socket: UdpSocket, datagram: Uint8Array, from: RemoteInfo, targetPort: number): void {
    this.#pass("up", datagram, () => {
      const key = `${from.address} ${from.port} ${targetPort}`;
      const mapping = this.#mappings.get(key) ?? this.#map(key, socket, from, targetPort);
      mapping.upstream.send(datagram, targetPort, serverHost);
    });
  }

  #map(key: string, socket: UdpSocket, from: RemoteInfo, targetPort: number): Mapping {
    const upstream = createSocket("udp4");
    const mapping = { upstream };
    upstream.on("error", () => {});
    upstream.on("message", (datagram, sender) => {
      if (sender.port !== targetPort) return;
      this.#pass("down", datagram, () => {
        if (this.#mappings.get(key) === mapping) socket.send(datagram, from.port, from.address);
      });
    });
    const [oldest] = this.#mappings.keys();
    if (this.#mappings.size >= maxMappings && oldest !== undefined) {
      this.#mappings.get(oldest)?.upstream.close();
      this.#mappings.delete(oldest);
    }
    this.#mappings.set(key, mapping);
    return mapping;
  }

  #pass(direction: Direction, datagram: Uint8Array, forward: () => void): void {
    this.#counters.datagrams[direction]++;
    this.#counters.bytes[direction] += datagram.length;
    const arrives =
      this.#bearer.up &&
      this.#impairment.datagram(direction, datagram.length, () => {
        if (this.#bearer.up) forward();
      });
    if (!arrives) this.#counters.lost[direction]++;
  }

  #connection(vehicle: TcpSocket, targetPort: number): void {
    vehicle.on("error", () => vehicle.destroy());
    if (!this.#bearer.up) {
      // A host without a session has no route: its connections fail at once.
      vehicle.resetAndDestroy();
      return;
    }
    const server = connect(targetPort, serverHost);
    server.on("error", () => vehicle.destroy());
    for (const socket of [vehicle, server]) {
      socket.setNoDelay(true);
      this.#connections.add(socket);
      socket.on("close", () => {
        this.#connections.delete(socket);
        (socket === vehicle ? server : vehicle).destroySoon();
      });
    }
    this.#stream("up", vehicle, server);
    this.#stream("down", server, vehicle);
  }

  /** TCP repairs losses by itself; what it cannot hide is time. One chunk is on its way at a time. */
  #stream(direction: Direction, from: TcpSocket, to: TcpSocket): void {
    const forward = (chunk: Buffer): void => {
      if (to.destroyed) return;
      if (this.#impairment.blocked) {
        this.#impairment.after(blockedAgainMs, () => forward(chunk));
        return;
      }
      const flowing = to.write(chunk);
      if (flowing) from.resume();
      else to.once("drain", () => from.resume());
    };
    from.on("data", (chunk: Buffer) => {
      from.pause();
      this.#impairment.after(this.#impairment.delayMs(direction, chunk.length), () => forward(chunk));
    });
    from.on("end", () => to.end());
  }
}

/** This host has no such address: IPv6 is switched off. */
function isNoAddress(error: unknown): boolean {
  return error instanceof Error && "code" in error && (error.code === "EADDRNOTAVAIL" || error.code === "EAFNOSUPPORT");
}
