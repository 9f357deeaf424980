// The stages of a vehicle's life: which follow each other, and what brings each about. Pure; agent/lifecycle/service.ts keeps it and carries it out.
import { type Step, unreachable } from "../../base/machine.ts";
import { type Role, roles } from "../api/types.ts";
import type { Stage } from "../policy/types.ts";
import { type Held, held, isLasting, type Signals, type Trigger } from "./triggers.ts";

export type NextStage = Exclude<Stage, "factory_test">;

/** What brings about each stage. */
export interface LifecyclePlan {
  readonly triggers: { readonly [S in NextStage]: readonly Trigger[] };
  /** ISO 3166-1 alpha-2. */
  readonly factoryCountry: string | undefined;
}

/** automatic: triggers that hold by themselves. ordered: somebody says so. */
const ways: { readonly [S in Stage]: { readonly automatic: readonly NextStage[]; readonly ordered: readonly NextStage[] } } = {
  factory_test: {
    automatic: ["shipping", "operational", "suspended", "retired"],
    ordered: ["shipping", "operational", "suspended", "retired"],
  },
  shipping: { automatic: ["operational", "suspended", "retired"], ordered: ["operational", "suspended", "retired"] },
  operational: { automatic: ["suspended", "retired"], ordered: ["suspended", "retired"] },
  // Nobody who was suspended comes back by driving.
  suspended: { automatic: ["retired"], ordered: ["operational", "retired"] },
  retired: { automatic: [], ordered: [] },
};

export function stagesAfter(stage: Stage): readonly NextStage[] {
  return ways[stage].ordered;
}

export interface LifecycleState {
  readonly stage: Stage;
  /** Wall clock, as it was believed then. */
  readonly sinceMs: number;
  /** "config", "trigger:<text>", "operator:<uid>", "token:<key id>" */
  readonly cause: string;
  readonly reason: string;
  /** Of the fleet, in this stage, as far as they are counted. */
  readonly usedBytes: number;
  /** Times that it was switched on in this stage. */
  readonly ignitions: number;
  readonly ignition: "on" | "off" | null;
  readonly odometerKm: number | null;
  /** Triggers of a suspension that somebody has ended; they do not fire again. */
  readonly spent: readonly string[];
}

export interface Surroundings {
  readonly nowMs: number;
  readonly clockTrusted: boolean;
  readonly country: string | undefined;
  /** Whether there is a counter at all. */
  readonly countsBytes: boolean;
  /** An emergency is under way: nothing moves. */
  readonly isHeld: boolean;
}

export interface VehicleNews {
  readonly ignition?: "on" | "off" | undefined;
  readonly odometerKm?: number | undefined;
}

/** By whom: a role at its socket, or a key of the fleet. */
export type Authority =
  | { readonly kind: "command"; readonly role: Role; readonly cause: string }
  | { readonly kind: "token"; readonly cause: string };

export type LifecycleInput = { readonly around: Surroundings } & (
  | { readonly kind: "look" }
  | { readonly kind: "used"; readonly bytes: number }
  | { readonly kind: "vehicle"; readonly news: VehicleNews }
  | { readonly kind: "order"; readonly to: Stage; readonly by: Authority; readonly reason: string }
);

export type LifecycleEffect =
  /** `trigger`: as configured. */
  | {
      readonly do: "moved";
      readonly from: Stage;
      readonly to: NextStage;
      readonly cause: string;
      readonly trigger: string;
      readonly reason: string;
    }
  | { readonly do: "already" }
  | { readonly do: "refused"; readonly why: "way" | "authority" | "emergency"; readonly reason: string }
  /** At once; anything else may wait. */
  | { readonly do: "keep" };

export function beginning(stage: Stage, nowMs: number, cause = "config"): LifecycleState {
  const nothingYet = { usedBytes: 0, ignitions: 0, ignition: null, odometerKm: null, spent: [] };
  return { stage, sinceMs: nowMs, cause, reason: "the stage that the configuration begins with", ...nothingYet };
}

export function signalsOf(state: LifecycleState, plan: LifecyclePlan, around: Surroundings): Signals {
  return {
    nowMs: around.nowMs,
    clockTrusted: around.clockTrusted,
    usedBytes: around.countsBytes ? state.usedBytes : undefined,
    country: around.country,
    factoryCountry: plan.factoryCountry,
    ignitions: state.ignitions,
    odometerKm: state.odometerKm ?? undefined,
  };
}

export function nextLifecycle(plan: LifecyclePlan, state: LifecycleState, input: LifecycleInput): Step<LifecycleState, LifecycleEffect> {
  switch (input.kind) {
    case "look":
      return moveByItself(plan, state, input.around, []);
    case "used":
      return moveByItself(plan, { ...state, usedBytes: state.usedBytes + input.bytes }, input.around, []);
    case "vehicle": {
      const { ignition = state.ignition, odometerKm = state.odometerKm } = input.news;
      const isSwitchedOn = ignition === "on" && state.ignition !== "on";
      const told = { ...state, ignition, odometerKm, ignitions: state.ignitions + (isSwitchedOn ? 1 : 0) };
      return moveByItself(plan, told, input.around, ignition === state.ignition ? [] : [{ do: "keep" }]);
    }
    case "order":
      return obey(plan, state, input);
    default:
      return unreachable(input);
  }
}

export interface TriggerStanding extends Held {
  readonly to: NextStage;
  readonly trigger: Trigger;
  /** It has held before, and was overruled. */
  readonly spent: boolean;
  /** Whether this stage can be left for that one at all. */
  readonly open: boolean;
}

/** How each trigger of the stages that may follow stands. */
export function standings(plan: LifecyclePlan, state: LifecycleState, around: Surroundings): readonly TriggerStanding[] {
  const signals = signalsOf(state, plan, around);
  return ways[state.stage].ordered.flatMap((to) =>
    plan.triggers[to].map((trigger) => {
      const isAsked = trigger.kind === "command" || trigger.kind === "token";
      const open = isAsked || ways[state.stage].automatic.includes(to);
      return { to, trigger, spent: state.spent.includes(keyOf(to, trigger)), open, ...held(trigger, signals) };
    }),
  );
}

function keyOf(to: NextStage, { text }: Trigger): string {
  return `${to} ${text}`;
}

function moveByItself(
  plan: LifecyclePlan,
  state: LifecycleState,
  around: Surroundings,
  effects: readonly LifecycleEffect[],
): Step<LifecycleState, LifecycleEffect> {
  if (around.isHeld) return { state, effects };
  // A vehicle that was long without power may be due for several stages: the last of them counts.
  const due = standings(plan, state, around).findLast(({ holds, spent, open }) => holds && !spent && open);
  if (due === undefined) return { state, effects };
  const { to, trigger, words } = due;
  return move(plan, state, around, { to, cause: `trigger:${trigger.text}`, trigger: trigger.text, reason: words });
}

function obey(
  plan: LifecyclePlan,
  state: LifecycleState,
  { to, by, reason, around }: Extract<LifecycleInput, { kind: "order" }>,
): Step<LifecycleState, LifecycleEffect> {
  const refuse = (why: "way" | "authority" | "emergency", words: string): Step<LifecycleState, LifecycleEffect> => ({
    state,
    effects: [{ do: "refused", why, reason: words }],
  });
  if (to === state.stage) return { state, effects: [{ do: "already" }] };
  if (to === "factory_test" || !ways[state.stage].ordered.includes(to)) {
    const after = ways[state.stage].ordered.join(", ");
    return refuse("way", `after ${state.stage} comes ${after === "" ? "nothing" : after}, not ${to}`);
  }
  const trigger = plan.triggers[to].find((one) => allows(one, by));
  if (trigger === undefined)
    return refuse("authority", `lifecycle.${to}_on names no ${by.kind === "token" ? "token" : `command over ${by.role}.sock`}`);
  if (around.isHeld) return refuse("emergency", `${to} waits until the emergency is over`);
  return move(plan, state, around, { to, cause: by.cause, trigger: trigger.text, reason });
}

function allows(trigger: Trigger, by: Authority): boolean {
  if (by.kind === "token") return trigger.kind === "token";
  return trigger.kind === "command" && roles.indexOf(by.role) >= roles.indexOf(trigger.role);
}

function move(
  plan: LifecyclePlan,
  state: LifecycleState,
  around: Surroundings,
  { to, cause, trigger, reason }: { readonly to: NextStage; readonly cause: string; readonly trigger: string; readonly reason: string },
): Step<LifecycleState, LifecycleEffect> {
  // What led to a suspension, and holds for ever, must not undo its end.
  const signals = signalsOf(state, plan, around);
  const overruled = state.stage === "suspended" ? plan.triggers.suspended.filter((one) => isLasting(one) && held(one, signals).holds) : [];
  const spent = [...new Set([...state.spent, ...overruled.map((one) => keyOf("suspended", one))])];
  return {
    state: { ...state, stage: to, sinceMs: around.nowMs, cause, reason, usedBytes: 0, ignitions: 0, spent },
    effects: [{ do: "moved", from: state.stage, to, cause, trigger, reason }, { do: "keep" }],
  };
}
