// The timers of PSM and the cycles of eDRX as 3GPP TS 24.008 codes them, and the bands' masks.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { bandsOfMask, maskOfBands } from "../../../at-drivers/commands/bands.ts";
import {
  decodeActiveTime,
  decodeEdrxCycle,
  decodePagingWindow,
  decodePeriodicTau,
  encodeActiveTime,
  encodeEdrxCycle,
  encodePeriodicTau,
} from "../../../at-drivers/commands/power.ts";

const seed = 24_008;

describe("timers", () => {
  test.each([
    ["01100000", 0],
    ["00000110", 3_600],
    ["00100001", 3_600],
    ["01000011", 108_000],
    ["11000001", 1_152_000],
    ["10000010", 60],
    ["10100010", 120],
    ["11100000", undefined],
    ["0110000", undefined],
    ["", undefined],
  ])("T3412 extended %s is %s s", (bits, seconds) => expect(decodePeriodicTau(bits)).toBe(seconds));

  test.each([
    ["00000000", 0],
    ["00001010", 20],
    ["00100001", 60],
    ["01000011", 1_080],
    ["11100000", undefined],
  ])("T3324 %s is %s s", (bits, seconds) => expect(decodeActiveTime(bits)).toBe(seconds));

  test("what is asked for is never shortened, and lengthened by less than a step of its unit", () => {
    const within = (
      encode: (seconds: number) => string,
      decode: (bits: string) => number | undefined,
      longest: number,
      coarsest: number,
    ): void =>
      fc.assert(
        fc.property(fc.integer({ min: 0, max: longest }), (seconds) => {
          const said = decode(encode(seconds)) ?? Number.NaN;
          expect(said).toBeGreaterThanOrEqual(seconds);
          expect(said - seconds).toBeLessThan(coarsest);
        }),
        { seed },
      );
    within(encodePeriodicTau, decodePeriodicTau, 31 * 1_152_000, 1_152_000);
    within(encodePeriodicTau, decodePeriodicTau, 31 * 3_600, 3_600);
    within(encodeActiveTime, decodeActiveTime, 31 * 360, 360);
    within(encodeActiveTime, decodeActiveTime, 62, 2);
  });

  test("what is longer than can be said is refused, what is off is said as off", () => {
    expect(() => encodeActiveTime(31 * 360 + 1)).toThrow(
      expect.objectContaining({ code: "AT_COMMAND", detail: "the active time cannot be 11161 s" }),
    );
    expect(encodePeriodicTau(undefined)).toBe("11100000");
  });
});

describe("eDRX", () => {
  test.each([
    ["lte-m", 5, "0000"],
    ["lte-m", 61.44, "0100"],
    ["lte-m", 62, "0101"],
    // NB-IoT has no cycle of 61.44 s.
    ["nb-iot", 61.44, "0101"],
    ["nb-iot", 1, "0010"],
    ["lte-m", 10_485.76, "1111"],
  ] as const)("%s: a cycle of %s s is %s", (rat, seconds, bits) => expect(encodeEdrxCycle(rat, seconds)).toBe(bits));

  test("every code is a longer cycle than the one before, and means itself", () => {
    const cycles = Array.from({ length: 16 }, (_, code) => decodeEdrxCycle(code.toString(2).padStart(4, "0")) ?? Number.NaN);
    expect(cycles).toEqual([...cycles].sort((a, b) => a - b));
    for (const [code, cycle] of cycles.entries()) expect(encodeEdrxCycle("lte-m", cycle)).toBe(code.toString(2).padStart(4, "0"));
  });

  test("the paging window counts from one, in steps of the technology", () => {
    expect(decodePagingWindow("lte-m", "0000")).toBe(1.28);
    expect(decodePagingWindow("lte-m", "0011")).toBe(5.12);
    expect(decodePagingWindow("nb-iot", "0011")).toBe(10.24);
    expect(decodePagingWindow("lte-m", "")).toBeUndefined();
  });

  test("what is longer than can be said is refused", () => {
    expect(() => encodeEdrxCycle("nb-iot", 10_486)).toThrow(expect.objectContaining({ code: "AT_COMMAND" }));
  });
});

test("bands of a mask: any set of them is itself again", () => {
  fc.assert(
    fc.property(fc.uniqueArray(fc.integer({ min: 1, max: 128 })), (bands) => {
      expect(bandsOfMask(maskOfBands(bands))).toEqual([...bands].sort((a, b) => a - b));
    }),
    { seed },
  );
  expect(maskOfBands([3, 20]).toString(16)).toBe("80004");
});
