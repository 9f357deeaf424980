// Power cuts at a thousand random points while roaming days are counted.
import { expect, test } from "vitest";
import { seededRandom } from "../../../base/random.ts";
import { cutAt } from "../../agent/roaming/power-cut.ts";

test("no day that was told is lost, and none is doubled, at 1,000 random points", async () => {
  const random = seededRandom(2027);
  let points = 0;
  for (; points < 1_000; points++) await cutAt(1 + Math.floor(random.unit() * 120), points);
  expect(points).toBe(1_000);
});
