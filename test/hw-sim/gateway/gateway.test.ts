// The gateway as a stranger uses it: the manual's commands as they stand there, what is left of a run that was killed, several side by side.
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { GatewayReady } from "../../../hw-sim/gateway/gateway.ts";
import { runBlock } from "../../support/doc-commands.ts";
import { canGateway, eventually, gatewayLeftOut } from "../../support/gateway-bench.ts";
import { type Bundles, bundlePrograms } from "../../support/shipped.ts";

describe.skipIf(!canGateway)(`in network namespaces${gatewayLeftOut}`, () => {
  let bundles: Bundles;
  let dir: string;
  const started: ChildProcess[] = [];

  beforeAll(async () => {
    bundles = await bundlePrograms({ "simward-sim": "hw-sim/main.ts" });
    dir = mkdtempSync(join(tmpdir(), "simward-gateway-test-"));
    mkdirSync(join(dir, "dist"));
    symlinkSync(join(bundles.dir, "simward-sim.mjs"), join(dir, "dist/simward-sim.mjs"));
  });
  afterAll(async () => {
    for (const child of started) child.kill("SIGKILL");
    gateway("down");
    rmSync(dir, { recursive: true, force: true });
    await bundles.close();
  });

  const gateway = (...args: readonly string[]) =>
    spawnSync(process.execPath, [join(bundles.dir, "simward-sim.mjs"), "gateway", ...args], { encoding: "utf8" });
  const name = (suffix: string): string => `swt${process.pid}${suffix}`;
  const namespaces = (of: string): string[] =>
    spawnSync("ip", ["netns", "list"], { encoding: "utf8" })
      .stdout.split("\n")
      .filter((line) => line.startsWith(`${of}-`));

  async function up(as: string, ...args: readonly string[]): Promise<{ readonly child: ChildProcess; readonly ready: GatewayReady }> {
    const child = spawn(process.execPath, [join(bundles.dir, "simward-sim.mjs"), "gateway", "up", "--name", as, ...args], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    started.push(child);
    for await (const line of createInterface({ input: child.stdout })) return { child, ready: JSON.parse(line) as GatewayReady };
    throw new Error("no ready line");
  }

  test("the manual's commands do what it says", async () => {
    const said = await runBlock(resolve("docs/hw-sim.md"), "gateway", dir, { NAME: name("m") });
    expect(said).toMatchObject({ code: 0 });
    expect(said.stdout).toMatch(
      /^fleet v4 200 198\.51\.100\.10\nfleet v6 200 2001:db8:100::10\nbehind it 200 198\.51\.100\.10\neim 404 198\.18\.0\.1\n/,
    );
    expect(said.stdout).toContain('"orders":[]');
    expect(namespaces(name("m"))).toEqual([]);
    expect(existsSync(`/run/simward-gateway/${name("m")}`)).toBe(false);
  });

  test("one that is not up is said not to be", () => {
    expect(gateway("exec", "--name", name("n"), "gw", "--", "true")).toMatchObject({
      status: 2,
      stderr: expect.stringMatching(/there is no gateway [\s\S]*next: simward-sim gateway --help/),
    });
  });

  test("a run that was killed leaves nothing for long: the next one removes it, and runs beside a third", async () => {
    const killed = await up(name("k"));
    const other = await up(name("o"));
    killed.child.kill("SIGKILL");
    await new Promise((done) => killed.child.once("close", done));
    expect(namespaces(name("k"))).toHaveLength(4);
    const third = await up(name("t"));
    expect(namespaces(name("k"))).toEqual([]);
    expect(namespaces(name("o"))).toHaveLength(4);
    const again = gateway("up", "--name", name("o"));
    expect(again).toMatchObject({ status: 2, stderr: expect.stringContaining("is up") });
    // Each reaches its own.
    for (const { ready } of [other, third]) expect((await fetch(`${ready.eim.api}/v1/orders`)).status).toBe(200);
    expect(gateway("down", name("o")).stdout).toContain(name("o"));
    third.child.kill("SIGTERM");
    await eventually(
      "all gone",
      () => [...namespaces(name("o")), ...namespaces(name("t"))],
      (left) => left.length === 0,
    );
    expect(existsSync("/etc/netns")).toBe(false);
  });
});
