// The virtual module's own counters: what they are made of, and what is left of them behind a start, by make.
import { beforeEach, describe, expect, test } from "vitest";
import { type CounterHabit, DataCounters } from "../../../hw-sim/modem/counters.ts";
import type { Traffic } from "../../../hw-sim/modem/module.ts";

let traffic: Traffic;
let driftPercent: number;
const counters = (habit: CounterHabit, bits = 48): DataCounters =>
  new DataCounters({ habit, bits, traffic: () => traffic, driftPercent: () => driftPercent });
const carry = (sentBytes: number, receivedBytes: number): void => {
  traffic = { sentBytes: traffic.sentBytes + sentBytes, receivedBytes: traffic.receivedBytes + receivedBytes };
};

beforeEach(() => {
  traffic = { sentBytes: 0, receivedBytes: 0 };
  driftPercent = 0;
});

describe("behind a start", () => {
  test.each([
    ["lost", { sentBytes: 0, receivedBytes: 0 }],
    ["saved", { sentBytes: 100, receivedBytes: 200 }],
    ["kept", { sentBytes: 101, receivedBytes: 202 }],
  ] as const)("%s", (habit, left) => {
    const made = counters(habit);
    carry(100, 200);
    made.save();
    carry(1, 2);
    expect(made.total).toEqual({ sentBytes: 101, receivedBytes: 202 });
    made.started();
    expect(made.total).toEqual(left);
    carry(10, 0);
    expect(made.total).toEqual({ ...left, sentBytes: left.sentBytes + 10 });
    expect(made.session).toEqual({ sentBytes: 10, receivedBytes: 0 });
  });
});

test("a session counts from its beginning; a reset takes both to nothing", () => {
  const made = counters("kept");
  carry(5, 5);
  made.beginSession();
  carry(1, 2);
  expect(made.session).toEqual({ sentBytes: 1, receivedBytes: 2 });
  made.reset();
  expect([made.total, made.session]).toEqual([
    { sentBytes: 0, receivedBytes: 0 },
    { sentBytes: 0, receivedBytes: 0 },
  ]);
});

test("of 32 bits it begins again at nothing", () => {
  const made = counters("lost", 32);
  carry(2 ** 32 - 1, 2 ** 32 + 7);
  expect(made.total).toEqual({ sentBytes: 2 ** 32 - 1, receivedBytes: 7 });
});

test("drift is of what passes while it is there", () => {
  const made = counters("lost");
  carry(1_000, 1_000);
  expect(made.total.sentBytes).toBe(1_000);
  driftPercent = -10;
  carry(1_000, 2_000);
  expect(made.total).toEqual({ sentBytes: 1_900, receivedBytes: 2_800 });
});
