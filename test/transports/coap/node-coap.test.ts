// node-coap (the npm package `coap`, written by others) as peer of our client and our server: over UDP, and through our DTLS.
import { createSocket } from "node:dgram";
import { EventEmitter, once } from "node:events";
import { Agent, createServer, type IncomingMessage, type OutgoingMessage, request } from "coap";
import { describe, expect, it } from "vitest";
import { SystemClock } from "../../../base/clock.ts";
import { systemRandom } from "../../../base/random.ts";
import { createCoapClient } from "../../../transports/coap/client.ts";
import { createCoapServer } from "../../../transports/coap/server.ts";
import type { CoapServerRequest } from "../../../transports/coap/types.ts";
import type { DatagramLink } from "../../../transports/link.ts";
import { connectUdp, listenUdp } from "../../../transports/udp.ts";
import { dtlsBench } from "../../support/dtls-bench.ts";

const bench = dtlsBench();
const clock = new SystemClock();
const body = (length: number): Buffer => Buffer.from(Uint8Array.from({ length }, (_, i) => i * 7 + (i >> 8)));
const large = body(4_100);

function ourServer(asked: CoapServerRequest[] = []) {
  const server = createCoapServer({
    clock,
    random: systemRandom,
    separateAfterMs: 50,
    handle: async (asking) => {
      asked.push(asking);
      if (asking.path === "slow") await clock.sleep(200);
      if (asking.path === "missing") return { code: "4.04" };
      return asking.method === "GET" ? { code: "2.05", payload: large } : { code: "2.04", payload: asking.payload ?? large };
    },
  });
  bench.defer(() => server.close());
  return server;
}

/** What node-coap takes for a UDP socket. */
class LinkSocket extends EventEmitter {
  readonly #link: DatagramLink;
  readonly type = "udp4";
  constructor(link: DatagramLink) {
    super();
    this.#link = link;
    link.onDatagram((datagram) =>
      this.emit("message", Buffer.from(datagram), { address: "127.0.0.1", port: 5684, family: "IPv4", size: datagram.length }),
    );
  }
  address(): { address: string; family: string; port: number } {
    return { address: "127.0.0.1", family: "IPv4", port: 1 };
  }
  send(buffer: Buffer, offset: number, length: number, _port: number, _host: string, done?: (error: Error | null) => void): void {
    this.#link.send(new Uint8Array(buffer.subarray(offset, offset + length)));
    done?.(null);
  }
  close(): void {
    this.#link.close();
    this.emit("close");
  }
}

interface Way {
  readonly name: string;
  /** A node-coap agent, and the port to ask. */
  open(asked: CoapServerRequest[]): Promise<{ readonly agent: Agent; readonly port: number }>;
}

const ways: readonly Way[] = [
  {
    name: "over UDP",
    open: async (asked) => {
      const udp = await listenUdp({ host: "127.0.0.1", port: 0, clock });
      const server = ourServer(asked);
      udp.onLink((link) => server.serve(link));
      const agent = new Agent({ type: "udp4" });
      bench.defer(() => udp.close());
      bench.defer(() => agent.close());
      return { agent, port: udp.port };
    },
  },
  {
    name: "over DTLS",
    open: async (asked) => {
      const dtls = await bench.server();
      const server = ourServer(asked);
      dtls.onLink((link) => server.serve(link));
      const link = await bench.connect(dtls);
      const agent = new Agent({ type: "udp4", socket: new LinkSocket(link) as never });
      return { agent, port: dtls.port };
    },
  },
];

describe.each(ways)("node-coap as client of our server $name", ({ open }) => {
  async function ask(method: "GET" | "PUT" | "POST", pathname: string, payload?: Buffer) {
    const asked: CoapServerRequest[] = [];
    const { agent, port } = await open(asked);
    const outgoing = request({ hostname: "127.0.0.1", port, method, pathname, agent });
    if (payload !== undefined && payload.length > 1_024) outgoing.setOption("Block1", Buffer.of(6));
    const response = await new Promise<IncomingMessage>((resolve, reject) => {
      outgoing.on("response", resolve);
      outgoing.on("error", reject);
      outgoing.end(payload);
    });
    return { asked, code: response.code, payload: response.payload };
  }

  it("GET of 4 KB, block by block", async () => {
    const { asked, code, payload } = await ask("GET", "/x");
    expect([code, asked.length]).toEqual(["2.05", 1]);
    expect(Buffer.compare(payload, large)).toBe(0);
  });

  it("POST of one datagram", async () => {
    const { asked, code, payload } = await ask("POST", "/a/b", body(30));
    expect([code, asked.map((one) => one.path), Buffer.compare(payload, body(30))]).toEqual(["2.04", ["a/b"], 0]);
  });

  it("PUT of 3 KB, block by block", async () => {
    const { asked } = await ask("PUT", "/x", body(3_000));
    expect(asked).toHaveLength(1);
    expect(Buffer.compare(asked[0]?.payload ?? body(0), body(3_000))).toBe(0);
  });

  it("a separate response", async () => {
    const { asked, payload } = await ask("POST", "/slow", body(30));
    expect([asked.length, Buffer.compare(payload, body(30))]).toEqual([1, 0]);
  });

  it("4.04", async () => {
    expect((await ask("GET", "/missing")).code).toBe("4.04");
  });
});

describe("node-coap as server of our client over UDP", () => {
  async function serve(handle: (incoming: IncomingMessage, outgoing: OutgoingMessage) => void) {
    const socket = createSocket("udp4").bind(0, "127.0.0.1");
    await once(socket, "listening");
    const server = createServer({ type: "udp4" }, handle).listen(socket);
    bench.defer(() => {
      server.close();
      socket.close();
    });
    const link = await connectUdp({ host: "127.0.0.1", port: socket.address().port });
    const client = createCoapClient({ link, clock, random: systemRandom });
    bench.defer(() => link.close());
    return client;
  }

  it("GET of 4 KB, block by block", async () => {
    const client = await serve((_, outgoing) => outgoing.end(large));
    const response = await client.request({ method: "GET", path: "x" });
    expect([response.code, Buffer.compare(response.payload, large)]).toEqual(["2.05", 0]);
  });

  it("PUT of 3 KB, block by block", async () => {
    const received: Buffer[] = [];
    const client = await serve((incoming, outgoing) => {
      received.push(incoming.payload);
      outgoing.code = "2.04";
      outgoing.end();
    });
    expect((await client.request({ method: "PUT", path: "x", payload: body(3_000) })).code).toBe("2.04");
    expect(received.map((one) => Buffer.compare(one, body(3_000)))).toEqual([0]);
  });

  it("POST of 3 KB answered with 4 KB", async () => {
    const client = await serve((incoming, outgoing) => {
      outgoing.code = incoming.payload.length === 3_000 ? "2.04" : "4.00";
      outgoing.end(large);
    });
    const response = await client.request({ method: "POST", path: "gsma/rsp2/asn1", payload: body(3_000) });
    expect([response.code, Buffer.compare(response.payload, large)]).toEqual(["2.04", 0]);
  });

  it("a separate response", async () => {
    const client = await serve((_, outgoing) => {
      clock.after(200, () => outgoing.end(body(20)));
    });
    expect(Buffer.compare((await client.request({ method: "GET", path: "x" })).payload, body(20))).toBe(0);
  });

  it("4.04", async () => {
    const client = await serve((_, outgoing) => {
      outgoing.code = "4.04";
      outgoing.end();
    });
    expect((await client.request({ method: "GET", path: "x" })).code).toBe("4.04");
  });
});
