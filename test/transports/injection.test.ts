// The servers for injection against peers of every kind: with the right certificate, a wrong one, none; too large, too slow, too many, and garbage.
import { createSocket } from "node:dgram";
import { connect as connectTcp, type Socket } from "node:net";
import { connect as connectTls, type TLSSocket } from "node:tls";
import { afterEach, beforeAll, describe, expect, test } from "vitest";
import { equalBytes, fromHex, toHexUpper } from "../../base/bytes.ts";
import { SystemClock, VirtualClock } from "../../base/clock.ts";
import { SimwardError } from "../../base/errors.ts";
import { seededRandom } from "../../base/random.ts";
import { type Injector, openInjector } from "../../hw-sim/eim/inject.ts";
import type { Identity } from "../../hw-sim/pki/pki.ts";
import { checkClientIdentity } from "../../transports/certificates.ts";
import { createCoapClient } from "../../transports/coap/client.ts";
import { openDtls } from "../../transports/dtls/dtls.ts";
import { type InjectionLimits, type InjectionPeer, type InjectionServer, listenForInjection } from "../../transports/injection.ts";
import { createRateLimit, createRateLimits } from "../../transports/rate.ts";
import { makeCertificate, oids, type TestCertificate } from "../support/test-pki.ts";

const clock = new SystemClock();
const dtls = openDtls();
const random = seededRandom(5);
const message = fromHex("BF4E04BF520100");
const answer = fromHex("BF4E020500");
const schemes = ["coaps", "https"] as const;
const both = [oids.serverAuth, oids.clientAuth];

let ca: TestCertificate;
let vehicle: TestCertificate;
let eim: TestCertificate;
beforeAll(() => {
  ca = makeCertificate({ name: "CA", ca: true });
  vehicle = makeCertificate({ name: "vehicle", altNames: ["127.0.0.1"] });
  eim = makeCertificate({ name: "eIM", issuer: ca, altNames: ["eim.example"], extendedKeyUsage: both });
});

/** The eIM was deleted from the card. */
let isRevoked = false;

const stops: (() => unknown)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0).reverse()) await stop();
});

interface Bench {
  readonly server: InjectionServer;
  /** What `handle` was given. */
  readonly heard: { readonly peer: InjectionPeer; readonly message: Uint8Array }[];
  readonly refused: SimwardError[];
  /** Resolves when so many were refused. */
  refusals(count: number): Promise<void>;
  open(identity?: TestCertificate): Promise<Injector>;
}

async function bench(scheme: "coaps" | "https", limits: Partial<InjectionLimits> = {}, handle?: () => Promise<Uint8Array>): Promise<Bench> {
  const heard: Bench["heard"] = [];
  const refused: SimwardError[] = [];
  const waiting = new Set<() => void>();
  const server = await listenForInjection({
    scheme,
    host: "127.0.0.1",
    port: 0,
    identity: { certificateChainPem: vehicle.pem, privateKeyPem: vehicle.privateKeyPem },
    dtls,
    clock,
    random,
    limits: { connectionsPerMinute: 1_000, ...limits },
    judge: (presented, time) => {
      if (isRevoked) throw new SimwardError("TLS_UNTRUSTED", { detail: "the eIM is no longer associated" });
      checkClientIdentity(presented, { trust: { kind: "certificate", der: ca.der }, name: "eim.example", time });
    },
    handle: async (peer, octets) => {
      heard.push({ peer, message: octets });
      return { status: 200, body: (await handle?.()) ?? answer };
    },
    onRefused: (_peer, reason) => {
      refused.push(reason);
      for (const check of [...waiting]) check();
    },
  });
  stops.push(() => server.close());
  return {
    server,
    heard,
    refused,
    refusals: (count) =>
      new Promise((resolve) => {
        const check = (): void => {
          if (refused.length >= count) resolve();
        };
        waiting.add(check);
        check();
      }),
    open: async (identity) => {
      const pem = identity && ({ certificatePem: identity.chainPem || identity.pem, privateKeyPem: identity.privateKeyPem } as Identity);
      const target = { [scheme]: `127.0.0.1:${server.port}`, certificate: vehicle.der };
      const injector = await openInjector({ scheme, encoding: "asn1", target, identity: pem, dtls, clock, random });
      stops.push(() => injector.close());
      return injector;
    },
  };
}

const codeOf = (run: Promise<unknown>): Promise<string> =>
  run.then(
    () => "done",
    (error: SimwardError) => error.code,
  );

const ended = (socket: Socket | TLSSocket): Promise<void> =>
  new Promise((resolve) => {
    socket.on("error", () => undefined);
    socket.on("data", () => undefined);
    socket.once("close", () => resolve());
  });

describe("who comes", () => {
  for (const scheme of schemes) {
    test(`${scheme}: with the eIM's certificate it is known by it, in each message`, async () => {
      const { heard, refused, open } = await bench(scheme);
      const injector = await open(eim);
      expect([await injector.transfer(message), await injector.transfer(message)].map(toHexUpper)).toEqual(["BF4E020500", "BF4E020500"]);
      expect(heard.map(({ message: octets }) => toHexUpper(octets))).toEqual([toHexUpper(message), toHexUpper(message)]);
      for (const { peer } of heard) {
        expect(peer).toMatchObject({ scheme, address: expect.stringMatching(/^127\.0\.0\.1:\d+$/) });
        expect(equalBytes(peer.certificates[0] ?? answer, eim.der)).toBe(true);
      }
      expect(refused).toEqual([]);
    });

    test(`${scheme}: without a certificate it is served, and known as nobody`, async () => {
      const { heard, open } = await bench(scheme);
      expect(toHexUpper(await (await open()).transfer(message))).toBe("BF4E020500");
      expect(heard[0]?.peer.certificates).toEqual([]);
    });

    const wrong: readonly (readonly [string, () => TestCertificate, string])[] = [
      ["of another CA", () => makeCertificate({ name: "eIM", altNames: ["eim.example"], extendedKeyUsage: both }), "TLS_UNTRUSTED"],
      [
        "expired",
        () =>
          makeCertificate({ name: "eIM", issuer: ca, altNames: ["eim.example"], notAfter: new Date("2021-01-01"), extendedKeyUsage: both }),
        "TLS_EXPIRED",
      ],
      [
        "of the same CA for another name",
        () => makeCertificate({ name: "SM-DP+", issuer: ca, altNames: ["dp.example"] }),
        "TLS_HOST_MISMATCH",
      ],
      [
        "for servers only",
        () => makeCertificate({ name: "eIM", issuer: ca, altNames: ["eim.example"], extendedKeyUsage: [oids.serverAuth] }),
        "TLS_UNTRUSTED",
      ],
    ];
    for (const [what, make, code] of wrong)
      test(`${scheme}: a certificate ${what} is refused before anything is read, and the next peer is served`, async () => {
        const { heard, refused, refusals, open } = await bench(scheme);
        expect(await codeOf(open(make()).then((injector) => injector.transfer(message)))).toMatch(/^(DTLS|HTTP)_/);
        await refusals(1);
        expect([heard, refused[0]?.code]).toEqual([[], code]);
        expect(toHexUpper(await (await open(eim)).transfer(message))).toBe("BF4E020500");
      });
  }

  test("coaps: a resumed association is judged again, and known by the certificate it was made with", async () => {
    const { server, heard, refused, refusals } = await bench("coaps");
    const kept = new Map<string, Uint8Array>();
    const sessions = {
      load: (key: string) => kept.get(key),
      save: ({ key, session }: { readonly key: string; readonly session: Uint8Array }) => void kept.set(key, session),
      forget: (key: string) => void kept.delete(key),
    };
    const identity = { certificateChainPem: eim.chainPem, privateKeyPem: eim.privateKeyPem };
    const trust = { kind: "certificate", der: vehicle.der } as const;
    const come = async (): Promise<boolean> => {
      const link = await dtls.connect({ host: "127.0.0.1", port: server.port, serverName: "127.0.0.1", trust, clock, identity, sessions });
      const coap = createCoapClient({ link, clock, random });
      expect((await coap.request({ method: "POST", path: "gsma/rsp2/asn1", payload: message })).code).toBe("2.04");
      coap.close();
      link.close();
      return link.resumed;
    };
    expect([await come(), await come()]).toEqual([false, true]);
    expect(heard.map(({ peer }) => equalBytes(peer.certificates[0] ?? answer, eim.der))).toEqual([true, true]);
    isRevoked = true;
    await come().catch(() => undefined);
    await refusals(1);
    isRevoked = false;
    expect([heard.length, refused[0]?.code]).toEqual([2, "TLS_UNTRUSTED"]);
  });

  test("the very certificate or key that is trusted needs no name, another one of its issuer does", () => {
    const time = { ms: Date.parse("2026-06-01"), source: "network" } as const;
    const nameless = makeCertificate({ name: "eIM", issuer: ca });
    const of = (trust: Parameters<typeof checkClientIdentity>[1]["trust"], name?: string): string =>
      checkClientIdentity([nameless.der], { trust, name, time });
    expect(of({ kind: "certificate", der: nameless.der })).toBe("leaf");
    expect(of({ kind: "publicKey", spki: nameless.spki })).toBe("leaf");
    for (const name of ["eim.example", undefined])
      expect(() => of({ kind: "certificate", der: ca.der }, name)).toThrow(expect.objectContaining({ code: "TLS_HOST_MISMATCH" }));
    expect(checkClientIdentity([eim.der], { trust: { kind: "roots", certificates: [ca.der] }, name: "eim.example", time })).toBe("issuer");
    expect(() => of({ kind: "publicKey", spki: eim.spki })).toThrow(expect.objectContaining({ code: "TLS_UNTRUSTED" }));
  });
});

describe("what comes", () => {
  for (const scheme of schemes) {
    test(`${scheme}: a message that is too large is refused, and nothing of it is handed on`, async () => {
      const { heard, open } = await bench(scheme, { maxBodyBytes: 2_048 });
      const injector = await open(eim);
      await expect(injector.transfer(new Uint8Array(20_000))).rejects.toMatchObject({ data: { status: 413 } });
      expect(heard).toEqual([]);
      expect(toHexUpper(await (await open(eim)).transfer(new Uint8Array(2_048)))).toBe("BF4E020500");
    });

    test(`${scheme}: what the handler throws is the server's error, and the next message is served`, async () => {
      let fails = 1;
      const { open, refused } = await bench(scheme, {}, async () => {
        if (fails-- > 0) throw new Error("a mistake");
        return answer;
      });
      const injector = await open(eim);
      await expect(injector.transfer(message)).rejects.toMatchObject({ data: { status: 500 } });
      expect(refused[0]?.code).toBe("INTERNAL");
      expect(toHexUpper(await injector.transfer(message))).toBe("BF4E020500");
    });
  }

  test("https: other paths, methods and types are not served", async () => {
    const { server, heard } = await bench("https");
    const ask = (request: string): Promise<string> =>
      new Promise((resolve) => {
        const socket = connectTls({ host: "127.0.0.1", port: server.port, rejectUnauthorized: false }, () => socket.write(request));
        let text = "";
        socket.on("data", (part) => {
          text += part.toString("latin1");
          if (text.includes("\r\n\r\n")) socket.destroy();
        });
        socket.on("error", () => undefined);
        socket.on("close", () => resolve(text.split("\r\n")[0] ?? ""));
      });
    const head = "Host: vehicle\r\nContent-Length: 0\r\n";
    expect(await ask(`POST /gsma/rsp2/esipa/getEimPackage HTTP/1.1\r\n${head}\r\n`)).toContain(" 404 ");
    expect(await ask("GET /gsma/rsp2/asn1 HTTP/1.1\r\nHost: vehicle\r\n\r\n")).toContain(" 405 ");
    expect(await ask(`POST /gsma/rsp2/asn1 HTTP/1.1\r\n${head}Content-Type: text/plain\r\n\r\n`)).toContain(" 415 ");
    expect(await ask("\x16\x03garbage\r\n\r\n")).toBe("");
    expect(await ask(`POST /gsma/rsp2/asn1 HTTP/1.1\r\nX-Long: ${"x".repeat(20_000)}\r\n\r\n`)).toBe("");
    expect(heard).toEqual([]);
  });

  test("https: garbage instead of TLS ends that connection only", async () => {
    const { server, open } = await bench("https");
    const socket = connectTcp(server.port, "127.0.0.1", () => socket.write("POST / HTTP/1.1\r\n\r\n"));
    await ended(socket);
    expect(toHexUpper(await (await open(eim)).transfer(message))).toBe("BF4E020500");
  });

  test("coaps: garbage is not answered, and holds no place", async () => {
    const { server, open } = await bench("coaps");
    const socket = createSocket("udp4");
    stops.push(() => socket.close());
    for (let i = 0; i < 500; i++) socket.send(random.bytes(1 + (i % 200)), server.port, "127.0.0.1");
    for (let i = 0; i < 100; i++)
      socket.send(Buffer.concat([fromHex("16FEFD0000000000000000"), random.bytes(40)]), server.port, "127.0.0.1");
    const injector = await open(eim);
    expect(toHexUpper(await injector.transfer(message))).toBe("BF4E020500");
    expect(server.peers).toBe(1);
  });
});

describe("how long and how many", () => {
  test("https: who says nothing, who does not finish, and who stays for ever is left", async () => {
    const { server, refusals, refused } = await bench("https", {
      handshakeTimeoutMs: 100,
      requestTimeoutMs: 100,
      idleTimeoutMs: 100,
      maxAgeMs: 60_000,
    });
    await ended(connectTcp(server.port, "127.0.0.1"));
    expect(refused.map(({ code }) => code)).toEqual(["HTTP_TIMEOUT"]);
    const idle = connectTls({ host: "127.0.0.1", port: server.port, rejectUnauthorized: false });
    await ended(idle);
    const slow = connectTls({ host: "127.0.0.1", port: server.port, rejectUnauthorized: false }, () => {
      slow.write("POST /gsma/rsp2/asn1 HTTP/1.1\r\nHost: v\r\nContent-Length: 100\r\n\r\nBF");
    });
    await ended(slow);
    await refusals(2);
    while (server.peers > 0) await clock.sleep(10);
  });

  test("coaps: who stays for ever is left", async () => {
    const { server, open } = await bench("coaps", { maxAgeMs: 300 });
    const injector = await open(eim);
    await injector.transfer(message);
    expect(server.peers).toBe(1);
    while (server.peers > 0) await clock.sleep(10);
  });

  test("https: when all places are taken, the oldest without a certificate makes room", async () => {
    const { server, open } = await bench("https", { maxPeers: 3 });
    const eims = await open(eim);
    await eims.transfer(message);
    const strangers = Array.from({ length: 5 }, () => connectTls({ host: "127.0.0.1", port: server.port, rejectUnauthorized: false }));
    const closed = strangers.map(ended);
    for (const socket of strangers) stops.push(() => socket.destroy());
    await Promise.all(closed.slice(0, 3));
    expect(server.peers).toBeLessThanOrEqual(3);
    expect(toHexUpper(await eims.transfer(message))).toBe("BF4E020500");
    expect(toHexUpper(await (await open(eim)).transfer(message))).toBe("BF4E020500");
  });

  test("coaps: those without a certificate never take all places", async () => {
    const { server, open } = await bench("coaps", { maxPeers: 3 });
    for (let i = 0; i < 5; i++) await (await open()).transfer(message);
    expect(server.peers).toBeLessThanOrEqual(3);
    expect(toHexUpper(await (await open(eim)).transfer(message))).toBe("BF4E020500");
  });

  for (const scheme of schemes)
    test(`${scheme}: an address that begins connection after connection is no longer heard`, async () => {
      const { open, heard } = await bench(scheme, { connectionsPerMinute: 3 });
      for (let i = 0; i < 3; i++) await (await open(eim)).transfer(message);
      const fourth = open(eim).then((injector) => injector.transfer(message));
      fourth.catch(() => undefined);
      if (scheme === "https") expect(await codeOf(fourth)).toMatch(/^HTTP_/);
      else await Promise.race([codeOf(fourth), clock.sleep(300)]);
      expect(heard).toHaveLength(3);
    });

  test("a rate is a number at once, then so many a minute; each name has its own", async () => {
    const time = new VirtualClock();
    const may = createRateLimit(time, { perMinute: 3 });
    expect([may(), may(), may(), may()]).toEqual([true, true, true, false]);
    await time.advance(20_000);
    expect([may(), may()]).toEqual([true, false]);
    await time.advance(3_600_000);
    expect([may(), may(), may(), may()]).toEqual([true, true, true, false]);
    const each = createRateLimits(time, { perMinute: 1 });
    expect([each("a"), each("a"), each("b")]).toEqual([true, false, true]);
    expect(createRateLimit(time, { perMinute: 0 })()).toBe(false);
  });
});
