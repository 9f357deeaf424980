// docs/discovery.md has the table of USB identities as it is; UPDATE_DOCS=1 writes it anew.
import { readFileSync, writeFileSync } from "node:fs";
import { expect, test } from "vitest";
import { usbProducts } from "../../../at-drivers/discovery/usb-ids.ts";

test("docs/discovery.md has every row of the table", () => {
  const file = "docs/discovery.md";
  const rows = usbProducts.map(({ vendor, product, modules, families, ports, grade, sources }) => {
    const roles = Object.entries(ports).map(([number, role]) => `${Number(number).toString(16).padStart(2, "0")} ${role}`);
    return `| \`${vendor}:${product}\` | ${modules} | ${families.join(", ")} | ${roles.join(", ")} | ${grade} | ${sources.join(", ")} |\n`;
  });
  const table = `| USB | modules | families | interfaces | grade | sources |\n|---|---|---|---|---|---|\n${rows.join("")}`;
  const text = readFileSync(file, "utf8");
  const [, before = "", , after = ""] = /^([\s\S]*<!-- usb:[^\n]*-->\n)([\s\S]*)(<!-- \/usb -->[\s\S]*)$/.exec(text) ?? [];
  const wanted = `${before}${table}${after}`;
  if (process.env.UPDATE_DOCS !== undefined) writeFileSync(file, wanted);
  expect(readFileSync(file, "utf8"), `${file} is not what its table says; UPDATE_DOCS=1 writes it`).toBe(wanted);
});
