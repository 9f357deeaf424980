// The clock of one life of a daemon in a bench: it ends with its process, the world's goes on.
import type { Clock, Disposer, VirtualClock } from "../../base/clock.ts";

/** Once it is stopped no timer of it strikes any more. */
export class LifeClock implements Clock {
  readonly #clock: VirtualClock;
  readonly #timers = new Set<Disposer>();
  #stopped = false;

  constructor(clock: VirtualClock) {
    this.#clock = clock;
  }

  now(): number {
    return this.#clock.now();
  }

  wall(): ReturnType<Clock["wall"]> {
    return this.#clock.wall();
  }

  monotonicMs(): number {
    return this.#clock.monotonicMs();
  }

  after(ms: number, fn: () => void): Disposer {
    if (this.#stopped) return () => undefined;
    const stop = this.#clock.after(ms, () => {
      this.#timers.delete(stop);
      fn();
    });
    this.#timers.add(stop);
    return () => {
      this.#timers.delete(stop);
      stop();
    };
  }

  every(ms: number, fn: () => void): Disposer {
    if (this.#stopped) return () => undefined;
    const stop = this.#clock.every(ms, fn);
    this.#timers.add(stop);
    return () => {
      this.#timers.delete(stop);
      stop();
    };
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason);
      const onAbort = (): void => {
        stop();
        reject(signal?.reason);
      };
      const stop = this.after(ms, () => {
        signal?.removeEventListener("abort", onAbort);
        resolve();
      });
      signal?.addEventListener("abort", onAbort, { once: true });
    });
  }

  stop(): void {
    this.#stopped = true;
    for (const stop of this.#timers) stop();
    this.#timers.clear();
  }
}
