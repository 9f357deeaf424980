// vici: messages as its documentation has them, to and fro, and 20,000 damaged ones; then a real charon, and servers that are none.
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, afterEach, describe, expect, test } from "vitest";
import {
  commandPacket,
  decodeMessage,
  decodePacket,
  encodeMessage,
  maxSegmentBytes,
  Segments,
  textOf,
  type ViciMessage,
} from "../../../agent/netd/vici.ts";
import { openVici } from "../../../agent/netd/vici-client.ts";
import { SystemClock } from "../../../base/clock.ts";
import { SimwardError } from "../../../base/errors.ts";
import { canTunnel, leftOut, listens, until } from "../tunnel/bench.ts";

const text = (value: string): number[] => [...Buffer.from(value, "ascii")];
/** The example of strongSwan's own documentation of the protocol. */
const documented = Buffer.from([
  ...[3, 4, ...text("key1"), 0, 6, ...text("value1")],
  ...[1, 8, ...text("section1")],
  ...[1, 11, ...text("sub-section"), 3, 4, ...text("key2"), 0, 6, ...text("value2"), 2],
  ...[4, 5, ...text("list1"), 5, 0, 5, ...text("item1"), 5, 0, 5, ...text("item2"), 6],
  2,
]);
const tree = { key1: "value1", section1: { "sub-section": { key2: "value2" }, list1: ["item1", "item2"] } };

describe("messages", () => {
  test("the documented example, both ways", () => {
    expect(decodeMessage(documented)).toEqual(tree);
    expect(encodeMessage(tree)).toEqual(documented);
  });

  const name = fc.stringMatching(/^[a-zA-Z0-9_-]{1,20}$/);
  const value = fc.string({ unit: "grapheme", maxLength: 40 }).filter((one) => !one.includes("\ufffd"));
  const message = fc.letrec<{ tree: ViciMessage }>((tie) => ({
    tree: fc
      .dictionary(name, fc.oneof({ maxDepth: 3 }, value, fc.array(value, { maxLength: 4 }), tie("tree")), { maxKeys: 5 })
      .map((one) => ({ ...one }) as ViciMessage),
  })).tree;

  test("whatever is sent is read the same", () => {
    fc.assert(
      fc.property(message, (one) => {
        expect(JSON.parse(JSON.stringify(decodeMessage(encodeMessage(one))))).toEqual(JSON.parse(JSON.stringify(one)));
      }),
      { numRuns: 500, seed: 5_157 },
    );
  });

  test("20,000 damaged messages: read, or refused as VICI_MESSAGE", () => {
    const damaged = fc.tuple(fc.constantFrom(...documented.keys()), fc.nat(255), fc.nat(documented.length)).map(([at, octet, end]) => {
      const copy = Buffer.concat([Buffer.of(7, 2, ...text("ev")), documented]);
      copy[at] = octet;
      return copy.subarray(0, copy.length - (end % 7));
    });
    let refused = 0;
    fc.assert(
      fc.property(fc.oneof(damaged, fc.uint8Array({ maxLength: 64 })), (bytes) => {
        try {
          decodePacket(bytes);
        } catch (error) {
          if (!(error instanceof SimwardError) || error.code !== "VICI_MESSAGE") throw error;
          refused++;
        }
      }),
      { numRuns: 20_000, seed: 5_158 },
    );
    expect(refused).toBeGreaterThan(5_000);
  });

  test.each([
    ["a name twice", [3, 1, 97, 0, 0, 3, 1, 97, 0, 0]],
    ["the end of no section", [2]],
    ["a section without end", [1, 1, 97]],
    ["a list within a list", [4, 1, 97, 4, 1, 98, 6, 6]],
    ["an item without a list", [5, 0, 0]],
    ["a nameless key", [3, 0, 0, 0]],
    ["a value cut off", [3, 1, 97, 0, 9, 1]],
    ["sections without bound", Array.from({ length: 20 }, () => [1, 1, 97]).flat()],
  ])("%s is refused", (_what, bytes) => {
    expect(() => decodeMessage(Uint8Array.from(bytes))).toThrow(expect.objectContaining({ code: "VICI_MESSAGE" }));
  });

  test("what does not fit is not sent", () => {
    const refused = expect.objectContaining({ code: "VICI_MESSAGE" });
    expect(() => commandPacket("with space")).toThrow(refused);
    expect(() => commandPacket("x", { a: "y".repeat(65_536) })).toThrow(refused);
    expect(() => commandPacket("x", { ["n".repeat(256)]: "y" })).toThrow(refused);
    const items = Array.from({ length: 10 }, () => "y".repeat(60_000));
    expect(() => commandPacket("x", { a: items })).toThrow(refused);
  });

  test("segments in whatever pieces", () => {
    fc.assert(
      fc.property(
        fc.array(fc.uint8Array({ minLength: 1, maxLength: 30 }), { maxLength: 6 }),
        fc.integer({ min: 1, max: 9 }),
        (packets, step) => {
          const stream = Buffer.concat(packets.map((one) => Buffer.concat([Buffer.of(0, 0, 0, one.length), one])));
          const segments = new Segments();
          const read: Uint8Array[] = [];
          for (let at = 0; at < stream.length; at += step) read.push(...segments.push(stream.subarray(at, at + step)));
          expect(read.map((one) => [...one])).toEqual(packets.map((one) => [...one]));
        },
      ),
      { numRuns: 300, seed: 5_159 },
    );
    const tooLong = Buffer.alloc(4);
    tooLong.writeUInt32BE(maxSegmentBytes + 1);
    expect(() => new Segments().push(tooLong)).toThrow(expect.objectContaining({ code: "VICI_MESSAGE" }));
  });
});

describe("a connection", () => {
  const clock = new SystemClock();
  const dir = mkdtempSync(join(tmpdir(), "simward-vici-"));
  afterAll(() => rmSync(dir, { recursive: true, force: true }));
  let closing: (() => void | Promise<void>)[] = [];
  afterEach(async () => {
    for (const close of closing.reverse()) await close();
    closing = [];
  });

  /** A server that answers each packet so. */
  const server = async (answer: (socket: Socket) => void): Promise<string> => {
    const path = join(dir, `s${performance.now()}`);
    const sockets: Socket[] = [];
    const made: Server = createServer((socket) => {
      sockets.push(socket);
      socket.on("error", () => {});
      socket.on("data", () => answer(socket));
    });
    await new Promise<void>((resolve) => made.listen(path, resolve));
    closing.push(() => {
      for (const socket of sockets) socket.destroy();
      made.close();
    });
    return path;
  };

  test("nobody there", async () => {
    await expect(openVici(join(dir, "nobody"), clock)).rejects.toMatchObject({ code: "TUNNEL_ABSENT" });
  });

  test.each([
    ["no vici", (socket: Socket) => void socket.write("HTTP/1.1 400 Bad Request\r\n\r\n"), "VICI_MESSAGE"],
    ["an event as an answer", (socket: Socket) => void socket.write(Buffer.of(0, 0, 0, 3, 7, 1, 97)), "VICI_MESSAGE"],
    ["an unknown command", (socket: Socket) => void socket.write(Buffer.of(0, 0, 0, 1, 2)), "VICI_MESSAGE"],
    ["the end", (socket: Socket) => void socket.destroy(), "TUNNEL_ABSENT"],
    ["silence", () => {}, "DEADLINE"],
    ["half an answer", (socket: Socket) => void socket.write(Buffer.of(0, 0, 0, 9, 1)), "DEADLINE"],
  ])("to a server that answers with %s ends with a code", async (_what, answer, code) => {
    const vici = await openVici(await server(answer), clock);
    closing.push(() => vici.close());
    await expect(vici.request("version", { limitMs: 150 })).rejects.toMatchObject({ code });
    // It is of no use any more, and says so at once.
    await expect(vici.request("version", { limitMs: 10_000 })).rejects.toMatchObject({ code });
  });

  test.skipIf(!canTunnel)(`a real charon: version, streamed lists, unknown commands and settings${leftOut}`, async () => {
    const own = mkdtempSync(join(tmpdir(), "simward-charon-"));
    const socket = join(own, "charon.vici");
    writeFileSync(
      join(own, "strongswan.conf"),
      `charon {\n load = random nonce openssl kdf x509 pem pkcs8 pubkey socket-default kernel-libipsec kernel-netlink vici\n plugins {\n vici {\n socket = unix://${socket}\n }\n }\n}\n`,
    );
    const charon = spawn("/usr/bin/unshare", ["--net", "/usr/sbin/charon-systemd"], {
      stdio: "ignore",
      env: { STRONGSWAN_CONF: join(own, "strongswan.conf") },
    });
    const ended = new Promise((resolve) => charon.once("exit", resolve));
    closing.push(async () => {
      charon.kill("SIGTERM");
      await ended;
      rmSync(own, { recursive: true, force: true });
    });
    await until(() => listens(socket), "charon's vici");
    const vici = await openVici(socket, clock);
    closing.push(() => vici.close());
    const version = await vici.request("version", { limitMs: 2_000 });
    expect(textOf(version, "daemon")).toBe("charon-systemd");
    const stream = { event: "list-conn", on: (event: object) => void seen.push(...Object.keys(event)) };
    const seen: string[] = [];
    const connection = {
      remote_addrs: ["192.0.2.1"],
      local: { auth: "pubkey", id: "a.example" },
      remote: { auth: "pubkey" },
      children: { net: {} },
    };
    expect(textOf(await vici.request("load-conn", { message: { one: connection }, limitMs: 2_000 }), "success")).toBe("yes");
    await vici.request("list-conns", { limitMs: 2_000, stream });
    expect(seen).toEqual(["one"]);
    const wrong = await vici.request("load-conn", { message: { two: { ...connection, colour: "red" } }, limitMs: 2_000 });
    expect(textOf(wrong, "success")).toBe("no");
    expect(textOf(wrong, "errmsg")).toContain("colour");
    await expect(vici.request("no-such-command", { limitMs: 2_000 })).rejects.toMatchObject({ code: "VICI_MESSAGE" });
    // A connection that has failed says nothing of charon.
    const again = await openVici(socket, clock);
    closing.push(() => again.close());
    expect(textOf(await again.request("version", { limitMs: 2_000 }), "daemon")).toBe("charon-systemd");
    expect(charon.exitCode).toBeNull();
  });
});
