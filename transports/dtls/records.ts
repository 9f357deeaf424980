// DTLS records at the level of octets (RFC 6347 §4.1): where they begin and end, how they are packed into datagrams.
// OpenSSL writes into a memory buffer, which loses the borders of datagrams; the 13-byte headers give them back.
import { concatBytes } from "../../base/bytes.ts";

export const recordHeaderBytes = 13;

export const contentTypes = {
  changeCipherSpec: 20,
  alert: 21,
  handshake: 22,
  applicationData: 23,
  /** RFC 9146 §4 */
  tls12Cid: 25,
  /** RFC 9853 */
  returnRoutabilityCheck: 27,
} as const;

/** Splits a run of records. What does not continue as a record is left out. A tls12_cid record has a CID of `cidBytes` before its length. */
export function splitRecords(octets: Uint8Array, cidBytes = 0): Uint8Array[] {
  const out: Uint8Array[] = [];
  for (let at = 0; at + recordHeaderBytes <= octets.length; ) {
    const headerBytes = recordHeaderBytes + (octets[at] === contentTypes.tls12Cid ? cidBytes : 0);
    const end = at + headerBytes + uint16(octets, at + headerBytes - 2);
    if (end > octets.length) break;
    out.push(octets.subarray(at, end));
    at = end;
  }
  return out;
}

/** As few datagrams as the order of records allows, none above `mtuBytes` unless a single record is. */
export function packRecords(records: readonly Uint8Array[], mtuBytes: number): Uint8Array[] {
  const out: Uint8Array[] = [];
  let parts: Uint8Array[] = [];
  let size = 0;
  const close = (): void => {
    if (parts.length > 0) out.push(concatBytes(...parts));
    parts = [];
    size = 0;
  };
  for (const record of records) {
    if (size + record.length > mtuBytes) close();
    parts.push(record);
    size += record.length;
  }
  close();
  return out;
}

/** Whether a datagram begins like one of DTLS 1.0 to 1.2. */
export function looksLikeDtls(datagram: Uint8Array): boolean {
  const type = datagram[0] ?? 0;
  const minor = datagram[2] ?? 0;
  return (
    datagram.length > recordHeaderBytes &&
    type >= contentTypes.changeCipherSpec &&
    type <= contentTypes.applicationData &&
    datagram[1] === 0xfe &&
    (minor === 0xfd || minor === 0xff) &&
    recordHeaderBytes + uint16(datagram, 11) <= datagram.length
  );
}

/** The CID of a datagram: that of its first tls12_cid record, `cidBytes` long; undefined when it has none. */
export function datagramCid(datagram: Uint8Array, cidBytes: number): Uint8Array | undefined {
  const named = splitRecords(datagram, cidBytes).find((record) => record[0] === contentTypes.tls12Cid && isVersion12(record));
  return named?.subarray(recordHeaderBytes - 2, recordHeaderBytes - 2 + cidBytes);
}

function isVersion12(record: Uint8Array): boolean {
  return record[1] === 0xfe && record[2] === 0xfd;
}

/** Type, length, message sequence, fragment offset and length (RFC 6347 §4.2.2). */
const handshakeHeaderBytes = 12;

/**
 * Whether a record may be shown to OpenSSL. RFC 6347 §4.1.2.7 wants invalid records discarded, but OpenSSL ends the association over
 * some that anybody can forge: an encrypted one shorter than its nonce and tag, and malformed ones without encryption.
 */
export function isAdmissible(record: Uint8Array, state: { readonly isOpen: boolean; readonly overheadBytes: number }): boolean {
  if (!looksLikeDtls(record)) return false;
  const epoch = uint16(record, 3);
  const length = record.length - recordHeaderBytes;
  // Renegotiation is refused, so there is no third epoch.
  if (epoch > 0) return epoch === 1 && length >= state.overheadBytes;
  // Repetitions from before the keys: what matters of them comes again in epoch 1.
  if (state.isOpen) return false;
  switch (record[0]) {
    case contentTypes.handshake:
      return holdsWholeFragments(record);
    case contentTypes.changeCipherSpec:
      return length === 1 && record[recordHeaderBytes] === 1;
    case contentTypes.alert:
      // A warning says nothing that is needed, and some OpenSSL takes for fatal.
      return length === 2 && record[recordHeaderBytes] === 2;
    default:
      return false;
  }
}

/** Whether the content is handshake fragments, one after the other, each within its record and its message. */
function holdsWholeFragments(record: Uint8Array): boolean {
  let at = recordHeaderBytes;
  while (at + handshakeHeaderBytes <= record.length) {
    const fragmentLength = uint24(record, at + 9);
    if (uint24(record, at + 6) + fragmentLength > uint24(record, at + 1)) return false;
    at += handshakeHeaderBytes + fragmentLength;
  }
  return at === record.length && record.length > recordHeaderBytes;
}

/** Where the 32 octets of ClientHello.random are in a datagram that begins with an unfragmented, unencrypted ClientHello. */
const clientRandomAt = recordHeaderBytes + 12 + 2;

/** The client's random, if the datagram begins with a whole ClientHello of epoch 0 (RFC 6347 §4.2.2): it names the attempt. */
export function clientHelloRandom(datagram: Uint8Array): Uint8Array | undefined {
  if (!looksLikeDtls(datagram) || datagram[0] !== contentTypes.handshake || uint16(datagram, 3) !== 0) return undefined;
  const handshakeType = datagram[recordHeaderBytes];
  if (handshakeType !== 1 || datagram.length < clientRandomAt + 32 + 1) return undefined;
  const length = uint24(datagram, recordHeaderBytes + 1);
  const fragmentOffset = uint24(datagram, recordHeaderBytes + 6);
  const fragmentLength = uint24(datagram, recordHeaderBytes + 9);
  if (fragmentOffset !== 0 || fragmentLength !== length || 12 + length > uint16(datagram, 11)) return undefined;
  return new Uint8Array(datagram.subarray(clientRandomAt, clientRandomAt + 32));
}

function uint16(octets: Uint8Array, at: number): number {
  return ((octets[at] ?? 0) << 8) | (octets[at + 1] ?? 0);
}

function uint24(octets: Uint8Array, at: number): number {
  return ((octets[at] ?? 0) << 16) | uint16(octets, at + 1);
}
