// Another program's flushes, deletions and alterations at made-up moments, while the fleet is refused and floods from two hosts in both families: what leaked
// by each, and how long it took until the rules stood again. And one that fights for the table.
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import type { FirewallAltered, NetdClient } from "../../../agent/data-path/netd-client.ts";
import { type Disposer, SystemClock } from "../../../base/clock.ts";
import { integerBelow, seededRandom } from "../../../base/random.ts";
import { PolicyStub, refuse } from "./policy-stub.ts";
import { far, managementUid, type Peer, port, VehicleBench } from "./vehicle.ts";

const hosts = [far.v4, far.v6];
const incidents: readonly (readonly string[])[] = [
  ["flush", "ruleset"],
  ["delete", "table", "inet", "simward"],
  ["flush", "table", "inet", "simward"],
  ["flush", "chain", "inet", "simward", "fleet_sent"],
  ["insert", "rule", "inet", "simward", "left", "accept"],
  ["add", "table", "inet", "simward", "{ flags dormant; }"],
];

interface Started {
  readonly vehicle: VehicleBench;
  readonly policy: PolicyStub;
  readonly told: FirewallAltered[];
  readonly fleet: Peer;
  readonly management: Peer;
  readonly ecu: Peer;
  readonly core: Peer;
  /** Datagrams of the fleet's that came out in front, as soon as no more of them are on their way. */
  readonly leaked: () => Promise<number>;
  /** The rules, without what counts. */
  readonly rules: () => string;
  /** To a daemon that was deaf: all that simward-netd has told. */
  readonly tellDaemon: () => void;
  readonly end: () => Promise<void>;
}

/** Real time, in which nothing is done regularly. */
class UnwatchfulClock extends SystemClock {
  override every(): Disposer {
    return () => {};
  }
}

/** The fleet is refused, and the daemon's own look is so seldom that it repairs nothing here. A deaf one never looks, nor sets anything again when it is told. */
export async function startRefused(isDeaf = false): Promise<Started> {
  const vehicle = await VehicleBench.make();
  const netd = await vehicle.startNetd().then(() => vehicle.client());
  const [fleet, management, ecu, core] = await Promise.all([
    vehicle.peer("gateway", 54_321),
    vehicle.peer("gateway", managementUid),
    vehicle.peer("ecu"),
    vehicle.peer("core"),
  ]);
  await core.do("serve", { port });
  await vehicle.warm(fleet, ecu);
  const told: FirewallAltered[] = [];
  const daemons = new Set<(seen: FirewallAltered) => void>();
  const tellDaemon = (news: readonly FirewallAltered[] = told): void => {
    for (const hear of daemons) for (const seen of news) hear(seen);
  };
  netd.onFirewallAltered((seen) => {
    told.push(seen);
    if (!isDeaf) tellDaemon([seen]);
  });
  const heard: Pick<NetdClient, "ask" | "onFirewallAltered" | "onFirewallUnkept"> = {
    ...netd,
    onFirewallAltered(fn) {
      daemons.add(fn);
      return () => daemons.delete(fn);
    },
  };
  const policy = new PolicyStub(heard, isDeaf ? new UnwatchfulClock() : vehicle.clock, refuse);
  policy.firewall.start();
  await policy.firewall.changed();
  const heardOfFleet = async (): Promise<number> =>
    ((await core.do("heard", { who: "fleet" })) as { readonly datagrams: number }).datagrams;
  const leaked = async (): Promise<number> => {
    let now = await heardOfFleet();
    for (let left = 40; left > 0; left--) {
      const before = now;
      // What comes in front of an answer was there before the question.
      await Promise.all(hosts.map((host) => management.ask(host, "asked")));
      now = await heardOfFleet();
      if (now === before) break;
      await vehicle.clock.sleep(5);
    }
    return now;
  };
  const rules = (): string => vehicle.table().replaceAll(/packets \d+ bytes \d+|generation_\w+/g, "");
  const end = async (): Promise<void> => {
    await policy.firewall.stop();
    netd.close();
    await vehicle.close();
  };
  return { vehicle, policy, told, fleet, management, ecu, core, leaked, rules, tellDaemon: () => tellDaemon(), end };
}

export interface AlterationsSeen {
  readonly incidents: number;
  readonly leakedInAll: number;
  readonly leakedMost: number;
  /** While the rules stood. */
  readonly leakedBetween: number;
  readonly mostMs: number;
  readonly meanMs: number;
  readonly notRestored: number;
  /** Incidents that found no table to alter. */
  readonly missed: number;
  /** Datagrams of the fleet's that were tried meanwhile. */
  readonly tried: number;
  readonly managementLost: number;
  readonly times: number;
  readonly alarm: string | undefined;
}

/** The daemon does not look: whenever it is, simward-netd alone has done it. */
const patienceMs = 30_000;
/** The rules stand for so many times as long as it took to set them again, whatever else the machine is doing. */
const standsTimes = 2;

export async function alterAtRandom(count: number, seed: number): Promise<AlterationsSeen> {
  const one = await startRefused(true);
  const { vehicle, policy, told, leaked, rules } = one;
  const random = seededRandom(seed);
  try {
    const healthy = rules();
    for (const peer of [one.fleet, one.ecu]) await peer.do("flood", { hosts, port, who: "fleet" });
    await one.management.do("flood", { hosts, port, who: "management" });
    const leaks: number[] = [];
    const tookMs: number[] = [];
    let notRestored = 0;
    let missed = 0;
    let leakedBetween = 0;
    let leakedSoFar = await leaked();
    for (let done = 0; done < count; done++) {
      await vehicle.clock.sleep(integerBelow(random, 250) + standsTimes * (tookMs.at(-1) ?? 0));
      const before = await leaked();
      leakedBetween += before - leakedSoFar;
      const command = incidents[integerBelow(random, incidents.length)] ?? [];
      const startedMs = vehicle.clock.monotonicMs();
      try {
        vehicle.run("nft", ...command);
      } catch {
        missed++;
      }
      let isRestored = false;
      while (!isRestored && vehicle.clock.monotonicMs() - startedMs < patienceMs) {
        isRestored = rules() === healthy;
        if (!isRestored) await vehicle.clock.sleep(2);
      }
      tookMs.push(vehicle.clock.monotonicMs() - startedMs);
      if (!isRestored) notRestored++;
      leakedSoFar = await leaked();
      leaks.push(leakedSoFar - before);
    }
    const sent = (await one.management.do("calm")) as { readonly datagrams: number };
    const tried = await Promise.all([one.fleet.do("calm"), one.ecu.do("calm")]);
    // What was altered last is told within a second.
    await vehicle.clock.sleep(1_100);
    one.tellDaemon();
    await policy.firewall.changed();
    const arrived = (await one.core.do("heard", { who: "management" })) as { readonly datagrams: number };
    const sum = (values: readonly number[]): number => values.reduce((all, value) => all + value, 0);
    return {
      incidents: count,
      leakedInAll: sum(leaks),
      leakedMost: Math.max(...leaks),
      leakedBetween,
      mostMs: Math.round(Math.max(...tookMs)),
      meanMs: Math.round(sum(tookMs) / count),
      notRestored,
      missed,
      tried: sum(tried.map((each) => (each as { readonly tried: number }).tried)),
      managementLost: sent.datagrams - arrived.datagrams,
      times: sum(told.map(({ times }) => times)),
      alarm: policy.alarms.get("firewallAltered"),
    };
  } finally {
    await one.end();
  }
}

/** Processes of this bench's namespace whose command line has these words. */
export function processesOf(namespace: string, words: string): readonly number[] {
  const pids = execFileSync("/sbin/ip", ["netns", "pids", namespace], { encoding: "utf8" }).split("\n").filter(Boolean).map(Number);
  return pids.filter((pid) => commandOf(pid).includes(words));
}

function commandOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ");
  } catch {
    return "";
  }
}

/** Of simward-netd, its monitor and all it has run: user and system, in seconds. */
export function cpuSeconds(pids: readonly number[]): number {
  const ticksPerSecond = 100;
  let ticks = 0;
  for (const pid of pids) {
    const fields = readFileSync(`/proc/${pid}/stat`, "utf8")
      .replace(/^.*\) /, "")
      .split(" ");
    // utime, stime, cutime, cstime.
    for (const at of [11, 12, 13, 14]) ticks += Number(fields[at]);
  }
  return ticks / ticksPerSecond;
}

/** Deletes the table every so often until it is killed. */
export function fight(vehicle: VehicleBench, everySeconds: string): ChildProcess {
  const script = `while :; do /usr/sbin/nft delete table inet simward 2>/dev/null; sleep ${everySeconds}; done`;
  return spawn("/sbin/ip", ["netns", "exec", vehicle.bench.namespace, "/bin/sh", "-c", script], { stdio: "ignore", detached: true });
}

export function openDescriptors(pid: number): number {
  return readdirSync(`/proc/${pid}/fd`).length;
}
