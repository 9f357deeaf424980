// Time. Everything that waits or asks the hour does it through a Clock, so that tests own the time.
// This file holds the only calls to Date.now, setTimeout and setInterval in the product.

import { buildMs } from "./version.ts";

export type Disposer = () => void;

/** Where the wall clock's value is from; `none` means it must not be believed. */
export type TimeSource = "none" | "floor" | "nitz" | "network";

export interface WallTime {
  readonly ms: number;
  readonly source: TimeSource;
}

export interface Clock {
  /** Milliseconds since the epoch as the device believes; use `wall()` where trust matters. */
  now(): number;
  wall(): WallTime;
  /** Never goes back; its zero has no meaning. */
  monotonicMs(): number;
  /** Rejects with the signal's reason when aborted. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
  after(ms: number, fn: () => void): Disposer;
  every(ms: number, fn: () => void): Disposer;
}

export interface SystemClockOptions {
  /** The build date: no true time lies before it. */
  readonly floorMs?: number;
  /** Whether somebody sets the machine's clock by network time now, such as an NTP daemon; asked twice a minute at most. */
  readonly isSynchronised?: () => boolean;
  /** The machine's clocks, for tests. */
  readonly machine?: { wallMs(): number; monotonicMs(): number };
}

const longestTimerMs = 2 ** 31 - 1;
const dayMs = 86_400_000;
/** How far NITZ may move the clock: from a clock that stands before the build, the life of a device; from one that runs, as long as a vehicle is
 * parked; once NITZ has set it, what clocks drift. */
const nitzBoundsMs = { none: 15 * 365 * dayMs, floor: 400 * dayMs, nitz: dayMs, network: 0 } as const;
const synchronisedForMs = 30_000;

/** The machine's own clock, which NITZ may move forward, never back, while nobody else keeps it. */
export class SystemClock implements Clock {
  readonly #floorMs: number;
  readonly #machine: { wallMs(): number; monotonicMs(): number };
  /** A time that the network told, and when. Whoever sets the machine's clock right meanwhile is not added to it. */
  #told: { readonly ms: number; readonly atMs: number } | undefined;
  readonly #isSynchronised: () => boolean;
  #synchronised: { readonly yes: boolean; readonly untilMs: number } | undefined;

  constructor(options: SystemClockOptions = {}) {
    this.#isSynchronised = options.isSynchronised ?? (() => false);
    this.#floorMs = options.floorMs ?? buildMs;
    this.#machine = options.machine ?? { wallMs: () => Date.now(), monotonicMs: () => performance.now() };
  }

  now(): number {
    return this.#wall().ms;
  }

  wall(): WallTime {
    return this.#wall();
  }

  #wall(): WallTime {
    const machineMs = this.#machine.wallMs();
    if (machineMs >= this.#floorMs && this.#isKept()) return { ms: machineMs, source: "network" };
    const source = this.#told !== undefined ? "nitz" : machineMs >= this.#floorMs ? "floor" : "none";
    const toldMs = this.#told === undefined ? 0 : this.#told.ms + this.#machine.monotonicMs() - this.#told.atMs;
    return { ms: Math.round(Math.max(machineMs, toldMs, this.#floorMs)), source };
  }

  #isKept(): boolean {
    const nowMs = this.#machine.monotonicMs();
    if (this.#synchronised === undefined || nowMs >= this.#synchronised.untilMs)
      this.#synchronised = { yes: this.#isSynchronised(), untilMs: nowMs + synchronisedForMs };
    return this.#synchronised.yes;
  }

  /** Takes the network's time (3GPP TS 22.042). Answers whether it is believed: it moves the clock forward only, and within a bound. */
  nitz(ms: number): boolean {
    const wall = this.#wall();
    if (ms < this.#floorMs || ms - wall.ms > nitzBoundsMs[wall.source] || wall.source === "network") return false;
    this.#told = { ms: Math.max(ms, wall.ms), atMs: this.#machine.monotonicMs() };
    return true;
  }

  monotonicMs(): number {
    return this.#machine.monotonicMs();
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return sleepWith(this, ms, signal);
  }

  after(ms: number, fn: () => void): Disposer {
    // What is longer than a timer of Node can be, which would fire at once, is waited for in pieces.
    const timer = setTimeout(ms > longestTimerMs ? () => (stop = this.after(ms - longestTimerMs, fn)) : fn, Math.min(ms, longestTimerMs));
    let stop: Disposer = () => clearTimeout(timer);
    return () => stop();
  }

  every(ms: number, fn: () => void): Disposer {
    const timer = setInterval(fn, ms);
    return () => clearInterval(timer);
  }
}

interface VirtualTimer {
  readonly id: number;
  atMs: number;
  readonly everyMs: number | undefined;
  readonly fn: () => void;
}

/** A clock that stands still until a test moves it. */
export class VirtualClock implements Clock {
  #monotonicMs = 0;
  #wall: WallTime;
  #nextId = 1;
  readonly #timers = new Map<number, VirtualTimer>();

  constructor(wall: Partial<WallTime> = {}) {
    this.#wall = { ms: wall.ms ?? Date.UTC(2026, 5, 1), source: wall.source ?? "network" };
  }

  now(): number {
    return this.#wall.ms;
  }

  wall(): WallTime {
    return this.#wall;
  }

  setWall(wall: Partial<WallTime>): void {
    this.#wall = { ...this.#wall, ...wall };
  }

  monotonicMs(): number {
    return this.#monotonicMs;
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return sleepWith(this, ms, signal);
  }

  after(ms: number, fn: () => void): Disposer {
    return this.#add(ms, undefined, fn);
  }

  every(ms: number, fn: () => void): Disposer {
    return this.#add(ms, ms, fn);
  }

  /** How long until the next timer, or undefined when nothing waits. */
  nextTimerInMs(): number | undefined {
    const next = this.#earliest();
    return next === undefined ? undefined : Math.max(0, next.atMs - this.#monotonicMs);
  }

  /** Moves the time on and runs every timer on its way, letting pending promises settle between them. */
  async advance(ms: number): Promise<void> {
    const endMs = this.#monotonicMs + ms;
    await settle();
    for (let timer = this.#earliest(); timer !== undefined && timer.atMs <= endMs; timer = this.#earliest()) {
      this.#moveTo(Math.max(timer.atMs, this.#monotonicMs));
      if (timer.everyMs === undefined) this.#timers.delete(timer.id);
      else timer.atMs = this.#monotonicMs + Math.max(timer.everyMs, 1);
      timer.fn();
      await settle();
    }
    this.#moveTo(endMs);
    await settle();
  }

  /** Moves from timer to timer until the promise settles, at most `limitMs` of virtual time. */
  async runUntil<T>(promise: Promise<T>, limitMs = 3_600_000): Promise<T> {
    let settled = false;
    const mark = (): void => {
      settled = true;
    };
    promise.then(mark, mark);
    const endMs = this.#monotonicMs + limitMs;
    await settle();
    while (!settled && this.#monotonicMs < endMs) {
      await this.advance(Math.min(this.nextTimerInMs() ?? 1_000, endMs - this.#monotonicMs));
      // Real I/O (crypto, sockets) needs turns of the event loop, not virtual time.
      await new Promise((resolve) => setImmediate(resolve));
    }
    return promise;
  }

  #add(ms: number, everyMs: number | undefined, fn: () => void): Disposer {
    const id = this.#nextId++;
    this.#timers.set(id, { id, atMs: this.#monotonicMs + Math.max(0, ms), everyMs, fn });
    return () => {
      this.#timers.delete(id);
    };
  }

  #earliest(): VirtualTimer | undefined {
    let best: VirtualTimer | undefined;
    for (const timer of this.#timers.values()) if (best === undefined || timer.atMs < best.atMs) best = timer;
    return best;
  }

  #moveTo(monotonicMs: number): void {
    this.#wall = { ...this.#wall, ms: this.#wall.ms + (monotonicMs - this.#monotonicMs) };
    this.#monotonicMs = monotonicMs;
  }
}

/** A signal that aborts after `ms`, or when `parent` does. Call `done` when the work has ended, so that the timer goes. */
export function deadline(
  clock: Clock,
  ms: number,
  reason: () => Error,
  parent?: AbortSignal,
): { readonly signal: AbortSignal; readonly done: Disposer } {
  const controller = new AbortController();
  const stop = clock.after(ms, () => controller.abort(reason()));
  const follow = (): void => controller.abort(parent?.reason);
  if (parent?.aborted) follow();
  else parent?.addEventListener("abort", follow, { once: true });
  return {
    signal: controller.signal,
    done: () => {
      stop();
      parent?.removeEventListener("abort", follow);
    },
  };
}

function sleepWith(clock: Clock, ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) {
      reject(signal.reason);
      return;
    }
    const onAbort = (): void => {
      stop();
      reject(signal?.reason);
    };
    const stop = clock.after(ms, () => {
      signal?.removeEventListener("abort", onAbort);
      resolve();
    });
    signal?.addEventListener("abort", onAbort, { once: true });
  });
}

async function settle(): Promise<void> {
  for (let i = 0; i < 20; i++) await Promise.resolve();
}
