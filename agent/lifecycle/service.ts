// The life of this vehicle: its stage kept over restarts, moved by what is seen and ordered, told to policy and to the audit trail.
import type { Clock, Disposer } from "../../base/clock.ts";
import type { Disk } from "../../base/disk.ts";
import { asSimwardError, SimwardError } from "../../base/errors.ts";
import type { Log } from "../../base/log.ts";
import { Queue } from "../../base/queue.ts";
import type { AuditEvent } from "../audit/types.ts";
import type { PolicyEngine } from "../policy/engine.ts";
import type { LifecycleFacts, Stage } from "../policy/types.ts";
import { type CounterReading, passedSince } from "./byte-counter.ts";
import { type KeptLife, openKeptLife } from "./kept.ts";
import {
  type Authority,
  beginning,
  type LifecycleEffect,
  type LifecycleInput,
  type LifecyclePlan,
  type LifecycleState,
  nextLifecycle,
  type Surroundings,
  standings,
  type TriggerStanding,
  type VehicleNews,
} from "./machine.ts";
import { beginWipe, type WipeHow, type WipeState } from "./retirement.ts";
import { createWipe, type WipeHands } from "./wipe.ts";

export interface LifecycleOptions {
  readonly plan: LifecyclePlan;
  /** Of a vehicle that has none yet. */
  readonly first: Stage;
  /** In factory test. */
  readonly capBytes: number | undefined;
  readonly retireBy: WipeHow;
  readonly disk: Disk;
  readonly clock: Clock;
  readonly log: Log;
  /** Never rejects. */
  readonly audit: (event: AuditEvent) => Promise<void>;
  /** A checkpoint of the trail. Never rejects. */
  readonly acted: (act: string) => Promise<void>;
  readonly engine: Pick<PolicyEngine, "facts" | "update">;
  readonly isHeld: () => boolean;
  /** Undefined while nothing counts. */
  readonly counter: () => Promise<CounterReading | undefined>;
  /** Whether anybody counts. Without [net] that is seen only once the module has. */
  readonly countsBytes: () => boolean;
  /** Of the last record of a stage in the audit trail. */
  readonly recordedStage: () => Promise<Stage | undefined>;
  readonly onLost: (why: SimwardError) => void;
  readonly onProblem: (problem: SimwardError | undefined) => void;
  /** The stage is another one now. */
  readonly onStage: (stage: Stage) => void;
}

export interface LifecycleOrder {
  readonly to: Stage;
  readonly by: Authority;
  readonly reason: string;
  /** Role, uid and pid, for the audit trail. */
  readonly data: AuditEvent["data"];
}

/** What somebody on a bench assumes; what is left out is as it is. */
export type Assumed = Partial<Pick<LifecycleState, "stage" | "usedBytes" | "ignitions" | "odometerKm">> & {
  readonly nowMs?: number | undefined;
  readonly clockTrusted?: boolean | undefined;
  readonly country?: string | undefined;
};

export interface Lifecycle {
  readonly state: LifecycleState;
  readonly wipe: WipeState | undefined;
  readonly facts: LifecycleFacts;
  standings(): readonly TriggerStanding[];
  /** What would happen if this were so. Nothing does. */
  test(assumed: Assumed): { readonly standings: readonly TriggerStanding[]; readonly effects: readonly LifecycleEffect[] };
  /** Throws LIFECYCLE_REFUSED, API_FORBIDDEN, EMERGENCY_ACTIVE. */
  order(order: LifecycleOrder): Promise<"moved" | "already">;
  /** Throws what `order` would, and moves nothing: for what is used up by an order. */
  wouldTake(order: LifecycleOrder): Promise<void>;
  /** Throws LIFECYCLE_REFUSED where it cannot be done, with the reason; EMERGENCY_ACTIVE, DISK_WRITE. */
  transfer(order: Omit<LifecycleOrder, "to">): Promise<void>;
  tell(news: VehicleNews, by: string): Promise<void>;
  /** Something that triggers look at may have changed. */
  look(): void;
  /** eIM packages were carried out. */
  packagesDone(): void;
  start(hands: WipeHands): void;
  stop(): Promise<void>;
}

const lookMs = 60_000;
/** A cap is hard: so it is looked at often where there is one. */
const countMs = 5_000;
const keepEveryBytes = 1_000_000;

/** Throws DISK_READ. */
export async function openLifecycle(options: LifecycleOptions): Promise<Lifecycle> {
  const { plan, clock, log, audit, engine, isHeld } = options;
  let isLost = false;
  const store = await openKeptLife(options.disk, options.first, clock.now(), (why) => {
    isLost = true;
    options.onLost(why);
  });
  let life = store.get().life;
  let counter = store.get().counter ?? undefined;
  /** Bytes and news since it was last kept. */
  let unkept = { bytes: 0, isDirty: store.get().isFresh };
  let untold = store.get().untold;
  let lastKeptMs = clock.monotonicMs();
  const work = new Queue();
  const disposers: Disposer[] = [];
  let hands: WipeHands | undefined;

  if (isLost) {
    const recorded = await options.recordedStage();
    if (recorded !== undefined) life = beginning(recorded, clock.now(), "audit");
    unkept = { ...unkept, isDirty: true };
  }

  /** What was used up stays so over a restart, before anybody has counted anew. */
  const isCounted = (): boolean => options.countsBytes() || life.usedBytes > 0;
  const around = (): Surroundings => {
    const wall = clock.wall();
    const { market } = engine.facts;
    return {
      nowMs: wall.ms,
      clockTrusted: wall.source === "nitz" || wall.source === "network",
      country: market?.country,
      countsBytes: isCounted(),
      isHeld: isHeld(),
    };
  };
  const facts = (): LifecycleFacts => ({
    stage: life.stage,
    usedBytes: isCounted() ? life.usedBytes : undefined,
    capBytes: life.stage === "factory_test" ? options.capBytes : undefined,
  });

  const withPresent = (before: Readonly<KeptLife>): KeptLife => ({ ...before, life, counter: counter ?? null, untold, isFresh: false });
  const kept = (): void => {
    unkept = { bytes: 0, isDirty: false };
    lastKeptMs = clock.monotonicMs();
  };
  /** A disk that refuses keeps nothing open: what is in force is, and is kept as soon as there is room. */
  const keep = async (): Promise<void> => {
    await store.hold(withPresent);
    kept();
  };

  const wipe = createWipe({
    ...{ clock, log, audit, isHeld, acted: options.acted, onProblem: options.onProblem },
    load: () => store.get().wipe ?? undefined,
    save: async (wipe) => {
      await store.update((before) => ({ ...withPresent(before), wipe }));
      kept();
    },
  });

  /** A cut between stage and record leaves it to the next start; one behind the record tells it twice rather than never. */
  const tellStage = async (): Promise<void> => {
    if (untold === null) return;
    await audit(untold);
    untold = null;
    unkept = { ...unkept, isDirty: true };
    await options.acted("lifecycle.stage");
  };

  /** Answers what came of it. In force and kept before it is told. */
  const send = async (input: LifecycleInput, data: AuditEvent["data"] = {}): Promise<readonly LifecycleEffect[]> => {
    const before = life;
    const { state, effects } = nextLifecycle(plan, before, input);
    life = state;
    const moved = effects.find((effect) => effect.do === "moved");
    const told = before.usedBytes === life.usedBytes && moved === undefined ? Promise.resolve() : engine.update({ lifecycle: facts() });
    if (moved === undefined) {
      if (effects.some((effect) => effect.do === "keep")) await keep();
      await told;
      return effects;
    }
    const { from, to, cause, trigger, reason } = moved;
    const at = {
      usedBytes: isCounted() ? before.usedBytes : null,
      odometerKm: life.odometerKm,
      country: input.around.country ?? null,
    };
    log.info("the vehicle's life goes on", { from, to, trigger, reason });
    untold = { event: "lifecycle.stage", cause, data: { ...data, from, to, trigger, reason, ...at } };
    await keep();
    await told;
    await tellStage();
    options.onStage(to);
    if (to === "retired") await wipe.begin(beginWipe({ kind: "retire", how: options.retireBy, cause, reason }));
    return effects;
  };

  const count = async (): Promise<void> => {
    if (engine.facts.lifecycle?.usedBytes === undefined) await engine.update({ lifecycle: facts() });
    const now = await options.counter();
    if (now === undefined) return;
    const bytes = passedSince(counter, now);
    counter = now;
    if (bytes === 0) return;
    unkept = { ...unkept, bytes: unkept.bytes + bytes };
    await send({ kind: "used", bytes, around: around() });
  };
  /** Counts are of use only to a cap or a trigger, and flash is spared where there is neither. */
  const isCounting = (): boolean =>
    options.countsBytes() &&
    ((life.stage === "factory_test" && options.capBytes !== undefined) ||
      standings(plan, life, around()).some(({ trigger }) => trigger.kind === "bytes"));

  const lookNow = async (): Promise<void> => {
    await tellStage();
    await send({ kind: "look", around: around() });
    const isDue = unkept.bytes >= keepEveryBytes || (unkept.bytes > 0 && clock.monotonicMs() - lastKeptMs >= lookMs);
    if (unkept.isDirty || isDue) await keep();
    // A cut between the stage and its beginning.
    if (life.stage === "retired" && wipe.state?.kind !== "retire") {
      const { cause, reason } = life;
      await wipe.begin(beginWipe({ kind: "retire", how: options.retireBy, cause, reason }));
    }
  };
  const quietly = (job: () => Promise<unknown>): void => {
    work.run(job).catch((error: unknown) => log.error("lifecycle", { error: asSimwardError(error) }));
  };

  const throwIfRefused = async (effects: readonly LifecycleEffect[], { to, by, reason, data }: LifecycleOrder): Promise<void> => {
    const refused = effects.find((effect) => effect.do === "refused");
    if (refused === undefined) return;
    await audit({ event: "lifecycle.refused", cause: by.cause, data: { ...data, to, reason, why: refused.reason } });
    const code = refused.why === "emergency" ? "EMERGENCY_ACTIVE" : refused.why === "authority" ? "API_FORBIDDEN" : "LIFECYCLE_REFUSED";
    throw new SimwardError(code, { detail: refused.reason });
  };

  await engine.update({ lifecycle: facts() });

  return {
    get state() {
      return life;
    },
    get wipe() {
      return wipe.state;
    },
    get facts() {
      return facts();
    },
    standings: () => standings(plan, life, around()),
    test({ nowMs, clockTrusted, country, ...state }) {
      const known = around();
      const assumed: LifecycleState = { ...life, ...state };
      const there: Surroundings = {
        nowMs: nowMs ?? known.nowMs,
        // Who names a time means it.
        clockTrusted: clockTrusted ?? (nowMs !== undefined || known.clockTrusted),
        country: country ?? known.country,
        countsBytes: known.countsBytes || state.usedBytes !== undefined,
        isHeld: known.isHeld,
      };
      const { effects } = nextLifecycle(plan, assumed, { kind: "look", around: there });
      return { standings: standings(plan, assumed, there), effects };
    },
    order: (order) =>
      work.run(async () => {
        const { to, by, reason, data } = order;
        const effects = await send({ kind: "order", to, by, reason, around: around() }, data);
        await throwIfRefused(effects, order);
        return effects.some((effect) => effect.do === "moved") ? "moved" : "already";
      }),
    async wouldTake(order) {
      const { to, by, reason } = order;
      await throwIfRefused(nextLifecycle(plan, life, { kind: "order", to, by, reason, around: around() }).effects, order);
    },
    transfer: ({ by, reason, data }) =>
      work.run(async () => {
        const refuse = async (why: string): Promise<never> => {
          await audit({ event: "lifecycle.transferRefused", cause: by.cause, data: { ...data, reason, why } });
          throw new SimwardError("LIFECYCLE_REFUSED", { detail: why });
        };
        if (isHeld()) throw new SimwardError("EMERGENCY_ACTIVE", { detail: "a transfer waits until the emergency is over" });
        if (hands === undefined) throw new SimwardError("BUSY", { detail: "simward is starting" });
        if (life.stage !== "operational" && life.stage !== "suspended")
          return refuse(`a vehicle that is ${life.stage} has no owner to be transferred from`);
        if (wipe.state !== undefined && wipe.state.phase !== "done") return refuse("a transfer is under way already");
        const { trouble } = hands.samples;
        if (trouble !== undefined) return refuse(`the former owner's samples could not be made unreadable: ${trouble}`);
        const profiles = await hands.card.profiles(hands.signal);
        const bootstrap = profiles.find(({ profileClass }) => profileClass === "provisioning");
        if (bootstrap === undefined)
          return refuse("no profile on the eUICC is of the class provisioning: nothing would be left to go online with");
        if (!bootstrap.enabled)
          return refuse(`the provisioning profile ${bootstrap.iccid} is not enabled: enable it first, or the vehicle goes dark`);
        const order = beginWipe({ kind: "transfer", how: "memory_reset", cause: by.cause, reason });
        await audit({ event: "lifecycle.transferOrdered", cause: by.cause, data: { ...data, reason, keeps: bootstrap.iccid } });
        await wipe.begin(order);
      }),
    tell: (news, by) =>
      work.run(async () => {
        const before = life;
        if (news.ignition !== undefined || news.odometerKm !== undefined) await send({ kind: "vehicle", news, around: around() });
        if (life.odometerKm !== before.odometerKm) unkept = { ...unkept, isDirty: true };
        log.debug("told by the vehicle", { by, ...news });
      }),
    look: () => quietly(lookNow),
    packagesDone: () => wipe.go(),
    start(given) {
      hands = given;
      disposers.push(
        clock.every(lookMs, () => quietly(lookNow)),
        clock.every(countMs, () => {
          if (isCounting()) quietly(count);
        }),
      );
      wipe.start(given);
      quietly(lookNow);
    },
    async stop() {
      for (const dispose of disposers) dispose();
      await work.idle();
      await wipe.stop();
      if (unkept.isDirty || unkept.bytes > 0) await keep();
    },
  };
}
