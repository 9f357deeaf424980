// ASN.1 types as values: each knows its tags, decodes, encodes DER, and can be walked by tools (its `shape`).
// TypeScript types are inferred from them. Unknown extension fields are skipped; refusals name path and byte offset.
import { concatBytes, equalBytes, utf8 as toUtf8 } from "../../base/bytes.ts";
import { type ErrorCode, SimwardError } from "../../base/errors.ts";
import {
  childrenOf,
  contentOf,
  isConstructed,
  onlyChildOf,
  rawOf,
  readOnlyTlv,
  readTlv,
  retag,
  type Tlv,
  tagName,
  writeTlv,
} from "./tlv.ts";

/** What a walk over an input sees; composite types are reported before their parts. */
export interface Visit {
  readonly path: readonly string[];
  readonly tlv: Tlv;
  readonly shape: Shape | undefined;
  /** Only for types without parts. */
  readonly value: unknown;
}

export interface Context {
  readonly path: readonly string[];
  readonly visit: ((visit: Visit) => void) | undefined;
}

/** How a type is made, for generators and printers. */
export type Shape =
  | { readonly kind: "octets"; readonly min: number; readonly max: number }
  | { readonly kind: "utf8"; readonly min: number; readonly max: number }
  | { readonly kind: "integer" | "boolean" | "null" | "oid" | "bitString" | "any" | "time" }
  | { readonly kind: "embedded"; readonly what: EmbeddedKind }
  | { readonly kind: "namedInteger"; readonly names: Readonly<Record<string, number>> }
  | { readonly kind: "namedBits"; readonly names: Readonly<Record<string, number>> }
  | { readonly kind: "seq"; readonly fields: Fields }
  | { readonly kind: "seqOf"; readonly item: Type<unknown> }
  | { readonly kind: "choice"; readonly alternatives: Alternatives; readonly extensible: boolean }
  | { readonly kind: "tagged" | "signed"; readonly inner: Type<unknown> };

export interface Type<T> {
  /** Tags a value may begin with; empty means any. */
  readonly tags: readonly number[];
  readonly shape: Shape;
  /** Decodes a TLV whose tag the caller has matched. */
  readonly read: (tlv: Tlv, context: Context) => T;
  readonly write: (value: T, path: readonly string[]) => Uint8Array;
}

export type Infer<S> = S extends Type<infer T> ? T : never;

/** A part of a SEQUENCE that may be absent. */
export interface OptionalField<T> {
  readonly optional: Type<T>;
}
/** A part of a SEQUENCE with a DEFAULT: absent in DER when it has that value. */
export interface DefaultField<T> {
  readonly type: Type<T>;
  readonly default: T;
}
// biome-ignore lint/suspicious/noExplicitAny: a table of fields holds types of every kind; `any` is what lets inference see each.
export type AnyType = Type<any>;
// biome-ignore lint/suspicious/noExplicitAny: as above.
export type Field = AnyType | OptionalField<any> | DefaultField<any>;
export type Fields = Readonly<Record<string, Field>>;
export type Alternatives = Readonly<Record<string, AnyType>>;

type OptionalKeys<F extends Fields> = { [K in keyof F]: F[K] extends { optional: unknown } ? K : never }[keyof F];
type FieldValue<F> = F extends OptionalField<infer T> ? T : F extends DefaultField<infer T> ? T : F extends Type<infer T> ? T : never;
export type SeqValue<F extends Fields> = { readonly [K in Exclude<keyof F, OptionalKeys<F>>]: FieldValue<F[K]> } & {
  readonly [K in OptionalKeys<F>]?: FieldValue<F[K]> | undefined;
};
export type ChoiceValue<A extends Alternatives> = { [K in keyof A & string]: { readonly kind: K; readonly value: Infer<A[K]> } }[keyof A &
  string];
export interface UnknownChoice {
  readonly kind: "unknown";
  /** The whole TLV. */
  readonly value: Uint8Array;
}

/** A value together with the octets it was read from, which are what its signature covers. */
export interface Signed<T> {
  readonly value: T;
  readonly raw: Uint8Array;
}

/** INTEGERs are numbers while they are safe as such, else bigint. */
export type Integer = number | bigint;

const maxDepth = 32;
const root: Context = { path: [], visit: undefined };

// --- entry points -----------------------------------------------------------------------------------------------------------

export interface DecodeOptions {
  /** Names the value in refusals and walks. */
  readonly name?: string;
  readonly visit?: (visit: Visit) => void;
}

/** Decodes exactly one value. Throws the ASN1_ errors, with path and byte offset in `detail`. */
export function decode<T>(type: Type<T>, source: Uint8Array, options: DecodeOptions = {}): T {
  const tlv = readOnlyTlv(source);
  const path = options.name === undefined ? [] : [options.name];
  return readAs(type, tlv, { ...root, path, visit: options.visit });
}

/** DER. Throws ASN1_ENCODE with the path of the offending field. */
export function encode<T>(type: Type<T>, value: T, name?: string): Uint8Array {
  return type.write(value, name === undefined ? [] : [name]);
}

/** Makes a signed part out of a value of our own: encoded once, and those octets are what is signed and sent. */
export function sealed<T>(type: Type<Signed<T>>, value: T): Signed<T> {
  const inner = type.shape.kind === "signed" ? (type.shape.inner as Type<T>) : undefined;
  if (inner === undefined) throw new SimwardError("ASN1_ENCODE", { detail: "not a signed type" });
  return { value, raw: inner.write(value, []) };
}

// --- primitive types --------------------------------------------------------------------------------------------------------

interface Size {
  readonly min?: number;
  readonly max?: number;
}

export function octets(tag = 0x04, size: Size = {}): Type<Uint8Array> {
  const { min = 0, max = Number.POSITIVE_INFINITY } = size;
  return primitive<Uint8Array>(
    tag,
    { kind: "octets", min, max },
    (content, fail) => {
      if (content.length < min || content.length > max) fail("ASN1_VALUE", `${content.length} octets, allowed ${range(min, max)}`);
      return content.slice();
    },
    (value, fail) => {
      if (value.length < min || value.length > max) fail(`${value.length} octets, allowed ${range(min, max)}`);
      return value;
    },
  );
}

/** Size in characters, as ASN.1 counts them. */
export function utf8String(tag = 0x0c, size: Size = {}): Type<string> {
  const { min = 0, max = Number.POSITIVE_INFINITY } = size;
  const checkSize = (text: string, fail: (reason: string) => never): void => {
    const length = [...text].length;
    if (length < min || length > max) fail(`${length} characters, allowed ${range(min, max)}`);
  };
  return primitive(
    tag,
    { kind: "utf8", min, max },
    (content, fail) => {
      let text: string;
      try {
        text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(content);
      } catch {
        return fail("ASN1_VALUE", "not UTF-8");
      }
      checkSize(text, (reason) => fail("ASN1_VALUE", reason));
      return text;
    },
    (value, fail) => {
      checkSize(value, fail);
      return toUtf8(value);
    },
  );
}

export function boolean(tag = 0x01): Type<boolean> {
  return primitive(
    tag,
    { kind: "boolean" },
    (content, fail) => {
      if (content.length !== 1) fail("ASN1_VALUE", `a BOOLEAN of ${content.length} octets`);
      return content[0] !== 0;
    },
    (value) => Uint8Array.of(value ? 0xff : 0x00),
  );
}

/** NULL; its value is `true`, so that an optional one reads as a flag. */
export function nullType(tag = 0x05): Type<true> {
  return primitive(
    tag,
    { kind: "null" },
    (content, fail) => {
      if (content.length !== 0) fail("ASN1_VALUE", `a NULL of ${content.length} octets`);
      return true as const;
    },
    () => new Uint8Array(0),
  );
}

export function integer(tag = 0x02): Type<Integer> {
  return primitive(tag, { kind: "integer" }, readInteger, integerContent);
}

/** INTEGER with named numbers: the name, or the number where it has none. */
export function namedInteger<const N extends Readonly<Record<string, number>>>(names: N, tag = 0x02): Type<(keyof N & string) | Integer> {
  const byNumber = new Map(Object.entries(names).map(([name, number]) => [number, name as keyof N & string]));
  return primitive<(keyof N & string) | Integer>(
    tag,
    { kind: "namedInteger", names },
    (content, fail) => {
      const value = readInteger(content, fail);
      return typeof value === "number" ? (byNumber.get(value) ?? value) : value;
    },
    (value, fail) => {
      const number = typeof value === "string" ? names[value] : value;
      if (number === undefined) return fail(`${JSON.stringify(value)} is none of ${Object.keys(names).join(", ")}`);
      return integerContent(number, fail);
    },
  );
}

export function oid(tag = 0x06): Type<string> {
  return primitive(tag, { kind: "oid" }, readOid, oidContent);
}

/** BIT STRING with named bits: the names of the bits set, or their numbers where they have none, ascending. */
export function namedBits<const N extends Readonly<Record<string, number>>>(
  names: N,
  tag = 0x03,
): Type<readonly ((keyof N & string) | number)[]> {
  const byNumber = new Map(Object.entries(names).map(([name, number]) => [number, name as keyof N & string]));
  return primitive<readonly ((keyof N & string) | number)[]>(
    tag,
    { kind: "namedBits", names },
    (content, fail) => {
      const { bytes } = readBitString(content, fail);
      const set: ((keyof N & string) | number)[] = [];
      for (let bit = 0; bit < bytes.length * 8; bit++)
        if (((bytes[bit >> 3] ?? 0) & (0x80 >> (bit & 7))) !== 0) set.push(byNumber.get(bit) ?? bit);
      return set;
    },
    (value, fail) => {
      const numbers = value.map((bit) =>
        typeof bit === "number" ? bit : (names[bit] ?? fail(`${JSON.stringify(bit)} is none of ${Object.keys(names).join(", ")}`)),
      );
      if (numbers.length === 0) return Uint8Array.of(0);
      const last = Math.max(...numbers);
      const out = new Uint8Array(2 + (last >> 3));
      out[0] = 7 - (last & 7);
      for (const bit of numbers) out[1 + (bit >> 3)] = (out[1 + (bit >> 3)] ?? 0) | (0x80 >> (bit & 7));
      return out;
    },
  );
}

/** UTCTime (17) or GeneralizedTime (18) as written, e.g. 250131235959Z. */
export function time(tag: 0x17 | 0x18): Type<string> {
  const pattern = tag === 0x17 ? /^\d{10}(\d\d)?(Z|[+-]\d{4})$/ : /^\d{10}(\d\d){0,2}([.,]\d+)?(Z|[+-]\d{4})?$/;
  return primitive(
    tag,
    { kind: "time" },
    (content, fail) => {
      const text = String.fromCharCode(...content.subarray(0, 32));
      return content.length <= 32 && pattern.test(text) ? text : fail("ASN1_VALUE", "not a time");
    },
    (value, fail) => (value.length <= 32 && pattern.test(value) ? toUtf8(value) : fail(`${JSON.stringify(value)} is not a time`)),
  );
}

export interface BitString {
  readonly bytes: Uint8Array;
  readonly unusedBits: number;
}

/** BIT STRING without names: every bit counts, trailing zeros too. */
export function bitString(tag = 0x03): Type<BitString> {
  return primitive(tag, { kind: "bitString" }, readBitString, ({ bytes, unusedBits }) => concatBytes(Uint8Array.of(unusedBits), bytes));
}

/** A TLV of any tag, kept whole. */
export function anyType(): Type<Uint8Array> {
  return {
    tags: [],
    shape: { kind: "any" },
    read: (tlv, context) => {
      const raw = rawOf(tlv).slice();
      context.visit?.({ path: context.path, tlv, shape: { kind: "any" }, value: raw });
      return raw;
    },
    write: (value, path) => {
      try {
        return rawOf(readOnlyTlv(value));
      } catch (error) {
        throw new SimwardError("ASN1_ENCODE", { detail: `${show(path)}: not one TLV`, cause: error });
      }
    },
  };
}

export type EmbeddedKind = "Certificate" | "SubjectPublicKeyInfo" | "CertificateList";

/**
 * A structure of X.509 (RFC 5280), carried as the octets of its ordinary DER, which begin with 30, whatever tag it travels under.
 * Under a context tag some peers nest the 30 inside instead of replacing it; both are read.
 */
export function embedded(what: EmbeddedKind, tag = 0x30): Type<Uint8Array> {
  const shape: Shape = { kind: "embedded", what };
  return {
    tags: [tag],
    shape,
    read: (tlv, context) => {
      const inner = tag === 0x30 ? undefined : onlyChildOf(tlv);
      const value = inner?.tag === 0x30 ? rawOf(inner).slice() : swapTag(rawOf(tlv), 0x30);
      if (childrenOf(readTlv(value)).length < 2) fail("ASN1_VALUE", context.path, tlv.start, `this is no ${what}`);
      context.visit?.({ path: context.path, tlv, shape, value });
      return value;
    },
    write: (value, path) => {
      if (value[0] !== 0x30) throw new SimwardError("ASN1_ENCODE", { detail: `${show(path)}: a ${what} begins with 30` });
      return swapTag(value, tag);
    },
  };
}

// --- composite types --------------------------------------------------------------------------------------------------------

export function optional<T>(type: Type<T>): OptionalField<T> {
  return { optional: type };
}

export function withDefault<T>(type: Type<T>, value: NoInfer<T>): DefaultField<T> {
  return { type, default: value };
}

/** SEQUENCE. */
export function seq<F extends Fields>(fields: F, tag = 0x30): Type<SeqValue<F>> {
  const shape: Shape = { kind: "seq", fields };
  const parts = Object.entries(fields).map(([name, field]) => ({ name, field, type: fieldType(field) }));
  return {
    tags: [tag],
    shape,
    read: (tlv, context) => {
      context.visit?.({ path: context.path, tlv, shape, value: undefined });
      const values: Record<string, unknown> = {};
      let next = 0;
      for (const child of childrenWithin(tlv, context)) {
        let at = parts.findIndex((part, index) => index >= next && accepts(part.type, child.tag));
        // The order of optional parts is fixed, but some cards do not keep to it.
        if (at < 0) at = parts.findIndex((part) => !(part.name in values) && accepts(part.type, child.tag));
        const part = parts[at];
        if (part === undefined) {
          if (parts.some((known) => known.type.tags.includes(child.tag)) && child.tag !== 0x30) {
            fail("ASN1_TAG", context.path, child.start, `${tagName(child.tag)} appears twice`);
          }
          context.visit?.({ path: [...context.path, "(unknown)"], tlv: child, shape: undefined, value: rawOf(child) });
          continue;
        }
        values[part.name] = readAs(part.type, child, deeper(context, part.name, child));
        next = Math.max(next, at + 1);
      }
      for (const { name, field } of parts) {
        if (name in values || "optional" in field) continue;
        if ("default" in field) values[name] = field.default;
        else fail("ASN1_MISSING", [...context.path, name], tlv.start, `expected ${expected(field)}`);
      }
      return values as SeqValue<F>;
    },
    write: (value, path) => {
      const source = value as Readonly<Record<string, unknown>>;
      const out: Uint8Array[] = [];
      for (const { name, field, type } of parts) {
        const item = source[name];
        const at = [...path, name];
        if (item === undefined) {
          if ("optional" in field || "default" in field) continue;
          throw new SimwardError("ASN1_ENCODE", { detail: `${show(at)}: missing` });
        }
        const bytes = type.write(item, at);
        if ("default" in field && equalBytes(bytes, type.write(field.default, at))) continue;
        out.push(bytes);
      }
      return writeTlv(tag, ...out);
    },
  };
}

/** SEQUENCE OF. */
export function seqOf<T>(item: Type<T>, tag = 0x30): Type<readonly T[]> {
  const shape: Shape = { kind: "seqOf", item: item as Type<unknown> };
  return {
    tags: [tag],
    shape,
    read: (tlv, context) => {
      context.visit?.({ path: context.path, tlv, shape, value: undefined });
      return childrenWithin(tlv, context).map((child, index) => readAs(item, child, deeper(context, String(index), child)));
    },
    write: (value, path) => writeTlv(tag, ...value.map((one, index) => item.write(one, [...path, String(index)]))),
  };
}

/** CHOICE, decoded to `{ kind, value }`. */
export function choice<A extends Alternatives>(alternatives: A): Type<ChoiceValue<A>> {
  return makeChoice(alternatives, false) as Type<ChoiceValue<A>>;
}

/** CHOICE in which an alternative of a later version is kept as `{ kind: "unknown", value: TLV }`. */
export function extensibleChoice<A extends Alternatives>(alternatives: A): Type<ChoiceValue<A> | UnknownChoice> {
  return makeChoice(alternatives, true) as Type<ChoiceValue<A> | UnknownChoice>;
}

function makeChoice(alternatives: Alternatives, extensible: boolean): Type<{ readonly kind: string; readonly value: unknown }> {
  const shape: Shape = { kind: "choice", alternatives, extensible };
  const parts = Object.entries(alternatives);
  return {
    tags: extensible ? [] : parts.flatMap(([, type]) => type.tags),
    shape,
    read: (tlv, context) => {
      for (const [kind, type] of parts) {
        if (accepts(type, tlv.tag)) return { kind, value: readAs(type, tlv, { ...context, path: [...context.path, kind] }) };
      }
      if (!extensible)
        fail(
          "ASN1_TAG",
          context.path,
          tlv.start,
          `${tagName(tlv.tag)}, expected one of ${parts.map(([, type]) => expected(type)).join(", ")}`,
        );
      const raw = rawOf(tlv).slice();
      context.visit?.({ path: [...context.path, "(unknown)"], tlv, shape: undefined, value: raw });
      return { kind: "unknown", value: raw };
    },
    write: ({ kind, value }, path) => {
      const type = alternatives[kind];
      if (type !== undefined) return type.write(value, [...path, kind]);
      if (extensible && kind === "unknown" && value instanceof Uint8Array) return value;
      throw new SimwardError("ASN1_ENCODE", {
        detail: `${show(path)}: ${JSON.stringify(kind)} is none of ${Object.keys(alternatives).join(", ")}`,
      });
    },
  };
}

/** [tag] IMPLICIT T: the tag takes the place of T's own. */
export function implicit<T>(tag: number, inner: Type<T>): Type<T> {
  return {
    tags: [tag],
    shape: { kind: "tagged", inner: inner as Type<unknown> },
    read: (tlv, context) => inner.read(unnest(tlv, inner), context),
    write: (value, path) => retag(inner.write(value, path), tag),
  };
}

/** [tag] EXPLICIT T: T's whole TLV inside; this is how ASN.1 tags an untagged CHOICE. */
export function explicit<T>(tag: number, inner: Type<T>): Type<T> {
  const shape: Shape = { kind: "tagged", inner: inner as Type<unknown> };
  return {
    tags: [tag],
    shape,
    read: (outer, context) => {
      let tlv = outer;
      for (let child = onlyChildOf(tlv); child !== undefined && child.tag === tag; child = onlyChildOf(tlv)) tlv = child;
      context.visit?.({ path: context.path, tlv, shape, value: undefined });
      const [child, second] = childrenWithin(tlv, context);
      if (child === undefined)
        return fail("ASN1_MISSING", context.path, tlv.contentStart, `expected ${expected(inner)} in ${tagName(tag)}`);
      if (!accepts(inner, child.tag)) fail("ASN1_TAG", context.path, child.start, `${tagName(child.tag)}, expected ${expected(inner)}`);
      if (second !== undefined)
        context.visit?.({ path: [...context.path, "(unknown)"], tlv: second, shape: undefined, value: rawOf(second) });
      return inner.read(child, { ...context, path: context.path });
    },
    write: (value, path) => writeTlv(tag, inner.write(value, path)),
  };
}

/** Reads the value under other tags as well, which peers in the field are known to send; writes its own. */
export function alsoTag<T>(type: Type<T>, ...others: readonly number[]): Type<T> {
  return { ...type, tags: [...type.tags, ...others] };
}

/** Keeps, beside the value, the octets it was read from; writes those. */
export function signed<T>(inner: Type<T>): Type<Signed<T>> {
  return {
    tags: inner.tags,
    shape: { kind: "signed", inner: inner as Type<unknown> },
    read: (tlv, context) => ({ value: inner.read(tlv, context), raw: rawOf(tlv).slice() }),
    write: (value) => value.raw,
  };
}

// --- details ----------------------------------------------------------------------------------------------------------------

function readAs<T>(type: Type<T>, tlv: Tlv, context: Context): T {
  if (!accepts(type, tlv.tag)) return fail("ASN1_TAG", context.path, tlv.start, `${tagName(tlv.tag)}, expected ${expected(type)}`);
  return type.read(collapse(tlv), context);
}

/**
 * Some compilers repeat the tag where a tagged CHOICE is tagged again: BFxx{BFxx{…}}. The standard's form has it once; both are read
 * when the inner one fills the outer one.
 */
function collapse(tlv: Tlv): Tlv {
  let out = tlv;
  while (out.tag > 0xff && isConstructed(out.tag)) {
    const child = onlyChildOf(out);
    if (child === undefined || child.tag !== out.tag) break;
    out = child;
  }
  return out;
}

/** The same hazard where the outer tag differs: A1{BF41{…}} for A1{…}. */
function unnest<T>(tlv: Tlv, inner: Type<T>): Tlv {
  const child = onlyChildOf(tlv);
  return child !== undefined && child.tag > 0xff && inner.tags.length === 1 && inner.tags[0] === child.tag ? child : tlv;
}

function primitive<T>(
  tag: number,
  shape: Shape,
  read: (content: Uint8Array, fail: (code: ErrorCode, reason: string) => never) => T,
  write: (value: T, fail: (reason: string) => never) => Uint8Array,
): Type<T> {
  return {
    tags: [tag],
    shape,
    read: (tlv, context) => {
      const value = read(contentOf(tlv), (code, reason) => fail(code, context.path, tlv.start, reason));
      context.visit?.({ path: context.path, tlv, shape, value });
      return value;
    },
    write: (value, path) =>
      writeTlv(
        tag,
        write(value, (reason) => {
          throw new SimwardError("ASN1_ENCODE", { detail: `${show(path)}: ${reason}` });
        }),
      ),
  };
}

function accepts(type: AnyType, tag: number): boolean {
  return type.tags.length === 0 || type.tags.includes(tag);
}

function fieldType(field: Field): AnyType {
  if ("optional" in field) return field.optional;
  return "default" in field ? field.type : field;
}

function childrenWithin(tlv: Tlv, context: Context): Tlv[] {
  try {
    return childrenOf(tlv);
  } catch (error) {
    if (error instanceof SimwardError)
      throw new SimwardError(error.code, { detail: `${show(context.path)} ${error.detail ?? ""}`, data: error.data });
    throw error;
  }
}

function deeper(context: Context, name: string, tlv: Tlv): Context {
  if (context.path.length >= maxDepth) fail("ASN1_DEPTH", context.path, tlv.start, `more than ${maxDepth} levels`);
  return { ...context, path: [...context.path, name] };
}

function expected(field: Field): string {
  const { tags } = fieldType(field);
  return tags.length === 0 ? "a TLV" : tags.map(tagName).join(" or ");
}

function show(path: readonly string[]): string {
  return path.length === 0 ? "value" : path.join(".");
}

function range(min: number, max: number): string {
  if (min === max) return String(min);
  return max === Number.POSITIVE_INFINITY ? `${min} or more` : `${min} to ${max}`;
}

function fail(code: ErrorCode, path: readonly string[], offset: number, reason: string): never {
  throw new SimwardError(code, { detail: `${show(path)} at offset ${offset}: ${reason}`, data: { path: path.join("."), offset } });
}

function swapTag(raw: Uint8Array, tag: number): Uint8Array {
  const out = raw.slice();
  out[0] = tag;
  return out;
}

type Refuse = (code: ErrorCode, reason: string) => never;

function readInteger(content: Uint8Array, refuse: Refuse): Integer {
  if (content.length === 0) refuse("ASN1_VALUE", "an INTEGER without octets");
  if (content.length > 64) refuse("ASN1_VALUE", `an INTEGER of ${content.length} octets`);
  let value = 0n;
  for (const octet of content) value = (value << 8n) | BigInt(octet);
  if ((content[0] ?? 0) & 0x80) value -= 1n << BigInt(content.length * 8);
  return value >= BigInt(Number.MIN_SAFE_INTEGER) && value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : value;
}

function integerContent(value: Integer, refuse: (reason: string) => never): Uint8Array {
  if (typeof value === "number" && !Number.isSafeInteger(value)) return refuse(`${value} is no INTEGER`);
  const out: number[] = [];
  let rest = BigInt(value);
  for (;;) {
    const octet = Number(rest & 0xffn);
    out.unshift(octet);
    rest >>= 8n;
    if ((rest === 0n && octet < 0x80) || (rest === -1n && octet >= 0x80)) return Uint8Array.from(out);
  }
}

function readBitString(content: Uint8Array, refuse: Refuse): BitString {
  const unusedBits = content[0];
  if (unusedBits === undefined) return refuse("ASN1_VALUE", "a BIT STRING without octets");
  if (unusedBits > 7 || (unusedBits > 0 && content.length === 1))
    refuse("ASN1_VALUE", `a BIT STRING with ${unusedBits} unused bits in ${content.length - 1} octets`);
  const bytes = content.slice(1);
  const last = bytes.length - 1;
  // Unused bits carry no meaning; some cards do not clear them.
  if (last >= 0) bytes[last] = (bytes[last] ?? 0) & (0xff << unusedBits);
  return { bytes, unusedBits };
}

function readOid(content: Uint8Array, refuse: Refuse): string {
  if (content.length === 0 || content.length > 128) refuse("ASN1_VALUE", `an OBJECT IDENTIFIER of ${content.length} octets`);
  if (((content[content.length - 1] ?? 0) & 0x80) !== 0) refuse("ASN1_VALUE", "an OBJECT IDENTIFIER that ends in the middle of an arc");
  const arcs: bigint[] = [];
  let arc = 0n;
  let begins = true;
  for (const octet of content) {
    if (begins && octet === 0x80) refuse("ASN1_VALUE", "an OBJECT IDENTIFIER arc with a leading zero");
    arc = (arc << 7n) | BigInt(octet & 0x7f);
    begins = (octet & 0x80) === 0;
    if (!begins) continue;
    if (arcs.length === 0) {
      const first = arc < 40n ? 0n : arc < 80n ? 1n : 2n;
      arcs.push(first, arc - first * 40n);
    } else arcs.push(arc);
    arc = 0n;
  }
  return arcs.join(".");
}

function oidContent(value: string, refuse: (reason: string) => never): Uint8Array {
  if (!/^[0-2](\.(0|[1-9]\d*))+$/.test(value)) return refuse(`${JSON.stringify(value)} is no OBJECT IDENTIFIER`);
  const [first = 0n, second = 0n, ...rest] = value.split(".").map(BigInt);
  if (first < 2n && second > 39n) return refuse(`${JSON.stringify(value)} is no OBJECT IDENTIFIER`);
  const out: number[] = [];
  for (const arc of [first * 40n + second, ...rest]) {
    const septets: number[] = [];
    let left = arc;
    do {
      septets.unshift(Number(left & 0x7fn) | (septets.length === 0 ? 0 : 0x80));
      left >>= 7n;
    } while (left > 0n);
    out.push(...septets);
  }
  return Uint8Array.from(out);
}
