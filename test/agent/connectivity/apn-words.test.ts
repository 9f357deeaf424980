// What a network says of an APN reaches a person in words, on whatever make; the keeper takes the next APN at once when it is the APN's fault.
import { describe, expect, test } from "vitest";
import { esmCauseOfCme, isApnsFault, refusalText, sessionCauseText } from "../../../agent/connectivity/causes.ts";
import { personalities } from "../../../hw-sim/modem/personalities/table.ts";
import { keeperBench } from "../keeper-bench.ts";

describe("an APN that the network does not know", () => {
  test.each(["generic", "quectel-bg95", "simcom-a76xx", "ublox-sara-r5"].filter((make) => personalities[make] !== undefined))(
    "%s: in words, and what the module held before is in use again within minutes",
    async (make) => {
      const personality = personalities[make];
      const bench = await keeperBench({
        ...(personality === undefined ? {} : { module: { personality } }),
        apns: [{ name: "wrong.example" }],
      });
      const reasons = new Set<string>();
      bench.keeper.onPath(({ reason }) => reason !== undefined && reasons.add(reason));
      await bench.run(bench.modem.ready());
      bench.keeper.start();
      await bench.up(600_000);
      expect([...reasons].join("\n")).toMatch(/the network says the APN does not exist \(ESM cause 27\)/);
      expect(bench.told).toEqual(["apn.applied", "apn.restored", "path.up"]);
      expect(bench.apnAlarm()).toBe("APN_FAILED");
      await bench.keeper.stop();
    },
  );
});

test("causes have sentences, with the number a person can look up", () => {
  expect(refusalText(11)).toBe("reject cause 11 (this operator does not allow the subscription)");
  expect(refusalText(99)).toBe("reject cause 99");
  expect(sessionCauseText(33)).toBe("the subscription may not use this APN (ESM cause 33)");
  expect(sessionCauseText(111)).toBe("the network refuses the session (ESM cause 111)");
  expect([133, 149, 30].map(esmCauseOfCme)).toEqual([33, 29, undefined]);
  expect([27, 29, 33].every(isApnsFault)).toBe(true);
  expect(isApnsFault(38)).toBe(false);
});
