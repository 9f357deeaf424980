// Fifty kills of the shipped daemon, -9, at random moments of download, enable and rollback. Run by `make faults`.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { killRound } from "../../support/kill-round.ts";
import { type Bundles, bundlePrograms } from "../../support/shipped.ts";

let bundles: Bundles;

beforeAll(async () => {
  bundles = await bundlePrograms();
});
afterAll(async () => {
  await bundles.close();
});

/** One to three kills a round, fifty in all. */
const rounds = Array.from({ length: 25 }, (_, at) => ({
  seed: 100 + at,
  kills: 1 + (at % 3) + (at === 0 ? 1 : 0),
  noCoverage: at % 4 === 3,
}));

test("the rounds below kill fifty times", () => {
  expect(rounds.reduce((sum, { kills }) => sum + kills, 0)).toBe(50);
});

describe("kill -9 at random moments, restarted each time", () => {
  test.concurrent.each(rounds)("seed $seed: $kills kills, no coverage $noCoverage", async (round) => {
    const outcome = await killRound(bundles, round);
    process.stdout.write(`seed ${round.seed}: killed in ${outcome.killed.join(", ")}; ${outcome.tookMs} ms\n`);
    expect(outcome).toMatchObject({ wrong: [], lives: round.kills + 1 });
  });
});
