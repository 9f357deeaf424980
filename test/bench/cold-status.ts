// What a cold `simward status` costs the processor, over `node -e 0`: the built programs (dist/), a daemon that runs on a virtual module, medians.
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import { ProgramBench } from "../support/e2e-programs.ts";
import type { Table } from "./tables.ts";

const rounds = 15;

/** User and system milliseconds of one process, as the kernel counted them. */
function cpuMs(words: readonly string[], dir: string): Promise<number> {
  return new Promise((done, fail) => {
    const script = `TIMEFORMAT='%3U %3S'; time "$@" > /dev/null 2> /dev/null`;
    execFile(
      "bash",
      ["-c", script, "bash", ...words],
      { env: { ...process.env, SIMWARD_API_DIR: join(dir, "run") } },
      (error, _out, stderr) => {
        const [user, system] = stderr.trim().split(" ").map(Number);
        if (error !== null || user === undefined || system === undefined) fail(error ?? new Error(stderr));
        else done((user + system) * 1_000);
      },
    );
  });
}

const median = (values: readonly number[]): number => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;

export async function coldStatus(): Promise<Table> {
  const title = "A cold `simward status` against a running daemon, user and system time over that of `node -e 0`, medians";
  const head = ["", "ratio"];
  if (!existsSync("dist/simward.mjs")) return { title, head, rows: [], note: "dist/ is not built: node build.mjs" };
  const bench = await ProgramBench.create(resolve("dist"));
  try {
    const sim = await bench.sim("--modem", "tcp:0");
    await bench.daemon(await bench.config(`tcp:${sim.ready.modem.tcp}`));
    await bench.online();
    const simward = resolve("dist/simward.mjs");
    const measured: Record<"nothing" | "status" | "json", number[]> = { nothing: [], status: [], json: [] };
    // In turns, so that what else the machine does falls on all alike.
    for (let round = 0; round < rounds; round++) {
      measured.nothing.push(await cpuMs([process.execPath, "-e", "0"], bench.dir));
      measured.status.push(await cpuMs([process.execPath, simward, "status"], bench.dir));
      measured.json.push(await cpuMs([process.execPath, simward, "status", "--json"], bench.dir));
    }
    const ratio = (values: readonly number[]): string => (median(values) / median(measured.nothing)).toFixed(2);
    return {
      title,
      head,
      rows: [
        ["for people", ratio(measured.status)],
        ["--json", ratio(measured.json)],
      ],
      note: "target: 2.5 at most",
    };
  } finally {
    await bench.close();
  }
}
