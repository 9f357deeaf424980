// The way to the card: the first of the family's ways that opens a channel is kept. Test forms (`=?`) are never asked: they are silent or wrong
// on modules whose command works, and right on some whose command does not.
import type { Clock } from "../../base/clock.ts";
import { isCode, SimwardError } from "../../base/errors.ts";
import type { AtPort } from "../engine/types.ts";
import type { ModemQuirks } from "../family.ts";
import type { ModemApdu, ModemApduChannel } from "../modem.ts";
import { isRefusal, whileSimBusy } from "../retry.ts";
import { cchoWay } from "./ccho.ts";
import { basicChannelWorks, csimWay, transmitBasic } from "./csim.ts";
import type { ApduTimeouts, ApduWay, OpenChannel } from "./way.ts";

/** What the access needs of the modem it belongs to. */
export interface ApduHost {
  readonly clock: Clock;
  /** Throws PORT_CLOSED, MODEM_ABSENT while the link is not ready. */
  port(): AtPort;
  quirks(): ModemQuirks;
  /** Changes whenever every channel is gone: at each reset, loss or refresh. */
  epoch(): number;
  /** Starts the card anew, which frees its channels; answers whether it did: it ends a session, and may be forbidden now. */
  readonly restartCard?: ((signal: AbortSignal | undefined) => Promise<boolean>) | undefined;
}

export interface OwnedApdu extends ModemApdu {
  /** Finds out about the basic channel; part of each initialisation. */
  probe(port: AtPort): Promise<void>;
  /** Closes what earlier sessions, ours or another's, may have left open; part of each initialisation. */
  closeLeftovers(port: AtPort): Promise<void>;
  /** The card has announced a proactive command (91xx), which after a change of profile is its REFRESH; whoever waited for it takes it back. */
  isRefreshAnnounced: boolean;
}

/** SW1 of a response behind which the card has a command for its terminal (ETSI TS 102 221 §7.4.2). */
const proactivePending = 0x91;
/**
 * Modules also say "no such application", or refuse a way that has worked, while the card or they themselves set something up: it is believed when it
 * is said twice.
 */
const confirmMs = 2_000;

export const defaultApduTimeouts: ApduTimeouts = { plainMs: 30_000, storeDataMs: 240_000 };

export function createApdu(host: ApduHost, timeouts: ApduTimeouts = defaultApduTimeouts): OwnedApdu {
  const ways: Readonly<Record<ModemQuirks["apdu"][number], ApduWay>> = {
    "ccho-cgla": cchoWay(timeouts),
    csim: csimWay(timeouts, () => host.quirks().csimLock),
  };
  let working: ModemQuirks["apdu"][number] | undefined;
  let basicWorks = false;
  let isRefreshAnnounced = false;
  const limit = commandLimit();
  /** Channels that were opened and not seen to be closed; the module or the card may know more of some. */
  const unclosed = new Set<OpenChannel>();
  /** What became of a channel is not known: a reply did not come, or the module was not there to be told to close it. */
  let isLeftOver = false;
  /** Those that somebody uses. */
  const inUse = new Set<OpenChannel>();

  const sweep = async (port: AtPort): Promise<void> => {
    for (const channel of unclosed) await channel.close(port);
    unclosed.clear();
    const way = working ?? host.quirks().apdu[0];
    if (way !== undefined) await ways[way].closeLeftovers(port);
    isLeftOver = false;
  };

  const openByAnyWay = async (port: AtPort, aid: Uint8Array): Promise<OpenChannel> => {
    const { apdu } = host.quirks();
    const order = working === undefined ? apdu : [working, ...apdu.filter((way) => way !== working)];
    const refusals: SimwardError[] = [];
    for (const way of order) {
      try {
        const channel = await ways[way].open(port, aid);
        working = way;
        return channel;
      } catch (error) {
        if (!isCode(error, "APDU_ACCESS", "APDU_CHANNEL")) throw error;
        refusals.push(error);
      }
    }
    // A way that works, with no channel free, says more than one that does not work.
    throw refusals.find((refusal) => refusal.code === "APDU_CHANNEL") ?? accessError(refusals);
  };

  return {
    async open(aid, signal) {
      const port = (): AtPort => (signal === undefined ? host.port() : host.port().with({ signal }));
      const tryOpen = async (): Promise<OpenChannel> => {
        // What one cannot name one can only close when nothing else is open.
        if (isLeftOver && inUse.size === 0) await sweep(port());
        try {
          return await whileSimBusy(host.clock, signal, () => openByAnyWay(port(), aid));
        } catch (error) {
          if (!isAnswered(error)) isLeftOver = true;
          throw error;
        }
      };
      const channel = await tryOpen().catch(async (error: unknown) => {
        if (isCode(error, "CARD_NOT_EUICC") || (isCode(error, "APDU_ACCESS") && working !== undefined))
          await host.clock.sleep(confirmMs, signal);
        else if (!isCode(error, "APDU_CHANNEL") || inUse.size > 0 || (await host.restartCard?.(signal)) !== true) throw error;
        return tryOpen();
      });
      unclosed.add(channel);
      inUse.add(channel);
      return apduChannel(host, channel, {
        onResponse: (apdu, response) => {
          limit.taken(apdu);
          if (response.at(-2) === proactivePending) isRefreshAnnounced = true;
        },
        onRefused: (apdu) => limit.refused(apdu),
        onDoubt: () => {
          isLeftOver = true;
        },
        onEnd: (isClosed) => {
          inUse.delete(channel);
          if (isClosed) unclosed.delete(channel);
          else isLeftOver = true;
        },
      });
    },
    get transmitBasic() {
      if (!basicWorks) return undefined;
      return (apdu: Uint8Array, signal?: AbortSignal) =>
        transmitBasic(signal === undefined ? host.port() : host.port().with({ signal }), apdu, timeouts);
    },
    get maxCommandDataBytes() {
      return Math.min(host.quirks().maxCommandDataBytes, limit.mostBytes);
    },
    async probe(port) {
      basicWorks = await basicChannelWorks(port);
    },
    async closeLeftovers(port) {
      // The module has started or was found again: whoever still holds a channel holds a dead one.
      inUse.clear();
      await sweep(port);
    },
    get isRefreshAnnounced() {
      return isRefreshAnnounced;
    },
    set isRefreshAnnounced(is) {
      isRefreshAnnounced = is;
    },
  };
}

function accessError(refusals: readonly SimwardError[]): SimwardError {
  return new SimwardError("APDU_ACCESS", {
    detail: refusals.map((refusal) => refusal.detail).join("; "),
    cause: refusals[0],
  });
}

/** What the module was seen to take in one command APDU: how long a line or an APDU may be is in few manuals. */
interface CommandLimit {
  readonly mostBytes: number;
  taken(apdu: Uint8Array): void;
  /** One longer than any that was taken may have been too long: the next is half as long. */
  refused(apdu: Uint8Array): void;
}

const leastCommandBytes = 30;
/** CLA INS P1 P2 Lc */
const headerBytes = 5;

function commandLimit(): CommandLimit {
  let longestTaken = leastCommandBytes;
  let mostBytes = Number.POSITIVE_INFINITY;
  return {
    get mostBytes() {
      return mostBytes;
    },
    taken(apdu) {
      longestTaken = Math.max(longestTaken, apdu.length - headerBytes);
    },
    refused(apdu) {
      const bytes = apdu.length - headerBytes;
      if (bytes > longestTaken) mostBytes = Math.max(longestTaken, Math.floor(bytes / 2));
    },
  };
}

interface ChannelWatch {
  readonly onResponse: (apdu: Uint8Array, response: Uint8Array) => void;
  readonly onRefused: (apdu: Uint8Array) => void;
  /** An answer did not come: what the module makes of the channel is not known. */
  readonly onDoubt: () => void;
  readonly onEnd: (isClosed: boolean) => void;
}

/** The channel as others hold it: dead once the module was reset under it, so that nothing goes to a session of the same number. */
function apduChannel(host: ApduHost, channel: OpenChannel, watch: ChannelWatch): ModemApduChannel {
  const epoch = host.epoch();
  let open = true;
  const alive = (): boolean => open && host.epoch() === epoch;
  return {
    name: channel.name,
    async transmit(apdu, signal) {
      if (!alive()) throw new SimwardError("APDU_CHANNEL_LOST", { detail: open ? "the module or the card was reset" : "it was closed" });
      const port = host.port();
      try {
        const response = await channel.transmit(signal === undefined ? port : port.with({ signal }), apdu);
        watch.onResponse(apdu, response);
        return response;
      } catch (error) {
        if (isCode(error, "APDU_CHANNEL_LOST") && alive()) watch.onRefused(apdu);
        if (!isAnswered(error)) watch.onDoubt();
        throw error;
      }
    },
    async close() {
      if (!open) return;
      const isThere = alive();
      open = false;
      // A refresh that was expected need not have come: such a channel may still be open on the card.
      if (!isThere) return watch.onEnd(false);
      try {
        watch.onEnd(await channel.close(host.port()));
      } catch (error) {
        watch.onEnd(false);
        if (!isCode(error, "PORT_CLOSED", "MODEM_ABSENT", "AT_TIMEOUT")) throw error;
      }
    },
  };
}

/** Whether the module has said what became of the command. */
function isAnswered(error: unknown): boolean {
  return isRefusal(error) || isCode(error, "APDU_CHANNEL_LOST", "APDU_ACCESS", "APDU_CHANNEL", "CARD_NOT_EUICC", "AT_SIM_BUSY");
}
