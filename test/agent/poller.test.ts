// The poller with an IPA whose work takes as long as the test wants: who waits for what, what is told, and what is planned next.
import { setMaxListeners } from "node:events";
import { describe, expect, test } from "vitest";
import { createPoller, type Poller } from "../../agent/scheduler/poller.ts";
import { VirtualClock } from "../../base/clock.ts";
import { type ErrorCode, SimwardError } from "../../base/errors.ts";
import { silentLog } from "../../base/log.ts";
import type { IpaStatus, PollOutcome } from "../../ipa/ipa.ts";

const hourMs = 3_600_000;
const eid = "89049032123451234512345678901235";
const idleStatus: IpaStatus = {
  started: true,
  card: undefined,
  cardBusyWith: undefined,
  eid,
  eims: [],
  enabledIccid: undefined,
  profiles: [],
  operation: undefined,
  pendingNotifications: 0,
  pendingResults: 0,
};
const nothing: PollOutcome = { kind: "nothing", packages: 0, eims: [], error: undefined, retryAt: undefined, unfinished: false };
const failed = (code: ErrorCode): PollOutcome => ({ ...nothing, kind: "failed", error: new SimwardError(code) });

/** Work that ends when the test says how. */
class Task<T> {
  readonly #ends: { readonly resolve: (value: T) => void; readonly reject: (error: unknown) => void }[] = [];
  begun = 0;

  begin(): Promise<T> {
    this.begun++;
    return new Promise((resolve, reject) => this.#ends.push({ resolve, reject }));
  }

  end(value: T): Promise<void> {
    this.#ends.shift()?.resolve(value);
    return settled();
  }

  fail(code: ErrorCode): Promise<void> {
    this.#ends.shift()?.reject(new SimwardError(code));
    return settled();
  }
}

function bench(options: { readonly hasPath?: boolean } = {}) {
  const clock = new VirtualClock();
  const start = new Task<IpaStatus>();
  const poll = new Task<PollOutcome>();
  const asked: (string | undefined)[] = [];
  const told: string[] = [];
  const stopping = new AbortController();
  setMaxListeners(0, stopping.signal);
  let status = idleStatus;
  let delivery: { delivered: number; remaining: number; error: SimwardError | undefined } = {
    delivered: 0,
    remaining: 0,
    error: undefined,
  };
  let deliveries = 0;
  const poller: Poller = createPoller(
    {
      ipa: {
        start: () => start.begin(),
        pollOnce: (eimId) => {
          asked.push(eimId);
          return poll.begin();
        },
        deliverNotifications: async () => {
          deliveries++;
          return delivery;
        },
        status: () => status,
      },
      clock,
      random: { bytes: () => new Uint8Array(0), unit: () => 0.5 },
      log: silentLog,
      intervalMs: hourMs,
      lastPollMs: () => undefined,
      hasPath: () => options.hasPath ?? true,
      onStart: async (outcome) => void told.push(outcome instanceof SimwardError ? outcome.code : "started"),
      onPoll: async (outcome) => void told.push(outcome.kind),
    },
    stopping.signal,
  );
  return {
    ...{ clock, start, poll, poller, asked, told, stopping },
    busyWith: (operation: IpaStatus["operation"]) => {
      status = { ...idleStatus, operation };
    },
    deliver: (next: typeof delivery) => {
      delivery = next;
    },
    deliveries: () => deliveries,
    async started() {
      poller.cardReady();
      await start.end(idleStatus);
    },
  };
}

describe("asking an eIM now", () => {
  test("while the start goes on with what was interrupted: waited for half a minute, then refused with what is under way", async () => {
    const { poller, clock, start, busyWith, asked } = bench();
    poller.cardReady();
    busyWith({ kind: "euiccPackage", phase: "executed", eimId: "eim1" });
    const answer = poller.ask(undefined);
    const refused = expect(answer).rejects.toMatchObject({
      code: "BUSY",
      detail: expect.stringContaining("euiccPackage for eim1, executed"),
    });
    await clock.advance(30_000);
    await refused;
    await start.end(idleStatus);
    expect(asked).toEqual([]);
    expect(poller.phase).toBe("idle");
  });

  test("while the start ends soon: answered", async () => {
    const { poller, clock, start, poll } = bench();
    poller.cardReady();
    const answer = poller.ask("eim1");
    await clock.advance(20_000);
    await start.end(idleStatus);
    await clock.advance(20_000);
    await poll.end(nothing);
    expect(await answer).toBe(nothing);
  });

  test("several that wait for the same share one poll; who comes when it has begun gets another", async () => {
    const { poller, poll, started, asked } = bench();
    await started();
    const first = poller.ask(undefined);
    const second = poller.ask(undefined);
    const third = poller.ask(undefined);
    const other = poller.ask("eim2");
    expect(second).toBe(third);
    expect(second).not.toBe(first);
    await poll.end(nothing);
    await poll.end(failed("BUSY"));
    await poll.end(nothing);
    expect([(await first).kind, (await second).kind, (await other).kind]).toEqual(["nothing", "failed", "nothing"]);
    expect(asked).toEqual([undefined, undefined, "eim2"]);
    // Those that have gone stand in nobody's way.
    const later = poller.ask(undefined);
    await poll.end(nothing);
    expect(await later).toBe(nothing);
  });

  test("more than wait in line are refused", async () => {
    const { poller, started } = bench();
    await started();
    const answers = Array.from({ length: 20 }, (_, n) => poller.ask(`eim${n}`));
    for (const answer of answers) answer.catch(() => undefined);
    await expect(answers[19]).rejects.toMatchObject({ code: "QUEUE_FULL" });
  });
});

describe("what comes next", () => {
  test("a start that fails is tried again, by its cause; then comes the first poll, then one each interval", async () => {
    const { poller, clock, start, poll, told } = bench();
    poller.cardReady();
    await start.fail("APDU_CHANNEL");
    expect([poller.phase, poller.nextPollInMs]).toEqual(["startFailed", 2_500]);
    await clock.advance(2_500);
    await start.end(idleStatus);
    expect([poller.phase, poller.nextPollInMs]).toEqual(["idle", 150_000]);
    await clock.advance(150_000);
    expect([poller.phase, poller.nextPollInMs]).toEqual(["polling", undefined]);
    await poll.end(nothing);
    expect(told).toEqual(["APDU_CHANNEL", "started", "nothing"]);
    expect(poller.nextPollInMs).toBeLessThanOrEqual(hourMs);
    await clock.advance(poller.nextPollInMs ?? 0);
    await poll.end(nothing);
    expect(poller.nextPollInMs).toBe(hourMs);
  });

  // shows: e2.06-error
  test("a failed poll backs off by its cause; the path that comes back brings the next one forward", async () => {
    const { poller, clock, poll, started } = bench({ hasPath: false });
    await started();
    for (let n = 0; n < 6; n++) {
      void poller.ask(undefined);
      await poll.end(failed("ESIPA_UNREACHABLE"));
    }
    expect(poller.nextPollInMs).toBe(450_000);
    await clock.advance(1_000);
    poller.pathUp();
    expect(poller.nextPollInMs).toBe(450_000);
    // Once: a path that flaps does not put it off for ever.
    await clock.advance(100_000);
    poller.pathUp();
    expect(poller.nextPollInMs).toBe(350_000);
  });

  test("a poll that throws, which none should, is followed by another", async () => {
    const { poller, poll, started } = bench();
    await started();
    const answer = expect(poller.ask(undefined)).rejects.toMatchObject({ code: "INTERNAL" });
    await poll.fail("INTERNAL");
    await answer;
    expect([poller.phase, poller.nextPollInMs]).toEqual(["idle", 30_000]);
  });

  test("notifications that could not be delivered are tried again before the interval is over", async () => {
    const { poller, poll, started, deliver } = bench();
    await started();
    deliver({ delivered: 0, remaining: 2, error: new SimwardError("HTTP_CONNECT") });
    void poller.ask(undefined);
    await poll.end(nothing);
    expect(poller.nextPollInMs).toBe(15_000);
    // What only a person can mend waits for the interval.
    deliver({ delivered: 0, remaining: 2, error: new SimwardError("TLS_UNTRUSTED") });
    void poller.ask(undefined);
    await poll.end(nothing);
    expect(poller.nextPollInMs).toBeGreaterThan(60_000);
  });

  test("without a path nobody is bothered with notifications", async () => {
    for (const hasPath of [true, false]) {
      const { poller, poll, started, deliveries } = bench({ hasPath });
      await started();
      void poller.ask(undefined);
      await poll.end(failed("ESIPA_UNREACHABLE"));
      expect(deliveries()).toBe(hasPath ? 1 : 0);
    }
  });

  test("an operation that has just failed is not gone on with at once by way of the notifications", async () => {
    const { poller, poll, started, deliveries, busyWith } = bench();
    await started();
    busyWith({ kind: "profileDownload", phase: "initiating", eimId: "eim1" });
    for (const code of ["DISK_WRITE", "ESIPA_UNREACHABLE"] as const) {
      void poller.ask(undefined);
      await poll.end(failed(code));
    }
    // An eIM that cannot be reached does not keep the others' notifications.
    expect(deliveries()).toBe(1);
  });

  test("a module that goes while polling: nothing is planned until it is back, and then it is started anew", async () => {
    const { poller, clock, start, poll, started } = bench();
    await started();
    void poller.ask(undefined);
    poller.cardGone();
    await poll.end(failed("MODEM_ABSENT"));
    expect([poller.phase, poller.nextPollInMs, clock.nextTimerInMs()]).toEqual(["absent", undefined, undefined]);
    await started();
    expect([start.begun, poller.phase]).toEqual([2, "idle"]);
  });

  test("after stop nothing is planned, whatever still ends, and who waits is told", async () => {
    const { poller, clock, poll, started, stopping } = bench();
    await started();
    void poller.ask(undefined);
    const waiting = expect(poller.ask("eim1")).rejects.toMatchObject({ code: "ABORTED" });
    stopping.abort(new SimwardError("ABORTED"));
    const stopped = poller.stop();
    await waiting;
    await poll.end(failed("ABORTED"));
    await clock.runUntil(stopped);
    await clock.advance(10_000);
    expect([clock.nextTimerInMs(), poller.nextPollInMs]).toEqual([undefined, undefined]);
    await expect(poller.ask(undefined)).rejects.toMatchObject({ code: "ABORTED" });
  });

  test("stop does not wait for ever for what does not end", async () => {
    const { poller, clock, started, stopping } = bench();
    await started();
    void poller.ask(undefined);
    stopping.abort(new SimwardError("ABORTED"));
    const startMs = clock.monotonicMs();
    await clock.runUntil(poller.stop());
    expect(clock.monotonicMs() - startMs).toBeLessThanOrEqual(10_000);
  });
});

function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
