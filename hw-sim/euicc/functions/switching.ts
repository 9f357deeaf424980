// Enabling, disabling and deleting a profile, whoever orders it: the rules, and the change of memory that follows (SGP.32 §3.4).
// Nothing is done here: the caller commits the change together with what else must not be torn from it.
import { equalBytes } from "../../../base/bytes.ts";
import type { EuiccCore } from "../core.ts";
import { enabledProfile, forbids, notified, switched } from "../registry.ts";
import { type CardState, type Rollback, type StoredProfile, without } from "../state.ts";

/** What came of an operation. `switches`: the enabled profile is another one, which the terminal has to be told. */
export interface Outcome<R> {
  readonly result: R;
  readonly change?: (state: CardState) => CardState;
  readonly switches?: boolean;
}

type EnableResult = "ok" | "iccidOrAidNotFound" | "profileNotInDisabledState" | "disallowedByPolicy" | "catBusy" | "rollbackNotAvailable";
type DisableResult = "ok" | "iccidOrAidNotFound" | "profileNotInEnabledState" | "disallowedByPolicy" | "catBusy";
type DeleteResult =
  | "ok"
  | "iccidOrAidNotFound"
  | "profileNotInDisabledState"
  | "disallowedByPolicy"
  | "rollbackNotAvailable"
  | "returnFallbackProfile";

/** SGP.32 §3.4.1. `rollback`: the execution to come back to, when the order carries the rollbackFlag. */
export function enableOutcome(
  core: EuiccCore,
  profile: StoredProfile | undefined,
  rollback?: Rollback["execution"],
): Outcome<EnableResult> {
  if (profile === undefined) return { result: "iccidOrAidNotFound" };
  if (profile.state !== "disabled") return { result: "profileNotInDisabledState" };
  const before = enabledProfile(core.state);
  if (before !== undefined && forbids(before, "ppr1")) return { result: "disallowedByPolicy" };
  if (rollback !== undefined && before === undefined) return { result: "rollbackNotAvailable" };
  if (isCatBusy(core)) return { result: "catBusy" };
  return {
    result: "ok",
    switches: true,
    change: (state) => {
      const out = switched(core, without(state, "fallbackFrom"), profile.aid);
      return rollback === undefined || before === undefined ? out : { ...out, rollback: { aid: before.aid, execution: rollback } };
    },
  };
}

/** SGP.32 §3.4.2 */
export function disableOutcome(core: EuiccCore, profile: StoredProfile | undefined): Outcome<DisableResult> {
  if (profile === undefined) return { result: "iccidOrAidNotFound" };
  if (profile.state !== "enabled") return { result: "profileNotInEnabledState" };
  if (forbids(profile, "ppr1")) return { result: "disallowedByPolicy" };
  if (isCatBusy(core)) return { result: "catBusy" };
  return { result: "ok", switches: true, change: (state) => switched(core, without(state, "fallbackFrom"), undefined) };
}

/** SGP.32 §3.4.3 */
export function deleteOutcome(core: EuiccCore, profile: StoredProfile | undefined): Outcome<DeleteResult> {
  if (profile === undefined) return { result: "iccidOrAidNotFound" };
  if (profile.state !== "disabled") return { result: "profileNotInDisabledState" };
  if (forbids(profile, "ppr2")) return { result: "disallowedByPolicy" };
  const { rollback, fallbackFrom } = core.state;
  const isWayBack = rollback !== undefined && equalBytes(rollback.aid, profile.aid);
  // Of an earlier package the permission ends with the profile: that the eIM orders the deletion shows that it is reached.
  if (isWayBack && rollback.seqNumber === undefined) return { result: "rollbackNotAvailable" };
  if (fallbackFrom !== undefined && equalBytes(fallbackFrom, profile.aid)) return { result: "returnFallbackProfile" };
  return { result: "ok", change: (state) => deleted(core, isWayBack ? without(state, "rollback") : state, profile) };
}

export function deleted(core: EuiccCore, state: CardState, profile: StoredProfile): CardState {
  const out = notified(core, state, profile, "notificationDelete");
  return { ...out, profiles: out.profiles.filter((one) => !equalBytes(one.aid, profile.aid)) };
}

/** The terminal is in the middle of a proactive session, and the card cannot ask for a REFRESH (SGP.22 §5.7.16). */
export function isCatBusy(core: EuiccCore): boolean {
  if (core.faults.catBusyTimes <= 0) return false;
  core.faults.catBusyTimes--;
  return true;
}

/** Commits an outcome by itself; a switch is followed by a REFRESH where the order asks for it. */
export function commit<R>(core: EuiccCore, outcome: Outcome<R>, refresh: boolean): R {
  const { result, change, switches = false } = outcome;
  if (change !== undefined) core.update(change);
  if (switches && refresh) core.wantRefresh();
  return result;
}
