// Every type of the registry: whatever value its table allows comes back the same, in the same octets.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { decode, encode } from "../../../ipa/asn1/schema.ts";
import { typeByName, typeNames } from "../../../ipa/messages/registry.ts";
import { arbitraryOf } from "../../support/arbitrary.ts";

const runsPerType = Math.max(20, Math.ceil(Number(process.env.FUZZ_RUNS ?? "0") / typeNames().length));

describe.each(typeNames())("%s", (name) => {
  test("decode(encode(value)) is the value, and encoding it again gives the same octets", () => {
    const type = typeByName(name);
    fc.assert(
      fc.property(arbitraryOf(type), (value) => {
        const octets = encode(type, value, name);
        const back = decode(type, octets, { name });
        expect(back).toEqual(value);
        expect(encode(type, back, name)).toEqual(octets);
      }),
      { seed: 32, numRuns: runsPerType },
    );
  });
});
