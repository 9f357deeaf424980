// Orders to an eUICC and what becomes of each: a pure machine of states, and the store that finds an order for what arrives.
import { toHex } from "../../base/bytes.ts";
import type { Clock } from "../../base/clock.ts";
import type { Random } from "../../base/random.ts";
import type { OrderRequest } from "./order-input.ts";

/**
 * queued: not yet asked for. fetched: given to the IPA. inProgress: a download under way through this eIM. executed: the eUICC has run the package,
 * its result has not come yet. held: the result is here, the eUICC's certificate is not yet known. done, failed: over.
 */
export type OrderState = "queued" | "fetched" | "inProgress" | "executed" | "held" | "done" | "failed";

export type OrderInput =
  | { readonly kind: "delivered" }
  /** A step of the download went through this eIM. */
  | { readonly kind: "relayed" }
  /** The eUICC says that it had this counter before, though we gave it out once only: the result is on the card. */
  | { readonly kind: "replayed" }
  | { readonly kind: "resultHeld" }
  | { readonly kind: "succeeded" }
  /** The profile is on the card, whatever became of other attempts at the same order. */
  | { readonly kind: "installed" }
  | { readonly kind: "failed"; readonly reason: string }
  /** A later result of the same package: the eUICC went back to the profile before. */
  | { readonly kind: "rolledBack" };

export interface OrderStanding {
  readonly state: OrderState;
  readonly reason: string | undefined;
  /** How often the IPA was given it. */
  readonly deliveries: number;
}

/** What an input makes of an order; what does not concern it leaves it as it is. */
export function nextStanding(standing: OrderStanding, input: OrderInput): OrderStanding {
  const { state } = standing;
  const over = state === "done" || state === "failed";
  switch (input.kind) {
    case "delivered":
      return over ? standing : { ...standing, state: state === "queued" ? "fetched" : state, deliveries: standing.deliveries + 1 };
    case "relayed":
      return over ? standing : { ...standing, state: "inProgress" };
    case "replayed":
      if (over) return standing;
      return standing.deliveries > 1 ? { ...standing, state: "executed" } : { ...standing, state: "failed", reason: "replayError" };
    case "resultHeld":
      return over ? standing : { ...standing, state: "held" };
    case "succeeded":
      return over ? standing : { ...standing, state: "done", reason: undefined };
    case "installed":
      return { ...standing, state: "done", reason: undefined };
    case "failed":
      return over ? standing : { ...standing, state: "failed", reason: input.reason };
    case "rolledBack":
      return { ...standing, state: "failed", reason: "rolledBack" };
  }
}

export interface Order {
  readonly orderId: string;
  readonly eid: string;
  readonly request: OrderRequest;
  readonly createdMs: number;
  /** 16 octets; raw orders have none of their own. */
  readonly eimTransactionId: Uint8Array;
  /** Made by this eIM for itself, not by its operator. */
  readonly internal: boolean;
  /** Brought to the vehicle, and so not given out when it asks. */
  readonly injected: boolean;
  standing: OrderStanding;
  /** What the IPA is given; made when first asked for, the same octets each time. */
  message: Uint8Array | undefined;
  /** Of an eUICC package. */
  counterValue: number | undefined;
  associationToken: number | undefined;
  /** Decoded, as JSON; the latest last. */
  readonly results: unknown[];
}

/** A trigger that led to nothing is given out this often; packages until their result is here; raw octets once. */
const maxTriggerDeliveries = 5;

export class OrderStore {
  readonly #orders: Order[] = [];
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #onChange: (order: Order) => void;

  constructor(clock: Clock, random: Random, onChange: (order: Order) => void) {
    this.#clock = clock;
    this.#random = random;
    this.#onChange = onChange;
  }

  get all(): readonly Order[] {
    return this.#orders;
  }

  /** Internal orders go before the others that wait. */
  add(request: OrderRequest, internal = false, injected = false): Order {
    const order: Order = {
      orderId: toHex(this.#random.bytes(8)),
      eid: request.eid,
      request,
      createdMs: this.#clock.now(),
      eimTransactionId: this.#random.bytes(16),
      internal,
      injected,
      standing: { state: "queued", reason: undefined, deliveries: 0 },
      message: undefined,
      counterValue: undefined,
      associationToken: undefined,
      results: [],
    };
    if (internal) this.#orders.unshift(order);
    else this.#orders.push(order);
    this.#onChange(order);
    return order;
  }

  move(order: Order, input: OrderInput): void {
    const before = order.standing;
    order.standing = nextStanding(before, input);
    if (order.standing !== before) this.#onChange(order);
  }

  byId(orderId: string): Order | undefined {
    return this.#orders.find((order) => order.orderId === orderId);
  }

  byTransaction(eimTransactionId: Uint8Array): Order | undefined {
    const wanted = toHex(eimTransactionId);
    return this.#orders.find((order) => toHex(order.eimTransactionId) === wanted);
  }

  /** The order of this eUICC that a result without eimTransactionId most likely answers: the last of those kinds given out and still open. */
  lastFetched(eid: string, ...kinds: readonly OrderRequest["kind"][]): Order | undefined {
    return this.#orders.findLast(
      (order) => order.eid === eid && kinds.includes(order.request.kind) && order.standing.deliveries > 0 && !isOver(order),
    );
  }

  /** What the IPA is to get next: what was given out and has come to nothing yet, then what waits, in order. */
  next(eid: string): Order | undefined {
    const own = this.#orders.filter((order) => order.eid === eid && !order.injected);
    const again = own.filter(
      ({ standing: { state }, request: { kind } }) => kind !== "raw" && (state === "fetched" || state === "inProgress"),
    );
    for (const order of again) {
      if (order.request.kind !== "download" || order.standing.deliveries < maxTriggerDeliveries) return order;
      this.move(order, { kind: "failed", reason: "noResult" });
    }
    return own.find(({ standing: { state } }) => state === "queued");
  }
}

export function isOver({ standing: { state } }: Order): boolean {
  return state === "done" || state === "failed";
}
