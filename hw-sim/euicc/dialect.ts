// How real cards write what they say: BER lengths, repeated tags, fields of later versions. All of it is lawful or common, and a reader
// has to live with it. What is signed gets its form before it is signed.
import { concatBytes, fromHex, uintToBytes } from "../../base/bytes.ts";
import {
  childrenOf,
  contentOf,
  isConstructed,
  rawOf,
  readOnlyTlv,
  readTlv,
  retag,
  type Tlv,
  tagOctets,
  writeTlv,
} from "../../ipa/asn1/tlv.ts";
import { rebuilt } from "../rewriting.ts";
import type { EuiccFaults } from "./types.ts";
import { inVersion10 } from "./version10.ts";

/** Responses that are tagged CHOICEs: some compilers tag them twice, and they have no room for more fields, as SEQUENCEs have. */
export const choiceTags: ReadonlySet<number> = new Set([
  0xbf21, 0xbf28, 0xbf2b, 0xbf2d, 0xbf35, 0xbf38, 0xbf41, 0xbf51, 0xbf56, 0xbf57, 0xbf5f,
]);
const laterField = fromHex("DF7F0100");

/** A response as this card writes it. Only the outer two levels are touched: what lies deeper may be signed. */
export function inDialect(response: Uint8Array, faults: EuiccFaults): Uint8Array {
  let out = deviating(faults.version10 ? inVersion10(response) : response, faults);
  const { tag } = readTlv(out);
  if (faults.unknownFields && isConstructed(tag) && !choiceTags.has(tag)) out = writeTlv(tag, contentOf(readTlv(out)), laterField);
  if (faults.doubleTag && choiceTags.has(tag)) out = writeTlv(tag, out);
  return faults.berLengths ? longLengths(out, 2) : out;
}

/** A command as the standard has it: some clients leave out the wrapper of the search criteria of RetrieveNotificationsList. */
export function understood(command: Uint8Array): Uint8Array {
  if (command[0] !== 0xbf || command[1] !== 0x2b) return command;
  const read = readOnlyTlv(command);
  const [first] = childrenOf(read);
  return first !== undefined && first.tag >= 0x80 && first.tag <= 0x82 ? writeTlv(read.tag, writeTlv(0xa0, contentOf(read))) : command;
}

/** What single functions of some cards get wrong. */
function deviating(response: Uint8Array, faults: EuiccFaults): Uint8Array {
  const { tag } = readTlv(response);
  if (faults.nestedCertificates && tag === 0xbf56)
    return rebuilt(response, [0xbf56, 0xa0], (child) =>
      child.tag === 0xa5 || child.tag === 0xa6 ? writeTlv(child.tag, writeTlv(0x30, contentOf(child))) : rawOf(child),
    );
  if (faults.bareKeys && tag === 0xbf55)
    return [0xa5, 0xa6].reduce(
      (out, field) =>
        rebuilt(out, [0xbf55, 0xa0, 0x30, field], (arm) => (arm.tag === 0xa0 || arm.tag === 0xa1 ? retag(rawOf(arm), 0x30) : rawOf(arm))),
      response,
    );
  if (faults.taggedCmdResult && tag === 0xbf58)
    return rebuilt(response, [0xbf58], (child) => (child.tag === 0x02 ? retag(rawOf(child), 0x80) : rawOf(child)));
  if (faults.writtenDefaults && tag === 0xbf2d)
    return rebuilt(response, [0xbf2d, 0xa0], (child) => (child.tag === 0xe3 ? withFallbackAttribute(child) : rawOf(child)));
  return response;
}

const fallbackAttribute = 0x9f26;
const fallbackAllowed = 0x9f67;

function withFallbackAttribute(info: Tlv): Uint8Array {
  const parts = childrenOf(info);
  if (parts.some(({ tag }) => tag === fallbackAttribute)) return rawOf(info);
  const written = writeTlv(fallbackAttribute, Uint8Array.of(0));
  const before = parts.filter(({ tag }) => tag !== fallbackAllowed).map(rawOf);
  return writeTlv(info.tag, ...before, written, ...parts.filter(({ tag }) => tag === fallbackAllowed).map(rawOf));
}

/** The same values with every length in the long form, three octets of it, `levels` deep. */
export function longLengths(tlv: Uint8Array, levels = Number.POSITIVE_INFINITY): Uint8Array {
  const read = readTlv(tlv);
  const content =
    levels > 1 && isConstructed(read.tag)
      ? concatBytes(...childrenOf(read).map((child) => longLengths(rawOf(child), levels - 1)))
      : contentOf(read);
  return concatBytes(tagOctets(read.tag), Uint8Array.of(0x83), uintToBytes(content.length, 3), content);
}
