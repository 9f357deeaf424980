// ESipa's two transports against an eIM of CoAP over real DTLS and one of HTTPS: what is on the wire, what comes back, what is kept between exchanges.
import { once } from "node:events";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { describe, expect, it } from "vitest";
import { toHex, utf8 } from "../../base/bytes.ts";
import { systemRandom } from "../../base/random.ts";
import type { EimEndpoint } from "../../ipa/ports.ts";
import { createCoapServer } from "../../transports/coap/server.ts";
import type { CoapEvent, CoapServerRequest, CoapServerResponse } from "../../transports/coap/types.ts";
import { openDtls } from "../../transports/dtls/dtls.ts";
import { memorySessionStore } from "../../transports/dtls/sessions.ts";
import { type CoapsEsipaOptions, coapsEsipaTransport, httpsEsipaTransport, statusOf } from "../../transports/esipa.ts";
import { createHttpsClient } from "../../transports/https/client.ts";
import { dtlsBench, host, pki, rootsOf } from "../support/dtls-bench.ts";
import { makePki } from "../support/test-pki.ts";

const bench = dtlsBench();
const body = (length: number): Uint8Array => Uint8Array.from({ length }, (_, i) => i * 7 + (i >> 8));
const request = { functionName: "getEimPackage", body: body(60) };
const never = new AbortController().signal;

async function coapsEim(
  answer: (request: CoapServerRequest) => CoapServerResponse = ({ payload }) => ({ code: "2.04", payload: payload ?? body(0) }),
  options: { readonly connectionId?: boolean } = {},
) {
  const asked: CoapServerRequest[] = [];
  const dtls = await openDtls().listen({
    host: "127.0.0.1",
    port: 0,
    clock: bench.clock,
    ...options,
    identity: { certificateChainPem: pki.server.chainPem, privateKeyPem: pki.server.privateKeyPem },
  });
  bench.defer(() => dtls.close());
  const coap = createCoapServer({
    clock: bench.clock,
    random: systemRandom,
    handle: async (one) => {
      asked.push(one);
      return answer(one);
    },
  });
  bench.defer(() => coap.close());
  const resumed: boolean[] = [];
  dtls.onLink((link) => {
    resumed.push(link.resumed);
    coap.serve(link);
  });
  return { dtls, coap, asked, resumed, port: dtls.port };
}

function coaps(options: Partial<CoapsEsipaOptions> = {}) {
  const events: CoapEvent[] = [];
  const transport = coapsEsipaTransport({
    dtls: openDtls(),
    clock: bench.clock,
    random: systemRandom,
    onEvent: (eimId, event) => {
      expect(eimId).toBe("eim1");
      events.push(event);
    },
    ...options,
  });
  bench.defer(() => transport.close());
  return { transport, events };
}

const endpoint = (port: number, over: Partial<EimEndpoint> = {}): EimEndpoint => ({
  eimId: "eim1",
  host: "127.0.0.1",
  port,
  serverName: host,
  trust: rootsOf(pki.root),
  ...over,
});

describe("ESipa over CoAP and DTLS", () => {
  // shows: d5.post, d5.no-format, d5.block1, d5.block2
  it("posts the message to gsma/rsp2/asn1 without a content format, whatever its size, and returns the answer", async () => {
    const eim = await coapsEim(({ payload }) => ({ code: "2.05", payload: body((payload?.length ?? 0) * 3) }));
    const { transport } = coaps();
    for (const length of [60, 8_000]) {
      const answer = await transport.exchange(endpoint(eim.port), { functionName: "getEimPackage", body: body(length) }, never);
      expect([answer.status, Buffer.compare(answer.body, body(length * 3))]).toEqual([200, 0]);
    }
    expect(eim.asked).toMatchObject([
      { method: "POST", path: "gsma/rsp2/asn1", query: [] },
      { method: "POST", path: "gsma/rsp2/asn1", query: [] },
    ]);
    expect(eim.asked.some((one) => "contentFormat" in one || "accept" in one || "host" in one)).toBe(false);
    expect(eim.asked.map((one) => toHex(one.payload ?? body(0)))).toEqual([toHex(body(60)), toHex(body(8_000))]);
  });

  // shows: d5.codes
  it.each([
    { code: "2.01", length: 3, status: 200 },
    { code: "2.04", length: 3, status: 200 },
    { code: "2.05", length: 3, status: 200 },
    { code: "2.04", length: 0, status: 204 },
    { code: "2.02", length: 0, status: 502 },
    { code: "4.00", length: 0, status: 400 },
    { code: "4.04", length: 0, status: 404 },
    { code: "4.13", length: 0, status: 413 },
    { code: "5.00", length: 9, status: 500 },
    { code: "5.03", length: 0, status: 503 },
  ])("answers $code with $length octets as $status", ({ code, length, status }) => {
    expect(statusOf(code, body(length))).toBe(status);
  });

  it("keeps one association between exchanges, and tells of progress with octets", async () => {
    const eim = await coapsEim();
    const { transport, events } = coaps();
    await transport.exchange(endpoint(eim.port), request, never);
    await transport.exchange(endpoint(eim.port), request, never);
    expect(eim.resumed).toEqual([false]);
    const peer = `127.0.0.1:${eim.port}`;
    const blocks = (["up", "down"] as const).map((direction) => ({ kind: "block", direction, number: 0, bytes: 60, last: true }));
    expect(events).toEqual([{ kind: "connect", why: "first", peer }, ...blocks, ...blocks]);
  });

  it("goes on over a resumed association after the NAT gave the vehicle a new address", async () => {
    const eim = await coapsEim();
    const proxy = await bench.proxy(eim);
    const learned: number[] = [];
    const { transport, events } = coaps({
      sessions: memorySessionStore(),
      natMemory: { load: () => undefined, save: (_, seconds) => learned.push(seconds) },
      ackTimeoutMs: 50,
      maxRetransmit: 2,
    });
    await transport.exchange(endpoint(proxy.port), request, never);
    proxy.rebind();
    expect((await transport.exchange(endpoint(proxy.port), request, never)).status).toBe(200);
    expect(events.flatMap((event) => (event.kind === "connect" ? [event.why] : []))).toEqual(["first", "silent"]);
    expect(eim.resumed).toEqual([false, true]);
    expect(eim.asked).toHaveLength(2);
  });

  // shows: d5.connection-id
  it("with Connection ID goes on over the same association, one datagram each way, and by its own will from another port", async () => {
    const eim = await coapsEim(undefined, { connectionId: true });
    const proxy = await bench.proxy(eim);
    const learned: number[] = [];
    const { transport, events } = coaps({
      connectionId: true,
      retransmitInitialMs: 20_000,
      natMemory: { load: () => undefined, save: (_, seconds) => learned.push(seconds) },
      ackTimeoutMs: 20_000,
    });
    await transport.exchange(endpoint(proxy.port), request, never);
    const before = proxy.seen.length;
    for (let i = 0; i < 10; i++) {
      proxy.rebind();
      expect((await transport.exchange(endpoint(proxy.port), request, never)).status).toBe(200);
    }
    expect(proxy.seen.length - before).toBe(20);
    expect(events.flatMap((event) => (event.kind === "connect" ? [event.why] : []))).toEqual(["first"]);
    expect([eim.resumed, eim.asked.length, learned]).toEqual([[false], 11, []]);
  });

  it("with Connection ID a body of many blocks arrives whole though the address changes again and again", async () => {
    const eim = await coapsEim(({ payload }) => ({ code: "2.05", payload: body((payload?.length ?? 0) * 3) }), { connectionId: true });
    let rebind = (): void => {};
    // Not before each: an address that never lasts for an answer cannot be proven, and large blocks wait for that.
    const proxy = await bench.proxy(eim, {
      alter: (datagram, direction, index) => {
        if (direction === "up" && datagram[0] === 25 && index % 5 === 0) rebind();
        return [datagram];
      },
    });
    rebind = () => proxy.rebind();
    const { transport, events } = coaps({ connectionId: true, ackTimeoutMs: 300 });
    const answer = await transport.exchange(endpoint(proxy.port), { functionName: "getEimPackage", body: body(5_000) }, never);
    expect(Buffer.compare(answer.body, body(15_000))).toBe(0);
    expect(events.flatMap((event) => (event.kind === "connect" ? [event.why] : []))).toEqual(["first"]);
    expect([eim.resumed, eim.asked.length]).toEqual([[false], 1]);
  });

  it("a new address of the vehicle is the end of an association without Connection ID, and not of one with it", async () => {
    for (const connectionId of [false, true]) {
      const eim = await coapsEim(undefined, { connectionId });
      const { transport } = coaps({ connectionId, sessions: memorySessionStore(), ackTimeoutMs: 300 });
      await transport.exchange(endpoint(eim.port), request, never);
      transport.pathChanged();
      expect((await transport.exchange(endpoint(eim.port), request, never)).status).toBe(200);
      expect(eim.resumed).toEqual(connectionId ? [false] : [false, true]);
    }
  });

  it("never uses the association of an eIM whose trust or address changed", async () => {
    const eim = await coapsEim();
    const { transport } = coaps();
    await transport.exchange(endpoint(eim.port), request, never);
    const foreign = endpoint(eim.port, { trust: rootsOf(makePki(host).root) });
    await expect(transport.exchange(foreign, request, never)).rejects.toMatchObject({ code: "TLS_UNTRUSTED" });
    await expect(transport.exchange(endpoint(eim.port, { serverName: "other.test" }), request, never)).rejects.toMatchObject({
      code: "TLS_HOST_MISMATCH",
    });
    expect(eim.asked).toHaveLength(1);
    await transport.exchange(endpoint(eim.port), request, never);
    expect(eim.resumed).toHaveLength(2);
  });

  it("stops with the signal's reason, and for good when closed", async () => {
    const eim = await coapsEim();
    const { transport } = coaps();
    await expect(transport.exchange(endpoint(eim.port), request, AbortSignal.abort(new Error("stop")))).rejects.toThrow("stop");
    transport.close();
    await expect(transport.exchange(endpoint(eim.port), request, never)).rejects.toMatchObject({ code: "ABORTED" });
  });
});

describe("ESipa over HTTPS", () => {
  // shows: d3.post, d3.content-type, d3.admin-protocol, d3.user-agent, d3.bare, d3.200
  it("posts the message with the headers of the ASN.1 binding, and returns status, type and body", async () => {
    const asked: unknown[] = [];
    const server = createServer({ cert: pki.server.chainPem, key: pki.server.privateKeyPem }, (incoming, outgoing) => {
      const parts: Buffer[] = [];
      incoming.on("data", (part: Buffer) => parts.push(part));
      incoming.on("end", () => {
        asked.push({ url: incoming.url, headers: incoming.headers, body: Buffer.concat(parts).toString() });
        outgoing
          .writeHead(asked.length === 1 ? 200 : 204, { "Content-Type": "application/x-gsma-rsp-asn1" })
          .end(asked.length === 1 ? "answer" : "");
      });
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    const transport = httpsEsipaTransport({ https: createHttpsClient({ clock: bench.clock }) });
    bench.defer(() => {
      transport.close();
      server.close();
    });
    const message = { functionName: "getEimPackage", body: utf8("question") };
    expect(await transport.exchange(endpoint(port), message, never)).toEqual({
      status: 200,
      contentType: "application/x-gsma-rsp-asn1",
      body: utf8("answer"),
    });
    expect(await transport.exchange(endpoint(port, { adminProtocol: "gsma/rsp/v1.3.0" }), message, never)).toMatchObject({
      status: 204,
      body: utf8(""),
    });
    const common = { "content-type": "application/x-gsma-rsp-asn1", "user-agent": "gsma-rsp-ipad", host: `${host}:${port}` };
    expect(asked).toMatchObject([
      { url: "/gsma/rsp2/asn1", body: "question", headers: { ...common, "x-admin-protocol": "gsma/rsp/v2.1.0" } },
      { url: "/gsma/rsp2/asn1", body: "question", headers: { ...common, "x-admin-protocol": "gsma/rsp/v1.3.0" } },
    ]);
  });
});
