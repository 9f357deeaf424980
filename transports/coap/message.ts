// One CoAP message (RFC 7252 §3), strictly read and written. The npm package coap-packet does the bytes; what it lets pass is refused here.
import { generate, parse } from "coap-packet";
import { emptyBytes, equalBytes, toHex, uintToBytes } from "../../base/bytes.ts";
import { SimwardError } from "../../base/errors.ts";

export type MessageType = "CON" | "NON" | "ACK" | "RST";

/** Number, allowed length in octets, and whether it may occur more than once. RFC 7252 §5.10, 7959 §2.1 and §4, 9175 §2.2 and §3.2. */
const optionTable = {
  uriHost: { number: 3, min: 1, max: 255, many: false },
  etag: { number: 4, min: 1, max: 8, many: true },
  observe: { number: 6, min: 0, max: 3, many: false },
  uriPort: { number: 7, min: 0, max: 2, many: false },
  locationPath: { number: 8, min: 0, max: 255, many: true },
  uriPath: { number: 11, min: 0, max: 255, many: true },
  contentFormat: { number: 12, min: 0, max: 2, many: false },
  maxAge: { number: 14, min: 0, max: 4, many: false },
  uriQuery: { number: 15, min: 0, max: 255, many: true },
  accept: { number: 17, min: 0, max: 2, many: false },
  locationQuery: { number: 20, min: 0, max: 255, many: true },
  block2: { number: 23, min: 0, max: 3, many: false },
  block1: { number: 27, min: 0, max: 3, many: false },
  size2: { number: 28, min: 0, max: 4, many: false },
  proxyUri: { number: 35, min: 1, max: 1034, many: false },
  proxyScheme: { number: 39, min: 1, max: 255, many: false },
  size1: { number: 60, min: 0, max: 4, many: false },
  echo: { number: 252, min: 1, max: 40, many: false },
  requestTag: { number: 292, min: 0, max: 8, many: true },
} as const;

export type OptionName = keyof typeof optionTable;
export type CoapOptions = Readonly<Partial<Record<OptionName, readonly Uint8Array[]>>>;

const optionNames = new Map<number, OptionName>();
for (const name of Object.keys(optionTable) as OptionName[]) optionNames.set(optionTable[name].number, name);

export interface CoapMessage {
  readonly type: MessageType;
  /** "0.00" is empty, "0.02" POST, "2.05" Content. */
  readonly code: string;
  readonly messageId: number;
  readonly token: Uint8Array;
  readonly options: CoapOptions;
  readonly payload: Uint8Array;
}

export interface ReceivedMessage extends CoapMessage {
  /** Numbers of critical options that are unknown, of a wrong length, or supernumerary: whoever receives them must refuse (RFC 7252 §5.4.1). */
  readonly refusedOptions: readonly number[];
}

export const emptyCode = "0.00";
export const maxTokenBytes = 8;
const maxOptionNumber = 65_535;

const requestCodes = { GET: "0.01", POST: "0.02", PUT: "0.03", DELETE: "0.04" } as const;

export function requestCode(method: keyof typeof requestCodes): string {
  return requestCodes[method];
}

export function methodOf(code: string): keyof typeof requestCodes | undefined {
  return (Object.keys(requestCodes) as (keyof typeof requestCodes)[]).find((method) => requestCodes[method] === code);
}

export function isRequest(message: CoapMessage): boolean {
  return message.code.startsWith("0.") && message.code !== emptyCode;
}

export function isResponse(message: CoapMessage): boolean {
  return !message.code.startsWith("0.");
}

export function isSuccess(message: CoapMessage): boolean {
  return message.code.startsWith("2.");
}

/** Throws COAP_MESSAGE for everything that RFC 7252 §3 calls a message format error. */
export function parseMessage(datagram: Uint8Array): ReceivedMessage {
  const bytes = Buffer.from(datagram.buffer, datagram.byteOffset, datagram.byteLength);
  let packet: ReturnType<typeof parse>;
  try {
    packet = parse(bytes);
    // A CoAP message has exactly one encoding, so what is not written back the same was malformed: cut options, a payload marker without payload …
    const again = generate({ ...packet, options: packet.options.map((option) => ({ ...option })), token: packet.token }, bytes.length);
    if (!equalBytes(again, bytes)) throw malformed(datagram, "its parts do not add up");
  } catch (error) {
    throw error instanceof SimwardError ? error : malformed(datagram, error instanceof Error ? error.message : String(error), error);
  }
  if (packet.token.length > maxTokenBytes) throw malformed(datagram, `a token of ${packet.token.length} octets`);
  if (packet.options.some((option) => optionNumber(option.name) > maxOptionNumber))
    throw malformed(datagram, "an option number above 65535");
  if (!/^[0245]\./.test(packet.code)) throw malformed(datagram, `the reserved code ${packet.code}`);
  const type: MessageType = packet.ack ? "ACK" : packet.reset ? "RST" : packet.confirmable ? "CON" : "NON";
  return {
    type,
    code: packet.code,
    messageId: packet.messageId,
    token: new Uint8Array(packet.token),
    payload: new Uint8Array(packet.payload),
    ...readOptions(packet.options),
  };
}

export function encodeMessage(message: CoapMessage): Uint8Array {
  const options = (Object.keys(message.options) as OptionName[]).flatMap((name) =>
    (message.options[name] ?? []).map((value) => ({ name: String(optionTable[name].number), value: Buffer.from(value) })),
  );
  const packet = {
    code: message.code,
    confirmable: message.type === "CON",
    ack: message.type === "ACK",
    reset: message.type === "RST",
    messageId: message.messageId,
    token: Buffer.from(message.token),
    payload: Buffer.from(message.payload),
    options,
  };
  return new Uint8Array(generate(packet, 65_535));
}

/** An ACK or RST without content (RFC 7252 §4.2). */
export function emptyMessage(type: "ACK" | "RST", messageId: number): Uint8Array {
  return encodeMessage({ type, code: emptyCode, messageId, token: emptyBytes, options: {}, payload: emptyBytes });
}

/** The RST that a malformed confirmable message is rejected with; everything else that is malformed is ignored in silence (RFC 7252 §4.2, §4.3). */
export function rejectionOf(datagram: Uint8Array): Uint8Array | undefined {
  const [first = 0, , high = 0, low = 0] = datagram;
  const confirmableOfVersion1 = datagram.length >= 4 && first >> 4 === 0b0100;
  return confirmableOfVersion1 ? emptyMessage("RST", high * 256 + low) : undefined;
}

/** RFC 7252 §3.2: big-endian without leading zero octets; 0 is the empty string. */
export function encodeUint(value: number): Uint8Array {
  let size = 0;
  for (let rest = value; rest > 0; rest = Math.floor(rest / 256)) size++;
  return uintToBytes(value, size);
}

export function decodeUint(bytes: Uint8Array): number {
  return bytes.reduce((value, byte) => value * 256 + byte, 0);
}

export function uintOption(message: CoapMessage, name: OptionName): number | undefined {
  const value = message.options[name]?.[0];
  return value === undefined ? undefined : decodeUint(value);
}

function readOptions(
  list: readonly { readonly name: string | number; readonly value: Uint8Array }[],
): Pick<ReceivedMessage, "options" | "refusedOptions"> {
  const options: Partial<Record<OptionName, Uint8Array[]>> = {};
  const refusedOptions: number[] = [];
  for (const option of list) {
    const number = optionNumber(option.name);
    const name = optionNames.get(number);
    const row = name === undefined ? undefined : optionTable[name];
    const known = name === undefined ? undefined : options[name];
    const fits = row !== undefined && option.value.length >= row.min && option.value.length <= row.max && (row.many || known === undefined);
    // An option that does not fit counts as unknown, and unknown elective (even) ones are skipped (RFC 7252 §5.4.3, §5.4.5).
    if (fits && name !== undefined) options[name] = [...(known ?? []), new Uint8Array(option.value)];
    else if (number % 2 === 1) refusedOptions.push(number);
  }
  return { options, refusedOptions };
}

/** coap-packet answers some numbers as names of its own. */
const packetOptionNumbers: Readonly<Record<string, number>> = {
  "If-Match": 1,
  "Uri-Host": 3,
  ETag: 4,
  "If-None-Match": 5,
  Observe: 6,
  "Uri-Port": 7,
  "Location-Path": 8,
  OSCORE: 9,
  "Uri-Path": 11,
  "Content-Format": 12,
  "Max-Age": 14,
  "Uri-Query": 15,
  "Hop-Limit": 16,
  Accept: 17,
  "Q-Block1": 19,
  "Location-Query": 20,
  Block2: 23,
  Block1: 27,
  Size2: 28,
  "Q-Block2": 31,
  "Proxy-Uri": 35,
  "Proxy-Scheme": 39,
  Size1: 60,
  "No-Response": 258,
  "OCF-Accept-Content-Format-Version": 2049,
  "OCF-Content-Format-Version": 2053,
};

function optionNumber(name: string | number): number {
  return packetOptionNumbers[name] ?? Number(name);
}

function malformed(datagram: Uint8Array, why: string, cause?: unknown): SimwardError {
  return new SimwardError("COAP_MESSAGE", { detail: `${why} (${datagram.length} octets from ${toHex(datagram.subarray(0, 4))})`, cause });
}
