// The shipped daemon under kill -9, three rounds of it; test/long/faults kills it fifty times.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { killRound } from "../support/kill-round.ts";
import { type Bundles, bundlePrograms } from "../support/shipped.ts";

let bundles: Bundles;

beforeAll(async () => {
  bundles = await bundlePrograms();
});
afterAll(async () => {
  await bundles.close();
});

describe("kill -9 at random moments, restarted each time", () => {
  test.concurrent.each([
    { seed: 1, kills: 2, noCoverage: false },
    { seed: 2, kills: 2, noCoverage: false },
    { seed: 3, kills: 1, noCoverage: false },
  ])("seed $seed: $kills kills", async (round) => {
    const outcome = await killRound(bundles, round);
    expect(outcome).toMatchObject({ wrong: [], lives: round.kills + 1 });
  });
});
