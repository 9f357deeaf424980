// simward-netd as a process: bundled once, in a network namespace of its own where the test may have one, and a client that reads line by line.
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { existsSync, symlinkSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { build } from "esbuild";

/** A network namespace of its own, so that nothing of this machine is touched. */
export const canNamespace = process.getuid?.() === 0 && existsSync("/sbin/ip");
export const leftOut = canNamespace ? "" : " (left out: needs root and iproute2)";

export interface Started {
  readonly stop: () => void;
  /** At once, as power does it. */
  readonly kill: () => void;
  readonly signal: (signal: NodeJS.Signals) => void;
  readonly output: () => string;
  readonly exited: Promise<number | null>;
}

export class NetdBench {
  readonly dir: string;
  readonly bundle: string;
  readonly socketPath: string;
  readonly namespace = `simward-${process.pid}-${Math.trunc(performance.now())}`;
  readonly #children: Started[] = [];
  #hasNamespace = false;

  private constructor(dir: string) {
    this.dir = dir;
    this.bundle = join(dir, "netd.mjs");
    this.socketPath = join(dir, "netd.sock");
  }

  static async make(): Promise<NetdBench> {
    const bench = new NetdBench(await mkdtemp(join(tmpdir(), "simward-netd-")));
    await build({
      entryPoints: ["agent/netd/main.ts"],
      bundle: true,
      platform: "node",
      format: "esm",
      target: "node20",
      outfile: bench.bundle,
      external: ["koffi"],
      absWorkingDir: process.cwd(),
    });
    symlinkSync(join(process.cwd(), "node_modules"), join(bench.dir, "node_modules"));
    return bench;
  }

  addNamespace(): void {
    addQuietNamespace(this.namespace);
    this.#hasNamespace = true;
    this.ip("link", "set", "dev", "lo", "up");
  }

  ip(...args: readonly string[]): string {
    return execFileSync("/sbin/ip", ["-n", this.namespace, ...args], { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
  }

  /** Another program of root's. */
  inside(program: string, ...args: readonly string[]): string {
    return execFileSync("/sbin/ip", ["netns", "exec", this.namespace, program, ...args], {
      encoding: "utf8",
      stdio: ["ignore", "pipe", "pipe"],
    });
  }

  /** In the namespace where there is one; `before` is what it is run by. */
  start(args: readonly string[], before: readonly string[] = []): Started {
    const inside = this.#hasNamespace ? ["/sbin/ip", "netns", "exec", this.namespace] : [];
    const [program = "", ...rest] = [...inside, ...before, process.execPath, this.bundle, ...args];
    // A group of its own, so that what runs it ends with it.
    return this.watch(spawn(program, rest, { stdio: ["ignore", "pipe", "pipe"], detached: true }), true);
  }

  watch(child: ChildProcess, isGroup = false): Started {
    let text = "";
    child.stdout?.on("data", (chunk: Buffer) => (text += chunk.toString("utf8")));
    child.stderr?.on("data", (chunk: Buffer) => (text += chunk.toString("utf8")));
    const end = (signal: NodeJS.Signals): void => {
      if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return;
      process.kill(isGroup ? -child.pid : child.pid, signal);
    };
    const started = {
      stop: () => end("SIGTERM"),
      kill: () => end("SIGKILL"),
      signal: end,
      output: () => text,
      exited: new Promise<number | null>((resolve) => child.once("exit", resolve)),
    };
    this.#children.push(started);
    return started;
  }

  async client(path = this.socketPath): Promise<NetdClient> {
    for (let left = 400; ; left--) {
      try {
        return await NetdClient.connect(path);
      } catch (error) {
        if (left === 0) throw error;
        await new Promise((resolve) => setTimeout(resolve, 25));
      }
    }
  }

  async close(): Promise<void> {
    for (const { stop, exited } of this.#children) {
      stop();
      await exited;
    }
    if (this.#hasNamespace) execFileSync("/sbin/ip", ["netns", "delete", this.namespace]);
    await rm(this.dir, { recursive: true, force: true });
  }
}

/** Whose links say nothing by themselves that would be counted for the fleet: nobody looks for routers, or for who else has an address. */
export function addQuietNamespace(name: string): void {
  execFileSync("/sbin/ip", ["netns", "add", name]);
  const quiet = ["router_solicitations", "accept_ra", "dad_transmits"].map((key) => `net.ipv6.conf.default.${key}=0`);
  execFileSync("/sbin/ip", ["netns", "exec", name, "sysctl", "-qw", ...quiet]);
}

export class NetdClient {
  readonly socket: Socket;
  readonly #lines: unknown[] = [];
  readonly #waiting: ((line: unknown) => void)[] = [];
  readonly closed: Promise<void>;

  private constructor(socket: Socket) {
    this.socket = socket;
    this.closed = new Promise((resolve) => socket.once("close", () => resolve()));
    createInterface({ input: socket }).on("line", (line) => {
      const said: unknown = JSON.parse(line);
      const next = this.#waiting.shift();
      if (next === undefined) this.#lines.push(said);
      else next(said);
    });
  }

  static connect(path: string): Promise<NetdClient> {
    return new Promise((resolve, reject) => {
      const socket = connect(path);
      socket.once("error", reject);
      socket.once("connect", () => {
        socket.off("error", reject);
        socket.on("error", () => {});
        resolve(new NetdClient(socket));
      });
    });
  }

  next(): Promise<unknown> {
    const line = this.#lines.shift();
    return line !== undefined ? Promise.resolve(line) : new Promise((resolve) => this.#waiting.push(resolve));
  }

  ask(line: string): Promise<unknown> {
    this.socket.write(`${line}\n`);
    return this.next();
  }

  verb(verb: string, args: object = {}): Promise<unknown> {
    return this.ask(JSON.stringify({ verb, args }));
  }

  end(): void {
    this.socket.destroy();
  }
}
