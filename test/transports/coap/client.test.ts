// The client against servers that do what RFC 7252, 7959 and 9175 allow, and what they do not.
import { describe, expect, it } from "vitest";
import { fromHex, fromUtf8, toHex, utf8 } from "../../../base/bytes.ts";
import { SimwardError } from "../../../base/errors.ts";
import { seededRandom } from "../../../base/random.ts";
import { createCoapClient } from "../../../transports/coap/client.ts";
import { encodeUint } from "../../../transports/coap/message.ts";
import { blockIn, clientBench, type Sketch, scriptedServer } from "./support.ts";

const body = (length: number): Uint8Array => Uint8Array.from({ length }, (_, i) => i * 7 + (i >> 8));

describe("one message, one answer", () => {
  it("carries method, path, query, formats and host, and returns code, format and payload", async () => {
    const t = scriptedServer(() => [{ code: "2.01", payload: utf8("done"), options: { contentFormat: [fromHex("2a")] } }]);
    const response = await t.request({
      method: "PUT",
      path: "a/b",
      query: ["x=1", "y"],
      host: "h",
      contentFormat: 0,
      accept: 42,
      payload: utf8("hi"),
    });
    expect(response).toEqual({ code: "2.01", contentFormat: 42, payload: utf8("done") });
    const [asked] = t.requests;
    expect(asked).toMatchObject({ type: "CON", code: "0.03", payload: utf8("hi") });
    expect(asked?.token).toHaveLength(2);
    expect(asked?.options).toEqual({
      uriHost: [utf8("h")],
      uriPath: [utf8("a"), utf8("b")],
      uriQuery: [utf8("x=1"), utf8("y")],
      contentFormat: [fromHex("")],
      accept: [fromHex("2a")],
    });
  });

  it.each(["4.04", "4.08", "4.13", "5.03"])("returns %s like any other answer", async (code) => {
    const t = scriptedServer(() => [{ code, payload: utf8("no") }]);
    expect(await t.request()).toEqual({ code, contentFormat: undefined, payload: utf8("no") });
    expect(t.requests).toHaveLength(1);
  });

  it("tells the octets up and down", async () => {
    const t = scriptedServer(() => [{ payload: body(30) }]);
    await t.request({ payload: body(52) });
    expect(t.events).toEqual([
      { kind: "block", direction: "up", number: 0, bytes: 52, last: true },
      { kind: "block", direction: "down", number: 0, bytes: 30, last: true },
    ]);
  });

  it("measures the round trip", async () => {
    const t = scriptedServer(() => [{}]);
    expect(t.client.roundTripMs).toBeUndefined();
    await t.request();
    expect(t.client.roundTripMs).toBe(20);
  });

  it("uses a new message id for each message and a new token for each request", async () => {
    const t = scriptedServer(() => [{}]);
    for (let i = 0; i < 3; i++) await t.request();
    expect(new Set(t.requests.map((one) => one.messageId)).size).toBe(3);
    expect(new Set(t.requests.map((one) => toHex(one.token))).size).toBe(3);
  });

  it("sends one request after the other (NSTART 1)", async () => {
    const t = scriptedServer((_, i) => (i === 0 ? [] : [{}]));
    const first = t.client.request({ method: "GET", path: "1" });
    const second = t.client.request({ method: "GET", path: "2" });
    await t.clock.advance(2_500);
    expect(t.requests).toHaveLength(1);
    await t.clock.runUntil(Promise.all([first, second]));
    expect(t.requests.map((one) => fromUtf8(one.options.uriPath?.[0] ?? fromHex("")))).toEqual(["1", "1", "2"]);
  });
});

describe("separate responses (RFC 7252 §5.2.2)", () => {
  const separate = (type: "CON" | "NON"): readonly Sketch[] => [
    { code: "0.00", token: fromHex("") },
    { type, messageId: 77, payload: utf8("later") },
  ];

  // shows: d5.retransmission
  it("confirmable: it is acknowledged", async () => {
    const t = scriptedServer(() => separate("CON"));
    expect(fromUtf8((await t.request()).payload)).toBe("later");
    await t.clock.advance(100);
    expect(t.replies).toMatchObject([{ type: "ACK", code: "0.00", messageId: 77 }]);
  });

  it("non-confirmable: it is not", async () => {
    const t = scriptedServer(() => separate("NON"));
    expect(fromUtf8((await t.request()).payload)).toBe("later");
    await t.clock.advance(100);
    expect(t.replies).toEqual([]);
  });

  it("before its acknowledgement: it counts as one", async () => {
    const t = scriptedServer(() => [...separate("CON")].reverse());
    expect(fromUtf8((await t.request()).payload)).toBe("later");
    expect(t.requests).toHaveLength(1);
  });

  it("again, because the acknowledgement was lost: it is acknowledged again", async () => {
    const t = scriptedServer(() => [...separate("CON"), { type: "CON", messageId: 77, payload: utf8("later") }]);
    await t.request();
    await t.clock.advance(100);
    expect(t.replies).toMatchObject([
      { type: "ACK", messageId: 77 },
      { type: "ACK", messageId: 77 },
    ]);
  });

  it.each(["CON", "NON"] as const)(
    "repeated by the network while the next block is asked for (%s) are not taken for its answer",
    async (type) => {
      const part = (number: number): Sketch => ({
        type,
        messageId: 70 + number,
        payload: body(48).subarray(number * 16, number * 16 + 16),
        block2: { number, more: number < 2, szx: 0 },
      });
      const t = scriptedServer((_, i) => [...(i > 0 ? [part(i - 1)] : []), part(i)]);
      expect((await t.request()).payload).toEqual(body(48));
    },
  );

  it("that never comes ends in COAP_TIMEOUT, without retransmission", async () => {
    const t = scriptedServer(() => [{ code: "0.00", token: fromHex("") }], { responseTimeoutMs: 30_000 });
    await expect(t.request()).rejects.toMatchObject({ code: "COAP_TIMEOUT" });
    expect(t.requests).toHaveLength(1);
    expect(t.clock.monotonicMs()).toBeLessThan(31_000);
  });
});

describe("what is not for us", () => {
  const noise: readonly { readonly name: string; readonly first: Sketch | Uint8Array; readonly reply?: string }[] = [
    { name: "an answer to another message id", first: { messageId: 9, payload: utf8("bad") } },
    { name: "an answer with another token", first: { token: fromHex("0102"), payload: utf8("bad") } },
    { name: "a request within an ACK", first: { code: "0.01" } },
    { name: "a reset of another message", first: { type: "RST", code: "0.00", messageId: 9, token: fromHex("") } },
    { name: "a confirmable response nobody waits for: reset", first: { type: "CON", messageId: 9, token: fromHex("09") }, reply: "RST" },
    { name: "a non-confirmable one: nothing", first: { type: "NON", messageId: 9, token: fromHex("09") } },
    { name: "a ping: reset, which is its answer", first: { type: "CON", code: "0.00", messageId: 9, token: fromHex("") }, reply: "RST" },
    { name: "a request to us: reset", first: { type: "CON", code: "0.01", messageId: 9 }, reply: "RST" },
    { name: "a malformed confirmable message: reset", first: fromHex("440100090102"), reply: "RST" },
    { name: "a malformed ACK: nothing", first: fromHex("6845000901") },
    { name: "another version", first: fromHex("80010009") },
  ];
  it.each(noise)("$name", async ({ first, reply }) => {
    const t = scriptedServer(() => [first, { payload: utf8("good") }]);
    expect(fromUtf8((await t.request()).payload)).toBe("good");
    await t.clock.advance(100);
    expect(t.replies.map((one) => [one.type, one.messageId])).toEqual(reply === undefined ? [] : [[reply, 9]]);
  });
});

describe("a link that holds datagrams already", () => {
  it("may deliver them while the client is being made", async () => {
    const t = scriptedServer(() => [{ payload: utf8("good") }]);
    const early = {
      ...t.path.client,
      onDatagram: (fn: (datagram: Uint8Array) => void) => {
        fn(fromHex("40000009"));
        return t.path.client.onDatagram(fn);
      },
    };
    const client = createCoapClient({ link: early, clock: t.clock, random: seededRandom(1) });
    expect(fromUtf8((await t.clock.runUntil(client.request({ method: "GET", path: "x" }))).payload)).toBe("good");
    expect(t.replies).toMatchObject([{ type: "RST", messageId: 9 }]);
  });
});

describe("the end of an exchange", () => {
  // shows: d5.retransmission
  it("COAP_TIMEOUT after eleven transmissions", async () => {
    const t = scriptedServer(() => []);
    await expect(t.request()).rejects.toMatchObject({ code: "COAP_TIMEOUT" });
    expect(t.requests).toHaveLength(11);
  });

  it("COAP_RESET", async () => {
    const t = scriptedServer(() => [{ type: "RST", code: "0.00", token: fromHex("") }]);
    await expect(t.request()).rejects.toMatchObject({ code: "COAP_RESET" });
  });

  it("COAP_MESSAGE for a response with a critical option that is not understood", async () => {
    const t = scriptedServer((request) => [
      // 2.05, If-Match
      Uint8Array.of(0x62, 0x45, request.messageId >> 8, request.messageId & 255, ...request.token, 0x11, 0x01),
    ]);
    await expect(t.request()).rejects.toMatchObject({ code: "COAP_MESSAGE", detail: expect.stringContaining("critical option 1") });
  });

  it("and a confirmable one is reset", async () => {
    const t = scriptedServer((request) => [Uint8Array.of(0x42, 0x45, 0, 9, ...request.token, 0x11, 0x01)]);
    await expect(t.request()).rejects.toMatchObject({ code: "COAP_MESSAGE" });
    await t.clock.advance(100);
    expect(t.replies).toMatchObject([{ type: "RST", messageId: 9 }]);
  });

  it("the link's reason when it closes, at once and from then on", async () => {
    const t = scriptedServer(() => []);
    const answer = t.client.request({ method: "GET", path: "x" });
    const rejected = expect(answer).rejects.toMatchObject({ code: "DTLS_CLOSED" });
    await t.clock.advance(100);
    t.path.close(new SimwardError("DTLS_CLOSED"));
    await rejected;
    await expect(t.client.request({ method: "GET", path: "x" })).rejects.toMatchObject({ code: "DTLS_CLOSED" });
  });

  it("the signal's reason when aborted; a late answer is then reset, and the next request goes on", async () => {
    const t = scriptedServer((request, i) => (i === 0 ? [{ code: "0.00", token: fromHex("") }] : [{ payload: request.payload }]));
    const controller = new AbortController();
    const answer = t.client.request({ method: "POST", path: "x" }, controller.signal);
    const rejected = expect(answer).rejects.toMatchObject({ code: "ABORTED", detail: "by the test" });
    await t.clock.advance(100);
    controller.abort(new SimwardError("ABORTED", { detail: "by the test" }));
    await rejected;
    expect(t.clock.nextTimerInMs()).toBeUndefined();
    expect(fromUtf8((await t.request({ payload: utf8("next") })).payload)).toBe("next");
  });

  it("closing the client ends what runs and what waits", async () => {
    const t = scriptedServer(() => []);
    const outcomes = Promise.allSettled([t.client.request({ method: "GET", path: "1" }), t.client.request({ method: "GET", path: "2" })]);
    await t.clock.advance(100);
    t.client.close();
    expect(await outcomes).toMatchObject([{ reason: { code: "ABORTED" } }, { reason: { code: "ABORTED" } }]);
    expect(t.clock.nextTimerInMs()).toBeUndefined();
  });
});

describe("sending in blocks (RFC 7959 §2.5)", () => {
  const next = (_request: unknown, number: number, szx = 6): Sketch => ({ code: "2.31", block1: { number, more: true, szx } });

  // shows: d5.block1, d5.request-tag
  it("numbers the blocks, tags them alike, and says the size once", async () => {
    const t = scriptedServer((request, i) => [i < 2 ? next(request, i) : { code: "2.04", block1: { number: 2, more: false, szx: 6 } }]);
    expect((await t.request({ payload: body(2_500) })).code).toBe("2.04");
    expect(t.requests.map((one) => blockIn(one, "block1"))).toEqual(["0/1/1024", "1/1/1024", "2/0/1024"]);
    expect(t.requests.map((one) => one.options.size1?.map(toHex))).toEqual([["09c4"], undefined, undefined]);
    expect(new Set(t.requests.map((one) => one.messageId)).size).toBe(3);
    expect(new Set(t.requests.map((one) => toHex(one.token))).size).toBe(1);
    const tags = t.requests.map((one) => toHex(one.options.requestTag?.[0] ?? fromHex("")));
    expect(new Set(tags).size).toBe(1);
    expect(tags[0]).toHaveLength(16);
    expect(Buffer.concat(t.requests.map((one) => one.payload)).equals(body(2_500))).toBe(true);
  });

  // shows: d5.one-datagram
  it("asks for no blocks when one datagram is enough", async () => {
    const t = scriptedServer(() => [{ code: "2.04" }]);
    await t.request({ payload: body(1_024) });
    expect(t.requests).toMatchObject([{ options: { uriPath: [utf8("a"), utf8("b")] } }]);
    expect(t.requests[0]?.options.block1).toBeUndefined();
    expect(t.requests[0]?.options.requestTag).toBeUndefined();
  });

  // shows: d5.block-size
  it("uses blocks that fit the link", async () => {
    const t = clientBench({
      path: { maxDatagramBytes: 600 },
      answer: (request) => ({ code: "2.04", payload: request.payload ?? fromHex("") }),
    });
    const response = await t.clock.runUntil(t.client.request({ method: "POST", path: "a", payload: body(3_000) }));
    expect(response.payload).toEqual(body(3_000));
    expect(Math.max(...t.path.sent.map((one) => one.datagram.length))).toBeLessThanOrEqual(600);
    expect(Math.max(...t.path.sent.map((one) => one.datagram.length))).toBeGreaterThan(512);
  });

  it("goes on in smaller blocks when the server asks for them in its 2.31", async () => {
    const t = scriptedServer((request, i) => [
      blockIn(request, "block1")?.includes("/0/") ? { code: "2.04" } : next(request, i === 0 ? 0 : 4 + i - 1, 4),
    ]);
    await t.request({ payload: body(2_048) });
    expect(t.requests.map((one) => blockIn(one, "block1"))).toEqual(["0/1/1024", "4/1/256", "5/1/256", "6/1/256", "7/0/256"]);
    expect(Buffer.concat(t.requests.map((one) => one.payload)).equals(body(2_048))).toBe(true);
  });

  it("takes a Block1 of no octets in the answer for what it is: number 0 in blocks of 16", async () => {
    const t = scriptedServer((request, i) => {
      const number = i === 0 ? 0 : 64 + i - 1;
      if (blockIn(request, "block1")?.includes("/0/")) return [{ code: "2.04" }];
      return [i === 0 ? { code: "2.31", options: { block1: [fromHex("")] } } : next(request, number, 0)];
    });
    await t.request({ payload: body(1_060) });
    expect(t.requests.map((one) => blockIn(one, "block1"))).toEqual(["0/1/1024", "64/1/16", "65/1/16", "66/0/16"]);
  });

  it("starts again in smaller blocks after 4.13 with a smaller size, whole bodies too", async () => {
    const t = scriptedServer((request, i) => {
      if (i === 0) return [{ code: "4.13", block1: { number: 0, more: false, szx: 5 } }];
      return [blockIn(request, "block1")?.includes("/1/") ? next(request, i - 1, 5) : { code: "2.04" }];
    });
    expect((await t.request({ payload: body(1_000) })).code).toBe("2.04");
    expect(t.requests.map((one) => blockIn(one, "block1"))).toEqual([undefined, "0/1/512", "1/0/512"]);
  });

  it("returns 4.13 when there is nothing smaller to try, without sending the next block", async () => {
    const t = scriptedServer(() => [{ code: "4.13", block1: { number: 0, more: true, szx: 6 }, options: { size1: [encodeUint(100)] } }]);
    expect((await t.request({ payload: body(5_000) })).code).toBe("4.13");
    expect(t.requests).toHaveLength(1);
  });

  it("starts again once, with a new tag and token, when the server lost the blocks before (4.08)", async () => {
    let lost = false;
    const t = scriptedServer((request, i) => {
      if (i === 1 && !lost) {
        lost = true;
        return [{ code: "4.08" }];
      }
      return [blockIn(request, "block1")?.includes("/1/") ? next(request, i === 0 ? 0 : i - 2) : { code: "2.04" }];
    });
    expect((await t.request({ payload: body(2_000) })).code).toBe("2.04");
    expect(t.requests.map((one) => blockIn(one, "block1"))).toEqual(["0/1/1024", "1/0/1024", "0/1/1024", "1/0/1024"]);
    expect(new Set(t.requests.map((one) => toHex(one.options.requestTag?.[0] ?? fromHex("")))).size).toBe(2);
    expect(new Set(t.requests.map((one) => toHex(one.token))).size).toBe(2);
  });

  it("returns 4.08 when it is lost twice", async () => {
    const t = scriptedServer((request) => [blockIn(request, "block1")?.startsWith("0/") ? next(request, 0) : { code: "4.08" }]);
    expect((await t.request({ payload: body(2_000) })).code).toBe("4.08");
    expect(t.requests).toHaveLength(4);
  });

  it("takes an error in the middle for the answer", async () => {
    const t = scriptedServer((request, i) => [i === 0 ? next(request, 0) : { code: "4.01" }]);
    expect((await t.request({ payload: body(3_000) })).code).toBe("4.01");
    expect(t.requests).toHaveLength(2);
  });

  it("goes on after a 2.04 that answers only its block (RFC 7959 §2.3)", async () => {
    const t = scriptedServer((_, i) => [{ code: "2.04", block1: { number: i, more: false, szx: 6 } }]);
    expect((await t.request({ payload: body(2_500) })).code).toBe("2.04");
    expect(t.requests).toHaveLength(3);
  });

  it.each([
    { name: "another number in the answer", answer: (i: number): Sketch => next(0, i + 1) },
    { name: "2.31 to the last block", answer: (i: number): Sketch => next(0, i) },
    { name: "success in the middle without a block", answer: (): Sketch => ({ code: "2.04" }) },
    { name: "the reserved block size", answer: (): Sketch => ({ code: "2.31", options: { block1: [fromHex("0f")] } }) },
  ])("ends in COAP_BLOCK: $name", async ({ answer }) => {
    const t = scriptedServer((_, i) => [answer(i)]);
    await expect(t.request({ payload: body(2_000) })).rejects.toMatchObject({ code: "COAP_BLOCK" });
  });

  it("ends in COAP_BLOCK: 2.31 to a request that was sent whole", async () => {
    const t = scriptedServer(() => [{ code: "2.31" }]);
    await expect(t.request({ payload: body(20) })).rejects.toMatchObject({ code: "COAP_BLOCK" });
  });
});

describe("receiving in blocks (RFC 7959 §2.4)", () => {
  const answer = body(2_500);
  const etag = { etag: [fromHex("01")] };
  const part = (number: number, szx = 6, of = answer): Sketch => {
    const size = 2 ** (szx + 4);
    return {
      payload: of.subarray(number * size, (number + 1) * size),
      block2: { number, more: (number + 1) * size < of.length, szx },
      options: etag,
    };
  };

  // shows: d5.block2
  it("asks block by block, with the same options and no payload", async () => {
    const t = scriptedServer((_, i) => [part(i)]);
    expect((await t.request({ payload: body(10), contentFormat: 42 })).payload).toEqual(answer);
    expect(t.requests.map((one) => blockIn(one, "block2"))).toEqual([undefined, "1/0/1024", "2/0/1024"]);
    expect(t.requests.map((one) => one.payload.length)).toEqual([10, 0, 0]);
    expect(t.requests.map((one) => one.options.contentFormat)).toEqual([[fromHex("2a")], [fromHex("2a")], [fromHex("2a")]]);
    expect(t.requests.every((one) => one.code === "0.02" && one.refusedOptions.length === 0)).toBe(true);
  });

  it("follows a server that goes over to smaller blocks", async () => {
    const t = scriptedServer((request, i) => [
      i === 0 ? part(0) : part(Number(blockIn(request, "block2")?.split("/")[0]) * (i === 1 ? 4 : 1), 4),
    ]);
    expect((await t.request({ method: "GET" })).payload).toEqual(answer);
    expect(t.requests.map((one) => blockIn(one, "block2"))).toEqual([
      undefined,
      "1/0/1024",
      "5/0/256",
      "6/0/256",
      "7/0/256",
      "8/0/256",
      "9/0/256",
    ]);
  });

  it("asks for the block size it prefers where that is not the largest", async () => {
    const t = scriptedServer((_, i) => [part(i, 2, body(100))], { blockBytes: 64 });
    expect((await t.request({ method: "GET" })).payload).toEqual(body(100));
    expect(t.requests.map((one) => blockIn(one, "block2"))).toEqual(["0/0/64", "1/0/64"]);
  });

  it("does both in one exchange (RFC 7959 §3.3), and keeps the tag while it reads", async () => {
    const t = scriptedServer((_, i) => [
      i === 0
        ? { code: "2.31", block1: { number: 0, more: true, szx: 6 } }
        : { ...part(i - 1), block1: { number: 1, more: false, szx: 6 } },
    ]);
    expect((await t.request({ payload: body(2_000) })).payload).toEqual(answer);
    expect(t.requests.map((one) => [blockIn(one, "block1"), blockIn(one, "block2")])).toEqual([
      ["0/1/1024", undefined],
      ["1/0/1024", undefined],
      [undefined, "1/0/1024"],
      [undefined, "2/0/1024"],
    ]);
    expect(new Set(t.requests.map((one) => toHex(one.options.requestTag?.[0] ?? fromHex("")))).size).toBe(1);
  });

  it("starts again once when the ETag changes, and returns the new whole", async () => {
    const other = answer.map((octet) => octet ^ 0xff);
    const t = scriptedServer((request, i) => {
      const number = Number(blockIn(request, "block2")?.split("/")[0] ?? 0);
      return [i === 0 ? part(number) : { ...part(number, 6, other), options: { etag: [fromHex("02")] } }];
    });
    expect((await t.request({ method: "GET" })).payload).toEqual(other);
    expect(t.requests.map((one) => blockIn(one, "block2"))).toEqual([undefined, "1/0/1024", undefined, "1/0/1024", "2/0/1024"]);
  });

  it("ends in COAP_BLOCK when the ETag changes again", async () => {
    const t = scriptedServer((request, i) => [
      { ...part(Number(blockIn(request, "block2")?.split("/")[0] ?? 0)), options: { etag: [Uint8Array.of(i)] } },
    ]);
    await expect(t.request({ method: "GET" })).rejects.toMatchObject({ code: "COAP_BLOCK" });
    expect(t.requests).toHaveLength(4);
  });

  it("returns an error that comes in the middle", async () => {
    const t = scriptedServer((_, i) => [i === 0 ? part(0) : { code: "5.03" }]);
    expect((await t.request({ method: "GET" })).code).toBe("5.03");
  });

  it.each<{ readonly name: string; readonly second: Sketch; readonly code: string }>([
    { name: "another number", second: part(2), code: "COAP_BLOCK" },
    { name: "the first block again", second: part(0), code: "COAP_BLOCK" },
    { name: "no number", second: { payload: body(2_500), options: etag }, code: "COAP_BLOCK" },
    { name: "too few octets", second: { ...part(1), payload: body(1_000) }, code: "COAP_BLOCK" },
    { name: "too many octets", second: { ...part(1), payload: body(1_030) }, code: "COAP_BLOCK" },
    { name: "no octets and more to come", second: { ...part(1), payload: body(0) }, code: "COAP_BLOCK" },
    {
      name: "the reserved block size",
      second: { payload: body(1_024), options: { ...etag, block2: [fromHex("1f")] } },
      code: "COAP_BLOCK",
    },
    {
      name: "a Block2 of four octets",
      second: { payload: body(1_024), options: { ...etag, block2: [fromHex("0000001e")] } },
      code: "COAP_MESSAGE",
    },
  ])("ends in $code: $name", async ({ second, code }) => {
    const t = scriptedServer((_, i) => [i === 0 ? part(0) : second]);
    await expect(t.request({ method: "GET" })).rejects.toMatchObject({ code });
    expect(t.requests).toHaveLength(2);
  });

  it("ends in COAP_BLOCK when the first block is not number 0", async () => {
    const t = scriptedServer(() => [part(1)]);
    await expect(t.request({ method: "GET" })).rejects.toMatchObject({ code: "COAP_BLOCK" });
  });

  it("does not even begin with a body announced as too large", async () => {
    const t = scriptedServer(() => [{ ...part(0), options: { ...etag, size2: [encodeUint(5_000)] } }], { maxBodyBytes: 4_000 });
    await expect(t.request({ method: "GET" })).rejects.toMatchObject({ code: "COAP_TOO_LARGE" });
    expect(t.requests).toHaveLength(1);
  });

  it("stops a body without end at its limit", async () => {
    const t = scriptedServer((_, i) => [{ payload: body(1_024), block2: { number: i, more: true, szx: 6 }, options: etag }], {
      maxBodyBytes: 4_000,
    });
    await expect(t.request({ method: "GET" })).rejects.toMatchObject({ code: "COAP_TOO_LARGE" });
    expect(t.requests).toHaveLength(4);
  });
});
