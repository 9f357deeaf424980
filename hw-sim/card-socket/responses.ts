// What every user of a card knows of command and response APDUs: the channel in CLA, status words, and following 61xx and 6Cxx.
import { concatBytes } from "../../base/bytes.ts";
import type { CardProcedure } from "../contracts.ts";

/** Channels 0 to 3 in the low bits; 4 to 19 in the further coding (ISO 7816-4 §5.4.1). */
export function withChannel(cla: number, channel: number): number {
  const plain = (cla & 0x40) !== 0 ? cla & 0xb0 : cla & 0xfc;
  return channel < 4 ? (plain & 0xfc) | channel : (plain & 0xb0) | 0x40 | (channel - 4);
}

export function statusOf(response: Uint8Array): number {
  return ((response.at(-2) ?? 0) << 8) | (response.at(-1) ?? 0);
}

/** 9000, or 91xx where the card has something to say as well. */
export function isDone(response: Uint8Array): boolean {
  const status = statusOf(response);
  return status === 0x9000 || status >> 8 === 0x91;
}

/** The whole response to a command. 6Cxx: again with that length. 61xx: the rest, as long as there is one. */
export function* whole(channel: number, apdu: Uint8Array): CardProcedure<Uint8Array> {
  return yield* followed(channel, apdu, yield apdu);
}

/** As `whole`, when the command's first response is there already. */
export function* followed(channel: number, apdu: Uint8Array, first: Uint8Array): CardProcedure<Uint8Array> {
  let response = first;
  if (statusOf(response) >> 8 === 0x6c) response = yield Uint8Array.of(...apdu.subarray(0, 4), statusOf(response) & 0xff);
  const parts: Uint8Array[] = [];
  while (statusOf(response) >> 8 === 0x61) {
    parts.push(response.subarray(0, -2));
    response = yield Uint8Array.of(withChannel(0x00, channel), 0xc0, 0x00, 0x00, statusOf(response) & 0xff);
  }
  return concatBytes(...parts, response);
}
