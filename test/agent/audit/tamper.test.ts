// What is done to a trail afterwards is found, and the first bad record named; checkpoints, indices, exports; the commands of docs/audit.md.
import { execFileSync } from "node:child_process";
import { generateKeyPairSync } from "node:crypto";
import { mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { verifyChain } from "../../../agent/audit/chain.ts";
import { checkpointEvent, devicePublicKey, openDeviceKey, publicKeyFile } from "../../../agent/audit/checkpoint.ts";
import { csvHead, csvRow } from "../../../agent/audit/csv.ts";
import { keepCheckpoints } from "../../../agent/audit/keeping.ts";
import { openAudit } from "../../../agent/audit/log.ts";
import { queryChain, queryLines } from "../../../agent/audit/query.ts";
import { hashLine, listSegments } from "../../../agent/audit/segment.ts";
import type { AuditHead, AuditLog, AuditQuery, AuditRecord } from "../../../agent/audit/types.ts";
import { fromUtf8, utf8 } from "../../../base/bytes.ts";
import { VirtualClock } from "../../../base/clock.ts";
import { type Disk, realDisk, subDisk } from "../../../base/disk.ts";
import { faultDisk } from "../../../base/fault-disk.ts";
import { silentLog } from "../../../base/log.ts";
import { seededRandom } from "../../../base/random.ts";
import { runBlock } from "../../support/doc-commands.ts";
import { need, program } from "../../support/programs.ts";

const hour = 3_600_000;

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const out: T[] = [];
  for await (const item of items) out.push(item);
  return out;
}

/** A trail of a vehicle: so many records, one each ten minutes, a checkpoint every hour. */
async function trail(disk: Disk, records: number, options: { segmentBytes?: number; maxSegments?: number } = {}) {
  const clock = new VirtualClock({ ms: Date.UTC(2026, 0, 1) });
  const deviceKey = await openDeviceKey(disk);
  const auditDisk = subDisk(disk, "audit");
  const audit = await openAudit({ disk: auditDisk, clock, deviceKey, ...options });
  const keeper = keepCheckpoints({
    ...{ audit, disk: auditDisk, deviceKey: () => deviceKey, clock, log: silentLog },
    record: async (event) => void (await audit.append(event)),
    onCheckpoint: async () => undefined,
  });
  await keeper.start();
  const kinds = ["package.received", "profile.enabled", "path.up", "path.down", "session.gap"];
  for (let i = 0; i < records; i++) {
    await clock.advance(600_000);
    const iccid = `8949${String(i % 7).padStart(15, "0")}`;
    await audit.append({
      event: kinds[i % kinds.length] ?? "",
      cause: "eim:e1",
      data: { iccid, i, eimId: "e1", seconds: i, reason: `"n", ${i}` },
    });
  }
  keeper.stop();
  return { audit, clock, deviceKey, auditDisk };
}

async function linesOf(disk: Disk): Promise<string[]> {
  const lines: string[] = [];
  for (const segment of await listSegments(disk))
    lines.push(
      ...fromUtf8((await disk.read(segment)) ?? new Uint8Array(0))
        .trimEnd()
        .split("\n"),
    );
  return lines;
}

/** A trail with these lines, in segments of twenty. */
async function written(lines: readonly string[]): Promise<Disk> {
  const disk = faultDisk(seededRandom(1));
  for (let at = 0; at < lines.length; at += 20)
    await disk.replace(`${String(at / 20 + 1).padStart(8, "0")}.jsonl`, utf8(`${lines.slice(at, at + 20).join("\n")}\n`));
  return disk;
}

const seqOf = (line: string): number => (JSON.parse(line) as AuditRecord).seq;

/** Which line is named: its segment and its place there. */
function placeOf(problem: { readonly segment: string; readonly line: number } | undefined): number {
  return (Number.parseInt(problem?.segment ?? "1", 10) - 1) * 20 + (problem?.line ?? 0) - 1;
}

describe("tampering", () => {
  test("altering, removing, inserting, reordering, cutting off: each is found up to the anchor, by the first bad record", async () => {
    const disk = faultDisk(seededRandom(1));
    const { audit, auditDisk } = await trail(disk, 90);
    const lines = await linesOf(auditDisk);
    const anchor = audit.head;
    expect(await verifyChain(await written(lines), [anchor])).toMatchObject({ ok: true, records: lines.length });
    const index = fc.integer({ min: 0, max: lines.length - 1 });
    const anything = fc.oneof(
      fc.record({
        kind: fc.constant("alter" as const),
        at: index,
        where: fc.double({ min: 0, max: 1, noNaN: true }),
        by: fc.integer({ min: 1, max: 9 }),
      }),
      fc.record({ kind: fc.constant("remove" as const), at: index }),
      fc.record({ kind: fc.constant("insert" as const), at: index, event: fc.string() }),
      fc.record({ kind: fc.constant("swap" as const), at: index, other: index }),
      fc.record({ kind: fc.constant("cut" as const), at: index }),
    );
    await fc.assert(
      fc.asyncProperty(anything, async (act) => {
        const bad = [...lines];
        let first = seqOf(lines[act.at] ?? "");
        switch (act.kind) {
          case "alter": {
            // A digit becomes another digit, wherever in the record: it stays a record.
            const line = lines[act.at] ?? "";
            const digits = [...line.matchAll(/\d/g)].map((match) => match.index);
            const place = digits[Math.floor(act.where * (digits.length - 1))] ?? 0;
            const digit = (Number(line[place]) + act.by) % 10;
            bad[act.at] = `${line.slice(0, place)}${digit}${line.slice(place + 1)}`;
            break;
          }
          case "remove":
            bad.splice(act.at, 1);
            // What stands in its place is the first that is not where it belongs.
            first = Math.min(first + 1, lines.length);
            break;
          case "insert": {
            const before = act.at === 0 ? { seq: 0, hash: "0".repeat(64) } : { seq: first - 1, hash: hashLine(lines[act.at - 1] ?? "") };
            const forged = {
              seq: before.seq + 1,
              time: "2026-01-01T00:00:00.000Z",
              timeSource: "nitz",
              event: act.event,
              cause: "x",
              prev: before.hash,
            };
            bad.splice(act.at, 0, JSON.stringify(forged));
            break;
          }
          case "swap": {
            fc.pre(act.at !== act.other);
            [bad[act.at], bad[act.other]] = [bad[act.other] ?? "", bad[act.at] ?? ""];
            const earlier = Math.min(act.at, act.other);
            first = seqOf(bad[earlier] ?? "");
            break;
          }
          case "cut":
            bad.length = act.at;
            break;
        }
        const { ok, problem } = await verifyChain(await written(bad), [anchor]);
        expect(ok).toBe(false);
        const named = problem?.seq;
        if (act.kind === "remove" && act.at === lines.length - 1) expect(named).toBe(lines.length);
        else if (act.kind === "remove" && act.at === 0) expect(problem?.reason).toContain("missing");
        else if (act.kind === "alter") expect(placeOf(problem)).toBe(act.at);
        else if (act.kind === "cut") expect(named ?? 1).toBe(act.at + 1);
        else expect(named).toBe(first);
      }),
      { seed: 5, numRuns: 400 },
    );
  });

  test("all of it written anew, hashes and all, is found by the checkpoints and by an anchor; without both it is not", async () => {
    const { auditDisk, deviceKey, audit } = await trail(faultDisk(seededRandom(1)), 40);
    const honest = audit.head;
    let prev = "0".repeat(64);
    const forged = (await linesOf(auditDisk)).map((line) => {
      const made = JSON.stringify({ ...JSON.parse(line.replace("profile.enabled", "profile.deleted")), prev });
      prev = hashLine(made);
      return made;
    });
    const disk = await written(forged);
    expect(await verifyChain(disk)).toMatchObject({ ok: true });
    expect(await verifyChain(disk, [honest])).toMatchObject({ ok: false });
    const first = forged.findIndex((line) => line.includes(checkpointEvent) && seqOf(line) > 4) + 1;
    const { ok, problem } = await verifyChain(disk, [], devicePublicKey(deviceKey.publicPem, "key"));
    expect([ok, problem?.seq, problem?.reason]).toEqual([false, first, expect.stringContaining("not of this device key")]);
  });
});

describe("checkpoints", () => {
  test("every hour in which something happened, over what is before them; by the device key, which stays", async () => {
    const disk = faultDisk(seededRandom(1));
    const { audit, auditDisk, clock, deviceKey } = await trail(disk, 30);
    const key = devicePublicKey(deviceKey.publicPem, "key");
    const verified = await verifyChain(auditDisk, [], key);
    expect(verified).toMatchObject({ ok: true, checkpoints: 5 });
    const other = generateKeyPairSync("ed25519").publicKey;
    expect(await verifyChain(auditDisk, [], other)).toMatchObject({ ok: false });
    const again = await openDeviceKey(disk);
    expect([again.fingerprint, again.isNew]).toEqual([deviceKey.fingerprint, false]);
    expect(fromUtf8((await auditDisk.read(publicKeyFile)) ?? new Uint8Array(0))).toBe(deviceKey.publicPem);
    await audit.checkpoint("test");
    const { seq } = audit.head;
    await clock.advance(5 * hour);
    expect([await audit.checkpoint("test"), audit.head.seq]).toEqual([undefined, seq]);
  });

  test("the key is the daemon's alone", async () => {
    const dir = await mkdtemp(join(tmpdir(), "simward-key-"));
    try {
      await openDeviceKey(realDisk(dir));
      expect((await stat(join(dir, "device-key.pem"))).mode & 0o777).toBe(0o600);
    } finally {
      await rm(dir, { recursive: true, force: true });
    }
  });

  test("a key that is damaged is made anew, and that is told", async () => {
    const disk = faultDisk(seededRandom(1));
    const before = await openDeviceKey(disk);
    await disk.replace("device-key.pem", utf8("damaged"));
    const after = await openDeviceKey(disk);
    expect([after.isNew, after.fingerprint === before.fingerprint]).toEqual([true, false]);
    expect(after.lost).toBeTypeOf("string");
  });
});

describe("questions", () => {
  const queries: readonly AuditQuery[] = [
    { from: "2026-01-01T05:00:00Z", to: "2026-01-01T09:00:00Z" },
    { event: "profile." },
    { iccid: "8949000000000000003" },
    { iccid: "8949" },
    { event: "package.", from: "2026-01-01T09:00:00Z", first: 3 },
    { event: "session.", last: 2 },
    { afterSeq: 100, to: "2026-01-02T00:00:00Z", event: "path." },
    { event: "nothing" },
    { from: "2030-01-01T00:00:00Z" },
  ];

  test("are answered as by reading all of it, and read only what may hold the answer", async () => {
    const { auditDisk, audit } = await trail(faultDisk(seededRandom(1)), 200, { segmentBytes: 4_096 });
    const everything = await all(audit.query({}));
    const segments = await listSegments(auditDisk);
    expect(segments.length).toBeGreaterThan(10);
    const read: string[] = [];
    const disk: Disk = {
      ...auditDisk,
      read: (path) => {
        if (path.endsWith(".jsonl")) read.push(path);
        return auditDisk.read(path);
      },
    };
    const naive = ({ from, to, event = "", iccid, afterSeq = 0, first, last }: AuditQuery): readonly number[] => {
      const found = everything.filter(
        (r) =>
          (from === undefined || Date.parse(r.time) >= Date.parse(from)) &&
          (to === undefined || Date.parse(r.time) < Date.parse(to)) &&
          r.event.startsWith(event) &&
          r.seq > afterSeq &&
          (iccid === undefined || String(r.data?.iccid ?? "").startsWith(iccid)),
      );
      const some = last === undefined ? found.slice(0, first) : found.slice(-last);
      return some.map(({ seq }) => seq);
    };
    for (const query of queries) expect((await all(queryChain(disk, query))).map(({ seq }) => seq)).toEqual(naive(query));
    const reads = async (query: AuditQuery): Promise<number> => {
      read.length = 0;
      await all(queryChain(disk, query));
      return read.length;
    };
    // The newest segment has no index, and is always read.
    expect(await reads({ from: "2026-01-01T05:00:00Z", to: "2026-01-01T06:00:00Z" })).toBeLessThanOrEqual(3);
    expect(await reads({ event: "nothing" })).toBe(1);
    expect(await reads({ iccid: "1111" })).toBe(1);
    for (const segment of segments) await auditDisk.remove(segment.replace("jsonl", "idx"));
    for (const query of queries) expect((await all(queryChain(disk, query))).map(({ seq }) => seq)).toEqual(naive(query));
  });

  test("indices that are missing are made at the next start, and go with their segments", async () => {
    const disk = faultDisk(seededRandom(1));
    const { auditDisk } = await trail(disk, 100, { segmentBytes: 4_096 });
    const indices = async (): Promise<number> => (await auditDisk.list(".")).filter((name) => name.endsWith(".idx")).length;
    const full = (await listSegments(auditDisk)).length - 1;
    expect(await indices()).toBe(full);
    for (const name of await auditDisk.list(".")) if (name.endsWith(".idx")) await auditDisk.remove(name);
    const audit = await openAudit({ disk: auditDisk, clock: new VirtualClock(), segmentBytes: 4_096, maxSegments: 4 });
    expect(await indices()).toBe(full);
    for (let i = 0; i < 60; i++) await audit.append({ event: "tick", cause: "test", data: { i } });
    expect((await listSegments(auditDisk)).length).toBeLessThanOrEqual(5);
    expect(await indices()).toBe((await listSegments(auditDisk)).length - 1);
    expect(await audit.verify()).toMatchObject({ ok: true });
  });

  test("what is exported is what was written, octet for octet; as a table it can be read back", async () => {
    const { auditDisk, audit } = await trail(faultDisk(seededRandom(1)), 20, { segmentBytes: 4_096 });
    const lines = await all(queryLines(auditDisk, {}));
    expect(lines).toEqual(await linesOf(auditDisk));
    await audit.append({ event: "odd", cause: '=cmd|"x"', data: { text: 'a,"b"\r\nc' } });
    const record = (await all(audit.query({ last: 1 })))[0];
    if (record === undefined) throw new Error("no record");
    const row = csvRow(record);
    expect(csvHead()).toBe("seq,time,timeSource,event,cause,data");
    expect(row).toMatch(/^\d+,2026-[^,]+,network,odd,"'=cmd\|""x""","\{""text"":""a,\\""b\\""\\r\\nc""\}"$/);
  });
});

describe("docs/audit.md", () => {
  const page = "docs/audit.md";
  const tools = ["jq", "sha256sum", "openssl"].map(program);
  let dir = "";
  let audit: AuditLog;
  let anchor: AuditHead;
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), "simward-audit-"));
    const made = await trail(faultDisk(seededRandom(1)), 70, { segmentBytes: 4_096, maxSegments: 3 });
    audit = made.audit;
    anchor = audit.head;
    await writeFile(join(dir, "trail.jsonl"), `${(await linesOf(made.auditDisk)).join("\n")}\n`);
    await writeFile(join(dir, "device-key.pub.pem"), made.deviceKey.publicPem);
  });
  afterEach(() => rm(dir, { recursive: true, force: true }));

  test("its commands find a whole trail whole, its anchor, its trimming, its checkpoints", async (context) => {
    for (const tool of tools) need(context, tool);
    const chain = await runBlock(page, "chain", dir);
    expect(chain, chain.stderr).toMatchObject({ code: 0, stdout: `whole up to ${anchor.seq}:${anchor.hash}\n` });
    expect(await runBlock(page, "anchor", dir, { anchor: `${anchor.seq}:${anchor.hash}` })).toMatchObject({ code: 0 });
    expect(await runBlock(page, "anchor", dir, { anchor: `${anchor.seq}:${"0".repeat(64)}` })).toMatchObject({ code: 1 });
    const [first = "", ...trimmed] = (await runBlock(page, "trimmed", dir)).stdout.trim().split("\n");
    const { seq, prev } = JSON.parse(first) as { seq: number; prev: string };
    expect(seq).toBeGreaterThan(1);
    expect(trimmed.map((line) => JSON.parse(line))).toContainEqual({ lastSeq: seq - 1, lastHash: prev });
    const checkpoints = await runBlock(page, "checkpoints", dir);
    expect(checkpoints, checkpoints.stderr).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/^[1-9]\d* checkpoints are signed by this key\n$/),
    });
    const questions = await runBlock(page, "questions", dir);
    expect(questions, questions.stderr).toMatchObject({ code: 0, stdout: expect.stringContaining("eim:e1") });
  });

  test("its commands find an altered record and a foreign signature", async (context) => {
    for (const tool of tools) need(context, tool);
    const file = join(dir, "trail.jsonl");
    const lines = (await readFile(file, "utf8")).trimEnd().split("\n");
    const at = 5;
    const seq = seqOf(lines[at] ?? "");
    const bad = lines.with(at, (lines[at] ?? "").replace("eim:e1", "eim:e2").replace("hourly", "weekly"));
    await writeFile(file, `${bad.join("\n")}\n`);
    expect(await runBlock(page, "chain", dir)).toMatchObject({ code: 1, stdout: `seq ${seq + 1} does not follow the record before it\n` });
    await writeFile(file, `${lines.join("\n")}\n`);
    execFileSync("openssl", ["genpkey", "-algorithm", "ed25519", "-out", join(dir, "other.key")]);
    execFileSync("openssl", ["pkey", "-in", join(dir, "other.key"), "-pubout", "-out", join(dir, "device-key.pub.pem")]);
    expect(await runBlock(page, "checkpoints", dir)).toMatchObject({ code: 1, stdout: expect.stringContaining("not signed by this key") });
  });
});
