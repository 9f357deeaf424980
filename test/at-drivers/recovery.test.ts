// The recovery ladder as a table: which step follows which, when, against what, and that it neither ends nor disturbs an emergency.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ladder, nextRecovery, type Recovery, type RecoveryEffect, restMs, well } from "../../at-drivers/recovery.ts";
import type { RecoveryStep, RecoveryTrouble } from "../../at-drivers/types.ts";

const everything: ReadonlySet<RecoveryStep> = new Set(ladder.map(({ step }) => step));
const attemptMs = 15_000;

interface Drive {
  readonly trouble?: (atMs: number) => RecoveryTrouble;
  readonly can?: ReadonlySet<RecoveryStep>;
  readonly held?: (atMs: number) => string | undefined;
  readonly undone?: (step: RecoveryStep) => string | undefined;
  readonly forMs: number;
}

/** A module that never answers, asked every 15 s. */
function drive({ trouble = () => "silent", can = everything, held = () => undefined, undone = () => undefined, forMs }: Drive): {
  readonly state: Recovery;
  readonly said: readonly (RecoveryEffect & { readonly atMs: number })[];
} {
  let state: Recovery = well;
  let taken: RecoveryStep | undefined;
  const said: (RecoveryEffect & { atMs: number })[] = [];
  for (let nowMs = 0; nowMs <= forMs; nowMs += attemptMs) {
    const refused = taken === undefined ? undefined : undone(taken);
    taken = undefined;
    const step = nextRecovery(state, { kind: "failed", trouble: trouble(nowMs), nowMs, can, held: held(nowMs), undone: refused });
    state = step.state;
    for (const effect of step.effects) {
      said.push({ ...effect, atMs: nowMs });
      if (effect.do === "take") taken = effect.step;
    }
  }
  return { state, said };
}

const taken = (said: readonly RecoveryEffect[]): readonly RecoveryStep[] =>
  said.flatMap((effect) => (effect.do === "take" ? [effect.step] : []));
const reports = (said: readonly RecoveryEffect[]): readonly string[] =>
  said.flatMap((effect) => (effect.do === "report" ? [`${effect.step} ${effect.outcome}`] : []));

describe("what is tried, by what is wrong", () => {
  test.each<[RecoveryTrouble, readonly RecoveryStep[], readonly RecoveryStep[]]>([
    ["silent", [...everything], ["marker", "escape", "baud-hunt", "cfun-reset", "module-reset", "power"]],
    ["silent", ["reopen", "marker", "escape", "cfun-reset"], ["marker", "escape", "cfun-reset"]],
    ["unfit", [...everything], ["marker", "cfun-reset", "module-reset", "power"]],
    ["absent", [...everything], ["reopen", "power"]],
    ["absent", ["reopen", "marker", "escape", "cfun-reset"], ["reopen"]],
  ])("%s, of %j: %j", (trouble, can, expected) => {
    const { said } = drive({ trouble: () => trouble, can: new Set(can), forMs: 360_000 });
    expect(taken(said).slice(0, expected.length)).toEqual(expected);
    const round = said.filter((effect) => effect.do === "report" && effect.round === 1);
    expect(reports(round)).toEqual(expected.map((step) => `${step} no-answer`));
  });

  test("each is given its time before the next, and its report says how long it took", () => {
    const { said } = drive({ forMs: 600_000 });
    const times = said.filter((effect) => effect.do === "take").map(({ atMs }) => atMs);
    for (const [index, rung] of ladder.slice(1).entries())
      expect((times[index + 1] ?? Number.POSITIVE_INFINITY) - (times[index] ?? 0)).toBeGreaterThanOrEqual(rung.patienceMs);
    const power = said.find((effect) => effect.do === "report" && effect.step === "power");
    expect(power).toMatchObject({ tookMs: 90_000, round: 1 });
    expect(power).toHaveProperty("downMs", power?.atMs);
  });

  test("a reset that takes the port away is given its time as an absence, and then only the power is left", () => {
    const { said } = drive({ trouble: (atMs) => (atMs < 120_000 ? "silent" : "absent"), forMs: 400_000 });
    const steps = taken(said);
    expect(steps.slice(0, 5)).toEqual(["marker", "escape", "baud-hunt", "cfun-reset", "power"]);
  });

  test("a step that cannot be carried out is said to have failed, and not waited for", () => {
    const { said } = drive({ undone: (step) => (step === "power" ? "no such hook" : undefined), forMs: 300_000 });
    const power = said.find((effect) => effect.do === "report" && effect.step === "power");
    expect(power).toMatchObject({ outcome: "failed", tookMs: attemptMs, reason: "no such hook" });
  });
});

describe("it never gives up", () => {
  test("after the top there is a rest, ever longer up to an hour; then the steps that disturb come again, without asking first", () => {
    expect([1, 2, 3, 7, 8, 1_000].map(restMs)).toEqual([60_000, 120_000, 240_000, 3_600_000, 3_600_000, 3_600_000]);
    const { said } = drive({ forMs: 86_400_000 });
    expect(taken(said).filter((step) => step === "marker")).toHaveLength(1);
    const power = said.filter((effect) => effect.do === "take" && effect.step === "power").map(({ atMs }) => atMs);
    expect(power.length).toBeGreaterThan(20);
    const lastPause = (power.at(-1) ?? 0) - (power.at(-2) ?? 0);
    expect(lastPause).toBeGreaterThan(3_600_000);
    expect(lastPause).toBeLessThan(4_200_000);
  });

  test("property: whatever fails how, however long: within two hours and a half something is tried, unless it is forbidden", () => {
    const troubles = fc.array(fc.constantFrom<RecoveryTrouble>("silent", "absent", "unfit"), { minLength: 1, maxLength: 40 });
    fc.assert(
      fc.property(troubles, (list) => {
        const { said } = drive({ trouble: (atMs) => list[Math.floor(atMs / 60_000) % list.length] ?? "silent", forMs: 30_000_000 });
        const times = [0, ...said.filter((effect) => effect.do === "take").map(({ atMs }) => atMs), 30_000_000];
        for (const [index, atMs] of times.slice(1).entries()) expect(atMs - (times[index] ?? 0)).toBeLessThan(9_000_000);
      }),
      { seed: 20260401, numRuns: 50 },
    );
  });
});

describe("an emergency", () => {
  test("holds back all that disturbs; it is said once, and taken up where it was when it is over", () => {
    const { said } = drive({ held: (atMs) => (atMs < 900_000 ? "emergency: call" : undefined), forMs: 1_200_000 });
    const during = said.filter(({ atMs }) => atMs < 900_000);
    expect(taken(during)).toEqual(["marker"]);
    expect(reports(during)).toEqual(["marker no-answer", "escape held"]);
    expect(during.at(-1)).toMatchObject({ reason: "emergency: call" });
    expect(taken(said).slice(1, 4)).toEqual(["escape", "baud-hunt", "cfun-reset"]);
    expect(said.find((effect) => effect.do === "take" && effect.step === "escape")?.atMs).toBe(900_000);
  });

  test("that begins while a reset is waited for stops the next step", () => {
    const { said } = drive({ held: (atMs) => (atMs >= 120_000 ? "emergency" : undefined), forMs: 900_000 });
    expect(taken(said)).toEqual(["marker", "escape", "baud-hunt", "cfun-reset"]);
    expect(reports(said).at(-1)).toBe("module-reset held");
  });
});

describe("it answers", () => {
  const can = everything;
  const fail = (state: Recovery, nowMs: number, trouble: RecoveryTrouble = "silent"): Recovery =>
    nextRecovery(state, { kind: "failed", trouble, nowMs, can, held: undefined }).state;

  test("after a step: that one is told, with its time and the whole", () => {
    const state = [0, 45_000].reduce((before, nowMs) => fail(before, nowMs), well);
    expect(nextRecovery(state, { kind: "answered", nowMs: 50_000 })).toEqual({
      state: well,
      effects: [{ do: "report", step: "escape", outcome: "answered", tookMs: 5_000, downMs: 50_000, round: 1 }],
    });
  });

  test("while it was left alone: as an answer to being asked", () => {
    let state: Recovery = well;
    for (let nowMs = 0; state.kind !== "resting"; nowMs += 15_000) state = fail(state, nowMs);
    const { effects } = nextRecovery(state, { kind: "answered", nowMs: 1_000_000 });
    expect(effects).toMatchObject([{ step: "marker", outcome: "answered", downMs: 1_000_000 }]);
  });

  test("a port that comes back in its time, and a module that was well, are worth no word", () => {
    expect(nextRecovery(fail(well, 0, "absent"), { kind: "answered", nowMs: 20_000 })).toEqual({ state: well, effects: [] });
    expect(nextRecovery(well, { kind: "answered", nowMs: 0 })).toEqual({ state: well, effects: [] });
  });
});
