// What the kernel's firewall is to be, from what policies, the tunnel and an emergency say; and what a look at it means. Pure.
import type { Verdict } from "../../ipa/ports.ts";
import type { TunnelForFirewall } from "../tunnel/types.ts";
import type { PartyBytes, TrafficReading } from "../usage/reading.ts";

/** The arguments of simward-netd's verbs. */
export interface WantedFirewall {
  readonly fleet: "allow" | "block";
  readonly tunnel: "none" | "required";
  readonly tunnelInterface?: string;
  readonly throttleKbps?: number;
  readonly udpPort?: number;
  readonly tcpPort?: number;
}

export interface Circumstances {
  readonly data: Verdict;
  /** In an emergency no traffic is blocked, whoever wants it. */
  readonly isEmergency: boolean;
  readonly tunnel: TunnelForFirewall;
  /** What a verdict "throttle" means. */
  readonly throttleKbps: number | undefined;
  /** Where eIMs may bring packages. */
  readonly listening: { readonly udpPort?: number; readonly tcpPort?: number };
}

export function wantedFirewall({ data, isEmergency, tunnel, throttleKbps, listening }: Circumstances): WantedFirewall {
  const { tunnelInterface } = tunnel;
  const isThrottled = data.kind === "throttle" && !isEmergency;
  return {
    fleet: data.kind === "refuse" && !isEmergency ? "block" : "allow",
    tunnel: isEmergency ? "none" : tunnel.tunnel,
    ...(tunnelInterface === undefined ? {} : { tunnelInterface }),
    ...(isThrottled && throttleKbps !== undefined ? { throttleKbps } : {}),
    ...listening,
  };
}

/** Nothing is held back: without a table it is the same but for the counting. */
export function isOpen({ fleet, tunnel, throttleKbps }: WantedFirewall): boolean {
  return fleet === "allow" && tunnel === "none" && throttleKbps === undefined;
}

/** What simward-netd tells of the table. */
export interface FirewallData {
  readonly generation: string;
  readonly hash: string;
  readonly fleet: PartyBytes;
  readonly management: PartyBytes;
  /** The tunnel's own packets, with what they carry. */
  readonly tunnel: PartyBytes;
  /** What they carry, counted for its party as well. */
  readonly inner: PartyBytes;
}

/** undefined: there is no table. Anything that is no answer of simward-netd's counts as that. */
export function firewallData(answer: unknown): FirewallData | undefined {
  const said = answer as (Partial<FirewallData> & { readonly present?: unknown }) | undefined | null;
  if (said?.present !== true || typeof said.generation !== "string" || typeof said.hash !== "string") return undefined;
  const { generation, hash, fleet, management, tunnel, inner } = said;
  if (!isBytes(fleet) || !isBytes(management) || !isBytes(tunnel) || !isBytes(inner)) return undefined;
  return { generation, hash, fleet, management, tunnel, inner };
}

function isBytes(value: unknown): value is PartyBytes {
  const bytes = value as Partial<PartyBytes> | undefined | null;
  return Number.isSafeInteger(bytes?.sentBytes) && Number.isSafeInteger(bytes?.receivedBytes);
}

/**
 * Readings in a row: never backwards within an epoch. The fleet's bytes within the tunnel are the fleet's; what the tunnel adds to what it carries
 * (headers, key exchange) is management's. A packet is seen within the tunnel before or after it is seen around it: what the tunnel adds only grows.
 * undefined: another program has set the counters back, and what they show is nobody's difference.
 */
export function createReadings(): (data: FirewallData) => TrafficReading | undefined {
  let before: FirewallData | undefined;
  let around: PartyBytes = { sentBytes: 0, receivedBytes: 0 };
  return (data) => {
    const isSame = before?.generation === data.generation;
    if (isSame && before !== undefined && isLess(data, before)) return undefined;
    if (!isSame) around = { sentBytes: 0, receivedBytes: 0 };
    before = data;
    around = each((way) => Math.max(around[way], data.tunnel[way] - data.inner[way]));
    const management = each((way) => data.management[way] + around[way]);
    return { epoch: data.generation, fleet: data.fleet, management };
  };
}

function each(of: (way: keyof PartyBytes) => number): PartyBytes {
  return { sentBytes: of("sentBytes"), receivedBytes: of("receivedBytes") };
}

function isLess(now: FirewallData, before: FirewallData): boolean {
  return (["fleet", "management", "tunnel", "inner"] as const).some(
    (party) => now[party].sentBytes < before[party].sentBytes || now[party].receivedBytes < before[party].receivedBytes,
  );
}
