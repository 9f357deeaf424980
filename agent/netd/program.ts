// Runs one of the system's programs for a verb: fixed path, no shell, no environment, a deadline; what it reads comes on its standard input.
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import type { Clock } from "../../base/clock.ts";
import { SimwardError } from "../../base/errors.ts";

const limitMs = 10_000;
const mostOutputBytes = 1_048_576;
/** proc(5) counts in hundredths of a second, whatever the kernel's own tick is. */
const tickMs = 10;

/** Answers what it wrote to standard output. Throws NETD_PROGRAM when it is not installed, NETD_FAILED with its words when it fails. */
export function runProgram(path: string, args: readonly string[], clock: Clock, input?: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(path, [...args], { stdio: [input === undefined ? "ignore" : "pipe", "pipe", "pipe"], env: {}, cwd: "/" });
    const said = { stdout: "", stderr: "" };
    let tooLong = false;
    const cancel = clock.after(limitMs, () => {
      tooLong = true;
      child.kill("SIGKILL");
    });
    for (const which of ["stdout", "stderr"] as const)
      child[which]?.setEncoding("utf8").on("data", (chunk: string) => {
        if (said[which].length < mostOutputBytes) said[which] += chunk;
      });
    child.once("error", (error) => {
      cancel();
      if ("code" in error && error.code === "ENOENT") reject(new SimwardError("NETD_PROGRAM", { detail: path, cause: error }));
      else reject(new SimwardError("NETD_FAILED", { detail: `${path}: ${error.message}`, cause: error }));
    });
    child.once("close", (code, signal) => {
      cancel();
      if (code === 0) return resolve(said.stdout);
      const how = tooLong ? `not done within ${limitMs / 1_000} s` : said.stderr.trim().slice(0, 1_000) || `code ${code ?? signal}`;
      reject(new SimwardError("NETD_FAILED", { detail: `${path} ${args.join(" ")}: ${how}` }));
    });
    // A program that ends without reading is told by its code.
    child.stdin?.on("error", () => {});
    child.stdin?.end(input);
  });
}

/** Processor time that this process has taken, and the programs it has run to their end. */
export function spentMs(): number {
  // After the name, which may have spaces: utime, stime, cutime and cstime are the 14th to 17th.
  const fields = readFileSync("/proc/self/stat", "latin1")
    .replace(/^.*\) /s, "")
    .split(" ");
  return fields.slice(11, 15).reduce((ticks, field) => ticks + Number(field), 0) * tickMs;
}
