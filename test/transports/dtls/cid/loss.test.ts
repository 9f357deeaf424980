// Handshakes with Connection ID over a network that loses a quarter, doubles a tenth and lets a fifth be overtaken; three hundred of each are in test/long.
import { expect, test } from "vitest";
import { handshakesUnderLoss } from "../../../support/cid-loss.ts";
import { dtlsBench } from "../../../support/dtls-bench.ts";

const bench = dtlsBench();

test.each([
  ["full", false],
  ["resumed", true],
] as const)("20 of 20 %s handshakes, each with its echo before and after its address changed", async (_kind, resumed) => {
  expect(await handshakesUnderLoss(bench, { count: 20, resumed, seed: resumed ? 2 : 1 })).toEqual({
    opened: 20,
    resumed: resumed ? 20 : 0,
  });
});
