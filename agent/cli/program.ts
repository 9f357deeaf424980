// The program simward: the process around the command line.
import { runCli } from "./main.ts";

const interrupted = new AbortController();
process.once("SIGINT", () => interrupted.abort());
// A reader that has gone (head, less) is no error.
process.stdout.on("error", () => process.exit(0));

const exitCode = await runCli(process.argv.slice(2), {
  stdout: (text) => process.stdout.write(text),
  stderr: (text) => process.stderr.write(text),
  stdoutIsTty: process.stdout.isTTY === true,
  env: process.env,
  signal: interrupted.signal,
});
process.exitCode = interrupted.signal.aborted ? 130 : exitCode;
