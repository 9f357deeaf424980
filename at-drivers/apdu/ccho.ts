// Logical channels by AT+CCHO, AT+CGLA, AT+CCHC (3GPP TS 27.007 §8.43 to §8.45). The session id is opaque, and the module writes the
// channel into CLA, so CLA goes out with channel 0: the channel's own number breaks modules whose id is a handle.
import { fromHex } from "../../base/bytes.ts";
import { isCode, SimwardError } from "../../base/errors.ts";
import { cchc, ccho, cgla, readCpin } from "../commands/sim.ts";
import { cmeOf, isSimBusy } from "../engine/results.ts";
import type { AtPort } from "../engine/types.ts";
import { isRefusal } from "../retry.ts";
import { type ApduTimeouts, type ApduWay, type OpenChannel, timeoutOf } from "./way.ts";

/** What a session of ours that did not end may have left open; a card has three or four besides the basic one. */
const leftoverSessions = ["1", "2", "3", "4"] as const;
/** Any USIM (ETSI TS 101 220 annex E): to learn whether it is the application or the command that fails. */
const usimAid = fromHex("A0000000871002");
/** +CME ERROR 20, memory full, and 21, invalid index, are how modules say that no channel is free; 22 that there is no such application. */
const exhausted: readonly number[] = [20, 21];
const notFound = 22;

export function cchoWay(timeouts: ApduTimeouts): ApduWay {
  return {
    async open(port, aid) {
      const first = await tryOpen(port, aid);
      if (first.session !== undefined) return channel(first.session, timeouts);
      if (cmeOf(first.refusal) === notFound) throw notEuicc(first.refusal);
      await refuseWhileSimBusy(port, first.refusal);
      await closeLeftovers(port);
      const second = await tryOpen(port, aid);
      if (second.session !== undefined) return channel(second.session, timeouts);
      const other = await tryOpen(port, usimAid);
      if (other.session !== undefined) {
        await closeSession(port, other.session);
        throw notEuicc(second.refusal);
      }
      if (exhausted.includes(cmeOf(second.refusal) ?? -1))
        throw new SimwardError("APDU_CHANNEL", { detail: second.refusal.detail ?? "+CCHO", cause: second.refusal });
      throw new SimwardError("APDU_ACCESS", { detail: second.refusal.detail ?? "+CCHO", cause: second.refusal });
    },
    closeLeftovers,
  };
}

async function closeLeftovers(port: AtPort): Promise<void> {
  for (const session of leftoverSessions) await closeSession(port, session);
}

type Tried = { readonly session: string; readonly refusal?: undefined } | { readonly session?: undefined; readonly refusal: SimwardError };

async function tryOpen(port: AtPort, aid: Uint8Array): Promise<Tried> {
  try {
    return { session: await port.send(ccho, aid) };
  } catch (refusal) {
    if (isRefusal(refusal) || isCode(refusal, "AT_REPLY")) return { refusal };
    throw refusal;
  }
}

/** +CME ERROR 13 is how some modules say "no such application" and others "wait": the SIM's own state tells. */
async function refuseWhileSimBusy(port: AtPort, refusal: SimwardError): Promise<void> {
  if (!isSimBusy(refusal)) return;
  try {
    if ((await port.send(readCpin)) === "READY") return;
  } catch (error) {
    if (!isRefusal(error)) throw error;
  }
  throw refusal;
}

function notEuicc(cause: SimwardError): SimwardError {
  return new SimwardError("CARD_NOT_EUICC", { detail: cause.detail ?? "+CCHO", cause });
}

function channel(session: string, timeouts: ApduTimeouts): OpenChannel {
  return {
    name: session,
    async transmit(port, apdu) {
      try {
        return await port.with({ timeoutMs: timeoutOf(apdu, timeouts) }).send(cgla, session, onChannelZero(apdu));
      } catch (error) {
        if (isCode(error, "AT_REPLY")) throw new SimwardError("APDU_MALFORMED", { detail: error.detail ?? "+CGLA", cause: error });
        if (!isRefusal(error)) throw error;
        throw new SimwardError("APDU_CHANNEL_LOST", { detail: error.detail ?? "+CGLA", cause: error, data: error.data });
      }
    },
    close: (port) => closeSession(port, session),
  };
}

/** A session that a refresh or a reset has ended is refused, but so is one that the module cannot close just now. */
async function closeSession(port: AtPort, session: string): Promise<boolean> {
  try {
    await port.send(cchc, session);
    return true;
  } catch (error) {
    if (!isRefusal(error)) throw error;
    return false;
  }
}

function onChannelZero(apdu: Uint8Array): Uint8Array {
  const out = Uint8Array.from(apdu);
  const cla = out[0] ?? 0;
  if ((cla & 0x40) === 0) out[0] = cla & ~0x03;
  return out;
}
