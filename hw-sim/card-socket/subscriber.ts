// Whom a card makes of the module, read as a module reads it: EF.ICCID under the MF, EF.IMSI in the USIM (3GPP TS 31.102 §4.2.2).
// On the basic channel, so that any UICC answers.
import { bytesToPlmn, concatBytes, fromHex, plmnToBytes, swappedBcdToDigits } from "../../base/bytes.ts";
import type { CardProcedure, Subscriber } from "../contracts.ts";
import { isDone, whole } from "./responses.ts";

/** The beginning that all USIM applications share (ETSI TS 101 220). */
export const usimAid = fromHex("A0000000871002");

const basic = 0;
const iccidOctets = 10;
const imsiOctets = 9;
/** Four places of three octets each are what every card has. */
export const forbiddenPlaces = 4;
const plmnOctets = 3;
const selectUsim = concatBytes(Uint8Array.of(0x00, 0xa4, 0x04, 0x0c, usimAid.length), usimAid);
const selectForbidden = fromHex("00A4090C026F7B");

export function* readSubscriber(): CardProcedure<Subscriber | undefined> {
  const iccid = yield* readFile([fromHex("00A4080C022FE2")], iccidOctets);
  const imsi = yield* readFile([selectUsim, fromHex("00A4090C026F07")], imsiOctets);
  if (iccid === undefined || imsi === undefined) return undefined;
  const [length = 0] = imsi;
  // The first digit's place holds the parity.
  const digits = swappedBcdToDigits(imsi.subarray(1, 1 + length)).slice(1);
  return /^\d{6,15}$/.test(digits) ? { iccid: swappedBcdToDigits(iccid), imsi: digits } : undefined;
}

/** Networks that the card forbids: EF.FPLMN of the USIM (3GPP TS 31.102 §4.2.16), MCC and MNC digits, oldest first. */
export function* readForbidden(): CardProcedure<readonly string[]> {
  const octets = yield* readFile([selectUsim, selectForbidden], forbiddenPlaces * plmnOctets);
  if (octets === undefined) return [];
  const places = Array.from({ length: forbiddenPlaces }, (_, at) => octets.subarray(at * plmnOctets, (at + 1) * plmnOctets));
  return places.map(bytesToPlmn).filter((plmn) => /^\d{5,6}$/.test(plmn));
}

/** Writes them; where there are more than places, the oldest give way. */
export function* writeForbidden(plmns: readonly string[]): CardProcedure<void> {
  const octets = new Uint8Array(forbiddenPlaces * plmnOctets).fill(0xff);
  octets.set(concatBytes(...plmns.slice(-forbiddenPlaces).map(plmnToBytes)));
  for (const select of [selectUsim, selectForbidden]) if (!isDone(yield* whole(basic, select))) return;
  yield* whole(basic, Uint8Array.of(0x00, 0xd6, 0x00, 0x00, octets.length, ...octets));
}

/** The first octets of a transparent file; undefined where the card has it not or does not let it be read. */
function* readFile(selects: readonly Uint8Array[], octets: number): CardProcedure<Uint8Array | undefined> {
  for (const select of selects) if (!isDone(yield* whole(basic, select))) return undefined;
  const read = yield* whole(basic, Uint8Array.of(0x00, 0xb0, 0x00, 0x00, octets));
  return isDone(read) && read.length === octets + 2 ? read.subarray(0, -2) : undefined;
}
