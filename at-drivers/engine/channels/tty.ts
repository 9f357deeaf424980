// A terminal device as a channel: locked, raw, read until its very end. serialport's binding opens and configures it; reading and writing
// are ours, since its own reader takes the zero octets of a hang-up for "nothing yet" and spins (docs/modules.md, "Hang-up").
import { constants, readSync, writeSync } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import type { Clock, Disposer } from "../../../base/clock.ts";
import { SimwardError } from "../../../base/errors.ts";
import type { ByteChannel, ChannelEnd } from "../types.ts";
import { whoHolds } from "./holders.ts";
import { type Libc, loadLibc } from "./libc.ts";
import { Outlet } from "./outlet.ts";

export interface TtyRequest {
  readonly address: string;
  readonly path: string;
  readonly baudRate: number;
  /** Also against programs that do not lock. */
  readonly refuseOthers: boolean;
  readonly clock: Clock;
}

/** A terminal that another process of ours is to go on with, such as pppd on a line that was dialled. */
export interface TtyLine extends ByteChannel {
  /** Reads no more. The lock stays ours, and the line is not hung up, until it is released. Throws PORT_CLOSED. */
  handOver(): Promise<TtyHold>;
}

export interface TtyHold {
  release(): Promise<void>;
}

/** What is used of the binding's port on Linux. */
interface BindingPort {
  readonly fd: number | null;
  readonly poller: { once(event: "readable" | "writable", fn: (error: Error | null) => void): unknown };
  flush(): Promise<void>;
  close(): Promise<void>;
}

const chunkBytes = 16_384;
/** The kernel may hold a close back for output that cannot leave; nobody here waits for it longer. */
const closeLimitMs = 1_000;
const openFlags = constants.O_RDWR | constants.O_NOCTTY | constants.O_NONBLOCK;

/** Throws PORT_OPEN, PORT_BUSY. */
export async function openTty(request: TtyRequest): Promise<TtyLine> {
  const { address, path } = request;
  const libc = await loadLibc();
  // The lock is taken on a descriptor of its own, before the binding configures and flushes a port that may be another's.
  const lock = await open(path, openFlags).catch((cause: NodeJS.ErrnoException) => refuseOpen(address, path, cause));
  try {
    if (!libc.lock(lock.fd)) throw new SimwardError("PORT_BUSY", { detail: `${address}: ${await whoHolds(path)}` });
    const port = await openBinding(request);
    if (request.refuseOthers) libc.refuseOthers(lock.fd);
    return new TtyChannel(request, port, lock, libc);
  } catch (error) {
    await lock.close();
    throw error;
  }
}

async function refuseOpen(address: string, path: string, cause: NodeJS.ErrnoException): Promise<never> {
  if (cause.code === "EBUSY") throw new SimwardError("PORT_BUSY", { detail: `${address}: ${await whoHolds(path)}`, cause });
  throw new SimwardError("PORT_OPEN", { detail: `${address}: ${cause.code ?? cause.message}`, cause });
}

async function openBinding({ address, path, baudRate }: TtyRequest): Promise<BindingPort> {
  try {
    const { SerialPort } = await import("serialport");
    // hupcl off: closing this port must not end a data call by dropping DTR. Locking is ours.
    const port: object = await SerialPort.binding.open({ path, baudRate, lock: false, hupcl: false });
    if (isBindingPort(port)) return port;
  } catch (cause) {
    throw new SimwardError("PORT_OPEN", { detail: `${address}: ${cause instanceof Error ? cause.message : String(cause)}`, cause });
  }
  throw new SimwardError("PORT_OPEN", { detail: `${address}: serial ports are supported on Linux only` });
}

function isBindingPort(port: object): port is BindingPort {
  return "fd" in port && "poller" in port && "flush" in port;
}

class TtyChannel implements TtyLine {
  readonly address: string;
  readonly #request: TtyRequest;
  readonly #port: BindingPort;
  readonly #lock: FileHandle;
  readonly #libc: Libc;
  readonly #outlet: Outlet;
  readonly #chunk = Buffer.alloc(chunkBytes);
  #reading = false;
  #lastWrite: Promise<void> = Promise.resolve();

  constructor(request: TtyRequest, port: BindingPort, lock: FileHandle, libc: Libc) {
    this.address = request.address;
    this.#request = request;
    this.#port = port;
    this.#lock = lock;
    this.#libc = libc;
    this.#outlet = new Outlet(request.address);
  }

  get closed(): Promise<ChannelEnd> {
    return this.#outlet.closed;
  }

  onData(fn: (octets: Uint8Array) => void): Disposer {
    const dispose = this.#outlet.onData(fn);
    if (!this.#reading) {
      this.#reading = true;
      this.#awaitReadable();
    }
    return dispose;
  }

  write(octets: Uint8Array): Promise<void> {
    const written = this.#lastWrite.then(() => this.#writeAll(octets));
    this.#lastWrite = written.catch(() => undefined);
    return written;
  }

  async close(): Promise<void> {
    this.#end({ kind: "closed" });
    await this.closed;
  }

  async handOver(): Promise<TtyHold> {
    if (this.#outlet.ended) throw this.#outlet.refusal();
    await this.#lastWrite;
    // Without a flush: what the far end has said since is the other process's. A hang-up by the last close is none while the lock is open.
    this.#outlet.end({ kind: "closed" }, async () => {
      if (this.#request.refuseOthers) this.#libc.admitOthers(this.#lock.fd);
      await this.#port.close();
    });
    await this.closed;
    return { release: () => this.#lock.close() };
  }

  #awaitReadable(): void {
    if (this.#outlet.ended) return;
    this.#port.poller.once("readable", (error) => {
      if (this.#outlet.ended) return;
      const drained = this.#read();
      // The poller reports a hang-up as an error; what was there to read has been read now.
      if (drained && error !== null) this.#end({ kind: "hang-up", cause: error });
      this.#awaitReadable();
    });
  }

  /** One chunk, so that a device that never stops leaves time for others. Answers whether nothing is left. */
  #read(): boolean {
    try {
      const count = readSync(this.#openFd(), this.#chunk, 0, chunkBytes, null);
      if (count === 0) this.#end({ kind: "hang-up" });
      else this.#outlet.give(Uint8Array.from(this.#chunk.subarray(0, count)));
      return false;
    } catch (error) {
      if (isAgain(error)) return true;
      this.#end({ kind: "hang-up", cause: error });
      return false;
    }
  }

  async #writeAll(octets: Uint8Array): Promise<void> {
    let written = 0;
    while (written < octets.length) {
      if (this.#outlet.ended) throw this.#outlet.refusal();
      try {
        written += writeSync(this.#openFd(), octets, written);
      } catch (error) {
        if (!isAgain(error)) {
          this.#end({ kind: "hang-up", cause: error });
          throw this.#outlet.refusal();
        }
        await this.#writable();
      }
    }
  }

  #writable(): Promise<void> {
    return new Promise((resolve) => {
      this.#port.poller.once("writable", () => resolve());
    });
  }

  #openFd(): number {
    if (this.#port.fd === null) throw this.#outlet.refusal();
    return this.#port.fd;
  }

  #end(end: ChannelEnd): void {
    this.#outlet.end(end, async () => {
      const released = this.#release();
      const limit = new AbortController();
      await Promise.race([released, this.#request.clock.sleep(closeLimitMs, limit.signal).catch(() => undefined)]);
      limit.abort();
    });
  }

  async #release(): Promise<void> {
    if (this.#request.refuseOthers) this.#libc.admitOthers(this.#lock.fd);
    // Output that cannot leave would hold the close back.
    await this.#port.flush().catch(() => undefined);
    await this.#port.close().catch(() => undefined);
    await this.#lock.close().catch(() => undefined);
  }
}

function isAgain(error: unknown): boolean {
  const code = (error as NodeJS.ErrnoException).code;
  return code === "EAGAIN" || code === "EWOULDBLOCK" || code === "EINTR";
}
