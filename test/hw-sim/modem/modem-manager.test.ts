// Somebody else's host: ModemManager (Debian: modemmanager) drives the virtual module over an abstract UNIX socket, on a D-Bus of its own,
// up to "registered"; operator, ICCID and IMSI are read back through its own command line tool. No system bus, no udev.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, expect, type TestContext, test } from "vitest";
import { SystemClock } from "../../../base/clock.ts";
import { personalities } from "../../../hw-sim/modem/personalities/table.ts";
import { generic3gpp, type Personality } from "../../../hw-sim/modem/personality.ts";
import { createPki, type Pki } from "../../../hw-sim/pki/pki.ts";
import { createVehicle } from "../../../hw-sim/vehicle.ts";
import { need, program, type Running, run } from "../../support/programs.ts";

const programs = { bus: program("dbus-daemon"), manager: program("ModemManager"), tool: program("mmcli"), call: program("busctl") };
const clock = new SystemClock();
const stops: (() => Promise<void>)[] = [];
let dir: string;
let pki: Pki;

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), "simward-mm-"));
  pki = await createPki({ clock });
});
afterEach(async () => {
  for (const stop of stops.splice(0).reverse()) await stop();
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

/** Everybody may do everything: nobody else is on it. */
const busConfiguration = (socketDir: string): string => `<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><type>session</type><listen>unix:dir=${socketDir}</listen><auth>EXTERNAL</auth>
<policy context="default"><allow user="*"/><allow own="*"/><allow send_destination="*"/><allow receive_sender="*"/></policy></busconfig>`;

/** The same program with the private bus for the system's and the session's. */
function onBus(address: string, path: string, args: readonly string[]): Running {
  const started = run("/usr/bin/env", [
    `DBUS_SESSION_BUS_ADDRESS=${address}`,
    `DBUS_SYSTEM_BUS_ADDRESS=${address}`,
    "LC_ALL=C",
    path,
    ...args,
  ]);
  stops.push(() => started.stop());
  return started;
}

async function said(address: string, path: string, args: readonly string[]): Promise<string> {
  const running = onBus(address, path, args);
  await running.ended;
  return running.output();
}

/** "modem.generic.state: registered" out of mmcli's key-value form. */
function field(output: string, key: string): string | undefined {
  return new RegExp(`^${key.replaceAll(".", "\\.")} *: (.*)$`, "m").exec(output)?.[1]?.trim();
}

let runs = 0;

/** ModemManager with its plugin on a module of that make, until it has registered. */
async function manage(
  context: TestContext,
  personality: Personality,
  plugin: string,
): Promise<{ readonly modem: string; readonly sim: string; readonly log: string }> {
  const [bus, manager, tool, call] = [programs.bus, programs.manager, programs.tool, programs.call].map((one) => need(context, one));
  if (bus === undefined || manager === undefined || tool === undefined || call === undefined)
    throw new Error("unreachable: need() has left the test out");
  // ModemManager takes the prefix to be part of the name.
  const name = `abstract:simward-${process.pid}-${++runs}`;
  const timings = { bootMs: 0, simBusy: [], searchMs: 1, radioMs: 1, fetchMs: 1 };
  const vehicle = await createVehicle({ clock, pki, personality, timings, modem: [{ kind: "unix", path: `@${name}` }] });
  stops.push(() => vehicle.close());
  const configuration = join(dir, `bus-${runs}.conf`);
  writeFileSync(configuration, busConfiguration(dir));
  const daemon = run(bus, [`--config-file=${configuration}`, "--nofork", "--nopidfile", "--print-address"]);
  stops.push(() => daemon.stop());
  const address = /unix:\S+/.exec(await daemon.printed(/unix:\S+\n/))?.[0] ?? "";
  const options = [
    "--test-session",
    "--test-enable",
    "--test-no-udev",
    "--test-no-suspend-resume",
    "--test-no-qrtr",
    "--no-auto-scan",
    "--debug",
  ];
  const running = onBus(address, manager, options);
  await running.printed("was acquired");
  const [service, path] = ["org.freedesktop.ModemManager1", "/org/freedesktop/ModemManager1"];
  const profile = [`--address=${address}`, "call", service, path, `${service}.Test`, "SetProfile", "ssas", "simward", plugin, "1", name];
  expect(await said(address, call, profile)).toBe("");
  await running.printed("-> disabled)");
  expect(await said(address, tool, ["--modem=any", "--enable"])).toContain("successfully enabled the modem");
  await running.printed("-> registered)");
  const modem = await said(address, tool, ["--modem=any", "--output-keyvalue"]);
  const sim = await said(address, tool, [`--sim=${field(modem, "modem.generic.sim")}`, "--output-keyvalue"]);
  return { modem, sim, log: running.output() };
}

const managed: readonly (readonly [id: string, plugin: string, technology: string])[] = [
  ["generic", "generic", "lte"],
  ["telit-me910", "telit", "--"],
  ["quectel-eg25", "quectel", "lte"],
  // Quectel's AcT 8 is GSM to a reader that takes it by the standard [MM, Q-BG96].
  ["quectel-bg95", "quectel", "gsm"],
  ["simcom-a76xx", "simtech", "--"],
  ["ublox-sara-r4", "u-blox", "lte"],
];

for (const [id, plugin, technology] of managed)
  test(`ModemManager's plugin ${plugin} enables ${id}, and reads its operator, ICCID and IMSI`, async (context) => {
    const personality = personalities[id] ?? generic3gpp;
    const { modem, sim } = await manage(context, personality, plugin);
    expect(field(modem, "modem.generic.state")).toBe("registered");
    expect(field(modem, "modem.generic.plugin")).toBe(plugin);
    expect(field(modem, "modem.generic.manufacturer")).toBe(personality.manufacturer);
    expect(field(modem, "modem.generic.access-technologies.value\\[1\\]") ?? "--").toBe(technology);
    expect(field(modem, "modem.3gpp.operator-code")).toBe("26298");
    expect(field(modem, "modem.3gpp.registration-state")).toBe("roaming");
    expect(field(modem, "modem.3gpp.imei")).toBe("356938035643809");
    expect(field(sim, "sim.properties.iccid")).toBe("8988298000000000017");
    expect(field(sim, "sim.properties.imsi")).toBe("901980000000001");
  });
