// How checks are run: side by side, each with a deadline, none above a broken floor; and what is said to be the cause.
import { describe, expect, test } from "vitest";
import type { Finding } from "../../../agent/api/doctor-types.ts";
import { type Check, fail, pass, runChecks, type Said, skip, warn } from "../../../agent/doctor/check.ts";
import { causesOf, reportOf } from "../../../agent/doctor/report.ts";
import { VirtualClock } from "../../../base/clock.ts";
import { SimwardError } from "../../../base/errors.ts";

const check = (name: string, run: Check<object>["run"], needs: readonly string[] = []): Check<object> => ({
  ...{ name, needs, run, section: "module", about: "", reach: "nothing" },
});
const says = (said: Said) => () => said;

function run(...checks: readonly Check<object>[]): Promise<readonly Finding[]> {
  const clock = new VirtualClock();
  return clock.runUntil(runChecks(checks, {}, { clock, limitMs: 1_000 }));
}

describe("running checks", () => {
  test("one failure is one finding: what stands on it, and what stands on that, is skipped with its name", async () => {
    const found = await run(
      check("a", says(fail("broken", "mend it"))),
      check("b", says(pass()), ["a"]),
      check("c", says(pass()), ["b"]),
      check("d", says(pass())),
    );
    expect(found.map(({ check: name, level, cause }) => [name, level, cause])).toEqual([
      ["a", "fail", "broken"],
      ["b", "skip", "needs a, which failed"],
      ["c", "skip", "needs a, which failed"],
      ["d", "pass", undefined],
    ]);
  });

  test("a warning, and what has nothing to say, hold up nothing", async () => {
    const found = await run(
      check("a", says(warn("so so", "look"))),
      check("b", says(skip("none is asked for")), ["a"]),
      check("c", says(pass()), ["b"]),
    );
    expect(found.map(({ level }) => level)).toEqual(["warn", "skip", "pass"]);
  });

  test("one that never ends fails by its deadline, and one that throws by its error; both say what to do", async () => {
    const found = await run(
      check("hangs", () => new Promise(() => undefined)),
      check("throws", () => Promise.reject(new SimwardError("DISK_READ", { detail: "x" }))),
      check("busy", () => Promise.reject(new SimwardError("BUSY", { detail: "the card: eUICC Package" }))),
    );
    expect(found).toMatchObject([
      { level: "fail", cause: expect.stringContaining("longer than allowed"), mend: "simward status", tookMs: 1_000 },
      { level: "fail", cause: expect.stringContaining("could not be read"), mend: expect.stringContaining("permissions") },
      { level: "warn", cause: expect.stringContaining("eUICC Package"), mend: "simward doctor" },
    ]);
  });

  test("checks wait for what they stand on only", async () => {
    const order: string[] = [];
    const clock = new VirtualClock();
    const slow = check("slow", async () => {
      await clock.sleep(500);
      order.push("slow");
      return pass();
    });
    const quick = check("quick", () => {
      order.push("quick");
      return pass();
    });
    const noted = (name: string) => () => {
      order.push(name);
      return pass();
    };
    const above = check("above", noted("above"), ["slow"]);
    const last = { ...check("last", noted("last")), isLast: true };
    await clock.runUntil(runChecks([last, slow, quick, above], {}, { clock, limitMs: 1_000 }));
    expect(order).toEqual(["quick", "slow", "above", "last"]);
  });

  test("ends with the reason of who stops it", async () => {
    const stop = new AbortController();
    const running = runChecks(
      [check("hangs", () => new Promise(() => undefined))],
      {},
      { clock: new VirtualClock(), limitMs: 1_000, signal: stop.signal },
    );
    stop.abort(new SimwardError("ABORTED"));
    await expect(running).rejects.toMatchObject({ code: "ABORTED" });
  });
});

describe("the cause", () => {
  const becauseOf = (said: Said, ...names: readonly string[]): Said => ({ ...said, becauseOf: names });

  test("is the lowest failure; what follows from another stands behind it; warnings come last", async () => {
    const found = await run(
      check("low-warning", says(warn("w", "m"))),
      check("policy", says(becauseOf(fail("refuses", "explain"), "lock"))),
      check("lock", says(fail("foreign", "put back"))),
      check("other", says(fail("x", "y"))),
    );
    expect(causesOf(found).map(({ check: name }) => name)).toEqual(["lock", "other", "policy", "low-warning"]);
    expect(found.find(({ check: name }) => name === "policy")?.because).toBe("lock");
  });

  test("may be a warning, when a failure follows from it", async () => {
    const found = await run(
      check("first", says(fail("x", "y"))),
      check("clock", says(warn("1970", "set it"))),
      check("tls", says(becauseOf(fail("expired", "renew"), "clock"))),
    );
    expect(causesOf(found).map(({ check: name }) => name)).toEqual(["first", "clock", "tls"]);
  });

  test("of two that could each be the other's is the one that failed", async () => {
    const found = await run(
      check("path", says(becauseOf(warn("nobody answered", "probe"), "dns"))),
      check("dns", says(becauseOf(fail("not found", "getent"), "path"))),
    );
    expect(found.map(({ because }) => because)).toEqual(["dns", undefined]);
  });

  test("stands in the summary with its mend, and the others are counted", async () => {
    const report = async (...checks: readonly Check<object>[]) =>
      reportOf({ mode: "full", daemon: "running", timeMs: 0, tookMs: 12.4, findings: await run(...checks) });
    expect(await report(check("a", says(pass())))).toMatchObject({ verdict: "pass", summary: "Nothing is wrong.", causes: [], tookMs: 12 });
    const two = await report(
      check("a", says(fail("no card", "reseat it"))),
      check("b", says(warn("w", "m"))),
      check("c", says(becauseOf(fail("f", "g"), "a"))),
    );
    expect(two).toMatchObject({
      verdict: "fail",
      summary: "What is wrong: no card; do: reseat it (and 1 more)",
      counts: { pass: 0, warn: 1, fail: 2, skip: 0 },
    });
    expect(await report(check("b", says(warn("days run out", "poll"))))).toMatchObject({
      verdict: "warn",
      summary: "What could be better: days run out; do: poll",
    });
  });
});

test("all together end within their budget, however many stand on one another", async () => {
  const clock = new VirtualClock();
  const hangs = (name: string, needs: readonly string[] = []) => ({ ...check(name, () => clock.sleep(900).then(() => pass()), needs) });
  const found = await clock.runUntil(
    runChecks([hangs("a"), hangs("b", ["a"]), hangs("c", ["b"])], {}, { clock, limitMs: 1_000, budgetMs: 1_500 }),
  );
  expect(found.map(({ level }) => level)).toEqual(["pass", "warn", "skip"]);
  expect(found[1]?.cause, "it was not the one that took the time").toContain("the time for all checks was over");
  expect(clock.monotonicMs()).toBeLessThanOrEqual(1_500);
});
