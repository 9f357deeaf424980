// Whether a port takes AT commands: AT is sent, and what comes back is judged. Nothing else is ever sent to a port that may be another's.
import { type Clock, deadline } from "../../base/clock.ts";
import { isCode, SimwardError } from "../../base/errors.ts";
import type { ByteChannel } from "../engine/types.ts";

/** `at`: it answered OK. `silent`: not a word that means anything; it may be a module that sleeps, or that hangs. */
export type Verdict = "at" | "nmea" | "binary" | "spew" | "silent" | "gone";

export const verdictTexts: Readonly<Record<Verdict, string>> = {
  at: "answers AT",
  nmea: "sends a satellite receiver's sentences",
  binary: "sends what is no text, as a diagnosis port does",
  spew: "sends without end, and not what was asked",
  silent: "does not answer AT",
  gone: "went away while it was asked",
};

const askings = 3;
const askAgainMs = 500;
/** A module that has just started may have much to say; more than this without OK is no answer. */
const mostBytes = 4_096;
const nmeaSentences = 2;

/** Leaves the channel open, and what comes later to its next listener. */
export async function probe(channel: ByteChannel, clock: Clock): Promise<Verdict> {
  let heard = "";
  let resolve: (verdict: Verdict) => void = () => undefined;
  const judged = new Promise<Verdict>((done) => {
    resolve = done;
  });
  const stop = channel.onData((octets) => {
    heard += Buffer.from(octets).toString("latin1");
    const verdict = judge(heard);
    if (verdict !== undefined) resolve(verdict);
  });
  void channel.closed.then(() => resolve("gone"));
  const late = (): SimwardError => new SimwardError("AT_TIMEOUT", { detail: channel.address });
  try {
    for (let asked = 0; asked < askings; asked++) {
      const limit = deadline(clock, askAgainMs, late);
      try {
        const verdict = await Promise.race([ask(channel, limit.signal).then(() => judged), whenAborted(limit.signal)]);
        return verdict;
      } catch (error) {
        if (isCode(error, "PORT_CLOSED")) return "gone";
        if (!isCode(error, "AT_TIMEOUT")) throw error;
      } finally {
        limit.done();
      }
    }
    return isText(heard) ? "silent" : "binary";
  } finally {
    stop();
  }
}

/** A port whose flow control is stuck takes nothing: that must not be waited for. */
function ask(channel: ByteChannel, signal: AbortSignal): Promise<void> {
  return Promise.race([channel.write(Buffer.from("AT\r", "latin1")), whenAborted(signal)]);
}

function whenAborted(signal: AbortSignal): Promise<never> {
  return new Promise((_resolve, reject) => {
    if (signal.aborted) reject(signal.reason);
    else signal.addEventListener("abort", () => reject(signal.reason), { once: true });
  });
}

/** undefined: not enough to say. Text results or, where somebody left ATV0, the number. Pure. */
export function judge(heard: string): Verdict | undefined {
  if (/(^|[\r\n])(OK\r?\n|0\r$)/.test(heard)) return "at";
  const sentences = heard.match(/(^|[\r\n])[$!][A-Z]{2}[A-Z0-9]{2,4},[^\r\n]*[\r\n]/g)?.length ?? 0;
  if (sentences >= nmeaSentences) return "nmea";
  if (heard.length > mostBytes) return isText(heard) ? "spew" : "binary";
  return undefined;
}

/** A module may send a broken octet or two as it starts. */
function isText(heard: string): boolean {
  let strange = 0;
  for (const char of heard) if (!/[\t\r\n\x20-\x7e]/.test(char)) strange++;
  return strange <= Math.max(4, heard.length / 20);
}
