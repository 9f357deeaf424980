// The signal for displays: measured in the background, kept while the module is busy, and not for longer than it is worth.
import { expect, test } from "vitest";
import { createSignalWatch } from "../../../agent/connectivity/signal.ts";
import type { SignalQuality } from "../../../at-drivers/types.ts";
import { VirtualClock } from "../../../base/clock.ts";
import { SimwardError } from "../../../base/errors.ts";

function bench() {
  const clock = new VirtualClock();
  let asked = 0;
  let answer: () => Promise<SignalQuality> = async () => ({ rsrpDbm: -90 });
  const modem = {
    status: { link: "ready" } as never,
    signalQuality: () => {
      asked++;
      return answer();
    },
  };
  const watch = createSignalWatch(modem, clock);
  return {
    clock,
    latest: () => clock.runUntil(watch.latest()),
    asked: () => asked,
    answers: (next: () => Promise<SignalQuality>) => {
      answer = next;
    },
  };
}
const busy = async (): Promise<never> => {
  throw new SimwardError("BUSY");
};

test("what was measured stands while the module is busy, for two minutes", async () => {
  const { clock, latest, answers } = bench();
  expect(await latest()).toEqual({ rsrpDbm: -90 });
  answers(busy);
  await clock.advance(100_000);
  expect(await latest()).toEqual({ rsrpDbm: -90 });
  await clock.advance(21_000);
  expect(await latest()).toBeUndefined();
  answers(async () => ({ rsrpDbm: -101 }));
  await clock.advance(6_000);
  expect(await latest()).toEqual({ rsrpDbm: -101 });
});

test("a module that hears nothing says so at once", async () => {
  const { clock, latest, answers } = bench();
  await latest();
  answers(async () => ({}));
  await clock.advance(6_000);
  expect(await latest()).toEqual({});
});

test("it is asked once in five seconds, also where it fails, and nobody waits for longer than half a second", async () => {
  const { clock, latest, asked, answers } = bench();
  answers(busy);
  for (let second = 0; second < 10; second++) {
    await latest();
    await clock.advance(1_000);
  }
  expect(asked()).toBe(2);
  await clock.advance(6_000);
  answers(() => new Promise(() => undefined));
  const before = clock.monotonicMs();
  expect(await latest()).toBeUndefined();
  expect(clock.monotonicMs() - before).toBe(500);
});
