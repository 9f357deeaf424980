// Logical channels by AT+CSIM alone: MANAGE CHANNEL, SELECT and the channel's number in CLA are ours to write (ETSI TS 102 221 §10.1.1,
// §11.1.17), for modules without AT+CCHO. The same command reaches the basic channel.
import { concatBytes, fromHex, toHexUpper } from "../../base/bytes.ts";
import { isCode, SimwardError } from "../../base/errors.ts";
import { csim } from "../commands/sim.ts";
import { cmeOf, isSimBusy } from "../engine/results.ts";
import type { AtCommand, AtPort } from "../engine/types.ts";
import type { ModemQuirks } from "../family.ts";
import { isRefusal } from "../retry.ts";
import { type ApduTimeouts, type ApduWay, type OpenChannel, timeoutOf } from "./way.ts";

/** The card chooses, Le 01 and Le 00; then channel 1 by name, which some cards and modules know alone. */
const openings = [
  { apdu: fromHex("0070000001"), assigned: undefined },
  { apdu: fromHex("0070000000"), assigned: undefined },
  { apdu: fromHex("0070000100"), assigned: 1 },
] as const;
const channelsExhausted = 0x6a81;
const wrongLength = 0x6700;
/** STATUS on the basic channel, with and without data wanted: changes nothing. */
const harmless = [fromHex("80F2000000"), fromHex("80F2000C00")] as const;

export function csimWay(timeouts: ApduTimeouts, lockOf: () => ModemQuirks["csimLock"]): ApduWay {
  return {
    async open(port, aid) {
      const lock = lockOf();
      await orRefused(port, lock?.lock);
      let number: number | undefined;
      try {
        number = await openChannel(port);
        await select(port, number, aid);
        return channel(number, timeouts, lock);
      } catch (error) {
        if (number !== undefined) await closeChannel(port, number);
        await orRefused(port, lock?.unlock);
        throw error;
      }
    },
    async closeLeftovers(port) {
      const lock = lockOf();
      await orRefused(port, lock?.lock);
      await closeOthers(port);
      await orRefused(port, lock?.unlock);
    },
  };
}

/** What a module of the family may lack. */
async function orRefused(port: AtPort, command: AtCommand<readonly [], void> | undefined): Promise<void> {
  if (command === undefined) return;
  try {
    await port.send(command);
  } catch (error) {
    if (!isRefusal(error)) throw error;
  }
}

/** Whether the module lets its host send on the basic channel, found by doing it. */
export async function basicChannelWorks(port: AtPort): Promise<boolean> {
  for (const apdu of harmless) {
    try {
      await port.send(csim, apdu);
      return true;
    } catch (error) {
      if (!isRefusal(error) && !isCode(error, "AT_REPLY")) throw error;
    }
  }
  return false;
}

export async function transmitBasic(port: AtPort, apdu: Uint8Array, timeouts: ApduTimeouts): Promise<Uint8Array> {
  return transmit(port, apdu, timeouts);
}

async function openChannel(port: AtPort): Promise<number> {
  let last: SimwardError | undefined;
  for (const { apdu, assigned } of openings) {
    try {
      let response = await port.send(csim, apdu);
      if (statusOf(response) === channelsExhausted) {
        await closeOthers(port);
        response = await port.send(csim, apdu);
      }
      const number = assigned ?? (response.length === 3 ? response[0] : undefined);
      // 91xx: opened as well, and a proactive command waits (ETSI TS 102 221 §14.4.1).
      if ((statusOf(response) === 0x9000 || statusOf(response) >> 8 === 0x91) && number !== undefined && number >= 1 && number <= 19)
        return number;
      if (statusOf(response) === channelsExhausted) throw new SimwardError("APDU_CHANNEL", { detail: "MANAGE CHANNEL answers 6A81" });
      last = new SimwardError("APDU_ACCESS", { detail: `MANAGE CHANNEL answers ${toHexUpper(response)}` });
    } catch (error) {
      if (isSimBusy(error) && cmeOf(error) !== 13) throw error;
      if (!isRefusal(error) && !isCode(error, "AT_REPLY")) throw error;
      last = new SimwardError("APDU_ACCESS", { detail: error.detail ?? "+CSIM", cause: error });
    }
  }
  throw last ?? new SimwardError("APDU_ACCESS", { detail: "+CSIM" });
}

/** No channel is free: those of a session of ours that did not end are closed; the module has none open by this way. */
async function closeOthers(port: AtPort): Promise<void> {
  for (const number of [1, 2, 3]) await closeChannel(port, number);
}

async function closeChannel(port: AtPort, number: number): Promise<boolean> {
  try {
    const sw = statusOf(await port.send(csim, Uint8Array.of(0x00, 0x70, 0x80, number, 0x00)));
    return sw === 0x9000 || sw >> 8 === 0x91;
  } catch (error) {
    if (!isRefusal(error) && !isCode(error, "AT_REPLY")) throw error;
    return false;
  }
}

async function select(port: AtPort, number: number, aid: Uint8Array): Promise<void> {
  const command = onChannel(concatBytes(Uint8Array.of(0x00, 0xa4, 0x04, 0x00, aid.length), aid), number);
  let sw = await selectStatus(port, command);
  // Some modules and cards want an expected length, most do not.
  if (sw === wrongLength) sw = await selectStatus(port, concatBytes(command, Uint8Array.of(0x00)));
  const sw1 = sw >> 8;
  if (sw === 0x9000 || sw1 === 0x61 || sw1 === 0x91) return;
  if (sw === 0x6a82) throw new SimwardError("CARD_NOT_EUICC", { detail: "SELECT answers 6A82" });
  throw new SimwardError("APDU_ACCESS", { detail: `SELECT answers ${sw.toString(16).toUpperCase()}` });
}

async function selectStatus(port: AtPort, command: Uint8Array): Promise<number> {
  try {
    return statusOf(await port.send(csim, command));
  } catch (error) {
    if (!isRefusal(error)) throw error;
    throw new SimwardError("APDU_ACCESS", { detail: error.detail ?? "+CSIM", cause: error });
  }
}

function channel(number: number, timeouts: ApduTimeouts, lock: ModemQuirks["csimLock"]): OpenChannel {
  return {
    name: String(number),
    transmit: (port, apdu) => transmit(port, onChannel(apdu, number), timeouts),
    async close(port) {
      const isClosed = await closeChannel(port, number);
      await orRefused(port, lock?.unlock);
      return isClosed;
    },
  };
}

async function transmit(port: AtPort, apdu: Uint8Array, timeouts: ApduTimeouts): Promise<Uint8Array> {
  try {
    return await port.with({ timeoutMs: timeoutOf(apdu, timeouts) }).send(csim, apdu);
  } catch (error) {
    if (isCode(error, "AT_REPLY")) throw new SimwardError("APDU_MALFORMED", { detail: error.detail ?? "+CSIM", cause: error });
    if (!isRefusal(error)) throw error;
    throw new SimwardError("APDU_CHANNEL_LOST", { detail: error.detail ?? "+CSIM", cause: error, data: error.data });
  }
}

/** ETSI TS 102 221 §10.1.1: channels 1 to 3 in the low bits, 4 to 19 in the extended form. */
function onChannel(apdu: Uint8Array, number: number): Uint8Array {
  const out = Uint8Array.from(apdu);
  const cla = out[0] ?? 0;
  out[0] = number <= 3 ? (cla & ~0x03) | number : (cla & 0xb0) | 0x40 | (number - 4);
  return out;
}

function statusOf(response: Uint8Array): number {
  return ((response.at(-2) ?? 0) << 8) | (response.at(-1) ?? 0);
}
