// Client and server of ours against each other: every suite, every kind of trust, sizes, client certificates, ways to end.
import { describe, expect, test } from "vitest";
import { VirtualClock } from "../../../base/clock.ts";
import { recordHeaderBytes } from "../../../transports/dtls/records.ts";
import type { DtlsCipherSuite } from "../../../transports/dtls/types.ts";
import { closed, dtlsBench, echo, exchange, host, identityOf, pki, refusal, rootsOf, unhurried } from "../../support/dtls-bench.ts";
import { makeCertificate, makeLargeChain, makePki, oids } from "../../support/test-pki.ts";
import { alertDeadline, alertedBy, refusalsOf } from "./refusals.ts";

const bench = dtlsBench();
const psk = { kind: "psk", identity: "vehicle-1", key: Uint8Array.from({ length: 16 }, (_, i) => i) } as const;
const pskOf = (identity: string): Uint8Array | undefined => (identity === psk.identity ? psk.key : undefined);

describe("cipher suites", () => {
  const certificateSuites: readonly DtlsCipherSuite[] = [
    "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-ECDSA-AES128-CCM8",
  ];
  const pskSuites: readonly DtlsCipherSuite[] = ["PSK-AES128-GCM-SHA256", "PSK-AES128-CCM8"];

  // shows: d5.suites
  test.each(certificateSuites)("%s chosen by the client", async (suite) => {
    const server = await bench.server({ cipherSuites: certificateSuites });
    const link = await bench.connect(server, { cipherSuites: [suite] });
    expect(link.cipherSuite).toBe(suite);
    await echo(link, bench.clock);
    expect(server.links[0]).toMatchObject({ cipherSuite: suite, resumed: false, pskIdentity: undefined, peerCertificate: undefined });
  });

  test.each(certificateSuites)("%s chosen by the server", async (suite) => {
    const server = await bench.server({ cipherSuites: [suite] });
    const link = await bench.connect(server, { cipherSuites: certificateSuites });
    expect(link.cipherSuite).toBe(suite);
    await echo(link, bench.clock);
  });

  // shows: d5.psk
  test.each(pskSuites)("%s", async (suite) => {
    const server = await bench.server({ cipherSuites: pskSuites, psk: pskOf });
    const link = await bench.connect(server, { trust: psk, cipherSuites: [suite] });
    expect(link.cipherSuite).toBe(suite);
    await echo(link, bench.clock);
    expect(server.links[0]?.pskIdentity).toBe(psk.identity);
  });

  // shows: d5.suites
  test("by default AES-128-GCM, and never CCM_8", async () => {
    const server = await bench.server();
    expect((await bench.connect(server)).cipherSuite).toBe("ECDHE-ECDSA-AES128-GCM-SHA256");
    const failed = await alertedBy(() => bench.connect(server, { ...alertDeadline, cipherSuites: ["ECDHE-ECDSA-AES128-CCM8"] }));
    expect(failed).toMatchObject({ code: "DTLS_ALERT", data: { alert: 40 } });
  });

  test("a server with certificate and PSK serves both kinds of client", async () => {
    const server = await bench.server({ psk: pskOf });
    await echo(await bench.connect(server), bench.clock);
    await echo(await bench.connect(server, { trust: psk }), bench.clock);
    expect(server.links.map((link) => link.cipherSuite)).toEqual(["ECDHE-ECDSA-AES128-GCM-SHA256", "PSK-AES128-GCM-SHA256"]);
  });

  test("an unknown PSK identity is refused with an alert", async () => {
    const server = await bench.server({ psk: pskOf });
    const failed = await alertedBy(() => bench.connect(server, { ...alertDeadline, trust: { ...psk, identity: "somebody" } }));
    expect(failed).toMatchObject({ code: "DTLS_ALERT" });
  });
});

describe("trust", () => {
  const other = makePki("other.example.test");

  // shows: d7.certificate
  test("the certificate of the issuer, sole anchor", async () => {
    const server = await bench.server();
    await echo(await bench.connect(server, { trust: { kind: "certificate", der: pki.root.der } }), bench.clock);
  });

  // shows: d7.certificate
  test("an intermediate or the leaf itself as sole anchor", async () => {
    const intermediate = makeCertificate({ name: "Test intermediate", ca: true, issuer: pki.root });
    const leaf = makeCertificate({ name: host, issuer: intermediate, altNames: [host] });
    const server = await bench.server({ identity: identityOf(leaf) });
    for (const anchor of [intermediate, leaf])
      await echo(await bench.connect(server, { trust: { kind: "certificate", der: anchor.der } }), bench.clock);
  });

  // shows: d7.key
  test("the public key of the leaf, or of an issuer in the chain presented", async () => {
    const intermediate = makeCertificate({ name: "Test intermediate", ca: true, issuer: pki.root });
    const leaf = makeCertificate({ name: host, issuer: intermediate, altNames: [host] });
    const server = await bench.server({ identity: identityOf(leaf) });
    for (const { spki } of [leaf, intermediate])
      await echo(await bench.connect(server, { trust: { kind: "publicKey", spki } }), bench.clock);
    const failed = await refusal(bench.connect(server, { trust: { kind: "publicKey", spki: other.server.spki } }));
    expect(failed).toMatchObject({ code: "TLS_UNTRUSTED" });
  });

  test("another root is refused, and the server is told unknown_ca", async () => {
    const server = await bench.server(alertDeadline);
    const told = await refusalsOf(server, () => bench.connect(server, { trust: rootsOf(other.root) }));
    expect(told.client).toMatchObject({ code: "TLS_UNTRUSTED", retry: "operator" });
    expect(told.server).toMatchObject({ code: "DTLS_ALERT", data: { alert: 48 } });
    expect(server.links).toEqual([]);
    expect(server.size).toBe(0);
  });

  // shows: d7.name
  test("another name is refused", async () => {
    const server = await bench.server(alertDeadline);
    const told = await refusalsOf(server, () => bench.connect(server, { serverName: "evil.example.test" }));
    expect(told.client).toMatchObject({ code: "TLS_HOST_MISMATCH" });
    expect(told.server).toMatchObject({ code: "DTLS_ALERT", data: { alert: 42 } });
    expect(told.client.message).toContain(`DNS:${host}`);
  });

  test("an address as the name is looked for among the addresses", async () => {
    const leaf = makeCertificate({ name: "by address", issuer: pki.root, altNames: ["127.0.0.1"] });
    const server = await bench.server({ identity: identityOf(leaf) });
    await echo(await bench.connect(server, { serverName: "127.0.0.1" }), bench.clock);
    expect(await refusal(bench.connect(server, { serverName: "127.0.0.2" }))).toMatchObject({ code: "TLS_HOST_MISMATCH" });
  });

  // shows: d7.time
  test("an expired certificate is refused by the Clock, not by the system's time", async () => {
    const server = await bench.server(alertDeadline);
    const later = new VirtualClock({ ms: Date.UTC(2051, 0, 1) });
    const told = await refusalsOf(server, () => bench.connect(server, { clock: later }));
    expect(told.client).toMatchObject({ code: "TLS_EXPIRED" });
    expect(told.server).toMatchObject({ code: "DTLS_ALERT", data: { alert: 45 } });
    const leaf = makeCertificate({
      name: host,
      issuer: pki.root,
      altNames: [host],
      notBefore: new Date("2009-01-01"),
      notAfter: new Date("2010-01-01"),
    });
    const outdated = await bench.server({ identity: identityOf(leaf) });
    expect(await refusal(bench.connect(outdated))).toMatchObject({ code: "TLS_EXPIRED" });
    const then = new VirtualClock({ ms: Date.UTC(2009, 5, 1) });
    const trust = { kind: "certificate", der: leaf.der } as const;
    expect((await bench.connect(outdated, { clock: then, trust })).resumed).toBe(false);
  });
});

describe("client certificates", () => {
  const vehicle = makeCertificate({ name: "vehicle-1", issuer: pki.root, extendedKeyUsage: [oids.clientAuth] });
  const stranger = makeCertificate({ name: "stranger" });
  const anchors = [pki.root.der];

  test("required and given: the server knows it", async () => {
    const server = await bench.server({ clientCertificates: { mode: "require", anchors } });
    await echo(await bench.connect(server, { identity: identityOf(vehicle) }), bench.clock);
    expect(server.links[0]?.peerCertificate).toEqual(vehicle.der);
  });

  test("required and missing: an alert, and no link", async () => {
    const server = await bench.server({ clientCertificates: { mode: "require", anchors } });
    const failed = await alertedBy(() => bench.connect(server, alertDeadline));
    expect(failed).toMatchObject({ code: "DTLS_ALERT" });
    expect(server.links).toEqual([]);
  });

  test.each(["request", "require"] as const)("mode %s, given and from elsewhere: an alert, and no link", async (mode) => {
    const server = await bench.server({ clientCertificates: { mode, anchors } });
    const failed = await alertedBy(() => bench.connect(server, { ...alertDeadline, identity: identityOf(stranger) }));
    expect(failed).toMatchObject({ code: "DTLS_ALERT" });
    expect(server.links).toEqual([]);
  });

  test("a server's certificate is no client's", async () => {
    const server = await bench.server({ clientCertificates: { mode: "require", anchors } });
    const failed = await alertedBy(() => bench.connect(server, { ...alertDeadline, identity: identityOf(pki.server) }));
    expect(failed).toMatchObject({ code: "DTLS_ALERT" });
  });

  test("required: a PSK does not stand in for it", async () => {
    const server = await bench.server({ psk: pskOf, clientCertificates: { mode: "require", anchors } });
    const told = server.refused();
    const link = await bench.connect(server, { trust: psk });
    expect(await told).toMatchObject({ code: "TLS_UNTRUSTED" });
    expect(await closed(link)).toMatchObject({ code: "DTLS_CLOSED" });
    expect(server.links).toEqual([]);
  });

  test("requested and missing: the link has none", async () => {
    const server = await bench.server({ clientCertificates: { mode: "request", anchors } });
    await echo(await bench.connect(server), bench.clock);
    expect(server.links[0]?.peerCertificate).toBeUndefined();
  });

  // shows: d7.server-only
  test("not asked for: the link has none", async () => {
    const server = await bench.server();
    await echo(await bench.connect(server, { identity: identityOf(vehicle) }), bench.clock);
    expect(server.links[0]?.peerCertificate).toBeUndefined();
  });
});

describe("sizes", () => {
  const large = makeLargeChain(host, 3_500);

  test.each([1200, 512, 256])("a chain of 3.5 KB at an MTU of %d octets", async (mtuBytes) => {
    const server = await bench.server({ identity: identityOf(large.server), mtuBytes });
    const proxy = await bench.proxy(server);
    const link = await bench.connect(proxy, { trust: rootsOf(large.root), mtuBytes });
    await echo(link, bench.clock, link.maxDatagramBytes);
    const sizes = proxy.seen.map(({ datagram }) => datagram.length);
    expect(Math.max(...sizes)).toBeLessThanOrEqual(mtuBytes);
    // Packed: the server's flight fills its datagrams but for the last of each flight.
    const carried = sizes.reduce((sum, size) => sum + size, 0);
    expect(sizes.length).toBeLessThan(carried / mtuBytes + 8);
  });

  test("the overhead of a record is known, and a larger datagram is refused before it is sent", async () => {
    const server = await bench.server();
    const link = await bench.connect(server, { mtuBytes: 1200 });
    // header, explicit nonce, tag
    expect(link.maxDatagramBytes).toBe(1200 - recordHeaderBytes - 8 - 16);
    const before = link.counters.sentDatagrams;
    expect(() => link.send(new Uint8Array(link.maxDatagramBytes + 1))).toThrow(expect.objectContaining({ code: "DTLS_TOO_LARGE" }));
    expect(link.counters.sentDatagrams).toBe(before);
    await echo(link, bench.clock, link.maxDatagramBytes);
  });

  test("counters count what is on the wire", async () => {
    const server = await bench.server(unhurried);
    const proxy = await bench.proxy(server);
    const link = await bench.connect(proxy, unhurried);
    await exchange(link, 32);
    const bytes = (direction: string): number =>
      proxy.seen.filter((one) => one.direction === direction).reduce((sum, { datagram }) => sum + datagram.length, 0);
    expect(link.counters).toEqual({ sentDatagrams: 4, sentBytes: bytes("up"), receivedDatagrams: 4, receivedBytes: bytes("down") });
  });
});

describe("ends", () => {
  test("the client closes: the server's link ends, and the other way round", async () => {
    const server = await bench.server();
    const first = await bench.connect(server);
    await echo(first, bench.clock);
    first.close();
    expect(await closed(server.links[0] ?? first)).toMatchObject({ code: "DTLS_CLOSED" });
    const second = await bench.connect(server);
    server.links[1]?.close();
    expect(await closed(second)).toMatchObject({ code: "DTLS_CLOSED" });
    expect(server.size).toBe(0);
  });

  test("after the end sending does nothing, and whoever asks late is told at once", async () => {
    const server = await bench.server();
    const link = await bench.connect(server);
    link.close();
    link.send(Uint8Array.of(1));
    link.close();
    const reasons: Error[] = [];
    link.onClosed((reason) => reasons.push(reason));
    expect(reasons).toMatchObject([{ code: "DTLS_CLOSED" }]);
  });

  test("nobody listens: refused at once, long before the deadline", async () => {
    const server = await bench.server();
    await server.close();
    const failed = await refusal(bench.connect(server));
    expect(failed).toMatchObject({ code: "UDP_UNREACHABLE", retry: "online" });
  });

  test("the server's socket goes away without a word: the next datagram ends the link", async () => {
    const server = await bench.server();
    const proxy = await bench.proxy(server);
    const link = await bench.connect(proxy);
    await proxy.close();
    const end = closed(link);
    link.send(Uint8Array.of(1));
    expect(await end).toMatchObject({ code: "UDP_UNREACHABLE" });
  });

  test("a name without an address", async () => {
    const failed = await refusal(bench.connect({ port: 5684 }, { host: "no-such-host.invalid" }));
    expect(failed).toMatchObject({ code: "UDP_UNREACHABLE" });
  });

  test("an idle association is dropped silently", async () => {
    const clock = new VirtualClock();
    const server = await bench.server({ clock, idleTimeoutMs: 600_000 });
    const proxy = await bench.proxy(server);
    const link = await bench.connect(proxy);
    await echo(link, bench.clock);
    await clock.advance(599_000);
    await echo(link, bench.clock);
    await clock.advance(599_000);
    expect(server.size).toBe(1);
    const sent = proxy.seen.length;
    await clock.advance(2_000);
    expect(server.size).toBe(0);
    expect(proxy.seen.length).toBe(sent);
    expect(await closed(server.links[0] ?? link)).toMatchObject({ code: "DTLS_CLOSED" });
  });

  test("aborted: the signal's reason, and nothing left behind", async () => {
    const server = await bench.server();
    const proxy = await bench.proxy(server, { alter: () => [] });
    const controller = new AbortController();
    const reason = new Error("enough");
    const connecting = refusal(bench.connect(proxy, { signal: controller.signal }));
    await new Promise((resolve) => setImmediate(resolve));
    controller.abort(reason);
    expect(await connecting).toBe(reason);
    expect(await refusal(bench.connect(proxy, { signal: controller.signal }))).toBe(reason);
  });
});

describe("settings that cannot work", () => {
  test.each([
    ["a PSK peer with certificate suites only", { trust: psk, cipherSuites: ["ECDHE-ECDSA-AES128-GCM-SHA256"] as const }],
    ["certificates with PSK suites only", { cipherSuites: ["PSK-AES128-GCM-SHA256"] as const }],
    ["no suite at all", { cipherSuites: [] }],
    ["an MTU below 256", { mtuBytes: 255 }],
    ["a port out of range", { port: 65_536 }],
  ])("%s", async (_what, options) => {
    expect(await refusal(bench.connect({ port: 1 }, options))).toMatchObject({ code: "DTLS_CONFIG", retry: "operator" });
  });

  test("a server with neither certificate nor PSK, or with a key that is not the certificate's, or not P-256", async () => {
    const { identity: _none, ...nothing } = { clock: bench.clock, host: "127.0.0.1", port: 0, identity: undefined };
    expect(await refusal(bench.server({ ...nothing, cipherSuites: ["PSK-AES128-GCM-SHA256"] }))).toMatchObject({ code: "DTLS_CONFIG" });
    const mixed = { certificateChainPem: pki.server.chainPem, privateKeyPem: makeCertificate({ name: "x" }).privateKeyPem };
    expect(await refusal(bench.server({ identity: mixed }))).toMatchObject({ code: "DTLS_CONFIG" });
    const rsa = makeCertificate({ name: host, key: "rsa2048" });
    expect(await refusal(bench.server({ identity: identityOf(rsa) }))).toMatchObject({ code: "DTLS_CONFIG" });
  });
});
