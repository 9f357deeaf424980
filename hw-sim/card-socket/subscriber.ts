// Whom a card makes of the module, read as a module reads it: EF.ICCID under the MF, EF.IMSI in the USIM (3GPP TS 31.102 §4.2.2).
// On the basic channel, so that any UICC answers.
import { concatBytes, fromHex, swappedBcdToDigits } from "../../base/bytes.ts";
import type { CardProcedure, Subscriber } from "../contracts.ts";
import { isDone, whole } from "./responses.ts";

/** The beginning that all USIM applications share (ETSI TS 101 220). */
export const usimAid = fromHex("A0000000871002");

const basic = 0;
const iccidOctets = 10;
const imsiOctets = 9;

export function* readSubscriber(): CardProcedure<Subscriber | undefined> {
  const iccid = yield* readFile([fromHex("00A4080C022FE2")], iccidOctets);
  const selectUsim = concatBytes(Uint8Array.of(0x00, 0xa4, 0x04, 0x0c, usimAid.length), usimAid);
  const imsi = yield* readFile([selectUsim, fromHex("00A4090C026F07")], imsiOctets);
  if (iccid === undefined || imsi === undefined) return undefined;
  const [length = 0] = imsi;
  // The first digit's place holds the parity.
  const digits = swappedBcdToDigits(imsi.subarray(1, 1 + length)).slice(1);
  return /^\d{6,15}$/.test(digits) ? { iccid: swappedBcdToDigits(iccid), imsi: digits } : undefined;
}

/** The first octets of a transparent file; undefined where the card has it not or does not let it be read. */
function* readFile(selects: readonly Uint8Array[], octets: number): CardProcedure<Uint8Array | undefined> {
  for (const select of selects) if (!isDone(yield* whole(basic, select))) return undefined;
  const read = yield* whole(basic, Uint8Array.of(0x00, 0xb0, 0x00, 0x00, octets));
  return isDone(read) && read.length === octets + 2 ? read.subarray(0, -2) : undefined;
}
