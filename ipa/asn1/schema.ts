// ASN.1 types as values: each knows its tags, decodes, encodes DER, and can be walked by tools (its `shape`).
// TypeScript types are inferred from them. Unknown extension fields are skipped; refusals name path and byte offset.
import { equalBytes } from "../../base/bytes.ts";
import { SimwardError } from "../../base/errors.ts";
import {
  type BitString,
  bitStringContent,
  bitsContent,
  charactersOf,
  type Integer,
  integerContent,
  oidContent,
  type RefuseRead,
  type RefuseWrite,
  readBitString,
  readBits,
  readInteger,
  readOid,
  readTime,
  readUtf8,
  type TimeTag,
  timeContent,
  utf8Content,
} from "./content.ts";
import { type EmbeddedKind, isStructure } from "./embedded.ts";
import { childrenAt, fail, failToWrite, located, range, wholeTlv } from "./refuse.ts";
import { contentOf, onlyChildOf, rawOf, readOnlyTlv, retag, type Tlv, tagName, writeTlv, writeTlvOf } from "./tlv.ts";

/** What a walk over an input sees; composite types are reported before their parts. */
export interface Visit {
  readonly path: readonly string[];
  readonly tlv: Tlv;
  /** Absent for a TLV that the type does not know. */
  readonly shape: Shape | undefined;
  /** Only for types without parts. */
  readonly value: unknown;
  /** How the input departs from what we would write. */
  readonly note?: string;
}

/** Deviations seen in the field that are not read unless asked for, since they could hide a mistake. */
export interface Lenient {
  /** A bare 30 where a key or certificate needs the context tag that tells which it is (eimPublicKeyData). */
  readonly bareKeyOrCertificate?: boolean;
}

export interface Context {
  readonly path: readonly string[];
  readonly visit: ((visit: Visit) => void) | undefined;
  readonly lenient: Lenient;
}

export interface WriteContext {
  readonly path: readonly string[];
  readonly anyTextSize: boolean;
}

/** How a type is made, for generators and printers. */
export type Shape =
  | { readonly kind: "octets"; readonly min: number; readonly max: number }
  | { readonly kind: "utf8"; readonly min: number; readonly max: number }
  | { readonly kind: "integer" | "boolean" | "null" | "oid" | "bitString" | "any" }
  | { readonly kind: "time"; readonly tag: TimeTag }
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
  /** Further tags it is read under, though never written. */
  readonly alsoTags?: readonly number[] | undefined;
  /** Tags that may stand directly inside; absent where there are no parts, or parts of any tag. */
  readonly contents?: readonly number[] | undefined;
  readonly shape: Shape;
  /** Decodes a TLV whose tag the caller has matched. */
  readonly read: (tlv: Tlv, context: Context) => T;
  readonly write: (value: T, context: WriteContext) => Uint8Array;
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

// --- entry points -----------------------------------------------------------------------------------------------------------

export interface DecodeOptions {
  /** Names the value in refusals and walks. */
  readonly name?: string;
  readonly visit?: (visit: Visit) => void;
  readonly lenient?: Lenient;
}

/** Decodes exactly one value. Throws the ASN1_ errors, with path and byte offset in `detail` and `data`. */
export function decode<T>(type: Type<T>, source: Uint8Array, options: DecodeOptions = {}): T {
  const context: Context = {
    path: options.name === undefined ? [] : [options.name],
    visit: options.visit,
    lenient: options.lenient ?? {},
  };
  return readAs(
    type,
    located(context.path, () => readOnlyTlv(source)),
    context,
  );
}

export interface EncodeOptions {
  /** Writes texts of any length, as they are read; for values that others made. */
  readonly anyTextSize?: boolean;
}

/** DER. Unknown fields of a value that was decoded are written again. Throws ASN1_ENCODE with the path of the offending field. */
export function encode<T>(type: Type<T>, value: T, name?: string, { anyTextSize = false }: EncodeOptions = {}): Uint8Array {
  return type.write(value, { path: name === undefined ? [] : [name], anyTextSize });
}

/** Makes a signed part out of a value of our own: encoded once, and those octets are what is signed and sent. */
export function sealed<T>(type: Type<Signed<T>>, value: T): Signed<T> {
  const inner = type.shape.kind === "signed" ? (type.shape.inner as Type<T>) : undefined;
  if (inner === undefined) throw new SimwardError("ASN1_ENCODE", { detail: "not a signed type" });
  return { value, raw: encode(inner, value) };
}

// --- primitive types --------------------------------------------------------------------------------------------------------

export interface Size {
  readonly min?: number;
  readonly max?: number;
}

export function octets(tag = 0x04, size: Size = {}): Type<Uint8Array> {
  const { min = 0, max = Number.POSITIVE_INFINITY } = size;
  return primitive<Uint8Array>(
    tag,
    { kind: "octets", min, max },
    (content, refuse) => {
      if (content.length < min || content.length > max) refuse("ASN1_VALUE", `${content.length} octets, allowed ${range(min, max)}`);
      return new Uint8Array(content);
    },
    (value, refuse) => (value.length < min || value.length > max ? refuse(`${value.length} octets, allowed ${range(min, max)}`) : value),
  );
}

/**
 * Size in characters, as ASN.1 counts them. It binds what we write; what others write is read whatever its length (a name of 33 characters
 * is no reason to lose a list of profiles), and the walk notes it.
 */
export function utf8String(tag = 0x0c, size: Size = {}): Type<string> {
  const { min = 0, max = Number.POSITIVE_INFINITY } = size;
  const misfit = (text: string): string | undefined => {
    if (min === 0 && max === Number.POSITIVE_INFINITY) return undefined;
    const length = charactersOf(text);
    return length < min || length > max ? `${length} characters, allowed ${range(min, max)}` : undefined;
  };
  return primitive(
    tag,
    { kind: "utf8", min, max },
    readUtf8,
    (value, refuse, { anyTextSize }) => {
      const reason = anyTextSize ? undefined : misfit(value);
      return reason === undefined ? utf8Content(value, refuse) : refuse(reason);
    },
    misfit,
  );
}

/** Anything but zero is TRUE, as in BER. */
export function boolean(tag = 0x01): Type<boolean> {
  return primitive(
    tag,
    { kind: "boolean" },
    (content, refuse) => {
      if (content.length !== 1) refuse("ASN1_VALUE", `a BOOLEAN of ${content.length} octets`);
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
    (content, refuse) => {
      if (content.length !== 0) refuse("ASN1_VALUE", `a NULL of ${content.length} octets`);
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
    (content, refuse) => {
      const value = readInteger(content, refuse);
      return typeof value === "number" ? (byNumber.get(value) ?? value) : value;
    },
    (value, refuse) => integerContent(typeof value === "string" ? numberOf(names, value, refuse) : value, refuse),
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
    (content, refuse) => readBits(content, refuse).map((bit) => byNumber.get(bit) ?? bit),
    (value, refuse) =>
      bitsContent(
        value.map((bit) => (typeof bit === "string" ? numberOf(names, bit, refuse) : bit)),
        refuse,
      ),
  );
}

/** BIT STRING without names: every bit counts, trailing zeros too. */
export function bitString(tag = 0x03): Type<BitString> {
  return primitive(tag, { kind: "bitString" }, readBitString, bitStringContent);
}

/** UTCTime (17) or GeneralizedTime (18) as written, e.g. 250131235959Z. */
export function time(tag: TimeTag): Type<string> {
  return primitive(tag, { kind: "time", tag }, readTime, timeContent);
}

/** A TLV of any tag, kept whole. */
export function anyType(): Type<Uint8Array> {
  const shape: Shape = { kind: "any" };
  return {
    tags: [],
    shape,
    read: (tlv, context) => {
      const raw = new Uint8Array(rawOf(tlv));
      context.visit?.({ path: context.path, tlv, shape, value: raw });
      return raw;
    },
    write: (value, { path }) => wholeTlv(value, path),
  };
}

// --- composite types --------------------------------------------------------------------------------------------------------

export function optional<T>(type: Type<T>): OptionalField<T> {
  return { optional: type };
}

export function withDefault<T>(type: Type<T>, value: NoInfer<T>): DefaultField<T> {
  return { type, default: value };
}

interface UnknownField {
  /** Index of the part it stands before. */
  readonly before: number;
  readonly raw: Uint8Array;
}

/** Fields of a later version: not part of a decoded value, but written again with it. */
const unknownFields = new WeakMap<object, readonly UnknownField[]>();

/** SEQUENCE. */
export function seq<F extends Fields>(fields: F, tag = 0x30): Type<SeqValue<F>> {
  const shape: Shape = { kind: "seq", fields };
  const parts = Object.entries(fields).map(([name, field]) => ({ name, field, type: fieldType(field) }));
  const ofAnyTag = parts.flatMap(({ type }, index) => (type.tags.length === 0 ? [index] : []));
  const candidates = new Map<number, readonly number[]>();
  for (const known of new Set(parts.flatMap(({ type }) => [...type.tags, ...(type.alsoTags ?? [])])))
    candidates.set(
      known,
      parts.flatMap(({ type }, index) => (accepts(type, known) ? [index] : [])),
    );
  const partFor = (childTag: number, from: number, taken: ReadonlySet<number>): number | undefined => {
    const indices = candidates.get(childTag) ?? ofAnyTag;
    // The order of parts is fixed, but some cards do not keep to it.
    return indices.find((index) => index >= from) ?? indices.find((index) => !taken.has(index));
  };
  return {
    tags: [tag],
    contents: contentsOf(parts.map(({ type }) => type)),
    shape,
    read: (tlv, context) => {
      context.visit?.({ path: context.path, tlv, shape, value: undefined });
      const values: Record<string, unknown> = {};
      const taken = new Set<number>();
      const unknown: UnknownField[] = [];
      let next = 0;
      for (const child of childrenAt(tlv, context.path)) {
        const at = partFor(child.tag, next, taken);
        const part = at === undefined ? undefined : parts[at];
        if (at === undefined || part === undefined) {
          // Beyond the parts of a SEQUENCE a further 30 may be a later version's; any other known tag is there twice.
          const known = child.tag === 0x30 ? [] : (candidates.get(child.tag) ?? []);
          const twice = known.map((index) => parts[index]).find((one) => one?.type.tags.includes(child.tag));
          if (twice !== undefined)
            fail("ASN1_TAG", [...context.path, twice.name], child.start, `${tagName(child.tag)} where it was given before`);
          unknown.push({ before: next, raw: new Uint8Array(rawOf(child)) });
          context.visit?.({ path: [...context.path, "(unknown)"], tlv: child, shape: undefined, value: rawOf(child) });
          continue;
        }
        values[part.name] = readAs(part.type, child, within(context, part.name));
        taken.add(at);
        next = Math.max(next, at + 1);
      }
      for (const [index, { name, field }] of parts.entries()) {
        if (taken.has(index) || "optional" in field) continue;
        if ("default" in field) values[name] = field.default;
        else fail("ASN1_MISSING", [...context.path, name], tlv.start, `expected ${expected(fieldType(field))}`);
      }
      if (unknown.length > 0) unknownFields.set(values, unknown);
      return values as SeqValue<F>;
    },
    write: (value, context) => {
      const source = value as Readonly<Record<string, unknown>>;
      const unknown = unknownFields.get(source) ?? [];
      const out: Uint8Array[] = [];
      for (const [index, { name, field, type }] of parts.entries()) {
        for (const { before, raw } of unknown) if (before === index) out.push(raw);
        const item = source[name];
        const at = within(context, name);
        if (item === undefined) {
          if ("optional" in field || "default" in field) continue;
          failToWrite(at.path, "missing");
        }
        const bytes = type.write(item, at);
        if ("default" in field && equalBytes(bytes, type.write(field.default, at))) continue;
        out.push(bytes);
      }
      for (const { before, raw } of unknown) if (before >= parts.length) out.push(raw);
      return writeTlvOf(tag, out);
    },
  };
}

/** SEQUENCE OF. */
export function seqOf<T>(item: Type<T>, tag = 0x30): Type<readonly T[]> {
  const shape: Shape = { kind: "seqOf", item: item as Type<unknown> };
  return {
    tags: [tag],
    contents: contentsOf([item]),
    shape,
    read: (tlv, context) => {
      context.visit?.({ path: context.path, tlv, shape, value: undefined });
      return childrenAt(tlv, context.path).map((child, index) => readAs(item, child, within(context, String(index))));
    },
    write: (value, context) =>
      writeTlvOf(
        tag,
        value.map((one, index) => item.write(one, within(context, String(index)))),
      ),
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
    alsoTags: parts.flatMap(([, type]) => type.alsoTags ?? []),
    shape,
    read: (tlv, context) => {
      for (const [kind, type] of parts) if (accepts(type, tlv.tag)) return { kind, value: readAs(type, tlv, within(context, kind)) };
      if (context.lenient.bareKeyOrCertificate === true && tlv.tag === 0x30) {
        for (const [kind, type] of parts)
          if (type.shape.kind === "embedded" && isStructure(type.shape.what, tlv, context.path))
            return { kind, value: type.read(tlv, within(context, kind)) };
      }
      if (!extensible)
        fail(
          "ASN1_TAG",
          context.path,
          tlv.start,
          `${tagName(tlv.tag)}, expected one of ${parts.map(([, type]) => expected(type)).join(", ")}`,
        );
      const raw = new Uint8Array(rawOf(tlv));
      context.visit?.({ path: [...context.path, "(unknown)"], tlv, shape: undefined, value: raw });
      return { kind: "unknown", value: raw };
    },
    write: ({ kind, value }, context) => {
      const type = Object.hasOwn(alternatives, kind) ? alternatives[kind] : undefined;
      if (type !== undefined) return type.write(value, within(context, kind));
      if (extensible && kind === "unknown" && value instanceof Uint8Array) return wholeTlv(value, context.path);
      return failToWrite(context.path, `${JSON.stringify(kind)} is none of ${Object.keys(alternatives).join(", ")}`);
    },
  };
}

/** [tag] IMPLICIT T: the tag takes the place of T's own. A CHOICE cannot be tagged so (X.680 §31.2.7). */
export function implicit<T>(tag: number, inner: Type<T>): Type<T> {
  if (inner.tags.length === 0 || inner.shape.kind === "choice")
    throw new SimwardError("INTERNAL", { detail: `${tagName(tag)} IMPLICIT CHOICE` });
  return {
    tags: [tag],
    contents: inner.contents,
    shape: { kind: "tagged", inner: inner as Type<unknown> },
    read: (tlv, context) => inner.read(unnested(tlv, inner, context), context),
    write: (value, context) => retag(inner.write(value, context), tag),
  };
}

export interface ExplicitOptions<T> {
  /** The value that an empty wrapper stands for. */
  readonly whenEmpty?: T;
  /** Reads the inner value without its wrapper too. */
  readonly orBare?: boolean;
}

/** [tag] EXPLICIT T: T's whole TLV inside; this is how ASN.1 tags an untagged CHOICE. */
export function explicit<T>(tag: number, inner: Type<T>, options: ExplicitOptions<T> = {}): Type<T> {
  const shape: Shape = { kind: "tagged", inner: inner as Type<unknown> };
  const { whenEmpty, orBare = false } = options;
  return {
    tags: [tag],
    alsoTags: orBare ? inner.tags : undefined,
    contents: contentsOf([inner]),
    shape,
    read: (tlv, context) => {
      if (orBare && tlv.tag !== tag) return inner.read(tlv, context);
      context.visit?.({ path: context.path, tlv, shape, value: undefined });
      const [child, second] = childrenAt(tlv, context.path);
      if (child === undefined) {
        if (whenEmpty !== undefined) return whenEmpty;
        return fail("ASN1_MISSING", context.path, tlv.contentStart, `expected ${expected(inner)} in ${tagName(tag)}`);
      }
      if (second !== undefined)
        fail("ASN1_TAG", context.path, second.start, `${tagName(second.tag)} beside the one value of ${tagName(tag)}`);
      return readAs(inner, child, context);
    },
    write: (value, context) => writeTlv(tag, inner.write(value, context)),
  };
}

/** Reads the value under other tags as well, which peers in the field are known to send; writes its own. */
export function alsoTag<T>(type: Type<T>, ...others: readonly number[]): Type<T> {
  return { ...type, alsoTags: others };
}

/** Keeps, beside the value, the octets it was read from; writes those. */
export function signed<T>(inner: Type<T>): Type<Signed<T>> {
  return {
    tags: inner.tags,
    alsoTags: inner.alsoTags,
    contents: inner.contents,
    shape: { kind: "signed", inner: inner as Type<unknown> },
    read: (tlv, context) => ({ value: inner.read(tlv, context), raw: new Uint8Array(rawOf(tlv)) }),
    write: (value, { path }) => wholeTlv(value.raw, path),
  };
}

// --- details ----------------------------------------------------------------------------------------------------------------

function readAs<T>(type: Type<T>, tlv: Tlv, context: Context): T {
  // A CHOICE refuses by itself, and names its alternatives.
  if (type.shape.kind !== "choice" && !accepts(type, tlv.tag))
    return fail("ASN1_TAG", context.path, tlv.start, `${tagName(tlv.tag)}, expected ${expected(type)}`);
  if (context.visit === undefined || !(type.alsoTags?.includes(tlv.tag) ?? false)) return type.read(undoubled(tlv, type, context), context);
  const { visit } = context;
  const note = `${tagName(tlv.tag)} for ${expected(type)}`;
  return type.read(tlv, { ...context, visit: (one) => visit(one.tlv === tlv ? { ...one, note } : one) });
}

/**
 * Some compilers repeat the tag where a tagged CHOICE is tagged again: BFxx{BFxx{…}}. The standard's form has it once. Both are read:
 * the second tag is known as repeated when it fills the first and can be no part of the value.
 */
function undoubled(tlv: Tlv, { contents }: AnyType, context: Context): Tlv {
  if (tlv.tag <= 0xff || contents === undefined || contents.includes(tlv.tag)) return tlv;
  const child = onlyChildOf(tlv);
  if (child?.tag !== tlv.tag) return tlv;
  context.visit?.({ path: context.path, tlv, shape: undefined, value: undefined, note: "repeated tag" });
  return child;
}

/** The same hazard where the outer tag differs: A1{BF41{…}} for A1{…}. */
function unnested(tlv: Tlv, { tags, contents }: AnyType, context: Context): Tlv {
  const own = tags[0];
  if (own === undefined || own <= 0xff || own === tlv.tag || contents === undefined || contents.includes(own)) return tlv;
  const child = onlyChildOf(tlv);
  if (child?.tag !== own) return tlv;
  context.visit?.({ path: context.path, tlv, shape: undefined, value: undefined, note: `nested ${tagName(own)}` });
  return child;
}

function primitive<T>(
  tag: number,
  shape: Shape,
  read: (content: Uint8Array, refuse: RefuseRead) => T,
  write: (value: T, refuse: RefuseWrite, context: WriteContext) => Uint8Array,
  noteOn?: (value: T) => string | undefined,
): Type<T> {
  return {
    tags: [tag],
    shape,
    read: (tlv, context) => {
      const value = read(contentOf(tlv), (code, reason) => fail(code, context.path, tlv.start, reason));
      if (context.visit !== undefined) {
        const note = noteOn?.(value);
        context.visit({ path: context.path, tlv, shape, value, ...(note === undefined ? {} : { note }) });
      }
      return value;
    },
    write: (value, context) =>
      writeTlv(
        tag,
        write(value, (reason) => failToWrite(context.path, reason), context),
      ),
  };
}

function accepts(type: AnyType, tag: number): boolean {
  return type.tags.length === 0 || type.tags.includes(tag) || (type.alsoTags?.includes(tag) ?? false);
}

function contentsOf(types: readonly AnyType[]): readonly number[] | undefined {
  return types.some(({ tags }) => tags.length === 0) ? undefined : types.flatMap(({ tags, alsoTags }) => [...tags, ...(alsoTags ?? [])]);
}

function fieldType(field: Field): AnyType {
  if ("optional" in field) return field.optional;
  return "default" in field ? field.type : field;
}

function numberOf(names: Readonly<Record<string, number>>, name: string, refuse: RefuseWrite): number {
  const number = Object.hasOwn(names, name) ? names[name] : undefined;
  return number ?? refuse(`${JSON.stringify(name)} is none of ${Object.keys(names).join(", ")}`);
}

function within<C extends { readonly path: readonly string[] }>(context: C, name: string): C {
  return { ...context, path: [...context.path, name] };
}

function expected({ tags }: AnyType): string {
  return tags.length === 0 ? "a TLV" : tags.map(tagName).join(" or ");
}
