// A gateway that is suspended to memory while the vehicle is parked, and wakes up; a wall clock that is set.
import { describe, expect, test } from "vitest";
import { watchClocks } from "../../agent/clock-watch.ts";
import { VirtualClock } from "../../base/clock.ts";
import { FaultBench, pkiOfBenches } from "../support/fault-bench.ts";

describe("what the two clocks of the kernel tell", () => {
  function bench() {
    const clock = new VirtualClock();
    const awake: number[] = [];
    const set: number[] = [];
    let aheadMs = 77_000;
    const stop = watchClocks({
      ...{ clock, bootMs: () => clock.monotonicMs() + aheadMs },
      onAwake: (ms) => void awake.push(ms),
      onSet: (ms) => void set.push(ms),
    });
    const sleep = (ms: number): void => {
      aheadMs += ms;
      clock.setWall({ ms: clock.now() + ms });
    };
    return { clock, awake, set, stop, sleep };
  }

  test("time asleep is told once, each time anew", async () => {
    const { clock, awake, set, sleep } = bench();
    await clock.advance(3_600_000);
    expect(awake).toEqual([]);
    sleep(28_800_000);
    await clock.advance(10_000);
    expect(awake).toEqual([28_800_000]);
    await clock.advance(3_600_000);
    sleep(60_000);
    await clock.advance(10_000);
    expect(awake).toEqual([28_800_000, 60_000]);
    expect(set).toEqual([]);
  });

  test("a wall clock that is set is told, forward and back, beside a sleep too; one that is slewed is not", async () => {
    const { clock, awake, set, sleep } = bench();
    clock.setWall({ ms: clock.now() + 31_536_000_000 });
    await clock.advance(10_000);
    sleep(600_000);
    clock.setWall({ ms: clock.now() - 86_400_000 });
    await clock.advance(10_000);
    for (let look = 0; look < 100; look++) {
      clock.setWall({ ms: clock.now() + 5_000 });
      await clock.advance(10_000);
    }
    expect([set, awake]).toEqual([[31_536_000_000, -86_400_000], [600_000]]);
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

  test("a clock that is set is in the trail, with the time before", async () => {
    const bench = new FaultBench({ pki: pkiOfBenches(), seed: 1, config });
    bench.start();
    await bench.until("first poll", () => bench.polls > 0);
    bench.clock.setWall({ ms: bench.clock.now() - 3 * hourMs, source: "network" });
    await bench.clock.advance(15_000);
    const records = (await bench.agent?.auditRecords({ event: "clock.set" }))?.records;
    expect(records?.map(({ cause, data }) => [cause, data?.bySeconds])).toEqual([["network", -10_800]]);
    const [{ time, data } = { time: "", data: undefined }] = records ?? [];
    expect(Date.parse(String(data?.before)) - Date.parse(time)).toBe(3 * hourMs);
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
