// Every row of docs/conformance.md has a test, every tag a row, and the page says what the tags say (UPDATE_DOCS=1 writes it anew).
import { readFileSync, writeFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { es10Functions } from "../ipa/euicc/es10.ts";
import { page, testsByRow } from "./conformance/page.ts";
import { parts, rows } from "./conformance/rows/rows.ts";
import { tagsOf, tagsOfSuite } from "./conformance/tags.ts";

const file = "docs/conformance.md";
const suite = tagsOfSuite();
const byRow = testsByRow(rows, suite.tests);

describe("rows and tests", () => {
  test("ids are unique, and each says where it stands", () => {
    const ids = rows.map(({ id }) => id);
    expect(ids.filter((id, index) => ids.indexOf(id) !== index)).toEqual([]);
    expect(rows.filter(({ section }) => !/^(SGP\.(22|32)|ISO 7816-4|ETSI TS 102 223|3GPP TS 27\.007|RFC \d+) §\d/.test(section))).toEqual(
      [],
    );
  });

  test("each row has a test", () => {
    const without = rows.map(({ id }) => id).filter((id) => byRow.get(id)?.length === 0);
    expect(without, "rows without a test: write one and put // shows: and the id above it").toEqual([]);
  });

  test("each tag names a row, stands above a test, and that test runs", () => {
    expect(suite.problems.map(({ file: where, line, what }) => `${where}:${line}: ${what}`)).toEqual([]);
    const known = (name: string): boolean =>
      name.endsWith(".*") ? rows.some(({ id }) => id.startsWith(name.slice(0, -1))) : byRow.has(name);
    const unknown = suite.tests.flatMap((one) => one.shows.filter((id) => !known(id)).map((id) => `${one.file} › ${one.title}: ${id}`));
    expect(unknown, "tags that name no row").toEqual([]);
  });

  test("the functions of ES10 are those that the IPA can call, and loading a package", () => {
    const wanted = [...es10Functions.map(({ name }) => name), "ES10b.LoadBoundProfilePackage"];
    const there = rows.map(({ id }) => id).filter((id) => /^es10[abc]\.[A-Za-z]\w*$/.test(id) && id !== "es10c.not-with-eim");
    expect(there.sort()).toEqual(wanted.map((name) => name.replace("ES", "es")).sort());
  });
});

test("the page says what the tags say", () => {
  const wanted = page(byRow);
  if (process.env.UPDATE_DOCS !== undefined) writeFileSync(file, wanted);
  const text = readFileSync(file, "utf8");
  const titles = new Set(suite.tests.map((one) => `${one.file.slice("test/".length)} › ${one.title}`));
  const named = text.split("\n").filter((line) => line.startsWith("| `"));
  const gone = named
    .flatMap((line) => (line.split(" | ")[3] ?? "").replace(/ \|$/, "").split("<br>"))
    .map((one) => one.replace(/\\\|/g, "|").replace(/&lt;/g, "<"))
    .filter((one) => one.includes(" › ") && !titles.has(one));
  expect([...new Set(gone)], `${file} names tests that do not exist`).toEqual([]);
  expect(text, `${file} is not what the tags say; UPDATE_DOCS=1 npx vitest run test/conformance.test.ts writes it`).toBe(wanted);
  expect(parts.length).toBeGreaterThan(0);
});

describe("the reader of tags", () => {
  const read = (...lines: readonly string[]) => tagsOf("x.test.ts", lines.join("\n"));

  test("a test, a group, one over a table, with the groups around it", () => {
    const { tests, problems } = read(
      'describe("outer", () => {',
      "  // shows: a.one, a.two",
      "  // shows: a.three",
      '  test("inner \\"quoted\\"", () => {});',
      "",
      "  // shows: b.*",
      "  test.each([",
      '    ["x) (", /["\'(]/, `f(`], // a remark (',
      '  ] as const)("%s: over a table", () => {});',
      "});",
      "// shows: c",
      'describe.each(rows.map(({ name }) => [name] as const))("%s", () => {',
      "  // shows: d",
      "  it(",
      '    "a long title",',
      "    () => {},",
      "  );",
      "  for (const one of some)",
      "    // shows: e",
      "    scenario(`over one`, {",
      "  // shows: f",
      "  for (const one of some)",
      "    test(`with one`, () => {});",
      "  // shows: g",
      "  for (const [one] of [",
      '    ["a test(b", 1],',
      "  ] as const)",
      "    test(`with another`, () => {});",
      "});",
    );
    expect(problems).toEqual([]);
    expect(tests.map(({ title, shows }) => [title, ...shows])).toEqual([
      ['outer › inner "quoted"', "a.one", "a.two", "a.three"],
      ["outer › %s: over a table", "b.*"],
      ["%s", "c"],
      ["%s › a long title", "d"],
      ["%s › over one", "e"],
      ["%s › with one", "f"],
      ["%s › with another", "g"],
    ]);
  });

  test("a tag above nothing, above what may not run, and many rows at once above a single test are problems", () => {
    const what = (...lines: readonly string[]) => read(...lines).problems.map((one) => `${one.line} ${one.what}`);
    expect(what("// shows: a", "const x = 1;")).toEqual(["2 a tag stands above what is no test: a"]);
    expect(what("// shows: a", 'test.skip("x", f);')).toEqual(["2 a tagged test may not run (.skip): x"]);
    expect(what('describe.skipIf(no)("y", () => {', "  // shows: a", '  test("x", f);')).toEqual([
      "3 a tagged test may not run (.skipIf): x",
    ]);
    expect(what("// shows: a.*", 'test("x", f);')).toEqual(["2 only a test over a table may name many rows at once: x"]);
    expect(what("// shows: a", 'test("x", async (context) => {', "  need(context, tool);", "});", 'test("y", f);')).toEqual([
      "2 a tagged test may leave itself out where a tool is missing: x",
    ]);
    expect(what("// shows: a", 'test("x", f);', 'test("y", (context) => {', "  context.skip();", "});")).toEqual([]);
    expect(what("// shows: a", "test(title, f);")).toEqual(["2 a tagged test has no literal title"]);
  });
});
