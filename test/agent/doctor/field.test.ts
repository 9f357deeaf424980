// What a field engineer found said wrongly: a card without a free channel, a daemon without descriptors, errors of a card that is off, names of families.
import { tmpdir } from "node:os";
import { describe, expect, test } from "vitest";
import { type Check, fail, runChecks } from "../../../agent/doctor/check.ts";
import { cardChecks } from "../../../agent/doctor/checks/card.ts";
import { judged } from "../../../agent/doctor/checks/eim.ts";
import { moduleChecks } from "../../../agent/doctor/checks/module.ts";
import type { DoctorContext } from "../../../agent/doctor/context.ts";
import { storageChecks } from "../../../agent/doctor/local/storage.ts";
import { familyNames } from "../../../at-drivers/families/names.ts";
import { families } from "../../../at-drivers/families/table.ts";
import type { ModemStatus } from "../../../at-drivers/modem.ts";
import { VirtualClock } from "../../../base/clock.ts";
import { type ErrorCode, errorReport, SimwardError } from "../../../base/errors.ts";
import { buildMs } from "../../../base/version.ts";
import { faultsOf } from "../../support/mends.ts";

const signal = new AbortController().signal;

describe("a card that could not be read", () => {
  const said = (code: ErrorCode) =>
    cardChecks
      .find(({ name }) => name === "card-class")
      ?.run(
        {
          ipa: () => ({ card: undefined, eid: undefined }),
          status: async () => ({ alarms: [errorReport(new SimwardError(code, { detail: "ES10c.GetEID: SW 6881" }))] }),
          running: { eim: {} },
        } as unknown as DoctorContext,
        signal,
      );
  test.each([
    ["APDU_CHANNEL", /simward modem port-owner.*simward modem reset.*power off and on/],
    ["APDU_CHANNEL_LOST", /simward modem reset.*reseat the card/],
    ["APDU_STATUS", /simward modem reset.*reseat the card/],
    ["APDU_MALFORMED", /simward modem reset.*reseat the card/],
  ] as const)("%s: what brings it back, not what looks at it once more", async (code, mend) => {
    const { level, mend: given = "" } = (await said(code)) ?? {};
    expect({ level, mend: given }).toMatchObject({ level: "fail", mend: expect.stringMatching(mend) });
    expect(faultsOf(given)).toEqual([]);
  });
});

test("a module that starts again and again says so more often than one that has been started", async () => {
  const said = (starts: number) =>
    moduleChecks
      .find(({ name }) => name === "module-answers")
      ?.run(
        {
          modem: { address: "/dev/ttyUSB2", status: { link: "probing", reason: "the module has restarted (RDY)", starts } as ModemStatus },
          ...{ clock: new VirtualClock(), mode: "fast", status: async () => ({ uptimeMs: 20_000 }) },
        } as unknown as DoctorContext,
        signal,
      );
  expect((await said(1))?.cause).not.toMatch(/again and again/);
  expect(await said(3)).toMatchObject({ level: "fail", cause: expect.stringMatching(/again and again.*3 times/) });
});

test("a daemon without descriptors is no full disk", async () => {
  const disk = storageChecks.find(({ name }) => name === "disk");
  const said = await disk?.run(
    {
      ...{ clock: new VirtualClock(), configPath: undefined, stateDir: tmpdir(), running: undefined, daemonProblem: undefined },
      readConfig: async () => Promise.reject(new SimwardError("CONFIG_READ")),
      verifyAudit: async () => ({ ok: true, records: 0, words: "" }),
      tryDisk: async () => Promise.reject(new SimwardError("DISK_WRITE", { detail: "/state/doctor: EMFILE: too many open files" })),
    },
    signal,
  );
  expect(said).toMatchObject({
    level: "fail",
    cause: expect.stringMatching(/no file descriptors left/),
    mend: expect.stringMatching(/LimitNOFILE/),
  });
  expect(said?.mend).not.toMatch(/\bdf\b/);
});

test("what cannot be read for want of descriptors says so, whichever check meets it first", async () => {
  const check: Check<undefined> = {
    ...{ name: "audit-trail", section: "storage", about: "", reach: "nothing" },
    run: () => {
      throw new SimwardError("DISK_READ", { detail: "/state/audit: EMFILE: too many open files" });
    },
  };
  const [found] = await runChecks([check], undefined, { clock: new VirtualClock(), limitMs: 1_000 });
  expect(found).toMatchObject({ cause: expect.stringMatching(/no file descriptors left/), mend: expect.stringMatching(/LimitNOFILE/) });
});

test("what cannot be asked since the radio, and the card with it, is off stands behind that", async () => {
  const base = { section: "module", about: "", reach: "nothing" } as const;
  const checks: Check<undefined>[] = [
    { ...base, name: "module-radio", run: () => fail("it is off", "simward modem reset") },
    {
      ...base,
      name: "eim-configured",
      run: () => {
        throw new SimwardError("AT_CME_ERROR", { detail: "+CCHO: +CME ERROR: 13" });
      },
    },
  ];
  const found = await runChecks(checks, undefined, { clock: new VirtualClock(), limitMs: 1_000 });
  expect(found.map(({ check, because }) => [check, because])).toEqual([
    ["module-radio", undefined],
    ["eim-configured", "module-radio"],
  ]);
});

test("the names that modem.family may have are those of the families", () => {
  expect(families.map(({ id }) => id)).toEqual(familyNames);
});

test("a clock far behind the build is doubted, whoever vouches for it; the year of the build is not", () => {
  const said = (ms: number) => {
    const clock = new VirtualClock();
    clock.setWall({ ms, source: "network" });
    return storageChecks.find(({ name }) => name === "clock")?.run({ clock, daemonProblem: undefined } as never, signal);
  };
  expect(said(buildMs + 20 * 366 * 86_400_000)).toMatchObject({
    ...{
      level: "warn",
      cause: expect.stringMatching(/20 years after simward was built: it is probably wrong/),
      mend: expect.stringMatching(/date -u/),
    },
  });
  expect(said(buildMs + 86_400_000)).toMatchObject({ level: "pass" });
});

test("what an eIM refuses a handshake with is told in words", () => {
  const said = (alert: string) =>
    judged(
      {
        ...{ eimId: "eim.example", binding: "coaps", host: "eim.example", port: 5684, serverName: "eim.example", trust: "certificate" },
        ...{ outcome: "failed", tookMs: 9, error: errorReport(new SimwardError("DTLS_ALERT", { detail: `192.0.2.7:5684: ${alert}` })) },
      } as Parameters<typeof judged>[0],
      "DTLS",
    );
  expect(said("alert 40 (handshake_failure)")).toMatchObject({
    ...{ cause: expect.stringMatching(/no cipher suite, curve/), mend: expect.stringMatching(/P-256.*allow_ccm8/) },
  });
  expect(said("alert 70 (protocol_version)")).toMatchObject({
    ...{ cause: expect.stringMatching(/no version of DTLS in common/), mend: expect.stringMatching(/binding = "https"/) },
  });
  expect(said("alert 80 (internal_error)").cause).toMatch(/: it refuses: /);
});
