// What routes take: a reason that says nothing is none.
import { safeParse } from "valibot";
import { expect, it } from "vitest";
import { routes } from "../../agent/api/routes.ts";

const withReason = routes.filter(({ example }) => example?.includes('"reason"'));

it.each(withReason.map(({ method, path, ...route }) => ({ name: `${method} ${path}`, ...route })))(
  "$name: a reason of blanks is refused, its own example is taken",
  ({ input, example = "" }) => {
    const order = JSON.parse(example);
    expect(safeParse(input, order).issues).toBeUndefined();
    for (const reason of ["", "  ", "\t\n"]) expect(safeParse(input, { ...order, reason }).success).toBe(false);
  },
);

it("there are such routes", () => expect(withReason.length).toBeGreaterThan(5));
