// Every decision of package execution, as tables: state, input, what becomes of them.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  canRollBack,
  maxPackageAttempts,
  nextPackage,
  type PackageEffect,
  type PackageInput,
  type PackagePhase,
  type PackageState,
} from "../../../ipa/machines/package.ts";
import type { PackageOutcome } from "../../../ipa/procedures/package-facts.ts";

const a = "89460000000000000001";
const b = "89460000000000000002";

const order = {
  eimId: "eim1",
  eimTransactionId: "aabb",
  counterValue: "7",
  operations: [{ name: "enable", iccid: b, rollbackFlag: true }],
  isPsmo: true,
  changesProfile: true,
  touchesProfiles: true,
  rollbackGranted: true,
  changesEims: false,
};
const start: PackageState = {
  kind: "euiccPackage",
  phase: "received",
  order,
  reportTo: "eim1",
  sha256: "00",
  package: "AAAA",
  fromIccid: a,
  attempts: 0,
  rollbackTried: false,
  rolledBack: false,
  remove: [],
  reported: false,
};
const enabled: PackageOutcome = {
  kind: "euiccPackageResultSigned",
  eimId: "eim1",
  eimTransactionId: "aabb",
  counterValue: "7",
  seqNumber: 3,
  error: undefined,
  outcomes: [{ name: "enable", iccid: b, code: "ok" }],
  change: { iccid: b },
  rolledBack: false,
};
const listed: PackageOutcome = { ...enabled, outcomes: [{ name: "listProfileInfo", code: "ok" }], change: undefined };
const replayed: PackageOutcome = { ...listed, kind: "euiccPackageErrorSigned", seqNumber: undefined, error: "replayError", outcomes: [] };
const backAgain: PackageOutcome = {
  ...enabled,
  seqNumber: 4,
  outcomes: [...enabled.outcomes, { name: "rollback", code: "ok" }],
  rolledBack: true,
};

const { package: _package, ...answered } = start;
const changed: PackageState = { ...answered, phase: "reporting", outcome: enabled, result: "BBBB" };
const withoutFlag = { ...order, rollbackGranted: false };

/** Effects in short: what is done, then what is told. */
function shown(effects: readonly PackageEffect[]): string[] {
  return effects.map((effect) => {
    if (effect.do === "tell") return `tell ${effect.event.kind}`;
    if (effect.do === "load") return `load${effect.mayBeLoaded ? " unless loaded" : ""}`;
    if (effect.do === "adopt") return `adopt ${effect.iccid === a ? "A" : effect.iccid === b ? "B" : "none"}`;
    if (effect.do === "report") return `report${effect.patient ? " patiently" : ""}`;
    if (effect.do === "rollBack") return `rollBack${effect.mayBeDone ? " unless done" : ""}`;
    return effect.do === "remove" ? `remove ${effect.seqNumbers.join(",")}` : effect.do;
  });
}

type Row = readonly [name: string, state: PackageState, input: PackageInput, phase: PackagePhase, effects: readonly string[]];

const rows: readonly Row[] = [
  ["allowed: to the card", start, { kind: "allowed" }, "loading", ["load"]],
  ["refused by policy: the card never sees it", start, { kind: "refused" }, "reporting", ["report"]],
  [
    "an enabled profile is adopted before anything is reported",
    { ...start, phase: "loading" },
    { kind: "loaded", outcome: enabled, result: "BBBB" },
    "adopting",
    ["tell package.executed", "tell profile.enabled", "adopt B"],
  ],
  [
    "no change: reported at once",
    { ...start, phase: "loading" },
    { kind: "loaded", outcome: listed, result: undefined },
    "reporting",
    ["tell package.executed", "report"],
  ],
  [
    "an error of the card: reported at once",
    { ...start, phase: "loading" },
    { kind: "loaded", outcome: replayed, result: "CCCC" },
    "reporting",
    ["tell package.executed", "report"],
  ],
  [
    "found already rolled back after a restart: the old profile is adopted",
    { ...start, phase: "loading" },
    { kind: "loaded", outcome: backAgain, result: "CCCC" },
    "returning",
    ["tell package.executed", "tell profile.enabled", "adopt A"],
  ],
  [
    "certainly not executed: the eIM gets undefinedError",
    { ...start, phase: "loading" },
    { kind: "notLoaded", sure: true },
    "reporting",
    ["report"],
  ],
  ["perhaps executed: wait for another attempt", { ...start, phase: "loading" }, { kind: "notLoaded", sure: false }, "loading", []],
  [
    "perhaps executed, for the last time: the eIM gets undefinedError",
    { ...start, phase: "loading", attempts: maxPackageAttempts - 1 },
    { kind: "notLoaded", sure: false },
    "reporting",
    ["report"],
  ],
  [
    "online: reported, with patience since there is a way back",
    { ...changed, phase: "adopting" },
    { kind: "adopted", online: true },
    "reporting",
    ["report patiently"],
  ],
  ["offline with a way back: taken", { ...changed, phase: "adopting" }, { kind: "adopted", online: false }, "rollingBack", ["rollBack"]],
  [
    "offline without one: reported as far as that goes",
    { ...changed, phase: "adopting", order: withoutFlag },
    { kind: "adopted", online: false },
    "reporting",
    ["report"],
  ],
  ["eIM unreachable over the new profile: the way back", changed, { kind: "notReported", why: "unreachable" }, "rollingBack", ["rollBack"]],
  ["eIM answers an error: there is a data path, so the profile stays", changed, { kind: "notReported", why: "later" }, "done", ["finish"]],
  [
    "eIM unreachable and no way back: the card keeps the result",
    { ...changed, order: withoutFlag },
    { kind: "notReported", why: "unreachable" },
    "done",
    ["finish"],
  ],
  [
    "eIM unreachable after the way back: not rolled back twice",
    { ...changed, rolledBack: true },
    { kind: "notReported", why: "unreachable" },
    "done",
    ["finish"],
  ],
  [
    "rolled back: told, and the old profile adopted",
    { ...changed, phase: "rollingBack" },
    { kind: "rolledBack", outcome: backAgain, result: "CCCC" },
    "returning",
    ["tell profile.rolledBack", "adopt A"],
  ],
  [
    "rollback refused: told, and the report is tried over the new profile",
    { ...changed, phase: "rollingBack" },
    { kind: "notRolledBack", code: "rollbackNotAllowed", sure: true },
    "reporting",
    ["tell profile.rollbackRefused", "report"],
  ],
  [
    "rollback with an unknown end: another attempt",
    { ...changed, phase: "rollingBack" },
    { kind: "notRolledBack", code: "AT_TIMEOUT", sure: false },
    "rollingBack",
    [],
  ],
  [
    "back on the old profile, online or not: reported",
    { ...changed, phase: "returning", rolledBack: true },
    { kind: "adopted", online: false },
    "reporting",
    ["report"],
  ],
  ["acknowledged: removed from the card", changed, { kind: "reported", remove: [3, 4] }, "acknowledging", ["remove 3,4"]],
  ["taken but not acknowledged: kept on the card", changed, { kind: "reported", remove: [] }, "done", ["tell package.reported", "finish"]],
  [
    "removed: the end",
    { ...changed, phase: "acknowledging", remove: [3] },
    { kind: "removed" },
    "done",
    ["tell package.reported", "finish"],
  ],
];

const resumed: readonly (readonly [PackageState, boolean, PackagePhase, readonly string[]])[] = [
  [start, true, "loading", ["load unless loaded"]],
  [{ ...start, phase: "loading" }, true, "loading", ["load unless loaded"]],
  [{ ...changed, phase: "adopting" }, true, "adopting", ["adopt B"]],
  [changed, true, "adopting", ["adopt B"]],
  [changed, false, "reporting", ["report patiently"]],
  [{ ...changed, rolledBack: true }, true, "reporting", ["report"]],
  [{ ...changed, outcome: listed }, true, "reporting", ["report"]],
  [{ ...changed, phase: "rollingBack" }, true, "rollingBack", ["rollBack unless done"]],
  [{ ...changed, phase: "returning", rolledBack: true }, true, "returning", ["adopt A"]],
  [{ ...changed, phase: "acknowledging", remove: [3] }, true, "acknowledging", ["remove 3"]],
  [{ ...changed, phase: "done" }, true, "done", ["finish"]],
];

describe("package execution", () => {
  // shows: e4.03-error, e4.09-undelivered
  test.each(rows)("%s", (_name, state, input, phase, effects) => {
    const step = nextPackage(state, input);
    expect([step.state.phase, shown(step.effects)]).toEqual([phase, effects]);
  });

  test.each(resumed.map((row) => [`${row[0].phase}, ${row[1] ? "after a restart" : "at the next poll"}`, row] as const))(
    "gone on with: %s",
    (_name, [state, afterRestart, phase, effects]) => {
      const step = nextPackage(state, { kind: "resumed", afterRestart });
      expect([step.state.phase, shown(step.effects)]).toEqual([phase, effects]);
    },
  );

  // shows: rollback.changed, rollback.flag, rollback.once
  test("the way back needs the flag, a profile that was enabled, and not to have been taken or tried", () => {
    expect(canRollBack(changed)).toBe(true);
    expect(canRollBack({ ...changed, order: withoutFlag })).toBe(false);
    expect(canRollBack({ ...changed, outcome: listed })).toBe(false);
    expect(canRollBack({ ...changed, outcome: { ...enabled, change: { iccid: null } } })).toBe(false);
    expect(canRollBack({ ...changed, rolledBack: true })).toBe(false);
    expect(canRollBack({ ...changed, rollbackTried: true })).toBe(false);
  });

  // shows: rollback.result-replaces
  test("the result after a rollback replaces the first, and the state survives JSON at every step", () => {
    const back = nextPackage({ ...changed, phase: "rollingBack" }, { kind: "rolledBack", outcome: backAgain, result: "CCCC" });
    expect(back.state).toMatchObject({
      outcome: { seqNumber: 4, rolledBack: true, change: { iccid: b } },
      result: "CCCC",
      rolledBack: true,
    });
    for (const [, state, input] of rows) {
      const step = nextPackage(state, input);
      const again = nextPackage(JSON.parse(JSON.stringify(state)) as PackageState, input);
      expect(JSON.parse(JSON.stringify(again))).toEqual(JSON.parse(JSON.stringify(step)));
    }
  });

  test("whatever happens in whatever order: at most one rollback, and no more than one act at a time", () => {
    const inputs: fc.Arbitrary<PackageInput> = fc.constantFrom<PackageInput>(
      { kind: "loaded", outcome: enabled, result: "BBBB" },
      { kind: "notLoaded", sure: false },
      { kind: "adopted", online: true },
      { kind: "adopted", online: false },
      { kind: "reported", remove: [3] },
      { kind: "reported", remove: [] },
      { kind: "notReported", why: "unreachable" },
      { kind: "notReported", why: "later" },
      { kind: "rolledBack", outcome: backAgain, result: undefined },
      { kind: "notRolledBack", code: "catBusy", sure: false },
      { kind: "removed" },
      { kind: "resumed", afterRestart: true },
      { kind: "resumed", afterRestart: false },
    );
    /** What an effect can lead to. */
    const answers: Readonly<Record<string, readonly PackageInput["kind"][]>> = {
      load: ["loaded", "notLoaded"],
      adopt: ["adopted"],
      report: ["reported", "notReported"],
      rollBack: ["rolledBack", "notRolledBack"],
      remove: ["removed"],
      finish: [],
    };
    fc.assert(
      fc.property(fc.array(inputs, { maxLength: 60 }), (sequence) => {
        let step = nextPackage(start, { kind: "allowed" });
        let rollbacks = 0;
        for (const input of sequence) {
          const acts = step.effects.filter((effect) => effect.do !== "tell");
          expect(acts.length).toBeLessThanOrEqual(1);
          const [act] = acts;
          const fits = act === undefined ? input.kind === "resumed" : answers[act.do]?.includes(input.kind);
          if (fits !== true) continue;
          if (input.kind === "rolledBack") rollbacks++;
          step = nextPackage(step.state, input);
        }
        expect(rollbacks).toBeLessThanOrEqual(1);
      }),
      { seed: 32, numRuns: 500 },
    );
  });
});
