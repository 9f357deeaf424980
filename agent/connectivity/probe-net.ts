// Asks hosts whether they are there, as cheaply as that can be done: a DNS query, the first flight of a DTLS handshake, a TCP connection. Nothing is
// believed of the answers but that they came.
import { createSocket } from "node:dgram";
import { connect, isIPv6 } from "node:net";
import { concatBytes as concat, fromHex } from "../../base/bytes.ts";
import { type Clock, deadline } from "../../base/clock.ts";
import { SimwardError } from "../../base/errors.ts";
import type { Random } from "../../base/random.ts";
import { type Resolve, systemResolve } from "../../transports/resolve.ts";

export interface Question {
  readonly way: "dns" | "dtls" | "tcp";
  readonly host: string;
  readonly port: number;
  /** Asked from this address of ours only: where it is nobody's here, nothing is sent. */
  readonly from?: string;
}

/** Milliseconds until the answer; undefined for silence. Never rejects. */
export type Ask = (question: Question, limitMs: number, signal: AbortSignal) => Promise<number | undefined>;

export function askOverNet(clock: Clock, random: Random, resolve: Resolve = systemResolve): Ask {
  return async ({ way, host: name, port, from }, limitMs, signal) => {
    const startMs = clock.monotonicMs();
    const late = (): SimwardError => new SimwardError("DNS_FAILED", { detail: `${name}: no answer within ${limitMs} ms` });
    const limit = deadline(clock, limitMs, late, signal);
    const [host] = await resolve(name, limit.signal)
      .catch(() => [])
      .finally(limit.done);
    if (host === undefined) return undefined;
    const answered = await (way === "tcp"
      ? tcpAnswers(clock, host, port, limitMs, signal)
      : udpAnswers(clock, { host, port, from }, way === "dns" ? rootQuery(random) : clientHello(random), limitMs, signal));
    return answered ? clock.monotonicMs() - startMs : undefined;
  };
}

/** Again at a third and two thirds of the time: a single datagram may be lost. */
function udpAnswers(
  clock: Clock,
  { host, port, from }: Pick<Question, "host" | "port"> & { readonly from: string | undefined },
  datagram: Uint8Array,
  limitMs: number,
  signal: AbortSignal,
): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createSocket(isIPv6(host) ? "udp6" : "udp4");
    const timers = [clock.after(limitMs, () => end(false))];
    const ask = (): void => socket.send(datagram, port, host, () => undefined);
    const abandon = (): void => end(false);
    let ended = false;
    const end = (answered: boolean): void => {
      if (ended) return;
      ended = true;
      for (const stop of timers) stop();
      signal.removeEventListener("abort", abandon);
      socket.close();
      resolve(answered);
    };
    socket.on("error", () => end(false));
    socket.on("message", () => end(true));
    socket.bind({ port: 0, ...(from === undefined ? {} : { address: from }) }, () => {
      if (ended) return;
      ask();
      timers.push(clock.after(limitMs / 3, ask), clock.after((2 * limitMs) / 3, ask));
    });
    if (signal.aborted) end(false);
    else signal.addEventListener("abort", abandon, { once: true });
  });
}

/** A refusal is an answer too: somebody is there. */
function tcpAnswers(clock: Clock, host: string, port: number, limitMs: number, signal: AbortSignal): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host, port });
    const stop = clock.after(limitMs, () => end(false));
    const abandon = (): void => end(false);
    const end = (answered: boolean): void => {
      stop();
      signal.removeEventListener("abort", abandon);
      socket.destroy();
      resolve(answered);
    };
    socket.on("connect", () => end(true));
    socket.on("error", (error: NodeJS.ErrnoException) => end(error.code === "ECONNREFUSED" || error.code === "ECONNRESET"));
    if (signal.aborted) end(false);
    else signal.addEventListener("abort", abandon, { once: true });
  });
}

/** The name servers of the root (RFC 1035 §4.1): known to every resolver, and nobody's secret. */
function rootQuery(random: Random): Uint8Array {
  return concat(random.bytes(2), fromHex("01000001000000000000" + "0000020001"));
}

/** ClientHello without cookie (RFC 6347 §4.2.1), which a server answers with HelloVerifyRequest and forgets. */
function clientHello(random: Random): Uint8Array {
  const extensions = fromHex("000a00040002001700" + "0b00020100000d000400020403");
  const body = concat(fromHex("fefd"), random.bytes(32), fromHex("0000" + "0004c02bc02c" + "0100"), uint16(extensions.length), extensions);
  const handshake = concat(fromHex("01"), uint24(body.length), fromHex("0000"), uint24(0), uint24(body.length), body);
  return concat(fromHex("16feff0000000000000000"), uint16(handshake.length), handshake);
}

const uint16 = (value: number): Uint8Array => Uint8Array.of(value >> 8, value & 0xff);
const uint24 = (value: number): Uint8Array => Uint8Array.of(value >> 16, (value >> 8) & 0xff, value & 0xff);
