// A profile package that another implementation encoded and protected: opened segment by segment, then installed.
import { describe, expect, it } from "vitest";
import { concatBytes, digitsToBcd, fromHex, toHexUpper } from "../../../../base/bytes.ts";
import { Bsp } from "../../../../hw-sim/crypto/bsp.ts";
import { deriveBspKeys } from "../../../../hw-sim/crypto/ecka.ts";
import { iccidOf, imsiOf, readProfile } from "../../../../hw-sim/euicc/pe/reader.ts";
import { childrenOf, contentOf, readOnlyTlv } from "../../../../ipa/asn1/tlv.ts";
import { foreignBpp } from "../../../support/vectors.ts";

const opened = (bsp: Bsp, segments: readonly string[]): Uint8Array =>
  concatBytes(...segments.map((segment) => bsp.unprotect(fromHex(segment)).plaintext));

describe("a foreign bound profile package", () => {
  // shows: es8.StoreMetadata
  it("opens: session keys, metadata in several segments, keys of its own, segments of any size", () => {
    const session = new Bsp(deriveBspKeys(fromHex(foreignBpp.z), fromHex(foreignBpp.hostId), digitsToBcd(foreignBpp.eid)));
    expect(toHexUpper(opened(session, foreignBpp.firstSequenceOf87))).toBe("BF2407B805060388370C");
    expect(toHexUpper(opened(session, foreignBpp.sequenceOf88))).toBe(foreignBpp.metadata);
    const keys = childrenOf(readOnlyTlv(opened(session, foreignBpp.secondSequenceOf87)));
    const [macChainingValue, encryptionKey, macKey] = keys.map((key) => contentOf(key));
    if (macChainingValue === undefined || encryptionKey === undefined || macKey === undefined) throw new Error("three keys expected");
    const profile = new Bsp({ macChainingValue, encryptionKey, macKey });
    expect(toHexUpper(opened(profile, foreignBpp.sequenceOf86))).toBe(foreignBpp.upp);
  });

  it("holds a profile with its ICCID, IMSI, codes and keys", () => {
    const profile = readProfile(fromHex(foreignBpp.upp));
    expect([iccidOf(profile.files), imsiOf(profile.files)]).toEqual([foreignBpp.iccid, foreignBpp.imsi]);
    expect([profile.pins.length, profile.puks.length, profile.aka.length, profile.securityDomains.length]).toEqual([3, 2, 1, 1]);
    expect(profile.warnings).toEqual([]);
  });
});
