// The CoAP server's message layer (RFC 7252 §4, §5.2): one run per request whatever was retransmitted, piggybacked and separate responses.
import { emptyBytes } from "../../base/bytes.ts";
import type { Disposer } from "../../base/clock.ts";
import { runMachine } from "../../base/machine.ts";
import { integerBelow } from "../../base/random.ts";
import type { DatagramLink } from "../link.ts";
import { BoundedMap } from "./bounded-map.ts";
import { coapDefaults } from "./client.ts";
import { type CoapMessage, emptyMessage, encodeMessage, isRequest, parseMessage, type ReceivedMessage, rejectionOf } from "./message.ts";
import { type Answer, Operations, refusal } from "./operations.ts";
import { type ReliabilityEffect, type ReliabilityInput, type ReliabilityState, reliability } from "./reliability.ts";
import type { CoapServer, CoapServerOptions } from "./types.ts";

const separateAfterMs = 1_000;
const maxStateBytes = 16 * 1_048_576;
const sweepEveryMs = 60_000;
const exchangeLifetimeMs = 247_000;
/** Recent requests of one peer, with what was answered. */
const maxSeenPerPeer = 32;
/** Requests that run, and answers the peer has not acknowledged. */
const maxRunningPerPeer = 8;

interface Seen {
  /** What a duplicate of the request is answered with; nothing yet while it runs. */
  reply: Uint8Array | undefined;
}

export function createCoapServer(options: CoapServerOptions): CoapServer {
  const operations = new Operations({
    clock: options.clock,
    maxBodyBytes: options.maxBodyBytes ?? coapDefaults.maxBodyBytes,
    maxStateBytes: options.maxStateBytes ?? maxStateBytes,
    blockBytes: options.blockBytes ?? coapDefaults.blockBytes,
  });
  const peers = new Map<number, Disposer>();
  const stopSweeping = options.clock.every(sweepEveryMs, () => operations.sweep());
  let nextPeer = 1;
  let closed = false;
  return {
    serve: (link) => {
      if (closed) return;
      const id = nextPeer++;
      const stop = servePeer(`peer-${id}`, link, operations, options);
      let gone = false;
      const leave = (): void => {
        gone = true;
        stop();
        peers.delete(id);
        operations.forget(`peer-${id}`);
      };
      const stopWatching = link.onClosed(leave);
      if (!gone)
        peers.set(id, () => {
          stopWatching();
          leave();
        });
    },
    get state() {
      return { peers: peers.size, uploads: operations.uploads, responses: operations.responses, bytes: operations.bytes };
    },
    close: () => {
      closed = true;
      stopSweeping();
      for (const stop of [...peers.values()]) stop();
      operations.clear();
    },
  };
}

function servePeer(peerId: string, link: DatagramLink, operations: Operations, options: CoapServerOptions): Disposer {
  const { clock, random } = options;
  const seen = new BoundedMap<Seen>(clock, { maxEntries: maxSeenPerPeer, maxAgeMs: exchangeLifetimeMs });
  const unacknowledged = new Map<number, (input: ReliabilityInput) => void>();
  let nextMessageId = integerBelow(random, 0x10000);
  let running = 0;
  let stopped = false;

  const newMessageId = (): number => {
    nextMessageId = (nextMessageId + 1) % 0x10000;
    return nextMessageId;
  };

  const receive = (datagram: Uint8Array): void => {
    let message: ReceivedMessage;
    try {
      message = parseMessage(datagram);
    } catch {
      const rejection = rejectionOf(datagram);
      if (rejection !== undefined) link.send(rejection);
      return;
    }
    switch (message.type) {
      case "ACK":
        unacknowledged.get(message.messageId)?.({ kind: "acknowledgement" });
        return;
      case "RST":
        unacknowledged.get(message.messageId)?.({ kind: "reset" });
        return;
      case "CON":
      case "NON":
        if (isRequest(message)) accept(message);
        // A ping, or a response that nobody waits for (RFC 7252 §4.2, §4.3).
        else if (message.type === "CON") link.send(emptyMessage("RST", message.messageId));
    }
  };

  const accept = (message: ReceivedMessage): void => {
    const confirmable = message.type === "CON";
    const before = seen.get(String(message.messageId));
    if (before !== undefined) {
      if (before.reply !== undefined) link.send(before.reply);
      return;
    }
    if (message.refusedOptions.length > 0 && !confirmable) return;
    const entry: Seen = { reply: undefined };
    seen.set(String(message.messageId), entry);
    let separate = false;
    const stopTimer = confirmable
      ? clock.after(options.separateAfterMs ?? separateAfterMs, () => {
          separate = true;
          reply(entry, emptyMessage("ACK", message.messageId));
        })
      : () => undefined;
    void answer(message).then((answered) => {
      stopTimer();
      if (stopped) return;
      const content = { code: answered.code, token: message.token, options: answered.options, payload: answered.payload };
      if (!confirmable) link.send(encodeMessage({ type: "NON", messageId: newMessageId(), ...content }));
      else if (separate) sendConfirmable({ type: "CON", messageId: newMessageId(), ...content });
      else reply(entry, encodeMessage({ type: "ACK", messageId: message.messageId, ...content }));
    });
  };

  const reply = (entry: Seen, datagram: Uint8Array): void => {
    entry.reply = datagram;
    if (!stopped) link.send(datagram);
  };

  const answer = async (message: ReceivedMessage): Promise<Answer> => {
    if (message.refusedOptions.length > 0) {
      return { ...refusal("4.02"), payload: new TextEncoder().encode(`critical option ${message.refusedOptions.join(", ")}`) };
    }
    if (running + unacknowledged.size >= maxRunningPerPeer) return refusal("5.03");
    running++;
    try {
      return await operations.take(peerId, link.maxDatagramBytes, message, async (request) => {
        try {
          return await options.handle({ ...request, link });
        } catch (error) {
          options.onError?.(error, { ...request, link });
          return { code: "5.00", payload: emptyBytes };
        }
      });
    } finally {
      running--;
    }
  };

  const sendConfirmable = (message: CoapMessage): void => {
    const datagram = encodeMessage(message);
    let disarm: Disposer = () => undefined;
    const machine = runMachine<ReliabilityState, ReliabilityInput, ReliabilityEffect>({
      initial: { kind: "idle" },
      next: reliability({ maxRetransmit: options.maxRetransmit ?? coapDefaults.maxRetransmit, responseTimeoutMs: undefined }),
      perform: (effect) => {
        if (effect.kind === "send") link.send(datagram);
        if (effect.kind === "arm") disarm = clock.after(effect.ms, () => machine.send({ kind: "timer" }));
        if (effect.kind === "disarm") disarm();
        if (effect.kind === "end") unacknowledged.delete(message.messageId);
      },
    });
    unacknowledged.set(message.messageId, machine.send);
    machine.send({ kind: "start", timeoutMs: (options.ackTimeoutMs ?? coapDefaults.ackTimeoutMs) * (1 + random.unit() / 2) });
  };

  const stopListening = link.onDatagram(receive);
  return () => {
    stopped = true;
    stopListening();
    for (const send of unacknowledged.values()) send({ kind: "stop" });
    unacknowledged.clear();
    seen.clear();
  };
}
