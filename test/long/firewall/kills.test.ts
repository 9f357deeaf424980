// kill -9 of either process at a hundred moments, with the fleet refused and flooding: issue E's figure.
import { expect, test } from "vitest";
import { killAtRandom } from "../../agent/firewall/kills.ts";
import { canFilter, leftOut } from "../../agent/firewall/vehicle.ts";

test.skipIf(!canFilter)(`100 kills while the fleet is refused: nothing leaks, nothing is counted twice${leftOut}`, async () => {
  const seen = await killAtRandom(100, 3_213);
  process.stdout.write(`${JSON.stringify({ ...seen, tableAfter: undefined })}\n`);
  expect(seen).toMatchObject({ kills: 100, leaked: 0, backwards: 0, epochs: 1 });
  expect(seen.sentBytes).toBeGreaterThan(100_000);
  expect(seen.countedBytes).toBeGreaterThanOrEqual(seen.sentBytes);
  expect(seen.countedBytes).toBeLessThan(seen.sentBytes * 1.01 + 5_000);
  expect(seen.tableAfter).toContain("reject with icmpx 3");
});
