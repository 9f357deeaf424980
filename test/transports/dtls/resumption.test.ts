// Sessions: resumed after a restart of the vehicle, and never for another host, name, anchor, pin, suite or time.
import { execFile } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { build } from "esbuild";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { VirtualClock } from "../../../base/clock.ts";
import { loadOpenSsl } from "../../../transports/dtls/openssl.ts";
import { decodeSession, encodeSession, memorySessionStore, sessionKey } from "../../../transports/dtls/sessions.ts";
import type { DtlsClientOptions, DtlsSessionStore } from "../../../transports/dtls/types.ts";
import { dtlsBench, echo, host, identityOf, pki, refusal, rootsOf } from "../../support/dtls-bench.ts";
import { makeCertificate, makePki } from "../../support/test-pki.ts";

const bench = dtlsBench();

/** Connects from a process of its own, with the sessions it is given; answers whether one was resumed, and the sessions it has then. */
async function fromAnotherProcess(port: number, sessions: readonly (readonly [string, string])[]): Promise<ProcessReport> {
  const script = `
    import { SystemClock } from "./base/clock.ts";
    import { openDtls } from "./transports/dtls/dtls.ts";
    import { memorySessionStore } from "./transports/dtls/sessions.ts";
    const { port, serverName, root, sessions } = JSON.parse(process.argv[2]);
    const store = memorySessionStore(sessions.map(([key, text]) => [key, new Uint8Array(Buffer.from(text, "base64"))]));
    const trust = { kind: "roots", certificates: [new Uint8Array(Buffer.from(root, "base64"))] };
    const options = { host: "127.0.0.1", port, serverName, trust, sessions: store, clock: new SystemClock() };
    const link = await openDtls().connect(options);
    link.close();
    const kept = Array.from(store.entries(), ([key, session]) => [key, Buffer.from(session).toString("base64")]);
    console.log(JSON.stringify({ resumed: link.resumed, sessions: kept }));`;
  // Below node_modules, so that koffi is found from there.
  mkdirSync("node_modules/.cache", { recursive: true });
  const dir = mkdtempSync("node_modules/.cache/simward-dtls-");
  bench.defer(() => rmSync(dir, { recursive: true, force: true }));
  const outfile = join(dir, "client.mjs");
  const stdin = { contents: script, resolveDir: process.cwd(), loader: "ts" } as const;
  await build({ stdin, outfile, bundle: true, format: "esm", platform: "node", external: ["koffi"], logLevel: "error" });
  const input = { port, serverName: host, root: Buffer.from(pki.root.der).toString("base64"), sessions };
  const { stdout } = await promisify(execFile)(process.execPath, [outfile, JSON.stringify(input)]);
  return JSON.parse(stdout) as ProcessReport;
}

interface ProcessReport {
  readonly resumed: boolean;
  readonly sessions: [string, string][];
}

/** Offers whatever it holds for whatever is asked: what a damaged or forged store could do. */
function carelessStore(session: Uint8Array): DtlsSessionStore {
  let held: Uint8Array | undefined = session;
  return {
    load: () => held,
    save: () => {},
    forget: () => {
      held = undefined;
    },
  };
}

describe("resumption", () => {
  test("of a process that ended, by the next one", async () => {
    const server = await bench.server();
    const first = await fromAnotherProcess(server.port, []);
    const second = await fromAnotherProcess(server.port, first.sessions);
    expect([first.resumed, second.resumed]).toEqual([false, true]);
  });

  test("is shorter, has the same suite, and needs no certificate on the wire", async () => {
    const server = await bench.server();
    const sessions = memorySessionStore();
    const first = await bench.connect(server, { sessions });
    await echo(first, bench.clock);
    first.close();
    const second = await bench.connect(server, { sessions });
    await echo(second, bench.clock);
    expect([first.resumed, second.resumed]).toEqual([false, true]);
    expect(server.links.map((link) => link.resumed)).toEqual([false, true]);
    expect(second.cipherSuite).toBe(first.cipherSuite);
    expect(second.counters.receivedBytes).toBeLessThan(first.counters.receivedBytes / 2);
  });

  test("also when the association before it was dropped without a word", async () => {
    const clock = new VirtualClock();
    const server = await bench.server({ clock, idleTimeoutMs: 60_000 });
    const sessions = memorySessionStore();
    await echo(await bench.connect(server, { sessions }), bench.clock);
    await clock.advance(61_000);
    expect(server.size).toBe(0);
    expect((await bench.connect(server, { sessions })).resumed).toBe(true);
  });

  test("a client certificate is known again after it", async () => {
    const vehicle = makeCertificate({ name: "vehicle-1", issuer: makeCertificate({ name: "CA 2", ca: true, issuer: pki.root }) });
    const server = await bench.server({ clientCertificates: { mode: "require", anchors: [pki.root.der] } });
    const sessions = memorySessionStore();
    for (const resumed of [false, true]) {
      const link = await bench.connect(server, { sessions, identity: identityOf(vehicle) });
      await echo(link, bench.clock);
      expect(link.resumed).toBe(resumed);
    }
    expect(server.links.map((link) => link.peerCertificate)).toEqual([vehicle.der, vehicle.der]);
  });

  test("a client certificate that expired meanwhile is refused in spite of it", async () => {
    const notAfter = new Date("2026-07-01T00:00:00Z");
    const vehicle = makeCertificate({ name: "vehicle-1", issuer: pki.root, notAfter });
    const clock = new VirtualClock({ ms: notAfter.getTime() - 10_000 });
    const server = await bench.server({ clock, clientCertificates: { mode: "require", anchors: [pki.root.der] } });
    const sessions = memorySessionStore();
    const first = await bench.connect(server, { sessions, identity: identityOf(vehicle) });
    await echo(first, bench.clock);
    clock.setWall({ ms: notAfter.getTime() + 1_000 });
    const told = server.refused();
    const second = await bench.connect(server, { sessions, identity: identityOf(vehicle) });
    expect(await told).toMatchObject({ code: "TLS_EXPIRED" });
    expect(server.links.length).toBe(1);
    await new Promise((resolve) => second.onClosed(resolve));
  });

  test("a server that restarted makes a full handshake, which replaces the session", async () => {
    const sessions = memorySessionStore();
    const before = await bench.server();
    await echo(await bench.connect(before, { sessions }), bench.clock);
    await before.close();
    const after = await bench.server({ port: before.port });
    expect((await bench.connect(after, { sessions })).resumed).toBe(false);
    expect((await bench.connect(after, { sessions })).resumed).toBe(true);
  });

  test("PSK sessions are not kept: they would save nothing and put secrets on disk", async () => {
    const sessions = memorySessionStore();
    const server = await bench.server({ psk: () => Uint8Array.of(1, 2, 3, 4) });
    const trust = { kind: "psk", identity: "v", key: Uint8Array.of(1, 2, 3, 4) } as const;
    await echo(await bench.connect(server, { sessions, trust }), bench.clock);
    expect(sessions.entries().size).toBe(0);
  });
});

describe("a session is not resumed", () => {
  const otherAnchor: Partial<DtlsClientOptions> = { trust: { kind: "certificate", der: pki.root.der } };

  test.each<[string, Partial<DtlsClientOptions>]>([
    ["for another address of the server", { host: "localhost" }],
    ["under another anchor, though that one fits too", otherAnchor],
    ["under a pin", { trust: { kind: "publicKey", spki: pki.server.spki } }],
    ["for other suites", { cipherSuites: ["ECDHE-ECDSA-AES256-GCM-SHA384"] }],
  ])("%s", async (_what, options) => {
    const server = await bench.server();
    const sessions = memorySessionStore();
    await echo(await bench.connect(server, { sessions }), bench.clock);
    expect((await bench.connect(server, { sessions, ...options })).resumed).toBe(false);
    expect(sessions.entries().size).toBe(2);
  });

  // The store's key keeps these apart already; here the store gives the session nevertheless, as only the checks remain then.
  const elsewhere = makePki("elsewhere.example.test");
  test.each<[string, string, Partial<DtlsClientOptions>]>([
    ["another name", "TLS_HOST_MISMATCH", { serverName: "elsewhere.example.test" }],
    ["another root", "TLS_UNTRUSTED", { trust: rootsOf(elsewhere.root) }],
    ["another pin", "TLS_UNTRUSTED", { trust: { kind: "publicKey", spki: elsewhere.server.spki } }],
    ["another certificate as anchor", "TLS_UNTRUSTED", { trust: { kind: "certificate", der: elsewhere.server.der } }],
    ["a time after the certificate's", "TLS_EXPIRED", { clock: new VirtualClock({ ms: Date.UTC(2051, 0, 1) }) }],
  ])("whatever the store says: %s", async (_what, code, options) => {
    const server = await bench.server();
    const sessions = memorySessionStore();
    await echo(await bench.connect(server, { sessions }), bench.clock);
    const [session = new Uint8Array(0)] = [...sessions.entries().values()];
    const store = carelessStore(session);
    expect((await bench.connect(server, { sessions: carelessStore(session) })).resumed).toBe(true);
    expect(await refusal(bench.connect(server, { sessions: store, ...options }))).toMatchObject({ code });
    expect(store.load("")).toBeUndefined();
  });

  // shows: d7.resumed
  test("a chain that was put beside another session is noticed after the resumption", async () => {
    const server = await bench.server();
    const sessions = memorySessionStore();
    await echo(await bench.connect(server, { sessions }), bench.clock);
    const [octets = new Uint8Array(0)] = [...sessions.entries().values()];
    const { session } = decodeSession(octets) ?? { session: octets };
    // A store that was tampered with: this session, but the chain of a certificate that the new trust would accept.
    const forged = encodeSession({ session, chain: elsewhere.server.chain });
    const options = { trust: rootsOf(elsewhere.root), serverName: "elsewhere.example.test" };
    expect(await refusal(bench.connect(server, { sessions: carelessStore(forged), ...options }))).toMatchObject({ code: "TLS_UNTRUSTED" });
  });

  test("octets that are no session lead to a full handshake and are forgotten", async () => {
    const server = await bench.server();
    for (const session of [Uint8Array.of(1, 2, 3), encodeSession({ session: Uint8Array.of(0x30, 0x80, 1), chain: pki.server.chain })]) {
      const store = carelessStore(session);
      const link = await bench.connect(server, { sessions: store });
      await echo(link, bench.clock);
      expect(link.resumed).toBe(false);
      expect(store.load("")).toBeUndefined();
    }
    expect((await loadOpenSsl()).drainErrors()).toEqual([]);
  });
});

describe("kept octets", () => {
  const part = fc.uint8Array({ minLength: 1, maxLength: 2_000 });

  test("come back as they were, and damaged ones are no session", () => {
    fc.assert(
      fc.property(part, fc.array(part, { minLength: 1, maxLength: 4 }), fc.nat(), (session, chain, cut) => {
        const octets = encodeSession({ session, chain });
        expect(decodeSession(octets)).toEqual({ session, chain });
        const shorter = decodeSession(octets.subarray(0, cut % octets.length));
        if (shorter !== undefined) expect(shorter.chain.length).toBeLessThan(chain.length);
      }),
      { seed: 4 },
    );
  });

  test("the key names host, port, name, anchor and suites, in lower case", () => {
    const trust = { kind: "publicKey", spki: pki.server.spki } as const;
    const key = sessionKey({ host: "EIM.example.test", port: 5684, serverName: host }, trust, ["ECDHE-ECDSA-AES128-GCM-SHA256"]);
    expect(key).toMatch(/^eim\.example\.test\|5684\|eim\.example\.test\|[0-9a-f]{64}\|ECDHE-ECDSA-AES128-GCM-SHA256$/);
  });

  test("a store holds so many and no more; the one used longest ago makes room", () => {
    const store = memorySessionStore([], 2);
    for (const key of ["a", "b"]) store.save({ key, session: Uint8Array.of(1) });
    store.load("a");
    store.save({ key: "c", session: Uint8Array.of(1) });
    expect([...store.entries().keys()]).toEqual(["a", "c"]);
  });
});
