// What every procedure works with: the ports, the card, the journal, the eIMs, and the little that is remembered between procedures.
import { type Clock, deadline } from "../../base/clock.ts";
import { SimwardError } from "../../base/errors.ts";
import type { Es10 } from "../euicc/es10.ts";
import type { OwnedEuiccSession } from "../euicc/session.ts";
import type { IpaEvent } from "../events.ts";
import type { IpaPorts } from "../ipa.ts";
import type { IpaOptions } from "../options.ts";
import type { Gate, GateFacts, ProfileFacts, Verdict } from "../ports.ts";
import type { Eid } from "./card.ts";
import type { EimDirectory } from "./eims.ts";
import type { IpaJournal } from "./journal.ts";

/** Not kept over a restart: the card and the journal give it back. */
export interface Memory {
  profiles: readonly ProfileFacts[];
  pendingNotifications: number;
  /** Package results on the card that no eIM has acknowledged, by sequence number. */
  readonly results: Map<number, KeptResult>;
  /** By eimId: sequence numbers that an eIM has seen, and may acknowledge in a message of its own (injection). */
  readonly given: Map<string, ReadonlySet<number>>;
  /** Policy's refusals by SHA-256 of the order: the same order is answered from here until then. */
  readonly refusals: Map<string, Verdict & { readonly kind: "refuse" | "warn" | "throttle" }>;
  /** When each eIM was asked last, monotonic. */
  readonly asked: Map<string, number>;
  /** Receivers of notifications that took none lately, by address. */
  readonly receivers: Map<string, ReceiverBackOff>;
  /** A package too large for the journal that waits for the end of an emergency. */
  heldPackage?: { readonly sha256: string; readonly raw: Uint8Array } | undefined;
  /** What policy said of polling last: told only when it changes, as it is asked with every poll. */
  pollVerdict: string | undefined;
}

export interface ReceiverBackOff {
  readonly failures: number;
  /** Monotonic: left alone until then. */
  readonly untilMs: number;
  /** Of the last attempt. */
  readonly error: SimwardError;
}

export interface KeptResult {
  readonly eimId: string;
  /** Monotonic; undefined when that eIM does not have it yet. */
  readonly deliveredMs: number | undefined;
}

export interface IpaContext {
  readonly ports: IpaPorts;
  readonly options: IpaOptions;
  readonly euicc: OwnedEuiccSession;
  readonly journal: IpaJournal;
  readonly eims: EimDirectory;
  readonly eid: Eid;
  readonly memory: Memory;
  readonly tell: (event: IpaEvent) => void | Promise<void>;
}

/** Runs what begins here under a trace id of its own. */
export function begun<T>(ports: Pick<IpaPorts, "trace">, kind: string, run: () => T): T {
  return ports.trace === undefined ? run() : ports.trace.begin(kind, run);
}

const maxRefusals = 64;

/** Asks policy. A refusal with a `retryAt` holds for the same order until then, without asking again. */
export async function ask<G extends Gate>(context: IpaContext, gate: G, facts: GateFacts[G], order?: string): Promise<Verdict> {
  const { ports, memory, tell } = context;
  const known = order === undefined ? undefined : memory.refusals.get(order);
  if (known?.retryAt !== undefined && ports.clock.now() < known.retryAt) return known;
  const verdict = ports.gate.check(gate, facts);
  const isNews = gate !== "poll" || JSON.stringify(verdict) !== memory.pollVerdict;
  if (gate === "poll") memory.pollVerdict = JSON.stringify(verdict);
  if (verdict.kind === "allow") return verdict;
  const { rule, reason, retryAt } = verdict;
  if (isNews) await tell({ kind: verdict.kind === "refuse" ? "policy.refused" : "policy.warned", gate, rule, reason, retryAt });
  if (verdict.kind === "refuse" && order !== undefined) {
    memory.refusals.delete(order);
    memory.refusals.set(order, verdict);
    for (const oldest of memory.refusals.keys()) {
      if (memory.refusals.size <= maxRefusals) break;
      memory.refusals.delete(oldest);
    }
  }
  return verdict;
}

/** Waits for a promise, but no longer than that; the signal given to it aborts then. */
export async function within<T>(
  clock: Clock,
  timeoutMs: number,
  what: string,
  job: (signal: AbortSignal) => Promise<T>,
  parent?: AbortSignal,
): Promise<T> {
  const late = (): SimwardError => new SimwardError("DEADLINE", { detail: `${what}: ${Math.round(timeoutMs)} ms` });
  const { signal, done } = deadline(clock, timeoutMs, late, parent);
  try {
    return await new Promise<T>((resolve, reject) => {
      const onAbort = (): void => reject(signal.reason);
      if (signal.aborted) return onAbort();
      signal.addEventListener("abort", onAbort, { once: true });
      job(signal).then(resolve, reject);
    });
  } finally {
    done();
  }
}

/** The card for as long as a procedure needs it over several of its steps: taken at the first use, given back by `release`. */
export interface BorrowedCard {
  es10(): Promise<Es10>;
  release(): Promise<void>;
}

export function borrowCard(euicc: OwnedEuiccSession, why: string, signal?: AbortSignal): BorrowedCard {
  let giveBack: (() => void) | undefined;
  let ended: Promise<void> | undefined;
  let borrowed: Promise<Es10> | undefined;
  return {
    es10() {
      borrowed ??= new Promise<Es10>((resolve, reject) => {
        const held = euicc.withEuicc(
          why,
          (es10) =>
            new Promise<void>((done) => {
              giveBack = done;
              resolve(es10);
            }),
          signal,
        );
        held.catch(reject);
        ended = held.catch(() => undefined);
      });
      return borrowed;
    },
    async release() {
      if (borrowed === undefined) return;
      await borrowed.catch(() => undefined);
      giveBack?.();
      await ended;
      borrowed = undefined;
      giveBack = undefined;
    },
  };
}
