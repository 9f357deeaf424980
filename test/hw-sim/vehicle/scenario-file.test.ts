// Scenarios from files: what they may say, and how a mistake in them is told.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { readScenarioFile } from "../../../hw-sim/scenarios/file.ts";
import { fiveCountries, fiveCountriesRoute } from "../../../hw-sim/scenarios/five-countries.ts";
import { defaultScenario } from "../../../hw-sim/scenarios/table.ts";

const dir = mkdtempSync(join(tmpdir(), "simward-scenario-"));
afterAll(() => rmSync(dir, { recursive: true }));

function file(content: unknown): string {
  const path = join(dir, "scenario.json");
  writeFileSync(path, typeof content === "string" ? content : JSON.stringify(content));
  return path;
}

describe("a scenario file", () => {
  it("needs a country; the rest is the demo's", () => {
    expect(readScenarioFile(file({ country: "PL" }))).toEqual({
      ...defaultScenario,
      ...{ name: join(dir, "scenario.json"), text: "", country: "PL", world: undefined, route: undefined },
    });
  });

  it("says all that a built-in one can", () => {
    const { world, route } = readScenarioFile(file({ country: "NL", world: fiveCountries, route: fiveCountriesRoute }));
    expect(world).toEqual(fiveCountries);
    expect(route?.waypoints.map(({ set = [], ...rest }) => (set.length > 0 ? { ...rest, set } : rest))).toEqual(
      fiveCountriesRoute.waypoints,
    );
  });

  it.each<[unknown, string]>([
    ["{", "JSON"],
    [{}, "country"],
    [{ country: "Poland" }, "country"],
    [{ country: "PL", weather: "rain" }, "weather"],
    [{ country: "PL", faults: [{ name: "rain", value: "1" }] }, "rain"],
    [{ country: "PL", faults: [{ name: "loss", value: "2" }] }, "loss=2"],
    [{ country: "PL", route: { waypoints: [{ atMinutes: -1 }] } }, "route.waypoints.0.atMinutes"],
    [{ country: "PL", route: { waypoints: [{ atMinutes: 1, signal: { "26298": 12 } }] } }, "route.waypoints.0.signal.26298"],
  ])("%j is refused by file and field", (content, where) => {
    expect(() => readScenarioFile(file(content))).toThrow(
      expect.objectContaining({ code: "SIM_OPTION", detail: expect.stringMatching(new RegExp(`scenario\\.json: .*${where}`)) }),
    );
  });
});
