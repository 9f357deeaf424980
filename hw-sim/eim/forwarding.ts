// Notifications on their way from the eIM to the SM-DP+ they are addressed to (SGP.32 §3.7): each once, again with back-off while it cannot be had.
import type { Clock, Disposer } from "../../base/clock.ts";
import { asSimwardError } from "../../base/errors.ts";
import { type JsonObject, toBase64 } from "../smdp/json.ts";
import type { EventLog } from "./events.ts";

/** One ES9+ function at an SM-DP+; undefined for 204. Throws when it cannot be had or refuses below ES9+. */
export type Es9Post = (address: string, functionName: string, body: JsonObject) => Promise<JsonObject | undefined>;

const attemptsMax = 8;
const firstDelayMs = 1_000;
const maxDelayMs = 300_000;

export class Forwarding {
  readonly #clock: Clock;
  readonly #post: Es9Post;
  readonly #events: EventLog;
  readonly #waiting = new Set<Disposer>();
  #stopped = false;

  constructor(clock: Clock, post: Es9Post, events: EventLog) {
    this.#clock = clock;
    this.#post = post;
    this.#events = events;
  }

  /** Does not wait for the SM-DP+. */
  forward(eid: string | undefined, address: string, pendingNotification: Uint8Array, seqNumber: number): void {
    void this.#attempt({ eid, address, seqNumber }, pendingNotification, 1);
  }

  stop(): void {
    this.#stopped = true;
    for (const stop of this.#waiting) stop();
    this.#waiting.clear();
  }

  async #attempt(
    fields: { readonly eid: string | undefined; readonly address: string; readonly seqNumber: number },
    raw: Uint8Array,
    attempt: number,
  ): Promise<void> {
    try {
      await this.#post(fields.address, "handleNotification", { pendingNotification: toBase64(raw) });
      this.#events.tell("forwarded", { ...fields, attempt, outcome: "delivered" });
    } catch (error) {
      const again = attempt < attemptsMax && !this.#stopped;
      this.#events.tell("forwarded", { ...fields, attempt, outcome: again ? "again" : "failed", error: asSimwardError(error).message });
      if (!again) return;
      const stop = this.#clock.after(Math.min(firstDelayMs * 2 ** (attempt - 1), maxDelayMs), () => {
        this.#waiting.delete(stop);
        void this.#attempt(fields, raw, attempt + 1);
      });
      this.#waiting.add(stop);
    }
  }
}
