// A program that tells the kernel's news (nft monitor, tc monitor, ip monitor): runs while somebody listens, and is started again whatever ends it.
import { type ChildProcess, spawn } from "node:child_process";
import type { Clock, Disposer } from "../../base/clock.ts";

export type MonitorProgram = readonly [path: string, ...args: readonly string[]];

export interface MonitorOptions {
  readonly program: MonitorProgram;
  readonly clock: Clock;
  /** The last of what was told: words may come in two pieces. Answers whether it was of interest, and need not be told again. */
  readonly onNews: (news: string) => boolean;
  /** It surely listens now; what was altered before that it could not tell. */
  readonly onListening: () => void;
}

const listeningAfterMs = [100, 1_000] as const;
const restartMs = { first: 100, most: 5_000, wellAfter: 10_000 } as const;
/** Longer than anything that is looked for. */
const tailLength = 64;

export class Monitor {
  readonly #options: MonitorOptions;
  #child: ChildProcess | undefined;
  #isWanted = false;
  #failures = 0;
  #cancelRestart: Disposer | undefined;
  #listening: readonly Disposer[] = [];

  constructor(options: MonitorOptions) {
    this.#options = options;
  }

  start(): void {
    this.#isWanted = true;
    if (this.#child !== undefined || this.#cancelRestart !== undefined) return;
    const { program, clock, onNews, onListening } = this.#options;
    const [path, ...args] = program;
    const startedMs = clock.monotonicMs();
    const child = spawn(path, args, { stdio: ["ignore", "pipe", "ignore"], env: {}, cwd: "/" });
    this.#child = child;
    let tail = "";
    child.stdout?.setEncoding("utf8").on("data", (chunk: string) => {
      const news = tail + chunk;
      tail = onNews(news) ? "" : news.slice(-tailLength);
    });
    const over = (): void => {
      if (this.#child !== child) return;
      this.#child = undefined;
      if (!this.#isWanted) return;
      this.#failures = clock.monotonicMs() - startedMs >= restartMs.wellAfter ? 0 : this.#failures + 1;
      const waitMs = Math.min(restartMs.most, restartMs.first * 2 ** Math.min(this.#failures, 10));
      this.#cancelRestart = clock.after(waitMs, () => {
        this.#cancelRestart = undefined;
        this.start();
      });
    };
    child.once("error", over).once("close", over);
    for (const cancel of this.#listening) cancel();
    this.#listening = listeningAfterMs.map((ms) => clock.after(ms, () => this.#child === child && onListening()));
  }

  stop(): void {
    this.#isWanted = false;
    this.#failures = 0;
    this.#cancelRestart?.();
    this.#cancelRestart = undefined;
    for (const cancel of this.#listening) cancel();
    this.#listening = [];
    const child = this.#child;
    this.#child = undefined;
    child?.kill("SIGKILL");
  }
}
