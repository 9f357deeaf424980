// The card's proactive commands (ETSI TS 102 223 §6): REFRESH after a switch of profile, and what a card with a toolkit sets itself up with.
// One after the other, each from the moment it is wanted to the terminal's answer.
import { concatBytes } from "../../base/bytes.ts";
import type { Disposer } from "../../base/clock.ts";
import { contentOf, readTlvs } from "../../ipa/asn1/tlv.ts";

/** ETSI TS 102 223 §9.4 */
const commandType = { refresh: 0x01, setUpEventList: 0x05, provideLocalInformation: 0x26 } as const;

interface Command {
  readonly type: number;
  readonly qualifier: number;
  /** Further data objects. */
  readonly objects: Uint8Array;
  readonly number: number;
}

/** What a card wants of a terminal that says it can (TERMINAL PROFILE, §5.2: octet and bit, from 1). */
const setUp: readonly { readonly octet: number; readonly bit: number; readonly command: Omit<Command, "number"> }[] = [
  // Events: location status, and data available and channel status of the bearer independent protocol.
  {
    octet: 5,
    bit: 1,
    command: { type: commandType.setUpEventList, qualifier: 0x00, objects: Uint8Array.of(0x99, 0x03, 0x03, 0x09, 0x0a) },
  },
  // Qualifier 01: the IMEI, so that the SM-SR hears of another device.
  { octet: 4, bit: 7, command: { type: commandType.provideLocalInformation, qualifier: 0x01, objects: new Uint8Array(0) } },
];

export class ProactiveSession {
  #queue: Command[] = [];
  #fetched = false;
  #number = 0;
  readonly #listeners = new Set<(qualifier: number) => void>();

  /** Octets of the command that waits to be fetched; 0 when none does. */
  get waitingBytes(): number {
    const [first] = this.#queue;
    return first === undefined || this.#fetched ? 0 : octetsOf(first).length;
  }

  onRefresh(fn: (qualifier: number) => void): Disposer {
    this.#listeners.add(fn);
    return () => void this.#listeners.delete(fn);
  }

  /** REFRESH comes before all else: what else was wanted is wanted anew after it. */
  announceRefresh(qualifier: number): void {
    this.#queue = [];
    this.#fetched = false;
    this.#announce({ type: commandType.refresh, qualifier, objects: new Uint8Array(0) });
    for (const listener of [...this.#listeners]) listener(qualifier);
  }

  /** TERMINAL PROFILE: sets up what that terminal can. */
  setUp(profile: Uint8Array): void {
    for (const { octet, bit, command } of setUp) if (((profile[octet - 1] ?? 0) & (1 << (bit - 1))) !== 0) this.#announce(command);
  }

  /** FETCH */
  fetch(): Uint8Array | undefined {
    const [first] = this.#queue;
    if (first === undefined || this.#fetched) return undefined;
    this.#fetched = true;
    return octetsOf(first);
  }

  /** TERMINAL RESPONSE: the REFRESH is done, something else is, it is to be tried again, or it is not of the command that was fetched. */
  respond(response: Uint8Array): "refreshed" | "done" | "again" | "refused" {
    const [first] = this.#queue;
    if (first === undefined || !this.#fetched) return "refused";
    const parts = new Map(safeTlvs(response).map((tlv) => [tlv.tag & 0x7f, contentOf(tlv)]));
    const details = parts.get(0x01);
    const result = parts.get(0x03)?.[0];
    if (details?.[0] !== first.number || details[1] !== first.type || result === undefined) return "refused";
    this.#fetched = false;
    // General results 2x ask to try again (ETSI TS 102 223 §8.12).
    if (result >> 4 === 2) return "again";
    this.#queue.shift();
    return first.type === commandType.refresh ? "refreshed" : "done";
  }

  reset(): void {
    this.#queue = [];
    this.#fetched = false;
  }

  #announce(command: Omit<Command, "number">): void {
    this.#number = (this.#number % 254) + 1;
    this.#queue.push({ ...command, number: this.#number });
  }
}

/** Command details, device identities UICC to terminal, and the rest. */
function octetsOf({ number, type, qualifier, objects }: Command): Uint8Array {
  const body = concatBytes(Uint8Array.of(0x81, 0x03, number, type, qualifier, 0x82, 0x02, 0x81, 0x82), objects);
  return concatBytes(Uint8Array.of(0xd0, body.length), body);
}

function safeTlvs(data: Uint8Array) {
  try {
    return readTlvs(data);
  } catch {
    return [];
  }
}
