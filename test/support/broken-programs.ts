// Broken vehicles of the shipped programs: each test its own bench, doctor asked by the command line until it names the cause.
import { afterAll, beforeAll, expect, type TestContext, test } from "vitest";
import type { DoctorReport, Finding } from "../../agent/api/doctor-types.ts";
import { allPrograms, ProgramBench, until } from "./e2e-programs.ts";
import { isRealMend } from "./mends.ts";
import { bundlePrograms } from "./shipped.ts";

export type BrokenVehicle = (title: string, run: (bench: ProgramBench, context: TestContext) => Promise<void>) => void;

/** Called once by a file: its tests share one build of the programs, and run side by side. */
export function brokenPrograms(): BrokenVehicle {
  let bundles: Awaited<ReturnType<typeof bundlePrograms>>;
  beforeAll(async () => {
    bundles = await bundlePrograms(allPrograms);
  });
  afterAll(() => bundles.close());
  return (title, run) =>
    test.concurrent(title, async (context) => {
      const bench = await ProgramBench.create(bundles.dir);
      try {
        await run(bench, context);
      } finally {
        await bench.close();
      }
    });
}

export async function examined(bench: ProgramBench, config: string): Promise<DoctorReport> {
  const { stdout } = await bench.simward("doctor", "--fast", "--json", "--config", config);
  return JSON.parse(stdout.trim().split("\n").at(-1) ?? "") as DoctorReport;
}

/** Asks until that is the first cause, in such words; its mend must be one that can be typed. */
export async function diagnosed(bench: ProgramBench, config: string, check: string, cause = /^/): Promise<Finding> {
  const find = ({ findings }: DoctorReport): Finding | undefined => findings.find((one) => one.check === check);
  const finding = find(
    await until(
      () => examined(bench, config),
      (report) => report.causes[0] === check && cause.test(find(report)?.cause ?? ""),
    ),
  );
  if (finding?.mend === undefined) throw new Error(check);
  expect(isRealMend(finding.mend), finding.mend).toBe(true);
  return finding;
}
