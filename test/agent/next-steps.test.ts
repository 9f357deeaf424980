import { describe, expect, test } from "vitest";
import { loadVerbs } from "../../agent/cli/verbs/table.ts";
import { errorTable } from "../../base/errors.ts";

const verbs = await loadVerbs();

describe("the next step of an error", () => {
  test("names only commands that exist", () => {
    const names = new Set(verbs.map(({ name }) => name));
    const unknown = Object.entries(errorTable).flatMap(([code, { next }]) =>
      [...next.matchAll(/\bsimward ((?:[a-z][a-z-]*)(?: [a-z-]+){0,2})/g)]
        .map((match) => match[1] ?? "")
        // Words of the sentence may follow a command.
        .filter((words) => ![1, 2, 3].some((count) => names.has(words.split(" ").slice(0, count).join(" "))))
        .map((words) => `${code}: simward ${words}`),
    );
    expect(unknown).toEqual([]);
  });
});
