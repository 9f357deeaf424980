// docs/conformance.md: each row with the tests that show it.
import { parts, type rows } from "./rows/rows.ts";
import type { TaggedTest } from "./tags.ts";

/** Which tests show each row; a tag "prefix.*" names all rows that begin so. */
export function testsByRow(all: typeof rows, tests: readonly TaggedTest[]): Map<string, TaggedTest[]> {
  const byId = new Map<string, TaggedTest[]>(all.map(({ id }) => [id, []]));
  for (const test of tests)
    for (const name of new Set(test.shows))
      for (const id of name.endsWith(".*") ? all.map((row) => row.id).filter((id) => id.startsWith(name.slice(0, -1))) : [name])
        byId.get(id)?.push(test);
  return byId;
}

export function page(byRow: ReadonlyMap<string, readonly TaggedTest[]>): string {
  const counted = parts.map(({ heading, groups }) => `${heading} ${groups.reduce((sum, one) => sum + one.rows.length, 0)}`);
  const tests = new Set([...byRow.values()].flat());
  const out = [
    "# Conformance",
    "",
    "What SGP.32 v1.2 and the parts of SGP.22 v2.5 that it builds on ask of an IPA, and the test that shows it. Our virtual eUICC, eIM, SM-DP+ and SM-DS are held to it as well.",
    "",
    "This page is made from the tests: a test names the rows that it shows in a comment right above it, `// shows: es10b.GetCerts`. `test/conformance.test.ts` fails when a row has no",
    "test, when a tag names no row, when a tagged test may be skipped, and when this page is not what the tags say;",
    "`UPDATE_DOCS=1 npx vitest run test/conformance.test.ts` writes it anew. Rows are in `test/conformance/rows`.",
    "",
    `${byRow.size} rows (${counted.join(", ")}), shown by ${tests.size} tests and groups of tests.`,
    "",
  ];
  for (const { heading, groups } of parts) {
    out.push(`## ${heading}`, "");
    for (const group of groups) {
      out.push(`### ${group.heading}`, "", "| row | § | | shown by |", "|---|---|---|---|");
      for (const { id, section, title } of group.rows) {
        const shown = (byRow.get(id) ?? []).map((test) => cell(`${test.file.slice("test/".length)} › ${test.title}`));
        out.push(`| \`${id}\` | ${section} | ${cell(title)} | ${shown.join("<br>")} |`);
      }
      out.push("");
    }
  }
  return `${out.join("\n").trimEnd()}\n`;
}

function cell(text: string): string {
  return text.replace(/\s+/g, " ").replace(/\|/g, "\\|").replace(/</g, "&lt;");
}
