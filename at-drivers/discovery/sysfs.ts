// What the kernel says about USB serial ports and USB network interfaces, read from /sys and /dev/serial/by-id; opens no port.
// Both places can be others, for tests and for trees that were brought from a vehicle.
import { readdir, readFile, readlink, realpath } from "node:fs/promises";
import { basename, dirname, join } from "node:path";

export interface Sysfs {
  /** "/sys" unless said otherwise. */
  readonly sys?: string | undefined;
  /** "/dev" unless said otherwise. */
  readonly dev?: string | undefined;
}

/** One interface of a USB device. */
export interface UsbInterface {
  /** Four hexadecimal digits in lower case. */
  readonly vendor: string;
  readonly product: string;
  readonly serial: string | undefined;
  /** Where it is plugged in, e.g. "1-1.2": the same after a reset and in another composition. */
  readonly path: string;
  readonly number: number;
}

export interface UsbTty {
  /** "/dev/ttyUSB2" */
  readonly device: string;
  /** Its name under /dev/serial/by-id, where udev made one. */
  readonly byId: string | undefined;
  readonly usb: UsbInterface;
}

export interface UsbNet {
  readonly name: string;
  readonly usb: UsbInterface;
}

/** By USB device, then interface. */
export async function usbTtys({ sys = "/sys", dev = "/dev" }: Sysfs = {}): Promise<readonly UsbTty[]> {
  const names = await namesBehindLinks(join(dev, "serial/by-id"));
  const found: UsbTty[] = [];
  // One after the other: a gateway may have a hundred, and the daemon has few descriptors.
  for (const name of await entries(join(sys, "class/tty"))) {
    const usb = await usbInterfaceOf(join(sys, "class/tty", name, "device"));
    if (usb !== undefined) found.push({ device: join(dev, name), byId: names.get(name), usb });
  }
  return found.sort((a, b) => inOrder(a.usb, b.usb) || a.device.localeCompare(b.device));
}

export async function usbNets({ sys = "/sys" }: Sysfs = {}): Promise<readonly UsbNet[]> {
  const found: UsbNet[] = [];
  for (const name of await entries(join(sys, "class/net"))) {
    const usb = await usbInterfaceOf(join(sys, "class/net", name, "device"));
    if (usb !== undefined) found.push({ name, usb });
  }
  return found.sort((a, b) => inOrder(a.usb, b.usb));
}

/** A number that is another one when the interface has gone and come back; undefined while it is not there. */
export async function interfaceIndex(name: string, { sys = "/sys" }: Sysfs = {}): Promise<number | undefined> {
  const text = await attribute(join(sys, "class/net", name), "ifindex");
  return text === undefined ? undefined : Number(text);
}

/** The port behind a path or a link to it. */
export async function usbTtyAt(path: string, sysfs: Sysfs = {}): Promise<UsbTty | undefined> {
  const real = await realpath(path).catch(() => path);
  for (const tty of await usbTtys(sysfs))
    if (tty.device === path || tty.device === real || (await realpath(tty.device).catch(() => "")) === real) return tty;
  return undefined;
}

function inOrder(a: UsbInterface, b: UsbInterface): number {
  return a.path.localeCompare(b.path, "en", { numeric: true }) || a.number - b.number;
}

async function entries(dir: string): Promise<readonly string[]> {
  return (await readdir(dir).catch(() => [])).sort();
}

/** `device` leads to the interface, or to a port below it: the first directory upwards with an interface number is it, the next with a vendor the device. */
async function usbInterfaceOf(device: string): Promise<UsbInterface | undefined> {
  const start = await realpath(device).catch(() => undefined);
  if (start === undefined) return undefined;
  let number: number | undefined;
  for (let dir = start, depth = 0; depth < 6 && dir !== dirname(dir); dir = dirname(dir), depth++) {
    if (number === undefined) {
      const text = await attribute(dir, "bInterfaceNumber");
      if (text !== undefined) number = Number.parseInt(text, 16);
      continue;
    }
    const [vendor, product] = [await attribute(dir, "idVendor"), await attribute(dir, "idProduct")];
    if (vendor === undefined || product === undefined) continue;
    return {
      vendor: vendor.toLowerCase(),
      product: product.toLowerCase(),
      serial: await attribute(dir, "serial"),
      path: basename(dir),
      number,
    };
  }
  return undefined;
}

async function attribute(dir: string, name: string): Promise<string | undefined> {
  const text = (await readFile(join(dir, name), "utf8").catch(() => "")).trim();
  return text === "" ? undefined : text;
}

/** "ttyUSB2" → "/dev/serial/by-id/usb-…-if02-port0" */
async function namesBehindLinks(dir: string): Promise<ReadonlyMap<string, string>> {
  const names = new Map<string, string>();
  for (const name of await entries(dir)) {
    const target = await readlink(join(dir, name)).catch(() => undefined);
    if (target !== undefined) names.set(basename(target), join(dir, name));
  }
  return names;
}
