import { spawn } from "node:child_process";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { Finder, holdMs } from "../../../at-drivers/discovery/finder.ts";
import { parseWanted, survey } from "../../../at-drivers/discovery/survey.ts";
import { usbNets, usbTtyAt, usbTtys } from "../../../at-drivers/discovery/sysfs.ts";
import { usbProducts, usbVendor } from "../../../at-drivers/discovery/usb-ids.ts";
import type { ByteChannel } from "../../../at-drivers/engine/types.ts";
import { families } from "../../../at-drivers/families/table.ts";
import { type Disposer, SystemClock, VirtualClock } from "../../../base/clock.ts";
import { answersAt, eg25, FakeBus, type FakePort } from "./fake-bus.ts";

const clock = new SystemClock();
/** For ports that do not answer: how long they are waited for is not what is tested. */
class Hasty extends SystemClock {
  override after(ms: number, fn: () => void): Disposer {
    return super.after(ms / 10, fn);
  }
}
const hasty = new Hasty();
let bus: FakeBus;
let channel: ByteChannel | undefined;
beforeEach(() => {
  bus = new FakeBus();
});
afterEach(async () => {
  await channel?.close();
  channel = undefined;
  bus.close();
});

/** Its four serial ports, as ttyUSB<first> and on. */
function plugInEg25(first: number, device: typeof eg25 | (Omit<typeof eg25, "path" | "serial"> & { path: string }) = eg25): FakePort[] {
  return [0, 1, 2, 3].map((number) =>
    bus.addTty(device, number, `ttyUSB${first + number}`, { byId: `usb-Quectel_EG25_${first}-if0${number}-port0` }),
  );
}

const find = async (address: string, finder = new Finder(address, { sysfs: bus.sysfs }), by = clock): Promise<string> => {
  channel = await finder.open(by);
  return channel.address;
};

describe("what sysfs says", () => {
  test("serial ports with vendor, product, serial number, place and interface number, and their names by id", async () => {
    plugInEg25(0);
    bus.addTty({ vendor: "1546", product: "1107", path: "1-1.10" }, 0, "ttyACM0");
    expect(await usbTtys(bus.sysfs)).toMatchObject([
      {
        device: `${bus.sysfs.dev}/ttyUSB0`,
        usb: { ...eg25, number: 0 },
        byId: expect.stringMatching(/by-id\/usb-Quectel_EG25_0-if00-port0$/),
      },
      { usb: { number: 1 } },
      { usb: { number: 2 } },
      { usb: { number: 3 } },
      { device: `${bus.sysfs.dev}/ttyACM0`, byId: undefined, usb: { vendor: "1546", product: "1107", serial: undefined, path: "1-1.10" } },
    ]);
  });

  test("network interfaces, and the port behind a link by id", async () => {
    const [, , at] = plugInEg25(0);
    bus.addNet(eg25, 4, "usb0", 7);
    expect(await usbNets(bus.sysfs)).toEqual([{ name: "usb0", usb: { ...eg25, number: 4 } }]);
    const byId = `${bus.sysfs.dev}/serial/by-id/usb-Quectel_EG25_0-if02-port0`;
    expect(await usbTtyAt(byId, bus.sysfs)).toMatchObject({ device: at?.device, usb: { number: 2 } });
    expect(await usbTtyAt("/dev/null", bus.sysfs)).toBeUndefined();
  });

  test("a tree that is not there has nothing", async () => {
    expect(await usbTtys({ sys: "/nonexistent", dev: "/nonexistent" })).toEqual([]);
  });
});

describe("addresses", () => {
  test.each([
    ["auto", { kind: "auto" }],
    ["usb:2C7C:0125", { kind: "usb", vendor: "2c7c", product: "0125", interface: undefined }],
    ["usb:1546:110a:0a", { kind: "usb", vendor: "1546", product: "110a", interface: 10 }],
  ])("%s", (address, wanted) => {
    expect(parseWanted(address)).toEqual(wanted);
  });
  test.each(["usb:", "usb:2c7c", "usb:2c7c:0125:100", "usb:2c7g:0125", "usb:2c7c:0125:02:03"])("%s is none", (address) => {
    expect(() => parseWanted(address)).toThrow(expect.objectContaining({ code: "PORT_ADDRESS" }));
  });
});

describe("a module is found by what it is", () => {
  test("the port that the table names is asked first, and no other; diagnosis and satellite ports are never opened", async () => {
    const [diag, nmea, at, data] = plugInEg25(4);
    for (const port of [diag, nmea, at, data]) if (port !== undefined) port.answer = answersAt;
    expect(await find("auto")).toBe(`serial:${at?.device}`);
    expect([diag?.received, nmea?.received, data?.received]).toEqual([[], [], []]);
  });

  test("what comes after the answer belongs to whoever gets the channel", async () => {
    const [, , at] = plugInEg25(0);
    if (at !== undefined) at.answer = (line) => (line === "AT+CGMI" ? "\r\nQuectel\r\n\r\nOK\r\n" : answersAt(line));
    await find("auto");
    const reply = new Promise<string>((resolve) => {
      let text = "";
      channel?.onData((octets) => {
        text += Buffer.from(octets).toString("latin1");
        if (text.endsWith("OK\r\n")) resolve(text);
      });
    });
    await channel?.write(Buffer.from("AT+CGMI\r"));
    expect(await reply).toBe("\r\nQuectel\r\n\r\nOK\r\n");
  });

  test("a product whose ports are not known is asked port by port: what sends sentences, or what is no text, is passed over", async () => {
    const unknown = { vendor: "2c7c", product: "ffff", path: "1-3" };
    const nmea = bus.addTty(unknown, 0, "ttyUSB0");
    const diag = bus.addTty(unknown, 1, "ttyUSB1");
    const at = bus.addTty(unknown, 2, "ttyUSB2");
    nmea.answer = () => "$GPGSV,3,1,09*4A\r\n$GNRMC,,V,,,,,,,,,,N*4D\r\n";
    diag.answer = () => "\x7e\x13\x00\xf9\x90\xee\x01\x02\x03~\x80\x81\x82\xfe";
    at.answer = (line) => `${line}\r\r\n+CREG: 1\r\n\r\nOK\r\n`;
    expect(await find("auto")).toBe(`serial:${at.device}`);
    expect([nmea.received.length > 0, diag.received.length > 0]).toEqual([true, true]);
  });

  test("usb: takes only that product, and with an interface number only that port, whatever the table says of it", async () => {
    const [, nmea, at] = plugInEg25(0);
    const other = bus.addTty({ vendor: "0403", product: "6001", path: "1-4" }, 0, "ttyUSB9");
    for (const port of [nmea, at, other]) if (port !== undefined) port.answer = answersAt;
    expect(await find("usb:0403:6001")).toBe(`serial:${other.device}`);
    await channel?.close();
    expect(await find("usb:2c7c:0125:01")).toBe(`serial:${nmea?.device}`);
  });

  test("what is no module is not touched by auto, and the refusal says why and what to write", async () => {
    const adapter = bus.addTty({ vendor: "0403", product: "6001", path: "1-4" }, 0, "ttyUSB9");
    const gnss = bus.addTty({ vendor: "1546", product: "01a8", path: "1-5" }, 0, "ttyACM0");
    await expect(new Finder("auto", { sysfs: bus.sysfs }).open(clock)).rejects.toMatchObject({
      code: "MODEM_ABSENT",
      detail: expect.stringMatching(
        /ttyUSB9: 0403:6001 is no module that is known; name it as usb:0403:6001.*ttyACM0: 1546:01a8 is of u-blox/,
      ),
    });
    expect([...adapter.received, ...gnss.received]).toEqual([]);
    await expect(new Finder("usb:2c7c:0125", { sysfs: bus.sysfs }).open(clock)).rejects.toMatchObject({ code: "MODEM_ABSENT" });
  });

  test("nothing there at all", async () => {
    await expect(new Finder("auto", { sysfs: bus.sysfs }).open(clock)).rejects.toMatchObject({
      code: "MODEM_ABSENT",
      detail: "auto: no USB serial port is there",
    });
  });

  test("a port that another process holds is named with it; the other ports are still tried", async () => {
    const [, , at, data] = plugInEg25(0);
    const holder = spawn("flock", ["--exclusive", at?.pty.path ?? "", "sh", "-c", "echo held; exec cat"], {
      stdio: ["pipe", "pipe", "inherit"],
    });
    await new Promise((resolve) => holder.stdout.once("data", resolve));
    try {
      await expect(new Finder("usb:2c7c:0125:02", { sysfs: bus.sysfs }).open(clock)).rejects.toMatchObject({
        code: "PORT_BUSY",
        detail: expect.stringMatching(/ttyUSB2: held by .*\(pid \d+\)/),
      });
      await expect(new Finder("auto", { sysfs: bus.sysfs }).open(hasty)).rejects.toMatchObject({
        code: "PORT_BUSY",
        detail: expect.stringMatching(/held by .*\(pid \d+\).*ttyUSB3 does not answer AT/),
      });
      if (data !== undefined) data.answer = answersAt;
      expect(await find("auto")).toBe(`serial:${data?.device}`);
    } finally {
      holder.stdin.end();
      await new Promise((resolve) => holder.once("close", resolve));
    }
  });

  test("the module's own port is handed over although it is silent: what wakes a stuck module needs an open port", async () => {
    const [, , at, data] = plugInEg25(0);
    expect(await find("auto", undefined, hasty)).toBe(`serial:${at?.device}`);
    expect(at?.received).toEqual(["AT", "AT", "AT"]);
    expect(data?.received).toEqual(["AT", "AT", "AT"]);
  });

  test("a product with unknown ports that all are silent is refused, each with what it did", async () => {
    bus.addTty({ vendor: "2c7c", product: "ffff", path: "1-3" }, 0, "ttyUSB0");
    bus.addTty({ vendor: "2c7c", product: "ffff", path: "1-3" }, 1, "ttyUSB1").answer = () => "x".repeat(3_000);
    await expect(new Finder("auto", { sysfs: bus.sysfs }).open(hasty)).rejects.toMatchObject({
      code: "PORT_OPEN",
      detail: expect.stringMatching(/ttyUSB0 does not answer AT; .*ttyUSB1 sends without end/),
    });
  });
});

describe("a module that goes away and comes back", () => {
  test("is found under its new name, by its serial number or its place, before another one", async () => {
    const finder = new Finder("auto", { sysfs: bus.sysfs });
    const ports = plugInEg25(4);
    const other = { vendor: "2c7c", product: "0125", path: "1-1.1" } as const;
    if (ports[2] !== undefined) ports[2].answer = answersAt;
    expect(await find("auto", finder)).toBe(`serial:${ports[2]?.device}`);
    for (const port of ports) bus.removeTty(port);
    await channel?.closed;
    const others = plugInEg25(0, other);
    const again = plugInEg25(10);
    for (const port of [...others, ...again]) port.answer = answersAt;
    expect(await find("auto", finder)).toBe(`serial:${again[2]?.device}`);
    expect(others.flatMap(({ received }) => received)).toEqual([]);
  });

  test("is waited for: another one that is there takes its place only after a while", async () => {
    const virtual = new VirtualClock();
    const at = virtualPort();
    const finder = new Finder("auto", { sysfs: bus.sysfs, openPort: async (device) => at.open(device) });
    const ports = plugInEg25(4);
    channel = await finder.open(virtual);
    for (const port of ports) bus.removeTty(port);
    await channel.close();
    const other = bus.addTty({ vendor: "1e0e", product: "9205", path: "1-9" }, 2, "ttyUSB20");
    await virtual.advance(holdMs - 1_000);
    await expect(finder.open(virtual)).rejects.toMatchObject({
      code: "MODEM_ABSENT",
      detail: expect.stringContaining("of another module than the one that was found before"),
    });
    await virtual.advance(2_000);
    channel = await finder.open(virtual);
    expect(at.opened.at(-1)).toBe(other.device);
  });

  test("in another composition it is still the one that was plugged in there", () => {
    const tty = (vendor: string, product: string, path: string, number: number) => ({
      device: `/dev/${path}-${number}`,
      byId: undefined,
      usb: { vendor, product, serial: undefined, path, number },
    });
    const before = { vendor: "1e0e", serial: undefined, path: "1-2", interface: 2 };
    const found = survey(
      [tty("2c7c", "0125", "1-1", 2), tty("1e0e", "9206", "1-2", 5), tty("1e0e", "9206", "1-2", 2)],
      { kind: "auto" },
      before,
    );
    expect(found.map(({ tty: { device } }) => device)).toEqual(["/dev/1-2-2", "/dev/1-2-5", "/dev/1-1-2"]);
  });
});

describe("the table", () => {
  test("names each product once, of vendors and families that there are, with a source", () => {
    const ids = usbProducts.map(({ vendor, product }) => `${vendor}:${product}`);
    expect(new Set(ids).size).toBe(ids.length);
    const known: readonly string[] = families.map(({ id }) => id);
    for (const { vendor, product, families: named, sources, ports, grade } of usbProducts) {
      expect([vendor, product].every((id) => /^[0-9a-f]{4}$/.test(id))).toBe(true);
      expect(usbVendor(vendor)).toBeDefined();
      expect(named.filter((id) => !known.includes(id))).toEqual([]);
      expect(sources.length).toBeGreaterThan(0);
      expect(grade === "unknown").toBe(Object.keys(ports).length === 0);
    }
  });
});

/** Ports in memory that answer AT, for virtual time. */
function virtualPort(): { readonly opened: string[]; open(device: string): ByteChannel } {
  const opened: string[] = [];
  return {
    opened,
    open(device) {
      opened.push(device);
      let end: (how: { kind: "closed" }) => void = () => undefined;
      let listener: ((octets: Uint8Array) => void) | undefined;
      return {
        address: `serial:${device}`,
        closed: new Promise((resolve) => {
          end = resolve;
        }),
        onData: (fn) => {
          listener = fn;
          return () => undefined;
        },
        write: async () => listener?.(Buffer.from("\r\nOK\r\n")),
        close: async () => end({ kind: "closed" }),
      };
    },
  };
}
