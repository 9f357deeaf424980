// What strangers may send: nothing of it is kept, nothing of it is answered with more than it cost, no association notices.
import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import { expect, test } from "vitest";
import { concatBytes } from "../../../base/bytes.ts";
import { VirtualClock } from "../../../base/clock.ts";
import { integerBelow, seededRandom } from "../../../base/random.ts";
import { closed, dtlsBench, echo, refusal } from "../../support/dtls-bench.ts";

const bench = dtlsBench();

async function stranger(): Promise<{ socket: Socket; heard: Uint8Array[]; send: (datagram: Uint8Array, port: number) => Promise<void> }> {
  const socket = createSocket("udp4");
  socket.bind(0, "127.0.0.1");
  await once(socket, "listening");
  bench.defer(() => socket.close());
  const heard: Uint8Array[] = [];
  socket.on("message", (datagram) => heard.push(new Uint8Array(datagram)));
  const send = (datagram: Uint8Array, port: number): Promise<void> =>
    new Promise((resolve, reject) => socket.send(datagram, port, "127.0.0.1", (error) => (error === null ? resolve() : reject(error))));
  return { socket, heard, send };
}

const record = (type: number, epoch: number, sequence: number, body: Uint8Array): Uint8Array =>
  concatBytes(Uint8Array.of(type, 0xfe, 0xfd, epoch >> 8, epoch, 0, 0, 0, 0, sequence >> 8, sequence, body.length >> 8, body.length), body);

/** Alerts, handshake messages and encrypted records that anybody could write, and noise. */
function forgeries(seed: number, count: number): Uint8Array[] {
  const random = seededRandom(seed);
  const octets = (max: number): Uint8Array => random.bytes(integerBelow(random, max));
  const kinds: (() => Uint8Array)[] = [
    () => octets(200),
    () => record(21, 0, integerBelow(random, 100), Uint8Array.of(2, 40)),
    () => record(21, 0, integerBelow(random, 100), Uint8Array.of(1, 0)),
    () => record(22, 0, integerBelow(random, 100), octets(100)),
    () => record(22, 1, integerBelow(random, 100), octets(100)),
    () => record(23, 1, integerBelow(random, 65_536), octets(200)),
    () => record(21, 1, integerBelow(random, 65_536), random.bytes(26)),
    () => record(20, 0, integerBelow(random, 100), Uint8Array.of(1)),
    () => record(23, 2, 0, octets(100)),
  ];
  return Array.from({ length: count }, (_, i) => (kinds[i % kinds.length] ?? (() => octets(1)))());
}

test("3,000 datagrams of noise and 500 bogus ClientHellos leave the server as it was", async () => {
  const server = await bench.server();
  const { send } = await stranger();
  const random = seededRandom(10);
  for (let i = 0; i < 3_000; i++) await send(random.bytes(1 + integerBelow(random, 300)), server.port);
  for (let i = 0; i < 500; i++) {
    // A handshake header of type ClientHello, whole, with rubbish in it.
    const body = random.bytes(integerBelow(random, 120));
    const length = Uint8Array.of(0, 0, body.length);
    await send(record(22, 0, i, concatBytes(Uint8Array.of(1), length, Uint8Array.of(0, 0, 0, 0, 0), length, body)), server.port);
  }
  // The server's socket is one queue: the echo comes after all of it was read or dropped by the kernel.
  await echo(await bench.connect(server), bench.clock);
  expect(server.size).toBe(1);
});

test("a ClientHello without its cookie, or with one of another address, is kept by nobody and answered by less than it was", async () => {
  const server = await bench.server();
  const proxy = await bench.proxy(server);
  await echo(await bench.connect(proxy), bench.clock);
  const sent = proxy.seen.filter(({ direction }) => direction === "up").map(({ datagram }) => datagram);
  const { heard, send, socket } = await stranger();
  for (const hello of sent.slice(0, 2)) {
    const answer = once(socket, "message");
    await send(hello, server.port);
    await answer;
    expect(heard.at(-1)?.length).toBeLessThan(hello.length);
    // HelloVerifyRequest
    expect(heard.at(-1)?.[13]).toBe(3);
  }
  expect(server.size).toBe(1);
  expect(heard.length).toBe(2);
});

test("forged records, alerts and repetitions change nothing of an open association", async () => {
  const server = await bench.server();
  const proxy = await bench.proxy(server);
  const link = await bench.connect(proxy);
  await echo(link, bench.clock);
  const recorded = [...proxy.seen];
  const got: Uint8Array[] = [];
  link.onDatagram((datagram) => got.push(datagram));
  server.links[0]?.onDatagram((datagram) => got.push(datagram));
  for (const direction of ["up", "down"] as const) {
    for (const datagram of forgeries(direction === "up" ? 11 : 12, 300)) proxy.inject(direction, datagram);
    for (const { datagram } of recorded) proxy.inject(direction, datagram);
  }
  await echo(link, bench.clock);
  // Only the echo of now, at either end, arrived; the recorded one did not arrive again.
  expect(new Set(got.map((datagram) => Buffer.from(datagram).toString("latin1"))).size).toBe(1);
  expect([server.size, server.links.length]).toEqual([1, 1]);
});

test("forged datagrams from the server's address do not stop a handshake", async () => {
  const server = await bench.server();
  const junk = forgeries(13, 60).filter((datagram) => datagram.length < 13 || (datagram[0] !== 21 && (datagram[4] ?? 0) > 0));
  const proxy = await bench.proxy(server, { alter: (datagram) => [...junk, datagram, ...junk] });
  const link = await bench.connect(proxy);
  await echo(link, bench.clock);
  expect(server.size).toBe(1);
});

test("a server that is no DTLS server is a timeout, not a crash", async () => {
  const { socket } = await stranger();
  const random = seededRandom(14);
  socket.on("message", (_datagram, { port }) => {
    for (const datagram of forgeries(15, 20).filter((one) => one[0] !== 21)) socket.send(datagram, port, "127.0.0.1");
    socket.send(random.bytes(100), port, "127.0.0.1");
  });
  const failed = await refusal(bench.connect({ port: socket.address().port }, { handshakeTimeoutMs: 400 }));
  expect(["DTLS_TIMEOUT", "DTLS_HANDSHAKE"]).toContain((failed as { code?: string }).code);
});

test("noise does not keep an idle association alive", async () => {
  const clock = new VirtualClock();
  const server = await bench.server({ clock, idleTimeoutMs: 60_000 });
  const proxy = await bench.proxy(server);
  const link = await bench.connect(proxy);
  await echo(link, bench.clock);
  await clock.advance(59_000);
  const before = server.links[0]?.counters.receivedDatagrams ?? 0;
  const noise = forgeries(16, 50).filter((datagram) => datagram.length > 20 && datagram[4] === 1);
  for (const datagram of noise) proxy.inject("up", datagram);
  while ((server.links[0]?.counters.receivedDatagrams ?? 0) < before + noise.length) await new Promise((resolve) => setImmediate(resolve));
  await clock.advance(1_500);
  expect(server.size).toBe(0);
});

test("a full server refuses newcomers and keeps those it has; one who only began makes room", async () => {
  const server = await bench.server({ associationsMax: 2 });
  const halfway = await bench.proxy(server, {
    alter: (datagram, direction, index) => (direction === "up" && index >= 2 ? [] : [datagram]),
  });
  const stuck = refusal(bench.connect(halfway, { handshakeTimeoutMs: 1_500 }));
  const first = await bench.connect(server);
  await echo(first, bench.clock);
  expect(server.size).toBe(2);
  const second = await bench.connect(server);
  await echo(second, bench.clock);
  const failed = refusal(bench.connect(server, { handshakeTimeoutMs: 600 }));
  expect(await failed).toMatchObject({ code: "DTLS_TIMEOUT" });
  await echo(first, bench.clock);
  await echo(second, bench.clock);
  expect(await stuck).toMatchObject({ code: "DTLS_TIMEOUT" });
  expect(server.size).toBe(2);
});

test("a server that forgot the association answers nothing: the client stays open and must find out by itself", async () => {
  const clock = new VirtualClock();
  const server = await bench.server({ clock, idleTimeoutMs: 60_000 });
  const proxy = await bench.proxy(server);
  const link = await bench.connect(proxy);
  await echo(link, bench.clock);
  await clock.advance(61_000);
  const heard = link.counters.receivedDatagrams;
  const ends: Error[] = [];
  link.onClosed((reason) => ends.push(reason));
  for (let i = 0; i < 5; i++) link.send(Uint8Array.of(i));
  // Another association through the same server comes about meanwhile.
  await echo(await bench.connect(server), bench.clock);
  expect(link.counters.receivedDatagrams).toBe(heard);
  expect(ends).toEqual([]);
});

test("a client that begins anew from the same port replaces its association, but only when its handshake is complete", async () => {
  const server = await bench.server();
  // One port towards the server for whoever of the clients spoke last, as with a vehicle that restarted behind a NAT.
  const outside = await stranger();
  const inside = await stranger();
  let client: { port: number; address: string } | undefined;
  let isCut = false;
  inside.socket.on("message", (datagram, remote) => {
    client = remote;
    // Cut: its ClientHellos arrive, its last flight does not.
    if (!isCut || (datagram[0] === 22 && datagram[13] === 1)) void outside.send(datagram, server.port);
  });
  outside.socket.on("message", (datagram) => client && inside.send(datagram, client.port));
  const to = { port: inside.socket.address().port };

  const first = await bench.connect(to);
  await echo(first, bench.clock);
  isCut = true;
  await refusal(bench.connect(to, { handshakeTimeoutMs: 300 }));
  isCut = false;
  expect(server.size).toBe(2);
  await echo(first, bench.clock);
  const formerEnd = closed(server.links[0] ?? first);
  const second = await bench.connect(to);
  await echo(second, bench.clock);
  expect(await formerEnd).toMatchObject({ code: "DTLS_CLOSED" });
  expect([server.size, server.links.length]).toEqual([1, 2]);
});
