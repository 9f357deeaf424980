// What the module does for minutes, on the virtual vehicle: within the limits of its family, told to its end, and joined by who comes while it goes on.
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { serveApi } from "../../../agent/api/server.ts";
import { runCli } from "../../../agent/cli/main.ts";
import { silentLog } from "../../../base/log.ts";
import type { CapturedRun } from "../../support/captured-cli.ts";
import { bootstrap, fleet, type Given, inWorld, type World } from "../../support/e2e.ts";

let dir = "";
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "simward-joined-"));
});
afterEach(() => rm(dir, { recursive: true, force: true }));

interface Person {
  readonly ended: Promise<CapturedRun>;
  /** Resolves when stderr has got this. */
  readonly told: (text: string) => Promise<void>;
  leave(): void;
}

function person(line: string): Person {
  const said = { stdout: "", stderr: "" };
  const leaving = new AbortController();
  const waiting = new Set<() => void>();
  const ended = runCli(line.split(" "), {
    stdout: (text) => {
      said.stdout += text;
    },
    stderr: (text) => {
      said.stderr += text;
      for (const look of [...waiting]) look();
    },
    columns: undefined,
    env: { SIMWARD_API_DIR: dir },
    signal: leaving.signal,
  }).then((code) => ({ code, ...said }));
  return {
    ended,
    leave: () => leaving.abort(),
    told: (text) =>
      new Promise((done) => {
        const look = (): void => {
          if (!said.stderr.includes(text)) return;
          waiting.delete(look);
          done();
        };
        waiting.add(look);
        look();
      }),
  };
}

const served = (given: Omit<Given, "run">, run: (world: World) => Promise<void>): Promise<void> =>
  inWorld({ cardRole: "sgp32", seed: 7, ...given }, async (world) => {
    const server = await serveApi({ dir }, world.agent, silentLog);
    try {
      await run(world);
    } finally {
      await server.close();
    }
  });

describe("net scan", () => {
  test("goes on when who has begun it leaves, and is joined: both its times and its answer are the other's", () =>
    served({ personality: "quectel-bg95", speed: 60 }, async ({ agent, trace }) => {
      const lines: string[] = [];
      const stop = trace.listen(["at"], ({ direction, text }) => {
        if (direction === "tx" && text?.includes("+COPS=?") === true) lines.push(text);
      });
      const first = person("net scan");
      await first.told("scanning");
      first.leave();
      expect(await first.ended).toMatchObject({ code: 130, stdout: "", stderr: expect.stringContaining("simward net scan joins it") });
      expect((await agent.status()).underWay).toMatchObject({ work: "net scan", phase: "scanning" });
      const { code, stdout, stderr } = await person("net scan").ended;
      stop();
      expect([code, stdout]).toEqual([0, expect.stringContaining("Rheinfunk")]);
      expect(stderr).toMatch(/^\[2\/3\] scanning {2}begun .* ago, and joined\n[\s\S]*\[3\/3\] answered\n$/);
      expect(lines).toHaveLength(1);
    }));

  test.each([
    ["generic", 300_000, 325_000],
    ["ublox-sara-r5", 570_000, 610_000],
  ])("of a %s that takes %i ms is within its limit of %i ms", (personality, scanMs, limitMs) =>
    served({ personality, timings: { scanMs }, speed: 400 }, async ({ events }) => {
      const { code, stdout } = await person("net scan").ended;
      expect([code, stdout]).toEqual([0, expect.stringContaining("Rheinfunk")]);
      expect(events().findLast(({ kind }) => kind === "phase")).toMatchObject({ phase: "answered", limitMs });
    }),
  );
});

describe("modem reset", () => {
  /** What happens to a module that is away happens before it is back. */
  const slowStart = { bootMs: 60_000 };
  const reset = "modem reset --yes --reason test";

  test("ends when the module is registered again, where it was", () =>
    served({ personality: "quectel-bg95" }, async () => {
      const { code, stdout, stderr } = await person(reset).ended;
      expect([code, stdout]).toEqual([0, expect.stringMatching(/^restarted {2}registered with 262\d\d {2}in /)]);
      expect(stderr.split("\n").filter((line) => line.startsWith("["))).toEqual([
        "[1/5] asked",
        "[2/5] restarting",
        "[3/5] off the air",
        "[4/5] back",
        "[5/5] registered",
      ]);
    }));

  test("tells where it is not, and why, with 8; one that was not before ends when it is back", () =>
    served({ personality: "quectel-bg95", timings: slowStart, speed: 120 }, async ({ fault, until, modem }) => {
      const leaving = person(reset);
      await leaving.told("restarting");
      await fault({ vehicle: { "no-coverage": bootstrap.iccid } });
      const { code, stdout, stderr } = await leaving.ended;
      expect([code, stdout]).toEqual([
        8,
        expect.stringMatching(/^restarted {2}not registered again: \w+.*; simward net status {2}in \d min\n$/),
      ]);
      expect(stderr).not.toContain("[5/5]");
      await until(
        () => modem.status,
        ({ link }) => link === "ready",
      );
      expect(await person(reset).ended).toMatchObject({ code: 0, stdout: expect.stringMatching(/^restarted {2}in /) });
      await fault({ vehicle: { "no-coverage": null } });
    }));

  test("is joined by who asks while it goes on", () =>
    served({ personality: "quectel-bg95", timings: slowStart }, async ({ modem }) => {
      const { starts = 0 } = modem.status;
      const first = person(reset);
      await first.told("restarting");
      first.leave();
      expect(await first.ended).toMatchObject({ code: 130 });
      const { code, stderr } = await person(reset).ended;
      expect([code, stderr]).toEqual([0, expect.stringMatching(/and joined\n[\s\S]*\[5\/5\] registered\n$/)]);
      expect((modem.status.starts ?? 0) - starts).toBeLessThanOrEqual(1);
    }));
});

test("a download goes on when who has begun it leaves, and is joined by who gives the same codes: they are good once", () =>
  served(
    { cardRole: "sgp22", direct: true, speed: 5, config: "[eim]\non_consumer_euicc = true\n" },
    async ({ vehicle, installed, audit }) => {
      await writeFile(join(dir, "code"), vehicle.activationCode(fleet.matchingId));
      const line = `profile download --ac ${join(dir, "code")}`;
      const first = person(line);
      await first.told("ES9+.InitiateAuthentication");
      first.leave();
      expect(await first.ended).toMatchObject({ code: 130, stderr: expect.stringContaining("the daemon goes on") });
      const { code, stdout, stderr } = await person(line).ended;
      expect([code, stdout]).toEqual([0, expect.stringContaining("Rheinfunk")]);
      expect(stderr).not.toContain("ES9+.InitiateAuthentication");
      expect(installed()).toContain(fleet.iccid);
      // Both have asked, one was done.
      expect(await audit.events("profile.downloadAsked", "download.finished", "download.failed")).toHaveLength(2 + 1);
    },
  ));
