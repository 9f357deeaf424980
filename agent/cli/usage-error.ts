// What a command line that is not valid is told: what it was about, what is wrong with it, what was probably meant, and whose help to read. Pure.
import type { CommanderError } from "commander";
import { type ErrorCode, errorTable, SimwardError } from "../../base/errors.ts";
import { nearest } from "../../base/nearest.ts";
import { inTrace } from "../../base/trace.ts";
import { globalOptions } from "./options.ts";
import { optionsOf, type Verb } from "./verb.ts";
import { type VerbRow, verbRows } from "./verbs/table.ts";

export interface Subject {
  /** A verb as it was typed, else its noun; "" where the line begins with neither. It has a help of its own. */
  readonly subject: string;
  /** The verb's words as they were typed; none where there is no verb. */
  readonly words: readonly string[];
  /** The verb, else those that the help of the noun is about. */
  readonly rows: readonly VerbRow[];
}

const namesOf = (rows: readonly VerbRow[]): readonly string[] => rows.flatMap(({ name, also }) => [name, ...also]);

/** `rest`: the line without the options that every verb has. */
export function subjectOf(rest: readonly string[]): Subject {
  const end = rest.findIndex((arg) => arg.startsWith("-"));
  const leading = end < 0 ? rest : rest.slice(0, end);
  for (let count = leading.length; count > 0; count--) {
    const words = leading.slice(0, count);
    const subject = words.join(" ");
    const found = verbRows.find((row) => namesOf([row]).includes(subject));
    if (found !== undefined) return { subject, words, rows: [found] };
    const ofNoun = verbRows.filter(({ name }) => name.startsWith(`${words[0]} `));
    if (namesOf(ofNoun).some((name) => name.startsWith(`${subject} `))) return { subject, words: [], rows: ofNoun };
  }
  return { subject: "", words: [], rows: verbRows };
}

export function usageError(error: CommanderError, args: readonly string[], verb: Verb | undefined): SimwardError {
  if (error.code === "commander.unknownOption") {
    const [, typed = ""] = /'(-[^']*)'/.exec(error.message) ?? [];
    const [name = ""] = typed.split("=");
    const flags = [...globalOptions, ...(verb === undefined ? [] : optionsOf(verb))].flatMap((one) => one.flags.match(/--[a-z-]+/g) ?? []);
    if (name !== typed && flags.includes(name)) return new SimwardError("USAGE", { detail: `${name} takes no value` });
    const meant = nearest(typed, flags);
    return new SimwardError("USAGE", { detail: `unknown option '${typed}'${meant === undefined ? "" : `; did you mean ${meant}?`}` });
  }
  if (error.code !== "commander.unknownCommand") return new SimwardError("USAGE", { detail: error.message.replace(/^error: /, "") });
  const typed = args.filter((arg) => !arg.startsWith("-")).slice(0, 2);
  const names = namesOf(verbRows);
  const meant = nearest(typed.join(" "), names) ?? nearest(typed.at(-1) ?? "", names) ?? nearest(typed[0] ?? "", names);
  const hint = meant === undefined ? "" : `; did you mean simward ${meant}?`;
  return new SimwardError("USAGE", { detail: `there is no verb ${JSON.stringify(typed.join(" "))}${hint}` });
}

function adviceFor(subject: string, code: ErrorCode): string | undefined {
  if (subject === "") return undefined;
  if (code === "USAGE" || code === "API_INPUT") return `simward ${subject} --help`;
  if (code !== "NOT_FOUND") return undefined;
  const [noun = ""] = subject.split(" ");
  const shown = ["list", "last", "show"].map((verb) => `${noun} ${verb}`).find((name) => namesOf(verbRows).includes(name));
  return shown === undefined || shown === subject ? undefined : `simward ${shown}`;
}

/** The same error; one about what was typed that knows no better advice names the help of what the line is about, or where names are to be seen. */
export function withHelpOf(subject: string, error: SimwardError): SimwardError {
  const next = error.next === errorTable[error.code].next ? adviceFor(subject, error.code) : undefined;
  if (next === undefined) return error;
  return inTrace(
    error.ref,
    () =>
      new SimwardError(error.code, {
        ...(error.detail === undefined ? {} : { detail: error.detail }),
        next,
        cause: error,
        data: error.data,
      }),
  );
}
