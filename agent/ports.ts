// What the agent is made of and what it offers: everything comes in as a port, and the local API goes by what comes out.
import type { Modem } from "../at-drivers/modem.ts";
import type { Clock } from "../base/clock.ts";
import type { Disk } from "../base/disk.ts";
import type { SimwardError } from "../base/errors.ts";
import type { Log } from "../base/log.ts";
import type { Random } from "../base/random.ts";
import type { TraceBus } from "../base/trace.ts";
import type { Ipa } from "../ipa/ipa.ts";
import type { AddInitialEimRequest } from "../ipa/messages/eim-config.ts";
import type { EimPeer } from "../ipa/options.ts";
import type { RspPorts } from "../ipa/ports.ts";
import type { ClosableEsipaTransport } from "../transports/esipa.ts";
import type { ApiServices } from "./api/route.ts";
import type { Config } from "./config/schema.ts";
import type { Ask } from "./connectivity/probe-net.ts";
import type { TraceActsOptions } from "./trace/acts.ts";
import type { NetPorts } from "./traffic.ts";
import type { UplinkPost } from "./uplink/service.ts";

export interface AgentPorts {
  readonly config: Config;
  /** Why the configuration file is not what is in force; `config` is the one before it. */
  readonly configProblem?: SimwardError | undefined;
  /** The file that `config` is from, and how it is read again. */
  readonly configFile?: { readonly path: string; readonly read: () => Promise<Config> } | undefined;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** The state directory. */
  readonly disk: Disk;
  readonly modem: Modem;
  readonly transports: readonly ClosableEsipaTransport[];
  readonly peers: readonly EimPeer[];
  /** Ways to SM-DP+ and SM-DS; without them downloads go through an eIM. */
  readonly rsp?: RspPorts | undefined;
  /** The first eIMs of a consumer eUICC on which eIMs are obeyed. */
  readonly initialEims?: AddInitialEimRequest | undefined;
  readonly credential: (name: string) => Promise<string>;
  /** How hosts are asked whether they are there, where that is not by this machine's own network. */
  readonly ask?: Ask | undefined;
  /** The way to the fleet's backend, where one is configured. */
  readonly uplink?: UplinkPost | undefined;
  /** PEM of `keys.root`. */
  readonly rootKeys?: string | undefined;
  /** Milliseconds since the kernel started, time asleep included; without it nobody notices that the machine was suspended. */
  readonly bootMs?: (() => number) | undefined;
  /** What the layers below tell of what passes them. */
  readonly trace?: TraceBus | undefined;
  /** Without it the log is somebody else's. */
  readonly programLog?: TraceActsOptions["log"];
  /** Puts the data session on an interface of the kernel's; without it that is the platform's. */
  readonly net?: NetPorts | undefined;
}

export interface Agent extends ApiServices {
  readonly ipa: Ipa;
  /** Begins to drive the module and to poll; what a restart interrupted is gone on with. */
  start(): Promise<void>;
  /** Ends what runs; what was under way stays in the journal. */
  stop(): Promise<void>;
  /** The process is about to end because of an error nobody caught; what it was is in the log. */
  crashed(): Promise<void>;
  /** Why nothing may be done to the module now that could end a call or a session; undefined: it may. */
  mayDisturb(): string | undefined;
}
