// Power cuts at more than a thousand random points while usage is counted, with daemons killed, profiles switched and clocks wrong between them.
import { expect, test } from "vitest";
import { UsageStory } from "../../agent/usage/story.ts";

test("no more than promised is lost, and nothing is counted twice, at more than 1,000 random points", async () => {
  let cuts = 0;
  let kills = 0;
  for (let seed = 1_000; cuts < 1_200; seed++) {
    const story = new UsageStory(seed, true);
    await story.run(200);
    cuts += story.cuts;
    kills += story.kills;
  }
  expect(cuts).toBeGreaterThan(1_000);
  expect(kills).toBeGreaterThan(1_000);
});
