import { describe, expect, test } from "vitest";
import { openState } from "../../agent/state/store.ts";
import { utf8 } from "../../base/bytes.ts";
import { type FaultDisk, faultDisk, PowerCut } from "../../base/fault-disk.ts";
import { seededRandom } from "../../base/random.ts";

interface Counter {
  readonly count: number;
}
const parse = (value: unknown): Counter => {
  if (typeof value !== "object" || value === null || typeof (value as Counter).count !== "number") throw new Error("no counter");
  return value as Counter;
};
const open = (disk: FaultDisk, version = 1) => openState<Counter>({ disk, name: "state", version, initial: { count: 0 }, parse });

describe("state", () => {
  test("begins with the initial value, keeps updates across a restart, applies them one after the other", async () => {
    const disk = faultDisk(seededRandom(1));
    const store = await open(disk);
    expect(store.get()).toEqual({ count: 0 });
    await Promise.all(Array.from({ length: 10 }, () => store.update((s) => ({ count: s.count + 1 }))));
    expect((await open(disk)).get()).toEqual({ count: 10 });
    expect(await disk.list(".")).toEqual(["state.0.json", "state.1.json"]);
  });

  test("an update that changes nothing writes nothing; a failed one changes nothing", async () => {
    const disk = faultDisk(seededRandom(1));
    const store = await open(disk);
    await store.update((s) => ({ count: s.count + 1 }));
    const before = disk.operations;
    await store.update((s) => s);
    expect(disk.operations).toBe(before);
    disk.failAfter(1);
    await expect(store.update((s) => ({ count: s.count + 1 }))).rejects.toThrow(/no space/);
    expect(store.get()).toEqual({ count: 1 });
  });

  test("after a power cut it is the last promised state or the one then under way", async () => {
    for (let seed = 0; seed < 60; seed++) {
      const disk = faultDisk(seededRandom(seed));
      const store = await open(disk);
      let promised = 0;
      disk.cutAfter(1 + (seed % 6));
      try {
        for (let i = 1; i <= 6; i++) {
          await store.update(() => ({ count: i }));
          promised = i;
        }
      } catch (error) {
        expect(error).toBeInstanceOf(PowerCut);
      }
      disk.powerOn();
      const { count } = (await open(disk)).get();
      expect([promised, promised + 1]).toContain(count);
    }
  });

  test("a damaged slot falls back to the one before; with none good it is an error, never a silent start from nothing", async () => {
    const disk = faultDisk(seededRandom(1));
    const store = await open(disk);
    await store.update(() => ({ count: 1 }));
    await store.update(() => ({ count: 2 }));
    await disk.replace("state.0.json", utf8("{broken"));
    expect((await open(disk)).get()).toEqual({ count: 1 });
    await disk.replace("state.1.json", new Uint8Array(100));
    await expect(open(disk)).rejects.toMatchObject({ code: "STATE_CORRUPT" });
  });

  test("an older version is migrated, a newer one refused", async () => {
    const disk = faultDisk(seededRandom(1));
    await (await open(disk)).update(() => ({ count: 7 }));
    const migrated = await openState<{ readonly total: number }>({
      disk,
      name: "state",
      version: 2,
      initial: { total: 0 },
      migrate: (state, from) => ({ total: from === 1 ? (state as Counter).count * 10 : 0 }),
      parse: (value) => value as { total: number },
    });
    expect(migrated.get()).toEqual({ total: 70 });
    await migrated.update(() => ({ total: 71 }));
    await expect(open(disk)).rejects.toMatchObject({ code: "STATE_TOO_NEW" });
  });
});
