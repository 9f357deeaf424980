// eIM package injection (SGP.32 §3.1.1.2): an eIM brings its package to us. It goes the way of a polled one, through the same queue, gates and journal;
// the peer gets the result as its answer, or eimPackageReceived when that takes longer, and then the result by ProvideEimPackageResult.
import { createHash } from "node:crypto";
import { bcdToDigits, toHex } from "../../base/bytes.ts";
import type { Clock } from "../../base/clock.ts";
import { asSimwardError, errorReport, isCode, SimwardError } from "../../base/errors.ts";
import type { Queue } from "../../base/queue.ts";
import {
  answerName,
  type InjectedPackage,
  packageReceived,
  readInjected,
  type TransferError,
  transferAnswer,
  transferError,
  transferResult,
} from "../esipa/injected.ts";
import type { IpaEvent } from "../events.ts";
import { sortAcknowledgements } from "./acknowledgements.ts";
import { readPackageResults } from "./card.ts";
import type { IpaContext } from "./context.ts";
import { downloadProfile } from "./download.ts";
import { answerEcallActive, deferred, ecallAnswer, emergencyOf, holdsPolls } from "./emergency.ts";
import { answerDataRequest } from "./ipa-euicc-data.ts";
import { executePackage } from "./package.ts";
import { orderOf, type PackageOrder } from "./package-facts.ts";
import { keepResult, removeAcknowledged } from "./reporting.ts";

/** Who brings it. */
export interface InjectionSource {
  readonly scheme: "coaps" | "https" | "local";
  /** "address:port"; of what a person loads, role and uid. */
  readonly peer: string;
  /** The associated eIMs that its certificate proves it to be; none without one. */
  readonly eimIds: readonly string[];
  /** Aborts when nobody will read the answer. */
  readonly gone: AbortSignal;
}

export interface InjectionHost {
  readonly queue: Queue;
  readonly clock: Clock;
  /** How long a peer waits for its answer; then it gets eimPackageReceived, or BUSY when nothing has begun yet. */
  readonly answerWithinMs: number;
  readonly tell: (event: IpaEvent) => void | Promise<void>;
  /** As it is now; undefined before the card was read. */
  readonly context: () => IpaContext | undefined;
  /** Reads the card if that is to be done and goes on with what was under way. */
  readonly begin: (signal: AbortSignal) => Promise<IpaContext>;
  /** What follows once a package was dealt with; `problem` is why it is unfinished, if it is. */
  readonly after: (context: IpaContext, problem: SimwardError | undefined, signal: AbortSignal) => Promise<void>;
  /** Ends what runs. */
  readonly closing: AbortSignal;
}

/** Answers BF4E. Throws BUSY, EMERGENCY_ACTIVE and what the card threw: nothing was taken then, and the eIM is to come again. */
export async function receiveInjection(host: InjectionHost, message: Uint8Array, source: InjectionSource): Promise<Uint8Array> {
  const { scheme, peer, eimIds } = source;
  const from = { scheme, peer, eimId: eimIds[0] };
  const refuse = async (error: SimwardError, code: TransferError): Promise<Uint8Array> => {
    await host.tell({ kind: "injection.refused", ...from, code: error.code, reason: error.message });
    return transferError(code);
  };
  let injected: InjectedPackage;
  try {
    injected = readInjected(message);
  } catch (error) {
    const known = asSimwardError(error, "PACKAGE_FORMAT");
    return refuse(known, isCode(known, "PACKAGE_UNKNOWN") ? "unknownPackage" : "invalidPackageFormat");
  }
  if (host.context() === undefined) throw new SimwardError("BUSY", { detail: "the eUICC has not been read yet" });
  const refusal = objectionTo(host.context(), injected, source);
  if (refusal !== undefined) return refuse(refusal, "undefinedError");
  const sha256 = toHex(createHash("sha256").update(injected.raw).digest());
  await host.tell({ kind: "injection.received", ...from, packageKind: injected.kind, bytes: message.length, sha256 });
  try {
    // It has been taken already, and its answer was lost: it is not begun anew behind itself.
    const isUnderWay = host.context()?.journal.content.operation?.sha256 === sha256;
    const answer = isUnderWay ? packageReceived : await new Injection(host, injected, source, sha256).run();
    await host.tell({ kind: "injection.answered", ...from, sha256, answer: answerName(answer) });
    return answer;
  } catch (error) {
    const known = asSimwardError(error);
    await host.tell({ kind: "injection.refused", ...from, code: known.code, reason: known.message });
    throw known;
  }
}

/** Why this peer may not bring that. */
function objectionTo(context: IpaContext | undefined, injected: InjectedPackage, source: InjectionSource): SimwardError | undefined {
  // One that was deleted since the peer proved to be it is nobody.
  const eimIds = source.eimIds.filter((eimId) => context?.eims.find(eimId) !== undefined);
  if (injected.kind !== "euiccPackage")
    return eimIds.length === 0 ? new SimwardError("INJECTION_UNPROVEN", { detail: injected.kind }) : undefined;
  const { eimId, eidValue } = injected.value.euiccPackageSigned.value;
  if (eimIds.includes(eimId)) return undefined;
  // Only its signature speaks for it, and that is the card's to check; what the card is bound to refuse is not worth its time.
  if (context?.eims.find(eimId) === undefined) return new SimwardError("EIM_UNKNOWN", { detail: eimId });
  return bcdToDigits(eidValue) === context.eid.digits
    ? undefined
    : new SimwardError("INJECTION_UNPROVEN", { detail: "a package for another EID" });
}

/** One package from the peer's connection to its answer; what is left of it then goes on without the peer. */
class Injection {
  readonly #host: InjectionHost;
  readonly #injected: InjectedPackage;
  readonly #source: InjectionSource;
  readonly #sha256: string;
  readonly #leaving = new AbortController();
  #settle: { readonly resolve: (message: Uint8Array) => void; readonly reject: (error: unknown) => void } | undefined;
  #isLate = false;
  /** It waits no longer in the queue. */
  #isBegun = false;
  /** It is in the journal: whatever happens, it is gone on with. */
  #isTaken = false;

  constructor(host: InjectionHost, injected: InjectedPackage, source: InjectionSource, sha256: string) {
    this.#host = host;
    this.#injected = injected;
    this.#source = source;
    this.#sha256 = sha256;
  }

  run(): Promise<Uint8Array> {
    const { clock, answerWithinMs, queue, closing } = this.#host;
    const { gone } = this.#source;
    const leave = (why: unknown): void => {
      if (!this.#isBegun) this.#leaving.abort(why);
    };
    const onGone = (): void => leave(gone.reason);
    const onClosing = (): void => this.#fail(closing.reason);
    const stopTimer = clock.after(answerWithinMs, () => {
      this.#isLate = true;
      if (this.#isTaken) this.#give(packageReceived);
      else leave(new SimwardError("BUSY", { detail: "something else is under way" }));
    });
    gone.addEventListener("abort", onGone, { once: true });
    closing.addEventListener("abort", onClosing, { once: true });
    const answer = new Promise<Uint8Array>((resolve, reject) => {
      this.#settle = { resolve, reject };
    });
    queue
      .run(() => this.#work(), this.#leaving.signal)
      .then(
        () => this.#give(this.#isTaken ? packageReceived : transferError("undefinedError")),
        (error: unknown) => {
          if (this.#isTaken) this.#give(packageReceived);
          else this.#fail(error);
        },
      );
    // Whoever has left is heard of in the queue only when its turn comes.
    this.#leaving.signal.addEventListener("abort", () => this.#fail(this.#leaving.signal.reason), { once: true });
    return answer.finally(() => {
      stopTimer();
      gone.removeEventListener("abort", onGone);
      closing.removeEventListener("abort", onClosing);
    });
  }

  /** Whether the peer gets it: false when it has its answer, or has gone. */
  #give(message: Uint8Array): boolean {
    const settle = this.#settle;
    this.#settle = undefined;
    settle?.resolve(message);
    return settle !== undefined && !this.#source.gone.aborted;
  }

  #fail(error: unknown): void {
    this.#settle?.reject(error);
    this.#settle = undefined;
  }

  async #work(): Promise<void> {
    const { begin, after, closing } = this.#host;
    const context = await begin(closing);
    this.#leaving.signal.throwIfAborted();
    const { operation, localSwitch } = context.journal.content;
    const unfinished = localSwitch ?? operation;
    if (unfinished !== undefined) throw new SimwardError("BUSY", { detail: `${unfinished.kind} is not finished` });
    // The card was perhaps read anew since the peer came.
    const refusal = objectionTo(context, this.#injected, this.#source);
    if (refusal !== undefined) {
      const { scheme, peer, eimIds } = this.#source;
      await context.tell({ kind: "injection.refused", scheme, peer, eimId: eimIds[0], code: refusal.code, reason: refusal.message });
      this.#give(transferError("undefinedError"));
      return;
    }
    this.#isBegun = true;
    const forget = context.journal.onWritten(({ operation: written }) => {
      if (written?.sha256 !== this.#sha256 || this.#isTaken) return;
      this.#isTaken = true;
      if (this.#isLate || this.#isLong(context, written.phase)) this.#give(packageReceived);
    });
    let problem: SimwardError | undefined;
    try {
      problem = await this.#carryOut(context, closing);
    } finally {
      forget();
      context.eims.awaited = undefined;
    }
    if (problem !== undefined) await context.tell({ kind: "warning", where: "injection", error: errorReport(problem) });
    await after(context, problem, closing);
  }

  /** No answer of these comes before the peer has gone: a download takes minutes, a change of profile takes its connection away. */
  #isLong(context: IpaContext, phase: string): boolean {
    const injected = this.#injected;
    if (injected.kind === "profileDownload") return true;
    if (injected.kind !== "euiccPackage" || phase !== "loading") return false;
    const order = orderOf(injected.value);
    // An eIM that deletes itself could not acknowledge any more: it gets the result where the answer is the acknowledgement.
    return order.changesProfile || (order.changesEims && context.eims.find(order.eimId)?.access !== undefined);
  }

  /** Answers why it is unfinished, if it is. */
  async #carryOut(context: IpaContext, signal: AbortSignal): Promise<SimwardError | undefined> {
    const injected = this.#injected;
    const [eimId = ""] = this.#source.eimIds;
    if (injected.kind === "acknowledgements") {
      await acknowledge(context, this.#source.eimIds, injected.value, signal);
      this.#give(packageReceived);
      return undefined;
    }
    const sources = emergencyOf(context);
    if (holdsPolls(sources)) throw await deferred(context, `${injected.kind} injected by ${eimId || this.#source.peer}`);
    if (injected.kind === "euiccPackage") {
      const order = orderOf(injected.value);
      if (await this.#hasResult(context, order, signal)) return undefined;
      const isProven = this.#source.eimIds.includes(order.eimId);
      context.eims.awaited = { eimId: order.eimId, take: (report) => this.#take(report, isProven) };
      return executePackage(context, context.eims.client(order.eimId), injected, signal);
    }
    if (injected.kind === "ipaEuiccData") context.eims.awaited = { eimId, take: (report) => this.#take(report, true) };
    const client = context.eims.client(eimId);
    const refusal = ecallAnswer(context, client, injected);
    if (refusal !== undefined) return answerEcallActive(context, client, injected, refusal, signal);
    return injected.kind === "ipaEuiccData"
      ? answerDataRequest(context, client, injected, signal)
      : downloadProfile(context, client, injected, signal);
  }

  /** The report for an eIM, offered to the peer. To one that is not proven to be that eIM it is shown, but the eIM gets it all the same. */
  #take(report: Uint8Array, isProven: boolean): boolean {
    const answer = transferAnswer(report, !isProven);
    return answer !== undefined && this.#give(answer) && isProven;
  }

  /** The same package again: its result is on the card, since nobody has acknowledged it. The card itself would only say replayError. */
  async #hasResult(context: IpaContext, order: PackageOrder, signal: AbortSignal): Promise<boolean> {
    if (!this.#source.eimIds.includes(order.eimId)) return false;
    const stored = await context.euicc.withEuicc("stored package results", readPackageResults, signal);
    const found = stored.find(
      ({ outcome: { eimId, counterValue, eimTransactionId } }) =>
        eimId === order.eimId && counterValue === order.counterValue && eimTransactionId === order.eimTransactionId,
    );
    if (found === undefined) return false;
    if (this.#give(transferResult(found.raw))) keepResult(context, found.seqNumber, order.eimId, true);
    return true;
  }
}

/** More of them than this are not told one by one. */
const maxTold = 32;

/** EimAcknowledgements (SGP.32 §2.11.1.4): only for what is that eIM's own. */
async function acknowledge(
  context: IpaContext,
  eimIds: readonly string[],
  seqNumbers: readonly number[],
  signal: AbortSignal,
): Promise<void> {
  const [eimId = ""] = eimIds;
  const stored = await context.euicc.withEuicc("results of an eIM", readPackageResults, signal);
  const results = stored.filter(({ outcome }) => eimIds.includes(outcome.eimId)).map(({ seqNumber }) => seqNumber);
  const given = eimIds.flatMap((id) => [...(context.memory.given.get(id) ?? [])]);
  const { accepted, ignored } = sortAcknowledgements(seqNumbers, new Set([...results, ...given]));
  if (ignored.length > 0) await context.tell({ kind: "acknowledgement.ignored", eimId, seqNumbers: ignored.slice(0, maxTold) });
  if (accepted.length === 0) return;
  await context.tell({ kind: "acknowledgement.taken", eimId, seqNumbers: accepted });
  await removeAcknowledged(context, accepted, signal);
}
