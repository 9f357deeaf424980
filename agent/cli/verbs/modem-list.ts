// simward modem list: which ports a module may be behind, which would be tried, and why the others are not. Needs no daemon.
import { statSync } from "node:fs";
import { type ListedPort, listInterfaces, listPorts } from "../../../at-drivers/discovery/list.ts";
import { SystemClock } from "../../../base/clock.ts";
import { isCode, SimwardError } from "../../../base/errors.ts";
import { checkPath } from "../given.ts";
import { asTyped, textOption, type Verb } from "../verb.ts";

export const modemList: Verb = {
  name: "modem list",
  summary: "the USB serial ports that are there, and which the module would be looked for on; needs no daemon",
  example: "simward modem list",
  args: [
    { name: "address", help: "what to look for, as in modem.address: auto (by default) or usb:VENDOR:PRODUCT[:INTERFACE]", optional: true },
  ],
  options: [
    { flags: "--ask", help: "open the ports that would be tried and that nobody holds, and send AT" },
    { flags: "--sys <dir>", help: "a tree brought from a vehicle, instead of /sys" },
    { flags: "--dev <dir>", help: "the same for /dev" },
  ],
  async run({ out }, input) {
    const wanted = input.args[0] ?? "auto";
    const sysfs = { sys: textOption(input, "sys"), dev: textOption(input, "dev") };
    // A place that was named and is not there is a slip of the pen; a gateway without /dev/serial is not.
    for (const dir of [sysfs.sys, sysfs.dev])
      if (dir !== undefined && !isDirectory(dir))
        throw new SimwardError("NOT_FOUND", { detail: `the directory ${asTyped(dir)}`, next: checkPath });
    const ask = input.options.ask === true ? new SystemClock() : undefined;
    const ports = await listPorts({ wanted, sysfs, ask }).catch((error: unknown) => {
      // Here it was typed, and stands in no configuration.
      if (isCode(error, "PORT_ADDRESS"))
        throw new SimwardError("USAGE", {
          detail: `${asTyped(wanted)}: give auto or usb:VENDOR:PRODUCT[:INTERFACE], in hexadecimal`,
          cause: error,
        });
      throw error;
    });
    const interfaces = await listInterfaces(sysfs);
    out.result({ schema: "simward/modem-list/1", wanted, ports, interfaces }, () => {
      if (ports.length === 0 && interfaces.length === 0) return "no USB serial port and no USB network interface is there";
      const rows = ports.map((port) => [port.device, port.usb, port.modules ?? "", port.role ?? "", verdictOf(port)]);
      const nets = interfaces.map(({ name, usb, place }) => [name, usb, "", "network", `at ${place}`]);
      return out.table([["PORT", "USB", "MODULE", "ROLE", "AS IT STANDS"], ...rows, ...nets]);
    });
    return undefined;
  },
};

function isDirectory(path: string): boolean {
  try {
    return statSync(path).isDirectory();
  } catch {
    return false;
  }
}

function verdictOf({ skipped, heldBy, asked }: ListedPort): string {
  const held = heldBy.length === 0 ? "" : `held by ${heldBy.map(({ name, pid }) => `${name} (pid ${pid})`).join(", ")}`;
  const parts = [skipped === undefined ? "would be tried" : `not tried: ${skipped}`, held, asked === undefined ? "" : `asked: ${asked}`];
  return parts.filter((part) => part !== "").join("; ");
}
