// A stream socket as a channel, for TCP and UNIX addresses alike.
import { connect, type NetConnectOpts, type Socket } from "node:net";
import type { Clock, Disposer } from "../../../base/clock.ts";
import { SimwardError } from "../../../base/errors.ts";
import type { ByteChannel, ChannelEnd } from "../types.ts";
import { Outlet } from "./outlet.ts";

const connectLimitMs = 5_000;

/** Throws PORT_OPEN. */
export function openSocket(address: string, target: NetConnectOpts, clock: Clock): Promise<ByteChannel> {
  return new Promise((resolve, reject) => {
    const socket = connect(target);
    const refuse = (detail: string, cause?: unknown): void => {
      stopTimer();
      socket.destroy();
      reject(new SimwardError("PORT_OPEN", { detail: `${address}: ${detail}`, cause }));
    };
    const onError = (error: NodeJS.ErrnoException): void => refuse(error.code ?? error.message, error);
    const stopTimer = clock.after(connectLimitMs, () => refuse(`no connection within ${connectLimitMs} ms`));
    socket.once("error", onError);
    socket.once("connect", () => {
      stopTimer();
      socket.off("error", onError);
      socket.setNoDelay(true);
      resolve(new SocketChannel(address, socket));
    });
  });
}

class SocketChannel implements ByteChannel {
  readonly address: string;
  readonly #socket: Socket;
  readonly #outlet: Outlet;
  #cause: unknown;

  constructor(address: string, socket: Socket) {
    this.address = address;
    this.#socket = socket;
    this.#outlet = new Outlet(address);
    socket.on("error", (error) => {
      this.#cause = error;
    });
    socket.on("close", () => this.#end(this.#cause === undefined ? { kind: "hang-up" } : { kind: "error", cause: this.#cause }));
    socket.on("data", (octets: Buffer) => this.#outlet.give(octets));
  }

  get closed(): Promise<ChannelEnd> {
    return this.#outlet.closed;
  }

  onData(fn: (octets: Uint8Array) => void): Disposer {
    return this.#outlet.onData(fn);
  }

  write(octets: Uint8Array): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.#outlet.ended || !this.#socket.writable) {
        reject(this.#outlet.refusal());
        return;
      }
      this.#socket.write(octets, (error) => {
        // Node calls back without an error for what a destroyed socket still had to send.
        if (error || this.#outlet.ended) reject(this.#outlet.refusal());
        else resolve();
      });
    });
  }

  async close(): Promise<void> {
    this.#end({ kind: "closed" });
    await this.closed;
  }

  #end(end: ChannelEnd): void {
    this.#outlet.end(end, async () => {
      this.#socket.destroy();
    });
  }
}
