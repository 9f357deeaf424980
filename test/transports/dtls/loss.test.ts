// Handshakes over a network that loses: each datagram of each flight once, and a quarter of all both ways.
import { describe, expect, test } from "vitest";
import { seededRandom } from "../../../base/random.ts";
import { nextRetransmitUs } from "../../../transports/dtls/engine.ts";
import { memorySessionStore } from "../../../transports/dtls/sessions.ts";
import { dtlsBench, echo, host, identityOf, refusal, rootsOf } from "../../support/dtls-bench.ts";
import type { Direction } from "../../support/lossy-proxy.ts";
import { makeLargeChain } from "../../support/test-pki.ts";

const bench = dtlsBench();

const dropping =
  (direction: Direction, ...indices: readonly number[]) =>
  (datagram: Uint8Array, way: Direction, index: number): readonly Uint8Array[] =>
    way === direction && indices.includes(index) ? [] : [datagram];

describe("one datagram is lost", () => {
  // A full handshake is three datagrams each way.
  test.each<[string, Direction, number[]]>([
    ["the first ClientHello", "up", [0]],
    ["the HelloVerifyRequest", "down", [0]],
    ["the ClientHello with the cookie", "up", [1]],
    ["the server's certificate flight", "down", [1]],
    ["the client's Finished flight", "up", [2]],
    ["the server's Finished", "down", [2]],
    ["the server's Finished, twice", "down", [2, 3]],
    ["the client's Finished flight, twice", "up", [2, 3]],
  ])("%s", async (_what, direction, indices) => {
    const server = await bench.server();
    const proxy = await bench.proxy(server, { alter: dropping(direction, ...indices) });
    const link = await bench.connect(proxy);
    expect(proxy.dropped).toBe(indices.length);
    await echo(link, bench.clock);
    expect(server.size).toBe(1);
  });

  // A resumed one is two up and two down, and the client has the last word.
  test.each<[string, Direction, number]>([
    ["the ClientHello with the cookie", "up", 1],
    ["the server's flight", "down", 1],
    ["the client's Finished", "up", 2],
  ])("of a resumed handshake: %s", async (_what, direction, index) => {
    const sessions = memorySessionStore();
    const server = await bench.server();
    // The same address, as the session's key has the port: the proxy begins to drop once the first association is through.
    let resumingFrom = { up: Number.POSITIVE_INFINITY, down: Number.POSITIVE_INFINITY };
    const proxy = await bench.proxy(server, {
      alter: (datagram, way, at) => (way === direction && at - resumingFrom[way] === index ? [] : [datagram]),
    });
    await echo(await bench.connect(proxy, { sessions }), bench.clock);
    const count = (way: Direction): number => proxy.seen.filter((one) => one.direction === way).length;
    resumingFrom = { up: count("up"), down: count("down") };
    const link = await bench.connect(proxy, { sessions });
    expect(link.resumed).toBe(true);
    await echo(link, bench.clock);
    expect(proxy.dropped).toBe(1);
  });

  test("each of the datagrams in which a large chain arrives at an MTU of 512", async () => {
    const large = makeLargeChain(host, 3_500);
    const server = await bench.server({ identity: identityOf(large.server), mtuBytes: 512 });
    for (let index = 1; index <= 8; index++) {
      const proxy = await bench.proxy(server, { alter: dropping("down", index) });
      await echo(await bench.connect(proxy, { trust: rootsOf(large.root), mtuBytes: 512 }), bench.clock);
      expect(proxy.dropped).toBe(1);
    }
  });
});

describe("a quarter is lost, both ways", () => {
  test("20 of 20 handshakes, each with its echo", async () => {
    const server = await bench.server();
    const proxy = await bench.proxy(server, { loss: 0.25, random: seededRandom(25) });
    const links = await Promise.all(Array.from({ length: 20 }, () => bench.connect(proxy, { handshakeTimeoutMs: 50_000 })));
    await Promise.all(links.map((link) => echo(link, bench.clock)));
    expect(proxy.dropped).toBeGreaterThan(20);
  });

  test("and a tenth doubled, a fifth overtaken, in fragments", async () => {
    const large = makeLargeChain(host, 2_000);
    const server = await bench.server({ identity: identityOf(large.server), mtuBytes: 512 });
    const proxy = await bench.proxy(server, { loss: 0.25, duplicate: 0.1, reorder: 0.2, random: seededRandom(26) });
    const options = { trust: rootsOf(large.root), mtuBytes: 512, handshakeTimeoutMs: 50_000 };
    const links = await Promise.all(Array.from({ length: 10 }, () => bench.connect(proxy, options)));
    await Promise.all(links.map((link) => echo(link, bench.clock)));
  });
});

describe("retransmission", () => {
  test("a round trip longer than the first timeout costs datagrams; a first timeout above it costs none", async () => {
    const server = await bench.server({ retransmitInitialMs: 5_000 });
    const proxy = await bench.proxy(server, { delayMs: 100 });
    const patient = await bench.connect(proxy, { retransmitInitialMs: 5_000 });
    expect(patient.counters.sentDatagrams).toBe(3);
    const hasty = await bench.connect(proxy, { retransmitInitialMs: 50 });
    expect(hasty.counters.sentDatagrams).toBeGreaterThan(3);
    await echo(hasty, bench.clock);
  });

  test("silence is repeated to with doubling pauses, until the deadline", async () => {
    const server = await bench.server();
    const atMs: number[] = [];
    const proxy = await bench.proxy(server, {
      alter: () => {
        atMs.push(bench.clock.monotonicMs());
        return [];
      },
    });
    const failed = await refusal(bench.connect(proxy, { retransmitInitialMs: 100, handshakeTimeoutMs: 1_000 }));
    expect(failed).toMatchObject({ code: "DTLS_TIMEOUT", retry: "online" });
    expect(failed.message).toContain("not one datagram");
    // At 0, 100, 300 and 700 ms: a fifth would come at 1,500.
    expect(atMs.length).toBe(4);
    const pauses = atMs.slice(1).map((ms, i) => ms - (atMs[i] ?? 0));
    for (const [i, pause] of pauses.entries()) expect(pause).toBeGreaterThan(100 * 2 ** i - 20);
  });

  test("what came back before the deadline is told: nothing of DTLS, or when the first of it came", async () => {
    const server = await bench.server();
    const timing = { retransmitInitialMs: 100, handshakeTimeoutMs: 1_000 };
    const other = await bench.proxy(server, { alter: (datagram, way) => (way === "up" ? [datagram] : [Buffer.from("hello?")]) });
    expect((await refusal(bench.connect(other, timing))).message).toMatch(/: \d+ datagrams that are no DTLS within 1000 ms/);
    const cut = await bench.proxy(server, { delayMs: 200, alter: dropping("down", 1, 2, 3, 4, 5, 6, 7, 8) });
    const firstMs = /: \d+ datagrams, the first after (\d+) ms, but no end/.exec((await refusal(bench.connect(cut, timing))).message)?.[1];
    expect(Number(firstMs)).toBeGreaterThanOrEqual(200);
  });

  test("the pauses double up to four seconds, then grow slowly: six losses in a row cost half a minute, not one", () => {
    const pausesMs = [1_000];
    while (pausesMs.length < 20) pausesMs.push(nextRetransmitUs((pausesMs.at(-1) ?? 0) * 1_000) / 1_000);
    expect(pausesMs.slice(0, 6)).toEqual([1_000, 2_000, 4_000, 5_000, 6_250, 7_812.5]);
    expect(pausesMs.slice(0, 6).reduce((sum, ms) => sum + ms)).toBeLessThan(30_000);
    expect(pausesMs.at(-1)).toBe(60_000);
  });
});
