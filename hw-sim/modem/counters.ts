// The module's own count of what its sessions carried: figures that begin anew, are saved or kept by the make's habit, and may be wrong on purpose.
import type { Traffic } from "./module.ts";

/** What a counter shows behind a start: nothing; what was saved last; all of it. */
export type CounterHabit = "lost" | "saved" | "kept";

export interface CounterOptions {
  readonly habit: CounterHabit;
  /** Ever carried, whatever the module makes of it. */
  readonly traffic: () => Traffic;
  /** Percent that it counts too much; less than zero: too little. */
  readonly driftPercent: () => number;
  /** Figures are of so many bits. */
  readonly bits: number;
}

const none: Traffic = { sentBytes: 0, receivedBytes: 0 };

export class DataCounters {
  readonly #options: CounterOptions;
  /** Counted up to `#seen`. */
  #counted = none;
  /** Of the traffic, when it was looked at last: drift is of what passes from then on. */
  #seen = none;
  #saved = none;
  /** What it had counted when the last context came up. */
  #sessionFrom = none;

  constructor(options: CounterOptions) {
    this.#options = options;
  }

  /** In total, as far as the make keeps it. */
  get total(): Traffic {
    this.#look();
    return this.#shown(this.#counted);
  }

  /** Since `beginSession`. */
  get session(): Traffic {
    this.#look();
    return this.#shown(minus(this.#counted, this.#sessionFrom));
  }

  beginSession(): void {
    this.#look();
    this.#sessionFrom = this.#counted;
  }

  reset(): void {
    this.#look();
    this.#counted = none;
    this.#sessionFrom = none;
  }

  save(): void {
    this.#look();
    this.#saved = this.#counted;
  }

  /** The module starts. What is on the way meanwhile is nobody's. */
  started(): void {
    this.#look();
    const { habit } = this.#options;
    if (habit !== "kept") this.#counted = habit === "saved" ? this.#saved : none;
    this.#sessionFrom = this.#counted;
  }

  #look(): void {
    const now = this.#options.traffic();
    const passed = minus(now, this.#seen);
    this.#seen = { ...now };
    const factor = 1 + this.#options.driftPercent() / 100;
    this.#counted = {
      sentBytes: this.#counted.sentBytes + passed.sentBytes * factor,
      receivedBytes: this.#counted.receivedBytes + passed.receivedBytes * factor,
    };
  }

  #shown({ sentBytes, receivedBytes }: Traffic): Traffic {
    const wrap = 2 ** this.#options.bits;
    return { sentBytes: Math.floor(sentBytes) % wrap, receivedBytes: Math.floor(receivedBytes) % wrap };
  }
}

function minus(a: Traffic, b: Traffic): Traffic {
  return { sentBytes: Math.max(0, a.sentBytes - b.sentBytes), receivedBytes: Math.max(0, a.receivedBytes - b.receivedBytes) };
}
