// What can be seen of the kernel's interfaces without any privilege.
import { readFileSync } from "node:fs";
import { realpath } from "node:fs/promises";
import { networkInterfaces } from "node:os";
import { join } from "node:path";
import { interfaceIndex, type Sysfs } from "../../at-drivers/discovery/sysfs.ts";
import type { ByteCounts } from "../connectivity/sessions.ts";
import type { KernelView } from "./data-path.ts";
import { interfaceOf, pppPortOf } from "./module-ports.ts";

export function kernelView(sysfs: Sysfs = {}): KernelView {
  return {
    index: (name) => interfaceIndex(name, sysfs),
    addresses: async (name) => (networkInterfaces()[name] ?? []).map(({ address }) => address),
    moduleInterface: (port) => interfaceOf(port, sysfs),
    pppPort: (port) => pppPortOf(port, sysfs),
    deviceAt: (path) => realpath(path).catch(() => path),
    counters: (name) => countersOf(name, sysfs),
  };
}

/** Read at once: after a turn of the event loop the interface of a session that has ended may be gone. */
export function countersOf(name: string, { sys = "/sys" }: Sysfs = {}): ByteCounts | undefined {
  const counter = (which: string): number => Number(readFileSync(join(sys, "class/net", name, "statistics", which), "utf8").trim());
  try {
    const [receivedBytes, sentBytes, packets] = [counter("rx_bytes"), counter("tx_bytes"), counter("rx_packets") + counter("tx_packets")];
    return [receivedBytes, sentBytes, packets].every(Number.isSafeInteger) ? { receivedBytes, sentBytes, packets } : undefined;
  } catch {
    return undefined;
  }
}
