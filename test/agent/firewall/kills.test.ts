// kill -9 of either process at 25 moments: no packet of the fleet's gets out, no octet is lost or counted twice. test/long has a hundred.
import { expect, test } from "vitest";
import { killAtRandom } from "./kills.ts";
import { canFilter, leftOut } from "./vehicle.ts";

test.skipIf(!canFilter)(
  `25 kills while the fleet is refused: nothing leaks, nothing is counted twice${leftOut}`,
  { timeout: 120_000 },
  async () => {
    const seen = await killAtRandom(25, 5_157);
    expect(seen).toMatchObject({ kills: 25, leaked: 0, backwards: 0, epochs: 1 });
    expect(seen.readings).toBeGreaterThan(25);
    expect(seen.sentBytes).toBeGreaterThan(100_000);
    // Besides what was sent there is neighbour discovery.
    expect(seen.countedBytes).toBeGreaterThanOrEqual(seen.sentBytes);
    expect(seen.countedBytes).toBeLessThan(seen.sentBytes * 1.01 + 2_000);
    expect(seen.tableAfter).toContain("reject with icmpx 3");
  },
);
