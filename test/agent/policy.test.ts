import { describe, expect, test } from "vitest";
import { parseConfig } from "../../agent/config/load.ts";
import { chooseApn } from "../../agent/connectivity/apn.ts";
import { createPolicyGate } from "../../agent/policy/engine.ts";
import { bindRules } from "../../agent/policy/rules/table.ts";
import type { GateFacts } from "../../ipa/ports.ts";

const packageFacts = (facts: Partial<GateFacts["euiccPackage"]>): GateFacts["euiccPackage"] => ({
  eimId: "e1",
  sha256: "00",
  operations: [],
  profiles: [],
  changesProfile: true,
  wayBack: "none",
  ...facts,
});

describe("no_way_back", () => {
  const gate = (mode: "warn" | "refuse") =>
    createPolicyGate(bindRules(parseConfig(`[modem]\naddress = "pty:/x"\n[policy]\nno_way_back = "${mode}"`)));

  test("a change of profile without a way back is warned about or refused, as configured", () => {
    expect(gate("warn").check("euiccPackage", packageFacts({}))).toMatchObject({ kind: "warn", rule: "no_way_back" });
    expect(gate("refuse").check("euiccPackage", packageFacts({}))).toMatchObject({
      kind: "refuse",
      rule: "no_way_back",
      reason: expect.stringContaining("rollback flag"),
    });
  });

  test("with a way back, or without a change, it is allowed", () => {
    for (const wayBack of ["rollback", "fallback", "not needed"] as const)
      expect(gate("refuse").check("euiccPackage", packageFacts({ wayBack }))).toEqual({ kind: "allow" });
    expect(gate("refuse").check("euiccPackage", packageFacts({ changesProfile: false }))).toEqual({ kind: "allow" });
    expect(gate("refuse").check("poll", { eimId: "e1" })).toEqual({ kind: "allow" });
  });
});

describe("the APN that fits", () => {
  const { apn } = parseConfig(`
    [modem]
    address = "pty:/x"
    [[apn]]
    name = "default"
    [[apn]]
    name = "turkey"
    mcc = "286"
    [[apn]]
    name = "operator"
    iccid_prefix = "8988"
    [[apn]]
    name = "operator-turkey"
    iccid_prefix = "8988"
    mcc = "286"
    [[apn]]
    name = "range"
    iccid_prefix = "89881"
  `);
  const rows: readonly [string, string | undefined, string][] = [
    ["8944000000000000001", undefined, "default"],
    ["8944000000000000001", "286", "turkey"],
    ["8988000000000000001", undefined, "operator"],
    ["8988000000000000001", "262", "operator"],
    ["8988000000000000001", "286", "operator-turkey"],
    ["8988100000000000001", "286", "range"],
  ];
  test.each(rows)("ICCID %s in MCC %s gets %s", (iccid, mcc, name) => {
    expect(chooseApn(apn, { iccid, mcc })?.name).toBe(name);
  });

  test("without an entry that fits the module's own settings stay", () => {
    expect(chooseApn([], { iccid: "8944000000000000001", mcc: "262" })).toBeUndefined();
  });
});
