// Usage in its place on a fault disk and a clock that the test moves: the policy engine with every rule, the audit trail as a list, a kernel that counts.
import { parse } from "valibot";
import { createAlarms } from "../../../agent/alarms.ts";
import type { AuditEvent } from "../../../agent/audit/types.ts";
import { parseConfig } from "../../../agent/config/load.ts";
import { createPolicyEngine, type PolicyEngine } from "../../../agent/policy/engine.ts";
import { bindRules } from "../../../agent/policy/rules/table.ts";
import type { Stage } from "../../../agent/policy/types.ts";
import { usageConfig } from "../../../agent/usage/config.ts";
import { createUsage, type Usage } from "../../../agent/usage/service.ts";
import { VirtualClock } from "../../../base/clock.ts";
import { type FaultDisk, faultDisk } from "../../../base/fault-disk.ts";
import { silentLog } from "../../../base/log.ts";
import { seededRandom } from "../../../base/random.ts";
import { Kernel } from "./story.ts";

export const iccid = "89490200001000000017";
export const otherIccid = "89490200001000000025";
export const admin = { role: "admin", peer: { uid: 0, gid: 0, pid: 42 } } as const;

export class UsageBench {
  readonly disk: FaultDisk = faultDisk(seededRandom(1));
  readonly clock: VirtualClock;
  readonly kernel = new Kernel();
  readonly events: AuditEvent[] = [];
  readonly published: string[] = [];
  readonly alarms = createAlarms();
  readonly #config: object;
  engine!: PolicyEngine;
  usage!: Usage;
  #isUp = false;

  constructor(config: object, wall: { readonly ms: number; readonly source?: "network" | "floor" } = { ms: Date.UTC(2026, 5, 10, 12) }) {
    this.#config = config;
    this.clock = new VirtualClock(wall);
  }

  async start(counts = true): Promise<this> {
    if (this.#isUp) await this.usage.stop();
    this.#isUp = false;
    const toml = parseConfig('[modem]\naddress = "pty:/tmp/modem"\n');
    const raised = new Map<string, string>();
    this.engine = createPolicyEngine({
      rules: bindRules(toml),
      memory: { load: () => ({}), save: async () => undefined },
      audit: async (event) => void this.events.push(event),
      perform: (action, rule) => {
        if (action.kind === "alarm") raised.set(rule, action.code ?? "POLICY_ALARM");
      },
      withdraw: (_action, rule) => void raised.delete(rule),
      isHeld: () => false,
    });
    this.raised = raised;
    await this.stage("operational");
    await this.profile(iccid);
    this.usage = await createUsage({
      ...{ config: parse(usageConfig, this.#config), disk: this.disk, clock: this.clock, log: silentLog, alarms: this.alarms },
      ...{ engine: this.engine, audit: async (event: AuditEvent) => void this.events.push(event) },
      publish: (kind) => void this.published.push(kind),
    });
    const pulse = (): number => {
      const { fleet, management } = this.kernel.counters;
      return fleet.sentBytes + fleet.receivedBytes + management.sentBytes + management.receivedBytes;
    };
    this.usage.start(counts ? { read: async () => this.kernel.read(), pulse } : undefined);
    await this.clock.advance(0);
    this.#isUp = true;
    return this;
  }

  raised: ReadonlyMap<string, string> = new Map();

  async stage(stage: Stage): Promise<void> {
    await this.engine.update({ lifecycle: { stage } });
    await this.#seen();
  }

  async profile(now: string): Promise<void> {
    await this.engine.update({ vehicle: { iccid: now, clockTrusted: true, todayDay: 0 } });
    await this.#seen();
  }

  async #seen(): Promise<void> {
    if (!this.#isUp) return;
    this.usage.look();
    await this.clock.advance(0);
  }

  /** And as long as it takes to be seen. */
  async pass(fleetBytes: number, managementBytes = 0): Promise<void> {
    this.kernel.pass("fleet", fleetBytes, 0);
    this.kernel.pass("management", 0, managementBytes);
    await this.clock.advance(15_000);
  }

  /** Until that moment, with the vehicle asleep in between: a look is half a minute before it. */
  async until(ms: number): Promise<void> {
    this.clock.setWall({ ms: ms - 30_000 });
    await this.clock.advance(30_000);
  }

  kinds(event: string): readonly AuditEvent["data"][] {
    return this.events.filter((one) => one.event === event).map(({ data }) => data);
  }
}
