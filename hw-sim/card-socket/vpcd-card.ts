// The card's side of the vpcd protocol: the built-in eUICC connects to a reader (pcscd's vpcd, or another simward-sim's module) and is in it.
// A reader that is not there yet, or goes, is tried again.
import { connect, type Socket } from "node:net";
import type { Clock, Disposer } from "../../base/clock.ts";
import { type Log, silentLog } from "../../base/log.ts";
import type { GuestCard } from "./guest.ts";
import type { CardService } from "./serve.ts";
import { FrameReader, frame, order } from "./vpcd-frames.ts";

const againMs = 1_000;

export interface VpcdCardOptions {
  readonly clock: Clock;
  readonly host: string;
  readonly port: number;
  readonly log?: Log;
}

export function connectVpcd(card: GuestCard, { clock, host, port, log = silentLog }: VpcdCardOptions): CardService {
  let closed = false;
  let socket: Socket | undefined;
  let stopWaiting: Disposer = () => {};
  const attempt = (): void => {
    const reader = new FrameReader();
    const mine = connect(port, host, () => log.info("card inserted", { host, port }));
    socket = mine;
    mine.setNoDelay(true);
    mine.on("data", (octets) => {
      for (const message of reader.take(octets)) {
        const answer = obey(card, message);
        if (answer !== undefined && mine.writable) mine.write(frame(answer));
      }
    });
    mine.on("error", () => mine.destroy());
    mine.on("close", () => {
      card.reset();
      if (!closed) stopWaiting = clock.after(againMs, attempt);
    });
  };
  attempt();
  return {
    kind: "vpcd",
    address: `${host}:${port}`,
    async close() {
      closed = true;
      stopWaiting();
      socket?.destroy();
    },
  };
}

/** What a card answers to one message; undefined to those that have no answer. */
export function obey(card: GuestCard, message: Uint8Array): Uint8Array | undefined {
  if (message.length !== 1) return message.length === 0 ? undefined : card.transmit(message);
  switch (message[0]) {
    case order.powerOff:
    case order.powerOn:
    case order.reset:
      card.reset();
      return undefined;
    case order.getAtr:
      return card.atr;
    default:
      return undefined;
  }
}
