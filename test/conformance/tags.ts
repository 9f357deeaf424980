// Which test shows which row: the tags, comment lines "// shows: es10b.GetCerts, code.GetCerts.*" right above a test or a group of tests.
// They are read out of the source, where the formatter guarantees one statement a line and two blanks a level.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

export interface TaggedTest {
  readonly file: string;
  /** Groups around it and its own title, as they stand in the source. */
  readonly title: string;
  /** Ids of rows, or "prefix.*". */
  readonly shows: readonly string[];
}

export interface TagProblem {
  readonly file: string;
  readonly line: number;
  readonly what: string;
}

export interface Tags {
  readonly tests: readonly TaggedTest[];
  readonly problems: readonly TagProblem[];
}

const tagLine = /^\s*\/\/ shows: (.*)$/;
const callLine = /^(\s*)(?:it|test|describe|scenario)((?:\.\w+)*)(?:<.*?>)?\(/;
/** What runs always, with every row of its table. (A scenario of test/support/e2e.ts is a test.) */
const running = ["each", "for", "concurrent", "sequential"];

/** A test that skips itself as it runs: test/support/programs.ts. */
const mayEndEarly = /\bneed\(context\b|\bcontext\.skip\(/;

/** All tags of the suite that `vitest run` runs. */
export function tagsOfSuite(): Tags {
  const files = readdirSync("test", { recursive: true, encoding: "utf8" })
    .map((name) => join("test", name))
    .filter((path) => path.endsWith(".test.ts") && !path.startsWith("test/bench/") && !path.startsWith("test/long/"))
    .sort();
  const all = files.map((file) => tagsOf(file, readFileSync(file, "utf8")));
  return { tests: all.flatMap(({ tests }) => tests), problems: all.flatMap(({ problems }) => problems) };
}

/** The tags of one file. */
export function tagsOf(file: string, source: string): Tags {
  const tests: TaggedTest[] = [];
  const problems: TagProblem[] = [];
  const lines = source.split("\n");
  let offset = 0;
  let shows: string[] = [];
  let loop: string | undefined;
  let around: { readonly indent: number; readonly title: string; readonly rests: string | undefined }[] = [];
  for (const [index, line] of lines.entries()) {
    const at = offset;
    offset += line.length + 1;
    const tag = tagLine.exec(line)?.[1];
    if (tag !== undefined) {
      shows = [...shows, ...tag.split(",").map((id) => id.trim())];
      continue;
    }
    const [head, blanks, modifiers = ""] = callLine.exec(line) ?? [];
    if (head === undefined || blanks === undefined) {
      // for (const one of all) test(…): the tag may stand above the loop, whose head may be a table.
      loop ??= shows.length === 0 ? undefined : /^(\s*)for \(/.exec(line)?.[1];
      if (loop !== undefined) {
        if (line.startsWith(loop) && /^[f)\]}]/.test(line.slice(loop.length)) && line.endsWith(")")) loop = undefined;
        continue;
      }
      if (shows.length > 0) problems.push({ file, line: index + 1, what: `a tag stands above what is no test: ${shows.join(", ")}` });
      shows = [];
      continue;
    }
    const names = modifiers.split(".").filter((name) => name !== "");
    const table = names.includes("each") || names.includes("for");
    const title = titleAt(source, at + head.length - 1, table);
    around = around.filter(({ indent }) => indent < blanks.length);
    const rests = names.find((name) => !running.includes(name)) ?? around.find((one) => one.rests !== undefined)?.rests;
    if (shows.length > 0) {
      if (title === undefined) problems.push({ file, line: index + 1, what: "a tagged test has no literal title" });
      else if (rests !== undefined) problems.push({ file, line: index + 1, what: `a tagged test may not run (.${rests}): ${title}` });
      else if (mayEndEarly.test(bodyFrom(lines, index, blanks)))
        problems.push({ file, line: index + 1, what: `a tagged test may leave itself out where a tool is missing: ${title}` });
      else if (!table && shows.some((id) => id.endsWith(".*")))
        problems.push({ file, line: index + 1, what: `only a test over a table may name many rows at once: ${title}` });
      else tests.push({ file, title: [...around.map((one) => one.title), title].join(" › "), shows });
    }
    shows = [];
    if (line.trimStart().startsWith("describe")) around.push({ indent: blanks.length, title: title ?? "…", rests });
  }
  return { tests, problems };
}

/** The statement that begins in that line: up to the one that closes it, which stands as far in. */
function bodyFrom(lines: readonly string[], start: number, blanks: string): string {
  const [line = ""] = lines.slice(start, start + 1);
  if (line.endsWith(");")) return line;
  const length = lines.slice(start + 1).findIndex((one) => new RegExp(`^${blanks}[)}\\]].*\\);$`).test(one));
  return lines.slice(start, length < 0 ? undefined : start + length + 2).join("\n");
}

/** The text of the first argument of the call whose parenthesis stands at `open`; of each(…)(…), that of the second call. */
function titleAt(source: string, open: number, table: boolean): string | undefined {
  let at = open;
  if (table) {
    at = behind(source, open);
    if (source[at] !== "(") return undefined;
  }
  const start = at + 1 + (/^\s*/.exec(source.slice(at + 1))?.[0].length ?? 0);
  const quote = source[start];
  if (quote !== '"' && quote !== "`" && quote !== "'") return undefined;
  return source.slice(start + 1, endOfText(source, start)).replace(/\\(["'`])/g, "$1");
}

/** Behind the bracket that closes the one at `open`. */
function behind(source: string, open: number): number {
  let depth = 0;
  let at = open;
  // What came before tells a regular expression from a division.
  let before = "";
  while (at < source.length) {
    const c = source[at] ?? "";
    if (source.startsWith("//", at)) {
      at = source.indexOf("\n", at);
      continue;
    }
    if (c === '"' || c === "'" || c === "`") at = endOfText(source, at);
    else if (c === "/" && "(,=:[!&|?{};>".includes(before)) at = endOfRegExp(source, at);
    else if ("([{".includes(c)) depth++;
    else if (")]}".includes(c)) depth--;
    at++;
    if (depth === 0) return at;
    if (!/\s/.test(c)) before = c;
  }
  return source.length;
}

/** Of the quote that closes the one at `start`. */
function endOfText(source: string, start: number): number {
  const quote = source[start];
  let at = start + 1;
  while (at < source.length && source[at] !== quote) {
    if (source[at] === "\\") at++;
    else if (quote === "`" && source.startsWith("${", at)) at = behind(source, at + 1) - 1;
    at++;
  }
  return at;
}

function endOfRegExp(source: string, start: number): number {
  let inClass = false;
  let at = start + 1;
  while (at < source.length && (inClass || source[at] !== "/")) {
    if (source[at] === "\\") at++;
    else if (source[at] === "[") inClass = true;
    else if (source[at] === "]") inClass = false;
    at++;
  }
  return at;
}
