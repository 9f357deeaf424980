// The combinators: SEQUENCE, CHOICE, tags, signed parts; what is read leniently always, what only when asked, and what is refused where.
import { describe, expect, expectTypeOf, test } from "vitest";
import { concatBytes, fromHex, toHexUpper } from "../../../base/bytes.ts";
import { SimwardError } from "../../../base/errors.ts";
import { embedded } from "../../../ipa/asn1/embedded.ts";
import {
  alsoTag,
  anyType,
  boolean,
  choice,
  decode,
  encode,
  explicit,
  extensibleChoice,
  type Infer,
  implicit,
  integer,
  namedBits,
  namedInteger,
  nullType,
  octets,
  optional,
  type Signed,
  sealed,
  seq,
  seqOf,
  signed,
  type Type,
  utf8String,
  withDefault,
} from "../../../ipa/asn1/schema.ts";
import { writeTlv } from "../../../ipa/asn1/tlv.ts";

const read = <T>(type: Type<T>, hex: string): T => decode(type, fromHex(hex), { name: "it" });
const hexOf = <T>(type: Type<T>, value: NoInfer<T>): string => toHexUpper(encode(type, value, "it"));

function refusal(act: () => unknown): { code: string; detail: string | undefined; data: unknown } {
  try {
    act();
  } catch (error) {
    if (error instanceof SimwardError) return { code: error.code, detail: error.detail, data: error.data };
    throw error;
  }
  throw new Error("nothing was refused");
}

const Point = seq({ x: integer(0x80), y: integer(0x81), name: optional(utf8String(0x82)), visible: withDefault(boolean(0x83), true) });

describe("SEQUENCE", () => {
  test("parts by their tags, the absent without a key, defaults filled in", () => {
    expect(read(Point, "3006800101810102")).toEqual({ x: 1, y: 2, visible: true });
    expect(read(Point, "300C800101810102820141830100")).toEqual({ x: 1, y: 2, name: "A", visible: false });
  });

  test("a default is not written", () => {
    expect(hexOf(Point, { x: 1, y: 2, visible: true })).toBe("3006800101810102");
    expect(hexOf(Point, { x: 1, y: 2, visible: false })).toBe("3009800101810102830100");
  });

  test("parts out of order are read, and put in order", () => {
    const point = read(Point, "3009820141810102800101");
    expect(point).toEqual({ x: 1, y: 2, name: "A", visible: true });
    expect(hexOf(Point, point)).toBe("3009800101810102820141");
  });

  test("parts of one tag are told apart by their order", () => {
    const Pair = seq({ first: octets(), between: octets(0x5f37), second: optional(octets()) });
    expect(read(Pair, "300A0401AA5F3701BB0401CC")).toEqual({
      first: Uint8Array.of(0xaa),
      between: Uint8Array.of(0xbb),
      second: Uint8Array.of(0xcc),
    });
    expect(read(Pair, "30070401AA5F3701BB")).toEqual({ first: Uint8Array.of(0xaa), between: Uint8Array.of(0xbb) });
  });

  test("a part of any tag takes what the parts before it have left", () => {
    const Open = seq({ id: octets(0x80), data: anyType() });
    expect(read(Open, "3006800101800102")).toEqual({ id: Uint8Array.of(1), data: fromHex("800102") });
    expect(hexOf(Open, read(Open, "3008800101A103020101"))).toBe("3008800101A103020101");
  });

  test("a part missing, a part twice, a part of the wrong form: refused with path and offset", () => {
    expect(refusal(() => read(Point, "3003800101"))).toEqual({
      code: "ASN1_MISSING",
      detail: "it.y at offset 0: expected 81",
      data: { path: "it.y", offset: 0 },
    });
    expect(refusal(() => read(Point, "3009800101810102810103"))).toEqual({
      code: "ASN1_TAG",
      detail: "it.y at offset 8: 81 where it was given before",
      data: { path: "it.y", offset: 8 },
    });
    expect(refusal(() => read(Point, "30058000810102"))).toEqual({
      code: "ASN1_VALUE",
      detail: "it.x at offset 2: an INTEGER without octets",
      data: { path: "it.x", offset: 2 },
    });
    expect(refusal(() => read(Point, "3005800101810A"))).toEqual({
      code: "ASN1_TRUNCATED",
      detail: "it at offset 5: 81 has length 10 but 0 octets follow",
      data: { path: "it", offset: 5 },
    });
    expect(refusal(() => read(Point, "3106800101810102"))).toEqual({
      code: "ASN1_TAG",
      detail: "it at offset 0: 31, expected 30",
      data: { path: "it", offset: 0 },
    });
    expect(refusal(() => read(Point, "300680010181010200"))).toEqual({
      code: "ASN1_TRAILING",
      detail: "it at offset 8: 1 octets after 30",
      data: { path: "it", offset: 8 },
    });
  });

  test("a value without a mandatory part is not written", () => {
    // @ts-expect-error: y is missing.
    expect(refusal(() => hexOf(Point, { x: 1, visible: true }))).toMatchObject({ code: "ASN1_ENCODE", detail: "it.y: missing" });
  });
});

describe("fields of a later version", () => {
  const later = "3012" + "800101" + "8A01FF" + "810102" + "BF9901020500" + "8B0100";

  // shows: field.unknown-fields
  test("are skipped", () => {
    expect(read(Point, later)).toEqual({ x: 1, y: 2, visible: true });
  });

  // shows: field.unknown-fields
  test("are written again with the value that was read, where they stood", () => {
    expect(hexOf(Point, read(Point, later))).toBe(later);
  });

  test("are not carried into a value made anew", () => {
    expect(hexOf(Point, { ...read(Point, later), x: 7 })).toBe("3006800107810102");
  });

  test("are shown to a walk", () => {
    const seen: string[] = [];
    decode(Point, fromHex(later), {
      visit: ({ path, shape, tlv }) => seen.push(`${path.join(".")} ${shape?.kind ?? "unknown"} ${tlv.start}`),
    });
    expect(seen).toEqual([" seq 0", "x integer 2", "(unknown) unknown 5", "y integer 8", "(unknown) unknown 11", "(unknown) unknown 17"]);
  });

  test("a further 30 behind the last part that is a 30 is one of them", () => {
    const One = seq({ inner: seq({}), tail: octets(0x5f37) });
    expect(hexOf(One, read(One, "300B30005F3701AA3003020101"))).toBe("300B30005F3701AA3003020101");
  });

  test("unknown alternatives of an extensible CHOICE are carried, those of another refused", () => {
    const Open = extensibleChoice({ a: octets(0x80) });
    const Closed = choice({ a: octets(0x80) });
    expect(read(Open, "A103020101")).toEqual({ kind: "unknown", value: fromHex("A103020101") });
    expect(hexOf(Open, { kind: "unknown", value: fromHex("A103020101") })).toBe("A103020101");
    expect(refusal(() => read(Closed, "A103020101"))).toMatchObject({ code: "ASN1_TAG", detail: "it at offset 0: A1, expected one of 80" });
    expect(refusal(() => hexOf(Open, { kind: "unknown", value: fromHex("A10302010100") }))).toMatchObject({
      code: "ASN1_ENCODE",
      detail: "it: not one TLV",
    });
  });
});

describe("CHOICE and tags", () => {
  const Shape = choice({ circle: seq({ radius: integer(0x80) }, 0xa0), point: Point });

  test("the alternative's name and value", () => {
    const circle = read(Shape, "A003800105");
    expect(circle).toEqual({ kind: "circle", value: { radius: 5 } });
    expect(hexOf(Shape, circle)).toBe("A003800105");
    // @ts-expect-error: no such alternative; what every object has by inheritance is none either.
    expect(refusal(() => hexOf(Shape, { kind: "constructor", value: {} }))).toMatchObject({
      code: "ASN1_ENCODE",
      detail: 'it: "constructor" is none of circle, point',
    });
  });

  test("IMPLICIT replaces the tag, EXPLICIT goes around it", () => {
    expect(hexOf(implicit(0xa5, Point), { x: 1, y: 2, visible: true })).toBe("A506800101810102");
    expect(hexOf(explicit(0xa5, Shape), { kind: "circle", value: { radius: 5 } })).toBe("A505A003800105");
  });

  test("a CHOICE cannot be tagged IMPLICIT", () => {
    expect(refusal(() => implicit(0xa5, Shape))).toMatchObject({ code: "INTERNAL" });
    expect(refusal(() => implicit(0xa5, anyType()))).toMatchObject({ code: "INTERNAL" });
  });

  test("an EXPLICIT tag holds exactly one value", () => {
    const Tagged = explicit(0xa5, Shape);
    expect(refusal(() => read(Tagged, "A500"))).toEqual({
      code: "ASN1_MISSING",
      detail: "it at offset 2: expected A0 or 30 in A5",
      data: { path: "it", offset: 2 },
    });
    expect(refusal(() => read(Tagged, "A50AA003800105A003800105"))).toMatchObject({
      code: "ASN1_TAG",
      detail: "it at offset 7: A0 beside the one value of A5",
    });
    expect(refusal(() => read(Tagged, "A503020101"))).toMatchObject({
      code: "ASN1_TAG",
      detail: "it at offset 2: 02, expected one of A0, 30",
    });
  });

  test("an empty wrapper stands for the value given for it, a bare value is read where allowed", () => {
    const Answer = explicit(0xbf50, choice({ none: seq({}), error: integer() }), { whenEmpty: { kind: "none", value: {} } });
    expect(read(Answer, "BF5000")).toEqual({ kind: "none", value: {} });
    expect(hexOf(Answer, { kind: "none", value: {} })).toBe("BF50023000");
    const Search = seq({ by: optional(explicit(0xa0, choice({ number: integer(0x80), all: nullType(0x82) }), { orBare: true })) }, 0xbf2b);
    expect(read(Search, "BF2B028200")).toEqual({ by: { kind: "all", value: true } });
    expect(hexOf(Search, read(Search, "BF2B028200"))).toBe("BF2B04A0028200");
  });

  test("a further tag is read, never written, and noted", () => {
    const Flag = seq({ refreshFlag: alsoTag(boolean(0x80), 0x01) }, 0xbf58);
    const notes: unknown[] = [];
    const value = decode(Flag, fromHex("BF580301017F"), { visit: ({ path, note }) => notes.push([path.join("."), note]) });
    expect(value).toEqual({ refreshFlag: true });
    expect(notes).toEqual([
      ["", undefined],
      ["refreshFlag", "01 for 80"],
    ]);
    expect(hexOf(Flag, value)).toBe("BF58038001FF");
    // A later version's field may well have that tag.
    expect(hexOf(Flag, read(Flag, "BF58068001FF010100"))).toBe("BF58068001FF010100");
  });
});

describe("a tag repeated by the sender's compiler", () => {
  const Result = explicit(0xbf51, choice({ ok: seq({ n: integer(0x80) }, 0xa0), error: seq({}, 0xa2) }));

  test("is read as one, at the top and inside, and written once", () => {
    const value = { kind: "ok", value: { n: 5 } } as const;
    expect(read(Result, "BF5108BF5105A003800105")).toEqual(value);
    const Outer = seq({ result: Result }, 0xbf50);
    expect(read(Outer, "BF500BBF5108BF5105A003800105")).toEqual({ result: value });
    expect(hexOf(Outer, read(Outer, "BF500BBF5108BF5105A003800105"))).toBe("BF5008BF5105A003800105");
    expect(read(seqOf(Result), "300BBF5108BF5105A003800105")).toEqual([value]);
  });

  test("is noted in a walk, offsets being those of the input", () => {
    const seen: unknown[] = [];
    decode(Result, fromHex("BF5108BF5105A003800105"), { visit: ({ tlv, note }) => seen.push([tlv.start, note]) });
    expect(seen).toEqual([
      [0, "repeated tag"],
      [3, undefined],
      [6, undefined],
      [8, undefined],
    ]);
  });

  test("is not a repeated tag when it does not fill the first, or comes a third time", () => {
    expect(refusal(() => read(Result, "BF510BBF5105A003800105020101"))).toMatchObject({ code: "ASN1_TAG" });
    expect(refusal(() => read(Result, "BF510BBF5108BF5105A003800105"))).toMatchObject({ code: "ASN1_TAG" });
  });

  test("is no repeated tag where the value itself may begin with it", () => {
    const Nested = seq({ inner: optional(seq({ n: optional(integer(0x80)) }, 0xbf22)) }, 0xbf22);
    expect(read(Nested, "BF2206BF2203800105")).toEqual({ inner: { n: 5 } });
    expect(hexOf(Nested, read(Nested, "BF2206BF2203800105"))).toBe("BF2206BF2203800105");
    const Any = seq({ data: explicit(0xa1, anyType()) });
    expect(hexOf(Any, read(Any, "300AA108BF5105BF51020500"))).toBe("300AA108BF5105BF51020500");
    const Open = seqOf(extensibleChoice({ a: octets(0x80) }), 0xbf51);
    expect(hexOf(Open, read(Open, "BF5106BF5103800105"))).toBe("BF5106BF5103800105");
    const Pending = explicit(0xa0, choice({ compact: seq({ data: seq({}, 0xa0), sign: octets(0x5f37) }, 0xa0) }));
    expect(hexOf(Pending, read(Pending, "A008A006A0005F3701AA"))).toBe("A008A006A0005F3701AA");
  });

  test("is found under another tag too: A1{BF41{…}} for A1{…}", () => {
    const Cancel = explicit(0xbf41, choice({ ok: seq({}, 0xa0), error: integer(0x81) }));
    const Request = seq({ transactionId: octets(0x80), response: implicit(0xa1, Cancel) }, 0xbf41);
    const value = { transactionId: Uint8Array.of(1), response: { kind: "error", value: 5 } } as const;
    expect(read(Request, "BF4108800101A103810105")).toEqual(value);
    expect(read(Request, "BF410B800101A106BF4103810105")).toEqual(value);
    expect(hexOf(Request, value)).toBe("BF4108800101A103810105");
  });

  test("what is signed is the inner one, which is what its signer saw", () => {
    const Envelope = seq({ data: signed(seq({ n: integer(0x80) }, 0xbf27)), sign: octets(0x5f37) });
    expect(toHexUpper(read(Envelope, "300DBF2706BF27038001055F3701AA").data.raw)).toBe("BF2703800105");
  });
});

describe("signed parts", () => {
  const Inner = seq({ n: integer(0x80) });
  const Envelope = seq({ data: signed(Inner), sign: octets(0x5f37) }, 0xbf51);

  test("keep the octets they came in, a form that is not DER included", () => {
    const input = "BF510B" + "30810480020005" + "5F3701AA";
    const value = read(Envelope, input);
    expect(value.data.value).toEqual({ n: 5 });
    expect(toHexUpper(value.data.raw)).toBe("30810480020005");
    expect(hexOf(Envelope, value)).toBe(input);
  });

  test("of our own are encoded once", () => {
    const data = sealed(signed(Inner), { n: 5 });
    expect(toHexUpper(data.raw)).toBe("3003800105");
    expect(hexOf(Envelope, { data, sign: Uint8Array.of(0xaa) })).toBe("BF51093003800105" + "5F3701AA");
    expect(refusal(() => sealed(Inner as unknown as Type<Signed<unknown>>, { n: 5 }))).toMatchObject({ code: "ASN1_ENCODE" });
  });

  test("raw octets that are not one TLV are not sent", () => {
    expect(
      refusal(() => hexOf(Envelope, { data: { value: { n: 5 }, raw: fromHex("300380010500") }, sign: Uint8Array.of(1) })),
    ).toMatchObject({
      code: "ASN1_ENCODE",
      detail: "it.data: not one TLV",
    });
  });
});

describe("structures of X.509", () => {
  const certificate = fromHex("300E3003020101300306012A03020041");
  const key = fromHex("30083003060129030100");
  const KeyData = explicit(0xa5, choice({ key: embedded("SubjectPublicKeyInfo", 0xa0), certificate: embedded("Certificate", 0xa1) }));

  test("travel under the tag of their place and come out as their own DER", () => {
    expect(read(KeyData, "A50AA0083003060129030100")).toEqual({ kind: "key", value: key });
    expect(hexOf(KeyData, { kind: "key", value: key })).toBe("A50AA0083003060129030100");
    expect(hexOf(KeyData, { kind: "certificate", value: certificate })).toBe(`A510A10E${toHexUpper(certificate.subarray(2))}`);
  });

  test("nested as 30 inside the tag they are read as well", () => {
    expect(read(KeyData, "A50CA00A30083003060129030100")).toEqual({ kind: "key", value: key });
  });

  test("of another make are refused", () => {
    expect(refusal(() => read(KeyData, "A50AA1083003060129030100"))).toMatchObject({
      code: "ASN1_VALUE",
      detail: "it.certificate at offset 2: this is no Certificate",
    });
    expect(refusal(() => read(KeyData, "A504A0023005"))).toMatchObject({ code: "ASN1_TRUNCATED", data: { path: "it.key", offset: 4 } });
    expect(refusal(() => hexOf(KeyData, { kind: "certificate", value: key }))).toMatchObject({
      code: "ASN1_ENCODE",
      detail: "it.certificate: this is no Certificate",
    });
    expect(refusal(() => hexOf(KeyData, { kind: "key", value: concatBytes(key, key) }))).toMatchObject({ detail: "it.key: not one TLV" });
  });

  test("bare, where the tag tells which it is, are read only when asked", () => {
    const bare = fromHex(`A50A${toHexUpper(key)}`);
    expect(refusal(() => decode(KeyData, bare))).toMatchObject({ code: "ASN1_TAG" });
    expect(decode(KeyData, bare, { lenient: { bareKeyOrCertificate: true } })).toEqual({ kind: "key", value: key });
    const bareCertificate = writeTlv(0xa5, certificate);
    expect(decode(KeyData, bareCertificate, { lenient: { bareKeyOrCertificate: true } })).toEqual({
      kind: "certificate",
      value: certificate,
    });
    expect(refusal(() => decode(KeyData, fromHex("A5023000"), { lenient: { bareKeyOrCertificate: true } }))).toMatchObject({
      code: "ASN1_TAG",
    });
  });
});

describe("large inputs", () => {
  test("two hundred thousand list items come back", () => {
    const List = seqOf(integer(0x80), 0xbf53);
    const items = Array.from({ length: 200_000 }, (_, index) => index);
    expect(decode(List, encode(List, items))).toEqual(items);
  });

  test("two hundred thousand unknown fields are skipped and kept", () => {
    const fields = Array.from({ length: 200_000 }, () => fromHex("9F7F00"));
    const input = writeTlv(0x30, fromHex("800101"), fromHex("810102"), concatBytes(...fields.slice(0, 50_000)));
    expect(encode(Point, decode(Point, input))).toEqual(input);
  });

  test("a tag nested five thousand times is refused, not followed", () => {
    let input = fromHex("BF5100");
    for (let depth = 0; depth < 5_000; depth++) input = writeTlv(0xbf51, input);
    const Result = explicit(0xbf51, choice({ error: seq({}, 0xa2) }));
    expect(refusal(() => decode(Result, input))).toMatchObject({ code: "ASN1_TAG" });
  });
});

describe("inferred types", () => {
  test("are what the table says", () => {
    const Everything = seq({
      id: octets(0x80),
      kind: namedInteger({ ok: 0, error: 1 }, 0x81),
      bits: optional(namedBits({ a: 0, b: 1 }, 0x82)),
      count: withDefault(integer(0x83), 0),
      flag: optional(nullType(0x84)),
      what: choice({ text: utf8String(), list: seqOf(boolean()) }),
      sealed: signed(Point),
    });
    type Value = Infer<typeof Everything>;
    expectTypeOf<Value["id"]>().toEqualTypeOf<Uint8Array>();
    expectTypeOf<Value["kind"]>().toEqualTypeOf<"ok" | "error" | number | bigint>();
    expectTypeOf<Value["bits"]>().toEqualTypeOf<readonly ("a" | "b" | number)[] | undefined>();
    expectTypeOf<Value["count"]>().toEqualTypeOf<number | bigint>();
    expectTypeOf<Value["flag"]>().toEqualTypeOf<true | undefined>();
    expectTypeOf<Value["what"]>().toEqualTypeOf<
      { readonly kind: "text"; readonly value: string } | { readonly kind: "list"; readonly value: readonly boolean[] }
    >();
    expectTypeOf<Value["sealed"]["value"]["name"]>().toEqualTypeOf<string | undefined>();
    expectTypeOf<Value["sealed"]["raw"]>().toEqualTypeOf<Uint8Array>();
    // @ts-expect-error: x is mandatory.
    const incomplete: Infer<typeof Point> = { y: 1, visible: true };
    expect(incomplete).toBeDefined();
  });

  test("a CHOICE is checked for exhaustiveness", () => {
    const Op = choice({ enable: nullType(0x80), disable: nullType(0x81) });
    const nameOf = (op: Infer<typeof Op>): string => {
      switch (op.kind) {
        case "enable":
        case "disable":
          return op.kind;
        default: {
          const never: never = op;
          return never;
        }
      }
    };
    expect(nameOf(read(Op, "8000"))).toBe("enable");
  });
});
