// A vehicle in network namespaces: the gateway with simward-netd and the module's interface, a control unit behind it, the network in front of it; IPv4
// and IPv6. Who sends is a process of its own, with the uid that the test gives it.
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { resolve } from "node:path";
import { createInterface } from "node:readline";
import { type NetdClient as AgentNetdClient, createNetdClient } from "../../../agent/data-path/netd-client.ts";
import { SystemClock } from "../../../base/clock.ts";
import { program } from "../../support/programs.ts";
import { addQuietNamespace, canNamespace, NetdBench, type Started } from "../netd/bench.ts";

export const managementUid = 12_345;
export const far = { v4: "203.0.113.1", v6: "2001:db8:f::1" } as const;
export const port = 4_433;
export const canFilter = canNamespace && program("nft").path !== undefined && program("tc").path !== undefined;
export const leftOut = canFilter ? "" : " (left out: needs root, iproute2 and nftables)";

export class Peer {
  readonly child: ChildProcess;
  readonly ready: Promise<void>;
  readonly #answers = new Map<number, (said: unknown) => void>();
  #at = 0;

  constructor(namespace: string, uid = 0) {
    const script = resolve("test/agent/firewall/peer.mjs");
    this.child = spawn("/sbin/ip", ["netns", "exec", namespace, process.execPath, script, String(uid)], {
      stdio: ["pipe", "pipe", "inherit"],
    });
    this.ready = new Promise((done) => {
      if (this.child.stdout === null) return;
      createInterface({ input: this.child.stdout }).on("line", (line) => {
        const said = JSON.parse(line) as { readonly ready?: true; readonly at?: number; readonly said?: unknown };
        if (said.ready === true) done();
        else if (said.at !== undefined) this.#answers.get(said.at)?.(said.said);
      });
    });
  }

  do(act: string, order: object = {}): Promise<unknown> {
    const at = ++this.#at;
    return new Promise((done) => {
      this.#answers.set(at, done);
      this.child.stdin?.write(`${JSON.stringify({ at, act, ...order })}\n`);
    });
  }

  ask(host: string, who: string, more: object = {}): Promise<unknown> {
    return this.do("ask", { host, port, who, ...more });
  }

  async end(): Promise<void> {
    const gone = new Promise<void>((done) => this.child.once("exit", () => done()));
    this.child.stdin?.end();
    await gone;
  }
}

export class VehicleBench {
  readonly bench: NetdBench;
  readonly clock = new SystemClock();
  readonly #spaces: string[] = [];
  readonly #peers: Peer[] = [];
  #netd: Started | undefined;

  private constructor(bench: NetdBench) {
    this.bench = bench;
  }

  static async make(): Promise<VehicleBench> {
    const vehicle = new VehicleBench(await NetdBench.make());
    const { bench } = vehicle;
    bench.addNamespace();
    for (const name of ["core", "ecu"]) {
      const space = vehicle.space(name);
      addQuietNamespace(space);
      vehicle.#spaces.push(space);
    }
    vehicle.addModule();
    bench.ip("link", "add", "lan0", "type", "veth", "peer", "name", "eth0", "netns", vehicle.space("ecu"));
    bench.ip("address", "add", "192.0.2.1/24", "dev", "lan0");
    bench.ip("address", "add", "2001:db8:e::1/64", "dev", "lan0", "nodad");
    bench.ip("link", "set", "dev", "lan0", "up");
    vehicle.in("ecu", "link", "set", "dev", "lo", "up");
    vehicle.in("ecu", "address", "add", "192.0.2.2/24", "dev", "eth0");
    vehicle.in("ecu", "address", "add", "2001:db8:e::2/64", "dev", "eth0", "nodad");
    vehicle.in("ecu", "link", "set", "dev", "eth0", "up");
    vehicle.in("ecu", "route", "add", "default", "via", "192.0.2.1");
    vehicle.in("ecu", "route", "add", "default", "via", "2001:db8:e::1");
    // Of ICMP errors the kernel sends one a second to each, after the first few: here each is looked at.
    const unlimited = ["net.ipv4.icmp_ratelimit=0", "net.ipv6.icmp.ratelimit=0"];
    vehicle.run("sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1", ...unlimited);
    return vehicle;
  }

  space(name: string): string {
    return `${this.bench.namespace}-${name}`;
  }

  in(name: string, ...args: readonly string[]): string {
    return execFileSync("/sbin/ip", ["-n", this.space(name), ...args], { encoding: "utf8" });
  }

  /** Any program in the gateway's namespace. */
  run(...command: readonly string[]): string {
    return execFileSync("/sbin/ip", ["netns", "exec", this.bench.namespace, ...command], { encoding: "utf8" });
  }

  /** As after a reset: the interface is another one under the same name. */
  addModule(): void {
    const { bench } = this;
    bench.ip("link", "add", "wwan0", "type", "veth", "peer", "name", "core0", "netns", this.space("core"));
    bench.ip("address", "add", "203.0.113.7/24", "dev", "wwan0");
    bench.ip("address", "add", "2001:db8:f::7/64", "dev", "wwan0", "nodad");
    bench.ip("link", "set", "dev", "wwan0", "up");
    this.in("core", "link", "set", "dev", "lo", "up");
    this.in("core", "address", "add", `${far.v4}/24`, "dev", "core0");
    this.in("core", "address", "add", `${far.v6}/64`, "dev", "core0", "nodad");
    this.in("core", "link", "set", "dev", "core0", "up");
    this.in("core", "route", "replace", "192.0.2.0/24", "via", "203.0.113.7");
    this.in("core", "route", "replace", "2001:db8:e::/64", "via", "2001:db8:f::7");
  }

  async peer(where: "gateway" | "core" | "ecu", uid = 0): Promise<Peer> {
    const peer = new Peer(where === "gateway" ? this.bench.namespace : this.space(where), uid);
    this.#peers.push(peer);
    await peer.ready;
    return peer;
  }

  async startNetd(): Promise<Started> {
    const { bench } = this;
    const args = ["--interface", "wwan0", "--uid", String(managementUid), "--socket", bench.socketPath];
    this.#netd = bench.start([...args, "--resolv", `${bench.dir}/resolv.conf`]);
    (await bench.client()).end();
    return this.#netd;
  }

  /** At once, as power does it. */
  async killNetd(): Promise<void> {
    const netd = this.#netd;
    if (netd === undefined) return;
    netd.kill();
    await netd.exited;
  }

  /** It sees and does nothing until it is resumed. */
  pauseNetd(): void {
    this.#netd?.signal("SIGSTOP");
  }

  resumeNetd(): void {
    this.#netd?.signal("SIGCONT");
  }

  client(path = this.bench.socketPath): AgentNetdClient {
    return createNetdClient({ path, clock: this.clock });
  }

  table(): string {
    return this.run("nft", "-n", "list", "ruleset");
  }

  /** Links of this bench that have just been made carry nothing for a moment. */
  async warm(...peers: readonly Peer[]): Promise<void> {
    for (const peer of peers)
      for (const host of [far.v4, far.v6])
        for (let left = 20; left > 0 && (await peer.ask(host, "warm", { waitMs: 250 })) !== "answered"; left--);
  }

  async close(): Promise<void> {
    for (const peer of this.#peers) await peer.end();
    await this.bench.close();
    for (const space of this.#spaces) execFileSync("/sbin/ip", ["netns", "delete", space]);
  }
}
