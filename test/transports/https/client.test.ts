// The HTTPS client against node:https servers: whom it believes and whom not, by its own clock and before a byte is sent; deadlines, caps, resumption.
import { once } from "node:events";
import type { IncomingMessage, ServerResponse } from "node:http";
import { createServer, type Server } from "node:https";
import { type AddressInfo, createServer as createTcpServer, type Socket, type Server as TcpServer } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { fromUtf8, utf8 } from "../../../base/bytes.ts";
import { type Clock, SystemClock, VirtualClock, type WallTime } from "../../../base/clock.ts";
import { type ErrorCode, SimwardError } from "../../../base/errors.ts";
import type { TlsTrust } from "../../../ipa/ports.ts";
import { createHttpsClient, type HttpsClientOptions } from "../../../transports/https/client.ts";
import { createEs9Transport } from "../../../transports/https/es9.ts";
import type { HttpsClient, HttpsPeer } from "../../../transports/https/types.ts";
import { makeCertificate, makePki, oids, type TestCertificate } from "../../support/test-pki.ts";

const host = "eim.example.test";
const { root, server: leaf } = makePki(host);
const foreign = makePki(host);

/** Real timers, and a wall clock of its own. */
class ClockAt extends SystemClock {
  readonly #ms: number;
  constructor(date: string) {
    super();
    this.#ms = Date.parse(date);
  }
  override now(): number {
    return this.#ms;
  }
  override wall(): WallTime {
    return { ms: this.#ms, source: "network" };
  }
}

const cleanUps: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp();
});

interface TestServer {
  readonly port: number;
  readonly requests: { readonly url: string | undefined; readonly headers: IncomingMessage["headers"]; readonly body: string }[];
  readonly sockets: Set<Socket>;
  readonly server: Server;
}

async function serve(
  certificate: TestCertificate,
  answer: (response: ServerResponse, request: IncomingMessage) => void = (response) => response.end("ok"),
  tls: { readonly maxVersion?: "TLSv1.2" } = {},
): Promise<TestServer> {
  const requests: TestServer["requests"] = [];
  const sockets = new Set<Socket>();
  const server = createServer(
    { cert: certificate.chainPem || certificate.pem, key: certificate.privateKeyPem, ...tls },
    (request, response) => {
      const parts: Buffer[] = [];
      request.on("data", (part: Buffer) => parts.push(part));
      request.on("end", () => {
        requests.push({ url: request.url, headers: request.headers, body: Buffer.concat(parts).toString() });
        answer(response, request);
      });
    },
  );
  server.on("connection", (socket: Socket) => sockets.add(socket));
  await listen(server);
  cleanUps.push(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return { port: portOf(server), requests, sockets, server };
}

async function listen(server: TcpServer): Promise<void> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
}

function portOf(server: TcpServer): number {
  return (server.address() as AddressInfo).port;
}

function client(options: Partial<HttpsClientOptions> = {}, clock: Clock = new SystemClock()): HttpsClient {
  const made = createHttpsClient({ clock, timeoutMs: 20_000, ...options });
  cleanUps.push(() => made.close());
  return made;
}

const rootTrust: TlsTrust = { kind: "roots", certificates: [root.der] };

function peer(port: number, trust: TlsTrust = rootTrust, serverName = host): HttpsPeer {
  return { host: "127.0.0.1", port, serverName, trust };
}

const post = { method: "POST", path: "/x", headers: { "X-A": "b" }, body: utf8("hello") } as const;

async function codeOf(promise: Promise<unknown>): Promise<ErrorCode | "no error"> {
  try {
    await promise;
    return "no error";
  } catch (error) {
    if (error instanceof SimwardError) return error.code;
    throw error;
  }
}

describe("whom the HTTPS client believes", () => {
  const trusts: readonly { readonly name: string; readonly trust: TlsTrust; readonly code: ErrorCode | "no error" }[] = [
    { name: "the root", trust: rootTrust, code: "no error" },
    { name: "one of several roots", trust: { kind: "roots", certificates: [foreign.root.der, root.der] }, code: "no error" },
    { name: "the root as sole anchor", trust: { kind: "certificate", der: root.der }, code: "no error" },
    { name: "the server's own certificate as sole anchor", trust: { kind: "certificate", der: leaf.der }, code: "no error" },
    { name: "the server's key", trust: { kind: "publicKey", spki: leaf.spki }, code: "no error" },
    { name: "another key", trust: { kind: "publicKey", spki: foreign.server.spki }, code: "TLS_UNTRUSTED" },
    { name: "a foreign root", trust: { kind: "roots", certificates: [foreign.root.der] }, code: "TLS_UNTRUSTED" },
    { name: "no root at all", trust: { kind: "roots", certificates: [] }, code: "TLS_UNTRUSTED" },
    { name: "a foreign certificate", trust: { kind: "certificate", der: foreign.server.der }, code: "TLS_UNTRUSTED" },
    { name: "a pre-shared key", trust: { kind: "psk", identity: "a", key: utf8("b") }, code: "TRANSPORT_SCHEME" },
  ];
  // shows: d7.certificate, d7.key
  it.each(trusts)("$name → $code, and a server not believed sees no request", async ({ trust, code }) => {
    const server = await serve(leaf);
    expect(await codeOf(client().request(peer(server.port, trust), post))).toBe(code);
    expect(server.requests).toHaveLength(code === "no error" ? 1 : 0);
  });

  // shows: d7.name
  it("refuses a certificate for another host", async () => {
    const server = await serve(leaf);
    expect(await codeOf(client().request(peer(server.port, rootTrust, "other.example.test"), post))).toBe("TLS_HOST_MISMATCH");
    expect(server.requests).toEqual([]);
  });

  it("refuses a certificate that is only for clients", async () => {
    const server = await serve(makeCertificate({ name: host, issuer: root, altNames: [host], extendedKeyUsage: [oids.clientAuth] }));
    expect(await codeOf(client().request(peer(server.port), post))).toBe("TLS_UNTRUSTED");
  });

  it("follows a chain with an intermediate, and refuses the leaf without it", async () => {
    const middle = makeCertificate({ name: "Middle", issuer: root, ca: { pathLength: 0 } });
    const below = makeCertificate({ name: host, issuer: middle, altNames: [host] });
    const whole = await serve(below);
    const cut = await serve({ ...below, chainPem: below.pem });
    expect(await codeOf(client().request(peer(whole.port), post))).toBe("no error");
    expect(await codeOf(client().request(peer(cut.port), post))).toBe("TLS_UNTRUSTED");
  });

  // shows: d7.time
  it("asks its own clock, not the machine's, for the time", async () => {
    const years = { notBefore: new Date("2035-01-01"), notAfter: new Date("2036-01-01") };
    const future = makeCertificate({ name: host, issuer: root, altNames: [host], ...years });
    // The machine's clock is right and the certificate not yet valid by it; the device believes otherwise, and the other way round.
    const early = await serve(future);
    const present = await serve(leaf);
    expect(await codeOf(client({}, new ClockAt("2035-06-01")).request(peer(early.port), post))).toBe("no error");
    expect(await codeOf(client({}, new ClockAt("2034-06-01")).request(peer(early.port), post))).toBe("TLS_EXPIRED");
    expect(await codeOf(client({}, new ClockAt("2036-06-01")).request(peer(early.port), post))).toBe("TLS_EXPIRED");
    expect(await codeOf(client({}, new ClockAt("2051-01-01")).request(peer(present.port), post))).toBe("TLS_EXPIRED");
    expect([early.requests.length, present.requests.length]).toEqual([1, 0]);
  });

  // shows: d7.tls-versions, d7.resumed
  it.each(["TLSv1.2", "TLSv1.3"] as const)("judges a resumed %s session again", async (version) => {
    let nowMs = Date.parse("2030-01-01");
    class Moving extends SystemClock {
      override wall(): WallTime {
        return { ms: nowMs, source: "network" };
      }
    }
    const server = await serve(
      makeCertificate({ name: host, issuer: root, altNames: [host], notAfter: new Date("2031-01-01") }),
      (response) => response.setHeader("Connection", "close").end("ok"),
      version === "TLSv1.2" ? { maxVersion: version } : {},
    );
    const https = client({}, new Moving());
    for (let i = 0; i < 4; i++) await https.request(peer(server.port), post);
    expect(https.counters).toMatchObject({ full: 1, resumed: 3 });
    nowMs = Date.parse("2032-01-01");
    expect(await codeOf(https.request(peer(server.port), post))).toBe("TLS_EXPIRED");
    expect(server.requests).toHaveLength(4);
    // Refused, it is not tried again; nor does it keep a later full handshake from being made.
    nowMs = Date.parse("2030-01-01");
    await https.request(peer(server.port), post);
    expect(https.counters).toMatchObject({ full: 2, resumed: 3 });
  });

  it("does not resume a session under another trust or another name", async () => {
    const server = await serve(leaf, (response) => response.setHeader("Connection", "close").end("ok"));
    const https = client();
    await https.request(peer(server.port), post);
    expect(await codeOf(https.request(peer(server.port, { kind: "roots", certificates: [foreign.root.der] }), post))).toBe("TLS_UNTRUSTED");
    expect(await codeOf(https.request(peer(server.port, rootTrust, "other.example.test"), post))).toBe("TLS_HOST_MISMATCH");
    expect(https.counters.resumed).toBe(0);
  });
});

describe("requests and answers", () => {
  // shows: d3.kept
  it("carries method, path, headers and bodies both ways, names the host, and keeps the connection", async () => {
    const server = await serve(leaf, (response, request) => response.writeHead(200, { "Content-Type": "text/x" }).end(`to ${request.url}`));
    const https = client();
    const first = await https.request(peer(server.port), post);
    const second = await https.request(peer(server.port), { ...post, path: "/y" });
    expect([fromUtf8(first.body), first.status, first.headers["content-type"], fromUtf8(second.body)]).toEqual([
      "to /x",
      200,
      "text/x",
      "to /y",
    ]);
    expect(server.requests[0]).toMatchObject({
      url: "/x",
      body: "hello",
      headers: { "x-a": "b", host: `${host}:${server.port}`, "content-length": "5" },
    });
    expect(server.sockets.size).toBe(1);
  });

  it.each([200, 204, 301, 400, 404, 500, 503])("answers status %i as it is", async (status) => {
    const server = await serve(leaf, (response) => response.writeHead(status, { Location: "/elsewhere" }).end());
    expect((await client().request(peer(server.port), post)).status).toBe(status);
    expect(server.requests).toHaveLength(1);
  });

  it("asks once more when the server has closed the kept connection meanwhile", async () => {
    const server = await serve(leaf);
    const https = client();
    await https.request(peer(server.port), post);
    const ended = [...server.sockets].map((socket) => once(socket, "close"));
    // Closed without the client's event loop having seen it: the next request is already on its way.
    for (const socket of server.sockets) socket.destroy();
    const answer = https.request(peer(server.port), post);
    await Promise.all(ended);
    expect((await answer).status).toBe(200);
    expect(server.requests).toHaveLength(2);
  });

  it("closes a connection that nobody used for a while", async () => {
    const clock = new VirtualClock();
    const server = await serve(leaf);
    const https = client({ idleCloseMs: 5_000, timeoutMs: 1_000_000 }, clock);
    await https.request(peer(server.port), post);
    const ended = [...server.sockets].map((socket) => once(socket, "close"));
    await clock.advance(5_000);
    await Promise.all(ended);
    expect((await https.request(peer(server.port), post)).status).toBe(200);
  });
});

describe("what goes wrong", () => {
  it("gives up on a server that takes the request and is silent", async () => {
    const clock = new VirtualClock();
    const server = await serve(leaf, () => undefined);
    const https = client({ timeoutMs: 1_000_000_000 }, clock);
    const code = codeOf(https.request(peer(server.port), post));
    await once(server.server, "request");
    await clock.advance(1_000_000_000);
    expect(await code).toBe("HTTP_TIMEOUT");
  });

  it("gives up on a server that never starts TLS", async () => {
    const clock = new VirtualClock();
    const sockets: Socket[] = [];
    const silent = createTcpServer((socket) => sockets.push(socket));
    await listen(silent);
    cleanUps.push(() => {
      for (const socket of sockets) socket.destroy();
      silent.close();
    });
    const connected = once(silent, "connection");
    const code = codeOf(client({ timeoutMs: 30_000 }, clock).request(peer(portOf(silent)), post));
    await connected;
    const [socket] = sockets;
    const ended = socket === undefined ? undefined : once(socket.resume(), "close");
    await clock.advance(30_000);
    expect(await code).toBe("HTTP_TIMEOUT");
    // The connection attempt ends with it.
    await ended;
  });

  it("gives up at once when aborted, with the signal's reason", async () => {
    const server = await serve(leaf, () => undefined);
    const controller = new AbortController();
    const answer = client().request(peer(server.port), post, controller.signal);
    await once(server.server, "request");
    controller.abort(new SimwardError("ABORTED", { detail: "by the test" }));
    await expect(answer).rejects.toMatchObject({ code: "ABORTED", detail: "by the test" });
    await expect(client().request(peer(server.port), post, controller.signal)).rejects.toMatchObject({ detail: "by the test" });
  });

  it("names a port where nobody listens", async () => {
    const gone = createTcpServer();
    await listen(gone);
    const port = portOf(gone);
    gone.close();
    await once(gone, "close");
    expect(await codeOf(client().request(peer(port), post))).toBe("HTTP_CONNECT");
  });

  it("names a server that does not speak TLS", async () => {
    const plain = createTcpServer((socket) => socket.end("HTTP/1.1 200 OK\r\n\r\n"));
    await listen(plain);
    cleanUps.push(() => plain.close());
    expect(await codeOf(client().request(peer(portOf(plain)), post))).toBe("HTTP_CONNECT");
  });

  it("names a server that ends in the middle of its answer", async () => {
    const server = await serve(leaf, (response, request) => {
      response.writeHead(200, { "Content-Length": "100" }).write("half");
      setImmediate(() => request.socket.destroy());
    });
    expect(await codeOf(client().request(peer(server.port), post))).toBe("HTTP_CLOSED");
  });

  it("names an answer that is no HTTP", async () => {
    const server = await serve(leaf, (_response, request) => request.socket.end("SSH-2.0-x\r\n\r\n"));
    expect(await codeOf(client().request(peer(server.port), post))).toBe("HTTP_MESSAGE");
  });

  it.each([
    { name: "announced", headers: { "Content-Length": "1001" } },
    { name: "in chunks", headers: {} },
  ])("reads no body larger than its cap ($name)", async ({ headers }) => {
    const server = await serve(leaf, (response) => response.writeHead(200, headers).end(Buffer.alloc(1_001)));
    expect(await codeOf(client({ maxBodyBytes: 1_000 }).request(peer(server.port), post))).toBe("HTTP_TOO_LARGE");
  });

  it("accepts a body as large as its cap", async () => {
    const server = await serve(leaf, (response) => response.end(Buffer.alloc(1_000)));
    expect((await client({ maxBodyBytes: 1_000 }).request(peer(server.port), post)).body).toHaveLength(1_000);
  });
});

describe("ES9+", () => {
  const es9 = (port: number, https = client()) => ({
    post: (body: unknown) =>
      createEs9Transport({ https }).post(
        { host: "127.0.0.1", port, trust: rootTrust },
        "initiateAuthentication",
        body,
        new AbortController().signal,
      ),
  });
  const ipLeaf = makeCertificate({ name: "dp", issuer: root, altNames: ["127.0.0.1"] });

  // shows: e5.headers
  it("posts JSON to the function's path and reads JSON back", async () => {
    const server = await serve(ipLeaf, (response) =>
      response.writeHead(200, { "Content-Type": "application/json" }).end('{"transactionId":"0A"}'),
    );
    expect(await es9(server.port).post({ smdpAddress: "dp" })).toEqual({ transactionId: "0A" });
    expect(server.requests[0]).toMatchObject({
      url: "/gsma/rsp2/es9plus/initiateAuthentication",
      body: '{"smdpAddress":"dp"}',
      headers: { "content-type": "application/json;charset=UTF-8", "x-admin-protocol": "gsma/rsp/v2.2.0", "user-agent": "gsma-rsp-ipad" },
    });
  });

  it.each([
    { status: 204, body: "", code: "no error" },
    { status: 500, body: "{}", code: "HTTP_STATUS" },
    { status: 200, body: "<html>", code: "HTTP_MESSAGE" },
  ])("answers $status $body with $code", async ({ status, body, code }) => {
    const server = await serve(ipLeaf, (response) => response.writeHead(status).end(body));
    const answer = es9(server.port).post({});
    expect(await codeOf(answer)).toBe(code);
    if (code === "no error") expect(await answer).toBeUndefined();
  });
});
