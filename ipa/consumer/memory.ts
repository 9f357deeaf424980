// What an SGP.32 eUICC keeps in its own memory and a consumer eUICC does not: eIMs with counter and token, package results, the package under way.
// One record an EID, so that a card that is taken out and put back finds its counters. Written before each effect on the card.
import { asSimwardError, SimwardError } from "../../base/errors.ts";
import type { Journal } from "../ports.ts";

/** One associated eIM. */
export interface StoredEim {
  readonly eimId: string;
  /** EimConfigurationData without counter and token, DER, base64. */
  readonly configuration: string;
  /** Of the last package accepted. */
  readonly counterValue: number;
  readonly associationToken?: number | undefined;
}

/** A package between its first operation and its result. */
export interface Execution {
  readonly eimId: string;
  readonly counterValue: number;
  /** Hex. */
  readonly eimTransactionId?: string | undefined;
  /** EuiccResultData of the operations done, base64. */
  readonly results: readonly string[];
  /** The operation that was begun and whose result is not written yet; ICCID as digits. */
  readonly begun?: { readonly kind: string; readonly iccid?: string | undefined } | undefined;
}

export interface StoredResult {
  readonly seqNumber: number;
  /** EuiccPackageResult, base64. */
  readonly tlv: string;
}

/** The way back that an enable with rollbackFlag has left open (SGP.32 §3.3.2). */
export interface Rollback {
  /** Digits. */
  readonly toIccid: string;
  /** Of the package that left it open; absent until that package has its result. */
  readonly execution?: Execution | undefined;
  readonly seqNumber?: number | undefined;
  /** ProfileRollback has begun: whether it is done is to be read from the card. */
  readonly begun?: boolean | undefined;
}

export interface CardMemory {
  /** Digits. */
  readonly eid: string;
  /** Its first eIMs were put in, or somebody decided otherwise: the configured ones are not put in again, or a counter would begin anew. */
  readonly initialised: boolean;
  /** The card's one counter of association tokens. */
  readonly tokenCounter: number;
  /** Of package results given so far. */
  readonly resultCounter: number;
  readonly eims: readonly StoredEim[];
  readonly results: readonly StoredResult[];
  readonly execution?: Execution | undefined;
  readonly rollback?: Rollback | undefined;
}

interface Content {
  readonly version: 1;
  /** The one used last is the last. */
  readonly cards: readonly CardMemory[];
}

/** So many different cards are remembered. One that has eIMs is never forgotten for another: its counters would begin anew. */
export const maxCards = 8;
/** Results beyond this are dropped, oldest first: an eIM that never acknowledges must not fill the flash. */
export const maxResults = 32;

export class ConsumerMemory {
  readonly #port: Journal;
  #content: Content;
  #eid: string;

  private constructor(port: Journal, content: Content, eid: string) {
    this.#port = port;
    this.#content = content;
    this.#eid = eid;
  }

  /** Throws CONSUMER_MEMORY when there is no room for one card more, or what was kept cannot be understood. */
  static async open(port: Journal, eid: string): Promise<ConsumerMemory> {
    const content = understood(await port.load());
    const known = content.cards.find((card) => card.eid === eid);
    if (known === undefined && content.cards.filter(({ eims }) => eims.length > 0).length >= maxCards)
      throw new SimwardError("CONSUMER_MEMORY", { detail: `${maxCards} other cards have eIMs already` });
    return new ConsumerMemory(port, content, eid);
  }

  get card(): CardMemory {
    return this.#content.cards.find((card) => card.eid === this.#eid) ?? blank(this.#eid);
  }

  /** Durable when it resolves; when it throws, nothing has changed. Throws DISK_WRITE. */
  async update(change: (card: CardMemory) => CardMemory): Promise<void> {
    const before = this.card;
    const changed = change(before);
    if (changed === before) return;
    const card: CardMemory = { ...changed, results: changed.results.slice(-maxResults) };
    const others = this.#content.cards.filter(({ eid }) => eid !== this.#eid);
    // Those without eIMs make room, oldest first.
    while (others.length >= maxCards) {
      const empty = others.findIndex(({ eims }) => eims.length === 0);
      if (empty < 0) throw new SimwardError("CONSUMER_MEMORY", { detail: `${maxCards} other cards have eIMs already` });
      others.splice(empty, 1);
    }
    const content: Content = { version: 1, cards: [...others, card] };
    try {
      await this.#port.save(content);
    } catch (error) {
      throw asSimwardError(error, "DISK_WRITE");
    }
    this.#content = content;
  }
}

function blank(eid: string): CardMemory {
  return { eid, initialised: false, tokenCounter: 0, resultCounter: 0, eims: [], results: [] };
}

/** Counters that cannot be read are no counters of zero: a package from before would be obeyed once more. Throws CONSUMER_MEMORY. */
function understood(loaded: unknown): Content {
  if (loaded === undefined || loaded === null) return { version: 1, cards: [] };
  const { version, cards } = loaded as { readonly version?: unknown; readonly cards?: unknown };
  if (version !== 1 || !Array.isArray(cards) || !cards.every(isCard))
    throw new SimwardError("CONSUMER_MEMORY", { detail: "what was kept of eIMs and counters is of another make" });
  return { version: 1, cards };
}

function isCard(value: unknown): value is CardMemory {
  if (typeof value !== "object" || value === null) return false;
  const { eid, eims, results, tokenCounter, resultCounter } = value as Partial<Record<keyof CardMemory, unknown>>;
  return (
    typeof eid === "string" &&
    Array.isArray(eims) &&
    eims.every((eim: Partial<StoredEim>) => typeof eim.eimId === "string" && Number.isSafeInteger(eim.counterValue)) &&
    Array.isArray(results) &&
    Number.isSafeInteger(tokenCounter) &&
    Number.isSafeInteger(resultCounter)
  );
}
