// ES10b.LoadEuiccPackage (SGP.32 §5.9.1): the checks in their order, the operations one after the other, the signed result.
// Each operation is committed together with its result, so that a power cut leaves a result that tells what was done.
import { concatBytes, equalBytes } from "../../../base/bytes.ts";
import { isCode } from "../../../base/errors.ts";
import {
  anyType,
  choice,
  decode,
  encode,
  type Infer,
  implicit,
  integer,
  octets,
  optional,
  seq,
  seqOf,
  signed,
} from "../../../ipa/asn1/schema.ts";
import { childrenOf, contentOf, readTlv, retag } from "../../../ipa/asn1/tlv.ts";
import { eimIdComponent, Octet16, TransactionId } from "../../../ipa/messages/common.ts";
import { EimConfigurationData } from "../../../ipa/messages/eim-config.ts";
import {
  type EuiccPackageErrorCode,
  EuiccPackageErrorDataSigned,
  EuiccPackageResult,
  EuiccPackageResultDataSigned,
  EuiccResultData,
} from "../../../ipa/messages/package.ts";
import { ecdsaVerify } from "../../crypto/ecdsa.ts";
import { type EuiccCore, PowerCut } from "../core.ts";
import { type CardState, type Execution, type StoredEim, without } from "../state.ts";
import { isLaterPsmo, resultInVersion10 } from "../version10.ts";
import { eimOf, eimPublicKey } from "./eim.ts";
import { type Operation, type OperationContext, readEco, readPsmo } from "./operations.ts";

/** EuiccPackageRequest with its operations left closed: one that cannot be read ends the package, not the whole of it. */
const Frame = seq(
  {
    euiccPackageSigned: signed(
      seq({
        eimId: eimIdComponent,
        eidValue: implicit(0x5a, Octet16),
        counterValue: integer(0x81),
        eimTransactionId: optional(implicit(0x82, TransactionId)),
        euiccPackage: choice({ psmoList: seqOf(anyType(), 0xa0), ecoList: seqOf(anyType(), 0xa1) }),
      }),
    ),
    eimSignature: octets(0x5f37),
  },
  0xbf51,
);
type Package = Infer<typeof Frame>["euiccPackageSigned"]["value"];

/** What a refusal tells of the package. */
type Named = Pick<Package, "eimId" | "eimTransactionId">;

export function loadEuiccPackage(core: EuiccCore, command: Uint8Array): Uint8Array {
  let frame: Infer<typeof Frame>;
  try {
    frame = decode(Frame, command);
  } catch (error) {
    const named = nameIn(command);
    if (named === undefined) throw error;
    return unsignedError(named, undefined);
  }
  const { value: order, raw } = frame.euiccPackageSigned;
  const eim = eimOf(core.state, order.eimId);
  if (eim === undefined) return unsignedError(order, undefined);
  if (!isSigned(eim, raw, frame.eimSignature)) return unsignedError(order, eim.associationToken);
  const error = refusalOf(core, eim, order, command);
  if (error !== undefined) return signedError(core, eim, order, error);
  return execute(core, eim, order);
}

/** What the signatures of packages and results end with: 84 and the token, or 84 01 00 without one (SGP.32 §2.11.1.1). */
export function tokenTlv(associationToken: number | undefined): Uint8Array {
  return encode(integer(0x84), associationToken ?? 0);
}

function isSigned(eim: StoredEim, raw: Uint8Array, signature: Uint8Array): boolean {
  const key = eimPublicKey(decode(EimConfigurationData, eim.configuration));
  return ecdsaVerify(key, signature, raw, tokenTlv(eim.associationToken));
}

function refusalOf(core: EuiccCore, eim: StoredEim, order: Package, command: Uint8Array): EuiccPackageErrorCode | undefined {
  if (core.state.emergency !== undefined) return "ecallActive";
  if (!equalBytes(order.eidValue, core.eidBytes)) return "invalidEid";
  const counter = Number(order.counterValue);
  if (counter > core.capabilities.maxCounterValue) return "counterValueOutOfRange";
  if (counter <= eim.counterValue) return "replayError";
  if (command.length > core.capabilities.maxPackageBytes) return "sizeOverflow";
  return undefined;
}

// --- execution --------------------------------------------------------------------------------------------------------------

function execute(core: EuiccCore, eim: StoredEim, order: Package): Uint8Array {
  const { euiccPackage, counterValue } = order;
  const operations = euiccPackage.value.map((raw) => {
    if (euiccPackage.kind === "ecoList") return readEco(raw);
    return core.faults.version10 && isLaterPsmo(raw) ? undefined : readPsmo(raw);
  });
  const { euiccCiPKId } = decode(EimConfigurationData, eim.configuration);
  const execution: Execution = {
    eimId: order.eimId,
    counterValue: Number(counterValue),
    ciPKId: core.signer(euiccCiPKId).ciPKId,
    results: [],
    ...(order.eimTransactionId === undefined ? {} : { eimTransactionId: order.eimTransactionId }),
    ...(eim.associationToken === undefined ? {} : { associationToken: eim.associationToken }),
  };
  const changesProfile = operations.some((operation) => operation?.kind === "enable" || operation?.kind === "disable");
  core.update((state) => ({
    ...(changesProfile ? without(state, "rollback") : state),
    eims: state.eims.map((one) => (one.eimId === eim.eimId ? { ...one, counterValue: execution.counterValue } : one)),
    execution,
  }));
  const context: OperationContext = { done: new Set(), changed: false, execution };
  let switches = false;
  for (const operation of operations) {
    powerMayFail(core);
    const step = carryOut(core, operation, context);
    switches ||= step.switches;
    if (step.ends) break;
  }
  powerMayFail(core);
  const result = finish(core);
  if (switches) core.wantRefresh();
  return result;
}

function carryOut(
  core: EuiccCore,
  operation: Operation | undefined,
  context: OperationContext,
): { readonly switches: boolean; readonly ends: boolean } {
  const terminated = (value: "resultSizeOverflow" | "unknownOrDamagedCommand"): { readonly switches: false; readonly ends: true } => {
    core.update((state) => withResult(state, { kind: "processingTerminated", value }));
    return { switches: false, ends: true };
  };
  if (operation === undefined) return terminated("unknownOrDamagedCommand");
  const outcome = operation.run(core, context);
  const size = encode(EuiccResultData, outcome.result).length;
  const before = core.state.execution?.results.reduce((sum, one) => sum + one.length, 0) ?? 0;
  if (before + size > core.capabilities.maxResultBytes) return terminated("resultSizeOverflow");
  const { change = (state: CardState) => state } = outcome;
  core.update((state) => withResult(change(state), outcome.result));
  context.done.add(operation.kind);
  context.changed ||=
    outcome.change !== undefined && (operation.kind === "enable" || operation.kind === "disable" || operation.kind === "delete");
  if (outcome.ends === true) return terminated("unknownOrDamagedCommand");
  return { switches: outcome.switches ?? false, ends: false };
}

function withResult(state: CardState, result: EuiccResultData): CardState {
  const { execution } = state;
  return execution === undefined
    ? state
    : { ...state, execution: { ...execution, results: [...execution.results, encode(EuiccResultData, result)] } };
}

/** Signs and keeps the result of the package that was being carried out. */
function finish(core: EuiccCore): Uint8Array {
  const { execution } = core.state;
  if (execution === undefined) return new Uint8Array(0);
  const seqNumber = core.state.seqCounter + 1;
  const tlv = signedResult(core, execution, seqNumber);
  core.update((state) => {
    const ended = without(state, "execution");
    // The rollback that this package allowed learns which result it would replace.
    const rollback =
      state.rollback === undefined || state.rollback.seqNumber !== undefined ? state.rollback : { ...state.rollback, execution, seqNumber };
    return {
      ...ended,
      seqCounter: seqNumber,
      packageResults: [...state.packageResults, { seqNumber, tlv }],
      ...(rollback === undefined ? {} : { rollback }),
    };
  });
  return tlv;
}

/** After a power cut: what was done is reported, with the interruption at its end (SGP.32 §2.11.2.1). */
export function finishInterrupted(core: EuiccCore): void {
  if (core.state.execution === undefined) return;
  core.update((state) => withResult(state, { kind: "processingTerminated", value: "interruption" }));
  finish(core);
}

/** EuiccPackageResult, signed with the key and token that the package was executed under. */
export function signedResult(core: EuiccCore, execution: Execution, seqNumber: number): Uint8Array {
  const identity = core.signer(execution.ciPKId);
  const data = core.seal(EuiccPackageResultDataSigned, {
    eimId: execution.eimId,
    counterValue: execution.counterValue,
    eimTransactionId: execution.eimTransactionId,
    seqNumber,
    euiccResult: inItsTag(core, execution.results).map((value) => ({ kind: "unknown" as const, value })),
  });
  return encode(EuiccPackageResult, {
    kind: "euiccPackageResultSigned",
    value: { euiccPackageResultDataSigned: data, euiccSignEPR: core.sign(identity, data.raw, tokenTlv(execution.associationToken)) },
  });
}

/** Some cards give the result of a single operation as a plain INTEGER; those of v1.0 had another form of one. */
function inItsTag(core: EuiccCore, results: readonly Uint8Array[]): readonly Uint8Array[] {
  const [only] = results;
  const plain =
    core.faults.untaggedSingleResult && results.length === 1 && only !== undefined && (only[0] ?? 0) < 0xa0 && only.length === 3;
  if (plain) return [retag(only, 0x02)];
  return core.faults.version10 ? results.map(resultInVersion10) : results;
}

function powerMayFail(core: EuiccCore): void {
  const left = core.faults.cutPowerAfterOperations;
  if (left === undefined) return;
  core.faults.cutPowerAfterOperations = left === 0 ? undefined : left - 1;
  if (left === 0) throw new PowerCut();
}

// --- refusals ---------------------------------------------------------------------------------------------------------------

function signedError(core: EuiccCore, eim: StoredEim, order: Package, euiccPackageErrorCode: EuiccPackageErrorCode): Uint8Array {
  const { euiccCiPKId } = decode(EimConfigurationData, eim.configuration);
  const data = core.seal(EuiccPackageErrorDataSigned, {
    eimId: order.eimId,
    counterValue: order.counterValue,
    eimTransactionId: order.eimTransactionId,
    euiccPackageErrorCode,
  });
  return encode(EuiccPackageResult, {
    kind: "euiccPackageErrorSigned",
    value: {
      euiccPackageErrorDataSigned: data,
      euiccSignEPE: core.sign(core.signer(euiccCiPKId), data.raw, tokenTlv(eim.associationToken)),
    },
  });
}

function unsignedError({ eimId, eimTransactionId }: Named, associationToken: number | undefined): Uint8Array {
  return encode(EuiccPackageResult, { kind: "euiccPackageErrorUnsigned", value: { eimId, eimTransactionId, associationToken } });
}

/** Who a package that cannot be read says it is from, if it can be read so far. */
function nameIn(command: Uint8Array): Named | undefined {
  try {
    const [data] = childrenOf(readTlv(command));
    const parts = data?.tag === 0x30 ? childrenOf(data) : [];
    const eimId = parts.find((part) => part.tag === 0x80);
    const transaction = parts.find((part) => part.tag === 0x82);
    if (eimId === undefined) return undefined;
    const name = decode(eimIdComponent, concatBytes(command.subarray(eimId.start, eimId.end)));
    const id = transaction === undefined ? undefined : contentOf(transaction).slice();
    return { eimId: name, eimTransactionId: id !== undefined && id.length >= 1 && id.length <= 16 ? id : undefined };
  } catch (error) {
    if (isCode(error, "ASN1_TRUNCATED", "ASN1_TAG", "ASN1_LENGTH", "ASN1_VALUE", "ASN1_TRAILING")) return undefined;
    throw error;
  }
}
