// A CoAP client that outlives its associations: it opens them, gives them up when the peer or a NAT forgot them, and goes on at the failed block.
// A Connection ID layer (RFC 9146) fits below it: with one, a link survives the silence that is judged here (`survivesRebinding`).
import type { Clock, Disposer } from "../../base/clock.ts";
import { isCode, SimwardError } from "../../base/errors.ts";
import { Queue } from "../../base/queue.ts";
import type { Random } from "../../base/random.ts";
import type { DatagramLink } from "../link.ts";
import { coapDefaults } from "./client.ts";
import type { ReceivedMessage } from "./message.ts";
import { createMessenger, type ExchangeRequest, type Messenger } from "./messenger.ts";
import { judgeSilence, learnNatIdle, type SilenceVerdict, unknownNatIdleSeconds } from "./nat.ts";
import { unknownRoundTrip } from "./reliability.ts";
import { createTokens, transfer } from "./transfer.ts";
import type { CoapClient, CoapClientOptions, CoapEvent } from "./types.ts";

export interface CoapSessionOptions extends Omit<CoapClientOptions, "link"> {
  /** Opens an association, resuming the last where the peer still knows it. Throws DTLS_TIMEOUT, DTLS_…, TLS_…, which end the request. */
  readonly connect: (signal: AbortSignal | undefined) => Promise<DatagramLink>;
  readonly clock: Clock;
  readonly random: Random;
  /** What an earlier session learned; 60 at first. */
  readonly natIdleSeconds?: number;
  /** Told whenever more was learned, to be kept across restarts. */
  readonly onNatIdle?: (seconds: number) => void;
  /** The link survives a change of address by itself (Connection ID): silence then says nothing. */
  readonly survivesRebinding?: (link: DatagramLink) => boolean;
  /** Close an association after this much silence; kept open by default. */
  readonly idleCloseMs?: number;
}

export interface CoapSession extends CoapClient {
  readonly natIdleSeconds: number;
  readonly connected: boolean;
  /** The way to the peer has changed (another address of ours): what is under way goes on over a new association, and so does all after it. */
  renew(): void;
}

type ConnectReason = Extract<CoapEvent, { kind: "connect" }>["why"];

/** New associations that one exchange may cost: more means that they do not help. */
const maxReconnects = 2;

export function createCoapSession(options: CoapSessionOptions): CoapSession {
  const { clock } = options;
  const onEvent = options.onEvent ?? (() => undefined);
  const roundTrip = { value: unknownRoundTrip(options.ackTimeoutMs ?? coapDefaults.ackTimeoutMs) };
  const maxRetransmit = options.maxRetransmit ?? coapDefaults.maxRetransmit;
  const tokens = createTokens(options.random);
  const requests = new Queue();
  const closing = new AbortController();
  let natIdleSeconds = options.natIdleSeconds ?? unknownNatIdleSeconds;
  let messenger: Messenger | undefined;
  let stopIdle: Disposer = () => undefined;

  const learn = (silenceSeconds: number, survived: boolean): void => {
    const learned = learnNatIdle(natIdleSeconds, silenceSeconds, survived);
    if (learned === natIdleSeconds) return;
    natIdleSeconds = learned;
    options.onNatIdle?.(learned);
  };

  const drop = (how: "close" | "abandon"): void => {
    const old = messenger;
    messenger = undefined;
    old?.release();
    if (how === "abandon" && old?.link.abandon !== undefined) old.link.abandon();
    else old?.link.close();
  };

  const connect = async (why: ConnectReason, signal: AbortSignal): Promise<Messenger> => {
    drop("abandon");
    const link = await options.connect(signal);
    if (closing.signal.aborted) {
      link.close();
      throw closing.signal.reason;
    }
    onEvent({ kind: "connect", why, peer: link.peer });
    messenger = createMessenger({
      link,
      clock,
      random: options.random,
      roundTrip,
      responseTimeoutMs: options.responseTimeoutMs ?? coapDefaults.responseTimeoutMs,
      onEvent,
    });
    return messenger;
  };

  const judge = (current: Messenger): { readonly verdict: SilenceVerdict; readonly silenceSeconds: number } => {
    const silenceSeconds = (clock.monotonicMs() - current.heardMs) / 1_000;
    const immune = options.survivesRebinding?.(current.link) ?? false;
    return { verdict: immune ? "alive" : judgeSilence(silenceSeconds, natIdleSeconds), silenceSeconds };
  };

  /** The association to use for the next message: the one there is, unless it has closed or been silent for too long. */
  const ready = async (signal: AbortSignal): Promise<Messenger> => {
    if (messenger === undefined) return connect("first", signal);
    if (messenger.closedBy !== undefined) return connect("closed", signal);
    return judge(messenger).verdict === "gone" ? connect("idle", signal) : messenger;
  };

  const exchange = async (request: ExchangeRequest, signal: AbortSignal): Promise<ReceivedMessage> => {
    let current = await ready(signal);
    for (let reconnects = 0; ; reconnects++) {
      const isFresh = reconnects > 0;
      const { verdict, silenceSeconds } = judge(current);
      const doubtful = verdict !== "alive" && !isFresh;
      try {
        const answer = await current.exchange(request, doubtful ? 0 : maxRetransmit, signal);
        if (doubtful) learn(silenceSeconds, true);
        return answer;
      } catch (error) {
        const silent = isCode(error, "COAP_TIMEOUT") && !isFresh;
        if (signal.aborted || reconnects >= maxReconnects || !(silent || current.closedBy !== undefined)) throw error;
        current = await connect(silent ? "silent" : "closed", signal);
        // Only a peer that answers again proves that it was the way back that had gone.
        if (doubtful && silent) learn(silenceSeconds, false);
      }
    }
  };

  const closeWhenIdle = (): void => {
    stopIdle();
    if (options.idleCloseMs !== undefined && messenger !== undefined) stopIdle = clock.after(options.idleCloseMs, () => drop("close"));
  };

  return {
    request: (request, signal) =>
      requests.run(async () => {
        stopIdle();
        const either = signal === undefined ? closing.signal : AbortSignal.any([signal, closing.signal]);
        try {
          const { link } = await ready(either);
          return await transfer(request, (message) => exchange(message, either), {
            random: options.random,
            tokens,
            blockBytes: options.blockBytes ?? coapDefaults.blockBytes,
            maxDatagramBytes: link.maxDatagramBytes,
            maxBodyBytes: options.maxBodyBytes ?? coapDefaults.maxBodyBytes,
            onEvent,
          });
        } finally {
          closeWhenIdle();
        }
      }, signal),
    get natIdleSeconds() {
      return natIdleSeconds;
    },
    get connected() {
      return messenger !== undefined && messenger.closedBy === undefined;
    },
    get roundTripMs() {
      return roundTrip.value.smoothedMs;
    },
    renew: () => {
      const link = messenger?.link;
      // The messenger stays until the next exchange finds its link closed: one that is under way goes on at its failed block.
      if (link?.abandon === undefined) link?.close();
      else link.abandon();
    },
    close: () => {
      const reason = new SimwardError("ABORTED", { detail: "the CoAP session was closed" });
      requests.close(reason);
      closing.abort(reason);
      stopIdle();
      drop("close");
    },
  };
}
