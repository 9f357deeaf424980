// Carries the poll machine out: starts the IPA, asks eIMs when it is time or when somebody wants it, one at a time, and says what came of it.
import { type Clock, type Disposer, deadline } from "../../base/clock.ts";
import { asSimwardError, isCode, SimwardError } from "../../base/errors.ts";
import type { Log } from "../../base/log.ts";
import { runMachine } from "../../base/machine.ts";
import { Queue } from "../../base/queue.ts";
import type { Random } from "../../base/random.ts";
import type { Ipa, IpaStatus, PollOutcome } from "../../ipa/ipa.ts";
import { backOffDelayMs, intervalDelayMs, newsDelayMs, startDelayMs } from "./delays.ts";
import { initialPollState, nextPoll, type PollEffect, type PollInput, type PollState } from "./poll-machine.ts";

export interface PollerOptions {
  readonly ipa: Pick<Ipa, "start" | "pollOnce" | "deliverNotifications" | "status">;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly intervalMs: number;
  /** Wall clock of the last poll of an earlier life. */
  readonly lastPollMs: () => number | undefined;
  readonly hasPath: () => boolean;
  /** holdsPolls: nobody is asked now. active: something that a poll ran into may have to wait, though eIMs are asked. */
  readonly emergency?: { readonly holdsPolls: () => boolean; readonly active: () => boolean };
  /** The IPA has started, or why it has not. Must not reject. */
  readonly onStart: (outcome: IpaStatus | SimwardError) => Promise<void>;
  /** Must not reject. */
  readonly onPoll: (outcome: PollOutcome) => Promise<void>;
}

export interface Poller {
  /** `absent` while there is no module or card. */
  readonly phase: PollState["phase"];
  /** Milliseconds until the next poll; undefined while none is planned. */
  readonly nextPollInMs: number | undefined;
  cardReady(): void;
  cardGone(): void;
  pathUp(): void;
  /** The machine was suspended: what is due is counted anew. */
  awake(): void;
  /** The emergency is over: what was put off is made up for now. */
  released(): void;
  /** The eIMs have something to be told: asked soon. */
  news(): void;
  /** Asks now. Waits for what is under way, but not for long. Throws BUSY. */
  ask(eimId: string | undefined): Promise<PollOutcome>;
  /** Resolves when nothing runs any more; what runs is ended by its owner. */
  stop(): Promise<void>;
}

const patienceMs = 30_000;
const stopLimitMs = 10_000;

/** `signal` ends what runs. */
export function createPoller(options: PollerOptions, signal: AbortSignal): Poller {
  const { ipa, clock, random, log, intervalMs } = options;
  const { holdsPolls, active } = options.emergency ?? { holdsPolls: () => false, active: () => false };
  const work = new Queue(16);
  /** Those that wait for the same share one poll. */
  const asked = new Map<string | undefined, Promise<PollOutcome>>();
  let cancelTimer: Disposer = () => {};
  let dueAtMs: number | undefined;

  const unschedule = (): void => {
    cancelTimer();
    dueAtMs = undefined;
  };
  const schedule = (delayMs: number, then: () => void): void => {
    unschedule();
    if (signal.aborted) return;
    dueAtMs = clock.monotonicMs() + delayMs;
    cancelTimer = clock.after(delayMs, () => {
      dueAtMs = undefined;
      then();
    });
  };
  const delayOf = (effect: Extract<PollEffect, { kind: "schedule" }>): number => {
    const eid = ipa.status().eid ?? "";
    const byInterval = intervalDelayMs(eid, intervalMs, clock.now());
    switch (effect.why) {
      case "start":
        return startDelayMs(eid, intervalMs, clock.now(), options.lastPollMs(), random.unit());
      case "interval":
        return byInterval;
      case "news":
        return Math.min(newsDelayMs(random.unit()), dueAtMs === undefined ? Number.POSITIVE_INFINITY : dueAtMs - clock.monotonicMs());
      case "backOff":
        return backOffDelayMs(effect.retry, effect.failures, intervalMs, random.unit()) ?? byInterval;
    }
  };
  const perform = (effect: PollEffect, send: (input: PollInput) => void): void => {
    switch (effect.kind) {
      case "start":
        run("start", start);
        break;
      case "poll":
        run("poll", () => poll(undefined));
        break;
      case "unschedule":
        unschedule();
        break;
      case "schedule":
        schedule(delayOf(effect), () => send({ kind: "due", isHeld: holdsPolls() }));
        break;
    }
  };
  const machine = runMachine<PollState, PollInput, PollEffect>({ initial: initialPollState, next: nextPoll, perform });
  const run = (what: string, job: () => Promise<unknown>): void => {
    work.run(job).catch((error: unknown) => {
      if (!signal.aborted) log.error(what, { error: asSimwardError(error) });
    });
  };

  const start = async (): Promise<void> => {
    try {
      await options.onStart(await ipa.start(signal));
      machine.send({ kind: "started" });
    } catch (error) {
      const known = asSimwardError(error);
      if (!signal.aborted) await options.onStart(known);
      machine.send({ kind: "startFailed", retry: known.retry });
    }
  };

  const poll = async (eimId: string | undefined): Promise<PollOutcome> => {
    machine.send({ kind: "pollBegun" });
    let ended: Extract<PollInput, { kind: "pollEnded" }> = { kind: "pollEnded", retry: "later", unfinished: true };
    try {
      const outcome = await ipa.pollOnce(eimId, signal);
      await options.onPoll(outcome);
      const undelivered = await deliver(outcome);
      ended = { kind: "pollEnded", retry: outcome.error?.retry ?? undelivered?.retry, unfinished: outcome.unfinished };
      if (isCode(outcome.error, "EMERGENCY_ACTIVE")) ended = { ...ended, unfinished: true, isHeld: true };
      return outcome;
    } finally {
      machine.send(ended);
      // It was over before the poll that it held up was.
      if (ended.isHeld === true && !active()) machine.send({ kind: "released" });
    }
  };

  /** Notifications have their own receivers; where there is no way to any of them, they wait. */
  const deliver = async ({ error: failed }: PollOutcome): Promise<SimwardError | undefined> => {
    if (failed?.code === "EMERGENCY_ACTIVE" || (failed?.retry === "online" && !options.hasPath())) return undefined;
    // Delivering would first go on with what was interrupted: that has just failed, and its next attempt is due after the back-off.
    if (failed !== undefined && failed.retry !== "online" && ipa.status().operation !== undefined) return undefined;
    const { error, remaining } = await ipa.deliverNotifications(signal);
    if (error !== undefined && !signal.aborted) log.warn("notifications wait", { error, remaining });
    return error;
  };

  const whatRuns = (): string => {
    const { operation, cardBusyWith } = ipa.status();
    if (operation !== undefined) return `${operation.kind} for ${operation.eimId}, ${operation.phase}`;
    return cardBusyWith ?? (machine.state.phase === "starting" ? "the start of the IPA" : "a poll");
  };

  return {
    get phase() {
      return machine.state.phase;
    },
    get nextPollInMs() {
      return dueAtMs === undefined ? undefined : Math.max(0, Math.round(dueAtMs - clock.monotonicMs()));
    },
    cardReady: () => machine.send({ kind: "cardReady" }),
    cardGone: () => machine.send({ kind: "cardGone" }),
    pathUp: () => machine.send({ kind: "pathUp" }),
    awake: () => machine.send({ kind: "awake" }),
    released: () => machine.send({ kind: "released" }),
    news: () => machine.send({ kind: "news" }),
    ask(eimId) {
      const waiting = asked.get(eimId);
      if (waiting !== undefined) return waiting;
      const late = (): SimwardError => new SimwardError("BUSY", { detail: `${whatRuns()}; waited ${patienceMs / 1_000} s` });
      const limit = deadline(clock, patienceMs, late, signal);
      let isWaiting = true;
      const begun = (): void => {
        isWaiting = false;
        limit.done();
        if (asked.get(eimId) === result) asked.delete(eimId);
      };
      let result: Promise<PollOutcome> | undefined;
      result = work
        .run(() => {
          begun();
          return poll(eimId);
        }, limit.signal)
        .finally(begun);
      if (isWaiting) asked.set(eimId, result);
      return result;
    },
    async stop() {
      unschedule();
      work.close(new SimwardError("ABORTED", { detail: "simward stops" }));
      await Promise.race([work.idle(), clock.sleep(stopLimitMs)]);
    },
  };
}
