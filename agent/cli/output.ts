// What the command line prints: results on stdout, progress and hints on stderr; text for people or JSON; identifiers masked before anything is laid out.
import { errorReport, type SimwardError } from "../../base/errors.ts";
import { maskText, maskValue } from "../../base/mask.ts";
import { fieldsOf, tableOf } from "./layout.ts";

export interface OutputOptions {
  readonly json: boolean;
  readonly showIds: boolean;
  readonly color: boolean;
  /** Columns of the terminal; undefined where it is none. */
  readonly width: number | undefined;
  readonly stdout: (text: string) => void;
  readonly stderr: (text: string) => void;
}

export interface Output {
  readonly json: boolean;
  /** Identifiers are shown in full. */
  readonly showIds: boolean;
  readonly width: number | undefined;
  /** One document: its JSON, or the text for people. */
  result(document: object, human: () => string): void;
  /** One line of a stream; nothing for people where `human` answers undefined. */
  line(document: object, human: () => string | undefined): void;
  /** The same on stderr. */
  progress(document: object, human: () => string | undefined): void;
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

export function createOutput(options: OutputOptions): Output {
  const { json, showIds, width, stdout, stderr } = options;
  const paint = (style: Style, text: string): string => (options.color ? `\u001b[${codes[style]}m${text}\u001b[0m` : text);
  const shown = (text: string): string => (showIds ? text : maskText(text));
  const document = (value: object): string => JSON.stringify(maskValue(value, showIds));
  const write = (to: (text: string) => void, value: object, human: () => string | undefined): void => {
    const text = json ? document(value) : human();
    if (text !== undefined) to(`${json ? text : shown(text)}\n`);
  };
  return {
    json,
    showIds,
    width,
    paint,
    result: (value, human) => write(stdout, value, human),
    line: (value, human) => write(stdout, value, human),
    progress: (value, human) => write(stderr, value, human),
    masked: (value) => maskValue(value, showIds),
    raw: (text) => stdout(`${text}\n`),
    hint: (text) => stderr(`${shown(text)}\n`),
    error(error) {
      const report = errorReport(error);
      if (json) stdout(`${document({ schema: "simward/error/1", error: report })}\n`);
      else stderr(`${paint("red", "error")} ${report.code}: ${shown(report.message)}\n  next: ${report.next}\n`);
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
