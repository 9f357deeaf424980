// STORE DATA towards the ISD-R: one ES10 command cut into blocks, its response gathered (SGP.22 §5.7.2, GlobalPlatform §11.11).
// Knows status words of ISO 7816-4; knows nothing of ES10 functions or of channels.
import { concatBytes, toHexUpper } from "../../base/bytes.ts";
import { SimwardError } from "../../base/errors.ts";

export type Transmit = (apdu: Uint8Array) => Promise<Uint8Array>;

export interface StoreDataAnswer {
  /** Empty when the card had nothing to say. */
  readonly data: Uint8Array;
  /** SW 91xx was seen: the card waits for the module to fetch a proactive command. */
  readonly refreshPending: boolean;
}

const maxBlocks = 256;
const maxBlockBytes = 255;
/** More than any response of an eUICC; a card that never ends its response must not fill the memory. */
const maxResponseBytes = 1 << 20;

const moreBlocks = 0x11;
const lastBlock = 0x91;

/** ISO 7816-4 §5.6, in the words an engineer at the card needs. */
const statusMeanings: Readonly<Record<number, string>> = {
  26368: "wrong length",
  26753: "logical channel not supported",
  26754: "secure messaging not supported",
  27010: "security status not satisfied",
  27013: "conditions of use not satisfied",
  27033: "applet selection failed",
  27264: "incorrect data",
  27266: "file or application not found",
  27268: "not enough memory",
  27270: "incorrect P1 or P2",
  27272: "referenced data not found",
  27904: "instruction not supported",
  28160: "class not supported",
  28416: "internal error of the card",
};

/** The APDUs that carry one command, CLA 80 (the channel's bits are the channel's affair), no Le. Throws ES10_TOO_LONG. */
export function storeDataBlocks(command: Uint8Array, blockBytes: number): Uint8Array[] {
  const size = Math.min(Math.max(1, Math.floor(blockBytes)), maxBlockBytes);
  const count = Math.max(1, Math.ceil(command.length / size));
  if (count > maxBlocks) {
    throw new SimwardError("ES10_TOO_LONG", {
      detail: `${command.length} octets need ${count} blocks of ${size}, STORE DATA numbers ${maxBlocks}`,
      data: { bytes: command.length, blockBytes: size },
    });
  }
  return Array.from({ length: count }, (_, number) => {
    const block = command.subarray(number * size, (number + 1) * size);
    const p1 = number === count - 1 ? lastBlock : moreBlocks;
    return concatBytes(Uint8Array.of(0x80, 0xe2, p1, number, block.length), block);
  });
}

/** Sends one command and gathers its response. Throws APDU_STATUS with `data.sw`, APDU_MALFORMED, ES10_TOO_LONG, and what `transmit` throws. */
export async function storeData(transmit: Transmit, command: Uint8Array, blockBytes: number): Promise<StoreDataAnswer> {
  const blocks = storeDataBlocks(command, blockBytes);
  const gathered: Uint8Array[] = [];
  let total = 0;
  let refreshPending = false;

  const keep = (data: Uint8Array): void => {
    total += data.length;
    if (total > maxResponseBytes)
      throw new SimwardError("APDU_MALFORMED", { detail: `a response of more than ${maxResponseBytes} octets` });
    gathered.push(data);
  };
  const send = async (apdu: Uint8Array, where: string): Promise<number> => {
    let response = splitResponse(await transmit(apdu));
    // Wrong Le: the card names the right one and has done nothing yet (ISO 7816-3 §10.3).
    if (response.sw >> 8 === 0x6c) response = splitResponse(await transmit(withLe(apdu, response.sw & 0xff)));
    const kind = response.sw >> 8;
    if (response.sw !== 0x9000 && kind !== 0x61 && kind !== 0x91) throw statusError(response.sw, where);
    if (kind === 0x91) refreshPending = true;
    // Some modules resolve 61xx themselves and hand the data over with the answer to STORE DATA.
    keep(response.data);
    return response.sw;
  };

  let sw = 0x9000;
  for (const [number, block] of blocks.entries()) {
    const where = `STORE DATA block ${number + 1} of ${blocks.length}`;
    sw = await send(block, where);
    if (number < blocks.length - 1 && sw >> 8 === 0x61) throw statusError(sw, where);
  }
  for (let idle = 0; sw >> 8 === 0x61; ) {
    const before = total;
    sw = await send(Uint8Array.of(0x00, 0xc0, 0x00, 0x00, sw & 0xff), "GET RESPONSE");
    idle = total === before ? idle + 1 : 0;
    if (idle > 3) throw new SimwardError("APDU_MALFORMED", { detail: "the card promises data and sends none" });
  }
  return { data: concatBytes(...gathered), refreshPending };
}

export function splitResponse(response: Uint8Array): { readonly data: Uint8Array; readonly sw: number } {
  const [sw1, sw2] = response.subarray(-2);
  if (sw1 === undefined || sw2 === undefined)
    throw new SimwardError("APDU_MALFORMED", { detail: `${response.length} octets, no status word` });
  return { data: response.subarray(0, -2), sw: (sw1 << 8) | sw2 };
}

export function statusError(sw: number, where: string): SimwardError {
  const text = toHexUpper(Uint8Array.of(sw >> 8, sw & 0xff));
  const meaning = statusMeanings[sw];
  return new SimwardError("APDU_STATUS", {
    detail: `${where}: SW ${text}${meaning === undefined ? "" : ` (${meaning})`}`,
    data: { sw: text },
  });
}

/** Case 2 has its Le as the fifth octet; STORE DATA (case 3) gets one at its end. */
function withLe(apdu: Uint8Array, le: number): Uint8Array {
  return apdu.length <= 5 ? concatBytes(apdu.subarray(0, 4), Uint8Array.of(le)) : concatBytes(apdu, Uint8Array.of(le));
}
