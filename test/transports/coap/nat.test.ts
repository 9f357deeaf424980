// What is learned of the NAT's patience, as a table.
import { describe, expect, it } from "vitest";
import { judgeSilence, learnNatIdle } from "../../../transports/coap/nat.ts";

describe("silence", () => {
  it.each([
    [0, 60, "alive"],
    [9.9, 60, "alive"],
    [10, 60, "doubtful"],
    [59.9, 60, "doubtful"],
    [60, 60, "gone"],
    [9.9, 10, "alive"],
    [10, 10, "gone"],
  ] as const)("of %d s with a patience of %d s: %s", (silence, patience, verdict) => {
    expect(judgeSilence(silence, patience)).toBe(verdict);
  });
});

describe("the NAT's patience", () => {
  it.each([
    { name: "an answer after 50 s: 75 s may be tried", before: 60, silence: 50, survived: true, after: 75 },
    { name: "an answer after 20 s says nothing new", before: 60, silence: 20, survived: true, after: 60 },
    { name: "none after 40 s: 30 s", before: 60, silence: 40, survived: false, after: 30 },
    { name: "never below the silence that is not doubted", before: 12, silence: 11, survived: false, after: 10 },
    { name: "never above an hour", before: 3_000, silence: 2_900, survived: true, after: 3_600 },
  ])("$name", ({ before, silence, survived, after }) => {
    expect(learnNatIdle(before, silence, survived)).toBe(after);
  });
});
