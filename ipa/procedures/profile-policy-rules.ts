// Whether a profile's policy rules are allowed on this eUICC: its Rules Authorisation Table decides (SGP.22 §2.9.2.4). Pure.
import { toHex } from "../../base/bytes.ts";
import type { OperatorId, RulesAuthorisationTable } from "../messages/common.ts";
import type { ProfileInfo, StoreMetadataRequest } from "../messages/profile-info.ts";

export type PprVerdict =
  | { readonly kind: "allowed" }
  /** `consent`: the table allows it if the end user agrees. */
  | { readonly kind: "refused"; readonly why: "pprNotAllowed" | "consent"; readonly reason: string };

const knownRules: readonly (string | number)[] = ["pprUpdateControl", "ppr1", "ppr2"];

export function checkProfilePolicyRules(
  metadata: StoreMetadataRequest,
  table: RulesAuthorisationTable,
  installed: readonly ProfileInfo[],
  consent: "allow" | "deny",
): PprVerdict {
  const rules = (metadata.profilePolicyRules ?? []).filter((rule) => rule !== "pprUpdateControl");
  const refuse = (reason: string): PprVerdict => ({ kind: "refused", why: "pprNotAllowed", reason });
  const unknown = rules.find((rule) => !knownRules.includes(rule));
  if (unknown !== undefined) return refuse(`policy rule ${unknown} is not known`);
  if (rules.length === 0) return { kind: "allowed" };
  const owner = metadata.profileOwner;
  if (owner === undefined) return refuse("the profile has policy rules and no owner");
  if (rules.includes("ppr1") && installed.some(({ profileClass }) => profileClass === "operational"))
    return refuse("PPR1 is for the first operational profile only");
  for (const rule of rules) {
    const match = table.find(({ pprIds, allowedOperators }) => pprIds.includes(rule) && allowedOperators.some((one) => covers(one, owner)));
    if (match === undefined) return refuse(`the Rules Authorisation Table does not allow ${rule} to this owner`);
    if (match.pprFlags.includes("consentRequired") && consent === "deny")
      return { kind: "refused", why: "consent", reason: `${rule} needs the consent of an end user` };
  }
  return { kind: "allowed" };
}

/** An E in the rule's PLMN stands for any digit; an empty GID for any GID, an absent one for none. */
function covers(allowed: OperatorId, owner: OperatorId): boolean {
  const pattern = toHex(allowed.mccMnc);
  const plmn = toHex(owner.mccMnc);
  const samePlmn = [...pattern].every((digit, index) => digit === "e" || digit === plmn[index]);
  return samePlmn && gidCovers(allowed.gid1, owner.gid1) && gidCovers(allowed.gid2, owner.gid2);
}

function gidCovers(allowed: Uint8Array | undefined, owner: Uint8Array | undefined): boolean {
  if (allowed === undefined) return owner === undefined || owner.length === 0;
  return allowed.length === 0 || toHex(allowed) === toHex(owner ?? new Uint8Array(0));
}
