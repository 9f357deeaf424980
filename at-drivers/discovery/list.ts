// What simward modem list shows: the USB ports and network interfaces that are there, what each is, who holds it, and, if asked, what it says.
import type { Clock } from "../../base/clock.ts";
import { asSimwardError } from "../../base/errors.ts";
import { type Holder, portHolders } from "../engine/channels/holders.ts";
import { openTty } from "../engine/channels/tty.ts";
import { probe, type Verdict } from "./probe.ts";
import { parseWanted, survey } from "./survey.ts";
import { type Sysfs, usbNets, usbTtys } from "./sysfs.ts";
import type { PortRole } from "./usb-ids.ts";

export interface ListedPort {
  readonly device: string;
  readonly byId?: string;
  /** Vendor, product and interface number, in hexadecimal: what modem.address = "usb:…" takes. */
  readonly usb: string;
  readonly serial?: string;
  readonly place: string;
  readonly modules?: string;
  readonly families: readonly string[];
  readonly role?: PortRole;
  /** Why it would not be tried. */
  readonly skipped?: string;
  readonly heldBy: readonly Holder[];
  /** What it said when it was asked, or why it could not be. */
  readonly asked?: Verdict | string;
}

export interface ListedInterface {
  readonly name: string;
  readonly usb: string;
  readonly place: string;
}

export interface ListOptions {
  /** As in modem.address: what is to be looked for. Throws PORT_ADDRESS. */
  readonly wanted: string;
  readonly sysfs: Sysfs;
  /** Opens the ports that would be tried and that nobody holds, and sends AT. */
  readonly ask?: Clock | undefined;
}

/** In the order in which the ports would be tried. */
export async function listPorts({ wanted, sysfs, ask }: ListOptions): Promise<readonly ListedPort[]> {
  const listed: ListedPort[] = [];
  for (const { tty, role, modules, families, skipped } of survey(await usbTtys(sysfs), parseWanted(wanted))) {
    const { device, byId, usb } = tty;
    const heldBy = (await portHolders(device)).filter(({ pid }) => pid !== process.pid);
    const asked = ask === undefined || skipped !== undefined || heldBy.length > 0 ? undefined : await askPort(device, ask);
    listed.push({
      device,
      ...(byId === undefined ? {} : { byId }),
      usb: idOf(usb),
      ...(usb.serial === undefined ? {} : { serial: usb.serial }),
      place: usb.path,
      ...(modules === undefined ? {} : { modules }),
      families,
      ...(role === undefined ? {} : { role }),
      ...(skipped === undefined ? {} : { skipped }),
      heldBy,
      ...(asked === undefined ? {} : { asked }),
    });
  }
  return listed;
}

export async function listInterfaces(sysfs: Sysfs): Promise<readonly ListedInterface[]> {
  return (await usbNets(sysfs)).map(({ name, usb }) => ({ name, usb: idOf(usb), place: usb.path }));
}

async function askPort(device: string, clock: Clock): Promise<Verdict | string> {
  try {
    const channel = await openTty({ address: device, path: device, baudRate: 115_200, refuseOthers: true, clock });
    try {
      return await probe(channel, clock);
    } finally {
      await channel.close();
    }
  } catch (error) {
    return asSimwardError(error).message;
  }
}

function idOf({ vendor, product, number }: { readonly vendor: string; readonly product: string; readonly number: number }): string {
  return `${vendor}:${product}:${number.toString(16).padStart(2, "0")}`;
}
