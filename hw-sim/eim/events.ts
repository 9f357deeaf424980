// What happens at the eIM, as numbered JSON-able events: kept for a while, and told live.
import type { Clock, Disposer } from "../../base/clock.ts";

export interface EimEvent {
  /** Ascending from 1. */
  readonly n: number;
  readonly atMs: number;
  readonly type: EimEventType;
  readonly eid?: string | undefined;
  readonly orderId?: string | undefined;
  readonly [field: string]: unknown;
}

/**
 * esipa: a request with its answer. order: a change of state. result: a verified package result, stored for the first time. notification: likewise.
 * acknowledged: sequence numbers told to the IPA. refused: something that did not verify. forwarded: a notification on its way to its SM-DP+.
 * injection: what was brought to the vehicle, with its answer or why it did not get there.
 */
export type EimEventType =
  | "esipa"
  | "es9"
  | "order"
  | "result"
  | "notification"
  | "acknowledged"
  | "refused"
  | "forwarded"
  | "euicc"
  | "injection"
  | "stateChange"
  | "fault";

const maxKept = 5_000;

export class EventLog {
  readonly #clock: Clock;
  readonly #kept: EimEvent[] = [];
  readonly #listeners = new Set<(event: EimEvent) => void>();
  #last = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  tell(type: EimEventType, fields: Readonly<Record<string, unknown>>): void {
    const event: EimEvent = { n: ++this.#last, atMs: this.#clock.now(), type, ...fields };
    this.#kept.push(event);
    if (this.#kept.length > maxKept) this.#kept.shift();
    for (const listener of this.#listeners) listener(event);
  }

  /** Those kept with a number above `n`, then all that follow. */
  follow(n: number, listener: (event: EimEvent) => void): Disposer {
    for (const event of this.#kept) if (event.n > n) listener(event);
    this.#listeners.add(listener);
    return () => {
      this.#listeners.delete(listener);
    };
  }

  get last(): number {
    return this.#last;
  }
}
