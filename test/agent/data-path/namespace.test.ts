// The data path with the real simward-netd against a kernel's own network namespace: a veth end stands for the module's USB interface, a fake pppd
// for the real one (it notes its options, speaks on the line and makes an interface; this kernel has no PPP).
import { chmodSync, existsSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { realpath } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createDataPath, type DataPath, type DataPathOptions, type KernelView } from "../../../agent/data-path/data-path.ts";
import { createNetdClient, type NetdClient } from "../../../agent/data-path/netd-client.ts";
import { pppdArguments } from "../../../agent/netd/verbs.ts";
import { dialData } from "../../../at-drivers/dial.ts";
import { type Disposer, SystemClock } from "../../../base/clock.ts";
import { silentLog } from "../../../base/log.ts";
import { openPty, type Pty } from "../../support/pty.ts";
import { canNamespace, leftOut, NetdBench } from "../netd/bench.ts";
import { netConfig, session } from "./bench.ts";

/** What is waited for comes by itself: only the looking is hastened. */
class Hasty extends SystemClock {
  override every(ms: number, fn: () => void): Disposer {
    return super.every(ms / 50, fn);
  }
  override after(ms: number, fn: () => void): Disposer {
    return super.after(ms / (ms > 20_000 ? 1 : 50), fn);
  }
  override sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return super.sleep(ms / 50, signal);
  }
}

let bench: NetdBench;
let netd: NetdClient;
const clock = new Hasty();

beforeAll(async () => {
  bench = await NetdBench.make();
  if (!canNamespace) return;
  bench.addNamespace();
  addModule();
  const pppd = join(bench.dir, "pppd");
  writeFileSync(pppd, fakePppd(bench.dir));
  chmodSync(pppd, 0o755);
  bench.start([
    ...["--interface", "wwan0", "--interface", "ppp0", "--uid", "12345", "--socket", bench.socketPath],
    ...["--pppd", pppd, "--resolv", join(bench.dir, "resolv.conf"), "--pseudo-terminals"],
  ]);
  (await bench.client()).end();
  netd = createNetdClient({ path: bench.socketPath, clock });
});
afterAll(async () => {
  netd?.close();
  await bench.close();
});

/** As after a reset: the interface is another one under the same name. */
function addModule(): void {
  bench.ip("link", "add", "wwan0", "type", "veth", "peer", "name", "peer0");
  bench.ip("link", "set", "dev", "peer0", "up");
}

const shown = (...args: readonly string[]): string => {
  try {
    return bench.ip(...args);
  } catch {
    return "";
  }
};

const kernel: KernelView = {
  index: async (name) => {
    const found = /^(\d+):/.exec(shown("-o", "link", "show", "dev", name))?.[1];
    return found === undefined ? undefined : Number(found);
  },
  addresses: async (name) =>
    [...shown("-o", "address", "show", "dev", name).matchAll(/inet6? ([0-9a-f.:]+)/g)].map((match) => match[1] ?? ""),
  moduleInterface: async () => "wwan0",
  pppPort: async () => undefined,
  deviceAt: (path) => realpath(path),
  counters: (name) => {
    const [receivedBytes, sentBytes] = [...shown("-s", "link", "show", "dev", name).matchAll(/[RT]X: .*\n +(\d+)/g)].map((match) =>
      Number(match[1]),
    );
    return receivedBytes === undefined || sentBytes === undefined ? undefined : { receivedBytes, sentBytes };
  },
};

const ups: (() => void)[] = [];

function pathOf(net: string, more: Partial<DataPathOptions> = {}): DataPath {
  return createDataPath({
    net: netConfig(net),
    modem: {
      status: { port: undefined },
      dataInterface: {
        kinds: ["ecm", "ppp"],
        present: async () => (net.includes("ppp") ? undefined : "ecm"),
        choose: async () => ({ changed: false, needsReset: false }),
        start: async () => {},
        stop: async () => {},
        dialled: (cid: number) => `*99***${cid}#`,
      },
      reset: async () => {},
    } as unknown as DataPathOptions["modem"],
    netd: { ...netd, close: () => {} },
    kernel,
    dial: dialData,
    clock,
    log: silentLog,
    audit: async () => {},
    onUp: () => {
      for (const wake of ups.splice(0)) wake();
    },
    onProblem: () => {},
    onLost: () => {},
    isHeld: () => false,
    ...more,
  });
}

const nameservers = (): string[] =>
  [...readFileSync(join(bench.dir, "resolv.conf"), "utf8").matchAll(/^nameserver (\S+)$/gm)].map((match) => match[1] ?? "");

describe.skipIf(!canNamespace)(`in a network namespace${leftOut}`, () => {
  test("the session's address, route, MTU and name servers are the kernel's, until the session ends", async () => {
    const path = pathOf('mode = "ecm"');
    await path.follow(session);
    expect(path.status).toEqual({ up: true, kind: "ecm", interface: "wwan0", reason: undefined });
    expect(shown("address", "show", "dev", "wwan0")).toMatch(/mtu 1420[\s\S]*inet 10\.64\.3\.7\/32/);
    expect(shown("route", "get", "192.0.2.1")).toMatch(/via 10\.64\.3\.1 dev wwan0 src 10\.64\.3\.7/);
    expect(nameservers()).toEqual(["10.64.3.53"]);
    expect(path.bytes()).toEqual({ receivedBytes: expect.any(Number), sentBytes: expect.any(Number) });
    await path.follow(undefined);
    expect(shown("-4", "address", "show", "dev", "wwan0")).not.toContain("inet");
    expect(shown("-4", "route")).toBe("");
    expect(shown("link", "show", "dev", "wwan0")).toContain("state DOWN");
    expect(nameservers()).toEqual([]);
    await path.stop();
  });

  test("after a reset of the module the new interface gets all of it again", async () => {
    const path = pathOf('mode = "ecm"');
    await path.follow(session);
    const again = new Promise<void>((resolve) => ups.push(resolve));
    bench.ip("link", "delete", "wwan0");
    addModule();
    await again;
    expect(shown("route", "get", "192.0.2.1")).toMatch(/via 10\.64\.3\.1 dev wwan0 src 10\.64\.3\.7/);
    await path.stop();
    expect(shown("-4", "route")).toBe("");
  });

  test("another table leaves main alone", async () => {
    const path = pathOf('mode = "ecm"\nroute_table = 100');
    await path.follow(session);
    expect(shown("-4", "route", "show", "table", "100")).toMatch(/default via 10\.64\.3\.1 dev wwan0/);
    expect(shown("-4", "route")).not.toContain("default");
    await path.stop();
    expect(shown("-4", "route", "show", "table", "100")).toBe("");
  });

  test("PPP: dialled here, given to pppd with the fixed options, both sides heard, and all of it gone at the end", async () => {
    const pty: Pty = openPty();
    let heard = "";
    pty.onData((octets) => {
      heard += octets.toString("latin1");
      for (const [command, answer] of [
        ["AT\r", "\r\nOK\r\n"],
        ["ATE0&D0\r", "\r\nOK\r\n"],
        ["ATD*99***1#\r", "\r\nCONNECT\r\n"],
        // pppd's first frame: the network's follows, and must reach pppd and nobody else.
        ["~pppd speaks~", "~network speaks~"],
      ] as const)
        if (heard.endsWith(command)) pty.write(answer);
    });
    // By a link, as udev makes them.
    symlinkSync(pty.path, join(bench.dir, "data"));
    const path = pathOf(`mode = "ppp"\nppp_port = ${JSON.stringify(join(bench.dir, "data"))}`);
    await path.follow(session);
    expect(path.status).toEqual({ up: true, kind: "ppp", interface: "ppp0", reason: undefined });
    expect(JSON.parse(readFileSync(join(bench.dir, "pppd.args"), "utf8"))).toEqual(pppdArguments(pty.path, "ppp0", 1_420));
    expect(readFileSync(join(bench.dir, "pppd.heard"), "utf8")).toBe("~network speaks~");
    expect(shown("route", "get", "192.0.2.1")).toMatch(/dev ppp0 src 10\.64\.3\.7/);
    expect(nameservers()).toEqual(["10.64.3.53"]);
    await path.follow(undefined);
    expect(existsSync(join(bench.dir, "pppd.left"))).toBe(true);
    expect(shown("link", "show", "dev", "ppp0")).toBe("");
    expect(nameservers()).toEqual([]);
    await path.stop();
    pty.hangUp();
  });
});

test("a simward-netd that is not there is told as such", async () => {
  const nobody = createNetdClient({ path: "/nonexistent/netd.sock", clock });
  await expect(nobody.ask("link", {})).rejects.toMatchObject({ code: "NETD_ABSENT", detail: expect.stringContaining("ENOENT") });
  nobody.close();
});

/** What a pppd does as far as it can be seen from outside. */
function fakePppd(dir: string): string {
  return `#!${process.execPath}
const { execFileSync } = require("node:child_process");
const fs = require("node:fs");
const args = process.argv.slice(2);
const name = args[args.indexOf("ifname") + 1];
fs.writeFileSync(${JSON.stringify(join(dir, "pppd.args"))}, JSON.stringify(args));
const line = fs.openSync(args[0], "r+");
fs.writeSync(line, "~pppd speaks~");
let heard = "";
while (!heard.endsWith("speaks~")) {
  const octets = Buffer.alloc(64);
  heard += octets.subarray(0, fs.readSync(line, octets)).toString("latin1");
}
fs.writeFileSync(${JSON.stringify(join(dir, "pppd.heard"))}, heard);
const ip = (...args) => execFileSync("/sbin/ip", args);
process.on("SIGTERM", () => {
  ip("link", "delete", name);
  fs.writeFileSync(${JSON.stringify(join(dir, "pppd.left"))}, "");
  process.exit(0);
});
ip("link", "add", name, "type", "veth", "peer", "name", "far");
ip("link", "set", "dev", "far", "up");
ip("link", "set", "dev", name, "up");
ip("address", "add", "10.64.3.7", "peer", "10.64.3.1", "dev", name);
setInterval(() => {}, 1_000);
`;
}
