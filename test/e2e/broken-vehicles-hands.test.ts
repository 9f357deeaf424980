// Broken vehicles by somebody's hand: a record of the audit trail rewritten, a disk that is nearly full, a line at another rate. Asked by the command line.
import { spawn } from "node:child_process";
import { mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { type AddressInfo, createServer } from "node:net";
import { join } from "node:path";
import { expect } from "vitest";
import { brokenPrograms, diagnosed, examined } from "../support/broken-programs.ts";
import { until } from "../support/e2e-programs.ts";
import { program as found, need } from "../support/programs.ts";

const vehicle = brokenPrograms();

vehicle("a record of the audit trail that somebody has rewritten: which one it is, with the daemon and without", async (bench) => {
  const config = await bench.parked("tcp");
  const dir = join(bench.dir, "state", "audit");
  const [segment = ""] = (await readdir(dir)).filter((name) => name.endsWith(".jsonl"));
  const lines = (await readFile(join(dir, segment), "utf8")).split("\n");
  expect(lines.length).toBeGreaterThan(4);
  lines[2] = (lines[2] ?? "").replace(/"cause":"[^"]*"/, '"cause":"nobody"');
  await writeFile(join(dir, segment), lines.join("\n"));
  const without = (await examined(bench, config)).findings.find(({ check }) => check === "audit-trail");
  expect(without).toMatchObject({ level: "fail", cause: expect.stringMatching(/seq 3\b/) });
  await bench.daemon(config);
  expect(await diagnosed(bench, config, "audit-trail")).toMatchObject({
    ...{ level: "fail", cause: expect.stringMatching(/seq 3\b/), mend: expect.stringContaining("simward audit verify") },
  });
});

vehicle("a disk that is nearly full: told before it is, and no more when there is room again", async (bench, context) => {
  context.skip(process.getuid?.() !== 0, "left out: only root may mount");
  const [mount, umount] = [need(context, found("mount")), need(context, found("umount"))];
  const run = (command: string, ...args: readonly string[]): Promise<void> =>
    new Promise((resolve, reject) => {
      spawn(command, [...args], { stdio: "ignore" }).once("exit", (code) =>
        code === 0 ? resolve() : reject(new Error(`${command} ${args.join(" ")}: ${code}`)),
      );
    });
  const state = join(bench.dir, "state");
  await mkdir(state);
  await run(mount, "-t", "tmpfs", "-o", "size=40m", "tmpfs", state);
  try {
    const sim = await bench.sim("--modem", "tcp");
    const config = await bench.config(`tcp:${sim.ready.modem.tcp}`);
    await bench.daemon(config);
    await bench.online();
    await writeFile(join(state, "core.4711"), Buffer.alloc(30 * 1024 * 1024));
    expect(await diagnosed(bench, config, "disk")).toMatchObject({
      ...{ level: "warn", cause: expect.stringMatching(/MiB of 40 MiB are free/), mend: expect.stringContaining(`df -h ${state}`) },
    });
    await rm(join(state, "core.4711"));
    expect((await examined(bench, config)).causes).not.toContain("disk");
  } finally {
    await run(umount, "-l", state);
  }
});

vehicle("a line at another rate than the module's: what comes there is no text", async (bench) => {
  const noise = Buffer.from("f8e09800ff1c7ee3c0f8fe98e67f00f8e09800", "hex");
  const server = createServer((socket) => {
    socket.on("error", () => undefined);
    socket.on("data", () => socket.write(noise));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  try {
    const config = await bench.config(`tcp:127.0.0.1:${(server.address() as AddressInfo).port}`);
    await bench.daemon(config);
    const finding = await until(
      () => diagnosed(bench, config, "module-answers"),
      ({ cause = "" }) => /line rate/.test(cause),
    );
    expect(finding).toMatchObject({ level: "fail", mend: expect.stringContaining("?baud=") });
  } finally {
    server.close();
  }
});
