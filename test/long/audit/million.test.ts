// A million audit records: written as the daemon writes them, verified in one pass with one segment in memory; the rate is told, not judged.
import { generateKeyPairSync, sign } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { verifyChain } from "../../../agent/audit/chain.ts";
import { checkpointEvent, checkpointOctets } from "../../../agent/audit/checkpoint.ts";
import { queryChain } from "../../../agent/audit/query.ts";
import { extended, hashLine, type SegmentIndex, segmentName, writeIndex } from "../../../agent/audit/segment.ts";
import type { AuditHead, AuditRecord } from "../../../agent/audit/types.ts";
import { type Disk, realDisk } from "../../../base/disk.ts";

const records = 1_000_000;
const segmentBytes = 256 * 1024;
const growthMb = 96;

const { privateKey, publicKey } = generateKeyPairSync("ed25519");

/** In the format of agent/audit/log.ts, without its waiting for the medium a million times. */
async function write(dir: string): Promise<AuditHead> {
  const disk = realDisk(dir);
  let head: AuditHead = { seq: 0, hash: "0".repeat(64) };
  let segment = 1;
  let lines: string[] = [];
  let bytes = 0;
  let index: SegmentIndex | undefined;
  const close = async (): Promise<void> => {
    await writeFile(join(dir, segmentName(segment)), `${lines.join("\n")}\n`);
    if (index !== undefined) await writeIndex(disk, segmentName(segment), index);
    segment++;
    lines = [];
    bytes = 0;
    index = undefined;
  };
  for (let seq = 1; seq <= records; seq++) {
    const time = new Date(Date.UTC(2026, 0, 1) + seq * 60_000).toISOString();
    const isCheckpoint = seq % 1_000 === 0;
    const data = isCheckpoint
      ? { signature: sign(null, checkpointOctets(head, time), privateKey).toString("base64") }
      : { iccid: `894920000000000${String(seq % 10_000).padStart(4, "0")}`, eimId: "eim.example.com", counterValue: String(seq) };
    const record: AuditRecord = {
      ...{ seq, time, timeSource: "nitz", event: isCheckpoint ? checkpointEvent : "package.received", cause: "eim:eim.example.com", data },
      prev: head.hash,
    };
    const line = JSON.stringify(record);
    lines.push(line);
    bytes += line.length + 1;
    index = extended(index, record);
    head = { seq, hash: hashLine(line) };
    if (bytes >= segmentBytes) await close();
  }
  if (lines.length > 0) await close();
  return head;
}

test("1,000,000 records verify in one pass with flat memory; a question by time reads a few segments", async () => {
  const dir = await mkdtemp(join(tmpdir(), "simward-million-"));
  try {
    const head = await write(dir);
    const medium = realDisk(dir);
    let reads = 0;
    let peakMb = 0;
    const disk: Disk = {
      ...medium,
      async read(path) {
        if (path.endsWith(".jsonl")) reads++;
        if (reads % 50 === 0) globalThis.gc?.();
        peakMb = Math.max(peakMb, process.memoryUsage().heapUsed / 1_048_576);
        return medium.read(path);
      },
    };
    globalThis.gc?.();
    const beforeMb = process.memoryUsage().heapUsed / 1_048_576;
    const startMs = performance.now();
    const verification = await verifyChain(disk, [head], publicKey);
    const tookMs = performance.now() - startMs;
    expect(verification).toMatchObject({ ok: true, records, checkpoints: records / 1_000, head });
    const segments = reads;
    process.stdout.write(
      `${records} records in ${segments} segments: verified in ${(tookMs / 1_000).toFixed(1)} s, ${Math.round(records / (tookMs / 1_000))} records/s, ` +
        `heap ${beforeMb.toFixed(0)} MB before, ${peakMb.toFixed(0)} MB at most\n`,
    );
    // The trail is 300 MB; what is held of it at a time is one segment, and what the collector has not yet taken.
    expect(peakMb - beforeMb).toBeLessThan(growthMb);
    reads = 0;
    const from = new Date(Date.UTC(2026, 0, 1) + 500_000 * 60_000).toISOString();
    const to = new Date(Date.UTC(2026, 0, 1) + 500_100 * 60_000).toISOString();
    let found = 0;
    for await (const record of queryChain(disk, { from, to })) found += record.seq > 0 ? 1 : 0;
    expect([found, reads <= 3]).toEqual([100, true]);
    process.stdout.write(`a question by time: ${found} records out of ${reads} of ${segments} segments\n`);
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
});
