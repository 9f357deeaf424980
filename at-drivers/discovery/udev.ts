// The udev rules that keep ModemManager away from the modules that simward drives, made from the table of USB identities.
import { usbProducts, usbVendors } from "./usb-ids.ts";

const matches = 'ACTION=="add|change|move|bind", SUBSYSTEMS=="usb"';
// The device for all its ports; the port for a ModemManager that was told to be strict about them.
const leaveAlone = 'ENV{ID_MM_DEVICE_IGNORE}="1", ENV{ID_MM_PORT_IGNORE}="1"';

/** The text of systemd/70-simward.rules. */
export function udevRules(): string {
  const lines = usbVendors.flatMap(({ vendor, name, onlyModules }) => {
    const match = `${matches}, ATTRS{idVendor}=="${vendor}"`;
    if (onlyModules) return [`# ${name}`, `${match}, ${leaveAlone}`];
    // Others of this maker's devices are not simward's to take away from anybody.
    return usbProducts
      .filter((row) => row.vendor === vendor)
      .flatMap(({ product, modules }) => [`# ${modules}`, `${match}, ATTRS{idProduct}=="${product}", ${leaveAlone}`]);
  });
  return `${[
    "# udev: keeps ModemManager away from the modules that simward drives. Made from at-drivers/discovery/usb-ids.ts.",
    "# Another module: one more rule like these in a file of your own, with vendor and product as lsusb prints them.",
    ...lines,
  ].join("\n")}\n`;
}
