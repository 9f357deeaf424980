// Modules at the production line whose IMEI is none: doctor --factory says so first, with and without pairing, and the line's checklist has it.
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { DoctorReport } from "../../agent/api/doctor-types.ts";
import { allPrograms, ProgramBench } from "../support/e2e-programs.ts";
import { isRealMend } from "../support/mends.ts";
import { bundlePrograms } from "../support/shipped.ts";

let bundles: Awaited<ReturnType<typeof bundlePrograms>>;
beforeAll(async () => {
  bundles = await bundlePrograms(allPrograms);
});
afterAll(() => bundles.close());

const plan = '[lifecycle]\nfirst = "factory_test"\noperational_on = ["ignition"]\ntest_cap_bytes = 1000000\n';

for (const [title, imei, level, cause] of [
  ["zeros", "000000000000000", "fail", /no IMEI of its own \(000000000000000\)/],
  ["a wrong check digit", "356938035643808", "fail", /not its check digit: 356938035643808/],
] as const)
  test.concurrent(`an IMEI of ${title}: the line's check says so, asked to pair or not; another module passes`, async () => {
    const bench = await ProgramBench.create(bundles.dir);
    try {
      const vehicle = [
        "--modem",
        "tcp",
        "--personality",
        "quectel-bg95",
        "--state",
        join(bench.dir, "card"),
        "--pki",
        join(bench.dir, "pki"),
      ];
      const examined = async (...more: readonly string[]): Promise<{ readonly code: number | string; readonly report: DoctorReport }> => {
        const { code, stdout, stderr } = await bench.simward("doctor", "--factory", "--json", "--show-ids", ...more);
        const last = stdout.trim().split("\n").at(-1) ?? "";
        expect(last, stderr).toMatch(/^\{/);
        return { code, report: JSON.parse(last) as DoctorReport };
      };
      const bad = await bench.sim(...vehicle, "--imei", imei);
      const daemon = await bench.daemon(await bench.config(`tcp:${bad.ready.modem.tcp}`, plan));
      await bench.online();
      for (const more of [[], ["--pair"]]) {
        const { code, report } = await examined(...more);
        expect(code).toBe(15);
        expect(report.causes[0], report.summary).toBe("imei");
        const finding = report.findings.find(({ check }) => check === "imei");
        expect(finding).toMatchObject({ level, cause: expect.stringMatching(cause) });
        expect(isRealMend(finding?.mend ?? ""), finding?.mend).toBe(true);
        expect(report.factory?.checklist.find(({ item }) => item === "imei-pairing")).toMatchObject({
          level,
          words: expect.stringMatching(cause),
        });
        expect(report.factory).toMatchObject({ imei, pairing: "unpaired" });
      }
      daemon.child.kill("SIGTERM");
      await daemon.ended;
      bad.process.child.kill("SIGTERM");
      await bad.process.ended;

      // What is said to do: another module.
      const good = await bench.sim(...vehicle, "--imei", "356938035643809");
      await bench.daemon(await bench.config(`tcp:${good.ready.modem.tcp}`, plan));
      await bench.online();
      const { report } = await examined("--pair");
      expect(report.factory).toMatchObject({ imei: "356938035643809", pairing: "match" });
      expect(
        report.factory?.checklist.filter(({ level: one }) => one !== "pass"),
        report.summary,
      ).toEqual([]);
    } finally {
      await bench.close();
    }
  });
