// The stages of a vehicle's life: each trigger at its boundary, each order by each role, and what an emergency holds.

import { parse, safeParse } from "valibot";
import { describe, expect, test } from "vitest";
import { type LifecycleConfig, lifecycleConfig, planOf } from "../../../agent/lifecycle/config.ts";
import {
  type Authority,
  beginning,
  type LifecycleInput,
  type LifecycleState,
  nextLifecycle,
  type Surroundings,
  standings,
} from "../../../agent/lifecycle/machine.ts";
import { triggerOf } from "../../../agent/lifecycle/triggers.ts";
import { lifecycle as rule } from "../../../agent/policy/rules/lifecycle.ts";
import type { Stage } from "../../../agent/policy/types.ts";

const day = Date.UTC(2026, 6, 1);
const around: Surroundings = { nowMs: day - 1, clockTrusted: true, country: "DE", countsBytes: true, isHeld: false };
const planWith = (config: Partial<LifecycleConfig>) => planOf(parse(lifecycleConfig, { factory_country: "DE", ...config }));
const at = (stage: Stage, change: Partial<LifecycleState> = {}): LifecycleState => ({ ...beginning(stage, 0), ...change });

type Told =
  | Omit<Extract<LifecycleInput, { kind: "vehicle" }>, "around">
  | Omit<Extract<LifecycleInput, { kind: "used" }>, "around">
  | { kind: "look" };

describe("triggers", () => {
  const boundaries: readonly (readonly [string, string, Partial<LifecycleState>, Told, Partial<Surroundings>, boolean])[] = [
    ["a date to come", "date:2026-07-01T00:00:00Z", {}, { kind: "look" }, {}, false],
    ["the date", "date:2026-07-01T00:00:00Z", {}, { kind: "look" }, { nowMs: day }, true],
    [
      "the date by a clock that nobody vouches for",
      "date:2026-07-01T00:00:00Z",
      {},
      { kind: "look" },
      { nowMs: day, clockTrusted: false },
      false,
    ],
    ["bytes below", "bytes:1000", { usedBytes: 900 }, { kind: "used", bytes: 99 }, {}, false],
    ["bytes reached", "bytes:1000", { usedBytes: 900 }, { kind: "used", bytes: 100 }, {}, true],
    ["bytes that nothing counts", "bytes:1000", { usedBytes: 5000 }, { kind: "look" }, { countsBytes: false }, false],
    ["the factory's country", "abroad", {}, { kind: "look" }, {}, false],
    ["no country known", "abroad", {}, { kind: "look" }, { country: undefined }, false],
    ["another country", "abroad", {}, { kind: "look" }, { country: "FR" }, true],
    ["ignition off", "ignition", {}, { kind: "vehicle", news: { ignition: "off" } }, {}, false],
    ["ignition on", "ignition", {}, { kind: "vehicle", news: { ignition: "on" } }, {}, true],
    ["ignition told on again", "ignition:2", { ignitions: 1, ignition: "on" }, { kind: "vehicle", news: { ignition: "on" } }, {}, false],
    [
      "ignition on the second time",
      "ignition:2",
      { ignitions: 1, ignition: "off" },
      { kind: "vehicle", news: { ignition: "on" } },
      {},
      true,
    ],
    ["odometer below", "odometer:50", {}, { kind: "vehicle", news: { odometerKm: 49.9 } }, {}, false],
    ["odometer reached", "odometer:50", {}, { kind: "vehicle", news: { odometerKm: 50 } }, {}, true],
    ["a command is no trigger by itself", "command:engineer", {}, { kind: "look" }, {}, false],
    ["nor is a token", "token", {}, { kind: "look" }, {}, false],
  ];
  test.each(boundaries)("%s (%s)", (_what, trigger, state, told, there, moves) => {
    const plan = planWith({ operational_on: [trigger] });
    const step = nextLifecycle(plan, at("shipping", state), { ...told, around: { ...around, ...there } });
    expect(step.state.stage).toBe(moves ? "operational" : "shipping");
    if (moves) {
      expect(step.effects).toMatchObject([
        { do: "moved", from: "shipping", to: "operational", cause: `trigger:${trigger}`, trigger },
        { do: "keep" },
      ]);
      expect(step.state).toMatchObject({ usedBytes: 0, ignitions: 0, cause: `trigger:${trigger}` });
    }
    const held = nextLifecycle(plan, at("shipping", state), { ...told, around: { ...around, ...there, isHeld: true } });
    expect(held.state.stage).toBe("shipping");
  });

  test.each([
    "date:tomorrow",
    "date",
    "bytes:0",
    "bytes:-1",
    "bytes",
    "odometer:x",
    "ignition:0",
    "abroad:FR",
    "command:viewer",
    "token:1",
    "gnss",
    "",
  ])("%s is none", (text) => expect(triggerOf(text)).toBeUndefined());

  test("the configuration refuses abroad without a country, and retirement by the engineer", () => {
    expect(safeParse(lifecycleConfig, { operational_on: ["abroad"] }).success).toBe(false);
    expect(safeParse(lifecycleConfig, { operational_on: ["abroad"], factory_country: "DE" }).success).toBe(true);
    expect(safeParse(lifecycleConfig, { retired_on: ["command:engineer"] }).success).toBe(false);
    expect(safeParse(lifecycleConfig, { operational_on: ["first-drive"] }).success).toBe(false);
  });

  test("due for several stages at once, the last of them counts", () => {
    const plan = planWith({ shipping_on: ["ignition"], operational_on: ["odometer:50"], suspended_on: ["date:2027-01-01T00:00:00Z"] });
    const news = { ignition: "on", odometerKm: 60 } as const;
    expect(nextLifecycle(plan, at("factory_test"), { kind: "vehicle", news, around }).state.stage).toBe("operational");
  });

  test("who was suspended does not come back by driving, and once somebody has ended it the same date does not suspend again", () => {
    const plan = planWith({ operational_on: ["ignition", "command:engineer"], suspended_on: ["date:2026-07-01T00:00:00Z", "bytes:1000"] });
    const there = { ...around, nowMs: day };
    const suspended = nextLifecycle(plan, at("operational"), { kind: "look", around: there }).state;
    expect(suspended.stage).toBe("suspended");
    const driven = nextLifecycle(plan, suspended, { kind: "vehicle", news: { ignition: "on" }, around: there }).state;
    expect(driven.stage).toBe("suspended");
    const by: Authority = { kind: "command", role: "engineer", cause: "operator:1" };
    const resumed = nextLifecycle(plan, driven, { kind: "order", to: "operational", by, reason: "paid", around: there }).state;
    expect(nextLifecycle(plan, resumed, { kind: "look", around: there }).state.stage).toBe("operational");
    expect(standings(plan, resumed, there).find(({ trigger }) => trigger.kind === "date")).toMatchObject({ holds: true, spent: true });
    // What is counted in the stage is counted anew.
    expect(nextLifecycle(plan, resumed, { kind: "used", bytes: 1000, around: there }).state.stage).toBe("suspended");
  });
});

describe("orders", () => {
  const plan = planWith({});
  const command = (role: "viewer" | "engineer" | "admin"): Authority => ({ kind: "command", role, cause: "operator:0" });
  const token: Authority = { kind: "token", cause: "token:commands-2026" };
  const orders: readonly (readonly [Stage, Stage, Authority, "moved" | "already" | "way" | "authority"])[] = [
    ["factory_test", "shipping", command("engineer"), "moved"],
    ["factory_test", "shipping", command("viewer"), "authority"],
    ["factory_test", "shipping", token, "authority"],
    ["shipping", "operational", token, "moved"],
    ["shipping", "factory_test", command("admin"), "way"],
    ["operational", "operational", command("engineer"), "already"],
    ["operational", "shipping", command("admin"), "way"],
    ["operational", "suspended", command("engineer"), "authority"],
    ["operational", "suspended", command("admin"), "moved"],
    ["suspended", "operational", command("engineer"), "moved"],
    ["suspended", "shipping", command("admin"), "way"],
    ["operational", "retired", command("engineer"), "authority"],
    ["operational", "retired", command("admin"), "moved"],
    ["suspended", "retired", token, "moved"],
    ["retired", "operational", command("admin"), "way"],
    ["retired", "suspended", token, "way"],
  ];
  test.each(orders)("%s -> %s by %o: %s", (from, to, by, outcome) => {
    const step = nextLifecycle(plan, at(from), { kind: "order", to, by, reason: "ticket 123", around });
    const [effect] = step.effects;
    expect(effect?.do === "refused" ? effect.why : effect?.do).toBe(outcome);
    expect(step.state.stage).toBe(outcome === "moved" ? to : from);
    if (outcome === "moved") expect(step.state).toMatchObject({ cause: by.cause, reason: "ticket 123" });
  });

  test("an emergency refuses them, saying so", () => {
    const order = { kind: "order", to: "suspended", by: command("admin"), reason: "x", around: { ...around, isHeld: true } } as const;
    expect(nextLifecycle(plan, at("operational"), order).effects).toMatchObject([{ do: "refused", why: "emergency" }]);
  });
});

describe("the policy rule", () => {
  const said = (facts: Parameters<typeof rule.decide>[0]) => {
    const { gates, actions } = rule.decide(facts, undefined);
    return [Object.entries(gates).map(([gate, verdict]) => `${gate} ${verdict.kind}`), actions.map(({ kind }) => kind)];
  };
  const packageOf = (name: string) => ({
    ...{ eimId: "e", sha256: "", changesProfile: true, wayBack: "none", profiles: [] },
    operations: [{ name, iccid: "89" }],
  });
  test.each([
    [{}, [[], []]],
    [{ lifecycle: { stage: "operational", usedBytes: 9_999 } }, [[], []]],
    [{ lifecycle: { stage: "factory_test", usedBytes: 999, capBytes: 1000 } }, [[], []]],
    [{ lifecycle: { stage: "factory_test", usedBytes: 1000, capBytes: 1000 } }, [["data refuse"], ["alarm"]]],
    [{ lifecycle: { stage: "factory_test", capBytes: 1000 } }, [["data warn"], ["alarm"]]],
    [{ lifecycle: { stage: "suspended" } }, [["data refuse"], []]],
    [{ lifecycle: { stage: "retired" } }, [["data refuse"], []]],
    [{ lifecycle: { stage: "retired" }, euiccPackage: packageOf("enable") }, [["data refuse", "euiccPackage refuse"], []]],
    [{ lifecycle: { stage: "retired" }, euiccPackage: packageOf("disable") }, [["data refuse"], []]],
    [{ lifecycle: { stage: "suspended" }, euiccPackage: packageOf("enable") }, [["data refuse"], []]],
  ] as const)("%j", (facts, expected) => expect(said(facts as Parameters<typeof rule.decide>[0])).toEqual(expected));
});
