// Carries out what the machine of retirement and transfer decides: on the eUICC, in the audit trail, on the disk. One step at a time, each durable before
// the next; after a power cut it goes on where it was.
import { type Clock, type Disposer, deadline } from "../../base/clock.ts";
import { asSimwardError, isCode, SimwardError } from "../../base/errors.ts";
import type { Log } from "../../base/log.ts";
import { Queue } from "../../base/queue.ts";
import type { LocalAssistant, ResetOption } from "../../ipa/procedures/local-assistant.ts";
import type { AuditEvent } from "../audit/types.ts";
import type { Samples } from "../samples/service.ts";
import { nextWipe, type WipeEffect, type WipeInput, type WipeKind, type WipeState } from "./retirement.ts";

export interface WipeHands {
  readonly card: Pick<LocalAssistant, "deliver" | "profiles" | "memoryReset">;
  /** Soon. */
  readonly poll: () => void;
  /** Package results that no eIM has taken yet; they go with a poll. */
  readonly pendingResults: () => number;
  readonly identity: () => { readonly imei: string | undefined; readonly eid: string | undefined };
  /** The owner's personal records; his key is shed with him. */
  readonly samples: Pick<Samples, "trouble" | "changeOwner">;
  /** What went over the interfaces is the former owner's too. */
  readonly forgetTraces?: (() => Promise<void>) | undefined;
  readonly signal: AbortSignal;
}

export interface WipeParts {
  readonly clock: Clock;
  readonly log: Log;
  /** Never rejects. */
  readonly audit: (event: AuditEvent) => Promise<void>;
  /** A checkpoint of the trail. Never rejects. */
  readonly acted: (act: string) => Promise<void>;
  readonly isHeld: () => boolean;
  readonly load: () => WipeState | undefined;
  /** Durable when it resolves. Throws DISK_WRITE. */
  readonly save: (state: WipeState) => Promise<void>;
  readonly onProblem: (problem: SimwardError | undefined) => void;
}

export interface WipeRunner {
  readonly state: WipeState | undefined;
  /** Durable when it resolves. Throws DISK_WRITE. */
  begin(state: WipeState): Promise<void>;
  /** Takes up what a restart interrupted. */
  start(hands: WipeHands): void;
  /** The card may be another one than at the last look. */
  go(): void;
  stop(): Promise<void>;
}

const patienceMs = 10 * 60_000;
const heldMs = 60_000;

/** What is deleted. A provisioning profile is the way in for the next owner, and for nobody once the vehicle is retired. */
const options: { readonly [K in WipeKind]: readonly ResetOption[] } = {
  retire: ["deleteOperationalProfiles", "deleteFieldLoadedTestProfiles", "resetDefaultSmdpAddress", "deleteProvisioningProfiles"],
  transfer: ["deleteOperationalProfiles", "deleteFieldLoadedTestProfiles", "resetDefaultSmdpAddress"],
};

export function createWipe(parts: WipeParts): WipeRunner {
  const { clock, log, audit } = parts;
  const work = new Queue();
  let hands: WipeHands | undefined;
  let cancelWait: Disposer = () => {};
  let toldProblem = "";

  const wait = (forMs: number): void => {
    cancelWait();
    cancelWait = clock.after(forMs, () => send({ kind: "go" }));
  };

  const problem = async ({ kind, phase }: WipeState, reason: string): Promise<void> => {
    parts.onProblem(new SimwardError("LIFECYCLE_RETIREMENT", { detail: reason }));
    if (toldProblem === reason) return;
    toldProblem = reason;
    await audit({ event: `lifecycle.${kind}Problem`, cause: "lifecycle", data: { phase, reason } });
  };

  /** Answers what the machine is told of it. */
  const perform = async (
    effect: WipeEffect,
    state: WipeState,
    { card, poll, pendingResults, identity, samples, forgetTraces, signal }: WipeHands,
  ): Promise<WipeInput | undefined> => {
    const patiently = async <T>(what: string, use: (signal: AbortSignal) => Promise<T>): Promise<T> => {
      const limit = deadline(clock, patienceMs, () => new SimwardError("DEADLINE", { detail: what }), signal);
      return use(limit.signal).finally(limit.done);
    };
    const { kind, cause } = state;
    switch (effect.do) {
      case "keep":
        await parts.save(state);
        return undefined;
      case "deliver": {
        const { delivered, remaining } = await patiently("delivery", card.deliver);
        log.info("what is pending is delivered", { kind, delivered, remaining, attempt: state.attempts });
        const results = pendingResults();
        if (results > 0) poll();
        return { kind: "delivered", remaining: remaining + results };
      }
      case "writeEvidence": {
        const profiles = await patiently("profiles", card.profiles);
        const { imei = null, eid = null } = identity();
        const held = profiles.map(({ iccid, enabled, profileClass = null }) => ({ iccid, enabled, class: profileClass }));
        const { reason, how, undelivered } = state;
        await audit({ event: "lifecycle.evidence", cause, data: { act: kind, reason, how, imei, eid, profiles: held, undelivered } });
        // Before the profiles go: from there on a cut leaves nothing behind that could still be read.
        await forgetTraces?.();
        const owner = await samples.changeOwner();
        await audit({ event: "lifecycle.samplesShed", cause, data: { act: kind, owner } });
        await parts.acted(`lifecycle.${kind}`);
        return { kind: "evidenceWritten" };
      }
      case "wipe": {
        const results = await patiently("memory reset", (limit) => reset(card, options[kind], limit));
        await audit({ event: "lifecycle.wiped", cause, data: { act: kind, results } });
        return { kind: "wiped" };
      }
      case "pollEim":
        poll();
        return undefined;
      case "read":
        return { kind: "read", profiles: await patiently("profiles", card.profiles) };
      case "wait":
        wait(effect.forMs);
        return undefined;
      case "confirmed": {
        parts.onProblem(undefined);
        toldProblem = "";
        const event = effect.isFirst ? `lifecycle.${kind}Confirmed` : `lifecycle.${kind}Checked`;
        await audit({ event, cause: effect.isFirst ? cause : "daily", data: { checks: state.checks } });
        await parts.acted(event);
        return undefined;
      }
      case "problem":
        await problem(state, effect.reason);
        return undefined;
    }
  };

  const carryOut = async (first: WipeInput): Promise<void> => {
    const now = hands;
    if (now === undefined || now.signal.aborted) return;
    const inputs: WipeInput[] = [first];
    let state = parts.load();
    for (let input = inputs.shift(); input !== undefined && state !== undefined; input = inputs.shift()) {
      // Between any two steps: what was not kept is done again.
      if (parts.isHeld()) return wait(heldMs);
      const step = nextWipe(state, input);
      state = step.state;
      for (const effect of step.effects) {
        try {
          const next = await perform(effect, state, now);
          if (next !== undefined) inputs.push(next);
        } catch (error) {
          if (now.signal.aborted) return;
          const known = asSimwardError(error);
          log.warn("retirement or transfer waits", { step: effect.do, error: known });
          // What could not be kept is taken up again from what is kept.
          if (effect.do === "keep") return wait(heldMs);
          inputs.push({ kind: "failed", reason: known.message });
        }
      }
    }
  };
  const send = (input: WipeInput): void => {
    work.run(() => carryOut(input)).catch((error: unknown) => log.error("retirement or transfer", { error: asSimwardError(error) }));
  };

  return {
    get state() {
      return parts.load();
    },
    begin: async (state) => {
      await work.run(() => parts.save(state));
      send({ kind: "go" });
    },
    start(given) {
      hands = given;
      const { state } = this;
      if (state !== undefined && (state.phase !== "done" || state.kind === "retire")) send({ kind: "go" });
    },
    go() {
      if (this.state?.phase === "verifying") send({ kind: "go" });
    },
    async stop() {
      cancelWait();
      await work.idle();
    },
  };
}

/** A consumer eUICC knows fewer options; what it does not know is then seen by the reading that follows. */
async function reset(
  card: WipeHands["card"],
  wanted: readonly ResetOption[],
  signal: AbortSignal,
): Promise<Readonly<Record<string, string>>> {
  try {
    return await card.memoryReset(wanted, signal);
  } catch (error) {
    const fewer = wanted.filter((one) => one !== "deleteProvisioningProfiles");
    if (!isCode(error, "ES10_UNSUPPORTED") || fewer.length === wanted.length) throw error;
    return card.memoryReset(fewer, signal);
  }
}
