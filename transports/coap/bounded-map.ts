// A map that cannot grow without end: entries leave by age, by number and by weight, the oldest first.
import type { Clock } from "../../base/clock.ts";

export interface BoundedMapLimits<V> {
  readonly maxEntries: number;
  readonly maxAgeMs: number;
  readonly maxBytes?: number;
  readonly bytesOf?: (value: V) => number;
}

interface Entry<V> {
  readonly value: V;
  readonly bytes: number;
  readonly atMs: number;
}

export class BoundedMap<V> {
  readonly #entries = new Map<string, Entry<V>>();
  readonly #clock: Clock;
  readonly #limits: BoundedMapLimits<V>;
  #bytes = 0;

  constructor(clock: Clock, limits: BoundedMapLimits<V>) {
    this.#clock = clock;
    this.#limits = limits;
  }

  get size(): number {
    return this.#entries.size;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Using an entry makes it the youngest. */
  get(key: string): V | undefined {
    const entry = this.#entries.get(key);
    if (entry === undefined) return undefined;
    this.#entries.delete(key);
    if (this.#isOld(entry)) {
      this.#bytes -= entry.bytes;
      return undefined;
    }
    this.#entries.set(key, { ...entry, atMs: this.#clock.monotonicMs() });
    return entry.value;
  }

  /** Sets, weighs anew and makes the entry the youngest. */
  set(key: string, value: V): void {
    this.delete(key);
    const bytes = this.#limits.bytesOf?.(value) ?? 0;
    this.#entries.set(key, { value, bytes, atMs: this.#clock.monotonicMs() });
    this.#bytes += bytes;
    this.sweep();
  }

  delete(key: string): void {
    const entry = this.#entries.get(key);
    if (entry === undefined) return;
    this.#entries.delete(key);
    this.#bytes -= entry.bytes;
  }

  /** The keys of the entries that match, oldest first. */
  keysWhere(matches: (value: V) => boolean): readonly string[] {
    return [...this.#entries].filter(([, entry]) => matches(entry.value)).map(([key]) => key);
  }

  sweep(): void {
    for (const [key, entry] of this.#entries) {
      const tooMuch = this.#entries.size > this.#limits.maxEntries || this.#bytes > (this.#limits.maxBytes ?? Number.POSITIVE_INFINITY);
      if (!tooMuch && !this.#isOld(entry)) return;
      this.delete(key);
    }
  }

  clear(): void {
    this.#entries.clear();
    this.#bytes = 0;
  }

  #isOld(entry: Entry<V>): boolean {
    return this.#clock.monotonicMs() - entry.atMs >= this.#limits.maxAgeMs;
  }
}
