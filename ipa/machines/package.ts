// Package execution as a pure machine (SGP.32 §3.3.1, §3.3.2): load, adopt the new profile, report, go back where that is due, acknowledge.
// Its state is what the journal holds, so it is plain JSON; every decision about a package is made here and nowhere else.
import type { Step } from "../../base/machine.ts";
import type { IpaEvent } from "../events.ts";
import type { PackageOrder, PackageOutcome } from "../procedures/package-facts.ts";

export type PackagePhase = "received" | "loading" | "adopting" | "reporting" | "rollingBack" | "returning" | "acknowledging" | "done";

export interface PackageState {
  readonly kind: "euiccPackage";
  readonly phase: PackagePhase;
  readonly order: PackageOrder;
  /** The eIM that gets the answer: the one the package names, or the one it came from where the card knows no such eIM. */
  readonly reportTo: string;
  /** SHA-256 of the package, hex. */
  readonly sha256: string;
  /** The package, base64; left out once the card has answered, or when it is too large for the journal. */
  readonly package?: string | undefined;
  /** The eIM's EimConfigurationData, base64, where the package may remove it from the card before the report. */
  readonly eimConfiguration?: string | undefined;
  /** Enabled before, digits. */
  readonly fromIccid?: string | undefined;
  /** How often it was tried to load it, or to roll it back, without learning what the card made of it. */
  readonly attempts: number;
  readonly outcome?: PackageOutcome | undefined;
  /** The card's answer, base64, if small; else the card is asked for it again. */
  readonly result?: string | undefined;
  /** It has no outcome and will have none: eimPackageResultErrorCode goes to the eIM. */
  readonly undefinedError?: boolean | undefined;
  readonly rollbackTried: boolean;
  readonly rolledBack: boolean;
  /** Acknowledged and to be removed from the card. */
  readonly remove: readonly number[];
  /** The eIM has the answer, or will not have it. */
  readonly reported: boolean;
}

export type PackageInput =
  | { readonly kind: "allowed" }
  | { readonly kind: "refused" }
  /** Go on: after a restart, or at the next poll. */
  | { readonly kind: "resumed"; readonly afterRestart: boolean }
  | { readonly kind: "loaded"; readonly outcome: PackageOutcome; readonly result: string | undefined }
  /** `sure`: the card certainly has not executed it and never will. */
  | { readonly kind: "notLoaded"; readonly sure: boolean }
  | { readonly kind: "adopted"; readonly online: boolean }
  | { readonly kind: "reported"; readonly remove: readonly number[] }
  /** unreachable: no proven answer of the eIM. later: it answered an error of the moment. refused: it will not have it. */
  | { readonly kind: "notReported"; readonly why: "unreachable" | "later" | "refused" }
  | { readonly kind: "rolledBack"; readonly outcome: PackageOutcome | undefined; readonly result: string | undefined }
  | { readonly kind: "notRolledBack"; readonly code: string | number; readonly sure: boolean }
  | { readonly kind: "removed" };

export type PackageEffect =
  | { readonly do: "load"; readonly mayBeLoaded: boolean }
  | { readonly do: "adopt"; readonly iccid: string | undefined }
  /** `patient`: keep trying until it is time for the way back. */
  | { readonly do: "report"; readonly patient: boolean }
  | { readonly do: "rollBack"; readonly mayBeDone: boolean }
  | { readonly do: "remove"; readonly seqNumbers: readonly number[] }
  | { readonly do: "finish" }
  | { readonly do: "tell"; readonly event: IpaEvent };

export const maxPackageAttempts = 3;

/** The way back is there, and is due if the eIM cannot be reached (SGP.32 §3.3.2). */
export function canRollBack(state: PackageState): boolean {
  const now = state.outcome?.change?.iccid;
  return state.order.rollbackGranted && now !== undefined && now !== null && !state.rolledBack && !state.rollbackTried;
}

export function nextPackage(state: PackageState, input: PackageInput): Step<PackageState, PackageEffect> {
  switch (input.kind) {
    case "allowed":
      return to({ ...state, phase: "loading" }, { do: "load", mayBeLoaded: false });
    case "refused":
      return report({ ...state, undefinedError: true });
    case "resumed":
      return resume(state, input.afterRestart);
    case "loaded":
      return loaded(state, input.outcome, input.result);
    case "notLoaded": {
      const attempts = state.attempts + 1;
      if (input.sure || attempts >= maxPackageAttempts) return report({ ...state, attempts, package: undefined, undefinedError: true });
      return to({ ...state, attempts });
    }
    case "adopted":
      if (state.phase === "adopting" && !input.online && canRollBack(state)) return rollBack(state);
      return report(state);
    case "reported":
      return input.remove.length === 0
        ? done(state)
        : to({ ...state, phase: "acknowledging", reported: true, remove: input.remove }, { do: "remove", seqNumbers: input.remove });
    case "notReported":
      if (input.why === "unreachable" && canRollBack(state)) return rollBack(state);
      return to({ ...state, phase: "done", reported: input.why === "refused" }, { do: "finish" });
    case "rolledBack":
      return wentBack(state, input.outcome, input.result);
    case "notRolledBack": {
      const attempts = state.attempts + 1;
      if (!input.sure && attempts < maxPackageAttempts) return to({ ...state, attempts });
      const refused = tell({ kind: "profile.rollbackRefused", iccid: changedTo(state), code: input.code, eimId: state.order.eimId });
      return after([refused], report({ ...state, attempts, rollbackTried: true }));
    }
    case "removed":
      return done(state);
  }
}

function resume(state: PackageState, afterRestart: boolean): Step<PackageState, PackageEffect> {
  switch (state.phase) {
    case "received":
      return to({ ...state, phase: "loading" }, { do: "load", mayBeLoaded: true });
    case "loading":
      return to(state, { do: "load", mayBeLoaded: true });
    case "adopting":
      return adopt(state);
    case "reporting":
      // After a restart nobody has seen yet whether the module stands on the new profile.
      if (afterRestart && state.outcome?.change !== undefined && !state.rolledBack) return adopt(state);
      return report(state);
    case "rollingBack":
      return to(state, { do: "rollBack", mayBeDone: true });
    case "returning":
      return to(state, { do: "adopt", iccid: state.fromIccid });
    case "acknowledging":
      return to(state, { do: "remove", seqNumbers: state.remove });
    case "done":
      return to(state, { do: "finish" });
  }
}

function loaded(state: PackageState, outcome: PackageOutcome, result: string | undefined): Step<PackageState, PackageEffect> {
  const known: PackageState = { ...state, attempts: 0, package: undefined, outcome, result, rolledBack: outcome.rolledBack };
  const told = [
    tell({
      kind: "package.executed",
      eimId: state.order.eimId,
      sha256: state.sha256,
      result: outcome.kind,
      seqNumber: outcome.seqNumber,
      error: outcome.error,
      outcomes: outcome.outcomes,
    }),
  ];
  for (const { name, iccid, code } of outcome.outcomes) {
    if (code !== "ok" || iccid === undefined) continue;
    const { eimId } = state.order;
    if (name === "enable") told.push(tell({ kind: "profile.enabled", iccid, fromIccid: state.fromIccid, eimId }));
    if (name === "disable") told.push(tell({ kind: "profile.disabled", iccid, eimId }));
    if (name === "delete") told.push(tell({ kind: "profile.deleted", iccid, eimId }));
  }
  if (outcome.change === undefined) return after(told, report(known));
  return after(told, outcome.rolledBack ? returnTo(known) : adopt(known));
}

function wentBack(state: PackageState, outcome: PackageOutcome | undefined, result: string | undefined): Step<PackageState, PackageEffect> {
  // The new result replaces the first one; a card that gives none is asked for it when it is reported.
  const replaced = outcome === undefined ? {} : { outcome: { ...outcome, change: state.outcome?.change } };
  const back: PackageState = { ...state, ...replaced, attempts: 0, result, rolledBack: true, rollbackTried: true };
  const told = tell({ kind: "profile.rolledBack", fromIccid: changedTo(state), toIccid: state.fromIccid, eimId: state.order.eimId });
  return after([told], returnTo(back));
}

function adopt(state: PackageState): Step<PackageState, PackageEffect> {
  return to({ ...state, phase: "adopting" }, { do: "adopt", iccid: state.outcome?.change?.iccid ?? undefined });
}

function returnTo(state: PackageState): Step<PackageState, PackageEffect> {
  return to({ ...state, phase: "returning" }, { do: "adopt", iccid: state.fromIccid });
}

function report(state: PackageState): Step<PackageState, PackageEffect> {
  return to({ ...state, phase: "reporting" }, { do: "report", patient: canRollBack(state) });
}

function rollBack(state: PackageState): Step<PackageState, PackageEffect> {
  return to({ ...state, phase: "rollingBack", attempts: 0 }, { do: "rollBack", mayBeDone: false });
}

function done(state: PackageState): Step<PackageState, PackageEffect> {
  const told = tell({
    kind: "package.reported",
    eimId: state.order.eimId,
    packageKind: "euiccPackage",
    eimTransactionId: state.order.eimTransactionId,
    seqNumber: state.outcome?.seqNumber,
    acknowledged: state.remove,
  });
  return to({ ...state, phase: "done", reported: true }, told, { do: "finish" });
}

function changedTo(state: PackageState): string {
  return state.outcome?.change?.iccid ?? "";
}

function to(state: PackageState, ...effects: readonly PackageEffect[]): Step<PackageState, PackageEffect> {
  return { state, effects };
}

function after(first: readonly PackageEffect[], step: Step<PackageState, PackageEffect>): Step<PackageState, PackageEffect> {
  return { state: step.state, effects: [...first, ...step.effects] };
}

function tell(event: IpaEvent): PackageEffect {
  return { do: "tell", event };
}
