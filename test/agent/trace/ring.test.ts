// The ring on flash and the store before it: bounded, torn tails left out, whole after a cut between any two steps; what an operation that failed leaves.
import { describe, expect, test } from "vitest";
import type { TraceConfig } from "../../../agent/trace/config.ts";
import type { TraceEntry } from "../../../agent/trace/entry.ts";
import { openTraceRing } from "../../../agent/trace/ring.ts";
import { openTraceStore, type TraceQuery, type TraceStore } from "../../../agent/trace/store.ts";
import { VirtualClock } from "../../../base/clock.ts";
import type { Disk } from "../../../base/disk.ts";
import { type FaultDisk, faultDisk, PowerCut } from "../../../base/fault-disk.ts";
import { silentLog } from "../../../base/log.ts";
import { seededRandom } from "../../../base/random.ts";
import { createTraceBus, inTrace, type TraceBus, traceId, traceLayers } from "../../../base/trace.ts";

const entry = (seq: number, octets = 40): TraceEntry => ({
  ...{ seq, cutBytes: 0, layer: "apdu", direction: "tx", traceId: "package-0000-1", ms: 1_000 + seq, monotonicMs: seq },
  octets: Uint8Array.from({ length: octets }, (_, i) => (seq + i) & 0xff),
});

async function all(source: AsyncIterable<TraceEntry>): Promise<readonly TraceEntry[]> {
  const out: TraceEntry[] = [];
  for await (const one of source) out.push(one);
  return out;
}

const seqs = (entries: readonly TraceEntry[]): readonly number[] => entries.map(({ seq }) => seq);

async function octetsOn(disk: Disk): Promise<number> {
  let sum = 0;
  for (const name of await disk.list("")) sum += (await disk.read(name))?.length ?? 0;
  return sum;
}

describe("the ring", () => {
  test("keeps within its octets and loses the oldest first", async () => {
    const disk = faultDisk(seededRandom(1));
    const ring = await openTraceRing(disk, 65_536);
    for (let seq = 1; seq <= 2_000; seq++) await ring.append([entry(seq)]);
    expect(await octetsOn(disk)).toBeLessThanOrEqual(65_536);
    const kept = await all(ring.read());
    expect(kept.length).toBeGreaterThan(200);
    expect(seqs(kept)).toEqual(Array.from({ length: kept.length }, (_, i) => 2_000 - kept.length + 1 + i));
    expect(kept.at(-1)).toEqual(entry(2_000));
  });

  test("keeps within its octets and its segments over many short lives of the daemon", async () => {
    const disk = faultDisk(seededRandom(1));
    for (let life = 1; life <= 40; life++) await (await openTraceRing(disk, 65_536)).append([entry(life, 3_000)]);
    expect((await disk.list("")).length).toBeLessThanOrEqual(8);
    expect(await octetsOn(disk)).toBeLessThanOrEqual(65_536);
    expect(seqs(await all((await openTraceRing(disk, 65_536)).read()))).toEqual([33, 34, 35, 36, 37, 38, 39, 40]);
  });

  test("an entry that would fill it is left out", async () => {
    const ring = await openTraceRing(faultDisk(seededRandom(1)), 65_536);
    await ring.append([entry(1), entry(2, 20_000), entry(3)]);
    expect(seqs(await all(ring.read()))).toEqual([1, 3]);
  });

  test("a power cut at any step: what is read is whole and in order, and it goes on", async () => {
    let cuts = 0;
    for (let at = 1; at <= 60; at++) {
      const disk = faultDisk(seededRandom(at));
      const ring = await openTraceRing(disk, 65_536);
      disk.cutAfter(at);
      let written = 0;
      try {
        for (let seq = 1; seq <= 400; seq += 8) {
          await ring.append(Array.from({ length: 8 }, (_, i) => entry(seq + i, 400)));
          written = seq + 7;
        }
      } catch (error) {
        expect(error).toBeInstanceOf(PowerCut);
        cuts++;
      }
      disk.powerOn();
      const after = await openTraceRing(disk, 65_536);
      const kept = seqs(await all(after.read()));
      expect(kept).toEqual(kept.toSorted((a, b) => a - b));
      expect(kept.at(-1) ?? 0).toBeLessThanOrEqual(written + 8);
      for (const one of await all(after.read())) expect(one).toEqual(entry(one.seq, 400));
      await after.append([entry(9_999)]);
      expect(seqs(await all(after.read())).at(-1)).toBe(9_999);
    }
    expect(cuts).toBeGreaterThan(30);
  });

  test("lines that are damaged are passed over", async () => {
    const disk = faultDisk(seededRandom(1));
    const ring = await openTraceRing(disk, 65_536);
    await ring.append([entry(1), entry(2), entry(3)]);
    const [name = ""] = await disk.list("");
    const content = Buffer.from((await disk.read(name)) ?? []);
    content[content.indexOf("\n") + 30] = 0x21;
    await disk.replace(name, content);
    expect(seqs(await all((await openTraceRing(disk, 65_536)).read()))).toEqual([1, 3]);
  });
});

interface Bench {
  readonly bus: TraceBus;
  readonly store: TraceStore;
  readonly disk: FaultDisk;
  readonly clock: VirtualClock;
  stored(query?: TraceQuery): Promise<readonly string[]>;
}

async function bench(config: Partial<TraceConfig> = {}, disk = faultDisk(seededRandom(1))): Promise<Bench> {
  const clock = new VirtualClock();
  const random = seededRandom(3);
  const bus = createTraceBus({ clock, random });
  const whole: TraceConfig = {
    ...{ enabled: true, layers: [...traceLayers], memory_bytes: 65_536, disk: "failures", ring_bytes: 65_536 },
    ...config,
  };
  const store = await openTraceStore({ bus, disk, config: whole, clock, random, log: silentLog });
  return { bus, store, disk, clock, stored: async (query = {}) => (await all(store.stored(query))).map(({ text = "" }) => text) };
}

const say = (bus: TraceBus, text: string): void => bus.emit("at", "tx", { text });

describe("the store", () => {
  test("nothing goes to flash but what belongs to an operation that failed, and what it still says", async () => {
    const { bus, store, disk } = await bench();
    bus.begin("package", () => say(bus, "fine"));
    const id = bus.begin("package", () => {
      say(bus, "before");
      return traceId() ?? "";
    });
    await store.stop();
    expect(await disk.list("")).toEqual([]);
    store.set({ enabled: true });
    store.failed(id);
    inTrace(id, () => say(bus, "after"));
    bus.begin("package", () => say(bus, "another"));
    await store.stop();
    const next = await bench({}, disk);
    expect(await next.stored()).toEqual(["before", "after"]);
    expect(await next.stored({ id })).toEqual(["before", "after"]);
  });

  test("a vehicle whose every operation fails does not wear its flash: six an hour", async () => {
    const { bus, store, clock } = await bench();
    const failOnce = (): void =>
      bus.begin("package", () => {
        say(bus, "x");
        store.failed(traceId() ?? "");
      });
    for (let i = 0; i < 50; i++) failOnce();
    expect(store.state.keptTraces).toBe(6);
    await clock.advance(3_600_000);
    failOnce();
    expect(store.state.keptTraces).toBe(7);
  });

  test("memory is bounded, numbers go on, and who resumes behind what is gone is told", async () => {
    const { bus, store, stored } = await bench({ disk: "never" });
    const first = store.state.nextSeq;
    for (let i = 0; i < 3_000; i++) say(bus, `line ${i}`);
    expect(store.state.memoryBytes).toBeLessThanOrEqual(65_536);
    expect((await stored()).at(-1)).toBe("line 2999");
    const heard: string[] = [];
    const on = { entry: ({ text = "" }: TraceEntry) => void heard.push(text), gap: () => void heard.push("gap") };
    store.subscribe({}, first + 2_997, on)();
    expect(heard).toEqual(["line 2998", "line 2999"]);
    heard.length = 0;
    store.subscribe({}, first, on)();
    expect(heard[0]).toBe("gap");
  });

  test("switched off, nothing is listened to and nothing kept; a full disk is no end", async () => {
    const { bus, store, disk, stored } = await bench({ disk: "always" });
    disk.setFull(true);
    say(bus, "lost on flash");
    expect(await stored()).toEqual(["lost on flash"]);
    expect(store.state.lostEntries).toBe(1);
    store.set({ enabled: false });
    expect(traceLayers.some((layer) => bus.wants(layer))).toBe(false);
    say(bus, "not heard");
    expect(await stored()).toEqual(["lost on flash"]);
  });

  test("a transfer or retirement forgets all of it, on flash too", async () => {
    const { bus, store, disk, stored } = await bench({ disk: "always" });
    for (let i = 0; i < 400; i++) say(bus, `line ${i}`);
    expect((await stored()).length).toBeGreaterThan(0);
    await store.clear();
    expect(await stored()).toEqual([]);
    expect(await disk.list("")).toEqual([]);
    say(bus, "of the next owner");
    expect(await stored()).toEqual(["of the next owner"]);
  });

  test("filters by interface and by the beginning of an id", async () => {
    const { bus, stored } = await bench();
    bus.begin("poll", () => say(bus, "a"));
    bus.begin("package", () => bus.emit("dtls", "rx", { text: "b" }));
    expect(await stored({ layers: ["dtls"] })).toEqual(["b"]);
    expect(await stored({ id: "poll-" })).toEqual(["a"]);
    expect(await stored({ last: 1 })).toEqual(["b"]);
  });
});
