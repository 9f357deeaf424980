// The IoT Profile Assistant (SGP.32 IPAd): what the daemon starts, polls and asks. It owns the eUICC and the journal of what is under way.
// Every procedure ends in a PollOutcome or a SimwardError; none of them ends the daemon.
import type { Clock } from "../base/clock.ts";
import { asSimwardError, errorReport, isCode, SimwardError } from "../base/errors.ts";
import { Queue } from "../base/queue.ts";
import type { Random } from "../base/random.ts";
import { rehearsal } from "../base/rehearsal.ts";
import type { Trace } from "../base/trace.ts";
import type { BindingName } from "./esipa/bindings.ts";
import type { EimAsClient } from "./esipa/endpoint.ts";
import { createEuiccSession, type OwnedEuiccSession } from "./euicc/session.ts";
import type { IpaEvent, IpaEvents } from "./events.ts";
import type { LocalSwitchFunction } from "./machines/local-switch.ts";
import { localOrder } from "./machines/profile-order.ts";
import { defaultIpaOptions, type IpaOptions } from "./options.ts";
import type {
  ApduAccess,
  ConsumerPorts,
  DeviceFacts,
  EsipaTransport,
  EuiccSession,
  Interlock,
  Journal,
  PolicyGate,
  ProfileFacts,
  ProfileSwitch,
  RspPorts,
} from "./ports.ts";
import { profileFacts, readEid, readNotifications, readPackageResults, readProfiles } from "./procedures/card.ts";
import { type CardClass, isNoFunction, isPassive, passiveError } from "./procedures/card-class.ts";
import { ask, begun, type IpaContext, type Memory } from "./procedures/context.ts";
import { resumeDownload } from "./procedures/download.ts";
import { EimDirectory } from "./procedures/eims.ts";
import { deferred, holdsPolls } from "./procedures/emergency.ts";
import { configureImmediateEnable, type ImmediateEnableOrder } from "./procedures/immediate.ts";
import { type InjectionHost, type InjectionSource, receiveInjection } from "./procedures/injection.ts";
import { resumeDataRequest } from "./procedures/ipa-euicc-data.ts";
import { bindingMemory, IpaJournal, type Operation, toldMemory } from "./procedures/journal.ts";
import { createLocalAssistant, type LocalAssistant } from "./procedures/local-assistant.ts";
import { resumeLocalDownload } from "./procedures/local-download.ts";
import { resumeProfileOrder } from "./procedures/local-order.ts";
import { type LocalSwitchResult, resumeLocalSwitch, switchLocally } from "./procedures/local-switch.ts";
import { deliverNotifications } from "./procedures/notifications.ts";
import { noteProfiles, resumePackage } from "./procedures/package.ts";
import { rehearsals } from "./procedures/rehearsals.ts";
import { deliverStoredResults, flushOutbox, rememberResults } from "./procedures/reporting.ts";
import { retrievePackages } from "./procedures/retrieval.ts";
import { Slot } from "./procedures/slot.ts";
import { statusOf } from "./status.ts";

export interface IpaPorts {
  readonly card: ApduAccess;
  /** At most one of each scheme. */
  readonly transports: readonly EsipaTransport[];
  readonly clock: Clock;
  readonly random: Random;
  readonly events: IpaEvents;
  readonly trace?: Trace | undefined;
  readonly gate: PolicyGate;
  readonly journal: Journal;
  readonly connectivity: ProfileSwitch;
  readonly device: () => DeviceFacts;
  /** Without it there are no emergencies. */
  readonly interlock?: Interlock | undefined;
  /** Ways to SM-DP+ and SM-DS; without them every download goes through the eIM. */
  readonly rsp?: RspPorts | undefined;
  /** An eIM is obeyed on a consumer eUICC too; not without. */
  readonly consumer?: ConsumerPorts | undefined;
  /** A package that an eIM brought was dealt with. `unfinished`: something of it, or a notification, waits for the next poll. */
  readonly onInjected?: ((outcome: { readonly unfinished: boolean }) => void) | undefined;
  /** Defaults where left out. */
  readonly options?: Partial<IpaOptions> | undefined;
}

/** What came of asking one eIM. */
export interface EimOutcome {
  readonly eimId: string;
  readonly packages: number;
  readonly error: SimwardError | undefined;
}

export interface PollOutcome {
  /** nothing: no eIM had a package. done: packages were dealt with. refused: policy forbade asking. failed: see `error`. */
  readonly kind: "nothing" | "done" | "refused" | "failed";
  readonly packages: number;
  readonly eims: readonly EimOutcome[];
  /** The first of the errors; its retry class says when to try again. */
  readonly error: SimwardError | undefined;
  /** Wall clock, ms: when policy refused, ask again then. */
  readonly retryAt: number | undefined;
  /** A result or an operation waits for another attempt. */
  readonly unfinished: boolean;
}

export interface DeliveryOutcome {
  readonly delivered: number;
  readonly remaining: number;
  readonly error: SimwardError | undefined;
}

export interface EimStatus {
  readonly eimId: string;
  readonly scheme: "coaps" | "https" | undefined;
  /** The one that worked last, or will be tried first. */
  readonly binding: BindingName | undefined;
  readonly host: string | undefined;
  readonly port: number | undefined;
  /** Why it cannot be used. */
  readonly error: SimwardError | undefined;
  /** Wall clock of the last answer. */
  readonly lastContactMs: number | undefined;
}

export interface IpaStatus {
  readonly started: boolean;
  /** What is in the slot; undefined when it was not read yet. */
  readonly card: CardClass | undefined;
  /** What the card is used for at this moment. */
  readonly cardBusyWith: string | undefined;
  readonly eid: string | undefined;
  readonly eims: readonly EimStatus[];
  /** As read last; undefined when not read yet or when none is enabled. */
  readonly enabledIccid: string | undefined;
  readonly profiles: readonly ProfileFacts[];
  readonly operation: { readonly kind: Operation["kind"]; readonly phase: string; readonly eimId: string } | undefined;
  readonly pendingNotifications: number;
  readonly pendingResults: number;
}

export interface LocalSwitchOptions {
  /** Asked when its turn has come: what was reason enough may be none any more. Then the outcome is `failed`, and the card does not hear of it. */
  readonly isStillWanted?: (() => boolean) | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface Ipa {
  /** The card's one owner; other parts of the daemon (profile list, doctor) borrow it. */
  readonly euicc: EuiccSession;
  /**
   * SGP.32 start-up: card, EID, eIMs, what is pending; then goes on with what a restart interrupted, which may need the module
   * (ProfileSwitch.adopt) and an eIM. An eIM that cannot be reached is no failure of the start: `status().operation` tells what is left.
   * Throws SimwardError when the card cannot be used; may be called again.
   */
  start(signal?: AbortSignal): Promise<IpaStatus>;
  /** Asks one eIM, or each, for packages and carries them out until none is left. Starts first if that has not been done. Never rejects. */
  pollOnce(eimId?: string, signal?: AbortSignal): Promise<PollOutcome>;
  /** One round of notification delivery; back-off between rounds is the caller's. Never rejects. */
  deliverNotifications(signal?: AbortSignal): Promise<DeliveryOutcome>;
  /**
   * A change of profile that the device orders: fallback and return from it, emergency profile on and off (SGP.32 §3.4.5, §5.9.20 to §5.9.23).
   * The module adopts it, and every eIM is told with the next poll. Throws SimwardError when the card cannot be used.
   */
  switchLocally(fn: LocalSwitchFunction, options?: LocalSwitchOptions): Promise<LocalSwitchResult>;
  /** SGP.32 §5.9.17: what a profile's being enabled at once after its download asks for; possible only before an eIM is associated. Throws ES10_REFUSED. */
  configureImmediateEnable(wanted: ImmediateEnableOrder, signal?: AbortSignal): Promise<void>;
  /** Every eIM is told with its next poll that something has changed (notifyStateChange, cause undefined). Answers false while no eIM is known. */
  announceChange(): Promise<boolean>;
  /** The eIMs that may inject, and how to know each by its client certificate. None before the card was read. */
  readonly injectors: readonly EimAsClient[];
  /**
   * TransferEimPackage: a BF4E that an eIM brought (SGP.32 §3.1.1.2); answers the BF4E to give it. Waits its turn, but not for long.
   * Throws BUSY, EMERGENCY_ACTIVE, or why the card could not be used: nothing was taken then, and the eIM is to come again.
   */
  transferEimPackage(message: Uint8Array, source: InjectionSource): Promise<Uint8Array>;
  /** What a person beside the vehicle may order. */
  readonly local: LocalAssistant;
  status(): IpaStatus;
  /** Ends what runs; what was under way stays in the journal. */
  close(): Promise<void>;
}

export function createIpa(ports: IpaPorts): Ipa {
  const options: IpaOptions = { ...defaultIpaOptions, ...ports.options };
  const { card, clock, events } = ports;
  const slot = new Slot(ports, options);
  const euicc = createEuiccSession({
    card,
    ...{ clock, events, trace: ports.trace },
    terminalCapability: options.terminalCapability,
    mayAnnounce: slot.mayAnnounce,
    decorate: slot.decorate,
  });
  const work = new Queue();
  const closing = new AbortController();
  let context: IpaContext | undefined;
  /** The operation in the journal is of the life before. */
  let restarted = true;
  /** Something went wrong since the card was read: what was read may be what is wrong, or of another card. */
  let doubtful = false;

  const stoppable = (signal: AbortSignal | undefined): AbortSignal =>
    signal === undefined ? closing.signal : AbortSignal.any([closing.signal, signal]);

  const begin = async (signal: AbortSignal): Promise<Begun> => {
    if (context !== undefined && doubtful && !(await readAgain(context, signal))) context = undefined;
    doubtful = false;
    context ??= await readCard(ports, options, euicc, slot, signal);
    const problem = await goOn(context, restarted, signal);
    restarted = false;
    return { started: context, problem };
  };

  /** A card that is not ours to use is no failure: it is looked at again each time. Undefined for such a one. */
  const beginOrRest = (signal: AbortSignal): Promise<Begun | undefined> =>
    begin(signal).catch((error: unknown) => {
      if (slot.card !== undefined && isPassive(slot.card.kind) && isCode(error, passiveError(slot.card).code)) return undefined;
      throw error;
    });

  const poll = async (eimId: string | undefined, signal: AbortSignal): Promise<PollOutcome> => {
    const sources = ports.interlock?.sources ?? [];
    if (context !== undefined && holdsPolls(sources)) return outcomeOf(context, [], await deferred(context, "poll"), undefined);
    const begun = await beginOrRest(signal);
    if (begun === undefined) return quiet;
    const { started, problem } = begun;
    const { operation, localSwitch } = started.journal.content;
    const unfinished = localSwitch ?? operation;
    if (unfinished !== undefined)
      return outcomeOf(started, [], problem ?? new SimwardError("BUSY", { detail: `${unfinished.kind} is not finished` }), undefined);
    const unsent = await flushOutbox(started, signal);
    const before = (await deliverStoredResults(started, signal)) ?? unsent;
    const known = started.eims.all.filter(({ config }) => eimId === undefined || config.eimId === eimId);
    if (known.length === 0 && slot.hasNoEims && eimId === undefined) return outcomeOf(started, [], before, undefined);
    if (known.length === 0) {
      const error = eimId === undefined ? new SimwardError("EIM_NOT_CONFIGURED") : new SimwardError("EIM_UNKNOWN", { detail: eimId });
      return outcomeOf(started, [], error, undefined);
    }
    const eims: EimOutcome[] = [];
    const refused: (number | undefined)[] = [];
    for (const { config, error: unusable } of known) {
      if (started.eims.find(config.eimId) === undefined) continue;
      const owed = await settle(started, config.eimId, before, signal);
      if (owed !== undefined) {
        eims.push({ eimId: config.eimId, packages: 0, error: owed });
        continue;
      }
      if (unusable !== undefined) {
        eims.push({ eimId: config.eimId, packages: 0, error: unusable });
        continue;
      }
      if (eimId === undefined && !isDue(started, config.eimId)) continue;
      const verdict = await ask(started, "poll", { eimId: config.eimId });
      if (verdict.kind === "refuse") {
        refused.push(verdict.retryAt);
        continue;
      }
      const { packages, error } = await retrievePackages(started, config.eimId, signal);
      if (error === undefined) started.memory.asked.set(config.eimId, clock.monotonicMs());
      if (error !== undefined) await started.tell(troubleOf(`eIM ${config.eimId}`, error, started, signal));
      eims.push({ eimId: config.eimId, packages, error });
      if (started.journal.content.operation !== undefined) break;
    }
    if (eims.some(({ packages }) => packages > 0)) await countNotifications(started, signal);
    const retryAt = refused.filter((at) => at !== undefined);
    return outcomeOf(
      started,
      eims,
      before,
      refused.length > 0 ? { retryAt: retryAt.length === 0 ? undefined : Math.min(...retryAt) } : undefined,
    );
  };

  const injection: InjectionHost = {
    queue: work,
    clock,
    answerWithinMs: options.injectionAnswerMs,
    tell: (event) => events.emit(event),
    context: () => context,
    begin: async (signal) => (await begin(signal)).started,
    async after(started, problem, signal) {
      doubtful ||= problem !== undefined;
      await countNotifications(started, signal);
      const { unfinished } = outcomeOf(started, [], problem, undefined);
      ports.onInjected?.({ unfinished: unfinished || started.memory.pendingNotifications > 0 });
    },
    closing: closing.signal,
  };

  const rehearse = rehearsals({ work, context: () => context, stoppable });

  /** What an operation has done to the card comes to its end first, and nothing else begins meanwhile. */
  const locally = <T>(job: (started: IpaContext, signal: AbortSignal) => Promise<T>, signal: AbortSignal | undefined): Promise<T> => {
    if (rehearsal() !== undefined) return rehearse(job, signal);
    const run = async (): Promise<T> => {
      const inner = stoppable(signal);
      const { started, problem } = await begin(inner);
      const { operation, localSwitch } = started.journal.content;
      const busy = localSwitch?.function ?? operation?.kind;
      if (busy !== undefined) throw problem ?? new SimwardError("BUSY", { detail: `${busy} is not finished` });
      return job(started, inner);
    };
    return work.run(run, signal).catch((error: unknown) => {
      doubtful = true;
      throw closing.signal.aborted || signal?.aborted ? aborted(error) : asSimwardError(error);
    });
  };

  return {
    euicc,
    start: (signal) =>
      work.run(async () => {
        doubtful ||= context !== undefined;
        await beginOrRest(stoppable(signal)).catch((error: unknown) => {
          throw asSimwardError(error);
        });
        return statusOf(context, slot, euicc);
      }, signal),
    async pollOnce(eimId, signal) {
      try {
        const outcome = await begun(ports, "poll", () => work.run(() => poll(eimId, stoppable(signal)), signal));
        doubtful ||= outcome.error !== undefined;
        return outcome;
      } catch (error) {
        doubtful = true;
        const known = closing.signal.aborted || signal?.aborted ? aborted(error) : asSimwardError(error);
        await events.emit(troubleOf("poll", known, context, closing.signal));
        const unfinished = context?.journal.content.operation !== undefined;
        return { kind: "failed", packages: 0, eims: [], error: known, retryAt: undefined, unfinished };
      }
    },
    announceChange: () =>
      work.run(async () => {
        if (context === undefined || context.eims.ids.length === 0) return false;
        await context.journal.update({ stateChanges: context.journal.changesFor(context.eims.ids, "undefined") });
        return true;
      }),
    async deliverNotifications(signal) {
      try {
        return await work.run(async () => {
          const inner = stoppable(signal);
          const begun = await beginOrRest(inner);
          return begun === undefined ? { delivered: 0, remaining: 0, error: undefined } : deliverNotifications(begun.started, inner);
        }, signal);
      } catch (error) {
        const known = closing.signal.aborted || signal?.aborted ? aborted(error) : asSimwardError(error);
        return { delivered: 0, remaining: context?.memory.pendingNotifications ?? 0, error: known };
      }
    },
    async switchLocally(fn, { isStillWanted = () => true, signal } = {}) {
      if (rehearsal() !== undefined) return rehearse((copy, inner) => switchLocally(copy, fn, inner), signal);
      const run = async (): Promise<LocalSwitchResult> => {
        const inner = stoppable(signal);
        context ??= await readCard(ports, options, euicc, slot, inner);
        // What an operation has done to the card comes to its end first: it has a way back of its own. What waits for a path may wait on.
        const problem = await goOn(context, restarted, inner, isAtTheCard);
        restarted = false;
        const { operation, localSwitch } = context.journal.content;
        if ((operation !== undefined && isAtTheCard(operation)) || localSwitch !== undefined)
          throw problem ?? new SimwardError("BUSY", { detail: localSwitch?.function ?? operation?.kind ?? "the card" });
        if (isStillWanted()) return switchLocally(context, fn, inner);
        return { outcome: "failed", code: "not wanted any more", iccid: enabledIccid(context), online: undefined, error: undefined };
      };
      return work.run(run, signal).catch((error: unknown) => {
        doubtful = true;
        throw asSimwardError(error);
      });
    },
    configureImmediateEnable(wanted, signal) {
      if (rehearsal() !== undefined) return rehearse((copy, inner) => configureImmediateEnable(copy, wanted, inner), signal);
      return work.run(async () => configureImmediateEnable((await begin(stoppable(signal))).started, wanted, stoppable(signal)), signal);
    },
    get injectors() {
      return context?.eims.clients ?? [];
    },
    transferEimPackage: (message, source) =>
      begun(ports, "inject", () => receiveInjection(injection, message, source)).catch((error: unknown) => {
        doubtful ||= !isCode(error, "BUSY", "EMERGENCY_ACTIVE");
        throw error;
      }),
    local: createLocalAssistant({ slot, run: locally }),
    status: () => statusOf(context, slot, euicc),
    async close() {
      closing.abort(new SimwardError("ABORTED", { detail: "the IPA is closing" }));
      work.close();
      euicc.close();
    },
  };
}

interface Begun {
  readonly started: IpaContext;
  /** Why what was under way is not finished, if it is not. */
  readonly problem: SimwardError | undefined;
}

/** Of a poll with nobody to ask. */
const quiet: PollOutcome = { kind: "nothing", packages: 0, eims: [], error: undefined, retryAt: undefined, unfinished: false };

/**
 * SGP.32 start-up, in the order that others are known to expect: EID, eIMs, notifications; then what else is wanted of the card. Throws CARD_NOT_EUICC,
 * CARD_NOT_SGP32, CARD_IPAE_ACTIVE for a card that is not ours to use.
 */
async function readCard(
  ports: IpaPorts,
  options: IpaOptions,
  euicc: OwnedEuiccSession,
  slot: Slot,
  signal: AbortSignal,
): Promise<IpaContext> {
  const journal = await IpaJournal.open(ports.journal);
  slot.forget();
  euicc.forgetCard(true);
  const tell: IpaContext["tell"] = (event) => ports.events.emit(event);
  const memory: Memory = {
    profiles: [],
    pendingNotifications: 0,
    results: new Map(),
    given: new Map(),
    refusals: new Map(),
    asked: new Map(),
    receivers: new Map(),
    pollVerdict: undefined,
  };
  const read = euicc.withEuicc(
    "start",
    async (es10) => {
      const eid = await slot.readEid(es10);
      const eims = new EimDirectory(
        ports,
        options,
        eid.bytes,
        bindingMemory(journal, ports.clock, options.bindingMemoryMs),
        toldMemory(journal),
      );
      const consumer = await slot.readEims(es10, eid, eims);
      const started: IpaContext = { ports, options, euicc, journal, eims, eid, memory, tell };
      memory.pendingNotifications = (await readNotifications(es10)).length;
      const card = consumer ?? (await slot.classOf(es10, eid));
      noteProfiles(started, (await readProfiles(es10)).map(profileFacts));
      rememberResults(started, await readPackageResults(es10));
      return { started, card };
    },
    signal,
  );
  const { started: context, card } = await read.catch((error: unknown) => slot.otherwise(error, euicc, journal, signal));
  await slot.note(card, journal);
  if (isPassive(card.kind)) {
    slot.shown = context;
    throw passiveError(card);
  }
  await noticeChange(context);
  const { eims, eid } = context;
  for (const { config, error } of eims.all) {
    if (error !== undefined) await tell({ kind: "eim.unusable", eimId: config.eimId, error: errorReport(error) });
  }
  await tell({ kind: "started", eid: eid.digits, eimIds: eims.ids, enabledIccid: enabledIccid(context) });
  return context;
}

/** What an eIM is owed goes first, else it might offer the same order again. Answers why it could not be given. */
async function settle(
  context: IpaContext,
  eimId: string,
  before: SimwardError | undefined,
  signal: AbortSignal,
): Promise<SimwardError | undefined> {
  const { journal, memory } = context;
  const result = [...memory.results.values()].some((kept) => kept.eimId === eimId && kept.deliveredMs === undefined);
  if (result || journal.content.outbox.some((entry) => entry.eimId === eimId)) return before;
  if (!Object.values(journal.content.relays).includes(eimId)) return undefined;
  const { error } = await deliverNotifications(context, signal, eimId);
  return Object.values(journal.content.relays).includes(eimId) ? error : undefined;
}

/** Timers come a little early: nine tenths of the interval are enough. */
const dueShare = 0.9;

/** An eIM with a schedule of its own is asked by that, unless it is to be told of a change. */
function isDue({ options, memory, journal, ports }: IpaContext, eimId: string): boolean {
  const intervalMs = options.peers.find((peer) => peer.eimId === eimId)?.pollIntervalMs;
  const askedMs = memory.asked.get(eimId);
  if (intervalMs === undefined || askedMs === undefined || journal.content.stateChanges[eimId] !== undefined) return true;
  return ports.clock.monotonicMs() - askedMs >= intervalMs * dueShare;
}

/** EID and eIMs anew; answers whether it is still the same card. */
async function readAgain({ euicc, eid, eims }: IpaContext, signal: AbortSignal): Promise<boolean> {
  const read = euicc.withEuicc(
    "card read again",
    async (es10) => {
      if ((await readEid(es10)).digits !== eid.digits) return false;
      await eims.read(es10);
      return true;
    },
    signal,
  );
  return read.catch((error: unknown) => {
    // A card of another class has taken its place.
    if (isNoFunction(error) || isCode(error, "CARD_NOT_EUICC")) return false;
    throw error;
  });
}

/** Another profile than the one we left: every eIM is told that something changed it. */
async function noticeChange(context: IpaContext): Promise<void> {
  const { journal, eims } = context;
  const now = enabledIccid(context) ?? null;
  const { enabledIccid: before, operation, localSwitch } = journal.content;
  const isOurs = operation !== undefined || localSwitch !== undefined;
  const changed = before !== undefined && before !== now && !isOurs;
  const causes = changed ? journal.changesFor(eims.ids, "undefined") : journal.content.stateChanges;
  const stateChanges = Object.fromEntries(Object.entries(causes).filter(([eimId]) => eims.find(eimId) !== undefined));
  // An operation under way writes for itself what is enabled when it ends.
  await journal.update({ stateChanges, ...(isOurs ? {} : { enabledIccid: now }) });
}

/** What was under way goes on, as far as it can be gone on with now. */
async function goOn(
  context: IpaContext,
  afterRestart: boolean,
  signal: AbortSignal,
  only: (operation: Operation) => boolean = () => true,
): Promise<SimwardError | undefined> {
  const { journal, tell } = context;
  const { operation, localSwitch } = journal.content;
  if (localSwitch !== undefined) {
    if (afterRestart) await tell({ kind: "recovered", operation: "localSwitch", phase: localSwitch.phase });
    const { error } = await resumeLocalSwitch(context, localSwitch, signal);
    if (journal.content.localSwitch !== undefined) return error ?? new SimwardError("BUSY", { detail: localSwitch.function });
  }
  if (operation === undefined || !only(operation)) return undefined;
  if (afterRestart) await tell({ kind: "recovered", operation: operation.kind, phase: operation.phase });
  try {
    const problem = await resume(context, operation, afterRestart, signal);
    if (problem !== undefined) await tell({ kind: "warning", where: operation.kind, error: errorReport(problem) });
    return problem;
  } catch (error) {
    signal.throwIfAborted();
    const known = asSimwardError(error);
    await tell({ kind: "error", where: operation.kind, error: errorReport(known) });
    // There is nobody left to answer to, or nothing that could be understood: it must not stand in the way of all that comes.
    if (known.retry === "operator" || known.retry === "never" || known.code === "INTERNAL") await journal.update({ operation: undefined });
    return known;
  }
}

/** It has done something to the card, or may have. */
function isAtTheCard({ kind, phase }: Operation): boolean {
  return kind !== "ipaEuiccData" && phase !== "received";
}

function resume(context: IpaContext, operation: Operation, afterRestart: boolean, signal: AbortSignal): Promise<SimwardError | undefined> {
  switch (operation.kind) {
    case "euiccPackage":
      return resumePackage(context, operation, afterRestart, signal);
    case "profileDownload":
      return operation.eimId === localOrder
        ? resumeLocalDownload(context, operation, afterRestart, signal)
        : resumeDownload(context, operation, afterRestart, signal);
    case "profileOrder":
      return resumeProfileOrder(context, operation, signal);
    case "ipaEuiccData":
      return resumeDataRequest(context, operation, signal);
  }
}

async function countNotifications(context: IpaContext, signal: AbortSignal): Promise<void> {
  try {
    const waiting = await context.euicc.withEuicc("notifications", (es10) => readNotifications(es10), signal);
    context.memory.pendingNotifications = waiting.length;
  } catch (error) {
    signal.throwIfAborted();
    await context.tell({ kind: "warning", where: "ES10b.RetrieveNotificationsList", error: errorReport(error) });
  }
}

function outcomeOf(
  { journal, memory }: IpaContext,
  eims: readonly EimOutcome[],
  before: SimwardError | undefined,
  refused: { readonly retryAt: number | undefined } | undefined,
): PollOutcome {
  const packages = eims.reduce((sum, one) => sum + one.packages, 0);
  const error = before ?? eims.find((one) => one.error !== undefined)?.error;
  const undelivered = [...memory.results.values()].some(({ deliveredMs }) => deliveredMs === undefined);
  const { operation, localSwitch, outbox, relays } = journal.content;
  const unfinished =
    operation !== undefined || localSwitch !== undefined || outbox.length > 0 || Object.keys(relays).length > 0 || undelivered;
  const quiet = refused !== undefined && eims.length === 0 ? "refused" : "nothing";
  const kind = error !== undefined ? "failed" : packages > 0 ? "done" : quiet;
  return { kind, packages, eims, error, retryAt: refused?.retryAt, unfinished };
}

function enabledIccid({ memory }: IpaContext): string | undefined {
  return memory.profiles.find(({ enabled }) => enabled)?.iccid;
}

/** An error, unless it is the end that was asked for. */
function troubleOf(where: string, error: SimwardError, context: IpaContext | undefined, end: AbortSignal): IpaEvent {
  if (!end.aborted && error.code !== "ABORTED") return { kind: "error", where, error: errorReport(error) };
  const operation = context?.journal.content.operation;
  const why = end.aborted ? asSimwardError(end.reason) : error;
  return { kind: "interrupted", where, operation: operation?.kind, phase: operation?.phase, reason: why.detail ?? why.message };
}

function aborted(error: unknown): SimwardError {
  return error instanceof SimwardError ? error : new SimwardError("ABORTED", { cause: error });
}
