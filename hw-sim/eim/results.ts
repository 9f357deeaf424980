// Reads and verifies what an eUICC answers to a package (SGP.32 §2.11.2.1): pure, from octets to a verdict.
import { decode } from "../../ipa/asn1/schema.ts";
import { EuiccPackageResult, type EuiccResultData } from "../../ipa/messages/package.ts";
import type { EuiccChain } from "../pki/chain.ts";
import { verifyTolerantly } from "../pki/signature.ts";
import { tokenTlv } from "./packages.ts";
import { render } from "./render.ts";

/** A command's outcome as JSON: { kind: "enableResult", value: "ok" }. */
export interface CommandView {
  readonly kind: string;
  readonly value: unknown;
}

export type ReadResult =
  | {
      readonly kind: "euiccPackageResult";
      readonly eimId: string;
      readonly counterValue: number;
      readonly eimTransactionId: Uint8Array | undefined;
      readonly seqNumber: number;
      readonly commands: readonly CommandView[];
      readonly signedPart: Uint8Array;
      readonly signature: Uint8Array;
    }
  | {
      readonly kind: "euiccPackageError";
      readonly eimId: string;
      readonly counterValue: number;
      readonly eimTransactionId: Uint8Array | undefined;
      readonly errorCode: string | number;
      readonly signedPart: Uint8Array;
      readonly signature: Uint8Array;
    }
  | {
      readonly kind: "euiccPackageErrorUnsigned";
      readonly eimId: string;
      readonly eimTransactionId: Uint8Array | undefined;
      readonly associationToken: number | undefined;
    };

/** BF51 as it came. Throws the ASN1_ errors. */
export function readPackageResult(raw: Uint8Array): ReadResult {
  const result = decode(EuiccPackageResult, raw, { name: "euiccPackageResult" });
  switch (result.kind) {
    case "euiccPackageResultSigned": {
      const { euiccPackageResultDataSigned: data, euiccSignEPR } = result.value;
      const { eimId, counterValue, eimTransactionId, seqNumber, euiccResult } = data.value;
      return {
        kind: "euiccPackageResult",
        eimId,
        counterValue: Number(counterValue),
        eimTransactionId,
        seqNumber: Number(seqNumber),
        commands: euiccResult.map(commandView),
        signedPart: data.raw,
        signature: euiccSignEPR,
      };
    }
    case "euiccPackageErrorSigned": {
      const { euiccPackageErrorDataSigned: data, euiccSignEPE } = result.value;
      const { eimId, counterValue, eimTransactionId, euiccPackageErrorCode } = data.value;
      return {
        kind: "euiccPackageError",
        eimId,
        counterValue: Number(counterValue),
        eimTransactionId,
        errorCode: typeof euiccPackageErrorCode === "bigint" ? Number(euiccPackageErrorCode) : euiccPackageErrorCode,
        signedPart: data.raw,
        signature: euiccSignEPE,
      };
    }
    case "euiccPackageErrorUnsigned": {
      const { eimId, eimTransactionId, associationToken } = result.value;
      return {
        kind: "euiccPackageErrorUnsigned",
        eimId,
        eimTransactionId,
        associationToken: associationToken === undefined ? undefined : Number(associationToken),
      };
    }
  }
}

/** Whether the eUICC's key signed it, with one of the tokens the package may have been made with. */
export function isSignedBy(
  chain: EuiccChain,
  result: Exclude<ReadResult, { kind: "euiccPackageErrorUnsigned" }>,
  tokens: readonly (number | undefined)[],
): boolean {
  return [...new Set(tokens)].some((token) =>
    verifyTolerantly(chain.euicc.publicKey, result.signature, result.signedPart, tokenTlv(token)),
  );
}

/** The first command that did not go well, as text; undefined when all did. */
export function firstFailure(commands: readonly CommandView[]): string | undefined {
  for (const { kind, value } of commands) {
    // A card in the field writes the result of its only operation under 02; 0 cannot be a termination.
    if (kind === "processingTerminated" && value === 0) continue;
    if (kind === "processingTerminated") return `processingTerminated: ${String(value)}`;
    if (kind === "unknown") return "unknown result";
    const code = codeOf(value);
    // The last eIM was deleted: that is what was asked for.
    if (code !== undefined && code !== "ok" && code !== "lastEimDeleted") return `${kind}: ${code}`;
  }
  return undefined;
}

export const isRolledBack = (commands: readonly CommandView[]): boolean =>
  commands.some(({ kind, value }) => kind === "rollbackResult" && value === "ok");

function commandView({ kind, value }: EuiccResultData): CommandView {
  return { kind, value: render(value, kind) };
}

/** Results are names or numbers, or a choice of which the second alternative is such a code, or a field of that kind. */
function codeOf(value: unknown): string | undefined {
  if (typeof value === "string" || typeof value === "number") return String(value);
  if (typeof value !== "object" || value === null) return undefined;
  if ("kind" in value && "value" in value) return /Error$|Code$/.test(String(value.kind)) ? String(value.value) : undefined;
  return "setDefaultDpAddressResult" in value ? String(value.setDefaultDpAddressResult) : undefined;
}
