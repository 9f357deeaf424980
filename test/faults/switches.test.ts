// Thirty profile switches in a row with random faults: always back online with the new profile, nothing left open. A thousand: test/long/switches.
import { expect, test } from "vitest";
import { SwitchBench } from "../support/switch-bench.ts";

test("thirty switches, whatever goes wrong: always back online, no channel and no port left open", async () => {
  const bench = new SwitchBench({ seed: 20260501 });
  await bench.start();
  for (let n = 0; n < 30; n++) await bench.switchOnce();
  expect(bench.statistics.switches).toBe(30);
  await bench.close();
  expect(bench.openPorts).toBe(0);
  expect(bench.bench.clock.nextTimerInMs()).toBeUndefined();
});
