// Two hundred foreign flushes, deletions and alterations at random moments, with the fleet refused and flooding: what leaked by each.
import { expect, test } from "vitest";
import { alterAtRandom } from "../../agent/firewall/alterations.ts";
import { canFilter, leftOut } from "../../agent/firewall/vehicle.ts";

test.skipIf(!canFilter)(
  `200 foreign alterations while the fleet is refused: each is undone and told${leftOut}`,
  { timeout: 1_800_000 },
  async () => {
    const seen = await alterAtRandom(200, 4_421);
    process.stdout.write(`${JSON.stringify(seen)}\n`);
    expect(seen).toMatchObject({ incidents: 200, missed: 0, times: 200, notRestored: 0, alarm: "FIREWALL_ALTERED" });
    expect(seen).toMatchObject({ managementLost: 0, leakedBetween: 0 });
    expect(seen.leakedInAll).toBeLessThan(seen.tried / 3);
  },
);
