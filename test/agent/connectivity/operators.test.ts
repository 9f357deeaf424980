// The choice of operator as a table: who has the next turn after what, and that it always ends with the module's own choice.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  candidates,
  clearAgainMs,
  initialOperatorState,
  isFailing,
  maxCandidates,
  nextOperator,
  type OperatorEffect,
  type OperatorInput,
  type OperatorState,
  type Visible,
} from "../../../agent/connectivity/operators.ts";

const minuteMs = 60_000;
const nowMs = Date.UTC(2026, 5, 1, 12);
const seen = (plmn: string, status: Visible["status"] = "available"): Visible => ({ plmn, status });
const trying = (plmn: string | undefined, left: readonly string[], more: Partial<OperatorState> = {}): OperatorState => ({
  ...initialOperatorState,
  phase: "trying",
  plmn,
  left,
  ...more,
});
const failed = (plmn?: string): OperatorInput => ({ kind: "failed", plmn, why: "nothing passes", nowMs });
const select = (plmn: string): OperatorEffect => ({ kind: "select", plmn });

describe("who has the next turn", () => {
  const rows: readonly [string, OperatorState, OperatorInput, Partial<OperatorState>, readonly OperatorEffect[]][] = [
    ["automatic gives no path: others are looked for", initialOperatorState, failed("26298"), { phase: "trying" }, [{ kind: "scan" }]],
    [
      "those in reach have their turns as the module lists them",
      trying(undefined, []),
      { kind: "scanned", found: [seen("26299"), seen("26297")], nowMs },
      { phase: "trying", plmn: "26299", left: ["26297"] },
      [select("26299")],
    ],
    ["one gives none either: the next", trying("26299", ["26297"]), failed(), { plmn: "26297", left: [] }, [select("26297")]],
    ["nobody is left, and nobody is forbidden: automatic", trying("26297", []), failed(), { phase: "automatic" }, [{ kind: "automatic" }]],
    [
      "nobody is left, but somebody is forbidden: the list is emptied",
      trying("26297", [], { mayBeForbidden: true }),
      failed(),
      { phase: "settling" },
      [{ kind: "clearForbidden" }],
    ],
    [
      "not again within the hour",
      trying("26297", [], { mayBeForbidden: true, clearedAtMs: nowMs - clearAgainMs + 1 }),
      failed(),
      { phase: "automatic" },
      [{ kind: "automatic" }],
    ],
    [
      "a clock that went back does not keep it from being emptied",
      trying("26297", [], { mayBeForbidden: true, clearedAtMs: nowMs + 1 }),
      failed(),
      { phase: "settling" },
      [{ kind: "clearForbidden" }],
    ],
    [
      "only forbidden ones are in reach",
      trying(undefined, []),
      { kind: "scanned", found: [seen("26298", "forbidden")], nowMs },
      { phase: "settling" },
      [{ kind: "clearForbidden" }],
    ],
    [
      "no scan comes about: perhaps they are forbidden",
      trying(undefined, []),
      { kind: "scanFailed", nowMs },
      { phase: "settling" },
      [{ kind: "clearForbidden" }],
    ],
    [
      "emptied: automatic has a turn of its own",
      { ...initialOperatorState, phase: "settling" },
      { kind: "cleared", something: true, nowMs },
      { phase: "settling", clearedAtMs: nowMs },
      [{ kind: "automatic" }],
    ],
    [
      "nothing stood there: the round is over",
      { ...initialOperatorState, phase: "settling" },
      { kind: "cleared", something: false, nowMs },
      { phase: "automatic" },
      [{ kind: "automatic" }],
    ],
    ["nor does that help", { ...initialOperatorState, phase: "settling" }, failed(), { phase: "automatic" }, [{ kind: "automatic" }]],
    [
      "one gives a path: chosen",
      trying("26299", ["26297"]),
      { kind: "up", plmn: "26299", nowMs },
      { phase: "chosen", plmn: "26299", left: [] },
      [],
    ],
    [
      "its coverage ends: automatic again",
      { ...trying("26299", []), phase: "chosen" },
      { kind: "lost" },
      { phase: "automatic", plmn: undefined },
      [{ kind: "automatic" }],
    ],
    ["automatic loses its coverage: nothing is told to the module", initialOperatorState, { kind: "lost" }, { phase: "automatic" }, []],
    [
      "another subscription: what the former met says nothing",
      { ...trying("26299", []), phase: "chosen", known: [{ plmn: "26298", failures: 2, atMs: nowMs }] },
      { kind: "subscription" },
      { phase: "automatic", known: [] },
      [{ kind: "automatic" }],
    ],
    ["the card is at work: no scan now", trying(undefined, []), { kind: "putOff" }, { phase: "automatic" }, []],
  ];
  test.each(rows)("%s", (_name, state, input, after, effects) => {
    const step = nextOperator(state, input);
    expect(step.state).toMatchObject(after);
    expect(step.effects).toEqual(effects);
  });
});

describe("what is remembered", () => {
  test("a failure counts for a quarter of an hour, longer with each in a row, six hours at most", () => {
    const record = (failures: number) => ({ plmn: "26298", failures, atMs: nowMs });
    expect(isFailing(record(1), nowMs + 14 * minuteMs)).toBe(true);
    expect(isFailing(record(1), nowMs + 16 * minuteMs)).toBe(false);
    expect(isFailing(record(3), nowMs + 59 * minuteMs)).toBe(true);
    expect(isFailing(record(3), nowMs + 61 * minuteMs)).toBe(false);
    expect(isFailing(record(20), nowMs + 361 * minuteMs)).toBe(false);
    expect(isFailing(record(0), nowMs)).toBe(false);
  });

  test("by signal as last received; who failed comes last, the longest ago first; who has just failed waits", () => {
    const known = [
      { plmn: "26201", failures: 1, atMs: nowMs - 5 * minuteMs, rsrpDbm: -70 },
      { plmn: "26202", failures: 0, atMs: 0, rsrpDbm: -100 },
      { plmn: "26203", failures: 0, atMs: 0, rsrpDbm: -80 },
      { plmn: "26204", failures: 2, atMs: nowMs - 9 * minuteMs },
      { plmn: "26205", failures: 1, atMs: nowMs - 1_000 },
    ];
    const found = ["26201", "26202", "26203", "26204", "26205", "26206"].map((plmn) => seen(plmn));
    expect(candidates(found, known, nowMs)).toEqual(["26203", "26202", "26206", "26204", "26201"]);
    expect(candidates([...found, seen("26207", "forbidden")], known, nowMs)).not.toContain("26207");
  });

  test("whatever happens: rounds end, nobody beyond the most is tried in one, memory is bounded", () => {
    const plmn = fc.constantFrom("26298", "26299", "26297", "20498", "20497", "23098", "23097", "22297");
    const found = fc.uniqueArray(fc.record({ plmn, status: fc.constantFrom<Visible["status"]>("available", "current", "forbidden") }), {
      selector: (one) => one.plmn,
    });
    fc.assert(
      fc.property(fc.array(fc.record({ found, works: fc.boolean(), minutes: fc.nat({ max: 600 }) }), { maxLength: 30 }), (rounds) => {
        let state = initialOperatorState;
        let atMs = nowMs;
        for (const round of rounds) {
          atMs += round.minutes * minuteMs;
          let [effect] = nextOperator(state, { kind: "lost" }).effects;
          let step = nextOperator(nextOperator(state, { kind: "lost" }).state, { kind: "failed", plmn: undefined, why: "", nowMs: atMs });
          let tried = 0;
          for (let n = 0; step.effects.length > 0; n++) {
            expect(n).toBeLessThan(maxCandidates + 6);
            [effect] = step.effects;
            if (effect?.kind === "select") tried++;
            if (effect?.kind === "scan") step = nextOperator(step.state, { kind: "scanned", found: round.found, nowMs: atMs });
            else if (effect?.kind === "clearForbidden") step = nextOperator(step.state, { kind: "cleared", something: true, nowMs: atMs });
            else if (effect?.kind === "select" && round.works)
              step = nextOperator(step.state, { kind: "up", plmn: effect.plmn, nowMs: atMs });
            else if (effect?.kind === "automatic" && step.state.phase === "automatic") break;
            else step = nextOperator(step.state, { kind: "failed", plmn: undefined, why: "", nowMs: atMs });
          }
          state = step.state;
          expect(["automatic", "chosen"]).toContain(state.phase);
          expect(tried).toBeLessThanOrEqual(maxCandidates);
          expect(state.known.length).toBeLessThanOrEqual(32);
        }
      }),
      { seed: 1, numRuns: 300 },
    );
  });
});
