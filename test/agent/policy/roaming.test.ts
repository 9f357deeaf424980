// The rules `roaming` and `market` in the engine: what is said, asked for and refused as days go by and borders are crossed.
import { describe, expect, it } from "vitest";
import type { AuditEvent } from "../../../agent/audit/types.ts";
import { parseConfig } from "../../../agent/config/load.ts";
import { createPolicyEngine } from "../../../agent/policy/engine.ts";
import { wordsOf } from "../../../agent/policy/rules/roaming.ts";
import { bindRules } from "../../../agent/policy/rules/table.ts";
import type { Action, RoamingFacts } from "../../../agent/policy/types.ts";
import { defaultRoamingRules } from "../../../agent/roaming/default-rules.ts";
import type { RoamingRule } from "../../../agent/roaming/rules.ts";
import type { Level, Standing } from "../../../agent/roaming/standing.ts";
import type { GateFacts } from "../../../ipa/ports.ts";

const config = parseConfig(`
  [modem]
  address = "pty:/x"
  [market.TR]
  prefer = [{ iccid = "899053" }]
  [market.CN]
  allow = ["898600"]
`);

function bench() {
  const performed: string[] = [];
  const withdrawn: string[] = [];
  const audited: AuditEvent[] = [];
  let held = false;
  const nameOf = (action: Action, rule: string): string =>
    [
      rule,
      action.kind,
      action.kind === "applyMarket" ? action.country : undefined,
      action.kind === "pollEim" && action.notifyStateChange ? "told" : undefined,
    ]
      .filter(Boolean)
      .join(" ");
  const engine = createPolicyEngine({
    rules: bindRules(config),
    memory: { load: () => ({}), save: async () => undefined },
    audit: async (event) => void audited.push(event),
    perform: (action, rule) => void performed.push(nameOf(action, rule)),
    withdraw: (action, rule) => void withdrawn.push(nameOf(action, rule)),
    isHeld: () => held,
  });
  return {
    engine,
    performed,
    withdrawn,
    audited,
    hold: (now: boolean) => (held = now),
    explained: (rule: string) => engine.explain().rules.find((one) => one.rule === rule)?.decision.explain,
  };
}

const ruleOf = (id: string, more: Partial<RoamingRule> = {}): RoamingRule => {
  const rule = defaultRoamingRules.rules.find((one) => one.id === id);
  if (rule === undefined) throw new Error(id);
  return { ...rule, ...more };
};
const standing = (rule: RoamingRule, level: Level, used: number, daysLeft?: number): Standing => ({
  ...{ rule, level, used, limit: rule.limit, daysLeft, uncertain: false },
});
const facts = (country: string, ...standings: Standing[]): { roaming: RoamingFacts } => ({
  roaming: { country, homeCountry: "DE", standings, isCertain: true },
});
const tr = "tr-90-in-120";

describe("roaming", () => {
  it("says how many days are left and where the rule is from, and does nothing while there are enough", async () => {
    const { engine, performed, explained } = bench();
    await engine.update(facts("TR", standing(ruleOf(tr), "ok", 30, 60)));
    expect(explained("roaming")).toBe("tr-90-in-120: 30 of 90 days used, 60 days left (law, 2019-09-20)");
    expect([performed, engine.data]).toEqual([[], { kind: "allow" }]);
  });

  it("warns with an alarm, asks the eIM when it is time to act, and once more at the breach", async () => {
    const { engine, performed, withdrawn, audited } = bench();
    await engine.update(facts("TR", standing(ruleOf(tr), "warn", 60, 30)));
    await engine.update(facts("TR", standing(ruleOf(tr), "warn", 61, 29)));
    expect(performed).toEqual(["roaming alarm"]);
    expect(engine.data.kind).toBe("warn");
    await engine.update(facts("TR", standing(ruleOf(tr), "act", 80, 10)));
    await engine.update(facts("TR", standing(ruleOf(tr), "act", 81, 9)));
    expect(performed).toEqual(["roaming alarm", "roaming alarm", "roaming pollEim told"]);
    await engine.update(facts("TR", standing(ruleOf(tr), "breach", 91, 0)));
    expect(performed.slice(3)).toEqual(["roaming alarm", "roaming pollEim told"]);
    await engine.update(facts("DE"));
    expect(withdrawn.at(-2)).toBe("roaming alarm");
    expect(engine.data.kind).toBe("allow");
    expect(audited.map(({ event, data }) => `${event} ${String(data?.from)} ${String(data?.to)}`)).toEqual([
      "policy.verdict allow warn",
      "policy.verdict warn allow",
    ]);
  });

  it("refuses the fleet's data from the day to act on where the rule says so, and nothing in an emergency", async () => {
    const { engine, hold, performed } = bench();
    const rule = ruleOf(tr, { action: "refuse_data" });
    await engine.update(facts("TR", standing(rule, "warn", 79, 11)));
    expect(engine.data.kind).toBe("warn");
    hold(true);
    await engine.update(facts("TR", standing(rule, "act", 80, 10)));
    expect([engine.data.kind, engine.isHeld]).toEqual(["allow", true]);
    expect(performed.filter((one) => !one.includes("alarm"))).toEqual([]);
    hold(false);
    await engine.reconsider();
    expect(engine.data).toMatchObject({ kind: "refuse", rule: "roaming", reason: expect.stringContaining("10 days left") });
    expect(performed.at(-1)).toBe("roaming pollEim told");
  });

  it("what it said before a restart stands in the record until days have been looked at again", async () => {
    const audited: AuditEvent[] = [];
    const saved: unknown[] = [];
    const engine = createPolicyEngine({
      rules: bindRules(config),
      memory: { load: () => ({ roaming: "warn roaming" }), save: async (verdicts) => void saved.push(verdicts) },
      audit: async (event) => void audited.push(event),
      perform: () => undefined,
      withdraw: () => undefined,
      isHeld: () => false,
    });
    await engine.update({ market: { country: "TR" } });
    await engine.update(facts("TR", standing(ruleOf(tr), "warn", 70, 20)));
    expect([audited, saved]).toEqual([[], []]);
    await engine.update(facts("DE"));
    expect([audited.map(({ data }) => data?.to), saved]).toEqual([["allow"], [{}]]);
  });

  it("applies the market anew where the rule says so", async () => {
    const { engine, performed } = bench();
    await engine.update(facts("CN", standing(ruleOf("cn-local-profile"), "breach", 1)));
    expect(performed).toEqual(["roaming alarm", "roaming pollEim told", "roaming applyMarket CN"]);
  });

  it.each([
    [standing(ruleOf("elsewhere"), "warn", 61), "elsewhere: 61 days of use (commercial, low confidence)"],
    [
      standing(ruleOf("br-90-consecutive"), "breach", 91, 0),
      "br-90-consecutive: 91 of 90 days used, limit exceeded (regulator, 2025-01-01)",
    ],
    [standing(ruleOf("au-5-months-in-12"), "warn", 5, 31), "au-5-months-in-12: 5 of 5 months used, 31 days left (operator, 2016-04-06)"],
    [standing(ruleOf("il-free"), "ok", 0), "il-free: unrestricted (regulator, 2025-03-01)"],
    [{ ...standing(ruleOf("cn-local-profile"), "breach", 1, 0), limit: 0 }, "cn-local-profile: a local profile is required (regulator)"],
    [
      { ...standing(ruleOf("tr-imei-registration"), "act", 121, 0), limit: 120, uncertain: true },
      "tr-imei-registration: the device must be registered: 121 days of use, 120 without, days uncertain (regulator, 2026-01-02)",
    ],
  ])("puts it in words: %#", (one, words) => {
    expect(wordsOf(one)).toBe(words);
  });
});

describe("market", () => {
  const enable = (iccid: string): GateFacts["euiccPackage"] => ({
    ...{
      eimId: "e1",
      sha256: "00",
      changesProfile: true,
      wayBack: "rollback",
      operations: [{ name: "enable", iccid, rollbackFlag: true }],
    },
    profiles: [
      {
        iccid: "8949",
        enabled: true,
        profileClass: "operational",
        fallbackAttribute: false,
        profileName: undefined,
        serviceProviderName: undefined,
      },
    ],
  });

  it("polls at a border, telling the eIMs, and applies what is configured; at a start it only applies", async () => {
    const { engine, performed } = bench();
    await engine.update({ market: { country: "DE" } });
    expect(performed).toEqual([]);
    await engine.update({ market: { country: "TR", enteredFrom: "DE" } });
    await engine.update({ market: { country: "TR", enteredFrom: "DE" } });
    expect(performed).toEqual(["market pollEim told", "market applyMarket TR"]);
    await engine.update({ market: { country: "DE", enteredFrom: "TR" } });
    await engine.update({ market: { country: "TR", enteredFrom: "DE" } });
    expect(performed.slice(2)).toEqual(["market pollEim told", "market pollEim told", "market applyMarket TR"]);
  });

  it("is local only with a profile of that country", async () => {
    const { engine, explained } = bench();
    await engine.update({ roaming: { country: "TR", homeCountry: "TR", standings: [], isCertain: true } });
    expect(explained("market")).toBe("in TR, with a profile of that country");
    await engine.update({ roaming: { country: "TR", homeCountry: undefined, standings: [], isCertain: true } });
    expect(explained("market")).toBe("in TR, with a profile of no known country");
  });

  it("keeps changes of profile to the allow-list where the rule says so, and tells of downloads that could not be enabled", async () => {
    const { engine } = bench();
    await engine.update(facts("CN", standing(ruleOf("cn-local-profile"), "breach", 1)));
    expect(engine.check("euiccPackage", enable("8986001"))).toMatchObject({ kind: "allow" });
    expect(engine.check("euiccPackage", enable("8944"))).toMatchObject({
      kind: "refuse",
      rule: "market",
      reason: expect.stringContaining("allow-list by cn-local-profile: 8944"),
    });
    expect(engine.check("euiccPackage", enable("8949"))).toMatchObject({ kind: "allow" });
    const metadata = {
      eimId: "e1",
      iccid: "8944",
      serviceProviderName: "",
      profileName: "",
      profileClass: "operational",
      profilePolicyRules: [],
      ownerPlmn: undefined,
    };
    expect(engine.check("profileMetadata", metadata)).toMatchObject({ kind: "warn", rule: "market" });
    expect(engine.check("profileMetadata", { ...metadata, iccid: "8986009" })).toEqual({ kind: "allow" });
    expect(engine.check("poll", { eimId: "e1" })).toEqual({ kind: "allow" });
    await engine.update(facts("TR"));
    expect(engine.check("euiccPackage", enable("8944"))).toEqual({ kind: "allow" });
  });
});
