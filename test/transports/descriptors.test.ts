// Whatever fails 200 times leaves nothing open: no socket, no descriptor, no timer, in the client nor in its server.
import { createSocket } from "node:dgram";
import { once } from "node:events";
import type { RequestListener } from "node:http";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { afterEach, describe, expect, test } from "vitest";
import { type Disposer, SystemClock } from "../../base/clock.ts";
import { SimwardError } from "../../base/errors.ts";
import { systemRandom } from "../../base/random.ts";
import { createCoapServer } from "../../transports/coap/server.ts";
import { openDtls } from "../../transports/dtls/dtls.ts";
import { coapsEsipaTransport } from "../../transports/esipa.ts";
import { createHttpsClient } from "../../transports/https/client.ts";
import type { HttpsPeer } from "../../transports/https/types.ts";
import { dtlsBench, host, identityOf, pki, refusal, rootsOf } from "../support/dtls-bench.ts";
import { openDescriptors } from "../support/memory.ts";
import { makePki } from "../support/test-pki.ts";

const failures = 200;
const bench = dtlsBench();
const stranger = rootsOf(makePki(host).root);
const noSuchName = async (): Promise<readonly string[]> => {
  throw new SimwardError("UDP_UNREACHABLE", { detail: "no such name" });
};

/** Knows which of its timers are still to come. */
class CountingClock extends SystemClock {
  readonly pending = new Set<symbol>();

  override after(ms: number, fn: () => void): Disposer {
    const timer = Symbol();
    this.pending.add(timer);
    const stop = super.after(ms, () => {
      this.pending.delete(timer);
      fn();
    });
    return () => {
      this.pending.delete(timer);
      stop();
    };
  }
}

/** Runs `fail` once for what is made but once, then 200 times; what is open afterwards is what was open before. */
async function leavesNothing(clock: CountingClock, fail: () => Promise<unknown>): Promise<void> {
  await fail();
  await turns();
  const before = { descriptors: openDescriptors(), timers: clock.pending.size };
  for (let i = 0; i < failures; i++) await fail();
  await turns();
  expect({ descriptors: openDescriptors(), timers: clock.pending.size }).toEqual(before);
}

/** What was closed is let go a few turns of the event loop later. */
async function turns(): Promise<void> {
  for (let i = 0; i < 50; i++) await new Promise((resolve) => setImmediate(resolve));
}

describe("DTLS", () => {
  test("a refused certificate, on both sides", async () => {
    const clock = new CountingClock();
    // Alerts that UDP loses are made up for by this.
    const server = await bench.server({ clock, handshakeTimeoutMs: 5_000 });
    await leavesNothing(clock, async () => {
      expect(await refusal(bench.connect(server, { clock, trust: stranger }))).toMatchObject({ code: "TLS_UNTRUSTED" });
      while (server.size > 0) await new Promise((resolve) => setImmediate(resolve));
    });
  });

  test("a dead name, a port where nobody listens", async () => {
    const clock = new CountingClock();
    const gone = await bench.server();
    await gone.close();
    await leavesNothing(clock, async () => {
      expect(await refusal(bench.connect(gone, { clock, resolve: noSuchName }))).toMatchObject({ code: "UDP_UNREACHABLE" });
      expect(await refusal(bench.connect(gone, { clock }))).toMatchObject({ code: "UDP_UNREACHABLE" });
    });
  });

  test("a server that says nothing: aborted, and given up at the deadline", async () => {
    const clock = new CountingClock();
    const mute = createSocket("udp4");
    bench.defer(() => mute.close());
    mute.bind(0, "127.0.0.1");
    await once(mute, "listening");
    const { port } = mute.address();
    await leavesNothing(clock, async () => {
      const controller = new AbortController();
      const reason = new Error("enough");
      const aborted = refusal(bench.connect({ port }, { clock, signal: controller.signal }));
      await new Promise((resolve) => setImmediate(resolve));
      controller.abort(reason);
      expect(await aborted).toBe(reason);
      expect(await refusal(bench.connect({ port }, { clock, handshakeTimeoutMs: 1 }))).toMatchObject({ code: "DTLS_TIMEOUT" });
    });
  });
});

test("a block-wise transfer over CoAP and DTLS that is aborted, up and down", async () => {
  const clock = new CountingClock();
  const dtls = await openDtls().listen({ host: "127.0.0.1", port: 0, clock, identity: identityOf(pki.server) });
  bench.defer(() => dtls.close());
  const coap = createCoapServer({
    clock: bench.clock,
    random: systemRandom,
    handle: async () => ({ code: "2.04", payload: new Uint8Array(8_000) }),
  });
  bench.defer(() => coap.close());
  dtls.onLink((link) => coap.serve(link));
  const endpoint = { eimId: "eim1", host: "127.0.0.1", port: dtls.port, serverName: host, trust: rootsOf(pki.root) };
  await leavesNothing(clock, async () => {
    for (const direction of ["up", "down"] as const) {
      const controller = new AbortController();
      const reason = new Error("enough");
      const transport = coapsEsipaTransport({
        dtls: openDtls(),
        clock,
        random: systemRandom,
        onEvent: (_eim, event) => {
          if (event.kind === "block" && event.direction === direction && event.number === 1) controller.abort(reason);
        },
      });
      const request = { functionName: "getEimPackage", body: new Uint8Array(8_000) };
      expect(await refusal(transport.exchange(endpoint, request, controller.signal))).toBe(reason);
      transport.close();
    }
    while (dtls.size > 0) await new Promise((resolve) => setImmediate(resolve));
  });
});

describe("HTTPS", () => {
  const cleanUps: (() => unknown)[] = [];
  afterEach(async () => {
    for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp();
  });
  const post = { method: "POST", path: "/x", headers: {}, body: new Uint8Array(3) } as const;

  async function serve(listener: RequestListener) {
    const server = createServer({ cert: pki.server.chainPem, key: pki.server.privateKeyPem }, listener);
    // A client that leaves in the middle.
    server.on("tlsClientError", () => {});
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    cleanUps.push(() => {
      server.closeAllConnections();
      return new Promise((resolve) => server.close(resolve));
    });
    let connections = 0;
    server.on("connection", (socket) => {
      connections++;
      socket.on("close", () => connections--);
    });
    const peer: HttpsPeer = { host: "127.0.0.1", port: (server.address() as AddressInfo).port, serverName: host, trust: rootsOf(pki.root) };
    const idle = async (): Promise<void> => {
      while (connections > 0) await new Promise((resolve) => setImmediate(resolve));
    };
    return { peer, idle };
  }

  test.each(["cut", "too large", "aborted"] as const)("an answer's body that is %s", async (how) => {
    const clock = new CountingClock();
    let begun: () => void = () => {};
    const { peer, idle } = await serve((request, response) => {
      request.resume();
      response.writeHead(200, { "Content-Length": "5000" }).write("half");
      if (how === "cut") setImmediate(() => request.socket.destroy());
      else if (how === "too large") response.end(new Uint8Array(4_996));
      begun();
    });
    const https = createHttpsClient({ clock, ...(how === "too large" && { maxBodyBytes: 1_000 }) });
    cleanUps.push(() => https.close());
    await leavesNothing(clock, async () => {
      const controller = new AbortController();
      const reason = new Error("enough");
      begun = () => {
        if (how === "aborted") setImmediate(() => controller.abort(reason));
      };
      const failed = await refusal(https.request(peer, post, controller.signal));
      if (how === "aborted") expect(failed).toBe(reason);
      else expect(failed).toMatchObject({ code: how === "cut" ? "HTTP_CLOSED" : "HTTP_TOO_LARGE" });
      await idle();
    });
  });

  test("a refused certificate, a dead name", async () => {
    const clock = new CountingClock();
    const { peer, idle } = await serve((_request, response) => response.end("never"));
    const https = createHttpsClient({ clock });
    const nameless = createHttpsClient({ clock, resolve: noSuchName });
    cleanUps.push(
      () => https.close(),
      () => nameless.close(),
    );
    await leavesNothing(clock, async () => {
      expect(await refusal(https.request({ ...peer, trust: stranger }, post))).toMatchObject({ code: "TLS_UNTRUSTED" });
      expect(await refusal(nameless.request({ ...peer, host: "nowhere.example.test" }, post))).toMatchObject({ code: "UDP_UNREACHABLE" });
      await idle();
    });
  });
});
