// The main job struck at a sample of its steps: power, kill -9, a full disk, a reset of the module. test/long/faults strikes at every one.
import { describe, expect, test } from "vitest";
import { pkiOfBenches } from "../support/fault-bench.ts";
import { play, stories, storm, sweep } from "../support/fault-story.ts";

const pki = pkiOfBenches();

const sample = [
  ["power", "disk", 1],
  ["kill", "disk", 1],
  ["full", "disk", 1],
  ["reset", "disk", 5],
  ["power", "card", 1],
  ["kill", "card", 2],
  ["reset", "card", 2],
  ["power", "wire", 17],
  ["kill", "wire", 17],
  ["reset", "wire", 17],
] as const;

describe.each(Object.values(stories))("$name", (story) => {
  test("goes well when nothing strikes", async () => {
    expect(await play(story, pki, 1, [])).toMatchObject({ wrong: [], lives: 1, struck: [] });
  });

  test.each(sample)("%s, counted by the %s, at every %i. step", async (what, at, stride) => {
    const { points, wrong } = await sweep(story, pki, what, at, stride, 0);
    expect(wrong).toEqual([]);
    expect(points).toBeGreaterThan(5);
  });

  test("several blows, one on the recovery from the other", async () => {
    const { points, wrong } = await storm(story, pki, 1, 25);
    expect(wrong).toEqual([]);
    expect(points).toBeGreaterThan(25);
  });
});

/** Each was wrong once: three resets of the module ended one download; a reset while the card enabled followed one while it installed. */
test.each([178, 268, 426])("storm %i", async (seed) => {
  expect(await storm(stories.demo, pki, seed, 1)).toMatchObject({ wrong: [] });
});

test("the bench finds a daemon that forgets: without its disk the job does not end as it must", async () => {
  const { wrong } = await play(stories.demo, pki, 1, [{ what: "power", at: "disk", n: 26 }], { forgetful: true });
  expect(wrong.join("\n")).toMatch(/audit trail/);
});
