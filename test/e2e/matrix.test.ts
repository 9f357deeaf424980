// A fixed sample of `make matrix`: each make of module under one trouble of its own, along the diagonal; it must come out as results.json says.
import { expect, test } from "vitest";
import { personalities } from "../../hw-sim/modem/personalities/table.ts";
import { pkiOfBenches } from "../support/fault-bench.ts";
import { runCell } from "../support/matrix/cell.ts";
import { type Column, columns, flow } from "../support/matrix/columns.ts";
import { outcome, readResults } from "../support/matrix/results.ts";

const pki = pkiOfBenches();
const seed = 1;
/** Prime to the number of columns, so that neighbours differ. */
const stride = 5;

const sample = Object.entries(personalities).map(([id, personality], at): readonly [string, Column] => {
  const order = columns.map((_, step) => columns[(at * stride + step) % columns.length] ?? flow);
  return [id, order.find((column) => column.fits?.(personality) !== false) ?? flow];
});

test.each(sample.map(([id, column]) => [id, column.id, column] as const))("%s: %s", async (id, _, column) => {
  const cell = await runCell(id, column, { pki, seed });
  expect(cell.wrong).toBeUndefined();
  expect(outcome(cell)).toBe(readResults()[id]?.[column.id]);
});
