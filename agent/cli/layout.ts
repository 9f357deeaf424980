// Text in columns for a terminal of any width, and figures as people read them. Pure.

/** Columns as wide as their widest cell; on a terminal that is narrower, a row becomes a list of its cells by the head's names. */
export function tableOf(rows: readonly (readonly string[])[], width: number | undefined): string {
  const widths: number[] = [];
  for (const row of rows) for (const [i, cell] of row.entries()) widths[i] = Math.max(widths[i] ?? 0, visibleLength(cell));
  const [head = [], ...body] = rows;
  if (width !== undefined && widths.reduce((sum, one) => sum + one + 2, -2) > width) {
    const lists = body.map((row) =>
      fieldsOf(
        row.flatMap((cell, i) => (cell === "" ? [] : [[head[i] ?? "", [cell]] as const])),
        width,
      ),
    );
    return lists.join("\n\n");
  }
  return rows
    .map((row) =>
      row
        .map((cell, i) => (i === row.length - 1 ? cell : padded(cell, widths[i] ?? 0)))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}

/** Control characters, and those that turn the direction of writing around. */
const controls = /\p{Cc}|[\u202a-\u202e\u2066-\u2069]/gu;

/** Text of others (operators, servers, files) as what it is: nothing in it moves a terminal's cursor. Line ends and tabs stay, and colours where there are any. */
export function harmless(text: string, isColoured: boolean): string {
  return text.replace(controls, (one, at: number) => {
    if (one === "\n" || one === "\t" || (one === "\r" && text[at + 1] === "\n")) return one;
    if (isColoured && one === "\u001b" && /^\[\d{1,2}m/.test(text.slice(at + 1, at + 5))) return one;
    return `\\u${one.charCodeAt(0).toString(16).padStart(4, "0")}`;
  });
}

const leastRoom = 18;

/** A label and what belongs to it, as much of it on a line as fits. */
export function fieldsOf(rows: readonly (readonly [label: string, parts: readonly string[]])[], width: number | undefined): string {
  const beside = Math.max(0, ...rows.map(([label]) => visibleLength(label))) + 2;
  // Labels that leave no room beside them have it below.
  const isBelow = width !== undefined && width - beside < leastRoom;
  const indent = isBelow ? 4 : beside;
  const room = Math.max(leastRoom, (width ?? Number.POSITIVE_INFINITY) - indent);
  return rows
    .map(([label, parts]) => {
      const lines = [""];
      const add = (text: string, gap: string): void => {
        const line = lines.at(-1) ?? "";
        if (line === "") lines[lines.length - 1] = text;
        else if (visibleLength(line) + gap.length + visibleLength(text) <= room) lines[lines.length - 1] = `${line}${gap}${text}`;
        else lines.push(text);
      };
      for (const part of parts) {
        if (visibleLength(part) <= room) add(part, "  ");
        else for (const [i, word] of part.split(" ").entries()) add(word, i === 0 ? "  " : " ");
      }
      const gap = `\n${" ".repeat(indent)}`;
      return `${isBelow && label !== "" ? `${label}${gap}` : padded(label, indent)}${lines.join(gap)}`.trimEnd();
    })
    .join("\n");
}

function padded(text: string, width: number): string {
  return text + " ".repeat(Math.max(0, width - visibleLength(text)));
}

function visibleLength(text: string): number {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: escape sequences are what is not visible.
  return [...text.replace(/\u001b\[\d+m/g, "")].length;
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

/** Lines that are too long go on below, indented; a word is never cut. Tables and fields fit already. */
export function wrapped(text: string, width: number | undefined): string {
  if (width === undefined) return text;
  return text
    .split("\n")
    .flatMap((line) => (visibleLength(line) <= width ? [line] : wrapLine(line, width)))
    .join("\n");
}

function wrapLine(line: string, width: number): readonly string[] {
  const indent = /^ */.exec(line)?.[0] ?? "";
  const lines: string[] = [];
  let rest = indent;
  for (const word of line.slice(indent.length).split(/(?<=\S) +/)) {
    const isFirst = rest.trim() === "";
    if (!isFirst && visibleLength(rest) + 1 + visibleLength(word) > width) {
      lines.push(rest);
      rest = `${indent}  ${word}`;
    } else rest = isFirst ? `${rest}${word}` : `${rest} ${word}`;
  }
  return [...lines, rest];
}
