// A client whose address changes: at every moment, a hundred times in a row, by its own will, under loss; and two whose addresses are swapped.
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { describe, expect, test } from "vitest";
import { seededRandom } from "../../../../base/random.ts";
import { memorySessionStore } from "../../../../transports/dtls/sessions.ts";
import type { DtlsCipherSuite } from "../../../../transports/dtls/types.ts";
import type { DatagramLink } from "../../../../transports/link.ts";
import { masterSecretOf, readCapture } from "../../../support/cid-reader.ts";
import { closed, dtlsBench, type EchoServer, echo, exchange, refusal, unhurried } from "../../../support/dtls-bench.ts";
import type { Direction } from "../../../support/lossy-proxy.ts";

const bench = dtlsBench();
const both = { connectionId: true } as const;
const suites: readonly DtlsCipherSuite[] = ["ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES256-GCM-SHA384", "ECDHE-ECDSA-AES128-CCM8"];

/** One octet is answered, besides the echo, with a thousand. */
function answerLargely(server: EchoServer): void {
  server.onLink((link) => link.onDatagram((datagram) => datagram.length === 1 && link.send(new Uint8Array(1_000))));
}

/** Sends the one octet, again each second, and waits for the thousand. */
function large(link: DatagramLink): Promise<void> {
  return new Promise((resolve) => {
    const ask = (): void => link.send(Uint8Array.of(1));
    const stopRepeating = bench.clock.every(1_000, ask);
    const stop = link.onDatagram((datagram) => {
      if (datagram.length < 1_000) return;
      stopRepeating();
      stop();
      resolve();
    });
    ask();
  });
}

describe("a NAT that forgets", () => {
  // shows: d5.connection-id
  test.each(suites)("100 times in a row: one datagram each way, nothing lost (%s)", async (suite) => {
    const server = await bench.server({ ...both, ...unhurried, cipherSuites: [suite] });
    const proxy = await bench.proxy(server);
    const link = await bench.connect(proxy, { ...both, ...unhurried, cipherSuites: [suite] });
    await exchange(link, 40);
    const warm = proxy.seen.slice(-2).map(({ datagram }) => datagram.length);
    const before = proxy.seen.length;
    for (let i = 0; i < 100; i++) {
      proxy.rebind();
      await exchange(link, 40);
    }
    const after = proxy.seen.slice(before);
    expect(after.map(({ direction }) => direction)).toEqual(Array.from({ length: 100 }, () => ["up", "down"]).flat());
    expect(after.map(({ datagram }) => datagram.length)).toEqual(Array.from({ length: 100 }, () => warm).flat());
    expect([server.size, server.links.length]).toEqual([1, 1]);
  });

  test("costs nine octets more than an association without Connection ID", async () => {
    const octets: number[] = [];
    for (const connectionId of [false, true]) {
      const server = await bench.server({ ...unhurried, connectionId });
      const proxy = await bench.proxy(server);
      const link = await bench.connect(proxy, { ...unhurried, connectionId });
      await exchange(link, 40);
      if (connectionId) proxy.rebind();
      const before = proxy.seen.length;
      await exchange(link, 40);
      octets.push(proxy.seen.slice(before).reduce((sum, { datagram }) => sum + datagram.length, 0));
    }
    expect((octets[1] ?? 0) - (octets[0] ?? 0)).toBe(8 + 1);
  });

  test("an answer of more than thrice the request waits for one exchange that proves the address; then none does", async () => {
    const server = await bench.server(both);
    answerLargely(server);
    const sessions = memorySessionStore();
    const proxy = await bench.proxy(server);
    const link = await bench.connect(proxy, { ...both, sessions });
    await echo(link, bench.clock);
    const former = server.links[0]?.peer;
    proxy.rebind();
    const before = proxy.seen.length;
    await large(link);
    const [stored = new Uint8Array(0)] = sessions.entries().values();
    const records = readCapture(proxy.seen, masterSecretOf(stored), { cidUp: 8, cidDown: 0 }).slice(before - proxy.seen.length);
    const story = records.map(({ direction, type, inner }) => [direction, type, inner?.type, inner?.content.length]);
    // The small echo of the server, the challenge, its answer, and only then the large one.
    expect(story).toEqual([
      ["up", 25, 23, 1],
      ["down", 23, 23, 1],
      ["down", 27, 27, 9],
      ["up", 25, 27, 9],
      ["down", 23, 23, 1_000],
    ]);
    const [challenge, response] = [records[2]?.inner?.content, records[3]?.inner?.content];
    expect([challenge?.[0], response?.[0]]).toEqual([0, 1]);
    expect(response?.subarray(1)).toEqual(challenge?.subarray(1));
    expect(server.links[0]?.peer).not.toBe(former);
    const settled = proxy.seen.length;
    await large(link);
    expect(proxy.seen.length - settled).toBe(3);
  });

  test("without Connection ID it is the end of the association, as ever", async () => {
    const server = await bench.server(both);
    const proxy = await bench.proxy(server);
    const link = await bench.connect(proxy);
    await echo(link, bench.clock);
    const heard = link.counters.receivedDatagrams;
    proxy.rebind();
    link.send(Uint8Array.of(1));
    await echo(await bench.connect(proxy), bench.clock);
    expect(link.counters.receivedDatagrams).toBe(heard);
  });
});

describe("at every moment", () => {
  // So that the nth datagram is the same one on a busy machine.
  const calm = { ...both, retransmitInitialMs: 1_000 } as const;
  // Those at which the cookie is on its way are in a test of their own below.
  const moments: readonly (readonly [Direction, number])[] = [
    ...[0, 2, 3, 4, 5].map((i) => ["up", i] as const),
    ...[1, 2, 3, 4, 5].map((i) => ["down", i] as const),
  ];
  const momentsOfResumed: readonly (readonly [Direction, number])[] = [
    ...[0, 2, 3, 4].map((i) => ["up", i] as const),
    ...[1, 2, 3, 4].map((i) => ["down", i] as const),
  ];

  test.each(moments)("before datagram %s %i of a full handshake and the first echoes", async (direction, moment) => {
    const server = await bench.server(calm);
    let rebind = (): void => {};
    const proxy = await bench.proxy(server, {
      alter: (datagram, way, index) => {
        if (way === direction && index === moment) rebind();
        return [datagram];
      },
    });
    rebind = () => proxy.rebind();
    const link = await bench.connect(proxy, calm);
    for (let i = 0; i < 6; i++) await echo(link, bench.clock);
    expect(link.survivesRebinding).toBe(true);
    expect(link.counters.receivedDatagrams).toBeGreaterThan(0);
  });

  test.each(momentsOfResumed)("before datagram %s %i of a resumed one", async (direction, moment) => {
    const server = await bench.server(calm);
    let from = { up: Number.POSITIVE_INFINITY, down: Number.POSITIVE_INFINITY };
    let rebind = (): void => {};
    const proxy = await bench.proxy(server, {
      alter: (datagram, way, index) => {
        if (way === direction && index - from[way] === moment) rebind();
        return [datagram];
      },
    });
    rebind = () => proxy.rebind();
    const sessions = memorySessionStore();
    await echo(await bench.connect(proxy, { ...calm, sessions }), bench.clock);
    const count = (way: Direction): number => proxy.seen.filter((one) => one.direction === way).length;
    from = { up: count("up"), down: count("down") };
    const link = await bench.connect(proxy, { ...calm, sessions });
    for (let i = 0; i < 4; i++) await echo(link, bench.clock);
    expect(link.resumed).toBe(true);
  });

  test("a cookie is for one address: between it and its return the attempt fails at its deadline, and the next one works", async () => {
    const server = await bench.server(both);
    for (const [direction, moment] of [
      ["up", 1],
      ["down", 0],
    ] as const) {
      let rebind = (): void => {};
      const proxy = await bench.proxy(server, {
        alter: (datagram, way, index) => {
          if (way === direction && index === moment) rebind();
          return [datagram];
        },
      });
      rebind = () => proxy.rebind();
      expect(await refusal(bench.connect(proxy, { ...both, handshakeTimeoutMs: 300 }))).toMatchObject({ code: "DTLS_TIMEOUT" });
      await echo(await bench.connect(proxy, both), bench.clock);
    }
  });

  test("before every single datagram of a long conversation, up and down, under loss, duplicates and reordering", async () => {
    const server = await bench.server(both);
    let rebind = (): void => {};
    let isOpen = false;
    const proxy = await bench.proxy(server, {
      loss: 0.25,
      duplicate: 0.1,
      reorder: 0.2,
      random: seededRandom(54),
      alter: (datagram) => {
        if (isOpen) rebind();
        return [datagram];
      },
    });
    rebind = () => proxy.rebind();
    const link = await bench.connect(proxy, both);
    isOpen = true;
    for (let i = 0; i < 40; i++) await echo(link, bench.clock, 40);
    expect(server.links.length).toBe(1);
  });
});

describe("addresses that pass from one vehicle to another", () => {
  /** Two clients behind two ports of one NAT, which can give either the other's. */
  async function nat(server: { readonly port: number }) {
    const open = async () => {
      const socket = createSocket("udp4");
      socket.bind(0, "127.0.0.1");
      await once(socket, "listening");
      bench.defer(() => socket.close());
      return socket;
    };
    const inside = [await open(), await open()];
    const outside = [await open(), await open()];
    const clients: ({ address: string; port: number } | undefined)[] = [undefined, undefined];
    let isSwapped = false;
    const other = (i: number): number => (isSwapped ? 1 - i : i);
    for (const i of [0, 1]) {
      inside[i]?.on("message", (datagram, from) => {
        clients[i] = from;
        outside[other(i)]?.send(datagram, server.port, "127.0.0.1");
      });
      outside[i]?.on("message", (datagram) => {
        const client = clients[other(i)];
        if (client !== undefined) inside[other(i)]?.send(datagram, client.port, client.address);
      });
    }
    return { ports: inside.map((socket) => ({ port: socket.address().port })), swap: () => (isSwapped = !isSwapped) };
  }

  test("swapped, and swapped back, both go on", async () => {
    const server = await bench.server(both);
    const { ports, swap } = await nat(server);
    const links = await Promise.all(ports.map((port) => bench.connect(port, both)));
    for (let i = 0; i < 6; i++) {
      for (const link of links) await echo(link, bench.clock);
      swap();
    }
    expect([server.size, server.links.length]).toEqual([2, 2]);
  });

  test("a newcomer at the former address of another does not end that one", async () => {
    const server = await bench.server(both);
    const { ports, swap } = await nat(server);
    const [first, second] = ports;
    if (first === undefined || second === undefined) throw new Error("two ports");
    const elder = await bench.connect(first, both);
    await echo(elder, bench.clock);
    swap();
    // From the port that the elder had, without Connection ID and with.
    for (const connectionId of [false, true]) {
      const newcomer = await bench.connect(second, { connectionId });
      await echo(newcomer, bench.clock);
      await echo(elder, bench.clock);
      const end = closed(server.links.at(-1) ?? newcomer);
      newcomer.close();
      await end;
    }
    expect(server.size).toBe(1);
  });

  test.each([
    ["was proven elsewhere before", true],
    ["spoke from elsewhere since", false],
  ])("one that %s makes no room: it is there", async (_how, proven) => {
    const server = await bench.server({ ...both, associationsMax: 2 });
    answerLargely(server);
    const { ports, swap } = await nat(server);
    const [first, second] = ports;
    if (first === undefined || second === undefined) throw new Error("two ports");
    const elder = await bench.connect(first, both);
    await echo(elder, bench.clock);
    swap();
    if (proven) await large(elder);
    const newcomer = await bench.connect(second);
    await echo(newcomer, bench.clock);
    if (!proven) await echo(elder, bench.clock);
    expect(await refusal(bench.connect(server, { handshakeTimeoutMs: 400 }))).toMatchObject({ code: "DTLS_TIMEOUT" });
    await echo(elder, bench.clock);
    await echo(newcomer, bench.clock);
    expect(server.size).toBe(2);
  });

  test("one that left without a word makes room when the server is full", async () => {
    const server = await bench.server({ ...both, associationsMax: 3 });
    const { ports } = await nat(server);
    const to = ports[0] ?? server;
    // A vehicle that restarts again and again behind one address of its NAT: each time only the client forgets.
    for (let i = 0; i < 8; i++) {
      const link = await bench.connect(to, both);
      await echo(link, bench.clock);
      link.abandon?.();
    }
    expect(server.links.length).toBe(8);
    expect(server.size).toBeLessThanOrEqual(3);
  });
});

test("a client that goes on from another port by its own will is known again", async () => {
  const server = await bench.server(both);
  answerLargely(server);
  const link = await bench.connect(server, both);
  await large(link);
  const former = server.links[0]?.peer;
  link.rebind?.();
  while (server.links[0]?.peer === former) await large(link);
  await echo(link, bench.clock);
  expect([server.size, server.links.length]).toEqual([1, 1]);
  // Without it there is nobody who would know it: it stays where it is.
  const plain = await bench.connect(server);
  plain.rebind?.();
  await echo(plain, bench.clock);
});
