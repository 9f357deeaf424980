// The module behind a real pseudo-terminal, a TCP socket and a UNIX socket, driven by raw clients.
import { execFileSync } from "node:child_process";
import { on } from "node:events";
import { closeSync, constants, openSync, readFileSync, watch, writeSync } from "node:fs";
import { mkdtemp, readlink, rm } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Duplex } from "node:stream";
import { setImmediate } from "node:timers/promises";
import { ReadStream } from "node:tty";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { SystemClock } from "../../../base/clock.ts";
import { Faults } from "../../../hw-sim/faults.ts";
import { VirtualModem } from "../../../hw-sim/modem/module.ts";
import { generic3gpp } from "../../../hw-sim/modem/personality.ts";
import { servePty } from "../../../hw-sim/modem/ports/pty.ts";
import { serveTcp, serveUnix } from "../../../hw-sim/modem/ports/socket.ts";
import type { PortServer } from "../../../hw-sim/modem/ports/types.ts";
import { World } from "../../../hw-sim/network/world.ts";
import { need, program, run } from "../../support/programs.ts";
import { StubCard } from "./stub-card.ts";

const clock = new SystemClock();
let dir: string;
let modem: VirtualModem;
let faults: Faults;
const open: { close(): Promise<void> | void }[] = [];

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "simward-ports-"));
  faults = new Faults();
  const timings = { ...generic3gpp.timings, bootMs: 0, simBusy: [], searchMs: 1, radioMs: 1 };
  modem = new VirtualModem({ clock, world: new World({ clock }), uicc: new StubCard(), imei: "356938035643809", faults, timings });
  modem.powerOn();
});

afterEach(async () => {
  for (const { close } of open.splice(0).reverse()) await close();
  modem.close();
  await rm(dir, { recursive: true });
});

function keep<T extends PortServer>(server: T): T {
  open.push(server);
  return server;
}

class Client {
  text = "";
  closed = false;
  readonly #stream: Duplex;
  readonly #waiting = new Set<() => void>();

  constructor(stream: Duplex) {
    this.#stream = stream;
    const wake = (): void => {
      for (const check of this.#waiting) check();
    };
    stream.on("data", (bytes: Buffer) => {
      this.text += bytes.toString("latin1");
      wake();
    });
    stream.on("error", () => stream.destroy());
    stream.on("close", () => {
      this.closed = true;
      wake();
    });
    open.push({ close: () => void stream.destroy() });
  }

  send(text: string): void {
    this.#stream.write(text);
  }

  until(done: () => boolean): Promise<void> {
    return new Promise((resolve) => {
      const check = (): void => {
        if (!done()) return;
        this.#waiting.delete(check);
        resolve();
      };
      this.#waiting.add(check);
      check();
    });
  }

  async command(line: string): Promise<string> {
    this.text = "";
    this.send(`${line}\r`);
    await this.until(() => /\r\n(OK|ERROR)\r\n/.test(this.text));
    return this.text;
  }
}

const openTty = (path: string): Client =>
  new Client(new ReadStream(openSync(path, constants.O_RDWR | constants.O_NOCTTY | constants.O_NONBLOCK)));
const openTcp = (address: string): Client => new Client(connect(Number(address.split(":")[1]), address.split(":")[0] ?? ""));

describe("a pseudo-terminal", () => {
  it("passes octets as they are, to one host after the other", async () => {
    const { address } = keep(await servePty(modem, { linkPath: join(dir, "modem"), clock }));
    const first = openTty(address);
    expect(await first.command("AT+CGMM")).toBe("AT+CGMM\r\r\nVM-1\r\n\r\nOK\r\n");
    expect(await first.command(`AT+CGLA=1,8,"${"0".repeat(700)}"`)).toContain("ERROR");
    await open.pop()?.close();
    const second = openTty(address);
    expect(await second.command("ATE0")).toContain("OK");
    expect(await second.command("AT+CGMI")).toBe("\r\nSimward\r\n\r\nOK\r\n");
  });

  it("hangs up with a reset, and comes back under the same name as another terminal", async () => {
    faults.set("hang-up-on-reset", "1");
    const linkPath = join(dir, "modem");
    keep(await servePty(modem, { linkPath, clock, reopenMs: 20 }));
    const before = await readlink(linkPath);
    const links = on(watch(dir), "change");
    const host = openTty(linkPath);
    await host.command("ATE0");
    host.send("AT+CFUN=1,1\r");
    await host.until(() => host.closed);
    for await (const _ of links) if ((await readlink(linkPath)) !== before) break;
    const again = openTty(linkPath);
    expect(await again.command("AT+CGMM")).toContain("VM-1");
    expect(before).toMatch(/^\/dev\/pts\/\d+$/);
  });
});

describe("a pseudo-terminal whose module takes no octets", () => {
  /** How much the kernel takes before it says that nothing more fits. */
  function fill(fd: number): number {
    let taken = 0;
    try {
      for (;;) taken += writeSync(fd, " ".repeat(1_024));
    } catch (error) {
      expect(error).toMatchObject({ code: "EAGAIN" });
      return taken;
    }
  }

  it("lets its host's writes block, and takes what waited when it is well again", async () => {
    const { address } = keep(await servePty(modem, { linkPath: join(dir, "modem"), clock }));
    const host = openTty(address);
    await host.command("ATE0");
    faults.set("cts-stuck", "1");
    const fd = openSync(address, constants.O_RDWR | constants.O_NOCTTY | constants.O_NONBLOCK);
    open.push({ close: () => closeSync(fd) });
    // The read that was under way still takes its part; whoever went on reading would make room again and again.
    const taken: number[] = [];
    for (let round = 0; round < 4; round++) {
      taken.push(fill(fd));
      for (let turns = 0; turns < 50; turns++) await setImmediate();
    }
    expect(taken[0]).toBeGreaterThan(0);
    expect(taken.slice(2)).toEqual([0, 0]);
    faults.clear("cts-stuck");
    // The line of blanks may have become too long for one; then it is refused first.
    const answer = await host.command("\rAT+CGMM");
    expect(answer.includes("VM-1") ? answer : await host.command("AT+CGMM")).toContain("VM-1");
  });
});

describe("a program started by the one that holds a pseudo-terminal", () => {
  it("inherits none of it, or its host would never see a hang-up", async () => {
    keep(await servePty(modem, { linkPath: join(dir, "modem"), clock }));
    const script =
      'console.log(require("fs").readdirSync("/proc/self/fd").map((fd) => { try { return require("fs").readlinkSync("/proc/self/fd/" + fd) } catch { return "" } }).join(" "))';
    expect(execFileSync(process.execPath, ["-e", script], { encoding: "utf8" })).not.toMatch(/ptmx|pts/);
  });
});

describe("sockets", () => {
  it("are ports of their own, each with its own echo, all with the same module behind them", async () => {
    const tcp = keep(await serveTcp(modem, 0));
    const unix = keep(await serveUnix(modem, join(dir, "modem.sock")));
    const [a, b] = [openTcp(tcp.address), new Client(connect(unix.address))];
    await a.command("ATE0");
    expect(await a.command("AT+CGMM")).toBe("\r\nVM-1\r\n\r\nOK\r\n");
    expect(await b.command("AT+CGMM")).toBe("AT+CGMM\r\r\nVM-1\r\n\r\nOK\r\n");
    await b.command("AT+CEREG=1");
    a.text = "";
    b.text = "";
    await b.command("AT+CFUN=4");
    await Promise.all([a, b].map((host) => host.until(() => host.text.includes("+CEREG: 0"))));
  });

  it("close behind the last octet when told to hang up", async () => {
    const tcp = keep(await serveTcp(modem, 0));
    const host = openTcp(tcp.address);
    await host.command("ATE0");
    faults.set("hang-up", "+CGMM@1");
    host.text = "";
    host.send("AT+CGMM\r");
    await host.until(() => host.closed);
    expect(host.text).toBe("\r\nVM-1\r\n\r\nOK\r\n");
  });

  it("may have abstract names, which are free again when they are closed", async () => {
    const name = `@simward-test-${process.pid}`;
    const before = await serveUnix(modem, name);
    expect(before.address).toBe(name);
    // As /proc/net/unix writes it: once as it is, once filled up with zeros, which is what Node's clients ask for.
    const names = readFileSync("/proc/net/unix", "latin1").match(new RegExp(`${name}(?=[@\n])`, "g"));
    expect(names).toHaveLength(2);
    await expect(serveUnix(modem, name)).rejects.toMatchObject({ code: "SIM_OPTION", detail: expect.stringContaining(name) });
    const host = new Client(connect(`\0${name.slice(1)}`));
    await host.command("ATE0");
    expect(await host.command("AT+CGMM")).toBe("\r\nVM-1\r\n\r\nOK\r\n");
    await before.close();
    await host.until(() => host.closed);
    keep(await serveUnix(modem, name));
    for (const wrong of ["@", `@${"x".repeat(108)}`]) await expect(serveUnix(modem, wrong)).rejects.toMatchObject({ code: "SIM_OPTION" });
  });

  it("with abstract names are met by clients that know nothing of Node's padding", async (context) => {
    const python = need(context, program("python3"));
    const name = `simward-exact-${process.pid}`;
    keep(await serveUnix(modem, `@${name}`));
    const client = run(python, [
      "-c",
      `import socket; s = socket.socket(socket.AF_UNIX); s.connect("\\0${name}"); s.send(b"ATI\\r"); print(s.recv(4096))`,
    ]);
    open.push({ close: () => client.stop() });
    await client.printed("ATI");
  });

  it("refuse a port that is taken, by name", async () => {
    const tcp = keep(await serveTcp(modem, 0));
    const port = Number(tcp.address.split(":")[1]);
    await expect(serveTcp(modem, port)).rejects.toMatchObject({ code: "SIM_OPTION", detail: expect.stringContaining(`127.0.0.1:${port}`) });
  });
});
