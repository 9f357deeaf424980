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

  test("udevadm verify accepts them", (context) => {
    const path = need(context, udevadm);
    if (!execFileSync(path, ["--help"], { encoding: "utf8" }).includes("verify")) context.skip("left out: this udevadm cannot verify");
    expect(execFileSync(path, ["verify", "--resolve-names=never", file], { encoding: "utf8" })).toContain("0 Fail");
  });
});
