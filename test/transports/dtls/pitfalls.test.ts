// The thirteen ways in which a binding to OpenSSL goes wrong, one test each, numbered as in the design notes.
import { createPrivateKey } from "node:crypto";
import fc from "fast-check";
import koffi from "koffi";
import { describe, expect, test } from "vitest";
import { concatBytes } from "../../../base/bytes.ts";
import { VirtualClock } from "../../../base/clock.ts";
import { createContext } from "../../../transports/dtls/context.ts";
import { Engine, type EngineOptions } from "../../../transports/dtls/engine.ts";
import { failureOf } from "../../../transports/dtls/failures.ts";
import { bindOpenSsl, type KoffiModule, loadOpenSsl } from "../../../transports/dtls/openssl.ts";
import { contentTypes } from "../../../transports/dtls/records.ts";
import { memorySessionStore } from "../../../transports/dtls/sessions.ts";
import { closed, dtlsBench, echo, host, identityOf, pki, refusal, rootsOf } from "../../support/dtls-bench.ts";
import { makeCertificate } from "../../support/test-pki.ts";
import { alertDeadline, alertedBy } from "./refusals.ts";

const bench = dtlsBench();
const psk = { kind: "psk", identity: "vehicle-1", key: new Uint8Array(16).fill(7) } as const;

/** Two engines that hand each other their datagrams within the same call. */
async function enginePair(): Promise<{ client: Engine; server: Engine; carry: () => Uint8Array[]; hooksCalled: string[] }> {
  const openssl = await loadOpenSsl();
  const hooksCalled: string[] = [];
  const queues = { client: [] as Uint8Array[], server: [] as Uint8Array[] };
  const make = (role: "client" | "server", hooks: EngineOptions["hooks"]): Engine => {
    const identity = role === "server" ? identityOf(pki.server) : undefined;
    const context = createContext(openssl, {
      role,
      suites: ["ECDHE-ECDSA-AES128-GCM-SHA256"],
      identity,
      peerCertificate: role === "client" ? "require" : "none",
    });
    const engine = new Engine({
      openssl,
      context,
      role,
      mtuBytes: 1200,
      retransmitInitialMs: 1_000,
      peer: () => role,
      hooks,
      transmit: (datagram) => queues[role].push(datagram),
    });
    openssl.c.SSL_CTX_free(context);
    bench.defer(() => engine.free());
    return engine;
  };
  const client = make("client", {
    verify: () => {
      hooksCalled.push("verify");
      return 0;
    },
  });
  const server = make("server", {
    cookie: () => {
      hooksCalled.push("cookie");
      return Uint8Array.of(1, 2, 3);
    },
    checkCookie: (cookie) => {
      hooksCalled.push("checkCookie");
      return Buffer.compare(cookie, Uint8Array.of(1, 2, 3)) === 0;
    },
  });
  /** Until both are silent; answers what the server read. */
  const carry = (): Uint8Array[] => {
    const read: Uint8Array[] = [];
    while (queues.client.length + queues.server.length > 0) {
      for (const datagram of queues.client.splice(0)) read.push(...server.receive(datagram).plaintexts);
      for (const datagram of queues.server.splice(0)) client.receive(datagram);
    }
    return read;
  };
  return { client, server, carry, hooksCalled };
}

describe("1: a freed SSL is never touched again", () => {
  test("every method of an engine that was freed does nothing", async () => {
    const openssl = await loadOpenSsl();
    const { client, server, carry } = await enginePair();
    client.advance();
    carry();
    expect([client.state, server.state]).toEqual(["open", "open"]);
    client.free();
    client.free();
    client.shutdown();
    client.setServerName("x");
    const nothing = { opened: false, plaintexts: [], ended: undefined };
    const record = Uint8Array.of(23, 0xfe, 0xfd, 0, 1, 0, 0, 0, 0, 0, 9, 0, 1, 0);
    expect([client.advance(), client.receive(record), client.write(record), client.retransmit()]).toEqual([
      nothing,
      nothing,
      nothing,
      nothing,
    ]);
    expect([client.offerSession(record), client.listen(record, 1n), client.session(), client.retransmitInMs()]).toEqual([
      false,
      false,
      undefined,
      undefined,
    ]);
    const facts = [
      client.state,
      client.maxPlaintextBytes,
      client.cipherSuite,
      client.resumed,
      client.pskIdentity,
      client.peerCertificates(),
    ];
    expect(facts).toEqual(["ended", 0, "", false, undefined, []]);
    server.free();
    expect(openssl.hooks.size).toBe(0);
  });

  test("a listener that closes in the middle of a datagram with several records gets no more of them", async () => {
    const server = await bench.server();
    let held: Uint8Array | undefined;
    let isGluing = false;
    const proxy = await bench.proxy(server, {
      alter: (datagram, direction) => {
        if (!isGluing || direction === "down" || datagram[0] !== contentTypes.applicationData) return [datagram];
        if (held === undefined) {
          held = datagram;
          return [];
        }
        return [concatBytes(held, datagram)];
      },
    });
    const link = await bench.connect(proxy);
    await echo(link, bench.clock);
    const serverLink = server.links[0] ?? link;
    const got: number[] = [];
    serverLink.onDatagram((datagram) => {
      got.push(datagram[0] ?? -1);
      serverLink.close();
    });
    isGluing = true;
    link.send(Uint8Array.of(1));
    link.send(Uint8Array.of(2));
    await closed(link);
    expect(got).toEqual([1]);
  });
});

test("2: callbacks are registered once and outlive every SSL_CTX", async () => {
  const cycle = async (): Promise<void> => {
    const server = await bench.server({ psk: () => psk.key });
    const links = [await bench.connect(server), await bench.connect(server, { trust: psk })];
    await server.close();
    await Promise.all(links.map(closed));
  };
  await cycle();
  const before = koffi.stats().callbacks;
  for (let i = 0; i < 10; i++) await cycle();
  expect(koffi.stats().callbacks).toBe(before);
  expect((await loadOpenSsl()).hooks.size).toBe(0);
});

test("3: what a callback throws is kept as the reason, refuses the handshake, and harms nobody else", async () => {
  const fault = new Error("the key store is on fire");
  const server = await bench.server({
    psk: (identity) => {
      if (identity === "unlucky") throw fault;
      return psk.key;
    },
  });
  const told = server.refused();
  const failed = await alertedBy(() => bench.connect(server, { ...alertDeadline, trust: { ...psk, identity: "unlucky" } }));
  expect(failed).toMatchObject({ code: "DTLS_ALERT" });
  expect(await told).toMatchObject({ code: "INTERNAL", cause: fault });
  await echo(await bench.connect(server, { trust: psk }), bench.clock);
});

test("4: callbacks run inside the call that needs them: a whole handshake takes no turn of the event loop", async () => {
  const { client, server, carry, hooksCalled } = await enginePair();
  let turned = false;
  queueMicrotask(() => {
    turned = true;
  });
  client.advance();
  carry();
  client.write(Uint8Array.of(42));
  expect(carry()).toEqual([Uint8Array.of(42)]);
  expect([client.state, server.state, turned]).toEqual(["open", "open", false]);
  expect(hooksCalled).toEqual(["cookie", "checkCookie", "verify"]);
});

test("5: the error queue is emptied after failures, and what others left in it is not taken for ours", async () => {
  const openssl = await loadOpenSsl();
  const server = await bench.server();
  await refusal(bench.connect(server, { trust: rootsOf(makeCertificate({ name: "other", ca: true })) }));
  await refusal(bench.connect(server, { cipherSuites: ["ECDHE-ECDSA-AES128-CCM8"] }));
  expect(() => openssl.certificateFromDer(Uint8Array.of(0x30, 3, 1, 2, 3))).toThrow(expect.objectContaining({ code: "DTLS_CONFIG" }));
  expect(openssl.drainErrors()).toEqual([]);
  // Node's own errors are its own.
  expect(() => createPrivateKey("not a key")).toThrow(expect.objectContaining({ code: "ERR_OSSL_UNSUPPORTED" }));
  // And a stale entry of somebody else does not fail a handshake.
  const context = createContext(openssl, { role: "client", suites: ["ECDHE-ECDSA-AES128-GCM-SHA256"], peerCertificate: "require" });
  const link = await bench.connect(server);
  expect(openssl.c.SSL_CTX_set_cipher_list(context, "NONSENSE")).toBe(0);
  await echo(link, bench.clock);
  openssl.c.SSL_CTX_set_cipher_list(context, "NONSENSE");
  await echo(await bench.connect(server), bench.clock);
  openssl.c.SSL_CTX_free(context);
});

test("6: a resumed session is verified like a new one", async () => {
  const server = await bench.server();
  const sessions = memorySessionStore();
  await echo(await bench.connect(server, { sessions }), bench.clock);
  const [session = new Uint8Array(0)] = sessions.entries().values();
  const careless = { load: () => session, save: () => {}, forget: () => {} };
  expect((await bench.connect(server, { sessions: careless })).resumed).toBe(true);
  const elsewhere = refusal(bench.connect(server, { sessions: careless, serverName: "elsewhere.example.test" }));
  expect(await elsewhere).toMatchObject({ code: "TLS_HOST_MISMATCH" });
});

test("7: a wrong PSK gives no alert, only silence, and the error says what that may mean", async () => {
  const server = await bench.server({ psk: () => psk.key, handshakeTimeoutMs: 700 });
  const told = server.refused();
  const trust = { ...psk, key: new Uint8Array(16).fill(8) };
  const failed = await refusal(bench.connect(server, { trust, handshakeTimeoutMs: 500 }));
  expect(failed).toMatchObject({ code: "DTLS_TIMEOUT", retry: "online" });
  expect(failed.message).toContain("wrong PSK possible");
  expect(await told).toMatchObject({ code: "DTLS_TIMEOUT" });
  expect(server.links).toEqual([]);
});

describe("8: security level 0 comes only with CCM_8, and lets nothing else in", () => {
  const offer = async (options: Parameters<typeof bench.connect>[1]): Promise<ClientHello> => {
    const server = await bench.server({ cipherSuites: ["ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES128-CCM8"] });
    const proxy = await bench.proxy(server);
    await bench.connect(proxy, options);
    return readClientHello(proxy.seen[0]?.datagram ?? new Uint8Array(0));
  };
  const digests = [0x0403, 0x0503, 0x0603, 0x0401, 0x0501, 0x0601];

  test("by default: two GCM suites, P-256, SHA-2, the name", async () => {
    const hello = await offer({});
    expect(hello).toEqual({
      suites: [0xc02b, 0xc02c],
      groups: [0x0017],
      signatureAlgorithms: digests,
      serverName: host,
      hasTicket: false,
    });
  });

  test("with CCM_8: that suite more, and nothing else", async () => {
    const hello = await offer({ cipherSuites: ["ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES128-CCM8"] });
    expect(hello).toEqual({
      suites: [0xc02b, 0xc0ae],
      groups: [0x0017],
      signatureAlgorithms: digests,
      serverName: host,
      hasTicket: false,
    });
  });

  test("a weak issuer is refused at level 0 too", async () => {
    const weak = makeCertificate({ name: "Weak CA", ca: true, key: "rsa1024" });
    const leaf = makeCertificate({ name: host, issuer: weak, altNames: [host] });
    const cipherSuites = ["ECDHE-ECDSA-AES128-CCM8"] as const;
    const server = await bench.server({ identity: identityOf(leaf), cipherSuites });
    expect(await refusal(bench.connect(server, { trust: rootsOf(weak), cipherSuites }))).toMatchObject({ code: "TLS_UNTRUSTED" });
  });
});

test("9: an overall deadline by the Clock, whatever OpenSSL's own back-off", async () => {
  const clock = new VirtualClock();
  const server = await bench.server();
  const proxy = await bench.proxy(server, { alter: () => [] });
  const failed = await refusal(clock.runUntil(bench.connect(proxy, { clock, handshakeTimeoutMs: 60_000 })));
  expect(failed).toMatchObject({ code: "DTLS_TIMEOUT" });
  expect(clock.monotonicMs()).toBeGreaterThanOrEqual(60_000);
  // OpenSSL would have gone on for minutes; here no timer is left.
  expect(clock.nextTimerInMs()).toBeUndefined();
});

test("10: a CoAP block of 1,024 octets fits the MTU, and what does not is refused by size", async () => {
  const server = await bench.server();
  const proxy = await bench.proxy(server);
  const link = await bench.connect(proxy);
  await echo(link, bench.clock, 1_024 + 49);
  expect(Math.max(...proxy.seen.map(({ datagram }) => datagram.length))).toBeLessThanOrEqual(1_110);
  expect(() => link.send(new Uint8Array(1_400))).toThrow(expect.objectContaining({ code: "DTLS_TOO_LARGE", retry: "never" }));
});

test("11: errors are told apart by number; the text of any OpenSSL version may say what it likes", () => {
  const cases = [
    [1040, "DTLS_ALERT"],
    [1048, "DTLS_ALERT"],
    [312, "DTLS_TIMEOUT"],
    [181, "DTLS_CONFIG"],
    [134, "DTLS_HANDSHAKE"],
    [193, "DTLS_HANDSHAKE"],
  ] as const;
  fc.assert(
    fc.property(fc.constantFrom(...cases), fc.string(), fc.string(), ([reason, code], text, other) => {
      const before = { library: 11, reason: 1040, text: other };
      expect(failureOf([before, { library: 20, reason, text }], "peer").code).toBe(code);
      expect(
        failureOf(
          [
            { library: 20, reason, text },
            { ...before, library: 4 },
          ],
          "peer",
        ).code,
      ).toBe(code);
    }),
    { seed: 5 },
  );
  expect(failureOf([], "peer").code).toBe("DTLS_HANDSHAKE");
});

test("12: closing says close_notify once, frees, and waits for nothing", async () => {
  const openssl = await loadOpenSsl();
  const server = await bench.server();
  let isOpen = true;
  const proxy = await bench.proxy(server, { alter: (datagram, direction) => (isOpen || direction === "up" ? [datagram] : []) });
  const link = await bench.connect(proxy);
  await echo(link, bench.clock);
  isOpen = false;
  const held = openssl.hooks.size;
  const sent = link.counters.sentDatagrams;
  const ends: Error[] = [];
  link.onClosed((reason) => ends.push(reason));
  link.close();
  // Here and now, though the peer's answer is never to come.
  expect(ends).toMatchObject([{ code: "DTLS_CLOSED" }]);
  expect(openssl.hooks.size).toBe(held - 1);
  expect(link.counters.sentDatagrams).toBe(sent + 1);
  expect(await closed(server.links[0] ?? link)).toMatchObject({ code: "DTLS_CLOSED" });
  expect(proxy.seen.at(-1)?.direction === "up" ? proxy.seen.at(-1)?.datagram[0] : contentTypes.alert).toBe(contentTypes.alert);
});

describe("13: a Node that does not export its OpenSSL is told at the start, by the symbols it lacks", () => {
  const lacking = (...names: readonly string[]): KoffiModule => {
    const library = koffi.load(null);
    const func = (name: string, result: string, args: string[]): unknown => {
      if (names.includes(name)) throw new Error("Cannot find function in shared library");
      return library.func(name, result, args);
    };
    return { ...koffi, load: () => ({ ...library, func }) as ReturnType<typeof koffi.load> };
  };

  test("one or several symbols missing", () => {
    const bind = (): unknown => bindOpenSsl(lacking("DTLSv1_listen", "SSL_get1_peer_certificate"));
    expect(bind).toThrow(
      expect.objectContaining({
        code: "OPENSSL_MISSING",
        retry: "operator",
        data: { missing: ["SSL_get1_peer_certificate", "DTLSv1_listen"] },
      }),
    );
  });

  test("no way to search the process", () => {
    const load = (): never => {
      throw new Error("denied");
    };
    expect(() => bindOpenSsl({ ...koffi, load })).toThrow(expect.objectContaining({ code: "OPENSSL_MISSING" }));
  });
});

interface ClientHello {
  readonly suites: number[];
  readonly groups: number[];
  readonly signatureAlgorithms: number[];
  readonly serverName: string;
  readonly hasTicket: boolean;
}

/** RFC 6347 §4.2.1 and RFC 5246 §7.4.1.2, as far as the tests ask. */
function readClientHello(datagram: Uint8Array): ClientHello {
  const view = new DataView(datagram.buffer, datagram.byteOffset, datagram.byteLength);
  // record and handshake headers, version, random
  let at = 13 + 12 + 2 + 32;
  at += 1 + view.getUint8(at); // session id
  at += 1 + view.getUint8(at); // cookie
  const numbers = (start: number, length: number): number[] => Array.from({ length: length / 2 }, (_, i) => view.getUint16(start + 2 * i));
  // Without 00FF, which is no suite: some versions say by it what others say by an extension (RFC 5746).
  const suites = numbers(at + 2, view.getUint16(at)).filter((suite) => suite !== 0x00ff);
  at += 2 + view.getUint16(at);
  at += 1 + view.getUint8(at); // compression
  const end = at + 2 + view.getUint16(at);
  const extensions = new Map<number, number>();
  for (at += 2; at < end; at += 4 + view.getUint16(at + 2)) extensions.set(view.getUint16(at), at + 4);
  const list = (type: number): number[] => {
    const start = extensions.get(type) ?? Number.NaN;
    return numbers(start + 2, view.getUint16(start));
  };
  const name = extensions.get(0) ?? Number.NaN;
  const serverName = Buffer.from(datagram.subarray(name + 5, name + 5 + view.getUint16(name + 3))).toString("latin1");
  return { suites, groups: list(10), signatureAlgorithms: list(13), serverName, hasTicket: extensions.has(35) };
}
