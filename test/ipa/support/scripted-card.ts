// A card that follows a transcript of APDUs to the letter: what comes out of turn is an error of the test.
import { fromHex, toHexUpper } from "../../../base/bytes.ts";
import { VirtualClock } from "../../../base/clock.ts";
import { SimwardError } from "../../../base/errors.ts";
import { createEuiccSession, type OwnedEuiccSession, type TerminalCapability } from "../../../ipa/euicc/session.ts";
import type { IpaEvent } from "../../../ipa/events.ts";
import type { ApduAccess, ApduChannel } from "../../../ipa/ports.ts";

/**
 * "> APDU" and "< response" on a logical channel, "= basic APDU" for the basic one, "open" and "close" for channels,
 * "! CODE" for an error instead of a response. White space inside hex is free; lines that begin with # are remarks.
 */
export function scriptedCard(transcript: string, options: { readonly blockBytes?: number; readonly basic?: boolean } = {}) {
  const lines = transcript
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "" && !line.startsWith("#"));
  let at = 0;
  const take = (what: string): void => {
    const line = lines[at] ?? "the end of the transcript";
    if (line.replace(/\s+/g, "") !== what.replace(/\s+/g, ""))
      throw new Error(`line ${at + 1}: the transcript has "${line}", the session did "${what}"`);
    at++;
  };
  const answer = (): Uint8Array => {
    const line = lines[at++] ?? "";
    if (line.startsWith("! ")) throw new SimwardError(line.slice(2).trim() as "AT_TIMEOUT");
    if (!line.startsWith("<")) throw new Error(`line ${at}: a response belongs here, not "${line}"`);
    return fromHex(line.slice(1));
  };
  const channel: ApduChannel = {
    async transmit(apdu) {
      take(`> ${toHexUpper(apdu)}`);
      return answer();
    },
    async close() {
      take("close");
    },
  };
  const card: ApduAccess = {
    maxCommandDataBytes: options.blockBytes ?? 255,
    async open(aid) {
      take(`open ${toHexUpper(aid)}`);
      return channel;
    },
    ...(options.basic === true
      ? {
          async transmitBasic(apdu: Uint8Array) {
            take(`= ${toHexUpper(apdu)}`);
            return answer();
          },
        }
      : {}),
  };
  return { card, done: () => at === lines.length, rest: () => lines.slice(at) };
}

export const isdr = "open A0000005591010FFFFFFFF8900000100";

export function sessionOn(
  card: ApduAccess,
  terminalCapability: TerminalCapability = "none",
): { session: OwnedEuiccSession; events: IpaEvent[] } {
  const events: IpaEvent[] = [];
  const session = createEuiccSession({
    card,
    clock: new VirtualClock(),
    events: { emit: (event) => void events.push(event) },
    terminalCapability,
  });
  return { session, events };
}
