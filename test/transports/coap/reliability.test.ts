// The life of one confirmable message and the round trip's estimate, as tables.
import { describe, expect, it } from "vitest";
import {
  backOff,
  longestWaitMs,
  type ReliabilityEffect,
  type ReliabilityInput,
  type ReliabilityState,
  reliability,
  unknownRoundTrip,
  withAnswer,
} from "../../../transports/coap/reliability.ts";

function play(inputs: readonly ReliabilityInput[], limits = { maxRetransmit: 2, responseTimeoutMs: 9_000 as number | undefined }) {
  const next = reliability(limits);
  let state: ReliabilityState = { kind: "idle" };
  const effects: ReliabilityEffect[] = [];
  for (const input of inputs) {
    const step = next(state, input);
    state = step.state;
    effects.push(...step.effects);
  }
  return {
    state: state.kind,
    effects: effects.map((effect) =>
      "ms" in effect
        ? `arm ${effect.ms}`
        : "attempt" in effect
          ? `send ${effect.attempt}`
          : "outcome" in effect
            ? `end ${effect.outcome}`
            : effect.kind,
    ),
  };
}

const start: ReliabilityInput = { kind: "start", timeoutMs: 1_000 };
const timer: ReliabilityInput = { kind: "timer" };
const acknowledgement: ReliabilityInput = { kind: "acknowledgement" };
const response: ReliabilityInput = { kind: "response" };
const reset: ReliabilityInput = { kind: "reset" };
const stop: ReliabilityInput = { kind: "stop" };

describe("a confirmable message", () => {
  it.each([
    {
      name: "answered at once",
      inputs: [start, response],
      state: "ended",
      effects: ["send 0", "arm 1000", "disarm", "arrived", "end response"],
    },
    {
      name: "answered after a retransmission",
      inputs: [start, timer, response],
      state: "ended",
      effects: ["send 0", "arm 1000", "send 1", "arm 2000", "disarm", "arrived", "end response"],
    },
    {
      name: "never answered: one more wait after the last retransmission",
      inputs: [start, timer, timer, timer],
      state: "ended",
      effects: ["send 0", "arm 1000", "send 1", "arm 2000", "send 2", "arm 4000", "disarm", "end timeout"],
    },
    {
      name: "acknowledged, then answered separately",
      inputs: [start, acknowledgement, response],
      state: "ended",
      effects: ["send 0", "arm 1000", "disarm", "arrived", "arm 9000", "disarm", "end response"],
    },
    {
      name: "acknowledged and then nothing",
      inputs: [start, acknowledgement, timer],
      state: "ended",
      effects: ["send 0", "arm 1000", "disarm", "arrived", "arm 9000", "disarm", "end timeout"],
    },
    {
      name: "acknowledged twice",
      inputs: [start, acknowledgement, acknowledgement],
      state: "acknowledged",
      effects: ["send 0", "arm 1000", "disarm", "arrived", "arm 9000"],
    },
    { name: "reset", inputs: [start, reset], state: "ended", effects: ["send 0", "arm 1000", "disarm", "end reset"] },
    {
      name: "reset after the acknowledgement",
      inputs: [start, acknowledgement, reset],
      state: "ended",
      effects: ["send 0", "arm 1000", "disarm", "arrived", "arm 9000", "disarm", "end reset"],
    },
    { name: "given up", inputs: [start, stop, timer, response], state: "ended", effects: ["send 0", "arm 1000", "disarm"] },
    {
      name: "ended: nothing touches it any more",
      inputs: [start, response, timer, acknowledgement, response, reset, stop, start],
      state: "ended",
      effects: ["send 0", "arm 1000", "disarm", "arrived", "end response"],
    },
    { name: "not started: nothing happens", inputs: [timer, acknowledgement, response, reset], state: "idle", effects: [] },
  ])("$name", ({ inputs, state, effects }) => {
    expect(play(inputs)).toEqual({ state, effects });
  });

  it("that only wants its acknowledgement ends with it", () => {
    expect(play([start, acknowledgement], { maxRetransmit: 2, responseTimeoutMs: undefined })).toEqual({
      state: "ended",
      effects: ["send 0", "arm 1000", "disarm", "arrived", "end acknowledged"],
    });
  });

  it("without retransmission waits once", () => {
    expect(play([start, timer], { maxRetransmit: 0, responseTimeoutMs: 1 }).effects).toEqual([
      "send 0",
      "arm 1000",
      "disarm",
      "end timeout",
    ]);
  });
});

describe("the waits", () => {
  const waits = (firstMs: number, count: number): number[] => {
    const all = [firstMs];
    while (all.length < count) all.push(backOff(all.at(-1) ?? 0, longestWaitMs(firstMs)));
    return all;
  };

  it.each([
    ["of a quick path", 300, [300, 600, 1_200, 2_400, 2_400, 2_400]],
    ["of a very quick path", 100, [100, 200, 400, 800, 1_600, 2_000, 2_000]],
    ["of a request that runs", 2_000, [2_000, 4_000, 5_000, 6_250, 7_812.5, 8_000, 8_000]],
    ["of a slow path", 6_000, [6_000, 7_500, 8_000, 8_000]],
    ["of a path that is slower than all of that", 20_000, [20_000, 20_000, 20_000]],
  ])("%s grow to what is still worth waiting for", (_path, firstMs, all) => {
    expect(waits(firstMs, all.length)).toEqual(all);
  });

  it("let eleven transmissions fit into less than a minute and a half on any path but a slow one", () => {
    for (const firstMs of [300, 1_000, 2_000, 3_000, 4_500]) expect(waits(firstMs, 11).reduce((sum, ms) => sum + ms)).toBeLessThan(90_000);
  });
});

describe("the round trip", () => {
  const fresh = unknownRoundTrip(3_000);
  const steady = Array.from({ length: 20 }).reduce<ReturnType<typeof unknownRoundTrip>>((estimate) => withAnswer(estimate, [100]), fresh);

  it("is the first sample, with three times as much to spare", () => {
    expect(withAnswer(fresh, [200])).toEqual({ smoothedMs: 200, variationMs: 100, timeoutMs: 600 });
  });

  it("settles on what is always the same", () => {
    expect(steady.smoothedMs).toBeCloseTo(100);
    expect(steady.timeoutMs).toBeLessThan(110);
  });

  it.each([
    {
      name: "an answer to a retransmission, by its time, changes nothing",
      before: steady,
      ages: [400, 100],
      smoothed: 100,
      timeout: steady.timeoutMs,
    },
    {
      name: "an answer that comes too soon after the retransmission was to the first: wait longer",
      before: steady,
      ages: [420, 20],
      smoothed: 100,
      timeout: 525,
    },
    {
      name: "an answer to none of them, by what is known: wait longer",
      before: steady,
      ages: [10_000, 9_500, 8_000, 5_000],
      smoothed: 100,
      timeout: 12_500,
    },
    {
      name: "on a bench, where a round trip takes no time: an answer in no time is to the retransmission",
      before: Array.from({ length: 20 }).reduce<ReturnType<typeof unknownRoundTrip>>((estimate) => withAnswer(estimate, [1]), fresh),
      ages: [9_000, 5_000, 0.2],
      smoothed: 1,
      timeout: 1,
    },
    {
      name: "nothing known, an answer right after the retransmission: the first was lost",
      before: fresh,
      ages: [3_600, 100],
      smoothed: undefined,
      timeout: 3_000,
    },
    {
      name: "nothing known, an answer long after both: wait longer",
      before: fresh,
      ages: [8_000, 4_500],
      smoothed: undefined,
      timeout: 10_000,
    },
  ])("$name", ({ before, ages, smoothed, timeout }) => {
    const after = withAnswer(before, ages);
    if (smoothed === undefined) expect(after.smoothedMs).toBeUndefined();
    else expect(after.smoothedMs).toBeCloseTo(smoothed);
    expect(after.timeoutMs).toBeCloseTo(timeout, 0);
  });

  it("that jumps is followed within three messages", () => {
    const jumped = withAnswer(steady, [10_000, 9_500, 8_000, 5_000]);
    expect(jumped.timeoutMs).toBeGreaterThan(10_000);
    expect(withAnswer(jumped, [10_000]).timeoutMs).toBeGreaterThan(10_000);
  });
});
