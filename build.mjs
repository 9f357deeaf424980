// Bundles the programs into dist/. Native addons stay outside and are loaded lazily by the code that needs them.
import { constants } from "node:fs";
import { access, chmod, cp, mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { build } from "esbuild";

const programs = {
  simwardd: "agent/daemon.ts",
  simward: "agent/cli/program.ts",
  "simward-sim": "hw-sim/main.ts",
  "simward-netd": "agent/netd/main.ts",
  demo: "demo/main.ts",
};
const library = { agent: "agent/main.ts" };

try {
  await mkdir("dist", { recursive: true });
  await access("dist", constants.W_OK);
} catch (error) {
  console.error(
    `dist/ cannot be written (${error.code}): take a checkout that can be written to; what was built before starts with node dist/demo.mjs`,
  );
  process.exit(1);
}
const common = {
  bundle: true,
  platform: "node",
  target: "node20",
  format: "esm",
  outExtension: { ".js": ".mjs" },
  outdir: "dist",
  external: ["koffi", "serialport", "@serialport/*"],
  sourcemap: "linked",
  // A stack trace needs the places, not the text; a gateway's flash is small.
  sourcesContent: false,
  metafile: true,
  legalComments: "none",
  define: {
    SIMWARD_VERSION: JSON.stringify(JSON.parse(await readFile("package.json", "utf8")).version),
    // Whole days, so that two builds of a day are the same; SOURCE_DATE_EPOCH for those that must be the same for ever.
    SIMWARD_BUILD_MS: String(Math.floor(Number(process.env.SOURCE_DATE_EPOCH ?? Date.now() / 1_000) / 86_400) * 86_400_000),
  },
  logLevel: "warning",
};
// CommonJS dependencies (pino, coap-packet) call require(); ES modules have none.
const requireShim =
  'import { createRequire as simwardCreateRequire } from "node:module"; const require = simwardCreateRequire(import.meta.url);';
const built = [
  await build({ ...common, entryPoints: programs, banner: { js: `#!/usr/bin/env node\n${requireShim}` } }),
  await build({ ...common, entryPoints: library, banner: { js: requireShim } }),
];
for (const name of Object.keys(programs)) await chmod(`dist/${name}.mjs`, 0o755);
// Read by simward ui, which is part of dist/simward.mjs.
await cp("agent/ui/page", "dist/page", { recursive: true });

// What is bundled takes its licence along.
const inputs = built.flatMap(({ metafile }) => Object.keys(metafile.inputs));
const folders = new Set(
  inputs.map((path) => path.match(/^(?:.*\/)?node_modules\/(?:@[^/]+\/)?[^/]+/)?.[0]).filter((path) => path !== undefined),
);
const notices = [...folders].sort().map(async (folder) => {
  const { name, version, license } = JSON.parse(await readFile(`${folder}/package.json`, "utf8"));
  if (license === undefined) throw new Error(`${folder}/package.json names no licence`);
  const file = (await readdir(folder)).find((entry) => /^(licen[cs]e|copying)/i.test(entry));
  return `${name} ${version} (${license})\n\n${file === undefined ? "" : await readFile(`${folder}/${file}`, "utf8")}`;
});
await writeFile("dist/LICENSES.txt", (await Promise.all(notices)).join(`\n${"-".repeat(80)}\n\n`));
