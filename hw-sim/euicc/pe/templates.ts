// TCA's file templates as values, read once from their rows: which files a profile element makes, and with what contents by default.
// The rows are in template-data.ts.
import { concatBytes, fromHex } from "../../../base/bytes.ts";
import { templateSources } from "./template-data.ts";

export type TemplateStructure = "MF" | "DF" | "ADF" | "TR" | "LF" | "CY" | "BT";

export interface TemplateFile {
  /** Field of the profile element, e.g. "ef-imsi". */
  readonly name: string;
  /** Undefined for an ADF: the profile chooses a temporary one. */
  readonly fid: number | undefined;
  readonly structure: TemplateStructure;
  /** Octets of a transparent file or of a record. */
  readonly size: number | "contents" | undefined;
  readonly records: number | undefined;
  /** Record of EF.ARR. */
  readonly accessRule: number;
  readonly sfi: number | undefined;
  /** Contents when the profile gives none; undefined when it must. */
  readonly fill: FillPattern | undefined;
}

export interface Template {
  readonly oid: string;
  readonly byDefault: boolean;
  readonly files: readonly TemplateFile[];
}

/** How a file or record is filled: `head`, then either `head` again or its last octet, up to `tail`. */
export interface FillPattern {
  readonly head: Uint8Array;
  readonly repeat: "lastOctet" | "all";
  readonly tail: Uint8Array;
}

const oidPrefix = "2.23.143.1.";

export const templates: ReadonlyMap<string, Template> = new Map(
  Object.entries(templateSources).map(([arcs, { byDefault, rows }]) => {
    const oid = oidPrefix + arcs;
    const lines = rows.split("\n").filter((line) => line.trim() !== "");
    return [oid, { oid, byDefault, files: lines.map(readRow) }];
  }),
);

/** `size` octets filled after the pattern. */
export function fillWith({ head, repeat, tail }: FillPattern, size: number): Uint8Array {
  const body = Uint8Array.from({ length: Math.max(0, size - tail.length) }, (_, at) =>
    repeat === "all" ? (head[at % head.length] ?? 0) : (head[Math.min(at, head.length - 1)] ?? 0),
  );
  return concatBytes(body, tail).slice(0, size);
}

function readRow(line: string): TemplateFile {
  const [name = "", fid = "", structure = "", size = "", rule = "", sfi = "", fill = ""] = line.trim().split(/\s+/);
  const [first = "", second] = size.split("x");
  const number = (text: string | undefined): number | undefined => (text !== undefined && /^\d+$/.test(text) ? Number(text) : undefined);
  const own = size.endsWith("*") ? "contents" : second === undefined ? number(first) : number(second);
  return {
    name,
    fid: fid === "-" ? undefined : Number.parseInt(fid, 16),
    structure: structure as TemplateStructure,
    size: own,
    records: second === undefined ? undefined : number(first),
    accessRule: Number(rule),
    sfi: sfi === "-" ? undefined : Number.parseInt(sfi, 16),
    fill: fill === "-" || fill === "" ? undefined : readFill(fill),
  };
}

function readFill(text: string): FillPattern {
  const [head = "", tail = ""] = text.replace(/[()]/g, "").split("..");
  return { head: fromHex(head), repeat: text.startsWith("(") ? "all" : "lastOctet", tail: fromHex(tail) };
}
