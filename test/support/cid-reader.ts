// A second reader of Connection ID associations, written beside the product's: it derives the keys from the master secret in a stored session
// and the randoms on the wire, and opens what a proxy saw. It shares no code with transports/dtls/cid.
import { createDecipheriv, createHmac } from "node:crypto";
import { fromBER, type OctetString, type Sequence } from "asn1js";
import { decodeSession } from "../../transports/dtls/sessions.ts";
import type { Direction } from "./lossy-proxy.ts";

interface Suite {
  readonly name: "aes-128-gcm" | "aes-256-gcm" | "aes-128-ccm";
  readonly key: number;
  readonly tag: number;
  readonly mac: string;
}

const byNumber: Readonly<Record<string, Suite>> = {
  c02b: { name: "aes-128-gcm", key: 16, tag: 16, mac: "sha256" },
  c02c: { name: "aes-256-gcm", key: 32, tag: 16, mac: "sha384" },
  c0ae: { name: "aes-128-ccm", key: 16, tag: 8, mac: "sha256" },
  "00a8": { name: "aes-128-gcm", key: 16, tag: 16, mac: "sha256" },
  c0a8: { name: "aes-128-ccm", key: 16, tag: 8, mac: "sha256" },
};

export interface WireRecord {
  readonly direction: Direction;
  readonly type: number;
  readonly epoch: number;
  readonly sequence: number;
  readonly cid: string;
  /** What is inside, once opened: the type that counts, and the content; undefined where the key did not fit. */
  readonly keys?: (DirectionKeys & { readonly direction: Direction }) | undefined;
  readonly inner?: { readonly type: number; readonly content: Buffer } | undefined;
}

/** The master secret in a session that the client stored. */
export function masterSecretOf(stored: Uint8Array): Buffer {
  const der = decodeSession(stored)?.session;
  if (der === undefined) throw new Error("no session");
  // SSL_SESSION: version, protocol, cipher, session ID, master key, …
  const fields = (fromBER(Uint8Array.from(der).buffer).result as Sequence).valueBlock.value;
  return Buffer.from((fields[4] as OctetString).valueBlock.valueHexView);
}

function expand(mac: string, secret: Buffer, seed: Buffer, size: number): Buffer {
  const input = Buffer.concat([Buffer.from("key expansion", "ascii"), seed]);
  const blocks: Buffer[] = [];
  for (let a = createHmac(mac, secret).update(input).digest(); Buffer.concat(blocks).length < size; ) {
    blocks.push(createHmac(mac, secret).update(a).update(input).digest());
    a = createHmac(mac, secret).update(a).digest();
  }
  return Buffer.concat(blocks).subarray(0, size);
}

export interface DirectionKeys {
  readonly cipher: "aes-128-gcm" | "aes-256-gcm" | "aes-128-ccm";
  readonly tagBytes: number;
  readonly key: Buffer;
  readonly salt: Buffer;
}

/** What protects the records of one direction, from the hellos of a capture. */
export function keysOfCapture(
  capture: readonly { readonly direction: Direction; readonly datagram: Uint8Array }[],
  masterSecret: Buffer,
  direction: Direction,
): DirectionKeys {
  const hellos = readCapture(capture, masterSecret, { cidUp: 8, cidDown: 0 });
  const last = hellos.findLast(({ keys }) => keys !== undefined && keys.direction === direction)?.keys;
  if (last === undefined) throw new Error("no encrypted record in that direction");
  return last;
}

/** Every record of a capture of one association, in order. `cidUp` and `cidDown`: how long the CIDs in each direction are. */
export function readCapture(
  capture: readonly { readonly direction: Direction; readonly datagram: Uint8Array }[],
  masterSecret: Buffer,
  { cidUp, cidDown }: { readonly cidUp: number; readonly cidDown: number },
): WireRecord[] {
  let clientRandom = Buffer.alloc(0);
  let serverRandom = Buffer.alloc(0);
  let suite: Suite | undefined;
  const out: WireRecord[] = [];
  for (const { direction, datagram } of capture) {
    const data = Buffer.from(datagram);
    for (let at = 0; at < data.length; ) {
      const type = data.readUInt8(at);
      const epoch = data.readUInt16BE(at + 3);
      const sequence = data.readUIntBE(at + 5, 6);
      const cidLength = type === 25 ? (direction === "up" ? cidUp : cidDown) : 0;
      const cid = data.subarray(at + 11, at + 11 + cidLength);
      const length = data.readUInt16BE(at + 11 + cidLength);
      const body = data.subarray(at + 13 + cidLength, at + 13 + cidLength + length);
      const head = data.subarray(at, at + 11);
      at += 13 + cidLength + length;
      if (epoch === 0) {
        if (type === 22 && body[0] === 1) clientRandom = body.subarray(14, 46);
        if (type === 22 && body[0] === 2) {
          serverRandom = body.subarray(14, 46);
          const suiteAt = 46 + 1 + body.readUInt8(46);
          suite = byNumber[body.toString("hex", suiteAt, suiteAt + 2)];
        }
        out.push({ direction, type, epoch, sequence, cid: "" });
        continue;
      }
      if (suite === undefined) throw new Error("an encrypted record before the ServerHello");
      const { keys, inner } = open(suite);
      out.push({ direction, type, epoch, sequence, cid: cid.toString("hex"), keys, inner });

      function open(suite: Suite): Pick<WireRecord, "keys" | "inner"> {
        const block = expand(suite.mac, masterSecret, Buffer.concat([serverRandom, clientRandom]), 2 * suite.key + 8);
        const isUp = direction === "up";
        const key = block.subarray(isUp ? 0 : suite.key, isUp ? suite.key : 2 * suite.key);
        const salt = block.subarray(2 * suite.key + (isUp ? 0 : 4), 2 * suite.key + (isUp ? 4 : 8));
        const keys = { direction, cipher: suite.name, tagBytes: suite.tag, key, salt };
        const text = body.subarray(8, body.length - suite.tag);
        const size = Buffer.alloc(2);
        size.writeUInt16BE(text.length);
        const version = head.subarray(1, 3);
        const number = head.subarray(3, 11);
        const aad =
          type === 25
            ? Buffer.concat([Buffer.from("ffffffffffffffff19", "hex"), Buffer.of(cidLength, 25), version, number, cid, size])
            : Buffer.concat([number, Buffer.of(type), version, size]);
        const nonce = Buffer.concat([salt, body.subarray(0, 8)]);
        const decipher = createDecipheriv(suite.name as "aes-128-ccm", key, nonce, { authTagLength: suite.tag });
        decipher.setAuthTag(body.subarray(body.length - suite.tag));
        decipher.setAAD(aad, { plaintextLength: text.length });
        try {
          const plain = Buffer.concat([decipher.update(text), decipher.final()]);
          if (type !== 25) return { keys, inner: { type, content: plain } };
          let end = plain.length - 1;
          while (end >= 0 && plain[end] === 0) end--;
          return { keys, inner: { type: plain[end] ?? 0, content: plain.subarray(0, end) } };
        } catch {
          return { keys, inner: undefined };
        }
      }
    }
  }
  return out;
}
