// The data path with ports in memory: a kernel whose interfaces a test makes and takes away, a simward-netd that notes what it is asked.

import { parseConfig } from "../../../agent/config/load.ts";
import { createDataPath, type DataPath, type DataPathOptions, type KernelView } from "../../../agent/data-path/data-path.ts";
import type { NetdClient } from "../../../agent/data-path/netd-client.ts";
import type { ModemDataInterface } from "../../../at-drivers/data-interface.ts";
import type { DataInterfaceKind } from "../../../at-drivers/family.ts";
import type { DataSession } from "../../../at-drivers/modem.ts";
import { VirtualClock } from "../../../base/clock.ts";
import { SimwardError } from "../../../base/errors.ts";
import { silentLog } from "../../../base/log.ts";

export const session: DataSession = {
  cid: 1,
  apn: "iot.example",
  address: "10.64.3.7",
  gateway: "10.64.3.1",
  dns: ["10.64.3.53"],
  mtuBytes: 1_420,
};

export function netConfig(text: string): DataPathOptions["net"] {
  return parseConfig(`[modem]\naddress = "auto"\n[net]\n${text}\n`).net;
}

export class PathBench {
  readonly clock = new VirtualClock();
  /** "link wwan0 up", "ppp ppp0 up /dev/ttyUSB3", "start ecm 1", "dial *99***1#", "release" */
  readonly done: string[] = [];
  readonly interfaces = new Map<string, { index: number; addresses: string[] }>();
  /** By interface: received, sent. */
  readonly counters = new Map<string, readonly [number, number]>();
  readonly problems: (string | undefined)[] = [];
  readonly audited: string[] = [];
  /** Interfaces, and what had been done last before each was told of. */
  readonly guarded: string[] = [];
  nextIndex = 7;
  ups = 0;
  losses = 0;
  isHeld = false;
  /** What the module's composition is, and what its family has. */
  present: DataInterfaceKind | undefined = "ecm";
  kinds: readonly DataInterfaceKind[] = ["ecm", "ppp"];
  moduleInterface: string | undefined = "wwan0";
  pppPort: string | undefined = "/dev/ttyUSB3";
  /** Verbs that simward-netd refuses. */
  readonly refused = new Set<string>();
  /** Addresses that pppd brings. */
  pppAddress: string | undefined = "10.64.3.7";
  readonly path: DataPath;
  #pppEnd = new Set<Parameters<NetdClient["onPppEnd"]>[0]>();

  constructor(net: string) {
    this.interfaces.set("wwan0", { index: 7, addresses: [] });
    const dataInterface: ModemDataInterface = {
      kinds: this.kinds,
      present: async () => this.present,
      choose: async (kind) => {
        this.done.push(`choose ${kind}`);
        this.present = kind;
        return { changed: true, needsReset: true };
      },
      start: async (kind, cid) => void this.done.push(`start ${kind} ${cid}`),
      stop: async (kind, cid) => void this.done.push(`stop ${kind} ${cid}`),
      counters: async () => undefined,
      dialled: (cid) => `*99***${cid}#`,
    };
    Object.defineProperty(dataInterface, "kinds", { get: () => this.kinds });
    const kernel: KernelView = {
      index: async (name) => this.interfaces.get(name)?.index,
      addresses: async (name) => this.interfaces.get(name)?.addresses ?? [],
      moduleInterface: async () => this.moduleInterface,
      pppPort: async () => this.pppPort,
      deviceAt: async (path) => path,
      counters: (name) => {
        const [receivedBytes, sentBytes] = this.counters.get(name) ?? [];
        return receivedBytes === undefined || sentBytes === undefined ? undefined : { receivedBytes, sentBytes };
      },
    };
    this.path = createDataPath({
      net: netConfig(net),
      modem: {
        status: { port: "serial:/dev/ttyUSB2" },
        dataInterface,
        reset: async () => void this.done.push("reset"),
      } as unknown as DataPathOptions["modem"],
      netd: {
        ask: async (verb, args) => this.#ask(verb, args),
        onPppEnd: (fn) => {
          this.#pppEnd.add(fn);
          return () => this.#pppEnd.delete(fn);
        },
        onFirewallAltered: () => () => {},
        onFirewallUnkept: () => () => {},
        close: () => void this.done.push("close"),
      },
      kernel,
      dial: async ({ device, number }) => {
        this.done.push(`dial ${device} ${number}`);
        return { release: async () => void this.done.push("release") };
      },
      clock: this.clock,
      log: silentLog,
      audit: async ({ event }) => void this.audited.push(event),
      guard: async (name) => void this.guarded.push(`${name} after ${this.done.at(-1)}`),
      onUp: () => void this.ups++,
      onProblem: (problem) => void this.problems.push(problem?.code),
      onLost: () => void this.losses++,
      isHeld: () => this.isHeld,
    });
  }

  endPppd(how: string): void {
    this.interfaces.delete("ppp0");
    for (const fn of [...this.#pppEnd]) fn({ interface: "ppp0", how });
  }

  /** What has been done since the last time it was asked for. */
  taken(): string[] {
    return this.done.splice(0);
  }

  #ask(verb: string, args: Readonly<Record<string, unknown>>): void {
    this.done.push([verb, ...Object.values(args).map((one) => (Array.isArray(one) ? one.join(",") : String(one)))].join(" "));
    if (this.refused.has(verb)) throw new SimwardError("NETD_FAILED", { detail: verb });
    if (verb !== "ppp") return;
    if (args.state === "up") this.interfaces.set("ppp0", { index: 9, addresses: this.pppAddress === undefined ? [] : [this.pppAddress] });
    else this.endPppd("code 0");
  }
}
