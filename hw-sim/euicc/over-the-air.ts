// Orders of the SM-SR to an M2M eUICC, as they come over the air: an SMS-PP download (ETSI TS 102 223 §7.1) with a secured packet (ETSI TS 102 225)
// for the ISD-R, in it STORE DATA that enables an ISD-P (SGP.02 §4.1.1.2). Both ends: the one that writes it and the card.
import { concatBytes, equalBytes, fromHex, uintToBytes } from "../../base/bytes.ts";
import { childrenOf, contentOf, readOnlyTlv, writeTlv } from "../../ipa/asn1/tlv.ts";
import { aesCmac } from "../crypto/cmac.ts";

/** What card and SM-SR share (the SCP80 keys of SGP.02 §2.5). */
export interface OverTheAirKeys {
  /** AES-128, for the cryptographic checksum. */
  readonly kid: Uint8Array;
  /** Of the last packet; the next one has a higher one. */
  readonly counter: number;
}

/** User data header: a command packet follows (3GPP TS 31.115 §4.2). */
const packetHeader = fromHex("027000");
/** Checksum, counter higher than the last; no ciphering. */
const spi = fromHex("1200");
const keyIndications = fromHex("0012");
/** TAR of the ISD-R: octets 13 to 15 of its AID. */
const isdrTar = fromHex("000001");
const checksumOctets = 8;
const counterOctets = 5;
/** SPI, KIc, KID, TAR, counter, padding counter, checksum. */
const headerOctets = 2 + 2 + 3 + counterOctets + 1 + checksumOctets;

/** ENVELOPE's data that orders the enabling of that ISD-P. */
export function enableOverTheAir({ kid, counter }: OverTheAirKeys, isdpAid: Uint8Array): Uint8Array {
  const identifier = writeTlv(0x4f, isdpAid);
  const group = concatBytes(fromHex("3A03"), Uint8Array.of(identifier.length), identifier);
  const storeData = concatBytes(fromHex("80E28800"), Uint8Array.of(group.length), group);
  const fixed = concatBytes(spi, keyIndications, isdrTar, uintToBytes(counter, counterOctets), Uint8Array.of(0));
  const lengths = concatBytes(uintToBytes(1 + headerOctets + storeData.length, 2), Uint8Array.of(headerOctets));
  const checksum = aesCmac(kid, concatBytes(packetHeader, lengths, fixed, storeData)).subarray(0, checksumOctets);
  return smsPpDownload(concatBytes(packetHeader, lengths, fixed, checksum, storeData));
}

/** SMS-DELIVER to the card (protocol identifier 7F, coding F6), from a service centre of the virtual world. */
function smsPpDownload(userData: Uint8Array): Uint8Array {
  const deliver = concatBytes(fromHex("4005811234F57FF6 00000000000000"), Uint8Array.of(userData.length), userData);
  return writeTlv(0xd1, fromHex("82028381"), writeTlv(0x06, fromHex("811234F5")), writeTlv(0x8b, deliver));
}

export interface OverTheAirOrder {
  readonly isdpAid: Uint8Array;
  readonly counter: number;
}

/** What an ENVELOPE orders; undefined when it is no such order, not from who has the key, or one that has been. */
export function readOverTheAir({ kid, counter: last }: OverTheAirKeys, envelope: Uint8Array): OverTheAirOrder | undefined {
  const packet = packetIn(envelope);
  if (packet === undefined || packet.length < packetHeader.length + 3 + headerOctets) return undefined;
  const checksumAt = packetHeader.length + 3 + headerOctets - checksumOctets;
  const [before, checksum, data] = [
    packet.subarray(0, checksumAt),
    packet.subarray(checksumAt, checksumAt + checksumOctets),
    packet.subarray(checksumAt + checksumOctets),
  ];
  const known = concatBytes(spi, keyIndications, isdrTar);
  if (!equalBytes(before.subarray(packetHeader.length + 3, packetHeader.length + 3 + known.length), known)) return undefined;
  if (!equalBytes(aesCmac(kid, concatBytes(before, data)).subarray(0, checksumOctets), checksum)) return undefined;
  const counter = before.subarray(-1 - counterOctets, -1).reduce((sum, octet) => sum * 256 + octet, 0);
  const isdpAid = enabledIn(data);
  return isdpAid === undefined || counter <= last ? undefined : { isdpAid, counter };
}

function packetIn(envelope: Uint8Array): Uint8Array | undefined {
  try {
    const download = readOnlyTlv(envelope);
    if (download.tag !== 0xd1) return undefined;
    const sms = childrenOf(download).find(({ tag }) => (tag & 0x7f) === 0x0b);
    if (sms === undefined) return undefined;
    const deliver = contentOf(sms);
    // First octet, address with its length in digits and its type, protocol identifier, coding, time stamp, length of the user data.
    const addressOctets = 2 + Math.ceil((deliver[1] ?? 0) / 2);
    const userData = deliver.subarray(1 + addressOctets + 2 + 7 + 1);
    return equalBytes(userData.subarray(0, packetHeader.length), packetHeader) ? userData : undefined;
  } catch {
    return undefined;
  }
}

/** The ISD-P in STORE DATA 3A03. */
function enabledIn(command: Uint8Array): Uint8Array | undefined {
  const [cla, ins, , , , high, low] = command;
  if (cla !== 0x80 || ins !== 0xe2 || high !== 0x3a || low !== 0x03) return undefined;
  try {
    const aid = readOnlyTlv(command.subarray(8));
    return aid.tag === 0x4f ? contentOf(aid).slice() : undefined;
  } catch {
    return undefined;
  }
}
