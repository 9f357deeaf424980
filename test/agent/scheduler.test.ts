import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { backOffDelayMs, intervalDelayMs, startDelayMs } from "../../agent/scheduler/delays.ts";
import { initialPollState, nextPoll, type PollEffect, type PollInput, type PollState } from "../../agent/scheduler/poll-machine.ts";
import type { RetryClass } from "../../base/errors.ts";

const hourMs = 3_600_000;
const eidOf = (n: number): string => `89049032${String(n).padStart(24, "0")}`;

describe("when to poll", () => {
  test("a fleet is spread evenly over the interval, each vehicle at its own moment", () => {
    const buckets = new Array<number>(12).fill(0);
    for (let n = 0; n < 6_000; n++) {
      const at = Math.min(11, Math.floor(intervalDelayMs(eidOf(n), hourMs, 0) / (hourMs / 12)));
      buckets[at] = (buckets[at] ?? 0) + 1;
    }
    for (const bucket of buckets) expect(bucket).toBeGreaterThan(400);
    const eid = eidOf(1);
    const first = intervalDelayMs(eid, hourMs, 1_000_000);
    expect(intervalDelayMs(eid, hourMs, 1_000_000 + first)).toBe(hourMs);
  });

  test("the delay is always positive and at most two intervals", () => {
    fc.assert(
      fc.property(
        fc.nat(),
        fc.integer({ min: 10_000, max: 7 * 24 * hourMs }),
        fc.integer({ min: 0, max: 4e12 }),
        (n, intervalMs, nowMs) => {
          const delay = intervalDelayMs(eidOf(n), intervalMs, nowMs);
          expect(delay).toBeGreaterThanOrEqual(1_000);
          expect(delay).toBeLessThan(intervalMs + 1_000);
        },
      ),
      { seed: 1 },
    );
  });

  test("after a start: overdue is made up for within minutes, spread by chance; else the vehicle's own moment counts", () => {
    const eid = eidOf(3);
    const now = 50 * hourMs;
    expect(startDelayMs(eid, hourMs, now, undefined, 0)).toBe(1_000);
    expect(startDelayMs(eid, hourMs, now, now - 2 * hourMs, 0.5)).toBe(150_000);
    expect(startDelayMs(eid, hourMs, now, now - 60_000, 0.5)).toBe(intervalDelayMs(eid, hourMs, now));
    // A last poll in the future means the clock went back: it says nothing.
    expect(startDelayMs(eid, hourMs, now, now + hourMs, 0.1)).toBe(30_000);
  });

  test("back-off doubles up to its ceiling, by cause; where asking more often does not help there is none", () => {
    expect([1, 2, 3, 4, 5, 50].map((failures) => backOffDelayMs("soon", failures, hourMs, 0.999_999))).toEqual(
      [5, 10, 20, 40, 60, 60].map((s) => expect.closeTo(s * 1_000, -1)),
    );
    expect(backOffDelayMs("online", 50, hourMs, 0.5)).toBe(450_000);
    expect(backOffDelayMs("later", 50, 600_000, 0.5)).toBe(300_000);
    expect(backOffDelayMs("soon", 1, hourMs, 0)).toBe(1_000);
    for (const retry of ["operator", "never"] as const) expect(backOffDelayMs(retry, 3, hourMs, 0.5)).toBeUndefined();
  });
});

describe("the poll machine", () => {
  const idle = (failures = 0, awaitsPath = false): PollState => ({ phase: "idle", failures, awaitsPath });
  const polling = (failures = 0): PollState => ({ phase: "polling", failures });
  const backOff = (retry: RetryClass, failures: number): PollEffect => ({ kind: "schedule", why: "backOff", retry, failures });

  const rows: readonly [string, PollState, PollInput, PollState, readonly PollEffect[]][] = [
    ["a card appears", initialPollState, { kind: "cardReady" }, { phase: "starting", failures: 0 }, [{ kind: "start" }]],
    ["a card that is known", idle(), { kind: "cardReady" }, idle(), []],
    ["started", { phase: "starting", failures: 2 }, { kind: "started" }, idle(), [{ kind: "schedule", why: "start" }]],
    [
      "the start fails",
      { phase: "starting", failures: 1 },
      { kind: "startFailed", retry: "soon" },
      { phase: "startFailed", failures: 2, retry: "soon" },
      [backOff("soon", 2)],
    ],
    [
      "time to start again",
      { phase: "startFailed", failures: 2, retry: "soon" },
      { kind: "due" },
      { phase: "starting", failures: 2 },
      [{ kind: "start" }],
    ],
    ["time to poll", idle(), { kind: "due" }, idle(), [{ kind: "poll" }]],
    ["a poll begins", idle(3), { kind: "pollBegun" }, polling(3), [{ kind: "unschedule" }]],
    [
      "a poll ends well",
      polling(3),
      { kind: "pollEnded", retry: undefined, unfinished: false },
      idle(),
      [{ kind: "schedule", why: "interval" }],
    ],
    [
      "a poll leaves something to report",
      polling(),
      { kind: "pollEnded", retry: undefined, unfinished: true },
      idle(1),
      [backOff("later", 1)],
    ],
    [
      "a poll fails for want of a path",
      polling(1),
      { kind: "pollEnded", retry: "online", unfinished: false },
      idle(2, true),
      [backOff("online", 2)],
    ],
    ["the path comes back that was waited for", idle(2, true), { kind: "pathUp" }, idle(2, false), [backOff("online", 2)]],
    ["the machine was asleep", idle(0), { kind: "awake" }, idle(0), [{ kind: "schedule", why: "start" }]],
    ["the machine was asleep during a back-off", idle(2, true), { kind: "awake" }, idle(2, true), [backOff("online", 2)]],
    ["a path comes up that nobody waited for", idle(0), { kind: "pathUp" }, idle(0), []],
    ["the module goes while polling", polling(1), { kind: "cardGone" }, { phase: "absent", cutOff: 2 }, [{ kind: "unschedule" }]],
    ["the module goes while nothing is owed", idle(), { kind: "cardGone" }, { phase: "absent" }, [{ kind: "unschedule" }]],
    ["the module goes after it ended a poll", idle(1), { kind: "cardGone" }, { phase: "absent", cutOff: 1 }, [{ kind: "unschedule" }]],
    [
      "it is back after a poll was cut off",
      { phase: "absent", cutOff: 1 },
      { kind: "cardReady" },
      { phase: "starting", failures: 0, cutOff: 1 },
      [{ kind: "start" }],
    ],
    ["that poll is taken up soon", { phase: "starting", failures: 0, cutOff: 1 }, { kind: "started" }, idle(1), [backOff("soon", 1)]],
    [
      "one that the module never outlives has its time",
      { phase: "starting", failures: 0, cutOff: 4 },
      { kind: "started" },
      idle(4),
      [backOff("later", 4)],
    ],
    [
      "the start fails after a poll was cut off",
      { phase: "starting", failures: 0, cutOff: 1 },
      { kind: "startFailed", retry: "soon" },
      { phase: "startFailed", failures: 1, retry: "soon", cutOff: 1 },
      [backOff("soon", 1)],
    ],
    [
      "a poll that needed the card no more ends well after all",
      { phase: "starting", failures: 0, cutOff: 1 },
      { kind: "pollEnded", retry: undefined, unfinished: false },
      { phase: "starting", failures: 0 },
      [],
    ],
    [
      "a poll that was asked for while the module was away failed",
      { phase: "absent" },
      { kind: "pollEnded", retry: "soon", unfinished: false },
      { phase: "absent", cutOff: 1 },
      [],
    ],
    ["due while polling", polling(), { kind: "due" }, polling(), []],
  ];
  test.each(rows)("%s", (_name, state, input, after, effects) => {
    expect(nextPoll(state, input)).toEqual({ state: after, effects });
  });

  test("whatever happens, a card that is there is always started, polled or waited for", () => {
    const inputs: fc.Arbitrary<PollInput> = fc.oneof(
      fc.constantFrom<PollInput>(
        { kind: "cardReady" },
        { kind: "cardGone" },
        { kind: "started" },
        { kind: "due" },
        { kind: "pathUp" },
        { kind: "awake" },
        { kind: "pollBegun" },
      ),
      fc.constantFrom<RetryClass>("soon", "later", "online", "operator", "never").map((retry) => ({ kind: "startFailed", retry }) as const),
      fc.record({
        kind: fc.constant("pollEnded" as const),
        retry: fc.constantFrom<RetryClass | undefined>(undefined, "later", "online"),
        unfinished: fc.boolean(),
      }),
    );
    fc.assert(
      fc.property(fc.array(inputs, { maxLength: 60 }), (sequence) => {
        let state: PollState = initialPollState;
        let timer = false;
        for (const input of sequence) {
          if (input.kind === "due" && !timer) continue; // a timer that does not run is never due
          if (input.kind === "due") timer = false;
          const step = nextPoll(state, input);
          state = step.state;
          for (const effect of step.effects) {
            if (effect.kind === "schedule") timer = true;
            if (effect.kind === "unschedule") timer = false;
          }
          const isPollAsked = step.effects.some((effect) => effect.kind === "poll");
          if (state.phase === "idle" && !isPollAsked && input.kind !== "due") expect(timer).toBe(true);
          if (state.phase === "startFailed") expect(timer).toBe(true);
          if (isPollAsked) state = nextPoll(state, { kind: "pollBegun" }).state;
        }
      }),
      { seed: 1, numRuns: 500 },
    );
  });
});
