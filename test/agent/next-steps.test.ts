import { describe, expect, test } from "vitest";
import { verbs } from "../../agent/cli/verbs/table.ts";
import { errorTable } from "../../base/errors.ts";

describe("the next step of an error", () => {
  test("names only commands that exist", () => {
    const names = new Set(verbs.map(({ name }) => name));
    const unknown = Object.entries(errorTable).flatMap(([code, { next }]) =>
      [...next.matchAll(/\bsimward ((?:[a-z][a-z-]*)(?: [a-z-]+)?)/g)]
        .map((match) => match[1] ?? "")
        .filter((words) => !names.has(words) && !names.has(words.split(" ")[0] ?? ""))
        .map((words) => `${code}: simward ${words}`),
    );
    expect(unknown).toEqual([]);
  });
});
