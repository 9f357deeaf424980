// simward policy market show: the market that the vehicle is in, or another one.
import type { MarketReport } from "../../api/types.ts";
import type { Output } from "../output.ts";
import type { Verb } from "../verb.ts";

export const policyMarketShow: Verb = {
  name: "policy market show",
  summary: "the market that the vehicle is in, or that of a country: profile wanted, APNs, operators, changes of profile, data that stays",
  example: "simward policy market show TR",
  args: [{ name: "country", help: "ISO 3166-1 alpha-2; where the vehicle is by default", optional: true }],
  async run({ api, out }, { args }) {
    const [country] = args;
    const query = country === undefined ? "" : `?country=${encodeURIComponent(country.toUpperCase())}`;
    const report = await api("viewer").call<MarketReport>("GET", `/v1/market${query}`);
    out.result(report, () => rendered(report, out));
    return undefined;
  },
};

function rendered({ country, beyond, local, outcome, iccid, swap, operators, apns, keeps, configured }: MarketReport, out: Output): string {
  const list = (values: readonly string[], none: string): readonly string[] => (values.length === 0 ? [none] : values);
  const where = country === undefined ? "not known yet" : `${country}, ${local ? out.paint("green", "local") : "not local"}`;
  const swaps = swap.policy === "allow_list" ? `${swap.policy}: ${swap.allow.join(" ") || "not configured"}` : swap.policy;
  return out.fields([
    [out.paint("bold", "Market"), [where, ...(beyond === undefined ? [] : [out.paint("yellow", `in ${beyond} for now`)])]],
    [out.paint("bold", "Profile"), [...(iccid === undefined ? [] : [iccid]), outcome ?? "nothing was applied yet"]],
    [out.paint("bold", "APN"), list(apns, "none of its own")],
    [out.paint("bold", "Operators"), list(operators, "any")],
    [out.paint("bold", "Profile changes"), [`${swaps} (${swap.from})`]],
    [out.paint("bold", "Data that stays"), list(keeps, "none")],
    [out.paint("bold", "Configured"), list(configured, "no market")],
  ]);
}
