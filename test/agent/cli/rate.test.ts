// A user's own scripts ask the daemon more often than it takes: the command line waits as the real server says, and tells so once.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type ApiLimits, apiLimits } from "../../../agent/api/limits.ts";
import type { ApiServices } from "../../../agent/api/route.ts";
import { type ApiServer, serveApi } from "../../../agent/api/server.ts";
import { createClient } from "../../../agent/cli/client.ts";
import { runCli } from "../../../agent/cli/main.ts";
import { VirtualClock } from "../../../base/clock.ts";
import { silentLog } from "../../../base/log.ts";
import { quietServices } from "../../support/quiet-services.ts";

let dir = "";
let server: ApiServer | undefined;
let clock: VirtualClock;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "simward-rate-"));
  clock = new VirtualClock();
});
afterEach(async () => {
  await server?.close();
  await rm(dir, { recursive: true, force: true });
});

async function serve(limits: Partial<ApiLimits>, more: Partial<ApiServices> = {}): Promise<void> {
  server = await serveApi({ dir }, { ...quietServices(), ...more }, silentLog, { clock, limits: { ...apiLimits, ...limits } });
}

/** With the server's clock; what it says on stderr is told as it comes. */
function simward(line: string, onHint: (text: string) => void = () => undefined, signal = new AbortController().signal) {
  const said = { stdout: "", stderr: "" };
  return runCli(line.split(" "), {
    stdout: (text) => {
      said.stdout += text;
    },
    stderr: (text) => {
      said.stderr += text;
      onHint(text);
    },
    columns: undefined,
    env: { SIMWARD_API_DIR: dir },
    signal,
    clock,
  }).then((code) => ({ code, ...said }));
}

const ask = (): Promise<unknown> => createClient(join(dir, "viewer.sock"), 5_000).call("GET", "/v1/version");

test("a question is asked again when the daemon says", async () => {
  await serve({ requests: { burst: 1, perSecond: 0.2 } });
  await ask();
  const startMs = clock.monotonicMs();
  const { code, stdout, stderr } = await simward("status --json", () => void clock.advance(5_000));
  expect([code, JSON.parse(stdout)]).toMatchObject([0, { schema: "simward/status/1" }]);
  expect(clock.monotonicMs() - startMs).toBe(5_000);
  expect(stderr).toContain("asked again in 5 s");
});

test("a verb that has to wait more than once tells so once", async () => {
  const leaving = new AbortController();
  const heard = (): (() => void) => {
    leaving.abort();
    return () => undefined;
  };
  await serve({ requests: { burst: 1, perSecond: 0.2 } }, { events: heard });
  await ask();
  const startMs = clock.monotonicMs();
  // First the last records, then the events: either has to wait.
  const tail = simward("audit tail --follow", undefined, leaving.signal);
  while (!leaving.signal.aborted) {
    await clock.advance(500);
    await new Promise(setImmediate);
  }
  expect((await tail).stderr.match(/asked again/g)).toHaveLength(1);
  expect(clock.monotonicMs() - startMs).toBeGreaterThanOrEqual(10_000);
});

test("so it is with an order, and with a stream", async () => {
  await serve({ writes: { burst: 1, perSecond: 0.1 }, requests: { burst: 2, perSecond: 1 } });
  const first = await simward("emergency off");
  expect(first).toMatchObject({ code: 0, stderr: "" });
  const second = await simward("emergency off", () => void clock.advance(10_000));
  expect([second.code, second.stderr]).toEqual([0, expect.stringContaining("asked again in 10 s")]);
  await ask();
  await ask();
  const left = new AbortController();
  const stream = simward("events", () => void clock.advance(1_000).then(() => left.abort()), left.signal);
  expect((await stream).stderr).toContain("asked again in 1 s");
});

test("not for longer than --timeout: then it ends with 6, and says when", async () => {
  await serve({ requests: { burst: 1, perSecond: 0.01 } });
  await ask();
  const { code, stdout, stderr } = await simward("status --timeout 60s");
  expect([code, stdout]).toEqual([6, ""]);
  expect(stderr).toMatch(/^error API_RATE: .*again in 100 s\n {2}next: type it again in 100 s, or with a longer --timeout\n/);
});

test("Ctrl-C ends the wait with 130", async () => {
  await serve({ requests: { burst: 1, perSecond: 0.2 } });
  await ask();
  const leaving = new AbortController();
  expect(await simward("status", () => leaving.abort(), leaving.signal)).toMatchObject({ code: 130, stdout: "" });
});
