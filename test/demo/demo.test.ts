// make demo as a stranger starts it: it ends by itself, or when it is told to, and leaves nothing behind.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { allPrograms } from "../support/e2e-programs.ts";
import { bundlePrograms } from "../support/shipped.ts";

let bundles: Awaited<ReturnType<typeof bundlePrograms>>;
let dir: string;
const started: ChildProcess[] = [];

beforeAll(async () => {
  bundles = await bundlePrograms({ ...allPrograms, demo: "demo/main.ts" });
  dir = await mkdtemp(join(tmpdir(), "simward-test-demo-"));
});

afterAll(async () => {
  for (const child of started) child.kill("SIGKILL");
  await bundles.close();
  await rm(dir, { recursive: true, force: true });
});

interface Demo {
  readonly child: ChildProcess;
  readonly ended: Promise<number | string>;
  /** In its own directory for what is put aside. */
  readonly tmp: string;
  text(): string;
  said(pattern: RegExp): Promise<void>;
}

async function demo(env: NodeJS.ProcessEnv = {}): Promise<Demo> {
  const tmp = await mkdtemp(join(dir, "t"));
  // Neither a home nor anything else of whoever runs the tests.
  const child = spawn(process.execPath, [join(bundles.dir, "demo.mjs")], {
    stdio: ["ignore", "pipe", "pipe"],
    env: { PATH: process.env.PATH, TMPDIR: tmp, ...env },
  });
  started.push(child);
  let text = "";
  const waiting = new Set<() => void>();
  for (const stream of [child.stdout, child.stderr])
    stream?.on("data", (chunk: Buffer) => {
      text += chunk.toString("utf8");
      for (const check of waiting) check();
    });
  const said = (pattern: RegExp): Promise<void> =>
    new Promise((resolve) => {
      const check = (): void => {
        if (!pattern.test(text)) return;
        waiting.delete(check);
        resolve();
      };
      waiting.add(check);
      check();
    });
  const ended = once(child, "close").then(([code, signal]) => (code ?? signal) as number | string);
  return { child, ended, tmp, text: () => text, said };
}

/** Processes that have this text in their command line. */
async function processesOf(text: string): Promise<string[]> {
  const pids = (await readdir("/proc")).filter((name) => /^\d+$/.test(name));
  const lines = await Promise.all(pids.map((pid) => readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "")));
  return lines.filter((line) => line.includes(text));
}

test("two at once, without a home, tell the story to its end, and leave nothing", async () => {
  const both = await Promise.all([demo(), demo({ NO_COLOR: "1" })]);
  for (const one of both) {
    expect(await one.ended, one.text()).toBe(0);
    const text = one.text();
    expect(text).toMatch(/^A vehicle gets another SIM profile over the air\.\n[\s\S]*ends by itself\./);
    expect(text).toMatch(
      /ESipa\.GetEimPackage[\s\S]*profile installed: 8949…0026[\s\S]*executed by the eUICC: enable ok[\s\S]*"verified": true/,
    );
    expect(text.trimEnd()).toMatch(/Done: downloaded, enabled, online, reported\.$/);
    expect(await readdir(one.tmp)).toEqual([]);
    expect(await processesOf(one.tmp)).toEqual([]);
  }
});

test.each(["SIGINT", "SIGTERM"] as const)("told to stop by %s alone it takes its programs along", async (signal) => {
  const one = await demo();
  await one.said(/2 {2}The daemon/);
  one.child.kill(signal);
  expect(await one.ended).toBe(signal === "SIGINT" ? 130 : 143);
  expect(await readdir(one.tmp)).toEqual([]);
  expect(await processesOf(one.tmp)).toEqual([]);
});

test("with nobody reading it is over, and cleans up", async () => {
  const one = await demo();
  await one.said(/A vehicle/);
  one.child.stdout?.destroy();
  expect(await one.ended).toBe(1);
  expect(await readdir(one.tmp)).toEqual([]);
  expect(await processesOf(one.tmp)).toEqual([]);
});

test("where sockets cannot have so long a path it goes elsewhere; what it cannot do is said in a line", async () => {
  const long = join(dir, "x".repeat(90));
  await mkdir(long);
  const [elsewhere, failing, nowhere] = await Promise.all([
    demo({ TMPDIR: long }),
    demo({ FAIL: "foo" }),
    demo({ TMPDIR: join(dir, "none") }),
  ]);
  expect(await elsewhere.ended, elsewhere.text()).toBe(0);
  expect(await failing.ended).toBe(1);
  expect(failing.text()).toMatch(/^demo: FAIL=foo: .*no-coverage\n$/);
  expect(await nowhere.ended).toBe(1);
  expect(nowhere.text()).toMatch(/^demo: ENOENT.*none.*\n$/);
});
