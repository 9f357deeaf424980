// simward as the bundle that is installed, for tests of the process: its streams, signals and terminals.
import { cp, mkdir, mkdtemp } from "node:fs/promises";
import { join, resolve } from "node:path";
import { build } from "esbuild";

/** Answers the directory that holds simward.mjs; whoever asked removes it. */
export async function buildSimward(): Promise<string> {
  const cache = resolve("node_modules/.cache");
  await mkdir(cache, { recursive: true });
  const dir = await mkdtemp(join(cache, "simward-cli-"));
  await build({
    entryPoints: { simward: "agent/cli/program.ts" },
    bundle: true,
    platform: "node",
    target: "node20",
    format: "esm",
    outdir: dir,
    outExtension: { ".js": ".mjs" },
    banner: { js: 'import { createRequire as simwardRequire } from "node:module"; const require = simwardRequire(import.meta.url);' },
    logLevel: "error",
  });
  await cp("agent/ui/page", join(dir, "page"), { recursive: true });
  return dir;
}
