// A terminal that hangs up right after data: the channel ends within a second, gives out every octet it was handed, and leaves nothing behind.
import { readdirSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openChannel } from "../../../at-drivers/engine/channel.ts";
import type { ByteChannel, ChannelEnd } from "../../../at-drivers/engine/types.ts";
import { SystemClock } from "../../../base/clock.ts";
import { openPty } from "../../support/pty.ts";
import { Peer } from "./peer.ts";

const runs = 20;
const clock = new SystemClock();

/** Fails the test instead of waiting for ever; the product's promise is one second. */
async function withinASecond<T>(promise: Promise<T>): Promise<T> {
  const limit = new AbortController();
  const late = clock.sleep(1_000, limit.signal).then(() => {
    throw new Error("still open after a second");
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    limit.abort();
    await late.catch(() => undefined);
  }
}

function openFiles(): number {
  return readdirSync("/proc/self/fd").length;
}

function collect(channel: ByteChannel): { readonly octets: () => string } {
  const parts: Uint8Array[] = [];
  channel.onData((octets) => parts.push(octets));
  return { octets: () => Buffer.concat(parts).toString("latin1") };
}

describe("hang-up of a terminal right after data", () => {
  let peer: Peer;
  beforeAll(() => {
    peer = new Peer();
  });
  afterAll(() => peer.end());

  test(`in the very read that took the last octet, ${runs} times: ends at once, nothing lost, no descriptor kept`, async () => {
    const warm = openPty();
    const first = await openChannel(`pty:${warm.path}`, { clock });
    await first.close();
    warm.hangUp();
    const before = openFiles();
    for (let run = 0; run < runs; run++) {
      const pty = openPty();
      const channel = await openChannel(`pty:${pty.path}`, { clock });
      let count = 0;
      channel.onData((octets) => {
        count += octets.length;
        if (count === 3_000) pty.hangUp();
      });
      pty.write("x".repeat(3_000));
      const end = await withinASecond(channel.closed);
      expect({ run, count, kind: end.kind }).toEqual({ run, count: 3_000, kind: "hang-up" });
      await expect(channel.write(Buffer.from("AT\r"))).rejects.toMatchObject({ code: "PORT_CLOSED" });
    }
    expect(openFiles()).toBe(before);
  });

  test(`by another process as soon as it knows that all was taken, ${runs} times: nothing lost`, async () => {
    for (let run = 0; run < runs; run++) {
      const path = await peer.order("open");
      const channel = await openChannel(`pty:${path}`, { clock });
      let count = 0;
      channel.onData((octets) => {
        count += octets.length;
        if (count === 3_000) void channel.write(Buffer.from("!"));
      });
      expect(await peer.order("write-taken-hangup 3000")).toBe("1");
      const end = await withinASecond(channel.closed);
      expect({ run, count, kind: end.kind }).toEqual({ run, count: 3_000, kind: "hang-up" });
    }
  });

  // What the reader has not taken when the master closes, Linux throws away (tty_ldisc_hangup): no reader can have it.
  test(`by another process in its next system call, ${runs} times: ends and burns nothing`, async () => {
    const cpuBefore = process.cpuUsage();
    for (let run = 0; run < runs; run++) {
      const path = await peer.order("open");
      const channel = await openChannel(`pty:${path}`, { clock });
      const { octets } = collect(channel);
      expect(await peer.order("write-hangup 3000")).toBe("3000");
      const end: ChannelEnd = await withinASecond(channel.closed);
      expect(end.kind).toBe("hang-up");
      expect("x".repeat(3_000).startsWith(octets())).toBe(true);
    }
    const spent = process.cpuUsage(cpuBefore);
    // A reader that spins takes most of a core for each of its seconds.
    expect((spent.user + spent.system) / 1_000 / runs).toBeLessThan(250);
  });

  test("while nobody reads: a channel that nobody listens to closes when asked", async () => {
    const pty = openPty();
    const channel = await openChannel(`pty:${pty.path}`, { clock });
    pty.write("x".repeat(3_000));
    pty.hangUp();
    await withinASecond(channel.close());
    await expect(channel.closed).resolves.toEqual({ kind: "closed" });
  });

  test("with output that the other side never takes: a write fails and the close does not wait", async () => {
    const pty = openPty();
    const channel = await openChannel(`pty:${pty.path}`, { clock });
    channel.onData(() => undefined);
    const stuck = channel.write(Buffer.alloc(1_000_000));
    const queued = channel.write(Buffer.from("AT\r"));
    const outcomes = Promise.allSettled([stuck, queued]);
    await withinASecond(channel.close());
    expect(await outcomes).toMatchObject([
      { status: "rejected", reason: { code: "PORT_CLOSED" } },
      { status: "rejected", reason: { code: "PORT_CLOSED" } },
    ]);
    // What was queued behind it is not written by a later session on the same terminal.
    const again = await openChannel(`pty:${pty.path}`, { clock });
    const seen: Buffer[] = [];
    const arrived = new Promise<string>((resolve) => {
      pty.onData((octets) => {
        seen.push(octets);
        const text = Buffer.concat(seen).toString("latin1");
        if (text.includes("LATER\r")) resolve(text);
      });
    });
    await again.write(Buffer.from("LATER\r"));
    expect(await withinASecond(arrived)).not.toContain("AT\r");
    await again.close();
    pty.hangUp();
  });
});
