// Whether anything passes, as a table of what was heard; questions to real sockets; waits that end early without a path; sessions on record.
import { createSocket, type Socket } from "node:dgram";
import { createServer } from "node:net";
import { afterEach, describe, expect, test } from "vitest";
import type { AuditEvent } from "../../../agent/audit/types.ts";
import type { PathState } from "../../../agent/connectivity/keeper.ts";
import {
  type Answered,
  deadAfter,
  type HealthState,
  initialHealth,
  nextHealth,
  type TargetKind,
} from "../../../agent/connectivity/path-health.ts";
import { askOverNet } from "../../../agent/connectivity/probe-net.ts";
import { createSessionBook } from "../../../agent/connectivity/sessions.ts";
import { whilePath, withoutPathMs } from "../../../agent/connectivity/while-path.ts";
import { SystemClock, VirtualClock } from "../../../base/clock.ts";
import { SimwardError } from "../../../base/errors.ts";
import { systemRandom } from "../../../base/random.ts";

const round = (
  ...answers: readonly (readonly [TargetKind, number | undefined])[]
): { readonly kind: "probed"; readonly answers: readonly Answered[] } => ({
  kind: "probed",
  answers: answers.map(([kind, roundTripMs]) => ({ target: `${kind} there`, kind, roundTripMs })),
});
const health = (...inputs: readonly Parameters<typeof nextHealth>[1][]): HealthState =>
  inputs.reduce<HealthState>((state, input) => nextHealth(state, input).state, initialHealth);

describe("whether anything passes", () => {
  test("who has never answered is no witness, however long it is silent", () => {
    const silent = Array.from({ length: 20 }, () => round(["dns", undefined], ["eim", undefined]));
    expect(health(...silent)).toMatchObject({ verdict: "unknown", silent: 0 });
  });

  test("a host that the configuration names counts from the first time", () => {
    const silent = Array.from({ length: deadAfter.several }, () => round(["host", undefined]));
    expect(health(...silent.slice(1)).verdict).toBe("doubtful");
    expect(health(...silent).verdict).toBe("dead");
  });

  test("a resolver that answered tells after three rounds; an eIM alone after six, for it may be the eIM", () => {
    const several = [round(["dns", 80]), ...Array.from({ length: 3 }, () => round(["dns", undefined], ["eim", undefined]))];
    expect(health(...several).verdict).toBe("dead");
    const alone = [round(["eim", 80]), ...Array.from({ length: 5 }, () => round(["eim", undefined]))];
    expect(health(...alone).verdict).toBe("doubtful");
    expect(health(...alone, round(["eim", undefined])).verdict).toBe("dead");
  });

  test("one answer is enough, and shows the least round trip of the session", () => {
    expect(health(round(["dns", 300]), round(["dns", undefined], ["eim", 900]))).toMatchObject({
      verdict: "passing",
      roundTripMs: 900,
      leastMs: 300,
    });
  });

  test("when all was tried nothing is given up any more, until somebody has answered", () => {
    const silent = Array.from({ length: 9 }, () => round(["dns", undefined]));
    const tried = health(round(["dns", 80]), ...silent, { kind: "triedAll" }, ...silent);
    expect(tried).toMatchObject({ verdict: "doubtful", isSuspended: true });
    expect(nextHealth(tried, { kind: "heard", target: "eim there" }).state).toMatchObject({ verdict: "passing", isSuspended: false });
  });
});

describe("questions to hosts", () => {
  const closers: (() => void)[] = [];
  afterEach(() => {
    for (const close of closers.splice(0)) close();
  });
  const clock = new SystemClock();
  const ask = askOverNet(clock, systemRandom);
  const never = new AbortController().signal;

  async function udpServer(answer: (datagram: Buffer) => Buffer | undefined): Promise<{ readonly port: number; readonly seen: Buffer[] }> {
    const server: Socket = createSocket("udp4");
    const seen: Buffer[] = [];
    closers.push(() => server.close());
    server.on("message", (datagram, from) => {
      seen.push(datagram);
      const said = answer(datagram);
      if (said !== undefined) server.send(said, from.port, from.address);
    });
    await new Promise<void>((resolve) => server.bind(0, "127.0.0.1", resolve));
    return { port: server.address().port, seen };
  }

  test("a DNS query for the root's name servers, well formed", async () => {
    const { port, seen } = await udpServer((query) => Buffer.concat([query.subarray(0, 2), Buffer.from("8180", "hex"), query.subarray(4)]));
    expect(await ask({ way: "dns", host: "127.0.0.1", port, from: "127.0.0.1" }, 3_000, never)).toBeGreaterThanOrEqual(0);
    expect(seen[0]?.subarray(2).toString("hex")).toBe("01000001000000000000" + "0000020001");
  });

  test("the first flight of a DTLS handshake: lengths that fit", async () => {
    const { port, seen } = await udpServer(() => Buffer.from("16feff", "hex"));
    expect(await ask({ way: "dtls", host: "127.0.0.1", port }, 3_000, never)).toBeGreaterThanOrEqual(0);
    const [hello = Buffer.alloc(0)] = seen;
    expect(hello.subarray(0, 3).toString("hex")).toBe("16feff");
    expect(hello.readUInt16BE(11)).toBe(hello.length - 13);
    expect(hello.readUIntBE(14, 3)).toBe(hello.length - 25);
    expect(hello.readUIntBE(22, 3)).toBe(hello.length - 25);
    expect(hello.subarray(25, 27).toString("hex")).toBe("fefd");
    // Extensions fill the rest.
    const extensionsAt = 25 + 2 + 32 + 1 + 1 + 2 + 4 + 2;
    expect(hello.readUInt16BE(extensionsAt)).toBe(hello.length - extensionsAt - 2);
  });

  test("silence is asked thrice and told as such; who gives up is not kept waiting", async () => {
    const { port, seen } = await udpServer(() => undefined);
    expect(await ask({ way: "dtls", host: "127.0.0.1", port }, 300, never)).toBeUndefined();
    expect(seen).toHaveLength(3);
    expect(await ask({ way: "dtls", host: "127.0.0.1", port }, 60_000, AbortSignal.abort())).toBeUndefined();
  });

  test("from an address that is nobody's here nothing is sent", async () => {
    const { port, seen } = await udpServer((datagram) => datagram);
    expect(await ask({ way: "dns", host: "127.0.0.1", port, from: "192.0.2.77" }, 1_000, never)).toBeUndefined();
    expect(seen).toEqual([]);
  });

  test("TCP: a connection and a refusal are answers", async () => {
    const server = createServer((socket) => socket.destroy());
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const address = server.address();
    const port = typeof address === "object" && address !== null ? address.port : 0;
    expect(await ask({ way: "tcp", host: "127.0.0.1", port }, 3_000, never)).toBeGreaterThanOrEqual(0);
    await new Promise((resolve) => server.close(resolve));
    expect(await ask({ way: "tcp", host: "127.0.0.1", port }, 3_000, never)).toBeGreaterThanOrEqual(0);
  });
});

describe("a wait for a server", () => {
  function path(isUp: boolean) {
    const clock = new VirtualClock();
    const listeners = new Set<(path: PathState) => void>();
    let up = isUp;
    const state = (): PathState => ({
      up,
      session: undefined,
      iccid: undefined,
      apn: undefined,
      reason: up ? undefined : "no coverage",
      isExhausted: false,
    });
    return {
      clock,
      listeners,
      set(next: boolean) {
        up = next;
        for (const fn of [...listeners]) fn(state());
      },
      options: {
        clock,
        path: state,
        onPath: (fn: (path: PathState) => void) => {
          listeners.add(fn);
          return () => listeners.delete(fn);
        },
      },
    };
  }
  const forEver = (signal: AbortSignal): Promise<never> =>
    new Promise((_resolve, reject) => signal.addEventListener("abort", () => reject(new SimwardError("COAP_TIMEOUT")), { once: true }));
  const never = new AbortController().signal;

  test("ends early when the path has been away for a while, as what is tried again with the path; and leaves nothing behind", async () => {
    const { clock, listeners, set, options } = path(true);
    const ended = whilePath(options, never, forEver).catch((error: unknown) => error);
    await clock.advance(100_000);
    set(false);
    await clock.advance(withoutPathMs - 1);
    expect(listeners.size).toBe(1);
    await clock.advance(1);
    expect(await ended).toMatchObject({ code: "NO_DATA_PATH", retry: "online", message: expect.stringMatching(/no coverage/) });
    expect([listeners.size, clock.nextTimerInMs()]).toEqual([0, undefined]);
  });

  test("goes on when the path is back in time, and is not cut short where another bearer answers", async () => {
    const { clock, set, options } = path(false);
    let answer: (text: string) => void = () => undefined;
    const answered = whilePath(
      options,
      never,
      () =>
        new Promise<string>((resolve) => {
          answer = resolve;
        }),
    );
    await clock.advance(withoutPathMs - 1);
    set(true);
    await clock.advance(100_000);
    answer("over the air");
    expect(await answered).toBe("over the air");
    expect(await whilePath(path(false).options, never, async () => "over the cable")).toBe("over the cable");
  });
});

describe("session records", () => {
  const session = (address: string) => ({ cid: 1, apn: "iot", address, gateway: undefined, dns: [], mtuBytes: undefined });
  const up = (address: string): PathState => ({
    up: true,
    session: session(address),
    iccid: "8988",
    apn: "iot",
    reason: undefined,
    isExhausted: false,
  });
  const gone = (reason: string): PathState => ({ up: false, session: undefined, iccid: undefined, apn: "iot", reason, isExhausted: false });

  test("start, end, network, address, octets and cause; another address is another session; the gap has the last reason", async () => {
    const clock = new VirtualClock({ ms: Date.UTC(2026, 5, 1) });
    const told: AuditEvent[] = [];
    let bytes = { receivedBytes: 1_000, sentBytes: 100 };
    const book = createSessionBook({
      clock,
      registration: () => ({ status: "roaming", plmn: "26298", rat: "lte-m" }),
      bytes: () => bytes,
      audit: async (event) => void told.push(event),
    });
    book.path(up("10.0.0.1"));
    await clock.advance(60_000);
    bytes = { receivedBytes: 6_000, sentBytes: 300 };
    book.path(up("10.0.0.2"));
    await clock.advance(30_000);
    book.path(gone("registration: searching"));
    book.path(gone("no data path came up in time"));
    expect(book.current).toBeUndefined();
    expect(book.gap).toMatchObject({ reason: "no data path came up in time" });
    book.path(up("10.0.0.3"));
    expect(book.gap).toBeUndefined();
    await book.close("simward stops");
    expect(told.map(({ event, data }) => [event, data?.address, data?.seconds, data?.receivedBytes, data?.sentBytes, data?.end])).toEqual([
      ["session.ended", "10.0.0.1", 60, 5_000, 200, "the network gave another address"],
      ["session.ended", "10.0.0.2", 30, 0, 0, "registration: searching"],
      ["session.ended", "10.0.0.3", 0, 0, 0, "simward stops"],
    ]);
    expect(told[0]?.data).toMatchObject({ start: "2026-06-01T00:00:00.000Z", plmn: "26298", rat: "lte-m", apn: "iot", iccid: "8988" });
  });
});
