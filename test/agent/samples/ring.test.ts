// Samples and their owners: what is kept can be read by its owner's key alone, in a bounded ring, through power cuts at every step.
import { describe, expect, test } from "vitest";
import { openSampleRing, type SampleRing } from "../../../agent/samples/ring.ts";
import { leaving, type Sample } from "../../../agent/samples/types.ts";
import { fromUtf8, utf8 } from "../../../base/bytes.ts";
import { subDisk } from "../../../base/disk.ts";
import { type FaultDisk, faultDisk } from "../../../base/fault-disk.ts";
import { seededRandom } from "../../../base/random.ts";

const sampleAt = (n: number): Sample => ({
  time: new Date(1_800_000_000_000 + n * 900_000).toISOString(),
  timeSource: "network",
  country: "TR",
  online: true,
  rat: "lte-m",
  signal: { rsrpDbm: -90 - (n % 20) },
  location: { plmn: "28601", cellId: "0123ABCD" },
  usage: { sentBytes: n, receivedBytes: 2 * n },
});

class Vehicle {
  readonly disk: FaultDisk = faultDisk(seededRandom(1));
  lost = 0;
  #life = 0;
  open(): Promise<SampleRing> {
    return openSampleRing({
      ...{ disk: subDisk(this.disk, "samples"), random: seededRandom(100 + this.#life++), segmentBytes: 4_096, maxSegments: 4 },
      onLost: () => this.lost++,
    });
  }
  async octets(): Promise<number> {
    let bytes = 0;
    for (const name of await this.disk.list("samples")) bytes += (await this.disk.read(`samples/${name}`))?.length ?? 0;
    return bytes;
  }
}
const all = async (ring: SampleRing): Promise<readonly Sample[]> => {
  const samples: Sample[] = [];
  for await (const one of ring.read()) samples.push(one);
  return samples;
};

describe("the ring", () => {
  test("given back as taken, over a restart, the oldest going first when it is full", async () => {
    const vehicle = new Vehicle();
    const ring = await vehicle.open();
    for (let n = 0; n < 5; n++) await ring.add(sampleAt(n));
    expect(await all(await vehicle.open())).toEqual([0, 1, 2, 3, 4].map(sampleAt));
    const again = await vehicle.open();
    for (let n = 5; n < 300; n++) await again.add(sampleAt(n));
    const kept = await all(again);
    expect(kept.at(-1)).toEqual(sampleAt(299));
    expect(kept).toEqual(Array.from({ length: kept.length }, (_, i) => sampleAt(300 - kept.length + i)));
    expect(kept.length).toBeGreaterThan(20);
    expect(await vehicle.octets()).toBeLessThanOrEqual(4 * 4_096 + 200);
  });

  test("nothing of a sample can be read without the key, and a line that was altered is passed over", async () => {
    const vehicle = new Vehicle();
    const ring = await vehicle.open();
    for (let n = 0; n < 3; n++) await ring.add(sampleAt(n));
    const name = "samples/000001-00000001.seg";
    const text = fromUtf8((await vehicle.disk.read(name)) ?? utf8(""));
    expect(text).not.toContain("28601");
    expect(Buffer.from(text, "base64url").toString("latin1")).not.toContain("28601");
    const lines = text.split("\n");
    const middle = lines[1] ?? "";
    lines[1] = `${middle.slice(0, 40)}${middle[40] === "A" ? "B" : "A"}${middle.slice(41)}`;
    await vehicle.disk.replace(name, utf8(`${lines.join("\n")}half a li`));
    expect(await all(await vehicle.open())).toEqual([sampleAt(0), sampleAt(2)]);
  });
});

describe("another owner", () => {
  test("the former one's samples are gone, and what was copied of them before stays sealed for ever", async () => {
    const vehicle = new Vehicle();
    const ring = await vehicle.open();
    for (let n = 0; n < 30; n++) await ring.add(sampleAt(n));
    const copied = (await vehicle.disk.read("samples/000001-00000001.seg")) ?? utf8("");
    await ring.changeOwner();
    expect([ring.owner, await all(ring), await vehicle.disk.list("samples")]).toEqual([2, [], ["owner.json"]]);
    await ring.add(sampleAt(99));
    expect(await all(await vehicle.open())).toEqual([sampleAt(99)]);
    await vehicle.disk.replace("samples/000002-00000007.seg", copied);
    expect(await all(await vehicle.open())).toEqual([sampleAt(99)]);
  });

  test("a power cut at every write: the former one's are wholly his or unreadable, and never come back", async () => {
    for (let cut = 1; ; cut++) {
      const vehicle = new Vehicle();
      const ring = await vehicle.open();
      for (let n = 0; n < 30; n++) await ring.add(sampleAt(n));
      const before = (await all(ring)).length;
      vehicle.disk.cutAfter(cut);
      const outcome = await ring.changeOwner().then(
        () => "done",
        () => "cut",
      );
      vehicle.disk.powerOn();
      const after = await vehicle.open();
      const samples = await all(after);
      if (after.owner === 1) expect([outcome, samples.length <= before]).toEqual(["cut", true]);
      else expect([after.owner, samples, await vehicle.disk.list("samples")]).toEqual([2, [], ["owner.json"]]);
      if (outcome === "done" && !vehicle.disk.isOff) break;
      expect(cut).toBeLessThan(20);
    }
  });

  test("a damaged key costs the samples, is told, and another one is in its place", async () => {
    const vehicle = new Vehicle();
    await (await vehicle.open()).add(sampleAt(1));
    await vehicle.disk.replace("samples/owner.json", utf8('{"owner":1,"key":"?"}'));
    const ring = await vehicle.open();
    expect([vehicle.lost, ring.owner, await all(ring)]).toEqual([1, 2, []]);
  });
});

describe("what may leave", () => {
  test.each([
    [["location"], { country: "TR" }, ["location"]],
    [["signal", "usage"], { country: "TR" }, ["signal", "usage"]],
    [["location"], { country: "DE" }, undefined],
    [["location"], { country: undefined }, undefined],
    [["audit"], { country: "TR" }, undefined],
  ] as const)("a market that keeps %j, recorded in %j: kept %j", (keeps, where, kept) => {
    const sample = { ...sampleAt(1), ...where };
    const out = leaving(sample, (kind, country) => country !== "TR" || !(keeps as readonly string[]).includes(kind));
    expect(out.kept).toEqual(kept);
    for (const kind of ["signal", "location", "usage"] as const)
      expect(out[kind]).toEqual((kept as readonly string[] | undefined)?.includes(kind) ? undefined : sample[kind]);
  });
});
