// Damaged and invented inputs to the TLV reader, the codec and explain: nothing but their own errors, no hang, no growth.
// FUZZ_RUNS sets how many inputs each gets; 5,000 in the suite.
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { describe, expect, test } from "vitest";
import { concatBytes, fromHex, toHex } from "../../base/bytes.ts";
import { SimwardError } from "../../base/errors.ts";
import { integerBelow as below, type Random, seededRandom } from "../../base/random.ts";
import { explain, guessTypes, renderTree } from "../../ipa/asn1/explain.ts";
import { decode, encode } from "../../ipa/asn1/schema.ts";
import { childrenOf, isConstructed, rawOf, readOnlyTlv, readTlvs, type Tlv, writeTlv } from "../../ipa/asn1/tlv.ts";
import { typeByName, typeNames } from "../../ipa/messages/registry.ts";
import { foreignVectors, goldenVectors } from "../support/vectors.ts";

const runs = Number(process.env.FUZZ_RUNS ?? "5000");
const seeds = [...goldenVectors, ...foreignVectors].map(({ type, hex }) => ({ type, octets: fromHex(hex) }));
const names = typeNames();

setFlagsFromString("--expose-gc");
const collectGarbage = runInNewContext("gc") as () => void;

/** Runs it `runs` times, and once more as often as a warm-up; the heap may not keep growing. */
function fuzz(seed: number, one: (random: Random, run: number) => void): void {
  const random = seededRandom(seed);
  const half = Math.ceil(runs / 2);
  for (let run = 0; run < half; run++) one(random, run);
  collectGarbage();
  const before = process.memoryUsage().heapUsed;
  for (let run = half; run < runs; run++) one(random, run);
  collectGarbage();
  expect(process.memoryUsage().heapUsed - before).toBeLessThan(16 * 1024 * 1024);
}

function onlyAsn1Errors(octets: Uint8Array, act: () => void): void {
  try {
    act();
  } catch (error) {
    if (error instanceof SimwardError && error.code.startsWith("ASN1_")) return;
    throw new Error(`with ${toHex(octets)}`, { cause: error });
  }
}

const edges = [0x00, 0x01, 0x1f, 0x30, 0x7f, 0x80, 0x81, 0x82, 0x84, 0x88, 0xa0, 0xbf, 0xff];

/** One to four damages: an octet changed, some removed, doubled, or put in from elsewhere. */
function damaged(random: Random, octets: Uint8Array): Uint8Array {
  let out = octets;
  for (let left = 1 + below(random, 4); left > 0; left--) {
    const at = below(random, out.length);
    const to = Math.min(out.length, at + 1 + below(random, 8));
    switch (below(random, 6)) {
      case 0:
        out = out.length === 0 ? out : out.with(at, random.bytes(1)[0] ?? 0);
        break;
      case 1:
        out = out.length === 0 ? out : out.with(at, edges[below(random, edges.length)] ?? 0);
        break;
      case 2:
        out = concatBytes(out.subarray(0, at), out.subarray(to));
        break;
      case 3:
        out = concatBytes(out.subarray(0, to), out.subarray(at));
        break;
      case 4: {
        const other = seeds[below(random, seeds.length)]?.octets ?? out;
        out = concatBytes(out.subarray(0, at), other.subarray(below(random, other.length)), out.subarray(at));
        break;
      }
      default:
        out = concatBytes(out.subarray(0, at), random.bytes(1 + below(random, 6)), out.subarray(at));
    }
  }
  return out.subarray(0, 4_096);
}

/** The same values in other places: TLVs swapped, dropped, repeated or wrapped, lengths right. */
function rearranged(random: Random, octets: Uint8Array): Uint8Array {
  const rebuild = (tlv: Tlv): Uint8Array => {
    if (!isConstructed(tlv.tag)) return rawOf(tlv);
    let parts = childrenOf(tlv).map(rebuild);
    const at = below(random, parts.length + 1);
    const part = parts[at];
    switch (below(random, 12)) {
      case 0:
        parts = parts.toReversed();
        break;
      case 1:
        parts = parts.filter((_, index) => index !== at);
        break;
      case 2:
        if (part !== undefined) parts = [...parts, part];
        break;
      case 3:
        return writeTlv(tlv.tag, writeTlv(tlv.tag, ...parts));
      case 4:
        parts = [...parts.slice(0, at), writeTlv(0xdf21, random.bytes(3)), ...parts.slice(at)];
        break;
      default:
    }
    return writeTlv(tlv.tag, ...parts);
  };
  return rebuild(readOnlyTlv(octets));
}

/** Everything inside, as far as it is made of TLVs, counted: the reader may not see more TLVs than there are octets. */
function countTlvs(octets: Uint8Array): number {
  const left = readTlvs(octets);
  let count = 0;
  for (let tlv = left.pop(); tlv !== undefined; tlv = left.pop()) {
    count++;
    if (!isConstructed(tlv.tag)) continue;
    try {
      for (const child of childrenOf(tlv)) left.push(child);
    } catch (error) {
      if (!(error instanceof SimwardError)) throw error;
    }
  }
  return count;
}

describe(`${runs} inputs each`, () => {
  test("TLV: random octets and damaged messages", () => {
    fuzz(1, (random, run) => {
      const seed = seeds[below(random, seeds.length)]?.octets ?? new Uint8Array(0);
      const octets = run % 2 === 0 ? random.bytes(below(random, 64)) : damaged(random, seed);
      onlyAsn1Errors(octets, () => {
        expect(countTlvs(octets)).toBeLessThanOrEqual(octets.length);
      });
    });
  });

  test("codec: damaged messages by their own type; what is read can be written, and read again the same", () => {
    fuzz(2, (random) => {
      const { type: name, octets: seed } = seeds[below(random, seeds.length)] ?? { type: "Octet1", octets: new Uint8Array(0) };
      const octets = below(random, 3) === 0 ? rearranged(random, seed) : damaged(random, seed);
      const type = typeByName(name);
      onlyAsn1Errors(octets, () => {
        const value = decode(type, octets, { name, lenient: { bareKeyOrCertificate: true } });
        const written = encode(type, value, name, { anyTextSize: true });
        expect(encode(type, decode(type, written, { name }), name, { anyTextSize: true })).toEqual(written);
      });
    });
  });

  test("codec: any message read as any type", () => {
    fuzz(3, (random) => {
      const octets = seeds[below(random, seeds.length)]?.octets ?? new Uint8Array(0);
      const name = names[below(random, names.length)] ?? "";
      onlyAsn1Errors(octets, () => decode(typeByName(name), octets, { name }));
    });
  });

  test("explain: damaged messages; no more nodes than octets", () => {
    fuzz(4, (random) => {
      const seed = seeds[below(random, seeds.length)] ?? { type: "Octet1", octets: new Uint8Array(0) };
      const octets = below(random, 2) === 0 ? rearranged(random, seed.octets) : damaged(random, seed.octets);
      onlyAsn1Errors(octets, () => {
        const nodes = explain(seed.type, octets);
        expect(nodes.length).toBeLessThanOrEqual(octets.length);
        expect(renderTree(nodes).split("\n")).toHaveLength(nodes.length);
      });
    });
  });

  test("guessing a type", () => {
    fuzz(5, (random, run) => {
      // Each input is tried as dozens of types.
      if (run % 20 !== 0) return;
      const octets = damaged(random, seeds[below(random, seeds.length)]?.octets ?? new Uint8Array(0));
      onlyAsn1Errors(octets, () => guessTypes(octets));
    });
  });
});
