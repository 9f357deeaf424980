// The options that every verb has, as a table; and the command line taken apart into them and the rest.
import type { VerbOption } from "./verb.ts";

export interface GlobalOptions {
  readonly json?: boolean;
  readonly jsonl?: boolean;
  readonly plain?: boolean;
  readonly showIds?: boolean;
  readonly dryRun?: boolean;
  readonly socket?: string;
  readonly timeout?: string;
  readonly wait?: string;
  readonly stateDir?: string;
}

/** They may stand anywhere on the line. */
export const globalOptions: readonly VerbOption[] = [
  { flags: "--json", help: "one JSON object, or JSON lines for streams; errors too" },
  { flags: "--jsonl", help: "JSON lines: progress as it comes, and last the one line of type result" },
  { flags: "--plain", help: "no colour (NO_COLOR is respected too)" },
  { flags: "--show-ids", help: "identifiers in full; they are masked by default" },
  { flags: "--dry-run", help: "show what would be asked and sent (APDUs, AT lines), and change nothing" },
  { flags: "--wait <time>", help: "go on asking for so long while the daemon is away or busy, such as 60s" },
  { flags: "--timeout <time>", help: "how long the daemon may take to answer, such as 60s" },
  { flags: "--socket <path>", help: "the daemon's socket, instead of /run/simward/<role>.sock" },
  { flags: "--state-dir <dir>", help: "the daemon's state directory", default: "/var/lib/simward" },
];

const named = (arg: string): VerbOption | undefined => globalOptions.find(({ flags }) => flags.split(" ")[0] === arg.split("=")[0]);

export interface Line {
  readonly globals: readonly string[];
  readonly rest: readonly string[];
}

/** What comes behind `--` is no option of ours. */
export function takeGlobals(args: readonly string[]): Line {
  const globals: string[] = [];
  const rest: string[] = [];
  for (let i = 0; i < args.length; i++) {
    const arg = args[i] ?? "";
    if (arg === "--") return { globals, rest: [...rest, ...args.slice(i)] };
    const option = named(arg);
    if (option === undefined) rest.push(arg);
    else if (option.flags.includes(" ") && !arg.includes("=")) globals.push(arg, ...args.slice(++i, i + 1));
    else globals.push(arg);
  }
  return { globals, rest };
}
