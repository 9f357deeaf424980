// Borders: crossed after time or registrations beyond them, and the slower the more they are gone to and fro.
import { describe, expect, it } from "vitest";
import { type BorderState, decidedInMs, initialBorder, nextBorder, restartedBorder } from "../../../agent/market/border.ts";

const minuteMs = 60_000;
const limits = { afterMs: 5 * minuteMs, registrations: 4 };

/** "TR 3": registered in TR, three minutes later; "TR! 3" newly so; "-" without a network. */
function drive(steps: readonly string[], from: BorderState = initialBorder): { state: BorderState; crossed: string[]; nowMs: number } {
  let state = from;
  let nowMs = 0;
  const crossed: string[] = [];
  for (const step of steps) {
    const [where = "", minutes = "0"] = step.split(" ");
    nowMs += Number(minutes) * minuteMs;
    const next =
      where === "-"
        ? nextBorder(state, { kind: "unregistered", nowMs }, limits)
        : nextBorder(state, { kind: "registered", country: where.slice(0, 2), isNew: where.endsWith("!"), nowMs }, limits);
    state = next.state;
    crossed.push(...next.effects.map(({ from: before, to }) => `${before ?? "?"}>${to}`));
  }
  return { state, crossed, nowMs };
}

describe("a border", () => {
  it.each<[string, string[], string[]]>([
    ["the first network is believed at once", ["TR!"], ["?>TR"]],
    ["a moment beyond it is no crossing", ["DE!", "AT! 1", "DE! 1"], ["?>DE"]],
    ["just short of the time", ["DE!", "AT! 1", "AT 4.99"], ["?>DE"]],
    ["the time, without another registration", ["DE!", "AT! 1", "AT 5"], ["?>DE", "DE>AT"]],
    ["registrations in a row, long before the time", ["DE!", "AT! 1", "AT! 0.1", "AT! 0.1", "AT! 0.1"], ["?>DE", "DE>AT"]],
    ["one fewer", ["DE!", "AT! 1", "AT! 0.1", "AT! 0.1"], ["?>DE"]],
    ["one back on this side begins it anew", ["DE!", "AT! 1", "AT! 0.1", "AT! 0.1", "DE! 0.1", "AT! 0.1", "AT 4.9"], ["?>DE"]],
    ["a tunnel does not: time goes on in it", ["DE!", "AT! 1", "- 2", "AT! 3"], ["?>DE", "DE>AT"]],
    ["a third country begins its own time", ["DE!", "AT! 1", "IT! 4", "IT 4"], ["?>DE"]],
    ["and is crossed into when that is over", ["DE!", "AT! 1", "IT! 4", "IT 5"], ["?>DE", "DE>IT"]],
  ])("%s", (_what, steps, crossed) => {
    expect(drive(steps).crossed).toEqual(crossed);
  });

  it("gone to and fro every six minutes for a day is crossed once, since twice takes longer", () => {
    const steps = Array.from({ length: 240 }, (_, i) => (i % 2 ? ["AT! 0", "AT 6"] : ["DE! 0", "DE 6"])).flat();
    expect(drive(steps).crossed).toEqual(["?>DE", "DE>AT"]);
  });

  it("after a crossing the next one takes twice as long, and as long as ever a day later", () => {
    const there = drive(["DE!", "AT! 1", "AT 5"]).state;
    expect(drive(["AT 10", "DE! 1", "DE 9.9"], there).crossed).toEqual([]);
    expect(drive(["AT 10", "DE! 1", "DE 10"], there).crossed).toEqual(["AT>DE"]);
    expect(drive(["AT 1447", "DE! 1", "DE 5"], there).crossed).toEqual(["AT>DE"]);
  });

  it("says when it is decided, so that nobody has to look all the time", () => {
    const { state, nowMs } = drive(["DE!", "AT! 1", "AT 2"]);
    expect(decidedInMs(state, limits, nowMs)).toBe(3 * minuteMs);
    expect(decidedInMs(drive(["DE!"]).state, limits, 0)).toBeUndefined();
  });

  it("is remembered over a restart, times are not", () => {
    const { state } = drive(["DE!", "AT! 1"]);
    const again = restartedBorder(state);
    expect(again).toEqual({ ...initialBorder, country: "DE" });
    expect(drive(["AT! 1", "AT 5"], again).crossed).toEqual(["DE>AT"]);
  });
});
