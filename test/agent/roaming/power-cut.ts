// A vehicle whose power is cut while its roaming days are counted: nothing that was told may be missing, and nothing counted twice.
import { expect } from "vitest";
import { seriesName, tallyOf } from "../../../agent/roaming/day-book.ts";
import { countDays, type Days, dayOf, eachDay } from "../../../agent/roaming/days.ts";
import { faultDisk } from "../../../base/fault-disk.ts";
import { seededRandom } from "../../../base/random.ts";
import { hourMs, imei, type Road, startRoad, used } from "./road.ts";

const startMs = Date.parse("2026-01-01T12:00:00Z");
const daysIn = (road: Road, country: string): Days =>
  tallyOf(road.roaming.now.book, `imei ${imei}`, country, seriesName("data_session", "foreign")).days;

/** Drives until the power is cut at the nth change of the disk; answers what had been told by then, and what the next life knows. */
export async function cutAt(changes: number, seed: number): Promise<void> {
  const random = seededRandom(seed);
  const medium = faultDisk(random);
  let atMs = startMs;
  let road: Road = await startRoad({ disk: medium, atMs });
  const truth = new Map<string, Set<number>>();
  medium.cutAfter(changes);
  let toldBefore = new Map<string, number>();
  const live = async (): Promise<void> => {
    for (let leg = 0; leg < 400 && !medium.isOff; leg++) {
      const country = ["TR", "GE", "BR"][Math.floor(random.unit() * 3)] ?? "TR";
      const hours = 1 + Math.floor(random.unit() * 40);
      await road.roaming.see(used(country));
      const here = (): void => void truth.set(country, (truth.get(country) ?? new Set()).add(dayOf(road.clock.now())));
      here();
      for (let hour = 0; hour < hours && !medium.isOff; hour++) {
        const before = new Map([...truth].map(([iso, all]) => [iso, all.size]));
        await road.clock.advance(hourMs);
        // What was used by the beginning of the hour has been noted by its end.
        if (road.problems.at(-1) === undefined && !medium.isOff) toldBefore = before;
        here();
      }
      if (medium.isOff) return;
      if (random.unit() < 0.3) {
        await road.roaming.stop();
        atMs = road.clock.now();
        road = await startRoad({ disk: medium, atMs });
      }
    }
  };
  await live();
  expect(medium.isOff).toBe(true);
  atMs = road.clock.now();
  medium.powerOn();
  const next = await startRoad({ disk: medium, atMs });
  expect(next.lost).toEqual([]);
  for (const [country, all] of truth) {
    const found = countDays(daysIn(next, country));
    // What was told is there; what was just being written may be, and nothing else is.
    expect(found).toBeLessThanOrEqual(all.size);
    expect(found).toBeGreaterThanOrEqual(toldBefore.get(country) ?? 0);
    expect([...eachDay(daysIn(next, country))].every((day) => all.has(day))).toBe(true);
  }
}
