// The program simward: the process around the command line.
import { runCli } from "./main.ts";
import { enterScreen, leaveScreen, type Screen } from "./screen.ts";

const interrupted = new AbortController();
process.once("SIGINT", () => interrupted.abort());
// A reader that has gone (head, less) is no error; a full disk behind a redirection is one.
for (const stream of [process.stdout, process.stderr])
  stream.on("error", (error: NodeJS.ErrnoException) => process.exit(error.code === "EPIPE" ? 0 : 1));

process.exitCode = await runCli(process.argv.slice(2), {
  stdout: (text) => process.stdout.write(text),
  stderr: (text) => process.stderr.write(text),
  get progressColumns() {
    return columnsOf(process.stderr);
  },
  ask: process.stdin.isTTY === true && process.stderr.isTTY === true ? askAtTerminal : undefined,
  columns: columnsOf(process.stdout),
  screen: process.stdout.isTTY === true ? terminal() : undefined,
  env: process.env,
  signal: interrupted.signal,
});

/** Whatever ends the process: a terminal that was taken over as a whole is given back. */
function terminal(): Screen {
  const { stdout } = process;
  let isTaken = false;
  process.once("exit", () => {
    if (isTaken) stdout.write(leaveScreen);
  });
  const on = (event: "drain" | "resize", fn: () => void): (() => void) => {
    stdout.on(event, fn);
    return () => void stdout.off(event, fn);
  };
  return {
    get columns() {
      return stdout.columns || 80;
    },
    get rows() {
      return stdout.rows || 24;
    },
    write(text) {
      if (text === enterScreen) {
        isTaken = true;
        for (const signal of ["SIGTERM", "SIGHUP"] as const) process.once(signal, () => interrupted.abort());
      } else if (text === leaveScreen) isTaken = false;
      return stdout.write(text);
    },
    onDrain: (fn) => on("drain", fn),
    onResize: (fn) => on("resize", fn),
  };
}

/** A serial console is a terminal that does not know how wide it is. */
function columnsOf({ isTTY, columns }: NodeJS.WriteStream): number | undefined {
  return isTTY === true ? columns || 80 : undefined;
}

async function askAtTerminal(question: string, signal: AbortSignal): Promise<string> {
  const { createInterface } = await import("node:readline/promises");
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  // A raw terminal gives Ctrl-C as a key, and its end (Ctrl-D, hang-up) settles no question by itself.
  terminal.once("SIGINT", () => interrupted.abort());
  const ended = new Promise<string>((done) => terminal.once("close", () => done("")));
  try {
    return await Promise.race([terminal.question(question, { signal }), ended]);
  } finally {
    terminal.close();
  }
}
