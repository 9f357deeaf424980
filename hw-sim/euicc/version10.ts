// What an IoT eUICC of SGP.32 v1.0 does otherwise than one of v1.2: functions that it has not, and messages in their earlier form.
// BF2B with neither criterion is left in v1.2's form: how v1.0 put both lists together is not known.
import { namedBits, namedInteger, optional, seq } from "../../ipa/asn1/schema.ts";
import { contentOf, rawOf, readTlv, retag } from "../../ipa/asn1/tlv.ts";
import { rebuilt } from "../rewriting.ts";

/** IPAe, emergency and fallback profile, connectivity parameters, and its own memory reset and default address came later. */
const laterFunctions: ReadonlySet<number> = new Set([0xbf42, 0xbf5b, 0xbf5c, 0xbf5d, 0xbf5e, 0xbf5f, 0xbf64, 0xbf65]);
/** setFallbackAttribute, unsetFallbackAttribute, setDefaultDpAddress. */
const laterPsmos: ReadonlySet<number> = new Set([0xa8, 0xa9, 0xbf65]);

export function isLaterFunction(tag: number): boolean {
  return laterFunctions.has(tag);
}

export function isLaterPsmo(operation: Uint8Array): boolean {
  return laterPsmos.has(readTlv(operation).tag);
}

/** A response as v1.0 has it. */
export function inVersion10(response: Uint8Array): Uint8Array {
  switch (readTlv(response).tag) {
    // A refusal without signature does not name the eIM's transaction.
    case 0xbf51:
      return readTlv(contentOf(readTlv(response))).tag === 0xa2 ? without(response, [0xbf51, 0xa2], 0x82) : response;
    // An eIM's configuration does not speak of indirect download.
    case 0xbf55:
      return without(response, [0xbf55, 0xa0, 0x30], 0x89);
    default:
      return response;
  }
}

/** A result inside a package's: eimIdType of listEim under 84. */
export function resultInVersion10(result: Uint8Array): Uint8Array {
  if (readTlv(result).tag !== 0xab) return result;
  return rebuilt(result, [0xab, 0xa0, 0x30], (field) => (field.tag === 0x82 ? retag(rawOf(field), 0x84) : rawOf(field)));
}

function without(tlv: Uint8Array, path: readonly number[], tag: number): Uint8Array {
  return rebuilt(tlv, path, (field) => (field.tag === tag ? new Uint8Array(0) : rawOf(field)));
}

/** eUICCMemoryReset has SGP.22's tag, and bits for eIMs and enabling by itself. */
export const MemoryResetRequestV10 = seq(
  {
    resetOptions: namedBits(
      {
        deleteOperationalProfiles: 0,
        deleteFieldLoadedTestProfiles: 1,
        resetDefaultSmdpAddress: 2,
        resetEimConfigData: 3,
        resetImmediateEnableConfig: 4,
      },
      0x82,
    ),
  },
  0xbf34,
);

/** Its result is universal 02. */
export const MemoryResetResponseV10 = seq(
  {
    resetResult: namedInteger({ ok: 0, nothingToDelete: 1, catBusy: 5, undefinedError: 127 }),
    resetEimResult: optional(namedInteger({ ok: 0, nothingToDelete: 1, eimResetNotSupported: 2, undefinedError: 127 }, 0x81)),
    resetImmediateEnableConfigResult: optional(namedInteger({ ok: 0, resetIECNotSupported: 1, undefinedError: 127 }, 0x82)),
  },
  0xbf34,
);

/** What became ImmediateEnable: without a flag. */
export const EnableUsingDdRequest = seq({}, 0xbf5a);
