// Which of the ports that are there may be the module's AT port, in which order they are tried, and why each other one is passed over. Pure.
import { SimwardError } from "../../base/errors.ts";
import type { UsbTty } from "./sysfs.ts";
import { type PortRole, usbProduct, usbVendor } from "./usb-ids.ts";

/** What modem.address says of a module that is to be looked for. */
export type Wanted =
  | { readonly kind: "auto" }
  | { readonly kind: "usb"; readonly vendor: string; readonly product: string; readonly interface: number | undefined };

/** The module that was found before: a port of its own kind, at its own place, comes first. */
export interface Found {
  readonly vendor: string;
  readonly serial: string | undefined;
  readonly path: string;
  readonly interface: number;
}

export interface Candidate {
  readonly tty: UsbTty;
  /** undefined: not known, so it is asked. */
  readonly role: PortRole | undefined;
  readonly modules: string | undefined;
  readonly families: readonly string[];
  /** Why it is not tried; undefined for those that are. */
  readonly skipped: string | undefined;
}

/** `auto`, or `usb:2c7c:0125`, or `usb:2c7c:0125:02`: numbers as sysfs and lsusb print them. Throws PORT_ADDRESS. */
export function parseWanted(address: string): Wanted {
  if (address === "auto") return { kind: "auto" };
  const found = /^usb:([0-9a-f]{4}):([0-9a-f]{4})(?::([0-9a-f]{1,2}))?$/i.exec(address);
  if (found === null)
    throw new SimwardError("PORT_ADDRESS", { detail: `${JSON.stringify(address)}: usb:VENDOR:PRODUCT[:INTERFACE], in hexadecimal` });
  const [, vendor = "", product = "", number] = found;
  return {
    kind: "usb",
    vendor: vendor.toLowerCase(),
    product: product.toLowerCase(),
    interface: number === undefined ? undefined : Number.parseInt(number, 16),
  };
}

/** Those to try, most likely first, then those passed over. */
export function survey(ttys: readonly UsbTty[], wanted: Wanted, before?: Found): readonly Candidate[] {
  const all = ttys.map((tty) => candidateOf(tty, wanted));
  const tried = all.filter(({ skipped }) => skipped === undefined);
  const first = tried[0]?.tty.usb.path;
  const order = (one: Candidate): number => {
    const { usb } = one.tty;
    const isSame = before !== undefined && isSameModule(usb, before);
    // One module after the other, the one of before in front; of each its AT port, then what is not known, then the port for data.
    return (isSame ? (usb.number === before.interface ? 0 : 1) : 2) * 10 + rank(one.role);
  };
  return [
    ...tried.sort((a, b) => order(a) - order(b) || Number(b.tty.usb.path === first) - Number(a.tty.usb.path === first)),
    ...all.filter(({ skipped }) => skipped !== undefined),
  ];
}

/** By its serial number where it has one and keeps it, else by the place where it is plugged in. */
export function isSameModule(usb: UsbTty["usb"], { vendor, serial, path }: Found): boolean {
  return usb.vendor === vendor && ((serial !== undefined && usb.serial === serial) || usb.path === path);
}

function rank(role: PortRole | undefined): number {
  return role === "at" ? 0 : role === undefined ? 1 : 2;
}

function candidateOf(tty: UsbTty, wanted: Wanted): Candidate {
  const { vendor, product, number } = tty.usb;
  const row = usbProduct(vendor, product);
  const role = row?.ports[number];
  return { tty, role, modules: row?.modules, families: row?.families ?? [], skipped: whyNot(tty, wanted, role) };
}

function whyNot({ usb }: UsbTty, wanted: Wanted, role: PortRole | undefined): string | undefined {
  const id = `${usb.vendor}:${usb.product}`;
  if (wanted.kind === "usb") {
    if (usb.vendor !== wanted.vendor || usb.product !== wanted.product) return `it is ${id}`;
    // Who names the interface knows it.
    if (wanted.interface !== undefined) return usb.number === wanted.interface ? undefined : `it is interface ${hex(usb.number)}`;
  } else if (usbProduct(usb.vendor, usb.product) === undefined) {
    const maker = usbVendor(usb.vendor);
    if (maker === undefined) return `${id} is no module that is known; name it as usb:${id}, or by its path`;
    if (!maker.onlyModules) return `${id} is of ${maker.name}, and need not be a module; name it as usb:${id}, or by its path`;
  }
  if (role === "nmea") return "its satellite receiver's";
  if (role === "diag") return "its diagnosis port";
  if (role === "other") return "no AT port of it";
  return undefined;
}

function hex(number: number): string {
  return number.toString(16).padStart(2, "0");
}
