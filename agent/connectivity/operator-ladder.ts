// Carries the choice of operator out: scans, selects, empties the forbidden list, each bounded, never beside what the card is doing; remembers over restarts.
import { array, number, object, optional, parse, string } from "valibot";
import type { Modem } from "../../at-drivers/modem.ts";
import { type Clock, deadline } from "../../base/clock.ts";
import type { Disk } from "../../base/disk.ts";
import { asSimwardError, SimwardError } from "../../base/errors.ts";
import type { Log } from "../../base/log.ts";
import type { AuditEvent } from "../audit/types.ts";
import { openState } from "../state/store.ts";
import {
  initialOperatorState,
  nextOperator,
  type OperatorEffect,
  type OperatorInput,
  type OperatorRecord,
  type OperatorState,
  type Visible,
} from "./operators.ts";

export interface OperatorMemory {
  get(): { readonly known: readonly OperatorRecord[]; readonly clearedAtMs?: number | undefined };
  /** Never rejects: what the disk refuses is known until the restart. */
  save(known: readonly OperatorRecord[], clearedAtMs: number | undefined): Promise<void>;
}

export interface OperatorLadderOptions {
  readonly modem: Pick<Modem, "selectOperator" | "scanOperators" | "radio" | "signalQuality">;
  readonly memory: OperatorMemory;
  /** What uses the card now must not wait minutes behind a scan; whoever comes later waits, and has no path to miss. */
  readonly isCardBusy: () => boolean;
  /** Whether the fleet wants that operator used where it is; automatic choice knows nothing of it. */
  readonly mayUse?: ((plmn: string) => boolean) | undefined;
  readonly clock: Clock;
  readonly log: Log;
  readonly audit: (event: AuditEvent) => Promise<void>;
}

export interface OperatorLadder {
  readonly state: OperatorState;
  /** How long an attempt at a path may take now; undefined: as configured. */
  readonly attemptLimitMs: number | undefined;
  /** The last scan found somebody who may be tried: it is worth trying again soon. */
  readonly isAnybodyThere: boolean;
  /** Takes steps until there is something to attempt ("again") or nothing more to do for now ("wait"). Throws when aborted. */
  failed(plmn: string | undefined, why: string, signal: AbortSignal): Promise<"again" | "wait">;
  up(plmn: string | undefined): void;
  /** The path was lost otherwise; an operator that was chosen is let go. */
  lost(signal: AbortSignal): Promise<void>;
  subscription(iccid: string, signal: AbortSignal): Promise<void>;
}

/** One operator's turn: to register, and then to get a session over which something passes. */
export const selectMs = 60_000;
export const candidateMs = 45_000;
/** As long as +COPS=? may take (27.007 gives no limit; its declaration has this one). */
export const scanMs = 315_000;
/** A card that is at work longer than that has no need of a scan now; the keeper's back-off has. */
export const cardPatienceMs = 60_000;
/** The most that is waited for before the next round while somebody is there to be tried. */
export const againMs = 60_000;
const cardLookMs = 2_000;

/** What the longest time without data rests on, while some operator would serve; see docs/connectivity.md. */
export interface LadderTimes {
  /** Until it is known that nothing passes. */
  readonly detectMs: number;
  /** Of the attempt that fails first: until a registration is given up. */
  readonly attemptMs: number;
  readonly scanMs: number;
  readonly selectMs: number;
  readonly candidateMs: number;
  readonly candidates: number;
}

/** The first round may meet each operator at its worst moment; the second begins after a minute at most. */
export function ladderBoundMs(times: LadderTimes): number {
  const { detectMs, attemptMs, candidates } = times;
  const round = cardPatienceMs + times.scanMs + (candidates + 1) * (times.selectMs + times.candidateMs);
  return detectMs + attemptMs + round + againMs + round;
}

export function createOperatorLadder(options: OperatorLadderOptions): OperatorLadder {
  const { modem, memory, clock, log } = options;
  const remembered = memory.get();
  let state: OperatorState = { ...initialOperatorState, known: remembered.known, clearedAtMs: remembered.clearedAtMs };
  let iccidNow: string | undefined;
  let isAnybodyThere = false;

  const step = (input: OperatorInput): readonly OperatorEffect[] => {
    const before = state;
    const next = nextOperator(before, input);
    state = next.state;
    if (state.known !== before.known || state.clearedAtMs !== before.clearedAtMs) void memory.save(state.known, state.clearedAtMs);
    return next.effects;
  };
  const limited = async <T>(ms: number, what: string, parent: AbortSignal, job: (signal: AbortSignal) => Promise<T>): Promise<T> => {
    const limit = deadline(clock, ms, () => new SimwardError("DEADLINE", { detail: `${what}, ${ms / 1_000} s` }), parent);
    return job(limit.signal).finally(limit.done);
  };
  const tell = (event: string, data: NonNullable<AuditEvent["data"]>): Promise<void> =>
    options.audit({ event, cause: "connectivity", data });

  /** undefined: the card is at work, now or then. */
  const scan = async (signal: AbortSignal): Promise<readonly Visible[] | undefined> => {
    for (let waitedMs = 0; options.isCardBusy(); waitedMs += cardLookMs) {
      if (waitedMs >= cardPatienceMs) return undefined;
      await clock.sleep(cardLookMs, signal);
    }
    // Not to be broken off: few modules take that, and the others are then silent for as long, which looks like a fault.
    const found = await modem.scanOperators();
    signal.throwIfAborted();
    // What the card forbids, modules do not try by themselves, whatever the scan says of it.
    const forbidden = await modem.radio.forbiddenOperators(signal);
    return found.map(({ plmn, status }) => ({ plmn, status: forbidden.includes(plmn) ? "forbidden" : status }));
  };

  const automatic = (signal: AbortSignal): Promise<void> =>
    limited(selectMs, "automatic choice of operator", signal, (limit) => modem.selectOperator(undefined, limit));

  /** Answers the next effects, or what the keeper is to do. */
  const perform = async (effect: OperatorEffect, signal: AbortSignal): Promise<readonly OperatorEffect[] | "again" | "wait"> => {
    switch (effect.kind) {
      case "scan": {
        // One that somebody chose by hand, or a former life of the daemon, is let go before others are looked for.
        if ((await modem.radio.operator(signal)).mode !== "automatic") {
          step({ kind: "putOff" });
          await automatic(signal);
          return "again";
        }
        let found: readonly Visible[] | undefined;
        try {
          found = await scan(signal);
        } catch (error) {
          signal.throwIfAborted();
          log.warn("operators could not be looked for", { error: asSimwardError(error) });
          return step({ kind: "scanFailed", nowMs: clock.now() });
        }
        if (found === undefined) {
          step({ kind: "putOff" });
          return "wait";
        }
        found = found.filter(({ plmn }) => options.mayUse?.(plmn) !== false);
        isAnybodyThere = found.some(({ status }) => status !== "forbidden");
        log.info("operators in reach", { found: found.map(({ plmn, status }) => `${plmn} ${status}`) });
        return step({ kind: "scanned", found, nowMs: clock.now() });
      }
      case "select":
        try {
          await limited(selectMs, `operator ${effect.plmn}`, signal, (limit) => modem.selectOperator(effect.plmn, limit));
          return "again";
        } catch (error) {
          signal.throwIfAborted();
          const why = asSimwardError(error).message;
          log.info("operator does not serve", { plmn: effect.plmn, why });
          return step({ kind: "failed", plmn: effect.plmn, why, nowMs: clock.now() });
        }
      case "clearForbidden": {
        let something = false;
        try {
          something = await limited(selectMs, "the list of forbidden operators", signal, (limit) =>
            modem.radio.clearForbiddenOperators(limit),
          );
        } catch (error) {
          signal.throwIfAborted();
          log.warn("forbidden operators", { error: asSimwardError(error) });
        }
        if (something) await tell("operator.forbiddenCleared", {});
        return step({ kind: "cleared", something, nowMs: clock.now() });
      }
      case "automatic":
        try {
          await automatic(signal);
        } catch (error) {
          signal.throwIfAborted();
          log.warn("automatic choice of operator", { error: asSimwardError(error) });
        }
        return state.phase === "settling" ? "again" : "wait";
    }
  };

  const carryOut = async (effects: readonly OperatorEffect[], signal: AbortSignal): Promise<"again" | "wait"> => {
    for (let todo = effects; ; ) {
      const [effect] = todo;
      if (effect === undefined) return "wait";
      const next = await perform(effect, signal);
      if (typeof next === "string") return next;
      todo = next;
    }
  };

  return {
    get state() {
      return state;
    },
    get isAnybodyThere() {
      return isAnybodyThere;
    },
    get attemptLimitMs() {
      return state.phase === "trying" || state.phase === "settling" ? candidateMs : undefined;
    },
    async failed(plmn, why, signal) {
      try {
        return await carryOut(step({ kind: "failed", plmn, why, nowMs: clock.now() }), signal);
      } catch (error) {
        signal.throwIfAborted();
        log.warn("the choice of operator was broken off", { error: asSimwardError(error) });
        return "wait";
      }
    },
    up(plmn) {
      const before = state.phase;
      step({ kind: "up", plmn, nowMs: clock.now() });
      if (before === "trying" && state.phase === "chosen") void tell("operator.chosen", { plmn: state.plmn ?? null });
      if (plmn === undefined) return;
      // In the background: a module that is busy makes nobody wait.
      modem
        .signalQuality()
        .then(({ rsrpDbm }) => rsrpDbm !== undefined && step({ kind: "signal", plmn, rsrpDbm }))
        .catch((error: unknown) => log.debug("signal", { error: asSimwardError(error) }));
    },
    async lost(signal) {
      await carryOut(step({ kind: "lost" }), signal);
    },
    async subscription(iccid, signal) {
      const before = iccidNow;
      iccidNow = iccid;
      if (before !== undefined && before !== iccid) await carryOut(step({ kind: "subscription" }), signal);
    },
  };
}

const schema = object({
  known: array(object({ plmn: string(), failures: number(), atMs: number(), why: optional(string()), rsrpDbm: optional(number()) })),
  clearedAtMs: optional(number()),
});

export async function openOperatorMemory(disk: Disk, log: Log): Promise<OperatorMemory> {
  const store = await openState<ReturnType<OperatorMemory["get"]>>({
    disk,
    name: "operators",
    version: 1,
    initial: { known: [] },
    parse: (value) => parse(schema, value),
    onLost: (error) => log.error("what was known of operators is lost", { error }),
  });
  return {
    get: () => store.get(),
    save: async (known, clearedAtMs) => void (await store.hold(() => ({ known, ...(clearedAtMs === undefined ? {} : { clearedAtMs }) }))),
  };
}
