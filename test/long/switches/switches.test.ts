// A thousand profile switches in a row with random faults, in virtual time, and a hundred on every make of module: always back online,
// no channel, port or descriptor left open, and the memory stays where it was.
import { describe, expect, test } from "vitest";
import { personalities } from "../../../hw-sim/modem/personalities/table.ts";
import { openDescriptors, residentBytes } from "../../support/memory.ts";
import { SwitchBench } from "../../support/switch-bench.ts";

const inARow = 1_000;
/** By then every path has been walked and compiled. */
const warm = 300;
/** It has neither +CCHO nor +CSIM, and so is no host for an eUICC. */
const noAccess = ["quectel-bg96"];

async function end(bench: SwitchBench): Promise<void> {
  await bench.close();
  expect(bench.openPorts).toBe(0);
  expect(bench.bench.clock.nextTimerInMs()).toBeUndefined();
}

test(`${inARow} in a row`, async () => {
  const bench = new SwitchBench({ seed: 20260502 });
  await bench.start();
  const some = async (count: number): Promise<number> => {
    for (let n = 0; n < count; n++) await bench.switchOnce();
    // Garbage that is left to pile up makes the process large without being kept.
    return residentBytes();
  };
  let bytes = 0;
  for (let n = 0; n < warm; n += 50) bytes = await some(50);
  const before = { bytes, descriptors: openDescriptors() };
  for (let n = warm; n < inARow; n += 50) bytes = await some(50);
  const grownBytes = bytes - before.bytes;
  const { statistics } = bench;
  process.stdout.write(`${JSON.stringify({ ...statistics, grownBytes })}\n`);
  expect(statistics.switches).toBe(inARow);
  expect(openDescriptors()).toBe(before.descriptors);
  expect(grownBytes).toBeLessThan(5_000_000);
  // It was no walk in the park: both ladders were climbed to their tops.
  expect(Object.keys(statistics.refreshSteps)).toEqual(expect.arrayContaining(["wait", "flight-cycle", "cfun-cycle"]));
  expect(statistics.recoverySteps["power answered"]).toBeGreaterThan(10);
  await end(bench);
});

describe.each(Object.entries(personalities).filter(([id]) => !noAccess.includes(id)))("%s", (_, personality) => {
  test("a hundred", async () => {
    const bench = new SwitchBench({ seed: 20260503, personality });
    await bench.start();
    for (let n = 0; n < 100; n++) await bench.switchOnce();
    await end(bench);
  });
});
