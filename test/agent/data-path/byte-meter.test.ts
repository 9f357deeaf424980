// What has passed an interface, through its making anew; the session's record has it, from counters of the kernel's form.
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, onTestFinished, test } from "vitest";
import type { AuditEvent } from "../../../agent/audit/types.ts";
import type { PathState } from "../../../agent/connectivity/keeper.ts";
import { createSessionBook } from "../../../agent/connectivity/sessions.ts";
import { createByteMeter, passedSince } from "../../../agent/data-path/byte-meter.ts";
import { watchMs } from "../../../agent/data-path/data-path.ts";
import { kernelView } from "../../../agent/data-path/kernel.ts";
import { PathBench, session } from "./bench.ts";

const bytes = (receivedBytes: number, sentBytes: number) => ({ receivedBytes, sentBytes });

test.each([
  ["first look", undefined, bytes(900, 90), bytes(0, 0)],
  ["more", bytes(900, 90), bytes(1_000, 95), bytes(100, 5)],
  ["nothing", bytes(900, 90), bytes(900, 90), bytes(0, 0)],
  ["made anew", bytes(900, 90), bytes(40, 4), bytes(40, 4)],
  ["made anew, and one counter is past the old one", bytes(900, 90), bytes(40, 100), bytes(40, 100)],
])("%s", (_name, before, now, passed) => {
  expect(passedSince(before, now)).toEqual(passed);
});

test("whatever passes, and however often the interface is made anew, the total is never more than what passed and never falls", () => {
  const act = fc.oneof(
    fc.record({ kind: fc.constant("pass" as const), received: fc.nat(5_000), sent: fc.nat(5_000) }),
    fc.record({ kind: fc.constantFrom("anew" as const, "gone" as const, "begin" as const, "end" as const, "look" as const) }),
  );
  fc.assert(
    fc.property(fc.array(act, { maxLength: 60 }), (acts) => {
      let now: { receivedBytes: number; sentBytes: number } | undefined = bytes(7_000, 7_000);
      const passed = bytes(0, 0);
      const meter = createByteMeter(() => (now === undefined ? undefined : { ...now }));
      let last = bytes(0, 0);
      for (const one of acts) {
        if (one.kind === "pass" && now !== undefined) {
          now = bytes(now.receivedBytes + one.received, now.sentBytes + one.sent);
          passed.receivedBytes += one.received;
          passed.sentBytes += one.sent;
        } else if (one.kind === "anew") now = bytes(0, 0);
        else if (one.kind === "gone") now = undefined;
        else if (one.kind === "begin") meter.begin("wwan0");
        else if (one.kind === "end") meter.end();
        const total = meter.total() ?? last;
        expect(total.receivedBytes).toBeGreaterThanOrEqual(last.receivedBytes);
        expect(total.sentBytes).toBeGreaterThanOrEqual(last.sentBytes);
        expect(total.receivedBytes).toBeLessThanOrEqual(passed.receivedBytes);
        expect(total.sentBytes).toBeLessThanOrEqual(passed.sentBytes);
        last = { ...total };
      }
    }),
    { seed: 11 },
  );
});

describe("sessions on an interface", () => {
  test("each has what passed in it, over an interface that was made anew, and nothing of what passed before or between", async () => {
    const bench = new PathBench('mode = "auto"');
    const told: AuditEvent[] = [];
    const book = createSessionBook({
      clock: bench.clock,
      registration: () => ({ status: "roaming", plmn: "26298", rat: "lte-m" }),
      bytes: bench.path.bytes,
      audit: async (event) => void told.push(event),
    });
    const path = (up: boolean): PathState => ({
      up,
      isExhausted: false,
      iccid: "8988",
      apn: "iot",
      session: up ? session : undefined,
      reason: "told so",
    });
    const begin = async (): Promise<void> => {
      book.path(path(true));
      await bench.path.follow(session);
    };
    const end = async (): Promise<void> => {
      book.path(path(false));
      await bench.path.follow(undefined);
    };

    bench.counters.set("wwan0", [50_000, 5_000]);
    await begin();
    bench.counters.set("wwan0", [51_000, 5_100]);
    await bench.clock.advance(watchMs + 10);
    // The module resets: the same name, counters from nought.
    bench.interfaces.set("wwan0", { index: 8, addresses: [] });
    bench.counters.set("wwan0", [30, 3]);
    await bench.clock.advance(10 * watchMs);
    bench.counters.set("wwan0", [230, 23]);
    await end();
    bench.counters.set("wwan0", [9_000, 900]);
    await begin();
    bench.counters.set("wwan0", [9_500, 960]);
    await end();

    expect(told.map(({ event, data }) => [event, data?.receivedBytes, data?.sentBytes])).toEqual([
      ["session.ended", 1_230, 123],
      ["session.ended", 500, 60],
    ]);
  });

  test("counters are the kernel's files; an interface that is not there has none", async () => {
    const sys = await mkdtemp(join(tmpdir(), "sys-"));
    onTestFinished(() => rm(sys, { recursive: true }));
    const dir = join(sys, "class/net/wwan0/statistics");
    await mkdir(dir, { recursive: true });
    await writeFile(join(dir, "rx_bytes"), "123456\n");
    const kernel = kernelView({ sys });
    expect(kernel.counters("wwan0")).toBeUndefined();
    await writeFile(join(dir, "tx_bytes"), "789\n");
    await writeFile(join(dir, "rx_packets"), "100\n");
    await writeFile(join(dir, "tx_packets"), "11\n");
    expect(kernel.counters("wwan0")).toEqual({ ...bytes(123_456, 789), packets: 111 });
    expect(kernel.counters("ppp0")).toBeUndefined();
  });
});
