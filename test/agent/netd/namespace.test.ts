// simward-netd as systemd starts it, against a kernel's own network namespace: what it changes, what the kernel refuses, and which programs it runs.
import { execFileSync, spawn } from "node:child_process";
import { chmodSync, existsSync, readFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { need, program } from "../../support/programs.ts";
import { openPty } from "../../support/pty.ts";
import { canNamespace, leftOut, NetdBench, type NetdClient } from "./bench.ts";

const strace = program("strace");
const nft = program("nft");
let bench: NetdBench;

beforeAll(async () => {
  bench = await NetdBench.make();
  if (!canNamespace) return;
  bench.addNamespace();
  bench.ip("link", "add", "wwan0", "type", "veth", "peer", "name", "peer0");
});
afterAll(() => bench.close());

describe("in a network namespace", () => {
  const start = (socket: string, ...more: string[]) => ["--interface", "wwan0", "--uid", "12345", "--socket", socket, ...more];

  test.skipIf(!canNamespace)(`sets link, address and route for real, and tells what the kernel refuses${leftOut}`, async () => {
    bench.start(start(bench.socketPath, "--resolv", join(bench.dir, "resolv.conf")));
    const client = await bench.client();
    expect(await client.verb("link", { interface: "wwan0", state: "up", mtuBytes: 1_400 })).toEqual({ ok: true });
    expect(await client.verb("addr", { interface: "wwan0", address: "10.64.3.7/32" })).toEqual({ ok: true });
    expect(bench.ip("address", "show", "dev", "wwan0")).toMatch(/mtu 1400[\s\S]*10\.64\.3\.7\/32/);
    bench.ip("link", "set", "dev", "peer0", "up");
    // The gateway is outside the address's prefix, as with every bearer that gives an address alone.
    expect(await client.verb("route", { interface: "wwan0", family: 4, gateway: "10.64.3.1" })).toEqual({ ok: true });
    expect(bench.ip("-4", "route")).toMatch(/default via 10\.64\.3\.1 dev wwan0 onlink/);
    expect(await client.verb("route", { interface: "wwan0", family: 4, metric: 700, table: 100 })).toEqual({ ok: true });
    expect(bench.ip("-4", "route", "show", "table", "100")).toMatch(/default dev wwan0 .*metric 700/);
    expect(await client.verb("addr", { interface: "wwan0", address: "2001:db8::7/64" })).toEqual({ ok: true });
    expect(await client.verb("resolv", { interface: "wwan0", servers: ["10.64.3.1"] })).toEqual({ ok: true });
    expect(readFileSync(join(bench.dir, "resolv.conf"), "utf8")).toContain("nameserver 10.64.3.1\n");
    expect(await client.verb("link", { interface: "wwan0", state: "down" })).toEqual({ ok: true });
    expect(await client.verb("route", { interface: "wwan0", family: 4 })).toMatchObject({ error: { code: "NETD_FAILED" } });
    expect(await client.ask("nonsense")).toMatchObject({ error: { code: "NETD_VERB" } });
    expect(await client.verb("addr-flush", { interface: "wwan0" })).toEqual({ ok: true });
    expect(bench.ip("-4", "address", "show", "dev", "wwan0")).not.toContain("10.64.3.7");
    client.end();
  });

  test.skipIf(!canNamespace)(`runs ip, nft, tc, pppd and the hook, each by its own path, and never a shell${leftOut}`, async (context) => {
    need(context, nft);
    const trace = join(bench.dir, "trace");
    const pppd = join(bench.dir, "pppd");
    const hook = join(bench.dir, "hook");
    // Compiled programs, so that what is started stands in the trace alone.
    for (const path of [pppd, hook]) {
      execFileSync("cp", ["/bin/true", path]);
      chmodSync(path, 0o755);
    }
    const socket = join(bench.dir, "traced.sock");
    bench.start(start(socket, "--pppd", pppd, "--power-hook", hook, "--resolv", join(bench.dir, "resolv2"), "--pseudo-terminals"), [
      need(context, strace),
      ...["-f", "-qq", "-e", "trace=execve", "-o", trace],
    ]);
    const client = await bench.client(socket);
    const pty = openPty();
    const answers = [
      await client.verb("link", { interface: "wwan0", state: "up" }),
      await client.verb("addr", { interface: "wwan0", address: "10.64.3.7/32" }),
      await client.verb("route", { interface: "wwan0", family: 4 }),
      await client.verb("route-flush", { interface: "wwan0", family: 4 }),
      await client.verb("addr-flush", { interface: "wwan0" }),
      await client.verb("resolv", { interface: "wwan0", servers: ["10.64.3.1"] }),
      await client.verb("modem-power", { action: "cycle" }),
      await client.verb("ppp", { interface: "wwan0", state: "up", device: pty.path }),
    ];
    expect(answers).toEqual(answers.map(() => ({ ok: true })));
    expect(await client.next()).toMatchObject({ event: "ppp.ended", how: "code 0" });
    const filters = [
      await client.verb("firewall", {
        interface: "wwan0",
        fleet: "block",
        tunnel: "required",
        tunnelInterface: "ipsec0",
        throttleKbps: 64,
      }),
      await client.verb("shaping", { interface: "wwan0", throttleKbps: 64 }),
      await client.verb("firewall-read", { interface: "wwan0" }),
      await client.verb("firewall-off", { interface: "wwan0" }),
      await client.verb("firewall-read", { interface: "wwan0" }),
    ];
    expect(filters).toMatchObject([
      { ok: true, data: { present: true, hash: expect.stringMatching(/^[0-9a-f]{64}$/) } },
      { ok: true, data: { shaping: 64 } },
      { ok: true, data: { present: true, shaping: 64, fleet: { sentBytes: 0, receivedBytes: 0 } } },
      { ok: true },
      { ok: true, data: { present: false } },
    ]);
    expect(await client.verb("link", { interface: "wwan0; id", state: "up" })).toMatchObject({ error: { code: "NETD_ARGUMENT" } });
    pty.hangUp();
    client.end();
    const started = [...readFileSync(trace, "utf8").matchAll(/execve\("([^"]+)".* = 0$/gm)].map((match) => match[1] ?? "");
    expect(new Set(started)).toEqual(new Set([process.execPath, "/sbin/ip", "/usr/sbin/nft", "/sbin/tc", pppd, hook]));
    expect(started.filter((path) => /(^|\/)(sh|bash|dash|ash|busybox)$/.test(path))).toEqual([]);
  });
});

describe("as systemd starts it", () => {
  /** A socket that is listening before simward-netd is: abstract, so that closing our end of it leaves it alone. */
  async function activated(pid: "its own" | "another"): Promise<{ name: string; exited: Promise<number | null>; output: () => string }> {
    const name = `\0simward-netd-${process.pid}-${pid}`;
    const listening = createServer();
    await new Promise<void>((resolve) => listening.listen(name, resolve));
    const fd = (listening as unknown as { readonly _handle: { readonly fd: number } })._handle.fd;
    const started = bench.watch(
      spawn(
        "sh",
        [
          "-c",
          `export LISTEN_FDS=1 LISTEN_PID=${pid === "its own" ? "$$" : "1"}; exec "$@"`,
          "sh",
          ...[process.execPath, bench.bundle, "--interface", "wwan0", "--uid", String(process.getuid?.() ?? 0)],
        ],
        { stdio: ["ignore", "pipe", "pipe", fd] },
      ),
    );
    await new Promise<void>((resolve) => listening.close(() => resolve()));
    return { name, exited: started.exited, output: started.output };
  }

  test("it serves the socket it was passed", async () => {
    const { name } = await activated("its own");
    const client: NetdClient = await bench.client(name);
    expect(await client.verb("shell")).toMatchObject({ error: { code: "NETD_VERB" } });
    client.end();
  });

  test("descriptors that were meant for another process are not taken", async () => {
    const { exited, output } = await activated("another");
    expect(await exited).toBe(2);
    expect(output()).toContain("give --socket, or let systemd pass one");
  });

  test("it does not start without interfaces, without a user, or with a place that is no path", async () => {
    const ends = async (...args: string[]): Promise<[number | null, string]> => {
      const { exited, output } = bench.watch(spawn(process.execPath, [bench.bundle, ...args], { stdio: ["ignore", "pipe", "pipe"] }));
      return [await exited, output()];
    };
    const socket = ["--socket", join(bench.dir, "none.sock")];
    expect(await ends("--uid", "1", ...socket)).toEqual([2, expect.stringContaining("at least one --interface")]);
    expect(await ends("--interface", "wwan0", ...socket)).toEqual([2, expect.stringContaining("give --uid")]);
    expect(await ends("--interface", "../x", "--uid", "1", ...socket)).toEqual([2, expect.stringContaining("no name of an interface")]);
    expect(await ends("--interface", "wwan0", "--uid", "1", "--pppd", "pppd", ...socket)).toEqual([
      2,
      expect.stringContaining("absolute path"),
    ]);
    expect(existsSync(join(bench.dir, "none.sock"))).toBe(false);
  });
});
