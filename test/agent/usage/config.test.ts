// [policy.usage]: what cannot be meant is refused where it is read, with its place and the reason.
import { describe, expect, test } from "vitest";
import { parseConfig } from "../../../agent/config/load.ts";

const configOf = (lines: string) => parseConfig(`[modem]\naddress = "pty:/x"\n[policy.usage]\n${lines}`).policy.usage;
const cap = (lines: string): string => `[[policy.usage.cap]]\n${lines}\n`;

describe("refused", () => {
  test.each([
    ["a cap smaller than the reserve", `reserve_bytes = 1000\n${cap("bytes = 999")}`, "nothing would be left for the fleet"],
    ["a cap as large as the reserve", `reserve_bytes = 1000\n${cap("bytes = 1000")}`, "nothing would be left for the fleet"],
    ["a cap of nothing", cap("bytes = 0"), "policy.usage.cap"],
    ["two caps for the same", cap('bytes = 1\nstage = "shipping"') + cap('bytes = 2\nstage = "shipping"'), "two caps"],
    ["33 caps", Array.from({ length: 33 }, (_, i) => cap(`bytes = 1\niccid_prefix = "${8900 + i}"`)).join(""), "at most 32"],
    ["a step that is no part", "warn_at_percent = [100]", "policy.usage.warn_at_percent"],
    ["no step at all", "warn_at_percent = []", "policy.usage.warn_at_percent"],
    ["a day that some months have not", "reset_day = 31", "policy.usage.reset_day"],
    ["a pace that is none", "throttle_kbps = 0", "policy.usage.throttle_kbps"],
    ["a window of years", "rolling_days = 400", "policy.usage.rolling_days"],
    ["an ICCID that is none", cap('bytes = 1\niccid_prefix = "89x"'), "decimal digits"],
    ["a stage that is none", cap('bytes = 1\nstage = "sold"'), "policy.usage.cap"],
  ])("%s", (_what, lines, said) => {
    expect(() => configOf(lines)).toThrow(said);
  });
});

test("what is left out: no cap, a month from its first day, warnings at 70, 80 and 90 %", () => {
  expect(configOf("")).toMatchObject({ cap: [], period: "month", reset_day: 1, reserve_bytes: 0, warn_at_percent: [70, 80, 90] });
});
