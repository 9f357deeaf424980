// What the matrix came to, as it is printed, and as it is kept for docs/modules.md: results.json, written by `UPDATE=1 make matrix`.
import { readFileSync, writeFileSync } from "node:fs";
import { type Cell, expectedFamily, type Step, steps } from "./cell.ts";

export const resultsPath = "test/long/matrix/results.json";

/** By personality, by column: "ok", "ok" with the codes of what the make lacks, or "FAIL". */
export type Results = Readonly<Record<string, Readonly<Record<string, string>>>>;

/** "FAIL", "ok", or "ok but " and what is refused as it must be. */
export function outcome({ wrong, steps: came }: Cell): string {
  if (wrong !== undefined) return "FAIL";
  const refused = steps.flatMap((step) => (came[step] === undefined || came[step] === "ok" || came[step] === "none" ? [] : [step]));
  const codes = [...new Set(refused.map((step) => came[step]))];
  return codes.length === 0
    ? "ok"
    : `ok but ${codes.map((code) => `${refused.filter((step) => came[step] === code).join(", ")}: ${code}`).join("; ")}`;
}

export function resultsOf(cells: readonly Cell[]): Results {
  const found: Record<string, Record<string, string>> = {};
  for (const cell of cells) {
    const row = found[cell.personality] ?? {};
    row[cell.column] = outcome(cell);
    found[cell.personality] = row;
  }
  return found;
}

/** Some cells anew. */
export function merged(all: Results, some: Results): Results {
  return { ...all, ...Object.fromEntries(Object.entries(some).map(([id, row]) => [id, { ...all[id], ...row }])) };
}

export function readResults(): Results {
  return JSON.parse(readFileSync(resultsPath, "utf8")) as Results;
}

export function writeResults(results: Results): void {
  writeFileSync(resultsPath, `${JSON.stringify(results, undefined, 2)}\n`);
}

export interface FamilyResults {
  readonly makes: readonly string[];
  readonly cells: number;
  readonly good: number;
  /** What a make lacks, in the words of `outcome`. */
  readonly refused: readonly string[];
}

export function familyResults(results: Results, family: string): FamilyResults {
  const makes = Object.keys(results).filter((id) => expectedFamily(id) === family);
  const all = makes.flatMap((id) => Object.values(results[id] ?? {}));
  const refused = makes.flatMap((id) => {
    const said = results[id]?.flow?.replace(/^ok( but )?/, "") ?? "";
    return said === "" ? [] : [`${id} refuses ${said}`];
  });
  return { makes, cells: all.length, good: all.filter((one) => one.startsWith("ok")).length, refused };
}

const columnsAtOnce = 9;

/** Rows of makes, columns of troubles, a few at a time; each cell with its virtual seconds. */
export function printed(cells: readonly Cell[]): string {
  const ids = [...new Set(cells.map(({ personality }) => personality))];
  const columns = [...new Set(cells.map(({ column }) => column))];
  const widest = Math.max(...ids.map(({ length }) => length));
  const parts: string[] = [];
  for (let from = 0; from < columns.length; from += columnsAtOnce) {
    const some = columns.slice(from, from + columnsAtOnce);
    parts.push("", ...some.map((column, at) => `  (${at + 1}) ${column}`));
    parts.push(`${" ".repeat(widest)} ${some.map((_, at) => `(${at + 1})`.padStart(13)).join("")}`);
    for (const id of ids) {
      const row = some.map((column) => cellText(cells.find((one) => one.personality === id && one.column === column)));
      parts.push(`${id.padEnd(widest)} ${row.map((text) => text.padStart(13)).join("")}`);
    }
  }
  const wrong = cells.filter((cell) => cell.wrong !== undefined);
  const again = cells.reduce((sum, cell) => sum + cell.again, 0);
  parts.push("", `${cells.length} cells, ${wrong.length} failed; orders cut off by lost power, reported and placed again: ${again}`);
  parts.push(...wrong.map((cell) => `FAIL ${cell.personality}, ${cell.column}: ${cell.wrong}`));
  return `${parts.join("\n")}\n`;
}

function cellText(cell: Cell | undefined): string {
  if (cell === undefined) return "-";
  const word = outcome(cell).startsWith("ok but") ? "expected" : outcome(cell);
  return `${word} ${Math.round(cell.tookMs / 1_000)}`;
}

/** Steps that every cell of the flow reached, over all makes of a family. */
export function stepsShown(results: Results, family: string): readonly Step[] {
  const flows = Object.keys(results)
    .filter((id) => expectedFamily(id) === family)
    .map((id) => results[id]?.flow ?? "FAIL");
  if (flows.length === 0 || flows.includes("FAIL")) return [];
  return steps.filter((step) => flows.some((said) => !new RegExp(`\\b${step}\\b`).test(said)));
}
