// The socket of simward-netd in this process: made-up lines, name servers, power hook, pppd's life; no privilege is needed but where it says so.
import { execFile, spawn } from "node:child_process";
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { runPowerHook } from "../../../agent/netd/power.ts";
import { createNetd, type Netd } from "../../../agent/netd/server.ts";
import { SystemClock } from "../../../base/clock.ts";
import { openPty, type Pty } from "../../support/pty.ts";
import { NetdClient } from "./bench.ts";
import { hostileRequests } from "./hostile.ts";

const isRoot = process.getuid?.() === 0;
const me = process.getuid?.() ?? 0;
let dir = "";
let netd: Netd | undefined;
let client: NetdClient;
let log: string[] = [];

/** A program that notes how it was called, in JSON lines. */
function noting(name: string, then = ""): string {
  const path = join(dir, name);
  writeFileSync(
    path,
    `#!${process.execPath}
require("node:fs").appendFileSync(${JSON.stringify(join(dir, "calls"))}, JSON.stringify([${JSON.stringify(name)}, ...process.argv.slice(2)]) + "\\n");
${then}
`,
    { mode: 0o755 },
  );
  chmodSync(path, 0o755);
  return path;
}

const calls = (): string[][] =>
  existsSync(join(dir, "calls"))
    ? readFileSync(join(dir, "calls"), "utf8")
        .trim()
        .split("\n")
        .map((line) => JSON.parse(line) as string[])
    : [];

const waitsForTerm = `process.on("SIGTERM", () => process.exit(0)); setInterval(() => {}, 1000); require("node:fs").writeFileSync(${'"READY"'}, "");`;

async function start(places: Readonly<Record<string, string>> = {}): Promise<void> {
  netd = createNetd({
    interfaces: ["wwan0", "ppp0"],
    pseudoTerminals: true,
    allowedUid: me,
    clock: new SystemClock(),
    places: { ip: noting("ip"), pppd: join(dir, "pppd"), resolv: join(dir, "resolv.conf"), powerHook: join(dir, "modem-power"), ...places },
    log: (line) => log.push(line),
  });
  await new Promise<void>((resolve) => netd?.server.listen(join(dir, "netd.sock"), resolve));
  client = await NetdClient.connect(join(dir, "netd.sock"));
}

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "simward-netd-"));
  log = [];
});
afterEach(async () => {
  client?.end();
  await netd?.close();
  netd = undefined;
  rmSync(dir, { recursive: true, force: true });
});

test("10,000 made-up lines: each is refused, nothing is run, and it serves on", async () => {
  await start({ pppd: noting("pppd"), powerHook: noting("modem-power") });
  const broken = fc.oneof(
    fc.string({ unit: "binary-ascii" }),
    fc.json().map((line) => line.slice(0, -1)),
  );
  const line = fc.oneof(
    hostileRequests().map(asLine),
    broken.map((one) => one.replaceAll("\n", " ")),
  );
  const lines = fc.sample(line, { numRuns: 10_000, seed: 32_013 });
  let refused = 0;
  // It lets 64 wait, and hangs up on who sends more.
  for (let at = 0; at < lines.length; at += 50) {
    const some = lines.slice(at, at + 50);
    client.socket.write(some.map((one) => `${one}\n`).join(""));
    for (const one of some) {
      const said = await client.next();
      expect(said, one).toMatchObject({ error: { code: expect.stringMatching(/^NETD_(VERB|ARGUMENT)$/) } });
      refused++;
    }
  }
  expect(refused).toBe(10_000);
  expect(calls()).toEqual([]);
  expect(readdirSync(dir).sort()).toEqual(["ip", "modem-power", "netd.sock", "pppd"]);
  expect(await client.verb("addr-flush", { interface: "wwan0" })).toEqual({ ok: true });
  expect(calls()).toEqual([["ip", "address", "flush", "dev", "wwan0", "scope", "global"]]);
  // What they wrote has made no line of its own in the journal.
  expect(log.length).toBe(10_001);
  expect(log.filter((one) => one.includes("\n"))).toEqual([]);
});

test("a line without end, and more requests than may wait: hung up on, and others are served", async () => {
  await start();
  const other = await NetdClient.connect(join(dir, "netd.sock"));
  client.socket.write("x".repeat(100_000));
  await client.closed;
  expect(await other.verb("addr-flush", { interface: "wwan0" })).toEqual({ ok: true });
  other.end();
});

test.skipIf(!isRoot)("another user than root and the one it was started for is refused (left out: needs root)", async () => {
  await start();
  chmodSync(dir, 0o755);
  chmodSync(join(dir, "netd.sock"), 0o777);
  const code = `const s=require("net").connect(${JSON.stringify(join(dir, "netd.sock"))});s.on("data",d=>process.stdout.write(d));s.write('{"verb":"addr-flush","args":{"interface":"wwan0"}}\\n')`;
  const asked = await new Promise<string>((resolve) => {
    execFile(process.execPath, ["-e", code], { uid: 65_534, gid: 65_534, cwd: "/" }, (_error, stdout) => resolve(stdout));
  });
  expect(JSON.parse(asked)).toMatchObject({ error: { code: "API_FORBIDDEN", message: expect.stringContaining("uid 65534") } });
  expect(calls()).toEqual([]);
});

test.skipIf(!isRoot)("connections of another user that he never closes keep nobody out (left out: needs root)", async () => {
  await start();
  chmodSync(dir, 0o755);
  chmodSync(join(dir, "netd.sock"), 0o777);
  // Half open: the other side's end is not answered with an end.
  const code = `let n=0;for(let i=0;i<20;i++){const s=require("net").connect({path:${JSON.stringify(join(dir, "netd.sock"))},allowHalfOpen:true});s.on("error",()=>{});s.once("close",()=>{});s.on("data",()=>{if(++n===20)process.stdout.write("all")});s.resume()}setInterval(()=>{},1000)`;
  const hostile = spawn(process.execPath, ["-e", code], { uid: 65_534, gid: 65_534, cwd: "/", stdio: ["ignore", "pipe", "inherit"] });
  try {
    await new Promise((resolve) => hostile.stdout.once("data", resolve));
    const late = await NetdClient.connect(join(dir, "netd.sock"));
    expect(await late.verb("addr-flush", { interface: "wwan0" })).toEqual({ ok: true });
    late.end();
  } finally {
    hostile.kill("SIGKILL");
  }
});

describe("resolv", () => {
  test("the file has the servers of all interfaces, is replaced whole, and can be read by everybody", async () => {
    await start();
    const path = join(dir, "resolv.conf");
    expect(await client.verb("resolv", { interface: "wwan0", servers: ["10.0.0.53", "2001:db8::53"] })).toEqual({ ok: true });
    const first = statSync(path);
    expect(first.mode & 0o777).toBe(0o644);
    expect(await client.verb("resolv", { interface: "ppp0", servers: ["10.0.0.53", "10.9.9.9"] })).toEqual({ ok: true });
    expect(nameservers(path)).toEqual(["10.0.0.53", "2001:db8::53", "10.9.9.9"]);
    expect(statSync(path).ino).not.toBe(first.ino);
    expect(await client.verb("resolv", { interface: "wwan0", servers: [] })).toEqual({ ok: true });
    expect(nameservers(path)).toEqual(["10.0.0.53", "10.9.9.9"]);
    expect(readdirSync(dir)).not.toContain("resolv.conf.new");
  });

  test("simward-netd, started anew, leaves an interface its servers when the tunnel's go", async () => {
    await start();
    await client.verb("resolv", { interface: "wwan0", servers: ["10.0.0.53"] });
    await client.verb("resolv", { interface: "wwan0", servers: ["10.9.0.53"], of: "tunnel" });
    expect(nameservers(join(dir, "resolv.conf"))).toEqual(["10.9.0.53"]);
    client.end();
    await netd?.close();
    rmSync(join(dir, "netd.sock"), { force: true });
    await start();
    expect(await client.verb("resolv", { interface: "wwan0", servers: [], of: "tunnel" })).toEqual({ ok: true });
    expect(nameservers(join(dir, "resolv.conf"))).toEqual(["10.0.0.53"]);
  });

  test("a link that somebody put in its place is replaced, not followed", async () => {
    await start();
    writeFileSync(join(dir, "precious"), "precious");
    symlinkSync(join(dir, "precious"), join(dir, "resolv.conf"));
    symlinkSync(join(dir, "precious"), join(dir, "resolv.conf.new"));
    expect(await client.verb("resolv", { interface: "wwan0", servers: ["10.0.0.53"] })).toEqual({ ok: true });
    expect(readFileSync(join(dir, "precious"), "utf8")).toBe("precious");
    expect(nameservers(join(dir, "resolv.conf"))).toEqual(["10.0.0.53"]);
  });

  test("a directory that somebody has taken away is made anew; a place that cannot be written is told", async () => {
    await start({ resolv: join(dir, "run/resolv.conf") });
    expect(await client.verb("resolv", { interface: "wwan0", servers: ["10.0.0.53"] })).toEqual({ ok: true });
    expect(readFileSync(join(dir, "run/resolv.conf"), "utf8")).toContain("nameserver 10.0.0.53");
    await netd?.close();
    await start({ resolv: join(dir, "netd.sock/resolv.conf") });
    expect(await client.verb("resolv", { interface: "wwan0", servers: ["10.0.0.53"] })).toMatchObject({ error: { code: "NETD_FAILED" } });
  });
});

describe("modem-power", () => {
  test.skipIf(!isRoot)(
    "runs root's own hook with the action alone, and without the caller's environment (left out: needs root)",
    async () => {
      process.env.SIMWARD_TEST_LEAK = "1";
      noting("modem-power", 'require("node:fs").writeFileSync(__dirname + "/env", JSON.stringify(process.env));');
      await start();
      expect(await client.verb("modem-power", { action: "cycle" })).toEqual({ ok: true });
      expect(calls()).toEqual([["modem-power", "cycle"]]);
      expect(Object.keys(JSON.parse(readFileSync(join(dir, "env"), "utf8")) as object)).not.toContain("SIMWARD_TEST_LEAK");
      delete process.env.SIMWARD_TEST_LEAK;
    },
  );

  test.skipIf(!isRoot)("a hook that fails is told with its last words (left out: needs root)", async () => {
    noting("modem-power", 'process.stderr.write("no such line\\n"); process.exit(3);');
    await start();
    expect(await client.verb("modem-power", { action: "off" })).toMatchObject({
      error: { code: "NETD_FAILED", message: expect.stringContaining("no such line") },
    });
  });

  const ways: readonly [string, (hook: string) => void, string][] = [
    ["group may write it", (hook) => chmodSync(hook, 0o775), "can be written by others"],
    ["everybody may write it", (hook) => chmodSync(hook, 0o757), "can be written by others"],
    ["it is another's", (hook) => chownSync(hook, 65_534, 65_534), "belongs to uid 65534"],
    ["nobody may run it", (hook) => chmodSync(hook, 0o644), "is not executable"],
    ["its directory is writable for a group", (hook) => chmodSync(join(hook, ".."), 0o770), "can be written by others"],
    ["its directory is another's", (hook) => chownSync(join(hook, ".."), 65_534, 65_534), "belongs to uid 65534"],
    [
      "it is a link to one that would do",
      (hook) => {
        writeFileSync(`${hook}.real`, "#!/bin/true\n", { mode: 0o755 });
        rmSync(hook);
        symlinkSync(`${hook}.real`, hook);
      },
      "is no file",
    ],
  ];
  test.skipIf(!isRoot).each(ways)("is refused where %s (left out: needs root)", async (_name, spoil, why) => {
    const inner = join(dir, "inner");
    mkdirSync(inner, { mode: 0o755 });
    const hook = join(inner, "hook");
    writeFileSync(hook, "#!/bin/true\n", { mode: 0o755 });
    await runPowerHook(hook, "on");
    spoil(hook);
    await expect(runPowerHook(hook, "on")).rejects.toMatchObject({ code: "NETD_REFUSED", detail: expect.stringContaining(why) });
  });

  test("none there", async () => {
    await start();
    expect(await client.verb("modem-power", { action: "on" })).toMatchObject({
      error: { code: isRoot ? "NETD_FAILED" : expect.stringMatching(/^NETD_/), message: expect.stringContaining("modem-power") },
    });
  });
});

describe("ppp", () => {
  let pty: Pty;
  beforeEach(() => {
    pty = openPty();
    const ready = join(dir, "ready");
    noting("pppd", waitsForTerm.replace('"READY"', JSON.stringify(ready)));
  });
  afterEach(() => pty.hangUp());
  const up = () => client.verb("ppp", { interface: "ppp0", state: "up", device: pty.path, mtuBytes: 1_420 });
  const isReady = async (): Promise<void> => {
    while (!existsSync(join(dir, "ready"))) await new Promise((resolve) => setImmediate(resolve));
  };

  test("pppd is started with the fixed table, once an interface, and its end is told to who asked for it", async () => {
    await start();
    expect(await up()).toEqual({ ok: true });
    await isReady();
    expect(calls()[0]?.slice(0, 5)).toEqual(["pppd", pty.path, "nodetach", "local", "noauth"]);
    expect(await up()).toMatchObject({ error: { code: "NETD_FAILED", message: expect.stringContaining("already") } });
    const told = client.verb("ppp", { interface: "ppp0", state: "down" });
    const both = [await told, await client.next()];
    expect(both).toContainEqual({ ok: true });
    expect(both).toContainEqual({ event: "ppp.ended", interface: "ppp0", how: "code 0" });
    // Down again is no mistake.
    expect(await client.verb("ppp", { interface: "ppp0", state: "down" })).toEqual({ ok: true });
  });

  test("it ends with the connection that asked for it, so a daemon that was killed leaves no call behind", async () => {
    await start();
    expect(await up()).toEqual({ ok: true });
    await isReady();
    client.end();
    client = await NetdClient.connect(join(dir, "netd.sock"));
    while (!log.some((line) => line.includes("pppd on ppp0 has ended: code 0"))) await new Promise((resolve) => setImmediate(resolve));
  });

  test("a pppd that is not there, and a device that is none", async () => {
    await start({ pppd: join(dir, "no-pppd") });
    expect(await up()).toMatchObject({ error: { code: "NETD_FAILED", message: expect.stringContaining("ENOENT") } });
    expect(await client.verb("ppp", { interface: "ppp0", state: "up", device: "/dev/ttyUSB999" })).toMatchObject({
      error: { code: "NETD_FAILED", message: expect.stringContaining("/dev/ttyUSB999") },
    });
  });
});

function nameservers(path: string): string[] {
  return [...readFileSync(path, "utf8").matchAll(/^nameserver (\S+)$/gm)].map((match) => match[1] ?? "");
}

/** What JSON cannot say becomes a line that is none. */
function asLine(request: unknown): string {
  try {
    return (JSON.stringify(request) ?? "undefined").replaceAll("\n", " ");
  } catch {
    return "{";
  }
}
