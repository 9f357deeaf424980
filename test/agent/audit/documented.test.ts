// docs/audit.md is what an auditor goes by: every event that simward writes by name stands in it.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";

const source = (dir: string): readonly string[] =>
  readdirSync(dir, { withFileTypes: true }).flatMap((one) => {
    const path = join(dir, one.name);
    if (one.isDirectory()) return one.name === "cli" || one.name === "netd" ? [] : source(path);
    return one.name.endsWith(".ts") ? [readFileSync(path, "utf8")] : [];
  });

test("every event of the audit trail is in the table of docs/audit.md", () => {
  const written = new Set(source("agent").flatMap((text) => [...text.matchAll(/\bevent: "(\w+\.\w+)"/g)].map(([, name = ""]) => name)));
  const ofIpa = readFileSync("agent/audit/from-ipa.ts", "utf8").matchAll(/^ {2}"(\w+\.\w+)": "\w+",$/gm);
  for (const [, name = ""] of ofIpa) written.add(name);
  expect(written.size).toBeGreaterThan(90);
  const page = readFileSync("docs/audit.md", "utf8");
  expect([...written].filter((name) => !page.includes(`\`${name}\``))).toEqual([]);
});
