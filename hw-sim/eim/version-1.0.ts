// SGP.32 v1.0 on ESipa: what an eIM of that version reads and writes, put into the messages of v1.2 and back. It knows nothing of what came later, so v1.2's own
// forms are refused, as such an eIM in the field does. Pure.
import { SimwardError } from "../../base/errors.ts";
import { childrenOf, contentOf, rawOf, readOnlyTlv, retag, type Tlv, writeTlv } from "../../ipa/asn1/tlv.ts";
import { readTagList, writeTagList } from "../../ipa/messages/tag-list.ts";

export const esipaVersions = ["1.0", "1.2"] as const;
export type EsipaVersion = (typeof esipaVersions)[number];

function refused(reason: string): never {
  throw new SimwardError("ASN1_TAG", { detail: `SGP.32 v1.0: ${reason}` });
}

// --- from the IPA -----------------------------------------------------------------------------------------------------------

/** A request of v1.0 in v1.2's form. Throws ASN1_TAG for what v1.0 does not have. */
export function requestOfV10(message: Uint8Array): Uint8Array {
  const tlv = readOnlyTlv(message);
  switch (tlv.tag) {
    case 0xbf4f:
      return writeTlv(tlv.tag, ...childrenOf(tlv).flatMap(getEimPackageField));
    case 0xbf50:
      return writeTlv(tlv.tag, ...childrenOf(tlv).map(packageResult));
    case 0xbf3d:
      return writeTlv(tlv.tag, ...childrenOf(tlv).map(notification));
    case 0xbf39:
      return writeTlv(tlv.tag, ...withoutLast(childrenOf(tlv), 0x82).map(rawOf));
    default:
      return message;
  }
}

/** rPLMN was 81 before the cause of a change took that; what came last later is an extension, and passed over. */
function getEimPackageField(field: Tlv): Uint8Array[] {
  if (field.tag === 0x82) return [];
  if (field.tag === 0x81 && contentOf(field).length !== 3) refused("GetEimPackage has no stateChangeCause");
  return [field.tag === 0x81 ? retag(rawOf(field), 0x82) : rawOf(field)];
}

const withoutLast = (fields: readonly Tlv[], tag: number): readonly Tlv[] => (fields.at(-1)?.tag === tag ? fields.slice(0, -1) : fields);

/** The one result in a BF50, which has no EID beside it. */
function packageResult(result: Tlv): Uint8Array {
  switch (result.tag) {
    case 0x02:
      return writeTlv(0xa0, rawOf(result));
    case 0x30:
      return writeTlv(0x30, ...childrenOf(result).map((part) => (part.tag === 0xbf51 ? rawOf(part) : listIn(part, 0xa0))));
    case 0xbf52:
      return writeTlv(0xbf52, ...childrenOf(result).map(euiccData));
    case 0xbf54:
      return writeTlv(0xbf54, ...childrenOf(result).map(downloadResult));
    case 0xbf51:
      return rawOf(result);
    default:
      return refused(`ProvideEimPackageResult has no ${result.tag.toString(16)}`);
  }
}

/** A list inside the BF2B that v1.0 puts around it. */
function listIn(part: Tlv, ...tags: readonly number[]): Uint8Array {
  const [list] = part.tag === 0xbf2b ? childrenOf(part) : [];
  return list !== undefined && tags.includes(list.tag) ? rawOf(list) : refused("a list stands in a BF2B");
}

function euiccData(part: Tlv): Uint8Array {
  if (part.tag === 0x81) return writeTlv(0xa1, retag(rawOf(part), 0x02));
  if (part.tag !== 0xa0) return refused(`IpaEuiccDataResponse has no ${part.tag.toString(16)}`);
  const later = childrenOf(part).find(({ tag }) => [0xa0, 0x81, 0xa2, 0x87].includes(tag));
  if (later !== undefined) refused(`IpaEuiccData has no ${later.tag.toString(16)}`);
  const fields = childrenOf(part).map((field) => {
    if (field.tag === 0x80) return retag(rawOf(field), 0x81);
    return field.tag === 0xbf2b ? listIn(field, 0xa0, 0xa2) : rawOf(field);
  });
  return writeTlv(0xa0, ...fields);
}

/** The error has no reason, only the octets of another error. */
function downloadResult(part: Tlv): Uint8Array {
  if (part.tag === 0x82) refused("ProfileDownloadTriggerResult has no eimTransactionId");
  if (part.tag !== 0x30) return rawOf(part);
  const [octets, ...more] = childrenOf(part);
  if (more.length > 0) refused("profileDownloadError has errorResponse alone");
  const undefinedError = writeTlv(0x80, Uint8Array.of(127));
  return writeTlv(0x30, undefinedError, ...(octets === undefined ? [] : [retag(rawOf(octets), 0x04)]));
}

function notification(part: Tlv): Uint8Array {
  if (part.tag === 0xbf50) refused("HandleNotification has a package result under A1");
  return part.tag === 0xa1 ? writeTlv(0xbf50, ...childrenOf(part).map(packageResult)) : rawOf(part);
}

// --- to the IPA -------------------------------------------------------------------------------------------------------------

const undefinedError = 127;

/** An answer of v1.2 as v1.0 has it: errors it does not know are undefined ones. */
export function answerInV10(message: Uint8Array): Uint8Array {
  if (message.length === 0) return message;
  const tlv = readOnlyTlv(message);
  const [part] = childrenOf(tlv);
  switch (tlv.tag) {
    case 0xbf50:
      // EimAcknowledgements is OPTIONAL there, and nothing else is.
      return part?.tag === 0xbf53 ? message : writeTlv(0xbf50);
    case 0xbf4f:
      if (part?.tag === 0x02) return writeTlv(0xbf4f, writeTlv(0x02, Uint8Array.of(contentOf(part)[0] === 1 ? 1 : undefinedError)));
      return part?.tag === 0xbf52 ? writeTlv(0xbf4f, dataRequest(part)) : message;
    default:
      return message;
  }
}

/** The former numbers of what v1.2 moved. */
const formerTags: ReadonlyMap<number, number> = new Map([
  [0x81, 0x80],
  [0xa8, 0x88],
  [0xa0, 0xbf2b],
  [0xa2, 0xbf2b],
]);

/** Package results are asked for by 82 in the criterion for notifications; there is no transaction. */
function dataRequest(request: Tlv): Uint8Array {
  const fields = childrenOf(request);
  const tags = fields.flatMap((field) => (field.tag === 0x5c ? readTagList(contentOf(field)) : []));
  const former = [...new Set(tags.map((tag) => formerTags.get(tag) ?? tag))];
  const results = tags.includes(0xa2) && !tags.includes(0xa0);
  const kept = fields.filter(({ tag }) => tag === 0x04 || (tag === 0xa1 && !results));
  return writeTlv(0xbf52, writeTlv(0x5c, writeTagList(former)), ...kept.map(rawOf), ...(results ? [writeTlv(0xa1, writeTlv(0x82))] : []));
}
