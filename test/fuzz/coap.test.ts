// Mutated datagrams for the CoAP reader, client and server: nothing but our own errors, no hang, no growth. FUZZ_RUNS sets how many.
import { describe, expect, it } from "vitest";
import { concatBytes, toHex, utf8 } from "../../base/bytes.ts";
import { VirtualClock } from "../../base/clock.ts";
import { SimwardError } from "../../base/errors.ts";
import { integerBelow, type Random, seededRandom } from "../../base/random.ts";
import { encodeBlock } from "../../transports/coap/blockwise.ts";
import { createCoapClient } from "../../transports/coap/client.ts";
import { type CoapMessage, type CoapOptions, encodeMessage, type MessageType, parseMessage } from "../../transports/coap/message.ts";
import { createCoapServer } from "../../transports/coap/server.ts";
import { memoryPath } from "../support/memory-link.ts";

const runs = Number(process.env.FUZZ_RUNS ?? 5_000);

const pick = <T>(random: Random, items: readonly T[]): T => items[integerBelow(random, items.length)] as T;

/** Flips, cuts, doubles, inserts and splices, one to four times; now and then nothing at all. */
function mutate(random: Random, original: Uint8Array, other: Uint8Array): Uint8Array {
  let bytes: Uint8Array = original.slice();
  for (let n = integerBelow(random, 5); n > 0; n--) {
    const at = integerBelow(random, bytes.length + 1);
    switch (integerBelow(random, 6)) {
      case 0:
        if (at < bytes.length) bytes[at] = (bytes[at] ?? 0) ^ (1 << integerBelow(random, 8));
        break;
      case 1:
        if (at < bytes.length) bytes[at] = pick(random, [0, 0xff, 0xd0, 0xe0, 0x0d, 0x0e, 0x40, 0x60]);
        break;
      case 2:
        bytes = bytes.slice(0, at);
        break;
      case 3:
        bytes = concatBytes(bytes.subarray(0, at), random.bytes(integerBelow(random, 4)), bytes.subarray(at));
        break;
      case 4:
        bytes = concatBytes(bytes.subarray(0, at), bytes.subarray(Math.floor(at / 2)));
        break;
      default:
        bytes = concatBytes(bytes.subarray(0, at), other.subarray(integerBelow(random, other.length + 1)));
    }
  }
  return bytes.slice(0, 2_000);
}

/** A message that could be meant, with the options that steer block-wise transfer. */
function plausible(random: Random, codes: readonly string[], over: Partial<CoapMessage> = {}): Uint8Array {
  const block = () => [encodeBlock({ number: integerBelow(random, 4), more: random.unit() < 0.6, szx: integerBelow(random, 7) })];
  const options: CoapOptions = {
    ...(random.unit() < 0.5 && { block1: block() }),
    ...(random.unit() < 0.5 && { block2: block() }),
    ...(random.unit() < 0.3 && { etag: [random.bytes(1)] }),
    ...(random.unit() < 0.3 && { requestTag: [random.bytes(pick(random, [0, 1, 8]))] }),
    ...(random.unit() < 0.2 && { size1: [random.bytes(integerBelow(random, 5))], size2: [random.bytes(integerBelow(random, 5))] }),
  };
  return encodeMessage({
    type: pick<MessageType>(random, ["CON", "CON", "NON", "ACK", "RST"]),
    code: pick(random, codes),
    messageId: integerBelow(random, 64),
    token: random.bytes(integerBelow(random, 9)),
    payload: random.bytes(pick(random, [0, 1, 16, 64, 1_024])),
    ...over,
    options: { ...options, ...over.options },
  });
}

describe(`${runs} mutated datagrams`, () => {
  it("are read, or refused as COAP_MESSAGE", () => {
    const random = seededRandom(1);
    for (let i = 0; i < runs; i++) {
      const datagram = mutate(random, plausible(random, ["0.01", "0.02", "2.05", "2.31", "4.08"]), plausible(random, ["0.02"]));
      try {
        parseMessage(datagram);
      } catch (error) {
        if (!(error instanceof SimwardError && error.code === "COAP_MESSAGE"))
          throw new Error(`run ${i}: ${toHex(datagram)}`, { cause: error });
      }
    }
  });

  it("leave the server answering, within its bounds, and with nothing once it was quiet", async () => {
    const random = seededRandom(2);
    const clock = new VirtualClock();
    const maxStateBytes = 100_000;
    const errors: unknown[] = [];
    const server = createCoapServer({
      clock,
      random,
      maxStateBytes,
      maxBodyBytes: 3_000,
      blockBytes: 64,
      handle: async ({ payload }) => {
        if (payload?.length === 1) throw new Error("as planned");
        if (payload?.length === 16) await clock.sleep(1_500);
        return { code: "2.04", payload: random.bytes(integerBelow(random, 500)) };
      },
      onError: (error) => errors.push(error),
    });
    const paths = Array.from({ length: 5 }, () => memoryPath({ clock, random, delayMs: 0 }));
    for (const path of paths) server.serve(path.server);
    for (let i = 0; i < runs; i++) {
      const path = pick(random, paths);
      const steering = { options: { uriPath: [utf8(pick(random, ["a", "b"]))] } };
      path.client.send(
        mutate(random, plausible(random, ["0.01", "0.02", "0.03", "0.05"], steering), plausible(random, ["0.02"], steering)),
      );
      await clock.advance(integerBelow(random, 40));
      const { peers, uploads, responses, bytes } = server.state;
      expect(peers).toBe(5);
      expect(bytes).toBeLessThanOrEqual(maxStateBytes);
      expect(uploads).toBeLessThanOrEqual(20);
      expect(responses).toBeLessThanOrEqual(256);
    }
    expect(new Set(errors.map(String))).toEqual(new Set(["Error: as planned"]));
    await clock.advance(1_000_000);
    expect(server.state).toEqual({ peers: 5, uploads: 0, responses: 0, bytes: 0 });
    const client = createCoapClient({ link: paths[0]?.client ?? memoryPath({ clock }).client, clock, random });
    const answer = await clock.runUntil(client.request({ method: "POST", path: "a", payload: random.bytes(2_500) }));
    expect(answer.code).toBe("2.04");
    // Nothing waits but the sweep.
    expect(clock.nextTimerInMs()).toBeGreaterThan(1_000);
  });

  it("end each request of the client in an answer or one of its errors, and leave no timer", async () => {
    const random = seededRandom(3);
    const clock = new VirtualClock();
    const path = memoryPath({ clock, random, delayMs: 0 });
    const client = createCoapClient({
      link: path.client,
      clock,
      random,
      blockBytes: 64,
      ackTimeoutMs: 20,
      maxRetransmit: 2,
      responseTimeoutMs: 100,
      maxBodyBytes: 2_000,
    });
    let messages = 0;
    path.server.onDatagram((datagram) => {
      const { type, messageId, token } = parseMessage(datagram);
      if (type !== "CON") return;
      messages++;
      // More often than not an answer that belongs to the question, so that the fuzz gets past the first check.
      const mine: Partial<CoapMessage> =
        random.unit() < 0.8 ? { type: pick<MessageType>(random, ["ACK", "ACK", "CON", "NON"]), messageId, token } : {};
      for (let n = integerBelow(random, 3); n >= 0; n--)
        path.server.send(mutate(random, plausible(random, ["2.04", "2.05", "2.31", "4.08", "4.13"], mine), plausible(random, ["2.05"])));
    });
    const allowed = ["COAP_TIMEOUT", "COAP_RESET", "COAP_MESSAGE", "COAP_BLOCK", "COAP_TOO_LARGE"];
    const outcomes = new Map<string, number>();
    for (let i = 0; messages < runs; i++) {
      const before = messages;
      let outcome: string | undefined;
      client.request({ method: pick(random, ["GET", "POST"]), path: "a", payload: random.bytes(pick(random, [0, 10, 200])) }).then(
        (response) => (outcome = response.code),
        (error) => (outcome = error instanceof SimwardError ? error.code : String(error)),
      );
      for (let step = 0; outcome === undefined && step < 100; step++) await clock.advance(20);
      expect(outcome, `request ${i}`).toBeDefined();
      if (outcome !== undefined && !/^[245]\./.test(outcome)) expect(allowed).toContain(outcome);
      outcomes.set(outcome ?? "", (outcomes.get(outcome ?? "") ?? 0) + 1);
      expect(messages - before).toBeLessThan(400);
      await clock.advance(0);
    }
    expect(clock.nextTimerInMs()).toBeUndefined();
    // The fuzz reached what it is for.
    for (const code of ["COAP_BLOCK", "COAP_MESSAGE", "2.05", "4.08", "4.13"]) expect(outcomes.get(code) ?? 0, code).toBeGreaterThan(0);
  });
});
