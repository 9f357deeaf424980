// What can be seen of the kernel's interfaces without any privilege.
import { realpath } from "node:fs/promises";
import { networkInterfaces } from "node:os";
import { interfaceIndex, type Sysfs } from "../../at-drivers/discovery/sysfs.ts";
import type { KernelView } from "./data-path.ts";
import { interfaceOf, pppPortOf } from "./module-ports.ts";

export function kernelView(sysfs: Sysfs = {}): KernelView {
  return {
    index: (name) => interfaceIndex(name, sysfs),
    addresses: async (name) => (networkInterfaces()[name] ?? []).map(({ address }) => address),
    moduleInterface: (port) => interfaceOf(port, sysfs),
    pppPort: (port) => pppPortOf(port, sysfs),
    deviceAt: (path) => realpath(path).catch(() => path),
  };
}
