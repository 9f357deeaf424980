// The table of checks: its order, what stands on what, and docs/doctor.md, which is made from it (UPDATE_DOCS=1 writes it anew).
import { readFileSync, writeFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { checks, factoryNames } from "../../../agent/doctor/table.ts";

const names = checks.map(({ name }) => name);

describe("the table of checks", () => {
  test("names each once, in kebab-case", () => {
    expect(new Set(names).size).toBe(names.length);
    for (const name of names) expect(name).toMatch(/^[a-z0-9]+(-[a-z0-9]+)*$/);
  });

  test("has every check behind what it stands on", () => {
    const late = checks.flatMap(({ name, needs = [] }, at) => {
      const unknownOrLater = needs.filter((need) => !names.slice(0, at).includes(need));
      return unknownOrLater.map((need) => `${name} needs ${need}`);
    });
    expect(late).toEqual([]);
  });

  test("lets no check that runs without the daemon stand on one that does not", () => {
    const local = new Set(checks.filter(({ isLocal }) => isLocal === true).map(({ name }) => name));
    for (const { name, isLocal, needs = [] } of checks)
      if (isLocal === true) for (const need of needs) expect(local.has(need), `${name} needs ${need}`).toBe(true);
  });

  test("has what the field asks for, by name", () => {
    const wanted = [
      "module-port port-permission port-contention own-lpa module-family rat sim card-class euicc-certificates eim-configured eim-trusted dns",
      "dtls-handshake tls-handshake apn data-path clock disk audit-trail imei-pairing bip tunnel roaming-days pending power-saving forbidden-networks",
      "registration config netd policy signal throughput emergency lifecycle test-state-plan apn-per-market",
    ].flatMap((line) => line.split(" "));
    expect(wanted.filter((name) => !names.includes(name))).toEqual([]);
  });

  test("is docs/doctor.md", () => {
    const rows = checks.map(({ name, section, reach, needs = [], isLocal, about }) => {
      const marks = [isLocal === true ? "local" : "", factoryNames.includes(name) ? "factory" : "", reach === "nothing" ? "" : reach];
      return `| \`${name}\` | ${section} | ${marks.filter((mark) => mark !== "").join(", ")} | ${needs.map((need) => `\`${need}\``).join(", ")} | ${about} |\n`;
    });
    const made = `\n*local*: without the daemon too; *factory*: with \`--factory\` only; *module*, *card*, *network*: asks these.\n\n| check | of | | stands on | looks at |\n|---|---|---|---|---|\n${rows.join("")}\n`;
    const text = readFileSync("docs/doctor.md", "utf8");
    const wanted = text.replace(
      /(<!-- checks:[^\n]*-->\n)[\s\S]*(<!-- \/checks -->)/,
      (_all, open: string, close: string) => `${open}${made}${close}`,
    );
    if (process.env.UPDATE_DOCS !== undefined) writeFileSync("docs/doctor.md", wanted);
    else expect(text, "docs/doctor.md is not what the table says; UPDATE_DOCS=1 writes it").toBe(wanted);
  });
});
