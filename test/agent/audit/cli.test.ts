// simward audit query, export, key, verify: over the daemon's socket and on files, the same answers; what is exported is the trail, octet for octet.
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createAlarms } from "../../../agent/alarms.ts";
import { createEventHub } from "../../../agent/api/events.ts";
import { type ApiServer, serveApi } from "../../../agent/api/server.ts";
import type { Status } from "../../../agent/api/types.ts";
import { openTrail, type Trail } from "../../../agent/audit/service.ts";
import { runCli } from "../../../agent/cli/main.ts";
import { createOwedWrites, stateDisk } from "../../../agent/state/owed.ts";
import { VirtualClock } from "../../../base/clock.ts";
import { realDisk } from "../../../base/disk.ts";
import { silentLog } from "../../../base/log.ts";
import { quietLocalActs } from "../../support/local-acts.ts";

const iccid = "8949000000000000017";
let dir = "";
let trail: Trail;
let server: ApiServer;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "simward-audit-cli-"));
  const clock = new VirtualClock({ ms: Date.UTC(2026, 0, 1), source: "nitz" });
  const hub = createEventHub({ clock });
  const owed = createOwedWrites({ clock, log: silentLog, onProblem: () => undefined });
  trail = await openTrail({
    ...{ disk: stateDisk(realDisk(join(dir, "state")), owed), config: { segment_bytes: 4_096, max_segments: 50 }, clock, log: silentLog },
    ...{ alarms: createAlarms(), publish: hub.publish, storedHead: () => ({ seq: 0, hash: "" }), onCheckpoint: async () => undefined },
  });
  await trail.startSigning();
  for (let i = 0; i < 100; i++) {
    await clock.advance(60_000);
    const event = i % 10 === 0 ? "profile.enabled" : "path.up";
    await trail.record({ event, cause: "eim:e1", data: i % 10 === 0 ? { iccid } : { i } });
  }
  await trail.acts.auditAdminAct("eim.pollAsked", "engineer", { uid: 7, gid: 7, pid: 8 }, {});
  const { status, profiles, pollEim } = {
    status: async () => ({ schema: "simward/status/1" }) as Status,
    profiles: async () => ({ schema: "simward/profiles/1", eid: "", profiles: [] }) as const,
    pollEim: async () => ({ schema: "simward/poll/1", eims: [] }) as const,
  };
  const services = { ...quietLocalActs, ...trail.acts, status, profiles, pollEim, events: () => () => {} };
  server = await serveApi({ dir: join(dir, "api") }, services, silentLog);
});
afterAll(async () => {
  await server.close();
  trail.stop();
  await rm(dir, { recursive: true, force: true });
});

async function simward(...args: readonly string[]): Promise<{ readonly code: number; readonly out: string; readonly err: string }> {
  const out: string[] = [];
  const err: string[] = [];
  const code = await runCli(["--socket", join(dir, "api/viewer.sock"), "--state-dir", join(dir, "state"), ...args], {
    stdout: (text) => void out.push(text),
    stderr: (text) => void err.push(text),
    ...{ columns: undefined, env: {}, signal: new AbortController().signal },
  });
  return { code, out: out.join(""), err: err.join("") };
}
const files = (): string => join(dir, "state/audit");

describe("audit export", () => {
  test("is the trail, over the socket as from the files; its head is told", async () => {
    const online = await simward("audit", "export");
    const written = await Promise.all(
      (await realDisk(files()).list(".")).filter((n) => n.endsWith(".jsonl")).map((n) => readFile(join(files(), n), "utf8")),
    );
    expect(written.length).toBeGreaterThan(3);
    expect(online).toMatchObject({ code: 0, out: written.join(""), err: expect.stringContaining(trail.audit.head.hash) });
    expect(await simward("audit", "export", files())).toMatchObject({ code: 0, out: written.join("") });
    const { seq } = trail.audit.head;
    expect((await simward("audit", "export", "--after", String(seq - 2))).out.trimEnd().split("\n")).toHaveLength(2);
  });
});

describe("audit query", () => {
  test.each([
    ["by kind", ["--event", "profile."], 10],
    ["by time", ["--from", "2026-01-01T00:10:30Z", "--to", "2026-01-01T00:20:30Z"], 10],
    ["by ICCID", ["--iccid", "894900"], 10],
    ["by all of them, the first", ["--event", "profile.", "--from", "2026-01-01T00:30:00Z", "--first", "2"], 2],
    ["the last", ["--iccid", "8949", "--last", "3"], 3],
  ] as const)("%s: the same over the socket and from the files", async (_what, args, count) => {
    const online = await simward("audit", "query", "--json", ...args);
    const offline = await simward("audit", "query", files(), "--json", ...args);
    expect([online.code, online.out.trimEnd().split("\n").length]).toEqual([0, count]);
    expect(offline.out).toBe(online.out);
  });

  test("masks identifiers unless told not to; as a table too", async () => {
    const masked = await simward("audit", "query", "--event", "profile.", "--csv");
    expect(masked.out).toMatch(/^seq,time,timeSource,event,cause,data\n/);
    expect(masked.out).not.toContain(iccid);
    expect((await simward("audit", "query", "--event", "profile.", "--csv", "--show-ids")).out).toContain(iccid);
  });

  test.each([[["--from", "yesterday"]], [["--iccid", "89x"]], [["--first", "1", "--last", "1"]]])("%j is a usage error", async (args) => {
    expect(await simward("audit", "query", ...args)).toMatchObject({ code: 2, out: "" });
  });
});

describe("audit verify", () => {
  test("takes the device key noted before and an anchor; a foreign key and a false anchor are found", async () => {
    const key = join(dir, "device.pem");
    await writeFile(key, (await simward("audit", "key")).out);
    const { seq, hash } = trail.audit.head;
    const good = await simward("audit", "verify", files(), "--key", key, "--anchor", `${seq}:${hash}`);
    expect(good).toMatchObject({ code: 0, out: expect.stringMatching(/^whole {2}\d+ records[\s\S]*signed by the device key/) });
    const bad = await simward("audit", "verify", files(), "--anchor", `${seq - 1}:${hash}`);
    expect(bad).toMatchObject({ code: 1, out: expect.stringContaining(`(seq ${seq - 1})`) });
    expect(await simward("audit", "verify", files(), "--key", join(files(), "00000001.jsonl"))).toMatchObject({ code: 2 });
  });
});
