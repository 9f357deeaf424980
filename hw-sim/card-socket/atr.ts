// The answer to reset of the built-in eUICC, for card readers, which want one.
import { concatBytes, fromHex } from "../../base/bytes.ts";

/**
 * ISO 7816-3 §8.2: T=0; clock may stop, classes A to C; eUICC-related functions (the second global interface byte of ETSI TS 102 221 §6.3.3).
 * Historical bytes: card service data, capabilities with 8 channels or more given by card or terminal, "simward" as pre-issuing data.
 */
const body = fromHex("9F 96 80 3F C7 82 80 31E0 73FE211F 67 73696D77617264");

export const atr: Uint8Array = concatBytes(Uint8Array.of(0x3b), body, Uint8Array.of(body.reduce((sum, octet) => sum ^ octet, 0)));
