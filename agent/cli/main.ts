// simward, the command line of the field engineer: commander is built from the table of verbs; results, errors and exit codes are uniform.
import { Command, CommanderError } from "commander";
import { asSimwardError, SimwardError } from "../../base/errors.ts";
import { version } from "../../base/version.ts";
import { createClient } from "./client.ts";
import { exitCodeOf, exitCodes } from "./exit.ts";
import { createOutput, type Output } from "./output.ts";
import type { CliContext, Verb } from "./verb.ts";
import { verbs } from "./verbs/table.ts";

interface GlobalOptions {
  readonly json?: boolean;
  readonly plain?: boolean;
  readonly showIds?: boolean;
  readonly socket?: string;
  readonly timeout?: string;
  readonly stateDir?: string;
}

export interface CliIo {
  readonly stdout: (text: string) => void;
  readonly stderr: (text: string) => void;
  readonly stdoutIsTty: boolean;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly signal: AbortSignal;
}

/** Runs one command line; answers the exit code. Never throws. */
export async function runCli(args: readonly string[], io: CliIo): Promise<number> {
  let exitCode = 0;
  let out = createOutput({ json: args.includes("--json"), showIds: false, color: false, stdout: io.stdout, stderr: io.stderr });
  const program = new Command("simward")
    .description("what the field engineer beside the vehicle sees and does")
    .version(version)
    .exitOverride()
    .configureOutput({ writeOut: io.stdout, writeErr: () => {} })
    .option("--json", "one JSON object, or JSON lines for streams")
    .option("--plain", "no colour (NO_COLOR is respected too)")
    .option("--show-ids", "identifiers in full; they are masked by default")
    .option("--socket <path>", "the daemon's socket, instead of <dir>/<role>.sock")
    .option("--state-dir <dir>", "the daemon's state directory", "/var/lib/simward")
    .option("--timeout <seconds>", "how long to wait for the daemon", "600");
  program.hook("preAction", () => {
    out = outputFor(program.opts<GlobalOptions>(), io);
  });
  for (const verb of verbs)
    addVerb(
      program,
      verb,
      (input) => verb.run(contextFor(program.opts<GlobalOptions>(), out, io), input),
      (code) => (exitCode = code),
    );
  try {
    await program.parseAsync(withGlobalsFirst(args), { from: "user" });
    return exitCode;
  } catch (error) {
    if (error instanceof CommanderError) {
      if (error.exitCode === 0) return exitCodes.ok;
      if (error.code === "commander.help") {
        io.stderr(program.helpInformation());
        return exitCodes.usage;
      }
      out.error(new SimwardError("USAGE", { detail: error.message.replace(/^error: /, "") }));
      return exitCodes.usage;
    }
    if (io.signal.aborted) return exitCodes.interrupted;
    const e = asSimwardError(error);
    out.error(e);
    return exitCodeOf(e.code);
  }
}

function addVerb(
  program: Command,
  verb: Verb,
  run: (input: { args: string[]; options: Record<string, unknown> }) => Promise<number | undefined>,
  exit: (code: number) => void,
): void {
  const words = verb.name.split(" ");
  let parent = program;
  for (const word of words.slice(0, -1))
    parent = parent.commands.find((one) => one.name() === word) ?? parent.command(word).description(`${word} verbs`).exitOverride();
  const command = parent
    .command(words.at(-1) ?? verb.name)
    .description(verb.summary)
    .addHelpText("after", `\nExample:\n  ${verb.example}`)
    .exitOverride();
  for (const arg of verb.args ?? []) command.argument(arg.optional === true ? `[${arg.name}]` : `<${arg.name}>`, arg.help);
  for (const option of verb.options ?? []) command.option(option.flags, option.help, option.default);
  command.action(async (...received: unknown[]) => {
    const args = received.slice(0, verb.args?.length ?? 0).filter((arg): arg is string => typeof arg === "string");
    const code = await run({ args, options: command.opts() });
    if (code !== undefined) exit(code);
  });
}

/** Global options may stand anywhere on the line. */
function withGlobalsFirst(args: readonly string[]): string[] {
  const flags = ["--json", "--plain", "--show-ids"];
  const valued = ["--socket", "--timeout", "--state-dir"];
  const globals: string[] = [];
  const rest: string[] = [];
  for (let i = 0; i < args.length; i++) {
    const arg = args[i] ?? "";
    if (flags.includes(arg) || valued.some((name) => arg.startsWith(`${name}=`))) globals.push(arg);
    else if (valued.includes(arg)) globals.push(arg, ...args.slice(++i, i + 1));
    else rest.push(arg);
  }
  return [...globals, ...rest];
}

function outputFor(options: GlobalOptions, io: CliIo): Output {
  return createOutput({
    json: options.json === true,
    showIds: options.showIds === true,
    color: io.stdoutIsTty && options.plain !== true && options.json !== true && !io.env.NO_COLOR,
    stdout: io.stdout,
    stderr: io.stderr,
  });
}

function contextFor(options: GlobalOptions, out: Output, io: CliIo): CliContext {
  const timeoutSeconds = Number(options.timeout);
  if (!(timeoutSeconds > 0)) throw new SimwardError("USAGE", { detail: `--timeout ${options.timeout}: give a number of seconds` });
  const dir = io.env.SIMWARD_API_DIR ?? "/run/simward";
  return {
    out,
    api: (role) => createClient(options.socket ?? `${dir}/${role}.sock`, timeoutSeconds * 1_000),
    stateDir: options.stateDir ?? "/var/lib/simward",
    signal: io.signal,
  };
}
