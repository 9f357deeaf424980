// Which profile somebody means: by ICCID, by nickname, or by the beginning of either if it is that of one only. Pure.
import { SimwardError } from "../../base/errors.ts";
import type { LocalProfile } from "./local-es10c.ts";

/** Throws NOT_FOUND; API_INPUT, naming each, when it fits several. */
export function targetOf(profiles: readonly LocalProfile[], text: string): LocalProfile {
  const wanted = text.trim();
  if (wanted === "") throw new SimwardError("API_INPUT", { detail: "target: name a profile by its ICCID or its nickname" });
  const digits = wanted.replace(/[Ff]+$/, "");
  const whole = profiles.filter(({ iccid, nickname }) => iccid === digits || nickname === wanted);
  const begun = profiles.filter(
    ({ iccid, nickname }) => iccid.startsWith(digits) || nickname?.toLowerCase().startsWith(wanted.toLowerCase()) === true,
  );
  const [found, ...others] = whole.length > 0 ? whole : begun;
  if (found === undefined)
    throw new SimwardError("NOT_FOUND", { detail: `no profile has an ICCID or nickname that is or begins with ${wanted}` });
  if (others.length > 0)
    throw new SimwardError("API_INPUT", {
      detail: `target: ${wanted} fits ${[found, ...others].map(nameOf).join(" and ")}; give more of it`,
      data: { candidates: [found, ...others].map(({ iccid }) => iccid) },
    });
  return found;
}

export function nameOf({ iccid, nickname, profileName }: LocalProfile): string {
  const name = nickname ?? profileName;
  return name === undefined ? iccid : `${iccid} "${name}"`;
}
