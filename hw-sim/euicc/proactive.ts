// The one proactive command this card has: REFRESH after a switch of profile (ETSI TS 102 223 §6.4.7), from the moment it is wanted to
// the terminal's answer.
import { concatBytes } from "../../base/bytes.ts";
import type { Disposer } from "../../base/clock.ts";
import { contentOf, readTlvs } from "../../ipa/asn1/tlv.ts";

type State = "none" | "announced" | "fetched";

export class ProactiveSession {
  #state: State = "none";
  #qualifier = 0;
  #number = 0;
  readonly #listeners = new Set<(qualifier: number) => void>();

  /** Octets of the command that waits to be fetched; 0 when none does. */
  get waitingBytes(): number {
    return this.#state === "announced" ? this.#command().length : 0;
  }

  onRefresh(fn: (qualifier: number) => void): Disposer {
    this.#listeners.add(fn);
    return () => void this.#listeners.delete(fn);
  }

  announce(qualifier: number): void {
    this.#state = "announced";
    this.#qualifier = qualifier;
    this.#number = (this.#number % 254) + 1;
    for (const listener of [...this.#listeners]) listener(qualifier);
  }

  /** FETCH */
  fetch(): Uint8Array | undefined {
    if (this.#state !== "announced") return undefined;
    this.#state = "fetched";
    return this.#command();
  }

  /** TERMINAL RESPONSE: done, to be tried again, or not of the command that was fetched. */
  respond(response: Uint8Array): "done" | "again" | "refused" {
    if (this.#state !== "fetched") return "refused";
    const parts = new Map(safeTlvs(response).map((tlv) => [tlv.tag & 0x7f, contentOf(tlv)]));
    const details = parts.get(0x01);
    const result = parts.get(0x03)?.[0];
    if (details?.[0] !== this.#number || details[1] !== 0x01 || result === undefined) return "refused";
    // General results 2x ask to try again (ETSI TS 102 223 §8.12).
    this.#state = result >> 4 === 2 ? "announced" : "none";
    return this.#state === "announced" ? "again" : "done";
  }

  reset(): void {
    this.#state = "none";
  }

  /** Command details REFRESH, device identities UICC to terminal. */
  #command(): Uint8Array {
    const body = Uint8Array.of(0x81, 0x03, this.#number, 0x01, this.#qualifier, 0x82, 0x02, 0x81, 0x82);
    return concatBytes(Uint8Array.of(0xd0, body.length), body);
  }
}

function safeTlvs(data: Uint8Array) {
  try {
    return readTlvs(data);
  } catch {
    return [];
  }
}
