// 300 full and 300 resumed handshakes with Connection ID under a quarter of loss both ways, a tenth doubled, a fifth overtaken.
import { expect, test } from "vitest";
import { handshakesUnderLoss } from "../../support/cid-loss.ts";
import { dtlsBench } from "../../support/dtls-bench.ts";

const bench = dtlsBench();

test.each([
  ["full", false],
  ["resumed", true],
] as const)("300 of 300 %s handshakes", async (_kind, resumed) => {
  let opened = 0;
  let again = 0;
  for (let round = 0; round < 6; round++) {
    const outcome = await handshakesUnderLoss(bench, { count: 50, resumed, seed: 100 + round });
    opened += outcome.opened;
    again += outcome.resumed;
  }
  expect([opened, again]).toEqual([300, resumed ? 300 : 0]);
});
