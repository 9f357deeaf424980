// fast-check arbitraries made from the tables: `arbitraryOf(type)` gives values of any ASN.1 type of ours, limits and unknown extensions included.
// Values come as decoding gives them (a named number by its name, an absent part without its key), so that they can be compared.
import fc from "fast-check";
import type { Integer } from "../../ipa/asn1/content.ts";
import { type EmbeddedKind, embedded } from "../../ipa/asn1/embedded.ts";
import { encode, type Field, type Shape, type Signed, type Type } from "../../ipa/asn1/schema.ts";
import { writeTlv } from "../../ipa/asn1/tlv.ts";

export function arbitraryOf<T>(type: Type<T>): fc.Arbitrary<T> {
  return fromShape(type.shape) as fc.Arbitrary<T>;
}

/** INTEGERs from one octet to 80, positive and negative, and every boundary between lengths. */
export const anyInteger: fc.Arbitrary<Integer> = fc
  .oneof(
    fc.integer({ min: -129, max: 256 }).map(BigInt),
    fc.integer().map(BigInt),
    fc.bigInt({ min: -(2n ** 640n), max: 2n ** 640n }),
    fc.tuple(fc.integer({ min: 1, max: 80 }), fc.integer({ min: -1, max: 1 }), fc.boolean()).map(([octets, step, negative]) => {
      const edge = 2n ** BigInt(octets * 8 - 1) + BigInt(step);
      return negative ? -edge : edge;
    }),
  )
  .map((value) => (value >= BigInt(Number.MIN_SAFE_INTEGER) && value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : value));

/** A well-formed TLV, with TLVs inside to some depth. Tags of private class, so that no type takes it for its own. */
export const anyTlv: fc.Arbitrary<Uint8Array> = fc.letrec<{ tlv: Uint8Array }>((tie) => ({
  tlv: fc.oneof(
    { maxDepth: 3, depthIdentifier: "tlv" },
    fc.tuple(fc.constantFrom(0xc1, 0xdf21, 0xdf8123), fc.uint8Array({ maxLength: 200 })).map(([tag, content]) => writeTlv(tag, content)),
    fc
      .tuple(fc.constantFrom(0xf1, 0xff22, 0xff8124), fc.array(tie("tlv"), { maxLength: 3 }))
      .map(([tag, contents]) => writeTlv(tag, ...contents)),
  ),
})).tlv;

function octetsOf(min: number, max: number): fc.Arbitrary<Uint8Array> {
  const usual = fc.uint8Array({ minLength: min, maxLength: Math.min(max, min + 24) });
  return Number.isFinite(max)
    ? fc.oneof({ weight: 7, arbitrary: usual }, fc.uint8Array({ minLength: max, maxLength: max, size: "max" }))
    : usual;
}

/** Code points of one to four octets. */
function textOf(min: number, max: number): fc.Arbitrary<string> {
  const usual = fc.string({ unit: "binary", minLength: min, maxLength: Math.min(max, min + 24) });
  return Number.isFinite(max)
    ? fc.oneof({ weight: 7, arbitrary: usual }, fc.string({ unit: "binary", minLength: max, maxLength: max, size: "max" }))
    : usual;
}

function namedIntegerOf(names: Readonly<Record<string, number>>): fc.Arbitrary<string | Integer> {
  const known = new Map(Object.entries(names).map(([name, number]) => [number, name]));
  return fc.oneof(
    { weight: 4, arbitrary: fc.constantFrom(...Object.keys(names)) },
    anyInteger.map((value) => (typeof value === "number" ? (known.get(value) ?? value) : value)),
  );
}

function namedBitsOf(names: Readonly<Record<string, number>>): fc.Arbitrary<readonly (string | number)[]> {
  const named = new Map(Object.entries(names).map(([name, number]) => [number, name]));
  return fc
    .tuple(fc.subarray([...named.keys()]), fc.array(fc.integer({ min: 0, max: 70 }), { maxLength: 1 }))
    .map(([known, extra]) => [...new Set([...known, ...extra])].sort((a, b) => a - b).map((bit) => named.get(bit) ?? bit));
}

const oidText: fc.Arbitrary<string> = fc
  .tuple(
    fc.oneof(
      fc.tuple(fc.constantFrom(0n, 1n), fc.bigInt({ min: 0n, max: 39n })),
      fc.tuple(fc.constant(2n), fc.bigInt({ min: 0n, max: 2n ** 32n })),
    ),
    fc.array(fc.oneof(fc.bigInt({ min: 0n, max: 200n }), fc.bigInt({ min: 0n, max: 2n ** 128n })), { maxLength: 6 }),
  )
  .map(([head, rest]) => [...head, ...rest].join("."));

const embeddedParts: Readonly<Record<EmbeddedKind, readonly number[]>> = {
  Certificate: [0x30, 0x30, 0x03],
  SubjectPublicKeyInfo: [0x30, 0x03],
  CertificateList: [0x30, 0x30, 0x03],
};

function embeddedOf(what: EmbeddedKind): fc.Arbitrary<Uint8Array> {
  const part = (tag: number): fc.Arbitrary<Uint8Array> =>
    tag === 0x30
      ? fc.array(anyTlv, { minLength: 1, maxLength: 2 }).map((inner) => writeTlv(0x30, ...inner))
      : fc.uint8Array({ minLength: 1, maxLength: 70 }).map((content) => writeTlv(tag, Uint8Array.of(0), content));
  return fc.tuple(...embeddedParts[what].map(part)).map((parts) => encode(embedded(what), writeTlv(0x30, ...parts)));
}

function fieldOf(field: Field): fc.Arbitrary<unknown> {
  if ("optional" in field) return fromShape(field.optional.shape);
  if ("default" in field) return fc.oneof(fc.constant(field.default), fromShape(field.type.shape));
  return fromShape(field.shape);
}

function fromShape(shape: Shape): fc.Arbitrary<unknown> {
  switch (shape.kind) {
    case "octets":
      return octetsOf(shape.min, shape.max);
    case "utf8":
      return textOf(shape.min, shape.max);
    case "integer":
      return anyInteger;
    case "boolean":
      return fc.boolean();
    case "null":
      return fc.constant(true);
    case "oid":
      return oidText;
    case "bitString":
      return fc.tuple(fc.uint8Array({ maxLength: 8 }), fc.integer({ min: 0, max: 7 })).map(([bytes, unused]) => {
        if (bytes.length === 0) return { bytes, unusedBits: 0 };
        const last = bytes.length - 1;
        return { bytes: bytes.with(last, (bytes[last] ?? 0) & (0xff << unused)), unusedBits: unused };
      });
    case "any":
      return anyTlv;
    case "time":
      return shape.tag === 0x17
        ? fc.constantFrom("250131235959Z", "4912312359-0500")
        : fc.constantFrom("20501231235959Z", "205012312359.5Z");
    case "embedded":
      return embeddedOf(shape.what);
    case "namedInteger":
      return namedIntegerOf(shape.names);
    case "namedBits":
      return namedBitsOf(shape.names);
    case "seq": {
      const fields = Object.entries(shape.fields);
      const requiredKeys = fields.filter(([, field]) => !("optional" in field)).map(([name]) => name);
      return fc.record(Object.fromEntries(fields.map(([name, field]) => [name, fieldOf(field)])), { requiredKeys, noNullPrototype: true });
    }
    case "seqOf":
      return fc.array(fromShape(shape.item.shape), { maxLength: 3 });
    case "choice": {
      const known = Object.entries(shape.alternatives).map(([kind, type]) => fromShape(type.shape).map((value) => ({ kind, value })));
      const unknown = anyTlv.map((value) => ({ kind: "unknown", value }));
      return fc.oneof(...known, ...(shape.extensible ? [unknown] : []));
    }
    case "tagged":
      return fromShape(shape.inner.shape);
    case "signed":
      return fromShape(shape.inner.shape).map((value): Signed<unknown> => ({ value, raw: encode(shape.inner, value) }));
  }
}
