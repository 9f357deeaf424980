// Connection ID agreed on by those who both speak it and nobody else: every suite, full and resumed, and what is then on the wire, read by a second reader.
import { describe, expect, test } from "vitest";
import { memorySessionStore } from "../../../../transports/dtls/sessions.ts";
import type { DtlsAssociation, DtlsCipherSuite } from "../../../../transports/dtls/types.ts";
import { masterSecretOf, readCapture, type WireRecord } from "../../../support/cid-reader.ts";
import { closed, dtlsBench, echo, exchange, refusal, rootsOf, unhurried } from "../../../support/dtls-bench.ts";
import { makePki } from "../../../support/test-pki.ts";
import { alertDeadline, refusalsOf } from "../refusals.ts";

const bench = dtlsBench();
const certificateSuites: readonly DtlsCipherSuite[] = [
  "ECDHE-ECDSA-AES128-GCM-SHA256",
  "ECDHE-ECDSA-AES256-GCM-SHA384",
  "ECDHE-ECDSA-AES128-CCM8",
];
const pskSuites: readonly DtlsCipherSuite[] = ["PSK-AES128-GCM-SHA256", "PSK-AES128-CCM8"];
const psk = { kind: "psk", identity: "vehicle-1", key: Uint8Array.from({ length: 16 }, (_, i) => i * 3) } as const;
const both = { connectionId: true } as const;

/** Handshake message types, from the CertificateVerify-less flights of one side: 1 ClientHello, 2 ServerHello, 20 Finished. */
const finished = 20;

describe("who speaks it", () => {
  const cases = [true, false].flatMap((client) =>
    [true, false].flatMap((server) => [false, true].map((resumed) => ({ client, server, resumed }))),
  );

  test.each(cases)("client $client, server $server, resumed $resumed", async ({ client, server: speaks, resumed }) => {
    const server = await bench.server({ ...unhurried, connectionId: speaks });
    const proxy = await bench.proxy(server);
    const sessions = memorySessionStore();
    const options = { ...unhurried, connectionId: client, sessions };
    if (resumed) {
      const first = await bench.connect(proxy, options);
      await echo(first, bench.clock);
      const ended = closed(server.links[0] ?? first);
      first.close();
      await ended;
    }
    const before = proxy.seen.length;
    const link = await bench.connect(proxy, options);
    await exchange(link, 32);
    const agreed = client && speaks;
    expect(link).toMatchObject({ resumed, survivesRebinding: agreed });
    expect(server.links.at(-1)).toMatchObject({ resumed, survivesRebinding: agreed });
    const [stored = new Uint8Array(0)] = sessions.entries().values();
    const records = readCapture(proxy.seen.slice(before), masterSecretOf(stored), { cidUp: 8, cidDown: 0 });
    const encrypted = records.filter(({ epoch }) => epoch > 0);
    expect(encrypted.length).toBe(4);
    for (const { direction, type, cid, inner } of encrypted) {
      expect(inner).toBeDefined();
      expect(type === 25).toBe(agreed && direction === "up");
      expect(cid.length).toBe(agreed && direction === "up" ? 16 : 0);
    }
    const inside = (direction: "up" | "down"): (number | undefined)[] =>
      encrypted.filter((one) => one.direction === direction).map(({ inner }) => inner?.type);
    expect([inside("up"), inside("down")]).toEqual([
      [22, 23],
      [22, 23],
    ]);
    expect(encrypted[0]?.inner?.content[0]).toBe(finished);
  });

  test("a ClientHello differs by the two extensions only when it is asked for, and a silent server's answer not at all", async () => {
    const server = await bench.server(unhurried);
    const sizes: number[][] = [];
    for (const connectionId of [false, true]) {
      const proxy = await bench.proxy(server);
      await exchange(await bench.connect(proxy, { ...unhurried, connectionId }), 32);
      sizes.push(proxy.seen.map(({ datagram }) => datagram.length));
    }
    const [plain = [], asking = []] = sizes;
    // Extension 54 with an empty CID and 61 without content: 5 and 4 octets, in both ClientHellos.
    expect(asking.map((size, i) => size - (plain[i] ?? 0))).toEqual([9, 0, 9, expect.any(Number), 0, 0, 0, 0]);
  });
});

describe("every suite", () => {
  test.each(certificateSuites)("%s", async (suite) => {
    const server = await bench.server({ ...both, cipherSuites: certificateSuites });
    const proxy = await bench.proxy(server);
    const sessions = memorySessionStore();
    const link = await bench.connect(proxy, { ...both, cipherSuites: [suite], sessions });
    for (const size of [1, 15, 16, 17, 500, link.maxDatagramBytes]) await echo(link, bench.clock, size);
    expect(link).toMatchObject({ cipherSuite: suite, survivesRebinding: true });
    const [stored = new Uint8Array(0)] = sessions.entries().values();
    const records = readCapture(proxy.seen, masterSecretOf(stored), { cidUp: 8, cidDown: 0 }).filter(({ epoch }) => epoch > 0);
    expect(records.every(({ inner }) => inner !== undefined)).toBe(true);
    expect(distinctNumbers(records)).toBe(records.length);
    expect(Math.max(...proxy.seen.map(({ datagram }) => datagram.length))).toBe(1_200);
    const overhead = suite.endsWith("CCM8") ? 38 : 46;
    expect(link.maxDatagramBytes).toBe(1_200 - overhead);
    expect(await refusal(Promise.resolve().then(() => link.send(new Uint8Array(link.maxDatagramBytes + 1))))).toMatchObject({
      code: "DTLS_TOO_LARGE",
    });
  });

  test.each(pskSuites)("%s", async (suite) => {
    const server = await bench.server({ ...both, cipherSuites: pskSuites, psk: (id) => (id === psk.identity ? psk.key : undefined) });
    const proxy = await bench.proxy(server);
    const link = await bench.connect(proxy, { ...both, trust: psk, cipherSuites: [suite] });
    for (const size of [1, 500, link.maxDatagramBytes]) await echo(link, bench.clock, size);
    proxy.rebind();
    await echo(link, bench.clock);
    expect(link).toMatchObject({ cipherSuite: suite, survivesRebinding: true });
  });
});

function distinctNumbers(records: readonly WireRecord[]): number {
  return new Set(records.map(({ direction, epoch, sequence }) => `${direction} ${epoch} ${sequence}`)).size;
}

test("each association has a name of its own, a resumed one too", async () => {
  const server = await bench.server(both);
  const proxy = await bench.proxy(server);
  const sessions = memorySessionStore();
  for (let i = 0; i < 6; i++) await echo(await bench.connect(proxy, { ...both, sessions }), bench.clock);
  const names = proxy.seen.flatMap(({ direction, datagram }) =>
    direction === "up" && datagram[0] === 25 ? [Buffer.from(datagram.subarray(11, 19)).toString("hex")] : [],
  );
  expect(new Set(names).size).toBe(6);
});

describe("ends are heard in both directions", () => {
  test("close_notify of the client, of the server", async () => {
    const server = await bench.server(both);
    const ends: [DtlsAssociation, DtlsAssociation][] = [];
    for (let i = 0; i < 2; i++) {
      const link = await bench.connect(server, both);
      await echo(link, bench.clock);
      const other = server.links.at(-1);
      if (other !== undefined) ends.push(i === 0 ? [link, other] : [other, link]);
    }
    for (const [closing, hearing] of ends) {
      const heard = closed(hearing);
      closing.close();
      expect((await heard).message).toContain("close_notify");
    }
    expect(server.size).toBe(0);
  });

  test("a refusal of the server's certificate", async () => {
    const server = await bench.server({ ...both, ...alertDeadline });
    const trust = rootsOf(makePki("other.example.test").root);
    const told = await refusalsOf(server, () => bench.connect(server, { ...both, trust }));
    expect(told.client).toMatchObject({ code: "TLS_UNTRUSTED" });
    expect(told.server).toMatchObject({ code: "DTLS_ALERT", data: { alert: 48 } });
    expect(server.size).toBe(0);
  });
});
