// Carries the fallback machine out (SGP.32 §3.4.5): hears of the data path and of emergencies, has the card switched, remembers over restarts where the
// vehicle stands, and has the eIMs told. The only owner of the timers of fallback and return.
import type { Clock, Disposer } from "../../base/clock.ts";
import { asSimwardError, SimwardError } from "../../base/errors.ts";
import type { Log } from "../../base/log.ts";
import { runMachine } from "../../base/machine.ts";
import type { Random } from "../../base/random.ts";
import { rehearsal } from "../../base/rehearsal.ts";
import type { Ipa } from "../../ipa/ipa.ts";
import {
  afterRestart,
  type FallbackEffect,
  type FallbackInput,
  type FallbackState,
  type FallbackTimes,
  fallbackDelayMs,
  initialFallbackState,
  nextFallback,
} from "../../ipa/machines/fallback.ts";
import type { LocalSwitchFunction } from "../../ipa/machines/local-switch.ts";
import type { LocalSwitchResult } from "../../ipa/procedures/local-switch.ts";
import type { EmergencyWatch } from "../emergency.ts";
import type { Keeper } from "./keeper.ts";

/** What is kept over a restart. */
export interface FallbackRecord {
  readonly state: FallbackState;
  /** Wall clock: since when it waits to return. */
  readonly sinceMs: number;
}

export interface FallbackKeeperOptions {
  readonly ipa: Pick<Ipa, "switchLocally" | "status">;
  readonly keeper: Pick<Keeper, "path" | "onPath">;
  readonly emergency: EmergencyWatch;
  readonly times: FallbackTimes;
  /** Without it only what somebody asks for is done. */
  readonly isAutomatic: boolean;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly load: () => FallbackRecord | undefined;
  /** Durable when it resolves. Throws DISK_WRITE. */
  readonly save: (record: FallbackRecord) => Promise<void>;
  /** The eIMs have something to be told. */
  readonly poll: () => void;
}

export interface FallbackKeeper {
  readonly state: FallbackState;
  /** Milliseconds until the next step; undefined while none is planned. */
  readonly nextInMs: number | undefined;
  /** The IPA has started, or has read the card anew. */
  cardRead(): void;
  /** The card has switched, at whatever order. */
  switched(what: "fellBack" | "returned", fromIccid: string | undefined, toIccid: string | undefined): void;
  /** Now, because somebody wants it. Throws FALLBACK_REFUSED, BUSY, EMERGENCY_ACTIVE, … */
  ask(what: "execute" | "return"): Promise<LocalSwitchResult>;
  stop(): void;
}

/** A vehicle that has been off while it was to return gets a path first. */
const leastMs = 60_000;

export function createFallbackKeeper(options: FallbackKeeperOptions): FallbackKeeper {
  const { ipa, keeper, emergency, clock, random, log } = options;
  const stopping = new AbortController();
  let isBegun = false;
  let cancelTimer: Disposer = () => {};
  let dueAtMs: number | undefined;
  let saved = JSON.stringify(initialFallbackState);
  let sinceMs = 0;
  let lastEnd: Promise<LocalSwitchResult> | undefined;

  const unschedule = (): void => {
    cancelTimer();
    cancelTimer = () => {};
    dueAtMs = undefined;
  };
  const enabled = (): string | undefined => ipa.status().enabledIccid;
  const sendPath = (): void => {
    const { up: isUp, isExhausted } = keeper.path;
    if (isBegun && (options.isAutomatic || isUp || machine.state.phase !== "home")) machine.send({ kind: "path", isUp, isExhausted });
  };
  const scheduleIn = (ms: number): void => {
    unschedule();
    if (stopping.signal.aborted) return;
    dueAtMs = clock.monotonicMs() + ms;
    cancelTimer = clock.after(ms, () => {
      dueAtMs = undefined;
      const { isExhausted } = keeper.path;
      machine.send({ kind: "due", isExhausted, isEmergency: emergency.sources.length > 0, iccid: enabled() });
    });
  };

  /** How an order ends is noted before anything follows from it; before the order what it is for. */
  const order = async (fn: LocalSwitchFunction, isStillWanted: () => boolean): Promise<LocalSwitchResult> => {
    let result: LocalSwitchResult;
    try {
      await remember();
      result = await ipa.switchLocally(fn, { isStillWanted, signal: stopping.signal });
    } catch (error) {
      if (stopping.signal.aborted) throw error;
      const known = asSimwardError(error);
      log.warn(fn, { error: known });
      result = { outcome: "failed", code: undefined, iccid: enabled(), online: undefined, error: known };
    }
    const { outcome, iccid, online } = result;
    machine.send({ kind: "ended", outcome, iccid, online });
    await remember().catch((error: unknown) => log.error("fallback state", { error: asSimwardError(error) }));
    sendPath();
    return result;
  };
  const begin = (fn: LocalSwitchFunction, isStillWanted: () => boolean): void => {
    lastEnd = order(fn, isStillWanted);
    lastEnd.catch((error: unknown) => {
      if (!stopping.signal.aborted) log.error(fn, { error: asSimwardError(error) });
    });
  };

  let isAsked = false;
  const perform = (effect: FallbackEffect): void => {
    switch (effect.do) {
      case "unschedule":
        unschedule();
        break;
      case "schedule":
        scheduleIn(fallbackDelayMs(options.times, effect.why, effect.doublings, random.unit()));
        break;
      case "execute": {
        const wanted = isAsked;
        begin("executeFallbackMechanism", () => wanted || !keeper.path.up);
        break;
      }
      case "return":
        begin("returnFromFallback", () => true);
        break;
      case "poll":
        options.poll();
        break;
    }
  };
  const machine = runMachine<FallbackState, FallbackInput, FallbackEffect>({
    initial: initialFallbackState,
    next: nextFallback,
    perform,
    onChange: (state, _input, before) => {
      if (state.phase !== before.phase && state.phase === "away") sinceMs = clock.now();
      if (state.phase !== before.phase) log.info("fallback", { phase: state.phase, failedReturns: state.failedReturns });
    },
  });

  const refused = (what: "execute" | "return"): SimwardError =>
    new SimwardError("FALLBACK_REFUSED", { detail: what === "return" ? "the vehicle is not in fallback" : machine.state.phase });
  /** What the machine would order now, without telling it. */
  const rehearse = (what: "execute" | "return"): Promise<LocalSwitchResult> => {
    const { effects } = nextFallback(machine.state, { kind: "asked", what, iccid: enabled() });
    if (!effects.some((effect) => effect.do === what)) throw refused(what);
    return ipa.switchLocally(what === "execute" ? "executeFallbackMechanism" : "returnFromFallback", { signal: stopping.signal });
  };

  /** A path that is lost and found again is nothing to be written down each time. */
  const remember = async (): Promise<void> => {
    const { state } = machine;
    const kept = state.phase === "lost" ? afterRestart(state, undefined) : state;
    const text = JSON.stringify(kept);
    if (text === saved) return;
    await options.save({ state: kept, sinceMs });
    saved = text;
  };

  const start = (): void => {
    isBegun = true;
    const record = options.load();
    if (record === undefined) return;
    saved = JSON.stringify(record.state);
    sinceMs = record.sinceMs;
    const state = afterRestart(record.state, enabled());
    machine.send({ kind: "restart", state });
    if (state.phase !== "away") {
      if (state.phase === "home" && state.onTrial) scheduleIn(options.times.returnAfterMs);
      return;
    }
    const wholeMs = fallbackDelayMs(options.times, "return", state.failedReturns, random.unit());
    const waitedMs = Math.max(0, clock.now() - sinceMs);
    scheduleIn(Math.max(leastMs, wholeMs - waitedMs));
  };

  const disposers = [
    keeper.onPath(sendPath),
    emergency.onChange(() => {
      if (isBegun && emergency.sources.length === 0) machine.send({ kind: "emergencyOver" });
    }),
  ];

  return {
    get state() {
      return machine.state;
    },
    get nextInMs() {
      return dueAtMs === undefined ? undefined : Math.max(0, Math.round(dueAtMs - clock.monotonicMs()));
    },
    cardRead() {
      if (!isBegun) start();
      machine.send({ kind: "card", iccid: enabled() });
      sendPath();
    },
    switched(what, fromIccid, toIccid) {
      if (!isBegun) return;
      machine.send({ kind: "resumed", what, fromIccid, toIccid });
      void remember().catch((error: unknown) => log.error("fallback state", { error: asSimwardError(error) }));
    },
    async ask(what) {
      if (!isBegun) throw new SimwardError("BUSY", { detail: "the IPA has not started" });
      if (rehearsal() !== undefined) return rehearse(what);
      const before = lastEnd;
      isAsked = true;
      machine.send({ kind: "asked", what, iccid: enabled() });
      isAsked = false;
      if (lastEnd === before || lastEnd === undefined) throw refused(what);
      return lastEnd;
    },
    stop() {
      stopping.abort(new SimwardError("ABORTED", { detail: "simward stops" }));
      unschedule();
      for (const dispose of disposers) dispose();
    },
  };
}
