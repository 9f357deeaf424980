// What the command line prints: results on stdout, progress and hints on stderr; text for people or JSON; identifiers masked before anything is laid out.
import type { Clock } from "../../base/clock.ts";
import { type ErrorReport, errorReport, SimwardError } from "../../base/errors.ts";
import { maskText, maskValue } from "../../base/mask.ts";
import { fieldsOf, harmless, tableOf, wrapped } from "./layout.ts";
import { createSpinner } from "./spinner.ts";

export interface OutputOptions {
  readonly json: boolean;
  readonly showIds: boolean;
  readonly color: boolean;
  /** Columns of the terminal; undefined where it is none. */
  readonly width: number | undefined;
  readonly stdout: (text: string) => void;
  readonly stderr: (text: string) => void;
  /** --jsonl: progress is on stdout too, and the result is the one line of type result. */
  readonly lines?: boolean;
  /** The verb tells how far it is: its JSON result is of type result. */
  readonly hasProgress?: boolean;
  /** Columns of the terminal that shows progress as one line which changes; undefined: lines below one another. */
  readonly progressWidth?: (() => number | undefined) | undefined;
  readonly clock?: Clock;
}

export interface Output {
  readonly json: boolean;
  /** Identifiers are shown in full. */
  readonly showIds: boolean;
  readonly width: number | undefined;
  /** One document: its JSON, or the text for people. */
  /** `asItIs`: it is for a program or a file, and no line of it is broken. */
  result(document: object, human: () => string, asItIs?: boolean): void;
  /** One line of a stream; nothing for people where `human` answers undefined. */
  line(document: object, human: () => string | undefined): void;
  /** The same on stderr; with --jsonl on stdout. */
  progress(document: object, human: () => string | undefined): void;
  /** What is under way now, with the time that it takes, where progress is shown as one line. */
  live(text: string): void;
  endProgress(): void;
  /** As this output shows it. */
  masked(value: object): unknown;
  /** Text that is the result as it stands, e.g. hex. */
  raw(text: string): void;
  hint(text: string): void;
  error(error: SimwardError): void;
  paint(style: Style, text: string): string;
  /** The first row is the head. */
  table(rows: readonly (readonly string[])[]): string;
  fields(rows: readonly (readonly [label: string, parts: readonly string[]])[]): string;
}

export type Style = "bold" | "dim" | "red" | "green" | "yellow" | "cyan";
const codes: Record<Style, number> = { bold: 1, dim: 2, red: 31, green: 32, yellow: 33, cyan: 36 };

/** A document that lacks what it should have is from a daemon of another version. Throws API_RESPONSE. */
function understood(document: object, human: () => string): string {
  try {
    return human();
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    const { schema = "its document", version } = document as { readonly schema?: string; readonly version?: string };
    const from = version === undefined ? "" : ` (simwardd ${version})`;
    const detail = `${schema}${from} is not as this simward knows it: are both of one version? --json shows it as it came`;
    throw new SimwardError("API_RESPONSE", { detail, cause: error });
  }
}

export function createOutput(options: OutputOptions): Output {
  const { json, showIds, width, stdout, lines = false } = options;
  const paint = (style: Style, text: string): string => (options.color ? `\u001b[${codes[style]}m${text}\u001b[0m` : text);
  const shown = (text: string): string => harmless(showIds ? text : maskText(text), options.color);
  const document = (value: object): string => JSON.stringify(maskValue(value, showIds));
  const spinner = createSpinner(options);
  const stderr = (text: string): void => spinner.above(() => options.stderr(text));
  const write = (to: (text: string) => void, value: object, human: () => string | undefined): void => {
    const text = json ? document(value) : human();
    if (text !== undefined) to(`${json ? text : wrapped(shown(text), width)}\n`);
  };
  const isTyped = lines || options.hasProgress === true;
  return {
    json,
    showIds,
    width,
    paint,
    result: (value, human, asItIs = false) => {
      spinner.end();
      const text = (): string => understood(value, human);
      if (asItIs && !json) stdout(`${shown(text())}\n`);
      else write(stdout, isTyped ? { type: "result", ...value } : value, text);
    },
    line: (value, human) => write(stdout, value, human),
    progress: (value, human) => write(lines ? stdout : stderr, { type: "progress", ...value }, human),
    live: (text) => spinner.show(shown(text)),
    endProgress: () => spinner.end(),
    masked: (value) => maskValue(value, showIds),
    raw: (text) => stdout(`${text}\n`),
    hint: (text) => stderr(`${wrapped(shown(text), width)}\n`),
    error(error) {
      spinner.end();
      const report = errorReport(error);
      if (json) stdout(`${document({ ...(isTyped ? { type: "result" } : {}), schema: "simward/error/1", error: report })}\n`);
      else stderr(`${wrapped(errorText(report, paint, shown), width)}\n`);
    },
    table: (rows) =>
      tableOf(
        rows.map((row) => row.map(shown)),
        width,
      ),
    fields: (rows) =>
      fieldsOf(
        rows.map(([label, parts]) => [label, parts.map(shown)] as const),
        width,
      ),
  };
}

const longestWord = 200;

/** What was typed may be a file's whole content. */
const shortened = (text: string): string =>
  text.replace(/\S+/g, (word) => (word.length > longestWord ? `${word.slice(0, 60)}… (${word.length} characters)` : word));

function errorText({ code, message, next, ref }: ErrorReport, paint: Output["paint"], shown: (text: string) => string): string {
  const lines = [`${paint("red", "error")} ${code}: ${shortened(shown(message))}`, `  next: ${shown(next)}`];
  return [...lines, ...(ref === undefined ? [] : [`  ref:  ${ref}`])].join("\n");
}
