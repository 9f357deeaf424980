// The driver on a real pseudo terminal, with a virtual module behind it that hangs up at each reset and comes back under the same name.
import { mkdtempSync, readdirSync, readFileSync, readlinkSync, renameSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { openModem } from "../../at-drivers/driver.ts";
import type { ModemEvent } from "../../at-drivers/types.ts";
import { SystemClock } from "../../base/clock.ts";
import { silentLog } from "../../base/log.ts";
import { seededRandom } from "../../base/random.ts";
import { Faults } from "../../hw-sim/faults.ts";
import { VirtualModem } from "../../hw-sim/modem/module.ts";
import { World } from "../../hw-sim/network/world.ts";
import { StubCard } from "../hw-sim/modem/stub-card.ts";
import { openPty, type Pty } from "../support/pty.ts";

/** Descriptors of that file which a child process would inherit, and so hold the port open for as long as it lives. */
function inheritable(path: string): readonly string[] {
  const open = readdirSync("/proc/self/fd").filter((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`) === path;
    } catch {
      return false;
    }
  });
  // The test's own, the driver's lock and the driver's port.
  expect(open.length).toBeGreaterThanOrEqual(3);
  return open.filter((fd) => {
    const flags = /^flags:\s+([0-7]+)$/m.exec(readFileSync(`/proc/self/fdinfo/${fd}`, "utf8"))?.[1] ?? "0";
    return (Number.parseInt(flags, 8) & 0o2000000) === 0;
  });
}

test("found by its link, reset with the port hanging up right behind the OK, and found again", async () => {
  const dir = mkdtempSync(join(tmpdir(), "simward-driver-"));
  const clock = new SystemClock();
  const faults = new Faults();
  faults.set("hang-up-on-reset", "1");
  const module = new VirtualModem({
    clock,
    world: new World({ clock }),
    faults,
    uicc: new StubCard(),
    imei: "356938035643809",
    timings: { bootMs: 50, simBusy: [{ ms: 50, cme: 14 }], searchMs: 50, radioMs: 10, fetchMs: 10 },
  });
  const ptys: Pty[] = [];
  const plugIn = (): void => {
    const pty = openPty();
    ptys.push(pty);
    const port = module.openPort({
      write: (octets) => pty.write(octets),
      hangUp: () => {
        module.closePort(port);
        pty.hangUp();
        plugIn();
      },
    });
    pty.onData((octets) => port.receive(octets));
    symlinkSync(pty.path, join(dir, "new"));
    renameSync(join(dir, "new"), join(dir, "modem"));
  };
  plugIn();
  module.powerOn();
  const modem = openModem({ address: `pty:${join(dir, "modem")}`, clock, log: silentLog, random: seededRandom(1) });
  const events: ModemEvent["kind"][] = [];
  modem.onEvent(({ kind }) => events.push(kind));
  try {
    await modem.ready();
    expect(await modem.awaitRegistered({ timeoutMs: 20_000 })).toMatchObject({ status: "roaming", plmn: "26298" });
    expect(await modem.iccid()).toBe("8988211000000000011");
    expect(inheritable(ptys[0]?.path ?? "")).toEqual([]);
    await modem.reset();
    expect(events).toEqual(expect.arrayContaining(["gone", "back"]));
    expect(ptys).toHaveLength(2);
    expect(await modem.awaitRegistered({ timeoutMs: 20_000 })).toMatchObject({ status: "roaming" });
  } finally {
    await modem.close();
    module.close();
    for (const pty of ptys) pty.hangUp();
    rmSync(dir, { recursive: true });
  }
});
