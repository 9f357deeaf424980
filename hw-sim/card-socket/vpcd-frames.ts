// The protocol between vpcd and a virtual card (vsmartcard): messages with their length in two octets before them. One octet from the
// reader's side is an order, more are a command APDU; the card answers an APDU and the question for the ATR, nothing else.
import { concatBytes, emptyBytes, uintToBytes } from "../../base/bytes.ts";

export const vpcdPort = 35_963;

export const order = { powerOff: 0x00, powerOn: 0x01, reset: 0x02, getAtr: 0x04 } as const;

export function frame(message: Uint8Array): Uint8Array {
  return concatBytes(uintToBytes(message.length, 2), message);
}

/** Cuts a stream into messages; at most 65,537 octets wait for the rest of one. */
export class FrameReader {
  #rest: Uint8Array = emptyBytes;

  /** The messages that are whole now. */
  take(octets: Uint8Array): readonly Uint8Array[] {
    this.#rest = concatBytes(this.#rest, octets);
    const messages: Uint8Array[] = [];
    for (;;) {
      const [high, low] = this.#rest;
      if (high === undefined || low === undefined) return messages;
      const end = 2 + ((high << 8) | low);
      if (this.#rest.length < end) return messages;
      messages.push(this.#rest.slice(2, end));
      this.#rest = this.#rest.slice(end);
    }
  }
}
