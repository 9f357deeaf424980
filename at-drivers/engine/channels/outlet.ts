// What all channels do alike: give octets out, keep those that came before anybody listened, and end once.
import type { Disposer } from "../../../base/clock.ts";
import { SimwardError } from "../../../base/errors.ts";
import type { ChannelEnd } from "../types.ts";

export class Outlet {
  readonly #address: string;
  readonly #listeners = new Set<(octets: Uint8Array) => void>();
  #early: Uint8Array[] = [];
  #end: ChannelEnd | undefined;
  #resolve: (end: ChannelEnd) => void = () => undefined;
  readonly closed: Promise<ChannelEnd>;

  constructor(address: string) {
    this.#address = address;
    this.closed = new Promise((resolve) => {
      this.#resolve = resolve;
    });
  }

  get ended(): boolean {
    return this.#end !== undefined;
  }

  onData(fn: (octets: Uint8Array) => void): Disposer {
    this.#listeners.add(fn);
    for (const octets of this.#early.splice(0)) fn(octets);
    return () => {
      this.#listeners.delete(fn);
    };
  }

  give(octets: Uint8Array): void {
    if (this.#listeners.size === 0) this.#early.push(octets);
    for (const fn of this.#listeners) fn(octets);
  }

  /** The first reason counts. Answers whether this was it; `release` ends before `closed` resolves. */
  end(end: ChannelEnd, release: () => Promise<void>): boolean {
    if (this.#end !== undefined) return false;
    this.#end = end;
    void release().finally(() => {
      this.#early = [];
      this.#resolve(end);
    });
    return true;
  }

  /** For a write to a channel that has ended. */
  refusal(): SimwardError {
    return new SimwardError("PORT_CLOSED", { detail: `${this.#address}: ${this.#end?.kind ?? "closed"}`, cause: this.#end?.cause });
  }
}
