// How the gate `data` is carried out on this vehicle: by the kernel's firewall where simward has the interface, by the module's flight where it has not,
// or where the kernel cannot be told.
import type { Clock } from "../../base/clock.ts";
import type { Log } from "../../base/log.ts";
import type { Alarms } from "../alarms.ts";
import type { AuditEvent } from "../audit/types.ts";
import type { Config } from "../config/schema.ts";
import type { DataPathOptions } from "../data-path/data-path.ts";
import type { EmergencyWatch } from "../emergency.ts";
import { enforceOnModule } from "../policy/enforcer.ts";
import type { PolicyEngine } from "../policy/engine.ts";
import type { TunnelForFirewall } from "../tunnel/types.ts";
import { createFirewall, type Firewall } from "./firewall.ts";

export interface EnforcementOptions {
  readonly config: Pick<Config, "net" | "policy" | "eim" | "injection">;
  /** undefined where nothing can be asked of the kernel. */
  readonly netd: DataPathOptions["netd"] | undefined;
  readonly engine: Pick<PolicyEngine, "data" | "onData">;
  readonly emergency: EmergencyWatch;
  readonly tunnel: () => TunnelForFirewall;
  readonly throttleKbps: () => number | undefined;
  readonly clock: Clock;
  readonly log: Log;
  readonly alarms: Alarms;
  /** Never rejects. */
  readonly audit: (event: AuditEvent) => Promise<void>;
  /** Takes the path down and keeps it down; undefined lets it come up. */
  readonly hold: (reason: string | undefined) => void;
  /** Soon. */
  readonly poll: () => void;
}

export interface Enforcement {
  readonly firewall: Firewall | undefined;
  start(): void;
  /** eIMs have been asked, with whatever outcome. */
  polled(): void;
  stop(): Promise<void>;
}

export function createEnforcement(options: EnforcementOptions): Enforcement {
  const { config, netd, engine, clock, hold, poll } = options;
  const { net, injection } = config;
  const listening = injection.enabled ? listeningAt(injection) : {};
  const firewall =
    netd === undefined || net.mode === "none" ? undefined : createFirewall({ ...options, netd, listening, interface: net.interface });
  let flight: ReturnType<typeof enforceOnModule> | undefined;
  return {
    firewall,
    start() {
      firewall?.start();
      // A kernel that cannot be told is a fault, and no matter of choice.
      if (firewall === undefined && config.policy.enforce_without_netd === "none") return;
      const of = firewall?.unmet ?? engine;
      flight = enforceOnModule({ engine: of, clock, hold, poll, intervalMs: config.eim.poll_interval_seconds * 1_000 });
    },
    polled: () => flight?.polled(),
    async stop() {
      flight?.stop();
      await firewall?.stop();
    },
  };
}

function listeningAt({ schemes, coaps_port, https_port }: Config["injection"]): { readonly udpPort?: number; readonly tcpPort?: number } {
  return {
    ...(schemes.includes("coaps") && coaps_port > 0 ? { udpPort: coaps_port } : {}),
    ...(schemes.includes("https") && https_port > 0 ? { tcpPort: https_port } : {}),
  };
}
