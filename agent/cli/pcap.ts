// A packet capture that Wireshark opens: APDUs as GSMTAP (type SIM) to UDP 4729, CoAP as it is inside DTLS to UDP 5683, one after the other. Pure.
// libpcap's file format with LINKTYPE_RAW: packets begin with their IP header.
import { isIPv4, isIPv6 } from "node:net";
import { concatBytes, fromHex } from "../../base/bytes.ts";
import type { TraceLine } from "../api/trace-types.ts";

const linkTypeRaw = 101;
const snapBytes = 262_144;
const gsmtapPort = 4729;
const coapPort = 5683;
/** Of what the trace does not know: the vehicle's own port. */
const ownPort = 49_152;
/** RFC 5737 and RFC 3849: for what has no address in the trace. */
const own = { v4: "192.0.2.1", v6: "2001:db8::1" } as const;
const unknownPeer = "192.0.2.2";
const loopback = "127.0.0.1";

export interface PcapWriter {
  readonly head: Uint8Array;
  /** The packet that a line makes, if any: a command is in that of its response. */
  add(line: TraceLine): Uint8Array;
  /** Commands without a response: they are left out, as a dissector would take their last octets for a status word. */
  readonly unanswered: number;
}

export function createPcap(): PcapWriter {
  /** By channel: a command waits for its response, as the dissector reads both in one. */
  const waiting = new Map<string, TraceLine>();
  let identification = 0;
  let unanswered = 0;
  const packet = (line: TraceLine, from: Endpoint, to: Endpoint, payload: Uint8Array): Uint8Array =>
    record(line.time, ipPacket(from, to, payload, identification++ & 0xffff));
  const apdu = (line: TraceLine, octets: Uint8Array): Uint8Array =>
    packet(line, { address: loopback, port: gsmtapPort }, { address: loopback, port: gsmtapPort }, concatBytes(gsmtapHeader, octets));
  return {
    head: fileHeader(),
    add(line) {
      if (line.octets === undefined || line.octets === "") return new Uint8Array(0);
      if (line.layer === "coap") {
        const [from, to] = endpointsOf(line);
        return packet(line, from, to, octetsOf(line));
      }
      if (line.layer !== "apdu") return new Uint8Array(0);
      const channel = line.peer ?? "";
      if (line.direction === "tx") {
        if (waiting.has(channel)) unanswered++;
        waiting.set(channel, line);
        return new Uint8Array(0);
      }
      const command = waiting.get(channel);
      waiting.delete(channel);
      return command === undefined ? new Uint8Array(0) : apdu(command, concatBytes(octetsOf(command), octetsOf(line)));
    },
    get unanswered() {
      return unanswered + waiting.size;
    },
  };
}

const octetsOf = ({ octets = "" }: TraceLine): Uint8Array => fromHex(octets);

interface Endpoint {
  readonly address: string;
  readonly port: number;
}

function endpointsOf({ peer = "", direction }: TraceLine): readonly [Endpoint, Endpoint] {
  const host = peer.replace(/:\d+$/, "").replace(/^\[|\]$/g, "");
  const address = isIPv4(host) || isIPv6(host) ? host : unknownPeer;
  // The server's port says CoAP, not the one of DTLS it came from, so that it is read as what it is.
  const server = { address, port: coapPort };
  const vehicle = { address: isIPv6(address) ? own.v6 : own.v4, port: ownPort };
  return direction === "tx" ? [vehicle, server] : [server, vehicle];
}

/** Osmocom's GSMTAP: version 2, four words, type SIM; the rest is of radio. */
const gsmtapHeader = Uint8Array.of(2, 4, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0);

function fileHeader(): Uint8Array {
  const view = new DataView(new ArrayBuffer(24));
  view.setUint32(0, 0xa1b2c3d4);
  view.setUint16(4, 2);
  view.setUint16(6, 4);
  view.setUint32(16, snapBytes);
  view.setUint32(20, linkTypeRaw);
  return new Uint8Array(view.buffer);
}

function record(time: string, packet: Uint8Array): Uint8Array {
  const ms = Date.parse(time);
  const view = new DataView(new ArrayBuffer(16));
  view.setUint32(0, Math.floor(ms / 1_000));
  view.setUint32(4, (ms % 1_000) * 1_000);
  view.setUint32(8, packet.length);
  view.setUint32(12, packet.length);
  return concatBytes(new Uint8Array(view.buffer), packet);
}

const udp = 17;

function ipPacket(from: Endpoint, to: Endpoint, payload: Uint8Array, identification: number): Uint8Array {
  const isV6 = isIPv6(to.address) || isIPv6(from.address);
  const addresses = concatBytes(addressOctets(from.address), addressOctets(to.address));
  const datagram = udpDatagram(from.port, to.port, addresses, payload);
  return isV6
    ? concatBytes(ipv6Header(datagram.length), addresses, datagram)
    : concatBytes(ipv4Header(datagram.length, identification, addresses), datagram);
}

/** RFC 791. */
function ipv4Header(length: number, identification: number, addresses: Uint8Array): Uint8Array {
  const out = new Uint8Array(20);
  const view = new DataView(out.buffer);
  view.setUint8(0, 0x45);
  view.setUint16(2, 20 + length);
  view.setUint16(4, identification);
  view.setUint8(8, 64);
  view.setUint8(9, udp);
  out.set(addresses, 12);
  view.setUint16(10, checksum(out));
  return out;
}

/** RFC 8200, without the addresses. */
function ipv6Header(length: number): Uint8Array {
  const view = new DataView(new ArrayBuffer(8));
  view.setUint8(0, 0x60);
  view.setUint16(4, length);
  view.setUint8(6, udp);
  view.setUint8(7, 64);
  return new Uint8Array(view.buffer);
}

/** RFC 768; its checksum covers the addresses too (RFC 8200 §8.1 for the other family, the sum being the same). */
function udpDatagram(fromPort: number, toPort: number, addresses: Uint8Array, payload: Uint8Array): Uint8Array {
  const length = 8 + payload.length;
  const out = new Uint8Array(length);
  const view = new DataView(out.buffer);
  view.setUint16(0, fromPort);
  view.setUint16(2, toPort);
  view.setUint16(4, length);
  out.set(payload, 8);
  const pseudo = Uint8Array.of(0, udp, length >> 8, length & 0xff);
  // Zero means that there is none.
  view.setUint16(6, checksum(concatBytes(addresses, pseudo, out)) || 0xffff);
  return out;
}

/** RFC 1071. */
function checksum(octets: Uint8Array): number {
  let sum = 0;
  for (let at = 0; at < octets.length; at += 2) sum += ((octets[at] ?? 0) << 8) | (octets[at + 1] ?? 0);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}

function addressOctets(address: string): Uint8Array {
  if (isIPv4(address)) return Uint8Array.from(address.split(".").map(Number));
  const [head = "", tail] = address.split("%")[0]?.split("::") ?? [];
  const groups = (text: string): number[] =>
    text
      .split(":")
      .filter((group) => group !== "")
      .flatMap((group) => {
        if (isIPv4(group)) return group.split(".").map(Number);
        const value = Number.parseInt(group, 16);
        return [value >> 8, value & 0xff];
      });
  const before = groups(head);
  const after = tail === undefined ? [] : groups(tail);
  return Uint8Array.from([...before, ...new Array<number>(16 - before.length - after.length).fill(0), ...after]);
}
