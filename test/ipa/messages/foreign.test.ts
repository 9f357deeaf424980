// What other ASN.1 compilers wrote for every named type: read by ours and written again, in the same octets but for repeated tags.
import { describe, expect, test } from "vitest";
import { fromHex, toHexUpper } from "../../../base/bytes.ts";
import { explain, guessTypes, reencode } from "../../../ipa/asn1/explain.ts";
import { typeByName, typeNames } from "../../../ipa/messages/registry.ts";
import { type ForeignVector, foreignVectors } from "../../support/vectors.ts";

const vectorsOf = new Map<string, ForeignVector[]>();
for (const vector of foreignVectors) vectorsOf.set(vector.type, [...(vectorsOf.get(vector.type) ?? []), vector]);

// shows: d2.vectors
describe.each([...vectorsOf])("%s", (name, vectors) => {
  test("comes back in the octets of the other compilers", () => {
    for (const { hex, single } of vectors) expect(toHexUpper(reencode(name, fromHex(hex)))).toBe(single ?? hex);
  });

  test("holds nothing that the tables do not know, or know in another form", () => {
    const expected = /^(repeated tag|nested BF41|\d+ characters, .*)$/;
    for (const { hex } of vectors) {
      const odd = explain(name, fromHex(hex)).filter(({ unknown, note }) => unknown || (note !== undefined && !expected.test(note)));
      expect(odd).toEqual([]);
    }
  });

  test("with each tag once is what comes back unchanged", () => {
    for (const { single } of vectors) if (single !== undefined) expect(toHexUpper(reencode(name, fromHex(single)))).toBe(single);
  });

  test("is among the guesses when no type is named", () => {
    const type = typeByName(name);
    for (const { hex } of vectors) {
      const guessed = guessTypes(fromHex(hex)).map(typeByName);
      if (type.tags.length > 0) expect(guessed).toContain(type);
    }
  });
});

test("no type of the two modules is without a vector", () => {
  const imported = ["Certificate", "SubjectPublicKeyInfo", "CertificateList", "SubjectKeyIdentifier", "Time", "UICCCapability"];
  expect(typeNames().filter((name) => !vectorsOf.has(name) && !imported.includes(name))).toEqual([]);
});

test("repeated tags are among the vectors, and both compilers", () => {
  expect(foreignVectors.filter(({ single }) => single !== undefined).length).toBeGreaterThan(40);
  expect(new Set(foreignVectors.map(({ from }) => from))).toEqual(new Set(["asn1ct", "asn1ct, asn1c"]));
});
