// The programs as processes, bundled from the sources as they are: simward-sim, simwardd and simward in a directory of their own.
import { type ChildProcess, spawn } from "node:child_process";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Status } from "../../agent/api/types.ts";
import { createClient } from "../../agent/cli/client.ts";
import { SystemClock } from "../../base/clock.ts";
import type { ReadyLine } from "../../hw-sim/vehicle.ts";

export type ProgramName = "simward-sim" | "simwardd" | "simward";

/** A program that runs, or ran. */
export interface Process {
  readonly child: ChildProcess;
  readonly stdout: () => string;
  readonly stderr: () => string;
  /** Resolves when either stream has printed this; rejects with all it printed when the program ends before. */
  printed(pattern: RegExp): Promise<string>;
  /** Exit code, or the name of the signal. */
  readonly ended: Promise<number | string>;
}

const clock = new SystemClock();

/** All that a person types; every test gets a directory of its own from `ProgramBench.create`. */
export const allPrograms = { simwardd: "agent/daemon.ts", simward: "agent/cli/program.ts", "simward-sim": "hw-sim/main.ts" } as const;

export class ProgramBench {
  readonly dir: string;
  readonly #bundles: string;
  readonly #processes: Process[] = [];

  private constructor(bundles: string, dir: string) {
    this.#bundles = bundles;
    this.dir = dir;
  }

  static async create(bundles: string): Promise<ProgramBench> {
    const dir = await mkdtemp(join(tmpdir(), "simward-e2e-"));
    await mkdir(join(dir, "tmp"));
    return new ProgramBench(bundles, dir);
  }

  /** Ends what still runs, whatever it is doing. */
  async close(): Promise<void> {
    for (const one of this.#processes) one.child.kill("SIGKILL");
    await Promise.all(this.#processes.map(({ ended }) => ended));
    await rm(this.dir, { recursive: true, force: true });
  }

  start(name: ProgramName, ...args: readonly string[]): Process {
    const child = spawn(process.execPath, [join(this.#bundles, `${name}.mjs`), ...args], {
      cwd: this.dir,
      stdio: ["ignore", "pipe", "pipe"],
      env: { ...process.env, TMPDIR: join(this.dir, "tmp"), SIMWARD_API_DIR: join(this.dir, "run"), COLUMNS: "" },
    });
    const text = { stdout: "", stderr: "" };
    let result: number | string | undefined;
    const waiting = new Set<() => void>();
    const wake = (): void => {
      for (const check of [...waiting]) check();
    };
    for (const stream of ["stdout", "stderr"] as const)
      child[stream].on("data", (chunk: Buffer) => {
        text[stream] += chunk.toString("utf8");
        wake();
      });
    const ended = new Promise<number | string>((resolve) => {
      child.once("close", (code, signal) => {
        result = code ?? signal ?? "";
        wake();
        resolve(result);
      });
    });
    const started: Process = {
      child,
      stdout: () => text.stdout,
      stderr: () => text.stderr,
      ended,
      printed: (pattern) =>
        new Promise((resolve, reject) => {
          const check = (): void => {
            const all = text.stdout + text.stderr;
            if (pattern.test(all)) resolve(all);
            else if (result === undefined) return;
            else reject(new Error(`${name} ended with ${result} and never printed ${pattern}:\n${all}`));
            waiting.delete(check);
          };
          waiting.add(check);
          check();
        }),
    };
    this.#processes.push(started);
    return started;
  }

  /** Runs a program to its end. */
  async run(
    name: ProgramName,
    ...args: readonly string[]
  ): Promise<{ readonly code: number | string; readonly stdout: string; readonly stderr: string }> {
    const { ended, stdout, stderr } = this.start(name, ...args);
    return { code: await ended, stdout: stdout(), stderr: stderr() };
  }

  /** The command line on this bench's daemon. */
  simward(...args: readonly string[]): ReturnType<ProgramBench["run"]> {
    return this.run("simward", ...args, "--state-dir", join(this.dir, "state"));
  }

  async sim(...args: readonly string[]): Promise<SimProcess> {
    const child = this.start("simward-sim", "run", "--log-level", "error", ...args);
    const ready = JSON.parse((await child.printed(/\n/)).split("\n")[0] ?? "") as ReadyLine;
    return new SimProcess(child, ready);
  }

  /** Writes a configuration of this bench; answers its path. */
  async config(address: string, more = "", places: { readonly run?: string; readonly state?: string } = {}): Promise<string> {
    const path = join(this.dir, `simward-${places.run ?? "run"}-${places.state ?? "state"}.toml`);
    const run = join(this.dir, places.run ?? "run");
    const state = join(this.dir, places.state ?? "state");
    const apns = `[[apn]]\nname = "bootstrap.iot"\n[[apn]]\nname = "fleet.rheinfunk"\niccid_prefix = "894929"\n`;
    await writeFile(path, `[modem]\naddress = "${address}"\n${apns}[api]\ndir = "${run}"\n[paths]\nstate = "${state}"\n${more}`);
    return path;
  }

  /** Starts the daemon and waits until it is ready. */
  async daemon(config: string): Promise<Process> {
    const daemon = this.start("simwardd", "--config", config);
    await daemon.printed(/simwardd is ready/);
    return daemon;
  }

  /** Asks the daemon until the answer is so; over its API, as starting a program for each question would keep the machine busy. */
  status(isSo: (status: Status) => boolean): Promise<Status> {
    const api = createClient(join(this.dir, "run", "viewer.sock"), 10_000);
    return until(() => api.call<Status>("GET", "/v1/status"), isSo);
  }

  /** A vehicle that has been online, and whose daemon was stopped since; answers its configuration's path. */
  async parked(port: "tcp" | "pty"): Promise<string> {
    const sim = await this.sim("--modem", port);
    const config = await this.config(`${port}:${sim.ready.modem[port]}`);
    const daemon = await this.daemon(config);
    await this.online();
    daemon.child.kill("SIGTERM");
    await daemon.ended;
    return config;
  }

  online(): Promise<Status> {
    return this.status(({ network, eims }) => network.address !== undefined && eims.length > 0);
  }
}

export class SimProcess {
  readonly process: Process;
  readonly ready: ReadyLine;

  constructor(process: Process, ready: ReadyLine) {
    this.process = process;
    this.ready = ready;
  }

  async order(order: object): Promise<() => Promise<{ readonly state: string; readonly [key: string]: unknown }>> {
    const { orderId } = (await this.#send("/v1/orders", { eid: this.ready.eid, ...order })) as { readonly orderId: string };
    return async () => (await (await fetch(`${this.ready.eim.api}/v1/orders/${orderId}`)).json()) as { readonly state: string };
  }

  async fault(faults: object): Promise<void> {
    await this.#send("/v1/faults", faults);
  }

  async get(path: string): Promise<unknown> {
    return (await fetch(`${this.ready.eim.api}${path}`)).json();
  }

  /** "LPA:1$…" for one of the scenario's offers. */
  activationCode(matchingId: string): string {
    return `LPA:1$${new URL(this.ready.smdp.https).host}$${matchingId}`;
  }

  async #send(path: string, body: object): Promise<unknown> {
    const response = await fetch(`${this.ready.eim.api}${path}`, { method: "POST", body: JSON.stringify(body) });
    if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`);
    return response.json();
  }
}

/** Asks until the answer is so. */
export async function until<T>(ask: () => Promise<T>, isSo: (answer: T) => boolean): Promise<T> {
  for (;;) {
    const answer = await ask();
    if (isSo(answer)) return answer;
    await clock.sleep(50);
  }
}
