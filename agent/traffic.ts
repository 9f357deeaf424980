// The vehicle's traffic: the session on an interface of the kernel's, what policies refuse of it, and the tunnel that some of it must take.
import type { Modem } from "../at-drivers/modem.ts";
import type { Clock } from "../base/clock.ts";
import type { Log } from "../base/log.ts";
import type { Random } from "../base/random.ts";
import { readSmallFile } from "../base/small-file.ts";
import { systemResolve } from "../transports/resolve.ts";
import type { Alarms } from "./alarms.ts";
import type { AuditEvent } from "./audit/types.ts";
import type { Config } from "./config/schema.ts";
import type { PathState } from "./connectivity/keeper.ts";
import { createDataPath, type DataPath, type DataPathOptions } from "./data-path/data-path.ts";
import type { OwnResolver } from "./data-path/resolver.ts";
import type { EmergencyWatch } from "./emergency.ts";
import { createEnforcement, type Enforcement } from "./firewall/enforcement.ts";
import type { PolicyEngine } from "./policy/engine.ts";
import { createTunnel, forFirewall, type Tunnel } from "./tunnel/service.ts";

/** What puts a session on an interface of the kernel's; without it that is the platform's. */
export type NetPorts = Pick<DataPathOptions, "netd" | "kernel" | "dial"> & { readonly resolver?: OwnResolver };

export interface TrafficOptions {
  readonly config: Config;
  readonly net: NetPorts | undefined;
  readonly modem: Modem;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly alarms: Alarms;
  readonly emergency: EmergencyWatch;
  readonly engine: PolicyEngine;
  /** Never rejects. */
  readonly audit: (event: AuditEvent) => Promise<void>;
  readonly publish: (kind: string, fields: Readonly<Record<string, unknown>>) => void;
  readonly credential: (name: string) => Promise<string>;
  /** The kernel has the session. */
  readonly onUp: () => void;
  /** Whoever keeps the session looks whether it still is. */
  readonly onLost: () => void;
  /** Takes the path down and keeps it down; undefined lets it come up. */
  readonly hold: (reason: string | undefined) => void;
  /** Soon. */
  readonly poll: () => void;
}

export interface Traffic {
  readonly dataPath: DataPath | undefined;
  readonly enforcement: Enforcement;
  readonly tunnel: Tunnel | undefined;
  /** Whether this session is a path already: the kernel has it, or need not. The kernel's side follows. */
  follow(path: PathState): boolean;
}

export function createTraffic(options: TrafficOptions): Traffic {
  const { config, net, modem, clock, random, log, alarms, emergency, engine, audit } = options;
  const enforcement = createEnforcement({
    ...{ config, clock, alarms, emergency, audit, engine, netd: net?.netd, hold: options.hold, poll: options.poll },
    log: log.child({ part: "firewall" }),
    tunnel: () => forFirewall(config.tunnel),
    throttleKbps: () => config.policy.usage.throttle_kbps,
  });
  const { firewall } = enforcement;
  const dataPath =
    net === undefined || config.net.mode === "none"
      ? undefined
      : createDataPath({
          ...{ ...net, net: config.net, modem, clock, log: log.child({ part: "net" }), audit },
          guard: firewall?.guard,
          onUp: () => {
            firewall?.raised();
            options.onUp();
          },
          onProblem: (problem) => (problem === undefined ? alarms.clear("net") : alarms.raise("net", problem)),
          onLost: options.onLost,
          isHeld: () => emergency.sources.length > 0,
        });
  const tunnel =
    config.tunnel === undefined || net === undefined
      ? undefined
      : createTunnel({
          ...{ config: config.tunnel, netd: net.netd, emergency, alarms, clock, random, engine, audit, publish: options.publish },
          ...{ credential: options.credential, readFile: readSmallFile, log: log.child({ part: "tunnel" }) },
          resolve: net.resolver?.resolve ?? systemResolve,
          interfaceName: () => dataPath?.status.interface ?? config.net.interface,
          routeTable: config.net.route_table,
        });
  return {
    ...{ dataPath, enforcement, tunnel },
    follow(path) {
      net?.resolver?.use(path.session?.dns ?? []);
      const isPath = dataPath === undefined || !path.up || dataPath.carries(path.session);
      void dataPath?.follow(path.session);
      return isPath;
    },
  };
}
