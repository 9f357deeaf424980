// The reader's side of the vpcd protocol: the module's slot listens, and a virtual card (vpicc, or another simward-sim) connects to be in it.
// One card at a time; while there is none the slot is empty.
import { createServer, type Server, type Socket } from "node:net";
import { toHexUpper } from "../../base/bytes.ts";
import { type Clock, type Disposer, deadline } from "../../base/clock.ts";
import { SimwardError } from "../../base/errors.ts";
import { type Log, silentLog } from "../../base/log.ts";
import type { CardConnection } from "../contracts.ts";
import { readSubscriber } from "./subscriber.ts";
import { FrameReader, frame, order } from "./vpcd-frames.ts";

export interface VpcdSlotOptions {
  readonly clock: Clock;
  readonly host: string;
  /** 0 lets the system choose. */
  readonly port: number;
  readonly log?: Log;
  /** How long a card may take over one command. */
  readonly answerMs?: number;
}

export interface VpcdSlot extends CardConnection {
  /** host:port */
  readonly address: string;
  close(): Promise<void>;
}

interface Waiting {
  readonly resolve: (response: Uint8Array) => void;
  readonly reject: (reason: unknown) => void;
}

/** Throws SIM_OPTION when it cannot listen there. */
export async function openVpcdSlot(options: VpcdSlotOptions): Promise<VpcdSlot> {
  const slot = new Slot(options);
  await slot.listen();
  return slot;
}

class Slot implements VpcdSlot {
  readonly #options: VpcdSlotOptions;
  readonly #log: Log;
  readonly #server: Server;
  readonly #listeners = new Set<() => void>();
  readonly #guests = new Set<Socket>();
  #card: Socket | undefined;
  #waiting: Waiting | undefined;

  constructor(options: VpcdSlotOptions) {
    this.#options = options;
    this.#log = options.log ?? silentLog;
    this.#server = createServer((socket) => this.#admit(socket));
  }

  listen(): Promise<void> {
    const { host, port } = this.#options;
    return new Promise((resolve, reject) => {
      this.#server.once("error", (cause) =>
        reject(new SimwardError("SIM_OPTION", { detail: `--card vpcd: cannot listen on ${host}:${port}: ${cause.message}`, cause })),
      );
      this.#server.listen(port, host, () => resolve());
    });
  }

  get address(): string {
    const bound = this.#server.address();
    return `${this.#options.host}:${typeof bound === "object" ? bound?.port : this.#options.port}`;
  }

  get present(): boolean {
    return this.#card !== undefined;
  }

  onPresence(fn: () => void): Disposer {
    this.#listeners.add(fn);
    return () => this.#listeners.delete(fn);
  }

  subscriber(): ReturnType<CardConnection["subscriber"]> {
    return readSubscriber();
  }

  async reset(): Promise<void> {
    this.#send(Uint8Array.of(order.powerOff));
    this.#send(Uint8Array.of(order.powerOn));
    this.#log.info("card reset", { atr: toHexUpper(await this.#ask(Uint8Array.of(order.getAtr))) });
  }

  async transmit(apdu: Uint8Array): Promise<Uint8Array> {
    const response = await this.#ask(apdu);
    if (response.length >= 2) return response;
    throw new SimwardError("SIM_CARD", { detail: `the card at ${this.address} answered without a status word` });
  }

  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    for (const guest of this.#guests) guest.destroy();
    await closed;
  }

  #admit(socket: Socket): void {
    socket.on("error", () => socket.destroy());
    if (this.#card !== undefined) {
      this.#log.warn("a second card was turned away", { address: this.address });
      socket.destroy();
      return;
    }
    const reader = new FrameReader();
    this.#guests.add(socket);
    this.#card = socket;
    socket.setNoDelay(true);
    socket.on("data", (octets) => {
      for (const message of reader.take(octets)) this.#answered(message);
    });
    socket.on("close", () => {
      this.#guests.delete(socket);
      if (this.#card !== socket) return;
      this.#card = undefined;
      this.#fail("the card has gone");
      this.#tell();
    });
    this.#tell();
  }

  #tell(): void {
    for (const fn of [...this.#listeners]) fn();
  }

  #send(message: Uint8Array): void {
    if (this.#card === undefined) throw new SimwardError("SIM_CARD", { detail: `no card has connected to ${this.address}` });
    this.#card.write(frame(message));
  }

  #ask(message: Uint8Array): Promise<Uint8Array> {
    const { clock, answerMs = 30_000 } = this.#options;
    const late = new SimwardError("SIM_CARD", { detail: `no answer from the card at ${this.address} in ${answerMs} ms` });
    return new Promise((resolve, reject) => {
      this.#send(message);
      const { signal, done } = deadline(clock, answerMs, () => late);
      // What it may still say belongs to no command any more.
      signal.addEventListener("abort", () => this.#card?.destroy());
      this.#waiting = {
        resolve: (response) => {
          done();
          resolve(response);
        },
        reject: (reason) => {
          done();
          reject(signal.aborted ? late : reason);
        },
      };
    });
  }

  #answered(message: Uint8Array): void {
    const waiting = this.#waiting;
    this.#waiting = undefined;
    if (waiting === undefined) this.#log.warn("the card spoke without being asked", { octets: message.length });
    else waiting.resolve(message);
  }

  #fail(detail: string): void {
    const waiting = this.#waiting;
    this.#waiting = undefined;
    waiting?.reject(new SimwardError("SIM_CARD", { detail: `${detail} (${this.address})` }));
  }
}
