// A CoAP client that outlives its associations: it opens them, gives them up when the peer or a NAT forgot them, and goes on at the failed block.
// A link with Connection ID (RFC 9146) survives what a NAT forgets: its silence is no reason to leave it, only its age is.
import type { Clock, Disposer } from "../../base/clock.ts";
import { isCode, SimwardError } from "../../base/errors.ts";
import { Queue } from "../../base/queue.ts";
import type { Random } from "../../base/random.ts";
import type { DatagramLink } from "../link.ts";
import { coapDefaults } from "./client.ts";
import type { ReceivedMessage } from "./message.ts";
import { createMessenger, type ExchangeRequest, type Messenger } from "./messenger.ts";
import { judgeSilence, learnNatIdle, quietSeconds, type SilenceVerdict, unknownNatIdleSeconds } from "./nat.ts";
import { shortestTimeoutMs, unknownRoundTrip } from "./reliability.ts";
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
  /** The link survives a change of address by itself (Connection ID): silence then says nothing of NATs. What the link says of itself by default. */
  readonly survivesRebinding?: (link: DatagramLink) => boolean;
  /** Such a link is left for a new one at this age, so that its name does not follow the vehicle for ever; never by default. */
  readonly renewAfterMs?: number;
  /** Close an association after this much silence; kept open by default. */
  readonly idleCloseMs?: number;
}

export interface CoapSession extends CoapClient {
  readonly natIdleSeconds: number;
  readonly connected: boolean;
  /** The way to the peer has changed (another address of ours): what is under way goes on over it, by a new association unless the old one survives that. */
  renew(): void;
}

type ConnectReason = Extract<CoapEvent, { kind: "connect" }>["why"];

/** For a link that survives rebinding, after a silence: the peer may have forgotten it, but one lost datagram is no sign of that. */
const immuneRetransmit = 2;

/** New associations that one exchange may cost: more means that they do not help. */
const maxReconnects = 2;

/**
 * With this retransmission a silent peer comes under suspicion: 2 to 3 s after a block on a fast path, 14 to 21 s after a request that runs. Not sooner:
 * a server may work for long without a sign of life, and what is sent again over another association is another request to it.
 */
const suspectedAt = 3;
/** What the old association still gets when the new one is there. */
const longestGraceMs = 2_000;

export function createCoapSession(options: CoapSessionOptions): CoapSession {
  const { clock } = options;
  const onEvent = options.onEvent ?? (() => undefined);
  const ackTimeoutMs = options.ackTimeoutMs ?? coapDefaults.ackTimeoutMs;
  const roundTrip = { value: unknownRoundTrip(ackTimeoutMs) };
  const maxRetransmit = options.maxRetransmit ?? coapDefaults.maxRetransmit;
  const tokens = createTokens(options.random);
  const requests = new Queue();
  const closing = new AbortController();
  let natIdleSeconds = options.natIdleSeconds ?? unknownNatIdleSeconds;
  let messenger: Messenger | undefined;
  let openedMs = 0;
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

  const isImmune = (link: DatagramLink): boolean => options.survivesRebinding?.(link) ?? link.survivesRebinding ?? false;

  const connect = async (why: ConnectReason, signal: AbortSignal): Promise<Messenger> => {
    // A peer that is known to be there is told, so that it need not keep what nobody will use.
    drop(why === "age" ? "close" : "abandon");
    const link = await options.connect(signal);
    if (closing.signal.aborted) {
      link.close();
      throw closing.signal.reason;
    }
    return adopt(link, why);
  };

  const adopt = (link: DatagramLink, why: ConnectReason): Messenger => {
    drop("abandon");
    onEvent({ kind: "connect", why, peer: link.peer });
    openedMs = clock.monotonicMs();
    messenger = createMessenger({
      link,
      clock,
      random: options.random,
      roundTrip,
      ackTimeoutMs,
      responseTimeoutMs: options.responseTimeoutMs ?? coapDefaults.responseTimeoutMs,
      onEvent,
      trace: options.trace,
    });
    return messenger;
  };

  interface Judgement {
    readonly verdict: SilenceVerdict;
    readonly silenceSeconds: number;
    readonly maxRetransmit: number;
    /** How it ends tells something of the NAT. */
    readonly teaches: boolean;
  }
  const judge = (current: Messenger): Judgement => {
    const silenceSeconds = (clock.monotonicMs() - current.heardMs) / 1_000;
    if (isImmune(current.link)) {
      const patience = silenceSeconds >= quietSeconds ? Math.min(immuneRetransmit, maxRetransmit) : maxRetransmit;
      return { verdict: "alive", silenceSeconds, maxRetransmit: patience, teaches: false };
    }
    const verdict = judgeSilence(silenceSeconds, natIdleSeconds);
    const teaches = verdict !== "alive";
    return { verdict, silenceSeconds, maxRetransmit: teaches ? 0 : maxRetransmit, teaches };
  };

  const isOld = (link: DatagramLink): boolean =>
    options.renewAfterMs !== undefined && isImmune(link) && clock.monotonicMs() - openedMs >= options.renewAfterMs;

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
      const { silenceSeconds, ...judged } = judge(current);
      const teaches = judged.teaches && !isFresh;
      try {
        const answer = isFresh
          ? await current.exchange(request, maxRetransmit, signal)
          : await exchangeOrRival(current, request, judged.maxRetransmit, signal);
        if ("rival" in answer) {
          current = adopt(answer.rival, "silent");
          continue;
        }
        if (teaches) learn(silenceSeconds, true);
        return answer;
      } catch (error) {
        const silent = isCode(error, "COAP_TIMEOUT") && !isFresh;
        if (signal.aborted || reconnects >= maxReconnects || !(silent || current.closedBy !== undefined)) throw error;
        current = await connect(silent ? "silent" : "closed", signal);
        // Only a peer that answers again proves that it was the way back that had gone.
        if (teaches && silent) learn(silenceSeconds, false);
      }
    }
  };

  /**
   * The answer; or, where the peer stayed silent, an association opened beside the old one that works while that still does not. Losses alone
   * rarely lead there: the old one goes on retransmitting for as long as the new one takes.
   */
  const exchangeOrRival = async (
    current: Messenger,
    request: ExchangeRequest,
    limit: number,
    signal: AbortSignal,
  ): Promise<ReceivedMessage | { readonly rival: DatagramLink }> => {
    const left = new AbortController();
    const settled = new AbortController();
    let suspect: () => void = () => undefined;
    const suspected = new Promise<"suspected">((resolve) => {
      suspect = () => resolve("suspected");
    });
    const first = current
      .exchange(request, limit, AbortSignal.any([signal, left.signal]), (attempt) => attempt === suspectedAt && suspect())
      .then(
        (answer) => ({ answer }),
        (error: unknown) => ({ error }),
      );
    const outcome = (ended: Awaited<typeof first>): ReceivedMessage => {
      if ("answer" in ended) return ended.answer;
      throw ended.error;
    };
    const early = await Promise.race([first, suspected]);
    if (early !== "suspected") return outcome(early);
    const opened = options.connect(AbortSignal.any([signal, settled.signal])).then(
      (link) => {
        if (!signal.aborted && !settled.signal.aborted) return { link };
        link.close();
        return { link: undefined };
      },
      () => ({ link: undefined }),
    );
    const sooner = await Promise.race([first, opened]);
    if (!("link" in sooner)) {
      // An association that was closed, or whose address has changed, says nothing for one begun at the same time.
      const isSilent = "error" in sooner && isCode(sooner.error, "COAP_TIMEOUT");
      if (!isSilent) settled.abort(new SimwardError("ABORTED", { detail: "the old association will do" }));
      const { link } = isSilent ? await opened : { link: undefined };
      return link === undefined ? outcome(sooner) : { rival: link };
    }
    const { link } = sooner;
    if (link === undefined) return outcome(await first);
    const graceMs = Math.min(Math.max(roundTrip.value.timeoutMs, shortestTimeoutMs), longestGraceMs);
    const last = await Promise.race([first, clock.sleep(graceMs, settled.signal).catch(() => undefined)]);
    settled.abort();
    if (last === undefined || ("error" in last && isCode(last.error, "COAP_TIMEOUT"))) {
      left.abort(new SimwardError("COAP_TIMEOUT", { detail: link.peer }));
      return { rival: link };
    }
    link.close();
    return outcome(last);
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
          // Between requests only: a transfer under way stays where it is.
          const { link } = messenger !== undefined && isOld(messenger.link) ? await connect("age", either) : await ready(either);
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
      if (link?.rebind !== undefined && isImmune(link)) {
        link.rebind();
        return;
      }
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
