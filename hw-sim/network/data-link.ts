// The module's network interface as a real one: a veth pair, one end for the vehicle's host, the other the operator's. Real packets, real counters.
// Needs root, and a network namespace of the vehicle's own: on one stack the kernel would answer itself.
import { execFileSync } from "node:child_process";
import type { Disposer } from "../../base/clock.ts";
import { SimwardError } from "../../base/errors.ts";
import type { Bearer } from "../contracts.ts";

export interface DataLinkOption {
  /** Of the host's end, at most 11 characters. */
  readonly interface: string;
  /** Named network namespace of the vehicle (ip-netns(8)) that gets the host's end. */
  readonly namespace: string;
}

export interface DataLinkOptions extends DataLinkOption {
  readonly bearer: Bearer;
  /** Addresses of the sessions that are up now. */
  readonly addresses: () => readonly string[];
}

export interface DataLink {
  /** Where the operator's side, and with it the servers' gate, is. */
  readonly gateway: string;
  close(): void;
}

/** Of the benchmark range that is nobody's (RFC 2544). */
export const gatewayAddress = "198.18.0.1";

/** Makes the pair; addresses come with the sessions. Throws SIM_OPTION. */
export function openDataLink({ bearer, addresses, interface: host, namespace }: DataLinkOptions): DataLink {
  const core = `sim-${host}`;
  const ip = (...args: readonly string[]): void => {
    try {
      execFileSync("ip", args, { stdio: ["ignore", "ignore", "pipe"] });
    } catch (error) {
      const said = error instanceof Error && "stderr" in error ? String(error.stderr).trim() : String(error);
      throw new SimwardError("SIM_OPTION", { detail: `--data-link ${host}@${namespace}: ip ${args.join(" ")}: ${said}`, cause: error });
    }
  };
  ip("link", "add", core, "type", "veth", "peer", "name", host, "netns", namespace);
  let routed: readonly string[] = [];
  const follow = (): void => {
    const wanted = addresses();
    for (const address of routed) if (!wanted.includes(address)) ip("route", "del", `${address}/32`, "dev", core);
    // Without a session the host's end has no carrier.
    if (wanted.length === 0 && routed.length > 0) ip("link", "set", core, "down");
    if (wanted.length > 0 && routed.length === 0) ip("link", "set", core, "up");
    for (const address of wanted) ip("route", "replace", `${address}/32`, "dev", core, "src", gatewayAddress);
    routed = wanted.length === 0 ? [] : wanted;
  };
  let stop: Disposer = () => {};
  try {
    // Not on the pair: an interface that is down has no address, and the servers' gate listens before the first session.
    ip("address", "replace", `${gatewayAddress}/32`, "dev", "lo");
    follow();
    stop = bearer.onChange(follow);
  } catch (error) {
    ip("link", "delete", core);
    throw error;
  }
  return {
    gateway: gatewayAddress,
    close() {
      stop();
      ip("link", "delete", core);
      ip("address", "delete", `${gatewayAddress}/32`, "dev", "lo");
    },
  };
}

/** "wwan0@vehicle". Throws SIM_OPTION. */
export function parseDataLink(text: string): DataLinkOption {
  const [, name, namespace] = /^([a-z][a-z0-9]{0,10})@([A-Za-z0-9_-]{1,64})$/.exec(text) ?? [];
  if (name !== undefined && namespace !== undefined) return { interface: name, namespace };
  throw new SimwardError("SIM_OPTION", { detail: `--data-link ${JSON.stringify(text)}: write INTERFACE@NAMESPACE, e.g. wwan0@vehicle` });
}
