// The session and its associations: when it opens a new one, what that costs, where the exchange goes on, and what it learns of the NAT.
import { describe, expect, it } from "vitest";
import { SimwardError } from "../../../base/errors.ts";
import { type BenchOptions, sessionBench } from "./support.ts";

const body = (length: number): Uint8Array => Uint8Array.from({ length }, (_, i) => i * 7 + (i >> 8));
const poll = { method: "POST", path: "gsma/rsp2/asn1", payload: body(30) } as const;

function bench(options: Partial<BenchOptions> = {}) {
  const learned: number[] = [];
  const t = sessionBench({
    answer: () => ({ code: "2.04", payload: body(30) }),
    ...options,
    session: { onNatIdle: (seconds) => learned.push(seconds), ...options.session },
  });
  const ask = (payload = poll.payload, signal?: AbortSignal) => t.clock.runUntil(t.session.request({ ...poll, payload }, signal));
  const reasons = () => t.events.flatMap((event) => (event.kind === "connect" ? [event.why] : []));
  /** Datagrams of the client on its nth association. */
  const sent = (n: number) => t.paths[n]?.sent.filter((one) => one.direction === "up").length;
  return Object.assign(t, { learned, ask, reasons, sent });
}

describe("silence", () => {
  it("shorter than ten seconds is no reason for anything", async () => {
    const t = bench();
    for (let i = 0; i < 5; i++) {
      await t.ask();
      await t.clock.advance(9_900);
    }
    expect(t.reasons()).toEqual(["first"]);
    expect(t.sent(0)).toBe(5);
  });

  it("longer than natIdleSeconds opens a new association before anything is sent: no datagram is wasted", async () => {
    const t = bench();
    await t.ask();
    await t.clock.advance(60_000);
    t.paths[0]?.cut();
    await t.ask();
    expect(t.reasons()).toEqual(["first", "idle"]);
    expect([t.sent(0), t.sent(1)]).toEqual([1, 1]);
    expect(t.learned).toEqual([]);
  });

  it("in between wastes one datagram when the NAT has forgotten us, and teaches", async () => {
    const t = bench();
    await t.ask();
    await t.clock.advance(40_000);
    t.paths[0]?.cut();
    await t.ask();
    expect(t.reasons()).toEqual(["first", "silent"]);
    expect([t.sent(0), t.sent(1)]).toEqual([2, 1]);
    expect(t.session.natIdleSeconds).toBeCloseTo(30, 0);
    // The same silence costs nothing any more.
    await t.clock.advance(40_000);
    t.paths[1]?.cut();
    await t.ask();
    expect(t.reasons()).toEqual(["first", "silent", "idle"]);
    expect([t.sent(1), t.sent(2)]).toEqual([1, 1]);
  });

  it("that was survived makes the session more patient", async () => {
    const t = bench();
    await t.ask();
    await t.clock.advance(50_000);
    await t.ask();
    expect(t.session.natIdleSeconds).toBeCloseTo(75, 0);
    await t.clock.advance(70_000);
    await t.ask();
    expect(t.reasons()).toEqual(["first"]);
    expect(t.learned).toHaveLength(2);
  });

  it("is judged by what an earlier session learned", async () => {
    const t = bench({ session: { natIdleSeconds: 25 } });
    await t.ask();
    await t.clock.advance(25_000);
    await t.ask();
    expect(t.reasons()).toEqual(["first", "idle"]);
  });

  it("says nothing where the link survives a change of address (Connection ID)", async () => {
    const t = bench({ session: { survivesRebinding: () => true } });
    await t.ask();
    await t.clock.advance(600_000);
    await t.ask();
    expect(t.reasons()).toEqual(["first"]);
  });
});

describe("the patience with a server that works before it answers", () => {
  it("is the same on a later association, however short the round trip was found to be", async () => {
    const t = bench({
      answer: async (_, { clock, asked }) => {
        if (asked.length > 5) await clock.sleep(1_900);
        return { code: "2.04", payload: body(30) };
      },
      server: { separateAfterMs: 60_000 },
      path: { delayMs: 1 },
    });
    for (let i = 0; i < 5; i++) await t.ask();
    expect(t.session.roundTripMs).toBe(2);
    await t.clock.advance(60_000);
    await t.ask();
    expect(t.reasons()).toEqual(["first", "idle"]);
    expect([t.sent(0), t.sent(1)]).toEqual([5, 1]);
  });
});

describe("a link that survives a change of address (Connection ID)", () => {
  const immune = { survivesRebinding: () => true } as const;

  it("is given up after three datagrams when the peer forgot it, not after eleven, and teaches nothing of NATs", async () => {
    const t = bench({ session: immune });
    await t.ask();
    await t.clock.advance(3_600_000);
    t.paths[0]?.cut();
    await t.ask();
    expect(t.reasons()).toEqual(["first", "silent"]);
    expect([t.sent(0), t.sent(1)]).toEqual([4, 1]);
    expect(t.learned).toEqual([]);
  });

  it("is renewed at its age, between requests, with a goodbye", async () => {
    const t = bench({ session: { ...immune, renewAfterMs: 86_400_000 } });
    for (let hour = 0; hour < 49; hour++) {
      await t.ask();
      await t.clock.advance(3_600_000);
    }
    expect(t.reasons()).toEqual(["first", "age", "age"]);
    const mortal = bench({ session: { survivesRebinding: () => false, natIdleSeconds: 3_600, renewAfterMs: 1_000 } });
    await mortal.ask();
    await mortal.clock.advance(9_000);
    await mortal.ask();
    expect(mortal.reasons()).toEqual(["first"]);
  });

  it("goes on from another address of ours where it can, and is left where it cannot", async () => {
    for (const survives of [true, false]) {
      let rebinds = 0;
      const t = bench({ session: { survivesRebinding: () => survives } });
      await t.ask();
      const link = t.paths[0]?.client;
      if (link !== undefined) Object.assign(link, { rebind: () => rebinds++ });
      t.session.renew();
      await t.ask();
      expect([rebinds, t.reasons()]).toEqual(survives ? [1, ["first"]] : [0, ["first", "closed"]]);
    }
  });

  it("says so itself", async () => {
    const t = bench();
    await t.ask();
    const link = t.paths[0]?.client;
    if (link !== undefined) Object.assign(link, { survivesRebinding: true });
    await t.clock.advance(600_000);
    await t.ask();
    expect(t.reasons()).toEqual(["first"]);
  });
});

describe("a peer that forgot us in the middle", () => {
  it.each([
    { name: "while sending", upBytes: 8_192, downBytes: 30, cutAfter: 4 },
    { name: "while receiving", upBytes: 8_192, downBytes: 20_000, cutAfter: 15 },
    { name: "at the block that runs the request", upBytes: 8_192, downBytes: 30, cutAfter: 7 },
  ])("$name: the exchange goes on at the failed block, and the request runs once", async ({ upBytes, downBytes, cutAfter }) => {
    const t = bench({ answer: () => ({ code: "2.04", payload: body(downBytes) }) });
    const answer = t.session.request({ ...poll, payload: body(upBytes) });
    while ((t.sent(0) ?? 0) < cutAfter) await t.clock.advance(10);
    t.paths[0]?.cut();
    const response = await t.clock.runUntil(answer);
    expect(response.payload).toEqual(body(downBytes));
    expect(t.asked.map((one) => one.payload)).toEqual([body(upBytes)]);
    expect(t.reasons()).toEqual(["first", "silent"]);
    // The failed block and those after it, and no other.
    const blocks = Math.ceil(upBytes / 1_024) + Math.ceil(downBytes / 1_024) - 1;
    expect(t.sent(1)).toBe(blocks - cutAfter + 1);
  });

  it("and lost the blocks too: the transfer starts again, once", async () => {
    const t = bench();
    const answer = t.session.request({ ...poll, payload: body(8_192) });
    while ((t.sent(0) ?? 0) < 5) await t.clock.advance(10);
    t.paths[0]?.cut();
    t.restart();
    expect((await t.clock.runUntil(answer)).code).toBe("2.04");
    expect(t.asked.map((one) => one.payload)).toEqual([body(8_192)]);
    // The block that found nothing before it, then all eight.
    expect(t.sent(1)).toBe(9);
  });

  it("costs seconds, not a whole exchange", async () => {
    const t = bench({ answer: () => ({ code: "2.04", payload: body(20_000) }) });
    const answer = t.session.request(poll);
    while ((t.sent(0) ?? 0) < 8) await t.clock.advance(10);
    const cutMs = t.clock.monotonicMs();
    t.paths[0]?.cut();
    await t.clock.runUntil(answer);
    expect(t.reasons()).toEqual(["first", "silent"]);
    expect(t.clock.monotonicMs() - cutMs).toBeLessThan(5_000);
    // A request that runs may be at work for long.
    const againMs = t.clock.monotonicMs();
    t.paths[1]?.cut();
    await t.ask();
    expect(t.reasons()).toEqual(["first", "silent", "silent"]);
    expect(t.clock.monotonicMs() - againMs).toBeLessThan(25_000);
  });

  it("and says so by closing: the exchange goes on over a new association", async () => {
    const t = bench();
    const answer = t.session.request({ ...poll, payload: body(8_192) });
    while ((t.sent(0) ?? 0) < 5) await t.clock.advance(10);
    t.paths[0]?.close(new SimwardError("DTLS_CLOSED"));
    expect((await t.clock.runUntil(answer)).code).toBe("2.04");
    expect(t.reasons()).toEqual(["first", "closed"]);
    expect(t.asked.map((one) => one.payload)).toEqual([body(8_192)]);
  });

  it("between two requests: the next opens a new association", async () => {
    const t = bench();
    await t.ask();
    t.paths[0]?.close(new SimwardError("DTLS_CLOSED"));
    expect(t.session.connected).toBe(false);
    await t.ask();
    expect(t.reasons()).toEqual(["first", "closed"]);
  });
});

describe("a peer that is only slow, or a path that only loses", () => {
  it("keeps its association when it answers before the new one is there, which is then closed", async () => {
    const t = bench({ answer: () => ({ code: "2.04", payload: body(20_000) }) });
    let opened = 0;
    const direct = t.connect;
    t.connect = async () => {
      if (opened++ > 0) await t.clock.sleep(5_000);
      return direct();
    };
    const answer = t.session.request(poll);
    while ((t.sent(0) ?? 0) < 8) await t.clock.advance(10);
    t.paths[0]?.hold(true);
    await t.clock.advance(4_000);
    expect(opened).toBe(2);
    t.paths[0]?.hold(false);
    expect((await t.clock.runUntil(answer)).payload).toEqual(body(20_000));
    await t.clock.advance(10_000);
    expect(t.reasons()).toEqual(["first"]);
    expect([t.sent(1), t.server.state.peers]).toEqual([0, 1]);
  });

  it("is not asked twice within ten seconds for what it works on", async () => {
    const t = bench({
      answer: async (_, { clock }) => {
        await clock.sleep(10_000);
        return { code: "2.04", payload: body(30) };
      },
      server: { separateAfterMs: 60_000 },
    });
    await t.ask();
    expect([t.asked.length, t.reasons()]).toEqual([1, ["first"]]);
  });

  it("whose new associations fail costs one of them, and is waited for as long as ever", async () => {
    const t = bench({ answer: () => ({ code: "2.04", payload: body(20_000) }) });
    let opened = 0;
    const direct = t.connect;
    t.connect = async () => {
      if (opened++ > 0) throw new SimwardError("DTLS_TIMEOUT");
      return direct();
    };
    const answer = t.session.request(poll);
    while ((t.sent(0) ?? 0) < 8) await t.clock.advance(10);
    t.paths[0]?.hold(true);
    await t.clock.advance(15_000);
    t.paths[0]?.hold(false);
    expect((await t.clock.runUntil(answer)).payload).toEqual(body(20_000));
    expect([opened, t.reasons()]).toEqual([2, ["first"]]);
  });

  it("and closes while the new one opens: it is left for another", async () => {
    const t = bench({ answer: () => ({ code: "2.04", payload: body(20_000) }) });
    let opened = 0;
    const direct = t.connect;
    t.connect = async () => {
      if (opened++ === 1) await t.clock.sleep(60_000);
      return direct();
    };
    const answer = t.session.request(poll);
    while ((t.sent(0) ?? 0) < 8) await t.clock.advance(10);
    t.paths[0]?.hold(true);
    await t.clock.advance(4_000);
    t.session.renew();
    expect((await t.clock.runUntil(answer)).payload).toEqual(body(20_000));
    expect([opened, t.reasons()]).toEqual([3, ["first", "closed"]]);
    await t.clock.advance(60_000);
    expect(t.server.state.peers).toBe(1);
  });
});

describe("renewing, as after a change of address", () => {
  it("costs nothing by itself; the next request opens a new association", async () => {
    const t = bench();
    t.session.renew();
    await t.ask();
    t.session.renew();
    expect(t.session.connected).toBe(false);
    expect(t.paths).toHaveLength(1);
    await t.ask();
    expect(t.reasons()).toEqual(["first", "closed"]);
  });

  it("in the middle of a transfer lets it go on at the failed block", async () => {
    const t = bench();
    const answer = t.session.request({ ...poll, payload: body(8_192) });
    while ((t.sent(0) ?? 0) < 5) await t.clock.advance(10);
    t.session.renew();
    expect((await t.clock.runUntil(answer)).code).toBe("2.04");
    expect(t.asked.map((one) => one.payload)).toEqual([body(8_192)]);
    expect(t.sent(1)).toBe(4);
  });
});

describe("a peer that is not there", () => {
  it("ends in COAP_TIMEOUT when associations open but nothing is answered; the next request starts anew", async () => {
    const t = bench({ path: { alter: (datagram, direction) => (direction === "up" ? [] : [datagram]) } });
    await expect(t.ask()).rejects.toMatchObject({ code: "COAP_TIMEOUT" });
    expect([t.sent(0), t.sent(1), t.sent(2)]).toEqual([4, 11, undefined]);
  });

  it("ends in what the connection ended in", async () => {
    const t = bench({ session: { connect: () => Promise.reject(new SimwardError("DTLS_TIMEOUT", { detail: "x" })) } });
    await expect(t.ask()).rejects.toMatchObject({ code: "DTLS_TIMEOUT" });
    await expect(t.ask()).rejects.toMatchObject({ code: "DTLS_TIMEOUT" });
  });

  it("that closes every association is given up after the third", async () => {
    const t = bench({
      path: {
        alter: () => {
          t.paths.at(-1)?.close(new SimwardError("DTLS_CLOSED"));
          return [];
        },
      },
    });
    await expect(t.ask()).rejects.toMatchObject({ code: "DTLS_CLOSED" });
    expect(t.paths).toHaveLength(3);
  });
});

describe("ending", () => {
  it("aborting reaches the connection under way", async () => {
    const controller = new AbortController();
    let seen: AbortSignal | undefined;
    const t = bench({
      session: {
        connect: (signal) => {
          seen = signal;
          return new Promise((_, reject) => signal?.addEventListener("abort", () => reject(signal.reason)));
        },
      },
    });
    const answer = t.session.request(poll, controller.signal);
    const rejected = expect(answer).rejects.toMatchObject({ detail: "by the test" });
    await t.clock.advance(10);
    controller.abort(new SimwardError("ABORTED", { detail: "by the test" }));
    await rejected;
    expect(seen?.aborted).toBe(true);
  });

  it("closing ends the request under way, the association and the timers", async () => {
    const t = bench({ session: { idleCloseMs: 100_000 }, path: { loss: 1 } });
    const rejected = expect(t.session.request(poll)).rejects.toMatchObject({ code: "ABORTED" });
    await t.clock.advance(10);
    t.session.close();
    await rejected;
    await expect(t.session.request(poll)).rejects.toMatchObject({ code: "ABORTED" });
    expect(t.server.state.peers).toBe(0);
    t.server.close();
    expect(t.clock.nextTimerInMs()).toBeUndefined();
  });

  it("an association that idles is closed when configured so", async () => {
    const t = bench({ session: { idleCloseMs: 30_000 } });
    await t.ask();
    await t.clock.advance(29_000);
    expect(t.session.connected).toBe(true);
    await t.clock.advance(1_000);
    expect(t.session.connected).toBe(false);
    expect(t.server.state.peers).toBe(0);
    await t.ask();
    expect(t.reasons()).toEqual(["first", "first"]);
  });

  it("a dead association is given up without a word where the link can do that", async () => {
    const words: string[] = [];
    const t = bench();
    await t.ask();
    const [path] = t.paths;
    if (path === undefined) throw new Error("no association");
    Object.assign(path.client, { abandon: () => words.push("abandon"), close: () => words.push("close") });
    await t.clock.advance(60_000);
    await t.ask();
    expect(words).toEqual(["abandon"]);
  });
});
