// The market that the vehicle is in: its eIMs hear of a border crossed, its profile and APN are applied, and changes of profile are kept to what is
// allowed there.
import type { PackageOperation, Verdict } from "../../../ipa/ports.ts";
import type { Config, MarketConfig } from "../../config/schema.ts";
import { marketOf } from "../../market/markets.ts";
import { mayEnable, refuses, type SwapPolicy, swapPolicyOf, swapWords } from "../../market/swap.ts";
import { type Action, type Facts, type PolicyRule, silent } from "../types.ts";

const id = "market";

export const market: PolicyRule<Config["market"]> = {
  id,
  // It comes out of the configuration's own schema.
  config: { parse: (value) => value as Config["market"] },
  decide(facts, config) {
    // Law holds where the vehicle is registered, whether or not the border counts as crossed.
    const country = facts.roaming?.country ?? facts.vehicle?.country ?? facts.market?.country;
    if (country === undefined) return silent("the country is not known yet");
    const rules = facts.roaming?.country === country ? facts.roaming.standings.map(({ rule }) => rule) : [];
    const swap = swapPolicyOf(country, marketOf(config, country), rules);
    const swaps = swap.policy === "free" ? "" : `; changes of profile are ${swapWords(swap)}`;
    return {
      gates: { ...packageVerdict(facts, country, swap), ...downloadVerdicts(facts, country, swap) },
      actions: actionsOf(facts, config),
      explain: `${whereWords(facts, country)}${swaps}`,
    };
  },
};

function actionsOf({ market: arrived }: Facts, config: Config["market"]): readonly Action[] {
  if (arrived === undefined) return [];
  const { country, enteredFrom } = arrived;
  const own: MarketConfig | undefined = marketOf(config, country);
  const actions: Action[] = [];
  const reason = enteredFrom === undefined ? `the vehicle is in ${country}` : `the vehicle has come from ${enteredFrom} to ${country}`;
  if (enteredFrom !== undefined) actions.push({ kind: "pollEim", reason, about: `${enteredFrom} ${country}`, notifyStateChange: true });
  if (own !== undefined && own.prefer.length > 0) actions.push({ kind: "applyMarket", country, reason });
  return actions;
}

/** Local only where the subscription's own country is the one registered in: an eSIM from elsewhere is not local for being an eSIM. */
function whereWords({ roaming }: Facts, country: string): string {
  const home = roaming?.homeCountry;
  return home === country
    ? `in ${country}, with a profile of that country`
    : `in ${country}, with a profile of ${home ?? "no known country"}`;
}

function packageVerdict({ euiccPackage }: Facts, country: string, swap: SwapPolicy): { readonly euiccPackage?: Verdict } {
  if (euiccPackage === undefined || !euiccPackage.changesProfile) return {};
  const enabled = new Set(euiccPackage.profiles.filter((one) => one.enabled).map(({ iccid }) => iccid));
  const isSwap = ({ name, iccid = "" }: PackageOperation): boolean => name === "enable" && !enabled.has(iccid);
  const offending = euiccPackage.operations.filter(isSwap).find(({ iccid }) => !mayEnable(swap, iccid));
  if (offending === undefined) return {};
  const reason = `in ${country} changes of profile are ${swapWords(swap)}: ${offending.iccid ?? "a profile"} would be enabled`;
  return { euiccPackage: { kind: refuses(swap) ? "refuse" : "warn", rule: id, reason, retryAt: undefined } };
}

/** A download changes nothing that is enabled, and may be for the next country: it is told of, not refused. */
function downloadVerdicts(
  { download, profileMetadata }: Facts,
  country: string,
  swap: SwapPolicy,
): { readonly [G in "download" | "profileMetadata"]?: Verdict } {
  const warn = (what: string): Verdict => {
    const reason = `in ${country} changes of profile are ${swapWords(swap)}: ${what} may not be enabled there`;
    return { kind: "warn", rule: id, reason, retryAt: undefined };
  };
  if (profileMetadata !== undefined && !mayEnable(swap, profileMetadata.iccid)) return { profileMetadata: warn(profileMetadata.iccid) };
  if (download !== undefined && swap.policy === "forbidden") return { download: warn("the profile") };
  return {};
}
