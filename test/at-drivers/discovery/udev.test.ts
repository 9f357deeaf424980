// systemd/70-simward.rules is what the table of USB identities says; UPDATE_DOCS=1 writes it anew.
import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { udevRules } from "../../../at-drivers/discovery/udev.ts";
import { usbProducts, usbVendors } from "../../../at-drivers/discovery/usb-ids.ts";
import { need, program } from "../../support/programs.ts";

const file = "systemd/70-simward.rules";
const udevadm = program("udevadm");

describe("udev rules", () => {
  test("the file is what the table says", () => {
    if (process.env.UPDATE_DOCS !== undefined) writeFileSync(file, udevRules());
    expect(readFileSync(file, "utf8")).toBe(udevRules());
  });

  test("every module of the table is covered, and a maker's other devices are not", () => {
    const rules = udevRules().split("\n");
    for (const { vendor, product } of usbProducts) {
      const whole = usbVendors.find((row) => row.vendor === vendor)?.onlyModules === true;
      const rule = rules.find((line) => line.includes(`"${vendor}"`) && (whole || line.includes(`ATTRS{idProduct}=="${product}"`)));
      expect(rule).toContain('ENV{ID_MM_DEVICE_IGNORE}="1"');
      expect(rule?.includes("idProduct")).toBe(!whole);
    }
    // A satellite receiver of u-blox.
    expect(rules.filter((line) => line.includes('"1546"') && !line.includes("idProduct"))).toEqual([]);
  });

  test("udevadm reads them without a complaint", (context) => {
    const path = need(context, udevadm);
    // In a mount namespace of its own: the host's rules stay what they are. Complaints name file and line.
    const script = `mkdir -p /run/udev && mount -t tmpfs none /run/udev && mkdir /run/udev/rules.d && cp ${file} /run/udev/rules.d/ && ${path} test /sys/class/mem/null 2>&1`;
    const said = execFileSync("unshare", ["--mount", "sh", "-c", script], { encoding: "utf8" });
    expect(said).toContain("Reading rules file: /run/udev/rules.d/70-simward.rules");
    expect(said).not.toMatch(/70-simward\.rules:\d/);
  });
});
