// One kept entry as the API answers it: a line for people, a tree by the schema tables, octets for the admin; identifiers masked unless asked for.
import { toHexUpper } from "../../base/bytes.ts";
import { asSimwardError } from "../../base/errors.ts";
import { maskIdentifier, maskSecrets, maskText } from "../../base/mask.ts";
import { maskDigits } from "../../base/redact.ts";
import { type ExplainedTlv, examine, guessTypes } from "../../ipa/asn1/explain.ts";
import { parseMessage, type ReceivedMessage } from "../../transports/coap/message.ts";
import type { TraceLine, TraceNode } from "../api/trace-types.ts";
import type { TraceEntry } from "./entry.ts";
import { bodyOf } from "./secrets.ts";

export interface RenderOptions {
  /** Hex, and APDUs inside AT lines. */
  readonly octets: boolean;
  readonly tree: boolean;
  readonly showIds: boolean;
}

/** Names of fields that hold an identifier in binary. */
const identifierFields = /^(eid|eidValue|iccid|imei|imsi|msisdn)$/i;

export function renderEntry(entry: TraceEntry, options: RenderOptions): TraceLine {
  const { octets, traceId, name, peer, note, cutBytes } = entry;
  const masked = options.showIds ? maskSecrets : maskText;
  const decoded = options.tree && octets !== undefined ? treeOf(entry, options.showIds) : undefined;
  return {
    schema: "simward/trace/1",
    seq: entry.seq,
    time: new Date(entry.ms).toISOString(),
    monotonicMs: Math.round(entry.monotonicMs * 10) / 10,
    ...(traceId === undefined ? {} : { traceId }),
    layer: entry.layer,
    direction: entry.direction,
    ...(name === undefined ? {} : { name }),
    ...(peer === undefined ? {} : { peer: masked(peer) }),
    text: masked(summaryOf(entry, options)),
    ...(octets === undefined ? {} : { bytes: octets.length }),
    ...(note === undefined ? {} : { note: masked(note) }),
    ...(cutBytes === 0 ? {} : { cutBytes }),
    ...(options.octets && octets !== undefined ? { octets: toHexUpper(octets) } : {}),
    ...decoded,
  };
}

function summaryOf(entry: TraceEntry, { octets: withOctets }: RenderOptions): string {
  const { layer, direction, octets, text = "", name } = entry;
  switch (layer) {
    case "at":
      return withOctets ? text : text.replace(/[0-9A-Fa-f]{10,}/g, (hex) => (/^\d{14,20}$/.test(hex) ? hex : `<${hex.length / 2} octets>`));
    case "apdu":
      return octets === undefined ? (name ?? "") : direction === "tx" ? commandApdu(octets) : responseApdu(octets);
    case "coap":
      return octets === undefined ? "" : coapMessage(octets);
    case "dtls":
      return text;
    case "es9":
      return `${name ?? ""}${text === "" ? "" : ` ${text.length} characters of JSON`}`;
    default:
      return `${name ?? ""}${octets === undefined ? "" : ` ${octets.length} octets`}`.trim();
  }
}

/** ETSI TS 102 221 §10.1.2, GlobalPlatform §11. */
const instructions: ReadonlyMap<number, string> = new Map([
  [0x70, "MANAGE CHANNEL"],
  [0xa4, "SELECT"],
  [0xaa, "TERMINAL CAPABILITY"],
  [0xb0, "READ BINARY"],
  [0xb2, "READ RECORD"],
  [0xc0, "GET RESPONSE"],
  [0xca, "GET DATA"],
  [0xe2, "STORE DATA"],
  [0xf2, "STATUS"],
]);

function commandApdu(apdu: Uint8Array): string {
  const [, ins = 0, p1 = 0, p2 = 0, p3] = apdu;
  const name = instructions.get(ins) ?? `INS ${hex2(ins)}`;
  return `${name} P1=${hex2(p1)} P2=${hex2(p2)}${p3 === undefined ? "" : ` ${apdu.length > 5 ? "Lc" : "Le"}=${p3}`}`;
}

function responseApdu(apdu: Uint8Array): string {
  const data = Math.max(0, apdu.length - 2);
  return `SW ${toHexUpper(apdu.subarray(data))}${data === 0 ? "" : `, ${data} octets`}`;
}

const hex2 = (value: number): string => value.toString(16).toUpperCase().padStart(2, "0");
const methods: Readonly<Record<string, string>> = { "0.01": "GET", "0.02": "POST", "0.03": "PUT", "0.04": "DELETE", "0.00": "empty" };

function coapMessage(octets: Uint8Array): string {
  let message: ReceivedMessage;
  try {
    message = parseMessage(octets);
  } catch {
    return `${octets.length} octets that are no CoAP message`;
  }
  const { type, code, messageId, token, options, payload } = message;
  const path = (options.uriPath ?? []).map((part) => Buffer.from(part).toString("utf8")).join("/");
  const blocks = (["block1", "block2"] as const).flatMap((name) => {
    const [value] = options[name] ?? [];
    return value === undefined ? [] : [`${name} ${blockText(value)}`];
  });
  return [
    ...[type, methods[code] ?? code, ...(path === "" ? [] : [`/${path}`]), `mid ${messageId}`],
    ...(token.length === 0 ? [] : [`token ${toHexUpper(token)}`]),
    ...[...blocks, ...(payload.length === 0 ? [] : [`${payload.length} octets`])],
  ].join(" ");
}

/** number/more/size, as RFC 7959 writes it. */
function blockText(value: Uint8Array): string {
  const bits = value.reduce((sum, octet) => sum * 256 + octet, 0);
  return `${Math.floor(bits / 16)}/${(bits >> 3) & 1}/${2 ** ((bits & 7) + 4)}`;
}

type Decoded = Pick<TraceLine, "type" | "tree" | "problem">;

function treeOf({ layer, direction, octets = new Uint8Array(0), type }: TraceEntry, showIds: boolean): Decoded | undefined {
  if (layer === "apdu" || layer === "coap" || layer === "at") {
    const body = octets.subarray(...bodyOf(layer, direction, octets));
    return layer === "at" || body.length === 0 ? undefined : wholeOnly(body, showIds);
  }
  const name = type ?? (layer === "esipa" || layer === "https" ? (direction === "tx" ? fromIpa : fromEim) : undefined);
  if (octets.length === 0 || octets[0] === 0x7b) return undefined;
  return decodedAs(name ?? likeliest(octets), octets, showIds);
}

const fromIpa = "EsipaMessageFromIpaToEim";
const fromEim = "EsipaMessageFromEimToIpa";

/** Blocks of a longer whole are no message: nothing is said of them. */
function wholeOnly(body: Uint8Array, showIds: boolean): Decoded | undefined {
  const name = likeliest(body);
  const decoded = name === undefined ? undefined : decodedAs(name, body, showIds);
  return decoded?.problem === undefined ? decoded : undefined;
}

function likeliest(octets: Uint8Array): string | undefined {
  try {
    return guessTypes(octets)[0];
  } catch (error) {
    asSimwardError(error);
    return undefined;
  }
}

function decodedAs(name: string | undefined, octets: Uint8Array, showIds: boolean): Decoded | undefined {
  if (name === undefined) return undefined;
  const { nodes, problem } = examine(name, octets, { bareKeyOrCertificate: true });
  return {
    type: name,
    tree: nodes.map((node) => nodeOf(node, showIds)),
    ...(problem === undefined ? {} : { problem: showIds ? problem.message : maskText(problem.message) }),
  };
}

/** A certificate is hex here, and has the EID in its subject. */
function maskedValue(value: string): string {
  return /^[0-9A-F]{14,}\b/.test(value) ? maskDigits(value) : maskText(value);
}

function nodeOf(node: ExplainedTlv, showIds: boolean): TraceNode {
  const { path, name, depth, tagName, offset, length, kind, value, note } = node;
  const shown =
    showIds || value === "" ? value : identifierFields.test(name) ? maskIdentifier(value.split(" ")[0] ?? "") : maskedValue(value);
  return { ...{ path, name, depth, tag: tagName, offset, length, kind, value: shown }, ...(note === undefined ? {} : { note }) };
}
