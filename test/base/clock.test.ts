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
  const dayMs = 86_400_000;
  const floorMs = Date.UTC(2026, 0, 1);
  const clockAt = (startMs: number) => {
    const machine = { wall: startMs, monotonic: 0 };
    const clock = new SystemClock({ floorMs, machine: { wallMs: () => machine.wall, monotonicMs: () => machine.monotonic } });
    const pass = (ms: number): void => {
      machine.wall += ms;
      machine.monotonic += ms;
    };
    return { clock, machine, pass };
  };

  test("never shows a time before the build, and says so", () => {
    const { clock, machine } = clockAt(0);
    expect(clock.wall()).toEqual({ ms: floorMs, source: "none" });
    // Somebody else, such as NTP, has set it.
    machine.wall = floorMs + dayMs;
    expect(clock.wall()).toEqual({ ms: floorMs + dayMs, source: "floor" });
  });

  test.each([
    ["a clock that stands at 1970: the life of a device", 0, 14 * 365 * dayMs, 16 * 365 * dayMs],
    ["a clock that runs: as long as a vehicle is parked", floorMs + dayMs, 399 * dayMs, 402 * dayMs],
  ])("takes NITZ forward within a bound: %s", (_name, startMs, believedMs, notBelievedMs) => {
    const { clock } = clockAt(startMs);
    expect(clock.nitz(floorMs + notBelievedMs)).toBe(false);
    expect(clock.nitz(floorMs - 1)).toBe(false);
    expect(clock.wall().source).not.toBe("nitz");
    expect(clock.nitz(floorMs + believedMs)).toBe(true);
    expect(clock.wall()).toEqual({ ms: floorMs + believedMs, source: "nitz" });
    // From now on what clocks drift; backwards, only its word is better.
    expect(clock.nitz(floorMs + believedMs + 2 * dayMs)).toBe(false);
    expect(clock.nitz(floorMs + believedMs - dayMs)).toBe(true);
    expect(clock.nitz(floorMs + believedMs + 1_000)).toBe(true);
    expect(clock.wall()).toEqual({ ms: floorMs + believedMs + 1_000, source: "nitz" });
  });

  test("a machine's clock that is set right after NITZ has spoken is not counted twice", () => {
    const { clock, machine, pass } = clockAt(0);
    const trueMs = floorMs + 500 * dayMs;
    clock.nitz(trueMs);
    pass(60_000);
    expect(clock.now()).toBe(trueMs + 60_000);
    machine.wall = trueMs + 60_000;
    pass(1_000);
    expect(clock.now()).toBe(trueMs + 61_000);
  });

  test("while somebody keeps the machine's clock, that is the time, whatever NITZ says; asked twice a minute at most", () => {
    const machine = { wall: floorMs + dayMs, monotonic: 0 };
    const kept = { yes: false, asked: 0 };
    const isSynchronised = (): boolean => {
      kept.asked++;
      return kept.yes;
    };
    const clock = new SystemClock({
      floorMs,
      isSynchronised,
      machine: { wallMs: () => machine.wall, monotonicMs: () => machine.monotonic },
    });
    expect(clock.nitz(floorMs + 3 * dayMs)).toBe(true);
    kept.yes = true;
    machine.monotonic = 29_999;
    expect(clock.wall().source).toBe("nitz");
    machine.monotonic = 30_000;
    expect(clock.wall()).toEqual({ ms: floorMs + dayMs, source: "network" });
    expect(clock.nitz(floorMs + 3 * dayMs)).toBe(false);
    expect(kept.asked).toBe(2);
    // A clock before the build cannot have been set right.
    machine.wall = 0;
    expect(clock.wall().source).toBe("nitz");
  });

  test("a wait longer than a timer of Node can be does not end at once, and can be called off", async () => {
    const clock = new SystemClock();
    let fired = false;
    const stop = clock.after(40 * dayMs, () => {
      fired = true;
    });
    await clock.sleep(20);
    stop();
    expect(fired).toBe(false);
  });
});
