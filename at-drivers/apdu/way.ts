// What the ways to the card's logical channels have in common.
import type { AtPort } from "../engine/types.ts";

/** One open logical channel with its application selected. */
export interface OpenChannel {
  /** Its number, or the module's handle of it. */
  readonly name?: string | undefined;
  transmit(port: AtPort, apdu: Uint8Array): Promise<Uint8Array>;
  /** Answers whether the module has said that it is closed; refused it may be gone already, or not. */
  close(port: AtPort): Promise<boolean>;
}

export interface ApduWay {
  /** Throws CARD_NOT_EUICC, APDU_CHANNEL, APDU_ACCESS when this way does not work at all, and what the port throws. */
  open(port: AtPort, aid: Uint8Array): Promise<OpenChannel>;
  /** Closes whatever may be open; nobody must be using any. What is not open the module or the card refuses. */
  closeLeftovers(port: AtPort): Promise<void>;
}

export interface ApduTimeouts {
  /** SELECT, GET RESPONSE and the like. */
  readonly plainMs: number;
  /** STORE DATA: the eUICC may verify signatures, generate keys or install before it answers. */
  readonly storeDataMs: number;
}

const storeData = 0xe2;

export function timeoutOf(apdu: Uint8Array, timeouts: ApduTimeouts): number {
  return apdu[1] === storeData ? timeouts.storeDataMs : timeouts.plainMs;
}
