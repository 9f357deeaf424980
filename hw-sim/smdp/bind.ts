// Binds a profile package to one eUICC: key agreement, protection of every part, and the signed header (SGP.22 §2.5, §2.6, §5.5).
import type { KeyObject } from "node:crypto";
import { concatBytes } from "../../base/bytes.ts";
import { encode } from "../../ipa/asn1/schema.ts";
import { retag, writeTlv } from "../../ipa/asn1/tlv.ts";
import { ConfigureISDPRequest, ControlRefTemplate, ReplaceSessionKeysRequest } from "../../ipa/messages/bpp.ts";
import { RemoteOpId } from "../../ipa/messages/common.ts";
import { Bsp, type BspKeys } from "../crypto/bsp.ts";
import { ecdsaSign } from "../crypto/ecdsa.ts";
import { deriveBspKeys, type EphemeralKey } from "../crypto/ecka.ts";

export interface ProfileToBind {
  /** Unprotected Profile Package: the profile elements, DER. */
  readonly upp: Uint8Array;
  /** StoreMetadataRequest, BF25. */
  readonly metadata: Uint8Array;
  /** The profile is protected with these keys of its own instead of the session's. */
  readonly ppk?: BspKeys | undefined;
}

/** The four sequences of a Bound Profile Package, protected; they stay the same when only the session changes. */
export interface ProtectedProfile {
  readonly firstSequenceOf87: readonly Uint8Array[];
  readonly sequenceOf88: readonly Uint8Array[];
  readonly secondSequenceOf87: readonly Uint8Array[] | undefined;
  readonly sequenceOf86: readonly Uint8Array[];
}

export interface Binding {
  readonly ephemeral: EphemeralKey;
  readonly euiccOtpk: Uint8Array;
  readonly hostId: Uint8Array;
  /** 16 octets. */
  readonly eid: Uint8Array;
}

/** Throws BPP_SECURITY when the eUICC's one-time key is no point of the curve. */
export function protectProfile(profile: ProfileToBind, binding: Binding): ProtectedProfile {
  const session = new Bsp(deriveBspKeys(binding.ephemeral.agree(binding.euiccOtpk), binding.hostId, binding.eid));
  const firstSequenceOf87 = session.protectAll(0x87, encode(ConfigureISDPRequest, {}));
  const sequenceOf88 = session.protectAll(0x88, profile.metadata);
  if (profile.ppk === undefined) {
    return { firstSequenceOf87, sequenceOf88, secondSequenceOf87: undefined, sequenceOf86: session.protectAll(0x86, profile.upp) };
  }
  const { macChainingValue, encryptionKey, macKey } = profile.ppk;
  const newKeys = encode(ReplaceSessionKeysRequest, { initialMacChainingValue: macChainingValue, ppkEnc: encryptionKey, ppkCmac: macKey });
  return {
    firstSequenceOf87,
    sequenceOf88,
    secondSequenceOf87: session.protectAll(0x87, newKeys),
    sequenceOf86: new Bsp(profile.ppk).protectAll(0x86, profile.upp),
  };
}

/** BF36 for one RSP session; the signature of BF23 ends with the eUICC's one-time key, which is not sent. */
export function boundProfilePackage(
  protectedProfile: ProtectedProfile,
  binding: Pick<Binding, "ephemeral" | "euiccOtpk" | "hostId">,
  transactionId: Uint8Array,
  dppbKey: KeyObject,
): Uint8Array {
  const crt = encode(ControlRefTemplate, { keyType: Uint8Array.of(0x88), keyLen: Uint8Array.of(0x10), hostId: binding.hostId });
  const header = concatBytes(
    encode(RemoteOpId, "installBoundProfilePackage"),
    writeTlv(0x80, transactionId),
    retag(crt, 0xa6),
    writeTlv(0x5f49, binding.ephemeral.publicPoint),
  );
  const smdpSign = ecdsaSign(dppbKey, header, writeTlv(0x5f49, binding.euiccOtpk));
  const { firstSequenceOf87, sequenceOf88, secondSequenceOf87, sequenceOf86 } = protectedProfile;
  return writeTlv(
    0xbf36,
    writeTlv(0xbf23, header, writeTlv(0x5f37, smdpSign)),
    writeTlv(0xa0, ...firstSequenceOf87),
    writeTlv(0xa1, ...sequenceOf88),
    ...(secondSequenceOf87 === undefined ? [] : [writeTlv(0xa2, ...secondSequenceOf87)]),
    writeTlv(0xa3, ...sequenceOf86),
  );
}
