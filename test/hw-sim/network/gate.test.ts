// The path to the servers over real loopback sockets: open only while the bearer is up, with losses that a seed decides.
import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import { type AddressInfo, connect, createServer } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { type Clock, SystemClock, VirtualClock } from "../../../base/clock.ts";
import { seededRandom } from "../../../base/random.ts";
import { Faults } from "../../../hw-sim/faults.ts";
import { switchedBearer } from "../../../hw-sim/network/bearer.ts";
import { Gate } from "../../../hw-sim/network/gate.ts";

const cleanups: (() => Promise<unknown> | unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

/** A UDP server that keeps what it hears and answers with the sender's port and the text. */
async function udpServer(): Promise<{ port: number; heard: string[]; senders: Set<number>; until(count: number): Promise<void> }> {
  const socket = await udpClient();
  const heard: string[] = [];
  const senders = new Set<number>();
  socket.on("message", (datagram, from) => {
    heard.push(datagram.toString());
    senders.add(from.port);
    socket.send(`>${datagram}`, from.port, from.address);
    socket.emit("heard");
  });
  const until = async (count: number): Promise<void> => {
    while (heard.length < count) await once(socket, "heard");
  };
  return { port: socket.address().port, heard, senders, until };
}

async function udpClient(): Promise<Socket> {
  const socket = createSocket("udp4");
  cleanups.push(() => socket.close());
  socket.bind(0, "127.0.0.1");
  await once(socket, "listening");
  return socket;
}

function gate(clock: Clock = new SystemClock(), seed = 1): { gate: Gate; faults: Faults; bearer: ReturnType<typeof switchedBearer> } {
  const faults = new Faults();
  const bearer = switchedBearer();
  const made = new Gate({ clock, random: seededRandom(seed), bearer, faults });
  cleanups.push(() => made.close());
  return { gate: made, faults, bearer };
}

async function ask(client: Socket, port: number, text: string): Promise<string> {
  client.send(text, port, "127.0.0.1");
  const [answer] = await once(client, "message");
  return String(answer);
}

describe("datagrams", () => {
  it("pass both ways while the bearer is up, and not at all while it is down", async () => {
    const server = await udpServer();
    const { gate: path, bearer } = gate();
    const port = await path.openUdp(() => server.port);
    const client = await udpClient();
    expect(await ask(client, port, "one")).toBe(">one");
    bearer.set(false);
    client.send("two", port, "127.0.0.1");
    // A datagram of another client that arrives shows that the one before it was looked at.
    while (path.counters.lost.up === 0) await new Promise((resolve) => setImmediate(resolve));
    bearer.set(true);
    expect(await ask(client, port, "three")).toBe(">three");
    expect(server.heard).toEqual(["one", "three"]);
    expect(path.counters).toMatchObject({ datagrams: { up: 3, down: 2 }, lost: { up: 1, down: 0 } });
  });

  it("come from another port after a new session and after a rebinding", async () => {
    const server = await udpServer();
    const { gate: path, bearer, faults } = gate();
    const port = await path.openUdp(() => server.port);
    const client = await udpClient();
    await ask(client, port, "a");
    await ask(client, port, "b");
    expect(server.senders.size).toBe(1);
    bearer.set(false);
    bearer.set(true);
    await ask(client, port, "c");
    expect(server.senders.size).toBe(2);
    faults.set("nat-rebind", "1");
    await ask(client, port, "d");
    expect(server.senders.size).toBe(3);
    expect(faults.list()).toEqual([]);
  });

  it("are lost in the share asked for, the same ones for the same seed", async () => {
    const run = async (seed: number): Promise<string[]> => {
      const server = await udpServer();
      const { gate: path, faults } = gate(new SystemClock(), seed);
      const port = await path.openUdp(() => server.port);
      const client = await udpClient();
      faults.set("loss", "0.25");
      for (let i = 0; i < 400; i++) {
        client.send(String(i), port, "127.0.0.1");
        while (path.counters.datagrams.up <= i) await new Promise((resolve) => setImmediate(resolve));
      }
      await server.until(400 - path.counters.lost.up);
      return server.heard;
    };
    const first = await run(1);
    expect(400 - first.length).toBeGreaterThan(70);
    expect(400 - first.length).toBeLessThan(130);
    expect(await run(1)).toEqual(first);
    expect(await run(2)).not.toEqual(first);
  });

  it("are lost exactly where told", async () => {
    const server = await udpServer();
    const { gate: path, faults } = gate();
    const port = await path.openUdp(() => server.port);
    const client = await udpClient();
    await ask(client, port, "zero");
    faults.set("drop", "up:2,down:1");
    const answers: string[] = [];
    client.on("message", (datagram) => answers.push(String(datagram)));
    for (const text of ["one", "two", "three"]) {
      client.send(text, port, "127.0.0.1");
      const wanted = path.counters.datagrams.up + 1;
      while (path.counters.datagrams.up < wanted) await new Promise((resolve) => setImmediate(resolve));
    }
    await server.until(3);
    while (!answers.includes(">three")) await once(client, "message");
    expect(server.heard).toEqual(["zero", "one", "three"]);
    expect(answers).toEqual([">three"]);
  });

  it("take half the round trip each way, and their turn on a slow bearer", async () => {
    const clock = new VirtualClock();
    const server = await udpServer();
    const { gate: path, faults } = gate(clock);
    const port = await path.openUdp(() => server.port);
    const client = await udpClient();
    faults.set("rtt-ms", "3000");
    faults.set("rate-bps", "8000");
    const startedAt = clock.monotonicMs();
    const text = "x".repeat(100);
    expect(await clock.runUntil(ask(client, port, text), 60_000)).toBe(`>${text}`);
    // 100 octets up and 101 down at 1 octet a millisecond.
    expect(clock.monotonicMs() - startedAt).toBeGreaterThanOrEqual(3_000 + 100 + 101);
  });

  it("are doubled and overtaken when told so", async () => {
    const server = await udpServer();
    const { gate: path, faults } = gate();
    const port = await path.openUdp(() => server.port);
    const client = await udpClient();
    faults.set("duplicate", "1");
    client.send("a", port, "127.0.0.1");
    await server.until(2);
    faults.clear("duplicate");
    faults.set("reorder", "1");
    client.send("b", port, "127.0.0.1");
    while (path.counters.datagrams.up < 2) await new Promise((resolve) => setImmediate(resolve));
    client.send("c", port, "127.0.0.1");
    await server.until(4);
    expect(server.heard).toEqual(["a", "a", "c", "b"]);
  });
});

describe("connections", () => {
  async function tcpServer(): Promise<() => number> {
    const server = createServer((socket) => socket.on("data", (data) => socket.write(data)).on("error", () => {}));
    cleanups.push(() => server.close());
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    return () => port;
  }

  it("carry octets unchanged, whatever the delay", async () => {
    const { gate: path, faults } = gate();
    faults.set("rtt-ms", "2");
    const port = await path.openTcp(await tcpServer());
    const socket = connect(port, "127.0.0.1");
    const sent = Buffer.from(seededRandom(9).bytes(200_000));
    socket.write(sent);
    const got: Buffer[] = [];
    for await (const chunk of socket) {
      got.push(chunk as Buffer);
      if (Buffer.concat(got).length >= sent.length) break;
    }
    expect(Buffer.concat(got).equals(sent)).toBe(true);
  });

  it("break when the bearer goes down, and fail at once while it is", async () => {
    const { gate: path, bearer } = gate();
    const port = await path.openTcp(await tcpServer());
    const socket = connect(port, "127.0.0.1");
    socket.write("x");
    await once(socket, "data");
    bearer.set(false);
    await once(socket, "error");
    const refused = connect(port, "127.0.0.1");
    const [error] = await once(refused, "error");
    expect(error).toMatchObject({ code: "ECONNRESET" });
    bearer.set(true);
    const again = connect(port, "127.0.0.1");
    again.write("y");
    expect(String((await once(again, "data"))[0])).toBe("y");
    again.destroy();
  });

  it("and datagrams can have one number", async () => {
    const server = await udpServer();
    const { gate: path } = gate();
    const port = await path.openBoth(() => server.port, await tcpServer());
    expect(await ask(await udpClient(), port, "a")).toBe(">a");
    const socket = connect(port, "127.0.0.1");
    socket.write("b");
    expect(String((await once(socket, "data"))[0])).toBe("b");
    socket.destroy();
  });

  it("refuse a port that is taken, by name", async () => {
    const { gate: path } = gate();
    const port = await path.openTcp(await tcpServer());
    await expect(path.openTcp(() => 1, port)).rejects.toMatchObject({ code: "SIM_OPTION", detail: expect.stringContaining(String(port)) });
  });
});
