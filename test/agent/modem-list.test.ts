// simward modem list, on a bus of a test: what is found, why a port is passed over, who holds one.
import { spawn } from "node:child_process";
import { afterEach, beforeEach, expect, test } from "vitest";
import { runCli } from "../../agent/cli/main.ts";
import { answersAt, eg25, FakeBus } from "../at-drivers/discovery/fake-bus.ts";

let bus: FakeBus;
beforeEach(() => {
  bus = new FakeBus();
});
afterEach(() => bus.close());

const simward = (...args: string[]) => simwardOn(bus.sysfs, ...args);

async function simwardOn(
  { sys, dev }: { sys: string; dev: string },
  ...args: string[]
): Promise<{ code: number; out: string; err: string }> {
  let out = "";
  let err = "";
  const code = await runCli([...args, "--sys", sys, "--dev", dev, "--show-ids"], {
    stdout: (text) => {
      out += text;
    },
    stderr: (text) => {
      err += text;
    },
    columns: undefined,
    env: {},
    signal: new AbortController().signal,
  });
  return { code, out, err };
}

test("says what is there, what would be tried, and why the rest is not, without a word to any port", async () => {
  const ports = [0, 1, 2, 3].map((number) => bus.addTty(eg25, number, `ttyUSB${number}`));
  bus.addTty({ vendor: "0403", product: "6001", path: "1-4" }, 0, "ttyUSB9");
  bus.addNet(eg25, 4, "usb0", 5);
  const { code, out } = await simward("modem", "list");
  expect(code).toBe(0);
  expect(out).toMatch(/ttyUSB2 +2c7c:0125:02 +Quectel EC25, EG25 +at +would be tried/);
  expect(out).toMatch(/ttyUSB1 .*nmea +not tried: its satellite receiver's/);
  expect(out).toMatch(/ttyUSB9 +0403:6001:00 .*not tried: 0403:6001 is no module that is known; name it as usb:0403:6001/);
  expect(out).toMatch(/usb0 +2c7c:0125:04 +network +at 1-1\.2/);
  expect(ports.flatMap(({ received }) => received)).toEqual([]);
});

test("as JSON, with the process that holds a port; what somebody holds is not asked", async () => {
  const ports = [0, 1, 2, 3].map((number) => bus.addTty(eg25, number, `ttyUSB${number}`));
  for (const port of ports) port.answer = answersAt;
  const holder = spawn("flock", ["--exclusive", ports[2]?.pty.path ?? "", "sh", "-c", "echo held; exec cat"], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  await new Promise((resolve) => holder.stdout.once("data", resolve));
  try {
    const { out } = await simward("modem", "list", "--json", "--ask");
    expect(JSON.parse(out)).toMatchObject({
      schema: "simward/modem-list/1",
      ports: [
        { device: ports[2]?.device, role: "at", heldBy: [{ pid: expect.any(Number), name: expect.stringMatching(/flock|cat|sh/) }] },
        { device: ports[3]?.device, role: "data", heldBy: [], asked: "at" },
        { role: "diag", skipped: "its diagnosis port" },
        { role: "nmea" },
      ],
    });
    expect(ports.map(({ received }) => received)).toEqual([[], [], [], ["AT"]]);
  } finally {
    holder.stdin.end();
    await new Promise((resolve) => holder.once("close", resolve));
  }
});

test("nothing there, and an address that is none", async () => {
  expect(await simward("modem", "list")).toMatchObject({ code: 0, out: "no USB serial port and no USB network interface is there\n" });
  expect(await simward("modem", "list", "usb:x")).toMatchObject({ code: 2, err: expect.stringContaining("usb:VENDOR:PRODUCT") });
});

test("a tree that is not where it was said to be is named", async () => {
  const { code, err } = await simwardOn({ ...bus.sysfs, sys: `${bus.sysfs.sys}/not-there` }, "modem", "list");
  expect([code, err]).toEqual([3, expect.stringContaining("/not-there")]);
});
