// UDP: sockets for DTLS, and plain datagram links without any protection, for benches, tests and CoAP on a trusted wire.
// A peer that refuses (ICMP port unreachable) ends its link; any other trouble of the network counts as loss.
import { createSocket, type RemoteInfo, type Socket } from "node:dgram";
import { isIPv6 } from "node:net";
import type { Clock, Disposer } from "../base/clock.ts";
import { SimwardError } from "../base/errors.ts";
import type { DatagramLink, LinkServer } from "./link.ts";
import { type Resolve, systemResolve } from "./resolve.ts";

/** "192.0.2.1:5684", "[2001:db8::1]:5684" */
export function peerName(address: string, port: number): string {
  return isIPv6(address) ? `[${address}]:${port}` : `${address}:${port}`;
}

/** A socket that talks to one peer only. Throws UDP_UNREACHABLE, DNS_…; the signal's reason when aborted. */
export async function connectSocket(
  host: string,
  port: number,
  signal?: AbortSignal,
  resolve: Resolve = systemResolve,
): Promise<{ socket: Socket; peer: string }> {
  let cause: unknown;
  for (const address of await addressesOf(host, resolve, signal)) {
    const socket = newSocket(address);
    try {
      await new Promise<void>((resolve, reject) => {
        socket.once("error", reject);
        socket.connect(port, address, () => {
          socket.removeListener("error", reject);
          resolve();
        });
      });
      signal?.throwIfAborted();
      return { socket, peer: peerName(address, port) };
    } catch (error) {
      closeQuietly(socket);
      signal?.throwIfAborted();
      cause = error;
    }
  }
  throw new SimwardError("UDP_UNREACHABLE", { detail: `no route to ${peerName(host, port)}`, cause });
}

/** A socket that hears everybody; port 0 lets the system choose. Throws UDP_UNREACHABLE. */
export async function bindSocket(host: string, port: number): Promise<Socket> {
  const [address = host] = await addressesOf(host, systemResolve);
  const socket = newSocket(address);
  try {
    await new Promise<void>((resolve, reject) => {
      socket.once("error", reject);
      socket.bind(port, address, () => {
        socket.removeListener("error", reject);
        resolve();
      });
    });
    return socket;
  } catch (cause) {
    closeQuietly(socket);
    throw new SimwardError("UDP_UNREACHABLE", { detail: `cannot listen on ${peerName(host, port)}`, cause });
  }
}

/** Whether a socket's error says that nobody listens there. */
export function isRefusal(error: Error): boolean {
  return "code" in error && error.code === "ECONNREFUSED";
}

export function closeQuietly(socket: Socket): void {
  try {
    socket.close();
  } catch {
    // It is closed already.
  }
}

function newSocket(address: string): Socket {
  const isV6 = isIPv6(address);
  return createSocket({
    type: isV6 ? "udp6" : "udp4",
    // Addresses are resolved before: an answer at once lets a last datagram leave before the socket is closed.
    lookup: (hostname, _options, callback) => callback(null, hostname, isV6 ? 6 : 4),
  });
}

async function addressesOf(host: string, resolve: Resolve, signal?: AbortSignal): Promise<readonly string[]> {
  signal?.throwIfAborted();
  const bare = host.replace(/^\[(.*)\]$/, "$1");
  let onAbort: Disposer | undefined;
  try {
    // The resolver cannot be stopped; its answer is then left alone.
    const aborted = new Promise<never>((_, reject) => {
      onAbort = () => reject(signal?.reason);
      signal?.addEventListener("abort", onAbort, { once: true });
    });
    return await Promise.race([resolve(bare, signal), aborted]);
  } catch (cause) {
    signal?.throwIfAborted();
    if (cause instanceof SimwardError) throw cause;
    throw new SimwardError("UDP_UNREACHABLE", { detail: `the name ${bare} has no address`, cause });
  } finally {
    if (onAbort !== undefined) signal?.removeEventListener("abort", onAbort);
  }
}

// --- plain links -----------------------------------------------------------------------------------------------------------------

const defaultMaxDatagramBytes = 1200;

/** A plain link to a server. Throws UDP_UNREACHABLE; the signal's reason when aborted. */
export async function connectUdp(options: {
  readonly host: string;
  readonly port: number;
  readonly maxDatagramBytes?: number;
  readonly signal?: AbortSignal;
}): Promise<DatagramLink> {
  const { socket, peer } = await connectSocket(options.host, options.port, options.signal);
  const link = new UdpLink(peer, options.maxDatagramBytes ?? defaultMaxDatagramBytes, {
    transmit: (datagram) => {
      socket.send(datagram, (error) => {
        if (error !== null && isRefusal(error)) refused(error);
      });
    },
    released: () => closeQuietly(socket),
  });
  const refused = (cause: Error): void => link.end(new SimwardError("UDP_UNREACHABLE", { detail: `${peer}: nobody listens there`, cause }));
  socket.on("error", (error) => {
    if (isRefusal(error)) refused(error);
  });
  socket.on("message", (datagram) => link.input(datagram));
  return link;
}

export interface UdpServerOptions {
  readonly host: string;
  /** 0 lets the system choose. */
  readonly port: number;
  readonly clock: Clock;
  readonly maxDatagramBytes?: number;
  /** A peer silent for this long is forgotten; 600,000 by default. */
  readonly idleTimeoutMs?: number;
  /** Beyond this many peers new ones are not heard; 1,000 by default. */
  readonly maxPeers?: number;
}

/** Plain links from anybody. Throws UDP_UNREACHABLE. */
export async function listenUdp(options: UdpServerOptions): Promise<LinkServer> {
  const { clock, idleTimeoutMs = 600_000, maxPeers = 1_000, maxDatagramBytes = defaultMaxDatagramBytes } = options;
  const socket = await bindSocket(options.host, options.port);
  const links = new Map<string, { readonly link: UdpLink; heardAtMs: number }>();
  const listeners = new Set<(link: DatagramLink) => void>();
  const accept = ({ address, port }: RemoteInfo, peer: string): UdpLink => {
    const link = new UdpLink(peer, maxDatagramBytes, {
      transmit: (datagram) => socket.send(datagram, port, address, () => {}),
      released: () => links.delete(peer),
    });
    links.set(peer, { link, heardAtMs: clock.monotonicMs() });
    for (const fn of listeners) fn(link);
    return link;
  };
  socket.on("error", () => {});
  socket.on("message", (datagram, remote) => {
    const peer = peerName(remote.address, remote.port);
    const known = links.get(peer);
    if (known !== undefined) known.heardAtMs = clock.monotonicMs();
    else if (links.size >= maxPeers) return;
    (known?.link ?? accept(remote, peer)).input(datagram);
  });
  const stopSweep = clock.every(Math.max(1, idleTimeoutMs / 4), () => {
    const limitMs = clock.monotonicMs() - idleTimeoutMs;
    for (const { link, heardAtMs } of [...links.values()])
      if (heardAtMs <= limitMs) link.end(new SimwardError("UDP_CLOSED", { detail: `${link.peer}: silent for ${idleTimeoutMs} ms` }));
  });
  let closed: Promise<void> | undefined;
  return {
    port: socket.address().port,
    onLink(fn) {
      listeners.add(fn);
      return () => {
        listeners.delete(fn);
      };
    },
    close() {
      closed ??= new Promise((resolve) => {
        stopSweep();
        for (const { link } of [...links.values()]) link.close();
        socket.close(resolve);
      });
      return closed;
    },
  };
}

class UdpLink implements DatagramLink {
  readonly peer: string;
  readonly maxDatagramBytes: number;
  readonly #way: { readonly transmit: (datagram: Uint8Array) => void; readonly released: () => void };
  readonly #datagramListeners = new Set<(datagram: Uint8Array) => void>();
  readonly #closedListeners = new Set<(reason: Error) => void>();
  #reason: SimwardError | undefined;

  constructor(peer: string, maxDatagramBytes: number, way: { transmit: (datagram: Uint8Array) => void; released: () => void }) {
    this.peer = peer;
    this.maxDatagramBytes = maxDatagramBytes;
    this.#way = way;
  }

  input(datagram: Uint8Array): void {
    if (this.#reason !== undefined) return;
    for (const fn of [...this.#datagramListeners]) fn(new Uint8Array(datagram));
  }

  send(datagram: Uint8Array): void {
    // A copy: the socket may read it after the caller has gone on.
    if (this.#reason === undefined) this.#way.transmit(new Uint8Array(datagram));
  }

  onDatagram(fn: (datagram: Uint8Array) => void): Disposer {
    this.#datagramListeners.add(fn);
    return () => {
      this.#datagramListeners.delete(fn);
    };
  }

  onClosed(fn: (reason: Error) => void): Disposer {
    if (this.#reason !== undefined) {
      fn(this.#reason);
      return () => {};
    }
    this.#closedListeners.add(fn);
    return () => {
      this.#closedListeners.delete(fn);
    };
  }

  close(): void {
    this.end(new SimwardError("UDP_CLOSED", { detail: `${this.peer}: closed on this side` }));
  }

  end(reason: SimwardError): void {
    if (this.#reason !== undefined) return;
    this.#reason = reason;
    this.#way.released();
    this.#datagramListeners.clear();
    const listeners = [...this.#closedListeners];
    this.#closedListeners.clear();
    for (const fn of listeners) fn(reason);
  }
}
