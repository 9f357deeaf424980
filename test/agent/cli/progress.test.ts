// Progress as it is shown: the plan of a download against what the IPA really does, the one line that changes on narrow and wide terminals, and patience
// with a daemon that is away.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { patient } from "../../../agent/cli/client-manners.ts";
import { runCli } from "../../../agent/cli/main.ts";
import { createOutput } from "../../../agent/cli/output.ts";
import { withProgress } from "../../../agent/cli/progress.ts";
import { downloadPlan } from "../../../agent/cli/verbs/profile-local.ts";
import { createLocalProfiles } from "../../../agent/local-profiles.ts";
import { VirtualClock } from "../../../base/clock.ts";
import { SimwardError } from "../../../base/errors.ts";
import { a, c, factoryProfile, Vehicle } from "../../ipa/support/vehicle.ts";

async function downloaded(): Promise<Vehicle> {
  const vehicle = new Vehicle({ profiles: [factoryProfile(a, true)], direct: true, euicc: { role: "sgp22", eims: [] } });
  const { signal } = new AbortController();
  const acts = createLocalProfiles({ ipa: vehicle.ipa, audit: async () => undefined, changed: async () => undefined, signal });
  const activationCode = vehicle.offer(c);
  await vehicle.run(acts.downloadProfile({ role: "engineer", peer: undefined }, { activationCode }));
  return vehicle;
}

/** What the command line shows of a download's events. */
async function shown(vehicle: Vehicle, how: { readonly json: boolean; readonly progressWidth?: number }): Promise<string> {
  let stderr = "";
  const clock = new VirtualClock();
  const out = createOutput({
    showIds: false,
    color: false,
    width: undefined,
    stdout: () => undefined,
    stderr: (text) => {
      stderr += text;
    },
    clock,
    json: how.json,
    progressWidth: () => how.progressWidth,
  });
  const api = () => ({
    call: () => Promise.reject(new SimwardError("API_NOT_RUNNING")),
    textLines: async () => "ended" as const,
    lines: async (_path: string, onLine: (line: unknown) => boolean) => {
      for (const event of vehicle.events) onLine(event);
      return "ended" as const;
    },
  });
  const context = { api, out, clock, outputAt: () => out, stateDir: "/nowhere", signal: new AbortController().signal };
  await withProgress(context, { args: [], options: {} }, () => clock.advance(1_200), downloadPlan);
  return stderr;
}

describe("a download's progress", () => {
  test("is counted by a plan that is what the IPA does, step by step", async () => {
    const vehicle = await downloaded();
    expect(vehicle.steps().filter((name) => (downloadPlan as readonly string[]).includes(name))).toEqual(downloadPlan);
    const lines = (await shown(vehicle, { json: true })).trimEnd().split("\n");
    const counted = lines.map((line) => JSON.parse(line)).filter(({ kind, n }) => kind === "step" && n !== undefined);
    expect(counted.map(({ type, step, n, of }) => [type, step, n, of])).toEqual(
      downloadPlan.map((step, at) => ["progress", step, at + 1, downloadPlan.length]),
    );
  });

  test.each([40, 80])("on a terminal of %d columns is one line that never wraps, and is taken away at the end", async (columns) => {
    const text = await shown(await downloaded(), { json: false, progressWidth: columns });
    const drawn = text.split("\r\u001b[K").filter((one) => one !== "" && !one.endsWith("\n"));
    expect(drawn.filter((one) => one.length >= columns)).toEqual([]);
    expect(drawn.some((one) => /^[-\\|/] \[5\/8\] ES9\+\.AuthenticateCli.*… \d/.test(one))).toBe(true);
    expect(drawn.at(-1)).toMatch(/… 1\.\d s$/);
    expect(text.endsWith("\r\u001b[K")).toBe(true);
  });
});

describe("--wait", () => {
  const asked = (answers: readonly boolean[]) => {
    const clock = new VirtualClock();
    const hints: string[] = [];
    let calls = 0;
    const away = (): Promise<never> => Promise.reject(new SimwardError("API_NOT_RUNNING"));
    const client = {
      call: <T>(): Promise<T> => (answers[calls++] === true ? Promise.resolve("here" as T) : away()),
      lines: away,
      textLines: away,
    };
    const { signal } = new AbortController();
    const { call } = patient(client, { waitMs: 5_000, clock, signal, hint: (text) => hints.push(text) });
    return { clock, hints, answer: call("GET", "/v1/status").catch((error: unknown) => error), calls: () => calls };
  };

  test("a daemon that comes up late is waited for, and that is said once", async () => {
    const { clock, hints, answer, calls } = asked([false, false, false, true]);
    await clock.advance(4_000);
    expect([await answer, calls(), hints.length]).toEqual(["here", 4, 1]);
  });

  test("one that stays away is given up when the time is over", async () => {
    const { clock, answer, calls } = asked([]);
    await clock.advance(10_000);
    expect(await answer).toMatchObject({ code: "API_NOT_RUNNING" });
    expect(calls()).toBe(6);
  });
});

describe("what cannot be undone, at a terminal", () => {
  /** Each question's answer; the exit code, what was asked, and what was said. */
  async function answered(...answers: readonly string[]) {
    const dir = await mkdtemp(join(tmpdir(), "simward-asked-"));
    const questions: string[] = [];
    let stderr = "";
    try {
      const code = await runCli(["notif", "drop", "7", "--force"], {
        stdout: () => undefined,
        stderr: (text) => {
          stderr += text;
        },
        columns: undefined,
        ask: async (question) => {
          questions.push(question);
          return answers[questions.length - 1] ?? "";
        },
        env: { SIMWARD_API_DIR: dir },
        signal: new AbortController().signal,
      });
      return { code, questions: questions.length, stderr };
    } finally {
      await rm(dir, { recursive: true });
    }
  }

  test("is asked about; only y or yes and a reason let the daemon be asked, which is away here", async () => {
    for (const answer of ["", "n", "no", "yesterday"]) expect(await answered(answer)).toMatchObject({ code: 2, questions: 1 });
    expect(await answered("y", " ")).toMatchObject({ code: 2, questions: 2, stderr: expect.stringContaining("--reason") });
    expect(await answered("YES", "ticket 123")).toMatchObject({
      code: 4,
      questions: 2,
      stderr: expect.stringContaining("API_NOT_RUNNING"),
    });
  });
});
