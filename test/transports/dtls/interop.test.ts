// Our DTLS against implementations that never saw it: OpenSSL's and GnuTLS's programs both ways, and node-dtls-client with PSK.
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { dtls as nodeDtls } from "node-dtls-client";
import { afterAll, beforeAll, describe, expect, type TestContext, test } from "vitest";
import { fromUtf8, toHex, utf8 } from "../../../base/bytes.ts";
import { seededRandom } from "../../../base/random.ts";
import { memorySessionStore } from "../../../transports/dtls/sessions.ts";
import type { DtlsCipherSuite } from "../../../transports/dtls/types.ts";
import type { DatagramLink } from "../../../transports/link.ts";
import { dtlsBench, host, pki, refusal } from "../../support/dtls-bench.ts";
import { need, program, type Running, run } from "../../support/programs.ts";
import { makeCertificate, makePki, oids } from "../../support/test-pki.ts";

const bench = dtlsBench();
const openssl = program("openssl");
const gnutlsCli = program("gnutls-cli");
const gnutlsServ = program("gnutls-serv");
const stdbuf = program("stdbuf");

const psk = { kind: "psk", identity: "vehicle-1", key: Uint8Array.from({ length: 16 }, (_, i) => 16 * i + 1) } as const;
const pskHex = toHex(psk.key);
const pskOf = (identity: string): Uint8Array | undefined => (identity === psk.identity ? psk.key : undefined);
const vehicle = makeCertificate({ name: "vehicle-1", issuer: pki.root, extendedKeyUsage: [oids.clientAuth] });

const certificateSuites = ["ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES256-GCM-SHA384", "ECDHE-ECDSA-AES128-CCM8"] as const;
const pskSuites = ["PSK-AES128-GCM-SHA256", "PSK-AES128-CCM8"] as const;
const allSuites: readonly DtlsCipherSuite[] = [...certificateSuites, ...pskSuites];
const isPsk = (suite: DtlsCipherSuite): boolean => suite.startsWith("PSK");

let dir = "";
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), "simward-dtls-"));
  const files = {
    "root.pem": pki.root.pem,
    "server.pem": pki.server.chainPem,
    "server.key": pki.server.privateKeyPem,
    "vehicle.pem": vehicle.chainPem,
    "vehicle.key": vehicle.privateKeyPem,
    "other.pem": makePki("other.example.test").root.pem,
    "psk.txt": `${psk.identity}:${pskHex}\n`,
  };
  for (const [name, text] of Object.entries(files)) writeFileSync(join(dir, name), text, { mode: 0o600 });
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

function start(path: string, args: readonly string[]): Running {
  const running = run(path, args, { cwd: dir });
  bench.defer(() => running.stop());
  return running;
}

async function freePort(): Promise<number> {
  const socket = createSocket("udp4");
  socket.bind(0, "127.0.0.1");
  await once(socket, "listening");
  const { port } = socket.address();
  await new Promise<void>((resolve) => socket.close(resolve));
  return port;
}

/** Waits for text that may come in several datagrams. */
function heard(link: DatagramLink, wanted: string): Promise<void> {
  return new Promise((resolve, reject) => {
    let text = "";
    link.onDatagram((datagram) => {
      text += fromUtf8(datagram);
      if (text.includes(wanted)) resolve();
    });
    link.onClosed((reason) => reject(new Error(`closed before ${wanted} came, after ${JSON.stringify(text)}`, { cause: reason })));
  });
}

/** A datagram of ours reaches the program's output, a line of its input reaches us. */
async function talk(link: DatagramLink, peer: Running, line = "from the program"): Promise<void> {
  const arrives = heard(link, line);
  link.send(utf8("from simward\n"));
  await peer.printed("from simward");
  peer.write(`${line}\n`);
  await arrives;
}

describe("openssl s_server, our client", () => {
  const serve = async (context: TestContext, args: readonly string[]): Promise<{ port: number; peer: Running }> => {
    const port = await freePort();
    const peer = start(need(context, openssl), ["s_server", "-dtls1_2", "-accept", `127.0.0.1:${port}`, ...args]);
    await peer.printed("ACCEPT");
    return { port, peer };
  };
  const certificate = ["-cert", "server.pem", "-key", "server.key"];

  test.for(certificateSuites)("%s", async (suite, context) => {
    const { port, peer } = await serve(context, [...certificate, "-cipher", `${suite}:@SECLEVEL=0`]);
    const link = await bench.connect({ port }, { cipherSuites: [suite] });
    expect(link.cipherSuite).toBe(suite);
    await talk(link, peer);
    link.close();
    await peer.printed("DONE");
  });

  test.for(pskSuites)("%s", async (suite, context) => {
    const keys = ["-nocert", "-psk_identity", psk.identity, "-psk", pskHex, "-psk_hint", "a hint"];
    const { port, peer } = await serve(context, [...keys, "-cipher", `${suite}:@SECLEVEL=0`]);
    const link = await bench.connect({ port }, { cipherSuites: [suite], trust: psk });
    expect(link.cipherSuite).toBe(suite);
    await talk(link, peer);
  });

  test("a client certificate where the server wants one, and the alert where there is none", async (context) => {
    const { port, peer } = await serve(context, [...certificate, "-Verify", "2", "-CAfile", "root.pem", "-verify_return_error"]);
    const identity = { certificateChainPem: vehicle.chainPem, privateKeyPem: vehicle.privateKeyPem };
    const link = await bench.connect({ port }, { identity });
    await talk(link, peer);
    link.close();
    await peer.printed("DONE");
    expect(await refusal(bench.connect({ port }))).toMatchObject({ code: "DTLS_ALERT" });
  });

  test("stateless listening, fragments at an MTU of 256, and loss", async (context) => {
    const { port, peer } = await serve(context, [...certificate, "-listen", "-mtu", "256"]);
    const proxy = await bench.proxy({ port }, { loss: 0.15, random: seededRandom(31) });
    const link = await bench.connect(proxy, { mtuBytes: 256, handshakeTimeoutMs: 50_000 });
    await peer.printed("BEGIN");
    expect(link.cipherSuite).toBe("ECDHE-ECDSA-AES128-GCM-SHA256");
  });

  test("a session is resumed", async (context) => {
    const { port, peer } = await serve(context, certificate);
    const sessions = memorySessionStore();
    const first = await bench.connect({ port }, { sessions });
    await talk(first, peer, "first words");
    first.close();
    await peer.printed("DONE");
    const second = await bench.connect({ port }, { sessions });
    expect([first.resumed, second.resumed]).toEqual([false, true]);
    await talk(second, peer, "second words");
  });

  test("a certificate for another name, and one of another root, are refused", async (context) => {
    for (const [options, code] of [
      [{ serverName: "other.example.test" }, "TLS_HOST_MISMATCH"],
      [{ trust: { kind: "roots", certificates: [makePki("other.example.test").root.der] } as const }, "TLS_UNTRUSTED"],
    ] as const) {
      const { port, peer } = await serve(context, certificate);
      expect(await refusal(bench.connect({ port }, options))).toMatchObject({ code });
      await peer.printed(code === "TLS_UNTRUSTED" ? /alert unknown ca/ : /alert bad certificate/);
    }
  });
});

describe("openssl s_client, our server", () => {
  const connect = (context: TestContext, port: number, args: readonly string[]): Running =>
    start(need(context, openssl), ["s_client", "-dtls1_2", "-connect", `127.0.0.1:${port}`, "-servername", host, ...args]);
  const trusting = ["-CAfile", "root.pem", "-verify_return_error", "-verify_hostname", host];
  const echoed = async (peer: Running, line: string): Promise<void> => {
    await peer.printed(/Verify return code|SSL-Session/);
    peer.write(`${line}\n`);
    await peer.printed(line);
  };

  test.for(certificateSuites)("%s", async (suite, context) => {
    const server = await bench.server({ cipherSuites: certificateSuites });
    await echoed(connect(context, server.port, [...trusting, "-cipher", `${suite}:@SECLEVEL=0`]), "to and fro");
    expect(server.links[0]?.cipherSuite).toBe(suite);
  });

  test.for(pskSuites)("%s", async (suite, context) => {
    const server = await bench.server({ cipherSuites: allSuites, psk: pskOf });
    const keys = ["-psk_identity", psk.identity, "-psk", pskHex];
    await echoed(connect(context, server.port, [...keys, "-cipher", `${suite}:@SECLEVEL=0`]), "to and fro");
    expect(server.links[0]).toMatchObject({ cipherSuite: suite, pskIdentity: psk.identity });
  });

  test("an unknown PSK identity gets an alert", async (context) => {
    const server = await bench.server({ cipherSuites: pskSuites, psk: pskOf });
    const peer = connect(context, server.port, ["-psk_identity", "somebody", "-psk", pskHex, "-cipher", "PSK-AES128-GCM-SHA256"]);
    await peer.printed(/alert/);
    expect(server.links).toEqual([]);
  });

  test("a client certificate is asked for, and known", async (context) => {
    const server = await bench.server({ clientCertificates: { mode: "require", anchors: [pki.root.der] } });
    await echoed(connect(context, server.port, [...trusting, "-cert", "vehicle.pem", "-key", "vehicle.key"]), "to and fro");
    expect(server.links[0]?.peerCertificate).toEqual(vehicle.der);
  });

  test("its session is resumed by its identifier", async (context) => {
    const server = await bench.server();
    const first = connect(context, server.port, [...trusting, "-sess_out", "session.pem"]);
    await echoed(first, "first words");
    first.write("Q\n");
    await first.ended;
    await echoed(connect(context, server.port, [...trusting, "-sess_in", "session.pem"]), "second words");
    expect(server.links.map((link) => link.resumed)).toEqual([false, true]);
  });

  test("it refuses us when it trusts another root, and we are told why", async (context) => {
    const server = await bench.server();
    const told = server.refused();
    connect(context, server.port, ["-CAfile", "other.pem", "-no-CApath", "-no-CAstore", "-verify_return_error"]);
    expect(await told).toMatchObject({ code: "DTLS_ALERT", data: { alert: 48 } });
  });
});

/** GnuTLS wants everything named; the parts of a suite are in its own words. */
function gnutlsPriority(suite: DtlsCipherSuite): string {
  const cipher = suite.endsWith("CCM8") ? "AES-128-CCM-8" : suite.includes("AES256") ? "AES-256-GCM" : "AES-128-GCM";
  const exchange = isPsk(suite) ? "PSK" : "ECDHE-ECDSA";
  return `NONE:+VERS-DTLS1.2:+${exchange}:+${cipher}:+AEAD:+COMP-NULL:+SIGN-ALL:+GROUP-SECP256R1:+CTYPE-X509`;
}

describe("GnuTLS", () => {
  const suites: readonly DtlsCipherSuite[] = allSuites;

  test.for(suites)("gnutls-serv, our client: %s", async (suite, context) => {
    const port = await freePort();
    const keys = isPsk(suite)
      ? ["--pskpasswd", "psk.txt"]
      : ["--x509certfile", "server.pem", "--x509keyfile", "server.key", "--disable-client-cert"];
    const args = ["--udp", "--echo", "--port", String(port), "--priority", gnutlsPriority(suite), ...keys];
    // Into a pipe it would not print before its buffer is full.
    const peer = start(need(context, stdbuf), ["-oL", need(context, gnutlsServ), ...args]);
    await peer.printed(/IPv4 .*done/);
    const link = await bench.connect({ port }, { cipherSuites: [suite], ...(isPsk(suite) && { trust: psk }) });
    expect(link.cipherSuite).toBe(suite);
    const answer = heard(link, "from simward");
    link.send(utf8("from simward\n"));
    await answer;
  });

  test.for(suites)("gnutls-cli, our server: %s", async (suite, context) => {
    const server = await bench.server({ cipherSuites: allSuites, psk: pskOf });
    const keys = isPsk(suite)
      ? ["--pskusername", psk.identity, "--pskkey", pskHex]
      : ["--x509cafile", "root.pem", "--sni-hostname", host, "--verify-hostname", host];
    const peer = start(need(context, gnutlsCli), [
      "--udp",
      "--port",
      String(server.port),
      "--priority",
      gnutlsPriority(suite),
      ...keys,
      "127.0.0.1",
    ]);
    await peer.printed("Handshake was completed");
    peer.write("to and fro\n");
    await peer.printed("to and fro");
    expect(server.links[0]).toMatchObject({ cipherSuite: suite, pskIdentity: isPsk(suite) ? psk.identity : undefined });
  });

  test("gnutls-cli refuses us when it trusts another root", async (context) => {
    const server = await bench.server();
    const args = ["--udp", "--port", String(server.port), "--x509cafile", "other.pem", "--verify-hostname", host, "127.0.0.1"];
    const peer = start(need(context, gnutlsCli), args);
    await peer.printed("The certificate is NOT trusted");
    expect(server.links.filter((link) => link.counters.receivedBytes === 0)).toEqual([]);
  });
});

describe("node-dtls-client, our server", () => {
  test.for([
    ["TLS_PSK_WITH_AES_128_GCM_SHA256", "PSK-AES128-GCM-SHA256"],
    ["TLS_PSK_WITH_AES_128_CCM_8", "PSK-AES128-CCM8"],
  ] as const)("%s", async ([theirs, suite]) => {
    // It repeats nothing itself; on a slow machine our repetitions must not come into play either.
    const server = await bench.server({ cipherSuites: pskSuites, psk: pskOf, retransmitInitialMs: 20_000 });
    const socket = nodeDtls.createSocket({
      type: "udp4",
      address: "127.0.0.1",
      port: server.port,
      psk: { [psk.identity]: Buffer.from(psk.key).toString("latin1") },
      ciphers: [theirs],
      timeout: 20_000,
    });
    bench.defer(() => new Promise<void>((resolve) => socket.close(resolve)));
    await once(socket, "connected");
    const answer = once(socket, "message");
    socket.send(Buffer.from("to and fro"));
    expect(String((await answer)[0])).toBe("to and fro");
    expect(server.links[0]).toMatchObject({ cipherSuite: suite, pskIdentity: psk.identity });
  });
});
