// The operations that an eUICC package can order (SGP.32 §2.11.1.1): PSMOs on profiles, eCOs on eIMs; what each does and answers.
// They change nothing themselves: the package's execution commits their outcome.
import { SimwardError } from "../../../base/errors.ts";
import { decode } from "../../../ipa/asn1/schema.ts";
import { Eco, type EuiccResultData, Psmo } from "../../../ipa/messages/package.ts";
import type { EuiccCore } from "../core.ts";
import { profileByIccid } from "../registry.ts";
import type { Execution } from "../state.ts";
import { addEim, deleteEim, listEim, updateEim } from "./eim.ts";
import { setFallbackAttribute, unsetFallbackAttribute } from "./fallback.ts";
import { configureImmediateEnable } from "./immediate.ts";
import { getRat } from "./info.ts";
import { getProfilesInfo } from "./profiles.ts";
import { deleteOutcome, disableOutcome, enableOutcome, type Outcome } from "./switching.ts";

/** What an operation may know of the package it is in. */
export interface OperationContext {
  readonly execution: Execution;
  /** Kinds carried out so far, whatever came of them. */
  readonly done: Set<string>;
  /** An operation before has enabled, disabled or deleted a profile. */
  changed: boolean;
}

export interface Operation {
  readonly kind: string;
  /** `ends`: the package's execution stops after it. */
  readonly run: (core: EuiccCore, context: OperationContext) => Outcome<EuiccResultData> & { readonly ends?: boolean };
}

/** Undefined when the octets are no operation that is known. */
export function readPsmo(raw: Uint8Array): Operation | undefined {
  const psmo = readAs(() => decode(Psmo, raw));
  if (psmo === undefined || psmo.kind === "unknown") return undefined;
  return { kind: psmo.kind, run: (core, context) => runPsmo(core, psmo, context) };
}

/** Undefined when the octets are no operation that is known. */
export function readEco(raw: Uint8Array): Operation | undefined {
  const eco = readAs(() => decode(Eco, raw));
  if (eco === undefined || eco.kind === "unknown") return undefined;
  return { kind: eco.kind, run: (core) => runEco(core, eco) };
}

function runPsmo(core: EuiccCore, psmo: Exclude<Psmo, { kind: "unknown" }>, context: OperationContext): ReturnType<Operation["run"]> {
  const again = context.done.has(psmo.kind);
  switch (psmo.kind) {
    case "enable": {
      // One enable and one disable a package (SGP.32 §3.3.1).
      if (again) return { result: { kind: "enableResult", value: "undefinedError" } };
      const profile = profileByIccid(core.state, psmo.value.iccid);
      const outcome = enableOutcome(core, profile, psmo.value.rollbackFlag === true ? context.execution : undefined);
      return { ...outcome, result: { kind: "enableResult", value: outcome.result } };
    }
    case "disable": {
      if (again) return { result: { kind: "disableResult", value: "undefinedError" } };
      const outcome = disableOutcome(core, profileByIccid(core.state, psmo.value.iccid));
      return { ...outcome, result: { kind: "disableResult", value: outcome.result } };
    }
    case "delete": {
      const outcome = deleteOutcome(core, profileByIccid(core.state, psmo.value.iccid));
      return { ...outcome, result: { kind: "deleteResult", value: outcome.result } };
    }
    case "listProfileInfo":
      if (context.changed) {
        const value = { kind: "profileInfoListError", value: "profileChangeOngoing" } as const;
        return { result: { kind: "listProfileInfoResult", value }, ends: true };
      }
      return { result: { kind: "listProfileInfoResult", value: getProfilesInfo(core, psmo.value) } };
    case "getRAT":
      return { result: { kind: "getRATResult", value: getRat(core).rat } };
    case "configureImmediateEnable": {
      const outcome = configureImmediateEnable(core, psmo.value);
      const value = outcome.result === "ok" || outcome.result === "insufficientMemory" ? outcome.result : "commandError";
      return { ...outcome, result: { kind: "configureImmediateEnableResult", value } };
    }
    case "setFallbackAttribute": {
      const outcome = setFallbackAttribute(core, psmo.value.iccid);
      return { ...outcome, result: { kind: "setFallbackAttributeResult", value: outcome.result } };
    }
    case "unsetFallbackAttribute": {
      const outcome = unsetFallbackAttribute(core);
      return { ...outcome, result: { kind: "unsetFallbackAttributeResult", value: outcome.result } };
    }
    case "setDefaultDpAddress": {
      const { defaultDpAddress } = psmo.value;
      return {
        result: { kind: "setDefaultDpAddressResult", value: { setDefaultDpAddressResult: "ok" } },
        change: (state) => ({ ...state, defaultSmdpAddress: defaultDpAddress }),
      };
    }
  }
}

function runEco(core: EuiccCore, eco: Exclude<Eco, { kind: "unknown" }>): ReturnType<Operation["run"]> {
  switch (eco.kind) {
    case "addEim":
      return addEim(core, eco.value);
    case "deleteEim":
      return deleteEim(core, eco.value);
    case "updateEim":
      return updateEim(core, eco.value);
    case "listEim":
      return listEim(core);
  }
}

function readAs<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (error instanceof SimwardError && error.code.startsWith("ASN1_")) return undefined;
    throw error;
  }
}
