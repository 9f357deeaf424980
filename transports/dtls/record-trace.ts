// What a trace hears of a DTLS association: the records of each datagram by type, epoch, sequence number and length. Never their content.
import { type Trace, traceId } from "../../base/trace.ts";
import { contentTypes, recordHeaderBytes, splitRecords } from "./records.ts";

const names: Readonly<Record<number, string>> = {
  [contentTypes.changeCipherSpec]: "change_cipher_spec",
  [contentTypes.alert]: "alert",
  [contentTypes.handshake]: "handshake",
  [contentTypes.applicationData]: "application_data",
  [contentTypes.tls12Cid]: "tls12_cid",
  [contentTypes.returnRoutabilityCheck]: "return_routability_check",
};

/** More than anybody uses. */
const longestCidBytes = 32;

export interface RecordTrace {
  sent(datagram: Uint8Array): void;
  received(datagram: Uint8Array): void;
}

export function recordTrace(trace: Trace | undefined, peer: string): RecordTrace {
  // What arrives answers what was said last; a socket's reader has no context of its own.
  let last = traceId();
  const note = (direction: "tx" | "rx", datagram: Uint8Array, id: string | undefined): void => {
    if (trace?.wants("dtls") === true) trace.emit("dtls", direction, { text: describeRecords(datagram), peer }, id ?? null);
  };
  return {
    sent(datagram) {
      last = traceId() ?? last;
      note("tx", datagram, last);
    },
    received: (datagram) => note("rx", datagram, last),
  };
}

/** "handshake epoch 0 seq 1 length 220, …" */
export function describeRecords(datagram: Uint8Array): string {
  const records = recordsOf(datagram);
  if (records.length === 0) return `${datagram.length} octets that are no DTLS record`;
  return records.map(describeRecord).join(", ");
}

/** A connection ID (RFC 9146) has no length of its own: it is the one with which the records fill the datagram. */
function recordsOf(datagram: Uint8Array): Uint8Array[] {
  for (let cidBytes = 0; cidBytes <= longestCidBytes; cidBytes++) {
    const records = splitRecords(datagram, cidBytes);
    if (records.reduce((sum, { length }) => sum + length, 0) === datagram.length) return records;
  }
  return splitRecords(datagram);
}

function describeRecord(record: Uint8Array): string {
  const view = new DataView(record.buffer, record.byteOffset, record.byteLength);
  const type = names[view.getUint8(0)] ?? `content type ${view.getUint8(0)}`;
  const seq = view.getUint16(5) * 2 ** 32 + view.getUint32(7);
  return `${type} epoch ${view.getUint16(3)} seq ${seq} length ${record.length - recordHeaderBytes}`;
}
