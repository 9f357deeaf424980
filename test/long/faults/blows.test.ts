// The main job struck at every one of its steps, with several seeds, and by storms of blows. Run by `make faults`.
import { describe, expect, test } from "vitest";
import { pkiOfBenches } from "../../support/fault-bench.ts";
import { stories, storm, sweep } from "../../support/fault-story.ts";

const pki = pkiOfBenches();
const seeds = [1_000, 2_000, 3_000, 4_000, 5_000];
const storms = Number(process.env.FAULT_STORMS ?? 1_000);

const everywhere = [
  ["power", "disk"],
  ["kill", "disk"],
  ["full", "disk"],
  ["reset", "disk"],
  ["power", "card"],
  ["kill", "card"],
  ["reset", "card"],
  ["power", "wire"],
  ["kill", "wire"],
  ["reset", "wire"],
] as const;

describe.each(Object.values(stories))("$name", (story) => {
  test.each(everywhere)("%s, counted by the %s, at every step", async (what, at) => {
    let points = 0;
    const wrong: string[] = [];
    // What happens on the wire depends on no chance: once is enough there.
    for (const seed of at === "wire" ? seeds.slice(0, 1) : seeds) {
      const swept = await sweep(story, pki, what, at, 1, seed);
      points += swept.points;
      wrong.push(...swept.wrong);
    }
    process.stdout.write(`${story.name}: ${what} at ${at}, ${points} points, ${wrong.length} wrong\n`);
    expect(wrong).toEqual([]);
  });

  test(`${storms} storms of one to four blows`, async () => {
    const { points, wrong } = await storm(story, pki, 1, storms);
    process.stdout.write(`${story.name}: ${storms} storms, ${points} blows fell, ${wrong.length} runs wrong\n`);
    expect(wrong).toEqual([]);
  });
});
