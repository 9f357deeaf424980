import { describe, expect, test } from "vitest";
import { listSegments, verifyChain } from "../../agent/audit/chain.ts";
import { openAudit } from "../../agent/audit/log.ts";
import type { AuditRecord } from "../../agent/audit/types.ts";
import { fromUtf8, utf8 } from "../../base/bytes.ts";
import { VirtualClock } from "../../base/clock.ts";
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
    expect(await verifyChain(disk)).toMatchObject({ ok: false, problem: { segment, line: 3 } });
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
    expect(await verifyChain(disk, audit.head)).toMatchObject({ ok: false, problem: { reason: expect.stringContaining("ends at seq 3") } });
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

  test("a full disk is an error for the caller, and the chain goes on afterwards", async () => {
    const disk = faultDisk(seededRandom(3));
    const audit = await open(disk);
    await audit.append({ event: "one", cause: "test" });
    disk.failAfter(1);
    await expect(audit.append({ event: "lost", cause: "test" })).rejects.toMatchObject({ code: "AUDIT_WRITE" });
    await audit.append({ event: "two", cause: "test" });
    expect((await all(audit.query({}))).map((r) => r.event)).toEqual(["one", "two"]);
    expect(await audit.verify()).toMatchObject({ ok: true, records: 2 });
  });
});
