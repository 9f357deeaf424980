// A gateway that is suspended to memory while the vehicle is parked, and wakes up.
import { describe, expect, test } from "vitest";
import { watchSuspend } from "../../agent/suspend.ts";
import { VirtualClock } from "../../base/clock.ts";
import { FaultBench, pkiOfBenches } from "../support/fault-bench.ts";

describe("what the two clocks of the kernel tell", () => {
  function bench() {
    const clock = new VirtualClock();
    const awake: number[] = [];
    let aheadMs = 77_000;
    const stop = watchSuspend({ clock, bootMs: () => clock.monotonicMs() + aheadMs, onAwake: (ms) => void awake.push(ms) });
    const sleep = (ms: number): void => {
      aheadMs += ms;
    };
    return { clock, awake, stop, sleep };
  }

  test("time asleep is told once, each time anew", async () => {
    const { clock, awake, sleep } = bench();
    await clock.advance(3_600_000);
    expect(awake).toEqual([]);
    sleep(28_800_000);
    await clock.advance(10_000);
    expect(awake).toEqual([28_800_000]);
    await clock.advance(3_600_000);
    sleep(60_000);
    await clock.advance(10_000);
    expect(awake).toEqual([28_800_000, 60_000]);
  });

  test("what two readings differ by is no sleep; a clock that goes back neither, and hides none afterwards", async () => {
    const { clock, awake, sleep } = bench();
    sleep(1_990);
    await clock.advance(10_000);
    sleep(-500_000);
    await clock.advance(10_000);
    expect(awake).toEqual([]);
    sleep(30_000);
    await clock.advance(10_000);
    expect(awake).toEqual([30_000]);
  });

  test("nothing is watched after its end", async () => {
    const { clock, awake, sleep, stop } = bench();
    stop();
    sleep(60_000);
    await clock.advance(60_000);
    expect([awake, clock.nextTimerInMs()]).toEqual([[], undefined]);
  });
});

describe("the whole agent", () => {
  const hourMs = 3_600_000;
  const config = { eim: { poll_interval_seconds: 21_600, online_timeout_seconds: 60 } };

  test("a poll that is overdue after the sleep is made up for within minutes, and the trail says how long it was", async () => {
    const bench = new FaultBench({ pki: pkiOfBenches(), seed: 1, config });
    bench.start();
    await bench.until("first poll", () => bench.polls > 0);
    const before = bench.polls;
    bench.suspend(8 * hourMs);
    await bench.until("the next poll", () => bench.polls > before, 6 * 60_000);
    const records = (await bench.agent?.auditRecords({ event: "daemon.awake" }))?.records;
    expect(records?.map(({ cause, data }) => [cause, data])).toEqual([["suspend", { asleepSeconds: 28_800 }]]);
    await bench.stop();
  });

  test("one that is not keeps its moment of the day", async () => {
    const bench = new FaultBench({ pki: pkiOfBenches(), seed: 1, config });
    bench.start();
    await bench.until("first poll", () => bench.polls > 0);
    const due = async (): Promise<number> => bench.clock.now() + ((await bench.agent?.status())?.eims[0]?.nextPollInMs ?? Number.NaN);
    await bench.clock.advance(1_000);
    const dueBefore = await due();
    expect(dueBefore - bench.clock.now()).toBeGreaterThan(60_000);
    bench.suspend(30_000);
    await bench.clock.advance(15_000);
    expect(await due()).toBe(dueBefore);
    await bench.stop();
  });
});
