// Each document that the command line puts together is of a type whose schema is published.
import { readdirSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { answerTypes } from "../../support/openapi.ts";

test("every schema id that the command line names is published", () => {
  const files = readdirSync("agent/cli", { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith(".ts"));
  const named = files.flatMap((name) => readFileSync(`agent/cli/${name}`, "utf8").match(/(?<=")simward\/[a-z-]+\/\d+(?=")/g) ?? []);
  const { byId } = answerTypes();
  expect(named.length).toBeGreaterThan(10);
  expect([...new Set(named)].filter((id) => !byId.has(id))).toEqual([]);
});
