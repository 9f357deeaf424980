// DTLS records at the level of octets (RFC 6347 §4.1): where they begin and end, how they are packed into datagrams.
// OpenSSL writes into a memory buffer, which loses the borders of datagrams; the 13-byte headers give them back.
import { concatBytes } from "../../base/bytes.ts";

export const recordHeaderBytes = 13;

export const contentTypes = { changeCipherSpec: 20, alert: 21, handshake: 22, applicationData: 23 } as const;

/** Splits a run of records. What does not continue as a record is left out. */
export function splitRecords(octets: Uint8Array): Uint8Array[] {
  const out: Uint8Array[] = [];
  for (let at = 0; at + recordHeaderBytes <= octets.length; ) {
    const end = at + recordHeaderBytes + uint16(octets, at + 11);
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

/** Whether a datagram begins like one of DTLS 1.0 to 1.2; anything else is not shown to OpenSSL at all. */
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
