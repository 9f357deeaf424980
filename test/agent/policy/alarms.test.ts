// What policies raise and withdraw as alarms, by the service that carries their wishes out.
import { expect, test } from "vitest";
import { createAlarms } from "../../../agent/alarms.ts";
import { parseConfig } from "../../../agent/config/load.ts";
import { createPolicyService } from "../../../agent/policy/service.ts";
import type { UsageFacts } from "../../../agent/policy/types.ts";
import { VirtualClock } from "../../../base/clock.ts";
import { faultDisk } from "../../../base/fault-disk.ts";
import { silentLog } from "../../../base/log.ts";
import { seededRandom } from "../../../base/random.ts";

const management = { usedBytes: 0, reserveBytes: 100, isUsedUp: false, fitsDownload: true };
const facts = (isUsedUp: boolean, stepPercent: number): UsageFacts => ({
  management: { ...management, isUsedUp },
  caps: [
    {
      ...{ id: "all", state: stepPercent > 0 ? "warn" : "ok", stepPercent, usedBytes: stepPercent, limitBytes: 100, capBytes: 200 },
      ...{ action: "block", isOrdered: false, period: { first: 1, last: 2 } },
    },
  ],
  ...{ reserveEnd: "alarm", periodEndMs: 0, isCertain: true, isCounted: true },
});

test("two things that one rule has to say stand side by side, and go one by one", async () => {
  const alarms = createAlarms();
  const { engine, stop } = await createPolicyService({
    config: parseConfig('[modem]\naddress = "pty:/x"\n'),
    ...{ disk: faultDisk(seededRandom(1)), clock: new VirtualClock(), log: silentLog, alarms },
    emergency: { sources: [], onChange: () => () => undefined } as never,
    audit: async () => undefined,
    publish: () => undefined,
  });
  const codes = (): readonly string[] => alarms.list().map(({ code }) => code);
  await engine.update({ usage: facts(true, 70) });
  expect(codes().toSorted()).toEqual(["USAGE_RESERVE", "USAGE_WARNING"]);
  await engine.update({ usage: facts(true, 0) });
  expect(codes()).toEqual(["USAGE_RESERVE"]);
  await engine.update({ usage: facts(false, 80) });
  expect(codes()).toEqual(["USAGE_WARNING"]);
  stop();
});
