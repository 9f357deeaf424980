// What one idle eIM poll over CoAP and DTLS costs: octets of UDP payload, both ways, cookie exchange on, no tickets. Counts, not speeds.
// `eimPollOctets` is a table for the benchmarks and for test/transports/dtls/cid/octets.test.ts, which holds it to its limits.
import { SystemClock } from "../../base/clock.ts";
import { systemRandom } from "../../base/random.ts";
import { encode } from "../../ipa/asn1/schema.ts";
import { GetEimPackageRequest, GetEimPackageResponse } from "../../ipa/messages/esipa.ts";
import type { EimEndpoint } from "../../ipa/ports.ts";
import { createCoapServer } from "../../transports/coap/server.ts";
import { openDtls } from "../../transports/dtls/dtls.ts";
import { memorySessionStore } from "../../transports/dtls/sessions.ts";
import type { DtlsCipherSuite } from "../../transports/dtls/types.ts";
import { coapsEsipaTransport } from "../../transports/esipa.ts";
import { lossyProxy } from "../support/lossy-proxy.ts";
import { makeCertificate, oids } from "../support/test-pki.ts";

export interface PollRow {
  readonly suite: DtlsCipherSuite;
  readonly connectionId: boolean;
  readonly kind: "full" | "resumed" | "warm" | "rebound";
  readonly upBytes: number;
  readonly downBytes: number;
  readonly datagrams: number;
}

export interface PollTable {
  readonly leafBytes: number;
  readonly requestBytes: number;
  readonly responseBytes: number;
  readonly rows: readonly PollRow[];
}

export const host = "eim.example.com";
export const root = makeCertificate({ name: "Example Root CA", ca: true });
/** As an eIM's certificate is: two names, extended key usage, and as much more as brings it above 450 octets. */
export const leaf = makeCertificate({
  name: host,
  issuer: root,
  altNames: [host, `esipa.${host}`, `coaps.esipa.europe.${host}`, `second.esipa.${host}`],
  extendedKeyUsage: [oids.serverAuth],
  keyUsage: [0],
});

export const idle = encode(GetEimPackageResponse, { kind: "eimPackageError", value: "noEimPackageAvailable" });
export const poll = encode(GetEimPackageRequest, { eidValue: Uint8Array.from({ length: 16 }, (_, i) => 0x89 + i) });

/** Both suites, with and without Connection ID: a full handshake, one resumed, a poll on what is open, one after a NAT forgot it. */
export async function eimPollOctets(): Promise<PollTable> {
  const rows: PollRow[] = [];
  for (const suite of ["ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES128-CCM8"] as const)
    for (const connectionId of [false, true]) rows.push(...(await measure(suite, connectionId)));
  return { leafBytes: leaf.der.length, requestBytes: poll.length, responseBytes: idle.length, rows };
}

async function measure(suite: DtlsCipherSuite, connectionId: boolean): Promise<PollRow[]> {
  const clock = new SystemClock();
  const patient = { clock, connectionId, cipherSuites: [suite], retransmitInitialMs: 20_000 } as const;
  const identity = { certificateChainPem: leaf.chainPem, privateKeyPem: leaf.privateKeyPem };
  const dtls = openDtls();
  const server = await dtls.listen({ ...patient, host: "127.0.0.1", port: 0, identity });
  const coap = createCoapServer({ clock, random: systemRandom, handle: async () => ({ code: "2.04", payload: idle }) });
  server.onLink((link) => coap.serve(link));
  const proxy = await lossyProxy({ targetPort: server.port, clock });
  const sessions = memorySessionStore();
  const trust = { kind: "roots", certificates: [root.der] } as const;
  const eim: EimEndpoint = { eimId: "eim1", host: "127.0.0.1", port: proxy.port, serverName: host, trust };
  const open = () =>
    coapsEsipaTransport({
      dtls,
      clock,
      random: systemRandom,
      sessions,
      connectionId,
      retransmitInitialMs: patient.retransmitInitialMs,
      ackTimeoutMs: 20_000,
      cipherSuitesFor: () => [suite],
    });
  const rows: PollRow[] = [];
  const count = async (kind: PollRow["kind"], transport: ReturnType<typeof open>): Promise<void> => {
    const before = proxy.seen.length;
    await transport.exchange(eim, { functionName: "getEimPackage", body: poll }, new AbortController().signal);
    const seen = proxy.seen.slice(before);
    const bytes = (way: "up" | "down") => seen.reduce((sum, one) => sum + (one.direction === way ? one.datagram.length : 0), 0);
    rows.push({ suite, connectionId, kind, upBytes: bytes("up"), downBytes: bytes("down"), datagrams: seen.length });
  };
  const first = open();
  const second = open();
  try {
    await count("full", first);
    await count("resumed", second);
    await count("warm", second);
    if (connectionId) {
      proxy.rebind();
      await count("rebound", second);
    }
  } finally {
    first.close();
    second.close();
    coap.close();
    await server.close();
    await proxy.close();
  }
  return rows;
}
