// An eUICC package as a card reads it: the frame strictly, its operations one by one, so that one that cannot be read ends the package only there.
// And the checks before the first operation, in the card's order (SGP.32 §5.9.1). Pure.
import { equalBytes } from "../../base/bytes.ts";
import { SimwardError } from "../../base/errors.ts";
import { anyType, choice, decode, type Infer, implicit, integer, octets, optional, seq, seqOf, signed } from "../asn1/schema.ts";
import { childrenOf, contentOf, rawOf, readTlv } from "../asn1/tlv.ts";
import { eimIdComponent, Octet16, TransactionId } from "../messages/common.ts";
import { Eco, type EuiccPackageErrorCode, Psmo } from "../messages/package.ts";
import { eimOf, isCounter, isSignedBy } from "./eims.ts";
import type { CardMemory, StoredEim } from "./memory.ts";

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

export type Order = Infer<typeof Frame>["euiccPackageSigned"]["value"];

/** What a refusal tells of the package. */
export type NamedOrder = Pick<Order, "eimId" | "eimTransactionId">;

export type Judgement =
  | { readonly kind: "execute"; readonly order: Order; readonly eim: StoredEim }
  | { readonly kind: "errorUnsigned"; readonly order: NamedOrder; readonly associationToken: number | undefined }
  | { readonly kind: "errorSigned"; readonly order: Order; readonly code: EuiccPackageErrorCode };

export const maxPackageBytes = 16 * 1024;

/** Throws APDU_STATUS 6A80, as a card answers it, for what does not even name its eIM. */
export function judge(
  command: Uint8Array,
  card: CardMemory,
  facts: { readonly eid: Uint8Array; readonly ecallActive: boolean },
): Judgement {
  let frame: Infer<typeof Frame>;
  try {
    frame = decode(Frame, command, { name: "EuiccPackageRequest" });
  } catch (error) {
    if (!isAsn1(error)) throw error;
    return { kind: "errorUnsigned", order: nameIn(command), associationToken: undefined };
  }
  const { value: order, raw } = frame.euiccPackageSigned;
  const eim = eimOf(card, order.eimId);
  if (eim === undefined) return { kind: "errorUnsigned", order, associationToken: undefined };
  if (!isSignedBy(eim, raw, frame.eimSignature)) return { kind: "errorUnsigned", order, associationToken: eim.associationToken };
  const code = refusalOf(order, eim, command, facts);
  return code === undefined ? { kind: "execute", order, eim } : { kind: "errorSigned", order, code };
}

function refusalOf(
  { eidValue, counterValue }: Order,
  eim: StoredEim,
  command: Uint8Array,
  { eid, ecallActive }: { readonly eid: Uint8Array; readonly ecallActive: boolean },
): EuiccPackageErrorCode | undefined {
  if (ecallActive) return "ecallActive";
  if (!equalBytes(eidValue, eid)) return "invalidEid";
  if (!isCounter(counterValue)) return counterValue < 0 ? "replayError" : "counterValueOutOfRange";
  if (Number(counterValue) <= eim.counterValue) return "replayError";
  return command.length > maxPackageBytes ? "sizeOverflow" : undefined;
}

export type KnownPsmo = Exclude<Psmo, { readonly kind: "unknown" }>;
export type KnownEco = Exclude<Eco, { readonly kind: "unknown" }>;
export type Operation = { readonly list: "psmo"; readonly psmo: KnownPsmo } | { readonly list: "eco"; readonly eco: KnownEco };

/** Undefined where the octets are no operation that is known. */
export function operationsOf({ euiccPackage }: Order): readonly (Operation | undefined)[] {
  return euiccPackage.value.map((raw) => {
    try {
      if (euiccPackage.kind === "psmoList") {
        const psmo = decode(Psmo, raw);
        return psmo.kind === "unknown" ? undefined : { list: "psmo", psmo };
      }
      const eco = decode(Eco, raw);
      return eco.kind === "unknown" ? undefined : { list: "eco", eco };
    } catch (error) {
      if (isAsn1(error)) return undefined;
      throw error;
    }
  });
}

/** Who a package that cannot be read says it is from. Throws APDU_STATUS 6A80. */
function nameIn(command: Uint8Array): NamedOrder {
  try {
    const [data] = childrenOf(readTlv(command));
    const parts = data?.tag === 0x30 ? childrenOf(data) : [];
    const eimId = parts.find(({ tag }) => tag === 0x80);
    const transaction = parts.find(({ tag }) => tag === 0x82);
    if (eimId === undefined) throw incorrectData();
    const id = transaction === undefined ? undefined : new Uint8Array(contentOf(transaction));
    const usable = id !== undefined && id.length >= 1 && id.length <= 16;
    return { eimId: decode(eimIdComponent, rawOf(eimId)), eimTransactionId: usable ? id : undefined };
  } catch (error) {
    if (isAsn1(error)) throw incorrectData();
    throw error;
  }
}

export function incorrectData(): SimwardError {
  return new SimwardError("APDU_STATUS", { detail: "SW 6A80 (incorrect data)", data: { sw: "6A80" } });
}

export function isAsn1(error: unknown): error is SimwardError {
  return error instanceof SimwardError && error.code.startsWith("ASN1_");
}
