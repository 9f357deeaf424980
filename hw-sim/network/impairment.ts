// What the path does to one datagram: loses it, delays it, doubles it, lets another overtake it. Driven by the faults in force.
import type { Clock, Disposer } from "../../base/clock.ts";
import { integerBelow, type Random, seededRandom } from "../../base/random.ts";
import type { Faults } from "../faults.ts";
import type { PathQuality } from "./data.ts";

export type Direction = "up" | "down";

export interface ImpairmentOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly faults: Faults;
  /** Of the network that the vehicle is in, on top of the faults; nothing by default. */
  readonly quality?: () => PathQuality;
}

interface Held {
  readonly deliver: () => void;
  readonly stop: Disposer;
}

/** A datagram that nothing overtakes goes after this long all the same. */
const overtakeMs = 200;

export class Impairment {
  readonly #clock: Clock;
  /** One a direction, so that what happens one way does not depend on when the other way is used. */
  readonly #random: Readonly<Record<Direction, Random>>;
  readonly #faults: Faults;
  readonly #quality: () => PathQuality;
  /** When the bearer has sent what it was given, by direction. */
  readonly #freeAtMs = { up: 0, down: 0 };
  readonly #held: { [D in Direction]: Held | undefined } = { up: undefined, down: undefined };
  /** Datagrams counted since `drop` was set. */
  #counted = { up: 0, down: 0 };
  readonly #timers = new Set<Disposer>();
  readonly #stopWatching: Disposer;

  constructor(options: ImpairmentOptions) {
    this.#clock = options.clock;
    const seeded = (): Random => seededRandom(integerBelow(options.random, 2 ** 32));
    this.#random = { up: seeded(), down: seeded() };
    this.#faults = options.faults;
    this.#quality = options.quality ?? (() => ({}));
    this.#stopWatching = options.faults.onChange(({ name }) => {
      if (name === "drop") this.#counted = { up: 0, down: 0 };
    });
  }

  /** Calls `deliver` never, once or twice; now or later. Answers whether the datagram will arrive. */
  datagram(direction: Direction, bytes: number, deliver: () => void): boolean {
    const nth = ++this.#counted[direction];
    if (this.#faults.get("drop")?.some((lost) => lost.direction === direction && lost.n === nth)) return false;
    if (this.#happens("loss", direction) || this.#loses(direction)) return false;
    const delayMs = this.delayMs(direction, bytes);
    const copies = this.#happens("duplicate", direction) ? 2 : 1;
    const overtaken = this.#happens("reorder", direction);
    this.after(delayMs, () => {
      const arrive = (): void => {
        for (let i = 0; i < copies; i++) deliver();
      };
      const waiting = this.#held[direction];
      if (waiting === undefined && overtaken) this.#hold(direction, arrive);
      else {
        arrive();
        this.#release(direction);
      }
    });
    return true;
  }

  /** How long octets given to the bearer now are on their way. */
  delayMs(direction: Direction, bytes: number): number {
    const nowMs = this.#clock.monotonicMs();
    const { rateBps: ownBps = Number.POSITIVE_INFINITY, rttMs = 0 } = this.#quality();
    const rateBps = Math.min(ownBps, this.#faults.get("rate-bps") || Number.POSITIVE_INFINITY);
    const sendingMs = (bytes * 8_000) / rateBps;
    this.#freeAtMs[direction] = Math.max(nowMs, this.#freeAtMs[direction]) + sendingMs;
    return this.#freeAtMs[direction] - nowMs + ((this.#faults.get("rtt-ms") ?? 0) + rttMs) / 2;
  }

  /** Nothing at all passes, though the bearer is up. */
  get blocked(): boolean {
    return (this.#quality().loss ?? 0) >= 1;
  }

  after(ms: number, fn: () => void): void {
    if (ms <= 0) {
      fn();
      return;
    }
    const stop = this.#clock.after(ms, () => {
      this.#timers.delete(stop);
      fn();
    });
    this.#timers.add(stop);
  }

  close(): void {
    this.#stopWatching();
    for (const stop of this.#timers) stop();
    this.#timers.clear();
  }

  #happens(name: "loss" | "duplicate" | "reorder", direction: Direction): boolean {
    const share = this.#faults.get(name) ?? 0;
    return share > 0 && this.#random[direction].unit() < share;
  }

  #loses(direction: Direction): boolean {
    const { loss = 0 } = this.#quality();
    return loss > 0 && this.#random[direction].unit() < loss;
  }

  #hold(direction: Direction, deliver: () => void): void {
    const stop = this.#clock.after(overtakeMs, () => this.#release(direction));
    this.#timers.add(stop);
    this.#held[direction] = {
      deliver,
      stop: () => {
        stop();
        this.#timers.delete(stop);
      },
    };
  }

  #release(direction: Direction): void {
    const held = this.#held[direction];
    if (held === undefined) return;
    this.#held[direction] = undefined;
    held.stop();
    held.deliver();
  }
}
