// pppd on lines that simward has dialled: one an interface, ended with whoever asked for it, and its end told to them.
import { type ChildProcess, spawn } from "node:child_process";
import { lstat } from "node:fs/promises";
import type { Clock } from "../../base/clock.ts";
import { reasonOf, SimwardError } from "../../base/errors.ts";

export interface PppEnd {
  /** In words: "code 5", "signal SIGTERM", or why it could not be started. */
  readonly how: string;
}

export interface PppOptions {
  readonly pppd: string;
  readonly clock: Clock;
}

interface Running {
  readonly child: ChildProcess;
  readonly owner: object;
  readonly ended: Promise<void>;
}

/** pppd takes its leave of the other side, and gives the line back. */
const leaveMs = 5_000;

export class PppLines {
  readonly #options: PppOptions;
  readonly #running = new Map<string, Running>();

  constructor(options: PppOptions) {
    this.#options = options;
  }

  /** Throws NETD_ARGUMENT when the device is no serial port, NETD_FAILED when pppd cannot be started or one runs on the interface already. */
  async up(name: string, device: string, args: readonly string[], owner: object, onEnd: (end: PppEnd) => void): Promise<void> {
    if (this.#running.has(name)) throw new SimwardError("NETD_FAILED", { detail: `pppd runs on ${name} already` });
    const found = await lstat(device).catch((error: unknown) => {
      throw new SimwardError("NETD_FAILED", { detail: `${device}: ${reasonOf(error)}`, cause: error });
    });
    if (!found.isCharacterDevice()) throw new SimwardError("NETD_ARGUMENT", { detail: `ppp: ${device} is no device of the kernel's` });
    const child = spawn(this.#options.pppd, [...args], { stdio: "ignore", env: {}, cwd: "/" });
    const ended = new Promise<string>((resolve) => {
      child.once("error", (error) => resolve(error.message));
      child.once("exit", (code, signal) => resolve(signal === null ? `code ${code}` : `signal ${signal}`));
    });
    const started = new Promise<void>((resolve) => child.once("spawn", () => resolve()));
    const gone = ended.then(() => {
      this.#running.delete(name);
    });
    this.#running.set(name, { child, owner, ended: gone });
    await Promise.race([started, gone]);
    if (child.pid === undefined) throw new SimwardError("NETD_FAILED", { detail: `pppd: ${await ended}` });
    void ended.then((how) => onEnd({ how }));
  }

  async down(name: string): Promise<void> {
    const running = this.#running.get(name);
    if (running === undefined) return;
    running.child.kill("SIGTERM");
    const cancel = this.#options.clock.after(leaveMs, () => running.child.kill("SIGKILL"));
    await running.ended;
    cancel();
  }

  /** Whoever asked for them is gone. */
  async downOf(owner: object): Promise<void> {
    await Promise.all([...this.#running].map(([name, running]) => (running.owner === owner ? this.down(name) : undefined)));
  }

  async close(): Promise<void> {
    await Promise.all([...this.#running.keys()].map((name) => this.down(name)));
  }
}
