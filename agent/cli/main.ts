// simward, the command line of the field engineer: the verb that is asked for is found in the table, loaded and run; results, errors and exit codes
// are uniform.
import { Command, CommanderError } from "commander";
import { type Clock, SystemClock } from "../../base/clock.ts";
import { asSimwardError, SimwardError } from "../../base/errors.ts";
import { version } from "../../base/version.ts";
import { createClient } from "./client.ts";
import { courteous, patient, Rehearsed, rehearsing } from "./client-manners.ts";
import { exitCodeOf, exitCodes } from "./exit.ts";
import { type GlobalOptions, globalOptions, takeGlobals } from "./options.ts";
import { createOutput, type Output } from "./output.ts";
import type { Screen } from "./screen.ts";
import { subjectOf, usageError, withHelpOf } from "./usage-error.ts";
import { type CliContext, durationMs, optionsOf, textOption, type Verb, type VerbInput } from "./verb.ts";
import { loadVerbs, verbRows } from "./verbs/table.ts";

export interface CliIo {
  readonly stdout: (text: string) => void;
  readonly stderr: (text: string) => void;
  /** Of the terminal that stdout is; undefined where it is none. */
  readonly columns: number | undefined;
  /** Of the terminal that stderr is; there progress is shown as one line that changes. */
  readonly progressColumns?: number | undefined;
  /** A question to the person at the terminal; undefined where nobody sits there. */
  readonly ask?: ((question: string, signal: AbortSignal) => Promise<string>) | undefined;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly signal: AbortSignal;
  readonly clock?: Clock;
  /** The terminal that stdout is, as a whole. */
  readonly screen?: Screen | undefined;
}

/** Runs one command line; answers the exit code. Never throws. */
export async function runCli(args: readonly string[], io: CliIo): Promise<number> {
  let exitCode = 0;
  const { globals, rest } = takeGlobals(args);
  const clock = io.clock ?? new SystemClock();
  const { subject, words, rows } = subjectOf(rest);
  let out = outputFor(flagsOf(globals), undefined, io, clock);
  const program = new Command("simward")
    .description("what the field engineer beside the vehicle sees and does")
    .version(version, "-V, --version", "the version")
    .helpOption("-h, --help", "this help")
    .helpCommand(false)
    .showSuggestionAfterError(false)
    .exitOverride()
    .configureHelp({ minWidthToWrap: 12 })
    .configureOutput({ writeOut: io.stdout, writeErr: io.stderr, outputError: () => {}, getOutHelpWidth: () => io.columns ?? 100 });
  for (const { flags, help, default: value } of globalOptions) program.option(flags, help, value);
  let only: Verb | undefined;
  const run = async (verb: Verb, input: VerbInput): Promise<void> => {
    const options = program.opts<GlobalOptions>();
    out = outputFor(options, verb, io, clock);
    const meant = options.dryRun === true ? input : await confirmed(verb, input, io);
    try {
      exitCode = (await verb.run(contextFor(options, verb, out, io, clock, textOption(meant, "reason")), meant)) ?? 0;
    } finally {
      out.endProgress();
    }
  };
  try {
    const loaded = await loadVerbs(rows);
    only = loaded.length === 1 ? loaded[0] : undefined;
    out = outputFor(flagsOf(globals), only, io, clock);
    for (const verb of loaded) addVerb(program, loaded.length === 1 ? words.join(" ") : verb.name, verb, run);
    await program.parseAsync([...globals, ...rest], { from: "user" });
    return exitCode;
  } catch (error) {
    if (error instanceof Rehearsed) return exitCodes.ok;
    if (error instanceof CommanderError) {
      if (error.exitCode === 0) return exitCodes.ok;
      // The help of what is incomplete has been shown.
      if (error.code !== "commander.help") out.error(withHelpOf(subject, usageError(error, rest, only)));
      return exitCodes.usage;
    }
    if (io.signal.aborted) {
      // Those that tell how far it is have said so.
      if (only?.writes === true && only.hasProgress !== true)
        out.hint("not waited for any longer; what the daemon has begun goes on: simward status");
      return exitCodes.interrupted;
    }
    const e = withHelpOf(subject, asSimwardError(error));
    out.error(e);
    return exitCodeOf(e.code);
  }
}

function addVerb(program: Command, name: string, verb: Verb, run: (verb: Verb, input: VerbInput) => Promise<void>): void {
  const words = name.split(" ");
  let parent = program;
  for (const word of words.slice(0, -1))
    parent = parent.commands.find((one) => one.name() === word) ?? parent.command(word).description(verbsOf(word)).helpCommand(false);
  const command = parent
    .command(words.at(-1) ?? verb.name)
    .description(verb.summary)
    .addHelpText("after", `\nExample:\n  ${verb.example}\n\nOptions of every verb: simward --help\n`);
  for (const arg of verb.args ?? []) command.argument(arg.optional === true ? `[${arg.name}]` : `<${arg.name}>`, arg.help);
  for (const option of optionsOf(verb)) command.option(option.flags, option.help, option.default);
  command.action((...received: unknown[]) => {
    const args = received.slice(0, verb.args?.length ?? 0).filter((arg): arg is string => typeof arg === "string");
    return run(verb, { args, options: command.opts() });
  });
}

/** "tail, verify" */
function verbsOf(noun: string): string {
  return verbRows.flatMap(({ name }) => (name.startsWith(`${noun} `) ? [name.slice(noun.length + 1)] : [])).join(", ");
}

/** Whoever sits at the terminal is asked; a script says it beforehand. Throws USAGE. */
async function confirmed(verb: Verb, input: VerbInput, io: CliIo): Promise<VerbInput> {
  if (verb.danger === undefined) return input;
  const reason = textOption(input, "reason");
  const isMeant = input.options.yes === true;
  if (io.ask === undefined) {
    const missing = [...(isMeant ? [] : ["--yes"]), ...(reason === undefined ? ["--reason"] : [])];
    if (missing.length > 0) throw new SimwardError("USAGE", { detail: `${verb.danger}: say ${missing.join(" and ")} that it is meant` });
    return input;
  }
  if (!isMeant && !/^y(es)?$/i.test((await io.ask(`${verb.name}: ${verb.danger}. Is it meant? [y/N] `, io.signal)).trim()))
    throw new SimwardError("USAGE", { detail: `${verb.name}: not done, because it was not meant` });
  const why = reason ?? (await io.ask("Why (for the audit trail)? ", io.signal)).trim();
  if (why === "") throw new SimwardError("USAGE", { detail: "give a --reason for the audit trail" });
  return { ...input, options: { ...input.options, yes: true, reason: why } };
}

/** As far as an error needs them before the line is parsed as a whole. */
function flagsOf(globals: readonly string[]): GlobalOptions {
  const has = (flag: string): boolean => globals.includes(flag);
  return { json: has("--json"), jsonl: has("--jsonl"), plain: has("--plain"), showIds: has("--show-ids") };
}

function outputFor(options: GlobalOptions, verb: Verb | undefined, io: CliIo, clock: Clock): Output {
  const json = options.json === true || options.jsonl === true;
  const isColoured = options.plain !== true && !json && !io.env.NO_COLOR;
  return createOutput({
    json,
    lines: options.jsonl === true,
    hasProgress: verb?.hasProgress === true,
    showIds: options.showIds === true,
    color: io.columns !== undefined && isColoured,
    width: io.columns,
    progressWidth: json || options.plain === true || verb?.hasProgress !== true ? undefined : () => io.progressColumns,
    stdout: io.stdout,
    stderr: io.stderr,
    clock,
  });
}

function contextFor(options: GlobalOptions, verb: Verb, out: Output, io: CliIo, clock: Clock, reason?: string): CliContext {
  const timeoutMs = options.timeout === undefined ? (verb.timeoutSeconds ?? 30) * 1_000 : durationMs("timeout", options.timeout);
  const waitMs = options.wait === undefined ? 0 : durationMs("wait", options.wait);
  const dir = io.env.SIMWARD_API_DIR ?? "/run/simward";
  for (const [flag, path] of Object.entries({ socket: options.socket, "state-dir": options.stateDir }))
    if (path === "") throw new SimwardError("USAGE", { detail: `--${flag} '': give a path` });
  let isTold = false;
  const hintOnce = (text: string): void => {
    if (!isTold) out.hint(text);
    isTold = true;
  };
  const rate = { limitMs: Math.max(timeoutMs, waitMs), clock, signal: io.signal, hint: hintOnce };
  return {
    out,
    api: (role) => {
      const why = verb.writes === true ? reason : undefined;
      const client = courteous(createClient(options.socket ?? `${dir}/${role}.sock`, timeoutMs, io.signal, why), rate);
      const asked = options.dryRun === true ? rehearsing(client, role, out) : client;
      return waitMs === 0 ? asked : patient(asked, { waitMs, clock, signal: io.signal, hint: out.hint });
    },
    stateDir: options.stateDir ?? "/var/lib/simward",
    signal: io.signal,
    isDryRun: options.dryRun === true,
    clock,
    screen: options.plain === true ? undefined : io.screen,
    outputAt: (columns) => outputFor(options, verb, { ...io, columns }, clock),
  };
}
