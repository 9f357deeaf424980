// The kernel's count against the module's: agreement, drift, restarts and wraps of the module, and when it is not asked at all.
import { beforeEach, describe, expect, test } from "vitest";
import { createAlarms } from "../../../agent/alarms.ts";
import type { AuditEvent } from "../../../agent/audit/types.ts";
import type { PathState } from "../../../agent/connectivity/keeper.ts";
import { createSessionBook } from "../../../agent/connectivity/sessions.ts";
import { type CrossCheck, compare, createCrossCheck, type Pair } from "../../../agent/usage/cross-check.ts";
import { countedSince, createModuleCount } from "../../../agent/usage/module-count.ts";
import { createModuleSide, type ModuleSideOptions } from "../../../agent/usage/module-side.ts";
import type { ModuleCounters } from "../../../at-drivers/data-interface.ts";
import { VirtualClock } from "../../../base/clock.ts";
import { silentLog } from "../../../base/log.ts";
import { seededRandom } from "../../../base/random.ts";

const quarterHourMs = 900_000;
const counters = (sentBytes: number, receivedBytes: number, more: Partial<ModuleCounters> = {}): ModuleCounters => ({
  ...{ sentBytes, receivedBytes, stepBytes: 1, afterStart: "zero", life: 1 },
  ...more,
});

describe("what passed between two readings of the module", () => {
  test.each([
    ["plainly", counters(10, 20), counters(15, 20), { sentBytes: 5, receivedBytes: 0 }],
    ["over the end of 32 bits", counters(2 ** 32 - 10, 0), counters(5, 7), { sentBytes: 15, receivedBytes: 7 }],
    ["begun anew", counters(1_000, 1_000), counters(5, 7), undefined],
    ["near the end, but it was started anew", counters(2 ** 32 - 10, 0), counters(5, 7, { life: 2 }), undefined],
    ["a wrap that no link could have filled", counters(2 ** 31, 0), counters(2 ** 31 - 1, 0), undefined],
  ])("%s", (_, before, now, expected) => {
    expect(countedSince(before, now, 60_000)).toEqual(expected);
  });
});

describe("bound", () => {
  const pair = (bytes: number, packets: number | undefined, module: ModuleCounters, atMs: number): Pair => {
    const kernel = { index: 7, bytes, ...(packets === undefined ? {} : { packets }) };
    return { before: kernel, module, after: kernel, atMs };
  };
  const dayMs = 86_400_000;

  test("headers of every packet, the module's own keep-alives of a day, and no more", () => {
    const from = pair(0, 0, counters(0, 0), 0);
    const found = compare(from, pair(10_000_000, 10_000, counters(5_000_000, 5_000_000), dayMs));
    expect(found).toMatchObject({ kernelBytes: 10_000_000, moduleBytes: 10_000_000, gapBytes: 0 });
    expect(found?.boundBytes).toBe(10_000 * 86 + 65_536 + 576_000);
  });

  test("kilobytes are allowed for: cut off at both ends, and of 1,000 or 1,024", () => {
    const kilobytes = { stepBytes: 1_024 };
    const from = pair(0, 0, counters(0, 0, kilobytes), 0);
    const found = compare(from, pair(1_000_000, 0, counters(0, 999_424, kilobytes), 0));
    expect(found?.boundBytes).toBe(65_536 + 4 * 1_024 + 24_000);
  });

  test("what is on the way while the two are read is no difference", () => {
    const before = { index: 7, bytes: 0 };
    const from: Pair = { before, module: counters(0, 0), after: before, atMs: 0 };
    const to: Pair = { before, module: counters(3_000_000, 0), after: { index: 7, bytes: 5_000_000 }, atMs: 1_000 };
    expect(compare(from, to)?.gapBytes).toBe(0);
  });

  test("an interface made anew says nothing", () => {
    const from = pair(0, 0, counters(0, 0), 0);
    const to = pair(9_000_000, 1, counters(0, 0), 1);
    expect(compare(from, { ...to, after: { ...to.after, index: 8 } })).toBeUndefined();
  });
});

describe("on the road", () => {
  let clock: VirtualClock;
  let kernelBytes: number;
  let module: ModuleCounters | undefined;
  let asked: number;
  let mayAsk: boolean;
  let events: AuditEvent[];
  let alarms: ReturnType<typeof createAlarms>;
  let check: CrossCheck;

  beforeEach(async () => {
    clock = new VirtualClock();
    kernelBytes = 0;
    module = counters(0, 0);
    asked = 0;
    mayAsk = true;
    events = [];
    alarms = createAlarms();
    check = createCrossCheck({
      ...{ clock, alarms, log: silentLog },
      audit: async (event) => void events.push(event),
      kernel: async () => ({ index: 7, bytes: kernelBytes, packets: Math.ceil(kernelBytes / 1_400) }),
      module: async () => {
        asked++;
        return module;
      },
      mayAsk: () => mayAsk,
    });
    check.start();
    check.session(true);
    await clock.advance(0);
  });

  /** A quarter of an hour with so much of it, of which the module counts that part. */
  const drive = async (bytes: number, part = 1): Promise<void> => {
    kernelBytes += bytes;
    if (module !== undefined) module = { ...module, receivedBytes: module.receivedBytes + bytes * part };
    await clock.advance(quarterHourMs);
  };

  test("counts that agree are nothing to tell", async () => {
    for (let i = 0; i < 200; i++) await drive(2_000_000, 0.97);
    expect([events, alarms.list()]).toEqual([[], []]);
  });

  test("drift is told once, with both figures, and once when it is over", async () => {
    await drive(5_000_000);
    for (let i = 0; i < 4; i++) await drive(10_000_000, 0.5);
    expect(events).toMatchObject([{ event: "usage.mismatch", data: { kernelBytes: 15_000_000, moduleBytes: 10_000_000, seconds: 1_800 } }]);
    expect(alarms.list()).toMatchObject([{ code: "USAGE_MISMATCH" }]);
    await drive(10_000_000);
    expect(events.map(({ event }) => event)).toEqual(["usage.mismatch", "usage.mismatchEnded"]);
    expect(alarms.list()).toEqual([]);
    await drive(10_000_000, 2);
    expect(events.map(({ event }) => event)).toEqual(["usage.mismatch", "usage.mismatchEnded", "usage.mismatch"]);
  });

  test("a module that began anew is no difference: it is compared from then on", async () => {
    await drive(50_000_000);
    module = counters(0, 0, { life: 2 });
    await drive(50_000_000, 0.1);
    expect(events).toEqual([]);
    await drive(50_000_000, 0.1);
    expect(events).toMatchObject([{ event: "usage.mismatch", data: { kernelBytes: 50_000_000, moduleBytes: 5_000_000 } }]);
  });

  test("a session's end is looked at by itself, and the next one alone", async () => {
    kernelBytes += 9_000_000;
    check.session(false);
    await clock.advance(0);
    expect(events).toMatchObject([{ event: "usage.mismatch" }]);
    // Between sessions it loses what it had.
    module = counters(100_000_000, 0);
    check.session(true);
    await clock.advance(0);
    await drive(1_000_000);
    expect(events.map(({ event }) => event)).toEqual(["usage.mismatch", "usage.mismatchEnded"]);
  });

  test("it is not asked while somebody else needs it, nor while nothing passes", async () => {
    await drive(1_000);
    const before = asked;
    await clock.advance(8 * quarterHourMs);
    expect(asked).toBe(before);
    mayAsk = false;
    await drive(90_000_000, 0);
    expect([asked, events]).toEqual([before, []]);
    mayAsk = true;
    await clock.advance(quarterHourMs);
    expect(events).toMatchObject([{ event: "usage.mismatch" }]);
  });

  test("a module without such counters is never held against", async () => {
    module = undefined;
    for (let i = 0; i < 5; i++) await drive(10_000_000);
    expect(events).toEqual([]);
  });

  test("stopped, it asks no more", async () => {
    await check.stop();
    const before = asked;
    await drive(10_000_000, 0);
    expect(asked).toBe(before);
    expect(clock.nextTimerInMs()).toBeUndefined();
  });
});

describe("where nobody else counts", () => {
  const setUp = (afterStart: ModuleCounters["afterStart"]) => {
    const clock = new VirtualClock();
    const state: { module: ModuleCounters | undefined; mayAsk: boolean; asked: number } = {
      ...{ module: counters(1_000, 1_000, { afterStart }), mayAsk: true, asked: 0 },
    };
    const read = async () => {
      state.asked++;
      return state.module;
    };
    const count = createModuleCount({ clock, log: silentLog, read, mayAsk: () => state.mayAsk, run: "0011223344556677" });
    return { clock, state, count };
  };

  test("what stood there before is nobody's; what follows is all the fleet's", async () => {
    const { clock, state, count } = setUp("zero");
    expect((await count.read())?.fleet).toEqual({ sentBytes: 0, receivedBytes: 0 });
    state.module = counters(1_500, 1_700);
    await clock.advance(60_000);
    expect(await count.read()).toEqual({
      epoch: "module:0011223344556677",
      fleet: { sentBytes: 500, receivedBytes: 700 },
      management: { sentBytes: 0, receivedBytes: 0 },
    });
  });

  test.each([
    ["zero", 30],
    ["saved", 0],
    ["unknown", 0],
  ] as const)("behind a start of a module that begins with %s", async (afterStart, counted) => {
    const { clock, state, count } = setUp(afterStart);
    await count.read();
    state.module = counters(10, 20, { afterStart, life: 2 });
    await clock.advance(60_000);
    await count.read();
    const { sentBytes = 0, receivedBytes = 0 } = count.total() ?? {};
    expect(sentBytes + receivedBytes).toBe(counted);
    // And nothing of it is lost from then on.
    state.module = counters(110, 20, { afterStart, life: 2 });
    await count.refresh();
    expect(count.total()?.sentBytes).toBe((counted === 0 ? 0 : 10) + 100);
  });

  test("it is asked once a minute at most, and not while others need it", async () => {
    const { clock, state, count } = setUp("zero");
    for (let i = 0; i < 8; i++) {
      await count.read();
      await clock.advance(15_000);
    }
    expect(state.asked).toBe(2);
    state.mayAsk = false;
    await clock.advance(300_000);
    expect((await count.read())?.fleet).toBeDefined();
    expect(state.asked).toBe(2);
  });

  test("a module that cannot be read leaves what was counted", async () => {
    const { clock, state, count } = setUp("zero");
    await count.read();
    state.module = undefined;
    await clock.advance(60_000);
    expect((await count.read())?.fleet).toEqual({ sentBytes: 0, receivedBytes: 0 });
  });
});

test("a session's record waits for the module's last word, and has its octets without [net]", async () => {
  const clock = new VirtualClock();
  let module = counters(1_000, 1_000);
  const count = createModuleCount({ clock, log: silentLog, read: async () => module, mayAsk: () => true, run: "0011223344556677" });
  await count.refresh();
  const events: AuditEvent[] = [];
  const book = createSessionBook({
    clock,
    registration: () => ({ status: "home" }),
    bytes: count.total,
    settle: count.refresh,
    audit: async (event) => void events.push(event),
  });
  const session = { cid: 1, apn: "iot", address: "10.0.0.2", gateway: undefined, dns: [], mtuBytes: undefined };
  book.path({ up: true, session, iccid: "8949", apn: "iot", reason: undefined, isExhausted: false });
  module = counters(4_000, 7_000);
  await book.close("the test ends");
  expect(events).toMatchObject([{ event: "session.ended", data: { sentBytes: 3_000, receivedBytes: 6_000 } }]);
});

test("a session of a few minutes is held together, though it is told before its interface is up and its end after the path has let go of it", async () => {
  const clock = new VirtualClock();
  const events: string[] = [];
  let interfaceName: string | undefined;
  let kernelBytes = 0;
  let module = counters(0, 0);
  let tellPath: (path: PathState) => void = () => {};
  const side = createModuleSide({
    modem: {
      status: { link: "ready", consecutiveTimeouts: 0 },
      dataInterface: { counters: async () => module },
      attachCid: 1,
    } as unknown as ModuleSideOptions["modem"],
    ...{ clock, log: silentLog, random: seededRandom(1), alarms: createAlarms(), isBusy: () => false },
    audit: async ({ event }) => void events.push(event),
    kernel: {
      interfaceName: () => interfaceName,
      view: { index: async () => 7, counters: () => ({ sentBytes: kernelBytes, receivedBytes: 0, packets: kernelBytes / 1_400 }) },
    },
  });
  side.start(
    (fn) => {
      tellPath = fn;
      return () => {};
    },
    () => {},
  );
  const path = { up: true, session: undefined, iccid: undefined, apn: undefined, reason: undefined, isExhausted: false } as PathState;
  tellPath(path);
  await clock.advance(2_000);
  interfaceName = "wwan0";
  await clock.advance(60_000);
  kernelBytes += 4_200_000;
  module = counters(6_300_000, 0);
  await clock.advance(60_000);
  expect(events).toEqual([]);
  interfaceName = undefined;
  tellPath({ ...path, up: false });
  await clock.advance(0);
  expect(events).toEqual(["usage.mismatch"]);
  await side.stop();
});
