// Immediate profile enabling (SGP.32 §3.2.3, §5.9.15): what to do after each answer of the card to ES10b.ImmediateEnable. Pure.
// It is asked after each installation: whether the profile is one of those to be enabled at once, only the card knows.

/** enabled: the module has to adopt it. again: after a pause. left: the profile stays disabled, which is nothing wrong. failed: to be told. */
export type ImmediateEnableVerdict = "enabled" | "again" | "left" | "failed";

export const maxImmediateEnableAttempts = 3;

/** Every result code of the function; one of a later version has failed. */
const verdicts: Readonly<Record<string, ImmediateEnableVerdict>> = {
  ok: "enabled",
  /** Not configured, or for another SM-DP+. */
  immediateEnableNotAvailable: "left",
  /** The RSP session is over, by a restart for example. */
  noSessionContext: "left",
  catBusy: "again",
  undefinedError: "failed",
  /** A card of an earlier version. */
  ES10_UNSUPPORTED: "left",
};

/** `isEnabled`: the card shows the profile as enabled, whatever it answered: a restart may have come in between. `attempts`: with this one. */
export function judgeImmediateEnable(code: string | number, isEnabled: boolean, attempts: number): ImmediateEnableVerdict {
  if (isEnabled) return "enabled";
  const verdict = verdicts[code] ?? "failed";
  if (verdict === "again") return attempts < maxImmediateEnableAttempts ? "again" : "failed";
  // What the card says it has done and does not show, it has not done.
  return verdict;
}
