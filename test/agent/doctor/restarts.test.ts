// A module that goes away again and again: counted within the hour, and judged by what the times have in common.
import { describe, expect, test } from "vitest";
import { causeOfRestarts, type Restart, watchRestarts, windowMs } from "../../../agent/doctor/restarts.ts";
import type { Modem } from "../../../at-drivers/modem.ts";
import type { ModemEvent, ModemListener } from "../../../at-drivers/types.ts";
import { VirtualClock } from "../../../base/clock.ts";
import { broken } from "../../support/broken.ts";
import type { World } from "../../support/e2e.ts";

const boot = "the module has restarted (RDY)";
const hangUp = "the port ended (hang-up)";

describe("what restarts have in common", () => {
  const some = (one: Partial<Restart>, ...ups: readonly (number | undefined)[]) =>
    ups.map((upMs) => ({ reason: boot, wasRegistered: true, upMs, ...one }));
  test.each([
    ["alike in time", some({}, 60_000, 60_500, 59_800, 60_100), /after 6[01] s: a watchdog/, /simward modem port-owner/],
    ["before it is registered", some({ wasRegistered: false }, 5_000, 9_000, 30_000), /supply probably breaks down/, /measure the supply/],
    ["the port goes", some({ reason: hangUp }, 5_000, 90_000, undefined), /USB or power/, /dmesg/],
    ["it falls silent", some({ reason: "3 answers in a row did not come in time" }, 5_000, 90_000, 1), /firmware's fault/, /firmware/],
    ["none of these", some({}, 5_000, 90_000, 700), /reset line/, /simward modem info/],
  ])("%s", (_title, restarts, words, mend) => {
    expect(causeOfRestarts(restarts)).toMatchObject({ words: expect.stringMatching(words), mend: expect.stringMatching(mend) });
  });
});

test("an hour is remembered, what it was told to do is not counted, and whether it was registered is known", async () => {
  const clock = new VirtualClock();
  const listeners = new Set<ModemListener>();
  const onEvent: Modem["onEvent"] = (fn) => {
    listeners.add(fn);
    return () => void listeners.delete(fn);
  };
  const emit = (event: ModemEvent): void => {
    for (const fn of listeners) fn(event);
  };
  const watch = watchRestarts({ modem: { onEvent }, clock });
  emit({ kind: "registration", registration: { status: "home" } });
  emit({ kind: "gone", reason: boot });
  await clock.advance(10_000);
  emit({ kind: "back" });
  emit({ kind: "gone", reason: "it was told to restart" });
  await clock.advance(windowMs - 20_000);
  emit({ kind: "back" });
  await clock.advance(5_000);
  emit({ kind: "gone", reason: hangUp });
  expect(watch.list()).toMatchObject([
    { reason: boot, upMs: undefined, wasRegistered: true },
    { reason: hangUp, upMs: 5_000, wasRegistered: false },
  ]);
  await clock.advance(6_000);
  expect(watch.list()).toHaveLength(1);
  watch.stop();
  expect(listeners.size).toBe(0);
});

const resets =
  (times: number) =>
  async ({ fault, clock, event, online }: World): Promise<void> => {
    for (let left = times; left > 0; left--) {
      await fault({ vehicle: { reset: "1" } });
      await event("path.down");
      await clock.sleep(45_000 + left * 11_000);
      await online();
    }
  };

broken("a module that restarts by itself, four times within the hour", {
  breakIt: resets(4),
  ...{ check: "module-steady", level: "warn", cause: /gone away 4 times within the last hour.*RDY/, mend: /supply/ },
});
broken("a module that restarts by itself all the time", {
  breakIt: resets(7),
  ...{ check: "module-steady", cause: /gone away 7 times/, mend: /supply/ },
});
