// The tunnel in its place: follows the data path, asks simward-netd, watches what charon shows, and tells policies, alarms, the audit trail and the API.
import { isIP } from "node:net";
import { type Clock, type Disposer, deadline } from "../../base/clock.ts";
import { asSimwardError, errorReport, SimwardError } from "../../base/errors.ts";
import type { Log } from "../../base/log.ts";
import { runMachine } from "../../base/machine.ts";
import { Queue } from "../../base/queue.ts";
import type { Random } from "../../base/random.ts";
import type { Alarms } from "../alarms.ts";
import type { TunnelReport } from "../api/tunnel-types.ts";
import type { AuditEvent } from "../audit/types.ts";
import type { NetdClient } from "../data-path/netd-client.ts";
import type { EmergencyWatch } from "../emergency.ts";
import type { PolicyEngine } from "../policy/engine.ts";
import type { TunnelConfig } from "./config.ts";
import { type CertificateEnd, type CredentialPorts, endingOf, readCredentials } from "./credentials.ts";
import { nextTunnel, noTunnel, retryMs, type TunnelEffect, type TunnelInput } from "./machine.ts";
import { parseReading, problemIn, type TunnelReading } from "./reading.ts";
import { reportOf } from "./report.ts";
import type { TunnelForFirewall, TunnelPhase } from "./types.ts";

export interface TunnelOptions extends CredentialPorts {
  readonly config: TunnelConfig;
  readonly netd: Pick<NetdClient, "ask">;
  /** Addresses of the gateway's name, asked of the data path's own resolvers. */
  readonly resolve: (name: string, signal: AbortSignal) => Promise<readonly string[]>;
  /** The interface that carries the data session; undefined while there is none. */
  readonly interfaceName: () => string | undefined;
  /** Where the module's routes are, unless in main. */
  readonly routeTable: number | undefined;
  readonly emergency: EmergencyWatch;
  readonly engine: Pick<PolicyEngine, "update">;
  readonly alarms: Alarms;
  /** Never rejects. */
  readonly audit: (event: AuditEvent) => Promise<void>;
  readonly publish: (kind: string, fields: Readonly<Record<string, unknown>>) => void;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

export interface TunnelPath {
  readonly up: boolean;
  readonly iccid?: string | undefined;
  readonly address?: string | undefined;
}

export interface Tunnel {
  readonly phase: TunnelPhase;
  report(): TunnelReport;
  follow(path: TunnelPath): void;
  /** Takes it down. */
  stop(): Promise<void>;
}

export const tickMs = 1_000;
/** While nothing is under way, one tick in so many reads. */
const restTicks = 5;
/** charon needs a moment to follow to another address. */
const graceMs = 3_000;
const lastsMs = 60_000;
/** Looks in a row that came to nothing. */
const mostMisses = 3;
const certificateMs = 3_600_000;
const resolveMs = 10_000;

/** What FIREWALL is told, whatever the tunnel does; of the configuration alone. */
export function forFirewall(config: TunnelConfig | undefined): TunnelForFirewall {
  return { tunnel: config?.required === true ? "required" : "none", tunnelInterface: config?.interface };
}

export function createTunnel(options: TunnelOptions): Tunnel {
  const { config, netd, clock, random, log, alarms, audit } = options;
  const work = new Queue();
  const stopping = new AbortController();
  let reading: TunnelReading | undefined;
  let upSinceMs: number | undefined;
  let certificates: readonly CertificateEnd[] = [];
  let gatewayTurn = 0;
  let ticks = 0;
  let misses = 0;
  let nameServersFor: string | undefined;
  /** What a run that was killed has set may stand until it is known not to. */
  let mayStand = true;
  let cancelTimer: Disposer = () => {};

  const later = (ms: number, input: TunnelInput): void => {
    cancelTimer();
    cancelTimer = clock.after(ms, () => machine.send(input));
  };
  const inTurn = (act: () => Promise<void>): void => {
    void work.run(act).catch((error: unknown) => {
      if (!stopping.signal.aborted) log.error("tunnel", { error: asSimwardError(error) });
    });
  };

  const tell = (phase: TunnelPhase): void => {
    const reason = machine.state.problem?.message;
    void options.engine.update({ tunnel: { required: config.required, phase, reason } });
    options.publish("tunnel", { phase, reason });
  };
  const phaseShown = (): TunnelPhase => (machine.state.phase === "moving" ? "up" : machine.state.phase);

  const perform = (effect: TunnelEffect): void => {
    switch (effect.do) {
      case "ask":
        inTurn(ask);
        break;
      case "armRetry":
        later(retryMs(effect.failures, effect.problem, random.unit()), { kind: "retry" });
        break;
      case "armGrace":
        later(graceMs, { kind: "grace" });
        break;
      case "disarm":
        cancelTimer();
        break;
      case "up":
        inTurn(onUp);
        break;
      case "down":
        inTurn(() => onDown(effect.reason));
        break;
      case "problem":
        if (effect.problem === undefined) alarms.clear("tunnel");
        else {
          alarms.raise("tunnel", effect.problem);
          log.warn("tunnel.failed", { error: effect.problem });
          if (mayStand) inTurn(() => setNameServers([]));
        }
    }
  };

  const machine = runMachine({
    initial: { ...noTunnel, emergency: options.emergency.sources.length > 0 },
    next: nextTunnel,
    perform,
    onChange: (after, _input, before) => {
      if (after.phase !== before.phase) tell(after.phase === "moving" ? "up" : after.phase);
    },
  });

  const ask = async (): Promise<void> => {
    try {
      const credentials = await readCredentials(config, options);
      certificates = credentials.certificates;
      lookAtCertificates();
      const gateway = await gatewayAddress();
      await netd.ask("tunnel", { ...requestOf(config, gateway, options.routeTable), ...credentials.request }, stopping.signal);
    } catch (error) {
      machine.send({ kind: "failed", problem: asSimwardError(error) });
    }
  };

  /** Another one of its addresses at each attempt. */
  const gatewayAddress = async (): Promise<string> => {
    if (isIP(config.gateway) !== 0) return config.gateway;
    const late = (): SimwardError => new SimwardError("TUNNEL_UNREACHABLE", { detail: `${config.gateway}: no resolver answers` });
    const limit = deadline(clock, resolveMs, late, stopping.signal);
    try {
      const found = await options.resolve(config.gateway, limit.signal);
      const address = found[gatewayTurn++ % Math.max(1, found.length)];
      if (address === undefined) throw new SimwardError("TUNNEL_UNREACHABLE", { detail: `${config.gateway} has no address` });
      return address;
    } catch (error) {
      if (error instanceof SimwardError) throw error;
      throw new SimwardError("TUNNEL_UNREACHABLE", { detail: `${config.gateway}: ${asSimwardError(error).message}`, cause: error });
    } finally {
      limit.done();
    }
  };

  const onUp = async (): Promise<void> => {
    await setNameServers(config.dns ? (reading?.nameServers ?? []) : []);
    if (upSinceMs !== undefined) return;
    upSinceMs = clock.monotonicMs();
    const sa = reading?.sa;
    log.info("tunnel.up", { gateway: sa?.remoteAddress, virtualIps: sa?.virtualIps });
    const data = { gateway: sa?.remoteAddress ?? "", address: sa?.virtualIps.join(" ") ?? "", algorithms: sa?.algorithms ?? "" };
    await audit({ event: "tunnel.up", cause: "tunnel", data });
  };

  const onDown = async (reason: string): Promise<void> => {
    await setNameServers([]);
    if (upSinceMs === undefined) return;
    const seconds = Math.round((clock.monotonicMs() - upSinceMs) / 1_000);
    upSinceMs = undefined;
    log.warn("tunnel.down", { reason, seconds });
    await audit({ event: "tunnel.down", cause: "tunnel", data: { reason, seconds } });
  };

  /** As far as it goes: without them the fleet's names are not found, and the alarm says so. */
  const setNameServers = async (servers: readonly string[]): Promise<void> => {
    const name = servers.length > 0 || mayStand ? options.interfaceName() : nameServersFor;
    if (name === undefined) return;
    try {
      await netd.ask("resolv", { interface: name, servers, of: "tunnel" });
      mayStand = false;
      nameServersFor = servers.length > 0 ? name : undefined;
    } catch (error) {
      if (servers.length > 0) alarms.raise("tunnel", error);
      log.warn("tunnel.resolv", { error: asSimwardError(error) });
    }
  };

  const look = async (): Promise<void> => {
    let seen: TunnelInput;
    try {
      reading = parseReading(await netd.ask("tunnel-read", {}, stopping.signal));
      const { sa, attempt } = reading;
      misses = 0;
      const lasted = upSinceMs !== undefined && clock.monotonicMs() - upSinceMs > lastsMs;
      const isTrying = attempt.state === "under-way";
      seen = {
        kind: "seen",
        seen: sa !== undefined ? "up" : isTrying ? "trying" : "gone",
        isLocal: sa?.isLocal === true,
        lasted,
        problem: problemIn(reading),
      };
    } catch (error) {
      if (stopping.signal.aborted) return;
      const problem = asSimwardError(error);
      misses++;
      // A helper that restarts says nothing of the tunnel, which is charon's; one that stays away, or a charon that hangs, does.
      if (machine.state.phase === "up" && misses < mostMisses) return;
      seen =
        machine.state.phase === "up" ? { kind: "seen", seen: "gone", isLocal: false, lasted: false, problem } : { kind: "failed", problem };
    }
    machine.send(seen);
  };

  const tick = (): void => {
    const { phase } = machine.state;
    ticks++;
    const isRest = phase === "up" ? ticks % restTicks !== 0 : phase === "idle" || phase === "waiting";
    if (!isRest && !work.busy) inTurn(look);
  };

  const lookAtCertificates = (): void => {
    const ending = endingOf(certificates, clock.wall(), config.certificate_warn_days);
    if (ending === undefined) alarms.clear("tunnelCertificate");
    else alarms.raise("tunnelCertificate", ending);
  };

  inTurn(async () => {
    // Before the first attempt too: a vehicle without a path is where certificates end unseen.
    try {
      certificates = (await readCredentials(config, options)).certificates;
      lookAtCertificates();
    } catch (error) {
      alarms.raise("tunnel", error);
    }
  });
  tell("idle");
  const disposers = [
    clock.every(tickMs, tick),
    clock.every(certificateMs, lookAtCertificates),
    options.emergency.onChange(() => machine.send({ kind: "emergency", active: options.emergency.sources.length > 0 })),
  ];

  return {
    get phase() {
      return phaseShown();
    },
    report() {
      const { problem, failures } = machine.state;
      const phase = phaseShown();
      return reportOf({
        config,
        phase,
        failures,
        certificates,
        reading,
        problem: problem === undefined ? undefined : errorReport(problem),
      });
    },
    follow({ up, iccid, address }) {
      if (!stopping.signal.aborted) machine.send({ kind: "path", way: up ? `${iccid ?? ""} ${address ?? ""}` : undefined });
    },
    async stop() {
      for (const dispose of disposers) dispose();
      cancelTimer();
      stopping.abort(new SimwardError("ABORTED", { detail: "simward stops" }));
      const end = async (): Promise<void> => {
        await onDown("simward stops");
        await netd.ask("tunnel-down", {});
      };
      await work.run(end).catch((error: unknown) => log.debug("tunnel", { error: asSimwardError(error) }));
    },
  };
}

function requestOf(config: TunnelConfig, gateway: string, routeTable: number | undefined): Readonly<Record<string, unknown>> {
  return {
    gateway,
    localId: config.local_id,
    remoteId: config.remote_id,
    auth: config.auth,
    remoteTs: config.remote_ts,
    localTs: config.local_ts,
    virtualIps: config.virtual_ip,
    dpdSeconds: config.dpd_seconds,
    rekeySeconds: config.rekey_seconds,
    management: config.management,
    ...(routeTable === undefined ? {} : { table: routeTable }),
    limitSeconds: config.attempt_seconds,
  };
}
