// What an eUICC package orders and what the eUICC made of it, read for policy, audit and the decisions of the machine (SGP.32 §2.11).
// Pure, and for looking only: what is sent on is always the octets themselves.
import { swappedBcdToDigits, toHex } from "../../base/bytes.ts";
import { decode } from "../asn1/schema.ts";
import type { OperationOutcome } from "../events.ts";
import { type Eco, type EuiccPackageRequest, EuiccPackageResult, type EuiccResultData, type Psmo } from "../messages/package.ts";
import type { GateFacts, PackageOperation, ProfileFacts } from "../ports.ts";

export interface PackageOrder {
  readonly eimId: string;
  /** Hex. */
  readonly eimTransactionId: string | undefined;
  /** Decimal. */
  readonly counterValue: string;
  readonly operations: readonly PackageOperation[];
  /** Profiles may change: then notifications go with the result. */
  readonly isPsmo: boolean;
  /** It may change which profile is enabled. */
  readonly changesProfile: boolean;
  readonly touchesProfiles: boolean;
  /** An enable carries the rollback flag (SGP.32 §3.3.2). */
  readonly rollbackGranted: boolean;
  /** The card's list of eIMs changes. */
  readonly changesEims: boolean;
}

export function orderOf(request: EuiccPackageRequest): PackageOrder {
  const { eimId, eimTransactionId, counterValue, euiccPackage } = request.euiccPackageSigned.value;
  const operations = euiccPackage.kind === "psmoList" ? euiccPackage.value.map(psmoFacts) : euiccPackage.value.map(ecoFacts);
  const has = (...names: readonly string[]): boolean => operations.some(({ name }) => names.includes(name));
  return {
    eimId,
    eimTransactionId: eimTransactionId === undefined ? undefined : toHex(eimTransactionId),
    counterValue: counterValue.toString(),
    operations,
    isPsmo: euiccPackage.kind === "psmoList",
    changesProfile: has("enable", "disable"),
    touchesProfiles: has("enable", "disable", "delete"),
    rollbackGranted: operations.some(({ name, rollbackFlag }) => name === "enable" && rollbackFlag === true),
    changesEims: has("addEim", "deleteEim", "updateEim"),
  };
}

function psmoFacts(psmo: Psmo): PackageOperation {
  switch (psmo.kind) {
    case "enable":
      return { name: psmo.kind, iccid: swappedBcdToDigits(psmo.value.iccid), rollbackFlag: psmo.value.rollbackFlag === true };
    case "disable":
    case "delete":
    case "setFallbackAttribute":
      return { name: psmo.kind, iccid: swappedBcdToDigits(psmo.value.iccid) };
    default:
      return { name: psmo.kind };
  }
}

function ecoFacts(eco: Eco): PackageOperation {
  return eco.kind === "addEim" || eco.kind === "deleteEim" || eco.kind === "updateEim"
    ? { name: eco.kind, eimId: eco.value.eimId }
    : { name: eco.kind };
}

/** What brings the vehicle back online if what this package enables finds no network (rule 1 of the design). */
export function wayBackOf(order: PackageOrder, profiles: readonly ProfileFacts[]): GateFacts["euiccPackage"]["wayBack"] {
  if (!order.changesProfile) return "not needed";
  // A rollback goes back to the profile enabled at that moment: a disable before the enable leaves none.
  const leading = order.operations.find(({ name }) => name === "enable" || name === "disable");
  if (order.rollbackGranted && leading?.name === "enable") return "rollback";
  const enabled = new Set(order.operations.filter(({ name }) => name === "enable").map(({ iccid }) => iccid));
  const deleted = new Set(order.operations.filter(({ name }) => name === "delete").map(({ iccid }) => iccid));
  const fallback = profiles.some(({ iccid, fallbackAttribute }) => fallbackAttribute && !enabled.has(iccid) && !deleted.has(iccid));
  return fallback ? "fallback" : "none";
}

/** The eUICC's answer to a package. Values are plain, so that it can be written to the journal. */
export interface PackageOutcome {
  readonly kind: EuiccPackageResult["kind"];
  readonly eimId: string;
  readonly eimTransactionId: string | undefined;
  readonly counterValue: string | undefined;
  readonly seqNumber: number | undefined;
  /** Of a signed error. */
  readonly error: string | number | undefined;
  readonly outcomes: readonly OperationOutcome[];
  /** Present when the enabled profile changed: digits of the one enabled now, or null when none is. */
  readonly change: { readonly iccid: string | null } | undefined;
  /** It says itself that the change was rolled back. */
  readonly rolledBack: boolean;
}

/** `operations` as ordered, to tell which profile each result is about; empty for a result found on the card without its order. Throws ASN1_… */
export function outcomeOf(result: Uint8Array, operations: readonly PackageOperation[]): PackageOutcome {
  const decoded = decode(EuiccPackageResult, result, { name: "EuiccPackageResult" });
  const none = { counterValue: undefined, seqNumber: undefined, error: undefined, outcomes: [], change: undefined, rolledBack: false };
  switch (decoded.kind) {
    case "euiccPackageErrorUnsigned": {
      const { eimId, eimTransactionId } = decoded.value;
      return { ...none, kind: decoded.kind, eimId, eimTransactionId: hexOrNone(eimTransactionId) };
    }
    case "euiccPackageErrorSigned": {
      const { eimId, eimTransactionId, counterValue, euiccPackageErrorCode } = decoded.value.euiccPackageErrorDataSigned.value;
      return {
        ...none,
        kind: decoded.kind,
        eimId,
        eimTransactionId: hexOrNone(eimTransactionId),
        counterValue: counterValue.toString(),
        error: plain(euiccPackageErrorCode),
      };
    }
    case "euiccPackageResultSigned": {
      const { eimId, eimTransactionId, counterValue, seqNumber, euiccResult } = decoded.value.euiccPackageResultDataSigned.value;
      const outcomes = outcomesOf(euiccResult, operations);
      return {
        ...none,
        kind: decoded.kind,
        eimId,
        eimTransactionId: hexOrNone(eimTransactionId),
        counterValue: counterValue.toString(),
        seqNumber: Number(seqNumber),
        outcomes,
        change: changeOf(outcomes),
        rolledBack: outcomes.some(({ name, code }) => name === "rollback" && code === "ok"),
      };
    }
  }
}

function outcomesOf(results: readonly EuiccResultData[], operations: readonly PackageOperation[]): OperationOutcome[] {
  return results.map((result, index) => {
    const operation = operations[index];
    const code = codeOf(result);
    if (result.kind === "rollbackResult") return { name: "rollback", code };
    // Some cards give the result of a package's only operation without its own tag: 02 01 00.
    if (result.kind === "processingTerminated" && operations.length === 1 && results.length === 1 && code === 0)
      return { ...named(operation, "processingTerminated"), code: "ok" };
    if (result.kind === "processingTerminated") return { name: result.kind, code };
    const name = result.kind.replace(/Result$/, "");
    return operation?.name === name ? { ...named(operation, name), code } : { name, code };
  });
}

function named(operation: PackageOperation | undefined, name: string): { readonly name: string; readonly iccid?: string | undefined } {
  return operation === undefined ? { name } : { name: operation.name, iccid: operation.iccid };
}

function codeOf(result: EuiccResultData): string | number {
  switch (result.kind) {
    case "listProfileInfoResult":
      return result.value.kind === "profileInfoListOk" ? "ok" : plain(result.value.value);
    case "getRATResult":
      return "ok";
    case "addEimResult":
      return result.value.kind === "associationToken" ? "ok" : plain(result.value.value);
    case "listEimResult":
      return result.value.kind === "eimIdList" ? "ok" : plain(result.value.value);
    case "setDefaultDpAddressResult":
      return plain(result.value.setDefaultDpAddressResult);
    case "unknown":
      return "unknown";
    default:
      return plain(result.value);
  }
}

function changeOf(outcomes: readonly OperationOutcome[]): { readonly iccid: string | null } | undefined {
  let change: { readonly iccid: string | null } | undefined;
  for (const { name, iccid, code } of outcomes) {
    if (code !== "ok") continue;
    if (name === "enable") change = { iccid: iccid ?? null };
    if (name === "disable") change = { iccid: null };
  }
  return change;
}

function plain(value: string | number | bigint): string | number {
  return typeof value === "bigint" ? value.toString() : value;
}

function hexOrNone(bytes: Uint8Array | undefined): string | undefined {
  return bytes === undefined ? undefined : toHex(bytes);
}
