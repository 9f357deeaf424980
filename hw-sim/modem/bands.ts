// Bands that a make's setting leaves a module to look on: masks of which bit n stands for band n + 1, and lists. A cell on another band is not found.
import type { SimRat } from "../contracts.ts";
import { cellBands } from "./serving-cell.ts";

/** Of the cells here; of 2G there is no telling its bands apart. */
const isInMask = (mask: bigint, rat: SimRat): boolean => rat === "gsm" || ((mask >> BigInt(cellBands[rat].band - 1)) & 1n) === 1n;

/** A technology without a mask looks on all. */
export function heardThrough(rats: readonly SimRat[], masks: Readonly<Partial<Record<SimRat, bigint>>>): readonly SimRat[] {
  return rats.filter((rat) => isInMask(masks[rat] ?? allBands, rat));
}

const allBands = (1n << 128n) - 1n;

/** "3,8,20" */
export const maskOfList = (text: string): bigint => text.split(",").reduce((mask, band) => mask | (1n << (BigInt(band) - 1n)), 0n);
