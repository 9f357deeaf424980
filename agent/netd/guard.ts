// Keeps what a verb has set in the kernel as it was set: the kernel's own news (nft monitor, tc monitor) say that something may have changed, a look says
// whether it has, and it is set again at once, without asking anybody; then whoever had asked for it is told. One thing, one guard.
import { type ChildProcess, spawn } from "node:child_process";
import type { Clock, Disposer } from "../../base/clock.ts";
import { asSimwardError } from "../../base/errors.ts";
import { Queue } from "../../base/queue.ts";

export type Alteration = "removed" | "altered" | "unpaced";

export interface Kept {
  readonly interface: string;
  /** Whether these words of the kernel's may be about it. Own changes are among them. */
  concerns(news: string): boolean;
  /** undefined: it is as it was set. */
  look(): Promise<Alteration | undefined>;
  /** again: it was set, and was altered once more at once. gone: it can be set no more (its interface is), and is nobody's any longer. */
  restore(): Promise<"set" | "again" | "gone">;
}

export interface Restored {
  readonly interface: string;
  readonly how: Alteration;
  /** Since the one before was told. */
  readonly times: number;
}

/** A change of what is kept: from then on it is what `keep` was called with last, also where the job then failed (in a fight it may); nothing without. */
export type Change = <T>(job: (keep: (kept: Kept) => void) => Promise<T>) => Promise<T>;

export interface GuardOptions {
  /** The program that tells the kernel's news, with its arguments. */
  readonly monitor: readonly [path: string, ...args: readonly string[]];
  readonly clock: Clock;
  /** Processor time of this process and of the programs it has run. */
  readonly spentMs: () => number;
  readonly log: (line: string) => void;
  readonly tell: (owner: object, restored: Restored) => void;
}

/**
 * Looking and restoring take a fifth of a processor at most, however somebody fights for it; a few at once are borrowed. What they wait for on a busy machine
 * is not their doing: while the fleet passes, nobody rests for that.
 */
const restFactor = 4;
const borrowedMs = 2_000;
/** After one that failed: what made it fail may tell no news. */
const againMs = 250;
const tellEveryMs = 1_000;
const logEveryMs = 60_000;
/** When a monitor that has just been started surely listens; what was altered before that it cannot tell. */
const listeningAfterMs = [100, 1_000] as const;
const restartMs = { first: 100, most: 5_000, wellAfter: 10_000 } as const;
/** Longer than anything that `concerns` looks for: it may come in two pieces. */
const tailLength = 64;

export class Guard {
  readonly #options: GuardOptions;
  readonly #work = new Queue(64);
  #kept: Kept | undefined;
  #owner: object | undefined;
  readonly #gone = new WeakSet<object>();
  #monitor: ChildProcess | undefined;
  #failures = 0;
  #isAsked = false;
  #restUntilMs = 0;
  #times = 0;
  #how: Alteration = "altered";
  #toldMs = Number.NEGATIVE_INFINITY;
  #loggedMs = Number.NEGATIVE_INFINITY;
  readonly #timers = new Map<string, Disposer>();

  constructor(options: GuardOptions) {
    this.#options = options;
  }

  /** Nothing else touches it meanwhile. */
  change(owner: object): Change {
    return (job) =>
      this.#work.run(async () => {
        // Listening before it is set: nothing is missed in between.
        if (this.#kept !== undefined) this.#listen();
        let next: Kept | undefined;
        try {
          return await job((kept) => {
            next = kept;
          });
        } finally {
          this.#kept = this.#gone.has(owner) ? undefined : next;
          this.#owner = owner;
          if (this.#kept === undefined) this.#rest();
          else this.#listen();
        }
      });
  }

  /** Whoever had asked for it is gone: what stands stands, and is root's to take away. */
  release(owner: object): void {
    this.#gone.add(owner);
    if (this.#owner === owner) this.close();
  }

  close(): void {
    this.#kept = undefined;
    this.#owner = undefined;
    this.#times = 0;
    this.#toldMs = Number.NEGATIVE_INFINITY;
    this.#rest();
  }

  // --- the kernel's news -------------------------------------------------------------------------------------------------------

  #listen(): void {
    if (this.#monitor !== undefined || this.#timers.has("restart")) return;
    const { monitor, clock } = this.#options;
    const [path, ...args] = monitor;
    const startedMs = clock.monotonicMs();
    const child = spawn(path, args, { stdio: ["ignore", "pipe", "ignore"], env: {}, cwd: "/" });
    this.#monitor = child;
    let tail = "";
    child.stdout?.setEncoding("utf8").on("data", (chunk: string) => {
      const news = tail + chunk;
      const concerns = this.#kept?.concerns(news) ?? false;
      tail = concerns ? "" : news.slice(-tailLength);
      if (concerns) this.#ask();
    });
    let isOver = false;
    const over = (): void => {
      if (isOver) return;
      isOver = true;
      if (this.#monitor !== child) return;
      this.#monitor = undefined;
      if (this.#kept === undefined) return;
      this.#failures = clock.monotonicMs() - startedMs >= restartMs.wellAfter ? 0 : this.#failures + 1;
      const waitMs = Math.min(restartMs.most, restartMs.first * 2 ** Math.min(this.#failures, 10));
      this.#after("restart", waitMs, () => this.#kept !== undefined && this.#listen());
    };
    child.once("error", over).once("close", over);
    for (const ms of listeningAfterMs)
      this.#after(`listening ${ms}`, ms, () => {
        if (this.#monitor === child) this.#ask();
      });
  }

  #rest(): void {
    for (const cancel of this.#timers.values()) cancel();
    this.#timers.clear();
    this.#isAsked = false;
    this.#failures = 0;
    const child = this.#monitor;
    this.#monitor = undefined;
    child?.kill("SIGKILL");
  }

  #after(what: string, ms: number, fn: () => void): void {
    this.#timers.get(what)?.();
    this.#timers.set(
      what,
      this.#options.clock.after(ms, () => {
        this.#timers.delete(what);
        fn();
      }),
    );
  }

  // --- looking -----------------------------------------------------------------------------------------------------------------

  #ask(): void {
    if (this.#isAsked) return;
    this.#isAsked = true;
    const waitMs = this.#restUntilMs - borrowedMs - this.#options.clock.monotonicMs();
    const look = (): void => void this.#work.run(() => this.#look()).catch((error: unknown) => this.#failed(error));
    if (waitMs <= 0) look();
    else this.#after("look", waitMs, look);
  }

  async #look(): Promise<void> {
    const { clock, spentMs } = this.#options;
    const kept = this.#kept;
    // What is told from here on is another look's.
    this.#isAsked = false;
    if (kept === undefined) return;
    const spentBeforeMs = spentMs();
    try {
      const how = await kept.look();
      if (how === undefined) return;
      const restored = await kept.restore();
      // Whoever had asked for it may have gone meanwhile.
      if (this.#kept !== kept) return;
      if (restored === "gone") {
        this.#kept = undefined;
        this.#rest();
        return;
      }
      this.#tell(kept.interface, how);
      // Its news may have come before it was known what was set.
      if (restored === "again") this.#ask();
    } finally {
      this.#restUntilMs = Math.max(this.#restUntilMs, clock.monotonicMs()) + restFactor * (spentMs() - spentBeforeMs);
    }
  }

  #tell(name: string, how: Alteration): void {
    const { clock, log, tell } = this.#options;
    this.#times++;
    this.#how = how;
    const nowMs = clock.monotonicMs();
    if (nowMs - this.#loggedMs >= logEveryMs) {
      this.#loggedMs = nowMs;
      log(`${name}: another program's doing: ${how}; restored`);
    }
    const say = (): void => {
      const owner = this.#owner;
      const times = this.#times;
      this.#times = 0;
      this.#toldMs = clock.monotonicMs();
      if (owner !== undefined && times > 0) tell(owner, { interface: name, how: this.#how, times });
    };
    const waitMs = this.#toldMs + tellEveryMs - nowMs;
    if (waitMs <= 0) say();
    else if (!this.#timers.has("tell")) this.#after("tell", waitMs, say);
  }

  /** The daemon's own look is the second net. */
  #failed(error: unknown): void {
    if (this.#kept !== undefined) this.#after("again", againMs, () => this.#ask());
    const nowMs = this.#options.clock.monotonicMs();
    if (nowMs - this.#loggedMs < logEveryMs) return;
    this.#loggedMs = nowMs;
    this.#options.log(`could not be restored: ${asSimwardError(error).message.replaceAll("\n", "; ")}`);
  }
}
