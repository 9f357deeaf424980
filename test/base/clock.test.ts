import { describe, expect, test } from "vitest";
import { deadline, SystemClock, VirtualClock } from "../../base/clock.ts";
import { SimwardError } from "../../base/errors.ts";

describe("VirtualClock", () => {
  test("stands still until it is moved, then runs timers in the order of their time", async () => {
    const clock = new VirtualClock({ ms: 1_000 });
    const seen: string[] = [];
    clock.after(20, () => seen.push("late"));
    clock.after(10, () => seen.push("early"));
    const stop = clock.every(8, () => seen.push("tick"));
    await clock.advance(17);
    stop();
    await clock.advance(100);
    expect(seen).toEqual(["tick", "early", "tick", "late"]);
    expect(clock.now()).toBe(1_117);
    expect(clock.monotonicMs()).toBe(117);
  });

  test("a jump of the wall clock moves neither timers nor monotonic time", async () => {
    const clock = new VirtualClock({ ms: 1_000 });
    let fired = false;
    clock.after(50, () => {
      fired = true;
    });
    clock.setWall({ ms: 999_999_999, source: "nitz" });
    await clock.advance(49);
    expect(fired).toBe(false);
    await clock.advance(1);
    expect(fired).toBe(true);
    expect(clock.wall()).toEqual({ ms: 1_000_000_049, source: "nitz" });
  });

  test("runUntil drives a chain of sleeps to its end", async () => {
    const clock = new VirtualClock();
    const work = (async () => {
      for (let i = 0; i < 5; i++) await clock.sleep(60_000);
      return clock.monotonicMs();
    })();
    expect(await clock.runUntil(work)).toBe(300_000);
  });

  test("an aborted sleep rejects with the reason and leaves no timer", async () => {
    const clock = new VirtualClock();
    const controller = new AbortController();
    const sleeping = clock.sleep(1_000, controller.signal);
    controller.abort(new SimwardError("ABORTED"));
    await expect(sleeping).rejects.toMatchObject({ code: "ABORTED" });
    expect(clock.nextTimerInMs()).toBeUndefined();
    await expect(clock.sleep(1, controller.signal)).rejects.toMatchObject({ code: "ABORTED" });
  });
});

describe("deadline", () => {
  test("aborts after its time, or with its parent, or not at all once done", async () => {
    const clock = new VirtualClock();
    const make = (parent?: AbortSignal) => deadline(clock, 100, () => new SimwardError("DEADLINE"), parent);
    const timedOut = make();
    const done = make();
    done.done();
    const parent = new AbortController();
    const followed = make(parent.signal);
    parent.abort(new SimwardError("ABORTED"));
    await clock.advance(100);
    expect(timedOut.signal.reason).toMatchObject({ code: "DEADLINE" });
    expect(done.signal.aborted).toBe(false);
    expect(followed.signal.reason).toMatchObject({ code: "ABORTED" });
  });
});

describe("SystemClock", () => {
  test("never shows a time before the build, and says so", () => {
    const floorMs = Date.UTC(2100, 0, 1);
    const clock = new SystemClock({ floorMs });
    expect(clock.wall()).toEqual({ ms: floorMs, source: "none" });
  });

  test("takes NITZ forward and within a bound only", () => {
    const floorMs = Date.UTC(2020, 0, 1);
    const clock = new SystemClock({ floorMs, nitzMaxStepMs: 86_400_000 });
    const before = clock.now();
    expect(clock.wall().source).toBe("floor");
    expect(clock.nitz(before + 2 * 86_400_000)).toBe(false);
    expect(clock.nitz(floorMs - 1)).toBe(false);
    expect(clock.wall().source).toBe("floor");
    expect(clock.nitz(before + 3_600_000)).toBe(true);
    expect(clock.wall().source).toBe("nitz");
    expect(clock.now()).toBeGreaterThanOrEqual(before + 3_600_000);
    // Backwards: the source is now better, the time stays.
    expect(clock.nitz(before)).toBe(true);
    expect(clock.now()).toBeGreaterThanOrEqual(before + 3_600_000);
  });
});
