// One at a time: the owner of a resource (a port, an eUICC, a file) makes others wait their turn.
import { AsyncResource } from "node:async_hooks";
import { SimwardError } from "./errors.ts";

interface Waiting {
  readonly run: () => Promise<void>;
  readonly refuse: (reason: unknown) => void;
}

export class Queue {
  readonly #waiting: Waiting[] = [];
  readonly #capacity: number;
  #busy = false;
  #drained: Promise<void> = Promise.resolve();
  #closedBy: unknown;

  constructor(capacity = 1_000) {
    this.#capacity = capacity;
  }

  /** How many wait behind the one that runs. */
  get length(): number {
    return this.#waiting.length;
  }

  get busy(): boolean {
    return this.#busy;
  }

  /** Runs `job` when all before it have ended. Aborting while it waits takes it out; once it runs, stopping is the job's own affair. */
  run<T>(job: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      if (this.#closedBy !== undefined) return reject(this.#closedBy);
      if (signal?.aborted) return reject(signal.reason);
      if (this.#waiting.length >= this.#capacity)
        return reject(new SimwardError("QUEUE_FULL", { detail: `${this.#capacity} wait already` }));
      const onAbort = (): void => {
        const at = this.#waiting.indexOf(entry);
        if (at < 0) return;
        this.#waiting.splice(at, 1);
        reject(signal?.reason);
      };
      // A job belongs to who asked for it, not to who happened to start the queue: its trace id, and whether it is rehearsed.
      const owned = AsyncResource.bind(job);
      const entry: Waiting = {
        run: async () => {
          signal?.removeEventListener("abort", onAbort);
          try {
            resolve(await owned());
          } catch (error) {
            reject(error);
          }
        },
        refuse: (reason) => {
          signal?.removeEventListener("abort", onAbort);
          reject(reason);
        },
      };
      signal?.addEventListener("abort", onAbort, { once: true });
      this.#waiting.push(entry);
      if (!this.#busy) this.#drained = this.#drain();
    });
  }

  /** Refuses all who wait, and all who come. */
  close(reason: unknown = new SimwardError("QUEUE_CLOSED")): void {
    this.#closedBy = reason;
    for (const entry of this.#waiting.splice(0)) entry.refuse(reason);
  }

  /** Resolves when what runs has ended and nobody waits any more; with `close` before it, that is the end of all work. */
  idle(): Promise<void> {
    return this.#drained;
  }

  async #drain(): Promise<void> {
    this.#busy = true;
    try {
      for (let entry = this.#waiting.shift(); entry !== undefined; entry = this.#waiting.shift()) await entry.run();
    } finally {
      this.#busy = false;
    }
  }
}
