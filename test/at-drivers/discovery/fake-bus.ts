// A /sys and a /dev as the kernel makes them for USB modules, in a directory of a test; its serial ports are pseudo terminals.
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, unlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, relative } from "node:path";
import type { Sysfs } from "../../../at-drivers/discovery/sysfs.ts";
import { openPty, type Pty } from "../../support/pty.ts";

export interface FakeDevice {
  readonly vendor: string;
  readonly product: string;
  readonly serial?: string;
  /** "1-1.2" */
  readonly path: string;
}

export interface FakePort {
  readonly name: string;
  readonly device: string;
  readonly pty: Pty;
  /** Command lines that came. */
  readonly received: string[];
  /** What it answers to a line; silent without. */
  answer: (line: string) => string | undefined;
}

export class FakeBus {
  readonly #root = mkdtempSync(join(tmpdir(), "simward-bus-"));
  readonly sysfs: { readonly [K in keyof Sysfs]-?: string } = { sys: join(this.#root, "sys"), dev: join(this.#root, "dev") };
  readonly #ptys = new Set<Pty>();

  constructor() {
    for (const dir of ["class/tty", "class/net", "devices"]) mkdirSync(join(this.sysfs.sys, dir), { recursive: true });
    mkdirSync(join(this.sysfs.dev, "serial/by-id"), { recursive: true });
    // What is no USB port is there too.
    mkdirSync(join(this.sysfs.sys, "devices/virtual/tty/tty0"), { recursive: true });
    this.#link("devices/virtual/tty/tty0", "class/tty/tty0");
  }

  /** As usb-serial makes one: the port is a directory below the interface's. */
  addTty(device: FakeDevice, interfaceNumber: number, name: string, options: { readonly byId?: string } = {}): FakePort {
    const at = this.#interface(device, interfaceNumber);
    const isAcm = name.startsWith("ttyACM");
    const classDir = isAcm ? join(at, "tty", name) : join(at, name, "tty", name);
    mkdirSync(join(this.sysfs.sys, classDir), { recursive: true });
    this.#link(isAcm ? at : join(at, name), join(classDir, "device"));
    this.#link(classDir, join("class/tty", name));
    const pty = openPty();
    this.#ptys.add(pty);
    const path = join(this.sysfs.dev, name);
    symlinkSync(pty.path, path);
    if (options.byId !== undefined) symlinkSync(`../../${name}`, join(this.sysfs.dev, "serial/by-id", options.byId));
    const port: FakePort = { name, device: path, pty, received: [], answer: () => undefined };
    let partial = "";
    pty.onData((octets) => {
      partial += octets.toString("latin1");
      const lines = partial.split("\r");
      partial = lines.pop() ?? "";
      for (const line of lines) {
        port.received.push(line);
        const said = port.answer(line);
        if (said !== undefined) pty.write(said);
      }
    });
    return port;
  }

  addNet(device: FakeDevice, interfaceNumber: number, name: string, index: number): void {
    const at = this.#interface(device, interfaceNumber);
    const classDir = join(at, "net", name);
    mkdirSync(join(this.sysfs.sys, classDir), { recursive: true });
    writeFileSync(join(this.sysfs.sys, classDir, "ifindex"), `${index}\n`);
    this.#link(at, join(classDir, "device"));
    this.#link(classDir, join("class/net", name));
  }

  removeNet(name: string): void {
    unlinkSync(join(this.sysfs.sys, "class/net", name));
  }

  /** Unplugged, or reset: its entry goes, and who holds the port hears a hang-up. */
  removeTty(port: FakePort): void {
    unlinkSync(join(this.sysfs.sys, "class/tty", port.name));
    unlinkSync(port.device);
    port.pty.hangUp();
    this.#ptys.delete(port.pty);
  }

  close(): void {
    for (const pty of this.#ptys) pty.hangUp();
    rmSync(this.#root, { recursive: true, force: true });
  }

  #interface(device: FakeDevice, number: number): string {
    const usb = `devices/pci0000:00/0000:00:14.0/usb1/${device.path}`;
    const hex = number.toString(16).padStart(2, "0");
    const at = `${usb}/${device.path}:1.${number}`;
    mkdirSync(join(this.sysfs.sys, at), { recursive: true });
    writeFileSync(join(this.sysfs.sys, usb, "idVendor"), `${device.vendor}\n`);
    writeFileSync(join(this.sysfs.sys, usb, "idProduct"), `${device.product}\n`);
    if (device.serial !== undefined) writeFileSync(join(this.sysfs.sys, usb, "serial"), `${device.serial}\n`);
    writeFileSync(join(this.sysfs.sys, at, "bInterfaceNumber"), `${hex}\n`);
    return at;
  }

  /** A relative link, as the kernel's are. */
  #link(target: string, link: string): void {
    const path = join(this.sysfs.sys, link);
    symlinkSync(relative(dirname(path), join(this.sysfs.sys, target)), path);
  }
}

export const answersAt = (line: string): string | undefined => (line === "AT" ? "\r\nOK\r\n" : undefined);

export const eg25 = { vendor: "2c7c", product: "0125", serial: "0001", path: "1-1.2" } as const;
