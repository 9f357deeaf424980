// The golden vectors: byte for byte there and back, read alike by a second reader, and nothing but our errors when damaged.
import { type BaseBlock, Constructed, fromBER } from "asn1js";
import { describe, expect, test } from "vitest";
import { fromHex, toHexUpper } from "../../../base/bytes.ts";
import { SimwardError } from "../../../base/errors.ts";
import { decode, encode } from "../../../ipa/asn1/schema.ts";
import { childrenOf, isConstructed, readOnlyTlv, readTlv, type Tlv, tagOctets, writeTlv } from "../../../ipa/asn1/tlv.ts";
import { EuiccPackageRequest } from "../../../ipa/messages/package.ts";
import { typeByName } from "../../../ipa/messages/registry.ts";
import { goldenVectors } from "../../support/vectors.ts";

interface Seen {
  readonly tagClass: number;
  readonly number: number;
  readonly length: number;
  readonly parts: readonly Seen[];
}

/** Class 1 to 4 as asn1js counts them: universal, application, context, private. */
function ours(tlv: Tlv): Seen {
  const [first = 0, ...rest] = tagOctets(tlv.tag);
  const number = rest.length === 0 ? first & 0x1f : rest.reduce((sum, octet) => sum * 128 + (octet & 0x7f), 0);
  return {
    tagClass: (first >> 6) + 1,
    number,
    length: tlv.end - tlv.contentStart,
    parts: isConstructed(tlv.tag) ? childrenOf(tlv).map(ours) : [],
  };
}

function theirs(block: BaseBlock): Seen {
  return {
    tagClass: block.idBlock.tagClass,
    number: block.idBlock.tagNumber,
    length: block.lenBlock.length,
    parts:
      block.idBlock.isConstructed && block instanceof Constructed ? block.valueBlock.value.map((part) => theirs(part as BaseBlock)) : [],
  };
}

// shows: bf4f.eid, bf4f.state-change, bf4f.rplmn, bf50.result, bf50.with-notifications, bf50.error, bf50.acknowledgements, bf50.empty
// shows: bf52.tag-list, bf52.criteria-notification, bf52.criteria-result, bf52.transaction, bf54.activation-code, bf54.default-smdp
// shows: bf54.smds, bf54.empty, bf54.result-error, bf4e.acknowledgements, bf4e.received, d2.bf39-request, d2.bf41-form, d2.bf3d-result
// shows: compact.forms, psmo.enable-rollback, b5.ctx-params
describe.each(goldenVectors)("$name", ({ type: name, hex }) => {
  const type = typeByName(name);
  const octets = fromHex(hex);

  test("round-trips byte for byte, with nothing in it unknown or odd", () => {
    const odd: string[] = [];
    const value = decode(type, octets, {
      name,
      // Unknown fields are written again too: that alone would hide a wrong tag in a table.
      visit: ({ path, shape, note }) => {
        if (shape === undefined || note !== undefined) odd.push(`${path.join(".")}: ${note}`);
      },
    });
    expect(odd).toEqual([]);
    expect(toHexUpper(encode(type, value, name))).toBe(hex);
  });

  test("asn1js sees the same tags, lengths and parts", () => {
    const { result, offset } = fromBER(octets);
    expect(offset).toBe(octets.length);
    expect(theirs(result)).toEqual(ours(readOnlyTlv(octets)));
  });

  test("cut off at any octet it is refused as truncated", () => {
    for (let length = 0; length < octets.length; length++) {
      expect(() => decode(type, octets.subarray(0, length), { name })).toThrow(expect.objectContaining({ code: "ASN1_TRUNCATED" }));
    }
  });

  test("with any octet changed it is read or refused with an ASN1_ error that names path and offset", () => {
    for (let at = 0; at < octets.length; at++) {
      for (const change of [0x01, 0x20, 0x80, 0xff]) {
        const damaged = octets.with(at, (octets[at] ?? 0) ^ change);
        try {
          encode(type, decode(type, damaged, { name }), name, { anyTextSize: true });
        } catch (error) {
          if (!(error instanceof SimwardError)) throw error;
          expect(error.code).toMatch(/^ASN1_/);
          expect(error.data).toMatchObject({ path: expect.stringMatching(/^[A-Za-z]/), offset: expect.any(Number) });
          expect(error.detail).toContain(`at offset ${error.data.offset}`);
        }
      }
    }
  });

  test("lengths in long form are read, and written short again unless they are signed", () => {
    const long = inLongForm(readOnlyTlv(octets));
    const value = decode(type, long, { name });
    const again = encode(type, value, name);
    expect(again.length).toBeLessThanOrEqual(long.length);
    expect(encode(type, decode(type, again), name)).toEqual(again);
  });
});

/** The same TLV with every length in three octets. */
function inLongForm(tlv: Tlv): Uint8Array {
  const content = isConstructed(tlv.tag) ? childrenOf(tlv).map(inLongForm) : [tlv.source.subarray(tlv.contentStart, tlv.end)];
  const length = content.reduce((sum, part) => sum + part.length, 0);
  return Uint8Array.from([...tagOctets(tlv.tag), 0x82, length >> 8, length & 0xff, ...content.flatMap((part) => [...part])]);
}

test("what is signed keeps its long lengths, so that the signature holds", () => {
  const golden = goldenVectors.find(({ type }) => type === "EuiccPackageRequest");
  const long = inLongForm(readOnlyTlv(fromHex(golden?.hex ?? "")));
  const request = decode(EuiccPackageRequest, long);
  const signedPart = readTlv(long, 5);
  expect(request.euiccPackageSigned.raw).toEqual(long.subarray(signedPart.start, signedPart.end));
  expect(encode(EuiccPackageRequest, request)).toEqual(
    writeTlv(0xbf51, request.euiccPackageSigned.raw, writeTlv(0x5f37, request.eimSignature)),
  );
});
