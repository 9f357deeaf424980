// A vehicle and its fleet's VPN gateway: two network namespaces, a charon in each, the one beside simward-netd with the configuration that is shipped.
// systemd's part, starting charon again, is the bench's.
import { type ChildProcess, execFile, execFileSync, spawn } from "node:child_process";
import { X509Certificate } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { promisify } from "node:util";
import { makeCa, makeCertificate, pem, type TunnelPair } from "../../support/tunnel-pki.ts";
import { canNamespace, NetdBench, type NetdClient, type Started } from "../netd/bench.ts";

const charonPath = "/usr/sbin/charon-systemd";
const libipsec = "/usr/lib/ipsec/plugins/libstrongswan-kernel-libipsec.so";
const tools = ["openssl", "tcpdump", "curl", "setpriv"].map((name) => `/usr/bin/${name}`);
const programs = [charonPath, "/usr/sbin/swanctl", libipsec, "/dev/net/tun", ...tools];
const missing = programs.filter((path) => !existsSync(path));
export const canTunnel = canNamespace && missing.length === 0;
export const leftOut = canTunnel ? "" : ` (left out: needs root, iproute2 and ${missing.join(", ") || "nothing else"})`;

export const places = {
  vehicle: "10.64.3.7",
  /** After a change of address. */
  vehicleLater: "10.64.3.8",
  vehicle6: "2001:db8:64::7",
  gateway: "10.64.3.1",
  gateway6: "2001:db8:64::1",
  /** Behind the gateway. */
  fleet: "10.9.0.1",
  fleet6: "fd09::1",
  /** Of the pool: the vehicle's fixed addresses. */
  virtual: "10.77.0.7",
  virtual6: "fd77::7",
  nameServer: "10.9.0.53",
} as const;
export const ids = { gateway: "vpn.fleet.example", vehicle: "vehicle-1.fleet.example", eap: "vehicle-1@fleet.example" } as const;
export const eapSecret = "correct horse battery staple";

export interface GatewayWish {
  readonly auth?: "cert" | "eap";
  readonly certificate?: TunnelPair;
  /** Whom it believes. */
  readonly ca?: TunnelPair;
  readonly proposals?: string;
  readonly localTs?: string;
  readonly hasPool?: boolean;
  readonly hasMobike?: boolean;
}

class Charon {
  child: ChildProcess | undefined;
  output = "";
  readonly name: string;
  readonly namespace: string;
  readonly dir: string;

  constructor(name: string, namespace: string, dir: string) {
    this.name = name;
    this.namespace = namespace;
    this.dir = join(dir, name);
    mkdirSync(this.dir, { recursive: true });
  }

  get vici(): string {
    return join(this.dir, "charon.vici");
  }

  /** The file that is shipped, at other places, with ESP in userspace, and quicker to give up. */
  configure(more = ""): void {
    const shipped = readFileSync("systemd/strongswan.conf", "utf8")
      .replaceAll("/run/simward-charon/", `${this.dir}/`)
      .replace("socket-default kernel-netlink", "socket-default attr kernel-libipsec kernel-netlink")
      .replace(/retransmit_timeout = .*/, "retransmit_timeout = 0.4")
      .replace(/retransmit_tries = .*/, "retransmit_tries = 3");
    writeFileSync(join(this.dir, "strongswan.conf"), `${shipped}\n${more}`);
  }

  async start(): Promise<void> {
    // As RuntimeDirectory= does.
    for (const name of ["charon.vici", "resolv.conf"]) rmSync(join(this.dir, name), { force: true });
    const child = spawn("/sbin/ip", ["netns", "exec", this.namespace, charonPath], {
      stdio: ["ignore", "pipe", "pipe"],
      env: { STRONGSWAN_CONF: join(this.dir, "strongswan.conf"), PATH: "/usr/sbin:/usr/bin:/sbin:/bin" },
    });
    this.child = child;
    for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk: Buffer) => (this.output += chunk.toString("utf8")));
    await until(() => listens(this.vici), `${this.name}'s vici`);
  }

  async stop(signal: "SIGTERM" | "SIGKILL" = "SIGTERM"): Promise<void> {
    const { child } = this;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const ended = new Promise((resolve) => child.once("exit", resolve));
    // `ip netns exec` has become the program itself.
    child.kill(signal);
    await ended;
  }
}

/** A socket that is there may not be listened to yet. */
export function listens(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.once("connect", () => resolve(true));
    socket.once("error", () => resolve(false));
    socket.once("connect", () => socket.destroy());
  });
}

export async function until(look: () => boolean | Promise<boolean>, what: string, limitMs = 20_000): Promise<void> {
  const endMs = performance.now() + limitMs;
  while (!(await look())) {
    if (performance.now() > endMs) throw new Error(`${what}: not within ${limitMs} ms`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

export class TunnelBench {
  readonly netd: NetdBench;
  readonly dir: string;
  readonly gatewayNamespace: string;
  readonly vehicle: Charon;
  readonly gateway: Charon;
  readonly ca: TunnelPair;
  readonly gatewayPair: TunnelPair;
  readonly vehiclePair: TunnelPair;
  client: NetdClient | undefined;
  netdProcess: Started | undefined;
  #fleet: ChildProcess | undefined;

  private constructor(netd: NetdBench) {
    this.netd = netd;
    this.dir = netd.dir;
    this.gatewayNamespace = `${netd.namespace}-g`;
    this.vehicle = new Charon("vehicle", netd.namespace, this.dir);
    this.gateway = new Charon("gateway", this.gatewayNamespace, this.dir);
    this.ca = makeCa(this.dir, "ca");
    this.gatewayPair = makeCertificate(this.dir, { name: ids.gateway, ca: this.ca });
    this.vehiclePair = makeCertificate(this.dir, { name: ids.vehicle, ca: this.ca });
  }

  static async make(): Promise<TunnelBench> {
    const bench = new TunnelBench(await NetdBench.make());
    bench.#network();
    bench.vehicle.configure();
    bench.gateway.configure();
    await Promise.all([bench.vehicle.start(), bench.gateway.start(), bench.#serveFleet()]);
    bench.startNetd();
    await bench.reading();
    return bench;
  }

  #network(): void {
    const { netd, gatewayNamespace } = this;
    netd.addNamespace();
    execFileSync("/sbin/ip", ["netns", "add", gatewayNamespace]);
    netd.ip("link", "add", "wwan0", "type", "veth", "peer", "name", "wan0", "netns", gatewayNamespace);
    netd.ip("address", "add", `${places.vehicle}/24`, "dev", "wwan0");
    netd.ip("link", "set", "wwan0", "up");
    this.gatewayIp("address", "add", `${places.gateway}/24`, "dev", "wan0");
    this.gatewayIp("address", "add", `${places.gateway6}/64`, "dev", "wan0", "nodad");
    this.gatewayIp("link", "set", "wan0", "up");
    this.gatewayIp("link", "set", "lo", "up");
    this.gatewayIp("address", "add", `${places.fleet}/32`, "dev", "lo");
    this.gatewayIp("address", "add", `${places.fleet6}/128`, "dev", "lo");
    netd.ip("route", "add", "default", "via", places.gateway, "dev", "wwan0");
    this.hasIpv6(true);
  }

  /** Whether the vehicle has an IPv6 address of the network, which a link that went down has not. Without, charon has one way alone to follow by. */
  hasIpv6(on: boolean): void {
    const { netd } = this;
    netd.ip("-6", "address", "flush", "dev", "wwan0", "scope", "global");
    if (!on) return;
    netd.ip("address", "add", `${places.vehicle6}/64`, "dev", "wwan0", "nodad");
    netd.ip("-6", "route", "replace", "default", "via", places.gateway6, "dev", "wwan0");
  }

  /** Another address from the network: the former is gone before it is there. */
  moveTo(address: string): void {
    this.netd.ip("-4", "address", "flush", "dev", "wwan0");
    this.netd.ip("address", "add", `${address}/24`, "dev", "wwan0");
    this.netd.ip("route", "replace", "default", "via", places.gateway, "dev", "wwan0");
  }

  gatewayIp(...args: readonly string[]): string {
    return execFileSync("/sbin/ip", ["-n", this.gatewayNamespace, ...args], { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
  }

  /** A server of the fleet's, which tells whom it sees. */
  async #serveFleet(): Promise<void> {
    const program =
      'require("node:http").createServer((q, s) => s.end(q.socket.remoteAddress)).listen(8080, "::", () => console.log("up"))';
    const child = spawn("/sbin/ip", ["netns", "exec", this.gatewayNamespace, process.execPath, "-e", program], {
      stdio: ["ignore", "pipe", "ignore"],
    });
    this.#fleet = child;
    await new Promise((resolve) => child.stdout.once("data", resolve));
  }

  /** As whom that server sees a user of the vehicle, over the tunnel or not; undefined when it is not reached. The service runs on meanwhile. */
  async seenAs(address: string, uid = 1_000): Promise<string | undefined> {
    const host = address.includes(":") ? `[${address}]` : address;
    try {
      const client = ["setpriv", "--reuid", String(uid), "--clear-groups", "curl", "-sS", "--max-time", "3", `http://${host}:8080/`];
      const { stdout } = await promisify(execFile)("/sbin/ip", ["netns", "exec", this.netd.namespace, ...client]);
      return stdout.replace(/^::ffff:/, "");
    } catch {
      return undefined;
    }
  }

  /** What passes the gateway's interface to the network, as tcpdump prints it. */
  async capture(during: () => Promise<unknown> | unknown): Promise<readonly string[]> {
    const args = ["netns", "exec", this.gatewayNamespace, "tcpdump", "-i", "wan0", "-n", "-l", "--immediate-mode", "ip or ip6"];
    const child = spawn("/sbin/ip", args, { stdio: ["ignore", "pipe", "pipe"] });
    let text = "";
    child.stdout.on("data", (chunk: Buffer) => (text += chunk.toString("utf8")));
    await new Promise((resolve) => child.stderr.once("data", resolve));
    await during();
    const ended = new Promise((resolve) => child.once("close", resolve));
    child.kill("SIGINT");
    await ended;
    return text.split("\n").filter((line) => line !== "");
  }

  startNetd(): void {
    const { netd, vehicle } = this;
    this.netdProcess = netd.start([
      "--interface",
      "wwan0",
      "--uid",
      "12345",
      "--socket",
      netd.socketPath,
      "--vici",
      vehicle.vici,
      "--resolv",
      join(this.dir, "resolv.conf"),
    ]);
  }

  killNetd(): void {
    this.netdProcess?.kill();
    this.client?.end();
    this.client = undefined;
  }

  async ask(verb: string, args: object = {}): Promise<unknown> {
    this.client ??= await this.netd.client();
    return this.client.verb(verb, args);
  }

  /** The gateway's configuration, by swanctl as its own operator would. */
  configureGateway(wish: GatewayWish = {}): void {
    const { auth = "cert", certificate = this.gatewayPair, ca = this.ca, hasPool = true } = wish;
    const dir = join(this.dir, "swanctl");
    rmSync(dir, { recursive: true, force: true });
    for (const name of ["private", "x509", "x509ca"]) mkdirSync(join(dir, name), { recursive: true });
    writeFileSync(join(dir, "private/gateway.pem"), pem(certificate.key));
    writeFileSync(join(dir, "x509/gateway.pem"), pem(certificate.certificate));
    writeFileSync(join(dir, "x509ca/ca.pem"), pem(ca.certificate));
    const remote = auth === "cert" ? "auth = pubkey\n cacerts = ca.pem" : "auth = eap-md5\n eap_id = %any";
    writeFileSync(
      join(dir, "swanctl.conf"),
      `connections {\n fleet {\n version = 2\n ${hasPool ? "pools = four, six" : ""}\n unique = replace\n mobike = ${wish.hasMobike === false ? "no" : "yes"}\n ${
        wish.proposals === undefined ? "" : `proposals = ${wish.proposals}`
      }\n local {\n auth = pubkey\n certs = gateway.pem\n id = ${ids.gateway}\n }\n remote {\n ${remote}\n }\n children {\n net {\n local_ts = ${
        wish.localTs ?? "10.9.0.0/24, fd09::/64"
      }\n }\n }\n }\n}\nsecrets {\n eap-one {\n id = ${ids.eap}\n secret = "${eapSecret}"\n }\n}\npools {\n four {\n addrs = ${
        places.virtual
      }/32\n dns = ${places.nameServer}\n }\n six {\n addrs = ${places.virtual6}/128\n }\n}\n`,
    );
    this.swanctl("--load-all", "--clear", "--noprompt");
  }

  swanctl(...args: readonly string[]): string {
    const env = { SWANCTL_DIR: join(this.dir, "swanctl"), PATH: "/usr/sbin:/usr/bin" };
    return execFileSync("/usr/sbin/swanctl", [...args, "--uri", `unix://${this.gateway.vici}`], { encoding: "utf8", env, stdio: "pipe" });
  }

  /** What simward-netd is asked for, unless something else is said. */
  request(change: Readonly<Record<string, unknown>> = {}): Readonly<Record<string, unknown>> {
    return {
      gateway: places.gateway,
      localId: ids.vehicle,
      remoteId: ids.gateway,
      auth: "cert",
      certificates: [derOf(this.vehiclePair.certificate)],
      key: keyOf(this.vehiclePair.key),
      cas: [derOf(this.ca.certificate)],
      remoteTs: ["10.9.0.0/24", "fd09::/64"],
      localTs: [],
      virtualIps: ["0.0.0.0", "::"],
      dpdSeconds: 5,
      rekeySeconds: 3_600,
      management: "outside",
      limitSeconds: 10,
      ...change,
    };
  }

  eapRequest(change: Readonly<Record<string, unknown>> = {}): Readonly<Record<string, unknown>> {
    const { key: _, ...rest } = this.request();
    const secret = Buffer.from(eapSecret).toString("base64");
    return { ...rest, auth: "eap", certificates: [], eapIdentity: ids.eap, secret, ...change };
  }

  async reading(): Promise<Reading> {
    const answer = (await this.ask("tunnel-read")) as { readonly ok?: boolean; readonly data?: Reading };
    if (answer.data === undefined) throw new Error(JSON.stringify(answer));
    return answer.data;
  }

  /** How the attempt under way ends. */
  async ended(): Promise<Reading> {
    let last = await this.reading();
    await until(async () => {
      last = await this.reading();
      return last.attempt.state !== "under-way";
    }, "the end of the attempt");
    return last;
  }

  async close(): Promise<void> {
    this.client?.end();
    this.#fleet?.kill("SIGKILL");
    await Promise.all([this.vehicle.stop("SIGKILL"), this.gateway.stop("SIGKILL")]);
    await this.netd.close();
    execFileSync("/sbin/ip", ["netns", "delete", this.gatewayNamespace]);
  }
}

export interface Reading {
  readonly running: boolean;
  readonly attempt: { readonly state: string; readonly code?: string; readonly detail?: string };
  readonly sa?: {
    readonly name: string;
    readonly state: string;
    readonly localAddress: string;
    readonly isLocal: boolean;
    readonly virtualIps: readonly string[];
    readonly children: readonly { readonly remoteTs: readonly string[]; readonly sentBytes: number; readonly receivedBytes: number }[];
  };
  readonly nameServers: readonly string[];
}

export function derOf(path: string): string {
  return new X509Certificate(pem(path)).raw.toString("base64");
}

export function keyOf(path: string): string {
  return pem(path).replace(/-----[^-]+-----|\s/g, "");
}
