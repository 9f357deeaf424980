// What strangers and the keys' own holder may send with a Connection ID: forged, repeated, truncated, misplaced. Nothing is kept, moved, or answered beyond its due.
import { createCipheriv } from "node:crypto";
import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import { describe, expect, test } from "vitest";
import { VirtualClock } from "../../../../base/clock.ts";
import { integerBelow, seededRandom } from "../../../../base/random.ts";
import { memorySessionStore } from "../../../../transports/dtls/sessions.ts";
import type { DtlsServerOptions } from "../../../../transports/dtls/types.ts";
import { type DirectionKeys, keysOfCapture, masterSecretOf } from "../../../support/cid-reader.ts";
import { dtlsBench, echo } from "../../../support/dtls-bench.ts";

const bench = dtlsBench();

async function stranger(): Promise<{ socket: Socket; heard: Buffer[]; send: (datagram: Uint8Array, port: number) => Promise<void> }> {
  const socket = createSocket("udp4");
  socket.bind(0, "127.0.0.1");
  await once(socket, "listening");
  bench.defer(() => socket.close());
  const heard: Buffer[] = [];
  socket.on("message", (datagram) => heard.push(datagram));
  const send = (datagram: Uint8Array, port: number): Promise<void> =>
    new Promise((resolve, reject) => socket.send(datagram, port, "127.0.0.1", (error) => (error === null ? resolve() : reject(error))));
  return { socket, heard, send };
}

/** An open association behind a proxy that can be told to keep the client's datagrams back. */
async function open(options: Partial<DtlsServerOptions> = {}) {
  const server = await bench.server({ connectionId: true, ...options });
  const held: Uint8Array[] = [];
  let isHolding = false;
  const proxy = await bench.proxy(server, {
    alter: (datagram, direction) => {
      if (!isHolding || direction === "down") return [datagram];
      held.push(datagram);
      return [];
    },
  });
  const sessions = memorySessionStore();
  const link = await bench.connect(proxy, { connectionId: true, sessions });
  await echo(link, bench.clock);
  const got: string[] = [];
  server.links[0]?.onDatagram((datagram) => got.push(Buffer.from(datagram).toString("latin1")));
  const up = proxy.seen.filter(({ direction, datagram }) => direction === "up" && datagram[0] === 25).map(({ datagram }) => datagram);
  const [stored = new Uint8Array(0)] = sessions.entries().values();
  return {
    server,
    proxy,
    link,
    got,
    up,
    cid: Buffer.from(up[0]?.subarray(11, 19) ?? []),
    keys: () => keysOfCapture(proxy.seen, masterSecretOf(stored), "up"),
    /** What the client sends in `act` does not arrive; answers it. */
    keepBack: async (act: () => void): Promise<Uint8Array[]> => {
      isHolding = true;
      const before = proxy.seen.length;
      act();
      while (proxy.seen.length === before) await new Promise((resolve) => setImmediate(resolve));
      isHolding = false;
      return held.splice(0);
    },
  };
}

const uint = (value: number, size: number): Buffer => {
  const out = Buffer.alloc(size);
  out.writeUIntBE(value, 0, size);
  return out;
};

/** A record that is authentic in all but what the test makes of it. */
function sealed(keys: DirectionKeys, type: number, sequence: number, cid: Buffer, inner: Uint8Array): Buffer {
  const number = Buffer.concat([uint(1, 2), uint(sequence, 6)]);
  const version = Buffer.of(0xfe, 0xfd);
  const nonce = number;
  const cipher = createCipheriv(keys.cipher as "aes-128-ccm", keys.key, Buffer.concat([keys.salt, nonce]), {
    authTagLength: keys.tagBytes,
  });
  const aad =
    type === 25
      ? Buffer.concat([Buffer.alloc(8, 255), Buffer.of(25, cid.length, 25), version, number, cid, uint(inner.length, 2)])
      : Buffer.concat([number, Buffer.of(type), version, uint(inner.length, 2)]);
  cipher.setAAD(aad, { plaintextLength: inner.length });
  const body = Buffer.concat([nonce, cipher.update(inner), cipher.final(), cipher.getAuthTag()]);
  return Buffer.concat([Buffer.of(type), version, number, type === 25 ? cid : Buffer.alloc(0), uint(body.length, 2), body]);
}

describe("strangers", () => {
  test("3,000 datagrams with random CIDs: nothing is kept, nothing is answered", async () => {
    const { server, link } = await open();
    const random = seededRandom(25);
    const { heard, send } = await stranger();
    for (let i = 0; i < 3_000; i++) {
      const body = random.bytes(integerBelow(random, 200));
      const head = Buffer.concat([Buffer.of(25, 0xfe, 0xfd, 0, i % 3), random.bytes(6 + 8), uint(body.length, 2)]);
      await send(Buffer.concat([head, body]).subarray(0, i % 7 === 0 ? integerBelow(random, head.length) : undefined), server.port);
    }
    await echo(link, bench.clock);
    expect([server.size, heard.length]).toEqual([1, 0]);
  });

  test("forged with the right CID, cut short, altered, repeated: the association and its address stay as they are", async () => {
    const { server, link, up, cid, got } = await open();
    const { heard, send } = await stranger();
    const random = seededRandom(26);
    const former = server.links[0]?.peer;
    const real = Buffer.from(up.at(-1) ?? []);
    const bodyAt = 13 + 8;
    for (let i = 0; i < 300; i++) {
      const body = random.bytes(integerBelow(random, 80));
      await send(Buffer.concat([Buffer.of(25, 0xfe, 0xfd, 0, 1), random.bytes(6), cid, uint(body.length, 2), body]), server.port);
      const altered = Buffer.from(real);
      const at = i % 2 === 0 ? 3 + integerBelow(random, 8) : bodyAt + integerBelow(random, real.length - bodyAt);
      altered[at] = (altered[at] ?? 0) ^ (1 << integerBelow(random, 8));
      await send(altered, server.port);
      const cut = real.subarray(0, bodyAt + integerBelow(random, real.length - bodyAt));
      await send(cut, server.port);
      const shorter = Buffer.from(cut);
      shorter.writeUInt16BE(cut.length - bodyAt, bodyAt - 2);
      await send(shorter, server.port);
    }
    for (const datagram of up) for (let i = 0; i < 20; i++) await send(datagram, server.port);
    got.length = 0;
    await echo(link, bench.clock);
    expect(new Set(got).size).toBe(1);
    expect([server.size, heard.length, server.links[0]?.peer]).toEqual([1, 0, former]);
  });

  test("one who overtakes the client with its own datagram is sent what was due to it, and no more; the client's next one brings it back", async () => {
    const { server, link, keepBack, got } = await open();
    server.links[0]?.onDatagram(() => server.links[0]?.send(new Uint8Array(1_000)));
    const { heard, send, socket } = await stranger();
    const former = server.links[0]?.peer;
    const [stolen = new Uint8Array(0)] = await keepBack(() => link.send(Buffer.from("stolen")));
    const answered = once(socket, "message");
    await send(stolen, server.port);
    await answered;
    // The thousand octets wait for a proof that the stranger cannot give.
    for (let i = 0; i < 5; i++) await send(stolen, server.port);
    const back = new Promise<void>((resolve) => link.onDatagram((datagram) => datagram.length === 1_000 && resolve()));
    await echo(link, bench.clock);
    await back;
    expect(got).toContain("stolen");
    expect(heard.reduce((sum, one) => sum + one.length, 0)).toBeLessThanOrEqual(3 * stolen.length);
    expect(server.links[0]?.peer).toBe(former);
  });

  test("noise with its CID does not keep an idle association alive", async () => {
    const clock = new VirtualClock();
    const { server, cid, up } = await open({ clock, idleTimeoutMs: 60_000 });
    const { send } = await stranger();
    await clock.advance(59_000);
    const before = server.links[0]?.counters.receivedDatagrams ?? 0;
    for (let i = 0; i < 20; i++) {
      await send(Buffer.concat([Buffer.of(25, 0xfe, 0xfd, 0, 1), uint(i, 6), cid, uint(40, 2), Buffer.alloc(40, i)]), server.port);
      await send(up.at(-1) ?? cid, server.port);
    }
    while ((server.links[0]?.counters.receivedDatagrams ?? 0) < before + 40) await new Promise((resolve) => setImmediate(resolve));
    await clock.advance(1_500);
    expect(server.size).toBe(0);
  });
});

describe("authentic, but not as agreed", () => {
  test("an encrypted record without the CID is dropped; the same one with it is taken", async () => {
    const { server, proxy, link, got, cid, keys } = await open();
    const text = Buffer.from("without a name");
    proxy.inject("up", sealed(keys(), 23, 1_000, cid, text));
    proxy.inject("up", sealed(keys(), 21, 1_001, cid, Buffer.of(2, 40)));
    await echo(link, bench.clock);
    expect(got).not.toContain(text.toString());
    proxy.inject("up", sealed(keys(), 25, 1_002, cid, Buffer.concat([text, Buffer.of(23)])));
    while (!got.includes(text.toString())) await new Promise((resolve) => setImmediate(resolve));
    expect(server.size).toBe(1);
  });

  test("all zeros, a ChangeCipherSpec inside, a tls12_cid inside, an unknown type: dropped", async () => {
    const { server, proxy, cid, keys, got, link } = await open();
    const odd: Buffer[] = [
      Buffer.alloc(1),
      Buffer.alloc(100),
      Buffer.of(1, 20),
      Buffer.of(1, 2, 3, 25),
      Buffer.of(1, 2, 3, 24),
      Buffer.of(0, 0, 0, 27),
      Buffer.concat([Buffer.of(9), Buffer.alloc(8), Buffer.of(27)]),
      Buffer.of(99),
    ];
    for (const [i, inner] of odd.entries()) proxy.inject("up", sealed(keys(), 25, 2_000 + i, cid, inner));
    // Padded, as a peer may.
    proxy.inject("up", sealed(keys(), 25, 2_100, cid, Buffer.concat([Buffer.from("padded"), Buffer.of(23), Buffer.alloc(40)])));
    while (!got.includes("padded")) await new Promise((resolve) => setImmediate(resolve));
    expect(got).toEqual(["padded"]);
    expect([server.size, link.survivesRebinding]).toEqual([1, true]);
  });

  test("a path_challenge of the client is answered once, however often it comes", async () => {
    const { proxy, cid, keys, got } = await open();
    const challenge = sealed(keys(), 25, 3_000, cid, Buffer.concat([Buffer.of(0), Buffer.alloc(8, 7), Buffer.of(27)]));
    const before = proxy.seen.length;
    for (let i = 0; i < 10; i++) proxy.inject("up", challenge);
    proxy.inject("up", sealed(keys(), 25, 3_001, cid, Buffer.concat([Buffer.from("mark"), Buffer.of(23)])));
    while (!got.includes("mark")) await new Promise((resolve) => setImmediate(resolve));
    while (!proxy.seen.slice(before).some(({ datagram }) => datagram[0] === 23)) await new Promise((resolve) => setImmediate(resolve));
    expect(proxy.seen.slice(before).filter(({ datagram }) => datagram[0] === 27).length).toBe(1);
  });
});
