// Keeps the vehicle online: APN for the profile now active, registration, data session; up again after each loss; adopts a changed profile.
// One thing at a time: an attempt to get a path, or a change of profile. A timer, an event or a change is always what comes next.
import type { DataSession, Modem, PdpAuth } from "../../at-drivers/modem.ts";
import type { Registration } from "../../at-drivers/types.ts";
import { type Clock, type Disposer, deadline } from "../../base/clock.ts";
import { asSimwardError, type ErrorCode, isCode, SimwardError } from "../../base/errors.ts";
import type { Log } from "../../base/log.ts";
import { Queue } from "../../base/queue.ts";
import type { Random } from "../../base/random.ts";
import { rehearsal } from "../../base/rehearsal.ts";
import type { ProfileSwitch } from "../../ipa/ports.ts";
import type { AuditEvent } from "../audit/types.ts";
import type { ApnConfig, Config } from "../config/schema.ts";
import type { EmergencyWatch } from "../emergency.ts";
import { type ApnSetting, apnCandidates, chooseApn, firstOfTurn, sameApn, turnAfter } from "./apn.ts";
import type { ApnMemory } from "./apn-memory.ts";
import { esmCauseOfCme, esmCauseOfText, esmFailure, isApnsFault, refusalText, sessionCauseText } from "./causes.ts";
import { againMs, type OperatorLadder } from "./operator-ladder.ts";
import type { Prober } from "./prober.ts";

export interface KeeperOptions {
  readonly modem: Modem;
  readonly apns: readonly ApnConfig[];
  readonly memory: ApnMemory;
  readonly radio: Config["radio"];
  readonly emergency: EmergencyWatch;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** Never rejects; records are kept in the order in which they are given. */
  readonly audit: (event: AuditEvent) => Promise<void>;
  /** That the configured APN does not work, or that it does (again). */
  readonly onApn: (problem: SimwardError | undefined) => void;
  /** Tries other operators where the present one gives no path; without it that is left to the module. */
  readonly operators?: OperatorLadder | undefined;
  /** Whether anything passes over a path that came up with something new. */
  readonly prober?: Pick<Prober, "verify" | "triedAll"> | undefined;
  /** The content of a systemd credential. Throws CONFIG_READ. */
  readonly credential: (name: string) => Promise<string>;
}

export interface PathState {
  readonly up: boolean;
  readonly session: DataSession | undefined;
  /** The subscription it is up with. */
  readonly iccid: string | undefined;
  /** The APN in use, ours or the module's. */
  readonly apn: string | undefined;
  /** Why there is no path. */
  readonly reason: string | undefined;
  /** Every APN that there is to try has had its turn since there was a path. */
  readonly isExhausted: boolean;
}

export interface Keeper extends ProfileSwitch {
  readonly path: PathState;
  onPath(fn: (path: PathState) => void): Disposer;
  /** Takes the path down and keeps it down, for a policy; undefined lets it come up again. In an emergency nothing is held down. */
  hold(reason: string | undefined): void;
  start(): void;
  /** Asks the module whether the data session is still there; for when the world behind it does not answer. Never rejects. */
  check(): Promise<void>;
  /** The session is up and nothing passes: it counts as lost, and the operator as failed. */
  giveUp(reason: string): void;
  /** Another APN may be chosen now: the path comes up anew. Not in an emergency. */
  renew(reason: string): void;
  /** What the network says of a failure, in words, where it says something. */
  explain(error: SimwardError): Promise<SimwardError>;
  /** Writes settings that the module takes only off the air, in the place of an attempt; then the path comes up anew. Rejects when aborted. */
  change<T>(job: (signal: AbortSignal) => Promise<T>): Promise<T>;
  /** Resolves when nothing runs any more. */
  stop(): Promise<void>;
}

const down: PathState = { up: false, session: undefined, iccid: undefined, apn: undefined, reason: undefined, isExhausted: false };
const adoptAgainMs = 3_000;
/** Modules lose URCs: that a session has ended is also seen by asking. */
const checkMs = 60_000;
/** A path that did not last this long counts as one that never came up: what flaps is left to the timer. */
const stableMs = 60_000;
const flapsAtOnce = 3;
/** A network that refuses for so long will not take the vehicle by itself. */
const refusedMs = 45_000;
const refusedLookMs = 5_000;
const stopLimitMs = 5_000;
const connected: readonly Registration["status"][] = ["home", "roaming"];

/** Full jitter, 5 s doubled up to five minutes. `unit` is uniform in [0, 1). */
export function pathRetryDelayMs(failures: number, unit: number): number {
  return 1_000 + unit * Math.min(300_000, 5_000 * 2 ** Math.min(Math.max(failures - 1, 0), 10));
}

export function createKeeper(options: KeeperOptions): Keeper {
  const { modem, clock, log, memory } = options;
  const work = new Queue();
  const stopping = new AbortController();
  const listeners = new Set<(path: PathState) => void>();
  let disposers: readonly Disposer[] = [];
  let path: PathState = { ...down, reason: "not yet connected" };
  let upSinceMs = 0;
  let registered = false;
  /** How often the module has gone away. */
  let restarts = 0;
  /** Attempts in a row without a path; losses in a row of paths that did not last. */
  let failures = 0;
  let flaps = 0;
  /** With this subscription, whatever it was that failed: decides which APN has its turn. */
  let tried = { iccid: "", times: 0, candidates: 0 };
  let cancelRetry: Disposer = () => {};
  /** An attempt waits for its turn: one is enough. */
  let isWaiting = false;
  /** Ends the attempt under way, because the profile changes or simward stops. */
  let attempting = new AbortController();
  /** Changes of profile that wait or run: nothing is done for the profile before meanwhile. */
  let adopting = 0;
  /** Ends the change of profile under way, because an emergency has begun. */
  let changing = new AbortController();
  /** The emergency profile is being adopted, which is part of the emergency. */
  let isForEmergency = false;
  const { operators, prober } = options;
  /** The operator with which nothing passed though there was a session: the others come first. */
  let doubted: Blame | undefined;
  /** Where the last path was. */
  let lastPlmn: string | undefined;
  const isHeld = (): boolean => !isForEmergency && options.emergency.sources.length > 0;
  /** Why a policy wants no path. */
  let unwanted: string | undefined;
  const isUnwanted = (): boolean => unwanted !== undefined && options.emergency.sources.length === 0;

  const setPath = (next: PathState): void => {
    const before = path;
    path = next;
    if (before.up !== next.up) {
      const { plmn, rat } = modem.status.registration;
      const where = { plmn: plmn ?? null, rat: rat ?? null, apn: next.apn ?? before.apn ?? null };
      const data = next.up ? { ...where, address: next.session?.address ?? null } : { ...where, reason: next.reason ?? "unknown" };
      void options.audit({ event: next.up ? "path.up" : "path.down", cause: "module", data });
    }
    for (const listener of [...listeners]) listener(next);
  };
  const isExhausted = ({ times, candidates } = tried): boolean => times > 0 && candidates > 0 && turnAfter(times - 1) >= candidates - 1;
  const setDown = (reason: string, apn: string | undefined): void => setPath({ ...down, apn, reason, isExhausted: isExhausted() });

  // --- one attempt -------------------------------------------------------------------------------------------------------------

  const authOf = async (apn: ApnSetting): Promise<PdpAuth | undefined> => {
    if (apn.auth === "none") return undefined;
    const password = apn.password_credential === undefined ? "" : await options.credential(apn.password_credential);
    return { protocol: apn.auth, user: apn.user ?? "", password };
  };

  /** What the context was before simward's first touch is the way back from a wrong [[apn]]: noted before it is overwritten. */
  const noteOwn = async ({ cid, type }: ApnSetting, signal: AbortSignal): Promise<void> => {
    if (memory.own(cid) !== undefined) return;
    const found = (await modem.contexts(signal)).find((context) => context.cid === cid);
    await memory.noteOwn({ cid, type: found?.type ?? type, name: found?.apn ?? "", auth: "none" });
  };

  interface Applied {
    readonly chosen: ApnSetting | undefined;
    readonly inUse: ApnSetting | undefined;
    readonly changed: boolean;
    /** An emergency: the module's settings are left as they are, whatever they are. */
    readonly held: boolean;
  }

  const applyApn = async (iccid: string, mcc: string | undefined, turn: number, signal: AbortSignal): Promise<Applied> => {
    const entry = chooseApn(options.apns, { iccid, mcc });
    const chosen = entry === undefined ? undefined : { ...entry, cid: entry.cid ?? modem.attachCid };
    if (isHeld()) return { chosen, inUse: undefined, changed: false, held: true };
    if (chosen !== undefined) await noteOwn(chosen, signal);
    const candidates = apnCandidates(chosen, memory.of(iccid), memory.own(chosen?.cid ?? modem.attachCid));
    // Without any, what the module holds is the one.
    tried = { ...tried, candidates: Math.max(1, candidates.length) };
    const inUse = candidates[turn % candidates.length];
    if (inUse === undefined) return { chosen, inUse, changed: false, held: false };
    if (isHeld()) return { chosen, inUse: undefined, changed: false, held: true };
    const { cid, type, name } = inUse;
    const { changed } = await modem.ensureContext({ cid, type, apn: name }, await authOf(inUse), signal);
    if (changed) {
      const data = { iccid, apn: name, cid, type };
      if (chosen === undefined || sameApn(chosen, inUse)) await options.audit({ event: "apn.applied", cause: "config", data });
      else await options.audit({ event: "apn.restored", cause: "connectivity", data: { ...data, insteadOf: chosen.name } });
    }
    return { chosen, inUse, changed, held: false };
  };

  /** Throws with the reason when there is no path in time. */
  const bringUp = async (limitMs: number, signal: AbortSignal): Promise<void> => {
    await modem.ready(signal);
    const iccid = await modem.iccid(signal);
    await operators?.subscription(iccid, signal);
    if (tried.iccid !== iccid) tried = { iccid, times: 0, candidates: 0 };
    const turn = turnAfter(tried.times);
    // While operators have their turns, the APN keeps its own.
    if (!isHeld() && operators?.attemptLimitMs === undefined) tried = { ...tried, times: tried.times + 1 };
    const mccOf = ({ plmn }: Registration): string | undefined => plmn?.slice(0, 3);
    let mcc = mccOf(modem.status.registration) ?? memory.of(iccid).mcc;
    const before = restarts;
    let applied = await applyApn(iccid, mcc, turn, signal);
    const found = mccOf(await modem.awaitRegistered({ timeoutMs: limitMs, signal })) ?? mcc;
    if (found !== mcc || restarts !== before) {
      // The market is known only now, and its APN may be another one; or the module has restarted meanwhile and may have forgotten its contexts.
      mcc = found;
      applied = await applyApn(iccid, mcc, turn, signal);
      if (applied.changed) await modem.awaitRegistered({ timeoutMs: limitMs, signal });
    }
    const { chosen, inUse, held } = applied;
    const isDoubting = doubted !== undefined;
    const session = await modem.connect(inUse?.cid ?? chosen?.cid ?? modem.attachCid, signal);
    // A session alone proves little: an APN that leads nowhere, an operator that carries nothing.
    const isNew = inUse !== undefined && !sameAsWorked(memory.of(iccid).worked, inUse);
    if (!held && (isNew || isDoubting) && prober !== undefined && !(await prober.verify(session, signal)))
      throw new SimwardError("NO_DATA_PATH", { detail: `${whereItStands(modem)}; there is a session, but nothing passes` });
    // At once: an event that ends this session must find it up.
    upSinceMs = clock.monotonicMs();
    setPath({ up: true, session, iccid, apn: session.apn ?? inUse?.name, reason: undefined, isExhausted: false });
    lastPlmn = modem.status.registration.plmn ?? lastPlmn;
    tried = { iccid, times: 0, candidates: 0 };
    // What it came up with is not of our choosing.
    if (held) return;
    const isInstead = chosen !== undefined && inUse !== undefined && !sameApn(chosen, inUse);
    const problem = isInstead
      ? new SimwardError("APN_FAILED", { detail: `${JSON.stringify(chosen.name)}; ${JSON.stringify(inUse.name)} is in use` })
      : undefined;
    options.onApn(problem);
    await memory.note(iccid, { worked: inUse, failed: isInstead ? chosen : undefined, mcc });
  };

  /** In the network's own words where the module passes them on; one that has nothing to do with the operator is the APN's. */
  const explained = async (error: SimwardError, isOurs = true): Promise<SimwardError> => {
    const esmCause = await esmCauseOf(error).catch(() => undefined);
    if (esmCause === undefined) return error;
    if (isOurs && isApnsFault(esmCause))
      tried = { ...tried, times: Math.max(tried.times, firstOfTurn(turnAfter(Math.max(0, tried.times - 1)) + 1)) };
    const where = error.code === "NO_DATA_PATH" ? (error.detail ?? "") : whereItStands(modem);
    return new SimwardError("NO_DATA_PATH", { detail: `${where}; ${sessionCauseText(esmCause)}`, cause: error });
  };

  const esmCauseOf = async (error: SimwardError): Promise<number | undefined> => {
    if (stopping.signal.aborted || modem.status.link !== "ready") return undefined;
    const { cme } = error.data;
    const told = typeof cme === "number" ? esmCauseOfCme(cme) : undefined;
    if (told !== undefined || !isCode(error, "NO_DATA_PATH", "DEADLINE")) return told;
    // Whose attach fails for the session's sake is told no more than that, on some modules not even that; the module knows why.
    const { status, rejectCause } = modem.status.registration;
    if (connected.includes(status) || (rejectCause !== undefined && rejectCause !== esmFailure)) return undefined;
    const known = await modem.radio.failureCause(stopping.signal);
    if (known === undefined) return undefined;
    return known.kind === "esm" ? known.cause : esmCauseOfText(known.text);
  };

  /** Answers why there is no path. */
  const attempt = async (limitMs: number, signal: AbortSignal): Promise<SimwardError | undefined> => {
    const { times } = tried;
    const wasHeld = isHeld();
    try {
      await bringUp(limitMs, signal);
      return undefined;
    } catch (error) {
      // What was broken off says nothing of the APN: it keeps its turn.
      if (isCode(error, "ABORTED", "EMERGENCY_ACTIVE")) tried = { ...tried, times: Math.min(tried.times, times) };
      // In an emergency nothing was written: what the network refused then is not the APN that we would have given it.
      const cause = await explained(asSimwardError(error), !wasHeld && !isHeld());
      setDown(cause.message, path.apn);
      return cause;
    }
  };

  const within = (code: ErrorCode, limitMs: number, parent: AbortSignal): ReturnType<typeof deadline> =>
    deadline(
      clock,
      limitMs,
      () => new SimwardError(code, { detail: `${whereItStands(modem)}, after ${Math.round(limitMs / 1_000)} s` }),
      parent,
    );

  // --- again and again ---------------------------------------------------------------------------------------------------------

  const wakeIn = (ms: number): void => {
    cancelRetry();
    cancelRetry = stopping.signal.aborted ? () => {} : clock.after(ms, wake);
  };

  const wake = (): void => {
    cancelRetry();
    cancelRetry = () => {};
    if (stopping.signal.aborted || isWaiting) return;
    isWaiting = true;
    void work
      .run(() => {
        isWaiting = false;
        return keepUp();
      })
      .catch((error: unknown) => {
        if (!stopping.signal.aborted) log.error("keeping the path up failed", { error: asSimwardError(error) });
      });
  };

  const keepUp = async (): Promise<void> => {
    if (path.up || adopting > 0 || stopping.signal.aborted || isUnwanted()) return;
    const { signal } = attempting;
    if (doubted === undefined && !isHeld()) await operators?.lost(signal).catch((error: unknown) => log.debug("operator", { error }));
    for (let blame: Blame | undefined = doubted; ; ) {
      if (blame !== undefined) {
        if (operators === undefined || !isOperatorsTurn()) break;
        const next = await operators.failed(blame.plmn, blame.why, signal).catch(() => "wait" as const);
        if (signal.aborted) return;
        if (next === "wait") {
          // Nobody carries anything: then it is not the operators. What there is is used, until somebody has answered again.
          if (doubted !== undefined) prober?.triedAll();
          break;
        }
      }
      const error = await oneAttempt(signal);
      // Whoever has ended it says how it goes on.
      if (signal.aborted) return;
      if (error === undefined) {
        failures = 0;
        doubted = undefined;
        operators?.up(modem.status.registration.plmn);
        return;
      }
      log.warn("no data path", { error, failures: failures + 1 });
      const { plmn, rejectCause } = modem.status.registration;
      blame = { plmn: plmn ?? (rejectCause === undefined ? undefined : lastPlmn), why: error.message };
    }
    doubted = undefined;
    failures++;
    const delayMs = pathRetryDelayMs(failures, options.random.unit());
    wakeIn(operators?.isAnybodyThere === true ? Math.min(delayMs, againMs) : delayMs);
  };

  const oneAttempt = async (signal: AbortSignal): Promise<SimwardError | undefined> => {
    const limitMs = operators?.attemptLimitMs ?? options.radio.registration_timeout_seconds * 1_000;
    const limit = within("NO_DATA_PATH", limitMs, signal);
    const refusal = operators === undefined ? undefined : whenRefused(limit.signal);
    try {
      return await attempt(limitMs, refusal?.signal ?? limit.signal);
    } finally {
      refusal?.done();
      limit.done();
    }
  };

  /** Aborts when the network has refused for a while; modules go on asking the same one for ever. */
  const whenRefused = (parent: AbortSignal): ReturnType<typeof deadline> => {
    const refused = new AbortController();
    let sinceMs: number | undefined;
    const stop = clock.every(refusedLookMs, () => {
      const { status, rejectCause } = modem.status.registration;
      const isRefused = status === "denied" || (rejectCause !== undefined && !connected.includes(status));
      sinceMs = isRefused ? (sinceMs ?? clock.monotonicMs()) : undefined;
      if (sinceMs !== undefined && clock.monotonicMs() - sinceMs >= refusedMs)
        refused.abort(new SimwardError("NO_DATA_PATH", { detail: whereItStands(modem) }));
    });
    return { signal: AbortSignal.any([parent, refused.signal]), done: stop };
  };

  /** Not while the module itself is the trouble, nor before each APN has had its turn where none has worked with this subscription. */
  const isOperatorsTurn = (): boolean => {
    const { link, sim } = modem.status;
    if (isHeld() || link !== "ready" || (sim !== undefined && sim !== "ready")) return false;
    return doubted !== undefined || memory.of(tried.iccid).worked !== undefined || isExhausted();
  };

  const lost = (reason: string): void => {
    if (!path.up) return;
    flaps = clock.monotonicMs() - upSinceMs < stableMs ? flaps + 1 : 0;
    setDown(reason, path.apn);
    if (flaps < flapsAtOnce) wake();
    else wakeIn(pathRetryDelayMs(flaps, options.random.unit()));
  };

  const giveUp = (reason: string): void => {
    if (!path.up || isHeld() || adopting > 0) return;
    doubted = { plmn: modem.status.registration.plmn, why: reason };
    // What flaps is left to the timer; this has been watched for long enough.
    flaps = 0;
    setDown(reason, path.apn);
    wake();
  };

  const check = async (): Promise<void> => {
    const before = path;
    if (before.session === undefined) return;
    let session: DataSession | undefined = before.session;
    try {
      session = await modem.session(before.session.cid, stopping.signal);
    } catch (error) {
      // What cannot be asked says nothing; a module that is gone is told as such.
      log.debug("the data session could not be checked", { error: asSimwardError(error) });
    }
    if (path !== before) return;
    if (session === undefined) lost("the data session ended unnoticed");
    else if (session.address !== before.session.address) setPath({ ...before, session });
  };

  // --- a change of profile -----------------------------------------------------------------------------------------------------

  /** Tries until the deadline: a module may reset by itself while it changes, and a network may refuse the first time. */
  const adopt = async (iccid: string | undefined, endMs: number, signal: AbortSignal): Promise<"online" | "offline"> => {
    setDown("the profile changes", undefined);
    failures = 0;
    flaps = 0;
    if (iccid === undefined) return "offline";
    const leftMs = (): number => Math.max(1, endMs - clock.monotonicMs());
    const limit = within("PROFILE_NOT_ONLINE", leftMs(), signal);
    try {
      for (;;) {
        const error = (await readAnew(iccid, limit.signal)) ?? (await attempt(leftMs(), limit.signal));
        signal.throwIfAborted();
        if (error === undefined) return "online";
        log.warn("the new profile finds no data path", { iccid, error });
        // Its ladder has been climbed to the top.
        if (isCode(error, "SWITCH_NOT_SEEN") || leftMs() <= adoptAgainMs) return "offline";
        await clock.sleep(adoptAgainMs, signal);
      }
    } finally {
      limit.done();
    }
  };

  /** Brings the module to use this profile. Answers why it does not. */
  const readAnew = async (iccid: string, signal: AbortSignal): Promise<SimwardError | undefined> => {
    try {
      await modem.ready(signal);
      const { steps, tookMs, operatorProfile } = await modem.awaitCard({ iccid, signal });
      const configuration = operatorProfile === undefined ? {} : { operatorProfile: operatorProfile.name };
      const data = { iccid, steps: [...steps], tookMs: Math.round(tookMs), ...configuration };
      await options.audit({ event: "module.cardAdopted", cause: "module", data });
      return undefined;
    } catch (error) {
      return asSimwardError(error);
    }
  };

  /** It ends a change of profile at its next pause; whoever wanted that takes it up again. When it is over, the way is free. */
  const emergencyChanged = (): void => {
    const { sources } = options.emergency;
    if (!path.up && sources.length === 0) wake();
    radio();
    if (sources.length > 0 && !isForEmergency) changing.abort(new SimwardError("EMERGENCY_ACTIVE", { detail: sources.join(", ") }));
  };

  /** In LTE the default context cannot be taken down alone: the radio is switched off with it. */
  let isRadioOff = false;
  const radio = (): void => {
    work
      .run(async () => {
        const off = isUnwanted() && adopting === 0;
        if (off === isRadioOff) return;
        await modem.setFunction(off ? 4 : 1, stopping.signal);
        isRadioOff = off;
        if (!off && !path.up) wake();
      })
      .catch((error: unknown) => {
        if (!stopping.signal.aborted) log.warn("the radio could not be switched", { error: asSimwardError(error) });
      });
  };

  const hold = (reason: string | undefined): void => {
    unwanted = reason;
    // A change of profile has its own deadline and its own way back; what comes after it is held.
    if (reason !== undefined && isUnwanted() && adopting === 0) {
      attempting.abort(new SimwardError("ABORTED", { detail: reason }));
      attempting = new AbortController();
      cancelRetry();
      setDown(reason, path.apn);
    }
    radio();
  };

  return {
    get path() {
      return path;
    },
    hold,
    onPath(fn) {
      listeners.add(fn);
      return () => listeners.delete(fn);
    },
    start() {
      registered = connected.includes(modem.status.registration.status);
      disposers = [
        clock.every(checkMs, () => void check()),
        options.emergency.onChange(emergencyChanged),
        modem.onEvent((event) => {
          switch (event.kind) {
            case "registration": {
              const before = registered;
              registered = connected.includes(event.registration.status);
              if (!registered) lost(`registration: ${event.registration.status}`);
              else if (!before && !path.up && flaps < flapsAtOnce) wake();
              break;
            }
            case "bearer":
              if (!event.active) lost("the network or the module ended the data session");
              break;
            case "gone":
              restarts++;
              registered = false;
              lost(`the module is gone: ${event.reason}`);
              break;
            case "back":
              lost("the module has restarted");
              if (flaps < flapsAtOnce) wake();
              else wakeIn(pathRetryDelayMs(flaps, options.random.unit()));
              break;
            default:
          }
        }),
      ];
      wake();
    },
    check,
    giveUp,
    renew(reason) {
      if (!path.up || isHeld() || adopting > 0) return;
      flaps = 0;
      setDown(reason, path.apn);
      wake();
    },
    explain: (error) => explained(error, false),
    async change(job) {
      const going = rehearsal();
      if (going !== undefined) return job(going.signal);
      attempting.abort(new SimwardError("ABORTED", { detail: "the radio's settings change" }));
      attempting = new AbortController();
      try {
        return await work.run(() => job(stopping.signal), stopping.signal);
      } finally {
        if (!path.up) wake();
      }
    },
    async adopt({ iccid, deadlineMs, isEmergencyProfile = false, signal }) {
      const endMs = clock.monotonicMs() + deadlineMs;
      if (!isEmergencyProfile && options.emergency.sources.length > 0) return "offline";
      const change = new AbortController();
      const ending = AbortSignal.any([stopping.signal, change.signal, ...(signal === undefined ? [] : [signal])]);
      // An attempt with the former profile may take minutes; the new one has its own deadline, and behind that the way back.
      adopting++;
      changing = change;
      isForEmergency = isEmergencyProfile;
      attempting.abort(new SimwardError("ABORTED", { detail: "the profile changes" }));
      attempting = new AbortController();
      try {
        return await work.run(() => adopt(iccid, endMs, ending), ending);
      } catch (error) {
        if (isCode(change.signal.reason, "EMERGENCY_ACTIVE")) return "offline";
        throw error;
      } finally {
        adopting--;
        isForEmergency = false;
        if (!path.up) wakeIn(pathRetryDelayMs(1, options.random.unit()));
      }
    },
    async stop() {
      stopping.abort(new SimwardError("ABORTED", { detail: "simward stops" }));
      attempting.abort(stopping.signal.reason);
      cancelRetry();
      for (const dispose of disposers) dispose();
      work.close(stopping.signal.reason);
      await Promise.race([work.idle(), clock.sleep(stopLimitMs)]);
    },
  };
}

/** Who a failure is put down to. */
interface Blame {
  readonly plmn: string | undefined;
  readonly why: string;
}

function sameAsWorked(worked: ApnSetting | undefined, inUse: ApnSetting): boolean {
  return worked !== undefined && sameApn(worked, inUse);
}

/** How far it has come, for the reason of a path that did not come up in time. */
function whereItStands({ status: { link, reason, registration } }: Modem): string {
  if (link !== "ready") return `the module is ${link}${reason === undefined ? "" : ` (${reason})`}`;
  const { status, rejectCause, plmn } = registration;
  if (connected.includes(status)) return `registered with ${plmn ?? "a network"}, but without a data session`;
  return `registration: ${status}${rejectCause === undefined ? "" : `, ${refusalText(rejectCause)}`}`;
}
