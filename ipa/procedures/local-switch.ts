// Carries out a change of profile that the device orders (SGP.32 §3.4.5, §5.9.20 to §5.9.23): on the card, then on the module, then every eIM is told.
// The journal holds it from before the order until the eIMs are noted, so that no blow leaves card, module and eIMs of different minds.
import { asSimwardError, isCode, type SimwardError } from "../../base/errors.ts";
import {
  disableEmergencyProfile,
  type Es10,
  enableEmergencyProfile,
  executeFallbackMechanism,
  type ResultCode,
  returnFromFallback,
} from "../euicc/es10.ts";
import {
  type LocalSwitchEffect,
  type LocalSwitchFunction,
  type LocalSwitchInput,
  type LocalSwitchOutcome,
  type LocalSwitchState,
  localSwitches,
  nextLocalSwitch,
  orderedSwitch,
} from "../machines/local-switch.ts";
import type { EmergencySource } from "../ports.ts";
import type { IpaContext } from "./context.ts";
import { drive, type Telling } from "./drive.ts";
import { deferred, emergencyOf, holdsPolls } from "./emergency.ts";
import { adoptProfile, refreshProfiles } from "./package.ts";

export interface LocalSwitchResult {
  readonly outcome: LocalSwitchOutcome;
  /** The card's result code, unless it was ok. */
  readonly code: string | number | undefined;
  /** Enabled now, digits. */
  readonly iccid: string | undefined;
  readonly online: boolean | undefined;
  /** Why it is not finished. */
  readonly error: SimwardError | undefined;
}

const functions: Readonly<Record<LocalSwitchFunction, (es10: Es10, refreshFlag: boolean) => Promise<ResultCode>>> = {
  executeFallbackMechanism: async (es10, refreshFlag) =>
    (await es10.call(executeFallbackMechanism, { refreshFlag })).executeFallbackMechanismResult,
  returnFromFallback: async (es10, refreshFlag) => (await es10.call(returnFromFallback, { refreshFlag })).returnFromFallbackResult,
  enableEmergencyProfile: async (es10, refreshFlag) =>
    (await es10.call(enableEmergencyProfile, { refreshFlag })).enableEmergencyProfileResult,
  disableEmergencyProfile: async (es10, refreshFlag) =>
    (await es10.call(disableEmergencyProfile, { refreshFlag })).disableEmergencyProfileResult,
};

/** Whether it has to wait: the emergency profile is part of the emergency, going back from it is what the end of all others waits for. */
export function isHeld(fn: LocalSwitchFunction, sources: readonly EmergencySource[]): boolean {
  switch (fn) {
    case "executeFallbackMechanism":
    case "returnFromFallback":
      return sources.length > 0;
    case "enableEmergencyProfile":
      return false;
    case "disableEmergencyProfile":
      return holdsPolls(sources);
  }
}

export async function switchLocally(
  context: IpaContext,
  fn: LocalSwitchFunction,
  signal: AbortSignal | undefined,
): Promise<LocalSwitchResult> {
  if (isHeld(fn, emergencyOf(context))) return held(context, fn);
  await refreshProfiles(context, signal);
  return new LocalSwitchRun(context, signal).run(orderedSwitch(fn, enabledIccid(context) ?? null), { kind: "ordered" });
}

/** Goes on with what the journal holds. */
export function resumeLocalSwitch(
  context: IpaContext,
  state: LocalSwitchState,
  signal: AbortSignal | undefined,
): Promise<LocalSwitchResult> {
  return new LocalSwitchRun(context, signal).run(state, { kind: "resumed" });
}

async function held(context: IpaContext, fn: LocalSwitchFunction): Promise<LocalSwitchResult> {
  const error = await deferred(context, fn);
  return { outcome: "held", code: undefined, iccid: enabledIccid(context), online: undefined, error };
}

class LocalSwitchRun {
  readonly #context: IpaContext;
  readonly #signal: AbortSignal | undefined;
  #refreshPending = false;
  #problem: SimwardError | undefined;
  #isHeld = false;

  constructor(context: IpaContext, signal: AbortSignal | undefined) {
    this.#context = context;
    this.#signal = signal;
  }

  async run(state: LocalSwitchState, input: LocalSwitchInput): Promise<LocalSwitchResult> {
    const { journal, tell } = this.#context;
    const last = await drive<LocalSwitchState, LocalSwitchInput, Exclude<LocalSwitchEffect, Telling>>(
      {
        next: nextLocalSwitch,
        perform: (effect, current) => this.#perform(effect, current),
        // "done" is written by `finish`, together with what follows from it.
        save: (current) => (current.phase === "done" ? Promise.resolve() : journal.update({ localSwitch: current })),
        tell,
      },
      state,
      input,
    );
    const { outcome = "failed", code, online } = last;
    return { outcome: this.#isHeld ? "held" : outcome, code, online, iccid: enabledIccid(this.#context), error: this.#problem };
  }

  async #perform(effect: Exclude<LocalSwitchEffect, Telling>, state: LocalSwitchState): Promise<LocalSwitchInput | undefined> {
    if (effect.do !== "finish" && isHeld(state.function, emergencyOf(this.#context))) {
      this.#isHeld = true;
      this.#problem = await deferred(this.#context, `${state.function}, ${state.phase}`);
      return undefined;
    }
    switch (effect.do) {
      case "order":
        return this.#order(state, effect.again);
      case "look":
        return { kind: "looked", enabledIccid: await this.#enabled() };
      case "adopt":
        return this.#adopt(state, effect.iccid);
      case "finish":
        return this.#finish(state);
    }
  }

  async #order({ function: fn, fromIccid }: LocalSwitchState, again: boolean): Promise<LocalSwitchInput> {
    const { options, euicc, ports } = this.#context;
    if (again) {
      await ports.clock.sleep(options.reportRetryMs, this.#signal);
      const now = await this.#enabled();
      if (now === undefined) return { kind: "unanswered" };
      if (now !== fromIccid) return { kind: "answered", code: "ok", enabledIccid: now };
    }
    try {
      const code = await euicc.withEuicc(
        fn,
        async (es10) => {
          const answer = await functions[fn](es10, options.refreshFlag);
          this.#refreshPending = es10.refreshPending;
          return answer;
        },
        this.#signal,
      );
      return { kind: "answered", code: typeof code === "bigint" ? String(code) : code, enabledIccid: await this.#enabled() };
    } catch (error) {
      this.#signal?.throwIfAborted();
      this.#problem = asSimwardError(error);
      // A card that does not know the function has said so; every other silence is asked again.
      if (isCode(this.#problem, "ES10_UNSUPPORTED")) return { kind: "answered", code: this.#problem.code, enabledIccid: fromIccid };
      return { kind: "unanswered" };
    }
  }

  /** Read from the card; null when none is, undefined when it does not say. */
  async #enabled(): Promise<string | null | undefined> {
    return (await refreshProfiles(this.#context, this.#signal)) ? (enabledIccid(this.#context) ?? null) : undefined;
  }

  async #adopt({ function: fn }: LocalSwitchState, iccid: string | undefined): Promise<LocalSwitchInput | undefined> {
    const isEmergencyProfile = fn === "enableEmergencyProfile";
    const online = await adoptProfile(this.#context, iccid, this.#refreshPending, this.#signal, isEmergencyProfile);
    this.#refreshPending = false;
    if (online || !isHeld(fn, emergencyOf(this.#context))) return { kind: "adopted", online };
    // It was not given its time: the emergency came in between.
    this.#isHeld = true;
    this.#problem = await deferred(this.#context, `${fn}, adopting`);
    return undefined;
  }

  async #finish(state: LocalSwitchState): Promise<undefined> {
    const { journal, eims } = this.#context;
    const { outcome, toIccid } = state;
    const changed = outcome === "switched";
    await journal.update({
      localSwitch: undefined,
      stateChanges: changed ? journal.changesFor(eims.ids, localSwitches[state.function].cause) : journal.content.stateChanges,
      ...(changed && toIccid !== undefined ? { enabledIccid: toIccid } : {}),
    });
    return undefined;
  }
}

function enabledIccid({ memory }: IpaContext): string | undefined {
  return memory.profiles.find(({ enabled }) => enabled)?.iccid;
}
