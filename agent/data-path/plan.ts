// What is asked of simward-netd for a session, and to take it away again. Pure.
import { isIP } from "node:net";
import type { DataSession } from "../../at-drivers/modem.ts";
import type { Config } from "../config/schema.ts";

export type NetConfig = Config["net"];

export interface NetdCall {
  readonly verb: string;
  readonly args: Readonly<Record<string, unknown>>;
}

const mostServers = 3;

/** The interface is there; its address is what the network gave, unless somebody else's DHCP client sees to that. */
export function upCalls(name: string, session: DataSession, net: NetConfig): readonly NetdCall[] {
  const mtuBytes = net.mtu_bytes ?? session.mtuBytes;
  const link = call("link", { interface: name, state: "up", ...(mtuBytes === undefined ? {} : { mtuBytes }) });
  if (net.addressing === "dhcp") return [link];
  const family = isIP(session.address);
  // What is left of another session would be in the way; the other family's addresses are the kernel's, from the network's announcements.
  const address = family === 4 ? [call("addr", { interface: name, address: `${session.address}/32` })] : [];
  return [link, call("addr-flush", { interface: name }), ...address, ...routeCalls(name, session, net), ...resolvCalls(name, session)];
}

/** Address and link are pppd's. */
export function pppUpCalls(name: string, session: DataSession, net: NetConfig): readonly NetdCall[] {
  return [...routeCalls(name, { ...session, gateway: undefined }, net), ...resolvCalls(name, session)];
}

export function downCalls(name: string, net: NetConfig): readonly NetdCall[] {
  const link = call("link", { interface: name, state: "down" });
  if (net.addressing === "dhcp") return [link];
  return [
    call("resolv", { interface: name, servers: [] }),
    call("route-flush", { interface: name, family: 4, ...tableOf(net) }),
    call("addr-flush", { interface: name }),
    link,
  ];
}

export function pppDownCalls(name: string): readonly NetdCall[] {
  return [call("resolv", { interface: name, servers: [] }), call("ppp", { interface: name, state: "down" })];
}

/** IPv6 has its route from the network's announcements. */
function routeCalls(name: string, { address, gateway }: DataSession, net: NetConfig): readonly NetdCall[] {
  if (isIP(address) !== 4) return [];
  const via = gateway !== undefined && isIP(gateway) === 4 && gateway !== address ? { gateway } : {};
  return [call("route", { interface: name, family: 4, ...via, metric: net.route_metric, ...tableOf(net) })];
}

function resolvCalls(name: string, { dns }: DataSession): readonly NetdCall[] {
  const servers = dns.filter((one) => isIP(one) !== 0).slice(0, mostServers);
  return servers.length === 0 ? [] : [call("resolv", { interface: name, servers })];
}

function tableOf({ route_table }: NetConfig): { readonly table?: number } {
  return route_table === undefined ? {} : { table: route_table };
}

function call(verb: string, args: Readonly<Record<string, unknown>>): NetdCall {
  return { verb, args };
}
