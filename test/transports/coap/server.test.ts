// The server against clients that do what RFC 7252, 7959 and 9175 allow, and what they do not.
import { describe, expect, it } from "vitest";
import { fromHex, fromUtf8, toHex, utf8 } from "../../../base/bytes.ts";
import { encodeUint } from "../../../transports/coap/message.ts";
import type { CoapServerRequest, CoapServerResponse } from "../../../transports/coap/types.ts";
import { blockIn, type Sketch, scriptedClient } from "./support.ts";

const body = (length: number): Uint8Array => Uint8Array.from({ length }, (_, i) => i * 7 + (i >> 8));
const path = { uriPath: [utf8("a"), utf8("b")] };
const token = fromHex("0a0b");

/** Counts its runs and answers as told; by default the request's own payload. */
function counting(
  answer: (request: CoapServerRequest) => CoapServerResponse | Promise<CoapServerResponse> = ({ payload }) => ({
    code: "2.04",
    ...(payload && { payload }),
  }),
) {
  const asked: CoapServerRequest[] = [];
  return {
    asked,
    handle: async (request: CoapServerRequest) => {
      asked.push(request);
      return answer(request);
    },
  };
}

const post = (messageId: number, over: Sketch = {}): Sketch => ({
  code: "0.02",
  messageId,
  token,
  ...over,
  options: { ...path, ...over.options },
});

describe("one message, one answer", () => {
  it("gives the handler method, path, query, formats and payload, and answers in the ACK", async () => {
    const { asked, handle } = counting(() => ({ code: "2.05", contentFormat: 42, payload: utf8("yes") }));
    const t = scriptedClient({ handle });
    const options = { uriQuery: [utf8("x=1")], contentFormat: [fromHex("2a")], accept: [fromHex("")], uriHost: [utf8("h")] };
    expect(await t.send(post(7, { payload: utf8("hi"), options }))).toMatchObject([
      { type: "ACK", code: "2.05", messageId: 7, token, payload: utf8("yes"), options: { contentFormat: [fromHex("2a")] } },
    ]);
    expect(asked).toMatchObject([
      { method: "POST", path: "a/b", query: ["x=1"], host: "h", contentFormat: 42, accept: 0, payload: utf8("hi") },
    ]);
    expect(asked[0]?.link.peer).toBe("memory:1");
  });

  it("answers a non-confirmable request non-confirmably, under an id of its own", async () => {
    const { asked, handle } = counting();
    const t = scriptedClient({ handle });
    expect(await t.send(post(7, { type: "NON" }))).toMatchObject([{ type: "NON", code: "2.04", token }]);
    expect(await t.send(post(7, { type: "NON" }))).toEqual([]);
    expect(asked).toHaveLength(1);
  });

  // shows: d5.retransmission
  it("runs a repeated request once and repeats the answer, octet by octet", async () => {
    let run = 0;
    const { asked, handle } = counting(() => ({ code: "2.04", payload: Uint8Array.of(++run) }));
    const t = scriptedClient({ handle });
    const first = await t.send(post(7));
    const second = await t.send(post(7));
    expect(second).toEqual(first);
    expect(asked).toHaveLength(1);
    expect(await t.send(post(8))).toMatchObject([{ payload: Uint8Array.of(2) }]);
  });

  it("forgets an answer after the time in which its id may come again", async () => {
    const { asked, handle } = counting();
    const t = scriptedClient({ handle });
    await t.send(post(7));
    await t.clock.advance(247_000);
    await t.send(post(7));
    expect(asked).toHaveLength(2);
  });

  it("knows ids by peer", async () => {
    const { asked, handle } = counting();
    const t = scriptedClient({ handle });
    await t.send(post(7));
    await t.open().send(post(7));
    expect(asked).toHaveLength(2);
  });

  it("tells of a handler that throws, and answers 5.00", async () => {
    const errors: unknown[] = [];
    const t = scriptedClient({ handle: () => Promise.reject(new Error("oops")), onError: (error) => errors.push(error) });
    expect(await t.send(post(7))).toMatchObject([{ type: "ACK", code: "5.00", payload: fromHex("") }]);
    expect(errors).toMatchObject([{ message: "oops" }]);
  });

  it.each<{ readonly name: string; readonly message: Sketch | Uint8Array; readonly replies: readonly Sketch[] }>([
    {
      name: "an unknown critical option: 4.02",
      message: fromHex("42020007" + "0a0b" + "d0f4"),
      replies: [{ type: "ACK", code: "4.02", messageId: 7, token, payload: utf8("critical option 257") }],
    },
    { name: "the same, non-confirmable: ignored", message: fromHex("52020007" + "0a0b" + "d0f4"), replies: [] },
    { name: "an unknown elective option: skipped", message: fromHex("42020007" + "0a0b" + "d0f3"), replies: [{ code: "2.04" }] },
    { name: "Block1 of four octets: 4.02", message: post(7, { options: { block1: [fromHex("00000001")] } }), replies: [{ code: "4.02" }] },
    { name: "the reserved block size: 4.00", message: post(7, { options: { block1: [fromHex("07")] } }), replies: [{ code: "4.00" }] },
    { name: "Proxy-Uri: 5.05", message: post(7, { options: { proxyUri: [utf8("coap://x")] } }), replies: [{ code: "5.05" }] },
    { name: "FETCH: 4.05", message: post(7, { code: "0.05" }), replies: [{ code: "4.05" }] },
    { name: "a ping: RST", message: { code: "0.00", messageId: 7 }, replies: [{ type: "RST", messageId: 7 }] },
    { name: "a response: RST", message: post(7, { code: "2.05" }), replies: [{ type: "RST", messageId: 7 }] },
    { name: "a non-confirmable response: ignored", message: post(7, { code: "2.05", type: "NON" }), replies: [] },
    { name: "a malformed message: RST", message: fromHex("4902000700"), replies: [{ type: "RST", messageId: 7 }] },
    { name: "another version: ignored", message: fromHex("82020007"), replies: [] },
    { name: "an ACK out of nowhere: ignored", message: { type: "ACK", code: "0.00", messageId: 7 }, replies: [] },
  ])("$name", async ({ message, replies }) => {
    const t = scriptedClient(counting());
    const received = await t.send(message);
    expect(received).toHaveLength(replies.length);
    expect(received).toMatchObject(replies);
  });

  it("takes a Block1 of no octets for a body in one block of up to 16", async () => {
    const { asked, handle } = counting();
    const t = scriptedClient({ handle });
    expect(await t.send(post(7, { payload: body(16), options: { block1: [fromHex("")] } }))).toMatchObject([{ code: "2.04" }]);
    expect(asked[0]?.payload).toEqual(body(16));
  });
});

describe("separate responses", () => {
  const slow = () => {
    let finish: (response: CoapServerResponse) => void = () => undefined;
    const made = counting(() => new Promise((resolve) => (finish = resolve)));
    return { ...made, finish: (response: CoapServerResponse) => finish(response) };
  };

  it("acknowledges after a while, then answers confirmably until that is acknowledged", async () => {
    const { asked, handle, finish } = slow();
    const t = scriptedClient({ handle, separateAfterMs: 500 });
    expect(await t.send(post(7))).toMatchObject([{ type: "ACK", code: "0.00", messageId: 7 }]);
    finish({ code: "2.04", payload: utf8("late") });
    const answers = await t.send(post(7), 8_000);
    // The repeated request is acknowledged again and runs nothing; the unacknowledged answer comes again.
    expect(answers.map((one) => [one.type, one.code, fromUtf8(one.payload)])).toEqual([
      ["CON", "2.04", "late"],
      ["ACK", "0.00", ""],
      ["CON", "2.04", "late"],
    ]);
    const [answer, , again] = answers;
    expect(answer).toMatchObject({ token });
    expect(again?.messageId).toBe(answer?.messageId);
    expect(await t.send({ type: "ACK", code: "0.00", messageId: answer?.messageId ?? 0 }, 100_000)).toEqual([]);
    expect(asked).toHaveLength(1);
  });

  it.each(["RST", "nothing"])("stops when the client says %s", async (reply) => {
    const { handle, finish } = slow();
    const t = scriptedClient({ handle, separateAfterMs: 500 });
    await t.send(post(7));
    finish({ code: "2.04" });
    const [answer] = await t.send(post(7), 100);
    if (reply === "RST") expect(await t.send({ type: "RST", code: "0.00", messageId: answer?.messageId ?? 0 }, 300_000)).toEqual([]);
    else expect(await t.send(post(7), 600_000)).toHaveLength(11);
  });

  it("stays silent once the link is closed", async () => {
    const { handle, finish } = slow();
    const t = scriptedClient({ handle, separateAfterMs: 500 });
    await t.send(post(7));
    t.path.close(new Error("gone"));
    finish({ code: "2.04" });
    await t.clock.advance(60_000);
    expect(t.path.sent.filter((one) => one.direction === "down")).toHaveLength(1);
    expect(t.server.state.peers).toBe(0);
    t.server.close();
    expect(t.clock.nextTimerInMs()).toBeUndefined();
  });

  it("runs no more than eight requests of a peer at a time", async () => {
    const { asked, handle } = slow();
    const t = scriptedClient({ handle });
    for (let i = 0; i < 8; i++) await t.send(post(i), 20);
    expect(await t.send(post(8), 20)).toMatchObject([{ code: "5.03" }]);
    expect(asked).toHaveLength(8);
  });
});

describe("bodies in blocks (RFC 7959 §2.5)", () => {
  const tag = { requestTag: [fromHex("01")] };
  const block = (messageId: number, number: number, more: boolean, over: Sketch = {}, szx = 0): Sketch =>
    post(messageId, {
      block1: { number, more, szx },
      payload: body(48).subarray(number * 16, number * 16 + (more ? 16 : 8)),
      ...over,
      options: { ...tag, ...over.options },
    });

  it("are put together, each block answered with 2.31, the last by the handler", async () => {
    const { asked, handle } = counting();
    const t = scriptedClient({ handle });
    expect((await t.send(block(1, 0, true))).map((one) => [one.code, blockIn(one, "block1")])).toEqual([["2.31", "0/1/16"]]);
    expect((await t.send(block(2, 1, true))).map((one) => [one.code, blockIn(one, "block1")])).toEqual([["2.31", "1/1/16"]]);
    expect((await t.send(block(3, 2, false))).map((one) => [one.code, blockIn(one, "block1")])).toEqual([["2.04", "2/0/16"]]);
    expect(asked.map((one) => one.payload)).toEqual([body(40)]);
    expect(t.server.state.uploads).toBe(0);
  });

  it("may come in smaller blocks than they began with, when the server says so", async () => {
    const { asked, handle } = counting();
    const t = scriptedClient({ handle, blockBytes: 16 });
    const first = post(1, { block1: { number: 0, more: true, szx: 1 }, payload: body(32) });
    expect((await t.send(first)).map((one) => blockIn(one, "block1"))).toEqual(["0/1/16"]);
    await t.send(post(2, { block1: { number: 2, more: false, szx: 0 }, payload: body(48).subarray(32) }));
    expect(asked.map((one) => one.payload)).toEqual([body(48)]);
  });

  it.each<{ readonly name: string; readonly messages: readonly Sketch[]; readonly code: string }>([
    { name: "a block without those before", messages: [block(1, 1, true)], code: "4.08" },
    { name: "a block that was skipped", messages: [block(1, 0, true), block(2, 2, false)], code: "4.08" },
    { name: "another tag", messages: [block(1, 0, true), block(2, 1, true, { options: { requestTag: [fromHex("02")] } })], code: "4.08" },
    { name: "no tag where there was one", messages: [block(1, 0, true), block(2, 1, true, { options: { requestTag: [] } })], code: "4.08" },
    { name: "another path", messages: [block(1, 0, true), block(2, 1, true, { options: { uriPath: [utf8("c")] } })], code: "4.08" },
    { name: "another method", messages: [block(1, 0, true), block(2, 1, true, { code: "0.03" })], code: "4.08" },
    { name: "a short block with more to come", messages: [block(1, 0, true, { payload: body(15) })], code: "4.00" },
    { name: "an empty block with more to come", messages: [block(1, 0, true, { payload: body(0) })], code: "4.00" },
    { name: "a block that is too long", messages: [block(1, 0, false, { payload: body(17) })], code: "4.00" },
    { name: "an announced size above the limit", messages: [block(1, 0, true, { options: { size1: [encodeUint(41)] } })], code: "4.13" },
    {
      name: "a size above the limit",
      messages: [block(1, 0, true), block(2, 1, true), block(3, 2, true, { payload: body(16) })],
      code: "4.13",
    },
  ])("are refused: $name", async ({ messages, code }) => {
    const { asked, handle } = counting();
    const t = scriptedClient({ handle, maxBodyBytes: 40 });
    const answers = [];
    for (const message of messages) answers.push(...(await t.send(message)));
    expect(answers.map((one) => one.code)).toEqual([...messages.slice(1).map(() => "2.31"), code]);
    expect(asked).toEqual([]);
    if (code === "4.13") expect(answers.at(-1)?.options.size1?.map(toHex)).toEqual(["28"]);
  });

  it("start again with block 0", async () => {
    const { asked, handle } = counting();
    const t = scriptedClient({ handle });
    for (const message of [block(1, 0, true), block(2, 1, true), block(3, 0, true), block(4, 1, false)]) await t.send(message);
    expect(asked.map((one) => one.payload)).toEqual([body(24)]);
  });

  it("of two peers and of two tags do not mix", async () => {
    const { asked, handle } = counting();
    const t = scriptedClient({ handle });
    const other = t.open();
    const second = { options: { requestTag: [fromHex("02")] } };
    await t.send(block(1, 0, true));
    await other.send(block(1, 0, true));
    await t.send(block(2, 0, true, second));
    await t.send(block(3, 1, false));
    await other.send(block(2, 1, true));
    await other.send(block(3, 2, false));
    await t.send(block(4, 1, false, second));
    expect(asked.map((one) => one.payload?.length)).toEqual([24, 40, 24]);
  });

  it("run once, though their last block comes again under a new id", async () => {
    const { asked, handle } = counting();
    const t = scriptedClient({ handle });
    await t.send(block(1, 0, true));
    const first = await t.send(block(2, 1, false));
    const again = await t.send(block(3, 1, false));
    expect(again.map((one) => [one.code, one.payload])).toEqual(first.map((one) => [one.code, one.payload]));
    expect(asked).toHaveLength(1);
  });

  it("accept a block in the middle twice", async () => {
    const { asked, handle } = counting();
    const t = scriptedClient({ handle });
    for (const message of [block(1, 0, true), block(2, 1, true), block(3, 1, true), block(4, 2, false)]) await t.send(message);
    expect(asked.map((one) => one.payload)).toEqual([body(40)]);
  });

  it("go on over a new association only under a tag of eight octets", async () => {
    const { asked, handle } = counting();
    const t = scriptedClient({ handle });
    const cases = [
      { tag: [fromHex("0102030405060708")], code: "2.04" },
      { tag: [fromHex("01020304050607")], code: "4.08" },
      { tag: [], code: "4.08" },
    ];
    for (const [i, { tag, code }] of cases.entries()) {
      await t.send(block(i, 0, true, { options: { requestTag: tag } }));
      expect((await t.open().send(block(9, 1, false, { options: { requestTag: tag } }))).map((one) => one.code)).toEqual([code]);
    }
    expect(asked).toHaveLength(1);
  });

  it("cost a bounded amount of memory: four uploads a peer, and all of them forgotten in time", async () => {
    const t = scriptedClient(counting());
    for (let i = 0; i < 20; i++) await t.send(block(i, 0, true, { options: { requestTag: [Uint8Array.of(i)] } }), 20);
    expect(t.server.state).toMatchObject({ uploads: 4, bytes: 64 });
    await t.clock.advance(700_000);
    expect(t.server.state).toMatchObject({ uploads: 0, responses: 0, bytes: 0 });
  });

  it("of a peer that left are forgotten at once", async () => {
    const t = scriptedClient(counting());
    await t.send(block(1, 0, true));
    t.path.close(new Error("gone"));
    expect(t.server.state).toEqual({ peers: 0, uploads: 0, responses: 0, bytes: 0 });
  });
});

describe("answers in blocks (RFC 7959 §2.4)", () => {
  const answer = body(40);
  const next = (messageId: number, number: number, szx = 0, over: Sketch = {}): Sketch =>
    post(messageId, { block2: { number, more: false, szx }, ...over });

  it("are cut from one run, under one ETag, the size said once", async () => {
    const { asked, handle } = counting(() => ({ code: "2.04", payload: answer }));
    const t = scriptedClient({ handle, blockBytes: 16 });
    const parts = [...(await t.send(post(1))), ...(await t.send(next(2, 1))), ...(await t.send(next(3, 2)))];
    expect(parts.map((one) => blockIn(one, "block2"))).toEqual(["0/1/16", "1/1/16", "2/0/16"]);
    expect(Buffer.concat(parts.map((one) => one.payload)).equals(answer)).toBe(true);
    expect(new Set(parts.map((one) => toHex(one.options.etag?.[0] ?? fromHex("")))).size).toBe(1);
    expect(parts.map((one) => one.options.size2?.map(toHex))).toEqual([["28"], undefined, undefined]);
    expect(asked).toHaveLength(1);
  });

  it("come in the smaller size the client asks for, from the first block on or later", async () => {
    const t = scriptedClient({ ...counting(() => ({ code: "2.04", payload: answer })), blockBytes: 32 });
    expect((await t.send(next(1, 0, 0))).map((one) => blockIn(one, "block2"))).toEqual(["0/1/16"]);
    expect((await t.send(post(2))).map((one) => blockIn(one, "block2"))).toEqual(["0/1/32"]);
    expect((await t.send(next(3, 2, 0))).map((one) => [blockIn(one, "block2"), one.payload])).toEqual([["2/0/16", answer.subarray(32)]]);
    // A larger one than ours is answered in ours, at the same octet.
    expect((await t.send(next(4, 0, 6))).map((one) => blockIn(one, "block2"))).toEqual(["0/1/32"]);
  });

  it("whose request is not known any more are 4.08, except for GET, which is run again", async () => {
    const { asked, handle } = counting(() => ({ code: "2.05", payload: answer }));
    const t = scriptedClient({ handle, blockBytes: 16 });
    expect(await t.send(next(1, 1))).toMatchObject([{ code: "4.08" }]);
    expect(asked).toEqual([]);
    expect(await t.send(next(2, 1, 0, { code: "0.01" }))).toMatchObject([{ code: "2.05", payload: answer.subarray(16, 32) }]);
    expect(asked).toHaveLength(1);
  });

  it("past the end are 4.00", async () => {
    const t = scriptedClient({ ...counting(() => ({ code: "2.04", payload: answer })), blockBytes: 16 });
    await t.send(post(1));
    expect(await t.send(next(2, 3))).toMatchObject([{ code: "4.00" }]);
  });

  it("are of no other peer", async () => {
    const t = scriptedClient({ ...counting(() => ({ code: "2.04", payload: answer })), blockBytes: 16 });
    await t.send(post(1));
    expect(await t.open().send(next(2, 1))).toMatchObject([{ code: "4.08" }]);
  });

  it("keep to the link's size", async () => {
    const t = scriptedClient({ ...counting(() => ({ code: "2.04", payload: body(5_000) })) });
    await t.send(post(1));
    await t.send(next(2, 1, 6));
    expect(Math.max(...t.path.sent.map((one) => one.datagram.length))).toBeLessThanOrEqual(t.path.client.maxDatagramBytes);
  });

  it("are held for a bounded time and in bounded memory", async () => {
    const { handle } = counting(() => ({ code: "2.04", payload: body(2_000) }));
    const t = scriptedClient({ handle, maxStateBytes: 20_000 });
    for (let i = 0; i < 40; i++) await t.send(post(i, { options: { uriQuery: [utf8(String(i))] } }), 20);
    expect(t.server.state.bytes).toBeLessThanOrEqual(10_000);
    expect(t.server.state.responses).toBe(5);
    await t.clock.advance(700_000);
    expect(t.server.state).toMatchObject({ responses: 0, bytes: 0 });
  });

  it("that fit one message are not held at all", async () => {
    const t = scriptedClient(counting());
    await t.send(post(1, { payload: body(500) }));
    expect(t.server.state.responses).toBe(0);
  });
});

describe("closing", () => {
  it("ends every timer and serves nobody any more", async () => {
    const t = scriptedClient(counting());
    t.server.close();
    expect(await t.send(post(1))).toEqual([]);
    expect(await t.open().send(post(1))).toEqual([]);
    expect(t.clock.nextTimerInMs()).toBeUndefined();
  });
});
