// The eUICC's one owner: opens a logical channel to the ISD-R for one user at a time, sends ES10 commands over it, opens it anew when it is lost.
// TERMINAL CAPABILITY goes first, once per card reset (SGP.32 §3.8.2, ETSI TS 102 221 §11.1.19).
import { fromHex } from "../../base/bytes.ts";
import type { Clock } from "../../base/clock.ts";
import { asSimwardError, errorReport, isCode, SimwardError } from "../../base/errors.ts";
import { Queue } from "../../base/queue.ts";
import type { Trace } from "../../base/trace.ts";
import type { IpaEvents } from "../events.ts";
import type { ApduAccess, ApduChannel, EuiccSession } from "../ports.ts";
import { Es10, type Es10Link } from "./es10.ts";
import { splitResponse, statusError, storeData } from "./store-data.ts";

/** SGP.02 Annex H */
export const isdrAid: Uint8Array = fromHex("A0000005591010FFFFFFFF8900000100");

export type TerminalCapability = "83" | "84" | "both" | "none";

/** Template A9: 83 eUICC-related capabilities (LUId, LPDd, LDSd), 84 those of IoT devices (IPAd). */
const terminalCapabilities: Readonly<Record<Exclude<TerminalCapability, "none">, Uint8Array>> = {
  83: fromHex("80AA000005A903830107"),
  84: fromHex("80AA000005A903840101"),
  both: fromHex("80AA000008A906830107840101"),
};

/** Status words that say the channel or what is selected on it is gone, or may be: 6985 is what some cards answer after a REFRESH. */
const lostStatuses = new Set(["6881", "6882", "6985", "6999", "6D00", "6E00"]);
/** Of those, the ones that after a new channel mean that the function does not exist. */
const unsupportedStatuses = new Set(["6A88", "6D00", "6E00"]);

export interface EuiccSessionOptions {
  readonly card: ApduAccess;
  readonly clock: Clock;
  readonly events: IpaEvents;
  readonly trace?: Trace | undefined;
  readonly terminalCapability: TerminalCapability;
  /**
   * Whether an IPAd is to be announced at all: an eUICC whose own IPA is at work would hand over to it. Asked until it is yes, then of the next card only.
   */
  readonly mayAnnounce?: ((signal: AbortSignal | undefined) => Promise<boolean>) | undefined;
  /** Stands between the functions and the card: what the card lacks may be done there (ipa/consumer). */
  readonly decorate?: ((link: Es10Link) => Es10Link) | undefined;
}

export interface OwnedEuiccSession extends EuiccSession {
  /** What the card is used for at this moment. */
  readonly busyWith: string | undefined;
  /** The card was reset or changed: what was said to it must be said again. `isAnother`: it may be one of another class. */
  forgetCard(isAnother?: boolean): void;
  close(): void;
}

export function createEuiccSession(options: EuiccSessionOptions): OwnedEuiccSession {
  const { card, clock, events } = options;
  const queue = new Queue();
  let capabilityTold = false;
  let announces = false;
  let busyWith: string | undefined;

  const tellCapability = async (signal: AbortSignal | undefined): Promise<void> => {
    if (capabilityTold || options.terminalCapability === "none" || card.transmitBasic === undefined) return;
    announces ||= (await options.mayAnnounce?.(signal)) ?? true;
    if (!announces) return;
    try {
      const { sw } = splitResponse(await card.transmitBasic(terminalCapabilities[options.terminalCapability], signal));
      if (sw !== 0x9000 && sw >> 8 !== 0x91) throw statusError(sw, "TERMINAL CAPABILITY");
    } catch (error) {
      signal?.throwIfAborted();
      // A port that is gone says nothing about the module, and there is no channel to be had either.
      if (isCode(error, "PORT_CLOSED", "MODEM_ABSENT")) throw error;
      // Many modules have told the card already, and not every module lets its host do so.
      await events.emit({ kind: "warning", where: "TERMINAL CAPABILITY", error: errorReport(error) });
    }
    capabilityTold = true;
  };

  const use = async <T>(job: (es10: Es10) => Promise<T>, signal: AbortSignal | undefined): Promise<T> => {
    let channel: ApduChannel | undefined;
    let refreshPending = false;

    const opened = async (): Promise<ApduChannel> => {
      if (channel !== undefined) return channel;
      signal?.throwIfAborted();
      await tellCapability(signal);
      channel = await card.open(isdrAid, signal);
      return channel;
    };
    const drop = async (): Promise<void> => {
      const former = channel;
      channel = undefined;
      capabilityTold = false;
      await former?.close().catch(() => undefined);
    };
    const link: Es10Link = {
      get refreshPending() {
        return refreshPending;
      },
      async exchange(command, idempotent) {
        for (let again = false; ; again = true) {
          try {
            const on = await opened();
            const answer = await storeData((apdu) => on.transmit(apdu, signal), command, card.maxCommandDataBytes);
            refreshPending ||= answer.refreshPending;
            return answer.data;
          } catch (error) {
            signal?.throwIfAborted();
            const lost = isLost(error);
            // After anything but a clean status word it is unknown what the card has of the command: the next one gets a new channel.
            if (lost || !isCode(error, "APDU_STATUS", "ES10_TOO_LONG")) await drop();
            if (!lost || !idempotent || again) throw explain(error);
          }
        }
      },
    };
    try {
      return await job(new Es10(options.decorate?.(link) ?? link, clock, events, options.trace));
    } finally {
      if (refreshPending) capabilityTold = false;
      await channel?.close().catch(() => undefined);
    }
  };

  return {
    get busyWith() {
      return busyWith;
    },
    withEuicc: (why, job, signal) =>
      queue.run(async () => {
        busyWith = why;
        try {
          return await use(job, signal);
        } finally {
          busyWith = undefined;
        }
      }, signal),
    forgetCard(isAnother = false) {
      capabilityTold = false;
      if (isAnother) announces = false;
    },
    close() {
      queue.close();
    },
  };
}

function statusOf(error: unknown): string | undefined {
  return isCode(error, "APDU_STATUS") && typeof error.data.sw === "string" ? error.data.sw : undefined;
}

function isLost(error: unknown): boolean {
  const sw = statusOf(error);
  return sw === undefined ? isCode(error, "APDU_CHANNEL_LOST", "PORT_CLOSED") : lostStatuses.has(sw);
}

function explain(error: unknown): SimwardError {
  const known = asSimwardError(error, "APDU_CHANNEL");
  const sw = statusOf(known);
  if (sw === undefined) return known;
  const context = { cause: known, data: known.data, ...(known.detail === undefined ? {} : { detail: known.detail }) };
  if (unsupportedStatuses.has(sw)) return new SimwardError("ES10_UNSUPPORTED", context);
  return sw === "6881" || sw === "6882" || sw === "6999" ? new SimwardError("APDU_CHANNEL_LOST", context) : known;
}
