// The operator's name servers (RFC 1035): a table of names, over UDP and TCP, that can be told to lie or to be silent.
import { createSocket } from "node:dgram";
import { createServer } from "node:net";

/** "poisoned" leads every name to an address where nobody is. */
export type DnsMode = "ok" | "poisoned" | "silent";
export const dnsModes: readonly DnsMode[] = ["ok", "poisoned", "silent"];
export const poison = { v4: "198.51.100.66", v6: "2001:db8:100::66" } as const;

export interface DnsZone {
  readonly records: Readonly<Record<string, readonly string[]>>;
  readonly mode: DnsMode;
}

const types = { a: 1, aaaa: 28 } as const;
const headerBytes = 12;
const ttlSeconds = 1;

/** undefined: no answer at all. Answers A and AAAA, and NXDOMAIN (3) for names that are not in the table. */
export function answerTo(query: Buffer, { records, mode }: DnsZone): Buffer | undefined {
  const question = mode === "silent" ? undefined : readQuestion(query);
  if (question === undefined) return undefined;
  const { name, type, end } = question;
  const known = mode === "poisoned" ? [poison.v4, poison.v6] : records[name];
  const wanted = (known ?? []).filter((address) => type === (address.includes(":") ? types.aaaa : types.a));
  const head = Buffer.alloc(headerBytes);
  query.copy(head, 0, 0, 2);
  // QR, AA, RD as asked, RA; name "" is the root, which is there.
  head.writeUInt16BE(0x8480 | (query.readUInt16BE(2) & 0x0100) | (known === undefined && name !== "" ? 3 : 0), 2);
  head.writeUInt16BE(1, 4);
  head.writeUInt16BE(wanted.length, 6);
  return Buffer.concat([head, query.subarray(headerBytes, end), ...wanted.map((address) => resourceRecord(type, address))]);
}

function readQuestion(query: Buffer): { readonly name: string; readonly type: number; readonly end: number } | undefined {
  if (query.length < headerBytes + 5 || query.readUInt16BE(4) !== 1 || (query.readUInt16BE(2) & 0x8000) !== 0) return undefined;
  const labels: string[] = [];
  let at = headerBytes;
  for (;;) {
    const length = query[at];
    if (length === undefined || length > 63) return undefined;
    at++;
    if (length === 0) break;
    labels.push(query.toString("latin1", at, at + length).toLowerCase());
    at += length;
  }
  if (at + 4 > query.length) return undefined;
  return { name: labels.join("."), type: query.readUInt16BE(at), end: at + 4 };
}

function resourceRecord(type: number, address: string): Buffer {
  const octets = address.includes(":") ? sixteen(address) : Buffer.from(address.split(".").map(Number));
  const head = Buffer.alloc(12);
  // A pointer to the question's name.
  head.writeUInt16BE(0xc000 | headerBytes, 0);
  head.writeUInt16BE(type, 2);
  head.writeUInt16BE(1, 4);
  head.writeUInt32BE(ttlSeconds, 6);
  head.writeUInt16BE(octets.length, 10);
  return Buffer.concat([head, octets]);
}

/** An IPv6 address in octets (RFC 4291 §2.2), without dotted quads. */
export function sixteen(address: string): Buffer {
  const [head = "", tail] = address.split("::");
  const groups = (part: string): number[] => (part === "" ? [] : part.split(":").map((group) => Number.parseInt(group, 16)));
  const [left, right] = [groups(head), groups(tail ?? "")];
  const all = [...left, ...new Array<number>(8 - left.length - right.length).fill(0), ...right];
  return Buffer.from(all.flatMap((group) => [group >> 8, group & 0xff]));
}

export interface DnsServer {
  readonly queries: () => number;
  set(mode: DnsMode): void;
}

/** On port 53 of these addresses. */
export async function serveDns(records: DnsZone["records"], hosts: readonly string[], port = 53): Promise<DnsServer> {
  let mode: DnsMode = "ok";
  let queries = 0;
  const answer = (query: Buffer): Buffer | undefined => {
    queries++;
    return answerTo(query, { records, mode });
  };
  for (const host of hosts) {
    const socket = createSocket("udp4");
    socket.on("message", (query, from) => {
      const said = answer(query);
      if (said !== undefined) socket.send(said, from.port, from.address);
    });
    await new Promise<void>((resolve, reject) => {
      socket.once("error", reject);
      socket.bind(port, host, resolve);
    });
    socket.on("error", () => {});
    const server = createServer((connection) => {
      let received = Buffer.alloc(0);
      connection.on("error", () => connection.destroy());
      connection.on("data", (chunk: Buffer) => {
        received = Buffer.concat([received, chunk]);
        while (received.length >= 2 && received.length >= 2 + received.readUInt16BE(0)) {
          const end = 2 + received.readUInt16BE(0);
          const said = answer(received.subarray(2, end));
          received = received.subarray(end);
          if (said === undefined) continue;
          const length = Buffer.alloc(2);
          length.writeUInt16BE(said.length);
          connection.write(Buffer.concat([length, said]));
        }
      });
    });
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen(port, host, resolve);
    });
  }
  return {
    queries: () => queries,
    set: (next) => {
      mode = next;
    },
  };
}
