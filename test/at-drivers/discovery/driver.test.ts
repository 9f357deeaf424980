// The driver on a module that is looked for: found among its four ports, reset, and found again under other names, while another module waits beside it.
import { expect, test } from "vitest";
import { Finder } from "../../../at-drivers/discovery/finder.ts";
import { openModem } from "../../../at-drivers/driver.ts";
import type { ModemEvent } from "../../../at-drivers/types.ts";
import { SystemClock } from "../../../base/clock.ts";
import { silentLog } from "../../../base/log.ts";
import { seededRandom } from "../../../base/random.ts";
import { Faults } from "../../../hw-sim/faults.ts";
import { VirtualModem } from "../../../hw-sim/modem/module.ts";
import { World } from "../../../hw-sim/network/world.ts";
import { StubCard } from "../../hw-sim/modem/stub-card.ts";
import { answersAt, eg25, FakeBus, type FakePort } from "./fake-bus.ts";

test("a module that resets and comes back as other ttyUSBs is the same module, and its going and coming are events", async () => {
  const clock = new SystemClock();
  const bus = new FakeBus();
  const faults = new Faults();
  faults.set("hang-up-on-reset", "1");
  const module = new VirtualModem({
    clock,
    world: new World({ clock }),
    faults,
    uicc: new StubCard(),
    imei: "356938035643809",
    timings: { bootMs: 50, simBusy: [], searchMs: 50, radioMs: 10, fetchMs: 10 },
  });
  let plugged: FakePort[] = [];
  const plugIn = (first: number): void => {
    plugged = [0, 1, 2, 3].map((number) => bus.addTty(eg25, number, `ttyUSB${first + number}`));
    const [, nmea, at] = plugged;
    if (nmea === undefined || at === undefined) throw new Error("four ports");
    nmea.answer = () => "$GPGSV,3,1,09*4A\r\n";
    const port = module.openPort({
      write: (octets) => at.pty.write(octets),
      hangUp: () => {
        module.closePort(port);
        for (const one of plugged) bus.removeTty(one);
        plugIn(first + 10);
      },
    });
    at.pty.onData((octets) => port.receive(octets));
  };
  plugIn(4);
  // Another of the same kind, in front of it by name and by place: it was not the one before.
  const other = { ...eg25, serial: "0002", path: "1-1.3" };
  module.powerOn();
  const finder = new Finder("auto", { sysfs: bus.sysfs });
  const modem = openModem({
    address: "auto",
    clock,
    log: silentLog,
    random: seededRandom(1),
    open: (_address, options) => finder.open(options.clock),
  });
  const events: ModemEvent["kind"][] = [];
  modem.onEvent(({ kind }) => events.push(kind));
  try {
    await modem.ready();
    expect(modem.status.port).toBe(`serial:${bus.sysfs.dev}/ttyUSB6`);
    const others = [0, 1, 2, 3].map((number) => bus.addTty(other, number, `ttyUSB${number}`));
    for (const port of others) port.answer = answersAt;
    await modem.reset();
    expect(modem.status.port).toBe(`serial:${bus.sysfs.dev}/ttyUSB16`);
    expect(events).toEqual(expect.arrayContaining(["gone", "back"]));
    expect(await modem.iccid()).toBe("8988211000000000011");
    expect(others.flatMap(({ received }) => received)).toEqual([]);
  } finally {
    await modem.close();
    module.close();
    bus.close();
  }
});
