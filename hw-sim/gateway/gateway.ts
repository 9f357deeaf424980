// A telematics gateway's surroundings in network namespaces of this machine: the vehicle's own, a control unit behind it, the operator's core and the
// internet with eIM, SM-DP+, the fleet's server and its VPN gateway. Needs root, iproute2 and nftables; the tunnel strongSwan.
import { type ChildProcess, spawn } from "node:child_process";
import { chmodSync, mkdirSync } from "node:fs";
import { connect, createServer, type Server } from "node:net";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { SystemClock } from "../../base/clock.ts";
import { SimwardError } from "../../base/errors.ts";
import type { ReadyLine } from "../vehicle.ts";
import type { DnsMode } from "./dns.ts";
import { commandIn, dirOf, gateways, makeNamespaces, ownerOf, prepareLink, removeNamespaces, sweep, system } from "./namespaces.ts";
import { type Part, startPart } from "./part.ts";
import { addresses, type Counted, checkedName, modemInterface, names, namespaceOf, type Place, places, ports } from "./plan.ts";
import type { Arrived, FlowOptions } from "./traffic.ts";
import type { VpnFiles } from "./vpn.ts";

export interface GatewayOptions {
  /** Several run side by side under names of their own. */
  readonly name: string;
  /** How simward-sim is run: node and the bundle. */
  readonly program: readonly string[];
  /** Of `simward-sim run`, on top of what the gateway gives it. */
  readonly vehicle?: readonly string[];
  /** The fleet's VPN gateway too. */
  readonly vpn?: boolean;
}

/** The ready line of `simward-sim gateway up`. */
export interface GatewayReady {
  readonly schema: "simward-gateway/ready/1";
  readonly name: string;
  readonly namespaces: Readonly<Record<Place, string>>;
  /** Where its files are: sockets, keys. */
  readonly dir: string;
  readonly interface: string;
  /** `api` leads to the order API from this machine; all else is as the vehicle reaches it. */
  readonly modem: ReadyLine["modem"];
  readonly eim: ReadyLine["eim"];
  readonly smdp: ReadyLine["smdp"];
  readonly pkiDir: ReadyLine["pkiDir"];
  readonly eid: ReadyLine["eid"];
  readonly imei: ReadyLine["imei"];
  readonly dns: readonly string[];
  readonly fleet: { readonly host: string; readonly v4: string; readonly v6: string; readonly http: number; readonly udp: number };
  readonly vpn: (VpnFiles & { readonly host: string; readonly v4: string; readonly inside: string }) | null;
}

export interface Sender {
  start(flow: FlowOptions): Promise<void>;
  sent(): Promise<Readonly<Record<string, { readonly count: number; readonly answered: number }>>>;
  stop(): Promise<void>;
}

export interface Gateway {
  readonly ready: GatewayReady;
  /** The command line that runs this in a namespace, for spawn(). */
  command(place: Place, command: readonly string[], uid?: number): readonly [string, readonly string[]];
  /** The operator's name servers from now on. */
  dns(mode: DnsMode): Promise<void>;
  /** What arrived at the fleet's server, by tag. */
  arrived(): Promise<Readonly<Record<string, Arrived>>>;
  /** Faults of the path to the fleet's server by UDP: loss, rtt-ms, duplicate … undefined ends one. */
  fault(name: string, value: string | undefined): Promise<void>;
  /** Packets and octets that came over the module's link, by where they went: not one is missed. */
  passed(): Readonly<Record<Counted, { readonly packets: number; readonly bytes: number }>>;
  sender(place: "gw" | "ecu", uid?: number): Promise<Sender>;
  /** As if the module were another one, or had lost its power: the virtual vehicle again, with these options; the card keeps what it has. */
  restartVehicle(more: readonly string[]): Promise<void>;
  /** Stops the VPN gateway, or starts it again. Throws SIM_OPTION without one. */
  vpn(state: "up" | "down"): Promise<void>;
  /** Resolves when the virtual vehicle has ended, which it does by itself only when it fails. */
  readonly ended: Promise<void>;
  close(): Promise<void>;
}

/** Throws SIM_OPTION; what was made is removed. What killed runs left is removed first. */
export async function createGateway(options: GatewayOptions): Promise<Gateway> {
  const name = checkedName(options.name);
  if (process.getuid?.() !== 0) throw new SimwardError("SIM_OPTION", { detail: "gateway: needs root" });
  sweep();
  if (gateways().includes(name)) throw new SimwardError("SIM_OPTION", { detail: `gateway ${name} is up, by process ${ownerOf(name)}` });
  makeNamespaces(name);
  const stops: (() => Promise<void>)[] = [];
  const close = async (): Promise<void> => {
    for (const stop of stops.splice(0).reverse()) await stop();
    removeNamespaces(name);
  };
  try {
    return await build(name, options, stops, close);
  } catch (error) {
    await close();
    throw error;
  }
}

async function build(
  name: string,
  { program, vehicle: more = [], vpn: wantsVpn = false }: GatewayOptions,
  stops: (() => Promise<void>)[],
  close: () => Promise<void>,
): Promise<Gateway> {
  const dir = dirOf(name);
  const part = async (kind: Parameters<typeof startPart>[0], place: Place, uid?: number): Promise<Part> => {
    const started = await startPart(kind, { program, name, place, uid });
    stops.push(() => started.stop());
    return started;
  };
  let vehicle = await startVehicle(name, program, more);
  stops.push(() => vehicle.stop());
  const core = await part("core", "core");
  const inet = await part("inet", "inet");
  const vpn = wantsVpn ? await part("vpn", "inet") : undefined;
  const startVpn = async (): Promise<VpnFiles | undefined> =>
    vpn && ((await vpn.ask("start", { dir: makeDir(join(dir, "vpn")) })) as VpnFiles);
  const files = await startVpn();
  const { ready } = vehicle;
  const socket = join(dir, "orders.sock");
  await inet.ask("bridge", { path: socket, port: new URL(ready.eim.api).port });
  const outside = await listenOutside(socket);
  stops.push(outside.stop);
  const line: GatewayReady = {
    schema: "simward-gateway/ready/1",
    name,
    namespaces: Object.fromEntries(places.map((place) => [place, namespaceOf(name, place)])) as Record<Place, string>,
    dir,
    interface: modemInterface,
    modem: ready.modem,
    eim: { ...ready.eim, api: outside.url },
    smdp: ready.smdp,
    pkiDir: ready.pkiDir,
    eid: ready.eid,
    imei: ready.imei,
    dns: addresses.dns,
    fleet: { host: names.fleet, ...addresses.fleet, ...ports },
    vpn: files === undefined ? null : { host: names.vpn, v4: addresses.vpn.v4, inside: addresses.inside, ...files },
  };
  return {
    ready: line,
    command: (place, command, uid) => commandIn(name, place, command, uid),
    dns: async (mode) => void (await core.ask("dns", { mode })),
    arrived: async () => (await inet.ask("arrived")) as Record<string, Arrived>,
    fault: async (fault, value) => void (await inet.ask("fault", { name: fault, ...(value === undefined ? {} : { value }) })),
    passed: () => countersOf(name),
    async sender(place, uid) {
      const sender = await part("sender", place, uid);
      return {
        start: async (flow) => void (await sender.ask("start", { ...flow })),
        sent: async () => (await sender.ask("sent")) as Record<string, { count: number; answered: number }>,
        stop: async () => void (await sender.ask("stop")),
      };
    },
    async restartVehicle(again) {
      await vehicle.stop();
      vehicle = await startVehicle(name, program, again);
    },
    async vpn(state) {
      if (vpn === undefined) throw new SimwardError("SIM_OPTION", { detail: "gateway: there is no VPN gateway" });
      if (state === "down") await vpn.ask("stop");
      else await startVpn();
    },
    get ended() {
      return vehicle.ended;
    },
    close,
  };
}

function makeDir(path: string): string {
  mkdirSync(path, { recursive: true });
  return path;
}

interface RunningVehicle {
  readonly ready: ReadyLine;
  readonly ended: Promise<void>;
  readonly stop: () => Promise<void>;
}

/** simward-sim itself, in `inet`, its module's interface between `gw` and `core`. */
async function startVehicle(name: string, program: readonly string[], more: readonly string[]): Promise<RunningVehicle> {
  const dir = dirOf(name);
  const link = `${modemInterface}@${namespaceOf(name, "gw")}@${namespaceOf(name, "core")}`;
  const args = [
    ...["run", "--data-link", link, "--modem", `unix:${join(dir, "modem.sock")}`, `pty:${join(dir, "modem")}`],
    // In a namespace of its own any port is free; the same ones after a restart.
    ...["--eim-port", "5684", "--api-port", "8400"],
    ...[
      "--eim-fqdn",
      names.eim,
      "--smdp-fqdn",
      names.smdp,
      "--pki",
      join(dir, "pki"),
      "--state",
      join(dir, "card"),
      "--log-level",
      "warn",
      ...more,
    ],
  ];
  const [command, all] = commandIn(name, "inet", [...program, ...args]);
  const tmp = makeDir(join(dir, "tmp"));
  const child: ChildProcess = spawn(command, [...all], { stdio: ["ignore", "pipe", "pipe"], env: { ...process.env, TMPDIR: tmp } });
  let said = "";
  child.stderr?.on("data", (octets: Buffer) => (said = (said + octets.toString("utf8")).slice(-4_000)));
  const ended = new Promise<void>((resolve) => {
    child.once("error", () => resolve());
    child.once("close", () => resolve());
  });
  if (child.stdout === null) throw new SimwardError("SIM_OPTION", { detail: "gateway: no output of the virtual vehicle" });
  for await (const line of createInterface({ input: child.stdout })) {
    const ready = JSON.parse(line) as ReadyLine;
    prepareLink(name);
    // The AT port belongs to root; whoever drives the module need not.
    for (const port of [ready.modem.unix, ready.modem.pty]) if (port !== null) chmodSync(port, 0o666);
    return {
      ready,
      ended,
      async stop() {
        child.kill("SIGTERM");
        const cancel = new SystemClock().after(10_000, () => child.kill("SIGKILL"));
        await ended;
        cancel();
      },
    };
  }
  throw new SimwardError("SIM_OPTION", { detail: `gateway: the virtual vehicle: ${said.trim()}` });
}

/** The order API on this machine's loopback, though it runs in a namespace that only the vehicle reaches. */
async function listenOutside(socketPath: string): Promise<{ readonly url: string; readonly stop: () => Promise<void> }> {
  const open = new Set<{ destroy(): void }>();
  const server: Server = createServer((outside) => {
    const inside = connect(socketPath);
    for (const [one, other] of [
      [outside, inside],
      [inside, outside],
    ] as const) {
      open.add(one);
      one.on("error", () => other.destroy());
      one.on("close", () => {
        open.delete(one);
        other.destroy();
      });
      one.pipe(other);
    }
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(0, "127.0.0.1", resolve);
  });
  const at = server.address();
  return {
    url: `http://127.0.0.1:${typeof at === "object" && at !== null ? at.port : 0}`,
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const one of open) one.destroy();
      }),
  };
}

/** As the operator's nftables count them. */
export function countersOf(name: string): Readonly<Record<Counted, { readonly packets: number; readonly bytes: number }>> {
  const core = namespaceOf(name, "core");
  const said = system("ip", ["netns", "exec", core, "nft", "-j", "list", "counters", "table", "inet", "sniff"]);
  const { nftables } = JSON.parse(said) as {
    readonly nftables: readonly { readonly counter?: { readonly name: string; readonly packets: number; readonly bytes: number } }[];
  };
  const rows = nftables.flatMap(({ counter }) =>
    counter === undefined ? [] : [[counter.name, { packets: counter.packets, bytes: counter.bytes }] as const],
  );
  return Object.fromEntries(rows) as Record<Counted, { packets: number; bytes: number }>;
}
