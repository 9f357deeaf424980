// Each command of simward that doctor, or an error, says to type: it is a verb, with its options and what it must have.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { verbRows } from "../../../agent/cli/verbs/table.ts";
import { errorTable } from "../../../base/errors.ts";
import { faultsOf } from "../../support/mends.ts";

const nouns = new Set(verbRows.map(({ name }) => name.split(" ")[0] ?? ""));

/** Text of string literals and templates, what is filled in as X. */
function literals(source: string): readonly string[] {
  const code = source.replace(/^\s*(\/\/|\/?\*).*$/gm, "");
  return [...code.matchAll(/"((?:[^"\\\n]|\\.)*)"|'((?:[^'\\\n]|\\.)*)'|`((?:[^`\\]|\\.)*)`/g)].map(([, a, b, c]) =>
    (a ?? b ?? c ?? "").replace(/\$\{(?:[^{}]|\{[^{}]*\})*\}/g, "X"),
  );
}

const commands = (text: string): readonly string[] =>
  [...text.matchAll(/\bsimward ([a-z-]+)/g)].some(([, word = ""]) => nouns.has(word)) ? [text] : [];

const ofDoctor = (readdirSync("agent/doctor", { recursive: true, encoding: "utf8" }) as readonly string[])
  .filter((name) => name.endsWith(".ts"))
  .flatMap((name) => literals(readFileSync(join("agent/doctor", name), "utf8")).flatMap(commands));

test("of doctor", () => {
  expect(ofDoctor.length).toBeGreaterThan(50);
  expect(ofDoctor.flatMap((text) => faultsOf(text).map((fault) => `${fault} in: ${text}`))).toEqual([]);
});

test("of the table of errors", () => {
  const all = Object.entries(errorTable).flatMap(([code, { next }]) =>
    commands(next)
      .flatMap(faultsOf)
      .map((fault) => `${code}: ${fault}`),
  );
  expect(all).toEqual([]);
});

test.each([
  ["simward profile list; then have it ordered", []],
  ["simward trace es10 --last 20 --nosuch", ["simward trace es10 has no --nosuch"]],
  ["simward profile download LPA:1$…", ["simward profile download takes no LPA:1$…"]],
  ["simward profile enable", ["simward profile enable wants profile"]],
  ["try simward profil list", ["simward profil list: no such verb"]],
  ["simward lifecycle set operational", ["simward lifecycle set wants --reason"]],
])("%s", (text, faults) => expect(faultsOf(text)).toEqual(faults));
