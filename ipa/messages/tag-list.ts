// The tag lists of GetProfilesInfo (BF2D) and IpaEuiccDataRequest (BF52): tags one after the other under 5C, without lengths.

import { concatBytes } from "../../base/bytes.ts";
import { SimwardError } from "../../base/errors.ts";
import { excerpt, tagOctets } from "../asn1/tlv.ts";

/** What an IpaEuiccDataRequest may ask for (SGP.32 §2.11.1.2). */
export const ipaEuiccDataTags = {
  notificationsList: 0xa0,
  defaultSmdpAddress: 0x81,
  euiccPackageResultList: 0xa2,
  euiccInfo1: 0xbf20,
  euiccInfo2: 0xbf22,
  rootSmdsAddress: 0x83,
  associationToken: 0x84,
  eumCertificate: 0xa5,
  euiccCertificate: 0xa6,
  ipaCapabilities: 0xa8,
  deviceInfo: 0xa9,
} as const;

/** As v1.0 numbered them; eIMs of that time still do. */
const tagsOfV10 = new Map<number, number>([
  [0x80, ipaEuiccDataTags.defaultSmdpAddress],
  [0x88, ipaEuiccDataTags.ipaCapabilities],
  [0xbf2b, ipaEuiccDataTags.notificationsList],
]);

/** Throws ASN1_VALUE when a tag is cut off. */
export function readTagList(tagList: Uint8Array): number[] {
  const out: number[] = [];
  for (let at = 0; at < tagList.length; ) {
    const first = tagList[at++] ?? 0;
    let tag = first;
    for (let more = (first & 0x1f) === 0x1f; more; ) {
      const octet = tagList[at++];
      if (octet === undefined || tag > 0xffffff)
        throw new SimwardError("ASN1_VALUE", { detail: `tag list ${excerpt(tagList)} at offset ${at - 1}: a tag is not complete` });
      tag = tag * 256 + octet;
      more = (octet & 0x80) !== 0;
    }
    out.push(tag);
  }
  return out;
}

export function writeTagList(tags: readonly number[]): Uint8Array {
  return concatBytes(...tags.map(tagOctets));
}

/** For an eIM configured as one of v1.0: its tags in the numbering of v1.2. */
export function fromTagsOfV10(tags: readonly number[]): number[] {
  return tags.map((tag) => tagsOfV10.get(tag) ?? tag);
}
