// docs/modules.md says what the families' files say, and nothing is called documented without a source.
import { writeFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { families } from "../../../at-drivers/families/table.ts";
import { backgroundFile, readTranscript, sessionFiles } from "../transcripts.ts";
import { codeOf, docPath, readDocument, sourcesOf, withFamilies } from "./modules-doc.ts";

const document = readDocument();
const sources = sourcesOf(document);

test("docs/modules.md is current", () => {
  const wanted = withFamilies(document);
  if (process.env.UPDATE === "1") writeFileSync(docPath, wanted);
  else expect(document).toBe(wanted);
});

describe.each(families.map((family) => [family.id, family] as const))("%s", (_, { knows }) => {
  test.each(Object.entries(knows))("%s: a grade with the sources it needs", (_topic, knowledge) => {
    for (const code of knowledge.sources) expect(sources).toContain(code);
    expect(knowledge.sources.length > 0).toBe(knowledge.grade === "documented");
  });
});

test.each([...sessionFiles(), backgroundFile])("%s: every line cites a source of docs/modules.md, or says that it has none", (name) => {
  for (const { source, where } of readTranscript(name)) expect([...sources, "unsure"], where).toContain(codeOf(source));
});
