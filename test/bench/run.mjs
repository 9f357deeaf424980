// make bench: ratios measured in one run, printed as tables. Nothing here asserts a speed.
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { build } from "esbuild";

const out = join("node_modules", ".cache", `simward-bench-${process.pid}.mjs`);
await build({
  entryPoints: ["test/bench/tables.ts"],
  bundle: true,
  platform: "node",
  format: "esm",
  target: "node20",
  outfile: out,
  packages: "external",
  logLevel: "warning",
});
try {
  const { tables } = await import(pathToFileURL(out).href);
  for (const table of tables) {
    const { title, head, rows, note } = await table();
    const all = [head, ...rows.map((row) => row.map(String))];
    const widths = head.map((_, i) => Math.max(...all.map((row) => row[i].length)));
    console.log(`\n${title}`);
    for (const row of all)
      console.log(`  ${row.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]) : cell.padStart(widths[i]))).join("  ")}`);
    if (note !== undefined) console.log(`  ${note}`);
  }
} finally {
  await rm(out, { force: true });
}
