// simward profile show; and profile rollback, fallback set and unset, which are the eIM's to order: those say why, and what can be done here.
import { SimwardError } from "../../../base/errors.ts";
import type { ProfileList, ProfileStatus } from "../../api/types.ts";
import { asTyped, type Verb } from "../verb.ts";

const target = {
  name: "profile",
  help: "its ICCID or nickname, or a beginning that only one has; the enabled one by default",
  optional: true,
};

export const profileShow: Verb = {
  name: "profile show",
  summary: "all that the eUICC tells of one profile",
  example: "simward profile show 8946",
  args: [target],
  timeoutSeconds: 60,
  async run({ api, out }, { args: [wanted] }) {
    const { profiles } = await api("viewer").call<ProfileList>("GET", "/v1/profiles");
    const profile = wanted === undefined ? profiles.find(({ state }) => state === "enabled") : chosen(profiles, wanted);
    if (profile === undefined) throw new SimwardError("NOT_FOUND", { detail: "no profile is enabled; name one of simward profile list" });
    const { iccid, state, name, nickname, serviceProvider, profileClass, isdpAid, fallbackAttribute } = profile;
    const row = (label: string, ...parts: readonly (string | undefined)[]): readonly [string, readonly string[]] => [
      out.paint("bold", label),
      parts.filter((part): part is string => part !== undefined && part !== ""),
    ];
    out.result({ schema: "simward/profile/1", ...profile }, () =>
      out.fields([
        row("ICCID", iccid),
        row("State", state === "enabled" ? out.paint("green", state) : state, fallbackAttribute === true ? "fallback" : ""),
        row("Name", name, nickname === undefined ? "" : `nickname "${nickname}"`),
        row("Operator", serviceProvider),
        row("Class", profileClass),
        row("ISD-P", isdpAid),
      ]),
    );
    return undefined;
  },
};

/** As the daemon finds it for orders. Throws NOT_FOUND; USAGE, naming each, when it fits several. */
function chosen(profiles: readonly ProfileStatus[], wanted: string): ProfileStatus {
  const digits = wanted.replace(/[Ff]+$/, "");
  const whole = profiles.filter(({ iccid, nickname }) => iccid === digits || nickname === wanted);
  const isBegun = ({ iccid, nickname }: ProfileStatus): boolean =>
    iccid.startsWith(digits) || nickname?.toLowerCase().startsWith(wanted.toLowerCase()) === true;
  const [found, ...others] = whole.length > 0 ? whole : profiles.filter(isBegun);
  if (found === undefined)
    throw new SimwardError("NOT_FOUND", { detail: `no profile is or begins with ${asTyped(wanted)}`, next: "simward profile list" });
  if (others.length > 0) {
    const names = [found, ...others].map(({ iccid, nickname, name }) => `${iccid} "${nickname ?? name ?? ""}"`);
    const detail = `${wanted} fits ${names.join(" and ")}; type more of the ICCID (simward profile list --show-ids) or a nickname`;
    throw new SimwardError("USAGE", { detail });
  }
  return found;
}

/** No function of ES10 lets a device do it by itself; a command that does not exist would leave a technician searching. */
function ofTheEim(name: string, summary: string, why: string): Verb {
  return {
    name,
    summary: `${summary}: the eIM's to order; says why, and what can be done on the vehicle`,
    example: `simward ${name}`,
    args: [{ ...target, help: "is not looked at" }],
    async run() {
      throw new SimwardError("CARD_EIM_MANAGED", { detail: why });
    },
  };
}

export const profileRollback = ofTheEim(
  "profile rollback",
  "go back to the profile before an eIM's change",
  "ES10b.ProfileRollback (SGP.32 §5.9.16) is open only within a package whose enable has the rollback flag; simward rolls back by itself where the new " +
    "profile finds no network. Here: simward profile fallback exec",
);

export const profileFallbackSet = ofTheEim(
  "profile fallback set",
  "give a profile the fallback attribute",
  "setFallbackAttribute is an order signed by the eIM (SGP.32 §2.11.1.1.3), and ES10 has no local one. Here: simward profile list shows who has it",
);

export const profileFallbackUnset = ofTheEim(
  "profile fallback unset",
  "take the fallback attribute away",
  "unsetFallbackAttribute is an order signed by the eIM (SGP.32 §2.11.1.1.3), and ES10 has no local one. Here: fallback.enabled = false keeps simward from " +
    "falling back by itself",
);
