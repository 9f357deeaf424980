// The external card of a vehicle: opened as the command line names it, and made known to the vehicle's eIM whenever it is put in.
import type { Clock, Disposer } from "../../base/clock.ts";
import { asSimwardError } from "../../base/errors.ts";
import type { Log } from "../../base/log.ts";
import type { CardConnection, CardProcedure } from "../contracts.ts";
import { type CardFacts, type CommissioningOptions, commission } from "./commissioning.ts";
import { httpCard } from "./http-card.ts";
import { openVpcdSlot } from "./vpcd-slot.ts";

/** vpcd: listens there; http: asks there. */
export type ExternalCardOption =
  | { readonly kind: "vpcd"; readonly host: string; readonly port: number }
  | { readonly kind: "http"; readonly url: string };

export interface ExternalCard {
  readonly connection: CardConnection;
  /** For the ready line: host:port where a card may connect, or its URL. */
  readonly address: string;
  close(): Promise<void>;
}

/** Throws SIM_OPTION when it cannot listen there. */
export async function openExternalCard(option: ExternalCardOption, clock: Clock, log: Log): Promise<ExternalCard> {
  if (option.kind === "http") {
    return { connection: httpCard({ clock, url: option.url }), address: option.url, async close() {} };
  }
  const slot = await openVpcdSlot({ clock, host: option.host, port: option.port, log });
  return { connection: slot, address: slot.address, close: () => slot.close() };
}

export interface KnownCardOptions extends CommissioningOptions {
  readonly eimId: string;
  readonly log: Log;
  readonly onFacts: (facts: CardFacts) => void;
}

/** The same card, commissioned before the module reads whose it is: once for each time that it is put in. */
export function commissioned(card: CardConnection, options: KnownCardOptions): { readonly connection: CardConnection; stop: Disposer } {
  let known = false;
  const stop = card.onPresence(() => {
    known = false;
  });
  function* subscriber(): ReturnType<CardConnection["subscriber"]> {
    if (!known) {
      yield* introduced(options);
      known = true;
    }
    return yield* card.subscriber();
  }
  const connection: CardConnection = {
    get present() {
      return card.present;
    },
    transmit: (apdu) => card.transmit(apdu),
    reset: () => card.reset(),
    subscriber,
    onPresence: (fn) => card.onPresence(fn),
  };
  return { connection, stop };
}

/** A card that cannot be commissioned, such as a plain UICC, still is the module's card. */
function* introduced({ log, onFacts, eimId, ...options }: KnownCardOptions): CardProcedure<void> {
  try {
    const facts = yield* commission(options);
    const known = facts.eims?.map((eim) => eim.eimId);
    if (known === undefined) log.info("the card is no IoT eUICC: it knows no eIM", { eid: facts.eid });
    else if (known.length > 0 && !known.includes(eimId)) log.warn("the card knows other eIMs only", { own: eimId, known });
    if (facts.refusal !== undefined) log.warn("the card refuses the eIM", { reason: facts.refusal });
    if (known !== undefined && facts.certificates === undefined)
      log.warn("the card has no certificate under the CI of this vehicle's servers", {});
    onFacts(facts);
  } catch (error) {
    log.warn("the card cannot be made known to the eIM", { reason: asSimwardError(error).message });
  }
}
