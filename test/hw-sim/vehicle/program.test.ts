// simward-sim as a program: one ready line, a log on stderr, a clean end, refusals by name. It is bundled from the sources as they are.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, lstatSync } from "node:fs";
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { build } from "esbuild";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { ReadyLine } from "../../../hw-sim/vehicle.ts";
import { AtClient } from "./at-client.ts";

let dir: string;
let bundle: string;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "simward-program-"));
  // Inside the checkout, so that koffi is found.
  const cache = resolve("node_modules/.cache");
  await mkdir(cache, { recursive: true });
  const place = await mkdtemp(join(cache, "simward-sim-"));
  bundle = join(place, "simward-sim.mjs");
  const banner =
    'import { createRequire as simwardCreateRequire } from "node:module"; const require = simwardCreateRequire(import.meta.url);';
  await build({
    entryPoints: { "simward-sim": "hw-sim/main.ts" },
    bundle: true,
    platform: "node",
    target: "node20",
    format: "esm",
    outdir: place,
    outExtension: { ".js": ".mjs" },
    external: ["koffi"],
    banner: { js: banner },
    logLevel: "error",
  });
});

afterAll(async () => {
  await rm(dir, { recursive: true });
  await rm(resolve(bundle, ".."), { recursive: true });
});

interface Run {
  readonly child: ChildProcess;
  readonly stdout: string[];
  stderr(): string;
  /** Exit code, or the signal's name. */
  readonly ended: Promise<number | string>;
  firstLine(): Promise<string>;
}

function run(...asked: (string | NodeJS.ProcessEnv)[]): Run {
  const args = asked.filter((one) => typeof one === "string");
  const env = { ...process.env, TMPDIR: dir, ...asked.find((one) => typeof one === "object") };
  const child = spawn(process.execPath, [bundle, ...args], { stdio: ["ignore", "pipe", "pipe"], env });
  const stdout: string[] = [];
  let stderr = "";
  const lines = createInterface({ input: child.stdout });
  lines.on("line", (line) => stdout.push(line));
  child.stderr.on("data", (bytes) => {
    stderr += bytes;
  });
  const ended = once(child, "close").then(([code, signal]) => code ?? signal);
  const firstLine = async (): Promise<string> => {
    if (stdout[0] === undefined) await Promise.race([once(lines, "line"), ended]);
    if (stdout[0] === undefined) throw new Error(stderr);
    return stdout[0];
  };
  return { child, stdout, stderr: () => stderr, ended, firstLine };
}

describe("simward-sim run", () => {
  it.each(["SIGTERM", "SIGINT"] as const)("prints one line that tells all, serves it, and ends cleanly on %s", async (signal) => {
    const program = run("run", "--fault", "cme=+CGMR@1:30");
    const ready = JSON.parse(await program.firstLine()) as ReadyLine;
    expect(ready).toEqual({
      schema: "simward-sim/ready/1",
      modem: {
        pty: expect.stringMatching(/^\//),
        tcp: expect.stringMatching(/^127\.0\.0\.1:\d+$/),
        unix: expect.stringMatching(/^\/.*\.sock$/),
      },
      eim: {
        id: expect.stringMatching(/./),
        coaps: expect.stringMatching(/^coaps:\/\/localhost:\d+$/),
        https: expect.stringMatching(/^https:\/\/localhost:\d+$/),
        api: expect.stringMatching(/^http:\/\/127\.0\.0\.1:\d+$/),
      },
      smdp: { https: expect.stringMatching(/^https:\/\/localhost:\d+$/) },
      smds: { https: expect.stringMatching(/^https:\/\/localhost:\d+$/) },
      card: null,
      cardServices: [],
      pkiDir: expect.stringMatching(/^\//),
      eid: expect.stringMatching(/^\d{32}$/),
      imei: expect.stringMatching(/^\d{15}$/),
    });
    expect((await readdir(ready.pkiDir ?? "")).some((name) => name.includes("eimtls"))).toBe(true);
    expect((await fetch(`${ready.eim.api}/v1/orders`)).status).toBe(200);
    const at = new AtClient(ready.modem.unix ?? "");
    await at.wake();
    expect(await at.command("AT+CGMR")).toContain("ERROR");
    at.close();

    program.child.kill(signal);
    expect(await program.ended).toBe(0);
    expect(program.stdout).toHaveLength(1);
    expect(program.stderr()).not.toContain(ready.eid);
    for (const place of [ready.modem.pty, ready.modem.unix, ready.pkiDir]) expect(existsSync(place ?? "")).toBe(false);
    expect(await readdir(dir)).toEqual([]);
  });

  it("opens only the ports asked for, where it is told to", async () => {
    const pty = join(dir, "ttyModem");
    const program = run("run", "--modem", `pty:${pty}`, "--state", join(dir, "state"), "--log-level", "silent");
    const ready = JSON.parse(await program.firstLine()) as ReadyLine;
    expect(ready.modem).toEqual({ pty, tcp: null, unix: null });
    expect(ready.pkiDir).toBe(join(dir, "state", "pki"));
    program.child.kill("SIGTERM");
    expect(await program.ended).toBe(0);
    expect(program.stderr()).toBe("");
    expect(existsSync(pty)).toBe(false);
    expect(existsSync(join(dir, "state", "euicc.bin"))).toBe(true);
    await rm(join(dir, "state"), { recursive: true });
  });

  it("refuses what it cannot do with code, place and next step", async () => {
    const taken = createServer();
    taken.listen(0, "127.0.0.1");
    await once(taken, "listening");
    const address = taken.address();
    const port = typeof address === "object" ? String(address?.port) : "";
    for (const [args, words] of [
      [
        ["run", "--loss", "lots"],
        ["loss=lots", "0..1"],
      ],
      [["run", "--speed"], ["--speed"]],
      [[], ["no command", "simward-sim run", "next: simward-sim --help"]],
      [["gateway"], ["no command", "simward-sim gateway up", "next: simward-sim gateway --help"]],
      [["card"], ["--vpcd", "next: simward-sim card --help"]],
      [
        ["card", "--http", port],
        ["http", port, "next: simward-sim card --help"],
      ],
      [
        ["run", "--api-port", port],
        ["--api-port", port],
      ],
      [
        ["run", "--eim-fqdn", "a b"],
        ["--eim-fqdn", "a b"],
      ],
      [["run", "--smdp-fqdn", ""], ["--smdp-fqdn"]],
      [
        ["run", "--modem", `tcp:${port}`],
        ["modem tcp", port],
      ],
      [
        ["run", "--eim-port", port],
        ["--eim-port", port],
      ],
      [["run", "--eid", "89049032123451234512345678901236", "--pki", "/dev/null/x"], ["/dev/null"]],
    ] as const) {
      const program = run(...args);
      expect(await program.ended, args.join(" ")).toBe(2);
      expect(program.stdout).toEqual([]);
      for (const word of [...words, "next: "]) expect(program.stderr()).toContain(word);
    }
    taken.close();
    expect(await readdir(dir)).toEqual([]);
  });

  it("says that it can put nothing aside, whatever it was to put there", async () => {
    const none = join(dir, "none");
    for (const args of [[], ["--pki", join(dir, "pki")]]) {
      const program = run({ TMPDIR: none }, "run", "--modem", "pty", ...args);
      expect(await program.ended).toBe(2);
      expect(program.stderr()).toMatch(/TMPDIR: no directory can be made in .*none: ENOENT[\s\S]*code: SIM_OPTION/);
    }
    await rm(join(dir, "pki"), { recursive: true });
  });

  it("cleans up although nobody reads its output any more", async () => {
    const program = run("run", "--modem", "pty", "--log-level", "debug");
    await program.firstLine();
    program.child.stdout?.destroy();
    program.child.stderr?.destroy();
    program.child.kill("SIGTERM");
    expect(await program.ended).toBe(0);
    expect(await readdir(dir)).toEqual([]);
  });

  it("leaves alone what is not its own, and a place where another one serves; takes over what a killed one left", async () => {
    const [pty, unix, state] = [join(dir, "modem"), join(dir, "socket"), join(dir, "state")];
    await writeFile(pty, "mine");
    await writeFile(unix, "mine");
    const places = ["run", "--modem", `pty:${pty}`, `unix:${unix}`, "--pki", join(dir, "pki"), "--log-level", "silent"];
    const refusal = async (args: readonly string[], ...words: readonly string[]): Promise<void> => {
      const program = run(...args);
      expect(await program.ended, args.join(" ")).toBe(2);
      for (const word of words) expect(program.stderr()).toContain(word);
    };
    await refusal(["run", "--modem", `pty:${pty}`], pty, "something else is there");
    await refusal(["run", "--modem", `unix:${unix}`], unix, "something else is there");
    await refusal(["run", "--modem", `pty:${join(dir, "none", "modem")}`], "its directory");
    expect([await readFile(pty, "utf8"), await readFile(unix, "utf8")]).toEqual(["mine", "mine"]);
    await Promise.all([pty, unix].map((path) => rm(path)));

    const killed = run(...places);
    await killed.firstLine();
    killed.child.kill("SIGKILL");
    await killed.ended;
    expect([pty, unix].map((path) => lstatSync(path, { throwIfNoEntry: false }) !== undefined)).toEqual([true, true]);
    const second = run(...places, "--state", state);
    await second.firstLine();
    await refusal(["run", "--modem", `pty:${pty}`], pty, "in use");
    await refusal(["run", "--modem", `unix:${unix}`], unix, "in use");
    await refusal(["run", "--modem", "tcp", "--state", state], `--state ${state}`, "another simulator");
    second.child.kill("SIGTERM");
    expect(await second.ended).toBe(0);
    for (const path of [pty, unix]) expect(lstatSync(path, { throwIfNoEntry: false })).toBeUndefined();
    await Promise.all([state, join(dir, "pki")].map((path) => rm(path, { recursive: true })));
  });

  it("explains itself", async () => {
    const program = run("run", "--help");
    expect(await program.ended).toBe(0);
    expect(program.stdout.join("\n")).toMatch(/--scenario[\s\S]*Scenarios:[\s\S]*Faults/);
    const asked = run("--version");
    expect(await asked.ended).toBe(0);
    expect(asked.stdout).toEqual(["dev"]);
  });
});
