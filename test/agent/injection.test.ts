// The daemon's side of injection: that it listens where it is told to, tries again where it cannot, knows eIMs by what the eUICC holds, and keeps count.
import { createServer } from "node:net";
import { afterEach, describe, expect, test } from "vitest";
import type { AuditEvent } from "../../agent/audit/types.ts";
import { parseConfig } from "../../agent/config/load.ts";
import { createInjection, type Injection } from "../../agent/injection.ts";
import { fromHex, toHexUpper } from "../../base/bytes.ts";
import { SystemClock, VirtualClock } from "../../base/clock.ts";
import type { SimwardError } from "../../base/errors.ts";
import { silentLog } from "../../base/log.ts";
import { seededRandom } from "../../base/random.ts";
import { openInjector } from "../../hw-sim/eim/inject.ts";
import type { Identity } from "../../hw-sim/pki/pki.ts";
import type { EimAsClient } from "../../ipa/esipa/endpoint.ts";
import { openDtls } from "../../transports/dtls/dtls.ts";
import { injectionConfig, injectionCredentials, vehicleCertificate } from "../support/e2e-injection.ts";
import { makeCertificate, type TestCertificate } from "../support/test-pki.ts";

const clock = new VirtualClock();
const wire = new SystemClock();
const message = fromHex("BF4E04BF520100");
const stops: (() => unknown)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0).reverse()) await stop();
});

interface Bench {
  readonly injection: Injection;
  readonly problems: (string | undefined)[];
  readonly records: AuditEvent[];
  /** Whom the IPA was told that the peer is. */
  readonly sources: (readonly string[])[];
  /** Resolves with where it listens. */
  readonly listening: Promise<number>;
  bring(port: number, identity?: TestCertificate): Promise<string>;
}

function bench(more: string, injectors: readonly EimAsClient[] = [], credentials = injectionCredentials): Bench {
  const problems: (string | undefined)[] = [];
  const records: AuditEvent[] = [];
  const sources: (readonly string[])[] = [];
  let told: (port: number) => void = () => undefined;
  const listening = new Promise<number>((resolve) => {
    told = resolve;
  });
  const { injection: config } = parseConfig(`[modem]\naddress = "pty:/tmp/modem"\n${more}`);
  const injection = createInjection({
    config,
    ipa: {
      injectors,
      transferEimPackage: async (_message, { eimIds }) => {
        sources.push(eimIds);
        return fromHex("BF4E020500");
      },
    },
    clock,
    random: seededRandom(3),
    log: silentLog,
    record: async (event) => void records.push(event),
    credential: async (name) => credentials[name] ?? "",
    onProblem: (problem) => void problems.push(problem?.code),
    onListening: ({ port }) => told(port),
  });
  stops.push(() => injection.stop());
  return {
    injection,
    problems,
    records,
    sources,
    listening,
    bring: async (port, identity) => {
      const pem = identity && ({ certificatePem: identity.chainPem || identity.pem, privateKeyPem: identity.privateKeyPem } as Identity);
      const target = { https: `127.0.0.1:${port}`, certificate: vehicleCertificate.der };
      const options = {
        scheme: "https",
        encoding: "asn1",
        target,
        identity: pem,
        dtls: openDtls(),
        clock: wire,
        random: seededRandom(4),
      } as const;
      const injector = await openInjector(options);
      stops.push(() => injector.close());
      return injector.transfer(message).then(toHexUpper, (error: SimwardError) => String(error.data.status ?? error.code));
    },
  };
}

const https = (more = ""): string => injectionConfig(`schemes = ["https"]\n${more}`);

describe("where it listens", () => {
  test("nowhere while it is not enabled", async () => {
    const { injection, problems } = bench("");
    injection.start();
    await clock.advance(600_000);
    await injection.stop();
    expect(problems).toEqual([]);
  });

  test("a port that is taken is a problem until it is free", async () => {
    const other = createServer();
    const port = await new Promise<number>((resolve) => {
      other.listen(0, "127.0.0.1", () => resolve((other.address() as { readonly port: number }).port));
    });
    const taken = bench(injectionConfig('schemes = ["https"]\n', `https_port = ${port}\n`));
    taken.injection.start();
    while (taken.problems.length === 0) await wire.sleep(5);
    expect(taken.problems).toEqual(["INJECTION_LISTEN"]);
    await new Promise((resolve) => other.close(resolve));
    await clock.advance(60_000);
    expect(await taken.listening).toBe(port);
    while (taken.problems.length === 1) await wire.sleep(5);
    expect(taken.problems).toEqual(["INJECTION_LISTEN", undefined]);
    expect(await taken.bring(port)).toBe("BF4E020500");
  });

  for (const [what, credentials] of [
    ["no key", {}],
    ["a key that is not the certificate's", { ...injectionCredentials, "injection-key": makeCertificate({ name: "other" }).privateKeyPem }],
    ["a certificate that is none", { ...injectionCredentials, "injection-certificate": "certificate" }],
  ] as const)
    test(`${what} is a problem, and nothing else`, async () => {
      const broken = bench(injectionConfig(), [], credentials);
      broken.injection.start();
      while (broken.problems.length === 0) await wire.sleep(5);
      expect(broken.problems).toEqual(["INJECTION_LISTEN"]);
    });

  test("a configuration that is enabled needs addresses, a certificate and a key", () => {
    const modem = '[modem]\naddress = "pty:/tmp/modem"\n[injection]\nenabled = true\n';
    expect(() => parseConfig(modem)).toThrow(/injection needs listen/);
    expect(() => parseConfig(`${modem}listen = ["127.0.0.1"]\n`)).toThrow(/injection needs certificate_credential and key_credential/);
  });
});

describe("who is known", () => {
  const ca = makeCertificate({ name: "CA", ca: true });
  const both = { issuer: ca, altNames: ["eim.example"] };
  const [one, two] = [makeCertificate({ name: "one", ...both }), makeCertificate({ name: "two", ...both })];

  // shows: d6.inject-trust
  test("who holds the trusted key is that eIM alone, even where an issuer would vouch for it as another; an issuer's word needs the name", async () => {
    const injectors: EimAsClient[] = [
      { eimId: "by-issuer", trust: { kind: "certificate", der: ca.der }, name: "eim.example" },
      { eimId: "by-key", trust: { kind: "publicKey", spki: two.spki }, name: undefined },
    ];
    const { injection, listening, bring, sources } = bench(https(), injectors);
    injection.start();
    const port = await listening;
    for (const certificate of [one, two, undefined]) expect(await bring(port, certificate)).toBe("BF4E020500");
    expect(sources).toEqual([["by-issuer"], ["by-key"], []]);
  });

  test("an eIM that is deleted while its connection is open is nobody from then on", async () => {
    const injectors: EimAsClient[] = [{ eimId: "one", trust: { kind: "publicKey", spki: one.spki }, name: undefined }];
    const { injection, listening, sources, records } = bench(https(), injectors);
    injection.start();
    const target = { https: `127.0.0.1:${await listening}`, certificate: vehicleCertificate.der };
    const identity = { certificatePem: one.pem, privateKeyPem: one.privateKeyPem } as Identity;
    const options = {
      scheme: "https",
      encoding: "asn1",
      target,
      identity,
      dtls: openDtls(),
      clock: wire,
      random: seededRandom(4),
    } as const;
    const injector = await openInjector(options);
    stops.push(() => injector.close());
    expect(toHexUpper(await injector.transfer(message))).toBe("BF4E020500");
    injectors.length = 0;
    expect(toHexUpper(await injector.transfer(message))).toBe("BF4E0302017F");
    expect([sources, records.at(-1)?.data]).toEqual([[["one"]], expect.objectContaining({ code: "TLS_UNTRUSTED" })]);
  });
});

describe("how much", () => {
  test("each eIM has its allowance, the others share one, and the trail is not filled", async () => {
    const eim = makeCertificate({ name: "eIM" });
    const injectors: EimAsClient[] = [{ eimId: "one", trust: { kind: "certificate", der: eim.der }, name: undefined }];
    const { injection, listening, bring, records } = bench(https("requests_per_minute = 2\nunproven_requests_per_minute = 1\n"), injectors);
    injection.start();
    const port = await listening;
    const answers: string[] = [];
    for (let i = 0; i < 12; i++) answers.push(await bring(port));
    expect(answers.filter((answer) => answer === "BF4E020500")).toHaveLength(1);
    expect(answers.filter((answer) => answer === "429")).toHaveLength(11);
    expect(records).toHaveLength(6);
    for (const answer of ["BF4E020500", "BF4E020500", "429"]) expect(await bring(port, eim)).toBe(answer);
    await clock.advance(60_000);
    expect([await bring(port, eim), await bring(port), await bring(port)]).toEqual(["BF4E020500", "BF4E020500", "429"]);
    expect(records.at(-1)?.data).toMatchObject({ code: "INJECTION_LIMIT", eimId: null, unrecorded: 6 });
  });

  test("an eIM that opens a connection for each message has its whole allowance", async () => {
    const eim = makeCertificate({ name: "eIM" });
    const injectors: EimAsClient[] = [{ eimId: "one", trust: { kind: "certificate", der: eim.der }, name: undefined }];
    const { injection, listening, bring } = bench(https("requests_per_minute = 24\nmax_peers = 32\n"), injectors);
    injection.start();
    const port = await listening;
    for (let i = 0; i < 24; i++) expect(await bring(port, eim)).toBe("BF4E020500");
    expect(await bring(port, eim)).toBe("429");
  });
});
