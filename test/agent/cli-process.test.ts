// simward as a process: pipes that break, disks that are full, and a bundle in which what a verb does not need is not set up.
import { execFile } from "node:child_process";
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { join, resolve } from "node:path";
import { build } from "esbuild";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

let dir = "";
beforeAll(async () => {
  const cache = resolve("node_modules/.cache");
  await mkdir(cache, { recursive: true });
  dir = await mkdtemp(join(cache, "simward-cli-"));
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
});
afterAll(() => rm(dir, { recursive: true, force: true }));

/** Runs a line of bash in which $simward is the program. */
function bash(line: string): Promise<{ readonly code: number | null; readonly stdout: string; readonly stderr: string }> {
  return new Promise((done) => {
    const env = { ...process.env, simward: `${process.execPath} ${join(dir, "simward.mjs")}` };
    const child = execFile("bash", ["-c", line], { env }, (_error, stdout, stderr) => done({ code: child.exitCode, stdout, stderr }));
  });
}

describe("simward, the program", () => {
  test("a reader that has seen enough is no error, on either stream", async () => {
    for (const line of ["$simward package decode --list | head -n 1", "$simward package decode --list 2>&1 | head -n 1"])
      expect(await bash(`${line}; echo \${PIPESTATUS[0]}`)).toMatchObject({ stdout: expect.stringMatching(/^\w+\n0\n$/), stderr: "" });
    expect(await bash("$simward status --socket /nowhere 2> >(exec head -c 1 >/dev/null); echo $?")).toMatchObject({ stdout: "4\n" });
  });

  test("a full disk behind a redirection is one", async () => {
    expect((await bash("$simward package decode --list > /dev/full")).code).toBe(1);
  });

  test("standard input is read where - stands for it", async () => {
    expect(await bash("echo 'BF4F 0302 0101' | $simward package decode --reencode -")).toMatchObject({
      code: 0,
      stdout: "BF4F03020101\n",
      stderr: expect.stringContaining("GetEimPackageResponse"),
    });
  });
});
