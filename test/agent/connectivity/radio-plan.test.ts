// What is written for which wish, as a table: nothing that is so already, nothing more than was wished.
import { describe, expect, test } from "vitest";
import {
  fittingRats,
  planRadio,
  type RadioReading,
  type RadioWish,
  type RadioWrite,
  undoOf,
} from "../../../agent/connectivity/radio-plan.ts";

const noWish: RadioWish = { rats: undefined, bands: undefined, psm: undefined, edrxSeconds: undefined };
const modes = [["lte-m"], ["lte-m", "gsm"], ["lte-m", "nb-iot"], ["nb-iot"]] as const;
const reading = (more: Partial<RadioReading> = {}): RadioReading => ({
  access: { rats: ["lte-m"], read: {} },
  modes,
  bands: { "lte-m": [3, 20], "nb-iot": [20] },
  powerSaving: { enabled: false, requested: { periodicTauSeconds: undefined, activeSeconds: undefined }, granted: undefined },
  edrx: { requested: [], granted: undefined },
  ...more,
});
const day = { periodicTauSeconds: 43_200, activeSeconds: 60 };

describe("what is written", () => {
  const rows: readonly [string, RadioWish, RadioReading, readonly RadioWrite[], number][] = [
    ["nothing is wished", noWish, reading(), [], 0],
    ["it is so already", { ...noWish, rats: ["lte-m", "cat-1bis"] }, reading(), [], 0],
    [
      "other technologies",
      { ...noWish, rats: ["lte-m", "gsm"] },
      reading(),
      [{ kind: "access", rats: ["lte-m", "gsm"], before: ["lte-m"] }],
      0,
    ],
    ["nothing of the wish is to be had", { ...noWish, rats: ["cat-1bis"] }, reading(), [], 1],
    ["a module that tells nothing", { ...noWish, rats: ["lte-m"] }, reading({ access: undefined }), [], 1],
    ["bands, in whatever order they are read", { ...noWish, bands: { "lte-m": [20, 3] } }, reading(), [], 0],
    [
      "other bands; those of technologies that it does not have are passed over",
      { ...noWish, bands: { "lte-m": [8, 20], lte: [1] } },
      reading(),
      [{ kind: "bands", bands: { "lte-m": [8, 20] }, before: { "lte-m": [3, 20] } }],
      0,
    ],
    ["PSM", { ...noWish, psm: day }, reading(), [{ kind: "psm", timers: day, before: undefined }], 0],
    [
      "PSM as it is, its timer rounded up",
      { ...noWish, psm: day },
      reading({ powerSaving: { enabled: true, requested: { periodicTauSeconds: 46_800, activeSeconds: 60 }, granted: undefined } }),
      [],
      0,
    ],
    [
      "PSM off",
      { ...noWish, psm: "off" },
      reading({ powerSaving: { enabled: true, requested: day, granted: undefined } }),
      [{ kind: "psm", timers: undefined, before: day }],
      0,
    ],
    ["PSM off where there is none", { ...noWish, psm: "off" }, reading({ powerSaving: undefined }), [], 0],
    ["PSM of a module that does not know it", { ...noWish, psm: day }, reading({ powerSaving: undefined }), [], 1],
    ["eDRX", { ...noWish, edrxSeconds: 81 }, reading(), [{ kind: "edrx", rat: "lte-m", cycleSeconds: 81, before: undefined }], 0],
    [
      "eDRX as it is, rounded up",
      { ...noWish, edrxSeconds: 81 },
      reading({ edrx: { requested: [{ rat: "lte-m", cycleSeconds: 81.92, pagingWindowSeconds: undefined }], granted: undefined } }),
      [],
      0,
    ],
    ["eDRX off where it is off", { ...noWish, edrxSeconds: 0 }, reading(), [], 0],
    [
      "eDRX where there is neither LTE-M nor NB-IoT",
      { ...noWish, edrxSeconds: 81 },
      reading({ access: { rats: ["lte"], read: {} }, modes: [["lte"]] }),
      [],
      1,
    ],
  ];
  test.each(rows)("%s", (_name, wish, read, writes, unable) => {
    const plan = planRadio(wish, read);
    expect(plan.writes).toEqual(writes);
    expect(plan.unable).toHaveLength(unable);
  });

  test("one list serves a mixed fleet, and never brings more than was wished", () => {
    expect(fittingRats(["lte-m", "cat-1bis"], modes)).toEqual(["lte-m"]);
    expect(fittingRats(["lte-m", "cat-1bis"], [["lte"], ["lte", "utran", "gsm"]])).toEqual(["lte"]);
    expect(fittingRats(["cat-1bis", "gsm"], [["lte"], ["lte", "utran", "gsm"]])).toEqual(["lte"]);
    expect(fittingRats(["gsm", "lte-m"], modes)).toEqual(["lte-m", "gsm"]);
    expect(fittingRats(["utran"], modes)).toBeUndefined();
  });

  test("undone is what was", () => {
    const write: RadioWrite = { kind: "access", rats: ["lte-m"], before: ["lte-m", "gsm"] };
    expect(undoOf(write)).toEqual({ kind: "access", rats: ["lte-m", "gsm"], before: ["lte-m"] });
    expect(undoOf({ ...write, before: undefined })).toBeUndefined();
  });
});
