// Modules on the USB that show no AT port: in their boot loader, or in a composition without one.
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { parseConfig } from "../../../agent/config/load.ts";
import type { LocalContext } from "../../../agent/doctor/local/context.ts";
import { portChecks } from "../../../agent/doctor/local/port.ts";
import { VirtualClock } from "../../../base/clock.ts";
import { FakeBus } from "../../at-drivers/discovery/fake-bus.ts";
import { isRealMend } from "../../support/mends.ts";

describe("a module on the USB", () => {
  let bus: FakeBus;
  beforeEach(() => {
    bus = new FakeBus();
  });
  afterEach(() => bus.close());

  const looked = () => {
    const config = parseConfig('[modem]\naddress = "auto"\n');
    const context: LocalContext = {
      ...{ clock: new VirtualClock(), configPath: undefined, running: config, readConfig: async () => config },
      ...{ daemonProblem: undefined, stateDir: "/nowhere", sysfs: bus.sysfs },
      verifyAudit: async () => ({ ok: true, records: 0, words: "" }),
    };
    return portChecks.find(({ name }) => name === "module-port")?.run(context, new AbortController().signal);
  };

  test.each([
    ["in Qualcomm's emergency download", [["05c6", "9008", 0]], /boot loader \(USB 05c6:9008/, /load its firmware anew/],
    ["in a memory dump after a crash", [["05c6", "900e", 0]], /memory dump after a crash/, /power off and on/],
    ["with its satellite receiver's port alone", [["2c7c", "0125", 1]], /none of its AT ports: .*satellite/, /USB composition/],
    [
      "with diagnosis and satellite ports",
      [
        ["2c7c", "0125", 0],
        ["2c7c", "0125", 1],
      ],
      /diagnosis port; .*satellite/,
      /docs\/modules\.md/,
    ],
    ["of a maker who makes other things too", [["05c6", "1234", 0]], /no module is found .*need not be a module/, /lsusb/],
    ["not there", [], /no USB serial port is there/, /power and cable/],
  ] as const)("%s", async (_title, ttys, cause, mend) => {
    for (const [at, [vendor, product, number]] of ttys.entries()) bus.addTty({ vendor, product, path: "1-1" }, number, `ttyUSB${at}`);
    const said = await looked();
    expect(said).toMatchObject({ level: "fail", cause: expect.stringMatching(cause), mend: expect.stringMatching(mend) });
    expect(isRealMend(said?.mend ?? "")).toBe(true);
  });

  test("with an AT port is well", async () => {
    bus.addTty({ vendor: "2c7c", product: "0125", path: "1-1" }, 2, "ttyUSB2");
    expect(await looked()).toMatchObject({ level: "pass" });
  });
});
