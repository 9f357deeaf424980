// Procedures on a card, one after the other. On a card that answers at once a procedure is over when it returns, so that under a virtual
// clock nothing depends on turns of the event loop; on any other it goes on as the answers come.
import { SimwardError } from "../../base/errors.ts";
import type { CardConnection, CardProcedure } from "../contracts.ts";

export type Eventual<T> = T | Promise<T>;

/** `fn` of the value: now when it is there, else when it comes. */
export function whenDone<T, R>(value: Eventual<T>, fn: (value: T) => R): Eventual<R> {
  return value instanceof Promise ? value.then(fn) : fn(value);
}

/** Runs a procedure to its end by itself. Rejects with SIM_CARD, or whatever the procedure throws. */
export function carryOut<T>(card: CardConnection, procedure: CardProcedure<T>): Eventual<T> {
  let step = procedure.next();
  while (!step.done) {
    const response = card.transmit(step.value);
    if (response instanceof Promise) return carryOn(card, procedure, response);
    step = procedure.next(response);
  }
  return step.value;
}

async function carryOn<T>(card: CardConnection, procedure: CardProcedure<T>, first: Promise<Uint8Array>): Promise<T> {
  let response = await first;
  for (;;) {
    const step = procedure.next(response);
    if (step.done) return step.value;
    response = await card.transmit(step.value);
  }
}

/** The one user of a card: what is asked meanwhile waits its turn, and a reset ends what was under way. */
export class CardTurns {
  readonly #card: CardConnection;
  #last: Promise<unknown> | undefined;
  #life = 0;

  constructor(card: CardConnection) {
    this.#card = card;
  }

  /** Rejects (or throws, where the card answers at once) with SIM_CARD, or whatever the procedure throws. */
  run<T>(procedure: CardProcedure<T>): Eventual<T> {
    const life = this.#life;
    const start = (): Eventual<T> => {
      if (life !== this.#life) throw new SimwardError("SIM_CARD", { detail: "the card was reset meanwhile" });
      return carryOut(this.#mortal(life), procedure);
    };
    return this.#inTurn(start);
  }

  /** What was under way or waits is given up with SIM_CARD. */
  reset(): Eventual<void> {
    this.#life++;
    return this.#inTurn<void>(() => this.#card.reset());
  }

  /** The card for as long as it is not reset. */
  #mortal(life: number): CardConnection {
    const card = this.#card;
    return {
      present: card.present,
      transmit: (apdu) => {
        if (life !== this.#life) throw new SimwardError("SIM_CARD", { detail: "the card was reset meanwhile" });
        return card.transmit(apdu);
      },
      reset: () => card.reset(),
      subscriber: () => card.subscriber(),
      onPresence: (fn) => card.onPresence(fn),
    };
  }

  #inTurn<T>(act: () => Eventual<T>): Eventual<T> {
    const result = this.#last === undefined ? act() : this.#last.then(act);
    if (!(result instanceof Promise)) return result;
    const settled = result.then(
      () => {},
      () => {},
    );
    this.#last = settled;
    void settled.then(() => {
      if (this.#last === settled) this.#last = undefined;
    });
    return result;
  }
}
