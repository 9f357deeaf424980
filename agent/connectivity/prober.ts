// Asks now and then whether anything passes over the path: a black hole has a session, and nothing gets through. Costs some hundred octets each time.
import type { DataSession } from "../../at-drivers/modem.ts";
import type { Clock, Disposer } from "../../base/clock.ts";
import type { Log } from "../../base/log.ts";
import { type Answered, type HealthInput, type HealthState, initialHealth, nextHealth, type TargetKind } from "./path-health.ts";
import type { Ask, Question } from "./probe-net.ts";

export interface ProbeTarget extends Question {
  readonly kind: TargetKind;
}

export interface ProberOptions {
  /** Whom to ask while this session is up, in order of preference. */
  readonly targets: (session: DataSession) => readonly ProbeTarget[];
  readonly ask: Ask;
  readonly clock: Clock;
  readonly log: Log;
  readonly intervalMs: number;
  /** Nothing passes: the path is of no use. */
  readonly onDead: (reason: string) => void;
  readonly onChange?: (state: HealthState) => void;
  /** Who has answered in an earlier life, and who has now. */
  readonly witnesses?: readonly string[];
  readonly onWitness?: (witnesses: readonly string[]) => void;
}

export interface Prober {
  readonly state: HealthState;
  /** The session that is up now; undefined: none. */
  session(session: DataSession | undefined): void;
  /** Before a path is relied on: false when nobody answers who should. Asks thrice. */
  verify(session: DataSession, signal: AbortSignal): Promise<boolean>;
  /** One round now; answers what came of it. */
  probe(): Promise<readonly Answered[]>;
  /** An eIM has answered, or has not: then others are asked at once. */
  heard(target: string): void;
  notHeard(): void;
  /** Every operator was tried, and nobody answers. */
  triedAll(): void;
  stop(): void;
}

export const answerLimitMs = 10_000;
/** Between rounds while nobody answers: a resolver or a host tells soon, an eIM that restarts has its time. */
export const doubtMs = { several: 15_000, eimOnly: 60_000 } as const;
const verifyTries = 3;
const firstMs = 60_000;

export function targetName({ kind, host, port }: Pick<ProbeTarget, "kind" | "host" | "port">): string {
  return kind === "dns" ? `dns ${host}` : `${kind} ${host}:${port}`;
}

export function createProber(options: ProberOptions): Prober {
  const { clock, log } = options;
  const stopping = new AbortController();
  let state: HealthState = { ...initialHealth, witnesses: options.witnesses ?? [] };
  let up: DataSession | undefined;
  let cancelTimer: Disposer = () => {};
  let running: Promise<readonly Answered[]> | undefined;

  const send = (input: HealthInput): void => {
    const { verdict: before, isSuspended, witnesses } = state;
    state = nextHealth(state, input).state;
    if (state.witnesses.some((one) => !witnesses.includes(one))) options.onWitness?.(state.witnesses);
    if (state.verdict !== before || state.isSuspended !== isSuspended) {
      log.info("path", { verdict: state.verdict });
      options.onChange?.(state);
    }
  };
  const plan = (ms: number): void => {
    cancelTimer();
    cancelTimer = () => {};
    if (up !== undefined && options.intervalMs > 0 && !stopping.signal.aborted) cancelTimer = clock.after(ms, () => void round());
  };
  const planNext = (session: DataSession): void => {
    if (state.verdict !== "doubtful" || state.isSuspended) {
      plan(options.intervalMs);
      return;
    }
    const witnesses = options.targets(session).filter((one) => one.kind === "host" || state.witnesses.includes(targetName(one)));
    plan(witnesses.every(({ kind }) => kind === "eim") ? doubtMs.eimOnly : doubtMs.several);
  };

  /** The first that is known to answer; where it is silent, all others at once. */
  const ask = async (session: DataSession, signal: AbortSignal): Promise<readonly Answered[]> => {
    const one = async (target: ProbeTarget): Promise<Answered> => ({
      target: targetName(target),
      kind: target.kind,
      roundTripMs: await options.ask(target, answerLimitMs, signal),
    });
    const targets = options.targets(session);
    const first = targets.find((target) => state.witnesses.includes(targetName(target))) ?? targets[0];
    if (first === undefined) return [];
    if (state.silent > 0) return Promise.all(targets.map(one));
    const answer = await one(first);
    if (answer.roundTripMs !== undefined) return [answer];
    return [answer, ...(await Promise.all(targets.filter((target) => target !== first).map(one)))];
  };

  const round = (): Promise<readonly Answered[]> => {
    const session = up;
    if (session === undefined) return Promise.resolve([]);
    running ??= ask(session, stopping.signal)
      .then((answers) => {
        if (up !== session || stopping.signal.aborted) return answers;
        send({ kind: "probed", answers });
        planNext(session);
        if (state.verdict === "dead") options.onDead(`nothing passes: no answer from ${answers.map(({ target }) => target).join(", ")}`);
        return answers;
      })
      .finally(() => {
        running = undefined;
      });
    return running;
  };

  return {
    get state() {
      return state;
    },
    session(session) {
      const isAnother = session?.address !== up?.address;
      up = session;
      if (session === undefined) plan(0);
      if (session === undefined || !isAnother) return;
      send({ kind: "session" });
      // Who has never answered is no witness: somebody is to be known before it matters.
      const isAnybodyKnown = options.targets(session).some((one) => state.witnesses.includes(targetName(one)));
      plan(isAnybodyKnown ? options.intervalMs : Math.min(firstMs, options.intervalMs));
    },
    async verify(session, signal) {
      for (let left = verifyTries; left > 0; left--) {
        const answers = await ask(session, signal);
        if (answers.some(({ roundTripMs }) => roundTripMs !== undefined)) return true;
        if (state.isSuspended || !answers.some(({ kind, target }) => kind === "host" || state.witnesses.includes(target))) return true;
      }
      return false;
    },
    probe: round,
    heard(target) {
      send({ kind: "heard", target });
      plan(options.intervalMs);
    },
    notHeard() {
      if (up !== undefined && running === undefined) void round();
    },
    triedAll: () => send({ kind: "triedAll" }),
    stop() {
      stopping.abort();
      cancelTimer();
    },
  };
}
