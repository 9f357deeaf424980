// What the configuration of a market says: profiles in their order, APNs, operators, what stays; and what may be changed there.
import { describe, expect, it } from "vitest";
import { parseConfig } from "../../../agent/config/load.ts";
import { chooseApn } from "../../../agent/connectivity/apn.ts";
import { marketOf, mayLeave, mayUseOperator, operatorsIn, wantedProfile } from "../../../agent/market/markets.ts";
import { mayEnable, refuses, swapPolicyOf } from "../../../agent/market/swap.ts";
import { defaultRoamingRules } from "../../../agent/roaming/default-rules.ts";
import { rulesFor } from "../../../agent/roaming/rules.ts";
import { apnsOf } from "../../../agent/travel.ts";

const config = parseConfig(`
  [modem]
  address = "pty:/x"
  [[apn]]
  name = "default"
  [[apn]]
  name = "old-turkey"
  mcc = "286"
  [[apn]]
  name = "operator"
  iccid_prefix = "8988"
  [market.TR]
  prefer = [{ iccid = "899053" }, { nickname = "Turkey" }, { class = "provisioning" }]
  operators = ["28601"]
  keeps = ["location", "audit"]
  [[market.TR.apn]]
  name = "turkey"
  [market.US]
  [[market.US.apn]]
  name = "america"
  [market.CN]
  allow = ["898600"]
  [market.NG]
  swap = "forbidden"
  [market."*"]
  operators = []
  keeps = ["signal"]
`);
const { market: markets } = config;

describe("APNs of a market", () => {
  const rows: readonly [string, string | undefined, string | undefined, string][] = [
    ["in Turkey the market's comes before [[apn]]'s", "286", "8944000000000000001", "turkey"],
    ["every code of a country", "311", "8944000000000000001", "america"],
    ["an operator's own comes before a country's", "286", "8988000000000000001", "operator"],
    ["elsewhere the default", "262", "8944000000000000001", "default"],
  ];
  it.each(rows)("%s", (_what, mcc, iccid, name) => {
    expect(chooseApn(apnsOf(config), { iccid: iccid ?? "", mcc })?.name).toBe(name);
  });
});

describe("the profile wanted", () => {
  const profile = (iccid: string, more: { enabled?: boolean; nickname?: string; profileClass?: string } = {}) => ({
    ...{ iccid, enabled: false, nickname: undefined, profileClass: "operational" },
    ...more,
  });
  const prefer = markets.TR?.prefer ?? [];
  const rows: readonly [string, ReturnType<typeof profile>[], string | undefined][] = [
    ["the first of the list that is there", [profile("8949", { nickname: "turkey" }), profile("8990531")], "8990531"],
    [
      "by nickname, however it is written",
      [profile("8949", { nickname: "turkey" }), profile("8933", { profileClass: "provisioning" })],
      "8949",
    ],
    ["by class where there is nothing else", [profile("8949"), profile("8933", { profileClass: "provisioning" })], "8933"],
    ["of several that fit, the one that is enabled", [profile("8990531"), profile("8990532", { enabled: true })], "8990532"],
    ["none of them", [profile("8949")], undefined],
  ];
  it.each(rows)("%s", (_what, profiles, iccid) => {
    expect(wantedProfile(prefer, profiles)?.iccid).toBe(iccid);
  });
});

describe("a country", () => {
  it("has its own market, or that of all others", () => {
    expect(marketOf(markets, "TR")?.operators).toEqual(["28601"]);
    expect(marketOf(markets, "FR")?.keeps).toEqual(["signal"]);
    expect(operatorsIn(markets, undefined)).toEqual([]);
  });

  it("keeps what is recorded in it, wherever the vehicle is later", () => {
    expect(mayLeave(markets, "audit", "TR")).toBe(false);
    expect(mayLeave(markets, "usage", "TR")).toBe(true);
    expect(mayLeave(markets, "signal", "DE")).toBe(false);
    expect(mayLeave(markets, "audit", undefined)).toBe(true);
  });

  it("names its operators, and any may be used where it names none", () => {
    expect([mayUseOperator(markets, "28601"), mayUseOperator(markets, "28602"), mayUseOperator(markets, "26201")]).toEqual([
      true,
      false,
      true,
    ]);
  });
});

describe("changes of profile", () => {
  const swap = (country: string, home = "DE") =>
    swapPolicyOf(country, marketOf(markets, country), rulesFor(defaultRoamingRules, country, home));
  it("are free where nobody says otherwise", () => {
    expect(swap("TR")).toMatchObject({ policy: "free" });
    expect(mayEnable(swap("TR"), "8949")).toBe(true);
  });
  it("are kept to the allow-list where a rule says so and there is one", () => {
    expect(swap("CN")).toMatchObject({ policy: "allow_list", from: "cn-local-profile" });
    expect([mayEnable(swap("CN"), "8986001"), mayEnable(swap("CN"), "8949"), refuses(swap("CN"))]).toEqual([true, false, true]);
  });
  it("without a list are only warned of", () => {
    const none = swapPolicyOf("CN", undefined, rulesFor(defaultRoamingRules, "CN", "DE"));
    expect([mayEnable(none, "8986001"), refuses(none)]).toEqual([false, false]);
  });
  it("are forbidden where the configuration says so, whatever the rules say", () => {
    expect([swap("NG").from, mayEnable(swap("NG"), "8962"), refuses(swap("NG"))]).toEqual(["market.NG", false, true]);
  });
  it("of low confidence are only warned of", () => {
    const rules = rulesFor(defaultRoamingRules, "NG", "DE").map((rule) => ({ ...rule, profile_swap: "forbidden" as const }));
    expect(refuses(swapPolicyOf("NG", undefined, rules))).toBe(false);
  });
});
