// A virtual gateway with the shipped daemon in it: simwardd as a user of its own, simward-netd as root, both in the vehicle's namespace, and the fleet's
// traffic through it. Several run side by side; what a killed run left is removed by the next.
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { chmodSync, chownSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { PollResult, Status } from "../../agent/api/types.ts";
import type { AuditRecord } from "../../agent/audit/types.ts";
import { type ApiClient, createClient } from "../../agent/cli/client.ts";
import { SystemClock } from "../../base/clock.ts";
import { createGateway, type Gateway, type Sender } from "../../hw-sim/gateway/gateway.ts";
import { program } from "./programs.ts";
import { type Bundles, bundlePrograms } from "./shipped.ts";

const needed = ["ip", "nft", "setpriv", "tc"] as const;
const missing = needed.filter((name) => program(name).path === undefined);
/** Why such a test is left out; empty where it can run. */
export const gatewayLeftOut =
  process.getuid?.() !== 0 ? " (left out: needs root)" : missing.length > 0 ? ` (left out: no ${missing.join(", ")})` : "";
export const canGateway = gatewayLeftOut === "";
const hasIpsec = existsSync("/usr/sbin/charon-systemd") && existsSync("/dev/net/tun") && program("swanctl").path !== undefined;
export const canTunnel = canGateway && hasIpsec;
export const tunnelLeftOut = canGateway && !hasIpsec ? " (left out: no strongSwan, or no /dev/net/tun)" : gatewayLeftOut;

/** Of simwardd, and of somebody else on the same gateway. */
export const daemonUid = 41_234;
export const fleetUid = 41_235;

export const gatewayPrograms = {
  simwardd: "agent/daemon.ts",
  "simward-sim": "hw-sim/main.ts",
  "simward-netd": "agent/netd/main.ts",
} as const;

const clock = new SystemClock();
const startMs = 30_000;

interface Watched {
  readonly child: ChildProcess;
  readonly output: () => string;
  readonly ended: Promise<void>;
}

/** Asks until the answer is so; told what it was at last when that takes too long. */
export async function eventually<T>(what: string, ask: () => Promise<T> | T, isSo: (answer: T) => boolean, limitMs = 20_000): Promise<T> {
  const untilMs = clock.monotonicMs() + limitMs;
  for (;;) {
    const answer = await ask();
    if (isSo(answer)) return answer;
    if (clock.monotonicMs() > untilMs) throw new Error(`${what}: not within ${limitMs} ms; at last ${JSON.stringify(answer)}`);
    await clock.sleep(50);
  }
}

export class GatewayBench {
  readonly gateway: Gateway;
  readonly #bundles: Bundles;
  readonly #dir: string;
  readonly #processes: Watched[] = [];
  #netd: Watched | undefined;
  #daemon: Watched | undefined;
  #charon: Watched | undefined;

  private constructor(bundles: Bundles, gateway: Gateway) {
    this.#bundles = bundles;
    this.gateway = gateway;
    this.#dir = join(gateway.ready.dir, "vehicle");
    mkdirSync(this.#dir);
    chownSync(this.#dir, daemonUid, daemonUid);
  }

  static async create(options: { readonly vpn?: boolean; readonly vehicle?: readonly string[] } = {}): Promise<GatewayBench> {
    const bundles = await bundlePrograms(gatewayPrograms);
    // The daemon is no root's, and reads its program.
    chmodSync(bundles.dir, 0o755);
    try {
      const name = `swg${process.pid}-${Math.trunc(performance.now())}`;
      const simulator = [process.execPath, join(bundles.dir, "simward-sim.mjs")];
      return new GatewayBench(bundles, await createGateway({ name, program: simulator, ...options }));
    } catch (error) {
      await bundles.close();
      throw error;
    }
  }

  async close(): Promise<void> {
    for (const { child } of this.#processes) child.kill("SIGKILL");
    await Promise.all(this.#processes.map(({ ended }) => ended));
    await this.gateway.close();
    await this.#bundles.close();
  }

  get netdSocket(): string {
    return join(this.#dir, "netd.sock");
  }

  /** Of the vehicle's side: state, sockets, what simward-netd writes. */
  get dir(): string {
    return this.#dir;
  }

  /** What the two programs printed, for a failure's sake. */
  get log(): string {
    return this.#processes.map(({ output }) => output()).join("\n");
  }

  api(role: "viewer" | "engineer" | "admin" = "admin"): ApiClient {
    return createClient(join(this.#dir, "run", `${role}.sock`), 60_000);
  }

  status(): Promise<Status> {
    return this.api("viewer").call("GET", "/v1/status");
  }

  /** Every eIM has answered. */
  async poll(): Promise<PollResult> {
    const result = await this.api("engineer").call<PollResult>("POST", "/v1/eim/poll", {});
    const failed = result.eims.filter(({ outcome }) => outcome === "failed");
    if (failed.length > 0 || result.eims.length === 0) throw new Error(`poll: ${JSON.stringify(result)}`);
    return result;
  }

  async audit(): Promise<readonly AuditRecord[]> {
    const { records } = await this.api().call<{ readonly records: readonly AuditRecord[] }>("GET", "/v1/audit?last=10000");
    return records;
  }

  /** `sections`: TOML, on top of what all need. */
  configure(sections = ""): void {
    const { ready } = this.gateway;
    writeFileSync(
      join(this.#dir, "simward.toml"),
      `[modem]\naddress = "unix:${ready.modem.unix}"\n[[apn]]\nname = "bootstrap.iot"\n[[apn]]\nname = "fleet.rheinfunk"\niccid_prefix = "894929"\n[net]\nmode = "auto"\ninterface = "${ready.interface}"\nnetd_socket = "${this.netdSocket}"\n[api]\ndir = "${join(this.#dir, "run")}"\n[paths]\nstate = "${join(this.#dir, "state")}"\n${sections}`,
    );
  }

  async startNetd(...more: readonly string[]): Promise<void> {
    const { ready } = this.gateway;
    this.#netd = this.#start([
      ...[process.execPath, join(this.#bundles.dir, "simward-netd.mjs"), "--interface", ready.interface, "--uid", String(daemonUid)],
      ...["--socket", this.netdSocket, "--resolv", join(this.#dir, "resolv.conf"), ...more],
    ]);
    const { child, output } = this.#netd;
    const isThere = (): boolean => existsSync(this.netdSocket) || child.exitCode !== null;
    await eventually(`simward-netd: ${output()}`, isThere, Boolean, startMs);
    // systemd's unit says who may connect; simward-netd itself asks the kernel who did.
    chmodSync(this.netdSocket, 0o666);
  }

  /** systemd's credentials: files that the daemon may read, and nobody else. */
  credential(name: string, text: string): string {
    mkdirSync(this.#credentials, { recursive: true });
    const path = join(this.#credentials, name);
    writeFileSync(path, text, { mode: 0o600 });
    chownSync(path, daemonUid, daemonUid);
    chownSync(this.#credentials, daemonUid, daemonUid);
    return path;
  }

  get #credentials(): string {
    return join(this.#dir, "credentials");
  }

  async startDaemon(): Promise<void> {
    this.#daemon = this.#start(
      [process.execPath, join(this.#bundles.dir, "simwardd.mjs"), "--config", join(this.#dir, "simward.toml")],
      daemonUid,
    );
    const { child, output } = this.#daemon;
    await eventually("simwardd is ready", () => output().includes("simwardd is ready") || child.exitCode !== null, Boolean, startMs);
    if (child.exitCode !== null) throw new Error(`simwardd ended with ${child.exitCode}:\n${output()}`);
  }

  /** As a power cut of that process; the socket goes with simward-netd. */
  async killNetd(): Promise<void> {
    await this.#kill(this.#netd);
    rmSync(this.netdSocket, { force: true });
  }

  get vici(): string {
    return join(this.#dir, "charon.vici");
  }

  /** The vehicle's own charon with the configuration that is shipped, its files elsewhere, with ESP in userspace, and quicker to give up. */
  startCharon(): void {
    const conf = join(this.#dir, "strongswan.conf");
    const shipped = readFileSync("systemd/strongswan.conf", "utf8")
      .replaceAll("/run/simward-charon/", `${this.#dir}/`)
      .replace("socket-default kernel-netlink", "socket-default kernel-libipsec kernel-netlink")
      .replace(/retransmit_timeout = .*/, "retransmit_timeout = 0.4")
      .replace(/retransmit_tries = .*/, "retransmit_tries = 3");
    writeFileSync(conf, shipped);
    rmSync(this.vici, { force: true });
    this.#charon = this.#start(["env", `STRONGSWAN_CONF=${conf}`, "/usr/sbin/charon-systemd"]);
  }

  async killCharon(): Promise<void> {
    await this.#kill(this.#charon);
  }

  async killDaemon(signal: "SIGKILL" | "SIGTERM" = "SIGKILL"): Promise<void> {
    await this.#kill(this.#daemon, signal);
  }

  /** Online, and the module's interface in use. */
  online(): Promise<Status> {
    return eventually(
      "the vehicle online over its interface",
      () => this.status(),
      ({ network, eims }) => network.address !== undefined && eims.length > 0 && network.interface !== undefined,
      startMs,
    );
  }

  /** In the vehicle's namespace. */
  ip(...args: readonly string[]): string {
    return this.execute("gw", ["ip", ...args]);
  }

  nft(...args: readonly string[]): string {
    return this.execute("gw", ["nft", ...args]);
  }

  /** With whatever end. */
  tryTo(place: "gw" | "ecu", command: readonly string[], uid?: number): { readonly status: number | null; readonly stdout: string } {
    const [file, args] = this.gateway.command(place, command, uid);
    return spawnSync(file, [...args], { encoding: "utf8" });
  }

  execute(place: "gw" | "ecu" | "core" | "inet", command: readonly string[], uid?: number): string {
    const [file, args] = this.gateway.command(place, command, uid);
    const { status, stdout, stderr } = spawnSync(file, [...args], { encoding: "utf8" });
    if (status !== 0) throw new Error(`${command.join(" ")}: ${stderr}`);
    return stdout;
  }

  /** At the virtual eIM; answers how to ask for its state. */
  async order(order: object): Promise<() => Promise<{ readonly state: string; readonly reason?: string }>> {
    const { eim, eid } = this.gateway.ready;
    const at = `${eim.api}/v1/orders`;
    const response = await fetch(at, { method: "POST", body: JSON.stringify({ eid, ...order }) });
    if (!response.ok) throw new Error(`${response.status} ${await response.text()}`);
    const { orderId } = (await response.json()) as { readonly orderId: string };
    return async () => (await (await fetch(`${at}/${orderId}`)).json()) as { readonly state: string };
  }

  activationCode(matchingId: string): string {
    return `LPA:1$${new URL(this.gateway.ready.smdp.https).host}$${matchingId}`;
  }

  /** Flows of the fleet's from the vehicle itself and from the control unit behind it: IPv4 and IPv6, UDP and HTTP. */
  async startFlows(): Promise<Flows> {
    const { v4, v6 } = this.gateway.ready.fleet;
    const senders: Sender[] = [];
    const tags: string[] = [];
    for (const [place, uid] of [
      ["gw", fleetUid],
      ["ecu", undefined],
    ] as const) {
      const sender = await this.gateway.sender(place, uid);
      senders.push(sender);
      for (const [family, host] of [
        ["v4", v4],
        ["v6", v6],
      ] as const)
        for (const protocol of ["udp", "http"] as const) {
          const tag = `${place}.${family}.${protocol}`;
          tags.push(tag);
          await sender.start({ tag, protocol, host, everyMs: 50, bytes: 200 });
        }
    }
    return new Flows(this.gateway, tags, senders);
  }

  #start(command: readonly string[], uid?: number): Watched {
    const [file, args] = this.gateway.command("gw", command, uid);
    const child = spawn(file, [...args], {
      cwd: this.#dir,
      stdio: ["ignore", "pipe", "pipe"],
      env: { ...process.env, CREDENTIALS_DIRECTORY: this.#credentials },
    });
    let text = "";
    for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk: Buffer) => (text += chunk.toString("utf8")));
    const started = { child, output: () => text, ended: new Promise<void>((resolve) => child.once("close", () => resolve())) };
    this.#processes.push(started);
    return started;
  }

  async #kill(process: Watched | undefined, signal: "SIGKILL" | "SIGTERM" = "SIGKILL"): Promise<void> {
    process?.child.kill(signal);
    await process?.ended;
  }
}

export class Flows {
  readonly tags: readonly string[];
  readonly #gateway: Gateway;
  readonly #senders: readonly Sender[];

  constructor(gateway: Gateway, tags: readonly string[], senders: readonly Sender[]) {
    this.#gateway = gateway;
    this.tags = tags;
    this.#senders = senders;
  }

  /** Every one of them passes: something new of each arrives. */
  async pass(limitMs = 15_000): Promise<void> {
    const before = await this.#gateway.arrived();
    const still = async (): Promise<string[]> => {
      const now = await this.#gateway.arrived();
      return this.tags.filter((tag) => (now[tag]?.count ?? 0) < (before[tag]?.count ?? 0) + 2);
    };
    await eventually("flows that do not pass", still, (left) => left.length === 0, limitMs);
  }

  /** Packets of the fleet's that the operator's side has seen come over the module's link; each one counts. */
  get packets(): number {
    const { fleet4, fleet6 } = this.#gateway.passed();
    return fleet4.packets + fleet6.packets;
  }

  /** Not one packet passes from `withinMs` on, for so long, though all are sent. Answers how long after the call the last one was seen. */
  async stop(withinMs = 2_000, watchMs = 1_500): Promise<number> {
    const startMs = clock.monotonicMs();
    let seen = this.packets;
    let lastMs = 0;
    while (clock.monotonicMs() - startMs < withinMs) {
      await clock.sleep(50);
      const now = this.packets;
      if (now !== seen) lastMs = clock.monotonicMs() - startMs;
      seen = now;
    }
    const before = await this.#sent();
    await clock.sleep(watchMs);
    const [leaked, after] = [this.packets - seen, await this.#sent()];
    const idle = this.tags.filter((tag) => (after[tag] ?? 0) <= (before[tag] ?? 0));
    if (idle.length > 0) throw new Error(`nothing was sent by ${idle.join(", ")}`);
    if (leaked > 0) throw new Error(`${leaked} packets of the fleet passed more than ${withinMs} ms after they were to stop`);
    return Math.round(lastMs);
  }

  async end(): Promise<void> {
    for (const sender of this.#senders) await sender.stop();
  }

  async #sent(): Promise<Readonly<Record<string, number>>> {
    const all = await Promise.all(this.#senders.map((sender) => sender.sent()));
    return Object.fromEntries(all.flatMap((one) => Object.entries(one).map(([tag, { count }]) => [tag, count])));
  }
}
