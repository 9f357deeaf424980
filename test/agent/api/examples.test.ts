// The examples of docs/api.md for a backend, each run as it stands there against the agent on the virtual vehicle; and what that page promises of events.
import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createEventHub } from "../../../agent/api/events.ts";
import { apiLimits } from "../../../agent/api/limits.ts";
import { type ApiServer, serveApi } from "../../../agent/api/server.ts";
import type { ApiEvent } from "../../../agent/api/types.ts";
import { createClient } from "../../../agent/cli/client.ts";
import { VirtualClock } from "../../../base/clock.ts";
import { silentLog } from "../../../base/log.ts";
import { agentOf } from "../../support/agent-acts.ts";
import { FaultBench, pkiOfBenches } from "../../support/fault-bench.ts";
import { expectAnswer } from "../../support/openapi.ts";
import { need, program } from "../../support/programs.ts";
import { quietServices } from "../../support/quiet-services.ts";

const curl = program("curl");
const page = readFileSync("docs/api.md", "utf8");
const examples = (/<!-{2} examples[^\n]*-{2}>\n```sh\n([\s\S]*?)```/.exec(page)?.[1] ?? "")
  .split("\n")
  .filter((line) => line.startsWith("curl "));

describe("the examples for a backend", () => {
  let dir = "";
  let bench: FaultBench;
  let server: ApiServer | undefined;
  let isDriven = true;
  let driving: Promise<void>;

  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), "simward-examples-"));
    bench = new FaultBench({ pki: pkiOfBenches(), seed: 1, recorded: true });
    bench.start();
    await bench.until("first poll", () => bench.polls > 0);
    server = await serveApi({ dir }, agentOf(bench), silentLog, { clock: bench.clock });
    driving = (async () => {
      while (isDriven) {
        await bench.clock.advance(Math.min(bench.clock.nextTimerInMs() ?? 100, 100));
        await new Promise((resolve) => setImmediate(resolve));
      }
    })();
  });
  afterAll(async () => {
    isDriven = false;
    await driving;
    await server?.close();
    await bench.stop();
    await rm(dir, { recursive: true, force: true });
  });

  test("are there", () => {
    expect(examples.length).toBeGreaterThanOrEqual(10);
  });

  for (const line of examples)
    test(line.replace(/^curl .*http:/, "http:"), async (context) => {
      need(context, curl);
      const said = await new Promise<{ readonly code: number | null; readonly stdout: string }>((resolve) => {
        const child = execFile("bash", ["-c", line.replaceAll("/run/simward", dir)], { maxBuffer: 32 * 1024 * 1024 }, (_error, stdout) =>
          resolve({ code: child.exitCode, stdout }),
        );
      });
      // curl's own code for a stream that it has left when its time was over.
      expect(said.code, said.stdout.slice(0, 500)).toBe(line.includes("--max-time") ? 28 : 0);
      if (line.includes("/v1/metrics")) {
        expect(said.stdout).toMatch(/^# HELP simward_info .*\n# TYPE simward_info gauge\nsimward_info\{version="[^"]+"\} 1\n/);
        expect(said.stdout).toMatch(/^simward_registered\{plmn="\d+",rat="[^"]+"\} 1$/m);
        for (const one of said.stdout.trim().split("\n"))
          expect(one).toMatch(/^(# (HELP|TYPE) simward_\w+ .+|simward_\w+(\{[^}]*\})? -?\d+(\.\d+)?)$/);
        return;
      }
      const lines = said.stdout.split("\n").filter((one) => one !== "");
      expect(lines.length).toBeGreaterThan(0);
      for (const one of line.includes("/audit/lines") ? lines.slice(0, 1) : lines) expectAnswer(JSON.parse(one));
    });
});

describe("a listener that comes again with the last id", () => {
  const limits = apiLimits;
  /** One life of the daemon after another, at the same place. */
  async function life(dir: string, firstId: number, kinds: readonly string[], after: number): Promise<ApiEvent[]> {
    const hub = createEventHub({ clock: new VirtualClock(), firstId, remembered: 3 });
    for (const kind of kinds) hub.publish(kind, {});
    const server = await serveApi({ dir }, quietServices(hub), silentLog, { limits });
    const heard: ApiEvent[] = [];
    await createClient(join(dir, "viewer.sock"), 5_000).lines(`/v1/events?after=${after}`, (line) => {
      expectAnswer(line);
      heard.push(line as ApiEvent);
      return (line as ApiEvent).kind !== "last";
    });
    await server.close();
    return heard;
  }

  test("hears each event once, over restarts too, or that some are missing", async () => {
    const dir = await mkdtemp(join(tmpdir(), "simward-resume-"));
    const kindsOf = (events: readonly ApiEvent[]): readonly string[] => events.map(({ kind }) => kind);
    try {
      const first = await life(dir, 7_000_001, ["a", "b", "last"], 7_000_001);
      expect(kindsOf(first)).toEqual(["b", "last"]);
      const second = await life(dir, 3_000_001, ["c", "last"], first.at(-1)?.id ?? 0);
      expect(kindsOf(second)).toEqual(["gap", "c", "last"]);
      expect(kindsOf(await life(dir, 9_000_001, ["d", "e", "f", "g", "last"], second.at(-1)?.id ?? 0))).toEqual(["gap", "f", "g", "last"]);
    } finally {
      await rm(dir, { recursive: true, force: true });
    }
  });
});
