// Notifications on their way from the eIM to SM-DP+s: in order for each eUICC, again while one cannot be had, nobody waits for another.
import { expect, test } from "vitest";
import { VirtualClock } from "../../../base/clock.ts";
import { EventLog } from "../../../hw-sim/eim/events.ts";
import { Forwarding } from "../../../hw-sim/eim/forwarding.ts";

const bytes = (value: number): Uint8Array => Uint8Array.of(value);

function bench(unreachable: Record<string, number>) {
  const clock = new VirtualClock();
  const arrived: string[] = [];
  const events = new EventLog(clock);
  const outcomes: unknown[] = [];
  events.follow(0, (event) => outcomes.push([event.seqNumber, event.outcome]));
  const forwarding = new Forwarding(
    clock,
    async (address, _name, { pendingNotification }) => {
      if ((unreachable[address] ?? 0) > 0) {
        unreachable[address] = (unreachable[address] ?? 0) - 1;
        throw new Error("unreachable");
      }
      arrived.push(`${address} ${Buffer.from(String(pendingNotification), "base64")[0]}`);
      return undefined;
    },
    events,
  );
  return { clock, arrived, outcomes, forwarding };
}

test("one that cannot be delivered yet is not overtaken by the next of the same eUICC; other servers and eUICCs do not wait", async () => {
  const { clock, arrived, outcomes, forwarding } = bench({ dp1: 2 });
  for (const [eid, address, seqNumber] of [
    ["a", "dp1", 1],
    ["a", "dp1", 2],
    ["a", "dp2", 3],
  ] as const)
    forwarding.forward(eid, address, bytes(seqNumber), seqNumber);
  await clock.advance(0);
  expect(arrived).toEqual(["dp2 3"]);
  await clock.advance(10_000);
  expect(arrived).toEqual(["dp2 3", "dp1 1", "dp1 2"]);
  expect(outcomes.filter((one) => JSON.stringify(one).includes("delivered"))).toHaveLength(3);
});

test("it gives up in the end, and the next has its turn; stopping ends it", async () => {
  const { clock, arrived, outcomes, forwarding } = bench({ dp1: 8 });
  forwarding.forward("a", "dp1", bytes(1), 1);
  forwarding.forward("a", "dp1", bytes(2), 2);
  await clock.advance(3_600_000);
  expect(outcomes.filter((one) => JSON.stringify(one).includes("1,"))).toHaveLength(8);
  expect(outcomes.at(-2)).toEqual([1, "failed"]);
  expect(arrived).toEqual(["dp1 2"]);

  const stopped = bench({ dp1: 100 });
  stopped.forwarding.forward("a", "dp1", bytes(1), 1);
  await stopped.clock.advance(0);
  stopped.forwarding.stop();
  await stopped.clock.advance(3_600_000);
  expect(stopped.outcomes).toEqual([[1, "again"]]);
  expect(stopped.clock.nextTimerInMs()).toBeUndefined();
});
