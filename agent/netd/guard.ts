// Keeps what a verb has set in the kernel as it was set: the kernel's own news (nft monitor, tc monitor) say that something may have changed, a look says
// whether it has, and it is set again at once, without asking anybody; then whoever had asked for it is told. One thing, one guard.
import type { Clock, Disposer } from "../../base/clock.ts";
import { asSimwardError } from "../../base/errors.ts";
import { Queue } from "../../base/queue.ts";
import { Monitor, type MonitorProgram } from "./monitor.ts";

export type Alteration = "removed" | "altered" | "unpaced";

export interface Kept {
  readonly interface: string;
  /** Whether these words of the kernel's may be about it. Own changes are among them. */
  concerns(news: string): boolean;
  /** undefined: it is as it was set. new: nobody's doing (its interface is another one), but it is to be set. */
  look(): Promise<Alteration | "new" | undefined>;
  /** again: it was set, and was altered once more at once. gone: what it is set on has just gone. */
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
  /** The programs that tell the kernel's news. */
  readonly monitors: readonly MonitorProgram[];
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

export class Guard {
  readonly #options: GuardOptions;
  readonly #work = new Queue(64);
  #kept: Kept | undefined;
  #owner: object | undefined;
  readonly #gone = new WeakSet<object>();
  readonly #monitors: readonly Monitor[];
  #isAsked = false;
  #restUntilMs = 0;
  #times = 0;
  #how: Alteration = "altered";
  #toldMs = Number.NEGATIVE_INFINITY;
  #loggedMs = Number.NEGATIVE_INFINITY;
  readonly #timers = new Map<string, Disposer>();

  constructor(options: GuardOptions) {
    this.#options = options;
    const { monitors, clock } = options;
    const onNews = (news: string): boolean => {
      const concerns = this.#kept?.concerns(news) ?? false;
      if (concerns) this.#ask();
      return concerns;
    };
    const onListening = (): void => this.#ask();
    this.#monitors = monitors.map((program) => new Monitor({ program, clock, onNews, onListening }));
  }

  /** Nothing else touches it meanwhile. */
  change(owner: object): Change {
    return (job) =>
      this.#work.run(async () => {
        // What another program has done until now is told, and not covered by what comes.
        await this.#look().catch((error: unknown) => this.#failed(error));
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

  #listen(): void {
    for (const one of this.#monitors) one.start();
  }

  #rest(): void {
    for (const cancel of this.#timers.values()) cancel();
    this.#timers.clear();
    this.#isAsked = false;
    for (const one of this.#monitors) one.stop();
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
      if (restored !== "gone" && how !== "new") this.#tell(kept.interface, how);
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
