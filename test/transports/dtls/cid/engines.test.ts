// Two engines without sockets: CIDs of every length both ways, orders of records that a network can bring about, what cannot be negotiated, what cannot be sealed.
import { afterEach, describe, expect, test } from "vitest";
import { SystemClock } from "../../../../base/clock.ts";
import { extensionTypes, registerExtensions } from "../../../../transports/dtls/cid/extension.ts";
import { ConnectionIdLayer } from "../../../../transports/dtls/cid/layer.ts";
import { connectDtls } from "../../../../transports/dtls/client.ts";
import { createContext } from "../../../../transports/dtls/context.ts";
import { Engine, type Step } from "../../../../transports/dtls/engine.ts";
import { loadOpenSsl, type OpenSsl } from "../../../../transports/dtls/openssl.ts";
import { splitRecords } from "../../../../transports/dtls/records.ts";
import { listenDtls } from "../../../../transports/dtls/server.ts";
import { echo, host, identityOf, pki, rootsOf } from "../../../support/dtls-bench.ts";

const noExtendedMasterSecret = 1;
const release: (() => void)[] = [];
afterEach(() => {
  for (const free of release.splice(0).reverse()) free();
});

interface Side {
  readonly engine: Engine;
  readonly sent: Uint8Array[];
  readonly steps: Step[];
  newer: number;
}

interface PairOptions {
  readonly clientCid?: Uint8Array | undefined;
  readonly serverCid?: Uint8Array | undefined;
  readonly extendedMasterSecret?: boolean;
  readonly clientOpenSsl?: (openssl: OpenSsl) => OpenSsl;
}

async function pair(options: PairOptions) {
  const openssl = await loadOpenSsl();
  const side = (role: "client" | "server", own: Uint8Array | undefined, used: OpenSsl): Side => {
    const context = createContext(openssl, {
      role,
      suites: ["ECDHE-ECDSA-AES128-GCM-SHA256"],
      identity: role === "server" ? identityOf(pki.server) : undefined,
      peerCertificate: "none",
    });
    if (own !== undefined) expect(registerExtensions(openssl, context)).toBe(true);
    if (options.extendedMasterSecret === false) openssl.c.SSL_CTX_set_options(context, noExtendedMasterSecret);
    const made: Omit<Side, "engine"> = { sent: [], steps: [], newer: 0 };
    const engine = new Engine({
      openssl: used,
      context,
      role,
      mtuBytes: 1_200,
      retransmitInitialMs: 60_000,
      peer: () => `the ${role}'s peer`,
      hooks: { verify: () => 0, cookie: () => Uint8Array.of(1, 2, 3), checkCookie: () => true },
      connectionId: own && { own, onNewer: () => whole.newer++ },
      transmit: (datagram) => made.sent.push(new Uint8Array(datagram)),
    });
    openssl.c.SSL_CTX_free(context);
    const whole: Side = Object.assign(made, { engine });
    release.push(() => engine.free());
    return whole;
  };
  const client = side("client", options.clientCid, options.clientOpenSsl?.(openssl) ?? openssl);
  const server = side("server", options.serverCid, openssl);
  /** Carries datagrams until none is left; `alter` says what arrives in place of each of the client's. */
  const carry = (alter: (datagram: Uint8Array) => readonly Uint8Array[] = (datagram) => [datagram]): void => {
    while (client.sent.length + server.sent.length > 0) {
      for (const datagram of client.sent.splice(0)) for (const one of alter(datagram)) server.steps.push(server.engine.receive(one));
      for (const datagram of server.sent.splice(0)) client.steps.push(client.engine.receive(datagram));
    }
  };
  const begin = (): void => void client.steps.push(client.engine.advance());
  const heard = (from: Side): string[] =>
    from.steps.splice(0).flatMap(({ plaintexts }) => plaintexts.map((one) => Buffer.from(one).toString()));
  return { client, server, carry, begin, heard };
}

const cidOf = (length: number): Uint8Array => Uint8Array.from({ length }, (_, i) => 255 - i);

describe("names of every length, both ways", () => {
  const lengths = [undefined, 0, 1, 8, 20, 255];
  const cases = lengths.flatMap((client) => lengths.map((server) => ({ client, server })));

  test.each(cases)("client $client, server $server", async ({ client: ofClient, server: ofServer }) => {
    for (const extendedMasterSecret of [true, false]) {
      const t = await pair({
        clientCid: ofClient === undefined ? undefined : cidOf(ofClient),
        serverCid: ofServer === undefined ? undefined : cidOf(ofServer),
        extendedMasterSecret,
      });
      t.begin();
      t.carry();
      expect([t.client.engine.state, t.server.engine.state]).toEqual(["open", "open"]);
      const agreed = ofClient !== undefined && ofServer !== undefined;
      t.client.engine.write(Buffer.from("up"));
      t.server.engine.write(Buffer.from("down"));
      const [up, down] = [t.client.sent[0], t.server.sent[0]];
      expect(up?.[0]).toBe(agreed && ofServer > 0 ? 25 : 23);
      expect(down?.[0]).toBe(agreed && ofClient > 0 ? 25 : 23);
      const overhead = 13 + 8 + 16;
      expect(up?.length).toBe(overhead + 2 + (agreed && ofServer > 0 ? ofServer + 1 : 0));
      expect(down?.length).toBe(overhead + 4 + (agreed && ofClient > 0 ? ofClient + 1 : 0));
      t.heard(t.server);
      t.heard(t.client);
      t.carry();
      expect([t.heard(t.server), t.heard(t.client)]).toEqual([["up"], ["down"]]);
      expect(t.server.newer).toBe(agreed && ofServer > 0 ? 2 : 0);
    }
  });
});

describe("orders of records", () => {
  const serverCid = cidOf(8);
  const clientCid = new Uint8Array(0);

  test("the Finished before the messages that make its keys waits for them", async () => {
    const t = await pair({ clientCid, serverCid });
    t.begin();
    t.carry((datagram) => {
      const records = splitRecords(datagram, 8);
      const finished = records.filter((record) => record[0] === 25);
      return finished.length === 0 ? [datagram] : [...finished, ...records.filter((record) => record[0] !== 25)];
    });
    expect([t.client.engine.state, t.server.engine.state]).toEqual(["open", "open"]);
  });

  test("three forged ones that wait with it do not harm it; no more than four wait", async () => {
    for (const [forged, ends] of [
      [3, "open"],
      [4, "handshaking"],
    ] as const) {
      const t = await pair({ clientCid, serverCid });
      t.begin();
      t.carry((datagram) => {
        const records = splitRecords(datagram, 8);
        const finished = records.find((record) => record[0] === 25);
        if (finished === undefined) return [datagram];
        const forgery = Uint8Array.from(finished, (octet, i) => (i > 40 ? octet ^ 0x55 : octet));
        return [...Array.from({ length: forged }, () => forgery), finished, ...records.filter((record) => record !== finished)];
      });
      expect(t.server.engine.state).toBe(ends);
      // It comes again with the client's flight, if need be.
    }
  });

  test("any number of forged ones before the flight does not harm it, once its keys come with it", async () => {
    const t = await pair({ clientCid, serverCid });
    t.begin();
    t.carry((datagram) => {
      const finished = splitRecords(datagram, 8).find((record) => record[0] === 25);
      if (finished === undefined) return [datagram];
      const forgery = Uint8Array.from(finished, (octet, i) => (i > 40 ? octet ^ 0x55 : octet));
      return [...Array.from({ length: 40 }, () => forgery), datagram];
    });
    expect(t.server.engine.state).toBe("open");
  });

  test("a record with the name of another association is not taken, be it authentic", async () => {
    const t = await pair({ clientCid, serverCid });
    t.begin();
    t.carry();
    t.heard(t.server);
    t.client.engine.write(Buffer.from("mine"));
    const [real = clientCid] = t.client.sent.splice(0);
    const renamed = Uint8Array.from(real, (octet, i) => (i === 11 ? octet ^ 1 : octet));
    t.server.steps.push(t.server.engine.receive(renamed));
    expect([t.heard(t.server), t.server.newer]).toEqual([[], 1]);
    t.server.steps.push(t.server.engine.receive(real));
    expect(t.heard(t.server)).toEqual(["mine"]);
  });

  test("what was newer is counted once, however often and in whatever order it comes", async () => {
    const t = await pair({ clientCid, serverCid });
    t.begin();
    t.carry();
    for (let i = 0; i < 4; i++) t.client.engine.write(Buffer.from(`${i}`));
    const [a, b, c, d] = t.client.sent.splice(0);
    t.heard(t.server);
    const before = t.server.newer;
    for (const datagram of [b, a, b, d, c, c, a, d]) if (datagram !== undefined) t.server.steps.push(t.server.engine.receive(datagram));
    expect(t.heard(t.server)).toEqual(["1", "0", "3", "2"]);
    expect(t.server.newer - before).toBe(2);
  });
});

describe("what cannot be", () => {
  test("a malformed extension ends the handshake with decode_error", async () => {
    const t = await pair({ clientCid: new Uint8Array(0), serverCid: cidOf(8) });
    t.begin();
    // Extension 54 of one octet, which says that none follows: now it says that one does.
    t.carry((datagram) => {
      const at = Buffer.from(datagram).indexOf(Buffer.from("0036000100", "hex"));
      const altered = Uint8Array.from(datagram);
      if (at >= 0) altered[at + 4] = 1;
      return [altered];
    });
    expect(t.server.steps.at(-1)?.ended).toBeDefined();
    expect(t.client.steps.at(-1)?.ended).toMatchObject({ code: "DTLS_ALERT", data: { alert: 50 } });
  });

  test("a return_routability_check extension with content is malformed, and without Connection ID it is not answered", () => {
    const layer = new ConnectionIdLayer("server", { own: cidOf(8) }, () => undefined);
    expect(layer.takeExtension(extensionTypes.returnRoutabilityCheck, Uint8Array.of(0))).toBe(50);
    expect(layer.takeExtension(extensionTypes.returnRoutabilityCheck, new Uint8Array(0))).toBeUndefined();
    expect([layer.extension(extensionTypes.returnRoutabilityCheck), layer.checksPaths]).toEqual([undefined, false]);
    expect(layer.takeExtension(extensionTypes.connectionId, Uint8Array.of(0))).toBeUndefined();
    expect([layer.extension(extensionTypes.returnRoutabilityCheck), layer.checksPaths]).toEqual([new Uint8Array(0), true]);
  });

  test("a record that cannot be sealed is not sent, and ends the association", async () => {
    let isBroken = false;
    const t = await pair({
      clientCid: new Uint8Array(0),
      serverCid: cidOf(8),
      clientOpenSsl: (openssl) => ({
        ...openssl,
        c: {
          ...openssl.c,
          SSL_SESSION_get_master_key: (...args) => (isBroken ? 0 : openssl.c.SSL_SESSION_get_master_key(...args)),
        },
      }),
    });
    isBroken = true;
    t.begin();
    t.carry();
    expect(t.client.engine.state).toBe("ended");
    expect(t.client.steps.at(-1)?.ended).toMatchObject({ code: "INTERNAL" });
    expect(t.server.engine.state).toBe("handshaking");
    expect(t.server.newer).toBe(0);
  });

  test("an OpenSSL that owns the extension itself: everything goes on without, and it is said", async () => {
    const openssl = await loadOpenSsl();
    const owning: OpenSsl = { ...openssl, c: { ...openssl.c, SSL_CTX_add_custom_ext: () => 0 } };
    const clock = new SystemClock();
    const said: string[] = [];
    const common = { host: "127.0.0.1", clock, connectionId: true } as const;
    const server = await listenDtls(owning, { ...common, port: 0, identity: identityOf(pki.server) }, () => said.push("server"));
    release.push(() => void server.close());
    server.onLink((link) => link.onDatagram((datagram) => link.send(datagram)));
    const to = { ...common, port: server.port, serverName: host, trust: rootsOf(pki.root) };
    const link = await connectDtls(owning, to, () => said.push("client"));
    await echo(link, clock);
    expect(link.survivesRebinding).toBe(false);
    expect(said).toEqual(["server", "client"]);
    link.close();
  });
});
