// Notifications on their way from the eIM to the SM-DP+ they are addressed to (SGP.32 §3.7): each once, again with back-off while it cannot be had.
import type { Clock } from "../../base/clock.ts";
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
  readonly #stopping = new AbortController();
  /** What is under way, by SM-DP+: it hears in the order in which the eIM did. Not by eUICC as well: some messages do not say whose they are. */
  readonly #underWay = new Map<string, Promise<void>>();

  constructor(clock: Clock, post: Es9Post, events: EventLog) {
    this.#clock = clock;
    this.#post = post;
    this.#events = events;
  }

  /** Does not wait for the SM-DP+. */
  forward(eid: string | undefined, address: string, pendingNotification: Uint8Array, seqNumber: number): void {
    const delivered = (this.#underWay.get(address) ?? Promise.resolve()).then(async () => {
      await this.#deliver({ eid, address, seqNumber }, pendingNotification);
      if (this.#underWay.get(address) === delivered) this.#underWay.delete(address);
    });
    this.#underWay.set(address, delivered);
  }

  stop(): void {
    this.#stopping.abort();
  }

  async #deliver(
    fields: { readonly eid: string | undefined; readonly address: string; readonly seqNumber: number },
    raw: Uint8Array,
  ): Promise<void> {
    const { signal } = this.#stopping;
    for (let attempt = 1; !signal.aborted; attempt++) {
      try {
        await this.#post(fields.address, "handleNotification", { pendingNotification: toBase64(raw) });
        this.#events.tell("forwarded", { ...fields, attempt, outcome: "delivered" });
        return;
      } catch (error) {
        const again = attempt < attemptsMax && !signal.aborted;
        this.#events.tell("forwarded", { ...fields, attempt, outcome: again ? "again" : "failed", error: asSimwardError(error).message });
        if (!again) return;
        await this.#clock.sleep(Math.min(firstDelayMs * 2 ** (attempt - 1), maxDelayMs), signal).catch(() => undefined);
      }
    }
  }
}
