// What decides, in a test's hands: the gate `data`, the tunnel, an emergency; and what the firewall says of it to alarms and audit.

import type { AuditEvent } from "../../../agent/audit/types.ts";
import type { NetdClient } from "../../../agent/data-path/netd-client.ts";
import { createFirewall, type Firewall } from "../../../agent/firewall/firewall.ts";
import type { TunnelForFirewall } from "../../../agent/tunnel/types.ts";
import type { Clock } from "../../../base/clock.ts";
import { asSimwardError } from "../../../base/errors.ts";
import { silentLog } from "../../../base/log.ts";
import type { Verdict } from "../../../ipa/ports.ts";

export const allow: Verdict = { kind: "allow" };
export const refuse: Verdict = { kind: "refuse", rule: "usage", reason: "the cap is used up", retryAt: undefined };
export const throttle: Verdict = { ...refuse, kind: "throttle" };

export class PolicyStub {
  readonly firewall: Firewall;
  readonly audited: AuditEvent[] = [];
  readonly alarms = new Map<string, string>();
  throttleKbps = 64;
  /** Where eIMs may come. */
  listening: { udpPort?: number; tcpPort?: number } = {};
  isEmergency = false;
  tunnel: TunnelForFirewall = { tunnel: "none", tunnelInterface: undefined };
  #data: Verdict = allow;
  readonly #onData = new Set<(verdict: Verdict) => void>();
  readonly #onEmergency = new Set<() => void>();
  readonly #onAudit = new Set<() => void>();

  constructor(
    netd: Pick<NetdClient, "ask" | "onFirewallAltered" | "onFirewallUnkept">,
    clock: Clock,
    first: Verdict = allow,
    interfaceName: string | undefined = "wwan0",
  ) {
    this.#data = first;
    const stub = this;
    this.firewall = createFirewall({
      netd,
      engine: {
        get data() {
          return stub.#data;
        },
        onData: (fn) => {
          this.#onData.add(fn);
          return () => this.#onData.delete(fn);
        },
      },
      emergency: {
        get sources() {
          return stub.isEmergency ? (["api"] as never) : [];
        },
        onChange: (fn) => {
          this.#onEmergency.add(fn);
          return () => this.#onEmergency.delete(fn);
        },
      },
      tunnel: () => this.tunnel,
      throttleKbps: () => this.throttleKbps,
      get listening() {
        return stub.listening;
      },
      interface: interfaceName,
      clock,
      log: silentLog,
      alarms: {
        raise: (source, error) => void this.alarms.set(source, asSimwardError(error).code),
        clear: (source) => void this.alarms.delete(source),
      },
      audit: async (event) => {
        this.audited.push(event);
        for (const wake of [...this.#onAudit]) wake();
      },
    });
  }

  /** Resolves when the kernel has it, or cannot. */
  async decide(verdict: Verdict): Promise<void> {
    this.#data = verdict;
    for (const fn of [...this.#onData]) fn(verdict);
    await this.firewall.changed();
  }

  async emergency(isActive: boolean): Promise<void> {
    this.isEmergency = isActive;
    for (const fn of [...this.#onEmergency]) fn();
    await this.firewall.changed();
  }

  /** This event, from now on. */
  next(event: string): Promise<AuditEvent> {
    const from = this.audited.length;
    return new Promise((resolve) => {
      const look = (): void => {
        const found = this.audited.slice(from).find((one) => one.event === event);
        if (found === undefined) return;
        this.#onAudit.delete(look);
        resolve(found);
      };
      this.#onAudit.add(look);
    });
  }
}
