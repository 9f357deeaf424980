// What follows from each answer of the card to ES10b.ImmediateEnable (SGP.32 §5.9.15).
import { expect, test } from "vitest";
import { judgeImmediateEnable, maxImmediateEnableAttempts } from "../../../ipa/machines/immediate.ts";

test.each([
  ["ok", true, 1, "enabled"],
  // Not configured, or another SM-DP+: the profile stays as it is, and nothing is wrong.
  ["immediateEnableNotAvailable", false, 1, "left"],
  // After a restart there is no session; but the card may have done it just before.
  ["noSessionContext", false, 1, "left"],
  ["noSessionContext", true, 1, "enabled"],
  ["catBusy", false, 1, "again"],
  ["catBusy", false, maxImmediateEnableAttempts, "failed"],
  ["catBusy", true, 1, "enabled"],
  ["undefinedError", false, 1, "failed"],
  [42, false, 1, "failed"],
  ["ES10_UNSUPPORTED", false, 1, "left"],
] as const)("%s, enabled on the card: %s, attempt %i: %s", (code, isEnabled, attempts, verdict) => {
  expect(judgeImmediateEnable(code, isEnabled, attempts)).toBe(verdict);
});
