// A UDP proxy in this process that loses, repeats, holds back and alters datagrams both ways, as its seed or its test says.
// One socket of its own towards the server for each client, like a NAT; `rebind` gives each a new one.
import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import type { Clock, Disposer } from "../../base/clock.ts";
import { integerBelow, type Random } from "../../base/random.ts";

/** Up is from client to server. */
export type Direction = "up" | "down";

export interface LossyProxyOptions {
  readonly targetPort: number;
  readonly clock: Clock;
  /** Seeded; needed for every probability below. */
  readonly random?: Random;
  /** Probability of each datagram's loss, each way. */
  readonly loss?: number;
  /** Probability of arriving twice. */
  readonly duplicate?: number;
  /** Probability of being held back by 5 to 40 ms, so that others overtake it. */
  readonly reorder?: number;
  /** One way. */
  readonly delayMs?: number;
  /** Aimed faults: what arrives instead of this datagram. `index` counts from 0 in its direction. */
  readonly alter?: (datagram: Uint8Array, direction: Direction, index: number) => readonly Uint8Array[];
}

export interface LossyProxy {
  readonly port: number;
  /** Datagrams that came in, in order, whatever became of them. */
  readonly seen: readonly { readonly direction: Direction; readonly datagram: Uint8Array }[];
  readonly dropped: number;
  /** Sends to the client as if the server had. */
  inject(direction: Direction, datagram: Uint8Array): void;
  /** From now on the server sees every client at a new port, as after a NAT forgot the way; what is sent to the former ones is lost. */
  rebind(): void;
  close(): Promise<void>;
}

interface Way {
  readonly client: { readonly address: string; readonly port: number };
  upstream: Socket;
}

export async function lossyProxy(options: LossyProxyOptions): Promise<LossyProxy> {
  const { clock, random, loss = 0, duplicate = 0, reorder = 0, delayMs = 0, targetPort } = options;
  const alter = options.alter ?? ((datagram: Uint8Array) => [datagram]);
  const host = "127.0.0.1";
  const ways = new Map<string, Way>();
  const seen: { direction: Direction; datagram: Uint8Array }[] = [];
  const index = { up: 0, down: 0 };
  const timers = new Set<Disposer>();
  let dropped = 0;
  let isClosed = false;

  const happens = (probability: number): boolean => {
    if (probability === 0) return false;
    if (random === undefined) throw new Error("a proxy with probabilities needs a seed");
    return random.unit() < probability;
  };
  const later = (ms: number, deliver: () => void): void => {
    if (ms === 0) {
      deliver();
      return;
    }
    const stop = clock.after(ms, () => {
      timers.delete(stop);
      if (!isClosed) deliver();
    });
    timers.add(stop);
  };
  const pass = (input: Uint8Array, direction: Direction, deliver: (datagram: Uint8Array) => void): void => {
    const datagram = new Uint8Array(input);
    seen.push({ direction, datagram });
    const out = alter(datagram, direction, index[direction]++);
    if (out.length === 0) dropped++;
    for (const one of out) {
      if (happens(loss)) {
        dropped++;
        continue;
      }
      const copies = happens(duplicate) ? 2 : 1;
      for (let i = 0; i < copies; i++) {
        const heldMs = happens(reorder) && random !== undefined ? 5 + integerBelow(random, 36) : 0;
        later(delayMs + heldMs, () => deliver(one));
      }
    }
  };

  const front = createSocket("udp4");
  const newUpstream = (way: Pick<Way, "client">): Socket => {
    const socket = createSocket("udp4");
    socket.on("error", () => {});
    socket.on("message", (datagram) =>
      pass(datagram, "down", (one) => {
        if (!isClosed) front.send(one, way.client.port, way.client.address, () => {});
      }),
    );
    return socket;
  };
  front.on("error", () => {});
  front.on("message", (datagram, { address, port }) => {
    const name = `${address}:${port}`;
    let way = ways.get(name);
    if (way === undefined) {
      const client = { address, port };
      way = { client, upstream: newUpstream({ client }) };
      ways.set(name, way);
    }
    const known = way;
    pass(datagram, "up", (one) => {
      if (!isClosed) known.upstream.send(one, targetPort, host, () => {});
    });
  });
  front.bind(0, host);
  await once(front, "listening");

  return {
    port: front.address().port,
    seen,
    get dropped() {
      return dropped;
    },
    inject(direction, datagram) {
      for (const { client, upstream } of ways.values()) {
        if (direction === "up") upstream.send(datagram, targetPort, host, () => {});
        else front.send(datagram, client.port, client.address, () => {});
      }
    },
    rebind() {
      for (const way of ways.values()) {
        way.upstream.close();
        way.upstream = newUpstream(way);
      }
    },
    async close() {
      if (isClosed) return;
      isClosed = true;
      for (const stop of timers) stop();
      const sockets = [front, ...[...ways.values()].map(({ upstream }) => upstream)];
      // A socket that never sent was never bound; closing it works all the same.
      await Promise.all(sockets.map((socket) => new Promise<void>((resolve) => socket.close(() => resolve()))));
    },
  };
}
