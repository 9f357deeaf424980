// Lines of a trace for people: time, interface, direction, what it is; trees by the standards' names. They read well at 40 columns too.
import type { TraceLine, TraceNode } from "../api/trace-types.ts";
import type { Output } from "./output.ts";

const narrow = 100;
const styles = {
  at: "dim",
  apdu: "cyan",
  es10: "bold",
  esipa: "green",
  es9: "green",
  coap: "yellow",
  dtls: "dim",
  https: "yellow",
} as const;

/** `previousMs`: of the line before, for the time in between. */
export function renderTraceLine(line: TraceLine, out: Output, previousMs: number | undefined): string {
  const { layer, direction, traceId, note, peer, cutBytes } = line;
  const time = line.time.slice(11, 23);
  const gap = previousMs === undefined ? "" : `+${((line.monotonicMs - previousMs) / 1_000).toFixed(3)}`;
  const arrow = direction === "tx" ? ">" : "<";
  const facts = [
    line.text,
    ...(note === undefined ? [] : [`[${note}]`]),
    ...(cutBytes === undefined ? [] : [`(${cutBytes} octets cut)`]),
  ].join(" ");
  const octets = line.octets === undefined || line.octets === "" || layer === "at" ? [] : [line.octets];
  const width = out.width;
  if (width !== undefined && width < narrow) {
    const head = `${time} ${out.paint(styles[layer], layer)} ${arrow}${gap === "" ? "" : ` ${gap}`}`;
    const rest = [facts, ...(peer === undefined ? [] : [peer]), ...(traceId === undefined ? [] : [traceId]), ...octets];
    return [head, ...rest.flatMap((text) => wrapped(text, width - 2).map((part) => `  ${part}`)), ...tree(line, out)].join("\n");
  }
  const columns = [time, gap.padStart(8), out.paint(styles[layer], layer.padEnd(5)), arrow, (traceId ?? "").padEnd(18), facts];
  const tail = [...(peer === undefined || layer === "apdu" ? (peer === undefined ? [] : [peer]) : [peer])].map((text) =>
    out.paint("dim", text),
  );
  const indented = octets.flatMap((text) => wrapped(text, Math.max(32, (width ?? 132) - 12)).map((part) => `            ${part}`));
  return [[...columns, ...tail].join(" ").trimEnd(), ...indented, ...tree(line, out)].join("\n");
}

function tree({ tree: nodes, type, problem }: TraceLine, out: Output): string[] {
  if (nodes === undefined) return [];
  const lines = nodes.flatMap((node) => nodeLines(node, out));
  return [
    ...(type === undefined ? [] : [`    ${out.paint("bold", type)}`]),
    ...lines,
    ...(problem === undefined ? [] : [`    ! ${problem}`]),
  ];
}

const shownCharacters = 96;

function nodeLines({ offset, depth, tag, name, value, kind, length, note }: TraceNode, out: Output): string[] {
  const what = value === "" ? `${kind}, ${length} octets` : value.length > shownCharacters ? `${value.slice(0, shownCharacters)}…` : value;
  const isNarrow = out.width !== undefined && out.width < narrow;
  const indent = isNarrow ? " ".repeat(Math.min(depth, 8)) : "  ".repeat(Math.min(depth, 20));
  const text = `${String(offset).padStart(isNarrow ? 4 : 7)} ${indent}${tag} ${name}: ${what}${note === undefined ? "" : `  ! ${note}`}`;
  return out.width === undefined ? [text] : wrapped(text, out.width, 6 + indent.length);
}

/** At blanks where there are any, else wherever the line is full. */
function wrapped(text: string, width: number, indent = 0): string[] {
  const lines: string[] = [];
  const room = Math.max(16, width);
  let rest = text;
  while (rest.length > room) {
    const blank = rest.lastIndexOf(" ", room);
    const at = blank > room / 2 ? blank : room;
    lines.push(rest.slice(0, at));
    rest = `${" ".repeat(Math.min(indent, room - 8))}${rest.slice(at).trimStart()}`;
  }
  return [...lines, rest];
}
