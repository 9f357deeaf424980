// What the IPA must not forget: the operation under way, answers not yet delivered, what eIMs must be told. Written before and after every act.
// The eUICC is the database of record for signed results and notifications; the journal holds only what the card does not.
//
// Power cut …                                        | on the card                     | after the restart
// ---------------------------------------------------|---------------------------------|------------------------------------------------------------
// a package has come, nothing is written             | nothing                         | the eIM offers it again, as it got no result
// P1 "loading" written, not loaded                   | nothing                         | no stored result: the package of the journal is loaded
// P2 loaded, "loading" still written                 | result stored                   | the stored result is found by eIM and counter, never loaded again
// P3 loaded, the card's answer was an error          | nothing                         | loaded again: the same error, as no counter was used up
// P4 "adopting" written, module not switched         | new profile enabled             | the module adopts it; the way back counts from there
// P5 "reporting" written, report not sent            | result stored                   | module adopts what is enabled, then the report goes out
// P6 report taken, acknowledgement not written       | result stored                   | the same result goes out again; the eIM knows its number
// P7 "rollingBack" written, not rolled back          | new profile enabled             | rolled back, as the decision stands
// P8 rolled back, "rollingBack" still written        | result replaced                 | the stored result says so: not rolled back again
// P9 "returning" written                             | old profile enabled             | the module adopts the old one, then the report goes out
// P10 "acknowledging" written, some removed          | some removed                    | all are removed again; nothingToDelete is no error
// D1 a trigger has come, "initiating" written        | nothing                         | begun anew, ten times at most
// D2 in the session, before the installation         | session lost with its power     | no result of it on the card: begun anew, ten times at most
// D3 installed, "loading" still written              | ProfileInstallationResult       | found by transaction id: goes to the eIM
// D4 "notifying" written, sent or not                | ProfileInstallationResult       | goes to the eIM (again), then removed
// D5 "removing" written                              | PIR or not                      | removed (again)
// Q1 a data request has come                         | nothing                         | answered anew
// L1 "ordering" written, the card not told           | nothing                         | not ordered: whoever decides does so anew
// L2 the card told, "ordering" still written         | another profile enabled         | seen by the ICCID: the module adopts it, the eIMs are told
// L3 "adopting" written, module not switched         | another profile enabled         | the module adopts it, the eIMs are told
// O1 an answer that no card keeps could not be sent  | nothing                         | in the outbox, sent at the next poll
// S1 another eIM is to be told of a change           | the change                      | still to be told: cleared only when an eIM has answered

import type { Clock } from "../../base/clock.ts";
import { asSimwardError } from "../../base/errors.ts";
import { type BindingMemory, type BindingName, bindingNames } from "../esipa/bindings.ts";
import type { ToldFacts } from "../esipa/compact.ts";
import type { ToldMemory } from "../esipa/minimizer.ts";
import type { DownloadState } from "../machines/download.ts";
import { type LocalSwitchState, localSwitches } from "../machines/local-switch.ts";
import type { PackageState } from "../machines/package.ts";
import type { ProfileOrderState } from "../machines/profile-order.ts";
import type { StateChangeCause } from "../messages/esipa.ts";
import type { Journal } from "../ports.ts";
import type { CardClass } from "./card-class.ts";

/** An IpaEuiccDataRequest being answered. */
export interface DataRequestState {
  readonly kind: "ipaEuiccData";
  readonly phase: "answering";
  readonly eimId: string;
  /** BF52, base64. */
  readonly request: string;
  readonly sha256: string;
}

export type Operation = PackageState | DownloadState | DataRequestState | ProfileOrderState;

/** An answer that only the IPA holds: a BF50, base64. */
export interface OutboxEntry {
  readonly eimId: string;
  readonly message: string;
  /** About a direct download: it goes by HandleNotification, or by itself to an eIM that will not have it so (SGP.32 §3.2.3.1). */
  readonly direct?: true;
}

export interface JournalContent {
  readonly version: 1;
  readonly operation: Operation | undefined;
  /** A change of profile of our own doing; it has its own place, since it is what helps an operation that waits for a path. */
  readonly localSwitch: LocalSwitchState | undefined;
  readonly outbox: readonly OutboxEntry[];
  /** By eimId: what that eIM must be told at its next GetEimPackage. */
  readonly stateChanges: Readonly<Record<string, StateChangeCause>>;
  /** Digits; null when none was. Undefined before it was first read. */
  readonly enabledIccid: string | null | undefined;
  /** By sequence number of a ProfileInstallationResult not yet delivered: the eIM that relayed its download, and so must relay it. */
  readonly relays: Readonly<Record<string, string>>;
  /** By eimId: the binding that worked last, and since when (wall clock, ms). */
  readonly bindings: Readonly<Record<string, KnownBinding>>;
  /** By eimId: digests of what that eIM was told of the eUICC (minimizeEsipaBytes). */
  readonly told: Readonly<Record<string, ToldFacts>>;
  /** The card that was in the slot last. */
  readonly slot: Pick<CardClass, "kind" | "eid"> | undefined;
}

export interface KnownBinding {
  readonly name: BindingName;
  readonly sinceMs: number;
}

const empty: JournalContent = {
  version: 1,
  operation: undefined,
  localSwitch: undefined,
  outbox: [],
  stateChanges: {},
  enabledIccid: undefined,
  relays: {},
  bindings: {},
  told: {},
  slot: undefined,
};

/** Answers beyond this are dropped, oldest first: an eIM gone for years must not fill the flash. */
const maxOutbox = 16;
const maxRelays = 32;
const maxBindings = 16;

export class IpaJournal {
  readonly #port: Journal;
  readonly #listeners = new Set<(content: JournalContent) => void>();
  #content: JournalContent;
  #written: string;

  private constructor(port: Journal, content: JournalContent) {
    this.#port = port;
    this.#content = content;
    this.#written = JSON.stringify(content);
  }

  static async open(port: Journal): Promise<IpaJournal> {
    return new IpaJournal(port, understood(await port.load()));
  }

  get content(): JournalContent {
    return this.#content;
  }

  /** Tells of each change once it is durable. */
  onWritten(fn: (content: JournalContent) => void): () => void {
    this.#listeners.add(fn);
    return () => {
      this.#listeners.delete(fn);
    };
  }

  /** Resolves when the change is durable. Writes nothing when nothing changed. Throws DISK_WRITE. */
  async update(change: Partial<Omit<JournalContent, "version">>): Promise<void> {
    const next = bounded({ ...this.#content, ...change });
    const text = JSON.stringify(next);
    if (text !== this.#written) {
      try {
        await this.#port.save(JSON.parse(text));
      } catch (error) {
        throw asSimwardError(error, "DISK_WRITE");
      }
      this.#written = text;
    }
    this.#content = next;
    for (const listener of [...this.#listeners]) listener(next);
  }

  /** Each of these eIMs is to be told of a change; a cause already noted stays. */
  changesFor(eimIds: readonly string[], cause: StateChangeCause): JournalContent["stateChanges"] {
    const stateChanges: Record<string, StateChangeCause> = { ...this.#content.stateChanges };
    for (const eimId of eimIds) stateChanges[eimId] ??= cause;
    return stateChanges;
  }
}

/** A journal of another make is none: then the card and the eIMs know what is to be done. */
function understood(loaded: unknown): JournalContent {
  if (typeof loaded !== "object" || loaded === null) return empty;
  const { version, operation, localSwitch, outbox, stateChanges, enabledIccid, relays, bindings, told, slot } = loaded as Partial<
    Record<keyof JournalContent, unknown>
  >;
  if (version !== 1) return empty;
  const kinds: readonly unknown[] = ["euiccPackage", "profileDownload", "ipaEuiccData", "profileOrder"];
  const known = isRecord(operation) && kinds.includes(operation.kind) && typeof operation.phase === "string";
  return {
    version: 1,
    operation: known ? (operation as unknown as Operation) : undefined,
    localSwitch: isLocalSwitch(localSwitch) ? localSwitch : undefined,
    outbox: Array.isArray(outbox) ? outbox.filter(isOutboxEntry) : [],
    stateChanges: isRecord(stateChanges) ? (stateChanges as JournalContent["stateChanges"]) : {},
    enabledIccid: typeof enabledIccid === "string" || enabledIccid === null ? enabledIccid : undefined,
    relays: isRecord(relays) ? (relays as JournalContent["relays"]) : {},
    bindings: isRecord(bindings)
      ? Object.fromEntries(Object.entries(bindings).filter((one): one is [string, KnownBinding] => isKnownBinding(one[1])))
      : {},
    told: isRecord(told) ? Object.fromEntries(Object.entries(told).filter((one): one is [string, ToldFacts] => isRecord(one[1]))) : {},
    slot: isRecord(slot) && typeof slot.kind === "string" ? (slot as unknown as JournalContent["slot"]) : undefined,
  };
}

function isLocalSwitch(value: unknown): value is LocalSwitchState {
  return isRecord(value) && typeof value.function === "string" && value.function in localSwitches && typeof value.phase === "string";
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isOutboxEntry(value: unknown): value is OutboxEntry {
  return isRecord(value) && typeof value.eimId === "string" && typeof value.message === "string";
}

function isKnownBinding(value: unknown): value is KnownBinding {
  return isRecord(value) && bindingNames.some((name) => name === value.name) && typeof value.sinceMs === "number";
}

/** What worked, for as long as it is believed. A clock that was set back makes it forgotten. */
export function bindingMemory(journal: IpaJournal, clock: Clock, believedMs: number): BindingMemory {
  return {
    load: (eimId) => {
      const { name, sinceMs } = journal.content.bindings[eimId] ?? {};
      const ageMs = sinceMs === undefined ? Number.POSITIVE_INFINITY : clock.now() - sinceMs;
      return ageMs >= 0 && ageMs < believedMs ? name : undefined;
    },
    save: (eimId, name) => journal.update({ bindings: { ...journal.content.bindings, [eimId]: { name, sinceMs: clock.now() } } }),
  };
}

/** What eIMs were told of the eUICC. A journal that is lost makes it forgotten: then all is sent again until they ask. */
export function toldMemory(journal: IpaJournal): ToldMemory {
  return {
    load: (eimId) => journal.content.told[eimId] ?? {},
    save: (eimId, facts) => journal.update({ told: { ...journal.content.told, [eimId]: facts } }),
  };
}

function bounded(content: JournalContent): JournalContent {
  return {
    ...content,
    outbox: content.outbox.slice(-maxOutbox),
    relays: Object.fromEntries(Object.entries(content.relays).slice(-maxRelays)),
    bindings: Object.fromEntries(Object.entries(content.bindings).slice(-maxBindings)),
    told: Object.fromEntries(Object.entries(content.told).slice(-maxBindings)),
  };
}

export function toBase64(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("base64");
}

export function fromBase64(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text, "base64"));
}
