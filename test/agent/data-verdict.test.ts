// What the status says of the fleet's own data: verdict, cause, who sees to it, and what to look at.
import { describe, expect, test } from "vitest";
import { loadVerbs } from "../../agent/cli/verbs/table.ts";
import { dataStatusOf } from "../../agent/data-verdict.ts";
import type { Verdict } from "../../ipa/ports.ts";

const verdict = (kind: "warn" | "throttle" | "refuse", rule = "usage", retryAt?: number): Verdict => ({
  kind,
  rule,
  reason: "why",
  retryAt,
});
const of = (data: Verdict, state?: "waiting" | "kept" | "unable", withoutNetd: "none" | "flight" = "none") =>
  dataStatusOf({ data, firewall: state === undefined ? undefined : { state }, withoutNetd });

describe("the fleet's data", () => {
  test("passes: nothing more is said", () => {
    expect(of({ kind: "allow" }, "unable")).toEqual({ verdict: "allow" });
  });

  test("is held back: by which rule, why, until when, and what shows it", () => {
    expect(of(verdict("refuse", "usage", Date.UTC(2026, 6, 1)), "kept")).toEqual({
      ...{ verdict: "refuse", rule: "usage", reason: "why", next: "simward usage show" },
      ...{ carriedOut: "firewall", until: "2026-07-01T00:00:00.000Z" },
    });
  });

  test.each([
    ["refuse", "kept", "none", "firewall"],
    ["refuse", "waiting", "none", "waiting"],
    ["refuse", "unable", "none", "module"],
    ["refuse", undefined, "flight", "module"],
    ["refuse", undefined, "none", "nobody"],
    ["throttle", "kept", "none", "firewall"],
    ["throttle", "unable", "none", "nobody"],
    ["throttle", undefined, "flight", "nobody"],
  ] as const)("%s with a firewall that is %s, without one %s: carried out by %s", (kind, state, withoutNetd, by) => {
    expect(of(verdict(kind), state, withoutNetd).carriedOut).toBe(by);
  });

  test("a warning is carried out by nobody, and needs not be", () => {
    expect(of(verdict("warn"), "kept")).not.toHaveProperty("carriedOut");
  });

  test("each rule, and one that is not known, leads to a command that exists", async () => {
    const names = new Set((await loadVerbs()).map(({ name }) => name));
    const steps = ["usage", "roaming", "lifecycle", "imei_lock", "tunnel_required", "market", "of another version"].map(
      (rule) => of(verdict("refuse", rule)).next ?? "",
    );
    expect(steps.map((step) => step.replace(/^simward /, "")).filter((name) => !names.has(name))).toEqual([]);
  });
});
