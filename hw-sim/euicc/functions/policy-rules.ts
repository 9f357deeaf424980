// Whether a profile may bring its policy rules with it: the Rules Authorisation Table decides (SGP.22 §2.9.2.4).
// The table's wildcard digit is E; an empty group identifier in it stands for any.
import { equalBytes, toHex } from "../../../base/bytes.ts";
import type { OperatorId, RulesAuthorisationTable } from "../../../ipa/messages/common.ts";
import type { StoreMetadataRequest } from "../../../ipa/messages/profile-info.ts";

const known = ["ppr1", "ppr2"] as const;

/** Undefined when allowed, else why not. */
export function refusedRule(
  { profilePolicyRules = [], profileOwner }: StoreMetadataRequest,
  table: RulesAuthorisationTable,
  hasOperationalProfile: boolean,
): string | undefined {
  const rules = profilePolicyRules.filter((rule) => rule !== "pprUpdateControl");
  for (const rule of rules) {
    const name = known.find((one) => one === rule);
    if (name === undefined) return `rule ${rule} is not known`;
    if (profileOwner === undefined) return `${name} without a profile owner`;
    if (!table.some((row) => row.pprIds.includes(name) && row.allowedOperators.some((operator) => matches(operator, profileOwner))))
      return `${name} is not authorised for this operator`;
    if (name === "ppr1" && hasOperationalProfile) return "ppr1 beside another operational profile";
  }
  return undefined;
}

function matches(allowed: OperatorId, owner: OperatorId): boolean {
  const digits = toHex(allowed.mccMnc);
  const own = toHex(owner.mccMnc);
  const sameNetwork = [...digits].every((digit, index) => digit === "e" || digit === own[index]);
  return sameNetwork && sameGroup(allowed.gid1, owner.gid1) && sameGroup(allowed.gid2, owner.gid2);
}

function sameGroup(allowed: Uint8Array | undefined, own: Uint8Array | undefined): boolean {
  if (allowed === undefined) return own === undefined;
  return allowed.length === 0 || (own !== undefined && equalBytes(allowed, own));
}
