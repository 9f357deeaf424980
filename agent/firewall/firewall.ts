// Keeps the kernel's firewall as policy wants it: before the interface comes up, at once when the verdict changes, and again whenever somebody else has
// altered it. The rules stand in the kernel: neither this process nor simward-netd need live for them to hold.
import type { Clock, Disposer } from "../../base/clock.ts";
import { asSimwardError, SimwardError } from "../../base/errors.ts";
import type { Log } from "../../base/log.ts";
import { Queue } from "../../base/queue.ts";
import type { Verdict } from "../../ipa/ports.ts";
import type { Alarms } from "../alarms.ts";
import type { AuditEvent } from "../audit/types.ts";
import type { FirewallAltered, NetdClient } from "../data-path/netd-client.ts";
import type { EmergencyWatch } from "../emergency.ts";
import type { PolicyEngine } from "../policy/engine.ts";
import type { TunnelForFirewall } from "../tunnel/types.ts";
import type { TrafficReading } from "../usage/reading.ts";
import { createReadings, firewallData, isOpen, type WantedFirewall, wantedFirewall } from "./wanted.ts";

export const firewallWatchMs = 10_000;
/** A program that fights for the table is told of once in this time, and the alarm stands as long. */
export const alteredHoldMs = 600_000;

/** As often, within that time, is nobody's mistake. */
export const fightTimes = 5;

/** systemd starts simward-netd again within that. */
const absentRetryMs = 1_000;

export interface FirewallOptions {
  readonly netd: Pick<NetdClient, "ask" | "onFirewallAltered" | "onFirewallUnkept">;
  readonly engine: Pick<PolicyEngine, "data" | "onData">;
  readonly emergency: EmergencyWatch;
  /** Whoever changes it calls `changed`. */
  readonly tunnel: () => TunnelForFirewall;
  readonly throttleKbps: () => number | undefined;
  readonly listening: { readonly udpPort?: number; readonly tcpPort?: number };
  /** Of the modem, where it is known from the start. */
  readonly interface: string | undefined;
  readonly clock: Clock;
  readonly log: Log;
  readonly alarms: Pick<Alarms, "raise" | "clear">;
  /** Never rejects. */
  readonly audit: (event: AuditEvent) => Promise<void>;
}

/** unable: the kernel cannot be told (nft is missing, or refuses); another way must hold the fleet back. */
export type FirewallState = "waiting" | "kept" | "unable";

export interface FirewallStatus {
  readonly state: FirewallState;
  readonly interface: string | undefined;
  readonly fleet: "allow" | "block" | "throttle";
  readonly tunnel: "none" | "required";
  readonly reason: string | undefined;
}

export interface Firewall {
  readonly status: FirewallStatus;
  /** As `engine`, but only what the firewall itself could not carry out: for the module's flight. */
  readonly unmet: Pick<PolicyEngine, "data" | "onData">;
  start(): void;
  /** This interface is about to come up: resolves when its rules stand, or cannot. Never rejects. */
  guard(interfaceName: string): Promise<void>;
  /** The interface is up: its pace can be set now. */
  raised(): void;
  /** What is wanted may have changed. Resolves when the kernel has it, or cannot. Never rejects. */
  changed(): Promise<void>;
  /** undefined while the kernel does not count. */
  read(): Promise<TrafficReading | undefined>;
  /** Takes the table away where it holds nothing back; else it stays, for the next start and for as long as it takes. */
  stop(): Promise<void>;
}

interface Applied {
  readonly request: string;
  readonly hash: string;
  readonly generation: string;
}

export function createFirewall(options: FirewallOptions): Firewall {
  const { netd, engine, emergency, clock, log, alarms, audit } = options;
  const work = new Queue(64);
  const readingOf = createReadings();
  let name = options.interface;
  let applied: Applied | undefined;
  /** What the kernel is known to have, also where another program has altered it since. */
  let standing: string | undefined;
  let pace: string | undefined;
  let problem: SimwardError | undefined;
  /** Since it was well. */
  const auditedCodes = new Set<string>();
  let altered: { readonly atMs: number; readonly times: number; readonly isFight: boolean } | undefined;
  let isStopped = false;
  const unmetListeners = new Set<(verdict: Verdict) => void>();
  let lastUnmet: Verdict = { kind: "allow" };
  let cancelAgain: Disposer = () => {};
  const disposers: Disposer[] = [() => cancelAgain()];

  const wanted = (): WantedFirewall =>
    wantedFirewall({
      data: engine.data,
      isEmergency: emergency.sources.length > 0,
      tunnel: options.tunnel(),
      throttleKbps: options.throttleKbps(),
      listening: options.listening,
    });

  /** What is wanted and is not in the kernel. A tunnel that is required cannot be seen to by the module: without rules there is no traffic at all. */
  const unmetNow = (): Verdict => {
    if (problem === undefined) return { kind: "allow" };
    const { fleet, tunnel } = wanted();
    if (engine.data.kind === "refuse" && fleet === "block") return engine.data;
    const reason = `the fleet's traffic must leave through the tunnel only, and the kernel's firewall cannot see to it: ${problem.message}`;
    return tunnel === "required" ? { kind: "refuse", rule: "tunnel_required", reason, retryAt: undefined } : { kind: "allow" };
  };

  const tellUnmet = (): void => {
    const now = unmetNow();
    const isSame = now.kind === lastUnmet.kind;
    lastUnmet = now;
    if (!isSame) for (const listener of [...unmetListeners]) listener(now);
  };

  const setProblem = (next: SimwardError | undefined): void => {
    const isNews = next?.message !== problem?.message;
    problem = next;
    if (isNews && next !== undefined) {
      alarms.raise("firewall", next);
      log.error("the kernel's firewall is not as wanted", { error: next });
      // What fails in another way each time is one failure to the trail.
      if (!auditedCodes.has(next.code))
        void audit({ event: "firewall.failed", cause: "netd", data: { code: next.code, reason: next.message } });
      auditedCodes.add(next.code);
    } else if (isNews) {
      auditedCodes.clear();
      alarms.clear("firewall");
      void audit({ event: "firewall.restored", cause: "netd" });
    }
    tellUnmet();
  };

  // --- applying ----------------------------------------------------------------------------------------------------------------

  const applyRules = async (interfaceName: string, rules: WantedFirewall, isForced: boolean): Promise<void> => {
    const args = { interface: interfaceName, ...rules };
    const request = JSON.stringify(args);
    if (!isForced && applied?.request === request) return;
    const before = applied;
    // Until it is known to stand, nothing is known.
    applied = undefined;
    const data = firewallData(await netd.ask("firewall", args));
    if (data === undefined) throw new SimwardError("FIREWALL_FAILED", { detail: "simward-netd did not tell what it has set" });
    applied = { request, hash: data.hash, generation: data.generation };
    standing = request;
    if (before?.request === request) return;
    const { fleet, tunnel, throttleKbps } = rules;
    log.info("firewall", { interface: interfaceName, fleet, tunnel, throttleKbps });
    const limit = throttleKbps === undefined ? {} : { throttleKbps };
    await audit({ event: "firewall.set", cause: "policy", data: { interface: interfaceName, fleet, tunnel, ...limit } });
  };

  /** Of an interface that is not there there is none; it is set when it is up. */
  const applyPace = async (interfaceName: string, { throttleKbps, tunnelInterface }: WantedFirewall): Promise<void> => {
    const limit = throttleKbps === undefined ? {} : { throttleKbps };
    const args = { interface: interfaceName, ...limit, ...(tunnelInterface === undefined ? {} : { tunnelInterface }) };
    const request = JSON.stringify(args);
    if (pace === request) return;
    await netd.ask("shaping", args);
    pace = request;
  };

  const apply = async (isForced: boolean): Promise<void> => {
    const interfaceName = name;
    if (interfaceName === undefined || isStopped) return;
    const rules = wanted();
    try {
      await applyRules(interfaceName, rules, isForced);
      setProblem(undefined);
    } catch (error) {
      const why = asSimwardError(error);
      const isStanding = standing === JSON.stringify({ interface: interfaceName, ...rules });
      // Whoever does not answer has not taken away what stands.
      if (why.code !== "NETD_ABSENT" || !isStanding) setProblem(why);
      if (why.code === "NETD_ABSENT") again();
      return;
    }
    // Where the interface is not there yet.
    await applyPace(interfaceName, rules).catch((error: unknown) => log.debug("the fleet's pace", { error: asSimwardError(error) }));
  };

  const again = (): void => {
    cancelAgain();
    if (!isStopped) cancelAgain = clock.after(absentRetryMs, () => void soon(() => apply(true)));
  };

  // --- looking -----------------------------------------------------------------------------------------------------------------

  const look = async (): Promise<void> => {
    const interfaceName = name;
    if (interfaceName === undefined || isStopped) return;
    const known = applied;
    if (known === undefined) return apply(true);
    const { throttleKbps, tunnelInterface } = wanted();
    const of = tunnelInterface === undefined ? {} : { tunnelInterface };
    const answer = await netd.ask("firewall-read", { interface: interfaceName, ...of });
    const data = firewallData(answer);
    if (!isPaced(answer, throttleKbps)) pace = undefined;
    if (data?.hash === known.hash) {
      if (altered !== undefined && clock.monotonicMs() - altered.atMs >= alteredHoldMs) {
        alarms.clear("firewallAltered");
        altered = undefined;
      }
      return apply(false);
    }
    await repair({ how: data === undefined || data.generation !== known.generation ? "removed" : "altered", times: 1 });
  };

  /** Where simward-netd has set it again already, this tells what is known of it now. */
  const repair = async (seen: FirewallAltered): Promise<void> => {
    if (name === undefined || isStopped) return;
    const { how } = seen;
    const nowMs = clock.monotonicMs();
    const before = altered !== undefined && nowMs - altered.atMs < alteredHoldMs ? altered : undefined;
    const times = (before?.times ?? 0) + seen.times;
    const isFight = times >= fightTimes;
    // A fight's alarm stands for as long after its last blow.
    altered = { atMs: isFight ? nowMs : (before?.atMs ?? nowMs), times, isFight };
    pace = undefined;
    await apply(true);
    if (before !== undefined && before.isFight === isFight) return;
    const outcome = applied === undefined ? "it could not be repaired" : "it has been repaired";
    const again = isFight ? `; another program keeps doing it (${times} times by now), and the fleet passes for moments` : "";
    const detail = `it was ${how}; ${outcome}${again}`;
    const error = new SimwardError("FIREWALL_ALTERED", { detail });
    alarms.raise("firewallAltered", error);
    log.warn("firewall", { error });
    await audit({ event: "firewall.altered", cause: "another program", data: { how, repaired: applied !== undefined, times } });
  };

  const soon = (act: () => Promise<void>): Promise<void> =>
    work.run(act).catch((error: unknown) => {
      if (!isStopped) log.warn("firewall", { error: asSimwardError(error) });
    });

  const changed = (): Promise<void> => {
    tellUnmet();
    return soon(() => apply(false));
  };

  return {
    get status(): FirewallStatus {
      const { fleet, tunnel, throttleKbps } = wanted();
      const state = problem !== undefined ? "unable" : applied === undefined ? "waiting" : "kept";
      return { state, interface: name, fleet: throttleKbps === undefined ? fleet : "throttle", tunnel, reason: problem?.message };
    },
    unmet: {
      get data() {
        return unmetNow();
      },
      onData(fn) {
        unmetListeners.add(fn);
        return () => unmetListeners.delete(fn);
      },
    },
    start() {
      disposers.push(
        engine.onData(() => void changed()),
        emergency.onChange(() => void changed()),
        netd.onFirewallAltered((seen) => void soon(() => repair(seen))),
        clock.every(firewallWatchMs, () => {
          if (!work.busy) void soon(look);
        }),
        // simward-netd has ended, and its successor knows nothing: what stands is looked at.
        netd.onFirewallUnkept(() => {
          if (isStopped) return;
          void soon(look);
          // It keeps the table as it is for whoever has asked it, and nobody has.
          void soon(() => apply(true));
        }),
      );
      void changed();
    },
    guard(interfaceName) {
      if (name !== interfaceName) {
        name = interfaceName;
        applied = undefined;
        standing = undefined;
        pace = undefined;
      }
      return soon(() => apply(false));
    },
    raised() {
      pace = undefined;
      void changed();
    },
    changed,
    read() {
      return work.run(async () => {
        const interfaceName = name;
        // Looked at in its turn: what is being set at the moment can be read behind it.
        if (interfaceName === undefined || applied === undefined) return undefined;
        const data = firewallData(await netd.ask("firewall-read", { interface: interfaceName }));
        if (data === undefined) return undefined;
        const reading = readingOf(data);
        if (reading !== undefined) return reading;
        log.warn("another program has set the counters back", { generation: data.generation });
        const args = { interface: interfaceName, ...wanted() };
        const anew = firewallData(await netd.ask("firewall", { ...args, counters: "anew" }));
        if (anew === undefined) return undefined;
        applied = { request: JSON.stringify(args), hash: anew.hash, generation: anew.generation };
        return readingOf(anew);
      });
    },
    async stop() {
      for (const dispose of disposers) dispose();
      const rules = wanted();
      const interfaceName = name;
      isStopped = true;
      await soon(async () => {
        if (interfaceName === undefined || applied === undefined || !isOpen(rules)) return;
        const { tunnelInterface } = rules;
        await netd.ask("firewall-off", { interface: interfaceName, ...(tunnelInterface === undefined ? {} : { tunnelInterface }) });
      });
    },
  };
}

/** On both interfaces, as far as there is a tunnel's. */
function isPaced(answer: unknown, throttleKbps: number | undefined): boolean {
  const { shaping, tunnelShaping } = (answer ?? {}) as { readonly shaping?: unknown; readonly tunnelShaping?: unknown };
  const isTunnels = tunnelShaping === undefined || tunnelShaping === "absent" || tunnelShaping === (throttleKbps ?? "none");
  return isTunnels && shaping === throttleKbps;
}
