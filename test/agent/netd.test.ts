import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { build } from "esbuild";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { commandsFor, interfaceName } from "../../agent/netd/verbs.ts";

const interfaces = ["wwan0"];
const text = (request: unknown): string[] => commandsFor(request, interfaces).map(({ program, args }) => [program, ...args].join(" "));

describe("verbs of simward-netd", () => {
  test("become programs with checked arguments", () => {
    expect(text({ verb: "link", args: { interface: "wwan0", state: "up", mtuBytes: 1_420 } })).toEqual([
      "ip link set dev wwan0 mtu 1420",
      "ip link set dev wwan0 up",
    ]);
    expect(text({ verb: "addr", args: { interface: "wwan0", address: "2001:db8::7/64" } })).toEqual([
      "ip address replace 2001:db8::7/64 dev wwan0",
    ]);
    expect(text({ verb: "route", args: { interface: "wwan0", family: 4, gateway: "10.0.0.1", metric: 700 } })).toEqual([
      "ip -4 route replace default via 10.0.0.1 dev wwan0 metric 700",
    ]);
    expect(text({ verb: "route", args: { interface: "wwan0", family: 6 } })).toEqual(["ip -6 route replace default dev wwan0"]);
  });

  const refused: readonly [string, unknown, string][] = [
    ["no object", null, "NETD_VERB"],
    ["an unknown verb", { verb: "shell", args: {} }, "NETD_VERB"],
    ["a name every object has", { verb: "constructor", args: {} }, "NETD_VERB"],
    ["a foreign interface", { verb: "link", args: { interface: "eth0", state: "up" } }, "NETD_ARGUMENT"],
    ["an option as interface", { verb: "link", args: { interface: "--help", state: "up" } }, "NETD_ARGUMENT"],
    ["a bad state", { verb: "link", args: { interface: "wwan0", state: "up; reboot" } }, "NETD_ARGUMENT"],
    ["a missing argument", { verb: "addr", args: { interface: "wwan0" } }, "NETD_ARGUMENT"],
    ["an address without prefix", { verb: "addr", args: { interface: "wwan0", address: "10.0.0.1" } }, "NETD_ARGUMENT"],
    ["a prefix too long", { verb: "addr", args: { interface: "wwan0", address: "10.0.0.1/33" } }, "NETD_ARGUMENT"],
    ["an argument too many", { verb: "addr-flush", args: { interface: "wwan0", all: true } }, "NETD_ARGUMENT"],
    ["an MTU out of range", { verb: "link", args: { interface: "wwan0", state: "up", mtuBytes: 100 } }, "NETD_ARGUMENT"],
    ["arguments that are a list", { verb: "link", args: [] }, "NETD_ARGUMENT"],
  ];
  test.each(refused)("%s is refused", (_name, request, code) => {
    expect(() => commandsFor(request, interfaces)).toThrow(expect.objectContaining({ code }));
  });

  test("names of interfaces are checked at the start", () => {
    expect(interfaceName("wwan0.100")).toBe("wwan0.100");
    for (const name of ["", "-x", "a/b", "a b", "x".repeat(16)])
      expect(() => interfaceName(name)).toThrow(expect.objectContaining({ code: "NETD_ARGUMENT" }));
  });
});

/** A network namespace of its own, so that nothing of this machine is touched. */
const canNamespace = process.getuid?.() === 0 && existsSync("/sbin/ip");
const note = canNamespace ? "" : " (left out: needs root and iproute2)";

describe("simward-netd in a network namespace", () => {
  const namespace = `simward-netd-${process.pid}`;
  let dir = "";
  let child: ChildProcess | undefined;

  beforeAll(async () => {
    if (!canNamespace) return;
    dir = await mkdtemp(join(tmpdir(), "simward-netd-"));
    await build({
      entryPoints: ["agent/netd/main.ts"],
      bundle: true,
      platform: "node",
      format: "esm",
      target: "node20",
      outfile: join(dir, "netd.mjs"),
      external: ["koffi"],
      absWorkingDir: process.cwd(),
    });
    execFileSync("/sbin/ip", ["netns", "add", namespace]);
    execFileSync("/sbin/ip", ["-n", namespace, "link", "add", "wwan0", "type", "veth", "peer", "name", "peer0"]);
    execFileSync("ln", ["-s", join(process.cwd(), "node_modules"), join(dir, "node_modules")]);
    child = spawn(
      "/sbin/ip",
      [
        "netns",
        "exec",
        namespace,
        process.execPath,
        join(dir, "netd.mjs"),
        "--interface",
        "wwan0",
        "--uid",
        "12345",
        "--socket",
        join(dir, "netd.sock"),
      ],
      { stdio: "inherit" },
    );
    await new Promise<void>((resolve, reject) => {
      const attempt = (left: number): void => {
        const socket = connect(join(dir, "netd.sock"));
        socket.once("connect", () => {
          socket.destroy();
          resolve();
        });
        socket.once("error", (error) => (left === 0 ? reject(error) : setTimeout(() => attempt(left - 1), 50)));
      };
      attempt(200);
    });
  });
  afterAll(async () => {
    if (!canNamespace) return;
    child?.kill();
    execFileSync("/sbin/ip", ["netns", "delete", namespace]);
    await rm(dir, { recursive: true, force: true });
  });

  const ask = (line: string): Promise<unknown> =>
    new Promise((resolve, reject) => {
      const socket = connect(join(dir, "netd.sock"), () => socket.write(`${line}\n`));
      socket.once("data", (data) => {
        socket.destroy();
        resolve(JSON.parse(data.toString("utf8")));
      });
      socket.once("error", reject);
    });
  const show = (...args: string[]): string => execFileSync("/sbin/ip", ["-n", namespace, ...args], { encoding: "utf8" });

  test.skipIf(!canNamespace)(`sets link, address and route for real, and tells what the kernel refuses${note}`, async () => {
    expect(await ask('{"verb":"link","args":{"interface":"wwan0","state":"up","mtuBytes":1400}}')).toEqual({ ok: true });
    expect(await ask('{"verb":"addr","args":{"interface":"wwan0","address":"10.64.3.7/24"}}')).toEqual({ ok: true });
    expect(show("address", "show", "dev", "wwan0")).toMatch(/mtu 1400[\s\S]*10\.64\.3\.7\/24/);
    execFileSync("/sbin/ip", ["-n", namespace, "link", "set", "dev", "peer0", "up"]);
    expect(await ask('{"verb":"route","args":{"interface":"wwan0","family":4,"gateway":"10.64.3.1"}}')).toEqual({ ok: true });
    expect(show("-4", "route")).toContain("default via 10.64.3.1 dev wwan0");
    expect(await ask('{"verb":"route","args":{"interface":"wwan0","family":4,"gateway":"192.168.77.1"}}')).toMatchObject({
      error: { code: "NETD_FAILED" },
    });
    expect(await ask("nonsense")).toMatchObject({ error: { code: "NETD_VERB" } });
    expect(await ask('{"verb":"addr-flush","args":{"interface":"wwan0"}}')).toEqual({ ok: true });
    expect(show("-4", "address", "show", "dev", "wwan0")).not.toContain("10.64.3.7");
  });
});
