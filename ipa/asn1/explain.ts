// What `simward package decode` shows: every TLV of an input with path, tag, offset and printable value, by the ASN.1 name of its type.
// It knows no message by itself: names come from the tables, by ipa/messages/registry.ts.
import { bytesToPlmn, swappedBcdToDigits, toHexUpper } from "../../base/bytes.ts";
import { SimwardError } from "../../base/errors.ts";
import { typeByName, typeNames } from "../messages/registry.ts";
import type { BitString, Integer } from "./content.ts";
import { shortened } from "./salvage.ts";
import { decode, encode, type Lenient, type Shape, type Type, type Visit } from "./schema.ts";
import { childrenOf, contentOf, isConstructed, lengthOctets, readOnlyTlv, type Tlv, tagName, tagOctets } from "./tlv.ts";

/** One TLV. The list of them is in the order of the input; `depth` says what is inside what. */
export interface ExplainedTlv {
  /** From the type's name down, e.g. EuiccPackageRequest.euiccPackageSigned.eimId. */
  readonly path: string;
  /** Last part of the path. */
  readonly name: string;
  readonly depth: number;
  readonly tag: number;
  /** As the standards print it: BF51. */
  readonly tagName: string;
  /** Of the tag, in octets from the start of the input. */
  readonly offset: number;
  /** Octets of tag and length. */
  readonly headerLength: number;
  /** Octets of content. */
  readonly length: number;
  /** ASN.1's word for it: SEQUENCE, OCTET STRING … */
  readonly kind: string;
  /** Printable; empty for what has parts. */
  readonly value: string;
  /** A TLV that the type does not know, of a later version or a vendor. */
  readonly unknown: boolean;
  /** How it departs from what simward would write. */
  readonly note: string | undefined;
}

/** Throws ASN1_UNKNOWN_TYPE, and what decoding throws. */
export function explain(typeName: string, bytes: Uint8Array, lenient: Lenient = {}): readonly ExplainedTlv[] {
  return explainAs(typeName, typeByName(typeName), bytes, lenient);
}

/** What could be decoded, and why not all of it could. */
export interface Examination {
  readonly nodes: readonly ExplainedTlv[];
  readonly problem: SimwardError | undefined;
}

/** As explain, but what is wrong with the input is answered, with all that could be read before it. Throws ASN1_UNKNOWN_TYPE. */
export function examine(typeName: string, bytes: Uint8Array, lenient: Lenient = {}): Examination {
  const nodes: ExplainedTlv[] = [];
  try {
    walk(typeName, typeByName(typeName), bytes, lenient, (node) => nodes.push(node));
    return { nodes, problem: undefined };
  } catch (error) {
    if (!(error instanceof SimwardError) || error.code === "ASN1_UNKNOWN_TYPE") throw error;
    if (nodes.length > 0) return { nodes, problem: error };
    return { nodes: upToFault(typeName, bytes, error, lenient), problem: error };
  }
}

/** Of an input that is no one TLV: what is there before its end, or before what follows it. */
function upToFault(typeName: string, bytes: Uint8Array, fault: SimwardError, lenient: Lenient): readonly ExplainedTlv[] {
  const { offset } = fault.data;
  const readable = fault.code === "ASN1_TRAILING" && typeof offset === "number" ? bytes.subarray(0, offset) : shortened(bytes);
  return readable === undefined || readable.length === 0 ? [] : examine(typeName, readable, lenient).nodes;
}

/** Names of types that begin with the input's tag, for one that is cut off or has something behind it; as guessTypes otherwise. */
export function guessTypesOfFaulty(bytes: Uint8Array): readonly string[] {
  try {
    return guessTypes(bytes);
  } catch (error) {
    if (!(error instanceof SimwardError)) throw error;
    const { offset } = error.data;
    const readable = error.code === "ASN1_TRAILING" && typeof offset === "number" ? bytes.subarray(0, offset) : shortened(bytes);
    if (readable === undefined || readable.length === 0) throw error;
    return guessTypes(readable);
  }
}

/** The DER of the value: what was signed stays as it is. Throws ASN1_UNKNOWN_TYPE, and what decoding throws. */
export function reencode(typeName: string, bytes: Uint8Array, lenient: Lenient = {}): Uint8Array {
  const type = typeByName(typeName);
  return encode(type, decode(type, bytes, { name: typeName, lenient }), typeName, { anyTextSize: true });
}

/**
 * Names of types the input can be read as, the likeliest first: no unknown fields, no deviations, then messages before what they are made
 * of. When it can be read as none, the names that begin with its tag. Throws what reading a TLV throws.
 */
export function guessTypes(bytes: Uint8Array): readonly string[] {
  const { tag } = readOnlyTlv(bytes);
  const byType = new Map<Type<unknown>, string>();
  for (const name of typeNames()) {
    const type = typeByName(name);
    const known = byType.get(type);
    if (type.tags.includes(tag) && (known === undefined || likelier(name, known) < 0)) byType.set(type, name);
  }
  const readable: { name: string; strangeness: number }[] = [];
  for (const [type, name] of byType) {
    const strangeness = strangenessAs(name, type, bytes);
    if (strangeness !== undefined) readable.push({ name, strangeness });
  }
  if (readable.length === 0) return [...byType.values()];
  return readable.sort((a, b) => a.strangeness - b.strangeness || likelier(a.name, b.name)).map(({ name }) => name);
}

/** A table for people: offset, tag, name, value, indented by depth. */
export function renderTree(nodes: readonly ExplainedTlv[]): string {
  const offsetWidth = String(nodes.at(-1)?.offset ?? 0).length;
  return nodes
    .map((node) => {
      const what = node.unknown
        ? "not known to this version"
        : node.value === ""
          ? `${node.kind}, ${node.length} octets`
          : clipped(node.value);
      const value = node.unknown && node.value !== "" ? `${clipped(node.value)} (${what})` : what;
      const note = node.note === undefined ? "" : `  ! ${node.note}`;
      return `${String(node.offset).padStart(offsetWidth)}  ${"  ".repeat(Math.min(node.depth, shownDepth))}${node.tagName} ${node.name}: ${value}${note}`;
    })
    .join("\n");
}

const shownCharacters = 128;
/** Deeper than any message; what is deeper still is not indented further. */
const shownDepth = 40;

function clipped(value: string): string {
  return value.length <= shownCharacters ? value : `${value.slice(0, shownCharacters)}… (${value.length} characters)`;
}

/** A message before a CHOICE of messages, SGP.32's before its like on ES9+, a plain name before one with a prefix. */
function likelier(a: string, b: string): number {
  const rank = (name: string): number => {
    if (typeByName(name).shape.kind === "choice") return 3;
    if (name.startsWith("SGP32-")) return 2;
    return name.endsWith("Esipa") ? 0 : 1;
  };
  return rank(a) - rank(b) || (a < b ? -1 : 1);
}

/** How many TLVs the type does not know or would not write so; undefined when it cannot read the input. */
function strangenessAs(name: string, type: Type<unknown>, bytes: Uint8Array): number | undefined {
  let strange = 0;
  try {
    decode(type, bytes, {
      name,
      visit: ({ shape, note }) => {
        if (shape === undefined || note !== undefined) strange++;
      },
    });
    return strange;
  } catch (error) {
    if (!(error instanceof SimwardError)) throw error;
    return undefined;
  }
}

function explainAs(name: string, type: Type<unknown>, bytes: Uint8Array, lenient: Lenient): readonly ExplainedTlv[] {
  const out: ExplainedTlv[] = [];
  walk(name, type, bytes, lenient, (node) => out.push(node));
  return out;
}

function walk(name: string, type: Type<unknown>, bytes: Uint8Array, lenient: Lenient, tell: (node: ExplainedTlv) => void): void {
  const open: Tlv[] = [];
  const add = (tlv: Tlv, visit: Omit<Visit, "tlv">, unknown: boolean): void => {
    while (open.length > 0 && tlv.start >= (open.at(-1)?.end ?? 0)) open.pop();
    tell(describe(tlv, visit, unknown, open.length));
    if (tlv.end > tlv.contentStart) open.push(tlv);
  };
  decode(type, bytes, {
    name,
    lenient,
    visit: (visit) => {
      const { tlv, shape } = visit;
      const unknown = shape === undefined && visit.note === undefined;
      // What the type does not look into is shown as far as it has the form of TLVs.
      const inner = shape?.kind === "any" || unknown ? partsOf(tlv) : undefined;
      add(tlv, inner === undefined ? visit : { ...visit, value: undefined }, unknown);
      for (const part of inner ?? [])
        add(part.tlv, { path: [...visit.path, tagName(part.tlv.tag)], shape: undefined, value: part.value }, unknown);
    },
  });
}

/** All TLVs inside a constructed one, depth first; undefined when it is not made of TLVs. */
function partsOf(tlv: Tlv): readonly { readonly tlv: Tlv; readonly value: Uint8Array | undefined }[] | undefined {
  if (!isConstructed(tlv.tag)) return undefined;
  const out: { tlv: Tlv; value: Uint8Array | undefined }[] = [];
  // A stack instead of recursion: the input says how deep it goes.
  const left: Tlv[] = [];
  const push = (parts: readonly Tlv[]): void => {
    for (const part of parts.toReversed()) left.push(part);
  };
  try {
    push(childrenOf(tlv));
    for (let part = left.pop(); part !== undefined; part = left.pop()) {
      out.push({ tlv: part, value: isConstructed(part.tag) ? undefined : contentOf(part) });
      if (isConstructed(part.tag)) push(childrenOf(part));
    }
    return out;
  } catch (error) {
    if (!(error instanceof SimwardError)) throw error;
    return undefined;
  }
}

function describe(tlv: Tlv, { path, shape, value, note }: Omit<Visit, "tlv">, unknown: boolean, depth: number): ExplainedTlv {
  const name = path.at(-1) ?? "";
  const length = tlv.end - tlv.contentStart;
  const headerLength = tlv.contentStart - tlv.start;
  const shortest = tagOctets(tlv.tag).length + lengthOctets(length).length;
  return {
    path: path.join("."),
    name,
    depth,
    tag: tlv.tag,
    tagName: tagName(tlv.tag),
    offset: tlv.start,
    headerLength,
    length,
    kind: shape === undefined ? "TLV" : kindOf(shape),
    value: printable(shape, value, name, tlv),
    unknown,
    note: note ?? (headerLength > shortest ? "length longer than needed" : undefined),
  };
}

const kinds = {
  octets: "OCTET STRING",
  utf8: "UTF8String",
  integer: "INTEGER",
  namedInteger: "INTEGER",
  boolean: "BOOLEAN",
  null: "NULL",
  oid: "OBJECT IDENTIFIER",
  bitString: "BIT STRING",
  namedBits: "BIT STRING",
  any: "ANY",
  seq: "SEQUENCE",
  seqOf: "SEQUENCE OF",
  choice: "CHOICE",
  tagged: "EXPLICIT",
  signed: "SEQUENCE",
} as const;

function kindOf(shape: Shape): string {
  if (shape.kind === "embedded") return shape.what;
  if (shape.kind === "tagged") return shape.inner.shape.kind === "choice" ? kinds.choice : kinds.tagged;
  if (shape.kind === "time") return shape.tag === 0x17 ? "UTCTime" : "GeneralizedTime";
  return kinds[shape.kind];
}

function printable(shape: Shape | undefined, value: unknown, name: string, tlv: Tlv): string {
  if (value === undefined) return "";
  switch (shape?.kind) {
    case "octets":
      return octetsText(value as Uint8Array, name);
    case "utf8":
      return quoted(value as string);
    case "namedInteger":
      return named(shape.names, value as string | Integer);
    case "namedBits":
      return `{${(value as readonly (string | number)[]).map((bit) => named(shape.names, bit)).join(", ")}}`;
    case "bitString": {
      const { bytes, unusedBits } = value as BitString;
      return `${toHexUpper(bytes)} (${bytes.length * 8 - unusedBits} bits)`;
    }
    case "boolean":
      return value === true ? "TRUE" : "FALSE";
    case "null":
      return "NULL";
    case "integer":
    case "oid":
    case "time":
      return String(value);
    case "embedded":
      return toHexUpper(value as Uint8Array);
    default:
      return toHexUpper(contentOf(tlv));
  }
}

function named(names: Readonly<Record<string, number>>, value: string | Integer): string {
  return typeof value === "string" ? `${value}(${names[value]})` : String(value);
}

/** Text of others goes to a terminal: nothing in it may steer that. */
function quoted(text: string): string {
  return JSON.stringify(text).replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, (character) => {
    const point = character.codePointAt(0) ?? 0;
    return `\\u{${point.toString(16)}}`;
  });
}

const isVersion = /^(svn|highestSvn|lpaSvn|naiSupport|euiccFirmwareVer|.*Version|.*SupportedRelease)$/;

function octetsText(bytes: Uint8Array, name: string): string {
  const hex = toHexUpper(bytes);
  if (name === "eidValue" && bytes.length === 16) return `${hex} (EID)`;
  if (name === "iccid" && bytes.length === 10) return `${hex} (ICCID ${swappedBcdToDigits(bytes)})`;
  if ((name === "mccMnc" || name === "rPLMN") && bytes.length === 3) return `${hex} (PLMN ${bytesToPlmn(bytes)})`;
  if (isVersion.test(name) && bytes.length === 3) return `${hex} (${bytes.join(".")})`;
  return hex;
}
