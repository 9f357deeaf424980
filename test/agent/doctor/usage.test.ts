// A cap of which management leaves nothing is another matter than a fleet that has used its share.
import { expect, test } from "vitest";
import { policyChecks } from "../../../agent/doctor/checks/policy.ts";
import type { DoctorContext } from "../../../agent/doctor/context.ts";

const diagnosed = (usage: object) =>
  policyChecks
    .find(({ name }) => name === "usage")
    ?.run({ status: async () => ({ usage: { words: "this month", ...usage } }) } as unknown as DoctorContext, new AbortController().signal);

test("who has used the cap up is said", async () => {
  expect(await diagnosed({ usedBytes: 4_000, limitBytes: 0, state: "block" })).toMatchObject({
    level: "fail",
    cause: expect.stringMatching(/^management .* alone has used up the data cap/),
    mend: expect.stringMatching(/reserve_bytes/),
  });
  expect(await diagnosed({ usedBytes: 4_000, limitBytes: 4_000, state: "block" })).toMatchObject({
    level: "fail",
    cause: expect.stringMatching(/^the data cap is used up/),
  });
  expect(await diagnosed({ usedBytes: 0, limitBytes: 4_000, state: "ok" })).toMatchObject({ level: "pass" });
});
