// A disk that takes nothing is one cause: what else meets it says so, and a card that could not be read for it is not called empty.
import { expect, test } from "vitest";
import { type Check, fail, runChecks } from "../../../agent/doctor/check.ts";
import { cardChecks } from "../../../agent/doctor/checks/card.ts";
import type { DoctorContext } from "../../../agent/doctor/context.ts";
import { VirtualClock } from "../../../base/clock.ts";
import { SimwardError } from "../../../base/errors.ts";

test("a check that cannot be made because the disk takes nothing stands behind the disk", async () => {
  const base = { section: "storage", about: "", reach: "nothing" } as const;
  const checks: Check<undefined>[] = [
    { ...base, name: "disk", run: () => fail("it is full", "df -h") },
    {
      ...base,
      name: "lifecycle",
      run: () => {
        throw new SimwardError("DISK_WRITE", { detail: "nonces.1.json: ENOSPC" });
      },
    },
  ];
  const found = await runChecks(checks, undefined, { clock: new VirtualClock(), limitMs: 1_000 });
  expect(found.map(({ check, because }) => [check, because])).toEqual([
    ["disk", undefined],
    ["lifecycle", "disk"],
  ]);
});

test("profiles that have not been read yet are not called missing", async () => {
  const check = cardChecks.find(({ name }) => name === "profile-enabled");
  const of = (started: boolean) =>
    check?.run(
      {
        ipa: () => ({ started, card: { kind: "sgp32-ipad" }, profiles: [], enabledIccid: undefined, eims: [] }),
        status: async () => ({ stage: "operational" }),
        audit: async () => [],
        records: async () => [],
      } as unknown as DoctorContext,
      new AbortController().signal,
    );
  expect(await of(false)).toMatchObject({ level: "skip" });
  expect(await of(true)).toMatchObject({ level: "fail" });
});
