// The messages of vici, by which charon is configured and asked (src/libcharon/plugins/vici/README.md of strongSwan): a tree of sections, lists and values in
// packets. Strict and bounded both ways; what charon would not send is refused with its offset. Pure.
import { SimwardError } from "../../base/errors.ts";

/** What is sent: text, octets (certificates, keys), lists of them, sections. */
export interface ViciMessage {
  readonly [name: string]: string | Uint8Array | readonly (string | Uint8Array)[] | ViciMessage;
}

/** What is received: values are text. */
export interface ViciTree {
  readonly [name: string]: string | readonly string[] | ViciTree;
}

export type ViciPacket =
  | { readonly kind: "response"; readonly message: ViciTree }
  | { readonly kind: "commandUnknown" }
  | { readonly kind: "eventConfirm" }
  | { readonly kind: "eventUnknown" }
  | { readonly kind: "event"; readonly name: string; readonly message: ViciTree };

/** charon's own limit of a segment. */
export const maxSegmentBytes = 512 * 1_024;
const maxDepth = 8;
const maxNameBytes = 255;
const maxValueBytes = 65_535;

const packetType = {
  commandRequest: 0,
  commandResponse: 1,
  commandUnknown: 2,
  eventRegister: 3,
  eventUnregister: 4,
  eventConfirm: 5,
  eventUnknown: 6,
  event: 7,
} as const;
const element = { sectionStart: 1, sectionEnd: 2, keyValue: 3, listStart: 4, listItem: 5, listEnd: 6 } as const;

const malformed = (detail: string): SimwardError => new SimwardError("VICI_MESSAGE", { detail });

// --- out ---------------------------------------------------------------------------------------------------------------------------

/** Length and packet. Throws VICI_MESSAGE where something does not fit the protocol. */
export function commandPacket(name: string, message: ViciMessage = {}): Uint8Array {
  return segment(Buffer.concat([Buffer.of(packetType.commandRequest), named(name), encodeMessage(message)]));
}

export function registerPacket(event: string, on: boolean): Uint8Array {
  return segment(Buffer.concat([Buffer.of(on ? packetType.eventRegister : packetType.eventUnregister), named(event)]));
}

export function encodeMessage(message: ViciMessage, depth = 0): Buffer {
  if (depth > maxDepth) throw malformed(`sections deeper than ${maxDepth}`);
  const parts: Buffer[] = [];
  for (const [name, value] of Object.entries(message)) {
    if (typeof value === "string" || value instanceof Uint8Array) parts.push(Buffer.of(element.keyValue), named(name), valued(value));
    else if (isList(value)) {
      parts.push(Buffer.of(element.listStart), named(name));
      for (const item of value) parts.push(Buffer.of(element.listItem), valued(item));
      parts.push(Buffer.of(element.listEnd));
    } else parts.push(Buffer.of(element.sectionStart), named(name), encodeMessage(value, depth + 1), Buffer.of(element.sectionEnd));
  }
  return Buffer.concat(parts);
}

function isList(value: readonly (string | Uint8Array)[] | ViciMessage): value is readonly (string | Uint8Array)[] {
  return Array.isArray(value);
}

function segment(packet: Buffer): Uint8Array {
  if (packet.length > maxSegmentBytes) throw malformed(`a packet of ${packet.length} octets`);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(packet.length);
  return Buffer.concat([length, packet]);
}

function named(name: string): Buffer {
  if (!/^[\x21-\x7e]{1,255}$/.test(name)) throw malformed("a name must be 1 to 255 printable characters");
  return Buffer.concat([Buffer.of(name.length), Buffer.from(name, "ascii")]);
}

function valued(value: string | Uint8Array): Buffer {
  const octets = typeof value === "string" ? Buffer.from(value, "utf8") : Buffer.from(value);
  if (octets.length > maxValueBytes) throw malformed(`a value of ${octets.length} octets`);
  const length = Buffer.alloc(2);
  length.writeUInt16BE(octets.length);
  return Buffer.concat([length, octets]);
}

// --- in ----------------------------------------------------------------------------------------------------------------------------

/** One segment without its length. Throws VICI_MESSAGE. */
export function decodePacket(segmentBytes: Uint8Array): ViciPacket {
  const reader = new Reader(segmentBytes);
  const type = reader.octet("a packet type");
  switch (type) {
    case packetType.commandResponse:
      return { kind: "response", message: decodeTree(reader) };
    case packetType.commandUnknown:
      return reader.ended({ kind: "commandUnknown" });
    case packetType.eventConfirm:
      return reader.ended({ kind: "eventConfirm" });
    case packetType.eventUnknown:
      return reader.ended({ kind: "eventUnknown" });
    case packetType.event: {
      const name = reader.name();
      return { kind: "event", name, message: decodeTree(reader) };
    }
    default:
      throw malformed(`packet type ${type}`);
  }
}

export function decodeMessage(bytes: Uint8Array): ViciTree {
  return decodeTree(new Reader(bytes));
}

/** No prototype: a name may be anything. */
type Growing = Record<string, string | readonly string[] | ViciTree>;
const emptyTree = (): Growing => Object.create(null) as Growing;

function decodeTree(reader: Reader): ViciTree {
  const root = emptyTree();
  const open: Growing[] = [root];
  const add = (name: string, value: Growing[string]): void => {
    const into = open[open.length - 1] ?? root;
    if (Object.hasOwn(into, name)) throw malformed(`${JSON.stringify(name)} comes twice, at ${reader.at}`);
    into[name] = value;
  };
  while (!reader.isAtEnd) {
    const type = reader.octet("an element");
    switch (type) {
      case element.sectionStart: {
        const section = emptyTree();
        add(reader.name(), section);
        if (open.length > maxDepth) throw malformed(`sections deeper than ${maxDepth}, at ${reader.at}`);
        open.push(section);
        break;
      }
      case element.sectionEnd:
        if (open.length === 1) throw malformed(`the end of no section, at ${reader.at}`);
        open.pop();
        break;
      case element.keyValue:
        add(reader.name(), reader.value());
        break;
      case element.listStart:
        add(reader.name(), listItems(reader));
        break;
      default:
        throw malformed(`element ${type}, at ${reader.at}`);
    }
  }
  if (open.length > 1) throw malformed("a section without end");
  return root;
}

function listItems(reader: Reader): readonly string[] {
  const items: string[] = [];
  for (;;) {
    const type = reader.octet("a list's end");
    if (type === element.listEnd) return items;
    if (type !== element.listItem) throw malformed(`element ${type} in a list, at ${reader.at}`);
    items.push(reader.value());
  }
}

class Reader {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get at(): number {
    return this.#at;
  }

  get isAtEnd(): boolean {
    return this.#at === this.#bytes.length;
  }

  octet(what: string): number {
    return this.#take(1, what).readUInt8(0);
  }

  name(): string {
    const length = this.octet("the length of a name");
    const name = this.#take(length, "a name").toString("latin1");
    // Of events and sections that are named by configurations: ours are plain.
    if (length === 0 || length > maxNameBytes || !/^[\x20-\x7e]+$/.test(name)) throw malformed(`a name that is none, at ${this.#at}`);
    return name;
  }

  value(): string {
    const length = this.#take(2, "the length of a value").readUInt16BE(0);
    return this.#take(length, "a value").toString("utf8");
  }

  ended<T>(value: T): T {
    if (!this.isAtEnd) throw malformed(`${this.#bytes.length - this.#at} octets too many`);
    return value;
  }

  #take(length: number, what: string): Buffer {
    if (this.#at + length > this.#bytes.length) throw malformed(`${what} is cut off at ${this.#bytes.length}`);
    this.#at += length;
    return this.#bytes.subarray(this.#at - length, this.#at);
  }
}

/** Cuts a stream of octets into segments, none of them longer than charon's own limit. */
export class Segments {
  #rest: Buffer = Buffer.alloc(0);

  /** Throws VICI_MESSAGE. */
  push(chunk: Uint8Array): readonly Uint8Array[] {
    this.#rest = Buffer.concat([this.#rest, chunk]);
    const whole: Uint8Array[] = [];
    while (this.#rest.length >= 4) {
      const length = this.#rest.readUInt32BE(0);
      if (length === 0 || length > maxSegmentBytes) throw malformed(`a segment of ${length} octets`);
      if (this.#rest.length < 4 + length) break;
      whole.push(this.#rest.subarray(4, 4 + length));
      this.#rest = this.#rest.subarray(4 + length);
    }
    return whole;
  }
}

// --- looking things up -------------------------------------------------------------------------------------------------------------

export function textOf(tree: ViciTree | undefined, name: string): string | undefined {
  const value = tree === undefined || !Object.hasOwn(tree, name) ? undefined : tree[name];
  return typeof value === "string" ? value : undefined;
}

export function listOf(tree: ViciTree | undefined, name: string): readonly string[] {
  const value = tree === undefined || !Object.hasOwn(tree, name) ? undefined : tree[name];
  return typeof value === "object" && Array.isArray(value) ? (value as readonly string[]) : [];
}

export function sectionOf(tree: ViciTree | undefined, name: string): ViciTree | undefined {
  const value = tree === undefined || !Object.hasOwn(tree, name) ? undefined : tree[name];
  return typeof value === "object" && !Array.isArray(value) ? (value as ViciTree) : undefined;
}
