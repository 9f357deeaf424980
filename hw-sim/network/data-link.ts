// The module's network interface as a real one: a veth pair, one end for the vehicle's host, the other the operator's. Real packets, real counters.
// Needs root, and a network namespace of the vehicle's own: on one stack the kernel would answer itself.
import { execFileSync } from "node:child_process";
import type { Disposer } from "../../base/clock.ts";
import { SimwardError } from "../../base/errors.ts";
import type { Bearer } from "../contracts.ts";
import type { Traffic } from "../modem/module.ts";

export interface DataLinkOption {
  /** Of the host's end, at most 11 characters. */
  readonly interface: string;
  /** Named network namespace of the vehicle (ip-netns(8)) that gets the host's end. */
  readonly namespace: string;
  /** Named network namespace of the operator that gets the other end; the simulator's own without one. Its routes to the servers are its owner's. */
  readonly operator?: string | undefined;
}

export interface DataLinkOptions extends DataLinkOption {
  readonly bearer: Bearer;
  /** Addresses of the sessions that are up now. */
  readonly addresses: () => readonly string[];
}

export interface DataLink {
  /** Where the operator's side, and with it the servers' gate, is. */
  readonly gateway: string;
  /** Octets of IP packets that went over it. */
  traffic(): Traffic;
  close(): void;
}

/** Of the benchmark range that is nobody's (RFC 2544). */
export const gatewayAddress = "198.18.0.1";

/** Makes the pair; addresses come with the sessions. Throws SIM_OPTION. */
export function openDataLink({ bearer, addresses, interface: host, namespace, operator }: DataLinkOptions): DataLink {
  const core = operatorEnd(host);
  const there = operator === undefined ? [] : ["-n", operator];
  const ip = (...args: readonly string[]): void => {
    try {
      execFileSync("ip", args, { stdio: ["ignore", "ignore", "pipe"] });
    } catch (error) {
      const said = error instanceof Error && "stderr" in error ? String(error.stderr).trim() : String(error);
      throw new SimwardError("SIM_OPTION", { detail: `--data-link ${host}@${namespace}: ip ${args.join(" ")}: ${said}`, cause: error });
    }
  };
  const inCore = (...args: readonly string[]): void => ip(...there, ...args);
  const between = operator === undefined ? [] : ["netns", operator];
  ip("link", "add", core, ...between, "type", "veth", "peer", "name", host, "netns", namespace);
  const source = operator === undefined ? ["src", gatewayAddress] : [];
  let routed: readonly string[] = [];
  const follow = (): void => {
    const wanted = addresses();
    for (const address of routed) if (!wanted.includes(address)) inCore("route", "del", `${address}/32`, "dev", core);
    // Without a session the host's end has no carrier.
    if (wanted.length === 0 && routed.length > 0) inCore("link", "set", core, "down");
    if (wanted.length > 0 && routed.length === 0) inCore("link", "set", core, "up");
    for (const address of wanted) inCore("route", "replace", `${address}/32`, "dev", core, ...source);
    routed = wanted.length === 0 ? [] : wanted;
  };
  let stop: Disposer = () => {};
  try {
    // Not on the pair: an interface that is down has no address, and the servers' gate listens before the first session.
    ip("address", "replace", `${gatewayAddress}/32`, "dev", "lo");
    follow();
    stop = bearer.onChange(follow);
  } catch (error) {
    inCore("link", "delete", core);
    throw error;
  }
  return {
    gateway: gatewayAddress,
    traffic: () => trafficOn(core, there),
    close() {
      stop();
      inCore("link", "delete", core);
      ip("address", "delete", `${gatewayAddress}/32`, "dev", "lo");
    },
  };
}

/** Name of the operator's end of the module's interface. */
export const operatorEnd = (host: string): string => `sim-${host}`;

/** "wwan0@vehicle", "wwan0@vehicle@operator". Throws SIM_OPTION. */
export function parseDataLink(text: string): DataLinkOption {
  const name = "[A-Za-z0-9_-]{1,64}";
  const [, host, namespace, operator] = new RegExp(`^([a-z][a-z0-9]{0,10})@(${name})(?:@(${name}))?$`).exec(text) ?? [];
  if (host !== undefined && namespace !== undefined) return { interface: host, namespace, ...(operator === undefined ? {} : { operator }) };
  throw new SimwardError("SIM_OPTION", {
    detail: `--data-link ${JSON.stringify(text)}: write INTERFACE@NAMESPACE or INTERFACE@NAMESPACE@OPERATOR, e.g. wwan0@vehicle`,
  });
}

const ethernetHeadBytes = 14;

/** As the kernel counts at the operator's end, without the heads of its frames. */
function trafficOn(core: string, there: readonly string[]): Traffic {
  type Counts = Readonly<Record<"bytes" | "packets", number>>;
  const told = execFileSync("ip", [...there, "-s", "-j", "link", "show", "dev", core], { encoding: "utf8" });
  const [
    {
      stats64: { rx, tx },
    },
  ] = JSON.parse(told) as readonly [{ readonly stats64: Readonly<Record<"rx" | "tx", Counts>> }];
  const ofPackets = ({ bytes, packets }: Counts): number => bytes - ethernetHeadBytes * packets;
  return { sentBytes: ofPackets(rx), receivedBytes: ofPackets(tx) };
}
