// Carries out what the machine of profile orders decides: on the card by ES10c, on the module, and in the journal.
import { asSimwardError, type SimwardError } from "../../base/errors.ts";
import type { Es10 } from "../euicc/es10.ts";
import {
  nextProfileOrder,
  type ProfileOrderEffect,
  type ProfileOrderInput,
  type ProfileOrderOutcome,
  type ProfileOrderState,
  profileOrder,
} from "../machines/profile-order.ts";
import type { IpaContext } from "./context.ts";
import { drive, type Telling } from "./drive.ts";
import { deferred } from "./emergency.ts";
import { disableLocally, enableLocally, type LocalProfile, readLocalProfiles } from "./local-es10c.ts";
import { adoptProfile, refreshProfiles } from "./package.ts";

export interface ProfileOrderResult {
  readonly outcome: ProfileOrderOutcome;
  /** What the card answered, unless it was ok. */
  readonly code: string | undefined;
  /** Why it is not finished; it stays in the journal then. */
  readonly error: SimwardError | undefined;
}

/** `toIccid`: null to disable the one that is enabled. */
export function orderProfile(
  context: IpaContext,
  fromIccid: string | null,
  toIccid: string | null,
  signal: AbortSignal | undefined,
): Promise<ProfileOrderResult> {
  return new ProfileOrderRun(context, signal).run(profileOrder(fromIccid, toIccid), { kind: "ordered" });
}

/** Goes on with what the journal holds. Answers why it is unfinished, if it is. */
export async function resumeProfileOrder(
  context: IpaContext,
  state: ProfileOrderState,
  signal: AbortSignal | undefined,
): Promise<SimwardError | undefined> {
  return (await new ProfileOrderRun(context, signal).run(state, { kind: "resumed" })).error;
}

class ProfileOrderRun {
  readonly #context: IpaContext;
  readonly #signal: AbortSignal | undefined;
  #refreshPending = false;
  #problem: SimwardError | undefined;

  constructor(context: IpaContext, signal: AbortSignal | undefined) {
    this.#context = context;
    this.#signal = signal;
  }

  async run(state: ProfileOrderState, input: ProfileOrderInput): Promise<ProfileOrderResult> {
    const { journal, tell } = this.#context;
    const last = await drive<ProfileOrderState, ProfileOrderInput, Exclude<ProfileOrderEffect, Telling>>(
      {
        next: nextProfileOrder,
        perform: (effect, current) => this.#perform(effect, current),
        // "done" is written by `finish`, together with what follows from it.
        save: (current) => (current.phase === "done" ? Promise.resolve() : journal.update({ operation: current })),
        tell,
      },
      state,
      input,
    );
    const { outcome = "unknown", code } = last;
    return { outcome, code, error: last.phase === "done" ? undefined : (this.#problem ?? asSimwardError(undefined)) };
  }

  async #perform(effect: Exclude<ProfileOrderEffect, Telling>, state: ProfileOrderState): Promise<ProfileOrderInput | undefined> {
    if (effect.do === "finish") return this.#finish(state);
    const held = await deferred(this.#context, `profile under local command, ${state.phase}`);
    if (held !== undefined) {
      this.#problem = held;
      return undefined;
    }
    switch (effect.do) {
      case "switch":
        return this.#switch(effect.iccid, effect.look);
      case "look":
        return { kind: "answered", code: "not carried out", enabledIccid: enabledIn(await this.#profiles()) };
      case "adopt": {
        const online = effect.iccid !== undefined && (await adoptProfile(this.#context, effect.iccid, this.#refreshPending, this.#signal));
        if (effect.iccid === undefined) await adoptProfile(this.#context, undefined, this.#refreshPending, this.#signal);
        this.#refreshPending = false;
        return { kind: "adopted", online };
      }
    }
  }

  async #switch(iccid: string | null, look: boolean): Promise<ProfileOrderInput> {
    const { ports, options } = this.#context;
    if (look) {
      await ports.clock.sleep(options.reportRetryMs, this.#signal);
      const now = enabledIn(await this.#profiles());
      if (now === iccid) return { kind: "answered", code: "ok", enabledIccid: now };
    }
    let code: string;
    try {
      code = await this.#euicc(async (es10) => {
        const profiles = await readLocalProfiles(es10);
        const answer = String(await this.#order(es10, profiles, iccid));
        this.#refreshPending = es10.refreshPending;
        return answer;
      });
    } catch (error) {
      this.#signal?.throwIfAborted();
      this.#problem = asSimwardError(error);
      code = this.#problem.code;
    }
    return { kind: "answered", code, enabledIccid: enabledIn(await this.#profiles()) };
  }

  #order(es10: Es10, profiles: readonly LocalProfile[], iccid: string | null): ReturnType<typeof enableLocally> {
    const { refreshFlag } = this.#context.options;
    if (iccid !== null)
      return enableLocally(es10, profiles.find((one) => one.iccid === iccid) ?? { iccid, isdpAid: undefined }, refreshFlag);
    const enabled = profiles.find((one) => one.enabled);
    return enabled === undefined ? Promise.resolve("ok") : disableLocally(es10, enabled, refreshFlag);
  }

  /** Undefined when the card does not say. */
  async #profiles(): Promise<readonly LocalProfile[] | undefined> {
    try {
      return await this.#euicc(readLocalProfiles);
    } catch (error) {
      this.#signal?.throwIfAborted();
      this.#problem = asSimwardError(error);
      return undefined;
    }
  }

  async #finish({ outcome, fromIccid, toIccid }: ProfileOrderState): Promise<undefined> {
    const { journal, eims } = this.#context;
    const enabledIccid = outcome === "online" || outcome === "offline" || outcome === "stranded" ? toIccid : fromIccid;
    await journal.update({
      operation: undefined,
      stateChanges: enabledIccid === fromIccid ? journal.content.stateChanges : journal.changesFor(eims.ids, "local"),
      enabledIccid,
    });
    await refreshProfiles(this.#context, this.#signal);
    return undefined;
  }

  #euicc<T>(use: (es10: Es10) => Promise<T>): Promise<T> {
    return this.#context.euicc.withEuicc("profile under local command", use, this.#signal);
  }
}

function enabledIn(profiles: readonly LocalProfile[] | undefined): string | null | undefined {
  return profiles === undefined ? undefined : (profiles.find(({ enabled }) => enabled)?.iccid ?? null);
}
