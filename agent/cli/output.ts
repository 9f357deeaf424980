// What the command line prints: results on stdout, progress and hints on stderr; human text or one JSON object; identifiers masked.
import { errorReport, type SimwardError } from "../../base/errors.ts";
import { maskText, maskValue } from "../../base/mask.ts";

export interface OutputOptions {
  readonly json: boolean;
  readonly showIds: boolean;
  readonly color: boolean;
  readonly stdout: (text: string) => void;
  readonly stderr: (text: string) => void;
}

export interface Output {
  readonly json: boolean;
  /** One document: its JSON, or the text for people. */
  result(document: object, human: () => string): void;
  /** One line of a stream. */
  line(document: object, human: () => string): void;
  /** Text that is the result as it stands, e.g. hex. */
  raw(text: string): void;
  hint(text: string): void;
  error(error: SimwardError): void;
  paint(style: Style, text: string): string;
}

export type Style = "bold" | "dim" | "red" | "green" | "yellow" | "cyan";
const codes: Record<Style, number> = { bold: 1, dim: 2, red: 31, green: 32, yellow: 33, cyan: 36 };

export function createOutput(options: OutputOptions): Output {
  const { json, showIds } = options;
  const paint = (style: Style, text: string): string => (options.color ? `\u001b[${codes[style]}m${text}\u001b[0m` : text);
  const shown = (text: string): string => (showIds ? text : maskText(text));
  const document = (value: object): string => JSON.stringify(maskValue(value, showIds));
  return {
    json,
    paint,
    result: (value, human) => options.stdout(json ? `${document(value)}\n` : `${shown(human())}\n`),
    line: (value, human) => options.stdout(json ? `${document(value)}\n` : `${shown(human())}\n`),
    raw: (text) => options.stdout(`${text}\n`),
    hint: (text) => options.stderr(`${shown(text)}\n`),
    error(error) {
      const report = errorReport(error);
      if (json) {
        options.stdout(`${document({ schema: "simward/error/1", error: report })}\n`);
        return;
      }
      options.stderr(`${paint("red", "error")} ${report.code}: ${shown(report.message)}\n  next: ${report.next}\n`);
    },
  };
}

/** Columns as wide as their widest cell, two spaces between. */
export function table(rows: readonly (readonly string[])[]): string {
  const widths: number[] = [];
  for (const row of rows) for (const [i, cell] of row.entries()) widths[i] = Math.max(widths[i] ?? 0, visibleLength(cell));
  return rows
    .map((row) =>
      row.map((cell, i) => (i === row.length - 1 ? cell : cell + " ".repeat((widths[i] ?? 0) - visibleLength(cell)))).join("  "),
    )
    .join("\n");
}

function visibleLength(text: string): number {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: escape sequences are what is not visible.
  return text.replace(/\u001b\[\d+m/g, "").length;
}

/** "1.2 s", "350 ms", "14 min" */
export function duration(ms: number): string {
  if (ms < 1_000) return `${Math.round(ms)} ms`;
  if (ms < 60_000) return `${(ms / 1_000).toFixed(1)} s`;
  if (ms < 3_600_000) return `${Math.round(ms / 60_000)} min`;
  return ms < 172_800_000 ? `${Math.round(ms / 3_600_000)} h` : `${Math.round(ms / 86_400_000)} days`;
}

export function progressBar(done: number, of: number, width = 24): string {
  const full = of === 0 ? width : Math.round((done / of) * width);
  return `[${"#".repeat(full)}${"-".repeat(width - full)}] ${done}/${of}`;
}
