// Throttling told from transfers made anyway: tables of transfers and what is said after them.
import { expect, test } from "vitest";
import { createEventHub } from "../../../agent/api/events.ts";
import {
  initialThroughput,
  isThrottled,
  leastBytes,
  nextThroughput,
  rateIn,
  type ThroughputState,
  type Transfer,
} from "../../../agent/connectivity/throughput.ts";
import { createIpaEvents } from "../../../agent/ipa-events.ts";
import { VirtualClock } from "../../../base/clock.ts";
import { silentLog } from "../../../base/log.ts";

const download = (durationMs: number, more: Partial<Transfer> = {}): Transfer => ({
  ...{ plmn: "26298", rat: "lte-m", name: "ESipa.GetBoundProfilePackage", sentBytes: 1_000, receivedBytes: 39_000, durationMs },
  ...more,
});
const after = (transfers: readonly Transfer[]): ThroughputState =>
  transfers.reduce((state, one) => nextThroughput(state, one).state, initialThroughput);

const [fast, slow] = [download(1_000), download(5_001)];
test.each<readonly [string, readonly Transfer[], boolean]>([
  ["one alone has nothing to be compared with", [slow], false],
  ["one slow is a bad moment", [fast, slow], false],
  ["two in a row are throttling", [fast, slow, slow], true],
  ["a fifth of the best is none", [fast, download(5_000), download(5_000)], false],
  ["one as before ends it", [fast, slow, slow, fast], false],
  ["not in a row", [fast, slow, fast, slow], false],
  ["small ones are no measure", [fast, slow, download(9_000, { sentBytes: 0, receivedBytes: leastBytes - 1 })], false],
  ["the card's segments are no network's", [fast, slow, download(90_000, { name: "ES10b.LoadBoundProfilePackage" })], false],
  ["another exchange is not compared", [fast, ...[slow, slow].map((one) => ({ ...one, name: "ESipa.GetEimPackage" }))], false],
  ["another network is not compared", [{ ...fast, plmn: "26201" }, slow, slow], false],
  ["another technology is not compared", [{ ...fast, rat: "lte" }, slow, slow], false],
])("%s", (_name, transfers, throttled) => {
  const rate = rateIn(after(transfers), "26298", "lte-m");
  expect(rate !== undefined && isThrottled(rate)).toBe(throttled);
});

test("the rate is of both ways, with the best of the network; nothing is said of a network in which nothing was measured", () => {
  const state = after([fast, slow]);
  expect(rateIn(state, "26298", "lte-m")).toMatchObject({ bitsPerSecond: 63_987, bestBitsPerSecond: 320_000, slow: 1 });
  expect(rateIn(state, "26201", "lte-m")).toBeUndefined();
  expect(rateIn(after([download(0), download(1_000, { plmn: undefined })]), "26298", "lte-m")).toBeUndefined();
});

test("what the IPA tells of an exchange is measured; one that failed is not", async () => {
  let state = initialThroughput;
  const events = createIpaEvents({
    hub: createEventHub({ clock: new VirtualClock() }),
    log: silentLog,
    record: async () => {},
    transferred: (step) => {
      state = nextThroughput(state, { ...step, plmn: "26298", rat: "lte-m" }).state;
    },
  });
  const step = { kind: "step", name: "ESipa.GetBoundProfilePackage", sentBytes: 1_000, receivedBytes: 39_000 } as const;
  await events.emit({ ...step, durationMs: 1_000.4 });
  await events.emit({ ...step, durationMs: 90_000, error: "COAP_TIMEOUT" });
  expect(state.rates).toMatchObject([{ bitsPerSecond: 320_000, slow: 0 }]);
});
