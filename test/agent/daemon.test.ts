// simwardd as a process: how it starts, how it ends in whatever phase, who may run beside it, and what it does when something breaks that nobody foresaw.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { build } from "esbuild";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { AuditPage, Status } from "../../agent/api/types.ts";
import { createClient } from "../../agent/cli/client.ts";
import { SystemClock } from "../../base/clock.ts";

let bundleDir = "";
let dir = "";
let silentModule: Server;
const running = new Set<ChildProcess>();

beforeAll(async () => {
  // Inside the checkout, so that native addons are found.
  const cache = resolve("node_modules/.cache");
  await mkdir(cache, { recursive: true });
  bundleDir = await mkdtemp(join(cache, "simwardd-"));
  await build({
    entryPoints: { simwardd: "agent/daemon.ts" },
    bundle: true,
    platform: "node",
    target: "node20",
    format: "esm",
    outdir: bundleDir,
    outExtension: { ".js": ".mjs" },
    external: ["koffi", "serialport", "@serialport/*"],
    banner: { js: 'import { createRequire as simwardRequire } from "node:module"; const require = simwardRequire(import.meta.url);' },
    logLevel: "error",
  });
  silentModule = createServer((socket) => socket.on("error", () => {}).resume());
  silentModule.listen(0, "127.0.0.1");
  await once(silentModule, "listening");
});
afterAll(async () => {
  silentModule.close();
  await rm(bundleDir, { recursive: true, force: true });
});
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "simwardd-"));
});
afterEach(async () => {
  for (const child of running) child.kill("SIGKILL");
  await rm(dir, { recursive: true, force: true });
});

interface Daemon {
  readonly child: ChildProcess;
  readonly output: () => string;
  printed(text: string): Promise<void>;
  readonly ended: Promise<{ readonly code: number | null; readonly signal: string | null }>;
}

function daemon(args: readonly string[], nodeArgs: readonly string[] = [], env: Readonly<Record<string, string>> = {}): Daemon {
  const child = spawn(process.execPath, [...nodeArgs, join(bundleDir, "simwardd.mjs"), ...args], {
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, ...env },
  });
  running.add(child);
  let text = "";
  const waiting = new Set<() => void>();
  for (const stream of [child.stdout, child.stderr])
    stream.on("data", (chunk: Buffer) => {
      text += chunk.toString("utf8");
      for (const check of [...waiting]) check();
    });
  const ended = once(child, "close").then(([code, signal]) => {
    running.delete(child);
    return { code: code as number | null, signal: signal as string | null };
  });
  return {
    child,
    output: () => text,
    ended,
    printed: (wanted) =>
      new Promise((resolve, reject) => {
        const check = (): void => {
          if (text.includes(wanted)) resolve();
        };
        waiting.add(check);
        check();
        void ended.then(({ code, signal }) => reject(new Error(`ended with ${signal ?? code} without printing ${wanted}:\n${text}`)));
      }),
  };
}

async function config(name = "a", extra = ""): Promise<string> {
  const file = join(dir, `${name}.toml`);
  const { port } = silentModule.address() as { readonly port: number };
  await writeFile(
    file,
    `[modem]\naddress = "tcp:127.0.0.1:${port}"\n[paths]\nstate = "${dir}/state"\n[api]\ndir = "${dir}/run-${name}"\n${extra}`,
  );
  return file;
}

async function ready(name = "a", nodeArgs: readonly string[] = []): Promise<Daemon> {
  const one = daemon(["--config", await config(name)], nodeArgs);
  await one.printed("simwardd is ready");
  return one;
}

const api = (name = "a") => createClient(join(dir, `run-${name}`, "viewer.sock"), 10_000);

describe("starting", () => {
  test("a command line or a configuration that is wrong ends it with 2 and says what is wrong", async () => {
    await writeFile(join(dir, "bad.toml"), '[modem]\naddres = "tcp:x:1"\n');
    for (const [args, message] of [
      [["--confg", "x"], /error USAGE: .*'--confg'[\s\S]*usage: simwardd/],
      [["--config", join(dir, "none.toml")], /error CONFIG_READ: .*none\.toml: ENOENT: no such file or directory\n {2}next: /],
      [["--config", join(dir, "bad.toml")], /error CONFIG_INVALID: .*modem\.addres is no setting/],
    ] as const) {
      const one = daemon(args);
      expect(await one.ended).toEqual({ code: 2, signal: null });
      expect(one.output()).toMatch(message);
    }
    const help = daemon(["--help"]);
    expect([(await help.ended).code, help.output()]).toEqual([0, expect.stringContaining("usage: simwardd")]);
  });

  test.each([
    ["[paths] state", "/proc/simward/state", undefined, 1, /error DISK_WRITE: .*\/proc\/simward\/state\/lock: ENOENT: .*\n {2}next: /],
    ["[api] dir", undefined, "/proc/simward/run", 2, /error CONFIG_INVALID: .*api\.dir \/proc\/simward\/run: ENOENT: .*\n {2}next: /],
  ] as const)("%s where no directory can be made ends it with a reason, at once", async (_what, state, run, code, message) => {
    const file = join(dir, "nowhere.toml");
    const places = `[paths]\nstate = "${state ?? join(dir, "state")}"\n[api]\ndir = "${run ?? join(dir, "run-a")}"\n`;
    await writeFile(file, `[modem]\naddress = "tcp:127.0.0.1:9"\n${places}`);
    const one = daemon(["--config", file]);
    expect(await one.ended).toEqual({ code, signal: null });
    expect(one.output()).toMatch(message);
  });

  test("when it says that it is ready, its sockets answer, module or not", async () => {
    const one = await ready();
    expect(await api().call<Status>("GET", "/v1/status")).toMatchObject({
      network: { link: expect.stringMatching(/opening|probing|lost/) },
    });
    one.child.kill("SIGTERM");
    expect(await one.ended).toEqual({ code: 0, signal: null });
  });

  test("a configuration that cannot be used leaves the one before in force, says so, and is an alarm until it is mended", async () => {
    const first = await ready();
    first.child.kill("SIGTERM");
    expect(await first.ended).toEqual({ code: 0, signal: null });
    const file = await config();
    const good = await readFile(file, "utf8");
    for (const [bad, code] of [
      [`${good}[eim]\npoll_intervall_seconds = 60\n`, "CONFIG_INVALID"],
      [good.replace(/dir = ".*"/, 'dir = "/proc/simward/run"'), "CONFIG_INVALID"],
      [`${good}[eim\n`, "CONFIG_SYNTAX"],
    ] as const) {
      await writeFile(file, bad);
      const one = daemon(["--config", file], [], { STATE_DIRECTORY: join(dir, "state") });
      await one.printed("simwardd is ready");
      expect((await api().call<Status>("GET", "/v1/status")).alarms).toContainEqual(expect.objectContaining({ code }));
      const { records } = await api().call<AuditPage>("GET", "/v1/audit?event=config.refused&last=1");
      expect(records).toMatchObject([{ data: { code } }]);
      one.child.kill("SIGTERM");
      await one.ended;
    }
    await writeFile(file, good);
    const mended = await ready();
    expect((await api().call<Status>("GET", "/v1/status")).alarms).not.toContainEqual(
      expect.objectContaining({ code: expect.stringMatching(/^CONFIG/) }),
    );
    mended.child.kill("SIGTERM");
    await mended.ended;
    // Another file has no business with what this one was.
    await writeFile(join(dir, "other.toml"), `${good}[eim\n`);
    const other = daemon(["--config", join(dir, "other.toml")], [], { STATE_DIRECTORY: join(dir, "state") });
    expect((await other.ended).code).toBe(2);
  });

  test("a second one on the same state directory is refused and names the first; a killed one's place is taken", async () => {
    const first = await ready();
    const second = daemon(["--config", await config("b")]);
    expect((await second.ended).code).toBe(1);
    expect(second.output()).toMatch(new RegExp(`error STATE_LOCKED: .*${dir}/state, by process ${first.child.pid}\\n {2}next: `));
    first.child.kill("SIGKILL");
    await first.ended;
    const third = await ready();
    expect(await api().call<AuditPage>("GET", "/v1/audit?event=daemon.")).toMatchObject({
      records: [{ event: "daemon.started" }, { event: "daemon.started" }],
    });
    third.child.kill("SIGTERM");
    await third.ended;
  });
});

describe("ending", () => {
  test("at whatever moment it is asked to: cleanly, with its sockets gone and the trail closed", async () => {
    for (const afterMs of [0, 100, 180, 240, 300, 400, 600]) {
      const one = daemon(["--config", await config()]);
      await new SystemClock().sleep(afterMs);
      one.child.kill("SIGTERM");
      const { code, signal } = await one.ended;
      // Before its first line ran, the system ends it.
      expect([code, signal], `after ${afterMs} ms: ${one.output()}`).toEqual(signal === null ? [0, null] : [null, "SIGTERM"]);
      expect(await readdir(join(dir, "run-a")).catch(() => [])).toEqual([]);
    }
  });

  test("the trail ends with daemon.stopped", async () => {
    const one = await ready();
    one.child.kill("SIGINT");
    expect((await one.ended).code).toBe(0);
    const events = (await readFile(join(dir, "state/audit/00000001.jsonl"), "utf8"))
      .trimEnd()
      .split("\n")
      .map((line) => (JSON.parse(line) as { readonly event: string }).event);
    expect(events.filter((event) => event.startsWith("daemon."))).toEqual(["daemon.started", "daemon.stopped"]);
  });

  test.each([
    ["an exception", "throw new Error('boom')"],
    ["a rejection", "Promise.reject(new Error('boom'))"],
  ])("%s that nobody caught: logged, audited, and ended with 1, so that it is started anew", async (_name, code) => {
    const preload = `data:text/javascript,${encodeURIComponent(`process.on("SIGUSR2", () => { ${code}; });`)}`;
    const one = await ready("a", ["--import", preload]);
    one.child.kill("SIGUSR2");
    expect(await one.ended).toEqual({ code: 1, signal: null });
    expect(one.output()).toMatch(/boom.*"event":"crash"/);
    const again = await ready();
    const { records } = await api().call<AuditPage>("GET", "/v1/audit?event=daemon.");
    expect(records.map(({ event }) => event)).toEqual(["daemon.started", "daemon.crashed", "daemon.started"]);
    again.child.kill("SIGTERM");
    await again.ended;
  });

  test("who read its log is gone: it goes on", async () => {
    const one = await ready();
    one.child.stdout?.destroy();
    one.child.stderr?.destroy();
    for (let n = 0; n < 3; n++)
      await expect(createClient(join(dir, "run-a/engineer.sock"), 10_000).call("POST", "/v1/eim/poll")).rejects.toThrow();
    expect(await api().call<Status>("GET", "/v1/status")).toMatchObject({ schema: "simward/status/1" });
    one.child.kill("SIGTERM");
    expect((await one.ended).code).toBe(0);
  });
});
