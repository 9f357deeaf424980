// What of the module's life goes into the audit trail, and in which words.
import { expect, test } from "vitest";
import { recordOf } from "../../agent/connectivity/module-records.ts";

test("a step of its recovery, with what came of it", () => {
  const event = {
    kind: "recovery",
    step: "power",
    outcome: "failed",
    tookMs: 60_000.4,
    downMs: 301_000.6,
    round: 2,
    reason: "hook: exit 1",
  } as const;
  expect(recordOf(event)).toEqual({
    event: "module.recovery",
    cause: "module",
    data: { step: "power", outcome: "failed", round: 2, tookMs: 60_000, downMs: 301_001, reason: "hook: exit 1" },
  });
});

test("a profile that it would not take up, with every step and its time; one that it did take up is recorded elsewhere", () => {
  const steps = [{ step: "wait", tookMs: 15_000.2 }] as const;
  const event = { kind: "cardSwitch", iccid: "8949020000000000022", isSeen: false, steps, tookMs: 15_100.1 } as const;
  expect(recordOf(event)).toEqual({
    event: "module.cardNotAdopted",
    cause: "module",
    data: { iccid: "8949020000000000022", steps: [{ step: "wait", tookMs: 15_000 }], tookMs: 15_100 },
  });
  expect(recordOf({ ...event, isSeen: true })).toBeUndefined();
  expect(recordOf({ kind: "back" })).toBeUndefined();
});
