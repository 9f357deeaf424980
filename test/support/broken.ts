// A broken vehicle as one object: what is given, how it is broken, what doctor must name first, with which mend. It is asked until it says so.
import { expect } from "vitest";
import type { DoctorReport } from "../../agent/api/doctor-types.ts";
import { type Given, scenario, type World } from "./e2e.ts";
import { faultsOf, isRealMend } from "./mends.ts";

export interface Broken extends Omit<Given, "run"> {
  readonly breakIt?: (world: World) => Promise<unknown> | unknown;
  /** What doctor must name first. */
  readonly check: string;
  readonly level?: "warn" | "fail";
  readonly cause: RegExp;
  readonly mend: RegExp;
  /** Checks that must find nothing, say nothing, or have this one as their reason. */
  readonly silent?: readonly string[];
}

const isSo = ({ causes, findings }: DoctorReport, check: string, cause: RegExp): boolean =>
  causes[0] === check && cause.test(findings.find((one) => one.check === check)?.cause ?? "");

/** Asks until it says so: a vehicle takes its time to notice. What it says last is judged. */
async function examined({ agent, clock }: World, check: string, cause: RegExp): Promise<DoctorReport> {
  let report = await agent.doctor.examine("full");
  for (let left = 80; left > 0 && !isSo(report, check, cause); left--) {
    await clock.sleep(3_000);
    report = await agent.doctor.examine("full");
  }
  return report;
}

export function broken(title: string, { breakIt, check, level = "fail", cause, mend, silent = [], ...given }: Broken): void {
  scenario(title, {
    ...given,
    staysBroken: true,
    async run(world) {
      await breakIt?.(world);
      const report = await examined(world, check, cause);
      const shown = JSON.stringify(
        report.findings.filter((one) => report.causes.includes(one.check)),
        null,
        1,
      );
      expect(report.causes[0], shown).toBe(check);
      const [finding] = report.findings.filter((one) => one.check === check);
      expect(finding, shown).toMatchObject({ level, cause: expect.stringMatching(cause), mend: expect.stringMatching(mend) });
      expect(report.summary).toContain(finding?.cause);
      expect(report.summary).toContain(finding?.mend);
      for (const one of report.findings)
        if (one.mend !== undefined) expect(isRealMend(one.mend), `${one.check}: ${one.mend}; ${faultsOf(one.mend)}`).toBe(true);
      for (const name of silent) {
        const other = report.findings.find((one) => one.check === name);
        expect(
          other?.level === "skip" || other?.level === "pass" || other?.because !== undefined,
          `${name}: ${JSON.stringify(other)}`,
        ).toBe(true);
      }
    },
  });
}
