// The order in which a bound profile package goes to the eUICC (SGP.22 §2.5.5, §5.7.6): slices of the original octets, nothing encoded anew.
import { asSimwardError, SimwardError } from "../../base/errors.ts";
import { childrenOf, contentOf, rawOf, readOnlyTlv, type Tlv, tagName } from "../asn1/tlv.ts";

const boundProfilePackage = 0xbf36;
const initialiseSecureChannel = 0xbf23;
/** Whether the member goes as one command, or as its head and then each part by itself. */
const members: Readonly<Record<number, "whole" | "parts">> = { 160: "whole", 161: "parts", 162: "whole", 163: "parts" };

/**
 * One ES10 command each: BF36's head with the whole BF23; A0 with its 87s; A1's head; each 88; A2 with its 87s if present; A3's head; each 86.
 * Throws PACKAGE_FORMAT.
 */
export function bppSegments(bpp: Uint8Array): Uint8Array[] {
  const outer = parse(() => readOnlyTlv(bpp));
  if (outer.tag !== boundProfilePackage) throw malformed(`${tagName(outer.tag)} where BF36 belongs`);
  const [first, ...rest] = parse(() => childrenOf(outer));
  if (first?.tag !== initialiseSecureChannel) throw malformed("BF36 does not begin with BF23");
  const segments = [bpp.subarray(0, first.end)];
  let lastTag = 0;
  for (const member of rest) {
    const manner = members[member.tag];
    if (manner === undefined || member.tag <= lastTag) throw malformed(`${tagName(member.tag)} out of place at offset ${member.start}`);
    lastTag = member.tag;
    if (manner === "whole") {
      segments.push(rawOf(member));
      continue;
    }
    segments.push(bpp.subarray(member.start, member.contentStart));
    for (const part of parse(() => childrenOf(member))) segments.push(rawOf(part));
  }
  for (const tag of [0xa0, 0xa1, 0xa3]) if (!rest.some((member) => member.tag === tag)) throw malformed(`${tagName(tag)} is missing`);
  return segments;
}

const macBytes = 8;

/** The StoreMetadata command inside: 88 TLVs are authenticated, not encrypted (SGP.22 §2.5.3). Undefined when there is none. */
export function metadataOfBpp(bpp: Uint8Array): Uint8Array | undefined {
  const member = parse(() => childrenOf(readOnlyTlv(bpp))).find((child) => child.tag === 0xa1);
  if (member === undefined) return undefined;
  const parts = parse(() => childrenOf(member)).map((part) => contentOf(part));
  if (parts.some((part) => part.length <= macBytes)) return undefined;
  return new Uint8Array(Buffer.concat(parts.map((part) => part.subarray(0, -macBytes))));
}

function parse<T extends Tlv | Tlv[]>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw new SimwardError("PACKAGE_FORMAT", { detail: `bound profile package: ${asSimwardError(error).detail}`, cause: error });
  }
}

function malformed(reason: string): SimwardError {
  return new SimwardError("PACKAGE_FORMAT", { detail: `bound profile package: ${reason}` });
}
