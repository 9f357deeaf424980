// The ring under power cuts and full disks: what was put together is there together or not at all, and nothing that counts is lost in the round.
import { describe, expect, test } from "vitest";
import { openKeyedRing, payloadBytes, recordBytes } from "../../../agent/usage/keyed-ring.ts";
import { type FaultDisk, faultDisk, PowerCut } from "../../../base/fault-disk.ts";
import { integerBelow, seededRandom } from "../../../base/random.ts";

const slots = 2_048;
const path = "usage.log";

function payload(key: number, value: number): Uint8Array {
  const octets = Buffer.alloc(payloadBytes);
  octets.writeUInt32BE(key, 0);
  octets.writeUInt32BE(value, 4);
  return octets;
}
const keyOf = (octets: Uint8Array): string => String(Buffer.from(octets).readUInt32BE(0));
const valuesOf = (found: readonly Uint8Array[]): ReadonlyMap<string, number> =>
  new Map(found.map((octets) => [keyOf(octets), Buffer.from(octets).readUInt32BE(4)]));
const open = (disk: FaultDisk, lost: string[] = []) =>
  openKeyedRing({ disk, path, slots, keyOf, onLost: ({ message }) => lost.push(message) });

describe("the ring", () => {
  test("keeps the newest of each key through many rounds, with more keys wanted than any vehicle has, and never grows", async () => {
    const random = seededRandom(3);
    const disk = faultDisk(random);
    const live = Math.floor((slots * 3) / 8);
    let ring = await open(disk);
    const wanted = new Map<string, number>();
    for (let round = 0, value = 1; round < 3_000; round++) {
      // Many keys that hardly ever change, written at one go, and few that change always.
      const keys =
        round * 8 < live ? Array.from({ length: 8 }, (_, i) => round * 8 + i) : [integerBelow(random, 4), integerBelow(random, live)];
      const batch = [...new Set(keys)].map((key) => payload(key, value++));
      await ring.put(batch);
      for (const one of batch) wanted.set(keyOf(one), Buffer.from(one).readUInt32BE(4));
      if (round % 500 === 499) {
        ring = await open(disk);
        expect(valuesOf(ring.found)).toEqual(wanted);
      }
    }
    expect((await disk.read(path))?.length).toBe(slots * recordBytes);
  });

  test("a cut at any write, a refused write, both: each batch is there as a whole or not at all", async () => {
    for (let seed = 0; seed < 250; seed++) {
      const random = seededRandom(seed);
      const disk = faultDisk(random);
      let ring = await open(disk);
      /** What must be there, and what may be instead. */
      let promised = new Map<string, number>();
      let value = 1;
      for (let life = 0; life < 3; life++) {
        let underWay = promised;
        disk.cutAfter(1 + integerBelow(random, 60));
        if (random.unit() < 0.5) disk.failAfter(1 + integerBelow(random, 30));
        try {
          for (;;) {
            // Now and then as much as fits together, round the end of the file too.
            const count = random.unit() < 0.1 ? 48 : 1 + integerBelow(random, 3);
            const keys = new Set(Array.from({ length: count }, () => integerBelow(random, 300)));
            const batch = [...keys].map((key) => payload(key, value++));
            // A refused batch is put again with the next one, as its owner does: until then either may be found.
            const next = new Map(promised);
            for (const one of batch) next.set(keyOf(one), Buffer.from(one).readUInt32BE(4));
            underWay = next;
            try {
              await ring.put(batch);
              promised = next;
            } catch (error) {
              if (error instanceof PowerCut) throw error;
              await ring.put(batch);
              promised = next;
            }
          }
        } catch (error) {
          expect(error).toBeInstanceOf(PowerCut);
        }
        disk.powerOn();
        ring = await open(disk);
        const found = valuesOf(ring.found);
        const isWhole = [promised, underWay].some((one) => JSON.stringify([...one].sort()) === JSON.stringify([...found].sort()));
        expect(isWhole, `seed ${seed}, life ${life}`).toBe(true);
        promised = new Map(found);
      }
    }
  });

  test("a file of another size, and one of nothing but rubbish, are told and begun anew; damage to one record costs that record", async () => {
    const disk = faultDisk(seededRandom(1));
    const lost: string[] = [];
    await disk.replace(path, new Uint8Array(100).fill(7));
    await open(disk, lost);
    await disk.replace(path, new Uint8Array(slots * recordBytes).fill(7));
    const ring = await open(disk, lost);
    expect(lost).toEqual([expect.stringMatching(/it has 100 octets/), expect.stringMatching(/none of its records can be read/)]);
    await ring.put([payload(1, 10)]);
    await ring.put([payload(2, 20)]);
    // The second record: sequence numbers begin with 1.
    await disk.overwrite(path, 2 * recordBytes + 20, new Uint8Array([0xff]));
    expect([...valuesOf((await open(disk, lost)).found)]).toEqual([["1", 10]]);
    expect(lost.length).toBe(2);
  });

  test("a disk that is full before the file was ever made keeps nobody from starting: the first records that find room make it", async () => {
    const disk = faultDisk(seededRandom(1));
    disk.setFull(true);
    const ring = await open(disk);
    await expect(ring.put([payload(1, 10)])).rejects.toMatchObject({ code: "DISK_WRITE" });
    disk.setFull(false);
    await ring.put([payload(1, 11)]);
    await ring.put([payload(2, 20)]);
    expect([...valuesOf((await open(disk)).found)]).toEqual([
      ["1", 11],
      ["2", 20],
    ]);
  });
});
