// The same idle eIM poll over HTTPS and TLS 1.3, to be laid beside that over CoAP and DTLS: octets of TCP payload, both ways. Counts, not speeds.
import { createServer } from "node:https";
import { type AddressInfo, connect, createServer as createTcpServer, type Socket } from "node:net";
import { SystemClock } from "../../base/clock.ts";
import type { EimEndpoint } from "../../ipa/ports.ts";
import { httpsEsipaTransport } from "../../transports/esipa.ts";
import { createHttpsClient } from "../../transports/https/client.ts";
import { host, idle, leaf, poll, root } from "./eim-poll-coaps.ts";

export interface HttpsPollRow {
  readonly kind: "full" | "resumed" | "kept alive";
  readonly upBytes: number;
  readonly downBytes: number;
}

/** A first handshake, a poll on what is open, and one on a new connection with the session of the first. */
export async function httpsPollOctets(): Promise<readonly HttpsPollRow[]> {
  const server = createServer({ cert: leaf.chainPem, key: leaf.privateKeyPem, minVersion: "TLSv1.3" }, (request, response) => {
    request.resume().once("end", () => {
      response.setHeader("Content-Type", "application/x-gsma-rsp-asn1");
      response.setHeader("X-Admin-Protocol", "gsma/rsp/v2.1.0");
      response.end(idle);
    });
  });
  const port = await listening(server);
  const counted = { up: 0, down: 0 };
  const open = new Set<Socket>();
  const proxy = createTcpServer((near) => {
    const far = connect(port, "127.0.0.1");
    for (const [from, to, way] of [
      [near, far, "up"],
      [far, near, "down"],
    ] as const) {
      open.add(from);
      from.on("data", (chunk: Buffer) => {
        counted[way] += chunk.length;
        to.write(chunk);
      });
      from.on("error", () => to.destroy());
      from.on("close", () => {
        open.delete(from);
        to.end();
      });
    }
  });
  const https = createHttpsClient({ clock: new SystemClock() });
  const transport = httpsEsipaTransport({ https });
  const eim: EimEndpoint = {
    ...{ eimId: "eim1", host: "127.0.0.1", serverName: host },
    port: await listening(proxy),
    trust: { kind: "roots", certificates: [root.der] },
  };
  const rows: HttpsPollRow[] = [];
  const count = async (kind: HttpsPollRow["kind"]): Promise<void> => {
    const before = { ...counted };
    await transport.exchange(eim, { functionName: "getEimPackage", body: poll }, new AbortController().signal);
    rows.push({ kind, upBytes: counted.up - before.up, downBytes: counted.down - before.down });
  };
  try {
    await count("full");
    await count("kept alive");
    const closed = [...open].map((socket) => new Promise((resolve) => socket.once("close", resolve)));
    server.closeAllConnections();
    await Promise.all(closed);
    await count("resumed");
    if (https.counters.resumed !== 1) throw new Error("the session was not resumed");
  } finally {
    transport.close();
    await Promise.all([server, proxy].map((one) => new Promise((resolve) => one.close(resolve))));
  }
  return rows;
}

async function listening(server: ReturnType<typeof createTcpServer>): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return (server.address() as AddressInfo).port;
}
