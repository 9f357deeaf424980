// Plain UDP links: datagrams whole and both ways, peers kept apart, forgotten when silent, and every way a link ends.
import { once } from "node:events";
import { networkInterfaces } from "node:os";
import { afterEach, describe, expect, test } from "vitest";
import { SystemClock, VirtualClock } from "../../base/clock.ts";
import type { DatagramLink, LinkServer } from "../../transports/link.ts";
import { bindSocket, connectUdp, listenUdp, peerName, type UdpServerOptions } from "../../transports/udp.ts";
import { closed, refusal } from "../support/dtls-bench.ts";

const clock = new SystemClock();
const cleanUps: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp();
});

async function listen(options: Partial<UdpServerOptions> = {}): Promise<LinkServer & { links: DatagramLink[] }> {
  const server = await listenUdp({ host: "127.0.0.1", port: 0, clock, ...options });
  cleanUps.push(() => server.close());
  const links: DatagramLink[] = [];
  server.onLink((link) => {
    links.push(link);
    link.onDatagram((datagram) => link.send(datagram));
  });
  return Object.assign(server, { links });
}

async function connect(port: number, host = "127.0.0.1"): Promise<DatagramLink> {
  const link = await connectUdp({ host, port });
  cleanUps.push(() => link.close());
  return link;
}

function echo(link: DatagramLink, datagram: Uint8Array): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    link.onDatagram(resolve);
    link.onClosed(reject);
    link.send(datagram);
  });
}

describe("links", () => {
  test("carry datagrams whole, and keep peers apart", async () => {
    const server = await listen();
    const [first, second] = [await connect(server.port), await connect(server.port)];
    expect(await echo(first, new Uint8Array(1200).fill(1))).toEqual(new Uint8Array(1200).fill(1));
    expect(await echo(second, Uint8Array.of(2))).toEqual(Uint8Array.of(2));
    expect(server.links.length).toBe(2);
    expect(first.peer).toBe(`127.0.0.1:${server.port}`);
    expect(new Set(server.links.map(({ peer }) => peer)).size).toBe(2);
  });

  test("take a copy of what is sent", async () => {
    const server = await listen();
    const link = await connect(server.port);
    const datagram = Uint8Array.of(1, 2, 3);
    const answer = echo(link, datagram);
    datagram.fill(9);
    expect(await answer).toEqual(Uint8Array.of(1, 2, 3));
  });

  test("over IPv6, where the machine has it", async (context) => {
    const hasIpv6 = Object.values(networkInterfaces()).some((addresses) => addresses?.some(({ address }) => address === "::1"));
    if (!hasIpv6) context.skip("left out: this machine has no ::1");
    const server = await listen({ host: "::1" });
    const link = await connect(server.port, "[::1]");
    expect(await echo(link, Uint8Array.of(6))).toEqual(Uint8Array.of(6));
    expect(link.peer).toBe(`[::1]:${server.port}`);
  });
});

describe("ends", () => {
  test("closing tells the own side once, and nothing is carried any more", async () => {
    const server = await listen();
    const link = await connect(server.port);
    await echo(link, Uint8Array.of(1));
    const reasons: Error[] = [];
    link.onClosed((reason) => reasons.push(reason));
    link.close();
    link.close();
    link.send(Uint8Array.of(2));
    expect(reasons).toMatchObject([{ code: "UDP_CLOSED" }]);
    expect(await closed(link)).toBe(reasons[0]);
  });

  test("nobody listens: the first datagram ends the link", async () => {
    const socket = await bindSocket("127.0.0.1", 0);
    const { port } = socket.address();
    socket.close();
    await once(socket, "close");
    const link = await connect(port);
    const end = closed(link);
    link.send(Uint8Array.of(1));
    expect(await end).toMatchObject({ code: "UDP_UNREACHABLE", retry: "online" });
  });

  test("the server closes: its links end", async () => {
    const server = await listen();
    const link = await connect(server.port);
    await echo(link, Uint8Array.of(1));
    const end = closed(server.links[0] ?? link);
    await server.close();
    expect(await end).toMatchObject({ code: "UDP_CLOSED" });
  });

  test("a silent peer is forgotten; speaking keeps it", async () => {
    const virtual = new VirtualClock();
    const server = await listen({ clock: virtual, idleTimeoutMs: 60_000 });
    const link = await connect(server.port);
    await echo(link, Uint8Array.of(1));
    await virtual.advance(50_000);
    await echo(link, Uint8Array.of(2));
    await virtual.advance(50_000);
    await echo(link, Uint8Array.of(3));
    expect(server.links.length).toBe(1);
    await virtual.advance(80_000);
    expect(await closed(server.links[0] ?? link)).toMatchObject({ code: "UDP_CLOSED" });
    await echo(link, Uint8Array.of(4));
    expect(server.links.length).toBe(2);
  });

  test("more peers than allowed are not heard", async () => {
    const server = await listen({ maxPeers: 1 });
    const first = await connect(server.port);
    await echo(first, Uint8Array.of(1));
    const second = await connect(server.port);
    second.send(Uint8Array.of(2));
    await echo(first, Uint8Array.of(3));
    expect(server.links.length).toBe(1);
  });
});

describe("refusals", () => {
  test("a name without an address", async () => {
    expect(await refusal(connect(5683, "no-such-host.invalid"))).toMatchObject({ code: "UDP_UNREACHABLE" });
  });

  test("a port that is taken", async () => {
    const server = await listen();
    expect(await refusal(listen({ port: server.port }))).toMatchObject({ code: "UDP_UNREACHABLE" });
  });

  test("aborted before or while the name is looked up", async () => {
    const reason = new Error("enough");
    const aborted = AbortSignal.abort(reason);
    expect(await refusal(connectUdp({ host: "127.0.0.1", port: 1, signal: aborted }))).toBe(reason);
    const controller = new AbortController();
    const connecting = refusal(connectUdp({ host: "localhost", port: 1, signal: controller.signal }));
    controller.abort(reason);
    expect(await connecting).toBe(reason);
  });
});

test("addresses are written as in URLs", () => {
  expect([peerName("192.0.2.1", 5684), peerName("2001:db8::1", 5684)]).toEqual(["192.0.2.1:5684", "[2001:db8::1]:5684"]);
});
