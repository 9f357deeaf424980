// Which network interface and which port for PPP belong to the module whose AT port is open: its own USB device's, whatever they are called today.
import { type Sysfs, type UsbTty, usbNets, usbTtyAt, usbTtys } from "../../at-drivers/discovery/sysfs.ts";
import { usbProduct } from "../../at-drivers/discovery/usb-ids.ts";

/** Of the address of the port that is open, such as serial:/dev/ttyUSB2; undefined where that is no USB port. */
async function ownTty(port: string | undefined, sysfs: Sysfs): Promise<UsbTty | undefined> {
  const path = /^(?:serial:|pty:)?(\/[^?]+)/.exec(port ?? "")?.[1];
  return path === undefined ? undefined : usbTtyAt(path, sysfs);
}

/** undefined while there is none. */
export async function interfaceOf(port: string | undefined, sysfs: Sysfs): Promise<string | undefined> {
  const own = await ownTty(port, sysfs);
  return own === undefined ? undefined : (await usbNets(sysfs)).find(({ usb }) => usb.path === own.usb.path)?.name;
}

/** A port that the table calls `data`, else another one that takes AT; never the one that is open. */
export async function pppPortOf(port: string | undefined, sysfs: Sysfs): Promise<string | undefined> {
  const own = await ownTty(port, sysfs);
  if (own === undefined) return undefined;
  const roles = usbProduct(own.usb.vendor, own.usb.product)?.ports;
  const others = (await usbTtys(sysfs)).filter(({ device, usb }) => usb.path === own.usb.path && device !== own.device);
  const withRole = (role: "data" | "at"): UsbTty | undefined => others.find(({ usb }) => roles?.[usb.number] === role);
  return (withRole("data") ?? withRole("at"))?.device;
}
