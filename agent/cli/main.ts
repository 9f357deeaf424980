// simward, the command line of the field engineer: commander is built from the table of verbs; results, errors and exit codes are uniform.
import { Command, CommanderError } from "commander";
import { asSimwardError, SimwardError } from "../../base/errors.ts";
import { nearest } from "../../base/nearest.ts";
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

interface GlobalOption {
  readonly flags: string;
  readonly help: string;
  readonly default?: string;
}

/** They may stand anywhere on the line. */
export const globalOptions: readonly GlobalOption[] = [
  { flags: "--json", help: "one JSON object, or JSON lines for streams; errors too" },
  { flags: "--plain", help: "no colour (NO_COLOR is respected too)" },
  { flags: "--show-ids", help: "identifiers in full; they are masked by default" },
  { flags: "--socket <path>", help: "the daemon's socket, instead of /run/simward/<role>.sock" },
  { flags: "--state-dir <dir>", help: "the daemon's state directory", default: "/var/lib/simward" },
  { flags: "--timeout <seconds>", help: "how long the daemon may take to answer" },
];

export interface CliIo {
  readonly stdout: (text: string) => void;
  readonly stderr: (text: string) => void;
  /** Of the terminal that stdout is; undefined where it is none. */
  readonly columns: number | undefined;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly signal: AbortSignal;
}

/** Runs one command line; answers the exit code. Never throws. */
export async function runCli(args: readonly string[], io: CliIo): Promise<number> {
  let exitCode = 0;
  let out = outputFor({ json: args.includes("--json") }, io);
  const program = new Command("simward")
    .description("what the field engineer beside the vehicle sees and does")
    .version(version, "-V, --version", "the version")
    .helpOption("-h, --help", "this help")
    .helpCommand(false)
    .showSuggestionAfterError(false)
    .exitOverride()
    .configureOutput({ writeOut: io.stdout, writeErr: io.stderr, outputError: () => {}, getOutHelpWidth: () => io.columns ?? 100 });
  for (const { flags, help, default: value } of globalOptions) program.option(flags, help, value);
  program.hook("preAction", () => {
    out = outputFor(program.opts<GlobalOptions>(), io);
  });
  for (const verb of verbs)
    addVerb(
      program,
      verb,
      (input) => verb.run(contextFor(program.opts<GlobalOptions>(), verb, out, io), input),
      (code) => (exitCode = code),
    );
  try {
    await program.parseAsync(withGlobalsFirst(args), { from: "user" });
    return exitCode;
  } catch (error) {
    if (error instanceof CommanderError) {
      if (error.exitCode === 0) return exitCodes.ok;
      // The help of what is incomplete has been shown.
      if (error.code !== "commander.help") out.error(usageError(error, args));
      return exitCodes.usage;
    }
    if (io.signal.aborted) return exitCodes.interrupted;
    const e = asSimwardError(error);
    out.error(e);
    return exitCodeOf(e.code);
  }
}

function usageError(error: CommanderError, args: readonly string[]): SimwardError {
  if (error.code !== "commander.unknownCommand") return new SimwardError("USAGE", { detail: error.message.replace(/^error: /, "") });
  const typed = args.filter((arg) => !arg.startsWith("-")).slice(0, 2);
  const names = verbs.map(({ name }) => name);
  const meant = nearest(typed.join(" "), names) ?? nearest(typed.at(-1) ?? "", names) ?? nearest(typed[0] ?? "", names);
  const hint = meant === undefined ? "" : `; did you mean simward ${meant}?`;
  return new SimwardError("USAGE", { detail: `there is no verb ${JSON.stringify(typed.join(" "))}${hint}` });
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
    parent = parent.commands.find((one) => one.name() === word) ?? parent.command(word).description(verbsOf(word)).helpCommand(false);
  const command = parent
    .command(words.at(-1) ?? verb.name)
    .description(verb.summary)
    .addHelpText("after", `\nExample:\n  ${verb.example}\n`);
  for (const arg of verb.args ?? []) command.argument(arg.optional === true ? `[${arg.name}]` : `<${arg.name}>`, arg.help);
  for (const option of verb.options ?? []) command.option(option.flags, option.help, option.default);
  command.action(async (...received: unknown[]) => {
    const args = received.slice(0, verb.args?.length ?? 0).filter((arg): arg is string => typeof arg === "string");
    const code = await run({ args, options: command.opts() });
    if (code !== undefined) exit(code);
  });
}

/** "tail, verify" */
function verbsOf(noun: string): string {
  return verbs.flatMap(({ name }) => (name.startsWith(`${noun} `) ? [name.slice(noun.length + 1)] : [])).join(", ");
}

function withGlobalsFirst(args: readonly string[]): string[] {
  const named = (arg: string): GlobalOption | undefined => globalOptions.find(({ flags }) => flags.split(" ")[0] === arg.split("=")[0]);
  const globals: string[] = [];
  const rest: string[] = [];
  for (let i = 0; i < args.length; i++) {
    const arg = args[i] ?? "";
    // What comes behind it is no option of ours.
    if (arg === "--") return [...globals, ...rest, ...args.slice(i)];
    const option = named(arg);
    if (option === undefined) rest.push(arg);
    else if (option.flags.includes(" ") && !arg.includes("=")) globals.push(arg, ...args.slice(++i, i + 1));
    else globals.push(arg);
  }
  return [...globals, ...rest];
}

function outputFor(options: GlobalOptions, io: CliIo): Output {
  return createOutput({
    json: options.json === true,
    showIds: options.showIds === true,
    color: io.columns !== undefined && options.plain !== true && options.json !== true && !io.env.NO_COLOR,
    width: io.columns,
    stdout: io.stdout,
    stderr: io.stderr,
  });
}

function contextFor(options: GlobalOptions, verb: Verb, out: Output, io: CliIo): CliContext {
  const timeoutSeconds = options.timeout === undefined ? (verb.timeoutSeconds ?? 30) : Number(options.timeout);
  if (!(timeoutSeconds > 0)) throw new SimwardError("USAGE", { detail: `--timeout ${options.timeout}: give a number of seconds` });
  const dir = io.env.SIMWARD_API_DIR ?? "/run/simward";
  return {
    out,
    api: (role) => createClient(options.socket ?? `${dir}/${role}.sock`, timeoutSeconds * 1_000, io.signal),
    stateDir: options.stateDir ?? "/var/lib/simward",
    signal: io.signal,
  };
}
