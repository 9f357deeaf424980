// simward's own resolver against name servers on loopback that say what a test wants: right, wrong, nothing.
import { createSocket, type Socket } from "node:dgram";
import { afterEach, describe, expect, test } from "vitest";
import { createOwnResolver, type OwnResolver } from "../../../agent/data-path/resolver.ts";
import { VirtualClock } from "../../../base/clock.ts";

interface Zone {
  readonly a?: readonly string[];
  readonly aaaa?: readonly string[];
  readonly ttlSeconds?: number;
  /** 3: there is no such name; 2: the server fails. */
  readonly rcode?: number;
}

/** A name server that answers from its zone; of other names it says nothing at all. */
class NameServer {
  readonly zone = new Map<string, Zone>();
  /** "a eim.example" */
  readonly asked: string[] = [];
  readonly #socket: Socket = createSocket("udp4");
  isDead = false;
  isGarbled = false;

  async listen(): Promise<number> {
    this.#socket.on("message", (question, from) => {
      const answer = this.#answer(question);
      if (answer !== undefined) this.#socket.send(answer, from.port, from.address);
    });
    await new Promise<void>((done) => this.#socket.bind(0, "127.0.0.1", done));
    return this.#socket.address().port;
  }

  close(): void {
    this.#socket.close();
  }

  /** RFC 1035 §4.1 */
  #answer(question: Buffer): Buffer | undefined {
    let at = 12;
    const labels: string[] = [];
    for (let length = question[at] ?? 0; length > 0; length = question[at] ?? 0) {
      labels.push(question.subarray(at + 1, at + 1 + length).toString("latin1"));
      at += 1 + length;
    }
    const type = question.readUInt16BE(at + 1);
    const name = labels.join(".").toLowerCase();
    this.asked.push(`${type === 1 ? "a" : "aaaa"} ${name}`);
    const zone = this.zone.get(name);
    if (this.isDead || zone === undefined) return undefined;
    const header = Buffer.from(question.subarray(0, 12));
    header.writeUInt16BE(0x8180 | (zone.rcode ?? 0), 2);
    if (this.isGarbled) return Buffer.concat([header.subarray(0, 4), Buffer.from([0, 1, 0, 9, 0, 0, 0, 0, 63, 1, 2])]);
    const addresses = (type === 1 ? zone.a : zone.aaaa) ?? [];
    header.writeUInt16BE(addresses.length, 6);
    header.writeUInt16BE(0, 8);
    header.writeUInt16BE(0, 10);
    const records = addresses.map((address) => {
      const octets = type === 1 ? Buffer.from(address.split(".").map(Number)) : Buffer.from(address.replaceAll(":", ""), "hex");
      const head = Buffer.alloc(12);
      head.writeUInt16BE(0xc00c, 0);
      head.writeUInt16BE(type, 2);
      head.writeUInt16BE(1, 4);
      head.writeUInt32BE(zone.ttlSeconds ?? 60, 6);
      head.writeUInt16BE(octets.length, 10);
      return Buffer.concat([head, octets]);
    });
    return Buffer.concat([header, question.subarray(12, at + 5), ...records]);
  }
}

const closing: (() => void)[] = [];
afterEach(() => {
  for (const close of closing.splice(0)) close();
});

const v6 = "2001:0db8:0000:0000:0000:0000:0000:0007";

async function bench(
  more: { readonly isPlatforms?: boolean } = {},
): Promise<{ server: NameServer; own: OwnResolver; clock: VirtualClock }> {
  const server = new NameServer();
  const port = await server.listen();
  closing.push(() => server.close());
  const clock = new VirtualClock();
  const own = createOwnResolver({ clock, isPlatforms: more.isPlatforms ?? false, port, system: async (name) => [`system ${name}`] });
  own.use(["127.0.0.1"]);
  closing.push(() => own.use([]));
  return { server, own, clock };
}

describe("a name", () => {
  test("is asked of the session's servers, in both families, and kept for its time to live", async () => {
    const { server, own, clock } = await bench();
    server.zone.set("eim.example", { a: ["192.0.2.7"], aaaa: [v6], ttlSeconds: 30 });
    expect(await own.resolve("EIM.example.")).toEqual(["192.0.2.7", "2001:db8::7"]);
    expect(server.asked.sort()).toEqual(["a eim.example", "aaaa eim.example"]);
    await clock.advance(29_000);
    await own.resolve("eim.example");
    expect(server.asked).toHaveLength(2);
    await clock.advance(2_000);
    server.zone.set("eim.example", { a: ["192.0.2.8"], ttlSeconds: 4_000_000 });
    expect(await own.resolve("eim.example")).toEqual(["192.0.2.8"]);
    // Whatever it says of itself, no longer than an hour.
    await clock.advance(3_601_000);
    server.zone.set("eim.example", { a: ["192.0.2.9"], ttlSeconds: 0 });
    expect(await own.resolve("eim.example")).toEqual(["192.0.2.9"]);
    const before = server.asked.length;
    await own.resolve("eim.example");
    expect(server.asked.length).toBeGreaterThan(before);
  });

  test("that was found before is still good where no name server answers any more, for a day; a server that says no is believed", async () => {
    const { server, own, clock } = await bench();
    server.zone.set("eim.example", { a: ["192.0.2.7"], ttlSeconds: 30 });
    await own.resolve("eim.example");
    await clock.advance(31_000);
    server.zone.set("eim.example", { rcode: 2 });
    expect(await own.resolve("eim.example")).toEqual(["192.0.2.7"]);
    const before = server.asked.length;
    // Nobody waits for dead servers each time.
    expect(await own.resolve("eim.example")).toEqual(["192.0.2.7"]);
    expect(server.asked.length).toBe(before);
    await clock.advance(31_000);
    server.zone.set("eim.example", { rcode: 3 });
    await expect(own.resolve("eim.example")).rejects.toMatchObject({ code: "DNS_NOT_FOUND" });
    server.zone.set("eim.example", { rcode: 2 });
    await clock.advance(86_400_000);
    await expect(own.resolve("eim.example")).rejects.toMatchObject({ code: "DNS_FAILED" });
  });

  test("asked for by several at once is one question", async () => {
    const { server, own } = await bench();
    server.zone.set("eim.example", { a: ["192.0.2.7"] });
    await Promise.all([own.resolve("eim.example"), own.resolve("eim.example"), own.resolve("eim.example")]);
    expect(server.asked).toHaveLength(2);
  });

  test("is another session's to tell anew", async () => {
    const { server, own } = await bench();
    server.zone.set("eim.example", { a: ["192.0.2.7"] });
    await own.resolve("eim.example");
    own.use([]);
    own.use(["127.0.0.1"]);
    await own.resolve("eim.example");
    expect(server.asked).toHaveLength(4);
  });

  test("of the latest only so many are kept", async () => {
    const { server, own } = await bench();
    for (let at = 0; at < 70; at++) {
      server.zone.set(`n${at}.example`, { a: ["192.0.2.7"] });
      await own.resolve(`n${at}.example`);
    }
    const asked = server.asked.length;
    await own.resolve("n69.example");
    expect(server.asked.length).toBe(asked);
    await own.resolve("n0.example");
    expect(server.asked.length).toBe(asked + 2);
  });
});

test("an address is no question; this machine's name, and all names where the interface is the platform's, are the system's", async () => {
  const { server, own } = await bench();
  expect(await own.resolve("192.0.2.7")).toEqual(["192.0.2.7"]);
  expect(await own.resolve("2001:db8::1")).toEqual(["2001:db8::1"]);
  expect(await own.resolve("localhost")).toEqual(["system localhost"]);
  own.use([]);
  expect(await own.resolve("eim.example")).toEqual(["system eim.example"]);
  const platforms = await bench({ isPlatforms: true });
  expect(await platforms.own.resolve("eim.example")).toEqual(["system eim.example"]);
  expect(server.asked).toEqual([]);
});

describe("what goes wrong is told as such", () => {
  test("no such name", async () => {
    const { server, own } = await bench();
    server.zone.set("eim.example", { rcode: 3 });
    await expect(own.resolve("eim.example")).rejects.toMatchObject({
      code: "DNS_NOT_FOUND",
      detail: expect.stringContaining("eim.example"),
    });
  });

  test("a server that fails", async () => {
    const { server, own } = await bench();
    server.zone.set("eim.example", { rcode: 2 });
    await expect(own.resolve("eim.example")).rejects.toMatchObject({ code: "DNS_FAILED", detail: expect.stringContaining("127.0.0.1") });
  });

  test("a server that says nothing: within the limit, and the next question is asked anew", async () => {
    const { server, own, clock } = await bench();
    server.zone.set("eim.example", { a: ["192.0.2.7"] });
    server.isDead = true;
    const answer = own.resolve("eim.example");
    const told = expect(answer).rejects.toMatchObject({ code: "DNS_FAILED", detail: expect.stringContaining("no answer within 10000 ms") });
    await clock.advance(10_000);
    await told;
    server.isDead = false;
    expect(await own.resolve("eim.example")).toEqual(["192.0.2.7"]);
  });

  test.each([
    ["nobody's", ["0.0.0.0"]],
    ["everybody's", ["224.0.0.1", "255.255.255.255"]],
    ["on the link only", ["169.254.1.1"]],
  ])("a poisoned answer: %s", async (_name, a) => {
    const { server, own } = await bench();
    server.zone.set("eim.example", { a });
    await expect(own.resolve("eim.example")).rejects.toMatchObject({ code: "DNS_REFUSED", detail: expect.stringContaining(a[0] ?? "") });
  });

  test("whoever gives up waiting leaves the question to the others", async () => {
    const { server, own } = await bench();
    server.zone.set("eim.example", { a: ["192.0.2.7"] });
    const gone = new AbortController();
    const first = own.resolve("eim.example", gone.signal);
    const second = own.resolve("eim.example");
    gone.abort(new Error("gone"));
    await expect(first).rejects.toThrow("gone");
    expect(await second).toEqual(["192.0.2.7"]);
  });
});

test("the vehicle's own address from a name server that is not the vehicle's is none", async () => {
  const server = new NameServer();
  const port = await server.listen();
  closing.push(() => server.close());
  const own = createOwnResolver({ clock: new VirtualClock(), isPlatforms: false, port });
  // One of them is elsewhere; the one that answers is here.
  own.use(["127.0.0.1", "192.0.2.53"]);
  closing.push(() => own.use([]));
  server.zone.set("eim.example", { a: ["127.0.0.1"] });
  await expect(own.resolve("eim.example")).rejects.toMatchObject({ code: "DNS_REFUSED" });
});
