import { describe, expect, test } from "vitest";
import { verifyChain } from "../../agent/audit/chain.ts";
import { openAudit } from "../../agent/audit/log.ts";
import { queryChain } from "../../agent/audit/query.ts";
import { listSegments } from "../../agent/audit/segment.ts";
import type { AuditQuery, AuditRecord } from "../../agent/audit/types.ts";
import { fromUtf8, utf8 } from "../../base/bytes.ts";
import { VirtualClock } from "../../base/clock.ts";
import type { Disk } from "../../base/disk.ts";
import { type FaultDisk, faultDisk, PowerCut } from "../../base/fault-disk.ts";
import { seededRandom } from "../../base/random.ts";

const open = (disk: FaultDisk, options: { segmentBytes?: number; maxSegments?: number } = {}) =>
  openAudit({ disk, clock: new VirtualClock({ ms: 0 }), ...options });

async function all(records: AsyncIterable<AuditRecord>): Promise<AuditRecord[]> {
  const out: AuditRecord[] = [];
  for await (const record of records) out.push(record);
  return out;
}

describe("the audit trail", () => {
  test("chains each record to the line before, across a restart", async () => {
    const disk = faultDisk(seededRandom(1));
    const first = await open(disk);
    await first.append({ event: "package.received", cause: "eim:e1", data: { sha256: "00" } });
    await first.append({ event: "profile.enabled", cause: "eim:e1" });
    const second = await open(disk);
    expect(second.head).toEqual(first.head);
    await second.append({ event: "package.reported", cause: "eim:e1" });
    const records = await all(second.query({}));
    expect(records.map(({ seq, event, time }) => [seq, event, time])).toEqual([
      [1, "package.received", "1970-01-01T00:00:00.000Z"],
      [2, "profile.enabled", "1970-01-01T00:00:00.000Z"],
      [3, "package.reported", "1970-01-01T00:00:00.000Z"],
    ]);
    expect(await second.verify()).toMatchObject({ ok: true, records: 3, firstSeq: 1, head: second.head });
    expect((await all(second.query({ event: "profile." }))).map((r) => r.seq)).toEqual([2]);
    expect((await all(second.query({ last: 2 }))).map((r) => r.seq)).toEqual([2, 3]);
    expect((await all(second.query({ afterSeq: 2 }))).map((r) => r.seq)).toEqual([3]);
  });

  test("an altered, removed or reordered line is found, with its place", async () => {
    const disk = faultDisk(seededRandom(1));
    const audit = await open(disk);
    for (let i = 0; i < 5; i++) await audit.append({ event: "tick", cause: "test", data: { i } });
    const [segment = ""] = await listSegments(disk);
    const lines = fromUtf8((await disk.read(segment)) ?? new Uint8Array(0))
      .trimEnd()
      .split("\n");
    const write = (changed: readonly string[]) => disk.replace(segment, utf8(`${changed.join("\n")}\n`));
    const [a = "", b = "", c = "", d = "", e = ""] = lines;

    await write([a, b.replace('"i":1', '"i":9'), c, d, e]);
    expect(await verifyChain(disk)).toMatchObject({ ok: false, problem: { segment, line: 2, seq: 2 } });
    await write([a, c, d, e]);
    expect(await verifyChain(disk)).toMatchObject({ ok: false, problem: { line: 2 } });
    await write([a, c, b, d, e]);
    expect(await verifyChain(disk)).toMatchObject({ ok: false, problem: { line: 2 } });
    await write([b, c, d, e]);
    expect(await verifyChain(disk)).toMatchObject({ ok: false, problem: { line: 1, reason: expect.stringContaining("missing") } });
    await write([a, "garbage", c]);
    expect(await verifyChain(disk)).toMatchObject({ ok: false, problem: { line: 2, reason: expect.stringContaining("no audit record") } });
    // A cut-off end is whole in itself; only who knows the head finds it.
    await write([a, b, c]);
    expect(await verifyChain(disk)).toMatchObject({ ok: true });
    expect(await verifyChain(disk, [audit.head])).toMatchObject({
      ok: false,
      problem: { reason: expect.stringContaining("ends at seq 3") },
    });
  });

  test("segments are closed by size and trimmed as a whole, and the trimming is vouched for", async () => {
    const disk = faultDisk(seededRandom(1));
    const audit = await open(disk, { segmentBytes: 600, maxSegments: 3 });
    for (let i = 0; i < 40; i++) await audit.append({ event: "tick", cause: "test", data: { i } });
    const segments = await listSegments(disk);
    expect(segments.length).toBeLessThanOrEqual(4);
    const verification = await audit.verify();
    expect(verification).toMatchObject({ ok: true, head: audit.head });
    expect(verification.firstSeq).toBeGreaterThan(10);
    await disk.remove(segments[0] ?? "");
    expect(await verifyChain(disk)).toMatchObject({ ok: false, problem: { reason: expect.stringContaining("missing") } });
  });

  test("after a power cut at any moment the chain holds, and no record that was promised is lost", async () => {
    for (let seed = 0; seed < 150; seed++) {
      const disk = faultDisk(seededRandom(seed));
      const promised: number[] = [];
      disk.cutAfter(1 + (seed % 25));
      try {
        const audit = await open(disk, { segmentBytes: 500, maxSegments: 3 });
        for (let i = 0; i < 30; i++) promised.push((await audit.append({ event: "tick", cause: "test" })).seq);
      } catch (error) {
        expect((error as Error).cause ?? error).toBeInstanceOf(PowerCut);
      }
      disk.powerOn();
      const audit = await open(disk, { segmentBytes: 500, maxSegments: 3 });
      await audit.append({ event: "after", cause: "test" });
      const verification = await audit.verify();
      expect(verification, `seed ${seed}: ${JSON.stringify(verification)}`).toMatchObject({ ok: true, tornBytes: 0 });
      expect(audit.head.seq).toBeGreaterThan(promised.at(-1) ?? 0);
    }
  });

  test("a full disk is an error for the caller; what could not be written goes before the next record, with its own time", async () => {
    const disk = faultDisk(seededRandom(3));
    const clock = new VirtualClock({ ms: 0 });
    const audit = await openAudit({ disk, clock });
    await audit.append({ event: "one", cause: "test" });
    await clock.advance(1_000);
    for (const event of ["two", "three"]) {
      disk.failAfter(1);
      await expect(audit.append({ event, cause: "test" })).rejects.toMatchObject({ code: "AUDIT_WRITE" });
    }
    await clock.advance(1_000);
    expect(await audit.append({ event: "four", cause: "test" })).toMatchObject({ seq: 4 });
    expect((await all(audit.query({}))).map((r) => [r.event, r.time.slice(17, 19)])).toEqual([
      ["one", "00"],
      ["two", "01"],
      ["three", "01"],
      ["four", "02"],
    ]);
    expect(await audit.verify()).toMatchObject({ ok: true, records: 4 });

    // Nothing else may happen for days: it is tried again by itself.
    disk.failAfter(1);
    await expect(audit.append({ event: "five", cause: "test" })).rejects.toMatchObject({ code: "AUDIT_WRITE" });
    await clock.advance(30_000);
    expect((await all(audit.query({}))).at(-1)).toMatchObject({ seq: 5, event: "five", time: "1970-01-01T00:00:02.000Z" });
    expect(clock.nextTimerInMs()).toBeUndefined();
  });

  test("of what a disk that stays full keeps waiting, the oldest is lost, and the trail says how much", async () => {
    const disk = faultDisk(seededRandom(3));
    const audit = await open(disk);
    for (let i = 0; i < 1_003; i++) {
      disk.failAfter(1);
      await expect(audit.append({ event: "tick", cause: "test", data: { i } })).rejects.toMatchObject({ code: "AUDIT_WRITE" });
    }
    await audit.append({ event: "last", cause: "test" });
    const records = await all(audit.query({}));
    expect(records[0]).toMatchObject({ event: "audit.lost", data: { records: 4 } });
    expect(records[1]).toMatchObject({ event: "tick", data: { i: 4 } });
    expect(records).toHaveLength(1_001);
    expect(await audit.verify()).toMatchObject({ ok: true });
  });

  test("a damaged end is told and gone on from: the vehicle is not dark because of a line of text", async () => {
    const disk = faultDisk(seededRandom(1));
    const before = await open(disk);
    for (let i = 0; i < 3; i++) await before.append({ event: "tick", cause: "test" });
    await disk.append("00000001.jsonl", utf8("{gar\u0000bage}\n"), true);
    const audit = await open(disk);
    expect(audit.head.seq).toBe(5);
    await audit.append({ event: "after", cause: "test" });
    expect((await all(audit.query({ afterSeq: 3 }))).map(({ seq, event, data }) => [seq, event, data])).toEqual([
      [5, "audit.damaged", { segment: "00000001.jsonl", line: 4 }],
      [6, "after", undefined],
    ]);
    expect(await audit.verify()).toMatchObject({ ok: false, problem: { segment: "00000001.jsonl", line: 4 } });
    // Told once, not at every start.
    expect((await open(disk)).head).toEqual(audit.head);
  });

  test("a torn tail on a disk that is full opens all the same, and is told when there is room", async () => {
    const disk = faultDisk(seededRandom(1));
    const clock = new VirtualClock({ ms: 0 });
    await (await open(disk)).append({ event: "one", cause: "test" });
    await disk.append("00000001.jsonl", utf8('{"seq":2'), true);
    disk.setFull(true);
    // Segments are smaller now than they were when this one was written.
    const audit = await openAudit({ disk, clock, segmentBytes: 100 });
    await expect(audit.append({ event: "two", cause: "test" })).rejects.toMatchObject({ code: "AUDIT_WRITE" });
    disk.setFull(false);
    await clock.advance(30_000);
    expect((await all(audit.query({}))).map(({ event }) => event)).toEqual(["one", "audit.tornTail", "two"]);
    expect(await audit.verify()).toMatchObject({ ok: true, tornBytes: 0 });
    await audit.close();
    expect(clock.nextTimerInMs()).toBeUndefined();
  });

  test("questions read the segments that hold the answer; verifying reads each once, one after the other", async () => {
    const medium = faultDisk(seededRandom(1));
    const audit = await open(medium, { segmentBytes: 4_000 });
    for (let i = 0; i < 400; i++) await audit.append({ event: i % 100 === 0 ? "rare" : "tick", cause: "test", data: { i } });
    const read: string[] = [];
    let reading = 0;
    const disk: Disk = {
      ...medium,
      async read(path) {
        read.push(path);
        expect(++reading).toBe(1);
        const bytes = await medium.read(path);
        await Promise.resolve();
        reading--;
        return bytes;
      },
    };
    const segments = await listSegments(disk);
    expect(segments.length).toBeGreaterThan(15);
    const ask = async (query: AuditQuery): Promise<[readonly number[], number]> => {
      read.length = 0;
      const seqs = (await all(queryChain(disk, query))).map(({ seq }) => seq);
      return [seqs, read.filter((path) => path.endsWith(".jsonl")).length];
    };
    expect(await ask({ last: 3 })).toEqual([[398, 399, 400], 1]);
    expect(await ask({ afterSeq: 398 })).toEqual([[399, 400], 2]);
    expect((await ask({ afterSeq: 10, first: 2 }))[0]).toEqual([11, 12]);
    expect(await ask({ first: 2 })).toEqual([[1, 2], 1]);
    expect(await ask({ afterSeq: 400 })).toEqual([[], 2]);
    expect((await ask({ event: "rare", last: 2 }))[0]).toEqual([201, 301]);
    expect((await ask({ event: "rare", last: 2, afterSeq: 250 }))[0]).toEqual([301]);
    expect((await ask({ event: "rare", first: 1, afterSeq: 1 }))[0]).toEqual([101]);
    read.length = 0;
    expect(await verifyChain(disk, [audit.head])).toMatchObject({ ok: true, records: 400 });
    expect(read).toEqual(segments);
  });
});
