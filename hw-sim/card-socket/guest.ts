// The built-in eUICC as somebody else's program meets it: alone with it, or beside the module in whose slot it is.
import { fromHex } from "../../base/bytes.ts";
import type { Uicc } from "../contracts.ts";
import { atr } from "./atr.ts";
import { isDone, statusOf, withChannel } from "./responses.ts";

export interface GuestCard {
  readonly atr: Uint8Array;
  transmit(apdu: Uint8Array): Uint8Array;
  /** What the guest did is undone: channels it opened are closed, its half commands are gone. */
  reset(): void;
}

/** Nobody else uses the card: a reset is a reset. */
export function soleGuest(uicc: Uicc): GuestCard {
  return { atr, transmit: (apdu) => uicc.process(apdu), reset: () => uicc.reset() };
}

/** The module uses the card too and must not lose its channels: a guest's reset closes only those that the guest opened. */
export function fellowGuest(uicc: Uicc): GuestCard {
  const opened = new Set<number>();
  return {
    atr,
    transmit: (apdu) => {
      const response = uicc.process(apdu);
      const [, ins, p1, p2 = 0] = apdu;
      if (ins === 0x70 && isDone(response)) {
        if (p1 === 0x80) opened.delete(p2);
        else opened.add(p2 === 0 ? (response[0] ?? 0) : p2);
      }
      return response;
    },
    reset: () => {
      for (const number of opened) uicc.process(Uint8Array.of(0x00, 0x70, 0x80, number));
      opened.clear();
    },
  };
}

/** A channel with that application selected on it; undefined when there is none. */
export function openChannel(card: GuestCard, aid: Uint8Array): number | undefined {
  const opened = card.transmit(fromHex("0070000001"));
  const [number = 0] = opened;
  if (!isDone(opened)) return undefined;
  const selected = card.transmit(Uint8Array.of(withChannel(0x00, number), 0xa4, 0x04, 0x00, aid.length, ...aid, 0x00));
  if ([0x90, 0x91, 0x61].includes(statusOf(selected) >> 8)) return number;
  closeChannel(card, number);
  return undefined;
}

export function closeChannel(card: GuestCard, number: number): void {
  card.transmit(Uint8Array.of(0x00, 0x70, 0x80, number));
}
