// The only way from the vehicle to the servers: forwards UDP and TCP on loopback while the bearer is up, with the path's faults,
// behind a NAT whose ports change whenever the vehicle gets a new session.
import { createSocket, type RemoteInfo, type Socket as UdpSocket } from "node:dgram";
import { connect, createServer, type Socket as TcpSocket } from "node:net";
import type { Clock, Disposer } from "../../base/clock.ts";
import { SimwardError } from "../../base/errors.ts";
import type { Random } from "../../base/random.ts";
import type { Bearer } from "../contracts.ts";
import type { Faults } from "../faults.ts";
import { type Direction, Impairment } from "./impairment.ts";

export interface GateOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly bearer: Bearer;
  readonly faults: Faults;
  readonly host?: string;
}

export interface GateCounters {
  /** Datagrams and octets that came to the gate, and those of them that did not pass. */
  readonly datagrams: { readonly up: number; readonly down: number };
  readonly bytes: { readonly up: number; readonly down: number };
  readonly lost: { readonly up: number; readonly down: number };
}

/** What the NAT remembers of one of the vehicle's sockets. */
interface Mapping {
  readonly upstream: UdpSocket;
}

const maxMappings = 256;

export class Gate {
  readonly #host: string;
  readonly #bearer: Bearer;
  readonly #faults: Faults;
  readonly #impairment: Impairment;
  readonly #disposers: Disposer[] = [];
  readonly #closers: (() => Promise<void>)[] = [];
  readonly #mappings = new Map<string, Mapping>();
  readonly #connections = new Set<TcpSocket>();
  readonly #counters = { datagrams: { up: 0, down: 0 }, bytes: { up: 0, down: 0 }, lost: { up: 0, down: 0 } };

  constructor(options: GateOptions) {
    this.#host = options.host ?? "127.0.0.1";
    this.#bearer = options.bearer;
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
  async openUdp(targetPort: () => number, port = 0): Promise<number> {
    const socket = createSocket("udp4");
    socket.on("message", (datagram, from) => this.#uplink(socket, datagram, from, targetPort()));
    const bound = await listening(
      `udp port ${port}`,
      (done, fail) => {
        socket.once("error", fail);
        socket.bind(port, this.#host, done);
      },
      () => socket.address().port,
    );
    // Refusals by the host's own network stack are losses like any other.
    socket.on("error", () => {});
    this.#closers.push(() => new Promise((resolve) => socket.close(resolve)));
    return bound;
  }

  /** Forwards connections likewise. */
  async openTcp(targetPort: () => number, port = 0): Promise<number> {
    const server = createServer((vehicle) => this.#connection(vehicle, targetPort()));
    const bound = await listening(
      `tcp port ${port}`,
      (done, fail) => {
        server.once("error", fail);
        server.listen(port, this.#host, done);
      },
      () => {
        const address = server.address();
        return typeof address === "object" && address !== null ? address.port : port;
      },
    );
    this.#closers.push(() => new Promise((resolve) => server.close(() => resolve())));
    return bound;
  }

  /** One number for both, as an eIM has one address for coaps and https. */
  async openBoth(udpTarget: () => number, tcpTarget: () => number, port = 0): Promise<number> {
    for (let attempt = 1; ; attempt++) {
      const udp = await this.openUdp(udpTarget, port);
      try {
        return await this.openTcp(tcpTarget, udp);
      } catch (error) {
        // A number the system gave for UDP may be another's for TCP.
        if (port !== 0 || attempt >= 10) throw error;
        await this.#closers.pop()?.();
      }
    }
  }

  async close(): Promise<void> {
    for (const dispose of this.#disposers.splice(0)) dispose();
    this.#impairment.close();
    this.#lostSession();
    await Promise.all(this.#closers.splice(0).map((close) => close()));
  }

  /** The address is gone, and with it whatever the network knew of the vehicle. */
  #lostSession(): void {
    this.rebind();
    for (const socket of this.#connections) socket.resetAndDestroy();
    this.#connections.clear();
  }

  #uplink(socket: UdpSocket, datagram: Uint8Array, from: RemoteInfo, targetPort: number): void {
    this.#pass("up", datagram, () => {
      const key = `${from.port} ${targetPort}`;
      const mapping = this.#mappings.get(key) ?? this.#map(key, socket, from, targetPort);
      mapping.upstream.send(datagram, targetPort, this.#host);
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
    const server = connect(targetPort, this.#host);
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
    from.on("data", (chunk: Buffer) => {
      from.pause();
      this.#impairment.after(this.#impairment.delayMs(direction, chunk.length), () => {
        if (to.destroyed) return;
        const flowing = to.write(chunk);
        if (flowing) from.resume();
        else to.once("drain", () => from.resume());
      });
    });
    from.on("end", () => to.end());
  }
}

function listening(what: string, listen: (done: () => void, fail: (error: Error) => void) => void, port: () => number): Promise<number> {
  return new Promise((resolve, reject) => {
    listen(
      () => resolve(port()),
      (error) => reject(new SimwardError("SIM_OPTION", { detail: `${what}: ${error.message}`, cause: error })),
    );
  });
}
