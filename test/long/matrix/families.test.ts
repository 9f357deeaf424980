// Every make of module under every trouble: found, online, asked, downloaded, changed, reported, APN and technologies read back, restarted.
// Run by `make matrix`; the table is printed, and kept in results.json with UPDATE=1. MATRIX_MAKES and MATRIX_COLUMNS choose some.
import { existsSync } from "node:fs";
import { expect, test } from "vitest";
import { VirtualClock } from "../../../base/clock.ts";
import { createLog } from "../../../base/log.ts";
import { personalities } from "../../../hw-sim/modem/personalities/table.ts";
import { pkiOfBenches } from "../../support/fault-bench.ts";
import { type Cell, runCell } from "../../support/matrix/cell.ts";
import { columns, withoutColumn } from "../../support/matrix/columns.ts";
import { merged, printed, readResults, resultsOf, resultsPath, writeResults } from "../../support/matrix/results.ts";

const seed = Number(process.env.MATRIX_SEED ?? 1);
const chosenMakes = process.env.MATRIX_MAKES?.split(",");
const chosenColumns = process.env.MATRIX_COLUMNS?.split(",");
const isWhole = chosenMakes === undefined && chosenColumns === undefined && seed === 1;
// E2E_LOG=debug shows what the daemon says.
const level = process.env.E2E_LOG as "debug" | "info" | undefined;

test("every fault of the module has a column", () => {
  expect(withoutColumn()).toEqual([]);
});

test("families and faults", async () => {
  const pki = pkiOfBenches();
  const log = level === undefined ? undefined : createLog({ level, clock: new VirtualClock() });
  const cells: Cell[] = [];
  for (const [id, personality] of Object.entries(personalities))
    for (const column of columns) {
      if (chosenMakes?.includes(id) === false || chosenColumns?.some((begin) => column.id.startsWith(begin)) === false) continue;
      if (column.fits?.(personality) !== false) cells.push(await runCell(id, column, { pki, seed, log }));
    }
  process.stdout.write(printed(cells));
  if (process.env.UPDATE === "1" && seed === 1) writeResults(isWhole ? resultsOf(cells) : merged(readResults(), resultsOf(cells)));
  expect(
    cells.filter(({ wrong }) => wrong !== undefined).map(({ personality, column, wrong }) => `${personality}, ${column}: ${wrong}`),
  ).toEqual([]);
  if (isWhole && existsSync(resultsPath)) expect(resultsOf(cells)).toEqual(readResults());
});
