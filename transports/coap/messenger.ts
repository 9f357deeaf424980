// The client's message layer over one link (RFC 7252 §4, §5.2): confirmable requests one at a time, acknowledgements, separate responses, duplicates.
import { equalBytes, toHex } from "../../base/bytes.ts";
import type { Clock, Disposer } from "../../base/clock.ts";
import { SimwardError } from "../../base/errors.ts";
import { runMachine } from "../../base/machine.ts";
import { integerBelow, type Random } from "../../base/random.ts";
import { type Trace, traceId } from "../../base/trace.ts";
import type { DatagramLink } from "../link.ts";
import { BoundedMap } from "./bounded-map.ts";
import {
  type CoapOptions,
  emptyCode,
  emptyMessage,
  encodeMessage,
  isResponse,
  parseMessage,
  type ReceivedMessage,
  rejectionOf,
} from "./message.ts";
import {
  type ReliabilityEffect,
  type ReliabilityInput,
  type ReliabilityState,
  type RoundTrip,
  reliability,
  shortestTimeoutMs,
  withAnswer,
} from "./reliability.ts";
import type { CoapEvent } from "./types.ts";

/** One message that asks for one answer. */
export interface ExchangeRequest {
  readonly code: string;
  readonly token: Uint8Array;
  readonly options: CoapOptions;
  readonly payload: Uint8Array;
  /** The server runs the request before it answers, so it gets more time before a retransmission than a block in the middle. */
  readonly runs: boolean;
}

export interface MessengerOptions {
  readonly link: DatagramLink;
  readonly clock: Clock;
  readonly random: Random;
  /** Where the round trip's estimate is kept: it outlives the link. */
  readonly roundTrip: { value: RoundTrip };
  /** The first wait while no round trip has been measured; no floor is above it. */
  readonly ackTimeoutMs: number;
  readonly responseTimeoutMs: number;
  readonly onEvent: (event: CoapEvent) => void;
  readonly trace?: Trace | undefined;
}

export interface Messenger {
  readonly link: DatagramLink;
  /** Monotonic; when the peer last gave a sign of life, or when the link was taken over. */
  readonly heardMs: number;
  /** Why the link has ended, if it has. */
  readonly closedBy: Error | undefined;
  /**
   * Only one at a time (NSTART 1): the caller queues. `onRetransmit` is told of each retransmission, from 1.
   * Throws COAP_TIMEOUT, COAP_RESET, COAP_MESSAGE, the link's reason, the signal's reason.
   */
  exchange(
    request: ExchangeRequest,
    maxRetransmit: number,
    signal?: AbortSignal,
    onRetransmit?: (attempt: number) => void,
  ): Promise<ReceivedMessage>;
  /** Lets go of the link without closing it. */
  release(): void;
}

interface Pending {
  readonly messageId: number;
  readonly token: Uint8Array;
  readonly traceId: string | undefined;
  send(input: ReliabilityInput): void;
  answer(message: ReceivedMessage): void;
  fail(reason: unknown): void;
}

/** ACK_TIMEOUT of RFC 7252 §4.8: no server is thought dead for thinking two seconds. */
const runFloorMs = 2_000;
const randomFactor = 0.5;
const exchangeLifetimeMs = 247_000;
/** M of a Block option (RFC 7959 §2.2). */
const moreBit = 0x08;

export function createMessenger(options: MessengerOptions): Messenger {
  const { link, clock, random, roundTrip, trace } = options;
  let nextMessageId = integerBelow(random, 0x10000);
  let heardMs = clock.monotonicMs();
  let closedBy: Error | undefined;
  let pending: Pending | undefined;
  /** Separate responses already taken, by message id: their duplicates are only acknowledged again. */
  const taken = new BoundedMap<true>(clock, { maxEntries: 32, maxAgeMs: exchangeLifetimeMs });

  /** What arrives, and what is said to it, is of the exchange under way: a socket's reader has no context of its own. */
  const note = (direction: "tx" | "rx", octets: Uint8Array, more = false, attempt = 0): void => {
    if (trace?.wants("coap") !== true) return;
    trace.emit(
      "coap",
      direction,
      { octets, peer: link.peer, more, note: attempt > 0 ? `retransmission ${attempt}` : undefined },
      pending?.traceId ?? null,
    );
  };
  const send = (octets: Uint8Array, attempt = 0): void => {
    note("tx", octets, false, attempt);
    link.send(octets);
  };

  const read = (datagram: Uint8Array): ReceivedMessage | undefined => {
    try {
      return parseMessage(datagram);
    } catch {
      note("rx", datagram);
      const rejection = rejectionOf(datagram);
      if (rejection !== undefined) send(rejection);
      return undefined;
    }
  };

  const take = (message: ReceivedMessage): void => {
    const isOurs = pending !== undefined && message.messageId === pending.messageId;
    switch (message.type) {
      case "RST":
        if (isOurs && message.code === emptyCode) pending?.send({ kind: "reset" });
        return;
      case "ACK":
        if (!isOurs) return;
        if (message.code === emptyCode) pending?.send({ kind: "acknowledgement" });
        else if (isAnswer(message)) pending?.answer(message);
        return;
      case "CON":
      case "NON":
        takeSeparate(message);
    }
  };

  const takeSeparate = (message: ReceivedMessage): void => {
    const confirmable = message.type === "CON";
    const id = String(message.messageId);
    const reply = (type: "ACK" | "RST"): void => {
      if (confirmable) send(emptyMessage(type, message.messageId));
    };
    // The blocks of a transfer share their token, so what was taken once must not be taken for the next block's answer.
    if (isResponse(message) && taken.get(id) === true) reply("ACK");
    else if (isAnswer(message)) {
      taken.set(id, true);
      reply(message.refusedOptions.length > 0 ? "RST" : "ACK");
      pending?.answer(message);
    }
    // What is unexpected is rejected, a ping answered the same way (RFC 7252 §4.2, §4.3).
    else reply("RST");
  };

  const isAnswer = (message: ReceivedMessage): boolean =>
    pending !== undefined && isResponse(message) && equalBytes(message.token, pending.token);

  const exchange: Messenger["exchange"] = (request, maxRetransmit, signal, onRetransmit) => {
    if (signal?.aborted) return Promise.reject(signal.reason);
    if (closedBy !== undefined) return Promise.reject(closedBy);
    if (pending !== undefined) return Promise.reject(new SimwardError("BUSY", { detail: "a CoAP exchange is under way" }));
    const messageId = nextMessageId;
    nextMessageId = (nextMessageId + 1) % 0x10000;
    const { token } = request;
    const datagram = encodeMessage({ type: "CON", messageId, ...request });
    return new Promise((resolve, reject) => {
      let disarm: Disposer = () => undefined;
      const sentMs: number[] = [];
      const settle = (act: () => void): void => {
        if (pending !== entry) return;
        pending = undefined;
        signal?.removeEventListener("abort", onAbort);
        machine.send({ kind: "stop" });
        act();
      };
      const onAbort = (): void => entry.fail(signal?.reason);
      const perform = (effect: ReliabilityEffect): void => {
        switch (effect.kind) {
          case "send":
            if (effect.attempt > 0) options.onEvent({ kind: "retransmit", messageId, attempt: effect.attempt });
            sentMs.push(clock.monotonicMs());
            send(datagram, effect.attempt);
            if (effect.attempt > 0) onRetransmit?.(effect.attempt);
            return;
          case "arm":
            disarm = clock.after(effect.ms, () => machine.send({ kind: "timer" }));
            return;
          case "disarm":
            disarm();
            return;
          case "arrived":
            roundTrip.value = withAnswer(
              roundTrip.value,
              sentMs.map((at) => clock.monotonicMs() - at),
            );
            return;
          case "end":
            if (effect.outcome === "reset") entry.fail(new SimwardError("COAP_RESET", { detail: link.peer }));
            if (effect.outcome === "timeout") entry.fail(new SimwardError("COAP_TIMEOUT", { detail: link.peer }));
        }
      };
      const machine = runMachine<ReliabilityState, ReliabilityInput, ReliabilityEffect>({
        initial: { kind: "idle" },
        next: reliability({ maxRetransmit, responseTimeoutMs: options.responseTimeoutMs }),
        perform,
      });
      const entry: Pending = {
        messageId,
        token,
        traceId: traceId(),
        send: (input) => machine.send(input),
        answer: (message) => {
          machine.send({ kind: "response" });
          if (message.refusedOptions.length === 0) settle(() => resolve(message));
          else
            entry.fail(
              new SimwardError("COAP_MESSAGE", {
                detail: `critical option ${message.refusedOptions.join(", ")} in response ${toHex(token)}`,
              }),
            );
        },
        fail: (reason) => settle(() => reject(reason)),
      };
      pending = entry;
      signal?.addEventListener("abort", onAbort, { once: true });
      machine.send({ kind: "start", timeoutMs: firstTimeoutMs(request.runs) });
    });
  };

  const firstTimeoutMs = (runs: boolean): number => {
    const floorMs = Math.min(runs ? runFloorMs : shortestTimeoutMs, options.ackTimeoutMs);
    return Math.max(roundTrip.value.timeoutMs, floorMs) * (1 + randomFactor * random.unit());
  };

  // Last, since a link delivers at once what it already holds.
  const stopListening = link.onDatagram((datagram) => {
    const message = read(datagram);
    if (message === undefined) return;
    heardMs = clock.monotonicMs();
    note("rx", datagram, ((message.options.block2?.[0]?.at(-1) ?? 0) & moreBit) !== 0);
    take(message);
  });
  const stopWatching = link.onClosed((reason) => {
    closedBy = reason;
    pending?.fail(reason);
  });

  return {
    link,
    get heardMs() {
      return heardMs;
    },
    get closedBy() {
      return closedBy;
    },
    exchange,
    release: () => {
      stopListening();
      stopWatching();
      pending?.fail(new SimwardError("ABORTED", { detail: "the CoAP client was closed" }));
    },
  };
}
