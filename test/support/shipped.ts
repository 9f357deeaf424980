// The programs as they are shipped, as processes: simward-sim with a pty, simwardd on it, started again and again as systemd would.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { build } from "esbuild";
import type { PollResult, Status } from "../../agent/api/types.ts";
import type { AuditRecord } from "../../agent/audit/types.ts";
import { type ApiClient, createClient } from "../../agent/cli/client.ts";
import type { ReadyLine } from "../../hw-sim/vehicle.ts";

export interface Bundles {
  readonly dir: string;
  close(): Promise<void>;
}

/** Programs from the sources as they are, bundled as build.mjs does; once a file. */
export async function bundlePrograms(
  entryPoints: Readonly<Record<string, string>> = { simwardd: "agent/daemon.ts", "simward-sim": "hw-sim/main.ts" },
): Promise<Bundles> {
  // Inside the checkout, so that native addons are found.
  const cache = resolve("node_modules/.cache");
  await mkdir(cache, { recursive: true });
  const dir = await mkdtemp(join(cache, "simward-shipped-"));
  await build({
    entryPoints: { ...entryPoints },
    bundle: true,
    platform: "node",
    target: "node20",
    format: "esm",
    outdir: dir,
    outExtension: { ".js": ".mjs" },
    external: ["koffi", "serialport", "@serialport/*"],
    banner: { js: 'import { createRequire as simwardRequire } from "node:module"; const require = simwardRequire(import.meta.url);' },
    logLevel: "error",
  });
  return { dir, close: () => rm(dir, { recursive: true, force: true }) };
}

export interface SimOrder {
  readonly state: string;
  readonly reason?: string;
}

export interface SimEvent {
  readonly type: string;
  readonly [key: string]: unknown;
}

/** The virtual vehicle as a process, and its order API. */
export class Sim {
  readonly ready: ReadyLine;
  readonly dir: string;
  readonly #child: ChildProcess;
  readonly #stopping = new AbortController();
  readonly #events: SimEvent[] = [];
  readonly #listeners = new Set<() => void>();
  #stderr = "";

  private constructor(child: ChildProcess, ready: ReadyLine, dir: string) {
    this.#child = child;
    this.ready = ready;
    this.dir = dir;
    child.stderr?.on("data", (chunk: Buffer) => {
      this.#stderr += chunk.toString("utf8");
    });
    this.#follow().catch(() => undefined);
  }

  static async start(bundles: Bundles, args: readonly string[]): Promise<Sim> {
    const dir = await mkdtemp(join(tmpdir(), "simward-shipped-"));
    const child = spawn(process.execPath, [join(bundles.dir, "simward-sim.mjs"), "run", "--modem", "pty", "--log-level", "warn", ...args], {
      stdio: ["ignore", "pipe", "pipe"],
      env: { ...process.env, TMPDIR: dir },
    });
    for await (const line of createInterface({ input: child.stdout })) return new Sim(child, JSON.parse(line) as ReadyLine, dir);
    throw new Error("the virtual vehicle ended before it was ready");
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** Warnings and errors it printed. */
  get complaints(): string {
    return this.#stderr;
  }

  async order(body: object): Promise<string> {
    const { orderId } = (await this.#post("/v1/orders", { eid: this.ready.eid, ...body })) as { readonly orderId: string };
    return orderId;
  }

  orderState(id: string): Promise<SimOrder> {
    return this.get(`/v1/orders/${id}`) as Promise<SimOrder>;
  }

  async isOver(id: string): Promise<boolean> {
    return ["done", "failed"].includes((await this.orderState(id)).state);
  }

  fault(settings: object): Promise<unknown> {
    return this.#post("/v1/faults", settings);
  }

  async get(path: string): Promise<unknown> {
    const response = await fetch(`${this.ready.eim.api}${path}`);
    if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`);
    return response.json();
  }

  /** All that the eIM has told of so far. */
  async told(): Promise<readonly SimEvent[]> {
    // A fault set to what it is comes after all that was told before.
    const marks = (): number => this.#events.filter(({ type }) => type === "fault").length;
    const before = marks();
    await this.fault({ eim: { silentRequests: 0 } });
    while (marks() === before) await new Promise<void>((resolve) => this.#listeners.add(resolve));
    return this.#events.filter(({ type }) => type !== "fault");
  }

  async #follow(): Promise<void> {
    const { body } = await fetch(`${this.ready.eim.api}/v1/events`, { signal: this.#stopping.signal });
    if (body === null) return;
    const decoder = new TextDecoder();
    let rest = "";
    for await (const chunk of body) {
      const lines = (rest + decoder.decode(chunk as Uint8Array, { stream: true })).split("\n");
      rest = lines.pop() ?? "";
      this.#events.push(...lines.map((line) => JSON.parse(line) as SimEvent));
      for (const listener of this.#listeners) listener();
      this.#listeners.clear();
    }
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    if (this.#child.exitCode === null) {
      this.#child.kill("SIGTERM");
      await once(this.#child, "close");
    }
    await rm(this.dir, { recursive: true, force: true });
  }

  async #post(path: string, body: object): Promise<unknown> {
    const response = await fetch(`${this.ready.eim.api}${path}`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body),
    });
    if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`);
    return response.json();
  }
}

/** One life of the daemon. */
export interface Life {
  readonly child: ChildProcess;
  /** Lines of its log so far. */
  readonly lines: () => number;
  /** The next line of its log, or its end. */
  next(): Promise<void>;
  readonly ended: Promise<void>;
  readonly over: () => boolean;
}

/** The daemon on the simulator's pty; its state outlives its processes. */
export class Daemon {
  readonly client: ApiClient;
  readonly stateDir: string;
  readonly #bundles: Bundles;
  readonly #config: string;
  #stderr = "";

  private constructor(bundles: Bundles, dir: string) {
    this.#bundles = bundles;
    this.#config = join(dir, "simward.toml");
    this.stateDir = join(dir, "state");
    this.client = createClient(join(dir, "run", "engineer.sock"), 120_000);
  }

  /** In that directory, on that vehicle's pty. `sections`: TOML, on top of what all need. */
  static async create(bundles: Bundles, dir: string, ready: ReadyLine, sections: string): Promise<Daemon> {
    const daemon = new Daemon(bundles, dir);
    const { pty } = ready.modem;
    await writeFile(
      daemon.#config,
      `[modem]\naddress = "pty:${pty}"\n[[apn]]\nname = "bootstrap.iot"\n[[apn]]\nname = "fleet.rheinfunk"\niccid_prefix = "894929"\n[api]\ndir = "${join(dir, "run")}"\n[paths]\nstate = "${daemon.stateDir}"\n${sections}`,
    );
    return daemon;
  }

  /** What its processes printed besides the log. */
  get complaints(): string {
    return this.#stderr;
  }

  start(): Life {
    const child = spawn(process.execPath, [join(this.#bundles.dir, "simwardd.mjs"), "--config", this.#config], {
      stdio: ["ignore", "pipe", "pipe"],
    });
    let lines = 0;
    let over = false;
    const waiting = new Set<() => void>();
    const wake = (): void => {
      for (const one of [...waiting]) one();
      waiting.clear();
    };
    createInterface({ input: child.stdout }).on("line", () => {
      lines++;
      wake();
    });
    child.stderr.on("data", (chunk: Buffer) => {
      this.#stderr += chunk.toString("utf8");
    });
    const ended = once(child, "close").then(() => {
      over = true;
      wake();
    });
    const next = (): Promise<void> => (over ? Promise.resolve() : new Promise((resolve) => waiting.add(resolve)));
    return { child, lines: () => lines, next, ended, over: () => over };
  }

  poll(): Promise<PollResult> {
    return this.client.call("POST", "/v1/eim/poll", {});
  }

  status(): Promise<Status> {
    return this.client.call("GET", "/v1/status");
  }

  async audit(): Promise<readonly AuditRecord[]> {
    const { records } = await this.client.call<{ readonly records: readonly AuditRecord[] }>("GET", "/v1/audit?last=10000");
    return records;
  }

  verify(): Promise<{ readonly ok: boolean }> {
    return this.client.call("GET", "/v1/audit/verification");
  }
}
