// The pseudo terminal peer (pty-peer.mjs) as tests drive it: an order a line, an answer a line.
import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";

export class Peer {
  readonly #process: ChildProcess;
  readonly #lines: AsyncIterator<string>;

  constructor() {
    this.#process = spawn(process.execPath, [new URL("pty-peer.mjs", import.meta.url).pathname], { stdio: ["pipe", "pipe", "inherit"] });
    if (this.#process.stdout === null) throw new Error("no pipe");
    this.#lines = createInterface({ input: this.#process.stdout })[Symbol.asyncIterator]();
  }

  get pid(): number {
    return this.#process.pid ?? 0;
  }

  async order(line: string): Promise<string> {
    this.#process.stdin?.write(`${line}\n`);
    return String((await this.#lines.next()).value);
  }

  /** Resolves when it is gone, and with it what it held. */
  end(signal?: "SIGKILL"): Promise<void> {
    const gone = new Promise<void>((resolve) => this.#process.once("exit", () => resolve()));
    if (signal === undefined) this.#process.stdin?.end();
    else this.#process.kill(signal);
    return gone;
  }
}
