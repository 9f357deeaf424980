// What an error says to do next: every command of simward in it is one, with options that it has.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { globalOptions } from "../../../agent/cli/options.ts";
import { optionsOf } from "../../../agent/cli/verb.ts";
import { loadVerbs } from "../../../agent/cli/verbs/table.ts";
import { errorTable, SimwardError } from "../../../base/errors.ts";

const root = join(import.meta.dirname, "../../..");
const verbs = await loadVerbs();

/** Commands of a text that are none, or have an option that they do not have. */
function wrong(text: string): readonly string[] {
  return [...text.matchAll(/(?<![\w/-])simward (?=[a-z])([^;,:]*)/g)].flatMap(([all, line = ""]) => {
    const verb = verbs.filter(({ name }) => line === name || line.startsWith(`${name} `)).sort((a, b) => b.name.length - a.name.length)[0];
    if (verb === undefined) return [all];
    const has = [...globalOptions, ...optionsOf(verb)].flatMap(({ flags }) => flags.match(/--[a-z-]+/g) ?? []);
    return (line.match(/--[a-z-]+/g) ?? []).filter((flag) => !has.includes(flag)).map((flag) => `${all}: ${flag}`);
  });
}

test("in the table of errors", () => {
  expect(Object.entries(errorTable).flatMap(([code, { next }]) => wrong(next).map((one) => [code, one]))).toEqual([]);
});

test("where a case has its own", () => {
  const sources = readdirSync(join(root, "agent"), { recursive: true, encoding: "utf8" }).filter((path) => path.endsWith(".ts"));
  const texts = sources.flatMap((path) => {
    const source = readFileSync(join(root, "agent", path), "utf8");
    const own = [...source.matchAll(/\bnext: (["`])((?:(?!\1).)*)\1/g)].map(([, , text = ""]) => text);
    const advice = /const advice = \{([\s\S]*?)\n\}/.exec(source)?.[1] ?? "";
    return [...own, ...[...advice.matchAll(/: "([^"]*)"/g)].map(([, text = ""]) => text)].map((text) => ({ path, text }));
  });
  expect(texts.length).toBeGreaterThan(5);
  expect(texts.flatMap(({ path, text }) => wrong(text).map((one) => [path, one]))).toEqual([]);
});

test("a command that is none is found", () => {
  expect(wrong("simward net sacn; simward status --jsno; simward eim poll").length).toBe(2);
});

test("a case's own advice stands in place of the table's", () => {
  expect([new SimwardError("BUSY").next, new SimwardError("BUSY", { next: "simward status" }).next]).toEqual([
    errorTable.BUSY.next,
    "simward status",
  ]);
});
