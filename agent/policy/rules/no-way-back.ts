// A package that changes the profile must leave a way back online if the new profile finds no network.
import { parse, picklist } from "valibot";
import { type PolicyRule, silent } from "../types.ts";

const config = picklist(["warn", "refuse"]);

export const noWayBack: PolicyRule<"warn" | "refuse"> = {
  id: "no_way_back",
  config: { parse: (value) => parse(config, value) },
  decide({ euiccPackage, lifecycle }, mode) {
    if (euiccPackage === undefined || !euiccPackage.changesProfile) return silent("the profile that is enabled stays");
    if (lifecycle?.stage === "retired") return silent("the vehicle is retired: there is nothing to go back to");
    if (euiccPackage.wayBack !== "none") return silent(`the way back is ${euiccPackage.wayBack}`);
    const reason = "the package changes the enabled profile and gives neither a rollback flag nor a fallback profile";
    return { gates: { euiccPackage: { kind: mode, rule: "no_way_back", reason, retryAt: undefined } }, actions: [], explain: reason };
  },
};
