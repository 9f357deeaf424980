// What the executor answers in place of an SGP.32 eUICC: results and errors of packages, without the signature that only a card could make.
// euiccSignEPR and euiccSignEPE are there and empty (5F37 00): no eIM can take that for a signature, and one that knows takes the result.
import { emptyBytes, fromHex } from "../../base/bytes.ts";
import { encode, sealed, signed } from "../asn1/schema.ts";
import {
  type EuiccPackageErrorCode,
  EuiccPackageErrorDataSigned,
  EuiccPackageResult,
  EuiccPackageResultDataSigned,
} from "../messages/package.ts";
import { fromBase64 } from "../procedures/journal.ts";
import type { NamedOrder, Order } from "./frame.ts";
import type { Execution } from "./memory.ts";

/**
 * Sequence numbers of package results begin here, far above what a card's own counter reaches: a consumer card numbers its notifications itself,
 * and an eIM acknowledges both by number.
 */
export const firstResultNumber = 0x4000_0000;

export function isResultNumber(seqNumber: number | bigint): boolean {
  return seqNumber >= firstResultNumber;
}

/** EuiccPackageResult of a package that was carried out. */
export function resultOf({ eimId, counterValue, eimTransactionId, results }: Execution, seqNumber: number): Uint8Array {
  const data = sealed(signed(EuiccPackageResultDataSigned), {
    eimId,
    counterValue,
    eimTransactionId: eimTransactionId === undefined ? undefined : fromHex(eimTransactionId),
    seqNumber,
    euiccResult: results.map((one) => ({ kind: "unknown" as const, value: fromBase64(one) })),
  });
  return encode(EuiccPackageResult, {
    kind: "euiccPackageResultSigned",
    value: { euiccPackageResultDataSigned: data, euiccSignEPR: emptyBytes },
  });
}

/** The refusal that a card would sign. */
export function signedErrorOf({ eimId, counterValue, eimTransactionId }: Order, euiccPackageErrorCode: EuiccPackageErrorCode): Uint8Array {
  const data = sealed(signed(EuiccPackageErrorDataSigned), { eimId, counterValue, eimTransactionId, euiccPackageErrorCode });
  return encode(EuiccPackageResult, {
    kind: "euiccPackageErrorSigned",
    value: { euiccPackageErrorDataSigned: data, euiccSignEPE: emptyBytes },
  });
}

export function unsignedErrorOf({ eimId, eimTransactionId }: NamedOrder, associationToken: number | undefined): Uint8Array {
  return encode(EuiccPackageResult, { kind: "euiccPackageErrorUnsigned", value: { eimId, eimTransactionId, associationToken } });
}
