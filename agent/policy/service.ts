// The policy engine in its place: fed with what the vehicle shows, its wishes carried out, what it says told to alarms and listeners.
import { createHash } from "node:crypto";
import type { Modem } from "../../at-drivers/modem.ts";
import type { Clock, Disposer } from "../../base/clock.ts";
import type { Disk } from "../../base/disk.ts";
import { asSimwardError, SimwardError } from "../../base/errors.ts";
import type { Log } from "../../base/log.ts";
import type { Alarms } from "../alarms.ts";
import type { AuditEvent } from "../audit/types.ts";
import type { EmergencyWatch } from "../emergency.ts";
import { createPolicyEngine, type PolicyEngine } from "./engine.ts";
import { openPolicyMemory } from "./memory.ts";
import { bindRules, type RulesConfig } from "./rules/table.ts";
import type { Action, BoundRule, VehicleFacts } from "./types.ts";
import { type VehicleWatch, watchVehicle } from "./vehicle-watch.ts";

export interface PolicyServiceParts {
  readonly config: RulesConfig;
  readonly disk: Disk;
  readonly clock: Clock;
  readonly log: Log;
  readonly emergency: EmergencyWatch;
  readonly alarms: Alarms;
  /** Never rejects. */
  readonly audit: (event: AuditEvent) => Promise<void>;
  readonly publish: (kind: string, fields: Readonly<Record<string, unknown>>) => void;
}

/** What the vehicle offers to a policy that wants something done. */
export interface PolicyHands {
  readonly modem: Pick<Modem, "status" | "imsi" | "onEvent">;
  readonly onPath: (fn: (path: { readonly up: boolean }) => void) => Disposer;
  readonly eid: () => string | undefined;
  /** Soon. */
  readonly poll: () => void;
  /** Every eIM is told with its next poll that something has changed. Answers false while no eIM is known. */
  readonly announceChange: () => Promise<boolean>;
  readonly applyMarket?: ((country: string, reason: string) => void) | undefined;
  /** Whenever something of it has changed. */
  readonly onVehicle?: ((facts: VehicleFacts) => void) | undefined;
}

export interface PolicyService {
  readonly engine: PolicyEngine;
  readonly rules: readonly BoundRule[];
  start(hands: PolicyHands): void;
  /** The card has been read: what waited for its eIMs is told to them now. */
  cardRead(): void;
  /** What policies know of the vehicle, once it was looked at. */
  readonly vehicle: VehicleWatch | undefined;
  stop(): void;
}

export async function createPolicyService(parts: PolicyServiceParts): Promise<PolicyService> {
  const { emergency, alarms, log, audit, publish } = parts;
  const memory = await openPolicyMemory(parts.disk);
  let hands: PolicyHands | undefined;
  let vehicle: VehicleWatch | undefined;
  /** Wanted before there was an eIM to be told. */
  let owesChange = false;
  let waiting: (() => void)[] = [];
  const disposers: Disposer[] = [];

  const note = async (change: Partial<ReturnType<typeof memory.get>>): Promise<void> => {
    await memory.hold((before) => ({ ...before, ...change }));
  };

  const announce = async ({ announceChange, poll }: PolicyHands): Promise<void> => {
    try {
      owesChange = !(await announceChange());
    } catch (error) {
      owesChange = true;
      log.warn("the eIMs could not be noted as to be told", { error: asSimwardError(error) });
    }
    if (!owesChange) poll();
  };

  const perform = (action: Action, rule: string): void => {
    if (action.kind === "alarm") {
      const error = new SimwardError(action.code ?? "POLICY_ALARM", { detail: `${rule}: ${action.reason}` });
      alarms.raise(alarmSource(action, rule), error);
      publish("alarm", { rule, code: error.code, reason: action.reason });
      return;
    }
    const now = hands;
    if (now === undefined) {
      waiting.push(() => perform(action, rule));
      return;
    }
    log.info("a policy wants something done", { rule, action: action.kind, reason: action.reason });
    void audit({ event: `policy.${action.kind}`, cause: `policy:${rule}`, data: { reason: action.reason } });
    if (action.kind === "applyMarket") now.applyMarket?.(action.country, action.reason);
    else if (action.notifyStateChange === true) void announce(now);
    else now.poll();
  };

  const rules = bindRules(parts.config);
  const engine = createPolicyEngine({
    rules,
    memory: { load: () => memory.get().verdicts, save: (verdicts) => note({ verdicts }) },
    audit,
    perform,
    withdraw: (action, rule) => {
      if (action.kind !== "alarm") return;
      alarms.clear(alarmSource(action, rule));
      publish("alarm.cleared", { rule, reason: action.reason });
    },
    isHeld: () => emergency.sources.length > 0,
  });
  engine.onData((verdict) => publish("policy.data", { verdict, held: engine.isHeld }));

  return {
    engine,
    rules,
    get vehicle() {
      return vehicle;
    },
    start(given) {
      hands = given;
      const { modem, onPath, eid } = given;
      const configSha256 = createHash("sha256").update(JSON.stringify(parts.config)).digest("hex");
      const former = memory.get().configSha256;
      if (former !== configSha256) {
        void audit({ event: "config.changed", cause: "config", data: { sha256: configSha256, former } });
        void note({ configSha256 });
      }
      const watch = watchVehicle({
        ...{ modem, onPath, eid, clock: parts.clock, log },
        onChange: (facts) => {
          void engine.update({ vehicle: facts });
          given.onVehicle?.(facts);
        },
      });
      vehicle = watch;
      disposers.push(
        () => watch.stop(),
        emergency.onChange(() => void engine.reconsider()),
      );
      const asked = waiting;
      waiting = [];
      for (const again of asked) again();
    },
    cardRead() {
      vehicle?.look();
      if (owesChange && hands !== undefined) void announce(hands);
    },
    stop() {
      for (const dispose of disposers) dispose();
    },
  };
}

/** What a rule has to say of several things stands side by side. */
function alarmSource({ about = "" }: Action, rule: string): `policy:${string}` {
  return `policy:${rule} ${about}`;
}
